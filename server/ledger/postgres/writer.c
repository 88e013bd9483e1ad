#include "server/ledger/postgres/writer.h"

#include <stdlib.h>
#include <string.h>

#include "server/ledger/store_records.h"

static struct sower_postgres_writer *of(struct sower_store_writer *writer)
{
    return (struct sower_postgres_writer *)writer;
}

/* After a successful write, stores the time of the chain's last line. Returns `well`. */
static bool note_time(struct sower_store_writer *base, bool well)
{
    if (well) {
        base->chain_time = of(base)->lines.append.time;
    }
    return well;
}

static size_t chunk_of(size_t left)
{
    return left < SOWER_POSTGRES_CHUNK ? left : SOWER_POSTGRES_CHUNK;
}

static bool find(struct sower_store_writer *base, struct sower_store_draw *const *draws, size_t count,
                 struct sower_problem *problem)
{
    bool done = true;
    for (size_t first = 0; first < count && done; first += SOWER_POSTGRES_CHUNK) {
        done = sower_postgres_lines_find(&of(base)->lines, draws + first, chunk_of(count - first), problem);
    }
    return done;
}

static bool append(struct sower_store_writer *base, struct sower_store_draw *const *draws, size_t count,
                   struct sower_problem *problem)
{
    struct sower_postgres_lines *lines = &of(base)->lines;
    bool done = sower_postgres_lines_begin(lines, problem);
    for (size_t first = 0; first < count && done; first += SOWER_POSTGRES_CHUNK) {
        size_t chunk = chunk_of(count - first);
        done = sower_postgres_lines_find(lines, draws + first, chunk, problem) &&
               sower_postgres_lines_add_draws(lines, draws + first, chunk, problem);
    }
    return note_time(base, sower_postgres_lines_end(lines, done, problem));
}

/* A chunk of a model's draws. */
struct chunk {
    size_t first, count;
    struct sower_store_draw *draws[SOWER_POSTGRES_CHUNK];
    struct sower_store_draw made[];
};

static struct chunk *new_chunk(const struct sower_store_model *model, struct sower_problem *problem)
{
    size_t count = chunk_of(model->count);
    struct chunk *chunk = calloc(1, sizeof *chunk + count * sizeof chunk->made[0]);
    if (chunk == NULL) {
        sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "The daemon is out of memory.");
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        chunk->draws[i] = &chunk->made[i];
    }
    return chunk;
}

/* Fills the chunk with the draws from number `first`; false if there are none. */
static bool make_chunk(struct chunk *chunk, const struct sower_store_model *model, size_t first)
{
    chunk->first = first;
    chunk->count = first < model->count ? chunk_of(model->count - first) : 0;
    for (size_t i = 0; i < chunk->count; i++) {
        sower_store_model_draw(model, first + i, &chunk->made[i]);
    }
    return chunk->count > 0;
}

/* Notes the outcomes of a chunk in the model. Returns whether all its draws are recorded. */
static bool note_chunk(const struct chunk *chunk, struct sower_store_model *model)
{
    bool found = true;
    for (size_t i = 0; i < chunk->count && !model->refused; i++) {
        sower_store_model_note(model, chunk->first + i, &chunk->made[i]);
        found = found && chunk->made[i].outcome != SOWER_DRAW_NEW;
    }
    return found;
}

/* Sets *found if the manifest and all draws of a model are recorded. Stops at a refused draw and, unless `all`, at
 * the first chunk with a new draw. */
static bool look_for_model(struct sower_postgres_lines *lines, struct sower_store_model *model, bool all,
                           struct chunk *chunk, bool *found, struct sower_problem *problem)
{
    model->written = model->refused = false;
    model->drift = 0;
    bool done = sower_postgres_lines_find_manifest(lines, model->manifest, found, problem);
    for (size_t first = 0; done && (*found || all) && !model->refused && make_chunk(chunk, model, first);
         first += chunk->count) {
        done = sower_store_model_goes_on(model, problem) &&
               sower_postgres_lines_find(lines, chunk->draws, chunk->count, problem);
        *found = done && note_chunk(chunk, model) && *found;
    }
    return done;
}

