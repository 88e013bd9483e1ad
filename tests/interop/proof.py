"""The proof of the recipes: a class of a framework initializes itself, and a recipe must give each of its tensors the same law.

A Case is a class in a small configuration, and the recipe that is meant for it. `build(seed)` makes a fresh object and returns its
Tensors. prove() asks the daemon for the manifest of these names, shapes and dtypes with the recipe. Each tensor ends as

- equal: the recipe gave the law that the class follows (laws.py);
- tied: the class has one tensor under two names, and so has the manifest;
- left out: the recipe has no draw for it, and it is no parameter of the class;
- refused: the recipe gave nothing, and the daemon's sentence says so;
- different: the recipe gave something else. A recipe that does so is wrong.

A manifest is read again with a placeholder for each refused tensor, so that one run finds all of them. If a recipe refuses tensors of a
case, the case has the rules that a user adds; with them nothing is refused, and everything is equal.
"""
import dataclasses
import json
import math
import typing

import numpy

import laws

SEEDS = 4  # of each class at first; more if a law has too few values
TRIALS = 4
LARGEST_SEEDS = 2000
DTYPES = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16"}
READ_AS = {"f64": "<f8", "f32": "<f4", "f16": "<f2"}


@dataclasses.dataclass
class Tensors:
    """What a class has after its initialization: arrays by name; names that are the same tensor as another; names of parameters."""
    values: dict
    same_as: dict = dataclasses.field(default_factory=dict)
    parameters: set = dataclasses.field(default_factory=set)


@dataclasses.dataclass
class Case:
    name: str  # "torch.nn.Linear, without bias"
    package: str  # "torch"
    recipe: str
    build: typing.Callable[[int], Tensors]  # deterministic: the same seed gives the same values
    fields: dict = dataclasses.field(default_factory=dict)  # of the manifest: constants, blocks, layers
    rules: list = dataclasses.field(default_factory=list)  # which a user adds for the tensors that the recipe refuses
    impossible: str = ""  # else why there are no such rules: then the manifest is refused, and all its tensors count as refused
    tolerance: float = 0.0  # of elements that are the same under every seed, where a framework computes a table in f32
    most_seeds: int = LARGEST_SEEDS


@dataclasses.dataclass
class Result:
    case: Case
    equal: list = dataclasses.field(default_factory=list)  # names
    tied: list = dataclasses.field(default_factory=list)
    left_out: list = dataclasses.field(default_factory=list)
    refused: dict = dataclasses.field(default_factory=dict)  # name: sentence
    different: dict = dataclasses.field(default_factory=dict)  # name: sentence
    shapes: dict = dataclasses.field(default_factory=dict)


class Samples:
    """The values of a class under the seeds 0, 1, …; more seeds on demand."""

    def __init__(self, build):
        self.build, self.seeds = build, []
        self.first = self.at_least(SEEDS)[0]

    def at_least(self, count):
        while len(self.seeds) < count:
            self.seeds.append(self.build(len(self.seeds)))
        return self.seeds[:count]

    def of(self, name, count):
        return numpy.stack([tensors.values[name] for tensors in self.at_least(count)])


def entries(tensors):
    """The tensors of a manifest."""
    arrays = {**tensors.values, **{name: tensors.values[target] for name, target in tensors.same_as.items()}}
    found = [{"name": name, "shape": list(array.shape), "dtype": DTYPES[array.dtype.name]} for name, array in arrays.items()]
    return [{**entry, "same_as": tensors.same_as[entry["name"]]} if entry["name"] in tensors.same_as else entry for entry in found]


def refused_name(sentence, names):
    """The tensor that a refusal names, in JSON's quotes."""
    found = [name for name in names if json.dumps(name, ensure_ascii=False) in sentence]
    return max(found, key=len) if found else None


def resolve(sower, case, tensors, rules):
    """(the canonical tensors by name, the refusals by name) of the class's manifest."""
    manifest = {"tensors": entries(tensors), "recipe": case.recipe, "rules": rules, **case.fields}
    waiting = {entry["name"]: entry for entry in manifest["tensors"]}
    refused = {}
    while True:
        status, _, body = sower.exchange("POST", "/v1/manifests", json.dumps(manifest))
        answer = json.loads(body)
        if status == 200:
            _, _, text = sower.exchange("GET", f"/v1/manifests?manifest={answer['manifest']}")
            return {entry["name"]: entry for entry in json.loads(text)["tensors"] if entry["name"] not in refused}, refused
        assert status in (400, 422), answer
        name = refused_name(answer["detail"], waiting)
        if name is None:
            return {}, {entry["name"]: answer["detail"] for entry in manifest["tensors"]}
        refused[name] = answer["detail"]
        waiting.pop(name)["init"] = "zeros"


