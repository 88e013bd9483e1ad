/* Names of experiments: reading them, and writing them into addresses. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/experiment.h"

static char name[SOWER_EXPERIMENT_MAX + 1];
static struct sower_problem problem;

static bool read_experiment(const char *bytes, size_t length)
{
    return sower_experiment_read(bytes, length, name, &problem);
}

static void an_experiment_has_1_to_256_bytes_of_text(void **state)
{
    (void)state;
    char longest[SOWER_EXPERIMENT_MAX + 1];
    memset(longest, 'x', sizeof longest);
    assert_true(read_experiment("a/\xc3\xbc", 4));
    assert_string_equal(name, "a/\xc3\xbc");
    assert_true(read_experiment(longest, SOWER_EXPERIMENT_MAX));
    assert_int_equal(strlen(name), SOWER_EXPERIMENT_MAX);
    const struct {
        const char *bytes;
        size_t length;
    } wrong[] = {{"", 0},        {longest, sizeof longest}, {"a\0b", 3}, {"\0", 1}, {"\xff", 1}, {"a\xc3", 2},
                 {"\xc0\xaf", 2}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(read_experiment(wrong[i].bytes, wrong[i].length));
        assert_string_equal(problem.field, "experiment");
        assert_int_equal(problem.code, SOWER_PROBLEM_INVALID);
    }
}

static void a_name_is_escaped_in_an_address(void **state)
{
    (void)state;
    char address[SOWER_EXPERIMENT_ADDRESS_SIZE];
    assert_string_equal(sower_experiment_address("/v1/experiments/", "exp-42_.~", "/trials", address),
                        "/v1/experiments/exp-42_.~/trials");
    assert_string_equal(sower_experiment_address("/x?experiment=", "a/b?c%d e+f&g=h#\xc3\xbc\n", "", address),
                        "/x?experiment=a%2Fb%3Fc%25d%20e%2Bf%26g%3Dh%23%C3%BC%0A");
}

static void the_longest_name_fits(void **state)
{
    (void)state;
    char address[SOWER_EXPERIMENT_ADDRESS_SIZE], around[SOWER_EXPERIMENT_AROUND_MAX + 1];
    memset(around, 'a', sizeof around - 1);
    around[sizeof around - 1] = '\0';
    memset(name, '/', SOWER_EXPERIMENT_MAX);
    name[SOWER_EXPERIMENT_MAX] = '\0';
    sower_experiment_address(around, name, "", address);
    assert_int_equal(strlen(address), sizeof address - 1);
    sower_experiment_address("", name, around, address);
    assert_int_equal(strlen(address), sizeof address - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_experiment_has_1_to_256_bytes_of_text),
        cmocka_unit_test(a_name_is_escaped_in_an_address),
        cmocka_unit_test(the_longest_name_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
