/* Models in a store: the code that finds and appends one is the same for all kinds of stores.
 *
 * A model can have a million draws. One call processes one step of it, at most SOWER_STORE_STEP draws in one
 * transaction, so that the ledger can serve other requests between two steps: a step takes some tenths of a second.
 * A step is processed in chunks. Between two chunks the daemon may give the model up. A store supplies the actions;
 * each must follow the rules of store.h. */
#ifndef SOWER_SERVER_LEDGER_STORE_MODELS_H
#define SOWER_SERVER_LEDGER_STORE_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "server/ledger/store.h"

enum {
    SOWER_STORE_CHUNK = 1024, /* draws that one action processes, at most */
    SOWER_STORE_STEP = 16 * SOWER_STORE_CHUNK,
};

/* How many of `left` draws the next chunk has. */
size_t sower_store_chunk_of(size_t left);

/* What a store can do inside of a writing transaction, and one look outside of it. Each returns false with a
 * problem. */
struct sower_store_model_steps {
    /* Outside of a transaction: sets *found if a manifest is recorded. */
    bool (*find_manifest)(struct sower_store_writer *writer, const uint8_t hash[32], bool *found,
                          struct sower_problem *problem);
    bool (*begin)(struct sower_store_writer *writer, struct sower_problem *problem);
    /* Reads the count of the owner's lines, unless the transaction has read it (quotas.h). */
    bool (*find_quota)(struct sower_store_writer *writer, const struct sower_account *account,
                       struct sower_problem *problem);
    /* Records the manifest of a model, if it is not recorded yet. */
    bool (*add_manifest)(struct sower_store_writer *writer, const struct sower_store_model *model,
                         struct sower_problem *problem);
    /* Records the draws of a chunk that are new and not refused, and sets all outcomes. */
    bool (*add)(struct sower_store_writer *writer, struct sower_store_draw *const *draws, size_t count,
                struct sower_problem *problem);
    /* Commits if `done`; else, or if that fails, rolls back. Returns whether it committed. */
    bool (*end)(struct sower_store_writer *writer, bool done, struct sower_problem *problem);
};

/* The methods find_model and append_model of a store (store.h). The draws are found by the store's method
 * `find`. */
SOWER_MUST_USE bool sower_store_find_model(struct sower_store_writer *writer,
                                           const struct sower_store_model_steps *steps,
                                           struct sower_store_model *model, struct sower_problem *problem);
SOWER_MUST_USE bool sower_store_append_model(struct sower_store_writer *writer,
                                             const struct sower_store_model_steps *steps,
                                             struct sower_store_model *model, struct sower_problem *problem);

#endif
