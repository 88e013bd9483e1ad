#include "server/base/connections.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "server/base/clock.h"

enum {
    GRACE = 500,       /* milliseconds of waiting before a connection may be closed for another */
    BEGINNING = 60000, /* milliseconds after which a connection that has not begun will not begin */
    COARSE = 100,      /* largest error of the kernel's arrival times, in milliseconds */
    PHASE_BITS = 3,
    PHASE_MASK = (1 << PHASE_BITS) - 1,
};

struct sower_connection {
    struct sower_connection *next, **place;
    uint64_t client;
    void *work; /* only for the thread that serves the connection */
    struct sower_generation *generation;
    int file;
    /* guarded by the lock */
    bool begun;            /* libmicrohttpd has it; the descriptor may be used */
    bool shut;             /* it was shut down, and no longer counts */
    _Atomic int64_t since; /* when the phase began (milliseconds), and the phase in the lowest bits */
};

static enum sower_phase phase_of(int64_t state)
{
    return (enum sower_phase)(state & PHASE_MASK);
}

static int64_t time_of(int64_t state)
{
    return state >> PHASE_BITS;
}

static bool may_be_closed(int64_t state)
{
    return phase_of(state) <= SOWER_PHASE_HEADERS;
}

uint64_t sower_connection_client(const struct sower_connection *connection)
{
    return connection->client;
}

void sower_connection_set_work(struct sower_connection *connection, void *work)
{
    connection->work = work;
}

void *sower_connection_work(const struct sower_connection *connection)
{
    return connection->work;
}

void sower_connection_set_generation(struct sower_connection *connection, struct sower_generation *generation)
{
    connection->generation = generation;
}

struct sower_generation *sower_connection_generation(const struct sower_connection *connection)
{
    return connection->generation;
}

void sower_connection_enter(struct sower_connection *connection, enum sower_phase phase)
{
    atomic_store_explicit(&connection->since, sower_clock_milliseconds() << PHASE_BITS | (int64_t)phase,
                          memory_order_relaxed);
}

static void shut_down(struct sower_connection *connection)
{
    connection->shut = true;
    (void)shutdown(connection->file, SHUT_RDWR);
}

static bool has_unread(const struct sower_connection *connection)
{
    int count = 0;
    return ioctl(connection->file, SIOCINQ, &count) == 0 && count > 0;
}

/* The kernel's view of a TCP connection; zero for a Unix socket. */
struct arrivals {
    int64_t last; /* when the last bytes arrived */
    bool ended;   /* the client has closed its sending side */
};

static struct arrivals arrivals_of(const struct sower_connection *connection, int64_t now)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    if (getsockopt(connection->file, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
        return (struct arrivals){0, false};
    }
    return (struct arrivals){now - (int64_t)info.tcpi_last_data_recv, info.tcpi_state == TCP_CLOSE_WAIT};
}

/* Only the kernel sees the bytes of a request line that is not complete yet. Enters HEADERS for them. */
static void notice_first_bytes(struct sower_connection *connection, const struct arrivals *arrivals,
                               int64_t *state, int64_t now)
{
    if (phase_of(*state) == SOWER_PHASE_WAITING && arrivals->last > time_of(*state) + COARSE) {
        int64_t headers = now << PHASE_BITS | SOWER_PHASE_HEADERS;
        if (atomic_compare_exchange_strong(&connection->since, state, headers)) {
            *state = headers;
        }
    }
}

/* Whether a request can never be completed. libmicrohttpd does not always notice: after a read that is shorter
 * than its buffer it waits for more, also when the end of the stream has arrived with those bytes. */
static bool is_cut_short(const struct sower_connection *connection, const struct arrivals *arrivals,
                         int64_t state, int64_t now)
{
    return arrivals->ended && now - time_of(state) >= GRACE && !has_unread(connection);
}

static bool is_late(const struct sower_connection_limits *limits, int64_t state, int64_t now)
{
    const uint64_t seconds[] = {[SOWER_PHASE_NEW] = limits->header_seconds,
                                [SOWER_PHASE_WAITING] = limits->idle_seconds,
                                [SOWER_PHASE_HEADERS] = limits->header_seconds,
                                [SOWER_PHASE_BODY] = limits->request_seconds};
    return now - time_of(state) > (int64_t)seconds[phase_of(state)] * 1000;
}

/* The lock is held. */
static void remove_connection(struct sower_connections *connections, struct sower_connection *connection)
{
    *connection->place = connection->next;
    if (connection->next != NULL) {
        connection->next->place = connection->place;
    }
    connections->open--;
    free(connection);
}

/* The lock is held. */
static void check(struct sower_connections *connections, struct sower_connection *connection, int64_t now)
{
    int64_t state = atomic_load(&connection->since);
    if (!connection->begun) { /* libmicrohttpd reports nothing if it has no memory for the connection */
        if (now - time_of(state) > BEGINNING) {
            remove_connection(connections, connection);
        }
        return;
    }
    if (connection->shut || phase_of(state) == SOWER_PHASE_RESPONDING) {
        return;
    }
    const struct arrivals arrivals = arrivals_of(connection, now);
    notice_first_bytes(connection, &arrivals, &state, now);
    if (is_late(&connections->limits, state, now) || is_cut_short(connection, &arrivals, state, now)) {
        shut_down(connection);
    }
}

