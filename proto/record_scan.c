#include "proto/record_scan.h"

#include <string.h>

/* What is left of a text. */
struct scan {
    const char *at, *end;
};

unsigned sower_record_scan_digit(char digit)
{
    return digit >= '0' && digit <= '9'   ? (unsigned)(digit - '0')
           : digit >= 'a' && digit <= 'f' ? (unsigned)(digit - 'a') + 10
                                          : 16;
}

/* Each of these goes past what it takes, or returns false. */
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
    enum { DIGITS_MAX = 19 }; /* which fit in 64 bits */
    const char *begin = scan->at;
    *number = 0;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9' && scan->at - begin < DIGITS_MAX) {
        *number = *number * 10 + (uint64_t)(*scan->at++ - '0');
    }
    return scan->at > begin && *number <= INT64_MAX && (*begin != '0' || scan->at - begin == 1);
}

static bool take_hex(struct scan *scan, uint8_t bytes[32])
{
    unsigned wrong = 0;
    if (scan->end - scan->at < 64) {
        return false;
    }
    for (size_t i = 0; i < 32; i++) {
        unsigned high = sower_record_scan_digit(scan->at[2 * i]);
        unsigned low = sower_record_scan_digit(scan->at[2 * i + 1]);
        wrong |= high | low;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    scan->at += 64;
    return wrong < 16;
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

/* "4096,4096", in brackets that are not taken; the sizes stay as they are written. */
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

static bool take_digits(const char *text, size_t count, unsigned *number)
{
    *number = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        *number = *number * 10 + (unsigned)(text[i] - '0');
    }
    return true;
}

static unsigned count_days(unsigned year, unsigned month)
{
    static const unsigned days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1U : 0U);
}

/* Days since 1970-01-01 in the Gregorian calendar; years begin in March, so that leap days end them. */
static int64_t day_number(unsigned year, unsigned month, unsigned day)
{
    int64_t years = (int64_t)year - (month <= 2 ? 1 : 0);
    int64_t months = (month + 9) % 12;
    return years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 719469;
}

bool sower_record_scan_time(const char *text, size_t length, int64_t *time)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    unsigned year, month, day, hour, minute, second, thousandth;
    if (length != sizeof form - 1) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (form[i] != 'd' && text[i] != form[i]) {
            return false;
        }
    }
    if (!take_digits(text, 4, &year) || !take_digits(text + 5, 2, &month) ||
        !take_digits(text + 8, 2, &day) || !take_digits(text + 11, 2, &hour) ||
        !take_digits(text + 14, 2, &minute) || !take_digits(text + 17, 2, &second) ||
        !take_digits(text + 20, 3, &thousandth) || year < 1000 || month < 1 || month > 12 || day < 1 ||
        day > count_days(year, month) || hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    *time = (((day_number(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + thousandth;
    return true;
}

static bool take_time(struct scan *scan, int64_t *time)
{
    enum { TIME_LENGTH = 24 };
    if (scan->end - scan->at < TIME_LENGTH || !sower_record_scan_time(scan->at, TIME_LENGTH, time)) {
        return false;
    }
    scan->at += TIME_LENGTH;
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
