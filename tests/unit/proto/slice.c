#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/slice.h"

typedef bool parser(const char *text, size_t length, const struct sower_shape *shape,
                    struct sower_region *region, struct sower_problem *problem);

static const struct sower_shape matrix = {.rank = 2, .sizes = {10, 7}};

static struct sower_region region_of(parser *parse, const char *text, const struct sower_shape *shape)
{
    struct sower_region region;
    struct sower_problem problem = {.sentence = ""};
    if (!parse(text, strlen(text), shape, &region, &problem)) {
        fail_msg("%s: %s", text, problem.sentence);
    }
    return region;
}

static void assert_refused(parser *parse, const char *field, const char *text,
                           const struct sower_shape *shape)
{
    struct sower_region region;
    struct sower_problem problem;
    if (parse(text, strlen(text), shape, &region, &problem)) {
        fail_msg("%s is accepted", text);
    }
    assert_string_equal(problem.field, field);
    assert_true(strlen(problem.sentence) > 20);
}

/* Expected figures: Python's slice(start, stop).indices(10). */
static void a_slice_means_the_same_as_in_numpy(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t start, stop;
    } cases[] = {
        {":", 0, 10},     {"2:5", 2, 5},
        {"2:", 2, 10},    {":5", 0, 5},
        {"-3:", 7, 10},   {":-3", 0, 7},
        {"-3:-1", 7, 9},  {"-99:", 0, 10},
        {":99", 0, 10},   {"99:", 10, 10},
        {":-99", 0, 0},   {"5:2", 5, 5},
        {"5:5", 5, 5},    {"-1:0", 9, 9},
        {"0:512", 0, 10}, {"-9223372036854775807:9223372036854775807", 0, 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_region region = region_of(sower_slice_parse, cases[i].text, &matrix);
        assert_int_equal(region.rank, 2);
        assert_int_equal(region.start[0], cases[i].start);
        assert_int_equal(region.stop[0], cases[i].stop);
        assert_int_equal(region.start[1], 0); /* axes without a range are whole */
        assert_int_equal(region.stop[1], 7);
    }
    struct sower_region both = region_of(sower_slice_parse, ":,-2:", &matrix);
    assert_int_equal(both.stop[0], 10);
    assert_int_equal(both.start[1], 5);
    assert_int_equal(both.stop[1], 7);
}

static void an_invalid_slice_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "3",
                                      "a:b",
                                      "1:2:3",
                                      "::",
                                      "0:5:1",
                                      "0:5,",
                                      ",0:5",
                                      "1 :2",
                                      "+1:2",
                                      "01:2",
                                      "1e1:",
                                      "...",
                                      "None:",
                                      "0:5;:",
                                      ":,:,:",
                                      "0.5:2",
                                      "-:",
                                      "0:5 ",
                                      "9223372036854775808:",
                                      "1:2,3",
                                      "-0:",
                                      ":-0",
                                      "0:99999999999999999999",
                                      "-9223372036854775808:",
                                      "18446744073709551617:"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(sower_slice_parse, "slice", bad[i], &matrix);
    }
    struct sower_shape scalar = {.rank = 0};
    assert_refused(sower_slice_parse, "slice", ":", &scalar);
}

/* Expected figures: torch.arange(n).chunk(count), and empty pieces if it gives fewer. */
static void shards_are_the_same_as_chunks_of_torch(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t start, stop;
    } cases[] = {
        {"0:0/3", 0, 4},
        {"0:1/3", 4, 8},
        {"0:2/3", 8, 10},
        {"0:0/1", 0, 10},
        {"0:3/8", 6, 8},
        {"0:4/8", 8, 10},
        {"0:5/8", 10, 10},
        {"0:7/8", 10, 10},
        {"-2:1/2", 5, 10},
        {"0:0/10", 0, 1},
        {"0:0/9223372036854775807", 0, 1},
        {"0:9223372036854775806/9223372036854775807", 10, 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_region region = region_of(sower_shard_parse, cases[i].text, &matrix);
        assert_int_equal(region.start[0], cases[i].start);
        assert_int_equal(region.stop[0], cases[i].stop);
        assert_int_equal(region.stop[1], 7);
    }
    struct sower_region both = region_of(sower_shard_parse, "1:1/2,0:1/2", &matrix);
    assert_int_equal(both.start[0], 5);
    assert_int_equal(both.start[1], 4);
    assert_int_equal(both.stop[1], 7);
    struct sower_shape empty = {.rank = 1, .sizes = {0}};
    assert_int_equal(region_of(sower_shard_parse, "0:1/4", &empty).stop[0], 0);
}

static void shards_of_any_size_and_count_tile_the_axis(void **state)
{
    (void)state;
    for (uint64_t size = 0; size < 40; size++) {
        for (int count = 1; count < 45; count++) {
            struct sower_shape shape = {.rank = 1, .sizes = {size}};
            uint64_t end = 0;
            for (int rank = 0; rank < count; rank++) {
                char text[32];
                snprintf(text, sizeof text, "0:%d/%d", rank, count);
                struct sower_region region = region_of(sower_shard_parse, text, &shape);
                assert_int_equal(region.start[0], end);
                end = region.stop[0];
            }
            assert_int_equal(end, size);
        }
    }
}

static void an_invalid_shard_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "0",
                                      "0:1",
                                      "0:1/",
                                      "0:/8",
                                      "0:8/8",
                                      "0:-1/8",
                                      "0:0/0",
                                      "0:0/-1",
                                      "2:0/2",
                                      "-3:0/2",
                                      "0:0/2,0:1/2",
                                      "0:0/2,-2:1/2",
                                      "0:0/2,",
                                      "a:0/2",
                                      "0:0/2/3",
                                      "0:0:0/2",
                                      "0/8",
                                      "0: 3/8",
                                      "0:3/8 ",
                                      "-0:0/2",
                                      "0:-0/2",
                                      "0:0/99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused(sower_shard_parse, "shard", bad[i], &matrix);
    }
    struct sower_shape scalar = {.rank = 0};
    assert_refused(sower_shard_parse, "shard", "0:0/1", &scalar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slice_means_the_same_as_in_numpy),
        cmocka_unit_test(an_invalid_slice_is_refused),
        cmocka_unit_test(shards_are_the_same_as_chunks_of_torch),
        cmocka_unit_test(shards_of_any_size_and_count_tile_the_axis),
        cmocka_unit_test(an_invalid_shard_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
