#include "server/ledger/store_records.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "core/draw.h"
#include "proto/record_read.h"

enum sower_draw_outcome sower_store_draw_outcome(const struct sower_store_draw *draw, bool pinned)
{
    const bool drifts = draw->record.drift != 0 && !draw->same_array;
    return drifts && (draw->strict || pinned) ? SOWER_DRAW_REFUSED
           : draw->record.ledger != 0         ? SOWER_DRAW_RECORDED
                                              : SOWER_DRAW_NEW;
}

void sower_store_model_draw(const struct sower_store_model *model, size_t n, struct sower_store_draw *draw)
{
    struct sower_record *record = &draw->record;
    draw->strict = model->strict;
    draw->account = model->account;
    model->fill(model->context, n, record);
    record->time = model->time;
    record->has_manifest = true;
    memcpy(record->manifest, model->manifest, sizeof record->manifest);
}

bool sower_store_model_goes_on(const struct sower_store_model *model, struct sower_problem *problem)
{
    return model->given_up == NULL || !atomic_load_explicit(model->given_up, memory_order_relaxed) ||
           sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "The daemon is stopping; ask again when it is back.");
}

void sower_store_model_note(struct sower_store_model *model, size_t n, const struct sower_store_draw *draw)
{
    bool refused = draw->outcome == SOWER_DRAW_REFUSED;
    if (draw->outcome == SOWER_DRAW_RECORDED && model->note != NULL) {
        model->note(model->context, n, &draw->record);
    }
    if (draw->record.drift != 0 && (model->drift == 0 || refused)) {
        model->drift = draw->record.drift;
        model->drifting = n;
        model->refused = refused;
    }
}

bool sower_store_trials_record(struct sower_store_trials *request, uint64_t given,
                               struct sower_record *record)
{
    if (given > SOWER_TRIAL_MAX + 1 || request->count > SOWER_TRIAL_MAX + 1 - given) {
        request->outcome = SOWER_TRIALS_EXHAUSTED;
        return false;
    }
    *record = (struct sower_record){.kind = SOWER_RECORD_TRIALS,
                                    .time = request->time,
                                    .root_id = request->root_id,
                                    .trial = given,
                                    .count = request->count};
    memcpy(record->experiment, request->experiment, strlen(request->experiment) + 1);
    memcpy(record->key, request->key, strlen(request->key) + 1);
    return true;
}

void sower_store_trials_given(struct sower_store_trials *request, const struct sower_record *record)
{
    request->outcome = SOWER_TRIALS_GIVEN;
    request->first = record->trial;
    request->ledger = record->ledger;
}

bool sower_store_record_check(const struct sower_record *record, struct sower_problem *problem)
{
    struct sower_problem found;
    return sower_record_check(record, &found) ||
           sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "Line %" PRIu64 " of the ledger is damaged: %s 'sow ledger verify' checks "
                             "all lines.",
                             record->ledger, found.sentence);
}

void sower_store_pin_record(const struct sower_store_pin *pin, struct sower_record *record)
{
    *record = (struct sower_record){.kind = pin->pinned ? SOWER_RECORD_PIN : SOWER_RECORD_UNPIN,
                                    .time = pin->time,
                                    .root_id = pin->root_id};
    memcpy(record->experiment, pin->experiment, strlen(pin->experiment) + 1);
}

void sower_store_probe_record(int64_t time, struct sower_record *record)
{
    *record = (struct sower_record){.kind = SOWER_RECORD_DRAW,
                                    .time = time,
                                    .spec = SOWER_SPEC,
                                    .experiment = "sower probe",
                                    .shape = "4096,4096",
                                    .dtype = "f32",
                                    .initializer = "truncated_normal(mean=0,std=0.02,low=-2,high=2)",
                                    .layout = "oi"};
    memset(record->name, 'w', 64);
    memset(&record->draw, 0xff, sizeof record->draw);
    memset(&record->seed, 0xff, sizeof record->seed);
}

void sower_store_note_write(struct sower_store_writer *writer, const struct sower_append *append)
{
    writer->chain_time = append->time;
    writer->last = append->ledger;
    writer->lines += append->added;
}
