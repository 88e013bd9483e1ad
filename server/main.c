/* sowerd: starts the server, waits for a signal, and stops everything in order. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>
#include <systemd/sd-daemon.h>

#include "core/environment.h"
#include "core/kernel.h"
#include "core/tile.h"
#include "proto/rootkey.h"
#include "proto/standard_files.h"
#include "proto/version.h"
#include "server/access/rates.h"
#include "server/access/tokens.h"
#include "server/base/certificates.h"
#include "server/base/clock.h"
#include "server/base/listen.h"
#include "server/base/signals.h"
#include "server/handlers/handlers.h"
#include "server/http/hosts.h"
#include "server/http/http.h"
#include "server/http/pulse.h"
#include "server/ledger/ledger.h"
#include "server/ledger/opening.h"
#include "server/options.h"
#include "server/sandbox/sandbox.h"
#include "server/server.h"

enum {
    CLOSING = 10, /* seconds that stopping takes besides --lame-duck-seconds and --drain-seconds, at most */
    LAST_RESPONSES = 1, /* seconds for sending the last responses (refusals) before connections are closed */
    BEATS = 4,          /* how often within the watchdog's time limit the threads are tried */
    READERS = 2, /* threads that read the ledger: while one reads a long page, the other serves short ones */
};

static bool choose_kernel(struct sower_problem *problem)
{
    const char *name = getenv("SOWER_KERNEL");
    return name == NULL || (sower_kernel_select(name) && sower_tile_select(name)) ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "SOWER_KERNEL",
                             "SOWER_KERNEL is \"%s\"; there is no such kernel, or this CPU cannot run it.",
                             name);
}

static bool read_root(struct sower_server *server, struct sower_problem *problem)
{
    server->private_root = server->options->root_key_file != NULL;
    if (server->private_root) {
        return sower_rootkey_read(server->options->root_key_file, &server->root, problem);
    }
    server->root = sower_seed_public_root();
    return true;
}

static bool read_certificates(struct sower_server *server, struct sower_problem *problem)
{
    const struct sower_certificate_files files = {server->options->tls_certificate, server->options->tls_key,
                                                  server->options->tls_client_ca};
    if (files.certificate == NULL) {
        return true;
    }
    server->certificates = sower_certificates_open(&files, problem);
    return server->certificates != NULL;
}

/* Starts everything that serves requests, except for the ledger's store. */
static bool start_pools(struct sower_server *server, struct sower_problem *problem)
{
    const struct sower_options *options = server->options;
    server->ledger = sower_ledger_new((size_t)options->queue, (size_t)options->known_draws, &server->log);
    if (server->ledger != NULL) {
        sower_ledger_limit(server->ledger, options->ledger_max, options->ledger_reserve);
    }
    server->readers = sower_pool_new(READERS, false);
    server->pool = sower_pool_new((size_t)sower_options_threads(options->compute_threads), true);
    if (server->pool != NULL) {
        server->sources = sower_sources_new(server->pool, options->cache_size, options->wait_seconds);
    }
    server->responses = sower_responses_new((size_t)options->answer_cache);
    return (server->ledger != NULL && server->readers != NULL && server->sources != NULL &&
            server->responses != NULL) ||
           sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "The daemon is out of memory or threads.");
}

/* Raises the limit on open files to the number that the daemon wants, or as close as the hard limit allows.
 * False when the hard limit does not allow the number that all connections need. */
static bool raise_file_limit(const struct sower_options *options, struct sower_problem *problem)
{
    struct rlimit limit, raised;
    const rlim_t wanted = (rlim_t)sower_options_files(options),
                 needed = wanted - (rlim_t)options->connections;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return true; /* the limit is unknown: try without */
    }
    raised = limit;
    raised.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (limit.rlim_cur < wanted && setrlimit(RLIMIT_NOFILE, &raised) == 0) {
        limit = raised;
    }
    return limit.rlim_cur >= needed ||
           sower_problem_set(
               problem, SOWER_PROBLEM_INVALID, "--connections",
               "--connections %" PRIu64 " needs %ju open files, and the limit is %ju. Raise it "
               "(ulimit -n %ju, or LimitNOFILE=%ju in a systemd unit), or allow fewer connections.",
               options->connections, (uintmax_t)needed, (uintmax_t)limit.rlim_cur, (uintmax_t)needed,
               (uintmax_t)needed);
}

