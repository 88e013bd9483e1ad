#include "client/sow/tensors/derive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "client/library/chunks.h"
#include "client/sow/terminal/output.h"
#include "core/source.h"
#include "proto/format.h"
#include "proto/text.h"

enum { BLOCK_SIZE = 16 << 20, BLOCK_SIZE_FOR_EACH_THREAD = 2 << 20, BLOCK_ALIGNMENT = 64 };

_Static_assert((int)BLOCK_SIZE >= (int)SOWER_CHUNK_SIZE_MAX, "a block has at least one chunk");

static const struct option_rule THREADS[] = {
    {"threads", 'j', "N", "number of threads (default: one for each processor)"},
    {0},
};

const struct option_group derive_options = {"How it is computed", THREADS};

bool derive_threads(const struct options *options, unsigned *threads)
{
    const char *text = options_value(options, "threads");
    int64_t number = 0;
    if (text != NULL &&
        (!sower_text_integer(text, strlen(text), &number) || number < 1 || number > SOWER_WORKERS_MAX)) {
        options_error(options, "--threads takes a whole number from 1 to %d.", SOWER_WORKERS_MAX);
        return false;
    }
    *threads = (unsigned)number;
    return true;
}

bool derive_begin(struct derivation *derivation, unsigned threads, struct progress *progress,
                  struct sower_problem *problem)
{
    const size_t of_threads = (size_t)sower_workers_wanted(threads) * BLOCK_SIZE_FOR_EACH_THREAD;
    sower_workers_init(&derivation->workers, threads);
    derivation->progress = progress;
    derivation->done = 0;
    derivation->block_size = of_threads > BLOCK_SIZE ? of_threads : BLOCK_SIZE;
    derivation->blocks[0] = aligned_alloc(BLOCK_ALIGNMENT, derivation->block_size);
    derivation->blocks[1] = aligned_alloc(BLOCK_ALIGNMENT, derivation->block_size);
    return (derivation->blocks[0] != NULL && derivation->blocks[1] != NULL) || sower_problem_memory(problem);
}

void derive_end(struct derivation *derivation)
{
    sower_workers_stop(&derivation->workers);
    free(derivation->blocks[0]);
    free(derivation->blocks[1]);
}

static void count_done(struct derivation *derivation, uint64_t bytes)
{
    derivation->done += bytes;
    if (derivation->progress != NULL) {
        progress_update(derivation->progress, derivation->done);
    }
}

/* ---- Blocks and chunks ---------------------------------------------------------------------------------- */

/* A block of a region, made by several workers. */
struct block {
    const struct sower_source *source;
    const struct sower_region *region;
    uint64_t total; /* elements of the region */
    size_t size;    /* bytes of an element */
    uint64_t chunk; /* elements of a chunk */
    uint64_t most;  /* elements of a block: whole chunks */
    uint64_t first, count;
    uint8_t *elements;
    atomic_bool failed; /* memory has run out */
};

static uint64_t smaller(uint64_t left, uint64_t right)
{
    return left < right ? left : right;
}

static void set_block(struct block *block, const struct derivation *derivation,
                      const struct sower_source *source, const struct sower_request *request)
{
    const struct sower_shape shape = sower_region_shape(&request->region);
    block->source = source;
    block->region = &request->region;
    block->total = sower_shape_count(&shape);
    block->size = sower_dtype_size(request->draw.dtype);
    block->chunk = sower_chunk_elements(&request->plan, &request->region);
    block->most = derivation->block_size / block->size / block->chunk * block->chunk;
    block->first = 0;
    block->count = smaller(block->total, block->most);
    block->elements = derivation->blocks[0];
    atomic_init(&block->failed, false);
}

/* Moves on to the next block; false at the end. */
static bool next_block(struct block *block)
{
    block->first += block->count;
    block->count = smaller(block->total - block->first, block->most);
    return block->count > 0;
}

static size_t chunks_of(const struct block *block)
{
    return (size_t)((block->count + block->chunk - 1) / block->chunk);
}

/* The elements of a chunk, and where they begin in the block. */
static size_t chunk_at(const struct block *block, size_t index, uint64_t *at)
{
    *at = index * block->chunk;
    return (size_t)smaller(block->count - *at, block->chunk);
}

