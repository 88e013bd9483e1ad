/* /metrics: what an operator watches, for Prometheus, in the text format 0.0.4 or as OpenMetrics 1.0.
 *
 * One step: sower_handle_metrics, on a worker, reads all counters and replies. It waits neither for the disk nor for
 * the ledger's thread, so it also works while the ledger is opened and while the daemon drains. The number of
 * samples is bounded: the labels come from fixed lists in this program. docs/operations.md explains each family. */
#include "server/handlers/handlers.h"

#include "core/kernel.h"
#include "proto/version.h"
#include "server/access/rates.h"
#include "server/base/clock.h"
#include "server/base/exposition.h"
#include "server/http/accept.h"
#include "server/http/tally.h"
#include "server/server.h"

#define OPEN_METRICS "application/openmetrics-text"

static bool prefers_open_metrics(const char *accept);
static void write_requests(struct sower_exposition *out, const struct sower_server *server);
static void write_connections(struct sower_exposition *out, struct sower_server *server);
static void write_ledger(struct sower_exposition *out, const struct sower_server *server);
static void write_caches(struct sower_exposition *out, const struct sower_server *server);
static void write_preparations(struct sower_exposition *out, const struct sower_server *server);
static void write_tokens(struct sower_exposition *out, const struct sower_server *server);
static void write_process(struct sower_exposition *out, const struct sower_server *server);
static enum MHD_Result reply(struct sower_exchange *exchange, struct sower_exposition *out);

enum MHD_Result sower_handle_metrics(struct sower_exchange *exchange)
{
    struct sower_server *server = exchange->server;
    struct sower_problem problem;
    if (sower_exchange_has_query(exchange)) {
        sower_problem_set(&problem, SOWER_PROBLEM_INVALID, "", "/metrics takes no fields.");
        return sower_refuse(exchange, &problem);
    }
    struct sower_exposition out = {
        .open_metrics = prefers_open_metrics(sower_exchange_header(exchange, MHD_HTTP_HEADER_ACCEPT))};
    write_requests(&out, server);
    write_connections(&out, server);
    write_ledger(&out, server);
    write_caches(&out, server);
    write_preparations(&out, server);
    write_tokens(&out, server);
    write_process(&out, server);
    sower_exposition_end(&out);
    if (out.text.failed) {
        sower_buffer_free(&out.text);
        return sower_reply_unavailable(exchange);
    }
    return reply(exchange, &out);
}

static enum MHD_Result reply(struct sower_exchange *exchange, struct sower_exposition *out)
{
    const struct sower_buffer *text = &out->text;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text->length, text->text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        sower_buffer_free(&out->text);
    }
    sower_reply_header(&response, MHD_HTTP_HEADER_CONTENT_TYPE,
                       out->open_metrics ? OPEN_METRICS "; version=1.0.0; charset=utf-8"
                                         : "text/plain; version=0.0.4; charset=utf-8");
    sower_reply_header(&response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT);
    exchange->bytes = exchange->method == SOWER_HEAD ? 0 : text->length;
    return sower_reply(exchange, MHD_HTTP_OK, response);
}

/* Every client can read the text format, so it is the answer in all other cases. */
static bool prefers_open_metrics(const char *accept)
{
    static const char *const plain[] = {"text/plain", "text/*", "*/*"};
    if (accept == NULL) {
        return false;
    }
    int text = -1;
    for (size_t i = 0; i < sizeof plain / sizeof plain[0] && text < 0; i++) {
        text = sower_accept_quality(accept, plain[i], "0.0.4");
    }
    const int open_metrics = sower_accept_quality(accept, OPEN_METRICS, "1.0.0");
    return open_metrics > 0 && open_metrics >= text;
}

static void counter(struct sower_exposition *out, const char *name, const char *help, uint64_t number)
{
    sower_exposition_one(out, SOWER_FAMILY_COUNTER, name, help, number);
}

static void gauge(struct sower_exposition *out, const char *name, const char *help, uint64_t number)
{
    sower_exposition_one(out, SOWER_FAMILY_GAUGE, name, help, number);
}