static const char *ledger_url(const struct sower_server *server)
{
    return server->options->ledger != NULL ? server->options->ledger : "sqlite:";
}

/* Whether the listeners may be as far-reaching as they are: without tokens everybody who reaches one may do everything. */
static bool check_reach(const struct sower_server *server, struct sower_problem *problem)
{
    for (size_t i = 0; i < server->listeners.count; i++) {
        const struct sower_listener *listener = &server->listeners.list[i];
        if (!listener->local && server->options->tokens == NULL && !server->options->open) {
            return sower_problem_set(
                problem, SOWER_PROBLEM_INVALID, "--listen",
                "Other machines can reach %s, and without --tokens every one of them may use "
                "the daemon. Give --tokens FILE (sow token new makes a token), listen on "
                "127.0.0.1 or a Unix socket, or say --open yes if this is meant.",
                listener->address);
        }
    }
    return true;
}

static void list_certificates(const struct sower_options *options, struct sower_sandbox *sandbox)
{
    const char *const files[] = {options->tls_certificate, options->tls_key, options->tls_client_ca};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (files[i] != NULL) {
            sower_sandbox_list_beside(sandbox, files[i], SOWER_SANDBOX_READ);
        }
    }
}

static void list_socket_files(const struct sower_listeners *listeners, struct sower_sandbox *sandbox)
{
    for (size_t i = 0; i < listeners->count; i++) {
        const char *path = sower_listener_path(&listeners->list[i]);
        if (path != NULL) {
            sower_sandbox_list_beside(sandbox, path, SOWER_SANDBOX_REMOVE);
        }
    }
}

/* Confines this thread and those that start later (sandbox.h). Whatever is opened or read again while the daemon runs
 * is listed here. */
static void confine(const struct sower_server *server, const char *state)
{
    struct sower_sandbox sandbox;
    sower_sandbox_begin(&sandbox, server->options->sandbox);
    sower_sandbox_list(&sandbox, state, SOWER_SANDBOX_WRITE);
    sower_store_list_needs(ledger_url(server), state, &sandbox);
    if (server->options->tokens != NULL) {
        sower_sandbox_list_beside(&sandbox, server->options->tokens, SOWER_SANDBOX_READ);
    }
    list_certificates(server->options, &sandbox);
    list_socket_files(&server->listeners, &sandbox);
    sower_sandbox_enter(&sandbox, &server->log);
}

/* Opens the ledger's store. This takes minutes when the ledger of an older version is upgraded; the daemon
 * answers requests meanwhile (opening.h). A signal ends the process at once. That loses no record, because
 * an upgrade is one transaction. */
static bool open_ledger(struct sower_server *server, const char *state, struct sower_problem *problem)
{
    sower_signals_let_end();
    struct sower_store *store =
        sower_store_open(ledger_url(server), state, server->writer.key, &server->log, problem);
    sower_signals_block();
    return store != NULL &&
           (sower_ledger_open(server->ledger, store) ||
            sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "The daemon is out of threads."));
}

/* The address of the first listener, and the URLs of all. */
static void log_addresses(const struct sower_server *server, struct sower_log_line *line)
{
    char urls[SOWER_LISTENERS_MAX * (SOWER_ADDRESS_MAX + sizeof "https://,")] = "";
    for (size_t i = 0, length = 0; i < server->listeners.count; i++) {
        const struct sower_listener *listener = &server->listeners.list[i];
        length += (size_t)snprintf(urls + length, sizeof urls - length, "%s%s%s", i > 0 ? "," : "",
                                   listener->unix_socket                 ? ""
                                   : sower_http_is_tls(server, listener) ? "https://"
                                                                         : "http://",
                                   listener->address);
    }
    sower_log_string(line, "address", server->listeners.list[0].address);
    sower_log_string(line, "listeners", urls);
}

/* Logs one of two events, at every log level. "listening": the daemon answers requests, but those that need
 * the ledger with 503 until the ledger is open. "ready": the ledger is open. A program that starts a daemon
 * waits for the second; both give the port. */
