/* Forms: what many tensors of a model have in common.
 *
 * A model of a million tensors has a few hundred different combinations of shape, initializer and layout. So each
 * combination exists once, about 300 bytes, and the tensors that have it point to it. A form does not move or change
 * until all forms are released. */
#ifndef SOWER_PROTO_FORMS_H
#define SOWER_PROTO_FORMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/catalogue.h"
#include "core/layout.h"
#include "core/problem.h"
#include "core/shape.h"

/* The most different forms; so the forms of a manifest take at most 45 MB. */
enum { SOWER_FORMS_MAX = 1 << 17 };

/* Fields of a request that describe a tensor, without the plan. */
struct sower_form {
    struct sower_shape shape;
    struct sower_initializer initializer;
    struct sower_layout layout;
    bool structured; /* its plan has a structure, and so may have a cost (core/source.h) */
};

struct sower_forms_block;

/* All zeros: no forms. */
struct sower_forms {
    size_t count;
    struct sower_forms_block *blocks; /* they hold the forms */
    const struct sower_form **table;  /* a hash table with open addressing; empty places are NULL */
    size_t table_size;                /* a power of two, at least twice `count` */
    uint8_t key[16];                  /* of the table's hashes */
};

/* The one form with these fields; made if it does not exist yet. NULL with a problem when memory runs out or there would
 * be more than SOWER_FORMS_MAX forms (TOO_LARGE, field "tensors"). */
SOWER_MUST_USE const struct sower_form *
sower_forms_find(struct sower_forms *forms, const struct sower_form *fields, struct sower_problem *problem);

SOWER_MUST_USE bool sower_form_same(const struct sower_form *one, const struct sower_form *other);

/* Bytes that the forms take. */
SOWER_MUST_USE size_t sower_forms_memory(const struct sower_forms *forms);

void sower_forms_free(struct sower_forms *forms);

#endif
