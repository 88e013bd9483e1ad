#include "core/names.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PARAMETERS = 4, NAMES = 3 };

/* A parameter of a framework's name. */
struct renamed {
    const char *name;   /* NULL: the entry's parameter cannot be given, and has the value `value` */
    const char *target; /* the entry's parameter; NULL ends the list */
    bool required;
    double value;               /* the default; NAN: the entry's */
    const char *const *choices; /* the words for the entry's choices, in their order; NULL: the same words */
};

/* Names of one framework that have the same meaning. */
struct foreign {
    const char *names[NAMES];  /* with or without the framework's prefix */
    const char *inside[NAMES]; /* only with the prefix */
    const char *entry;
    struct renamed parameters[PARAMETERS + 1];
};

struct framework {
    const char *const *prefixes;
    const struct foreign *foreigns; /* ended by one without entry */
};

static const char *const TORCH_PREFIXES[] = {"torch.nn.init.", "nn.init.", NULL};

static const struct foreign TORCH[] = {
    {{"zeros_"}, {"zeros"}, "zeros", {{0}}},
    {{"ones_"}, {"ones"}, "ones", {{0}}},
    {{"constant_"}, {"constant"}, "constant", {{"val", "value", true, NAN, NULL}}},
    {{"uniform_"}, {"uniform"}, "uniform", {{"a", "low", false, 0, NULL}, {"b", "high", false, 1, NULL}}},
    {{"normal_"}, {"normal"}, "normal", {{"mean", "mean", false, 0, NULL}, {"std", "std", false, 1, NULL}}},
    {{"trunc_normal_"},
     {"trunc_normal"},
     "trunc_normal",
     {{"mean", "mean", false, 0, NULL},
      {"std", "std", false, 1, NULL},
      {"a", "a", false, -2, NULL},
      {"b", "b", false, 2, NULL}}},
    {{"eye_"}, {"eye"}, "identity", {{NULL, "gain", false, 1, NULL}}},
    {{"dirac_"}, {"dirac"}, "dirac", {{"groups", "groups", false, 1, NULL}}},
    {{"xavier_uniform_"}, {"xavier_uniform"}, "xavier_uniform", {{"gain", "gain", false, 1, NULL}}},
    {{"xavier_normal_"}, {"xavier_normal"}, "xavier_normal", {{"gain", "gain", false, 1, NULL}}},
    {{"kaiming_uniform_"},
     {"kaiming_uniform"},
     "kaiming_uniform",
     {{"a", "a", false, 0, NULL},
      {"mode", "mode", false, NAN, NULL},
      {"nonlinearity", "nonlinearity", false, NAN, NULL}}},
    {{"kaiming_normal_"},
     {"kaiming_normal"},
     "kaiming_normal",
     {{"a", "a", false, 0, NULL},
      {"mode", "mode", false, NAN, NULL},
      {"nonlinearity", "nonlinearity", false, NAN, NULL}}},
    {{"orthogonal_"}, {"orthogonal"}, "orthogonal", {{"gain", "gain", false, 1, NULL}}},
    {{"sparse_"},
     {"sparse"},
     "sparse",
     {{"sparsity", "sparsity", true, NAN, NULL}, {"std", "std", false, 0.01, NULL}}},
    {.entry = NULL},
};

static const char *const KERAS_PREFIXES[] = {"keras.initializers.", "tf.keras.initializers.", NULL};

