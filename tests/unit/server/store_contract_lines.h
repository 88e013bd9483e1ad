/* Lines of draws: written once, linked, and read as written. */
#ifndef SOWER_TESTS_UNIT_SERVER_STORE_CONTRACT_LINES_H
#define SOWER_TESTS_UNIT_SERVER_STORE_CONTRACT_LINES_H

#include <pthread.h>
#include <stdatomic.h>

#include "proto/time.h"
#include "tests/unit/server/store_contract.h"

static void assert_same_draw(const struct sower_record *got, const struct sower_record *expected)
{
    assert_int_equal(got->kind, SOWER_RECORD_DRAW);
    assert_int_equal(got->time, expected->time);
    assert_memory_equal(&got->draw, &expected->draw, sizeof got->draw);
    assert_memory_equal(&got->seed, &expected->seed, sizeof got->seed);
    assert_memory_equal(&got->root_id, &expected->root_id, sizeof got->root_id);
    assert_int_equal(got->spec, 1);
    assert_int_equal(got->trial, expected->trial);
    assert_string_equal(got->experiment, expected->experiment);
    assert_string_equal(got->name, expected->name);
    assert_string_equal(got->shape, expected->shape);
    assert_string_equal(got->dtype, expected->dtype);
    assert_string_equal(got->initializer, expected->initializer);
    assert_string_equal(got->layout, expected->layout);
    assert_int_equal(got->has_manifest, expected->has_manifest);
    assert_memory_equal(got->manifest, expected->manifest, sizeof got->manifest);
}

static void a_record_is_read_as_it_was_written(void **state)
{
    struct fixture *fixture = *state;
    struct page page = {.stop_at = 0};
    struct sower_record written[3] = {make_record(0), make_record(1), make_record(2)};
    written[1].has_manifest = true;
    memset(written[1].manifest, 0x5a, sizeof written[1].manifest);
    written[2].trial = 0;
    written[2].shape[0] = '\0'; /* a scalar */
    for (size_t i = 0; i < 3; i++) {
        append_one(fixture, written[i], false);
    }
    assert_int_equal(read_page(fixture, (struct sower_page){.until = 3}, &page), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_same_draw(&page.records[i], &written[i]);
        assert_int_equal(page.records[i].ledger, i + 1);
        assert_int_equal(page.records[i].drift, 0);
        assert_memory_equal(page.records[i].place.writer, WRITER, sizeof WRITER);
    }
}

static void texts_of_any_kind_and_of_the_greatest_length_are_read_as_written(void **state)
{
    struct fixture *fixture = *state;
    struct page page = {.stop_at = 0};
    struct sower_record record = make_record(0);
    for (size_t i = 0; i < SOWER_NAME_MAX; i += 4) {
        memcpy(record.name + i, "\xf0\x9f\x8c\xb1", 4);
    }
    memset(record.experiment, '"', SOWER_EXPERIMENT_MAX);
    strcpy(record.experiment, "\\x41{},NULL'\"\\\t\n\x7f");
    record.experiment[strlen(record.experiment)] = ' ';
    memset(record.initializer, 'i', SOWER_EXPRESSION_MAX - 1);
    append_one(fixture, record, false);
    struct sower_page named = {.root_id = &ROOT, .experiment = record.experiment, .name = record.name};
    assert_int_equal(read_page(fixture, named, &page), 1);
    assert_same_draw(&page.records[0], &record);
    struct sower_store_draw draw = {.record = record};
    assert_int_equal(find_one(fixture, &draw), SOWER_DRAW_RECORDED);
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
    assert_true(fixture->store->writer->methods->find(fixture->store->writer, pointers, 8, &problem));
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(draws[i].record.ledger, i < 5 ? i + 1 : 0);
        assert_int_equal(draws[i].outcome, i < 5 ? SOWER_DRAW_RECORDED : SOWER_DRAW_NEW);
    }
}

static void a_draw_that_is_recorded_or_twice_in_a_batch_keeps_its_line(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 0, 3);
    struct sower_store_draw draws[4] = {{.record = make_record(1)},
                                        {.record = make_record(7)},
                                        {.record = make_record(7)},
                                        {.record = make_record(8)}};
    append_to(fixture->store, draws, 4);
    static const uint64_t lines[] = {2, 4, 4, 5};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(draws[i].record.ledger, lines[i]);
    }
    append_to(fixture->store, draws, 4); /* no draw is new */
    assert_int_equal(last_line(fixture), 5);
    assert_int_equal(check_chains(fixture), 5);
}

