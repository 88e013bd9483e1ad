/* Reading receipts: a receipt that the daemon writes gives the same records, and any other text is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/receipt.h"
#include "proto/receipt_read.h"

enum { DRAWS = 3 };

/* The records that are read, and those that must come. */
struct taking {
    struct sower_record records[DRAWS];
    size_t count;
};

static bool take(void *context, const struct sower_record *record, struct sower_problem *problem)
{
    struct taking *taking = context;
    if (taking->count == DRAWS) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "There are too many draws.");
    }
    taking->records[taking->count++] = *record;
    return true;
}

static void set_record(struct sower_record *record, size_t number)
{
    memset(record, 0, sizeof *record);
    record->kind = SOWER_RECORD_DRAW;
    record->spec = 1;
    record->trial = 7;
    memset(&record->root_id, 3, sizeof record->root_id);
    memset(&record->draw, (int)number, sizeof record->draw);
    memset(&record->seed, (int)number + 50, sizeof record->seed);
    snprintf(record->experiment, sizeof record->experiment, "exp \"\\\n%c", 'a');
    snprintf(record->name, sizeof record->name, "layers.%zu.\xc3\xa4", number);
    snprintf(record->shape, sizeof record->shape, "%s", number == 0 ? "" : "4096,1024");
    snprintf(record->dtype, sizeof record->dtype, "f32");
    snprintf(record->initializer, sizeof record->initializer, "normal(mean=0,std=0.02)");
    snprintf(record->layout, sizeof record->layout, "oi,in_axis=0+1");
    record->ledger = 12 + number;
    record->drift = number;
}

static void print_receipt(struct sower_buffer *text, const uint8_t *manifest)
{
    struct sower_record record;
    struct sower_draw draw = {.trial = 7};
    set_record(&record, 0);
    draw.root_id = record.root_id;
    memcpy(draw.experiment, record.experiment, sizeof draw.experiment);
    sower_receipt_begin(text, &draw, manifest, 14);
    for (size_t i = 0; i < DRAWS; i++) {
        set_record(&record, i);
        sower_receipt_draw(text, i == 0, &record);
    }
    sower_receipt_ties(text);
    sower_receipt_tie(text, true, "head", "layers.0.\xc3\xa4");
    sower_receipt_tie(text, false, "tail", "layers.1.\xc3\xa4");
    sower_receipt_end(text);
    assert_false(text->failed);
}

static void a_written_receipt_reads_back(void **state)
{
    (void)state;
    const uint8_t hash[32] = {1, 2, 3};
    for (size_t with_manifest = 0; with_manifest < 2; with_manifest++) {
        struct sower_buffer text = {0};
        struct sower_receipt receipt;
        struct taking taking = {.count = 0};
        struct sower_problem problem;
        print_receipt(&text, with_manifest ? hash : NULL);
        assert_true(sower_receipt_read(text.text, text.length, &receipt, take, &taking, &problem));
        assert_int_equal(taking.count, DRAWS);
        for (size_t i = 0; i < DRAWS; i++) {
            struct sower_record expected;
            set_record(&expected, i);
            assert_memory_equal(&taking.records[i], &expected, sizeof expected);
        }
        assert_int_equal(receipt.has_manifest, with_manifest);
        assert_memory_equal(receipt.manifest, with_manifest ? hash : (const uint8_t[32]){0}, 32);
        assert_int_equal(receipt.ledger, 14);
        assert_int_equal(receipt.trial, 7);
        assert_int_equal(receipt.spec, 1);
        assert_string_equal(sower_receipt_name(&receipt, "head"), "layers.0.\xc3\xa4");
        assert_string_equal(sower_receipt_name(&receipt, "other"), "other");
        sower_receipt_free(&receipt);
        sower_buffer_free(&text);
    }
}

static bool read_text(const char *text, size_t length)
{
    struct sower_receipt receipt;
    struct taking taking = {.count = 0};
    struct sower_problem problem;
    char *exact = malloc(length + 1); /* so that a read beyond its end is found */
    assert_non_null(exact);
    memcpy(exact, text, length);
    bool read = sower_receipt_read(exact, length, &receipt, take, &taking, &problem);
    sower_receipt_free(&receipt);
    free(exact);
    return read;
}

static void a_receipt_that_is_cut_is_refused(void **state)
{
    (void)state;
    struct sower_buffer text = {0};
    print_receipt(&text, NULL);
    for (size_t length = 0; length < text.length - 1; length++) { /* without the line feed it is whole */
        assert_false(read_text(text.text, length));
    }
    assert_true(read_text(text.text, text.length - 1));
    sower_buffer_free(&text);
}

static void a_receipt_with_another_member_is_refused(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"\"trial\":7", "\"trial\":-7"},
        {"\"trial\":7", "\"trial\":\"7\""},
        {"\"spec\":1", "\"spec\":0"},
        {"\"manifest\":null", "\"manifest\":0"},
        {"\"ledger\":14", "\"ledgr\":14"},
        {"\"draws\":[", "\"drawn\":["},
        {"\"draws\":[", "\"draws\":[1,"},
        {"\"draws\":[", "\"draws\":[{},"},
        {"\"seed\"", "\"sed\""},
        {"\"ties\":{", "\"ties\":{\"a\":1,"},
        {"\"ties\":{", "\"tie\":{"},
        {"\"dtype\":\"f32\"", "\"dtype\":32"},
        {"\"shape\":[]", "\"shape\":[-1]"},
        {"\"root\"", "\"Root\""},
        {"{\"experiment\"", "{\"experiment\":\"\",\"x\""},
    };
    struct sower_buffer text = {0};
    print_receipt(&text, NULL);
    sower_buffer_bytes(&text, "", 1);
    assert_false(text.failed);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct sower_buffer changed = {0};
        const char *place = strstr(text.text, changes[i][0]);
        assert_non_null(place);
        sower_buffer_bytes(&changed, text.text, (size_t)(place - text.text));
        sower_buffer_text(&changed, changes[i][1]);
        sower_buffer_text(&changed, place + strlen(changes[i][0]));
        assert_false(changed.failed);
        if (read_text(changed.text, changed.length)) {
            fail_msg("%s", changes[i][1]);
        }
        sower_buffer_free(&changed);
    }
    sower_buffer_free(&text);
}

static void text_after_a_receipt_is_refused(void **state)
{
    (void)state;
    struct sower_buffer text = {0};
    print_receipt(&text, NULL);
    sower_buffer_text(&text, "x");
    assert_false(read_text(text.text, text.length));
    sower_buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_written_receipt_reads_back),
        cmocka_unit_test(a_receipt_that_is_cut_is_refused),
        cmocka_unit_test(a_receipt_with_another_member_is_refused),
        cmocka_unit_test(text_after_a_receipt_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
