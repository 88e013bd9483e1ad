/* Exchanges: one request and its answer.
 *
 * An exchange is made when a request's headers are in and released when libmicrohttpd is through with it,
 * whichever way it ended. Its handler is called when the request is complete. It answers with one of the
 * functions below, or suspends the exchange and is called again, at the step it named, when what it waits for
 * has come. No handler ever blocks on a commit or on a long computation. */
#ifndef SOWER_SERVER_HTTP_EXCHANGE_H
#define SOWER_SERVER_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <microhttpd.h>

#include "core/problem.h"
#include "server/base/log.h"
#include "server/server.h"

enum sower_method { SOWER_GET = 1, SOWER_HEAD = 2, SOWER_POST = 4, SOWER_PUT = 8, SOWER_DELETE = 16 };

/* The method of that name; 0: another one. */
enum sower_method sower_method_find(const char *name);

/* The names of methods, separated by commas, the last one by `last`: "GET, HEAD and POST". */
enum { SOWER_METHODS_SIZE = 40 };
void sower_method_list(unsigned methods, const char *last, char list[SOWER_METHODS_SIZE]);

/* The greatest body of a request, unless its route takes more. What is beyond is read and thrown away, so
 * that the client gets to see its refusal, up to SOWER_DISCARD_MAX; then the connection is cut. */
enum { SOWER_REQUEST_BODY_MAX = 1 << 20, SOWER_DISCARD_MAX = 64 << 20 };

/* The longest target that an exchange remembers. */
enum { SOWER_TARGET_MAX = 1024 };

struct sower_exchange;

/* What a handler does when it is called: answers or suspends (MHD_YES), or gives the connection up (MHD_NO).
 */
typedef enum MHD_Result sower_step(struct sower_exchange *exchange);

struct sower_exchange {
    struct sower_server *server;
    struct MHD_Connection *connection;
    struct sower_connection *link; /* the registry's entry of the connection (connections.h), or NULL */
    uint64_t client;               /* who asks (client.h) */
    uint64_t id;
    enum sower_method method;        /* 0: another one */
    sower_step *step;                /* called when the request is complete, and after each suspension */
    unsigned allowed;                /* methods of the route, for the Allow of a 405 */
    const struct sower_route *route; /* found by the target as it came; NULL: by its decoded path */
    char *variable;                  /* of such a route the variable part, decoded: any bytes, and a NUL */
    size_t variable_size;
    uint64_t whole_size; /* bytes of the whole answer, for the Content-Range of a 416 */

    bool any_host; /* the route is a probe, which may come under any host name (route.h) */

    bool closes; /* the connection ends after the answer */

    bool complete; /* the request is all there; before, its sender may have left without our knowing */

    char *body; /* of the request */
    size_t body_size, body_capacity, body_max;
    uint64_t discarded;
    uint64_t body_burden; /* what the body takes beyond SOWER_REQUEST_BODY_MAX (burden.h) */
    bool crowded;         /* the body was discarded because there was no room for it */
    bool out_of_memory;   /* it was discarded for a lack of memory */

    void *state; /* what the handler keeps between steps */
    void (*release)(void *state);

    /* for the log */
    uint64_t started; /* nanoseconds, monotonic */
    char path[96], method_name[16];
    unsigned status;
    uint64_t bytes; /* of the answer's body, as far as they were made */
    void (*describe)(const void *state, struct sower_log_line *line);

    const char *target_fault; /* a sentence; NULL: the target is well-formed */
    size_t target_length;     /* as it came */
    const char *bare_fields;  /* of the query, at its end and without "=": not given to libmicrohttpd
                                 (library_guards.h); as they came; NULL: none */
    const char *host;         /* that a target in absolute form names, else Host; for the first call alone */
    size_t host_length;
    bool short_target; /* `target` is the path and query as they came; otherwise they are too long */
    char target[];
};

/* Releases the body, once it was read. */
void sower_exchange_body_free(struct sower_exchange *exchange);

/* Adds bytes to the body, or discards them; false when the client went beyond SOWER_DISCARD_MAX. */
bool sower_exchange_body_add(struct sower_exchange *exchange, const char *bytes, size_t count);

/* Suspends the exchange until sower_exchange_resume, which any thread may call, also before the handler that
 * suspended returned; then `step` is called. */
void sower_exchange_suspend(struct sower_exchange *exchange, sower_step *step);
void sower_exchange_resume(struct sower_exchange *exchange);

/* While an exchange is suspended: whether the other side has closed the connection, or what it sends over it,
 * which cannot be told apart. */
bool sower_exchange_has_left(const struct sower_exchange *exchange);

/* A request header's value or NULL. */
const char *sower_exchange_header(const struct sower_exchange *exchange, const char *name);

/* The fields of the request, from the query string or, for a POST, from the JSON body. *fields is the
 * caller's. */
bool sower_exchange_fields(struct sower_exchange *exchange, json_t **fields, struct sower_problem *problem);

bool sower_exchange_has_query(const struct sower_exchange *exchange);

/* The fields of the query string alone. */
bool sower_exchange_query(struct sower_exchange *exchange, json_t **fields, struct sower_problem *problem);

/* Answers. Each takes over what it sends (`response`, `text`, `object`; NULL stands for memory that ran out)
 * and returns what the step has to return. No cache may keep an answer, whatever its status, unless the
 * response has a Cache-Control of its own: only a draw's bytes never change (entity.h). */
enum MHD_Result sower_reply(struct sower_exchange *exchange, unsigned status, struct MHD_Response *response);

/* Whether the connection ends after the answer: as the exchange says, or since the server is draining. */
bool sower_exchange_closes(const struct sower_exchange *exchange);

/* Adds a header. When memory runs out *response is released and becomes NULL, which later calls leave so: no
 * answer leaves without one of its headers. */
void sower_reply_header(struct MHD_Response **response, const char *name, const char *value);

/* Answers that memory has run out, by the server's `unavailable`, which is made at the start by the function
 * below: no memory is needed. It has no Sower-Request, since it is the answer of many, and ends the
 * connection. */
enum MHD_Result sower_reply_unavailable(struct sower_exchange *exchange);
struct MHD_Response *sower_reply_make_unavailable(void);

/* Answers with a response that stays the caller's, who may send it again when the exchange has ended. Not for
 * an answer after which the connection ends: nothing in it says so. */
enum MHD_Result sower_reply_again(struct sower_exchange *exchange, unsigned status,
                                  struct MHD_Response *response);
enum MHD_Result sower_reply_text(struct sower_exchange *exchange, unsigned status, const char *media_type,
                                 char *text, size_t length);
enum MHD_Result sower_reply_json(struct sower_exchange *exchange, unsigned status, json_t *object);

/* Answers with a problem, under the status of its code or under one of its own. UNAVAILABLE comes with a
 * Retry-After, 405 with an Allow, 416 with a Content-Range. */
enum MHD_Result sower_refuse(struct sower_exchange *exchange, const struct sower_problem *problem);
enum MHD_Result sower_refuse_as(struct sower_exchange *exchange, unsigned status,
                                const struct sower_problem *problem);

#endif