static void a_batch_of_any_size_is_written_completely(void **state)
{
    struct fixture *fixture = *state;
    enum { COUNT = 2500 };
    struct sower_store_draw *draws = calloc(COUNT, sizeof *draws);
    for (unsigned i = 0; i < COUNT; i++) {
        draws[i].record = make_record(i % 2400);
        snprintf(draws[i].record.experiment, sizeof draws[i].record.experiment, "x%u", i % 2400);
    }
    append_to(fixture->store, draws, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(draws[i].record.ledger, i % 2400 + 1);
    }
    free(draws);
    assert_int_equal(check_chains(fixture), 2400);
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

static void a_page_of_one_experiment_has_only_its_lines(void **state)
{
    struct fixture *fixture = *state;
    struct page page = {.stop_at = 0};
    static const struct sower_seed other_root = {{1}};
    append(fixture, 0, 20);
    struct sower_page wanted = {.root_id = &ROOT, .experiment = "e1", .after = 4, .until = 12};
    assert_int_equal(read_page(fixture, wanted, &page), 4);
    for (size_t i = 0; i < page.count; i++) {
        assert_int_equal(page.records[i].ledger, 6 + 2 * i);
    }
    assert_int_equal(read_page(fixture, (struct sower_page){.root_id = &ROOT, .experiment = "e"}, &page), 0);
    assert_int_equal(
        read_page(fixture, (struct sower_page){.root_id = &other_root, .experiment = "e1"}, &page), 0);
}

static void a_page_can_be_narrowed_by_trial_name_seed_and_manifest(void **state)
{
    struct fixture *fixture = *state;
    struct page page = {.stop_at = 0};
    const uint64_t trial = 3;
    for (unsigned i = 0; i < 12; i++) {
        struct sower_record record = make_record(i);
        record.trial = i % 4;
        record.has_manifest = i >= 6;
        record.manifest[31] = (uint8_t)i / 8;
        append_one(fixture, record, false);
    }
    struct sower_record tenth = make_record(9);
    static const uint8_t manifest[32] = {0};
    struct sower_page wanted = {.root_id = &ROOT, .experiment = "e1", .trial = &trial};
    assert_int_equal(read_page(fixture, wanted, &page), 3);
    assert_int_equal(page.records[1].ledger, 8);
    wanted = (struct sower_page){.root_id = &ROOT, .experiment = "e1", .name = tenth.name};
    assert_int_equal(read_page(fixture, wanted, &page), 1);
    assert_int_equal(page.records[0].ledger, 10);
    assert_int_equal(read_page(fixture, (struct sower_page){.seed = &tenth.seed}, &page), 1);
    assert_int_equal(page.records[0].ledger, 10);
    assert_int_equal(read_page(fixture, (struct sower_page){.manifest = manifest}, &page), 2);
    assert_int_equal(page.records[0].ledger, 7);
    wanted = (struct sower_page){.seed = &tenth.seed, .manifest = manifest};
    assert_int_equal(read_page(fixture, wanted, &page), 0);
}

static void a_visit_can_stop_a_page_and_the_next_works(void **state)
{
    struct fixture *fixture = *state;
    struct page page = {.stop_at = 3};
    append(fixture, 0, 10);
    assert_int_equal(read_page(fixture, (struct sower_page){.after = 0}, &page), 3);
    page.stop_at = 0;
    assert_int_equal(read_page(fixture, (struct sower_page){.after = 0}, &page), 10);
}

static void a_probe_adds_no_line(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    assert_true(
        fixture->store->writer->methods->probe(fixture->store->writer, make_record(9).time, &problem));
    assert_int_equal(last_line(fixture), 0);
    append(fixture, 0, 3);
    assert_true(
        fixture->store->writer->methods->probe(fixture->store->writer, make_record(9).time, &problem));
    append(fixture, 3, 1);
}

static void lines_are_found_after_reopening_and_by_a_second_store(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    uint64_t last = 0;
    append(fixture, 0, 3);
    struct sower_store *second = open_as(fixture, WRITER);
    assert_non_null(second);
    assert_true(second->reader->methods->last(second->reader, &last, &problem));
    assert_int_equal(last, 3);
    second->close(second);
    open_again(fixture);
    append(fixture, 3, 2);
    assert_int_equal(check_chains(fixture), 5);
}

static void another_draw_of_a_name_drifts_from_its_first_line(void **state)
{
    struct fixture *fixture = *state;
    struct page page = {.stop_at = 0};
    append(fixture, 0, 2);
    struct sower_store_draw draws[] = {{.record = make_drifting(1, 1)}, {.record = make_drifting(1, 2)},
                                       {.record = make_record(5)},      {.record = make_drifting(5, 1)},
                                       {.record = make_drifting(5, 2)}, {.record = make_drifting(5, 1)}};
    append_to(fixture->store, draws, 6);
    static const uint64_t lines[] = {3, 4, 5, 6, 7, 6}, drifts[] = {2, 2, 0, 5, 5, 5};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(draws[i].record.ledger, lines[i]);
        assert_int_equal(draws[i].record.drift, drifts[i]);
        struct sower_store_draw again = {.record = draws[i].record};
        assert_int_equal(find_one(fixture, &again), SOWER_DRAW_RECORDED);
        assert_int_equal(again.record.drift, drifts[i]);
    }
    struct sower_store_draw fresh = {.record = make_drifting(1, 3)};
    assert_int_equal(find_one(fixture, &fresh), SOWER_DRAW_NEW);
    assert_int_equal(fresh.record.drift, 2);
    assert_int_equal(read_page(fixture, (struct sower_page){.seed = &fresh.record.seed}, &page), 3);
    assert_int_equal(page.records[2].drift, 2);
    assert_int_equal(check_chains(fixture), 7);
}

