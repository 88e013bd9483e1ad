"""Section 9, expressions: an initializer as text or as an object, and its canonical expression."""
import math
import re

from .frameworks import NAMES
from .refusal import Refusal

SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*|[+-]?[0-9.][0-9A-Za-z.+-]*|[+-]inf|[(),=]")
NUMBER = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
WHOLE = re.compile(r"0|-?[1-9][0-9]*")
INFINITIES = {"inf": math.inf, "+inf": math.inf, "-inf": -math.inf}


class Initializer:
    def __init__(self, name):
        if name not in NAMES:
            raise Refusal("init", f"there is no initializer {name!r}")
        self.signature, self.given = NAMES[name], {}
        self.entry = self.signature.entry

    def parameter(self, name):
        for parameter in self.signature.parameters:
            if parameter.name == name:
                return parameter
        raise Refusal("init", f"there is no parameter {name!r}")

    def set(self, parameter, value):
        if parameter.name in self.given:
            raise Refusal("init", f"{parameter.name} is given twice")
        self.given[parameter.name] = parameter.check(value)

    def finish(self):
        self.values = dict(self.signature.values)
        for parameter in self.signature.parameters:
            if parameter.name not in self.given and parameter.default is None:
                raise Refusal("init", f"{parameter.name} is missing")
            if parameter.name in self.given:
                value = self.given[parameter.name]
                self.values[self.signature.targets[parameter.name]] = self.signature.words.get(value, value)
        return self

    def __str__(self):
        """The canonical expression."""
        parts = [f"{p.name}={written(p, self.values[p.name])}" for p in self.entry.parameters if p.is_written(self.values[p.name])]
        return self.entry.name + ("(" + ",".join(parts) + ")" if parts else "")


def symbols(text):
    found, at = [], 0
    while True:
        while at < len(text) and text[at] == " ":
            at += 1
        if at == len(text):
            return found
        match = SYMBOL.match(text, at)
        if not match:
            raise Refusal("init", f"unexpected text at {at}")
        found.append(match.group())
        at = match.end()


def parse(text):
    if len(text.encode()) > 1024:
        raise Refusal("init", "the expression is too long")
    rest = symbols(text)
    if not rest or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", rest[0]):
        raise Refusal("init", "no name")
    initializer = Initializer(rest.pop(0))
    if rest:
        arguments(initializer, rest)
    return initializer.finish()


def arguments(initializer, rest):
    if rest.pop(0) != "(" or not rest or rest.pop() != ")":
        raise Refusal("init", "unbalanced")
    if not rest:
        return
    groups = [[]]
    for symbol in rest:
        if symbol == ",":
            groups.append([])
        else:
            groups[-1].append(symbol)
    named = False
    for position, group in enumerate(groups):
        if len(group) == 3 and group[1] == "=":
            named = True
            parameter = initializer.parameter(group[0])
        elif len(group) == 1 and not named and position < len(initializer.signature.parameters):
            parameter = initializer.signature.parameters[position]
        else:
            raise Refusal("init", "no argument")
        initializer.set(parameter, read(parameter, group[-1]))


def read(parameter, word):
    """The value of a word of an expression, for this parameter."""
    if parameter.kind == "real" and word in INFINITIES:
        return INFINITIES[word]
    if parameter.kind == "real" and NUMBER.fullmatch(word):
        number = float(word)
        if math.isinf(number):
            raise Refusal("init", f"{word} is beyond the range of doubles")
        return number
    if parameter.kind == "whole" and WHOLE.fullmatch(word):
        return int(word)
    if parameter.kind == "boolean" and word in ("true", "false"):
        return word == "true"
    if parameter.kind == "choice" and word in parameter.choices:
        return word
    raise Refusal("init", f"{parameter.name} cannot be {word!r}")


def from_object(members):
    """An initializer from the members of a JSON object."""
    if not isinstance(members.get("type"), str):
        raise Refusal("init", "no type")
    initializer = Initializer(members["type"])
    for name, value in members.items():
        if name == "type":
            continue
        parameter = initializer.parameter(name)
        initializer.set(parameter, from_json(parameter, value))
    return initializer.finish()


def from_json(parameter, value):
    kind = type(value)
    if parameter.kind == "real" and kind in (int, float):
        return float(value)
    if parameter.kind == "real" and kind is str and value in ("inf", "-inf"):
        return INFINITIES[value]
    if parameter.kind == "whole" and kind is int:
        return value
    if parameter.kind == "boolean" and kind is bool:
        return value
    if parameter.kind == "choice" and kind is str and value in parameter.choices:
        return value
    raise Refusal("init", f"{parameter.name} cannot be {value!r}")


def written(parameter, value):
    if parameter.kind == "real":
        return shortest(value)
    if parameter.kind == "whole":
        return str(int(value))
    if parameter.kind == "boolean":
        return "true" if value else "false"
    return value


def shortest(x):
    """Section 14: the least number of digits with which %g reads back; whole numbers below 10^15 without point or exponent."""
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    if abs(x) < 1e15 and x == math.floor(x):
        return str(int(x))
    for digits in range(1, 18):
        text = f"{x:.{digits}g}"
        if float(text) == x:
            return text
