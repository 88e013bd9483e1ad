#include "proto/receipt.h"

#include "proto/hex.h"

static void add_hex(struct sower_buffer *buffer, const char *before, const uint8_t bytes[32])
{
    char hex[SOWER_HEX_SIZE];
    sower_hex_print(bytes, hex);
    sower_buffer_text(buffer, before);
    sower_buffer_text(buffer, "\"");
    sower_buffer_text(buffer, hex);
    sower_buffer_text(buffer, "\"");
}

static void add_string(struct sower_buffer *buffer, const char *before, const char *text)
{
    sower_buffer_text(buffer, before);
    sower_buffer_string(buffer, text);
}

static void add_number(struct sower_buffer *buffer, const char *before, uint64_t number)
{
    sower_buffer_text(buffer, before);
    sower_buffer_number(buffer, number);
}

void sower_receipt_begin(struct sower_buffer *buffer, const struct sower_draw *draw, const uint8_t *manifest,
                         uint64_t ledger)
{
    add_string(buffer, "{\"experiment\":", draw->experiment);
    add_number(buffer, ",\"trial\":", draw->trial);
    add_hex(buffer, ",\"root\":", draw->root_id.bytes);
    add_number(buffer, ",\"spec\":", SOWER_SPEC);
    if (manifest != NULL) {
        add_hex(buffer, ",\"manifest\":", manifest);
    } else {
        sower_buffer_text(buffer, ",\"manifest\":null");
    }
    add_number(buffer, ",\"ledger\":", ledger);
    sower_buffer_text(buffer, ",\"draws\":[");
}

void sower_receipt_draw(struct sower_buffer *buffer, bool first, const struct sower_record *record)
{
    add_string(buffer, first ? "{\"name\":" : ",{\"name\":", record->name);
    add_hex(buffer, ",\"draw\":", record->draw.bytes);
    add_hex(buffer, ",\"seed\":", record->seed.bytes);
    sower_buffer_text(buffer, ",\"shape\":[");
    sower_buffer_text(buffer, record->shape);
    add_string(buffer, "],\"dtype\":", record->dtype);
    add_string(buffer, ",\"init\":", record->initializer);
    add_string(buffer, ",\"layout\":", record->layout);
    add_number(buffer, ",\"ledger\":", record->ledger);
    if (record->drift != 0) {
        add_number(buffer, ",\"drift\":", record->drift);
    } else {
        sower_buffer_text(buffer, ",\"drift\":null");
    }
    sower_buffer_text(buffer, "}");
}

void sower_receipt_ties(struct sower_buffer *buffer)
{
    sower_buffer_text(buffer, "],\"ties\":{");
}

void sower_receipt_tie(struct sower_buffer *buffer, bool first, const char *name, const char *same_as)
{
    add_string(buffer, first ? "" : ",", name);
    add_string(buffer, ":", same_as);
}

void sower_receipt_end(struct sower_buffer *buffer)
{
    sower_buffer_text(buffer, "}}\n");
}
