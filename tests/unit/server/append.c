/* Number, place and time of a new line. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/time.h"
#include "server/ledger/append.h"

#define TIME INT64_C(1769860800123)

static struct sower_record line_at(int64_t time)
{
    struct sower_record record;
    memset(&record, 0, sizeof record);
    record.kind = SOWER_RECORD_PIN;
    record.time = time;
    strcpy(record.experiment, "e");
    return record;
}

/* A chain whose last line is line 7 of the ledger and the third of the chain. */
static struct sower_append make_append(void)
{
    struct sower_append append = {.ledger = 7, .time = TIME};
    memset(append.head.writer, 0x11, sizeof append.head.writer);
    memset(append.head.link, 0x22, sizeof append.head.link);
    append.head.sequence = 3;
    return append;
}

static void a_line_gets_the_next_number_and_place_and_becomes_the_head(void **state)
{
    (void)state;
    struct sower_append append = make_append();
    struct sower_link head = append.head;
    struct sower_problem problem;
    for (unsigned n = 1; n <= 3; n++) {
        struct sower_record record = line_at(TIME + n);
        uint8_t link[SOWER_LINK_SIZE];
        assert_true(sower_append_next(&append, &record, &problem));
        assert_int_equal(record.ledger, 7 + n);
        assert_int_equal(record.time, TIME + n);
        assert_int_equal(record.place.sequence, 3 + n);
        assert_memory_equal(record.place.writer, head.writer, sizeof head.writer);
        sower_chain_link(&record, head.link, link);
        assert_memory_equal(record.place.link, link, sizeof link);
        assert_memory_equal(&append.head, &record.place, sizeof append.head);
        assert_int_equal(append.ledger, record.ledger);
        assert_int_equal(append.time, record.time);
        head = append.head;
    }
}

static void the_first_line_of_a_writer_is_linked_to_zeros_and_has_the_clocks_time(void **state)
{
    (void)state;
    static const uint8_t zeros[SOWER_LINK_SIZE];
    static const int64_t times[] = {0, -1, TIME, SOWER_TIME_FIRST, SOWER_TIME_LAST};
    struct sower_problem problem;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct sower_append append = {.ledger = 41};
        struct sower_record record = line_at(times[i]);
        uint8_t link[SOWER_LINK_SIZE];
        assert_true(sower_append_next(&append, &record, &problem));
        assert_int_equal(record.ledger, 42);
        assert_int_equal(record.place.sequence, 1);
        assert_true(record.time == times[i]);
        sower_chain_link(&record, zeros, link);
        assert_memory_equal(record.place.link, link, sizeof link);
    }
}

static void a_line_gets_the_later_of_the_clocks_time_and_the_last_lines(void **state)
{
    (void)state;
    struct sower_problem problem;
    static const int64_t clocks[] = {TIME - 1, TIME - 5001, TIME - 10LL * 365 * 86400000, 0, -1, INT64_MIN};
    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        struct sower_append append = make_append();
        struct sower_record record = line_at(clocks[i]), next = line_at(TIME + 1);
        uint8_t link[SOWER_LINK_SIZE], before[SOWER_LINK_SIZE];
        memcpy(before, append.head.link, sizeof before);
        assert_true(sower_append_check(&append, clocks[i], &problem));
        assert_true(sower_append_time(&append, clocks[i]) == TIME);
        assert_true(sower_append_next(&append, &record, &problem));
        assert_true(record.time == TIME && append.time == TIME);
        sower_chain_link(&record, before, link); /* the link includes the line's time */
        assert_memory_equal(record.place.link, link, sizeof link);
        assert_true(sower_append_next(&append, &next, &problem));
        assert_true(next.time == TIME + 1 && append.time == TIME + 1);
    }
}

static void a_year_that_no_line_can_have_is_refused_and_the_head_stays(void **state)
{
    (void)state;
    static const int64_t clocks[] = {SOWER_TIME_LAST + 1, INT64_MAX};
    for (size_t i = 0; i < sizeof clocks / sizeof clocks[0]; i++) {
        struct sower_append append = make_append(), before = append;
        struct sower_record record = line_at(clocks[i]);
        struct sower_problem problem = {.sentence = ""};
        assert_false(sower_append_check(&append, clocks[i], &problem));
        assert_false(sower_append_next(&append, &record, &problem));
        assert_int_equal(problem.code, SOWER_PROBLEM_UNAVAILABLE);
        assert_non_null(strstr(problem.sentence, "clock"));
        assert_memory_equal(&append, &before, sizeof append);
        record.time = TIME + 1; /* the clock is right again */
        assert_true(sower_append_next(&append, &record, &problem));
        assert_int_equal(record.ledger, 8);
    }
    struct sower_append first = {.ledger = 0};
    struct sower_record record = line_at(SOWER_TIME_FIRST - 1);
    struct sower_problem problem;
    assert_false(sower_append_next(&first, &record, &problem));
}

static void a_chain_with_an_invalid_last_line_is_not_continued(void **state)
{
    (void)state;
    struct sower_append append = make_append();
    struct sower_record record = line_at(TIME);
    struct sower_problem problem = {.sentence = ""};
    append.time = SOWER_TIME_LAST + 1; /* as in a database that somebody has changed */
    assert_false(sower_append_next(&append, &record, &problem));
    assert_non_null(strstr(problem.sentence, "writer.key"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_gets_the_next_number_and_place_and_becomes_the_head),
        cmocka_unit_test(the_first_line_of_a_writer_is_linked_to_zeros_and_has_the_clocks_time),
        cmocka_unit_test(a_line_gets_the_later_of_the_clocks_time_and_the_last_lines),
        cmocka_unit_test(a_year_that_no_line_can_have_is_refused_and_the_head_stays),
        cmocka_unit_test(a_chain_with_an_invalid_last_line_is_not_continued),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
