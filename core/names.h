/* Names: what an initializer may be called in an expression.
 *
 * An entry has its own name and its aliases (catalogue.h). It also has the names of the frameworks: PyTorch's functions
 * (`kaiming_normal_`, `torch.nn.init.kaiming_normal_`), Keras' classes (`HeNormal`) and JAX's functions
 * (`jax.nn.initializers.he_normal`). A framework's name has the framework's parameters, in its order and with its
 * defaults. The same word means different distributions in different frameworks: `torch.nn.init.normal_` has the
 * standard deviation 1, Keras' RandomNormal 0.05, and JAX's normal 0.01; JAX's kaiming_normal is truncated, PyTorch's is
 * not. So the prefix belongs to the name, and a name always means what it means where it comes from. */
#ifndef SOWER_CORE_NAMES_H
#define SOWER_CORE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attributes.h"
#include "core/catalogue.h"
#include "core/edit_distance.h"

/* A name with its parameters, as an expression uses them. */
struct sower_signature {
    char name[SOWER_EDIT_DISTANCE_MAX + 1]; /* as it was given */
    const struct sower_entry *entry;
    struct sower_parameter parameters[SOWER_PARAMETER_MAX + 1]; /* under this name's own names; NULL ends */
    size_t targets[SOWER_PARAMETER_MAX];                        /* for each: which of the entry's it sets */
    double values[SOWER_PARAMETER_MAX]; /* of the entry's parameters, where none is given */
};

/* Finds an entry by any of its names. False if there is no such name. */
SOWER_MUST_USE bool sower_names_find(const char *name, size_t length, struct sower_signature *signature);

/* Writes the end of a sentence about an unknown name: the nearest of all names, between `quote`s, or a full stop
 * (edit_distance.h). For a name with a framework's prefix only names of this framework are near. */
void sower_names_suggest(const char *name, size_t length, const char *quote,
                         char suggestion[SOWER_SUGGESTION_SIZE]);

#endif
