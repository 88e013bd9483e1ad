#!/usr/bin/python3
"""Random manifests, sent to a daemon and to the second implementation, which must agree on the tensors.

    tests/http/random_manifests.py HOST:PORT [--seed TEXT] [--from N] [--count N]

Both give the same canonical form and hash, or both refuse. Prints each disagreement as a curl command, and a summary as JSON
in the last line.
"""
import argparse
import collections
import http.client
import json
import random
import shlex
import sys

from random_requests import Maker

from second_implementation import catalogue, manifests
from second_implementation.floats import DTYPES
from second_implementation.refusal import Refusal

LASTS = ("weight", "bias", "scale", "w", "weight_2", "é")
FIRSTS = ("embed", "head", "model/trunk", "x*", "a[1]", "?", "v1.5", "norm")
# INITS: valid for any tensor. BESIDE: need another tensor beside. PICKY: invalid for some tensors.
INITS = ("zeros", "ones", "he_normal", "glorot_uniform", "normal(std=0.02)", " uniform ( -1 , high = 1e-3 )", "truncated_normal(lower=-inf)", "wang_normal(3)",
         "constant(3e1 / sqrt( .5 ) )", "small_normal()", "variance_scaling(2,fan_avg)")
LAYERS = ("wang_normal(layers)", "normal(0.02/sqrt(2*layers))", "constant(value=layers)", "constant(layers*layers)", "constant(block)",
          "normal(0.02/sqrt(2*(block+1)))", "constant((layers - block)*2)", "constant(sqrt(block+1e-1-layers+ -1*-9))", "normal(std=width)")
BESIDE = ("fan_uniform(weight.fan_in)", "constant(weight.fan_out*2/7)", "normal(std=sqrt(2/weight.fan_in)*.5, mean=0)", "constant(sqrt(weight.fan_in/weight.fan_out))")
PICKY = ("eye", "orthogonal", "sparse(.5)", "kaiming_normal(nonlinearity=tanh)", "lstm_bias", "constant(w.fan_in/0)", "constant(1*)", "wang_normal(layers/7)", "constant(sqrt(0-1))",
         "normal(sqrt(4)", "dirac")


