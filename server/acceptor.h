/* The acceptor: one thread that takes connections and deals them out.
 *
 * libmicrohttpd's threads could accept by themselves, but then one of them may end up with most connections
 * while the others idle. Given connections one by one, it spreads them evenly, so that two streams run on two
 * CPUs. At the limit of open connections new ones wait in the kernel's queue until one ends. */
#ifndef SOWER_SERVER_ACCEPTOR_H
#define SOWER_SERVER_ACCEPTOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct MHD_Daemon;

struct sower_acceptor {
    int socket; /* that is listened on; not owned */
    struct MHD_Daemon *daemon;
    uint64_t limit;        /* of open connections */
    _Atomic uint64_t open; /* now */
    _Atomic bool stopping;
    int wake; /* eventfd */
    pthread_t thread;
};

/* Starts to accept on `socket` for `daemon`, whose threads run. False when threads or files run out. The
 * daemon's own limit must never be reached: libmicrohttpd 0.9.75 refuses a connection with a lock held for
 * ever. */
bool sower_acceptor_start(struct sower_acceptor *acceptor, int socket, struct MHD_Daemon *daemon,
                          uint64_t limit);

/* A connection that was handed over has ended; any thread may say so. */
void sower_acceptor_closed(struct sower_acceptor *acceptor);

/* Accepts no more. After that nobody uses the socket. */
void sower_acceptor_stop(struct sower_acceptor *acceptor);

#endif
