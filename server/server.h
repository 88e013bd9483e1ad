/* The server: what all requests share. */
#ifndef SOWER_SERVER_SERVER_H
#define SOWER_SERVER_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/seed.h"
#include "server/base/acceptor.h"
#include "server/base/connections.h"
#include "server/base/listen.h"
#include "server/base/log.h"
#include "server/base/pool.h"
#include "server/caches/responses.h"
#include "server/caches/sources.h"
#include "server/ledger/ledger.h"
#include "server/ledger/writer_key.h"
#include "server/options.h"

struct sower_hosts;
struct sower_route;
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
    struct sower_pool *readers; /* for reading the ledger, which shall not wait behind those */
    struct sower_sources *sources;
    struct sower_responses *responses;
    struct sower_listener listener;
    const struct sower_route *routes; /* the table that sower_http_start was given */
    struct sower_hosts *hosts;        /* made by main, filled by sower_http_start */
    struct sower_connections connections;
    struct sower_acceptor acceptor;
    struct MHD_Daemon *daemon;
    struct MHD_Response *unavailable; /* the answer when memory has run out */
    uint64_t first_request;           /* a random number, so that request ids of different runs differ */
    _Atomic uint64_t requests;        /* begun so far */
    _Atomic uint64_t active;          /* requests that are complete and whose answer is not */
    _Atomic uint64_t streams;         /* answers that are being generated block by block */
    _Atomic uint64_t burden;          /* bytes that large requests hold (burden.h) */
    _Atomic bool draining;            /* no new connections; those that are open close after their answer */
    int idle_event;                   /* eventfd: told when the last exchange completes while draining */
};

#endif
