/* Reports: messages on stderr that say why a command failed and what to do.
 *
 * Each function prints "sow NAME: " and what went wrong; a second line says what to do. Each returns the exit
 * status. */
#ifndef SOWER_CLIENT_SOW_DAEMON_REPORT_H
#define SOWER_CLIENT_SOW_DAEMON_REPORT_H

#include "client/sow/daemon/response.h"
#include "client/sow/options.h"
#include "core/problem.h"

/* An exchange that failed or was refused. For HTTP_DONE and HTTP_STOPPED it prints nothing and returns
 * SOW_DONE: the receiver reports why it stopped. */
enum sow_exit report_response(const struct options *options, const struct http_response *response);

/* A successful response that a sowerd would not give. `why` is a clause: "it is not a JSON object". */
enum sow_exit report_not_sowerd(const struct options *options, const struct http_response *response,
                                const char *why);

/* A response that may come from a sowerd, but does not match the request. `why` is a clause. */
enum sow_exit report_mismatch(const struct options *options, const struct http_response *response,
                              const char *why);

/* After a temporary failure: one line that says what failed, and that sow retries for `seconds` seconds. */
void report_retry(const struct options *options, const struct http_response *response, double seconds);

/* A request that was refused without asking the daemon, or that could not be checked because memory ran out. */
enum sow_exit report_problem(const struct options *options, const struct sower_problem *problem);

/* A failed write to the file at `path` (NULL: standard output); `reason` is its errno. A broken pipe ends the
 * program by SIGPIPE, as it ends every program of a pipeline. */
enum sow_exit report_write_failure(const struct options *options, const char *path, int reason);

/* Memory ran out. */
enum sow_exit report_memory(const struct options *options);

/* Any other failure on this machine; `sentence` is a printf format. */
enum sow_exit report_failure(const struct options *options, const char *sentence, ...)
    __attribute__((format(printf, 2, 3)));

#endif
