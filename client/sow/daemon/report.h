/* Reports: why a command did not do what it was asked, in lines that a person can act on.
 *
 * Each says on stderr, after "sow NAME: ", what went wrong, and on the next line what to do, and returns the
 * status to exit with. */
#ifndef SOWER_CLIENT_SOW_DAEMON_REPORT_H
#define SOWER_CLIENT_SOW_DAEMON_REPORT_H

#include "client/sow/daemon/http.h"
#include "client/sow/options.h"
#include "core/problem.h"

/* An exchange that did not end well. HTTP_STOPPED is the receiver's to report. */
enum sow_exit report_response(const struct options *options, const struct http_response *answer);

/* A good answer that no sowerd would give; `why` is a clause. */
enum sow_exit report_stranger(const struct options *options, const struct http_response *answer,
                              const char *why);

/* An answer that may come from a sowerd and is not what was asked for; `why` is a clause. */
enum sow_exit report_unfit(const struct options *options, const struct http_response *answer,
                           const char *why);

/* What is waited for, after an exchange that failed: one line. */
void report_wait(const struct options *options, const struct http_response *answer, double seconds);

/* A request that was refused offline, or that could not be read for a lack of memory. */
enum sow_exit report_problem(const struct options *options, const struct sower_problem *problem);

/* Bytes that could not be written to the file at `path`, or to standard output for NULL. When that is a pipe
 * whose reader has left, the program ends by SIGPIPE, as every program of a pipeline does. */
enum sow_exit report_unwritten(const struct options *options, const char *path, int reason);

/* Memory that ran out. */
enum sow_exit report_memory(const struct options *options);

/* Anything else that failed on this machine; `what` as by printf. */
enum sow_exit report_failure(const struct options *options, const char *what, ...)
    __attribute__((format(printf, 2, 3)));

#endif
