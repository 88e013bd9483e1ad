#include "server/handlers/drift.h"

#include <inttypes.h>
#include <string.h>

#include "server/server.h"

#include "proto/number.h"

enum { CACHE_CONTROL_MAX = 80 };

enum MHD_Result sower_drift_refuse(struct sower_exchange *exchange, const char *name, uint64_t line)
{
    struct sower_problem problem;
    sower_problem_set(
        &problem, SOWER_PROBLEM_INVALID, "name",
        "Line %" PRIu64 " of the ledger has \"%.200s\" with another shape, dtype, initializer or "
        "layout, and %s. Request it as that line has it, or under another name, trial or "
        "experiment.",
        line, name, exchange->server->options->strict ? "this daemon is strict" : "the experiment is pinned");
    return sower_refuse_as(exchange, MHD_HTTP_CONFLICT, &problem);
}

/* Otherwise a cache would still send the tensor after the experiment was pinned. */
static void forbid_keeping(struct MHD_Response **response)
{
    char value[CACHE_CONTROL_MAX];
    const char *earlier =
        *response == NULL ? NULL : MHD_get_response_header(*response, MHD_HTTP_HEADER_CACHE_CONTROL);
    if (earlier != NULL && strlen(earlier) < sizeof value) {
        memcpy(value, earlier, strlen(earlier) + 1);
        MHD_del_response_header(*response, MHD_HTTP_HEADER_CACHE_CONTROL, value);
    }
    sower_reply_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
}

void sower_drift_add_header(struct MHD_Response **response, uint64_t line)
{
    char text[SOWER_NUMBER_MAX];
    if (line != 0) {
        sower_number_print(line, text);
        sower_reply_header(response, "Sower-Drift", text);
        forbid_keeping(response);
    }
}
