/* Entities: answers that have an entity tag and can be asked for in part.
 *
 * Whoever answers with one says its tag and size; here the conditions and the range of the request are
 * weighed, and the headers written that follow from them. */
#ifndef SOWER_SERVER_HTTP_ENTITY_H
#define SOWER_SERVER_HTTP_ENTITY_H

#include "server/http/exchange.h"
#include "server/http/range.h"

enum { SOWER_ETAG_SIZE = 16, SOWER_ETAG_TEXT = 2 * SOWER_ETAG_SIZE + 3 };

struct sower_entity {
    char etag[SOWER_ETAG_TEXT]; /* quoted */
    enum sower_range_outcome part;
    struct sower_range range; /* of the answer that is to be sent */
};

/* An answer of `size` bytes whose tag is made of 16 bytes. */
void sower_entity_make(struct sower_entity *entity, struct sower_exchange *exchange,
                       const uint8_t tag[SOWER_ETAG_SIZE], uint64_t size);

/* Weighs conditions and range; they are for GET, and HEAD takes the conditions, as RFC 9110 has it. True when
 * the answer is to be sent; otherwise another one was, and *result is what the step has to return. */
bool sower_entity_weigh(struct sower_entity *entity, struct sower_exchange *exchange,
                        enum MHD_Result *result);

/* Cache-Control, ETag, Accept-Ranges, and Content-Range for a part. */
void sower_entity_add_headers(const struct sower_entity *entity, const struct sower_exchange *exchange,
                              struct MHD_Response **response);

/* 200 or 206. */
unsigned sower_entity_status(const struct sower_entity *entity);

/* A response without a body that announces the entity's: for HEAD. */
struct MHD_Response *sower_entity_head(const struct sower_entity *entity);

#endif
