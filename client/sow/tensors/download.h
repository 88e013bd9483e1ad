/* Downloads: transfers a tensor or a model to an output and checks the bytes on the way.
 *
 * A large response may use several connections; each of them transfers one byte range, a segment, to its
 * place in the file. The first connection starts alone. When its header and the bytes before the first
 * element are correct, the others start; they send the entity tag of the first response, so that all
 * segments belong to the same response. After a lost connection the transfer resumes after the last byte
 * that was received, under the same tag (retry.h). An output that is not a file has one connection. */
#ifndef SOWER_CLIENT_SOW_TENSORS_DOWNLOAD_H
#define SOWER_CLIENT_SOW_TENSORS_DOWNLOAD_H

#include "client/sow/daemon/http.h"
#include "client/sow/tensors/expected.h"
#include "client/sow/terminal/output.h"
#include "client/sow/terminal/progress.h"
#include "core/attributes.h"
#include "proto/fields.h"

enum { DOWNLOAD_JOBS_MAX = 64 };

_Static_assert((int)DOWNLOAD_JOBS_MAX <= (int)EXPECTED_SOURCES_MAX,
               "every connection may be inside a different tensor");

struct download {
    const struct options *options;
    const char *path; /* of the request */
    const struct sower_pair *pairs;
    size_t pair_count;
    size_t jobs; /* connections: 1 to DOWNLOAD_JOBS_MAX; 1 for an output that is not a file */
    struct expected *expected;
    struct output *output;             /* open */
    struct progress *progress;         /* progress_begin has been called */
    struct http_response first;        /* the header of the first response */
    char reason[EXPECTED_REASON_SIZE]; /* what differs when the daemon may have a private root */
};

/* Transfers everything and gives the output its final name. Failures are reported. If the daemon has a
 * private root while the public one was assumed, the id of the private root is stored in `expected` and the
 * transfer starts again. */
SOWER_MUST_USE enum sow_exit download_run(struct download *download);

#endif
