"""The classes that recipes are compared with: a module for each group of packages, with a list CASES (proof.py).

A module imports its packages at its top; without them, its comparisons are skipped with a message. The order of MODULES is that of
docs/compared-with.md."""
import importlib

MODULES = ["torch", "keras", "flax", "huggingface", "vision", "timm", "diffusers", "torchtitan"]


def load():
    """(the cases, {module: why it cannot be imported})"""
    cases, missing = [], {}
    for name in MODULES:
        try:
            cases += importlib.import_module(f"classes.{name}").CASES
        except ImportError as error:
            missing[name] = str(error)
    return cases, missing


def of(name):
    """The cases of one module; none if it cannot be imported."""
    assert name in MODULES, name
    try:
        return importlib.import_module(f"classes.{name}").CASES
    except ImportError:
        return []
