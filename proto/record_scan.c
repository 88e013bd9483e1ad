#include "proto/record_scan.h"

#include <string.h>

#include "proto/hex.h"
#include "proto/time.h"

/* The rest of a text. */
struct scan {
    const char *at, *end;
};

/* Each take function moves past the text that it takes, or returns false. */
static bool take(struct scan *scan, const char *text, size_t length)
{
    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, text, length) != 0) {
        return false;
    }
    scan->at += length;
    return true;
}

#define TAKE(scan, text) take(scan, text, sizeof(text) - 1)

static bool take_number(struct scan *scan, uint64_t *number)
{
    enum { DIGITS_MAX = 19 }; /* 19 digits fit in 64 bits */
    const char *begin = scan->at;
    *number = 0;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9' && scan->at - begin < DIGITS_MAX) {
        *number = *number * 10 + (uint64_t)(*scan->at++ - '0');
    }
    return scan->at > begin && *number <= INT64_MAX && (*begin != '0' || scan->at - begin == 1);
}

static bool take_hex(struct scan *scan, uint8_t bytes[32])
{
    enum { DIGITS = 64 };
    if (scan->end - scan->at < DIGITS || !sower_hex_read(scan->at, bytes, DIGITS / 2)) {
        return false;
    }
    scan->at += DIGITS;
    return true;
}

/* A text without its quotes: at least one byte, all of them printable ASCII that JSON does not escape. */
static bool take_text(struct scan *scan, char *text, size_t size)
{
    const char *begin = scan->at;
    while (scan->at < scan->end && *scan->at >= ' ' && *scan->at <= '~' && *scan->at != '"' &&
           *scan->at != '\\') {
        scan->at++;
    }
    size_t length = (size_t)(scan->at - begin);
    if (length == 0 || length >= size) {
        return false;
    }
    memcpy(text, begin, length);
    text[length] = '\0';
    return true;
}

/* "4096,4096", up to the closing bracket, which is not taken. Copies the text. */
static bool take_shape(struct scan *scan, char *text, size_t size)
{
    const char *begin = scan->at;
    uint64_t number;
    while (scan->at < scan->end && *scan->at != ']') {
        if ((scan->at > begin && !TAKE(scan, ",")) || !take_number(scan, &number)) {
            return false;
        }
    }
    size_t length = (size_t)(scan->at - begin);
    if (length >= size) {
        return false;
    }
    memcpy(text, begin, length);
    text[length] = '\0';
    return true;
}

static bool take_time(struct scan *scan, int64_t *time)
{
    if (scan->end - scan->at < SOWER_TIME_LENGTH || !sower_time_read(scan->at, SOWER_TIME_LENGTH, time)) {
        return false;
    }
    scan->at += SOWER_TIME_LENGTH;
    return true;
}

static bool take_kind(struct scan *scan, enum sower_record_kind *kind)
{
    for (*kind = SOWER_RECORD_DRAW; *kind <= SOWER_RECORD_UNPIN; (*kind)++) {
        const char *name = sower_record_kind_name(*kind);
        const char *begin = scan->at;
        if (take(scan, name, strlen(name)) && TAKE(scan, "\"")) {
            return true;
        }
        scan->at = begin;
    }
    return false;
}

static bool take_draw(struct scan *scan, struct sower_record *record)
{
    uint64_t spec;
    bool taken =
        TAKE(scan, ",\"draw\":\"") && take_hex(scan, record->draw.bytes) && TAKE(scan, "\",\"seed\":\"") &&
        take_hex(scan, record->seed.bytes) && TAKE(scan, "\",\"root\":\"") &&
        take_hex(scan, record->root_id.bytes) && TAKE(scan, "\",\"spec\":") && take_number(scan, &spec) &&
        spec <= INT32_MAX && TAKE(scan, ",\"experiment\":\"") &&
        take_text(scan, record->experiment, sizeof record->experiment) && TAKE(scan, "\",\"trial\":") &&
        take_number(scan, &record->trial) && TAKE(scan, ",\"name\":\"") &&
        take_text(scan, record->name, sizeof record->name) && TAKE(scan, "\",\"shape\":[") &&
        take_shape(scan, record->shape, sizeof record->shape) && TAKE(scan, "],\"dtype\":\"") &&
        take_text(scan, record->dtype, sizeof record->dtype) && TAKE(scan, "\",\"init\":\"") &&
        take_text(scan, record->initializer, sizeof record->initializer) && TAKE(scan, "\",\"layout\":\"") &&
        take_text(scan, record->layout, sizeof record->layout) && TAKE(scan, "\"");
    if (!taken) {
        return false;
    }
    record->spec = (unsigned)spec;
    record->has_manifest = TAKE(scan, ",\"manifest\":\"");
    if (record->has_manifest && (!take_hex(scan, record->manifest) || !TAKE(scan, "\""))) {
        return false;
    }
    return !TAKE(scan, ",\"drift\":") || (take_number(scan, &record->drift) && record->drift > 0);
}

static bool take_trials(struct scan *scan, struct sower_record *record)
{
    return TAKE(scan, ",\"trial\":") && take_number(scan, &record->trial) && TAKE(scan, ",\"count\":") &&
           take_number(scan, &record->count) &&
           (!TAKE(scan, ",\"key\":\"") ||
            (take_text(scan, record->key, sizeof record->key) && TAKE(scan, "\"")));
}

static bool take_rest(struct scan *scan, struct sower_record *record)
{
    if (record->kind == SOWER_RECORD_DRAW) {
        return take_draw(scan, record);
    }
    return TAKE(scan, ",\"root\":\"") && take_hex(scan, record->root_id.bytes) &&
           TAKE(scan, "\",\"experiment\":\"") &&
           take_text(scan, record->experiment, sizeof record->experiment) && TAKE(scan, "\"") &&
           (record->kind != SOWER_RECORD_TRIALS || take_trials(scan, record));
}

bool sower_record_scan(const char *text, size_t length, struct sower_record *record)
{
    struct scan scan = {text, text + length};
    memset(record, 0, sizeof *record);
    return TAKE(&scan, "{\"ledger\":") && take_number(&scan, &record->ledger) &&
           TAKE(&scan, ",\"time\":\"") && take_time(&scan, &record->time) && TAKE(&scan, "\",\"kind\":\"") &&
           take_kind(&scan, &record->kind) && take_rest(&scan, record) && TAKE(&scan, ",\"writer\":\"") &&
           take_hex(&scan, record->place.writer) && TAKE(&scan, "\",\"sequence\":") &&
           take_number(&scan, &record->place.sequence) && TAKE(&scan, ",\"link\":\"") &&
           take_hex(&scan, record->place.link) && TAKE(&scan, "\"}") && scan.at == scan.end;
}
