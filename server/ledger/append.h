/* Appending: number, position in the chain and time of a new line.
 *
 * A store reads the last line number and the head of the writer's chain when a transaction begins, and stores
 * them when it ends. In between, every new line gets the next number, the next place in the chain, and the later
 * of two times: the clock's and that of the chain's last line. So the times of a chain never decrease, and a
 * daemon can still write after its clock was ahead for a while. */
#ifndef SOWER_SERVER_LEDGER_APPEND_H
#define SOWER_SERVER_LEDGER_APPEND_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/record.h"

struct sower_append {
    uint64_t ledger;        /* number of the last line; 0: no line */
    struct sower_link head; /* of the writer's chain */
    int64_t time;           /* of the chain's last line */
    uint64_t added;         /* lines of this transaction */
};

/* The time of a line that is written now. `now` is the clock's time, here and below. */
int64_t sower_append_time(const struct sower_append *append, int64_t now);

/* Whether a line can be written now. False with a problem (UNAVAILABLE) if its time would be outside the range
 * that a line can have (record.h). */
SOWER_MUST_USE bool sower_append_check(const struct sower_append *append, int64_t now,
                                       struct sower_problem *problem);

/* Sets the record's number, place, link and time, and makes it the head of the chain. record->time is the clock's
 * time on entry. False as above. */
SOWER_MUST_USE bool sower_append_next(struct sower_append *append, struct sower_record *record,
                                      struct sower_problem *problem);

#endif
