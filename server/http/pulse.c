#include "server/http/pulse.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <microhttpd.h>

#include "server/options.h"
#include "server/server.h"

enum { CLIENT = 2 }; /* no IPv6 network has this number (client.h) */

static void note_computed(struct sower_job *job)
{
    atomic_store(&((struct sower_pulse *)job)->computing, false);
}

void sower_pulse_begin(struct sower_pulse *pulse, struct sower_server *server)
{
    *pulse = (struct sower_pulse){.server = server};
    pulse->job = (struct sower_job){.run = note_computed, .refuse = note_computed, .client = CLIENT};
}

/* libmicrohttpd gives a connection to the worker whose number is the remainder of its descriptor. So duplicates the
 * descriptor to one with this remainder, and closes it. Returns the new one, or -1. */
static int move_to_worker(int file, size_t worker, size_t workers)
{
    int moved = file;
    while (moved >= 0 && (size_t)moved % workers != worker) {
        size_t ahead = (worker + workers - (size_t)moved % workers) % workers;
        int next = fcntl(file, F_DUPFD_CLOEXEC, moved + (int)ahead);
        if (moved != file) {
            close(moved);
        }
        moved = next;
    }
    if (moved != file) {
        close(file);
    }
    return moved;
}

/* Without files or memory the worker is not tried. */
static void try_worker(struct sower_pulse *pulse, struct MHD_Daemon *daemon, size_t worker, size_t workers)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX};
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) {
        return;
    }
    int given = move_to_worker(pair[1], worker, workers);
    if (given < 0) {
        close(pair[0]);
        return;
    }
    (void)shutdown(pair[0], SHUT_WR);
    pulse->files[pulse->count++] = pair[0];
    /* If libmicrohttpd refuses the connection, it closes the descriptor. */
    (void)MHD_add_connection(daemon, given, (const struct sockaddr *)&address, sizeof address.sun_family);
}

static void try_all(struct sower_pulse *pulse)
{
    const struct sower_server *server = pulse->server;
    struct MHD_Daemon *daemons[2];
    size_t count = 0;
    if (server->plain_daemon != NULL) {
        daemons[count++] = server->plain_daemon;
    }
    if (server->tls_daemon != NULL) {
        daemons[count++] = server->tls_daemon;
    }
    const size_t workers = (size_t)sower_options_threads(server->options->threads);
    for (size_t i = 0; i < count * workers && i < SOWER_PULSE_WORKERS; i++) {
        const size_t next = pulse->next++ % (count * workers);
        try_worker(pulse, daemons[next / workers], next % workers, workers);
    }
    atomic_store(&pulse->computing, true);
    sower_pool_submit(server->pool, &pulse->job);
}

static bool is_closed(int file)
{
    char bytes[64];
    ssize_t count;
    do {
        count = recv(file, bytes, sizeof bytes, 0);
    } while (count > 0 || (count < 0 && errno == EINTR));
    return count == 0 || errno != EAGAIN;
}

/* Closes our ends of the connections that the workers have closed. True if none is left. */
static bool are_closed(struct sower_pulse *pulse)
{
    while (pulse->count > 0 && is_closed(pulse->files[pulse->count - 1])) {
        close(pulse->files[--pulse->count]);
    }
    return pulse->count == 0;
}

bool sower_pulse_beat(struct sower_pulse *pulse)
{
    bool moves = sower_ledger_moves(pulse->server->ledger);
    if (!are_closed(pulse) || atomic_load(&pulse->computing)) {
        return false;
    }
    try_all(pulse);
    return moves;
}

void sower_pulse_end(struct sower_pulse *pulse)
{
    while (pulse->count > 0) {
        close(pulse->files[--pulse->count]);
    }
}
