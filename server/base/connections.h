/* Connections: who holds them, what they wait for, and which of them have to make way.
 *
 * libmicrohttpd counts the time of a connection from its last byte, so one that sends a byte now and then
 * lives for ever, and at the limit it keeps newcomers out. This registry knows of every connection its client
 * and since when it is in which phase. A tick closes what is late:
 *
 *   NEW        nothing of a first request has come; --header-seconds
 *   WAITING    nothing of a further one has; --idle-seconds
 *   HEADERS    a request has begun; --header-seconds until its headers are complete
 *   BODY       --request-seconds until its body is
 *   ANSWERING  its time is ours; a reader that takes nothing is libmicrohttpd's to cut (--idle-seconds)
 *
 * It closes as well what the other side has ended in the middle of a request.
 *
 * There are places for `limit` connections, of which one client has at most `share`. For a newcomer beyond
 * that, the connection that waits longest (NEW, WAITING, HEADERS; for half a second at least, as a request
 * may be on its way) and has no unread bytes is closed: of the same client at its share, of anybody in a full
 * house. When none can be closed, the newcomer is told to wait (acceptor.h).
 *
 * To close means to shut the socket down: libmicrohttpd sees that and closes the descriptor, which is its
 * own. It says so beforehand, so a descriptor that is in the registry is open and no other's, as long as the
 * lock is held. */
#ifndef SOWER_SERVER_BASE_CONNECTIONS_H
#define SOWER_SERVER_BASE_CONNECTIONS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/ticker.h"

/* Connections that were shut down and that libmicrohttpd has not closed yet, at most: they are open beyond
 * the limit. */
enum { SOWER_CONNECTIONS_RESERVE = 32 };

enum sower_phase {
    SOWER_PHASE_NEW,
    SOWER_PHASE_WAITING,
    SOWER_PHASE_HEADERS,
    SOWER_PHASE_BODY,
    SOWER_PHASE_ANSWERING,
};

struct sower_connection;

/* How many places and how much time there is. */
struct sower_connection_limits {
    uint64_t limit, share;
    uint64_t idle_seconds, header_seconds, request_seconds;
};

struct sower_connections {
    struct sower_connection_limits limits;
    struct sower_ticker ticker;
    pthread_mutex_t lock; /* guards the list and the descriptors in it */
    struct sower_connection *first;
    uint64_t open; /* in the list, those that were shut down included */
};

/* Starts the thread that ticks. False when there is none to be had; then there is nothing to stop. */
bool sower_connections_start(struct sower_connections *connections,
                             const struct sower_connection_limits *limits);

/* After the last connection has ended. */
void sower_connections_stop(struct sower_connections *connections);

/* What a newcomer meets. */
enum sower_crowd {
    SOWER_CROWD_NONE,
    SOWER_CROWD_SHARE, /* its client has its share */
    SOWER_CROWD_HOUSE, /* the house is full */
};

/* Looks for a place for a client's newcomer. Whether there is one, perhaps that of a connection that was just
 * shut down; *crowd says what stood in the way. */
bool sower_connections_place(struct sower_connections *connections, uint64_t client, enum sower_crowd *crowd);

/* How many places a client has. */
uint64_t sower_connections_count(struct sower_connections *connections, uint64_t client);

/* A connection was accepted and goes to libmicrohttpd, where it begins and ends. It has its place from here
 * on; nothing is done to its descriptor before it begins and after it has ended. NULL when memory runs out.
 */
struct sower_connection *sower_connection_new(struct sower_connections *connections, int file,
                                              uint64_t client);

/* The connection that begins with this descriptor; NULL for none of the registry. */
struct sower_connection *sower_connection_begin(struct sower_connections *connections, int file);

/* It has ended, or will not begin. */
void sower_connection_end(struct sower_connections *connections, struct sower_connection *connection);

uint64_t sower_connection_client(const struct sower_connection *connection);

/* What was begun on the connection and has not ended; NULL, as at first: nothing. For the thread that serves
 * it. */
void sower_connection_set_work(struct sower_connection *connection, void *work);
void *sower_connection_work(const struct sower_connection *connection);

/* The connection is in this phase from now on. Costs no lock. */
void sower_connection_enter(struct sower_connection *connection, enum sower_phase phase);

/* Shuts down what is late or was ended by now; the registry's thread calls it every second. `now` is in
 * milliseconds, of CLOCK_MONOTONIC. */
void sower_connections_tick(struct sower_connections *connections, int64_t now);

#endif