/* A sample for each reason, zeros too, so that a rate exists from the first refusal on. */
static void write_reasons(struct sower_exposition *out, const char *name, const char *help,
                          const char *const *reasons, const uint64_t *counts, size_t size)
{
    sower_exposition_family(out, SOWER_FAMILY_COUNTER, name, help);
    for (size_t i = 0; i < size; i++) {
        const struct sower_label labels[] = {{"reason", reasons[i]}, {NULL, NULL}};
        sower_exposition_number(out, labels, counts[i]);
    }
}

/* A response's row in the tally. */
struct row {
    const char *route, *status;
    struct sower_tally_figures figures;
};

typedef void write_row(struct sower_exposition *out, const struct row *row);

/* Writes the rows that have requests. */
static void for_each_row(struct sower_exposition *out, const struct sower_server *server, write_row *write)
{
    const size_t routes = sower_route_count(server->routes);
    for (size_t route = 0; route <= routes; route++) {
        for (size_t status = 0; status < SOWER_TALLY_STATUSES; status++) {
            struct row row = {route < routes ? server->routes[route].path : "unknown",
                              sower_tally_status(status),
                              {{0}, 0, {{0}, 0}}};
            sower_tally_read(server->tally, route, status, &row.figures);
            if (sower_histogram_count(&row.figures.seconds) > 0) {
                write(out, &row);
            }
        }
    }
}

static void write_counts(struct sower_exposition *out, const struct row *row)
{
    for (size_t i = 0; i < SOWER_TALLY_METHODS; i++) {
        const struct sower_label labels[] = {
            {"route", row->route}, {"method", sower_tally_method(i)}, {"status", row->status}, {NULL, NULL}};
        if (row->figures.requests[i] > 0) {
            sower_exposition_number(out, labels, row->figures.requests[i]);
        }
    }
}

static void write_bytes(struct sower_exposition *out, const struct row *row)
{
    const struct sower_label labels[] = {{"route", row->route}, {"status", row->status}, {NULL, NULL}};
    sower_exposition_number(out, labels, row->figures.bytes);
}

static void write_seconds(struct sower_exposition *out, const struct row *row)
{
    const struct sower_label labels[] = {{"route", row->route}, {"status", row->status}, {NULL, NULL}};
    sower_exposition_histogram(out, labels, &row->figures.seconds);
}

static void write_requests(struct sower_exposition *out, const struct sower_server *server)
{
    const char *reasons[SOWER_REFUSALS];
    uint64_t refused[SOWER_REFUSALS];
    for (size_t i = 0; i < SOWER_REFUSALS; i++) {
        reasons[i] = sower_tally_refusal(i);
        refused[i] = sower_tally_read_refused(server->tally, i);
    }
    sower_exposition_family(out, SOWER_FAMILY_COUNTER, "sower_requests",
                            "Requests that have ended. Status none: the client left before a response.");
    for_each_row(out, server, write_counts);
    sower_exposition_family(out, SOWER_FAMILY_COUNTER, "sower_response_bytes",
                            "Bytes of the bodies of responses.");
    for_each_row(out, server, write_bytes);
    sower_exposition_family(out, SOWER_FAMILY_HISTOGRAM, "sower_request_seconds",
                            "Time from the headers of a request to the end of its response.");
    for_each_row(out, server, write_seconds);
    write_reasons(out, "sower_refusals", "Requests that were refused, by reason.", reasons, refused,
                  SOWER_REFUSALS);
    counter(out, "sower_requests_unread",
            "Requests that began and whose headers were malformed, too large or incomplete.",
            sower_tally_read_unread(server->tally));
    gauge(out, "sower_requests_in_progress",
          "Requests that have arrived and whose response is not complete, this one included.",
          atomic_load(&server->active));
    gauge(out, "sower_requests_waiting", "Requests that wait for the ledger or for a computation.",
          atomic_load(&server->waiting));
    gauge(out, "sower_streams", "Responses that are being generated block by block.",
          atomic_load(&server->streams));
    gauge(out, "sower_large_requests_bytes", "Memory that requests above a megabyte take.",
          atomic_load(&server->budget));
}

static void write_connections(struct sower_exposition *out, struct sower_server *server)
{
    const struct sower_connections_figures figures = sower_connections_figures(&server->connections);
    counter(out, "sower_connections_accepted", "Connections that have begun.", figures.accepted);
    gauge(out, "sower_connections", "Connections that are open.", figures.open);
    gauge(out, "sower_connections_limit", "Connections that may be open (--connections).",
          server->connections.limits.limit);
    gauge(out, "sower_connections_queued", "Connections that wait until another one ends.",
          atomic_load(&server->acceptor.waiting));
}