def draw(sower, canonical):
    """The daemon's values, an array (trials, *shape) for each tensor."""
    trials = []
    for trial in range(TRIALS):
        body = sower.post("/v1/model", {"experiment": "proof", "trial": trial, "tensors": list(canonical.values())})
        length = int.from_bytes(body[:8], "little")
        header, data = json.loads(body[8 : 8 + length]), body[8 + length :]
        trials.append({name: data[slice(*header[name]["data_offsets"])] for name in canonical})
    return {name: numpy.stack([array_of(trial[name], entry) for trial in trials]) for name, entry in canonical.items()}


def array_of(data, entry):
    if entry["dtype"] == "bf16":
        return (numpy.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(entry["shape"])
    return numpy.frombuffer(data, READ_AS[entry["dtype"]]).reshape(entry["shape"])


def groups_of(plans):
    """Names of tensors that have the same law: lists, by law."""
    groups = {}
    for name, plan in plans.items():
        if laws.law_of(plan) is not None:
            key = tuple(plan[field] for field in ("init", "mean_expected", "std", "limit", "low", "high"))
            groups.setdefault(key, []).append(name)
    return groups


def seeds_needed(case, values, groups, plans):
    """How many seeds each tensor needs, so that its law has enough values together with the other tensors of the same law. Tensors
    that are copies of each other (PyTorch clones the layers of an encoder) count once."""
    needed = {}
    for names in groups.values():
        copies = {values[name].tobytes() for name in names}
        count = sum(len(copy) for copy in copies) // values[names[0]].itemsize
        enough = laws.ENOUGH[laws.law_of(plans[names[0]]).kind]
        for name in names:
            needed[name] = max(SEEDS, math.ceil(enough / max(count, 1)))
            assert needed[name] <= case.most_seeds, f"{case.name}: {name} has too few values for a proof; use a larger configuration"
    return needed


def difference_of_group(names, samples, needed, law):
    """The tensors of the same law together: each may have too few values alone."""
    copies = {}
    for name in names:
        values = samples.of(name, needed[name])
        random = ~laws.constants(values)[0]
        copies[values.tobytes()] = law.distribution(values[:, random]).ravel()
    u = numpy.concatenate(list(copies.values()))
    return laws.improbable(u) if u.size else None


def prove(sower, case, samples, rules=()):
    """The Result of a case, with these rules before those of the recipe."""
    tensors = samples.first
    result = Result(case, shapes={name: list(array.shape) for name, array in tensors.values.items()})
    canonical, result.refused = resolve(sower, case, tensors, list(rules))
    if case.impossible and result.refused:
        sentence = next(iter(result.refused.values()))
        result.refused = {name: result.refused.get(name, sentence) for name in tensors.values}
        return result
    for name in [name for name, entry in canonical.items() if "same_as" in entry]:
        target = canonical.pop(name)["same_as"]
        if tensors.same_as.get(name) == target:
            result.tied.append(name)
        else:
            result.different[name] = f"the recipe ties it to {target}"
    for name in tensors.values:
        if name not in canonical and name not in result.different and name not in result.refused:
            if name in tensors.parameters:
                result.different[name] = "it is a parameter, and the recipe leaves it out"
            else:
                result.left_out.append(name)
    if not canonical:
        return result
    ours = draw(sower, canonical)
    plans = {name: json.loads(sower.post("/v1/plan", {**entry, "experiment": "proof"})) for name, entry in canonical.items()}
    groups = groups_of(plans)
    needed = seeds_needed(case, tensors.values, groups, plans)
    for name, plan in plans.items():
        theirs = samples.of(name, needed.get(name, SEEDS))
        sentence = laws.difference(theirs, ours[name], plan, case.tolerance)
        if sentence is not None:
            result.different[name] = f"{plan['init']}: {sentence}"
    for names in groups.values():
        alike = [name for name in names if name not in result.different]
        sentence = difference_of_group(alike, samples, needed, laws.law_of(plans[names[0]])) if alike else None
        if sentence is not None:
            result.different.update({name: f"{plans[name]['init']}, with others of this law: {sentence}" for name in alike})
    result.equal = [name for name in canonical if name not in result.different]
    return result
