#include "core/reflectors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "core/kernel.h"

enum {
    BLOCK = 240,     /* rows of V in one chain of f32 sums: part of the contract */
    SEGMENT = 1920,  /* words drawn at a time onto the stack; a multiple of every panel's width */
    STEP_ROWS = 480, /* rows of V that are packed for one step of the Gram matrix, in double: whole blocks */
    STEP_ROWS_SINGLE = 960, /* the same in f32 */
    STEP_BYTES = 16 << 20,  /* the most that the packed rows may take; larger matrices pack fewer blocks */
    TASK_PANELS = 4,        /* panels of the Gram matrix in one task; even */
};

void sower_reflectors_shape(struct sower_reflectors *reflectors, const struct sower_tile *tile, size_t length,
                            size_t count, bool across, bool single)
{
    *reflectors = (struct sower_reflectors){
        .tile = tile,
        .length = length,
        .count = count,
        .across = across,
        .single = single,
        .vectors = {.width = tile->columns, .depth = count, .columns = length, .single = single},
        .gram = {.upper = true, .width = tile->columns, .depth = count, .columns = count},
    };
    if (single) {
        reflectors->vectors.width *= 2;
    }
}

static size_t pivot_of(const struct sower_reflectors *reflectors, size_t l)
{
    return reflectors->length - reflectors->count + l;
}

static void draw_words(const struct sower_reflectors *reflectors, uint64_t first, size_t count, float *values)
{
    struct sower_law law = sower_law_normal(0, 1);
    sower_fill(&law, SOWER_F32, &reflectors->seed, reflectors->first_word + first, count, values);
}

/* Computes reflector l from x = X[pivot][l] and `tail`, the sum of the squares above the pivot. */
static void finish_reflector(struct sower_reflectors *reflectors, size_t l, double tail, double x)
{
    if (pivot_of(reflectors, l) == 0) {
        reflectors->pivots[l] = 0;
        reflectors->scales[l] = 0;
        reflectors->signs[l] = copysign(1, x);
        return;
    }
    double pivot = (double)(float)(x + copysign(sqrt(tail + x * x), x));
    reflectors->pivots[l] = pivot;
    /* The square is exact, so fma gives the same as a product and a sum. With the latter, clang for
     * s390x uses an instruction (mdebr) that QEMU before version 8 computes wrongly. */
    reflectors->scales[l] = -2 / fma(pivot, pivot, tail);
    reflectors->signs[l] = -copysign(1, x);
}

/* Draws all of X[·][l] into its row of the panels. */
static void draw_across(void *work, size_t l)
{
    struct sower_reflectors *reflectors = work;
    const struct sower_panels *vectors = &reflectors->vectors;
    size_t width = vectors->width;
    size_t end = pivot_of(reflectors, l) + 1;
    float words[SEGMENT];
    double tail = 0, x = 0;
    for (size_t begin = 0; begin < end; begin += SEGMENT) {
        size_t count = end - begin < SEGMENT ? end - begin : SEGMENT;
        draw_words(reflectors, (uint64_t)l * reflectors->length + begin, count, words);
        for (size_t i = 0; i < count; i += width) {
            void *row = sower_panels_row(vectors, (begin + i) / width, l);
            for (size_t j = 0; j < width; j++) {
                sower_panels_put(vectors->single, row, j, i + j < count ? (double)words[i + j] : 0);
            }
        }
        x = (double)words[count - 1];
        size_t above = begin + count == end ? count - 1 : count;
        for (size_t i = 0; i < above; i++) {
            tail += (double)words[i] * (double)words[i];
        }
    }
    finish_reflector(reflectors, l, tail, x);
    sower_panels_put(vectors->single, sower_panels_row(vectors, (end - 1) / width, l), (end - 1) % width,
                     reflectors->pivots[l]);
}

static void copy_row(const struct sower_panels *vectors, size_t row, size_t first, size_t count,
                     double *values, size_t stride)
{
    size_t panel = row / vectors->width;
    size_t start = sower_panels_first(vectors, panel);
    const void *rows = sower_panels_row(vectors, panel, start);
    size_t column = row % vectors->width;
    for (size_t l = first; l < first + count; l++) {
        size_t index = (l - start) * vectors->width + column;
        values[(l - first) * stride] = l < start ? 0 : sower_panels_get(vectors->single, rows, index);
    }
}

