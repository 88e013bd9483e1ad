/* Appending: the place that a new line gets.
 *
 * What a store reads at the beginning of a transaction and keeps at its end: the last line number and the
 * head of the writer's chain. In between, every new line gets the next number, the next place in the chain,
 * and the later of two times: what the clock says, and the time of the chain's last line. So the times of a
 * chain do not go back, and a clock that was ahead for a while keeps nobody from writing. */
#ifndef SOWER_SERVER_LEDGER_APPEND_H
#define SOWER_SERVER_LEDGER_APPEND_H

#include <stdbool.h>
#include <stdint.h>

#include "core/problem.h"
#include "proto/record.h"

struct sower_append {
    uint64_t ledger;        /* the last line's number; 0: there is none */
    struct sower_link head; /* of the writer's chain */
    int64_t time;           /* of the chain's last line */
};

/* The time that a line gets which is written now. */
int64_t sower_append_time(const struct sower_append *append, int64_t now);

/* Whether a line can be written now; otherwise a problem (UNAVAILABLE): its time would be one that no line
 * can have (record.h). */
bool sower_append_check(const struct sower_append *append, int64_t now, struct sower_problem *problem);

/* Sets the record's number, place and link, makes its time the one that it gets, and moves the head there. */
bool sower_append_next(struct sower_append *append, struct sower_record *record,
                       struct sower_problem *problem);

#endif
