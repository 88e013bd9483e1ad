#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/glob.h"

static void patterns_match_whole_names(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool matches;
    } cases[] = {
        {"*", "", true},
        {"*", "a.b.c", true},
        {"*.bias", "h.0.bias", true},
        {"*.bias", "bias", false},
        {"*.bias", "h.0.biased", false},
        {"h.?.w", "h.7.w", true},
        {"h.?.w", "h.17.w", false},
        {"?", "é", true},
        {"??", "é", false},
        {"h.[0-3].*", "h.2.w", true},
        {"h.[0-3].*", "h.4.w", false},
        {"h.[!0-3].*", "h.4.w", true},
        {"[]]", "]", true},
        {"[a-]", "-", true},
        {"[é-ü]", "ö", true},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"a*b*c", "a.b.b.c", true},
        {"a*b*c", "a.b.b.", false},
        {"", "", true},
        {"", "a", false},
        {"**a", "bba", true},
        {"*ba", "ba", true},
        {"aba*aba", "aba", false},
        {"*a\\b", "aab", true},
        {"*\\*", "b*", true},
        {"*[a]]", "a]", true},
        {"*é", "aé", true},
        {"*é", "a\xc4\xa9", false}, /* ĩ ends in the same byte */
        {"*", "é", true},
        {"a*", "a", true},
        {"*?", "", false},
        {"*b*", "aab", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_true(sower_glob_check(cases[i].pattern));
        if (sower_glob_match(cases[i].pattern, cases[i].name, NULL) != cases[i].matches) {
            fail_msg("\"%s\" and \"%s\"", cases[i].pattern, cases[i].name);
        }
    }
}

static void invalid_patterns_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"[", "[a", "[a-", "[!", "a\\", "[\\", "[]", "x[!]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(sower_glob_check(bad[i]));
        (void)sower_glob_match(bad[i], "a", NULL); /* any result, but no read past the end */
    }
}

static void many_stars_do_not_take_exponential_time(void **state)
{
    (void)state;
    char pattern[401], name[513];
    for (size_t i = 0; i < 400; i += 2) {
        memcpy(pattern + i, "*a", 2);
    }
    pattern[400] = '\0';
    memset(name, 'a', 512);
    name[511] = 'b';
    name[512] = '\0';
    assert_false(sower_glob_match(pattern, name, NULL));
    name[511] = 'a';
    assert_true(sower_glob_match(pattern, name, NULL));
}

static void steps_are_counted_and_end_a_match(void **state)
{
    (void)state;
    uint64_t steps = 1000;
    assert_true(sower_glob_match("a*?b", "axxxb", &steps));
    assert_true(steps < 1000);
    steps = 2;
    assert_false(sower_glob_match("a*?b", "axxxb", &steps));
    assert_int_equal(steps, 0);
    steps = 100000;
    char set[3000] = "*[";
    memset(set + 2, 'b', 2900);
    strcpy(set + 2902, "]*");
    assert_false(sower_glob_match(set, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &steps));
    assert_int_equal(steps, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_whole_names),
        cmocka_unit_test(invalid_patterns_are_refused),
        cmocka_unit_test(many_stars_do_not_take_exponential_time),
        cmocka_unit_test(steps_are_counted_and_end_a_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