static void log_start(const struct sower_server *server, const char *event)
{
    const struct sower_log log = {SOWER_LOG_INFO, server->log.output};
    struct sower_log_line line;
    struct sower_seed root_id = sower_seed_root_id(&server->root);
    char text[2 * SOWER_SEED_SIZE + 1];
    sodium_bin2hex(text, sizeof text, root_id.bytes, sizeof root_id.bytes);
    sower_log_begin(&line, &log, SOWER_LOG_INFO, event);
    log_addresses(server, &line);
    sower_log_string(&line, "version", SOWER_VERSION);
    sower_log_string(&line, "libmicrohttpd", sower_http_library_version());
    sower_log_string(&line, "kernel", sower_kernel()->name);
    sower_log_string(&line, "root", text);
    sodium_bin2hex(text, sizeof text, server->writer.key, sizeof server->writer.key);
    sower_log_string(&line, "writer", text);
    sower_log_end(&line);
}

static void reload_tokens(struct sower_server *server)
{
    struct sower_problem problem;
    char sentence[96];
    size_t tokens;
    if (!sower_tokens_reload(server->tokens, &tokens, &problem)) {
        sower_log_sentence(&server->log, SOWER_LOG_ERROR, "reload_failed", problem.sentence);
        return;
    }
    snprintf(sentence, sizeof sentence, tokens == 1 ? "%zu token is valid." : "%zu tokens are valid.",
             tokens);
    sower_log_sentence(&server->log, SOWER_LOG_INFO, "reloaded", sentence);
}

static void reload_certificates(struct sower_server *server)
{
    struct sower_problem problem;
    char sentence[96], expiry[SOWER_EXPIRY_SIZE];
    if (!sower_certificates_reload(server->certificates, &problem)) {
        sower_log_sentence(&server->log, SOWER_LOG_ERROR, "reload_failed", problem.sentence);
        return;
    }
    sower_certificates_expiry(server->certificates, expiry);
    snprintf(sentence, sizeof sentence, "New connections get a certificate that expires at %s.", expiry);
    sower_log_sentence(&server->log, SOWER_LOG_INFO, "reloaded", sentence);
}

/* Reads the files again that may be replaced while the daemon runs. What cannot be read stays as it was. */
static void reload(struct sower_server *server)
{
    if (server->tokens->path != NULL) {
        reload_tokens(server);
    }
    if (server->certificates != NULL) {
        reload_certificates(server);
    }
    if (server->tokens->path == NULL && server->certificates == NULL) {
        sower_log_sentence(&server->log, SOWER_LOG_INFO, "reloaded", "There is nothing to read again.");
    }
}

/* Waits for a signal. Meanwhile reports to systemd's watchdog that the threads that serve requests are alive. */
static void wait_for_signal(int signals, struct sower_pulse *pulse)
{
    uint64_t microseconds = 0;
    bool watched = sd_watchdog_enabled(0, &microseconds) > 0;
    int timeout = watched ? (int)(microseconds / BEATS / 1000) : -1;
    struct pollfd wanted = {.fd = signals, .events = POLLIN};
    while (poll(&wanted, 1, timeout) <= 0) {
        if (watched && sower_pulse_beat(pulse)) {
            (void)sd_notify(0, "WATCHDOG=1");
        }
    }
}

/* Waits until the last exchange is complete, but at most so many seconds. Returns whether it is complete. */
static bool is_idle_within(const struct sower_server *server, uint64_t seconds)
{
    struct pollfd wanted = {.fd = server->idle_event, .events = POLLIN};
    int count;
    do {
        count = poll(&wanted, 1, (int)(seconds * 1000));
    } while (count < 0 && errno == EINTR);
    return count > 0;
}

static void wait_for_idle(const struct sower_server *server)
{
    bool idle = is_idle_within(server, server->options->drain_seconds);
    sower_log_sentence(&server->log, SOWER_LOG_INFO, "drained",
                       idle ? "All requests are complete." : "Requests that are not complete are cut off.");
}

