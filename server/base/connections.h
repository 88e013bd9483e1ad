/* Connections: a registry of the open connections, their clients and phases, which closes late ones.
 *
 * libmicrohttpd counts a connection's timeout from its last byte. So a connection that sends a byte now and
 * then would stay open forever and, at the limit, keep new connections out. This registry knows the client of
 * every connection, its phase, and when the phase began. A tick every second closes connections that are late:
 *
 *   NEW        no byte of a first request has arrived: --header-seconds
 *   WAITING    no byte of a further request has arrived: --idle-seconds
 *   HEADERS    a request has begun: --header-seconds until its headers are complete
 *   BODY       --request-seconds until the body is complete
 *   RESPONDING no limit here; libmicrohttpd closes it if the client does not read (--idle-seconds)
 *
 * The tick also closes connections whose client stopped sending in the middle of a request.
 *
 * At most `limit` connections are open, at most `share` of them for one client. When a new connection would
 * exceed one of these, the registry closes the connection that has waited longest (NEW, WAITING or HEADERS, for
 * at least half a second because a request may be on its way, and without unread bytes): one of the same client
 * if that client has its share, else one of any client. If no connection can be closed, the new one must wait
 * (acceptor.h).
 *
 * To close means to shut the socket down: libmicrohttpd notices that, and closes the file descriptor, which it
 * owns. It calls sower_connection_end before that. So while the lock is held, every descriptor in the registry
 * is open and refers to its connection. */
#ifndef SOWER_SERVER_BASE_CONNECTIONS_H
#define SOWER_SERVER_BASE_CONNECTIONS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "server/base/ticker.h"

/* The largest number of connections that are open beyond the limit: they were shut down, and libmicrohttpd has
 * not closed them yet. */
enum { SOWER_CONNECTIONS_RESERVE = 32 };

enum sower_phase {
    SOWER_PHASE_NEW,
    SOWER_PHASE_WAITING,
    SOWER_PHASE_HEADERS,
    SOWER_PHASE_BODY,
    SOWER_PHASE_RESPONDING,
};

struct sower_connection;
struct sower_generation;

/* The numbers of connections and the time limits; see above. */
struct sower_connection_limits {
    uint64_t limit, share;
    uint64_t idle_seconds, header_seconds, request_seconds;
};

struct sower_connections {
    struct sower_connection_limits limits;
    struct sower_ticker ticker;
    pthread_mutex_t lock; /* guards the list and the descriptors in it */
    struct sower_connection *first;
    uint64_t open;     /* length of the list, including connections that were shut down */
    uint64_t accepted; /* since the start */
};

/* Starts the thread that ticks. False when threads run out; do not call sower_connections_stop then. */
SOWER_MUST_USE bool sower_connections_start(struct sower_connections *connections,
                                            const struct sower_connection_limits *limits);

/* To be called after the last connection has ended. */
void sower_connections_stop(struct sower_connections *connections);

/* The limit that one more connection would exceed. */
enum sower_connection_limit {
    SOWER_LIMIT_NONE,
    SOWER_LIMIT_CLIENT, /* the client has `share` connections */
    SOWER_LIMIT_TOTAL,  /* `limit` connections are open */
};

/* Makes room for one more connection of a client. True if there is room, perhaps because a waiting connection
 * was shut down for it. *reached is the limit that was reached before that. */
SOWER_MUST_USE bool sower_connections_make_room(struct sower_connections *connections, uint64_t client,
                                                enum sower_connection_limit *reached);

/* `open` and `accepted` as above. */
struct sower_connections_figures {
    uint64_t open, accepted;
};
struct sower_connections_figures sower_connections_figures(struct sower_connections *connections);

/* The number of connections of a client, without those that were shut down. */
uint64_t sower_connections_count(struct sower_connections *connections, uint64_t client);

/* Registers an accepted connection that the caller will hand to libmicrohttpd. It counts from now on. The
 * registry does not touch the descriptor before sower_connection_begin and after sower_connection_end. NULL
 * when memory runs out. */
SOWER_MUST_USE struct sower_connection *sower_connection_new(struct sower_connections *connections, int file,
                                                             uint64_t client);

/* libmicrohttpd begins the connection with this descriptor. NULL if the registry does not have it. */
SOWER_MUST_USE struct sower_connection *sower_connection_begin(struct sower_connections *connections,
                                                               int file);

/* Removes and frees a connection that has ended or will not begin. */
void sower_connection_end(struct sower_connections *connections, struct sower_connection *connection);

uint64_t sower_connection_client(const struct sower_connection *connection);

/* The caller's unfinished work on the connection; NULL, as at first: none. Only for the thread that serves the
 * connection. */
void sower_connection_set_work(struct sower_connection *connection, void *work);
void *sower_connection_work(const struct sower_connection *connection);

/* The certificates that the connection uses (certificates.h); NULL, as at first: none. The caller releases them. */
void sower_connection_set_generation(struct sower_connection *connection,
                                     struct sower_generation *generation);
struct sower_generation *sower_connection_generation(const struct sower_connection *connection);

/* The connection enters a phase now. Takes no lock. */
void sower_connection_enter(struct sower_connection *connection, enum sower_phase phase);

/* Shuts down connections that are late or whose client stopped sending. The registry's thread calls this every
 * second; tests call it too. `now` is sower_clock_milliseconds(). */
void sower_connections_tick(struct sower_connections *connections, int64_t now);

#endif