static const struct foreign KERAS[] = {
    {{"Zeros"}, {"zeros"}, "zeros", {{0}}},
    {{"Ones"}, {"ones"}, "ones", {{0}}},
    {{"Constant"}, {"constant"}, "constant", {{"value", "value", false, 0, NULL}}},
    {{"RandomUniform", "random_uniform"},
     {0},
     "uniform",
     {{"minval", "low", false, -0.05, NULL}, {"maxval", "high", false, 0.05, NULL}}},
    {{"RandomNormal", "random_normal"},
     {0},
     "normal",
     {{"mean", "mean", false, 0, NULL}, {"stddev", "std", false, 0.05, NULL}}},
    {{"TruncatedNormal"},
     {"truncated_normal"},
     "truncated_normal",
     {{"mean", "mean", false, 0, NULL},
      {"stddev", "std", false, 0.05, NULL},
      {NULL, "lower", false, -2, NULL},
      {NULL, "upper", false, 2, NULL}}},
    {{"VarianceScaling"},
     {"variance_scaling"},
     "variance_scaling",
     {{"scale", "scale", false, 1, NULL},
      {"mode", "mode", false, NAN, NULL},
      {"distribution", "distribution", false, NAN, NULL}}},
    {{"GlorotUniform"}, {"glorot_uniform"}, "glorot_uniform", {{0}}},
    {{"GlorotNormal"}, {"glorot_normal"}, "glorot_normal", {{0}}},
    {{"HeUniform"}, {"he_uniform"}, "he_uniform", {{0}}},
    {{"HeNormal"}, {"he_normal"}, "he_normal", {{0}}},
    {{"LecunUniform"}, {"lecun_uniform"}, "lecun_uniform", {{0}}},
    {{"LecunNormal"}, {"lecun_normal"}, "lecun_normal", {{0}}},
    {{"Orthogonal", "OrthogonalInitializer"},
     {"orthogonal"},
     "orthogonal",
     {{"gain", "gain", false, 1, NULL}}},
    {{"Identity", "IdentityInitializer"}, {"identity"}, "identity", {{"gain", "gain", false, 1, NULL}}},
    {.entry = NULL},
};

static const char *const JAX_PREFIXES[] = {"jax.nn.initializers.", "nn.initializers.", NULL};

static const char *const JAX_DISTRIBUTIONS[] = {"truncated_normal", "normal", "uniform", NULL};

static const struct foreign JAX[] = {
    {{0}, {"zeros"}, "zeros", {{0}}},
    {{0}, {"ones"}, "ones", {{0}}},
    {{0}, {"constant"}, "constant", {{"value", "value", true, NAN, NULL}}},
    {{0}, {"uniform"}, "uniform", {{"scale", "high", false, 0.01, NULL}, {NULL, "low", false, 0, NULL}}},
    {{0}, {"normal"}, "normal", {{"stddev", "std", false, 0.01, NULL}, {NULL, "mean", false, 0, NULL}}},
    {{0},
     {"truncated_normal"},
     "truncated_normal",
     {{"stddev", "std", false, 0.01, NULL},
      {"lower", "lower", false, -2, NULL},
      {"upper", "upper", false, 2, NULL},
      {NULL, "mean", false, 0, NULL}}},
    {{0},
     {"variance_scaling"},
     "variance_scaling",
     {{"scale", "scale", true, NAN, NULL},
      {"mode", "mode", true, NAN, NULL},
      {"distribution", "distribution", true, NAN, JAX_DISTRIBUTIONS}}},
    {{0}, {"glorot_uniform", "xavier_uniform"}, "glorot_uniform", {{0}}},
    {{0}, {"glorot_normal", "xavier_normal"}, "glorot_normal", {{0}}},
    {{0}, {"he_uniform", "kaiming_uniform"}, "he_uniform", {{0}}},
    {{0}, {"he_normal", "kaiming_normal"}, "he_normal", {{0}}},
    {{0}, {"lecun_uniform"}, "lecun_uniform", {{0}}},
    {{0}, {"lecun_normal"}, "lecun_normal", {{0}}},
    {{0}, {"orthogonal"}, "orthogonal", {{"scale", "gain", false, 1, NULL}}},
    {{0}, {"delta_orthogonal"}, "delta_orthogonal", {{"scale", "gain", false, 1, NULL}}},
    {.entry = NULL},
};

static const struct framework FRAMEWORKS[] = {
    {TORCH_PREFIXES, TORCH},
    {KERAS_PREFIXES, KERAS},
    {JAX_PREFIXES, JAX},
};

enum { FRAMEWORK_COUNT = sizeof FRAMEWORKS / sizeof FRAMEWORKS[0] };

/* The framework's prefix with which the name begins; NULL if there is none. */
static const char *prefix_of(const struct framework *framework, const char *name)
{
    for (size_t i = 0; framework->prefixes[i] != NULL; i++) {
        if (strncmp(name, framework->prefixes[i], strlen(framework->prefixes[i])) == 0) {
            return framework->prefixes[i];
        }
    }
    return NULL;
}