/* Stops everything that serves requests; sower_http_drain has been called. */
static void stop_all(struct sower_server *server)
{
    /* Each of these refuses the requests that wait for it, completes its current work, and ends. After that
     * no request is suspended. The responses get a moment to be sent before the connections are closed. */
    sower_ledger_stop(server->ledger);
    sower_sources_stop(server->sources);
    sower_pool_stop(server->pool);
    sower_sources_finish(server->sources);
    sower_pool_stop(server->readers);
    (void)is_idle_within(server, LAST_RESPONSES);
    sower_http_stop(server);
}

/* Waits for a signal and returns its number. */
static int take_signal(int signals, struct sower_pulse *pulse)
{
    struct signalfd_siginfo taken;
    do {
        wait_for_signal(signals, pulse);
    } while (read(signals, &taken, sizeof taken) != (ssize_t)sizeof taken);
    return (int)taken.ssi_signo;
}

/* systemd wants to know when the reloading began, by the monotonic clock. */
static void notify_reloading(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                     (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
}

/* Whether a signal arrives before `end` (sower_clock_milliseconds). */
static bool is_signalled_before(int signals, int64_t end)
{
    struct pollfd wanted = {.fd = signals, .events = POLLIN};
    int count;
    do {
        const int64_t left = end - sower_clock_milliseconds();
        count = poll(&wanted, 1, left > 0 ? (int)left : 0);
    } while (count < 0 && errno == EINTR);
    return count > 0;
}

/* Goes on serving everything, so that load balancers can see that /readyz says no, and send new requests
 * elsewhere. A second SIGTERM or SIGINT ends this. systemd's watchdog does not watch a service that stops. */
static void serve_as_lame_duck(struct sower_server *server, int signals)
{
    const uint64_t seconds = server->options->lame_duck_seconds;
    const int64_t end = sower_clock_milliseconds() + (int64_t)seconds * 1000;
    char sentence[120];
    snprintf(sentence, sizeof sentence,
             "/readyz says 503 from now on; other requests are served for %" PRIu64 " seconds.", seconds);
    struct signalfd_siginfo taken;
    sower_log_sentence(&server->log, SOWER_LOG_INFO, "lame_duck", sentence);
    while (is_signalled_before(signals, end) &&
           read(signals, &taken, sizeof taken) == (ssize_t)sizeof taken && taken.ssi_signo == SIGHUP) {
        reload(server);
    }
}

/* systemd waits so long, even if TimeoutStopSec is less. */
static void notify_stopping(const struct sower_options *options)
{
    (void)sd_notify(0, "STOPPING=1");
    (void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64,
                     (options->lame_duck_seconds + options->drain_seconds + CLOSING) * 1000000);
}

static void serve(struct sower_server *server, int signals)
{
    struct sower_pulse pulse;
    log_start(server, "ready");
    (void)sd_notify(0, "READY=1");
    sower_pulse_begin(&pulse, server);
    while (take_signal(signals, &pulse) == SIGHUP) {
        notify_reloading();
        reload(server);
        (void)sd_notify(0, "READY=1");
    }
    sower_pulse_end(&pulse);
    atomic_store(&server->stopping, true);
    notify_stopping(server->options);
    if (server->options->lame_duck_seconds > 0) {
        serve_as_lame_duck(server, signals);
    }
    sower_signals_release(signals);
    sower_http_drain(server);
    sower_log_sentence(&server->log, SOWER_LOG_INFO, "stopping", "Finishing the requests in progress.");
    wait_for_idle(server);
    stop_all(server);
}

static bool fail_without_signals(struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "The daemon cannot set up its signals: %s.", strerror(errno));
}

