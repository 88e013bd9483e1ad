#include "server/base/acceptor.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "server/base/client.h"
#include "server/base/clock.h"

enum {
    PAUSE = 100,          /* milliseconds without accepting after files or memory ran out */
    INTERVAL = 100,       /* milliseconds between two passes over the queue */
    QUIET = 60 * 1000,    /* a limit is logged again after so many milliseconds without reaching it */
    CLIENTS_PER_PASS = 16 /* clients to consider in one pass; others wait for the next pass */
};

struct sower_accepted {
    int file;
    struct MHD_Daemon *daemon;
    uint64_t client;
    int64_t since; /* when it was accepted, in milliseconds */
    struct sockaddr_storage address;
    socklen_t size;
};

/* Logs that a limit was reached: once, and again only after it was not reached for QUIET. */
static void log_limit(struct sower_acceptor *acceptor, enum sower_connection_limit reached, uint64_t client)
{
    struct sower_log_line line;
    char address[SOWER_CLIENT_TEXT_SIZE];
    int64_t now = sower_clock_milliseconds(), last = acceptor->reached[reached];
    if (reached == SOWER_LIMIT_NONE) {
        return;
    }
    acceptor->reached[reached] = now;
    if (last != 0 && now - last < QUIET) {
        return;
    }
    sower_log_begin(&line, acceptor->log, SOWER_LOG_WARNING, "crowded");
    if (reached == SOWER_LIMIT_CLIENT) {
        sower_client_print(client, address);
        sower_log_string(&line, "client", address);
    }
    sower_log_string(
        &line, "sentence",
        reached == SOWER_LIMIT_CLIENT
            ? "A client has reached its limit of connections (--connections-per-client). Its idle "
              "connections are closed for new ones; without idle ones, new ones wait."
            : "The limit of connections is reached (--connections). Idle connections are "
              "closed for new ones; without idle ones, new ones wait.");
    sower_log_end(&line);
}

static void hand_over(struct sower_acceptor *acceptor, const struct sower_accepted *accepted)
{
    struct sower_connection *connection =
        sower_connection_new(acceptor->connections, accepted->file, accepted->client);
    if (connection == NULL) {
        close(accepted->file);
        return;
    }
    /* If libmicrohttpd refuses the connection, it closes the descriptor. */
    if (MHD_add_connection(accepted->daemon, accepted->file, (const struct sockaddr *)&accepted->address,
                           accepted->size) != MHD_YES) {
        sower_connection_end(acceptor->connections, connection);
    }
}

/* Hands a connection to libmicrohttpd if there is room for it. */
static bool admit(struct sower_acceptor *acceptor, const struct sower_accepted *accepted)
{
    enum sower_connection_limit reached;
    bool room = sower_connections_make_room(acceptor->connections, accepted->client, &reached);
    log_limit(acceptor, reached, accepted->client);
    if (room) {
        hand_over(acceptor, accepted);
    }
    return room;
}

/* Closes queued connections that have waited too long. */
static void close_late(struct sower_acceptor *acceptor)
{
    int64_t oldest = sower_clock_milliseconds() - (int64_t)acceptor->connections->limits.idle_seconds * 1000;
    size_t left = 0;
    for (size_t i = 0; i < acceptor->queue_count; i++) {
        if (acceptor->queue[i].since < oldest) {
            close(acceptor->queue[i].file);
        } else {
            acceptor->queue[left++] = acceptor->queue[i];
        }
    }
    acceptor->queue_count = left;
}

/* A client that has queued connections. */
struct candidate {
    uint64_t client;
    uint64_t open; /* its connections that are not queued */
};

/* The position of the oldest queued connection of a client; queue_count if it has none. */
static size_t find_in_queue(const struct sower_acceptor *acceptor, uint64_t client)
{
    size_t n = 0;
    while (n < acceptor->queue_count && acceptor->queue[n].client != client) {
        n++;
    }
    return n;
}

static void remove_from_queue(struct sower_acceptor *acceptor, size_t n)
{
    acceptor->queue_count--;
    memmove(&acceptor->queue[n], &acceptor->queue[n + 1],
            (acceptor->queue_count - n) * sizeof acceptor->queue[0]);
}

static size_t find_candidates(const struct sower_acceptor *acceptor,
                              struct candidate candidates[CLIENTS_PER_PASS])
{
    size_t count = 0;
    for (size_t i = 0; i < acceptor->queue_count && count < CLIENTS_PER_PASS; i++) {
        uint64_t client = acceptor->queue[i].client;
        if (find_in_queue(acceptor, client) == i) {
            candidates[count++] =
                (struct candidate){client, sower_connections_count(acceptor->connections, client)};
        }
    }
    return count;
}

/* Admits queued connections while there is room, always of the client with the fewest open connections. */
static void admit_queued(struct sower_acceptor *acceptor)
{
    struct candidate candidates[CLIENTS_PER_PASS];
    close_late(acceptor);
    size_t count = find_candidates(acceptor, candidates);
    while (count > 0) {
        size_t next = 0;
        for (size_t i = 1; i < count; i++) {
            next = candidates[i].open < candidates[next].open ? i : next;
        }
        struct candidate *candidate = &candidates[next];
        size_t first = find_in_queue(acceptor, candidate->client);
        if (first < acceptor->queue_count && admit(acceptor, &acceptor->queue[first])) {
            remove_from_queue(acceptor, first);
            candidate->open++;
        } else {
            *candidate = candidates[--count];
        }
    }
}

