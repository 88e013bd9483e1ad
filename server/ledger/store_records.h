/* Records for the requests to a store: the code that all kinds of stores share. */
#ifndef SOWER_SERVER_LEDGER_STORE_RECORDS_H
#define SOWER_SERVER_LEDGER_STORE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "server/ledger/append.h"
#include "server/ledger/store.h"

/* The outcome of a draw whose record has its line and its drift; same_array is set if it drifts. */
enum sower_draw_outcome sower_store_draw_outcome(const struct sower_store_draw *draw, bool pinned);

/* Sets *draw to the n-th draw of a model. */
void sower_store_model_draw(const struct sower_store_model *model, size_t n, struct sower_store_draw *draw);

/* Whether the model is still wanted; false with a problem. Call it now and then while a model is processed, as
 * 16,384 draws take some tenths of a second. */
SOWER_MUST_USE bool sower_store_model_goes_on(const struct sower_store_model *model,
                                              struct sower_problem *problem);

/* Notes in the model's outcome whether its n-th draw, whose outcome is set, drifts or is refused, and tells the model's owner
 * its line (model->note). */
void sower_store_model_note(struct sower_store_model *model, size_t n, const struct sower_store_draw *draw);

/* Sets the record of a request for trial numbers. The experiment has given out the numbers below `given`, which
 * is at most 2^63 (a larger value, from a damaged database, means that no number is left). False if too few
 * numbers are left; the request's outcome is EXHAUSTED then. */
SOWER_MUST_USE bool sower_store_trials_record(struct sower_store_trials *request, uint64_t given,
                                              struct sower_record *record);

/* Sets the outcome of a request for trial numbers from its record, which has a line now. */
void sower_store_trials_given(struct sower_store_trials *request, const struct sower_record *record);

/* Whether a line from the database is valid; the database may be damaged or changed by somebody else. False with
 * a problem (UNAVAILABLE) that names the line. */
SOWER_MUST_USE bool sower_store_record_check(const struct sower_record *record,
                                             struct sower_problem *problem);

/* The record of a draw that is as long as most and that nobody requests. A probe writes it and rolls back. */
void sower_store_probe_record(int64_t time, struct sower_record *record);

/* The record of a request to pin or unpin. */
void sower_store_pin_record(const struct sower_store_pin *pin, struct sower_record *record);

/* Sets what the writer tells about the last successful write. */
void sower_store_note_write(struct sower_store_writer *writer, const struct sower_append *append);

#endif
