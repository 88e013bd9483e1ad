/* Appending: the place that a new line gets.
 *
 * What a store reads at the beginning of a transaction and keeps at its end: the last line number and the
 * head of the writer's chain. In between, every new line gets the next number, the next place in the chain,
 * and a time that does not lie before the chain's last. A clock that went back a little is made up for; one
 * that went back further is refused, as times in the ledger would mean nothing. */
#ifndef SOWER_SERVER_LEDGER_APPEND_H
#define SOWER_SERVER_LEDGER_APPEND_H

#include <stdbool.h>
#include <stdint.h>

#include "../../core/problem.h"
#include "../../proto/record.h"

enum { SOWER_APPEND_TOLERANCE = 5000 }; /* milliseconds that a clock may go back */

struct sower_append {
    uint64_t ledger;        /* the last line's number; 0: there is none */
    struct sower_link head; /* of the writer's chain */
    int64_t time;           /* of the chain's last line */
};

/* Whether the clock is right enough for a line to be written now; otherwise a problem. */
bool sower_append_check(const struct sower_append *append, int64_t now, struct sower_problem *problem);

/* Sets the record's number, place, link and, if need be, time, and moves the head there. */
bool sower_append_next(struct sower_append *append, struct sower_record *record,
                       struct sower_problem *problem);

#endif
