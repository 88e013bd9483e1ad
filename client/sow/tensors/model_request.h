/* Models on the command line: the options that name one, and the request that they make.
 *
 * The manifest is read here first, by the daemon's own rules: what is wrong with it is told before anything
 * is asked, and where each tensor lies in the file is known. Then it is stored with the daemon, which must
 * find the same hash. */
#ifndef SOWER_CLIENT_SOW_TENSORS_MODEL_REQUEST_H
#define SOWER_CLIENT_SOW_TENSORS_MODEL_REQUEST_H

#include <stdbool.h>

#include <jansson.h>

#include "client/sow/options.h"
#include "proto/fields.h"
#include "proto/hex.h"
#include "proto/model.h"
#include "proto/record.h"

enum { MODEL_PAIRS_MAX = 8 };

/* The options: which model, which part of it. */
extern const struct option_group model_options, model_options_choice;

struct model_request {
    const struct options *options;
    bool quiet;               /* no warnings */
    json_t *manifest;         /* as it is sent */
    char *text;               /* the same, printed */
    json_t *asked;            /* experiment, trial and spec, as texts */
    struct sower_model model; /* as derived here */
    char hash[SOWER_HEX_SIZE];
    struct sower_pair pairs[MODEL_PAIRS_MAX]; /* the fields of a GET for it */
    size_t pair_count;
};

/* Whether the command line names a model. */
bool model_request_given(const struct options *options);

/* Reads the options; what is wrong has been told. The request must not move; it is released with
 * model_request_free in either case. */
enum sow_exit model_request_read(struct model_request *request, const struct options *options, bool quiet);

/* Stores the manifest with the daemon. */
enum sow_exit model_request_store(const struct model_request *request);

void model_request_free(struct model_request *request);

#endif
