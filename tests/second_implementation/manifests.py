"""Section 14: manifests. Rules, globs and formulas give a list of tensors, which has one canonical form."""
import math
import re

from . import requests
from .expressions import NUMBER, shortest
from .formats import compact, count
from .refusal import Refusal
from .seeds import PUBLIC_ROOT, blake2b

GIVEN = ("init", "dtype", "layout", "in_axis", "out_axis", "batch_axis", "fan_in", "fan_out", "zero_rows", "zero_columns")
DRAWS = {"init", "same_as"}  # a tensor has one of them


def refuse(why, param="tensors", status=400):
    raise Refusal(param, why, status)


# Globs

def elements(pattern):
    """The elements of a glob: None for a star, else a function that says whether it matches a character."""
    found, at = [], 0
    while at < len(pattern):
        letter = pattern[at]
        at += 1
        if letter == "*":
            found.append(None)
        elif letter == "?":
            found.append(lambda c: True)
        elif letter == "[":
            taker, at = character_set(pattern, at)
            found.append(taker)
        else:
            if letter == "\\":
                if at == len(pattern):
                    refuse("a pattern ends in a backslash")
                letter = pattern[at]
                at += 1
            found.append(letter.__eq__)
    return found


def character_set(pattern, at):
    negated = pattern[at:at + 1] == "!"
    at += negated
    ranges, first = [], at

    def letter():
        nonlocal at
        at += pattern[at] == "\\" and at + 1 < len(pattern)
        at += 1
        return pattern[at - 1]

    while at < len(pattern) and (pattern[at] != "]" or at == first):
        low = high = letter()
        if pattern[at:at + 1] == "-" and pattern[at + 1:at + 2] not in ("]", ""):
            at += 1
            high = letter()
        ranges.append((low, high))
    if at == len(pattern):
        refuse("a pattern has a [ without a ]")
    return (lambda c: any(low <= c <= high for low, high in ranges) != negated), at + 1


def matches(pattern, name):
    """Whether the glob matches the whole name."""
    reached = {0}  # how many elements of the glob the name so far can match; several numbers are possible
    parts = elements(pattern)

    def with_stars(places):
        for place in sorted(places):
            while place < len(parts) and parts[place] is None:
                place += 1
                places = places | {place}
        return places

    reached = with_stars(reached)
    for c in name:
        reached = with_stars({place if parts[place] is None else place + 1
                              for place in reached if place < len(parts) and (parts[place] is None or parts[place](c))})
    return len(parts) in reached


# Names

def beside(name, part):
    """The name with `part` in place of its last component."""
    return name[:max(name.rfind("."), name.rfind("/")) + 1] + part


def block_number(name):
    for part in re.split(r"[./]", name):
        if re.fullmatch(r"[0-9]{1,9}", part):
            return int(part)
    return None


