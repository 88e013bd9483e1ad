#include "server/http/caller.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "server/http/forwarded.h"

struct sower_address sower_caller_peer(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return sower_address_of(info != NULL ? info->client_addr : NULL);
}

/* Whether all bytes are lower hex digits, and not all of them "0". */
static bool is_id(const char *text, size_t length)
{
    bool zero = true;
    for (size_t i = 0; i < length; i++) {
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f'))) {
            return false;
        }
        zero = zero && text[i] == '0';
    }
    return !zero;
}

static bool is_hex_pair(const char *text)
{
    return memcmp(text, "00", 2) == 0 || is_id(text, 2);
}

bool sower_caller_trace(const char *text, size_t length, char trace[SOWER_TRACE_SIZE])
{
    enum { TRACE_AT = 3, PARENT_AT = 36, FLAGS_AT = 53 };
    trace[0] = '\0';
    if (length < SOWER_TRACEPARENT_SIZE || !is_hex_pair(text) || memcmp(text, "ff", 2) == 0 ||
        text[TRACE_AT - 1] != '-' || text[PARENT_AT - 1] != '-' || text[FLAGS_AT - 1] != '-' ||
        !is_id(text + TRACE_AT, SOWER_TRACE_SIZE - 1) || !is_id(text + PARENT_AT, 16) ||
        !is_hex_pair(text + FLAGS_AT)) {
        return false;
    }
    if (length > SOWER_TRACEPARENT_SIZE &&
        (memcmp(text, "00", 2) == 0 || text[SOWER_TRACEPARENT_SIZE] != '-')) {
        return false;
    }
    memcpy(trace, text + TRACE_AT, SOWER_TRACE_SIZE - 1);
    trace[SOWER_TRACE_SIZE - 1] = '\0';
    return true;
}

bool sower_caller_outer_id(const char *text, size_t length, char id[SOWER_OUTER_ID_MAX + 1])
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/+=@";
    id[0] = '\0';
    if (length > SOWER_OUTER_ID_MAX) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (memchr(safe, text[i], sizeof safe - 1) == NULL) {
            return false;
        }
    }
    memcpy(id, text, length);
    id[length] = '\0';
    return true;
}

struct headers {
    struct sower_caller *caller;
    struct sower_forwarded forwarded;
    unsigned traces, outer_ids; /* lines of traceparent and of X-Request-Id */
};

static bool is(const char *name, size_t length, const char *wanted, size_t wanted_length)
{
    return length == wanted_length && strncasecmp(name, wanted, length) == 0;
}

#define IS(literal) is(name, name_length, literal, sizeof(literal) - 1)

static enum MHD_Result read_line(void *context, enum MHD_ValueKind kind, const char *name, size_t name_length,
                                 const char *value, size_t value_length)
{
    struct headers *headers = context;
    struct sower_caller *caller = headers->caller;
    (void)kind;
    if (value == NULL) {
        return MHD_YES;
    }
    if (IS("User-Agent")) {
        const size_t length = strnlen(value, value_length < SOWER_AGENT_MAX ? value_length : SOWER_AGENT_MAX);
        memcpy(caller->agent, value, length);
        caller->agent[length] = '\0';
    } else if (IS("X-Forwarded-For")) {
        sower_forwarded_x_line(&headers->forwarded, value, value_length);
    } else if (IS("Forwarded")) {
        sower_forwarded_line(&headers->forwarded, value, value_length);
    } else if (IS("traceparent")) {
        headers->traces++;
        sower_caller_trace(value, value_length, caller->trace);
    } else if (IS("X-Request-Id")) {
        headers->outer_ids++;
        sower_caller_outer_id(value, value_length, caller->outer_id);
    }
    return MHD_YES;
}

void sower_caller_read(struct sower_caller *caller, struct MHD_Connection *connection,
                       const struct sower_networks *trusted)
{
    struct headers headers = {.caller = caller};
    sower_forwarded_begin(&headers.forwarded, trusted);
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, read_line, &headers);
    caller->address = sower_forwarded_client(&headers.forwarded, &caller->address);
    if (headers.traces > 1) {
        caller->trace[0] = '\0';
    }
    if (headers.outer_ids > 1) {
        caller->outer_id[0] = '\0';
    }
}
