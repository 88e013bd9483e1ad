/* Models on the command line: the options that name a model, and the requests for it.
 *
 * sow reads the manifest by the rules of the daemon. So it reports a wrong manifest before any request, and
 * it knows where each tensor is in the file. Then it stores the manifest with the daemon, which must find
 * the same hash. */
#ifndef SOWER_CLIENT_SOW_TENSORS_MODEL_REQUEST_H
#define SOWER_CLIENT_SOW_TENSORS_MODEL_REQUEST_H

#include <stdbool.h>

#include <jansson.h>

#include "client/sow/options.h"
#include "core/attributes.h"
#include "proto/fields.h"
#include "proto/hex.h"
#include "proto/model.h"
#include "proto/record.h"

enum { MODEL_PAIRS_MAX = 8 };

/* The options that name the model, and those that choose a part of it. */
extern const struct option_group model_options, model_options_choice;

struct model_request {
    const struct options *options;
    bool quiet;               /* print no warnings */
    const json_t *metadata;   /* of a file; NULL: none */
    json_t *manifest;         /* the manifest as sent */
    char *text;               /* the manifest as text */
    json_t *asked;            /* experiment, trial and spec, as texts */
    struct sower_model model; /* the model as derived here */
    char hash[SOWER_HEX_SIZE];
    struct sower_pair pairs[MODEL_PAIRS_MAX]; /* the query fields of a GET */
    size_t pair_count;
};

/* Whether the command line names a model. */
bool model_request_given(const struct options *options);

/* Reads the options and derives the model. Mistakes are reported. The request must not move in memory. In
 * either case the caller releases it with model_request_free. */
SOWER_MUST_USE enum sow_exit model_request_read(struct model_request *request, const struct options *options,
                                                bool quiet);

/* The same for the model of a file. Its metadata (an object of texts, or NULL) says which experiment, trial, tensors, part
 * and shard or slices it has, where no option says so. `manifest` is an object, which the function takes over, or NULL:
 * then the options name it. */
SOWER_MUST_USE enum sow_exit model_request_read_file(struct model_request *request,
                                                     const struct options *options, const json_t *metadata,
                                                     json_t *manifest);

/* Reads which part of a model is chosen, by the options or else by the metadata of a file, which may be NULL. The texts stay
 * theirs; the caller releases choice->slices, also after a problem. */
SOWER_MUST_USE bool model_choice_read(const struct options *options, const json_t *metadata,
                                      struct sower_model_choice *choice, struct sower_problem *problem);

/* Stores the manifest with the daemon. Failures are reported. */
SOWER_MUST_USE enum sow_exit model_request_store(const struct model_request *request);

void model_request_free(struct model_request *request);

#endif
