"""Maps each initializer of a framework to that of Sower. A name in Sower has the meaning of its origin: `xavier_*` and `kaiming_*`
are PyTorch's (not truncated), `glorot_*` and `he_*` are Keras' and JAX's (truncated)."""

TORCH = {
    "uniform_": "uniform",
    "normal_": "normal",
    "trunc_normal_": "trunc_normal",
    "constant_": "constant",
    "ones_": "ones",
    "zeros_": "zeros",
    "eye_": "identity",
    "dirac_": "dirac",
    "xavier_uniform_": "xavier_uniform",
    "xavier_normal_": "xavier_normal",
    "kaiming_uniform_": "kaiming_uniform",
    "kaiming_normal_": "kaiming_normal",
    "orthogonal_": "orthogonal",
    "sparse_": "sparse",
    "Linear.bias": "fan_uniform",
}

# JAX also uses PyTorch's names xavier and kaiming, but for the truncated laws that Keras calls glorot and he.
JAX = {
    "zeros": "zeros",
    "ones": "ones",
    "constant": "constant",
    "uniform": "uniform",
    "normal": "normal",
    "truncated_normal": "truncated_normal",
    "variance_scaling": "variance_scaling",
    "glorot_uniform": "glorot_uniform",
    "glorot_normal": "glorot_normal",
    "xavier_uniform": "glorot_uniform",
    "xavier_normal": "glorot_normal",
    "he_uniform": "he_uniform",
    "he_normal": "he_normal",
    "kaiming_uniform": "he_uniform",
    "kaiming_normal": "he_normal",
    "lecun_uniform": "lecun_uniform",
    "lecun_normal": "lecun_normal",
    "orthogonal": "orthogonal",
    "delta_orthogonal": "delta_orthogonal",
}

KERAS = {
    "Zeros": "zeros",
    "Ones": "ones",
    "Constant": "constant",
    "RandomUniform": "uniform",
    "RandomNormal": "normal",
    "TruncatedNormal": "truncated_normal",
    "VarianceScaling": "variance_scaling",
    "GlorotUniform": "glorot_uniform",
    "GlorotNormal": "glorot_normal",
    "HeUniform": "he_uniform",
    "HeNormal": "he_normal",
    "LecunUniform": "lecun_uniform",
    "LecunNormal": "lecun_normal",
    "Identity": "identity",
    "Orthogonal": "orthogonal",
    "LSTM.bias": "lstm_bias",
}

# In no framework. The unit tests compare these with their definitions.
ONLY_SOWER = {"kwon_uniform", "kwon_normal", "siren_uniform", "small_normal", "wang_normal", "bilinear"}

# Of single models and layers. tests/interop/test_tables.py compares them.
TABLES = {"arange", "log_arange", "tril", "inverse_frequency", "sinusoid", "dt_bias"}


def initializer(expression):
    """The name in an expression: "normal" of "normal(std=1)"."""
    return expression.partition("(")[0]
