/* The response to an HTTP request, with what a caller needs to act on it: how the exchange ended, why it
 * failed, and the header fields that sow reads. http.h fills it; diagnose.h, retry.h and report.h use it. */
#ifndef SOWER_CLIENT_SOW_DAEMON_RESPONSE_H
#define SOWER_CLIENT_SOW_DAEMON_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/sow/daemon/address.h"

enum {
    HTTP_FIELD_SIZE = 192,         /* of the value of a header field */
    HTTP_REASON_SIZE = 512,        /* of a transport error */
    HTTP_EXPLANATION_SIZE = 16384, /* of the body of a refusal; the rest is not read */
    HTTP_HEADERS_MAX = 65536,      /* bytes of all headers of a response */
};

enum http_end {
    HTTP_DONE,       /* a complete response with status 200, or 206 for a range */
    HTTP_REFUSED,    /* a response with another status */
    HTTP_FAILED,     /* no response, or an incomplete one; see `cause` */
    HTTP_STOPPED,    /* the receiver returned false */
    HTTP_BAD_OPTION, /* an option is wrong, see `reason`; no request was sent */
};

enum http_cause {
    HTTP_CAUSE_OTHER,
    HTTP_CAUSE_MEMORY,             /* memory has run out in sow */
    HTTP_CAUSE_UNKNOWN_HOST,       /* the host name has no address */
    HTTP_CAUSE_UNREACHABLE,        /* the port is closed, or the host does not respond */
    HTTP_CAUSE_CERTIFICATE,        /* the server's certificate is not trusted, or has another name */
    HTTP_CAUSE_CLIENT_CERTIFICATE, /* the server does not accept the client's certificate, or wants one */
    HTTP_CAUSE_SPEAKS_HTTP,        /* the URL says https, the server speaks plain HTTP */
    HTTP_CAUSE_SPEAKS_TLS,         /* the URL says http, the server speaks TLS */
    HTTP_CAUSE_NOT_HTTP,           /* another protocol; `explanation` has its first bytes */
    HTTP_CAUSE_LARGE_HEADERS,      /* more than HTTP_HEADERS_MAX bytes of headers */
    HTTP_CAUSE_STALLED,            /* the server sends nothing, or too slowly */
    HTTP_CAUSE_CONNECTION_LOST,    /* the connection broke */
};

/* The header fields that sow reads. */
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

struct http_response {
    char address[ADDRESS_SIZE]; /* of the daemon, without user and password, for messages */
    enum http_end end;
    enum http_cause cause; /* for HTTP_FAILED; for HTTP_REFUSED only HTTP_CAUSE_SPEAKS_TLS */
    bool proxied;          /* the request went through a proxy (http_proxy and so on) */
    long status;           /* 0: no status line was received */
    int64_t length;        /* Content-Length; -1: not given */
    uint64_t received;     /* bytes of the body that the receiver got */
    double retry_after;    /* seconds; negative: not given */
    char fields[HTTP_FIELD_COUNT][HTTP_FIELD_SIZE]; /* empty: not given */
    char reason[HTTP_REASON_SIZE];                  /* why the exchange failed */
    char explanation[HTTP_EXPLANATION_SIZE + 1];    /* the body of a refusal */
    size_t explanation_size;
};

#endif
