#include "proto/chain.h"

#include <string.h>

#include <sodium.h>

#include "proto/hex.h"
#include "proto/number.h"
#include "proto/record.h"
#include "proto/time.h"

/* More than the canonical form of the longest record. */
enum { FORM_SIZE = 8192 };

_Static_assert(sizeof(struct sower_record) + 1024 < FORM_SIZE,
               "32 bytes of a record become 64 digits, a number 20, and each has its key in front");

/* A canonical form that is being built. It is hashed in one call, which is faster than in pieces; this runs
 * for every line that is written. */
struct form {
    size_t length;
    char text[FORM_SIZE];
};

static void put(struct form *form, const char *text, size_t length)
{
    memcpy(form->text + form->length, text, length);
    form->length += length;
}

/* `key` ends in "=". */
static void put_text(struct form *form, const char *key, const char *text)
{
    put(form, key, strlen(key));
    put(form, text, strlen(text));
    put(form, "\n", 1);
}

static void put_number(struct form *form, const char *key, uint64_t number)
{
    put(form, key, strlen(key));
    form->length += sower_number_print(number, form->text + form->length);
    put(form, "\n", 1);
}

static void put_hex(struct form *form, const char *key, const uint8_t bytes[32])
{
    char hex[SOWER_HEX_SIZE];
    sower_hex_print(bytes, hex);
    put_text(form, key, hex);
}

/* A text that may contain any byte: its length comes first. */
static void put_counted(struct form *form, const char *key, const char *text)
{
    put(form, key, strlen(key));
    form->length += sower_number_print(strlen(text), form->text + form->length);
    put_text(form, ":", text);
}

static void put_draw(struct form *form, const struct sower_record *record)
{
    put_number(form, "trial=", record->trial);
    put_counted(form, "name=", record->name);
    put_hex(form, "draw=", record->draw.bytes);
    put_hex(form, "seed=", record->seed.bytes);
    put_number(form, "spec=", record->spec);
    put_text(form, "shape=", record->shape);
    put_text(form, "dtype=", record->dtype);
    put_text(form, "init=", record->initializer);
    put_text(form, "layout=", record->layout);
    if (record->has_manifest) {
        put_hex(form, "manifest=", record->manifest);
    } else {
        put_text(form, "manifest=", "");
    }
    put_number(form, "drift=", record->drift);
}

static void put_trials(struct form *form, const struct sower_record *record)
{
    put_number(form, "trial=", record->trial);
    put_number(form, "count=", record->count);
    put_counted(form, "key=", record->key);
}

void sower_chain_link(const struct sower_record *record, const uint8_t previous[SOWER_LINK_SIZE],
                      uint8_t link[SOWER_LINK_SIZE])
{
    struct form form;
    form.length = 0; /* form.text is not cleared: that would take as long as the hash */
    char time[SOWER_TIME_SIZE];
    sower_time_print(record->time, time);
    put_text(&form, "sower ledger line", "");
    put_hex(&form, "previous=", previous);
    put_hex(&form, "writer=", record->place.writer);
    put_number(&form, "sequence=", record->place.sequence);
    put_number(&form, "ledger=", record->ledger);
    put_text(&form, "time=", time);
    put_text(&form, "kind=", sower_record_kind_name(record->kind));
    put_hex(&form, "root=", record->root_id.bytes);
    put_counted(&form, "experiment=", record->experiment);
    if (record->kind == SOWER_RECORD_DRAW) {
        put_draw(&form, record);
    } else if (record->kind == SOWER_RECORD_TRIALS) {
        put_trials(&form, record);
    }
    crypto_generichash(link, SOWER_LINK_SIZE, (const unsigned char *)form.text, form.length, NULL, 0);
}
