#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/ledger/known.h"

/* Draw ids are hashes; a multiplication spreads test ids well enough. */
static struct sower_draw_id draw_id(uint64_t number)
{
    struct sower_draw_id draw = {{0}};
    uint64_t spread = number * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(draw.bytes, &spread, sizeof spread);
    memcpy(draw.bytes + 8, &number, sizeof number);
    return draw;
}

static void only_added_draws_are_found(void **state)
{
    (void)state;
    struct sower_known *known = sower_known_new(1024);
    for (uint64_t i = 0; i < 100; i++) {
        struct sower_draw_id draw = draw_id(i);
        sower_known_add(known, &draw, i + 1);
    }
    for (uint64_t i = 0; i < 200; i++) {
        struct sower_draw_id draw = draw_id(i);
        assert_int_equal(sower_known_find(known, &draw), i < 100 ? i + 1 : 0);
    }
    sower_known_free(known);
}

static void draws_that_differ_only_in_their_last_byte_are_different(void **state)
{
    (void)state;
    struct sower_known *known = sower_known_new(8);
    struct sower_draw_id one = draw_id(1), other = draw_id(1);
    other.bytes[31] ^= 1;
    sower_known_add(known, &one, 5);
    assert_int_equal(sower_known_find(known, &other), 0);
    sower_known_add(known, &other, 6);
    assert_int_equal(sower_known_find(known, &one), 5);
    assert_int_equal(sower_known_find(known, &other), 6);
    sower_known_free(known);
}

static void a_full_set_forgets_the_least_recently_used_draw(void **state)
{
    (void)state;
    struct sower_known *known = sower_known_new(8); /* one bucket of eight */
    struct sower_draw_id first = draw_id(0);
    for (uint64_t i = 0; i < 8; i++) {
        struct sower_draw_id draw = draw_id(i);
        sower_known_add(known, &draw, i + 1);
    }
    assert_int_equal(sower_known_find(known, &first), 1); /* used: draw 1 is forgotten next */
    struct sower_draw_id ninth = draw_id(8), second = draw_id(1);
    sower_known_add(known, &ninth, 9);
    assert_int_equal(sower_known_find(known, &second), 0);
    assert_int_equal(sower_known_find(known, &first), 1);
    assert_int_equal(sower_known_find(known, &ninth), 9);
    sower_known_free(known);
}

static void adding_a_draw_again_changes_nothing(void **state)
{
    (void)state;
    struct sower_known *known = sower_known_new(8);
    for (int turn = 0; turn < 100; turn++) {
        for (uint64_t i = 0; i < 8; i++) {
            struct sower_draw_id draw = draw_id(i);
            sower_known_add(known, &draw, i + 1);
        }
    }
    for (uint64_t i = 0; i < 8; i++) {
        struct sower_draw_id draw = draw_id(i);
        assert_int_equal(sower_known_find(known, &draw), i + 1);
    }
    sower_known_free(known);
}

static void any_capacity_works(void **state)
{
    (void)state;
    static const size_t capacities[] = {0, 1, 7, 9, 1000};
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        struct sower_known *known = sower_known_new(capacities[i]);
        struct sower_draw_id draw = draw_id(42);
        sower_known_add(known, &draw, 3);
        assert_int_equal(sower_known_find(known, &draw), 3);
        sower_known_free(known);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_added_draws_are_found),
        cmocka_unit_test(draws_that_differ_only_in_their_last_byte_are_different),
        cmocka_unit_test(a_full_set_forgets_the_least_recently_used_draw),
        cmocka_unit_test(adding_a_draw_again_changes_nothing),
        cmocka_unit_test(any_capacity_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
