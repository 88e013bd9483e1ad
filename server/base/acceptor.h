/* The acceptor: one thread that accepts connections from all listening sockets and hands them to libmicrohttpd's
 * threads in turn.
 *
 * Without it those threads would compete for each new connection. Several connections that arrive together
 * could all go to one thread while the others are idle. Handing them out in turn spreads them evenly, so that
 * two streams run on two CPUs.
 *
 * The registry (connections.h) decides whether there is room for a connection. A connection without room waits
 * in a queue, at most as long as an idle connection may stay open (--idle-seconds). When room becomes free, the
 * oldest queued connection of the client with the fewest connections gets it. The queue has `queue_max` entries,
 * at most half of them for one client; further connections of that client are closed at once. When the queue is
 * full, the newest entry of a client that has more entries there is closed for a new one. */
#ifndef SOWER_SERVER_BASE_ACCEPTOR_H
#define SOWER_SERVER_BASE_ACCEPTOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/attributes.h"
#include "server/base/connections.h"
#include "server/base/listen.h"
#include "server/base/log.h"

struct MHD_Daemon;
struct sower_accepted;

/* A listening socket, and the part of libmicrohttpd that serves its connections: with or without TLS. */
struct sower_door {
    int socket; /* not owned */
    struct MHD_Daemon *daemon;
};

struct sower_acceptor {
    struct sower_door doors[SOWER_LISTENERS_MAX];
    size_t door_count;
    struct sower_connections *connections;
    const struct sower_log *log;
    struct sower_accepted *queue; /* connections that wait for room */
    size_t queue_count, queue_max;
    int64_t reached[3];     /* when each enum sower_connection_limit was last reached, in milliseconds */
    _Atomic size_t waiting; /* queue_count, for other threads */
    _Atomic bool stopping;
    int wake; /* eventfd that wakes the thread */
    pthread_t thread;
};

/* Starts to accept at the doors, whose daemons are running. False when threads, files or memory run out.
 * libmicrohttpd's own connection limit must never be reached: version 0.9.75 then refuses the connection
 * and never releases a lock. */
SOWER_MUST_USE bool sower_acceptor_start(struct sower_acceptor *acceptor, const struct sower_door *doors,
                                         size_t door_count, struct sower_connections *connections,
                                         size_t queue_max, const struct sower_log *log);

/* A connection that was handed to libmicrohttpd has ended. Any thread may call this. */
void sower_acceptor_closed(struct sower_acceptor *acceptor);

/* Stops accepting, and closes the queued connections. After this the acceptor does not use the sockets. */
void sower_acceptor_stop(struct sower_acceptor *acceptor);

#endif