static void a_strict_draw_that_drifts_is_refused_and_the_others_are_written(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 0, 1);
    struct sower_store_draw draws[] = {{.record = make_drifting(0, 1), .strict = true},
                                       {.record = make_record(1), .strict = true},
                                       {.record = make_drifting(1, 1), .strict = true},
                                       {.record = make_drifting(0, 2)},
                                       {.record = make_drifting(0, 2), .strict = true}};
    append_to(fixture->store, draws, 5);
    static const enum sower_draw_outcome outcomes[] = {
        SOWER_DRAW_REFUSED, SOWER_DRAW_RECORDED, SOWER_DRAW_REFUSED, SOWER_DRAW_RECORDED, SOWER_DRAW_REFUSED};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(draws[i].outcome, outcomes[i]);
    }
    assert_int_equal(draws[0].record.drift, 1);
    assert_int_equal(draws[2].record.drift, 2);
    assert_int_equal(find_one(fixture, &draws[4]), SOWER_DRAW_REFUSED); /* it is recorded, and drifts */
    assert_int_equal(check_chains(fixture), 3);
}

/* Draw `number` in another dtype. */
static struct sower_record make_precision(unsigned number, uint8_t variant, const char *dtype)
{
    struct sower_record record = make_record(number);
    record.draw.bytes[31] = variant;
    strcpy(record.dtype, dtype);
    return record;
}

static void the_same_array_in_another_precision_drifts_and_is_not_refused(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 0, 1); /* f32 */
    /* Draw 1 is new: the first of the same call counts. */
    struct sower_store_draw draws[] = {{.record = make_precision(0, 1, "bf16"), .strict = true},
                                       {.record = make_precision(0, 2, "f64"), .strict = true},
                                       {.record = make_drifting(0, 3)},
                                       {.record = make_precision(0, 2, "f8_e4m3"), .strict = true},
                                       {.record = make_precision(1, 1, "bf16"), .strict = true},
                                       {.record = make_record(1), .strict = true},
                                       {.record = make_precision(1, 2, "f64"), .strict = true},
                                       {.record = make_precision(1, 3, "f16"), .strict = true}};
    static const enum sower_draw_outcome outcomes[] = {
        SOWER_DRAW_RECORDED, SOWER_DRAW_REFUSED,  SOWER_DRAW_RECORDED, SOWER_DRAW_RECORDED,
        SOWER_DRAW_RECORDED, SOWER_DRAW_RECORDED, SOWER_DRAW_REFUSED,  SOWER_DRAW_RECORDED};
    static const uint64_t drifts[] = {1, 1, 1, 1, 0, 5, 5, 5};
    append_to(fixture->store, draws, 8);
    for (size_t i = 0; i < 8; i++) {
        struct sower_store_draw again = {.record = draws[i].record, .strict = draws[i].strict};
        assert_int_equal(draws[i].outcome, outcomes[i]);
        assert_int_equal(draws[i].record.drift, drifts[i]);
        assert_int_equal(find_one(fixture, &again), outcomes[i]);
        assert_int_equal(again.record.drift, drifts[i]);
    }
    assert_int_equal(check_chains(fixture), 7);
}

