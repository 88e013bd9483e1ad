/* HTTP: one question to the daemon and its answer (libcurl).
 *
 * The fields go into the query of a GET, which any HTTP cache on the way can answer. The body of a good
 * answer is handed on block by block; the rest is kept in `struct http_response` for the caller to judge and to
 * tell. Loopback addresses are never asked through a proxy; redirections are not followed.
 *
 * Nothing that a server sends takes memory or time without a limit: headers have a limit together, the body
 * of a refusal is cut, and a server that sends less than HTTP_STALL_BYTES in --stall-seconds is left. How
 * much of a good answer is taken is the receiver's to limit. */
#ifndef SOWER_CLIENT_SOW_DAEMON_HTTP_H
#define SOWER_CLIENT_SOW_DAEMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/sow/daemon/address.h"
#include "client/sow/options.h"
#include "proto/fields.h"

enum {
    HTTP_FIELD_SIZE = 192,         /* of an answer's header field */
    HTTP_REASON_SIZE = 384,        /* of a transport error */
    HTTP_EXPLANATION_SIZE = 16384, /* of the body of a refusal; more is not read */
    HTTP_HEADERS_MAX = 65536,      /* bytes of all headers of an answer */
    HTTP_STALL_BYTES = 65536,
};

/* --server, --ca-file, --retry-seconds, --stall-seconds. */
extern const struct option_group http_options;

enum http_end {
    HTTP_DONE,    /* a good answer, whole */
    HTTP_REFUSED, /* an answer with another status than 200, or 206 for a range */
    HTTP_FAILED,  /* no answer, or not all of it: `cause` */
    HTTP_STOPPED, /* the receiver wanted no more */
    HTTP_MISUSED, /* an option is wrong, as `reason` says; nothing was asked */
};

enum http_cause {
    HTTP_CAUSE_OTHER,
    HTTP_CAUSE_MEMORY,      /* memory has run out here */
    HTTP_CAUSE_NO_NAME,     /* the host's name has no address */
    HTTP_CAUSE_UNREACHED,   /* nobody listens there, or the host does not answer */
    HTTP_CAUSE_CERTIFICATE, /* of the server: it is not trusted, or of another name */
    HTTP_CAUSE_PLAIN,       /* asked by https, the server speaks plain HTTP */
    HTTP_CAUSE_TLS,         /* asked by http, the server speaks TLS */
    HTTP_CAUSE_NO_HTTP,     /* neither; its first bytes are the explanation */
    HTTP_CAUSE_FLOOD,       /* too many headers */
    HTTP_CAUSE_STALLED,     /* it sends nothing, or too slowly */
    HTTP_CAUSE_BROKE,       /* the connection broke */
};

/* The header fields of an answer that are looked at. */
enum http_field {
    HTTP_TYPE,
    HTTP_ETAG,
    HTTP_RANGE, /* Content-Range */
    HTTP_LOCATION,
    HTTP_SEED, /* Sower-Seed, and so on */
    HTTP_DRAW,
    HTTP_LEDGER,
    HTTP_DRIFT,
    HTTP_SPEC,
    HTTP_SHAPE,
    HTTP_DTYPE,
    HTTP_FAN,
    HTTP_MANIFEST,
    HTTP_TENSORS,
    HTTP_FIELD_COUNT,
};

/* "Content-Type". */
const char *http_field_name(enum http_field field);

struct http_response {
    char address[ADDRESS_SIZE]; /* of the daemon, without user and password, for messages */
    enum http_end end;
    enum http_cause cause; /* of HTTP_FAILED; of HTTP_REFUSED only HTTP_CAUSE_TLS */
    bool proxied;          /* something else than the daemon was asked for it, as *_proxy says */
    long status;           /* 0: none came */
    int64_t length;        /* Content-Length; -1: not given */
    uint64_t received;     /* bytes of the body that the receiver got */
    double retry_after;    /* seconds; negative: not given */
    char fields[HTTP_FIELD_COUNT][HTTP_FIELD_SIZE]; /* of the header; empty where not given */
    char reason[HTTP_REASON_SIZE];                  /* why it failed */
    char explanation[HTTP_EXPLANATION_SIZE + 1];    /* the body of a refusal */
    size_t explanation_size;
};

/* Who takes a good answer. Each function returns false to stop. */
struct http_receiver {
    /* The header has come; called before any byte, and for an empty body too. */
    bool (*begin)(void *context, const struct http_response *answer);
    bool (*receive)(void *context, const void *bytes, size_t size);
    void *context;
    bool restarts; /* `begin` may be called again, when an answer that broke comes once more from its start */
};

/* What is asked. */
struct http_question {
    const char *path;   /* "/v1/plan" */
    const char *method; /* "PUT" or "DELETE", which bring no body; NULL: GET, or POST of a text */
    const struct sower_pair *pairs;
    size_t pair_count;
    const char *text; /* a JSON text to be posted; NULL: none */
    size_t text_size;
    const char *idempotency_key; /* printable; the same request again is known by it; NULL: none */
    bool once;                   /* asked again, it would be done again: it is asked once */
    const char *range;           /* "0-99": these bytes of the answer; NULL: all of it */
    const char *etag;            /* the range is of this answer, and all of another one is sent (If-Range) */
};

/* Asks the server of the options. Asks again, within --retry-seconds and after a note on stderr, for what may
 * pass (retry.h), as long as the receiver has got nothing, or restarts. Fills `answer` and returns its end.
 */
enum http_end http_ask(const struct options *options, const struct http_question *question,
                       const struct http_receiver *receiver, struct http_response *answer);

/* The same, asked once. */
enum http_end http_ask_once(const struct options *options, const struct http_question *question,
                            const struct http_receiver *receiver, struct http_response *answer);

/* The option --retry-seconds. */
double http_retry_seconds(const struct options *options);

#endif
