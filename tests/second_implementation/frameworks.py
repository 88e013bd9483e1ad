"""Section 7, the frameworks' names: each has its framework's parameters, in its order and with its defaults.

A parameter is (its name, the entry's, default); a default of ... is the entry's, and None means required. Without a name of its
own it cannot be given.
"""
import dataclasses

from . import catalogue

GAIN = ("gain", "gain", 1.0)
MEAN = ("mean", "mean", 0.0)
KAIMING = (("a", "a", 0.0), ("mode", "mode", ...), ("nonlinearity", "nonlinearity", ...))

TORCH = {
    "zeros": ("zeros",), "ones": ("ones",), "constant": ("constant", ("val", "value", None)), "uniform": ("uniform", ("a", "low", 0.0), ("b", "high", 1.0)),
    "normal": ("normal", MEAN, ("std", "std", 1.0)), "eye": ("identity", (None, "gain", 1.0)), "dirac": ("dirac", ("groups", "groups", 1.0)),
    "trunc_normal": ("trunc_normal", MEAN, ("std", "std", 1.0), ("a", "a", -2.0), ("b", "b", 2.0)),
    "xavier_uniform": ("xavier_uniform", GAIN), "xavier_normal": ("xavier_normal", GAIN), "kaiming_uniform": ("kaiming_uniform", *KAIMING),
    "kaiming_normal": ("kaiming_normal", *KAIMING), "orthogonal": ("orthogonal", GAIN), "sparse": ("sparse", ("sparsity", "sparsity", None), ("std", "std", 0.01)),
}
KERAS = {
    "Zeros": ("zeros",), "Ones": ("ones",), "Constant": ("constant", ("value", "value", 0.0)),
    "RandomUniform": ("uniform", ("minval", "low", -0.05), ("maxval", "high", 0.05)), "RandomNormal": ("normal", MEAN, ("stddev", "std", 0.05)),
    "TruncatedNormal": ("truncated_normal", MEAN, ("stddev", "std", 0.05), (None, "lower", -2.0), (None, "upper", 2.0)),
    "VarianceScaling": ("variance_scaling", ("scale", "scale", 1.0), ("mode", "mode", ...), ("distribution", "distribution", ...)),
    "GlorotUniform": ("glorot_uniform",), "GlorotNormal": ("glorot_normal",), "HeUniform": ("he_uniform",), "HeNormal": ("he_normal",),
    "LecunUniform": ("lecun_uniform",), "LecunNormal": ("lecun_normal",), "Orthogonal": ("orthogonal", GAIN), "Identity": ("identity", GAIN),
}
KERAS_OTHERS = {"OrthogonalInitializer": "Orthogonal", "IdentityInitializer": "Identity", "random_uniform": "RandomUniform", "random_normal": "RandomNormal"}
KERAS_INSIDE = {"zeros": "Zeros", "ones": "Ones", "constant": "Constant", "truncated_normal": "TruncatedNormal", "variance_scaling": "VarianceScaling",
                "glorot_uniform": "GlorotUniform", "glorot_normal": "GlorotNormal", "he_uniform": "HeUniform", "he_normal": "HeNormal",
                "lecun_uniform": "LecunUniform", "lecun_normal": "LecunNormal", "orthogonal": "Orthogonal", "identity": "Identity"}
JAX_DISTRIBUTIONS = {"truncated_normal": "truncated_normal", "normal": "untruncated_normal", "uniform": "uniform"}
JAX = {
    "zeros": ("zeros",), "ones": ("ones",), "constant": ("constant", ("value", "value", None)), "uniform": ("uniform", ("scale", "high", 0.01), (None, "low", 0.0)),
    "normal": ("normal", ("stddev", "std", 0.01), (None, "mean", 0.0)),
    "truncated_normal": ("truncated_normal", ("stddev", "std", 0.01), ("lower", "lower", -2.0), ("upper", "upper", 2.0), (None, "mean", 0.0)),
    "variance_scaling": ("variance_scaling", ("scale", "scale", None), ("mode", "mode", None), ("distribution", "distribution", None)),
    "glorot_uniform": ("glorot_uniform",), "xavier_uniform": ("glorot_uniform",), "glorot_normal": ("glorot_normal",), "xavier_normal": ("glorot_normal",),
    "he_uniform": ("he_uniform",), "kaiming_uniform": ("he_uniform",), "he_normal": ("he_normal",), "kaiming_normal": ("he_normal",),
    "lecun_uniform": ("lecun_uniform",), "lecun_normal": ("lecun_normal",), "orthogonal": ("orthogonal", ("scale", "gain", 1.0)),
    "delta_orthogonal": ("delta_orthogonal", ("scale", "gain", 1.0)),
}


class Signature:
    """A name's parameters: those of the entry, under the name's own names. `targets` has the entry's, `values` its defaults."""

    def __init__(self, entry, renamed=None, words=None):
        self.entry, self.words = entry, words or {}
        own = {parameter.name: parameter for parameter in entry.parameters}
        self.values = {name: parameter.default for name, parameter in own.items()}
        if renamed is None:
            renamed = [(name, name, parameter.default) for name, parameter in own.items()]
        self.parameters, self.targets = [], {}
        for name, target, default in renamed:
            default = own[target].default if default is ... else default
            self.values[target] = default
            if name is not None:
                self.parameters.append(dataclasses.replace(own[target], name=name, default=default))
                self.targets[name] = target
        if self.words:
            self.parameters = [dataclasses.replace(p, choices=tuple(self.words)) if p.name == "distribution" else p for p in self.parameters]


def foreign(row, words=None):
    return Signature(catalogue.NAMES[row[0]], row[1:], words)


def every_name():
    names = {name: Signature(entry) for name, entry in catalogue.NAMES.items()}
    for name, row in TORCH.items():
        names[name + "_"] = foreign(row)
        for prefix in ("torch.nn.init.", "nn.init."):
            names[prefix + name] = names[prefix + name + "_"] = foreign(row)
    alone = {**{name: name for name in KERAS}, **KERAS_OTHERS}
    for name, origin in alone.items():
        names[name] = foreign(KERAS[origin])
    for name, origin in {**alone, **KERAS_INSIDE}.items():
        for prefix in ("keras.initializers.", "tf.keras.initializers."):
            names[prefix + name] = foreign(KERAS[origin])
    for name, row in JAX.items():
        for prefix in ("jax.nn.initializers.", "nn.initializers."):
            names[prefix + name] = foreign(row, JAX_DISTRIBUTIONS if name == "variance_scaling" else None)
    return names


NAMES = every_name()