/* A model of the draws `first`, first + 1, …, which drift if `variant` is not 0. */
struct drawn {
    unsigned first;
    uint8_t variant;
};

static void fill(void *context, size_t n, struct sower_record *record)
{
    const struct drawn *drawn = context;
    *record = drawn->variant == 0 ? make_record(drawn->first + (unsigned)n)
                                  : make_drifting(drawn->first + (unsigned)n, drawn->variant);
}

static struct sower_store_model ask_for_model(struct fixture *fixture, struct drawn drawn, size_t count,
                                              uint8_t hash, bool strict, bool only_look)
{
    struct sower_store_writer *writer = fixture->store->writer;
    struct sower_problem problem = {.sentence = ""};
    struct sower_store_model model = {.count = count,
                                      .fill = fill,
                                      .context = &drawn,
                                      .manifest = {hash},
                                      .text = "{\"tensors\":[]}",
                                      .length = 14,
                                      .time = 1769860900000,
                                      .strict = strict};
    bool done, written = false;
    do {
        done = only_look ? writer->methods->find_model(writer, &model, &problem)
                         : writer->methods->append_model(writer, &model, &problem);
        written = written || model.written;
    } while (done && model.unfinished);
    assert_string_equal(problem.sentence, "");
    assert_true(done);
    model.written = written;
    return model;
}

static struct sower_store_model append_model(struct fixture *fixture, struct drawn drawn, size_t count,
                                             uint8_t hash, bool strict)
{
    return ask_for_model(fixture, drawn, count, hash, strict, false);
}

static struct sower_store_model find_model(struct fixture *fixture, struct drawn drawn, size_t count,
                                           uint8_t hash, bool strict)
{
    struct sower_store_model model = ask_for_model(fixture, drawn, count, hash, strict, true);
    assert_false(model.written);
    return model;
}

static bool keeps_manifest(struct fixture *fixture, uint8_t hash)
{
    struct sower_problem problem;
    const uint8_t bytes[32] = {hash};
    char *text;
    size_t length = 0;
    assert_true(
        fixture->store->reader->methods->manifest(fixture->store->reader, bytes, &text, &length, &problem));
    bool kept = text != NULL;
    if (kept) {
        assert_int_equal(length, 14);
        assert_memory_equal(text, "{\"tensors\":[]}", 14);
    }
    free(text);
    return kept;
}

static void a_model_is_written_once_with_its_manifest(void **state)
{
    struct fixture *fixture = *state;
    struct page page = {.stop_at = 0};
    append(fixture, 0, 2);
    assert_false(keeps_manifest(fixture, 5));
    struct sower_store_model model = append_model(fixture, (struct drawn){1, 0}, 2300, 5, false);
    assert_true(model.written && !model.refused && model.drift == 0);
    assert_true(keeps_manifest(fixture, 5));
    assert_int_equal(last_line(fixture), 2301); /* one of its draws was recorded */
    model = append_model(fixture, (struct drawn){1, 0}, 2300, 5, true);
    assert_false(model.written || model.refused);
    assert_int_equal(read_page(fixture, (struct sower_page){.manifest = model.manifest, .after = 2}, &page),
                     16);
    assert_int_equal(page.records[0].ledger, 3);
    assert_int_equal(page.records[0].time, 1769860900000);
    assert_int_equal(check_chains(fixture), 2301);
}

static void a_model_without_new_draws_stores_its_manifest(void **state)
{
    struct fixture *fixture = *state;
    append(fixture, 0, 3);
    assert_true(append_model(fixture, (struct drawn){0, 0}, 3, 1, false).written);
    assert_true(append_model(fixture, (struct drawn){0, 0}, 0, 2, false).written);
    assert_false(append_model(fixture, (struct drawn){0, 0}, 0, 2, false).written);
    assert_true(keeps_manifest(fixture, 1) && keeps_manifest(fixture, 2));
    assert_int_equal(last_line(fixture), 3);
    append(fixture, 3, 1);
    assert_int_equal(check_chains(fixture), 4);
}

