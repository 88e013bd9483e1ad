/* The warnings of a manifest (SPEC.md, section 14), as one text: in the header Sower-Warning and in the log. */
#ifndef SOWER_SERVER_HANDLERS_WARNINGS_H
#define SOWER_SERVER_HANDLERS_WARNINGS_H

#include <jansson.h>

#include "server/base/log.h"
#include "server/http/exchange.h"

/* `warnings` is an array of sentences, or NULL. Without sentences, these do nothing. Long texts are cut. */
void sower_warnings_add_header(struct MHD_Response **response, const json_t *warnings);
void sower_warnings_log(struct sower_log_line *line, const json_t *warnings);

#endif
