/* Responses in JSON: requested, read up to a maximum size, and reported when something is wrong. */
#ifndef SOWER_CLIENT_SOW_DAEMON_ASK_H
#define SOWER_CLIENT_SOW_DAEMON_ASK_H

#include <stddef.h>

#include <jansson.h>

#include "client/sow/daemon/http.h"
#include "core/attributes.h"
#include "proto/buffer.h"

/* Sends a request and appends the text of the response to `text`, which must be empty. The response must have
 * the media type application/json and at most `most` bytes. Otherwise the function reports the problem on
 * stderr and returns the exit status. The caller frees the buffer in either case, and may use `response` for
 * its own reports. */
SOWER_MUST_USE enum sow_exit ask_text(const struct options *options, const struct http_request *request,
                                      size_t most, struct sower_buffer *text, struct http_response *response);

/* The same for a response that must be one JSON object. The caller releases the object. NULL after a failure,
 * which is reported then; *result is the exit status. */
SOWER_MUST_USE json_t *ask_json(const struct options *options, const struct http_request *request,
                                size_t most, struct http_response *response, enum sow_exit *result);

#endif
