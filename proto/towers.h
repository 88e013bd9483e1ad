/* Towers: the lists of equal blocks in a model, found by the names of its tensors.
 *
 * A manifest or a recipe names the lists: "h", "layers", "encoder.layer". In the tensor's name, a list is these components
 * followed by the number of a block, a component of one to nine digits. The leftmost place counts:
 *
 *     name                                     list            tower                        block
 *     model.layers.11.mlp.down_proj.weight     layers          model.layers                 11
 *     stages.1.blocks.3.w                      blocks          stages.1.blocks              3
 *     bert.encoder.layer.0.output.dense.bias   encoder.layer   bert.encoder.layer           0
 *
 * So a model has a tower for each place of a list, and each tower has its own number of layers: the greatest block number plus
 * one. A tower may be incomplete, as in the file of one stage of a pipeline: then its numbers do not begin at 0, or have gaps. */
#ifndef SOWER_PROTO_TOWERS_H
#define SOWER_PROTO_TOWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/manifest.h"

enum { SOWER_TOWERS_LISTS_MAX = 64 };

struct sower_tower {
    const char *name; /* the first `length` bytes of a tensor's name */
    size_t length;
    uint32_t least, layers; /* the least block number, and the greatest plus one */
    uint32_t blocks;        /* how many different block numbers */
};

/* The place of a tensor: its tower and block. */
struct sower_tower_place {
    uint32_t tower; /* SOWER_TOWER_NONE: it is in no block */
    uint32_t block;
};

#define SOWER_TOWER_NONE UINT32_MAX

struct sower_towers {
    size_t count;
    uint64_t found;                   /* a bit for each list that is in a name */
    struct sower_tower *towers;       /* in the order of their first tensors */
    struct sower_tower_place *places; /* one for each tensor; NULL without lists */
};

/* Checks the lists of a manifest: a text, or an array of 1 to SOWER_TOWERS_LISTS_MAX texts, of components separated by points
 * (field "blocks"). */
SOWER_MUST_USE bool sower_towers_check(const json_t *lists, struct sower_problem *problem);

/* List number `index`; NULL after the last one. */
const char *sower_towers_list(const json_t *lists, size_t index);

/* Finds the towers of a manifest's tensors. `lists` has been checked; NULL: none. The caller releases the towers with
 * sower_towers_free, also after a problem (of memory). Takes time in proportion to n log n. */
SOWER_MUST_USE bool sower_towers_find(struct sower_towers *towers, const struct sower_manifest *manifest,
                                      const json_t *lists, struct sower_problem *problem);

void sower_towers_free(struct sower_towers *towers);

#endif
