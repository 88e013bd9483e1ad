/* Downloads: a large answer fetched over several connections, each of which takes up again where it was cut.
 *
 * Each connection fetches one stretch of the answer into its place in the file. One that breaks is asked
 * again from its last byte on, a few times, with growing pauses; the entity tag makes sure that it is still
 * the same answer. Where the output is no file there is one connection. */
#ifndef SOW_DOWNLOAD_H
#define SOW_DOWNLOAD_H

#include "../proto/fields.h"
#include "../proto/model.h"
#include "http.h"
#include "output.h"
#include "progress.h"

enum { DOWNLOAD_JOBS_MAX = 64 };

struct download {
    const struct options *options;
    const char *path; /* of the question */
    const struct sower_pair *pairs;
    size_t pair_count;
    const char *etag;
    uint64_t size;
    size_t jobs;                     /* 1 to DOWNLOAD_JOBS_MAX; 1 for an output that is no file */
    const struct sower_model *model; /* which tensor is where, for the progress; NULL: not known */
    struct output *output;           /* open */
    struct progress *progress;       /* begun */
};

/* Fetches everything. *write_errno is set when bytes could not be written, which is the caller's to report;
 * everything else has been reported. */
enum sow_exit download_run(const struct download *download, int *write_errno);

#endif
