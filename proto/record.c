#include "proto/record.h"

#include <stdio.h>
#include <string.h>

#include "proto/hex.h"
#include "proto/number.h"
#include "proto/text.h"
#include "proto/time.h"

const char *sower_record_kind_name(enum sower_record_kind kind)
{
    static const char *const names[] = {
        [SOWER_RECORD_DRAW] = "draw",
        [SOWER_RECORD_TRIALS] = "trials",
        [SOWER_RECORD_PIN] = "pin",
        [SOWER_RECORD_UNPIN] = "unpin",
    };
    return names[kind];
}

/* A text that grows within a buffer that is large enough for it. */
struct line {
    char *text;
    size_t length;
};

static void append(struct line *line, const char *text)
{
    size_t length = strlen(text);
    memcpy(line->text + line->length, text, length + 1);
    line->length += length;
}

static void append_number(struct line *line, const char *before, uint64_t number)
{
    append(line, before);
    line->length += sower_number_print(number, line->text + line->length);
}

static void append_axes(struct line *line, const char *before, sower_axes axes)
{
    append(line, before);
    const char *separator = "";
    for (unsigned axis = 0; axis < SOWER_RANK_MAX; axis++) {
        if ((axes >> axis & 1) != 0) {
            append_number(line, separator, axis);
            separator = "+";
        }
    }
}

static void append_zeros(struct line *line, const char *before, const struct sower_zero_indices *indices)
{
    for (size_t i = 0; i < indices->count; i++) {
        append_number(line, i == 0 ? before : "+", indices->at[i]);
    }
}

static void print_shape(const struct sower_shape *shape, char text[SOWER_RECORD_SHAPE_MAX])
{
    struct line line = {text, 0};
    append(&line, "");
    for (size_t axis = 0; axis < shape->rank; axis++) {
        append_number(&line, axis == 0 ? "" : ",", shape->sizes[axis]);
    }
}

static void print_layout(const struct sower_layout *layout, char text[SOWER_RECORD_LAYOUT_MAX])
{
    struct line line = {text, 0};
    append(&line, sower_layout_name(layout->order));
    if (layout->has_in_axes) {
        append_axes(&line, ",in_axis=", layout->in_axes);
    }
    if (layout->has_out_axes) {
        append_axes(&line, ",out_axis=", layout->out_axes);
    }
    if (layout->batch_axes != 0) {
        append_axes(&line, ",batch_axis=", layout->batch_axes);
    }
    if (layout->fan_in != 0) {
        append_number(&line, ",fan_in=", layout->fan_in);
    }
    if (layout->fan_out != 0) {
        append_number(&line, ",fan_out=", layout->fan_out);
    }
    append_zeros(&line, ",zero_rows=", &layout->zeros.rows);
    append_zeros(&line, ",zero_columns=", &layout->zeros.columns);
}

void sower_record_of(const struct sower_request *request, struct sower_record *record)
{
    const struct sower_draw *draw = &request->draw;
    memset(record, 0, sizeof *record);
    record->kind = SOWER_RECORD_DRAW;
    record->draw = sower_draw_id(draw);
    record->seed = request->seed;
    record->root_id = draw->root_id;
    record->spec = SOWER_SPEC;
    memcpy(record->experiment, draw->experiment, sizeof record->experiment);
    record->trial = draw->trial;
    memcpy(record->name, draw->name, sizeof record->name);
    print_shape(&draw->shape, record->shape);
    snprintf(record->dtype, sizeof record->dtype, "%s", sower_dtype_name(draw->dtype));
    /* always fits: at most six named parameters of at most 24 digits */
    (void)sower_expression_print(&draw->initializer, record->initializer, sizeof record->initializer);
    print_layout(&draw->layout, record->layout);
}

/* "3,4" as [3,4]; NULL when memory runs out or the text is not a shape. */
static json_t *shape_json(const char *text)
{
    json_t *shape = json_array();
    while (shape != NULL && *text != '\0') {
        size_t length = strcspn(text, ",");
        int64_t size;
        if (!sower_text_integer(text, length, &size) ||
            json_array_append_new(shape, json_integer(size)) != 0) {
            json_decref(shape);
            return NULL;
        }
        text += length + (text[length] == ',' ? 1 : 0);
    }
    return shape;
}

/* Adds the members of `more`, which it takes over, to `line`; false when memory ran out for one of them. */
static bool add(json_t *line, json_t *more)
{
    bool added = line != NULL && more != NULL && json_object_update(line, more) == 0;
    json_decref(more);
    return added;
}

static bool add_hex(json_t *line, const char *key, const uint8_t bytes[32])
{
    char hex[SOWER_HEX_SIZE];
    sower_hex_print(bytes, hex);
    return json_object_set_new(line, key, json_string(hex)) == 0;
}

static bool add_draw(json_t *line, const struct sower_record *record)
{
    return add_hex(line, "draw", record->draw.bytes) && add_hex(line, "seed", record->seed.bytes) &&
           add_hex(line, "root", record->root_id.bytes) &&
           add(line, json_pack("{s:i, s:s, s:I, s:s, s:o, s:s, s:s, s:s}", "spec", (int)record->spec,
                               "experiment", record->experiment, "trial", (json_int_t)record->trial, "name",
                               record->name, "shape", shape_json(record->shape), "dtype", record->dtype,
                               "init", record->initializer, "layout", record->layout)) &&
           (!record->has_manifest || add_hex(line, "manifest", record->manifest)) &&
           (record->drift == 0 ||
            json_object_set_new(line, "drift", json_integer((json_int_t)record->drift)) == 0);
}

static bool add_trials(json_t *line, const struct sower_record *record)
{
    return add(line, json_pack("{s:I, s:I}", "trial", (json_int_t)record->trial, "count",
                               (json_int_t)record->count)) &&
           (record->key[0] == '\0' || json_object_set_new(line, "key", json_string(record->key)) == 0);
}

static bool add_rest(json_t *line, const struct sower_record *record)
{
    if (record->kind == SOWER_RECORD_DRAW) {
        return add_draw(line, record);
    }
    return add_hex(line, "root", record->root_id.bytes) &&
           json_object_set_new(line, "experiment", json_string(record->experiment)) == 0 &&
           (record->kind != SOWER_RECORD_TRIALS || add_trials(line, record));
}

static bool add_place(json_t *line, const struct sower_link *place)
{
    return add_hex(line, "writer", place->writer) &&
           json_object_set_new(line, "sequence", json_integer((json_int_t)place->sequence)) == 0 &&
           add_hex(line, "link", place->link);
}

json_t *sower_record_json(const struct sower_record *record)
{
    char time[SOWER_TIME_SIZE];
    bool written = record->ledger != 0;
    sower_time_print(record->time, time);
    json_t *line = json_object();
    bool whole =
        line != NULL &&
        (!written || add(line, json_pack("{s:I, s:s, s:s}", "ledger", (json_int_t)record->ledger, "time",
                                         time, "kind", sower_record_kind_name(record->kind)))) &&
        add_rest(line, record) && (!written || add_place(line, &record->place));
    if (!whole) {
        json_decref(line);
        return NULL;
    }
    return line;
}
