/* Compares the time of a column shard with its share of the whole tensor, an 8192 × 8192 f32 normal in n column
 * shards. Prints one JSON object: {n: time of one shard / (time of the whole / n)}, medians over the rounds. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

#include "core/catalogue.h"
#include "core/source.h"
#include "tests/bench/times.h"

enum { SIDE = 8192, ROUNDS = 5, PIECE = 1 << 16 };

static double read_columns(const struct sower_source *source, uint64_t columns, float *piece)
{
    const struct sower_region region = {.rank = 2, .start = {0, 0}, .stop = {SIDE, columns}};
    double start = seconds();
    for (uint64_t at = 0; at < SIDE * columns; at += PIECE) {
        uint64_t left = SIDE * columns - at;
        if (!sower_source_read(source, &region, at, left < PIECE ? (size_t)left : PIECE, piece)) {
            exit(1);
        }
    }
    return seconds() - start;
}

int main(void)
{
    static const uint64_t cuts[] = {8, 64, 512, 8192};
    static float piece[PIECE];
    const struct sower_shape shape = {.rank = 2, .sizes = {SIDE, SIDE}};
    const struct sower_initializer normal = {.entry = sower_catalogue_find("normal"), .values = {0, 1}};
    const struct sower_layout layout = {.order = SOWER_LAYOUT_OI};
    const struct sower_seed seed = {.bytes = {42}};
    struct sower_plan plan;
    struct sower_source source;
    struct sower_problem problem;
    if (sodium_init() < 0 || !sower_plan_make(&normal, &shape, SOWER_F32, &layout, &plan, &problem) ||
        !sower_source_open(&source, &plan, &seed, &sower_parallel_none, &problem)) {
        return 1;
    }
    printf("{");
    for (size_t c = 0; c < sizeof cuts / sizeof cuts[0]; c++) {
        double ratios[ROUNDS];
        for (size_t round = 0; round < ROUNDS; round++) {
            double whole = read_columns(&source, SIDE, piece);
            ratios[round] = read_columns(&source, SIDE / cuts[c], piece) * (double)cuts[c] / whole;
        }
        qsort(ratios, ROUNDS, sizeof ratios[0], ascending);
        printf("%s\"%llu\": %.3f", c == 0 ? "" : ", ", (unsigned long long)cuts[c], ratios[ROUNDS / 2]);
    }
    printf("}\n");
    sower_source_close(&source);
    return 0;
}
