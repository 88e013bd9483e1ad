#include "acceptor.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

enum { PAUSE_MILLISECONDS = 100 }; /* when files or memory have run out */

/* Takes one connection and hands it over. False when the system cannot give one now. */
static bool accept_one(struct sower_acceptor *acceptor)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int connection =
        accept4(acceptor->socket, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0) {
        return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
    }
    atomic_fetch_add(&acceptor->open, 1);
    /* libmicrohttpd closes the connection also when it refuses it. */
    if (MHD_add_connection(acceptor->daemon, connection, (struct sockaddr *)&address, size) != MHD_YES) {
        sower_acceptor_closed(acceptor);
    }
    return true;
}

static void *run(void *context)
{
    struct sower_acceptor *acceptor = context;
    int timeout = -1;
    while (!atomic_load(&acceptor->stopping)) {
        bool takes = timeout < 0 && atomic_load(&acceptor->open) < acceptor->limit;
        struct pollfd files[] = {{.fd = acceptor->wake, .events = POLLIN},
                                 {.fd = takes ? acceptor->socket : -1, .events = POLLIN}};
        (void)poll(files, 2, timeout);
        timeout = -1;
        eventfd_t count;
        if (files[0].revents != 0) {
            (void)eventfd_read(acceptor->wake, &count);
        }
        if (files[1].revents != 0 && !accept_one(acceptor)) {
            timeout = PAUSE_MILLISECONDS;
        }
    }
    return NULL;
}

bool sower_acceptor_start(struct sower_acceptor *acceptor, int socket, struct MHD_Daemon *daemon,
                          uint64_t limit)
{
    acceptor->socket = socket;
    acceptor->daemon = daemon;
    acceptor->limit = limit;
    acceptor->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (acceptor->wake >= 0 && pthread_create(&acceptor->thread, NULL, run, acceptor) == 0) {
        return true;
    }
    if (acceptor->wake >= 0) {
        close(acceptor->wake);
    }
    return false;
}

void sower_acceptor_closed(struct sower_acceptor *acceptor)
{
    if (atomic_fetch_sub(&acceptor->open, 1) >= acceptor->limit) {
        (void)eventfd_write(acceptor->wake, 1);
    }
}

void sower_acceptor_stop(struct sower_acceptor *acceptor)
{
    atomic_store(&acceptor->stopping, true);
    (void)eventfd_write(acceptor->wake, 1);
    pthread_join(acceptor->thread, NULL);
}
