/* Figures: an answer in JSON held against what it must say, as far as that is known here. */
#ifndef SOWER_CLIENT_SOW_DAEMON_FIGURES_H
#define SOWER_CLIENT_SOW_DAEMON_FIGURES_H

#include <stdbool.h>

#include <jansson.h>

enum { FIGURES_REASON_SIZE = 512 };

/* Whether each member of `wanted` stands in `found` with the same value; other members are not looked at.
 * Reals may differ in their last digits, as they come from mathematics that is not rounded the same
 * everywhere. Otherwise `reason` is a clause for report_unfit: the member, what came, what must come. */
bool figures_fit(const json_t *found, const json_t *wanted, char reason[FIGURES_REASON_SIZE]);

/* 64 lower-case hex digits. */
bool figures_is_hash(const json_t *value);

/* The number of a line of the ledger. */
bool figures_is_line(const json_t *value);

/* The same, or null, or nothing. */
bool figures_may_be_line(const json_t *value);

#endif
