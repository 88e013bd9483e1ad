#include "server/http/http.h"

#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "server/base/connections.h"
#include "server/http/callbacks.h"
#include "server/http/exchange.h"
#include "server/http/hosts.h"
#include "server/http/route.h"
#include "server/http/tally.h"
#include "server/http/tls.h"
#include "server/options.h"
#include "server/server.h"

enum {
    /* Bytes for the request line and the headers of a connection. A query string with a name of 100 KB must reach the
     * parser, which refuses it with a good sentence. Not more: libmicrohttpd clears this memory between the requests
     * of a connection, and that is a large share of the cost of a small response. */
    CONNECTION_MEMORY = 116 * 1024,
};

void sower_http_signal_if_idle(struct sower_server *server)
{
    if (atomic_load(&server->draining) && atomic_load(&server->active) == 0) {
        (void)eventfd_write(server->idle_event, 1);
    }
}

const char *sower_http_library_version(void)
{
    return MHD_get_version();
}

static struct MHD_Daemon *start_library(struct sower_server *server, bool tls)
{
    const struct sower_options *options = server->options;
    uint64_t threads = sower_options_threads(options->threads);
    struct MHD_OptionItem items[] = {
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL},
        /* Each thread gets its part of this number; the registry (connections.h) limits the sum, in which the
         * pulse's connection is not counted. */
        {MHD_OPTION_CONNECTION_LIMIT,
         (intptr_t)((options->connections + SOWER_CONNECTIONS_RESERVE + 2) * threads), NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)options->idle_seconds, NULL},
        {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL}, /* RFC 9112: refuse a request without Host */
        /* libmicrohttpd does not accept a pool of one thread; one thread is its default. */
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    /* The logger comes first, because it applies to the options after it. */
    const unsigned flags = tls ? MHD_USE_TLS : 0;
    return MHD_start_daemon(flags | MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
                                MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_TURBO,
                            0, NULL, NULL, sower_callback_request, server, MHD_OPTION_EXTERNAL_LOGGER,
                            sower_callback_log, server, MHD_OPTION_URI_LOG_CALLBACK, sower_callback_target,
                            server, MHD_OPTION_NOTIFY_COMPLETED, sower_callback_completed, server,
                            MHD_OPTION_NOTIFY_CONNECTION, sower_callback_connection, server, MHD_OPTION_ARRAY,
                            items, tls ? MHD_OPTION_HTTPS_CERT_CALLBACK2 : MHD_OPTION_END, sower_tls_refuse,
                            MHD_OPTION_HTTPS_PRIORITIES, sower_tls_priorities, MHD_OPTION_END);
}

static bool refuse_start(struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "The daemon is out of files, memory or threads.");
}

static struct sower_connection_limits connection_limits(const struct sower_options *options)
{
    uint64_t half = (options->connections + 1) / 2;
    return (struct sower_connection_limits){
        .limit = options->connections,
        .share = options->per_client > 0 ? options->per_client : half,
        .idle_seconds = options->idle_seconds,
        .header_seconds = options->header_seconds,
        .request_seconds = options->request_seconds,
    };
}

/* How many new connections may wait for room: as many as the limit of connections, if the process may open so
 * many files. */
static size_t line_max(const struct sower_options *options)
{
    struct rlimit files;
    uint64_t used = sower_options_files(options) - options->connections;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur <= used) {
        return 0;
    }
    uint64_t left = files.rlim_cur - used;
    return (size_t)(left < options->connections ? left : options->connections);
}

bool sower_http_is_tls(const struct sower_server *server, const struct sower_listener *listener)
{
    return server->certificates != NULL && !listener->unix_socket;
}

/* Starts libmicrohttpd with and without TLS, as the listeners need it, and fills their doors. */
static bool start_daemons(struct sower_server *server, struct sower_door doors[SOWER_LISTENERS_MAX],
                          struct sower_problem *problem)
{
    for (size_t i = 0; i < server->listeners.count; i++) {
        const struct sower_listener *listener = &server->listeners.list[i];
        bool tls = sower_http_is_tls(server, listener);
        struct MHD_Daemon **daemon = tls ? &server->tls_daemon : &server->plain_daemon;
        *daemon = *daemon != NULL ? *daemon : start_library(server, tls);
        if (*daemon == NULL) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "",
                                     "libmicrohttpd does not start%s; --log-level debug shows why.",
                                     tls ? " with TLS" : "");
        }
        doors[i] = (struct sower_door){listener->socket, *daemon};
    }
    return true;
}

bool sower_http_start(struct sower_server *server, const struct sower_route *routes,
                      struct sower_problem *problem)
{
    struct sower_door doors[SOWER_LISTENERS_MAX];
    server->routes = routes;
    sower_hosts_init(server->hosts, server->options->hosts, &server->options->listen);
    const struct sower_connection_limits limits = connection_limits(server->options);
    if (!sower_connections_start(&server->connections, &limits)) {
        return refuse_start(problem);
    }
    server->unavailable = sower_reply_make_unavailable();
    if (server->unavailable == NULL) {
        return refuse_start(problem);
    }
    server->tally =
        sower_tally_new(sower_route_count(routes), (size_t)sower_options_threads(server->options->threads));
    if (server->tally == NULL) {
        return refuse_start(problem);
    }
    return start_daemons(server, doors, problem) &&
           (sower_acceptor_start(&server->acceptor, doors, server->listeners.count, &server->connections,
                                 line_max(server->options), &server->log) ||
            refuse_start(problem));
}

void sower_http_drain(struct sower_server *server)
{
    atomic_store(&server->draining, true);
    sower_acceptor_stop(&server->acceptor);
    sower_listeners_close(&server->listeners);
    sower_http_signal_if_idle(server);
}

void sower_http_stop(struct sower_server *server)
{
    struct MHD_Daemon *const daemons[] = {server->plain_daemon, server->tls_daemon};
    for (size_t i = 0; i < sizeof daemons / sizeof daemons[0]; i++) {
        if (daemons[i] != NULL) {
            MHD_stop_daemon(daemons[i]);
        }
    }
    server->plain_daemon = server->tls_daemon = NULL;
    MHD_destroy_response(server->unavailable);
    sower_tally_free(server->tally);
    close(server->acceptor.wake);
    sower_connections_stop(&server->connections);
}
