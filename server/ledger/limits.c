#include "server/ledger/limits.h"

#include <inttypes.h>
#include <stdio.h>

#include "server/base/clock.h"

enum {
    SHRINK_MILLISECONDS = 1000, /* after an attempt to shrink without success */
    TEXT_SIZE = 32,
    SENTENCE_SIZE = 320,
};

/* "64.0 MiB", or bytes if that is exact and short: "4096 bytes". */
static void print_bytes(uint64_t bytes, char text[TEXT_SIZE])
{
    if (bytes < 1 << 20) {
        snprintf(text, TEXT_SIZE, "%" PRIu64 " bytes", bytes);
    } else if (bytes < 1 << 30) {
        snprintf(text, TEXT_SIZE, "%.1f MiB", (double)bytes / (1 << 20));
    } else {
        snprintf(text, TEXT_SIZE, "%.2f GiB", (double)bytes / (1 << 30));
    }
}

static bool exceeds_max(const struct sower_limits *limits, const struct sower_store_size *size, uint64_t more)
{
    return limits->max != 0 && (size->bytes >= limits->max || more > limits->max - size->bytes);
}

/* Until a checkpoint a page is in the log and in the database. */
static bool touches_reserve(const struct sower_limits *limits, const struct sower_store_size *size,
                            uint64_t more)
{
    return limits->reserve != 0 && (size->free < limits->reserve || 2 * more > size->free - limits->reserve);
}

static bool has_no_room(const struct sower_limits *limits, const struct sower_store_size *size, uint64_t more)
{
    return exceeds_max(limits, size, more) || touches_reserve(limits, size, more);
}

static bool refuse(const struct sower_limits *limits, const struct sower_store_size *size, uint64_t more,
                   struct sower_problem *problem)
{
    char has[TEXT_SIZE], limit[TEXT_SIZE], left[TEXT_SIZE], added[TEXT_SIZE], what[2 * TEXT_SIZE];
    print_bytes(size->bytes, has);
    print_bytes(size->free, left);
    print_bytes(more, added);
    snprintf(what, sizeof what, limits->full ? "no new lines" : "no request that adds some %s", added);
    if (exceeds_max(limits, size, more)) {
        print_bytes(limits->max, limit);
        return sower_problem_set(
            problem, SOWER_PROBLEM_UNAVAILABLE, "",
            "The ledger has %s and may have %s (--ledger-max), so it takes %s. What is "
            "recorded is still served. Start the daemon with a larger --ledger-max, or with "
            "a new ledger.",
            has, limit, what);
    }
    print_bytes(limits->reserve, limit);
    return sower_problem_set(
        problem, SOWER_PROBLEM_UNAVAILABLE, "",
        "The ledger's disk has %s free, and %s of it stay free (--ledger-reserve), so the "
        "ledger, which has %s, takes %s. What is recorded is still served. Free space on "
        "this disk, or move the ledger to a larger one.",
        left, limit, has, what);
}

static bool is_near_max(const struct sower_limits *limits, const struct sower_store_size *size)
{
    return limits->max != 0 && size->bytes >= limits->max - limits->max / 10;
}

static bool is_near(const struct sower_limits *limits, const struct sower_store_size *size)
{
    return is_near_max(limits, size) || (limits->reserve != 0 && size->free / 2 < limits->reserve);
}

/* Whether the size is far enough from both limits for another warning later: sizes rise and fall a little. */
static bool is_far(const struct sower_limits *limits, const struct sower_store_size *size)
{
    return (limits->max == 0 || size->bytes < limits->max - limits->max / 4) &&
           size->free / 3 >= limits->reserve;
}

/* Warns once. */
static void warn(struct sower_limits *limits, const struct sower_store_size *size,
                 const struct sower_log *log)
{
    char sentence[SENTENCE_SIZE], has[TEXT_SIZE], limit[TEXT_SIZE], left[TEXT_SIZE];
    if (limits->nearly || !is_near(limits, size)) {
        limits->nearly = limits->nearly && !is_far(limits, size);
        return;
    }
    limits->nearly = true;
    print_bytes(size->bytes, has);
    print_bytes(is_near_max(limits, size) ? limits->max : limits->reserve, limit);
    print_bytes(size->free, left);
    if (is_near_max(limits, size)) {
        snprintf(sentence, sizeof sentence,
                 "The ledger has %s. When it has %s (--ledger-max), it takes no new lines.", has, limit);
    } else {
        snprintf(
            sentence, sizeof sentence,
            "The ledger has %s, and its disk has %s free. When less than %s are free (--ledger-reserve), it "
            "takes no new lines.",
            has, left, limit);
    }
    sower_log_sentence(log, SOWER_LOG_WARNING, "ledger_nearly_full", sentence);
}

/* Lets the store give space back, and measures again. */
static void shrink(struct sower_limits *limits, struct sower_store_writer *writer,
                   struct sower_store_size *size)
{
    struct sower_store_size after;
    struct sower_problem unused;
    const int64_t now = sower_clock_milliseconds();
    if (writer->methods->shrink == NULL || now < limits->shrink_after) {
        return;
    }
    if (!writer->methods->shrink(writer)) {
        limits->shrink_after = now + SHRINK_MILLISECONDS;
    } else if (writer->methods->measure(writer, &after, &unused)) {
        *size = after;
    }
}

bool sower_limits_check(struct sower_limits *limits, struct sower_store_writer *writer, uint64_t lines,
                        uint64_t bytes, const struct sower_log *log, struct sower_problem *problem)
{
    const uint64_t more = lines * SOWER_STORE_LINE_BYTES + bytes;
    struct sower_store_size size;
    limits->full = false;
    if ((limits->max == 0 && (limits->reserve == 0 || !writer->methods->knows_disk)) ||
        !writer->methods->measure(writer, &size, problem)) {
        return true; /* if the store cannot say its size, it will not write either, and will say why */
    }
    if (has_no_room(limits, &size, more) || (!limits->nearly && is_near(limits, &size))) {
        shrink(limits, writer, &size);
    }
    warn(limits, &size, log);
    limits->full = has_no_room(limits, &size, 0);
    limits->size = size;
    return !has_no_room(limits, &size, more) || refuse(limits, &size, more, problem);
}