static void a_model_that_drifts_is_noted_or_refused_completely(void **state)
{
    struct fixture *fixture = *state;
    append_one(fixture, make_record(1500), false);
    struct sower_store_model model = append_model(fixture, (struct drawn){0, 1}, 2000, 1, true);
    assert_true(model.refused && !model.written);
    assert_int_equal(model.drifting, 1500);
    assert_int_equal(model.drift, 1);
    assert_false(keeps_manifest(fixture, 1));
    assert_int_equal(last_line(fixture), 1);
    model = append_model(fixture, (struct drawn){1499, 1}, 3, 1, false);
    assert_true(model.written && !model.refused);
    assert_int_equal(model.drifting, 1);
    assert_int_equal(model.drift, 1);
    model = append_model(fixture, (struct drawn){1499, 1}, 3, 1, true); /* it is recorded, and drifts */
    assert_true(model.refused && !model.written);
    assert_int_equal(check_chains(fixture), 4);
}

static void looking_a_model_up_writes_nothing(void **state)
{
    struct fixture *fixture = *state;
    append_one(fixture, make_record(1500), false);
    struct sower_store_model model = find_model(fixture, (struct drawn){0, 0}, 2000, 1, true);
    assert_true(!model.refused && model.drift == 0);
    model = find_model(fixture, (struct drawn){0, 1}, 2000, 1, false); /* after many new draws */
    assert_true(!model.refused && model.drift == 1 && model.drifting == 1500);
    model = find_model(fixture, (struct drawn){0, 1}, 2000, 1, true);
    assert_true(model.refused && model.drift == 1 && model.drifting == 1500);
    assert_false(keeps_manifest(fixture, 1));
    assert_int_equal(last_line(fixture), 1);
    assert_true(append_model(fixture, (struct drawn){0, 1}, 2000, 1, false).written);
    model = find_model(fixture, (struct drawn){0, 1}, 2000, 1, false);
    assert_true(!model.refused && model.drift == 1 && model.drifting == 1500);
    assert_int_equal(check_chains(fixture), 2001);
}

enum { LARGE = 2 * SOWER_STORE_STEP + 5 };

static void between_the_steps_of_a_large_model_others_write(void **state)
{
    struct fixture *fixture = *state;
    struct sower_store_writer *writer = fixture->store->writer;
    struct drawn drawn = {1, 0};
    struct sower_problem problem;
    struct sower_store_model model = {.count = LARGE,
                                      .fill = fill,
                                      .context = &drawn,
                                      .manifest = {7},
                                      .text = "{\"tensors\":[]}",
                                      .length = 14,
                                      .time = 1769860900000,
                                      .strict = true};
    uint64_t others = 0, before = 0;
    do {
        assert_true(writer->methods->append_model(writer, &model, &problem));
        assert_false(model.refused);
        uint64_t last = last_line(fixture);
        assert_true(last - before <= SOWER_STORE_STEP && model.written == (last > before));
        (void)append_one(fixture, make_record(LARGE + 1 + (unsigned)others), false);
        before = last + 1;
        others++;
    } while (model.unfinished);
    assert_int_equal(others, 3 + 3); /* it was looked up in three steps, and then written in three */
    assert_int_equal(last_line(fixture), LARGE + others);
    assert_true(keeps_manifest(fixture, 7));
    assert_int_equal(check_chains(fixture), LARGE + others);
    model = append_model(fixture, drawn, LARGE, 7, true);
    assert_false(model.written || model.refused);
}

static void a_large_model_with_a_refused_draw_writes_nothing(void **state)
{
    struct fixture *fixture = *state;
    (void)append_one(fixture, make_record(LARGE - 1), false);
    struct sower_store_model model = append_model(fixture, (struct drawn){0, 1}, LARGE, 1, true);
    assert_true(model.refused && model.drift == 1 && model.drifting == LARGE - 1);
    assert_false(model.written || keeps_manifest(fixture, 1));
    assert_int_equal(last_line(fixture), 1);
}

/* The model is given up after its 1,500th draw. */
static void fill_and_give_up(void *context, size_t n, struct sower_record *record)
{
    *record = make_record((unsigned)n);
    if (n == 1500) {
        atomic_store((_Atomic bool *)context, true);
    }
}

