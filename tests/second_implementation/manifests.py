"""Section 14: manifests. Rules, globs and formulas give a list of tensors, which has one canonical form."""
import collections
import math
import re

from . import requests
from .expressions import NUMBER, shortest
from .formats import compact, count
from .refusal import Refusal
from .seeds import PUBLIC_ROOT, blake2b

GIVEN = ("init", "dtype", "layout", "in_axis", "out_axis", "batch_axis", "fan_in", "fan_out", "zero_rows", "zero_columns")
ORIGINS = ("init", "same_as", "leave_out", "refuse")  # where the elements come from: a tensor has one of them


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

def parent(name):
    """The name without its last component."""
    return name[:max(name.rfind("."), name.rfind("/")) + 1]


def beside(name, path):
    """The name to which a path leads, or None."""
    start = parent(name)
    while path.startswith("../") and len(path) > 3:
        if not start:
            return None
        start, path = parent(start[:-1]), path[3:]
    return start + path


def place(name, lists):
    """The tower and the block of a name, or None."""
    for start in [0] + [at + 1 for at, c in enumerate(name) if c in "./"]:
        for path in lists:
            pattern = "[./]".join(map(re.escape, path.split(".")))
            if found := re.compile(rf"({pattern})[./]([0-9]{{1,9}})(?=[./]|\Z)").match(name, start):
                return name[:found.end(1)], int(found[2])
    return None


class Manifest:
    def __init__(self, body):
        top = requests.read_object(body)
        self.own = {tensor["name"]: tensor for tensor in top["tensors"]}
        self.rules, self.defaults = top.get("rules", []), top.get("defaults", {})
        lists = [top["blocks"]] if isinstance(top.get("blocks"), str) else top.get("blocks", [])
        if not all(all(path.split(".")) and "/" not in path for path in lists):
            refuse("a list has an empty component or a slash", "blocks")
        self.places = {name: place(name, lists) for name in self.own}
        self.layers, self.constants, self.globs = top.get("layers"), top.get("constants", {}), top.get("leave_out", [])
        self.matched, self.useful, self.shadows = collections.Counter(), set(), {}
        kept = [name for name in self.own if not any(matches(glob, name) for glob in self.globs)]
        for giver in (*self.rules, *(self.own[name] for name in kept), self.defaults):
            origins = giver.keys() & set(ORIGINS)
            if giver.get("refuse") == "":
                refuse("an empty sentence", "rules")
            if len(origins) > 1 or (origins and origins != {"init"} and giver.keys() & {"zero_rows", "zero_columns"}):
                refuse("two fields contradict each other")
        given = {name: self.fields(name, judge=True) for name in kept}
        for name, fields in given.items():
            if "refuse" in fields:
                refuse(f"{name}: {fields['refuse']}", status=422)
        self.left_out = [name for name in self.own if name not in given or "leave_out" in given[name]]
        given = {name: fields for name, fields in given.items() if name not in self.left_out}
        if not given:
            refuse("all tensors are left out", status=422)
        drawn = {name: self.request({**fields, "init": self.expanded(name, fields)}) for name, fields in given.items() if "same_as" not in fields}
        self.tensors = list(drawn.values())
        for number in self.matched.keys() - self.useful:
            by = self.shadows[number]
            if self.matched[by] > self.matched[number] or self.rules[by]["match"] == self.rules[number]["match"]:
                refuse(f"rule {number + 1} is shadowed", "rules", 422)
        self.ties = {name: self.tied(name, given, drawn) for name in given if name not in drawn}
        self.names = list(given)
        self.canonical = '{"tensors":[' + ",".join(compact(self.canonical_entry(name, drawn)) for name in given) + "]}"
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

    def fields(self, name, judge=False):
        """All fields of a tensor, from itself, the rules and the defaults. `judge`: notes which rules have an effect."""
        fields, own, before = {}, set(map(slot, self.own[name])), []
        for number, giver in ((None, self.own[name]), *self.matching(name), (None, self.defaults)):
            has_origin = bool(fields.keys() & set(ORIGINS))
            added = {key: value for key, value in giver.items()
                     if key != "match" and (not has_origin if key in ORIGINS else key not in fields)}
            if judge and number is not None:
                slots = set(map(slot, giver)) - {"match"}
                self.matched[number] += 1
                if added or own & slots or not slots:
                    self.useful.add(number)
                elif number not in self.shadows:
                    self.shadows[number] = next(earlier for earlier in before if slots & set(map(slot, self.rules[earlier])))
                before.append(number)
            fields.update(added)
        if judge and not fields.keys() & set(ORIGINS):
            refuse(f"{name} has no init")
        return fields

    def matching(self, name):
        """The rules that match a tensor, in their order."""
        for number, rule in enumerate(self.rules):
            if self.holds(rule["match"], name):
                yield number, rule

    def holds(self, match, name):
        if isinstance(match, str):
            return matches(match, name)
        own = self.own[name]
        neighbour = self.own.get(beside(name, match.get("beside", "")))
        dtype = requests.DTYPE_NAMES[own.get("dtype", self.defaults.get("dtype", "f32"))]
        letters = {}
        return ((matches(match["name"], name) if "name" in match else True)
                and ranked(match.get("rank"), own) and shaped(match.get("shape"), own, letters)
                and ("dtype" not in match or requests.DTYPE_NAMES[match["dtype"]] == dtype)
                and ("beside" not in match or (neighbour is not None and neighbour is not own and ranked(match.get("beside_rank"), neighbour)
                                               and shaped(match.get("beside_shape"), neighbour, letters))))

    def request(self, fields, experiment="-", trial=0, root=PUBLIC_ROOT):
        try:
            return requests.Request({**fields, "experiment": experiment, "trial": trial}, requests.JsonReader(), root)
        except Refusal as refusal:
            of_zeros = refusal.param in ("zero_rows", "zero_columns")  # they may come from a rule or from the defaults
            raise Refusal("tensors", refusal.why, 422 if of_zeros else refusal.status) from refusal

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
        if (not re.search(r"[*/(]", plain) and plain not in ("layers", "block", *self.constants)
                and not re.search(r".\.fan_(in|out)$", plain)):
            return text
        result = Formula(plain, lambda word: self.term(word, name)).value
        return before + equals + (str(int(result)) if 0 <= result <= 2 ** 53 and result == math.floor(result) else shortest(result))

    def count(self, word, name):
        """The number of layers of a tensor's tower, or the number of its block."""
        if word == "layers" and self.layers:
            return self.layers
        if self.places[name] is None:
            refuse(f"{name} is in no list of blocks", status=422)
        tower, block = self.places[name]
        return block if word == "block" else 1 + max(there[1] for there in self.places.values() if there and there[0] == tower)

    def term(self, word, name):
        if word in self.constants:
            return float(self.constants[word])
        if word in ("layers", "block"):
            return float(self.count(word, name))
        part, dot, fan = word.rpartition(".")
        neighbour = beside(name, part)
        if fan not in ("fan_in", "fan_out") or neighbour not in self.own:
            refuse(f"{word} is unknown")
        request = self.request(without_draw(self.fields(neighbour)))
        return float(max(request.draw.tensor.fans[fan == "fan_out"], 1))


