#include "server/ledger/postgres/writer.h"

#include <stdlib.h>
#include <string.h>

#include "server/ledger/store_models.h"
#include "server/ledger/store_records.h"

static struct sower_postgres_writer *of(struct sower_store_writer *writer)
{
    return (struct sower_postgres_writer *)writer;
}

/* After a successful write, stores what is known then. Returns `well`. */
static bool note_write(struct sower_store_writer *base, bool well)
{
    if (well) {
        sower_store_note_write(base, &of(base)->lines.append);
    }
    return well;
}

static bool find(struct sower_store_writer *base, struct sower_store_draw *const *draws, size_t count,
                 struct sower_problem *problem)
{
    bool done = true;
    for (size_t first = 0; first < count && done; first += SOWER_STORE_CHUNK) {
        done = sower_postgres_lines_find(&of(base)->lines, draws + first, sower_store_chunk_of(count - first),
                                         problem);
    }
    return done;
}

static bool begin(struct sower_store_writer *base, struct sower_problem *problem)
{
    return sower_postgres_lines_begin(&of(base)->lines, problem);
}

static bool end(struct sower_store_writer *base, bool done, struct sower_problem *problem)
{
    return note_write(base, sower_postgres_lines_end(&of(base)->lines, done, problem));
}

/* Adds a chunk of draws. */
static bool add(struct sower_store_writer *base, struct sower_store_draw *const *draws, size_t count,
                struct sower_problem *problem)
{
    struct sower_postgres_lines *lines = &of(base)->lines;
    return sower_postgres_lines_find(lines, draws, count, problem) &&
           sower_postgres_lines_add_draws(lines, draws, count, problem);
}

static bool append(struct sower_store_writer *base, struct sower_store_draw *const *draws, size_t count,
                   struct sower_problem *problem)
{
    bool done = begin(base, problem);
    for (size_t first = 0; first < count && done; first += SOWER_STORE_CHUNK) {
        done = add(base, draws + first, sower_store_chunk_of(count - first), problem);
    }
    return end(base, done, problem);
}

static bool find_manifest(struct sower_store_writer *base, const uint8_t hash[32], bool *found,
                          struct sower_problem *problem)
{
    return sower_postgres_lines_find_manifest(&of(base)->lines, hash, found, problem);
}

static bool add_manifest(struct sower_store_writer *base, const struct sower_store_model *model,
                         struct sower_problem *problem)
{
    (void)problem; /* it is only queued */
    sower_postgres_lines_add_manifest(&of(base)->lines, model);
    return true;
}

static bool find_quota(struct sower_store_writer *base, const struct sower_account *account,
                       struct sower_problem *problem)
{
    return sower_postgres_lines_find_quota(&of(base)->lines, account, problem);
}

static const struct sower_store_model_steps model_steps = {
    .find_manifest = find_manifest,
    .begin = begin,
    .find_quota = find_quota,
    .add_manifest = add_manifest,
    .add = add,
    .end = end,
};

static bool find_model(struct sower_store_writer *base, struct sower_store_model *model,
                       struct sower_problem *problem)
{
    return sower_store_find_model(base, &model_steps, model, problem);
}

static bool append_model(struct sower_store_writer *base, struct sower_store_model *model,
                         struct sower_problem *problem)
{
    return sower_store_append_model(base, &model_steps, model, problem);
}

static uint64_t *new_numbers(size_t count, struct sower_problem *problem)
{
    uint64_t *numbers = calloc(count > 0 ? count : 1, sizeof *numbers);
    if (numbers == NULL) {
        sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "The daemon is out of memory.");
    }
    return numbers;
}

static bool find_trials(struct sower_store_writer *base, struct sower_store_trials *const *requests,
                        size_t count, struct sower_problem *problem)
{
    uint64_t *given = new_numbers(count, problem);
    bool done =
        given != NULL && sower_postgres_lines_find_trials(&of(base)->lines, requests, count, given, problem);
    free(given);
    return done;
}

static bool same_experiment(const struct sower_store_trials *one, const struct sower_store_trials *other)
{
    return strcmp(one->experiment, other->experiment) == 0 &&
           memcmp(&one->root_id, &other->root_id, sizeof one->root_id) == 0;
}

