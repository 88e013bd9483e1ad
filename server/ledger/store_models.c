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

/* Fills the chunk with the draws from number `first`; false if there are none. */
static bool make_chunk(struct chunk *chunk, const struct sower_store_model *model, size_t first)
{
    chunk->first = first;
    chunk->count = first < model->count ? sower_store_chunk_of(model->count - first) : 0;
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
static bool look_for_model(struct sower_store_writer *writer, const struct sower_store_model_steps *steps,
                           struct sower_store_model *model, bool all, struct chunk *chunk, bool *found,
                           struct sower_problem *problem)
{
    model->written = model->refused = false;
    model->drift = 0;
    bool done = steps->find_manifest(writer, model->manifest, found, problem);
    for (size_t first = 0; done && (*found || all) && !model->refused && make_chunk(chunk, model, first);
         first += chunk->count) {
        done = sower_store_model_goes_on(model, problem) &&
               writer->methods->find(writer, chunk->draws, chunk->count, problem);
        *found = done && note_chunk(chunk, model) && *found;
    }
    return done;
}

bool sower_store_find_model(struct sower_store_writer *writer, const struct sower_store_model_steps *steps,
                            struct sower_store_model *model, struct sower_problem *problem)
{
    bool found;
    struct chunk *chunk = new_chunk(model, problem);
    bool done = chunk != NULL && look_for_model(writer, steps, model, true, chunk, &found, problem);
    free(chunk);
    return done;
}

static bool write_model(struct sower_store_writer *writer, const struct sower_store_model_steps *steps,
                        struct sower_store_model *model, struct chunk *chunk, struct sower_problem *problem)
{
    bool done = steps->begin(writer, problem) && steps->add_manifest(writer, model, problem);
    for (size_t first = 0; done && !model->refused && make_chunk(chunk, model, first);
         first += chunk->count) {
        done = sower_store_model_goes_on(model, problem) &&
               steps->add(writer, chunk->draws, chunk->count, problem);
        if (done) {
            (void)note_chunk(chunk, model);
        }
    }
    if (done && model->refused) {
        (void)steps->end(writer, false, problem);
        return true;
    }
    model->written = steps->end(writer, done, problem);
    return model->written;
}

bool sower_store_append_model(struct sower_store_writer *writer, const struct sower_store_model_steps *steps,
                              struct sower_store_model *model, struct sower_problem *problem)
{
    bool found = false;
    struct chunk *chunk = new_chunk(model, problem);
    if (chunk == NULL) {
        return false;
    }
    bool done = look_for_model(writer, steps, model, false, chunk, &found, problem);
    if (done && !found && !model->refused) {
        model->drift = 0;
        done = write_model(writer, steps, model, chunk, problem);
    }
    free(chunk);
    return done;
}
