#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/http/range.h"

static void assert_part(const char *header, uint64_t size, uint64_t start, uint64_t length)
{
    struct sower_range range;
    assert_int_equal(sower_range_parse(header, size, &range), SOWER_RANGE_PART);
    assert_int_equal(range.start, start);
    assert_int_equal(range.length, length);
}

static void assert_whole(const char *header, uint64_t size)
{
    struct sower_range range;
    assert_int_equal(sower_range_parse(header, size, &range), SOWER_RANGE_WHOLE);
    assert_int_equal(range.start, 0);
    assert_int_equal(range.length, size);
}

static void assert_unsatisfiable(const char *header, uint64_t size)
{
    struct sower_range range;
    assert_int_equal(sower_range_parse(header, size, &range), SOWER_RANGE_UNSATISFIABLE);
}

static void a_range_has_both_its_ends(void **state)
{
    (void)state;
    assert_part("bytes=0-0", 10, 0, 1);
    assert_part("bytes=3-7", 10, 3, 5);
    assert_part("bytes=9-9", 10, 9, 1);
    assert_part("bytes=0-9", 10, 0, 10);
}

static void an_end_beyond_the_response_is_its_end(void **state)
{
    (void)state;
    assert_part("bytes=3-10", 10, 3, 7);
    assert_part("bytes=3-", 10, 3, 7);
    assert_part("bytes=3-18446744073709551615", 10, 3, 7);
    assert_part("bytes=3-99999999999999999999999", 10, 3, 7);
    assert_part("bytes=0-", UINT64_MAX, 0, UINT64_MAX);
}

static void a_suffix_is_the_last_bytes(void **state)
{
    (void)state;
    assert_part("bytes=-1", 10, 9, 1);
    assert_part("bytes=-10", 10, 0, 10);
    assert_part("bytes=-11", 10, 0, 10);
    assert_part("bytes=-99999999999999999999999", 10, 0, 10);
}

static void a_range_after_the_end_and_an_empty_suffix_cannot_be_satisfied(void **state)
{
    (void)state;
    assert_unsatisfiable("bytes=10-", 10);
    assert_unsatisfiable("bytes=10-10", 10);
    assert_unsatisfiable("bytes=99999999999999999999999-", 10);
    assert_unsatisfiable("bytes=-0", 10);
    assert_unsatisfiable("bytes=0-", 0);
}

static void malformed_ranges_other_units_and_several_ranges_are_ignored(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "",           "bytes",       "bytes=",      "bytes=-",   "bytes=5-3", "bytes=0-1,3-4",
        "bytes=0-1,", "bytes=x-1",   "bytes=1-x",   "bytes=1",   "bytes=--1", "bytes=1--2",
        "bytes=+1-2", "bytes=1 - 2", "bytes=0x1-2", "items=0-1", "0-1",       "bytes =0-1",
        "bytes:0-1",  "bytes=-1-2",  "bytes=1-2-3", "byte=0-1",
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        assert_whole(headers[i], 10);
    }
    assert_whole(NULL, 10);
    assert_whole("bytes=-5", 0);
}

static void units_ignore_case_and_spaces_around_a_range_are_allowed(void **state)
{
    (void)state;
    assert_part("Bytes=1-2", 10, 1, 2);
    assert_part("bytes= 1-2\t", 10, 1, 2);
}

static void a_tag_is_found_in_a_list(void **state)
{
    (void)state;
    assert_true(sower_etag_listed("\"a\"", "\"a\"", false));
    assert_true(sower_etag_listed("\"b\", \"a\"", "\"a\"", false));
    assert_true(sower_etag_listed("\"b,c\",\"a\"", "\"a\"", false));
    assert_true(sower_etag_listed("*", "\"a\"", false));
    assert_false(sower_etag_listed("\"ab\"", "\"a\"", false));
    assert_false(sower_etag_listed("\"\"", "\"a\"", false));
    assert_false(sower_etag_listed(NULL, "\"a\"", true));
}

static void a_weak_tag_matches_only_where_weak_ones_may(void **state)
{
    (void)state;
    assert_true(sower_etag_listed("W/\"a\"", "\"a\"", true));
    assert_false(sower_etag_listed("W/\"a\"", "\"a\"", false));
    assert_true(sower_etag_listed("W/\"a\", \"a\"", "\"a\"", false));
    assert_false(sower_etag_listed("w/\"a\"", "\"a\"", true));
}

static void a_malformed_list_of_tags_matches_nothing(void **state)
{
    (void)state;
    static const char *const lists[] = {"",        "a", "\"a", "a\"", "W/", "\"b\" \"a\"", "\"b\";\"a\"",
                                        "* \"a\"", ","};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        assert_false(sower_etag_listed(lists[i], "\"a\"", true));
    }
}

static void if_range_matches_only_the_identical_tag(void **state)
{
    (void)state;
    assert_true(sower_if_range(NULL, "\"a\""));
    assert_true(sower_if_range("\"a\"", "\"a\""));
    assert_false(sower_if_range("W/\"a\"", "\"a\""));
    assert_false(sower_if_range("Sat, 01 Jan 2033 00:00:00 GMT", "\"a\""));
    assert_false(sower_if_range("", "\"a\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_has_both_its_ends),
        cmocka_unit_test(an_end_beyond_the_response_is_its_end),
        cmocka_unit_test(a_suffix_is_the_last_bytes),
        cmocka_unit_test(a_range_after_the_end_and_an_empty_suffix_cannot_be_satisfied),
        cmocka_unit_test(malformed_ranges_other_units_and_several_ranges_are_ignored),
        cmocka_unit_test(units_ignore_case_and_spaces_around_a_range_are_allowed),
        cmocka_unit_test(a_tag_is_found_in_a_list),
        cmocka_unit_test(a_weak_tag_matches_only_where_weak_ones_may),
        cmocka_unit_test(a_malformed_list_of_tags_matches_nothing),
        cmocka_unit_test(if_range_matches_only_the_identical_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