class Formula:
    def __init__(self, text, term):
        self.text, self.at, self.depth, self.term = text, 0, 0, term
        self.value = self.product()
        if self.peek() or not math.isfinite(self.value):
            refuse("not a formula")

    def peek(self):
        while self.text[self.at:self.at + 1] == " ":
            self.at += 1
        return self.text[self.at:self.at + 1]

    def take(self, symbol):
        taken = self.peek() == symbol
        self.at += taken
        return taken

    def word(self):
        self.peek()
        begin = self.at
        while self.text.startswith("../", self.at):
            self.at += 3
        while self.at < len(self.text) and self.text[self.at] not in " */()" and not self.is_operator(begin):
            self.at += 1
        return self.text[begin:self.at]

    def is_operator(self, begin):
        """Whether the letter is a sign inside of parentheses that does not belong to the word."""
        exponent = self.at > begin + 1 and self.text[self.at - 1] in "eE" and self.text[begin] in "0123456789.+-"
        return self.depth > 0 and self.text[self.at] in "+-" and self.at > begin and not exponent

    def total(self):
        """A sum, after its opening parenthesis."""
        self.depth += 1
        if self.depth > 16:
            refuse("too many parentheses")
        value = self.product()
        while self.peek() in ("+", "-"):
            if self.take("+"):
                value += self.product()
            else:
                self.take("-")
                value -= self.product()
        self.depth -= 1
        if not self.take(")"):
            refuse("no parenthesis")
        return value

    def product(self):
        value = self.factor()
        while self.peek() in ("*", "/"):
            if self.take("*"):
                value *= self.factor()
            else:
                self.take("/")
                value = quotient(value, self.factor())
        return value

    def factor(self):
        if self.take("("):
            return self.total()
        word = self.word()
        if NUMBER.fullmatch(word):
            return float(word)
        if word != "sqrt":
            return self.term(word)
        if not self.take("("):
            refuse("no parenthesis")
        value = self.total()
        return math.sqrt(value) if value >= 0 else math.nan


def quotient(a, b):
    return a / b if b != 0 else math.nan if a == 0 else math.copysign(math.inf, a) * math.copysign(1, b)


def ranked(wanted, tensor):
    least, most = wanted if isinstance(wanted, list) else (0, 8) if wanted is None else (wanted, wanted)
    return least <= len(tensor["shape"]) <= most


def shaped(wanted, tensor, letters):
    """Whether the shape fits. Sets the letters that have no size yet."""
    sizes = tensor["shape"]
    return wanted is None or (len(wanted) == len(sizes) and all(
        axis == "*" or size == (letters.setdefault(axis, size) if isinstance(axis, str) else axis) for axis, size in zip(wanted, sizes)))


def slot(key):
    """The field, where all origins are one field."""
    return "origin" if key in ORIGINS else key


def without_draw(fields):
    """The fields with the initializer zeros, for what does not depend on the draw."""
    return {**{key: value for key, value in fields.items() if key not in ("same_as", "leave_out", "refuse", "zero_rows", "zero_columns")}, "init": "zeros"}


def canonical_tensor(request):
    """The members of a tensor in the canonical form, in their order."""
    members = {"batch_axis": request.batch_axes, "dtype": request.dtype, "fan_in": request.fan_in, "fan_out": request.fan_out,
               "in_axis": request.in_axes, "init": str(request.initializer), "layout": request.layout, "name": request.name,
               "out_axis": request.out_axes, "shape": request.shape, "zero_columns": request.zero_columns, "zero_rows": request.zero_rows}
    return {name: value for name, value in members.items() if value is not None}


def size(request):
    """The bytes of a whole tensor."""
    return count(request.shape) * request.draw.tensor.dtype.size
