/* The families of the catalogue: one file each. An entry without a name ends each list. */
#ifndef SOWER_CORE_INITIALIZERS_FAMILIES_H
#define SOWER_CORE_INITIALIZERS_FAMILIES_H

#include "core/catalogue.h"

extern const struct sower_entry sower_entries_plain[]; /* a law that does not depend on the shape */
extern const struct sower_entry sower_entries_variance_scaling[]; /* Keras's and JAX's names */
extern const struct sower_entry sower_entries_pytorch[];          /* PyTorch's xavier and kaiming */
extern const struct sower_entry sower_entries_published[];        /* single proposals from the literature */
extern const struct sower_entry sower_entries_structured[];       /* fixed patterns: identity, dirac, … */
extern const struct sower_entry
    sower_entries_tables[]; /* no weights: positions, masks, frequencies, time steps */
extern const struct sower_entry sower_entries_sparse[];
extern const struct sower_entry sower_entries_orthogonal[];

/* For parameter lists: a finite real number of at least `least` (-INFINITY: no lower bound), with a
 * default. */
#define SOWER_REAL(parameter_name, default_number, least, words)                                             \
    {                                                                                                        \
        .name = parameter_name, .kind = SOWER_PARAMETER_REAL, .default_value = default_number,               \
        .minimum = least, .maximum = INFINITY, .meaning = words                                              \
    }

#endif
