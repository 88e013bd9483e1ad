/* Code that all vector kernels share: cutting runs into batches of ChaCha20 blocks, and ChaCha20's initial
 * state.
 *
 * A vector kernel makes as many blocks at once as it has lanes. The blocks of a batch need not be
 * neighbours: each lane has its own block counter, so one batch can serve several short runs. A block is
 * 64 bytes of the stream, that is 16 words (f64: 8). Where a run starts or ends inside a block, only
 * some of the block's elements are wanted. */
#ifndef SOWER_CORE_KERNELS_BATCH_H
#define SOWER_CORE_KERNELS_BATCH_H

#include "core/attributes.h"
#include "core/kernel.h"

enum { SOWER_BATCH_LANES = 16, SOWER_BLOCK_WORDS = 16 }; /* lanes: the most that any kernel has */

struct sower_batch {
    _Alignas(64) uint32_t block[SOWER_BATCH_LANES]; /* which block of the stream each lane makes */
    uint8_t *elements[SOWER_BATCH_LANES]; /* the address for element 0 of the block, wanted or not */
    uint16_t wanted[SOWER_BATCH_LANES];   /* bit i: element i is wanted; all ones: the whole block */
    unsigned count;                       /* lanes in use; the other lanes have no wanted elements */
};

/* The position in the runs at which the next batch starts. */
struct sower_run_cursor {
    uint64_t first;     /* index in the tensor of the next element */
    uint64_t left;      /* elements left in the current run */
    uint64_t runs_left; /* runs left, the current one included */
    uint64_t length, stride;
    uint8_t *elements;                  /* where the next element goes */
    uint32_t element_size, block_shift; /* 2^block_shift elements take one block */
};

struct sower_run_cursor sower_run_cursor_start(const struct sower_runs *runs, enum sower_dtype dtype,
                                               void *elements);

/* If the next `lanes` blocks are neighbours and are wanted whole, as most blocks of a long run are:
 * takes them and returns true. `block` is the first of them; its elements, and those of the following
 * blocks, go to `elements`. */
SOWER_MUST_USE bool sower_run_cursor_take_whole(struct sower_run_cursor *cursor, unsigned lanes,
                                                uint32_t *block, uint8_t **elements);

/* Takes the next blocks, at most `lanes`, whole or in part, from as many runs as needed. False when no
 * element is left. */
SOWER_MUST_USE bool sower_run_cursor_take(struct sower_run_cursor *cursor, unsigned lanes,
                                          struct sower_batch *batch);

/* The batch of `count` neighbouring whole blocks, `step` bytes of elements each. */
static inline void sower_batch_whole(struct sower_batch *batch, unsigned count, uint32_t block,
                                     uint8_t *elements, size_t step)
{
    for (unsigned i = 0; i < count; i++) {
        batch->block[i] = block + i;
        batch->elements[i] = elements + i * step;
        batch->wanted[i] = UINT16_MAX;
    }
    batch->count = count;
}

/* For a lane whose block is not wanted whole: copies the wanted elements to their place. `from` has all
 * elements of the block. (A whole block goes directly to batch->elements: its `wanted` has 16 bits also
 * for f64, which has 8 elements.) */
void sower_batch_copy_wanted(const struct sower_batch *batch, unsigned lane, enum sower_dtype dtype,
                             const uint8_t *from);

/* For a kernel's map: fills the blocks of the batch from `count` given words instead of the stream. */
void sower_batch_load_words(const struct sower_batch *batch, const uint32_t *words, size_t count,
                            uint32_t *blocks);

/* ChaCha20's initial state for the stream of a seed: constants, key, block counter (word 12) 0, nonce. */
void sower_chacha_state(const struct sower_seed *seed, uint32_t state[16]);

/* The computation that a vector kernel uses for a law, chosen once per call. */
enum sower_method {
    SOWER_METHOD_UNIFORM,         /* the clamp cannot act, and scale · 2^-24 (f64: 2^-53) is exact */
    SOWER_METHOD_UNIFORM_CLAMPED, /* every other uniform law */
    SOWER_METHOD_NORMAL,
    SOWER_METHOD_TRUNCATED,
};

/* The method for this law and dtype; the law is not a constant. */
enum sower_method sower_method_choose(const struct sower_law *law, enum sower_dtype dtype);

#endif