/* Nothing that is not known: the size before the first write or probe, the disk of a database. */
static void write_size(struct sower_exposition *out, const struct sower_server *server,
                       const struct sower_ledger_figures *figures)
{
    if (figures->size.bytes > 0) {
        gauge(out, "sower_ledger_size_bytes", "Size of the ledger before the last write or probe.",
              figures->size.bytes);
    }
    if (figures->size.bytes > 0 && figures->size.free < UINT64_MAX) {
        gauge(out, "sower_ledger_free_bytes", "Space that is free on the ledger's disk.", figures->size.free);
        gauge(out, "sower_ledger_reserve_bytes", "Space that must stay free on it (--ledger-reserve).",
              server->options->ledger_reserve);
    }
    if (server->options->ledger_max > 0) {
        gauge(out, "sower_ledger_limit_bytes", "Size at which no line is added (--ledger-max).",
              server->options->ledger_max);
    }
    gauge(out, "sower_ledger_full", "1 while a limit of the size allows no new line.", figures->full);
}

static void write_ledger(struct sower_exposition *out, const struct sower_server *server)
{
    static const char *const reasons[SOWER_LEDGER_REFUSALS] = {[SOWER_LEDGER_OPENING] = "opening",
                                                               [SOWER_LEDGER_QUEUE_FULL] = "queue_full",
                                                               [SOWER_LEDGER_STOPPING] = "stopping"};
    const struct sower_ledger_figures figures = sower_ledger_figures(server->ledger);
    const int64_t behind = figures.chain_time - sower_clock_wall();
    gauge(out, "sower_ready", "1 if new draws would be recorded, as far as is known without a write.",
          figures.ready && !atomic_load(&server->stopping));
    gauge(out, "sower_stopping", "1 from the signal to stop on.", atomic_load(&server->stopping));
    counter(out, "sower_ledger_lines", "Lines that this daemon has written to the ledger.", figures.lines);
    gauge(out, "sower_ledger_last_line",
          "The highest line number, as this daemon last saw it. 0: no line, or not seen yet.", figures.last);
    write_size(out, server, &figures);
    sower_exposition_family(out, SOWER_FAMILY_HISTOGRAM, "sower_ledger_commit_seconds",
                            "Time of each transaction that wrote lines.");
    sower_exposition_histogram(out, NULL, &figures.commits);
    counter(out, "sower_ledger_failures", "Writes to the ledger, and look-ups before them, that failed.",
            figures.failures);
    gauge(out, "sower_ledger_queue", "Requests that wait for the ledger.", figures.waiting);
    gauge(out, "sower_ledger_queue_limit", "Requests that may wait for the ledger (--queue).", figures.queue);
    write_reasons(out, "sower_ledger_refusals", "Requests that the ledger did not take, by reason.", reasons,
                  figures.refused, SOWER_LEDGER_REFUSALS);
    sower_exposition_family(out, SOWER_FAMILY_GAUGE, "sower_clock_behind_seconds",
                            "How far the clock is behind the last line of this daemon's chain.");
    sower_exposition_seconds(out, NULL, behind > 0 ? (uint64_t)behind * 1000000 : 0);
    counter(out, "sower_known_draws_hits", "Look-ups of a draw that was in memory (--known-draws).",
            figures.known_hits);
    counter(out, "sower_known_draws_misses", "Look-ups of a draw that was not in memory.",
            figures.known_misses);
}

/* A family with a sample for the cached responses and one for the prepared sources. */
static void write_cache_figure(struct sower_exposition *out, enum sower_family_type type, const char *name,
                               const char *help, const uint64_t numbers[2])
{
    sower_exposition_family(out, type, name, help);
    sower_exposition_number(out, (const struct sower_label[]){{"cache", "answers"}, {NULL, NULL}},
                            numbers[0]);
    sower_exposition_number(out, (const struct sower_label[]){{"cache", "sources"}, {NULL, NULL}},
                            numbers[1]);
}

