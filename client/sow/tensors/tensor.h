/* Tensor requests on the command line: the options that name a tensor, and the request that they form.
 *
 * Each option is one field of the request (--in-axis for in_axis). Here only missing options are reported;
 * the values are parsed by the request parser of proto, as in the daemon. So sow knows what to expect
 * before it asks the daemon. */
#ifndef SOWER_CLIENT_SOW_TENSORS_TENSOR_H
#define SOWER_CLIENT_SOW_TENSORS_TENSOR_H

#include <stdbool.h>
#include <stddef.h>

#include "client/sow/options.h"
#include "core/attributes.h"
#include "proto/fields.h"
#include "proto/request.h"

enum { TENSOR_FIELD_MAX = 24 };

struct tensor_fields {
    struct sower_pair pairs[TENSOR_FIELD_MAX]; /* they point into the command line */
    size_t count;
};

/* The options in four groups: the draw, its fans, its zeros, and the region and format of the response. */
extern const struct option_group tensor_options_draw, tensor_options_fans, tensor_options_zeros,
    tensor_options_response;

/* Collects the fields that were given. False when a required one is missing, which is reported. */
SOWER_MUST_USE bool tensor_collect(const struct options *options, struct tensor_fields *fields);

/* The same with values for options that are not given. A value may be NULL: then the option has none. */
struct tensor_default {
    const char *option, *value;
};
SOWER_MUST_USE bool tensor_collect_with(const struct options *options, const struct tensor_default *defaults,
                                        size_t count, struct tensor_fields *fields);

/* Parses the fields as the daemon does, under the root of --root-key-file if the command has that option
 * and it is given, else under the public root. Problems are reported. If the root is private, the caller
 * wipes the seed in the request. */
SOWER_MUST_USE enum sow_exit tensor_request(const struct options *options, const struct tensor_fields *fields,
                                            struct sower_request *request);

#endif