static void a_model_that_is_given_up_leaves_nothing(void **state)
{
    struct fixture *fixture = *state;
    _Atomic bool given_up = false;
    struct sower_problem problem;
    struct sower_store_model model = {.count = 100000,
                                      .fill = fill_and_give_up,
                                      .context = &given_up,
                                      .manifest = {1},
                                      .text = "{\"tensors\":[]}",
                                      .length = 14,
                                      .time = 1769860900000,
                                      .given_up = &given_up};
    assert_false(fixture->store->writer->methods->append_model(fixture->store->writer, &model, &problem));
    assert_int_equal(problem.code, SOWER_PROBLEM_UNAVAILABLE);
    assert_false(model.written || keeps_manifest(fixture, 1));
    assert_int_equal(last_line(fixture), 0);
    append(fixture, 0, 1);
    assert_int_equal(check_chains(fixture), 1);
}

static void two_writers_on_one_ledger_have_a_chain_each(void **state)
{
    struct fixture *fixture = *state;
    struct sower_store *other = open_as(fixture, OTHER_WRITER);
    struct heads heads;
    assert_non_null(other);
    assert_int_equal(read_heads(other, 3, &heads), 0);
    assert_int_equal(heads.count, 0);
    for (unsigned i = 0; i < 10; i++) {
        append(fixture, 3 * i, 1);
        struct sower_store_draw draws[] = {{.record = make_record(3 * i)},
                                           {.record = make_record(3 * i + 1)},
                                           {.record = make_record(3 * i + 2)}};
        append_to(other, draws, 3);
        assert_int_equal(draws[0].record.ledger, 3 * i + 1);
        assert_int_equal(draws[2].record.ledger, 3 * i + 3);
    }
    assert_int_equal(check_chains(fixture), 30);
    assert_int_equal(read_heads(fixture->store, 3, &heads), 30);
    assert_int_equal(heads.count, 2);
    assert_memory_equal(heads.heads[0].writer, WRITER, sizeof WRITER);
    assert_int_equal(heads.heads[0].sequence, 10);
    assert_int_equal(heads.heads[1].sequence, 20);
    assert_int_equal(read_heads(other, 0, &heads), 30); /* no others; its own head is always included */
    assert_int_equal(heads.count, 1);
    assert_memory_equal(heads.heads[0].writer, OTHER_WRITER, sizeof OTHER_WRITER);
    other->close(other);
}

struct contender {
    pthread_t thread;
    struct sower_store *store;
    unsigned first;
    struct sower_store_draw draws[10];
    bool failed;
};

/* Half of each batch is also written by the other thread. */
static void *contend(void *context)
{
    struct contender *contender = context;
    struct sower_problem problem;
    struct sower_store_draw *pointers[10];
    for (unsigned batch = 0; batch < 20; batch++) {
        for (unsigned i = 0; i < 10; i++) {
            unsigned own = i % 2 == 0 ? 0 : contender->first;
            contender->draws[i] = (struct sower_store_draw){.record = make_record(own + 10 * batch + i)};
            contender->draws[i].record.time = 1769860900000;
            pointers[i] = &contender->draws[i];
        }
        contender->failed =
            !contender->store->writer->methods->append(contender->store->writer, pointers, 10, &problem) ||
            contender->failed;
    }
    return NULL;
}

static void concurrent_writers_leave_no_gap_and_write_nothing_twice(void **state)
{
    struct fixture *fixture = *state;
    static struct contender contenders[2];
    contenders[0] = (struct contender){.store = fixture->store, .first = 1000};
    contenders[1] = (struct contender){.store = open_as(fixture, OTHER_WRITER), .first = 2000};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&contenders[i].thread, NULL, contend, &contenders[i]), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(contenders[i].thread, NULL), 0);
        assert_false(contenders[i].failed);
    }
    contenders[1].store->close(contenders[1].store);
    assert_int_equal(check_chains(fixture), 20 * (5 + 5 + 5));
}