static void write_caches(struct sower_exposition *out, const struct sower_server *server)
{
    const struct sower_responses_figures answers = sower_responses_figures(server->responses);
    const struct sower_sources_figures sources = sower_sources_figures(server->sources);
    write_cache_figure(out, SOWER_FAMILY_COUNTER, "sower_cache_hits", "Requests that the cache could serve.",
                       (const uint64_t[]){answers.hits, sources.hits});
    write_cache_figure(out, SOWER_FAMILY_COUNTER, "sower_cache_misses",
                       "Requests that the cache could not serve.",
                       (const uint64_t[]){answers.misses, sources.misses});
    write_cache_figure(out, SOWER_FAMILY_GAUGE, "sower_cache_bytes",
                       "Memory that the cache takes, for sources with running preparations.",
                       (const uint64_t[]){answers.memory, sources.memory});
    write_cache_figure(out, SOWER_FAMILY_GAUGE, "sower_cache_limit_bytes",
                       "Memory that the cache may take (--answer-cache, --cache-size).",
                       (const uint64_t[]){server->options->answer_cache, sources.limit});
}

static void write_preparations(struct sower_exposition *out, const struct sower_server *server)
{
    static const char *const reasons[SOWER_SOURCES_REFUSALS] = {[SOWER_SOURCES_QUEUE_FULL] = "queue_full",
                                                                [SOWER_SOURCES_LATE] = "late",
                                                                [SOWER_SOURCES_LEFT] = "client_left"};
    const struct sower_sources_figures figures = sower_sources_figures(server->sources);
    gauge(out, "sower_preparations", "Preparations of heavy tensors that run.", figures.running);
    gauge(out, "sower_preparations_waiting", "Preparations that wait for memory or for their turn.",
          figures.waiting);
    sower_exposition_family(out, SOWER_FAMILY_HISTOGRAM, "sower_preparation_seconds",
                            "Time of each preparation that has ended.");
    sower_exposition_histogram(out, NULL, &figures.seconds);
    write_reasons(out, "sower_preparation_refusals", "Requests whose preparation was refused, by reason.",
                  reasons, figures.refused, SOWER_SOURCES_REFUSALS);
}

static void write_token_requests(void *out, const struct sower_rate *rate)
{
    sower_exposition_number(out, (const struct sower_label[]){{"token", rate->name}, {NULL, NULL}},
                            atomic_load(&rate->requests));
}

static void write_token_lines(void *out, const struct sower_rate *rate)
{
    sower_exposition_number(out, (const struct sower_label[]){{"token", rate->name}, {NULL, NULL}},
                            atomic_load(&rate->added));
}

static void write_tokens(struct sower_exposition *out, const struct sower_server *server)
{
    sower_exposition_family(out, SOWER_FAMILY_COUNTER, "sower_token_requests",
                            "Requests by the name of their token, refused ones too.");
    sower_rates_visit(server->rates, write_token_requests, out);
    sower_exposition_family(out, SOWER_FAMILY_COUNTER, "sower_token_lines",
                            "Lines that requests with this token have added to the ledger.");
    sower_rates_visit(server->rates, write_token_lines, out);
}

static void write_process(struct sower_exposition *out, const struct sower_server *server)
{
    const struct sower_label build[] = {{"version", SOWER_VERSION},
                                        {"kernel", sower_kernel()->name},
                                        {"libmicrohttpd", MHD_get_version()},
                                        {NULL, NULL}};
    sower_exposition_family(out, SOWER_FAMILY_INFO, "sower_build",
                            "The version of sowerd, the kernel that makes the numbers, the HTTP library.");
    sower_exposition_number(out, build, 1);
    counter(out, "sower_log_lines_dropped", "Lines of the log that nobody read in time.",
            atomic_load(&server->log.output->dropped_ever));
    sower_exposition_family(out, SOWER_FAMILY_GAUGE, "process_start_time_seconds",
                            "When the daemon was started, in seconds since 1970.");
    sower_exposition_seconds(out, NULL, server->started > 0 ? (uint64_t)server->started * 1000000 : 0);
    sower_exposition_family(out, SOWER_FAMILY_COUNTER, "process_cpu_seconds", "CPU time of the daemon.");
    sower_exposition_seconds(out, NULL, sower_clock_process());
}