static bool contains(const char *const names[NAMES], const char *name)
{
    for (size_t i = 0; i < NAMES && names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static const struct foreign *find_foreign(const char *name)
{
    for (size_t i = 0; i < FRAMEWORK_COUNT; i++) {
        const char *prefix = prefix_of(&FRAMEWORKS[i], name);
        const char *rest = prefix == NULL ? name : name + strlen(prefix);
        for (const struct foreign *foreign = FRAMEWORKS[i].foreigns; foreign->entry != NULL; foreign++) {
            if (contains(foreign->names, rest) || (prefix != NULL && contains(foreign->inside, rest))) {
                return foreign;
            }
        }
    }
    return NULL;
}

/* The signature of an entry's own name. */
static void sign_own(const struct sower_entry *entry, struct sower_signature *signature)
{
    signature->entry = entry;
    for (size_t i = 0; entry->parameters[i].name != NULL; i++) {
        signature->parameters[i] = entry->parameters[i];
        signature->targets[i] = i;
        signature->values[i] = entry->parameters[i].default_value;
    }
}

static void sign_foreign(const struct foreign *foreign, struct sower_signature *signature)
{
    const struct sower_entry *entry = sower_catalogue_find(foreign->entry);
    sign_own(entry, signature);
    size_t count = 0;
    for (const struct renamed *renamed = foreign->parameters; renamed->target != NULL; renamed++) {
        size_t target = (size_t)sower_catalogue_parameter(entry, renamed->target);
        if (!isnan(renamed->value)) {
            signature->values[target] = renamed->value;
        }
        if (renamed->name == NULL) {
            continue;
        }
        struct sower_parameter *parameter = &signature->parameters[count];
        *parameter = entry->parameters[target];
        parameter->name = renamed->name;
        parameter->required = renamed->required;
        parameter->default_value = signature->values[target];
        parameter->choices = renamed->choices != NULL ? renamed->choices : parameter->choices;
        signature->targets[count++] = target;
    }
    signature->parameters[count].name = NULL;
}

bool sower_names_find(const char *name, size_t length, struct sower_signature *signature)
{
    *signature = (struct sower_signature){0};
    if (length >= sizeof signature->name) {
        return false;
    }
    memcpy(signature->name, name, length);
    const struct sower_entry *entry = sower_catalogue_find(signature->name);
    if (entry != NULL) {
        sign_own(entry, signature);
        return true;
    }
    const struct foreign *foreign = find_foreign(signature->name);
    if (foreign != NULL) {
        sign_foreign(foreign, signature);
    }
    return foreign != NULL;
}

static void try_names(struct sower_nearest *nearest, const char *const names[NAMES])
{
    for (size_t i = 0; i < NAMES && names[i] != NULL; i++) {
        sower_nearest_try(nearest, names[i]);
    }
}

static void try_framework(struct sower_nearest *nearest, const struct framework *framework, bool inside)
{
    for (const struct foreign *foreign = framework->foreigns; foreign->entry != NULL; foreign++) {
        try_names(nearest, foreign->names);
        if (inside) {
            try_names(nearest, foreign->inside);
        }
    }
}

void sower_names_suggest(const char *name, size_t length, const char *quote,
                         char suggestion[SOWER_SUGGESTION_SIZE])
{
    char copy[SOWER_EDIT_DISTANCE_MAX + 1] = "", full[2 * SOWER_EDIT_DISTANCE_MAX] = "";
    memcpy(copy, name, length < sizeof copy ? length : sizeof copy - 1);
    for (size_t i = 0; i < FRAMEWORK_COUNT; i++) {
        const char *prefix = prefix_of(&FRAMEWORKS[i], copy);
        if (prefix != NULL) {
            struct sower_nearest nearest = {.name = copy + strlen(prefix)};
            try_framework(&nearest, &FRAMEWORKS[i], true);
            snprintf(full, sizeof full, "%s%s", prefix, nearest.found == NULL ? "" : nearest.found);
            sower_nearest_suggestion(nearest.found == NULL ? NULL : full, quote, quote, suggestion);
            return;
        }
    }
    struct sower_nearest nearest = {.name = copy};
    sower_catalogue_try(&nearest);
    for (size_t i = 0; i < FRAMEWORK_COUNT; i++) {
        try_framework(&nearest, &FRAMEWORKS[i], false);
    }
    sower_nearest_suggestion(nearest.found, quote, quote, suggestion);
}