void sower_connections_tick(struct sower_connections *connections, int64_t now)
{
    pthread_mutex_lock(&connections->lock);
    for (struct sower_connection *at = connections->first, *next; at != NULL; at = next) {
        next = at->next;
        check(connections, at, now);
    }
    pthread_mutex_unlock(&connections->lock);
}

static bool tick(void *context)
{
    struct sower_connections *connections = context;
    sower_connections_tick(connections, sower_clock_milliseconds());
    pthread_mutex_lock(&connections->lock);
    bool any = connections->first != NULL;
    pthread_mutex_unlock(&connections->lock);
    return any;
}

/* Counts the connections that were not shut down: all, and those of one client. */
static void count(const struct sower_connections *connections, uint64_t client, uint64_t *all, uint64_t *own)
{
    *all = *own = 0;
    for (const struct sower_connection *at = connections->first; at != NULL; at = at->next) {
        *all += !at->shut;
        *own += !at->shut && at->client == client;
    }
}

/* The connection to close: the one that has waited longest, of one client or (NULL) of all. NULL: none. */
static struct sower_connection *longest_waiting(const struct sower_connections *connections,
                                                const uint64_t *client)
{
    struct sower_connection *longest = NULL;
    int64_t least = sower_clock_milliseconds() - GRACE;
    for (struct sower_connection *at = connections->first; at != NULL; at = at->next) {
        int64_t state = atomic_load(&at->since);
        if (at->begun && !at->shut && (client == NULL || at->client == *client) && may_be_closed(state) &&
            time_of(state) <= least && !has_unread(at)) {
            longest = at;
            least = time_of(state);
        }
    }
    return longest;
}

/* The lock is held. */
static bool make_room(struct sower_connections *connections, uint64_t client,
                      enum sower_connection_limit *reached)
{
    uint64_t all, own;
    count(connections, client, &all, &own);
    bool at_share = own >= connections->limits.share;
    *reached = at_share                           ? SOWER_LIMIT_CLIENT
               : all >= connections->limits.limit ? SOWER_LIMIT_TOTAL
                                                  : SOWER_LIMIT_NONE;
    if (connections->open >= connections->limits.limit + SOWER_CONNECTIONS_RESERVE) {
        return false; /* until libmicrohttpd has closed some that were shut down */
    }
    if (*reached == SOWER_LIMIT_NONE) {
        return true;
    }
    struct sower_connection *longest = longest_waiting(connections, at_share ? &client : NULL);
    if (longest != NULL) {
        shut_down(longest);
    }
    return longest != NULL;
}

bool sower_connections_make_room(struct sower_connections *connections, uint64_t client,
                                 enum sower_connection_limit *reached)
{
    pthread_mutex_lock(&connections->lock);
    bool found = make_room(connections, client, reached);
    pthread_mutex_unlock(&connections->lock);
    return found;
}

uint64_t sower_connections_count(struct sower_connections *connections, uint64_t client)
{
    uint64_t all, own;
    pthread_mutex_lock(&connections->lock);
    count(connections, client, &all, &own);
    pthread_mutex_unlock(&connections->lock);
    return own;
}

struct sower_connections_figures sower_connections_figures(struct sower_connections *connections)
{
    pthread_mutex_lock(&connections->lock);
    const struct sower_connections_figures figures = {connections->open, connections->accepted};
    pthread_mutex_unlock(&connections->lock);
    return figures;
}

struct sower_connection *sower_connection_new(struct sower_connections *connections, int file,
                                              uint64_t client)
{
    struct sower_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        return NULL;
    }
    connection->file = file;
    connection->client = client;
    sower_connection_enter(connection, SOWER_PHASE_NEW);
    pthread_mutex_lock(&connections->lock);
    connection->next = connections->first;
    connection->place = &connections->first;
    if (connection->next != NULL) {
        connection->next->place = &connection->next;
    }
    connections->first = connection;
    connections->open++;
    connections->accepted++;
    pthread_mutex_unlock(&connections->lock);
    sower_ticker_wake(&connections->ticker);
    return connection;
}

struct sower_connection *sower_connection_begin(struct sower_connections *connections, int file)
{
    pthread_mutex_lock(&connections->lock);
    struct sower_connection *found = connections->first;
    while (found != NULL && (found->begun || found->file != file)) {
        found = found->next;
    }
    if (found != NULL) {
        found->begun = true;
    }
    pthread_mutex_unlock(&connections->lock);
    return found;
}

void sower_connection_end(struct sower_connections *connections, struct sower_connection *connection)
{
    pthread_mutex_lock(&connections->lock);
    remove_connection(connections, connection);
    pthread_mutex_unlock(&connections->lock);
}

bool sower_connections_start(struct sower_connections *connections,
                             const struct sower_connection_limits *limits)
{
    *connections = (struct sower_connections){.limits = *limits};
    pthread_mutex_init(&connections->lock, NULL);
    if (sower_ticker_start(&connections->ticker, tick, connections)) {
        return true;
    }
    pthread_mutex_destroy(&connections->lock);
    return false;
}

void sower_connections_stop(struct sower_connections *connections)
{
    sower_ticker_free(&connections->ticker);
    while (connections->first != NULL) { /* libmicrohttpd had no memory for these */
        remove_connection(connections, connections->first);
    }
    pthread_mutex_destroy(&connections->lock);
}
