/* Downloads: the bytes of a tensor or a model, brought to an output and held against what they must be.
 *
 * A large answer may come over several connections, each of which brings one stretch to its place in the
 * file. The first one begins alone: its header and the bytes before the first element are judged, and its
 * entity tag is the one by which all others ask for their part. A connection that breaks is taken up again
 * from its last byte on, under the same tag; how often and for how long is the subject of retry.h. Where the
 * output is no file there is one connection. */
#ifndef SOWER_CLIENT_SOW_TENSORS_DOWNLOAD_H
#define SOWER_CLIENT_SOW_TENSORS_DOWNLOAD_H

#include "client/sow/daemon/http.h"
#include "client/sow/tensors/expected.h"
#include "client/sow/terminal/output.h"
#include "client/sow/terminal/progress.h"
#include "proto/fields.h"

enum { DOWNLOAD_JOBS_MAX = 64 };

_Static_assert((int)DOWNLOAD_JOBS_MAX <= (int)EXPECTED_SOURCES_MAX,
               "every connection may be in a tensor of its own");

struct download {
    const struct options *options;
    const char *path; /* of the question */
    const struct sower_pair *pairs;
    size_t pair_count;
    size_t jobs; /* 1 to DOWNLOAD_JOBS_MAX; 1 for an output that is no file */
    struct expected *expected;
    struct output *output;             /* open */
    struct progress *progress;         /* begun */
    struct http_response first;        /* the first header that came */
    char reason[EXPECTED_REASON_SIZE]; /* why another root than the assumed one may be the daemon's */
};

/* Fetches everything and puts the output under its name. What goes wrong has been told. Where the daemon's
 * root is another one than the public one, which was assumed, that is taken over into `expected`. */
enum sow_exit download_run(struct download *download);

#endif
