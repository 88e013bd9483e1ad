/* A draw: the complete name of one array of elements. The same draw always has the same bits.
 *
 * A draw has everything that the bits depend on and nothing else: no slice, no format, no file. Its id is
 * the BLAKE2b-256 of its canonical form: a text with one `key=value` line per field, in a fixed order
 * (SPEC.md, section 8). A value that may contain any byte comes after its length; a parameter is the 16 hex
 * digits of its IEEE 754 double. Aliases and defaults are resolved first, so two ways to request the same
 * draw give the same id. */
#ifndef SOWER_CORE_DRAW_H
#define SOWER_CORE_DRAW_H

#include <stddef.h>
#include <stdint.h>

#include "core/catalogue.h"
#include "core/dtype.h"
#include "core/layout.h"
#include "core/seed.h"
#include "core/shape.h"

enum { SOWER_SPEC = 1 }; /* the version of the bit contract */

enum { SOWER_CANONICAL_MAX = 2560 };

struct sower_draw {
    struct sower_seed root_id;
    char experiment[SOWER_EXPERIMENT_MAX + 1]; /* UTF-8, no NUL inside */
    uint64_t trial;
    char name[SOWER_NAME_MAX + 1]; /* UTF-8, no NUL inside */
    struct sower_shape shape;
    enum sower_dtype dtype;
    struct sower_initializer initializer;
    struct sower_layout layout;
};

struct sower_draw_id {
    uint8_t bytes[SOWER_DRAW_ID_SIZE];
};

/* The seed of the draw's tensor under this root. */
struct sower_seed sower_draw_seed(const struct sower_draw *draw, const struct sower_seed *root);

/* Writes the canonical form and a NUL to `text`. Returns the length without the NUL. */
size_t sower_draw_canonical(const struct sower_draw *draw, char text[SOWER_CANONICAL_MAX]);

struct sower_draw_id sower_draw_id(const struct sower_draw *draw);

#endif
