#include "proto/judge.h"

#include <string.h>

#include "proto/record_read.h"

void sower_judge_begin(struct sower_judge *judge, const struct sower_seed *root)
{
    memset(judge, 0, sizeof *judge);
    judge->root = *root;
    judge->root_id = sower_seed_root_id(root);
}

/* FNV-1a over the texts that differ most between tensors. */
static size_t place_of(const struct sower_record *record)
{
    const char *const texts[] = {record->shape, record->initializer, record->dtype};
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (const char *c = texts[i]; *c != '\0'; c++) {
            hash = (hash ^ (unsigned char)*c) * 16777619U;
        }
    }
    return (hash ^ hash >> 16) % SOWER_JUDGE_KINDS;
}

static bool is_of_kind(const struct sower_record *record, const struct sower_judge_kind *kind)
{
    return kind->spec == record->spec && strcmp(kind->shape, record->shape) == 0 &&
           strcmp(kind->dtype, record->dtype) == 0 && strcmp(kind->layout, record->layout) == 0 &&
           strcmp(kind->initializer, record->initializer) == 0;
}

static void remember(struct sower_judge_kind *kind, const struct sower_record *record,
                     const struct sower_request *request)
{
    kind->spec = record->spec;
    memcpy(kind->shape, record->shape, sizeof kind->shape);
    memcpy(kind->dtype, record->dtype, sizeof kind->dtype);
    memcpy(kind->initializer, record->initializer, sizeof kind->initializer);
    memcpy(kind->layout, record->layout, sizeof kind->layout);
    kind->draw = request->draw;
}

/* Printable ASCII. Any other text may be invalid UTF-8, so the parser of requests must check it. */
static bool is_plain(const char *text)
{
    while (*text >= ' ' && *text <= '~') {
        text++;
    }
    return *text == '\0';
}

/* Whether a record of this kind is true. */
static bool is_true(const struct sower_judge *judge, const struct sower_judge_kind *kind,
                    const struct sower_record *record, bool known)
{
    struct sower_draw draw = kind->draw;
    draw.root_id = record->root_id;
    draw.trial = record->trial;
    memcpy(draw.experiment, record->experiment, sizeof draw.experiment);
    memcpy(draw.name, record->name, sizeof draw.name);
    struct sower_draw_id id = sower_draw_id(&draw);
    struct sower_seed seed = known ? sower_draw_seed(&draw, &judge->root) : record->seed;
    return memcmp(&id, &record->draw, sizeof id) == 0 && memcmp(&seed, &record->seed, sizeof seed) == 0;
}

bool sower_judge_draw(struct sower_judge *judge, const struct sower_record *record, bool *known,
                      struct sower_problem *problem)
{
    struct sower_judge_kind *kind = &judge->kinds[place_of(record)];
    struct sower_request request;
    *known = memcmp(&judge->root_id, &record->root_id, sizeof judge->root_id) == 0;
    if (is_of_kind(record, kind) && is_plain(record->experiment) && is_plain(record->name) &&
        is_true(judge, kind, record, *known)) {
        return true;
    }
    if (!sower_record_request(record, &judge->root, &request, known, problem)) {
        return false;
    }
    remember(kind, record, &request);
    return true;
}