class ManifestMaker(Maker):
    def name(self):
        parts = [self.rng.choice(("h", "blocks", "layer")), str(self.rng.choice((0, 1, 2, 11, 1234567890)))]
        if self.chance(0.4):
            parts = [self.rng.choice(FIRSTS)]
        if self.chance(0.6):
            parts.append(self.rng.choice(("attn", "mlp", "ln", "0", "q")))
        if self.chance(0.9):
            parts.append(self.rng.choice(LASTS))
        return self.rng.choice((".", ".", "/")).join(parts)

    def glob(self, names):
        """A pattern that matches, or nearly matches, one of the names."""
        text = ""
        for letter in self.rng.choice(names):
            if self.chance(0.75):
                text += "\\" + letter if letter in "*?[\\" or self.chance(0.03) else letter
                continue
            if self.chance(0.4):
                text += "*"
                if self.chance(0.5):
                    break
                continue
            text += self.rng.choice(("?", "**", "[!z]", "[]x]", "[0-9.]", "[a-z]", "[-a]", "[!a-m]", "[\\]é]", "[é-日]"))
        return text

    def match(self, names):
        if self.chance(0.5):
            return self.glob(names)
        match = {}
        if self.chance(0.5):
            match["name"] = self.glob(names)
        if self.chance(0.5):
            match["rank"] = self.of(lambda: self.rng.randint(0, 4), lambda: sorted((self.rng.randint(0, 8), self.rng.randint(0, 8))))
        if self.chance(0.2):
            match["dtype"] = self.rng.choice((*DTYPES, "half"))
        if self.chance(0.5):
            match["beside"] = self.rng.choice(LASTS)
            if self.chance(0.2):
                match["beside"] = "../" * self.rng.randint(1, 3) + match["beside"]
            if self.chance(0.5):
                match["beside_rank"] = self.of(lambda: self.rng.randint(0, 4), lambda: [1, 3])
            if self.chance(0.3):
                match["beside_shape"] = self.sizes()
        if self.chance(0.3):
            match["shape"] = self.sizes()
        return match

    def sizes(self):
        """Sizes to match."""
        return [self.rng.choice(("*", "n", "n", "m", 2, 3)) for _ in range(self.rng.randint(0, 3))]

    def gives(self, share, beside=False):
        fields = {}
        if self.chance(share):
            usual = [INITS] * 5 + [BESIDE] * 8 * beside + [LAYERS] * self.layered
            fields["init"] = self.object() if self.chance(0.1) else self.rng.choice(PICKY if self.chance(0.02) else self.rng.choice(usual))
        if self.chance(share / 8):
            fields["same_as"] = self.rng.choice(self.names) if self.chance(0.9) else "nothing"
            if self.chance(0.95):
                fields.pop("init", None)
        if self.chance(share / 2):
            fields["dtype"] = self.rng.choice((*DTYPES, "float32", "half"))
        if self.chance(share / 2):
            fields["layout"] = self.rng.choice(("oi", "io"))
        for name in ("in_axis", "out_axis", "batch_axis"):
            if self.chance(share / 60):
                fields[name] = self.of(lambda: self.rng.randint(-2, 1), lambda: [self.rng.randint(0, 1)])
        for name in ("fan_in", "fan_out"):
            if self.chance(share / 8):
                fields[name] = self.rng.randint(1, 99)
        for name in ("zero_rows", "zero_columns"):
            if self.chance(share / 20):
                fields[name] = self.of(lambda: self.rng.randint(-2, 1), lambda: [self.rng.randint(0, 1)])
        return fields

    def object(self):
        entry = self.rng.choice([entry for entry in catalogue.ENTRIES if entry.ranks == (0, 8)])
        given = {parameter.name: self.rng.choice((0.5, 1.0, 3.25, 1e-7)) if parameter.kind == "real" else self.value(parameter)
                 for parameter in entry.parameters if parameter.default is None or (self.chance(0.3) and not parameter.infinite)}
        return {"type": entry.name, **given}

    def manifest(self):
        names = list(dict.fromkeys(self.name() for _ in range(self.rng.randint(1, 9))))
        if self.chance(0.7):  # so that `beside` finds a tensor
            names += [name for name in (manifests.beside(names[0], last) for last in ("weight", "bias")) if name not in names]
        self.rng.shuffle(names)
        shapes = [[self.rng.choice((1, 2, 3, 5, 7, 8, 12)) for _ in range(self.rng.choice((0, 1, 1, 2, 2, 2, 3, 4)))] for _ in names]
        if self.chance(0.3):  # so that tensors can be the same
            shapes = [shapes[0] for _ in names]
        self.names = names
        self.layered = self.chance(0.6)
        manifest = {"tensors": [{"name": name, "shape": shape, **self.gives(0.2)} for name, shape in zip(names, shapes)]}
        matches = [self.match(names) for _ in range(self.rng.randint(0, 6))]
        manifest["rules"] = [{"match": match, **self.gives(0.7, isinstance(match, dict) and match.get("beside") == "weight")} for match in matches]
        for rule in manifest["rules"]:
            if self.chance(0.07):
                rule.update(leave_out=True) if self.chance(0.7) else rule.update(refuse="add a rule")
                if self.chance(0.95):
                    [rule.pop(key, None) for key in ("init", "same_as", "zero_rows", "zero_columns")]
        if self.layered and self.chance(0.9):
            manifest["blocks"] = self.of(lambda: self.rng.choice(("h", "layer")), lambda: ["blocks", "h", "layer", "trunk.q"])
        if self.layered:
            manifest["constants"] = {"width": self.rng.choice((2, 0.25))}
        if self.chance(0.1):
            manifest["leave_out"] = [self.glob(names) for _ in range(self.rng.randint(1, 3))]
        manifest["defaults"] = {"init": self.rng.choice(("zeros", "normal", "constant(3)")), **self.gives(0.2)} if self.chance(0.95) else {}
        if self.chance(0.3):
            manifest["layers"] = self.rng.choice((1, 12, 2 ** 53))
        return {name: value for name, value in manifest.items() if value or self.chance(0.5)}


def ask(connection, method, path, body=None):
    connection.request(method, path, body=body)
    response = connection.getresponse()
    return response.status, response.read().decode()


def difference(connection, body):
    """("kept" or "refused" by the second implementation, how the daemon differs or "")"""
    status, response = ask(connection, "POST", "/v1/manifests", body)
    try:
        expected = manifests.Manifest(body)
    except Refusal as refusal:
        return "refused", "" if 400 <= status < 500 else f"expected a refusal ({refusal}), got {status} {response}"
    if status != 200:
        return "kept", f"expected {expected.canonical}, got {status} {response}"
    kept = ask(connection, "GET", f"/v1/manifests?manifest={json.loads(response)['manifest']}")[1]
    if json.loads(response)["manifest"] != expected.hash.hex() or kept != expected.canonical + "\n":
        return "kept", f"expected {expected.canonical}\n  got {kept}"
    return "kept", ""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    connection = http.client.HTTPConnection(options.address, timeout=60)
    counts = collections.Counter()
    for number in range(options.first, options.first + options.count):
        body = json.dumps(ManifestMaker(random.Random(f"{options.seed}/{number}")).manifest())
        outcome, why = difference(connection, body.encode())
        counts["differ" if why else outcome] += 1
        if why:
            print(f"--seed {options.seed} --from {number} --count 1: {why}\n  curl -s http://{options.address}/v1/manifests -d {shlex.quote(body)}", flush=True)
    print(json.dumps(counts))
    return counts["differ"] != 0


if __name__ == "__main__":
    sys.exit(main())
