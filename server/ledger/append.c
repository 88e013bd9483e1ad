#include "server/ledger/append.h"

#include <string.h>

#include "proto/time.h"

int64_t sower_append_time(const struct sower_append *append, int64_t now)
{
    return append->head.sequence > 0 && append->time > now ? append->time : now;
}

bool sower_append_check(const struct sower_append *append, int64_t now, struct sower_problem *problem)
{
    int64_t time = sower_append_time(append, now);
    if (time >= SOWER_TIME_FIRST && time <= SOWER_TIME_LAST) {
        return true;
    }
    return sower_problem_set(
        problem, SOWER_PROBLEM_UNAVAILABLE, "",
        time == now
            ? "The ledger cannot be used now: the daemon's clock is not in the years 1000 to 9999. "
              "Set it right."
            : "The ledger cannot be used now: the last line of this daemon's chain is not in the years "
              "1000 to 9999. Start the daemon without its writer.key.");
}

bool sower_append_next(struct sower_append *append, struct sower_record *record,
                       struct sower_problem *problem)
{
    if (!sower_append_check(append, record->time, problem)) {
        return false;
    }
    record->time = sower_append_time(append, record->time);
    record->ledger = append->ledger + 1;
    memcpy(record->place.writer, append->head.writer, sizeof record->place.writer);
    record->place.sequence = append->head.sequence + 1;
    sower_chain_link(record, append->head.link, record->place.link);
    append->ledger = record->ledger;
    append->head = record->place;
    append->time = record->time;
    append->added++;
    return true;
}
