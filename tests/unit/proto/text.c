#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/text.h"

static void a_whole_number_is_plain_decimal_digits_that_fit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"7", 7},
                {"-12", -12},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775807", -INT64_MAX}};
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "01",
                                      "-01",
                                      "-0",
                                      "1e3",
                                      "1.0",
                                      "0x10",
                                      "1_0",
                                      "1,0",
                                      "one",
                                      "٣",
                                      "--1",
                                      "9223372036854775808",
                                      "inf",
                                      "1\n",
                                      "18446744073709551616",
                                      "99999999999999999999999"};
    int64_t value;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(sower_text_integer(good[i].text, strlen(good[i].text), &value));
        assert_int_equal(value, good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(sower_text_integer(bad[i], strlen(bad[i]), &value));
    }
    assert_false(sower_text_integer("1\0", 2, &value));
    assert_true(sower_text_integer("123", 2, &value)); /* no terminator needed */
    assert_int_equal(value, 12);
}

static void a_real_is_decimal_and_finite(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},
                {"0.02", 0.02},
                {"+.5", 0.5},
                {"-1e-5", -1e-5},
                {"1E+2", 100},
                {"1e-999", 0},
                {"5e-324", 0x1p-1074},
                {"0.1000", 0.1},
                {"123456789012345678901234567890", 123456789012345678901234567890.0},
                {"1.7976931348623157e308", 0x1.fffffffffffffp1023}};
    static const char *const bad[] = {"",       ".",    "+",     "1.",    "e5",   "1e",       "1e+", "nan",
                                      "inf",    "NaN",  "0x1p3", "1,5",   " 1",   "1 ",       "--1", "1e999",
                                      "-1e999", "00.5", "1.5f",  "1e5.0", "1..2", "infinity", "1d5"};
    double value;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(sower_text_real(good[i].text, strlen(good[i].text), &value));
        assert_true(value == good[i].value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(sower_text_real(bad[i], strlen(bad[i]), &value));
    }
    char *digits = malloc(100000);
    assert_non_null(digits);
    memset(digits, '1', 100000);
    assert_false(sower_text_real(digits, 100000, &value));
    free(digits);
}

static void a_printed_real_is_the_shortest_that_reads_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.05, "0.05"},
                 {1e-5, "1e-05"},
                 {100, "100"},
                 {0, "0"},
                 {1.0 / 3, "0.3333333333333333"},
                 {5.0 / 3, "1.6666666666666667"},
                 {INFINITY, "inf"},
                 {-INFINITY, "-inf"},
                 {0x1p-1074, "5e-324"},
                 {1e22, "1e+22"}};
    char text[SOWER_REAL_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sower_text_print_real(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
    }
    uint64_t bits = 0x9e3779b97f4a7c15;
    for (int i = 0; i < 20000; i++) {
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        double value;
        memcpy(&value, &bits, sizeof value);
        double back;
        sower_text_print_real(value, text);
        assert_true(!isfinite(value) || (sower_text_real(text, strlen(text), &back) && back == value));
    }
}

static void a_quotation_is_cut_between_characters(void **state)
{
    (void)state;
    char quote[SOWER_QUOTE_SIZE];
    sower_text_quote("abc", 3, quote);
    assert_string_equal(quote, "\"abc\"");
    sower_text_quote("", 0, quote);
    assert_string_equal(quote, "\"\"");
    sower_text_quote("a\0b", 3, quote);
    assert_string_equal(quote, "\"a?b\"");
    char text[200];
    memset(text, 'x', sizeof text);
    for (size_t shift = 0; shift < 4; shift++) {
        memcpy(text + 57 + shift, "𝄞", 4); /* four bytes, across the cut or next to it */
        sower_text_quote(text, sizeof text, quote);
        assert_true(strlen(quote) < SOWER_QUOTE_SIZE);
        json_t *valid = json_string(quote);
        assert_non_null(valid);
        json_decref(valid);
        assert_non_null(strstr(quote, "…\""));
        memset(text, 'x', sizeof text);
    }
    memset(text, 0x80, sizeof text); /* only continuation bytes */
    sower_text_quote(text, sizeof text, quote);
    assert_true(strlen(quote) < SOWER_QUOTE_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_number_is_plain_decimal_digits_that_fit),
        cmocka_unit_test(a_real_is_decimal_and_finite),
        cmocka_unit_test(a_printed_real_is_the_shortest_that_reads_back),
        cmocka_unit_test(a_quotation_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
