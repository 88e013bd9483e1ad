#include "proto/precision.h"

#include <string.h>

#include "core/dtype.h"
#include "proto/fields.h"
#include "proto/record_read.h"

/* The draw of a record, without its root, as an f32 tensor. False with a problem when the record describes no
 * draw, or when memory runs out. */
static bool read_draw(const struct sower_record *record, struct sower_draw_id *id,
                      struct sower_problem *problem)
{
    struct sower_record_fields fields;
    struct sower_request request;
    json_t *object;
    sower_record_fields(record, &fields);
    bool read = sower_request_fields_from_pairs(fields.pairs, fields.count, &object, problem) &&
                sower_request_parse(object, true, NULL, &request, problem);
    json_decref(object);
    if (read) {
        memset(&request.draw.root_id, 0, sizeof request.draw.root_id);
        request.draw.dtype = SOWER_F32;
        *id = sower_draw_id(&request.draw);
    }
    return read;
}

/* Layouts that are written in two ways may be equal: "oi", and "oi" with the same axes given. */
static bool compare_layouts(const struct sower_record *first, const struct sower_record *draw, bool *same,
                            struct sower_problem *problem)
{
    struct sower_record other = *draw;
    struct sower_draw_id ids[2];
    memcpy(other.layout, first->layout, sizeof other.layout);
    bool read = read_draw(&other, &ids[0], problem) && read_draw(draw, &ids[1], problem);
    *same = read && memcmp(&ids[0], &ids[1], sizeof ids[0]) == 0;
    return read || problem->code != SOWER_PROBLEM_MEMORY;
}

static bool is_narrow(const char *name)
{
    enum sower_dtype dtype;
    return sower_dtype_parse(name, &dtype) && sower_dtype_word_size(dtype) == sizeof(uint32_t);
}

bool sower_precision_compare(const struct sower_record *first, const struct sower_record *draw, bool *same,
                             struct sower_problem *problem)
{
    *same = strcmp(first->shape, draw->shape) == 0 && strcmp(first->initializer, draw->initializer) == 0 &&
            (strcmp(first->dtype, draw->dtype) == 0 || (is_narrow(first->dtype) && is_narrow(draw->dtype)));
    return !*same || strcmp(first->layout, draw->layout) == 0 || compare_layouts(first, draw, same, problem);
}
