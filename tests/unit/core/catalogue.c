#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "core/catalogue.h"

static void every_entry_is_complete(void **state)
{
    (void)state;
    const struct sower_entry *entry;
    for (size_t i = 0; (entry = sower_catalogue_entry(i)) != NULL; i++) {
        assert_non_null(entry->summary);
        assert_non_null(entry->formula);
        assert_non_null(entry->source);
        assert_non_null(entry->resolve);
        assert_true(strncmp(entry->example, entry->name, strlen(entry->name)) == 0);
        assert_true(entry->rank_minimum <= entry->rank_maximum && entry->rank_maximum <= SOWER_RANK_MAX);
        assert_ptr_equal(sower_catalogue_find(entry->name), entry); /* no other entry has this name */
    }
}

static void every_default_lies_in_its_domain(void **state)
{
    (void)state;
    struct sower_problem problem;
    const struct sower_entry *entry;
    for (size_t i = 0; (entry = sower_catalogue_entry(i)) != NULL; i++) {
        for (const struct sower_parameter *parameter = entry->parameters; parameter->name != NULL;
             parameter++) {
            assert_non_null(parameter->meaning);
            assert_true(parameter->required ||
                        sower_catalogue_check(entry->name, parameter, parameter->default_value, &problem));
            assert_true((parameter->kind == SOWER_PARAMETER_CHOICE) == (parameter->choices != NULL));
            assert_ptr_equal(&entry->parameters[sower_catalogue_parameter(entry, parameter->name)],
                             parameter);
        }
    }
}

static void a_value_outside_its_domain_is_refused_with_the_domain(void **state)
{
    (void)state;
    struct sower_problem problem;
    const struct sower_entry *entry = sower_catalogue_find("normal");
    const struct sower_parameter *std = &entry->parameters[sower_catalogue_parameter(entry, "std")];
    assert_true(sower_catalogue_check(entry->name, std, 0, &problem));
    const double bad[] = {-1, NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(sower_catalogue_check(entry->name, std, bad[i], &problem));
        assert_string_equal(problem.field, "init");
        assert_non_null(strstr(problem.sentence, "std"));
        assert_non_null(strstr(problem.sentence, "from 0"));
    }
    entry = sower_catalogue_find("truncated_normal");
    const struct sower_parameter *lower = &entry->parameters[sower_catalogue_parameter(entry, "lower")];
    assert_true(sower_catalogue_check(entry->name, lower, -INFINITY, &problem));
    assert_false(sower_catalogue_check(entry->name, lower, NAN, &problem));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_is_complete),
        cmocka_unit_test(every_default_lies_in_its_domain),
        cmocka_unit_test(a_value_outside_its_domain_is_refused_with_the_domain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
