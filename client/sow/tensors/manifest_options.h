/* The options that change a manifest: how the tensors of a model are initialized. An option replaces what the manifest
 * says, or adds to it. */
#ifndef SOWER_CLIENT_SOW_TENSORS_MANIFEST_OPTIONS_H
#define SOWER_CLIENT_SOW_TENSORS_MANIFEST_OPTIONS_H

#include <stdbool.h>

#include <jansson.h>

#include "client/sow/options.h"
#include "core/attributes.h"

extern const struct option_group manifest_options;

/* The first of these options that is given, for commands where they do not apply; NULL: none. */
const char *manifest_options_given(const struct options *options);

/* Applies the options to *manifest, which is an object. Mistakes are reported. *manifest may become NULL when memory runs
 * out. */
SOWER_MUST_USE enum sow_exit manifest_options_apply(const struct options *options, json_t **manifest);

#endif
