/* Exchanges: one request and its response.
 *
 * An exchange begins when the request line has arrived, and ends when libmicrohttpd reports the end of the
 * request, successful or not. Its handler is called when the request is complete. The handler sends a
 * response with one of the functions below, or suspends the exchange; after sower_exchange_resume the
 * exchange continues at the step that the handler named. A handler never blocks on a commit or on a long
 * computation. */
#ifndef SOWER_SERVER_HTTP_EXCHANGE_H
#define SOWER_SERVER_HTTP_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <microhttpd.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "server/base/log.h"
#include "server/http/caller.h"

enum sower_method { SOWER_GET = 1, SOWER_HEAD = 2, SOWER_POST = 4, SOWER_PUT = 8, SOWER_DELETE = 16 };

/* The method with this name; 0: none of these. */
enum sower_method sower_method_find(const char *name);

/* The names of a set of methods, separated by commas, and by `last` before the last one: "GET, HEAD and
 * POST". */
enum { SOWER_METHODS_SIZE = 40 };
void sower_method_list(unsigned methods, const char *last, char list[SOWER_METHODS_SIZE]);

/* The largest body of a request in bytes, unless its route accepts more. Bytes beyond that are read and
 * discarded, so that the client can read the refusal. After SOWER_DISCARD_MAX discarded bytes the connection
 * is cut. */
enum { SOWER_REQUEST_BODY_MAX = 1 << 20, SOWER_DISCARD_MAX = 256 << 20 };

/* The longest target that an exchange keeps, in bytes. */
enum { SOWER_TARGET_MAX = 1024 };

struct sower_connection;
struct sower_exchange;
struct sower_route;
struct sower_server;
struct sower_token;

/* One step of a handler. It responds or suspends (MHD_YES), or cuts the connection (MHD_NO). */
typedef enum MHD_Result sower_step(struct sower_exchange *exchange);

struct sower_exchange {
    struct sower_server *server;
    struct MHD_Connection *connection;
    struct sower_connection *link; /* the registry's entry of the connection (connections.h), or NULL */
    struct sower_caller caller;
    uint64_t client; /* for fairness, and of caller.address once the headers have arrived (client.h) */
    uint64_t id;
    enum sower_method method;        /* 0: none of these */
    sower_step *step;                /* called when the request is complete, and after each suspension */
    unsigned allowed;                /* methods of the route, for the Allow header of a 405 */
    const struct sower_route *route; /* with a variable part; NULL: none, the decoded path decides */
    size_t route_number;             /* in the table of routes; the number of routes: unknown path */
    char *variable;                  /* the variable part of that route, decoded: any bytes, and a NUL */
    size_t variable_size;
    uint64_t whole_size; /* bytes of the whole representation, for the Content-Range of a 416 */

    bool any_host; /* the route is a probe: it accepts every host name (route.h) */
    bool quiet;    /* the log has it at level debug if it succeeds (route.h) */

    unsigned scopes;                 /* of which a token needs one (route.h) */
    const struct sower_token *token; /* of the request; NULL: none was needed (authorize.h) */
    uint64_t retry_seconds;          /* for Retry-After of a 429; 0: none */

    bool closes; /* the connection ends after the response */

    bool complete; /* the whole request has arrived */

    char *body; /* of the request */
    size_t body_size, body_capacity, body_max;
    uint64_t discarded;
    uint64_t body_budget; /* bytes of the body above SOWER_REQUEST_BODY_MAX (budget.h) */
    bool no_budget;       /* the body was discarded because the budget had no room */
    bool out_of_memory;   /* the body was discarded because memory ran out */

    void *state; /* of the handler, between its steps */
    void (*release)(void *state);

    /* for the log */
    uint64_t started; /* nanoseconds, monotonic */
    char path[96], method_name[16];
    unsigned status;
    uint64_t bytes; /* of the response's body, generated so far */
    void (*describe)(const void *state, struct sower_log_line *line);
    struct sower_problem *refusal; /* why the request was refused; NULL: it was not, or there was no memory */
    bool memory_refused;           /* it was refused because memory has run out */

