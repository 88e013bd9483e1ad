#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/edit_distance.h"

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
    assert_int_equal(sower_edit_distance("shpae", "shape"), 1);
    assert_int_equal(sower_edit_distance("kitten", "sitting"), 3);
}

static void the_distance_to_the_empty_text_is_the_length(void **state)
{
    (void)state;
    assert_int_equal(sower_edit_distance("", "uniform"), 7);
    assert_int_equal(sower_edit_distance("uniform", ""), 7);
}

static void the_distance_is_symmetric(void **state)
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

static void only_the_start_of_long_texts_is_compared(void **state)
{
    (void)state;
    char text[4096];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(sower_edit_distance(text, ""), SOWER_EDIT_DISTANCE_MAX);
    assert_int_equal(sower_edit_distance("", text), SOWER_EDIT_DISTANCE_MAX);
    assert_int_equal(sower_edit_distance(text, text), 0);
}

static const char *nearest_of(const char *name)
{
    static const char *const names[] = {"n", "shape", "slice", "experiment", "uniform", "uniforms"};
    struct sower_nearest nearest = {.name = name};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        sower_nearest_try(&nearest, names[i]);
    }
    return nearest.found;
}

static void a_near_name_is_found(void **state)
{
    (void)state;
    assert_string_equal(nearest_of("shpae"), "shape");
    assert_string_equal(nearest_of("ecxeriment"), "experiment");
    assert_string_equal(nearest_of("slise"), "slice");
    assert_string_equal(nearest_of("experimnt"), "experiment");
    assert_string_equal(nearest_of("unifrm"), "uniform");
    assert_string_equal(nearest_of("uniformss"), "uniforms");
}

static void nothing_is_found_when_no_name_is_near(void **state)
{
    (void)state;
    assert_null(nearest_of(""));
    assert_null(nearest_of("x"));
    assert_null(nearest_of("seed"));
    assert_null(nearest_of("banana"));
    assert_null(nearest_of("exp"));
}

static void a_suggestion_names_the_nearest_name(void **state)
{
    char suggestion[SOWER_SUGGESTION_SIZE], name[1000];
    (void)state;
    sower_nearest_suggestion("shape", "--", "", suggestion);
    assert_string_equal(suggestion, "; did you mean --shape?");
    sower_nearest_suggestion("shape", "'", "'", suggestion);
    assert_string_equal(suggestion, "; did you mean 'shape'?");
    sower_nearest_suggestion(NULL, "'", "'", suggestion);
    assert_string_equal(suggestion, ".");
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    sower_nearest_suggestion(name, "'", "'", suggestion);
    assert_string_equal(suggestion + strlen(suggestion) - 3, "x'?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_have_no_distance),
        cmocka_unit_test(each_edit_counts_once),
        cmocka_unit_test(the_distance_to_the_empty_text_is_the_length),
        cmocka_unit_test(the_distance_is_symmetric),
        cmocka_unit_test(only_the_start_of_long_texts_is_compared),
        cmocka_unit_test(a_near_name_is_found),
        cmocka_unit_test(nothing_is_found_when_no_name_is_near),
        cmocka_unit_test(a_suggestion_names_the_nearest_name),
    };
    return cmocka_run_group_tests_name("edit_distance", tests, NULL, NULL);
}
