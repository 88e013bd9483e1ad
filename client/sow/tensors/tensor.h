/* Tensor requests on the command line: the options that name a tensor, and the request they make.
 *
 * Each option stands for one field of the request (--in-axis for in_axis). Only what is missing is judged
 * here: what the values mean is for the one parser in proto to say. It says it here before a daemon is asked,
 * so that what must come is known. */
#ifndef SOWER_CLIENT_SOW_TENSORS_TENSOR_H
#define SOWER_CLIENT_SOW_TENSORS_TENSOR_H

#include <stdbool.h>
#include <stddef.h>

#include "client/sow/options.h"
#include "proto/fields.h"
#include "proto/request.h"

enum { TENSOR_FIELD_MAX = 24 };

struct tensor_fields {
    struct sower_pair pairs[TENSOR_FIELD_MAX]; /* text of the command line */
    size_t count;
};

/* The options, in three groups: what the draw is called and is, how its shape is read, which part and form.
 */
extern const struct option_group tensor_options_draw, tensor_options_fans, tensor_options_answer;

/* The fields that were given. False when a required one is missing, which has been told then. */
bool tensor_collect(const struct options *options, struct tensor_fields *fields);

/* The request that the fields make, read here by the daemon's own rules, under the root of --root-key-file
 * where the command has that option and it is given, else under the public root. What is wrong has been told.
 * The caller wipes the request's seed where the root is private. */
enum sow_exit tensor_request(const struct options *options, const struct tensor_fields *fields,
                             struct sower_request *request);

#endif
