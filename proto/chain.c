#include "chain.h"

#include <string.h>

#include <sodium.h>

#include "record.h"

enum { NUMBER_SIZE = 24 };

static void put(crypto_generichash_state *state, const char *text, size_t length)
{
    crypto_generichash_update(state, (const unsigned char *)text, length);
}

/* The number in decimal, somewhere in `digits`; a line takes about ten, more than printf would be quick at.
 */
static const char *print(uint64_t number, char digits[NUMBER_SIZE])
{
    char *digit = digits + NUMBER_SIZE - 1;
    *digit = '\0';
    do {
        *--digit = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return digit;
}

/* `key` ends in "=". */
static void put_text(crypto_generichash_state *state, const char *key, const char *text)
{
    put(state, key, strlen(key));
    put(state, text, strlen(text));
    put(state, "\n", 1);
}

static void put_number(crypto_generichash_state *state, const char *key, uint64_t number)
{
    char digits[NUMBER_SIZE];
    put_text(state, key, print(number, digits));
}

static void put_hex(crypto_generichash_state *state, const char *key, const uint8_t bytes[32])
{
    char hex[SOWER_HEX_SIZE];
    sower_hex(bytes, hex);
    put_text(state, key, hex);
}

/* A text that may hold any byte: its length goes before it. */
static void put_counted(crypto_generichash_state *state, const char *key, const char *text)
{
    char digits[NUMBER_SIZE];
    size_t length = strlen(text);
    put(state, key, strlen(key));
    const char *number = print(length, digits);
    put(state, number, strlen(number));
    put(state, ":", 1);
    put(state, text, length);
    put(state, "\n", 1);
}

static void put_draw(crypto_generichash_state *state, const struct sower_record *record)
{
    put_number(state, "trial=", record->trial);
    put_counted(state, "name=", record->name);
    put_hex(state, "draw=", record->draw.bytes);
    put_hex(state, "seed=", record->seed.bytes);
    put_number(state, "spec=", record->spec);
    put_text(state, "shape=", record->shape);
    put_text(state, "dtype=", record->dtype);
    put_text(state, "init=", record->initializer);
    put_text(state, "layout=", record->layout);
    if (record->has_manifest) {
        put_hex(state, "manifest=", record->manifest);
    } else {
        put_text(state, "manifest=", "");
    }
    put_number(state, "drift=", record->drift);
}

static void put_trials(crypto_generichash_state *state, const struct sower_record *record)
{
    put_number(state, "trial=", record->trial);
    put_number(state, "count=", record->count);
    put_counted(state, "key=", record->key);
}

void sower_chain_link(const struct sower_record *record, const uint8_t previous[SOWER_LINK_SIZE],
                      uint8_t link[SOWER_LINK_SIZE])
{
    crypto_generichash_state state;
    char time[SOWER_TIME_SIZE];
    sower_record_time(record->time, time);
    crypto_generichash_init(&state, NULL, 0, SOWER_LINK_SIZE);
    put_text(&state, "sower ledger line", "");
    put_hex(&state, "previous=", previous);
    put_hex(&state, "writer=", record->place.writer);
    put_number(&state, "sequence=", record->place.sequence);
    put_number(&state, "ledger=", record->ledger);
    put_text(&state, "time=", time);
    put_text(&state, "kind=", sower_record_kind_name(record->kind));
    put_hex(&state, "root=", record->root_id.bytes);
    put_counted(&state, "experiment=", record->experiment);
    if (record->kind == SOWER_RECORD_DRAW) {
        put_draw(&state, record);
    } else if (record->kind == SOWER_RECORD_TRIALS) {
        put_trials(&state, record);
    }
    crypto_generichash_final(&state, link, SOWER_LINK_SIZE);
}
