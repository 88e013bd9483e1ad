/* Purposes: other randomness of a trial, such as the order of the data or dropout.
 *
 * A purpose is a name of 1 to SOWER_PURPOSE_MAX bytes of UTF-8. It has one number for each trial (core/seed.h). A
 * response gives the number as decimal text, because many readers of JSON round numbers above 2^53. */
#ifndef SOWER_PROTO_PURPOSES_H
#define SOWER_PROTO_PURPOSES_H

#include <stdbool.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "core/seed.h"

enum { SOWER_PURPOSES_MAX = 64 }; /* in one request */

/* Reads the field `purposes`: an array of names; from pairs a text with commas between the names. *purposes is a
 * new array of strings (json_decref); after a problem it is NULL. */
SOWER_MUST_USE bool sower_purposes_read(const json_t *value, bool from_pairs, json_t **purposes,
                                        struct sower_problem *problem);

/* {"data":"1234", …}: the numbers of the purposes under a trial's seed. A new object; NULL when memory runs out. */
json_t *sower_purposes_json(const json_t *purposes, const struct sower_seed *trial);

#endif
