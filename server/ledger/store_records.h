/* Records of what a store is asked for: what every kind of store does in the same way. */
#ifndef SOWER_SERVER_LEDGER_STORE_RECORDS_H
#define SOWER_SERVER_LEDGER_STORE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/ledger/store.h"

/* Makes the n-th draw of a model. */
void sower_store_model_draw(const struct sower_store_model *model, size_t n, struct sower_store_draw *draw);

/* Whether somebody still waits for the model; otherwise a problem. To be asked now and then while it is
 * worked on: 100,000 draws take seconds. */
bool sower_store_model_goes_on(const struct sower_store_model *model, struct sower_problem *problem);

/* Notes in the model's outcome whether its n-th draw, whose outcome is set, drifts or is refused for it. */
void sower_store_model_note(struct sower_store_model *model, size_t n, const struct sower_store_draw *draw);

/* The record of a request for trials, of an experiment that has given out the numbers below `given` (at most
 * 2^63, which is not given out itself; more than that, in a damaged database, is as good as all). False when
 * so many are not left: the request's outcome says so. */
bool sower_store_trials_record(struct sower_store_trials *request, uint64_t given,
                               struct sower_record *record);

/* Sets the outcome of a request for trials by the record, which has its line now. */
void sower_store_trials_given(struct sower_store_trials *request, const struct sower_record *record);

/* Whether a line that was read can be one: a database can be damaged, or changed by other hands. Otherwise a
 * problem (UNAVAILABLE) that names the line. */
bool sower_store_record_check(const struct sower_record *record, struct sower_problem *problem);

/* The record of a draw that nobody asks for, as long as most are: a probe writes it and takes it back. */
void sower_store_probe_record(int64_t time, struct sower_record *record);

/* The record of a request to pin or unpin. */
void sower_store_pin_record(const struct sower_store_pin *pin, struct sower_record *record);

#endif