void sower_reflectors_row(const struct sower_reflectors *reflectors, size_t row, size_t first, size_t count,
                          double *values, size_t stride)
{
    if (reflectors->across) {
        copy_row(&reflectors->vectors, row, first, count, values, stride);
        return;
    }
    float words[SEGMENT];
    for (size_t done = 0; done < count; done += SEGMENT) {
        size_t part = count - done < SEGMENT ? count - done : SEGMENT;
        draw_words(reflectors, (uint64_t)row * reflectors->count + first + done, part, words);
        for (size_t j = 0; j < part; j++) {
            size_t l = first + done + j;
            size_t pivot = pivot_of(reflectors, l);
            double value = pivot > row ? (double)words[j] : pivot == row ? reflectors->pivots[l] : 0;
            values[(done + j) * stride] = value;
        }
    }
}

/* One step of the Gram matrix: rows begin … end − 1 of V, packed in panels that are `rows` high. */
struct gram_step {
    struct sower_reflectors *reflectors;
    size_t rows;
    size_t begin;
    size_t end;
    bool single; /* this step sums in f32; its panels are twice as wide */
    void *packed;
    float *words;  /* rows of X as drawn; not used when across */
    double *tails; /* sums of squares so far; not used when across */
};

static size_t packed_width(const struct gram_step *step)
{
    return step->reflectors->gram.width * (step->single ? 2 : 1);
}

static size_t packed_panels(const struct gram_step *step)
{
    size_t panels = sower_panels_count(&step->reflectors->gram);
    return step->single ? (panels + 1) / 2 : panels;
}

static void *packed_at(const struct gram_step *step, size_t row, size_t l)
{
    size_t width = packed_width(step);
    size_t index = (l / width * step->rows + row - step->begin) * width + l % width;
    return (char *)step->packed + index * sower_panels_number_size(step->single);
}

/* Packs the columns of one panel from Vᵀ. */
static void pack_across(void *work, size_t panel)
{
    const struct gram_step *step = work;
    const struct sower_panels *vectors = &step->reflectors->vectors;
    size_t width = packed_width(step);
    for (size_t begin = step->begin; begin < step->end; begin += vectors->width) {
        size_t source = begin / vectors->width;
        void *packed = packed_at(step, begin, panel * width);
        for (size_t j = 0; j < width; j++) {
            size_t l = panel * width + j;
            bool zero = l >= vectors->depth || l < sower_panels_first(vectors, source);
            const void *row = zero ? NULL : sower_panels_row(vectors, source, l);
            for (size_t i = 0; i < vectors->width; i++) {
                double value = zero ? 0 : sower_panels_get(vectors->single, row, i);
                sower_panels_put(step->single, packed, i * width + j, value);
            }
        }
    }
}

static void draw_down(void *work, size_t index)
{
    const struct gram_step *step = work;
    size_t count = step->reflectors->count;
    draw_words(step->reflectors, (uint64_t)(step->begin + index) * count, count, step->words + index * count);
}

/* Returns V[row][l] for the word x, and adds x to the tail or finishes the reflector. Rows come in
 * order, so the tail is complete at the pivot. */
static double process_word(const struct gram_step *step, size_t row, size_t l, double x)
{
    size_t pivot = pivot_of(step->reflectors, l);
    if (row < pivot) {
        step->tails[l] += x * x;
        return x;
    }
    if (row > pivot) {
        return 0;
    }
    finish_reflector(step->reflectors, l, step->tails[l], x);
    return step->reflectors->pivots[l];
}

/* Packs the columns of one panel from the rows just drawn. */
static void pack_down(void *work, size_t panel)
{
    const struct gram_step *step = work;
    size_t width = packed_width(step);
    size_t count = step->reflectors->count;
    size_t first = panel * width;
    for (size_t row = step->begin; row < step->end; row++) {
        const float *words = step->words + (row - step->begin) * count;
        void *packed = packed_at(step, row, first);
        for (size_t j = 0; j < width; j++) {
            double value =
                first + j < count ? process_word(step, row, first + j, (double)words[first + j]) : 0;
            sower_panels_put(step->single, packed, j, value);
        }
    }
}