static size_t count_in_queue(const struct sower_acceptor *acceptor, uint64_t client)
{
    size_t count = 0;
    for (size_t i = 0; i < acceptor->queue_count; i++) {
        count += acceptor->queue[i].client == client;
    }
    return count;
}

/* Frees an entry of a full queue for a client that has `own` entries: closes the newest entry of a client that
 * would still have more. False if there is no such client. */
static bool free_entry(struct sower_acceptor *acceptor, size_t own)
{
    for (size_t i = acceptor->queue_count; i-- > 0;) {
        if (count_in_queue(acceptor, acceptor->queue[i].client) > own + 1) {
            close(acceptor->queue[i].file);
            remove_from_queue(acceptor, i);
            return true;
        }
    }
    return false;
}

/* Admits a connection, queues it or closes it. */
static void admit_or_queue(struct sower_acceptor *acceptor, const struct sower_accepted *accepted)
{
    size_t own = count_in_queue(acceptor, accepted->client);
    if (own == 0 && admit(acceptor, accepted)) {
        return;
    }
    bool full = acceptor->queue_count == acceptor->queue_max;
    if (own >= (acceptor->queue_max + 1) / 2 || (full && !free_entry(acceptor, own))) {
        close(accepted->file);
        return;
    }
    acceptor->queue[acceptor->queue_count++] = *accepted;
}

/* Accepts one connection. False if the system is out of files or memory. */
static bool accept_one(struct sower_acceptor *acceptor, const struct sower_door *door)
{
    struct sower_accepted accepted = {
        .daemon = door->daemon, .size = sizeof accepted.address, .since = sower_clock_milliseconds()};
    struct sockaddr *address = (struct sockaddr *)&accepted.address;
    accepted.file = accept4(door->socket, address, &accepted.size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (accepted.file < 0) {
        return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
    }
    accepted.client = sower_client_of(address);
    admit_or_queue(acceptor, &accepted);
    return true;
}

/* Waits for connections, a wake-up or the next pass over the queue. Fills files: the eventfd, then the doors. */
static void wait_for_files(const struct sower_acceptor *acceptor, struct pollfd *files, bool pauses)
{
    files[0] = (struct pollfd){.fd = acceptor->wake, .events = POLLIN};
    for (size_t i = 0; i < acceptor->door_count; i++) {
        files[1 + i] = (struct pollfd){.fd = pauses ? -1 : acceptor->doors[i].socket, .events = POLLIN};
    }
    (void)poll(files, 1 + acceptor->door_count, pauses ? PAUSE : acceptor->queue_count > 0 ? INTERVAL : -1);
}

static void *run(void *context)
{
    struct sower_acceptor *acceptor = context;
    bool pauses = false;
    while (!atomic_load(&acceptor->stopping)) {
        struct pollfd files[1 + SOWER_LISTENERS_MAX];
        atomic_store(&acceptor->waiting, acceptor->queue_count);
        wait_for_files(acceptor, files, pauses);
        pauses = false;
        eventfd_t count;
        if (files[0].revents != 0) {
            (void)eventfd_read(acceptor->wake, &count);
        }
        admit_queued(acceptor);
        for (size_t i = 0; i < acceptor->door_count && !pauses;
             i++) { /* one connection of each door in turn */
            pauses = files[1 + i].revents != 0 && !accept_one(acceptor, &acceptor->doors[i]);
        }
    }
    return NULL;
}

bool sower_acceptor_start(struct sower_acceptor *acceptor, const struct sower_door *doors, size_t door_count,
                          struct sower_connections *connections, size_t queue_max,
                          const struct sower_log *log)
{
    memcpy(acceptor->doors, doors, door_count * sizeof doors[0]);
    acceptor->door_count = door_count;
    acceptor->connections = connections;
    acceptor->log = log;
    acceptor->queue_max = queue_max;
    acceptor->queue = calloc(queue_max > 0 ? queue_max : 1, sizeof acceptor->queue[0]);
    acceptor->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (acceptor->queue != NULL && acceptor->wake >= 0 &&
        pthread_create(&acceptor->thread, NULL, run, acceptor) == 0) {
        return true;
    }
    if (acceptor->wake >= 0) {
        close(acceptor->wake);
    }
    free(acceptor->queue);
    return false;
}

void sower_acceptor_closed(struct sower_acceptor *acceptor)
{
    if (atomic_load(&acceptor->waiting) > 0) {
        (void)eventfd_write(acceptor->wake, 1);
    }
}

void sower_acceptor_stop(struct sower_acceptor *acceptor)
{
    atomic_store(&acceptor->stopping, true);
    (void)eventfd_write(acceptor->wake, 1);
    pthread_join(acceptor->thread, NULL);
    while (acceptor->queue_count > 0) {
        close(acceptor->queue[--acceptor->queue_count].file);
    }
    free(acceptor->queue);
}