    const char *target_fault; /* a sentence; NULL: the target is well-formed */
    size_t target_length;     /* as received, in bytes */
    const char *bare_fields; /* fields without "=" at the end of the query, as received; libmicrohttpd did not
                                 get them (library_guards.h); NULL: none */
    const char *host; /* of a target in absolute form, otherwise of Host; valid only in the first call */
    size_t host_length;
    bool short_target; /* `target` is the whole path and query; otherwise they are too long */
    char target[];
};

/* Releases the body. */
void sower_exchange_body_free(struct sower_exchange *exchange);

/* Adds bytes to the body, or discards them. False: more than SOWER_DISCARD_MAX were discarded. */
SOWER_MUST_USE bool sower_exchange_body_add(struct sower_exchange *exchange, const char *bytes, size_t count);

/* Suspends the exchange until sower_exchange_resume; then `step` is called. Any thread may resume, even
 * before the handler that suspended has returned. */
void sower_exchange_suspend(struct sower_exchange *exchange, sower_step *step);
void sower_exchange_resume(struct sower_exchange *exchange);

/* Suspends the exchange in the middle of its response: after sower_exchange_resume the content reader is called
 * again. */
void sower_exchange_pause(struct sower_exchange *exchange);

/* While the exchange is suspended: whether the client has closed the connection, or only its sending side.
 * The two cannot be distinguished. */
bool sower_exchange_has_left(const struct sower_exchange *exchange);

/* The value of a request header, or NULL. */
const char *sower_exchange_header(const struct sower_exchange *exchange, const char *name);

/* The fields of the request: from the query string or, for a POST, from the JSON body. The caller releases
 * *fields. False with a problem. */
SOWER_MUST_USE bool sower_exchange_fields(struct sower_exchange *exchange, json_t **fields,
                                          struct sower_problem *problem);

bool sower_exchange_has_query(const struct sower_exchange *exchange);

/* The fields of the query string only. */
SOWER_MUST_USE bool sower_exchange_query(struct sower_exchange *exchange, json_t **fields,
                                         struct sower_problem *problem);

/* Responses. Each function takes ownership of `response`, `text` or `object` (NULL: memory ran out) and
 * returns the result of the step. No HTTP cache may store a response, whatever its status, unless the
 * response sets its own Cache-Control: only the bytes of a draw never change (entity.h). */
enum MHD_Result sower_reply(struct sower_exchange *exchange, unsigned status, struct MHD_Response *response);

/* Whether the connection ends after the response: the exchange requires it, or the server is stopping. */
bool sower_exchange_closes(const struct sower_exchange *exchange);

/* Adds a header. When memory runs out, releases *response and sets it to NULL; later calls leave it NULL. So
 * a response is never sent without one of its headers. */
void sower_reply_header(struct MHD_Response **response, const char *name, const char *value);

/* Responds that memory has run out, without allocating: sends server->unavailable, which the second function
 * makes at the start. This response is shared by many requests, so it has no Sower-Request. It ends the
 * connection. */
enum MHD_Result sower_reply_unavailable(struct sower_exchange *exchange);
struct MHD_Response *sower_reply_make_unavailable(void);

/* Sends a response that the caller still owns and may send again when the exchange has ended. Not for a
 * response after which the connection ends: it has no "Connection: close". */
enum MHD_Result sower_reply_again(struct sower_exchange *exchange, unsigned status,
                                  struct MHD_Response *response);
enum MHD_Result sower_reply_text(struct sower_exchange *exchange, unsigned status, const char *media_type,
                                 char *text, size_t length);
enum MHD_Result sower_reply_json(struct sower_exchange *exchange, unsigned status, json_t *object);

/* Responds with a problem, with the status of its code or with the given status. UNAVAILABLE gets a
 * Retry-After header, 401 a WWW-Authenticate, 405 an Allow, 416 a Content-Range, 429 a Retry-After if
 * exchange->retry_seconds is set. */
enum MHD_Result sower_refuse(struct sower_exchange *exchange, const struct sower_problem *problem);
enum MHD_Result sower_refuse_as(struct sower_exchange *exchange, unsigned status,
                                const struct sower_problem *problem);

#endif
