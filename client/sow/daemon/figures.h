/* Figures: compares the members of a JSON response with their expected values. */
#ifndef SOWER_CLIENT_SOW_DAEMON_FIGURES_H
#define SOWER_CLIENT_SOW_DAEMON_FIGURES_H

#include <stdbool.h>

#include <jansson.h>

#include "core/attributes.h"

enum { FIGURES_REASON_SIZE = 512 };

/* Whether `found` has every member of `expected`, with the same value. Other members of `found` are ignored.
 * Reals may differ by a relative error of 1e-9, because mathematical functions round differently on different
 * machines. When something differs, `reason` gets a clause for report_mismatch: the member, its value, and the
 * expected value. */
SOWER_MUST_USE bool figures_match(const json_t *found, const json_t *expected,
                                  char reason[FIGURES_REASON_SIZE]);

/* Whether the value is a text of 64 lower-case hex digits. */
bool figures_is_hash(const json_t *value);

/* Whether the value is the number of a ledger line. */
bool figures_is_line(const json_t *value);

/* Whether the value is the number of a ledger line, null, or missing (NULL). */
bool figures_may_be_line(const json_t *value);

#endif
