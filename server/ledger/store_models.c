#include "server/ledger/store_models.h"

#include <stdlib.h>

#include "server/ledger/store_records.h"

/* A chunk of a model's draws. */
struct chunk {
    size_t first, count;
    struct sower_store_draw *draws[SOWER_STORE_CHUNK];
    struct sower_store_draw made[];
};

size_t sower_store_chunk_of(size_t left)
{
    return left < SOWER_STORE_CHUNK ? left : SOWER_STORE_CHUNK;
}

static struct chunk *new_chunk(const struct sower_store_model *model, struct sower_problem *problem)
{
    size_t count = sower_store_chunk_of(model->count);
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

/* The first draw after those of this step. */
static size_t end_of_step(const struct sower_store_model *model)
{
    return model->count - model->next > SOWER_STORE_STEP ? model->next + SOWER_STORE_STEP : model->count;
}

/* Fills the chunk with the next draws of the model, up to `end`. */
static void make_chunk(struct chunk *chunk, const struct sower_store_model *model, size_t end)
{
    chunk->first = model->next;
    chunk->count = sower_store_chunk_of(end - model->next);
    for (size_t i = 0; i < chunk->count; i++) {
        sower_store_model_draw(model, chunk->first + i, &chunk->made[i]);
    }
}

/* Notes the outcomes of a chunk in the model. Returns whether all its draws are recorded. */
static bool note_chunk(const struct chunk *chunk, struct sower_store_model *model)
{
    bool found = true;
    for (size_t i = 0; i < chunk->count && !model->refused; i++) {
        sower_store_model_note(model, chunk->first + i, &chunk->made[i]);
        if (chunk->made[i].outcome == SOWER_DRAW_NEW) {
            model->missing++;
            found = false;
        }
    }
    return found;
}

/* Looks up the draws of one step. Sets model->found as long as the manifest and all draws are recorded. Stops at a
 * refused draw and, unless `all`, at the first chunk with a new draw. */
static bool look_up_step(struct sower_store_writer *writer, const struct sower_store_model_steps *steps,
                         struct sower_store_model *model, bool all, struct chunk *chunk,
                         struct sower_problem *problem)
{
    const size_t end = end_of_step(model);
    bool done = true;
    if (model->next == 0) {
        model->found = true;
        done = model->text == NULL || steps->find_manifest(writer, model->manifest, &model->found, problem);
    }
    while (done && (model->found || all) && !model->refused && model->next < end) {
        make_chunk(chunk, model, end);
        done = sower_store_model_goes_on(model, problem) &&
               writer->methods->find(writer, chunk->draws, chunk->count, problem);
        model->found = done && note_chunk(chunk, model) && model->found;
        model->next += chunk->count;
    }
    model->unfinished = done && (model->found || all) && !model->refused && model->next < model->count;
    return done;
}

bool sower_store_find_model(struct sower_store_writer *writer, const struct sower_store_model_steps *steps,
                            struct sower_store_model *model, struct sower_problem *problem)
{
    struct chunk *chunk = new_chunk(model, problem);
    bool done = chunk != NULL && look_up_step(writer, steps, model, true, chunk, problem);
    free(chunk);
    return done;
}

/* Before the first step of a large model: all its missing lines must be left to its owner. */
static bool promise(struct sower_store_writer *writer, const struct sower_store_model_steps *steps,
                    const struct sower_store_model *model, struct sower_problem *problem)
{
    struct sower_account *account = model->account;
    return account == NULL || account->lines_max == 0 || model->next > 0 ||
           model->count <= SOWER_STORE_STEP ||
           (steps->find_quota(writer, account, problem) &&
            sower_quotas_promise(&writer->quotas, account, model->missing, problem));
}

static bool is_refused(const struct sower_store_model *model)
{
    return model->refused || (model->account != NULL && model->account->exceeded);
}

/* Writes the draws of one step, and before the first one the manifest. */
static bool write_step(struct sower_store_writer *writer, const struct sower_store_model_steps *steps,
                       struct sower_store_model *model, struct chunk *chunk, struct sower_problem *problem)
{
    const size_t end = end_of_step(model);
    const bool adds_manifest = model->next == 0 && model->text != NULL;
    const uint64_t added = model->account == NULL ? 0 : model->account->added;
    bool done = steps->begin(writer, problem) &&
                (!adds_manifest || steps->add_manifest(writer, model, problem)) &&
                promise(writer, steps, model, problem);
    while (done && !is_refused(model) && model->next < end) {
        make_chunk(chunk, model, end);
        done = sower_store_model_goes_on(model, problem) &&
               steps->add(writer, chunk->draws, chunk->count, problem);
        if (done) {
            (void)note_chunk(chunk, model);
        }
        model->next += chunk->count;
    }
    if (done && is_refused(model)) {
        (void)steps->end(writer, false, problem);
        return true;
    }
    if (model->account != NULL) {
        sower_quotas_fulfil(&writer->quotas, model->account, model->account->added - added,
                            model->next == model->count);
    }
    model->written = steps->end(writer, done, problem);
    model->unfinished = model->written && model->next < model->count;
    return model->written;
}

/* A model of one step is looked up only until it has a new draw, and then written in the same call. Of a larger one
 * all draws are looked up first: a refused draw must be found before the first step is committed. */
static bool append_step(struct sower_store_writer *writer, const struct sower_store_model_steps *steps,
                        struct sower_store_model *model, struct chunk *chunk, struct sower_problem *problem)
{
    const bool large = model->count > SOWER_STORE_STEP;
    model->unfinished = model->written = false;
    if (!model->writes) {
        if (!look_up_step(writer, steps, model, large, chunk, problem)) {
            return false;
        }
        if (model->unfinished || model->found || model->refused) {
            return true;
        }
        model->writes = true;
        model->next = 0;
        model->drift = 0;
        if (large) {
            model->unfinished = true;
            return true;
        }
    }
    return write_step(writer, steps, model, chunk, problem);
}

bool sower_store_append_model(struct sower_store_writer *writer, const struct sower_store_model_steps *steps,
                              struct sower_store_model *model, struct sower_problem *problem)
{
    struct sower_account *account = model->account;
    const uint64_t added = account == NULL ? 0 : account->added;
    struct chunk *chunk = new_chunk(model, problem);
    bool done = chunk != NULL && append_step(writer, steps, model, chunk, problem);
    free(chunk);
    if (account != NULL && !model->written) {
        account->added = added;
    }
    if (account != NULL && !model->unfinished) {
        sower_quotas_end_promise(&writer->quotas, account, model->written);
    }
    return done;
}
