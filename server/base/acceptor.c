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
    PAUSE = 100,            /* milliseconds, when files or memory have run out */
    LOOK = 100,             /* milliseconds between two looks at the line */
    QUIET = 60 * 1000,      /* milliseconds after which a crowd is a new one */
    CLIENTS_IN_A_LOOK = 16, /* the others wait for the next one */
};

struct sower_newcomer {
    int file;
    uint64_t client;
    int64_t since; /* milliseconds */
    struct sockaddr_storage address;
    socklen_t size;
};

/* Says in the log that a crowd has come together, not that it is still there. */
static void note_crowd(struct sower_acceptor *acceptor, enum sower_crowd crowd, uint64_t client)
{
    struct sower_log_line line;
    char address[SOWER_CLIENT_TEXT_SIZE];
    int64_t now = sower_clock_milliseconds(), last = acceptor->crowded[crowd];
    if (crowd == SOWER_CROWD_NONE) {
        return;
    }
    acceptor->crowded[crowd] = now;
    if (last != 0 && now - last < QUIET) {
        return;
    }
    sower_log_begin(&line, acceptor->log, SOWER_LOG_WARNING, "crowded");
    if (crowd == SOWER_CROWD_SHARE) {
        sower_client_print(client, address);
        sower_log_string(&line, "client", address);
    }
    sower_log_string(&line, "message",
                     crowd == SOWER_CROWD_SHARE
                         ? "A client has as many connections as one may have (--connections-per-client); its "
                           "idle ones are closed for new ones, which wait while there are none."
                         : "All connections are in use (--connections); idle ones are closed for new ones, "
                           "which wait while there are none.");
    sower_log_end(&line);
}

static void hand_over(struct sower_acceptor *acceptor, const struct sower_newcomer *newcomer)
{
    struct sower_connection *connection =
        sower_connection_new(acceptor->connections, newcomer->file, newcomer->client);
    if (connection == NULL) {
        close(newcomer->file);
        return;
    }
    /* libmicrohttpd closes the connection also when it refuses it. */
    if (MHD_add_connection(acceptor->daemon, newcomer->file, (const struct sockaddr *)&newcomer->address,
                           newcomer->size) != MHD_YES) {
        sower_connection_end(acceptor->connections, connection);
    }
}

/* Hands a newcomer over if there is a place for it. */
static bool comes_in(struct sower_acceptor *acceptor, const struct sower_newcomer *newcomer)
{
    enum sower_crowd crowd;
    bool place = sower_connections_place(acceptor->connections, newcomer->client, &crowd);
    note_crowd(acceptor, crowd, newcomer->client);
    if (place) {
        hand_over(acceptor, newcomer);
    }
    return place;
}

/* Closes those of the line whose time is over. */
static void close_late(struct sower_acceptor *acceptor)
{
    int64_t over = sower_clock_milliseconds() - (int64_t)acceptor->connections->limits.idle_seconds * 1000;
    size_t left = 0;
    for (size_t i = 0; i < acceptor->line_count; i++) {
        if (acceptor->line[i].since < over) {
            close(acceptor->line[i].file);
        } else {
            acceptor->line[left++] = acceptor->line[i];
        }
    }
    acceptor->line_count = left;
}

/* A client that has newcomers in line. */
struct candidate {
    uint64_t client;
    uint64_t places; /* that it has */
};

static size_t find_in_line(const struct sower_acceptor *acceptor, uint64_t client)
{
    size_t n = 0;
    while (n < acceptor->line_count && acceptor->line[n].client != client) {
        n++;
    }
    return n;
}

static void take_out_of_line(struct sower_acceptor *acceptor, size_t n)
{
    acceptor->line_count--;
    memmove(&acceptor->line[n], &acceptor->line[n + 1],
            (acceptor->line_count - n) * sizeof acceptor->line[0]);
}

static size_t find_candidates(const struct sower_acceptor *acceptor,
                              struct candidate candidates[CLIENTS_IN_A_LOOK])
{
    size_t count = 0;
    for (size_t i = 0; i < acceptor->line_count && count < CLIENTS_IN_A_LOOK; i++) {
        uint64_t client = acceptor->line[i].client;
        if (find_in_line(acceptor, client) == i) {
            candidates[count++] =
                (struct candidate){client, sower_connections_count(acceptor->connections, client)};
        }
    }
    return count;
}

