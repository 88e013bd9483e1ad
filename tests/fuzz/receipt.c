/* Receipts. Oracle: a receipt that is written from what was read gives the same receipt again. */
#include "proto/receipt.h"
#include "proto/receipt_read.h"
#include "tests/fuzz/fuzz.h"

/* The records of a receipt, printed as its draws. */
struct draws {
    struct sower_buffer text;
    size_t count;
    bool recorded; /* all have a line: a daemon writes no other receipt */
};

static bool take(void *context, const struct sower_record *record, struct sower_problem *problem)
{
    struct draws *draws = context;
    (void)problem;
    sower_receipt_draw(&draws->text, draws->count == 0, record);
    draws->count++;
    draws->recorded = draws->recorded && record->ledger != 0;
    return true;
}

static bool read(const char *text, size_t length, struct sower_receipt *receipt, struct draws *draws)
{
    struct sower_problem problem;
    *draws = (struct draws){.recorded = true};
    const bool read = sower_receipt_read(text, length, receipt, take, draws, &problem);
    if (!read) {
        check_refusal(&problem);
    }
    return read;
}

static void print(const struct sower_receipt *receipt, const struct draws *draws, struct sower_buffer *text)
{
    struct sower_draw draw = {.root_id = receipt->root_id, .trial = receipt->trial};
    const char *name;
    json_t *other;
    bool first = true;
    memcpy(draw.experiment, receipt->experiment, sizeof draw.experiment);
    sower_receipt_begin(text, &draw, receipt->has_manifest ? receipt->manifest : NULL, receipt->ledger);
    sower_buffer_bytes(text, draws->text.text, draws->text.length);
    sower_receipt_ties(text);
    json_object_foreach(receipt->ties, name, other)
    {
        sower_receipt_tie(text, first, name, json_string_value(other));
        first = false;
    }
    sower_receipt_end(text);
    MUST(!text->failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct sower_receipt receipt, again;
    struct draws draws, drawn_again;
    if (read((const char *)bytes, size, &receipt, &draws) && receipt.spec == SOWER_SPEC && draws.recorded) {
        struct sower_buffer text = {0}, text_again = {0};
        print(&receipt, &draws, &text);
        MUST(read(text.text, text.length, &again, &drawn_again));
        print(&again, &drawn_again, &text_again);
        MUST(text.length == text_again.length && memcmp(text.text, text_again.text, text.length) == 0);
        sower_receipt_free(&again);
        sower_buffer_free(&drawn_again.text);
        sower_buffer_free(&text_again);
        sower_buffer_free(&text);
    }
    sower_receipt_free(&receipt);
    sower_buffer_free(&draws.text);
    return 0;
}
