/* The acceptor: one thread that takes connections from the listening socket and deals them out to
 * libmicrohttpd's threads in turn.
 *
 * Left to themselves, those threads race for every new connection, and several that come at the same time may
 * all land on one of them while the others have nothing to do. Dealing spreads them evenly, so that two
 * streams run on two CPUs.
 *
 * The registry (connections.h) says whether there is a place for a newcomer. One that has none stands in
 * line, for as long as an idle connection lives. A place that becomes free goes to the first of the client
 * that has the fewest. The line has room for `line_max`, half of them of one client; beyond its half a
 * client's newcomers are closed at once, and in a full line the last one of a client that has more there
 * makes way. */
#ifndef SOWER_SERVER_BASE_ACCEPTOR_H
#define SOWER_SERVER_BASE_ACCEPTOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/base/connections.h"
#include "server/base/log.h"

struct MHD_Daemon;
struct sower_newcomer;

struct sower_acceptor {
    int socket; /* that is listened on; not owned */
    struct MHD_Daemon *daemon;
    struct sower_connections *connections;
    const struct sower_log *log;
    struct sower_newcomer *line; /* those that stand in line */
    size_t line_count, line_max;
    int64_t crowded[3];   /* when a newcomer last met this crowd (enum sower_crowd), in milliseconds */
    _Atomic bool waiting; /* somebody stands in line */
    _Atomic bool stopping;
    int wake; /* eventfd */
    pthread_t thread;
};

/* Starts to accept on `socket` for `daemon`, whose threads run. False when threads, files or memory run out.
 * The daemon's own limit must never be reached: libmicrohttpd 0.9.75 refuses a connection with a lock held
 * for ever. */
bool sower_acceptor_start(struct sower_acceptor *acceptor, int socket, struct MHD_Daemon *daemon,
                          struct sower_connections *connections, size_t line_max,
                          const struct sower_log *log);

/* A connection that was handed over has ended; any thread may say so. */
void sower_acceptor_closed(struct sower_acceptor *acceptor);

/* Accepts no more, and closes what stands in line. After that nobody uses the socket. */
void sower_acceptor_stop(struct sower_acceptor *acceptor);

#endif
