/* Entities: responses with an entity tag, whose bytes can be requested in part (RFC 9110, sections 13 and
 * 14).
 *
 * The handler sets the tag and the size. The functions here evaluate the conditions and the range of the
 * request, and add the headers that follow from them. */
#ifndef SOWER_SERVER_HTTP_ENTITY_H
#define SOWER_SERVER_HTTP_ENTITY_H

#include "core/attributes.h"
#include "server/http/exchange.h"
#include "server/http/range.h"

enum { SOWER_ETAG_SIZE = 16, SOWER_ETAG_TEXT = 2 * SOWER_ETAG_SIZE + 3 };

struct sower_entity {
    char etag[SOWER_ETAG_TEXT]; /* quoted */
    enum sower_range_outcome part;
    struct sower_range range; /* the bytes to send */
    bool replaced_later;      /* other bytes may come under this address, so caches ask before each use */
};

/* An entity of `size` bytes that never changes. Its tag is `tag` in hex. Sets exchange->whole_size. */
void sower_entity_make(struct sower_entity *entity, struct sower_exchange *exchange,
                       const uint8_t tag[SOWER_ETAG_SIZE], uint64_t size);

/* Evaluates the conditions (GET and HEAD) and the range (GET), as RFC 9110 requires. True: send the entity.
 * False: another response was sent, and the step returns *result. */
SOWER_MUST_USE bool sower_entity_evaluate(struct sower_entity *entity, struct sower_exchange *exchange,
                                          enum MHD_Result *result);

/* Adds Cache-Control, ETag, Accept-Ranges, and for a part Content-Range. */
void sower_entity_add_headers(const struct sower_entity *entity, const struct sower_exchange *exchange,
                              struct MHD_Response **response);

/* 200 or 206. */
unsigned sower_entity_status(const struct sower_entity *entity);

/* For HEAD: a response without a body, with the Content-Length of the entity. NULL when memory runs out. */
SOWER_MUST_USE struct MHD_Response *sower_entity_head(const struct sower_entity *entity);

#endif
