/* HTTP: one question to the daemon and its answer (libcurl).
 *
 * The fields go into the query of a GET, which any HTTP cache on the way can answer, unless the address would
 * then exceed 8 KiB: then they go as JSON into a POST. The body of a good answer is handed on block by block;
 * what else comes back is kept in `struct http_answer` for the caller to judge and to tell. Loopback
 * addresses are never asked through a proxy; redirections are not followed. */
#ifndef SOW_HTTP_H
#define SOW_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../proto/fields.h"
#include "options.h"

enum {
    HTTP_ADDRESS_SIZE = 512,
    HTTP_FIELD_SIZE = 128,         /* of an answer's header field */
    HTTP_REASON_SIZE = 384,        /* of a transport error */
    HTTP_EXPLANATION_SIZE = 16384, /* of the body of a refusal; what is longer is cut */
};

/* --server. */
extern const struct option_group http_options;

enum http_end {
    HTTP_DONE,    /* a good answer, whole */
    HTTP_REFUSED, /* an answer with another status than 2xx */
    HTTP_FAILED,  /* no answer, or not all of it */
    HTTP_STOPPED, /* the receiver wanted no more */
    HTTP_MISUSED, /* the address of the server is none; nothing was asked */
};

struct http_answer {
    char address[HTTP_ADDRESS_SIZE]; /* of the daemon, without user and password, for messages */
    enum http_end end;
    bool connected;             /* a connection to it came about */
    long status;                /* 0: none came */
    int64_t length;             /* Content-Length; -1: not given */
    uint64_t received;          /* bytes of the body that the receiver got */
    char type[HTTP_FIELD_SIZE]; /* Content-Type; these six are empty where not given */
    char etag[HTTP_FIELD_SIZE];
    char seed[HTTP_FIELD_SIZE], draw[HTTP_FIELD_SIZE], ledger[HTTP_FIELD_SIZE], /* Sower-… */
        drift[HTTP_FIELD_SIZE];
    char reason[HTTP_REASON_SIZE];               /* why it failed */
    char explanation[HTTP_EXPLANATION_SIZE + 1]; /* the body of a refusal */
    size_t explanation_size;
};

/* Who takes a good answer. Each function returns false to stop. */
struct http_receiver {
    /* The header has come; called once, before any byte, and for an empty body too. */
    bool (*begin)(void *context, const struct http_answer *answer);
    bool (*receive)(void *context, const void *bytes, size_t size);
    /* Called now and then, at least every second, also while nothing comes; may be NULL. */
    void (*tick)(void *context);
    void *context;
};

/* What is asked. */
struct http_question {
    const char *path;   /* "/v1/plan" */
    const char *method; /* "PUT" or "DELETE", which bring no body; NULL: GET or POST */
    const struct sower_pair *pairs;
    size_t pair_count;
    const json_t *body; /* the same fields in JSON, for a POST; NULL: always GET */
    const char *text;   /* a JSON text to be posted; NULL: none */
    size_t text_size;
    const char *idempotency_key; /* printable; the same request again is known by it; NULL: none */
    bool head;                   /* only the header is wanted */
    const char *range;           /* "0-99": these bytes of the answer; NULL: all of it */
    const char *etag;            /* of the answer that is meant: no other is taken; NULL: any */
};

/* Asks the server of the option --server, else of SOW_SERVER, else http://127.0.0.1:7697. Fills `answer` and
 * returns its end. */
enum http_end http_ask(const struct options *options, const struct http_question *question,
                       const struct http_receiver *receiver, struct http_answer *answer);

#endif