static void make_chunk(struct block *block, size_t index)
{
    uint64_t at;
    const size_t count = chunk_at(block, index, &at);
    if (!atomic_load_explicit(&block->failed, memory_order_relaxed) &&
        !sower_source_read(block->source, block->region, block->first + at, count,
                           block->elements + at * block->size)) {
        atomic_store_explicit(&block->failed, true, memory_order_relaxed);
    }
}

/* ---- Taking the elements -------------------------------------------------------------------------------- */

/* One block is taken while the next one is made. */
struct taking {
    struct block block;
    const uint8_t *made; /* the block to take; NULL: none yet */
    size_t made_size;
    derive_take *take;
    void *context;
    bool refused; /* `take` failed */
    struct sower_problem *problem;
};

static void take_made(struct taking *taking)
{
    taking->refused = !taking->take(taking->context, taking->made, taking->made_size, taking->problem);
}

/* Task 0 takes, the others make chunks. */
static void take_or_make(void *work, size_t index)
{
    struct taking *taking = work;
    const size_t tasks_before = taking->made != NULL;
    if (index < tasks_before) {
        take_made(taking);
    } else {
        make_chunk(&taking->block, index - tasks_before);
    }
}

static bool take_blocks(struct derivation *derivation, struct taking *taking)
{
    struct block *block = &taking->block;
    bool more = block->count > 0;
    for (size_t turn = 0; more && !taking->refused; turn++) {
        block->elements = derivation->blocks[turn % 2];
        sower_workers_run(&derivation->workers, take_or_make, taking,
                          chunks_of(block) + (taking->made != NULL));
        if (atomic_load(&block->failed)) {
            return sower_problem_memory(taking->problem);
        }
        taking->made = block->elements;
        taking->made_size = (size_t)block->count * block->size;
        count_done(derivation, taking->made_size);
        more = next_block(block);
    }
    if (!taking->refused && taking->made != NULL) {
        take_made(taking);
    }
    return !taking->refused;
}

bool derive_elements(struct derivation *derivation, const struct sower_request *request, derive_take *take,
                     void *context, struct sower_problem *problem)
{
    struct taking taking = {.take = take, .context = context, .problem = problem};
    struct sower_source source;
    if (!sower_source_open(&source, &request->plan, &request->seed, &derivation->workers.parallel, problem)) {
        return false;
    }
    set_block(&taking.block, derivation, &source, request);
    const bool made = take_blocks(derivation, &taking);
    sower_source_close(&source);
    return made;
}

/* ---- Digest and file ------------------------------------------------------------------------------------ */

struct keeping {
    crypto_generichash_state state;
    struct output *output; /* NULL: no file */
    const char *path;
};

static bool fail_writing(const char *path, struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "%s cannot be written: %s.", path,
                             strerror(errno));
}

static bool keep(void *context, const void *bytes, size_t size, struct sower_problem *problem)
{
    struct keeping *keeping = context;
    crypto_generichash_update(&keeping->state, bytes, size);
    return keeping->output == NULL || output_write(keeping->output, bytes, size) ||
           fail_writing(keeping->path, problem);
}

bool derive_tensor(struct derivation *derivation, const struct sower_request *request, const char *path,
                   uint8_t digest[DERIVE_DIGEST_SIZE], struct sower_problem *problem)
{
    struct keeping keeping = {.path = path};
    struct output output;
    struct sower_body body;
    bool made = true;
    if (path != NULL) {
        if (!output_open(&output, path)) {
            return fail_writing(path, problem);
        }
        keeping.output = &output;
        sower_format_body(request, &body);
        made = output_write(&output, body.prefix, body.prefix_size) || fail_writing(path, problem);
    }
    crypto_generichash_init(&keeping.state, NULL, 0, DERIVE_DIGEST_SIZE);
    made = made && derive_elements(derivation, request, keep, &keeping, problem);
    crypto_generichash_final(&keeping.state, digest, DERIVE_DIGEST_SIZE);
    if (path != NULL) {
        made = made && (output_finish(&output) || fail_writing(path, problem));
        output_discard(&output);
    }
    return made;
}

