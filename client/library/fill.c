/* Filling a buffer with a box of a tensor, and the digest of a box. A box is cut into chunks, which the workers take one
 * after the other. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "client/library/call.h"
#include "client/library/chunks.h"
#include "client/library/tensor.h"
#include "client/library/workers.h"

enum {
    DIGEST_SIZE = 8 << 20, /* bytes that are hashed while the next ones are made */
    ALIGNMENT = 64,
};

/* ---- The box -------------------------------------------------------------------------------------------- */

/* The box of a call. */
struct box {
    const struct sower_source *source; /* NULL: the box is empty */
    struct sower_region region;
    uint64_t count;      /* elements */
    size_t element_size; /* bytes */
    uint64_t chunk;      /* elements that one task makes */
};

static bool set_region(const sower_tensor *tensor, const uint64_t *start, const uint64_t *stop,
                       struct sower_region *region, struct sower_problem *problem)
{
    const struct sower_shape *shape = &tensor->request.draw.shape;
    *region = tensor->request.region;
    if (start == NULL && stop == NULL) {
        return true;
    }
    if (start == NULL || stop == NULL) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "box",
                                 "Give start and stop, or NULL for both.");
    }
    for (size_t axis = 0; axis < shape->rank; axis++) {
        if (start[axis] > stop[axis] || stop[axis] > shape->sizes[axis]) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "box",
                                     "On axis %zu the box is from %" PRIu64 " to %" PRIu64
                                     "; it must be inside 0 to %" PRIu64 ".",
                                     axis, start[axis], stop[axis], shape->sizes[axis]);
        }
        region->start[axis] = start[axis];
        region->stop[axis] = stop[axis];
    }
    return true;
}

static bool set_box(const sower_tensor *tensor, const uint64_t *start, const uint64_t *stop, struct box *box,
                    struct sower_problem *problem)
{
    if (!set_region(tensor, start, stop, &box->region, problem)) {
        return false;
    }
    const struct sower_shape shape = sower_region_shape(&box->region);
    box->count = sower_shape_count(&shape);
    box->element_size = sower_dtype_size(tensor->request.draw.dtype);
    box->chunk = sower_chunk_elements(&tensor->request.plan, &box->region);
    return true;
}

/* An empty box needs no factors. */
static bool open_source(sower_tensor *tensor, struct box *box, struct sower_workers *workers,
                        struct sower_problem *problem)
{
    box->source = box->count > 0 ? sower_tensor_source(tensor, workers, problem) : NULL;
    return box->source != NULL || box->count == 0;
}

/* Neighbouring elements of a box, made by several workers. */
struct making {
    const struct box *box;
    uint64_t first, count;
    uint8_t *elements;
    bool native; /* in the byte order of this machine, not in that of a response */
    atomic_bool failed;
};

static uint64_t smaller(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

static size_t chunks_of(const struct making *making)
{
    const uint64_t chunk = making->box->chunk;
    return (size_t)(making->count / chunk + (making->count % chunk != 0));
}

static void make_chunk(void *work, size_t index)
{
    struct making *making = work;
    const struct box *box = making->box;
    const uint64_t at = index * box->chunk;
    const size_t count = (size_t)smaller(making->count - at, box->chunk);
    uint8_t *elements = making->elements + at * box->element_size;
    if (atomic_load_explicit(&making->failed, memory_order_relaxed)) {
        return;
    }
    if (!sower_source_read(box->source, &box->region, making->first + at, count, elements)) {
        atomic_store_explicit(&making->failed, true, memory_order_relaxed);
        return;
    }
    if (making->native) {
        sower_dtype_swap_to_wire(box->source->plan.dtype, elements, count);
    }
}

/* ---- Filling -------------------------------------------------------------------------------------------- */

static bool check_buffer(const struct box *box, const void *buffer, size_t size,
                         struct sower_problem *problem)
{
    const uint64_t wanted = box->count * box->element_size; /* at most 2^38 */
    if (size != wanted) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "buffer",
                                 "The buffer has %zu bytes; the box has %" PRIu64
                                 " elements of %zu bytes, so "
                                 "it must have %" PRIu64 ".",
                                 size, box->count, box->element_size, wanted);
    }
    return size == 0 || (buffer != NULL && (uintptr_t)buffer % box->element_size == 0) ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "buffer",
                             "The buffer must be at an address that is a multiple of %zu.",
                             box->element_size);
}

