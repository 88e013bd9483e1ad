#include "append.h"

#include <string.h>

bool sower_append_check(const struct sower_append *append, int64_t now, struct sower_problem *problem)
{
    char said[SOWER_TIME_SIZE], written[SOWER_TIME_SIZE];
    if (append->head.sequence == 0 || now >= append->time ||
        (uint64_t)append->time - (uint64_t)now <= SOWER_APPEND_TOLERANCE) {
        return true;
    }
    sower_record_time(now, said);
    sower_record_time(append->time, written);
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "The ledger cannot be used now: the daemon's clock says %s, and its last line "
                             "is of %s. Set the clock right; if it was ahead then, start the daemon without "
                             "its writer.key.",
                             said, written);
}

bool sower_append_next(struct sower_append *append, struct sower_record *record,
                       struct sower_problem *problem)
{
    if (!sower_append_check(append, record->time, problem)) {
        return false;
    }
    if (append->head.sequence > 0 && record->time < append->time) {
        record->time = append->time;
    }
    record->ledger = append->ledger + 1;
    memcpy(record->place.writer, append->head.writer, sizeof record->place.writer);
    record->place.sequence = append->head.sequence + 1;
    sower_chain_link(record, append->head.link, record->place.link);
    append->ledger = record->ledger;
    append->head = record->place;
    append->time = record->time;
    return true;
}