class Manifest:
    def __init__(self, body):
        top = requests.read_object(body)
        self.own = {tensor["name"]: tensor for tensor in top["tensors"]}
        self.rules, self.defaults = top.get("rules", []), top.get("defaults", {})
        numbers = [number for number in map(block_number, self.own) if number is not None]
        self.layers = top.get("layers") or (max(numbers) + 1 if numbers else None)
        self.matched = set()
        if any("same_as" in giver and giver.keys() & {"init", "zero_rows", "zero_columns"} for giver in (*self.rules, *self.own.values(), self.defaults)):
            refuse("same_as and a field of a draw are given in one place")
        given = {name: self.fields(name) for name in self.own}
        drawn = {name: self.request({**fields, "init": self.expanded(name, fields)}) for name, fields in given.items() if "same_as" not in fields}
        self.tensors = list(drawn.values())
        self.ties = {name: self.tied(name, given, drawn) for name in self.own if name not in drawn}
        self.canonical = '{"tensors":[' + ",".join(compact(self.canonical_entry(name, drawn)) for name in self.own) + "]}"
        self.hash = blake2b(self.canonical.encode())

    def canonical_entry(self, name, drawn):
        if name in drawn:
            return canonical_tensor(drawn[name])
        return {"name": name, "same_as": self.ties[name], "shape": drawn[self.ties[name]].shape}

    def tied(self, name, given, drawn):
        """The last tensor of the chain that begins with a tied tensor, which must fit it."""
        self.request({**without_draw(given[name]), "dtype": self.own[name].get("dtype", "f8_e4m3")})
        chain = [name]
        while chain[-1] not in drawn:
            other = given[chain[-1]]["same_as"]
            if other in chain or other not in given:
                refuse(f"the same_as of {chain[-1]} leads in a circle or to no tensor", status=422)
            chain.append(other)
        last, own = drawn[chain[-1]], self.own[name]
        if name == "format" or name.startswith("sower.") or own["shape"] != last.shape or requests.DTYPE_NAMES[own.get("dtype", last.dtype)] != last.dtype:
            refuse(f"{name} cannot be the same as {chain[-1]}", status=422)
        return chain[-1]

    def fields(self, name):
        """All fields of a tensor, from itself, the rules and the defaults."""
        fields = {}
        for giver in (self.own[name], *self.matching(name), self.defaults):
            draws = () if fields.keys() & DRAWS else DRAWS
            fields.update({key: value for key, value in giver.items() if key in draws or (key not in DRAWS and key not in fields)})
        fields.pop("match", None)
        if not fields.keys() & DRAWS:
            refuse(f"{name} has no init")
        return fields

    def matching(self, name):
        """The rules that match a tensor, in their order."""
        for number, rule in enumerate(self.rules):
            if self.holds(rule["match"], name):
                self.matched.add(number)
                yield rule

    def holds(self, match, name):
        if isinstance(match, str):
            return matches(match, name)
        own = self.own[name]
        neighbour = self.own.get(beside(name, match.get("beside", "")))
        dtype = requests.DTYPE_NAMES[own.get("dtype", self.defaults.get("dtype", "f32"))]
        return ((matches(match["name"], name) if "name" in match else True)
                and ranked(match.get("rank"), own)
                and ("dtype" not in match or requests.DTYPE_NAMES[match["dtype"]] == dtype)
                and ("beside" not in match or (neighbour is not None and neighbour is not own and ranked(match.get("beside_rank"), neighbour))))

    def request(self, fields, experiment="-", trial=0, root=PUBLIC_ROOT):
        return requests.Request({**fields, "experiment": experiment, "trial": trial}, requests.JsonReader(), root)

    # Formulas

    def expanded(self, name, fields):
        """The initializer with numbers in place of its formulas."""
        init = fields["init"]
        if not isinstance(init, str) or "(" not in init:
            return init
        begin = init.index("(") + 1
        text, depth, start = init[:begin], 0, begin
        for at in range(begin, len(init)):
            if depth == 0 and init[at] in ",)":
                text += self.argument(init[start:at], name) + init[at]
                start = at + 1
            depth += (init[at] == "(") - (init[at] == ")")
            if depth < 0:
                return text + init[at + 1:]
        return text

    def argument(self, text, name):
        before, equals, value = text.rpartition("=")
        plain = value.strip(" ")
        if not re.search(r"[*/(]", plain) and plain != "layers" and not re.search(r".\.fan_(in|out)$", plain):
            return text
        result = Formula(plain, lambda word: self.term(word, name)).value
        return before + equals + (str(int(result)) if 0 <= result <= 2 ** 53 and result == math.floor(result) else shortest(result))

    def term(self, word, name):
        if word == "layers" and self.layers:
            return float(self.layers)
        part, dot, fan = word.rpartition(".")
        neighbour = beside(name, part)
        if fan not in ("fan_in", "fan_out") or neighbour not in self.own:
            refuse(f"{word} is unknown")
        request = self.request(without_draw(self.fields(neighbour)))
        return float(max(request.draw.tensor.fans[fan == "fan_out"], 1))


class Formula:
    def __init__(self, text, term):
        self.symbols = re.findall(r"[*/()]|[^*/() ]+", text)
        self.term = term
        self.value = self.product()
        if self.symbols or not math.isfinite(self.value):
            refuse("not a formula")

    def product(self):
        value = self.factor()
        while self.symbols and self.symbols[0] in "*/":
            if self.symbols.pop(0) == "*":
                value *= self.factor()
            else:
                value = quotient(value, self.factor())
        return value

    def factor(self):
        symbol = self.symbols.pop(0) if self.symbols else refuse("a formula ends early")
        if NUMBER.fullmatch(symbol):
            return float(symbol)
        if symbol != "sqrt":
            return self.term(symbol)
        if self.symbols[:1] != ["("]:
            refuse("no parenthesis")
        del self.symbols[0]
        value = self.product()
        if self.symbols[:1] != [")"]:
            refuse("no parenthesis")
        del self.symbols[0]
        return math.sqrt(value) if value >= 0 else math.nan


def quotient(a, b):
    return a / b if b != 0 else math.nan if a == 0 else math.copysign(math.inf, a) * math.copysign(1, b)


def ranked(wanted, tensor):
    least, most = wanted if isinstance(wanted, list) else (0, 8) if wanted is None else (wanted, wanted)
    return least <= len(tensor["shape"]) <= most


def without_draw(fields):
    """The fields with the initializer zeros, for what does not depend on the draw."""
    return {**{key: value for key, value in fields.items() if key not in ("same_as", "zero_rows", "zero_columns")}, "init": "zeros"}


def canonical_tensor(request):
    """The members of a tensor in the canonical form, in their order."""
    members = {"batch_axis": request.batch_axes, "dtype": request.dtype, "fan_in": request.fan_in, "fan_out": request.fan_out,
               "in_axis": request.in_axes, "init": str(request.initializer), "layout": request.layout, "name": request.name,
               "out_axis": request.out_axes, "shape": request.shape, "zero_columns": request.zero_columns, "zero_rows": request.zero_rows}
    return {name: value for name, value in members.items() if value is not None}


def size(request):
    """The bytes of a whole tensor."""
    return count(request.shape) * request.draw.tensor.dtype.size