static bool fill(sower_tensor *tensor, struct box *box, void *buffer, unsigned threads,
                 struct sower_problem *problem)
{
    struct making making = {.box = box, .count = box->count, .elements = buffer, .native = true};
    struct sower_workers workers;
    atomic_init(&making.failed, false);
    sower_workers_init(&workers, threads);
    const bool opened = open_source(tensor, box, &workers, problem);
    if (opened) {
        sower_workers_run(&workers, make_chunk, &making, chunks_of(&making));
    }
    sower_workers_stop(&workers);
    return opened && (!making.failed || sower_problem_memory(problem));
}

int sower_tensor_fill(sower_tensor *tensor, const uint64_t *start, const uint64_t *stop, void *buffer,
                      size_t size, unsigned threads, struct sower_error *error)
{
    struct sower_problem problem;
    struct box box;
    if (!set_box(tensor, start, stop, &box, &problem) || !check_buffer(&box, buffer, size, &problem)) {
        return sower_call_fail(SOWER_BUFFER, &problem, error);
    }
    return sower_call_result(fill(tensor, &box, buffer, threads, &problem), &problem, error);
}

/* ---- The digest ----------------------------------------------------------------------------------------- */

/* Two blocks: one is hashed while the next one is made. */
struct digesting {
    struct making making;
    crypto_generichash_state state;
    const uint8_t *made; /* the block to hash */
    size_t made_size;
};

/* Task 0 hashes, the others make chunks. */
static void hash_or_make(void *work, size_t index)
{
    struct digesting *digesting = work;
    if (index == 0) {
        crypto_generichash_update(&digesting->state, digesting->made, digesting->made_size);
    } else {
        make_chunk(&digesting->making, index - 1);
    }
}

static void hash_box(struct digesting *digesting, struct sower_workers *workers, uint8_t *blocks,
                     size_t block_size)
{
    struct making *making = &digesting->making;
    const struct box *box = making->box;
    const uint64_t at_once = block_size / box->element_size;
    crypto_generichash_init(&digesting->state, NULL, 0, SOWER_KEY_SIZE);
    for (making->elements = blocks; making->first < box->count && !making->failed;
         making->first += making->count) {
        making->count = smaller(box->count - making->first, at_once);
        sower_workers_run(workers, hash_or_make, digesting, 1 + chunks_of(making));
        digesting->made = making->elements;
        digesting->made_size = (size_t)making->count * box->element_size;
        making->elements = making->elements == blocks ? blocks + block_size : blocks;
    }
    crypto_generichash_update(&digesting->state, digesting->made, digesting->made_size);
}

static bool digest(sower_tensor *tensor, struct box *box, unsigned threads, uint8_t result[SOWER_KEY_SIZE],
                   struct sower_problem *problem)
{
    const uint64_t size = box->count * box->element_size;
    const size_t block_size = (size_t)smaller((size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT, DIGEST_SIZE);
    struct digesting digesting = {.making = {.box = box}};
    struct sower_workers workers;
    uint8_t *blocks = aligned_alloc(ALIGNMENT, 2 * block_size + ALIGNMENT);
    if (blocks == NULL) {
        return sower_problem_memory(problem);
    }
    atomic_init(&digesting.making.failed, false);
    sower_workers_init(&workers, threads);
    const bool opened = open_source(tensor, box, &workers, problem);
    if (opened) {
        hash_box(&digesting, &workers, blocks, block_size);
        crypto_generichash_final(&digesting.state, result, SOWER_KEY_SIZE);
    }
    sower_workers_stop(&workers);
    free(blocks);
    return opened && (!digesting.making.failed || sower_problem_memory(problem));
}

int sower_tensor_digest(sower_tensor *tensor, const uint64_t *start, const uint64_t *stop, unsigned threads,
                        uint8_t result[SOWER_KEY_SIZE], struct sower_error *error)
{
    struct sower_problem problem;
    struct box box;
    uint8_t made[SOWER_KEY_SIZE];
    if (!set_box(tensor, start, stop, &box, &problem)) {
        return sower_call_fail(SOWER_BUFFER, &problem, error);
    }
    const bool done = digest(tensor, &box, threads, made, &problem);
    if (done) {
        memcpy(result, made, sizeof made);
    }
    return sower_call_result(done, &problem, error);
}
