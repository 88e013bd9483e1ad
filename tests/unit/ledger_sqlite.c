/* The SQLite store: rows in, rows out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/ledger_sqlite.h"

static const struct sower_seed ROOT = {{0xcd, 0xef}};
static const uint8_t WRITER[SOWER_WRITER_SIZE] = {7};

struct fixture {
    char directory[32], path[64];
    struct sower_store *store;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct sower_problem problem;
    strcpy(fixture->directory, "/tmp/sower-test-XXXXXX");
    if (mkdtemp(fixture->directory) == NULL) {
        return -1;
    }
    snprintf(fixture->path, sizeof fixture->path, "%s/ledger", fixture->directory);
    fixture->store = sower_ledger_sqlite_open(fixture->path, WRITER, &problem);
    *state = fixture;
    return fixture->store == NULL;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    fixture->store->methods->close(fixture->store);
    int wrong = unlink(fixture->path) != 0 || rmdir(fixture->directory) != 0;
    free(fixture);
    return wrong;
}

static struct sower_record make_record(unsigned number)
{
    struct sower_record record;
    memset(&record, 0, sizeof record);
    memcpy(record.draw.bytes, &number, sizeof number);
    record.kind = SOWER_RECORD_DRAW;
    memset(record.seed.bytes, 0xab, sizeof record.seed.bytes);
    memcpy(record.seed.bytes, &number, sizeof number);
    record.root_id = ROOT;
    record.time = 1769860800123 + number;
    record.spec = 1;
    record.trial = SOWER_TRIAL_MAX;
    snprintf(record.experiment, sizeof record.experiment, "e%u", number % 2);
    snprintf(record.name, sizeof record.name, "w'%u\xc3\xbc", number);
    strcpy(record.shape, "4,6");
    strcpy(record.dtype, "f32");
    strcpy(record.initializer, "normal(mean=0,std=0.02)");
    strcpy(record.layout, "oi,in_axis=0+1");
    return record;
}

static void append(struct fixture *fixture, unsigned first, unsigned count)
{
    struct sower_store_draw *draws = calloc(count, sizeof *draws);
    struct sower_store_draw **pointers = calloc(count, sizeof *pointers);
    struct sower_problem problem;
    for (unsigned i = 0; i < count; i++) {
        draws[i].record = make_record(first + i);
        pointers[i] = &draws[i];
    }
    assert_true(fixture->store->methods->append(fixture->store, pointers, count, &problem));
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(draws[i].record.ledger, first + i + 1);
    }
    free(pointers);
    free(draws);
}

struct page {
    struct sower_record records[16];
    size_t count, stop_at;
};

static bool visit(void *context, const struct sower_record *record)
{
    struct page *page = context;
    page->records[page->count++] = *record;
    return page->count != page->stop_at;
}

static size_t read_page(struct fixture *fixture, struct sower_page wanted, struct page *page)
{
    struct sower_problem problem;
    page->count = 0;
    assert_true(fixture->store->methods->page(fixture->store, &wanted, visit, page, &problem));
    return page->count;
}

static void a_record_comes_back_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    struct page page = {.stop_at = 0};
    append(fixture, 0, 1);
    assert_int_equal(read_page(fixture, (struct sower_page){.after = 0, .until = 1, .count = 16}, &page), 1);
    struct sower_record expected = make_record(0), *got = &page.records[0];
    assert_int_equal(got->ledger, 1);
    assert_int_equal(got->time, expected.time);
    assert_memory_equal(&got->draw, &expected.draw, sizeof got->draw);
    assert_memory_equal(&got->seed, &expected.seed, sizeof got->seed);
    assert_memory_equal(&got->root_id, &expected.root_id, sizeof got->root_id);
    assert_int_equal(got->spec, 1);
    assert_int_equal(got->trial, SOWER_TRIAL_MAX);
    assert_string_equal(got->experiment, expected.experiment);
    assert_string_equal(got->name, expected.name);
    assert_string_equal(got->shape, expected.shape);
    assert_string_equal(got->dtype, expected.dtype);
    assert_string_equal(got->initializer, expected.initializer);
    assert_string_equal(got->layout, expected.layout);
}

static void a_draw_is_found_by_its_id(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    append(fixture, 0, 5);
    struct sower_store_draw draws[8], *pointers[8];
    for (unsigned i = 0; i < 8; i++) {
        draws[i] = (struct sower_store_draw){.record = make_record(i)};
        draws[i].record.ledger = 99;
        pointers[i] = &draws[i];
    }
    assert_true(fixture->store->methods->find(fixture->store, pointers, 8, &problem));
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(draws[i].record.ledger, i < 5 ? i + 1 : 0);
    }
}

static void a_draw_that_is_there_or_twice_in_a_batch_keeps_its_line(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    append(fixture, 0, 3);
    struct sower_store_draw draws[4] = {{.record = make_record(1)},
                                        {.record = make_record(7)},
                                        {.record = make_record(7)},
                                        {.record = make_record(8)}};
    struct sower_store_draw *pointers[] = {&draws[0], &draws[1], &draws[2], &draws[3]};
    assert_true(fixture->store->methods->append(fixture->store, pointers, 4, &problem));
    assert_int_equal(draws[0].record.ledger, 2);
    assert_int_equal(draws[1].record.ledger, 4);
    assert_int_equal(draws[2].record.ledger, 4);
    assert_int_equal(draws[3].record.ledger, 5);
    uint64_t last;
    assert_true(fixture->store->methods->last(fixture->store, &last, &problem));
    assert_int_equal(last, 5);
}

static void pages_follow_each_other_without_gaps(void **state)
{
    struct fixture *fixture = *state;
    struct page page = {.stop_at = 0};
    append(fixture, 0, 40);
    uint64_t after = 0, seen = 0;
    while (read_page(fixture, (struct sower_page){.after = after, .until = 35, .count = 7}, &page) > 0) {
        for (size_t i = 0; i < page.count; i++) {
            after = page.records[i].ledger;
            assert_int_equal(after, ++seen);
        }
    }
    assert_int_equal(seen, 35);
}

static void a_page_of_one_experiment_has_its_lines_only(void **state)
{
    struct fixture *fixture = *state;
    struct page page = {.stop_at = 0};
    append(fixture, 0, 20);
    assert_int_equal(
        read_page(
            fixture,
            (struct sower_page){.root_id = &ROOT, .experiment = "e1", .after = 4, .until = 12, .count = 16},
            &page),
        4);
    for (size_t i = 0; i < page.count; i++) {
        assert_int_equal(page.records[i].ledger, 6 + 2 * i);
    }
    assert_int_equal(read_page(fixture,
                               (struct sower_page){
                                   .root_id = &ROOT, .experiment = "e", .after = 0, .until = 20, .count = 16},
                               &page),
                     0);
}

static void a_visit_can_stop_a_page_and_the_next_works(void **state)
{
    struct fixture *fixture = *state;
    struct page page = {.stop_at = 3};
    append(fixture, 0, 10);
    assert_int_equal(read_page(fixture, (struct sower_page){.after = 0, .until = 10, .count = 16}, &page), 3);
    page.stop_at = 0;
    assert_int_equal(read_page(fixture, (struct sower_page){.after = 0, .until = 10, .count = 16}, &page),
                     10);
}

static void a_probe_adds_no_line(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    uint64_t last = 99;
    assert_true(fixture->store->methods->probe(fixture->store, &problem));
    assert_true(fixture->store->methods->last(fixture->store, &last, &problem));
    assert_int_equal(last, 0);
}

static void lines_are_there_after_opening_again_and_for_a_second_store(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    uint64_t last = 0;
    append(fixture, 0, 3);
    struct sower_store *second = sower_ledger_sqlite_open(fixture->path, WRITER, &problem);
    assert_non_null(second);
    assert_true(second->methods->last(second, &last, &problem));
    assert_int_equal(last, 3);
    second->methods->close(second);
    fixture->store->methods->close(fixture->store);
    fixture->store = sower_ledger_sqlite_open(fixture->path, WRITER, &problem);
    assert_non_null(fixture->store);
    append(fixture, 3, 2);
}

static void a_place_that_cannot_hold_a_ledger_is_refused(void **state)
{
    (void)state;
    struct sower_problem problem;
    static const char *const paths[] = {"/nonexistent/directory/ledger", "/dev/null", "/tmp", ":memory:", ""};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_null(sower_ledger_sqlite_open(paths[i], WRITER, &problem));
        assert_string_equal(problem.field, "--ledger");
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_record_comes_back_as_it_was),
        TEST(a_draw_is_found_by_its_id),
        TEST(a_draw_that_is_there_or_twice_in_a_batch_keeps_its_line),
        TEST(pages_follow_each_other_without_gaps),
        TEST(a_page_of_one_experiment_has_its_lines_only),
        TEST(a_visit_can_stop_a_page_and_the_next_works),
        TEST(a_probe_adds_no_line),
        TEST(lines_are_there_after_opening_again_and_for_a_second_store),
        TEST(a_place_that_cannot_hold_a_ledger_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