/* ---- Comparing with a file ------------------------------------------------------------------------------ */

struct comparison {
    struct block block;
    int file;
    uint64_t at;          /* of the first element in the file */
    uint8_t *found;       /* a block of the file */
    atomic_bool ended;    /* the file has too few bytes */
    atomic_int error;     /* the errno of a failed read; 0: none */
    pthread_mutex_t lock; /* guards the differences */
    struct derive_differences *differences;
};

/* Reads `size` bytes of the file. */
static bool read_found(struct comparison *comparison, uint8_t *bytes, size_t size, uint64_t at)
{
    while (size > 0) {
        ssize_t count = pread(comparison->file, bytes, size, (off_t)at);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            atomic_store(&comparison->error, errno);
            return false;
        }
        if (count == 0) {
            atomic_store(&comparison->ended, true);
            return false;
        }
        bytes += count;
        size -= (size_t)count;
        at += (uint64_t)count;
    }
    return true;
}

/* Adds the elements of a chunk that differ. `first` is the chunk's first element. */
static void add_differences(struct comparison *comparison, const uint8_t *found, const uint8_t *expected,
                            size_t count, uint64_t first)
{
    const size_t size = comparison->block.size;
    struct derive_differences *differences = comparison->differences;
    uint64_t differing = 0;
    size_t earliest = 0;
    for (size_t i = 0; i < count; i++) {
        if (memcmp(found + i * size, expected + i * size, size) != 0) {
            earliest = differing == 0 ? i : earliest;
            differing++;
        }
    }
    pthread_mutex_lock(&comparison->lock);
    if (differences->count == 0 || first + earliest < differences->first) {
        differences->first = first + earliest;
        memcpy(differences->found, found + earliest * size, size);
        memcpy(differences->expected, expected + earliest * size, size);
    }
    differences->count += differing;
    pthread_mutex_unlock(&comparison->lock);
}

static void compare_chunk(void *work, size_t index)
{
    struct comparison *comparison = work;
    struct block *block = &comparison->block;
    uint64_t at;
    const size_t count = chunk_at(block, index, &at), bytes = count * block->size;
    const uint64_t first = block->first + at;
    uint8_t *found = comparison->found + at * block->size;
    const uint8_t *expected = block->elements + at * block->size;
    make_chunk(block, index);
    if (atomic_load_explicit(&block->failed, memory_order_relaxed) ||
        !read_found(comparison, found, bytes, comparison->at + first * block->size)) {
        return;
    }
    if (memcmp(found, expected, bytes) != 0) {
        add_differences(comparison, found, expected, count, first);
    }
}

static bool check(struct comparison *comparison, struct sower_problem *problem)
{
    const int error = atomic_load(&comparison->error);
    if (atomic_load(&comparison->block.failed)) {
        return sower_problem_memory(problem);
    }
    if (error != 0) {
        return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "The file cannot be read: %s.",
                                 strerror(error));
    }
    return !atomic_load(&comparison->ended) ||
           sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "The file became shorter while it was read.");
}

bool derive_compare(struct derivation *derivation, const struct sower_request *request, int file, uint64_t at,
                    struct derive_differences *differences, struct sower_problem *problem)
{
    struct comparison comparison = {
        .file = file, .at = at, .found = derivation->blocks[1], .differences = differences};
    struct sower_source source;
    *differences = (struct derive_differences){0};
    if (!sower_source_open(&source, &request->plan, &request->seed, &derivation->workers.parallel, problem)) {
        return false;
    }
    struct block *block = &comparison.block;
    set_block(block, derivation, &source, request);
    atomic_init(&comparison.ended, false);
    atomic_init(&comparison.error, 0);
    pthread_mutex_init(&comparison.lock, NULL);
    bool good = true, more = block->count > 0;
    while (good && more) {
        sower_workers_run(&derivation->workers, compare_chunk, &comparison, chunks_of(block));
        good = check(&comparison, problem);
        count_done(derivation, block->count * block->size);
        more = next_block(block);
    }
    pthread_mutex_destroy(&comparison.lock);
    sower_source_close(&source);
    return good;
}
