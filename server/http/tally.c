#include "server/http/tally.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    PARTS_MAX = 64, /* threads beyond this share a part */
    STATUS_NONE = SOWER_TALLY_STATUSES - 1,
    STATUS_OTHER = SOWER_TALLY_STATUSES - 2,
};

/* The most frequent ones first. */
static const struct {
    unsigned status;
    const char *name;
} statuses[] = {
    {200, "200"}, {206, "206"}, {304, "304"}, {201, "201"}, {202, "202"}, {204, "204"},
    {400, "400"}, {401, "401"}, {403, "403"}, {404, "404"}, {405, "405"}, {406, "406"},
    {409, "409"}, {411, "411"}, {412, "412"}, {413, "413"}, {415, "415"}, {416, "416"},
    {421, "421"}, {422, "422"}, {428, "428"}, {429, "429"}, {500, "500"}, {503, "503"},
};

_Static_assert(sizeof statuses / sizeof statuses[0] == STATUS_OTHER, "the header says how many there are");

static const struct {
    unsigned status;
    const char *name;
} refusals[SOWER_REFUSALS] = {
    [SOWER_REFUSAL_INVALID] = {400, "invalid"},
    [SOWER_REFUSAL_UNAUTHENTICATED] = {401, "unauthenticated"},
    [SOWER_REFUSAL_FORBIDDEN] = {403, "forbidden"},
    [SOWER_REFUSAL_NOT_FOUND] = {404, "not_found"},
    [SOWER_REFUSAL_METHOD] = {405, "method"},
    [SOWER_REFUSAL_CONFLICT] = {409, "conflict"},
    [SOWER_REFUSAL_PRECONDITION] = {412, "precondition"},
    [SOWER_REFUSAL_TOO_LARGE] = {413, "too_large"},
    [SOWER_REFUSAL_RANGE] = {416, "range"},
    [SOWER_REFUSAL_HOST] = {421, "host"},
    [SOWER_REFUSAL_UNPROCESSABLE] = {422, "unprocessable"},
    [SOWER_REFUSAL_RATE] = {429, "rate"},
    [SOWER_REFUSAL_UNAVAILABLE] = {503, "unavailable"},
    [SOWER_REFUSAL_MEMORY] = {0, "memory"},
    [SOWER_REFUSAL_OTHER] = {0, "other"},
};

/* The responses of one route with one status. */
struct cell {
    _Atomic uint64_t requests[SOWER_TALLY_METHODS];
    _Atomic uint64_t bytes;
    struct sower_histogram seconds;
};

struct sower_tally {
    size_t rows, parts; /* a row is a route, or the unknown paths */
    _Atomic uint64_t unread;
    _Atomic uint64_t refused[SOWER_REFUSALS];
    struct cell cells[]; /* of part 0, then of part 1, … */
};

/* The number of this thread among those that count; 0: none yet. */
static _Thread_local size_t thread_number;
static _Atomic size_t threads_seen;

const char *sower_tally_method(size_t method)
{
    static const char *const names[SOWER_TALLY_METHODS] = {"GET", "HEAD", "POST", "PUT", "DELETE", "other"};
    return names[method];
}

static size_t method_number(enum sower_method method)
{
    size_t number = 0;
    while (number < SOWER_TALLY_METHODS - 1 && method != (enum sower_method)(1 << number)) {
        number++;
    }
    return number;
}

const char *sower_tally_status(size_t status)
{
    return status == STATUS_NONE ? "none" : status == STATUS_OTHER ? "other" : statuses[status].name;
}

static size_t status_number(unsigned status)
{
    size_t number = 0;
    if (status == 0) {
        return STATUS_NONE;
    }
    while (number < STATUS_OTHER && statuses[number].status != status) {
        number++;
    }
    return number;
}

const char *sower_tally_refusal(size_t refusal)
{
    return refusals[refusal].name;
}

struct sower_tally *sower_tally_new(size_t routes, size_t threads)
{
    const size_t parts = threads < PARTS_MAX ? threads : PARTS_MAX, rows = routes + 1;
    struct sower_tally *tally =
        calloc(1, sizeof *tally + parts * rows * SOWER_TALLY_STATUSES * sizeof tally->cells[0]);
    if (tally != NULL) {
        tally->rows = rows;
        tally->parts = parts;
    }
    return tally;
}

void sower_tally_free(struct sower_tally *tally)
{
    free(tally);
}

static size_t index_of(const struct sower_tally *tally, size_t part, size_t route, size_t status)
{
    return (part * tally->rows + route) * SOWER_TALLY_STATUSES + status;
}

static void count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static uint64_t read_count(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void sower_tally_request(struct sower_tally *tally, size_t route, enum sower_method method, unsigned status,
                         uint64_t nanoseconds, uint64_t bytes)
{
    if (thread_number == 0) {
        thread_number = atomic_fetch_add(&threads_seen, 1) + 1;
    }
    struct cell *cell =
        &tally->cells[index_of(tally, thread_number % tally->parts, route, status_number(status))];
    count(&cell->requests[method_number(method)], 1);
    count(&cell->bytes, bytes);
    sower_histogram_observe(&cell->seconds, nanoseconds);
}

void sower_tally_unread(struct sower_tally *tally)
{
    count(&tally->unread, 1);
}

void sower_tally_refused(struct sower_tally *tally, unsigned status, enum sower_problem_code code)
{
    size_t refusal = 0;
    while (refusal < SOWER_REFUSAL_OTHER && refusals[refusal].status != status) {
        refusal++;
    }
    count(&tally->refused[code == SOWER_PROBLEM_MEMORY ? SOWER_REFUSAL_MEMORY : refusal], 1);
}

void sower_tally_read(const struct sower_tally *tally, size_t route, size_t status,
                      struct sower_tally_figures *figures)
{
    *figures = (struct sower_tally_figures){0};
    for (size_t part = 0; part < tally->parts; part++) {
        const struct cell *cell = &tally->cells[index_of(tally, part, route, status)];
        uint64_t requests = 0;
        for (size_t i = 0; i < SOWER_TALLY_METHODS; i++) {
            const uint64_t count_of_method = read_count(&cell->requests[i]);
            figures->requests[i] += count_of_method;
            requests += count_of_method;
        }
        if (requests > 0) { /* nearly all cells are empty, and there may be 40,000 */
            figures->bytes += read_count(&cell->bytes);
            sower_histogram_add(&cell->seconds, &figures->seconds);
        }
    }
}

uint64_t sower_tally_read_unread(const struct sower_tally *tally)
{
    return read_count(&tally->unread);
}

uint64_t sower_tally_read_refused(const struct sower_tally *tally, size_t refusal)
{
    return read_count(&tally->refused[refusal]);
}