static void times_in_a_chain_never_decrease_and_have_a_year_of_four_digits(void **state)
{
    struct fixture *fixture = *state;
    struct page page = {.stop_at = 0};
    struct sower_problem problem;
    append(fixture, 0, 1);
    assert_true(fixture->store->writer->chain_time == make_record(0).time);
    static const int64_t back[] = {5000, 6000, 10LL * 365 * 86400000};
    for (unsigned i = 0; i < 3; i++) {
        struct sower_record record = make_record(1 + i);
        record.time -= back[i];
        append_one(fixture, record, false);
        assert_true(fixture->store->writer->methods->probe(fixture->store->writer, record.time, &problem));
    }
    assert_int_equal(read_page(fixture, (struct sower_page){.until = 4}, &page), 4);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(page.records[i].time, page.records[0].time);
    }
    assert_true(fixture->store->writer->chain_time == page.records[0].time);
    struct sower_store_draw draw = {.record = make_record(4)}, *pointer = &draw;
    draw.record.time = SOWER_TIME_LAST + 1;
    assert_false(fixture->store->writer->methods->append(fixture->store->writer, &pointer, 1, &problem));
    assert_int_equal(problem.code, SOWER_PROBLEM_UNAVAILABLE);
    assert_non_null(strstr(problem.sentence, "clock"));
    assert_false(
        fixture->store->writer->methods->probe(fixture->store->writer, SOWER_TIME_LAST + 1, &problem));
    assert_int_equal(find_one(fixture, &draw), SOWER_DRAW_NEW);
    assert_int_equal(check_chains(fixture), 4);
    struct sower_store *other =
        open_as(fixture, OTHER_WRITER); /* each writer's times depend on its own chain only */
    draw.record = make_record(4);
    draw.record.time -= 6000;
    int64_t time = draw.record.time;
    append_to(other, &draw, 1);
    assert_int_equal(draw.record.ledger, 5);
    assert_true(draw.record.time == time && other->writer->chain_time == time);
    other->close(other);
}

static void a_failed_write_is_reported_and_the_next_one_works(void **state)
{
    struct fixture *fixture = *state;
    struct sower_problem problem;
    struct sower_store_draw draw = {.record = make_record(1)}, *pointer = &draw;
    append(fixture, 0, 1);
    void *lock = hold_lock(fixture);
    assert_false(fixture->store->writer->methods->append(fixture->store->writer, &pointer, 1, &problem));
    assert_int_equal(problem.code, SOWER_PROBLEM_UNAVAILABLE);
    assert_false(
        fixture->store->writer->methods->probe(fixture->store->writer, make_record(9).time, &problem));
    assert_int_equal(problem.code, SOWER_PROBLEM_UNAVAILABLE);
    assert_int_equal(find_one(fixture, &draw), SOWER_DRAW_NEW); /* look-ups and reading still work */
    assert_int_equal(last_line(fixture), 1);
    release_lock(lock);
    append(fixture, 1, 1);
    assert_int_equal(check_chains(fixture), 2);
}

#define CONTRACT_LINES(test)                                                                                 \
    test(a_record_is_read_as_it_was_written),                                                                \
        test(texts_of_any_kind_and_of_the_greatest_length_are_read_as_written),                              \
        test(a_draw_is_found_by_its_id), test(a_draw_that_is_recorded_or_twice_in_a_batch_keeps_its_line),   \
        test(a_batch_of_any_size_is_written_completely), test(pages_follow_each_other_without_gaps),         \
        test(a_page_of_one_experiment_has_only_its_lines),                                                   \
        test(a_page_can_be_narrowed_by_trial_name_seed_and_manifest),                                        \
        test(a_visit_can_stop_a_page_and_the_next_works), test(a_probe_adds_no_line),                        \
        test(lines_are_found_after_reopening_and_by_a_second_store),                                         \
        test(another_draw_of_a_name_drifts_from_its_first_line),                                             \
        test(a_strict_draw_that_drifts_is_refused_and_the_others_are_written),                               \
        test(the_same_array_in_another_precision_drifts_and_is_not_refused),                                 \
        test(a_model_is_written_once_with_its_manifest),                                                     \
        test(a_model_without_new_draws_stores_its_manifest),                                                 \
        test(a_model_that_drifts_is_noted_or_refused_completely), test(looking_a_model_up_writes_nothing),   \
        test(between_the_steps_of_a_large_model_others_write),                                               \
        test(a_large_model_with_a_refused_draw_writes_nothing),                                              \
        test(a_model_that_is_given_up_leaves_nothing), test(two_writers_on_one_ledger_have_a_chain_each),    \
        test(concurrent_writers_leave_no_gap_and_write_nothing_twice),                                       \
        test(times_in_a_chain_never_decrease_and_have_a_year_of_four_digits),                                \
        test(a_failed_write_is_reported_and_the_next_one_works)

#endif
