/* Times: printed in UTC to the millisecond, and read back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/time.h"

static void times_are_utc_to_the_millisecond(void **state)
{
    (void)state;
    static const struct {
        int64_t time;
        const char *text;
    } cases[] = {{0, "1970-01-01T00:00:00.000Z"},
                 {1, "1970-01-01T00:00:00.001Z"},
                 {-1, "1969-12-31T23:59:59.999Z"},
                 {951782399999, "2000-02-28T23:59:59.999Z"},
                 {951782400000, "2000-02-29T00:00:00.000Z"}};
    char text[SOWER_TIME_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sower_time_print(cases[i].time, text);
        assert_string_equal(text, cases[i].text);
    }
    sower_time_print(INT64_MAX, text);
    assert_true(strlen(text) < SOWER_TIME_SIZE);
    sower_time_print(INT64_MIN, text);
    assert_true(strlen(text) < SOWER_TIME_SIZE);
}

static void every_time_that_is_printed_reads_back(void **state)
{
    (void)state;
    const int64_t begin = SOWER_TIME_FIRST, end = SOWER_TIME_LAST, step = 86399123 * 3;
    char text[SOWER_TIME_SIZE];
    int64_t read;
    for (int64_t time = begin; time <= end; time += step) {
        sower_time_print(time, text);
        assert_true(sower_time_read(text, strlen(text), &read));
        assert_true(read == time);
    }
    sower_time_print(end, text);
    assert_true(sower_time_read(text, strlen(text), &read) && read == end);
    sower_time_print(end + 1, text);
    assert_false(sower_time_read(text, strlen(text), &read));
}

static void text_that_is_not_a_time_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "2026-01-31T12:00:00.000",
        "2026-01-31 12:00:00.000Z",
        "2026-13-31T12:00:00.000Z",
        "2026-02-29T12:00:00.000Z",
        "2026-01-31T24:00:00.000Z",
        "2026-01-31T12:60:00.000Z",
        "2026-01-31T12:00:60.000Z",
        "0999-12-31T12:00:00.000Z",
        "2026-01-31T12:00:00.000Z ",
        "2026-01-31T12:00:00.0a0Z",
    };
    int64_t time;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(sower_time_read(texts[i], strlen(texts[i]), &time));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_utc_to_the_millisecond),
        cmocka_unit_test(every_time_that_is_printed_reads_back),
        cmocka_unit_test(text_that_is_not_a_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