/* Adds the rows up to `end` to one tile of Gᵀ, in double: the products of the reflectors from panel ·
 * width on with the reflectors from l on. */
static void add_gram_tile(const struct gram_step *step, size_t panel, size_t l, size_t end)
{
    const struct sower_tile *tile = step->reflectors->tile;
    size_t width = tile->columns;
    double *sums = sower_panels_row(&step->reflectors->gram, panel, l);
    if (step->begin == 0) {
        memset(sums, 0, tile->rows * width * sizeof *sums);
    }
    tile->add(end - step->begin, packed_at(step, step->begin, l), width,
              packed_at(step, step->begin, panel * width), sums);
}

/* Copies a block of numbers from one matrix to another. */
static void copy_block(size_t rows, size_t columns, const double *source, size_t source_stride,
                       double *target, size_t target_stride)
{
    for (size_t r = 0; r < rows; r++) {
        memcpy(target + r * target_stride, source + r * source_stride, columns * sizeof *target);
    }
}

/* The same in f32, block by block, for the two panels of Gᵀ that one panel of floats covers. */
static void add_gram_tile_single(const struct gram_step *step, size_t pair, size_t l, size_t end)
{
    const struct sower_tile *tile = step->reflectors->tile;
    const struct sower_panels *gram = &step->reflectors->gram;
    size_t width = packed_width(step);
    double sums[SOWER_TILE_MAX] = {0};
    double *halves[2] = {NULL, NULL};
    for (size_t half = 0; half < 2; half++) {
        size_t panel = 2 * pair + half;
        if (panel < sower_panels_count(gram) && l < (panel + 1) * gram->width) {
            halves[half] = sower_panels_row(gram, panel, l);
            copy_block(tile->rows, gram->width, halves[half], gram->width, sums + half * gram->width, width);
        }
    }
    for (size_t row = step->begin; row < end; row += BLOCK) {
        tile->add_single(end - row < BLOCK ? end - row : BLOCK, packed_at(step, row, l), width,
                         packed_at(step, row, pair * width), sums);
    }
    for (size_t half = 0; half < 2; half++) {
        if (halves[half]) {
            copy_block(tile->rows, gram->width, sums + half * gram->width, width, halves[half], gram->width);
        }
    }
}

/* Adds the step to a few neighbouring panels of Gᵀ. The last panels have the most work and are done first. */
static void add_gram(void *work, size_t index)
{
    const struct gram_step *step = work;
    const struct sower_panels *gram = &step->reflectors->gram;
    size_t width = packed_width(step);
    size_t panels = sower_panels_count(gram);
    size_t begin = ((panels + TASK_PANELS - 1) / TASK_PANELS - 1 - index) * TASK_PANELS;
    size_t stop = (begin + TASK_PANELS < panels ? begin + TASK_PANELS : panels) * gram->width;
    for (size_t l = 0; l < stop; l += step->reflectors->tile->rows) {
        /* After the last of these pivots the columns are zero. */
        size_t end = pivot_of(step->reflectors, l + step->reflectors->tile->rows);
        end = end < step->end ? end : step->end;
        if (end < step->begin) {
            continue;
        }
        size_t first = begin * gram->width;
        for (size_t panel = (l > first ? l : first) / width; panel * width < stop; panel++) {
            if (step->single) {
                add_gram_tile_single(step, panel, l, end);
            } else {
                add_gram_tile(step, panel, l, end);
            }
        }
    }
}

/* The largest number of rows of a step. */
static size_t step_rows(const struct sower_reflectors *reflectors, bool single)
{
    size_t columns = (sower_panels_count(&reflectors->gram) + 1) * reflectors->gram.width;
    size_t rows = STEP_BYTES / sower_panels_number_size(single) / columns / BLOCK * BLOCK;
    size_t most = single ? STEP_ROWS_SINGLE : STEP_ROWS;
    size_t all = (reflectors->length + BLOCK - 1) / BLOCK * BLOCK;
    most = all < most ? all : most;
    return rows < BLOCK ? BLOCK : rows < most ? rows : most;
}

