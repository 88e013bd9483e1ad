/* The pulse: whether the threads that serve requests still do, for the watchdog of the service manager.
 *
 * Every beat tries all of them. A worker gets a connection of which the other end is closed already, and must notice
 * that and close it. A compute thread gets an empty job. The ledger's thread must take requests out of its queue,
 * unless it is at work in its store: a disk or a database may be slow, and a restart does not make it faster
 * (/readyz reports it). If one of them did not respond until the next beat, that beat fails. */
#ifndef SOWER_SERVER_HTTP_PULSE_H
#define SOWER_SERVER_HTTP_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "server/base/pool.h"

struct sower_server;

/* Workers that one beat tries; the next beat tries the next ones. */
enum { SOWER_PULSE_WORKERS = 16 };

struct sower_pulse {
    struct sower_job job; /* comes first: `run` casts */
    struct sower_server *server;
    _Atomic bool computing;         /* the job has not run yet */
    int files[SOWER_PULSE_WORKERS]; /* our ends of the connections */
    size_t count;
    size_t next; /* the worker to try next */
};

void sower_pulse_begin(struct sower_pulse *pulse, struct sower_server *server);

/* Whether everything has responded that the beat before this one has tried. If so, tries again. */
bool sower_pulse_beat(struct sower_pulse *pulse);

/* Closes the connections. The pulse must stay valid until the pool has stopped. */
void sower_pulse_end(struct sower_pulse *pulse);

#endif