/* Applies the effects of the earlier requests to the n-th one: the numbers that its experiment has given out, and
 * its key. */
static void look_among_given(struct sower_store_trials *const *requests, size_t n, uint64_t *given)
{
    struct sower_store_trials *request = requests[n];
    for (size_t i = n; i-- > 0;) {
        const struct sower_store_trials *other = requests[i];
        if (!same_experiment(other, request)) {
            continue;
        }
        given[n] = given[i] > given[n] ? given[i] : given[n];
        if (request->key[0] != '\0' && strcmp(other->key, request->key) == 0 &&
            other->outcome == SOWER_TRIALS_GIVEN) {
            request->first = other->first;
            request->ledger = other->ledger;
            request->outcome = other->count == request->count ? SOWER_TRIALS_GIVEN : SOWER_TRIALS_KEY_TAKEN;
        }
    }
}

/* Gives numbers to the requests that have none yet. */
static bool give_all(struct sower_postgres_lines *lines, struct sower_store_trials *const *requests,
                     size_t count, uint64_t *given, struct sower_problem *problem)
{
    struct sower_record record;
    for (size_t i = 0; i < count; i++) {
        if (requests[i]->outcome != SOWER_TRIALS_NONE) {
            continue;
        }
        look_among_given(requests, i, given);
        if (requests[i]->outcome != SOWER_TRIALS_NONE ||
            !sower_store_trials_record(requests[i], given[i], &record) ||
            !sower_quotas_take(lines->quotas.quotas, requests[i]->account)) {
            continue;
        }
        if (!sower_postgres_lines_add(lines, &record, problem)) {
            return false;
        }
        sower_store_trials_given(requests[i], &record);
        given[i] = record.trial + record.count;
    }
    return true;
}

static bool give_trials(struct sower_store_writer *base, struct sower_store_trials *const *requests,
                        size_t count, struct sower_problem *problem)
{
    struct sower_postgres_lines *lines = &of(base)->lines;
    uint64_t *given = new_numbers(count, problem);
    if (given == NULL) {
        return false;
    }
    bool done = begin(base, problem) &&
                sower_postgres_lines_find_trials(lines, requests, count, given, problem) &&
                give_all(lines, requests, count, given, problem);
    free(given);
    return end(base, done, problem);
}

static bool pin(struct sower_store_writer *base, struct sower_store_pin *pin, struct sower_problem *problem)
{
    struct sower_postgres_lines *lines = &of(base)->lines;
    struct sower_record record;
    uint64_t pinned;
    sower_store_pin_record(pin, &record);
    bool done = begin(base, problem) && sower_postgres_lines_find_pin(lines, pin, &pinned, problem);
    if (done && (pinned != 0) == pin->pinned) {
        pin->ledger = pinned;
    } else if (done && sower_quotas_take(&base->quotas, pin->account)) {
        done = sower_postgres_lines_add(lines, &record, problem);
        pin->ledger = record.ledger;
    }
    return end(base, done, problem);
}

static bool measure(struct sower_store_writer *base, struct sower_store_size *size,
                    struct sower_problem *problem)
{
    size->free = UINT64_MAX;
    return sower_postgres_lines_measure(&of(base)->lines, &size->bytes, problem);
}

static bool probe(struct sower_store_writer *base, int64_t time, struct sower_problem *problem)
{
    return note_write(base, sower_postgres_lines_probe(&of(base)->lines, time, problem));
}

static const struct sower_store_writer_methods methods = {
    .find = find,
    .append = append,
    .find_model = find_model,
    .append_model = append_model,
    .find_trials = find_trials,
    .give_trials = give_trials,
    .pin = pin,
    .measure = measure,
    .probe = probe,
};

bool sower_postgres_writer_open(struct sower_postgres_writer *writer, const char *url,
                                const uint8_t key[SOWER_WRITER_SIZE])
{
    writer->writer.methods = &methods;
    return sower_postgres_lines_open(&writer->lines, url, &writer->writer.quotas, key);
}

void sower_postgres_writer_close(struct sower_postgres_writer *writer)
{
    sower_postgres_lines_close(&writer->lines);
}
