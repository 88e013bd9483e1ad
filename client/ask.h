/* Answers in JSON: read whole, and told about when there is none. */
#ifndef SOW_ASK_H
#define SOW_ASK_H

#include <stddef.h>

#include <jansson.h>

#include "../proto/buffer.h"
#include "http.h"

/* Asks and returns the object of the answer, of at most `most` bytes. NULL when the daemon refused, could not
 * be reached or answered something else, which has been told then; *result is the status to exit with. A
 * caller who misses something in the object may still report `answer`. */
json_t *ask_json(const struct options *options, const struct http_question *question, size_t most,
                 struct http_answer *answer, enum sow_exit *result);

/* The object in a body that has come, NULL as above: memory has run out, or the body is something else, which
 * `wrong` tells, a clause for report_stranger. */
json_t *ask_read(const struct options *options, const struct http_answer *answer,
                 const struct sower_buffer *body, const char *wrong, enum sow_exit *result);

#endif
