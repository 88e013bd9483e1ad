/* The server: the state that all requests share. */
#ifndef SOWER_SERVER_SERVER_H
#define SOWER_SERVER_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/seed.h"
#include "server/base/acceptor.h"
#include "server/base/address.h"
#include "server/base/connections.h"
#include "server/base/listen.h"
#include "server/base/log.h"
#include "server/base/pool.h"
#include "server/caches/responses.h"
#include "server/caches/sources.h"
#include "server/ledger/ledger.h"
#include "server/ledger/writer_key.h"
#include "server/options.h"

struct sower_certificates;
struct sower_hosts;
struct sower_route;
struct sower_rates;
struct sower_tokens;
struct sower_tally;
struct MHD_Daemon;
struct MHD_Response;

struct sower_server {
    const struct sower_options *options;
    struct sower_log log;
    struct sower_seed root;
    bool private_root;
    struct sower_writer_key writer;
    struct sower_ledger *ledger;
    struct sower_pool *pool;    /* for long computations */
    struct sower_pool *readers; /* for reading the ledger, which must not wait for long computations */
    struct sower_sources *sources;
    struct sower_responses *responses;
    struct sower_listeners listeners;
    struct sower_certificates *certificates; /* NULL: without TLS */
    const struct sower_route *routes;        /* the table passed to sower_http_start */
    struct sower_hosts *hosts;               /* allocated by main, set by sower_http_start */
    struct sower_tokens *tokens;             /* allocated by main */
    struct sower_rates *rates;               /* allocated by main */
    struct sower_networks proxies;           /* --trusted-proxies */
    struct sower_tally *tally;               /* from sower_http_start to sower_http_stop */
    struct sower_connections connections;
    struct sower_acceptor acceptor;
    struct MHD_Daemon *plain_daemon, *tls_daemon; /* NULL: no listener needs it */
    struct MHD_Response *unavailable;             /* the response when memory has run out */
    int64_t started;                              /* wall-clock time, in milliseconds */
    uint64_t first_request;                       /* random, so that request ids of different runs differ */
    _Atomic uint64_t requests;                    /* requests that have begun */
    _Atomic uint64_t active;  /* requests that have arrived completely and whose response is not complete */
    _Atomic uint64_t streams; /* responses that are being generated block by block */
    _Atomic uint64_t waiting; /* requests that are suspended (docs/threads.md) */
    _Atomic uint64_t budget;  /* bytes that large requests take (http/budget.h) */
    _Atomic bool stopping;    /* a signal has arrived: /readyz says no, and responses end their connection */
    _Atomic bool draining;    /* no new connections; open ones close after their response */
    int idle_event;           /* eventfd: signalled when the last exchange ends while draining */
};

#endif
