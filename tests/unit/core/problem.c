#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/problem.h"

static void a_sentence_quotes_hostile_bytes_as_question_marks(void **state)
{
    (void)state;
    struct sower_problem problem;
    assert_false(sower_problem_set(&problem, SOWER_PROBLEM_INVALID, "init", "%s",
                                   "a\n\x01\xff\xc0\xaf\xed\xa0\x80 é€😀\x7f"));
    assert_string_equal(problem.sentence, "a???????? é€😀?");
    assert_string_equal(problem.field, "init");
}

static void a_sentence_that_is_too_long_ends_with_a_whole_character(void **state)
{
    (void)state;
    struct sower_problem problem;
    char text[1200];
    for (size_t shift = 0; shift < 4; shift++) {
        memset(text, 'a', shift);
        for (size_t i = 0; i < 250; i++) {
            memcpy(text + shift + 4 * i, "😀", 5);
        }
        sower_problem_set(&problem, SOWER_PROBLEM_INVALID, "", "%s", text);
        size_t length = strlen(problem.sentence);
        assert_true(length > sizeof problem.sentence - 5);
        assert_int_equal((length - shift) % 4, 0);
        assert_null(strchr(problem.sentence, '?'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sentence_quotes_hostile_bytes_as_question_marks),
        cmocka_unit_test(a_sentence_that_is_too_long_ends_with_a_whole_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
