/* Every variant of a tile gives the bits of the formula in tile.h. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/tile.h"

enum { DEPTH_MAX = 300, STRIDE_MAX = 11 };

static double random_number(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(int32_t)(*state >> 32) * 0x1p-31;
}

static void assert_adds_a_chain(const struct sower_tile *tile, size_t depth, size_t stride, uint64_t *state)
{
    static double a[DEPTH_MAX * STRIDE_MAX], b[DEPTH_MAX * SOWER_TILE_MAX];
    double sums[SOWER_TILE_MAX + 1], expected[SOWER_TILE_MAX + 1];
    for (size_t i = 0; i < depth * stride; i++) {
        a[i] = random_number(state);
    }
    for (size_t i = 0; i < depth * tile->columns; i++) {
        b[i] = random_number(state);
    }
    for (size_t i = 0; i <= SOWER_TILE_MAX; i++) {
        sums[i] = expected[i] = random_number(state);
    }
    for (size_t i = 0; i < tile->rows * tile->columns; i++) {
        for (size_t k = 0; k < depth; k++) {
            expected[i] =
                fma(a[k * stride + i / tile->columns], b[k * tile->columns + i % tile->columns], expected[i]);
        }
    }
    tile->add(depth, a, stride, b, sums);
    assert_memory_equal(sums, expected, sizeof sums);
}

static void assert_adds_a_single_chain(const struct sower_tile *tile, size_t depth, size_t stride,
                                       uint64_t *state)
{
    static float a[DEPTH_MAX * STRIDE_MAX], b[DEPTH_MAX * SOWER_TILE_MAX];
    double sums[SOWER_TILE_MAX + 1], expected[SOWER_TILE_MAX + 1];
    size_t columns = 2 * tile->columns;
    for (size_t i = 0; i < depth * stride; i++) {
        a[i] = (float)random_number(state);
    }
    for (size_t i = 0; i < depth * columns; i++) {
        b[i] = (float)random_number(state);
    }
    for (size_t i = 0; i <= SOWER_TILE_MAX; i++) {
        sums[i] = expected[i] = random_number(state);
    }
    for (size_t i = 0; i < tile->rows * columns; i++) {
        float chain = 0;
        for (size_t k = 0; k < depth; k++) {
            chain = fmaf(a[k * stride + i / columns], b[k * columns + i % columns], chain);
        }
        expected[i] += (double)chain;
    }
    tile->add_single(depth, a, stride, b, sums);
    assert_memory_equal(sums, expected, sizeof sums);
}

static void every_variant_adds_the_same_bits(void **unused)
{
    (void)unused;
    static const size_t depths[] = {0, 1, 2, 7, 64, 240, DEPTH_MAX};
    uint64_t state = 1;
    for (const struct sower_tile *const *tile = sower_tiles; *tile; tile++) {
        for (size_t d = 0; (*tile)->supported() && d < sizeof depths / sizeof *depths; d++) {
            assert_adds_a_chain(*tile, depths[d], (*tile)->rows, &state);
            assert_adds_a_chain(*tile, depths[d], STRIDE_MAX, &state);
            assert_adds_a_single_chain(*tile, depths[d], (*tile)->rows, &state);
            assert_adds_a_single_chain(*tile, depths[d], STRIDE_MAX, &state);
        }
    }
}

static void sizes_are_those_that_panels_need(void **unused)
{
    (void)unused;
    for (const struct sower_tile *const *tile = sower_tiles; *tile; tile++) {
        assert_int_equal((*tile)->columns % (*tile)->rows, 0);
        assert_int_equal(240 % (2 * (*tile)->columns), 0);
        assert_true(2 * (*tile)->rows * (*tile)->columns <= SOWER_TILE_MAX);
    }
}

static void only_a_known_variant_can_be_selected(void **unused)
{
    (void)unused;
    assert_false(sower_tile_select("abacus"));
    assert_true(sower_tile_select("portable"));
    assert_string_equal(sower_tile()->name, "portable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_adds_the_same_bits),
        cmocka_unit_test(sizes_are_those_that_panels_need),
        cmocka_unit_test(only_a_known_variant_can_be_selected),
    };
    return cmocka_run_group_tests_name("tile", tests, NULL, NULL);
}