/* Lets those of the line in that have a place by now: of the client with the fewest places first. */
static void look_at_line(struct sower_acceptor *acceptor)
{
    struct candidate candidates[CLIENTS_IN_A_LOOK];
    close_late(acceptor);
    size_t count = find_candidates(acceptor, candidates);
    while (count > 0) {
        size_t next = 0;
        for (size_t i = 1; i < count; i++) {
            next = candidates[i].places < candidates[next].places ? i : next;
        }
        struct candidate *candidate = &candidates[next];
        size_t first = find_in_line(acceptor, candidate->client);
        if (first < acceptor->line_count && comes_in(acceptor, &acceptor->line[first])) {
            take_out_of_line(acceptor, first);
            candidate->places++;
        } else {
            *candidate = candidates[--count];
        }
    }
}

static size_t count_in_line(const struct sower_acceptor *acceptor, uint64_t client)
{
    size_t count = 0;
    for (size_t i = 0; i < acceptor->line_count; i++) {
        count += acceptor->line[i].client == client;
    }
    return count;
}

/* In a full line the last of a client that has more there than a newcomer's makes way for it. */
static bool make_way(struct sower_acceptor *acceptor, size_t own)
{
    for (size_t i = acceptor->line_count; i-- > 0;) {
        if (count_in_line(acceptor, acceptor->line[i].client) > own + 1) {
            close(acceptor->line[i].file);
            take_out_of_line(acceptor, i);
            return true;
        }
    }
    return false;
}

static void take_in(struct sower_acceptor *acceptor, const struct sower_newcomer *newcomer)
{
    size_t own = count_in_line(acceptor, newcomer->client);
    if (own == 0 && comes_in(acceptor, newcomer)) {
        return;
    }
    bool full = acceptor->line_count == acceptor->line_max;
    if (own >= (acceptor->line_max + 1) / 2 || (full && !make_way(acceptor, own))) {
        close(newcomer->file);
        return;
    }
    acceptor->line[acceptor->line_count++] = *newcomer;
}

/* Takes one connection. False when the system cannot give one now. */
static bool accept_one(struct sower_acceptor *acceptor)
{
    struct sower_newcomer newcomer = {.size = sizeof newcomer.address, .since = sower_clock_milliseconds()};
    struct sockaddr *address = (struct sockaddr *)&newcomer.address;
    newcomer.file = accept4(acceptor->socket, address, &newcomer.size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (newcomer.file < 0) {
        return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
    }
    newcomer.client = sower_client_of(address);
    take_in(acceptor, &newcomer);
    return true;
}

static void *run(void *context)
{
    struct sower_acceptor *acceptor = context;
    bool pauses = false;
    while (!atomic_load(&acceptor->stopping)) {
        struct pollfd files[] = {{.fd = acceptor->wake, .events = POLLIN},
                                 {.fd = pauses ? -1 : acceptor->socket, .events = POLLIN}};
        atomic_store(&acceptor->waiting, acceptor->line_count > 0);
        (void)poll(files, 2, pauses ? PAUSE : acceptor->line_count > 0 ? LOOK : -1);
        pauses = false;
        eventfd_t count;
        if (files[0].revents != 0) {
            (void)eventfd_read(acceptor->wake, &count);
        }
        look_at_line(acceptor);
        if (files[1].revents != 0) {
            pauses = !accept_one(acceptor);
        }
    }
    return NULL;
}

bool sower_acceptor_start(struct sower_acceptor *acceptor, int socket, struct MHD_Daemon *daemon,
                          struct sower_connections *connections, size_t line_max, const struct sower_log *log)
{
    acceptor->socket = socket;
    acceptor->daemon = daemon;
    acceptor->connections = connections;
    acceptor->log = log;
    acceptor->line_max = line_max;
    acceptor->line = calloc(line_max > 0 ? line_max : 1, sizeof acceptor->line[0]);
    acceptor->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (acceptor->line != NULL && acceptor->wake >= 0 &&
        pthread_create(&acceptor->thread, NULL, run, acceptor) == 0) {
        return true;
    }
    if (acceptor->wake >= 0) {
        close(acceptor->wake);
    }
    free(acceptor->line);
    return false;
}

void sower_acceptor_closed(struct sower_acceptor *acceptor)
{
    if (atomic_load(&acceptor->waiting)) {
        (void)eventfd_write(acceptor->wake, 1);
    }
}

void sower_acceptor_stop(struct sower_acceptor *acceptor)
{
    atomic_store(&acceptor->stopping, true);
    (void)eventfd_write(acceptor->wake, 1);
    pthread_join(acceptor->thread, NULL);
    while (acceptor->line_count > 0) {
        close(acceptor->line[--acceptor->line_count].file);
    }
    free(acceptor->line);
}