/* Bytes of the buffer for the packed rows of a step. */
static uint64_t packed_size(const struct sower_reflectors *reflectors)
{
    size_t columns = (sower_panels_count(&reflectors->gram) + 1) * reflectors->gram.width;
    uint64_t rows = step_rows(reflectors, reflectors->single);
    uint64_t numbers = rows * sower_panels_number_size(reflectors->single);
    uint64_t first_block = BLOCK * sizeof(double); /* which is always in double */
    return (numbers > first_block ? numbers : first_block) * columns;
}

static uint64_t words_size(const struct sower_reflectors *reflectors)
{
    uint64_t rows = step_rows(reflectors, reflectors->single);
    return reflectors->across ? 0 : rows * reflectors->count * sizeof(float);
}

uint64_t sower_reflectors_scratch(const struct sower_reflectors *reflectors)
{
    return packed_size(reflectors) + words_size(reflectors) + reflectors->count * sizeof(double);
}

static void run_step(struct gram_step *step, const struct sower_parallel *parallel)
{
    const struct sower_reflectors *reflectors = step->reflectors;
    if (!reflectors->across) {
        sower_parallel_run(parallel, draw_down, step, step->end - step->begin);
    }
    sower_parallel_run(parallel, reflectors->across ? pack_across : pack_down, step, packed_panels(step));
    size_t panels = sower_panels_count(&reflectors->gram);
    sower_parallel_run(parallel, add_gram, step, (panels + TASK_PANELS - 1) / TASK_PANELS);
}

static bool make_gram(struct sower_reflectors *reflectors, const struct sower_parallel *parallel)
{
    size_t rows = step_rows(reflectors, reflectors->single);
    struct gram_step step = {.reflectors = reflectors};
    step.packed = sower_panels_buffer(packed_size(reflectors));
    step.words = sower_panels_buffer(words_size(reflectors));
    step.tails = calloc(reflectors->count, sizeof *step.tails);
    bool ok = step.packed && step.words && step.tails;
    while (ok && step.end < reflectors->length) {
        step.begin = step.end;
        step.single = reflectors->single && step.begin >= BLOCK;
        step.rows = reflectors->single && !step.single ? BLOCK : rows;
        step.end = step.begin + step.rows;
        if (step.end > reflectors->length) {
            step.end = reflectors->length;
        }
        run_step(&step, parallel);
    }
    sower_panels_buffer_free(step.packed, packed_size(reflectors));
    sower_panels_buffer_free(step.words, words_size(reflectors));
    free(step.tails);
    return ok;
}

bool sower_reflectors_draw(struct sower_reflectors *reflectors, const struct sower_seed *seed,
                           uint64_t first_word, const struct sower_parallel *parallel)
{
    reflectors->seed = *seed;
    reflectors->first_word = first_word;
    size_t padded = sower_panels_count(&reflectors->gram) * reflectors->gram.width;
    reflectors->pivots = calloc(padded, sizeof(double));
    reflectors->scales = calloc(padded, sizeof(double));
    reflectors->signs = calloc(padded, sizeof(double));
    if (!reflectors->pivots || !reflectors->scales || !reflectors->signs ||
        !sower_panels_allocate(&reflectors->gram)) {
        return false;
    }
    if (reflectors->across) {
        if (!sower_panels_allocate(&reflectors->vectors)) {
            return false;
        }
        sower_parallel_run(parallel, draw_across, reflectors, reflectors->count);
    }
    return make_gram(reflectors, parallel);
}

void sower_reflectors_free(struct sower_reflectors *reflectors)
{
    free(reflectors->pivots);
    free(reflectors->scales);
    free(reflectors->signs);
    sower_panels_free(&reflectors->vectors);
    sower_panels_free(&reflectors->gram);
    sodium_memzero(reflectors, sizeof *reflectors);
}
