/* Answers in JSON: read whole, up to a size that the caller knows, and told about when there is none. */
#ifndef SOWER_CLIENT_SOW_DAEMON_ASK_H
#define SOWER_CLIENT_SOW_DAEMON_ASK_H

#include <stddef.h>

#include <jansson.h>

#include "client/sow/daemon/http.h"
#include "proto/buffer.h"

/* Asks, and adds the text of the answer to `text`, which is empty; it must be JSON by its media type and have
 * at most `most` bytes. Anything else has been told. The caller releases the text in either case, and may
 * still report `answer`. */
enum sow_exit ask_text(const struct options *options, const struct http_question *question, size_t most,
                       struct sower_buffer *text, struct http_response *answer);

/* The same for one object. NULL when there is none, which has been told then; *result is the status to exit
 * with. */
json_t *ask_json(const struct options *options, const struct http_question *question, size_t most,
                 struct http_response *answer, enum sow_exit *result);

#endif