/* Runs the server until a signal. False with a problem when the server cannot be started. */
static bool run(struct sower_server *server, struct sower_problem *problem)
{
    char state[PATH_MAX];
    server->idle_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!sower_signals_ignore() || server->idle_event < 0) {
        return fail_without_signals(problem);
    }
    if (!raise_file_limit(server->options, problem) || !choose_kernel(problem) ||
        !read_root(server, problem) || !sower_tokens_open(server->tokens, server->options->tokens, problem) ||
        !sower_options_state(server->options, state, sizeof state, problem) ||
        !sower_writer_key_open(state, &server->writer, problem)) {
        return false;
    }
    int signals =
        sower_signals_open(); /* before any other thread starts; until here a signal ends the daemon at once */
    if (signals < 0) {
        return fail_without_signals(problem);
    }
    if (!read_certificates(server, problem) ||
        !sower_listen(&server->options->listen, (mode_t)server->options->socket_mode, &server->listeners,
                      problem) ||
        !check_reach(server, problem)) {
        return false;
    }
    confine(server, state); /* before any other thread starts */
    if (!start_pools(server, problem) || !sower_http_start(server, sower_routes, problem)) {
        return false;
    }
    log_start(server, "listening");
    if (!open_ledger(server, state, problem)) {
        sower_http_drain(server);
        stop_all(server);
        return false;
    }
    serve(server, signals);
    return true;
}

static void release(struct sower_server *server)
{
    sower_listeners_close(&server->listeners); /* if the start failed */
    if (server->certificates != NULL) {
        sower_certificates_free(server->certificates);
    }
    if (server->readers != NULL) {
        sower_pool_free(server->readers);
    }
    if (server->pool != NULL) {
        sower_pool_free(server->pool);
    }
    if (server->sources != NULL) {
        sower_sources_free(server->sources);
    }
    if (server->responses != NULL) {
        sower_responses_free(server->responses);
    }
    if (server->ledger != NULL) {
        sower_ledger_free(server->ledger);
    }
    sower_rates_close(server->rates);
    sower_tokens_close(server->tokens);
    sower_writer_key_close(&server->writer);
    sodium_memzero(&server->root, sizeof server->root);
}

/* The sentence of a daemon that cannot start: plain on a terminal, else a line of the log. */
static void report_failure(struct sower_log_output *output, const struct sower_problem *problem)
{
    const struct sower_log log = {SOWER_LOG_ERROR, output};
    if (output->terminal) {
        fprintf(stderr, "sowerd: %s\n", problem->sentence);
    } else {
        sower_log_sentence(&log, SOWER_LOG_ERROR, "start_failed", problem->sentence);
    }
}

/* Reads the options that have a grammar of their own. False with a problem. */
static bool read_lists(struct sower_server *server, struct sower_problem *problem)
{
    const struct sower_options *options = server->options;
    return (options->hosts == NULL || sower_hosts_check(options->hosts, problem)) &&
           (options->proxies == NULL ||
            sower_networks_parse(options->proxies, "--trusted-proxies", &server->proxies, problem));
}

int main(int argc, char **argv)
{
    struct sower_options options;
    struct sower_problem problem;
    struct sower_log_output output;
    sower_environment_set(); /* before any thread starts: threads inherit it */
    sower_standard_files_take();
    sower_log_output_init(&output, STDERR_FILENO);
    enum sower_options_outcome outcome = sower_options_read(argc, argv, &options, &problem);
    if (outcome == SOWER_OPTIONS_DONE) {
        return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    struct sower_hosts hosts = {0};
    struct sower_tokens tokens = {0};
    struct sower_rates rates;
    sower_rates_open(&rates);
    struct sower_server server = {.options = &options,
                                  .hosts = &hosts,
                                  .tokens = &tokens,
                                  .rates = &rates,
                                  .log = {options.log_level, &output},
                                  .started = sower_clock_wall()};
    if (outcome == SOWER_OPTIONS_REFUSED || !read_lists(&server, &problem)) {
        report_failure(&output, &problem);
        return 2;
    }
    if (sodium_init() < 0) {
        sower_problem_set(&problem, SOWER_PROBLEM_UNAVAILABLE, "", "libsodium could not be initialized.");
        report_failure(&output, &problem);
        return EXIT_FAILURE;
    }
    umask(S_IRWXG | S_IRWXO); /* files that the daemon creates are private to its user */
    sower_options_warn(&server.log);
    randombytes_buf(&server.first_request, sizeof server.first_request);
    bool ran = run(&server, &problem);
    release(&server);
    if (ran) {
        sower_log_sentence(&server.log, SOWER_LOG_INFO, "stopped", "The ledger is closed.");
    } else {
        report_failure(&output, &problem);
    }
    return ran ? EXIT_SUCCESS : EXIT_FAILURE;
}
