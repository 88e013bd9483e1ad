#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/edit_distance.h"

static void equal_texts_have_no_distance(void **state)
{
    (void)state;
    assert_int_equal(sower_edit_distance("", ""), 0);
    assert_int_equal(sower_edit_distance("he_normal", "he_normal"), 0);
}

static void each_edit_counts_once(void **state)
{
    (void)state;
    assert_int_equal(sower_edit_distance("he_norml", "he_normal"), 1);
    assert_int_equal(sower_edit_distance("he_normmal", "he_normal"), 1);
    assert_int_equal(sower_edit_distance("he_normql", "he_normal"), 1);
    assert_int_equal(sower_edit_distance("shpae", "shape"), 2);
    assert_int_equal(sower_edit_distance("kitten", "sitting"), 3);
}

static void the_empty_text_is_as_far_as_the_other_is_long(void **state)
{
    (void)state;
    assert_int_equal(sower_edit_distance("", "uniform"), 7);
    assert_int_equal(sower_edit_distance("uniform", ""), 7);
}

static void the_distance_is_the_same_both_ways(void **state)
{
    (void)state;
    static const char *const words[] = {"", "a", "ones", "zeros", "lecun_normal", "glorot_uniform"};
    enum { COUNT = sizeof words / sizeof words[0] };
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < COUNT; j++) {
            assert_int_equal(sower_edit_distance(words[i], words[j]),
                             sower_edit_distance(words[j], words[i]));
        }
    }
}

static void long_texts_are_compared_by_their_beginnings(void **state)
{
    (void)state;
    char text[4096];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(sower_edit_distance(text, ""), SOWER_EDIT_DISTANCE_MAX);
    assert_int_equal(sower_edit_distance("", text), SOWER_EDIT_DISTANCE_MAX);
    assert_int_equal(sower_edit_distance(text, text), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_have_no_distance),
        cmocka_unit_test(each_edit_counts_once),
        cmocka_unit_test(the_empty_text_is_as_far_as_the_other_is_long),
        cmocka_unit_test(the_distance_is_the_same_both_ways),
        cmocka_unit_test(long_texts_are_compared_by_their_beginnings),
    };
    return cmocka_run_group_tests_name("edit_distance", tests, NULL, NULL);
}