static bool find_model(struct sower_store_writer *base, struct sower_store_model *model,
                       struct sower_problem *problem)
{
    bool found;
    struct chunk *chunk = new_chunk(model, problem);
    bool done = chunk != NULL && look_for_model(&of(base)->lines, model, true, chunk, &found, problem);
    free(chunk);
    return done;
}

static bool write_model(struct sower_postgres_lines *lines, struct sower_store_model *model,
                        struct chunk *chunk, struct sower_problem *problem)
{
    bool done = sower_postgres_lines_begin(lines, problem);
    if (done) {
        sower_postgres_lines_add_manifest(lines, model);
    }
    for (size_t first = 0; done && !model->refused && make_chunk(chunk, model, first);
         first += chunk->count) {
        done = sower_store_model_goes_on(model, problem) &&
               sower_postgres_lines_find(lines, chunk->draws, chunk->count, problem) &&
               sower_postgres_lines_add_draws(lines, chunk->draws, chunk->count, problem);
        if (done) {
            (void)note_chunk(chunk, model);
        }
    }
    if (done && model->refused) {
        (void)sower_postgres_lines_end(lines, false, problem);
        return true;
    }
    model->written = sower_postgres_lines_end(lines, done, problem);
    return model->written;
}

static bool append_model(struct sower_store_writer *base, struct sower_store_model *model,
                         struct sower_problem *problem)
{
    struct sower_postgres_lines *lines = &of(base)->lines;
    bool found = false;
    struct chunk *chunk = new_chunk(model, problem);
    if (chunk == NULL) {
        return false;
    }
    bool done = look_for_model(lines, model, false, chunk, &found, problem);
    if (done && !found && !model->refused) {
        model->drift = 0;
        done = write_model(lines, model, chunk, problem);
    }
    free(chunk);
    return note_time(base, done);
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
            !sower_store_trials_record(requests[i], given[i], &record)) {
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
    bool done = sower_postgres_lines_begin(lines, problem) &&
                sower_postgres_lines_find_trials(lines, requests, count, given, problem) &&
                give_all(lines, requests, count, given, problem);
    free(given);
    return note_time(base, sower_postgres_lines_end(lines, done, problem));
}

static bool pin(struct sower_store_writer *base, struct sower_store_pin *pin, struct sower_problem *problem)
{
    struct sower_postgres_lines *lines = &of(base)->lines;
    struct sower_record record;
    uint64_t pinned;
    sower_store_pin_record(pin, &record);
    bool done = sower_postgres_lines_begin(lines, problem) &&
                sower_postgres_lines_find_pin(lines, pin, &pinned, problem);
    if (done && (pinned != 0) == pin->pinned) {
        pin->ledger = pinned;
    } else if (done) {
        done = sower_postgres_lines_add(lines, &record, problem);
        pin->ledger = record.ledger;
    }
    return note_time(base, sower_postgres_lines_end(lines, done, problem));
}

static bool probe(struct sower_store_writer *base, int64_t time, struct sower_problem *problem)
{
    return note_time(base, sower_postgres_lines_probe(&of(base)->lines, time, problem));
}

static const struct sower_store_writer_methods methods = {
    .find = find,
    .append = append,
    .find_model = find_model,
    .append_model = append_model,
    .find_trials = find_trials,
    .give_trials = give_trials,
    .pin = pin,
    .probe = probe,
};

bool sower_postgres_writer_open(struct sower_postgres_writer *writer, const char *url,
                                const uint8_t key[SOWER_WRITER_SIZE])
{
    writer->writer.methods = &methods;
    return sower_postgres_lines_open(&writer->lines, url, key);
}

void sower_postgres_writer_close(struct sower_postgres_writer *writer)
{
    sower_postgres_lines_close(&writer->lines);
}
