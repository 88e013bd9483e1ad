#include "proto/request.h"

#include <stdio.h>
#include <string.h>

#include "core/edit_distance.h"
#include "proto/expression.h"
#include "proto/format.h"
#include "proto/safetensors.h"
#include "proto/slice.h"
#include "proto/text.h"

/* The state of reading one request. Its fields are read in the order of the table below. */
struct reading {
    bool from_pairs;
    const struct field *field; /* the current field */
    const json_t *value;       /* its value; not JSON null, and empty text only if the field may be empty */
    struct sower_request *request;
    struct sower_problem *problem;
    bool sliced, sharded;
};

/* One field of a request. */
struct field {
    const char *name;
    bool required;
    bool may_be_empty;   /* as text: the empty shape is a scalar's */
    const char *meaning; /* describes a correct value, for a sentence: "… must be <meaning>" */
    const char *query;   /* an example in each form */
    const char *json;
    bool (*read)(struct reading *reading);
};

static const char *example(const struct reading *reading)
{
    return reading->from_pairs ? reading->field->query : reading->field->json;
}

/* Refuses the current value: says what it must be, and quotes it. */
static bool refuse(const struct reading *reading)
{
    char quote[SOWER_QUOTE_SIZE];
    sower_text_quote_json(reading->value, quote);
    return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, reading->field->name,
                             "%s must be %s, for example %s; %s was given.", reading->field->name,
                             reading->field->meaning, example(reading), quote);
}

/* Reads a whole number: decimal text in a query, a JSON integer in JSON. */
static bool whole_number(const struct reading *reading, const json_t *value, int64_t *number)
{
    if (reading->from_pairs) {
        return sower_text_integer(json_string_value(value), json_string_length(value), number);
    }
    *number = json_integer_value(value);
    return json_is_integer(value);
}

/* A part of a text. */
struct span {
    const char *start, *end;
};

static struct span trim(struct span span)
{
    while (span.start < span.end && *span.start == ' ') {
        span.start++;
    }
    while (span.start < span.end && span.end[-1] == ' ') {
        span.end--;
    }
    return span;
}

/* Takes off an opening text and a closing character, with the blanks inside of them. False if they are not there. */
static bool unwrap(struct span *span, const char *open, char close)
{
    size_t opening = strlen(open), length = (size_t)(span->end - span->start);
    if (length <= opening || memcmp(span->start, open, opening) != 0 || span->end[-1] != close) {
        return false;
    }
    *span = trim((struct span){span->start + opening, span->end - 1});
    return true;
}

/* Finds the list of sizes in the text of a shape: `4,3`, or as Python prints a shape: `[4, 3]`, `(4, 3)`, `(4,)`,
 * `torch.Size([4, 3])`. False if there is none. A text of blanks alone is not a scalar's shape. */
static bool find_sizes(struct span *span)
{
    bool empty = span->start == span->end;
    *span = trim(*span);
    bool torch = unwrap(span, "torch.Size(", ')');
    bool wrapped = unwrap(span, "[", ']') || (!torch && unwrap(span, "(", ')'));
    if (!wrapped) {
        return !torch && (empty || span->start < span->end);
    }
    if (span->start < span->end && span->end[-1] == ',') {
        *span = trim((struct span){span->start, span->end - 1});
        return span->start < span->end;
    }
    return true;
}

/* Reads at most `limit` whole numbers, separated by commas; `blanks` allows blanks around them. Returns how many
 * there are, which may be more than `limit`, or -1 with no list of whole numbers. */
static long listed_numbers(struct span list, bool blanks, size_t limit, int64_t *numbers)
{
    long count = 0;
    while (list.start < list.end) {
        const char *comma = memchr(list.start, ',', (size_t)(list.end - list.start));
        struct span word = {list.start, comma == NULL ? list.end : comma};
        word = blanks ? trim(word) : word;
        int64_t number;
        if (!sower_text_integer(word.start, (size_t)(word.end - word.start), &number) ||
            comma == list.end - 1) {
            return -1;
        }
        if ((size_t)count < limit) {
            numbers[count] = number;
        }
        count++;
        list.start = comma == NULL ? list.end : comma + 1;
    }
    return count;
}

/* The same for a JSON array. */
static long array_numbers(const struct reading *reading, size_t limit, int64_t *numbers)
{
    for (size_t i = 0; i < json_array_size(reading->value) && i < limit; i++) {
        if (!whole_number(reading, json_array_get(reading->value, i), &numbers[i])) {
            return -1;
        }
    }
    return json_is_array(reading->value) ? (long)json_array_size(reading->value) : -1;
}

static struct span value_span(const struct reading *reading)
{
    const char *text = json_string_value(reading->value);
    return (struct span){text, text + json_string_length(reading->value)};
}

/* Reads the numbers of a field: in JSON an array, or one number alone; in a query a list. */
static long whole_numbers(const struct reading *reading, size_t limit, int64_t *numbers)
{
    if (reading->from_pairs) {
        return json_is_string(reading->value) ? listed_numbers(value_span(reading), false, limit, numbers)
                                              : -1;
    }
    return whole_number(reading, reading->value, numbers) ? 1 : array_numbers(reading, limit, numbers);
}

/* Reads the sizes of a shape: in JSON an array, in a query a list, as find_sizes says. */
static long shape_sizes(const struct reading *reading, int64_t sizes[SOWER_RANK_MAX])
{
    if (!reading->from_pairs) {
        return array_numbers(reading, SOWER_RANK_MAX, sizes);
    }
    if (!json_is_string(reading->value)) {
        return -1;
    }
    struct span list = value_span(reading);
    return find_sizes(&list) ? listed_numbers(list, true, SOWER_RANK_MAX, sizes) : -1;
}

/* Reads text of 1 to `limit` bytes. */
static bool read_text(const struct reading *reading, size_t limit, char *text)
{
    if (!json_is_string(reading->value)) {
        return refuse(reading);
    }
    size_t length = json_string_length(reading->value);
    if (length > limit) {
        return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, reading->field->name,
                                 "%s has %zu bytes; it may have at most %zu.", reading->field->name, length,
                                 limit);
    }
    memcpy(text, json_string_value(reading->value), length + 1);
    return true;
}

static bool read_experiment(struct reading *reading)
{
    return read_text(reading, SOWER_EXPERIMENT_MAX, reading->request->draw.experiment);
}

static bool read_trial(struct reading *reading)
{
    int64_t trial;
    if (!whole_number(reading, reading->value, &trial) || trial < 0) {
        return refuse(reading);
    }
    reading->request->draw.trial = (uint64_t)trial;
    return true;
}

static bool read_name(struct reading *reading)
{
    return read_text(reading, SOWER_NAME_MAX, reading->request->draw.name);
}

static bool read_shape(struct reading *reading)
{
    int64_t sizes[SOWER_RANK_MAX];
    long rank = shape_sizes(reading, sizes);
    if (rank < 0) {
        return refuse(reading);
    }
    if (!sower_shape_check_rank((size_t)rank, reading->problem)) {
        return false;
    }
    struct sower_shape *shape = &reading->request->draw.shape;
    shape->rank = (size_t)rank;
    for (long axis = 0; axis < rank; axis++) {
        if (sizes[axis] < 0) {
            return refuse(reading);
        }
        shape->sizes[axis] = (uint64_t)sizes[axis];
    }
    return true;
}

static bool read_initializer(struct reading *reading)
{
    struct sower_initializer *initializer = &reading->request->draw.initializer;
    if (json_is_object(reading->value)) {
        return sower_expression_from_json(reading->value, initializer, reading->problem);
    }
    if (!json_is_string(reading->value)) {
        return refuse(reading);
    }
    return sower_expression_parse(json_string_value(reading->value), json_string_length(reading->value),
                                  initializer, reading->problem);
}

static bool read_dtype(struct reading *reading)
{
    const char *name = json_string_value(reading->value);
    return (name != NULL && sower_dtype_parse(name, &reading->request->draw.dtype)) || refuse(reading);
}

static bool read_layout(struct reading *reading)
{
    const char *name = json_string_value(reading->value);
    for (enum sower_layout_order order = SOWER_LAYOUT_OI; order <= SOWER_LAYOUT_IO; order++) {
        if (name != NULL && strcmp(name, sower_layout_name(order)) == 0) {
            reading->request->draw.layout.order = order;
            return true;
        }
    }
    return refuse(reading);
}

/* Reads axes of the shape, which the table has before them; negative axes count from the last. */
static bool read_axes(struct reading *reading, sower_axes *axes)
{
    int64_t numbers[SOWER_RANK_MAX];
    int64_t rank = (int64_t)reading->request->draw.shape.rank;
    long count = whole_numbers(reading, SOWER_RANK_MAX, numbers);
    if (count <= 0) {
        return refuse(reading);
    }
    *axes = 0;
    for (long i = 0; i < count && i < SOWER_RANK_MAX; i++) {
        if (numbers[i] < -rank || numbers[i] >= rank) {
            return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, reading->field->name,
                                     "There is no axis %lld: the shape has %lld axes.", (long long)numbers[i],
                                     (long long)rank);
        }
        sower_axes axis = (sower_axes)(1u << (numbers[i] < 0 ? numbers[i] + rank : numbers[i]));
        if ((*axes & axis) != 0) {
            return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, reading->field->name,
                                     "%s names axis %lld twice.", reading->field->name,
                                     (long long)numbers[i]);
        }
        *axes |= axis;
    }
    /* cannot be more: a shape has at most SOWER_RANK_MAX different axes */
    return count <= SOWER_RANK_MAX || refuse(reading);
}

static bool read_in_axis(struct reading *reading)
{
    reading->request->draw.layout.has_in_axes = true;
    return read_axes(reading, &reading->request->draw.layout.in_axes);
}

static bool read_out_axis(struct reading *reading)
{
    reading->request->draw.layout.has_out_axes = true;
    return read_axes(reading, &reading->request->draw.layout.out_axes);
}

static bool read_batch_axis(struct reading *reading)
{
    return read_axes(reading, &reading->request->draw.layout.batch_axes);
}

static bool read_fan(struct reading *reading, uint64_t *fan)
{
    int64_t number;
    if (!whole_number(reading, reading->value, &number) || number < 1) {
        return refuse(reading);
    }
    *fan = (uint64_t)number;
    return true;
}

static bool read_fan_in(struct reading *reading)
{
    return read_fan(reading, &reading->request->draw.layout.fan_in);
}

static bool read_fan_out(struct reading *reading)
{
    return read_fan(reading, &reading->request->draw.layout.fan_out);
}

/* Reads rows or columns of the shape; negative ones count from the last. */
static bool read_zeros(struct reading *reading,
                       bool (*set)(struct sower_zeros *zeros, const struct sower_shape *shape,
                                   const int64_t *indices, size_t count, struct sower_problem *problem))
{
    int64_t numbers[SOWER_ZEROS_MAX];
    struct sower_draw *draw = &reading->request->draw;
    long count = whole_numbers(reading, SOWER_ZEROS_MAX, numbers);
    return count > 0 ? set(&draw->layout.zeros, &draw->shape, numbers, (size_t)count, reading->problem)
                     : refuse(reading);
}

static bool read_zero_rows(struct reading *reading)
{
    return read_zeros(reading, sower_zeros_set_rows);
}

static bool read_zero_columns(struct reading *reading)
{
    return read_zeros(reading, sower_zeros_set_columns);
}

static bool read_slice(struct reading *reading)
{
    if (!json_is_string(reading->value)) {
        return refuse(reading);
    }
    reading->sliced = true;
    return sower_slice_parse(json_string_value(reading->value), json_string_length(reading->value),
                             &reading->request->draw.shape, &reading->request->region, reading->problem);
}

static bool read_shard(struct reading *reading)
{
    if (!json_is_string(reading->value)) {
        return refuse(reading);
    }
    if (reading->sliced) {
        return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, "shard",
                                 "A request may have a slice or a shard, not both.");
    }
    reading->sharded = true;
    return sower_shard_parse(json_string_value(reading->value), json_string_length(reading->value),
                             &reading->request->draw.shape, &reading->request->region, reading->problem);
}

static bool read_format(struct reading *reading)
{
    const char *name = json_string_value(reading->value);
    for (enum sower_format format = SOWER_FORMAT_NPY; format <= SOWER_FORMAT_SAFETENSORS; format++) {
        if (name != NULL && strcmp(name, sower_format_name(format)) == 0) {
            reading->request->format = format;
            return true;
        }
    }
    return refuse(reading);
}

static bool read_spec(struct reading *reading)
{
    int64_t spec;
    return (whole_number(reading, reading->value, &spec) && spec == SOWER_SPEC) || refuse(reading);
}

/* All fields, in the order in which they are read and checked. The shape comes before the fields that refer to its
 * axes. */
static const struct field FIELDS[] = {
    {.name = "experiment",
     .required = true,
     .meaning = "text that names the experiment, 1 to 256 bytes of UTF-8",
     .query = "experiment=exp-42",
     .json = "\"experiment\":\"exp-42\"",
     .read = read_experiment},
    {.name = "trial",
     .meaning = "a whole number from 0 to 9223372036854775807, in plain decimal digits",
     .query = "trial=7",
     .json = "\"trial\":7",
     .read = read_trial},
    {.name = "name",
     .required = true,
     .meaning = "text that names the tensor, 1 to 512 bytes of UTF-8",
     .query = "name=layers.0.weight",
     .json = "\"name\":\"layers.0.weight\"",
     .read = read_name},
    {.name = "shape",
     .required = true,
     .may_be_empty = true,
     .meaning = "the sizes of the axes, whole numbers from 0 to 9223372036854775807 (none for a scalar)",
     .query = "shape=4096,1024",
     .json = "\"shape\":[4096,1024]",
     .read = read_shape},
    {.name = "init",
     .required = true,
     .meaning = "an initializer",
     .query = "init=normal(std=0.02)",
     .json = "\"init\":\"normal(std=0.02)\" or \"init\":{\"type\":\"normal\",\"std\":0.02}",
     .read = read_initializer},
    {.name = "dtype",
     .meaning = "one of f64, f32, f16, bf16, f8_e4m3, f8_e5m2 (or a framework's name for one, such as "
                "torch.bfloat16)",
     .query = "dtype=bf16",
     .json = "\"dtype\":\"bf16\"",
     .read = read_dtype},
    {.name = "layout",
     .meaning = "oi (out, in, spatial: PyTorch) or io (spatial, in, out: Keras, JAX)",
     .query = "layout=io",
     .json = "\"layout\":\"io\"",
     .read = read_layout},
    {.name = "in_axis",
     .meaning = "one or more axes of the shape, negative ones counted from the last",
     .query = "in_axis=-2",
     .json = "\"in_axis\":[0,1]",
     .read = read_in_axis},
    {.name = "out_axis",
     .meaning = "one or more axes of the shape, negative ones counted from the last",
     .query = "out_axis=-1",
     .json = "\"out_axis\":[-1]",
     .read = read_out_axis},
    {.name = "batch_axis",
     .meaning = "one or more axes of the shape, negative ones counted from the last",
     .query = "batch_axis=0",
     .json = "\"batch_axis\":0",
     .read = read_batch_axis},
    {.name = "fan_in",
     .meaning = "a whole number from 1 to 9223372036854775807, in plain decimal digits",
     .query = "fan_in=1024",
     .json = "\"fan_in\":1024",
     .read = read_fan_in},
    {.name = "fan_out",
     .meaning = "a whole number from 1 to 9223372036854775807, in plain decimal digits",
     .query = "fan_out=4096",
     .json = "\"fan_out\":4096",
     .read = read_fan_out},
    {.name = "zero_rows",
     .meaning = "one or more indices of the first axis, negative ones counted from the last",
     .query = "zero_rows=0",
     .json = "\"zero_rows\":[0]",
     .read = read_zero_rows},
    {.name = "zero_columns",
     .meaning = "one or more indices of the last axis, negative ones counted from the last",
     .query = "zero_columns=0,-1",
     .json = "\"zero_columns\":[0,-1]",
     .read = read_zero_columns},
    {.name = "slice",
     .meaning = "one start:stop for each axis, separated by commas",
     .query = "slice=0:512,:",
     .json = "\"slice\":\"0:512,:\"",
     .read = read_slice},
    {.name = "shard",
     .meaning = "axis:rank/count, several separated by commas",
     .query = "shard=0:3/8",
     .json = "\"shard\":\"0:3/8\"",
     .read = read_shard},
    {.name = "format",
     .meaning = "npy, raw or safetensors",
     .query = "format=raw",
     .json = "\"format\":\"raw\"",
     .read = read_format},
    {.name = "spec",
     .meaning = "1, the only version of the contract so far",
     .query = "spec=1",
     .json = "\"spec\":1",
     .read = read_spec},
};

enum { FIELD_COUNT = sizeof FIELDS / sizeof FIELDS[0] };

static const struct field *find_field(const char *name)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (strcmp(FIELDS[i].name, name) == 0) {
            return &FIELDS[i];
        }
    }
    return NULL;
}

/* Refuses the first field, in the order given, that is not in the table. */
static bool check_names(const json_t *fields, struct sower_problem *problem)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)fields, name, value)
    {
        if (find_field(name) != NULL) {
            continue;
        }
        char quote[SOWER_QUOTE_SIZE], suggestion[SOWER_SUGGESTION_SIZE];
        char known[240] = "";
        size_t length = 0;
        struct sower_nearest nearest = {.name = name};
        for (size_t i = 0; i < FIELD_COUNT; i++) {
            sower_nearest_try(&nearest, FIELDS[i].name);
            length += (size_t)snprintf(known + length, sizeof known - length, "%s%s", i == 0 ? "" : ", ",
                                       FIELDS[i].name);
        }
        sower_text_quote(name, strlen(name), quote);
        sower_nearest_suggestion(nearest.found, "\"", "\"", suggestion);
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, name,
                                 "There is no field %s%s The fields are %s.", quote, suggestion, known);
    }
    return true;
}

/* Reads the current field, or accepts that it is missing. */
static bool read_field(struct reading *reading)
{
    const struct field *field = reading->field;
    if (reading->value == NULL && !field->required) {
        return true;
    }
    bool empty = json_is_string(reading->value) && json_string_length(reading->value) == 0;
    const char *fault = reading->value == NULL            ? "is missing"
                        : json_is_null(reading->value)    ? "has no value"
                        : (empty && !field->may_be_empty) ? "is empty"
                                                          : NULL;
    if (fault != NULL) {
        return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, field->name,
                                 "%s %s; it must be %s, for example %s.", field->name, fault, field->meaning,
                                 example(reading));
    }
    return field->read(reading);
}

/* Checks the combination of the fields and computes the rest of the request. */
static bool resolve(struct sower_request *request, const struct sower_seed *root, bool cut,
                    struct sower_problem *problem)
{
    struct sower_draw *draw = &request->draw;
    if (!sower_shape_check(&draw->shape, draw->dtype, problem) ||
        !sower_layout_check(&draw->layout, &draw->shape, problem) ||
        !sower_plan_make(&draw->initializer, &draw->shape, draw->dtype, &draw->layout, &request->plan,
                         problem)) {
        return false;
    }
    if (request->format == SOWER_FORMAT_SAFETENSORS && strcmp(draw->name, SOWER_SAFETENSORS_METADATA) == 0) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "name",
            "A tensor of a safetensors file cannot be called \"%s\": the format reserves that name.",
            SOWER_SAFETENSORS_METADATA);
    }
    if (!cut) {
        request->region = sower_region_whole(&draw->shape);
    }
    if (root != NULL) {
        draw->root_id = sower_seed_root_id(root);
        request->seed = sower_draw_seed(draw, root);
    }
    return true;
}

bool sower_request_parse(const json_t *fields, bool from_pairs, const struct sower_seed *root,
                         struct sower_request *request, struct sower_problem *problem)
{
    struct reading reading = {.from_pairs = from_pairs, .request = request, .problem = problem};
    memset(request, 0, sizeof *request);
    request->draw.dtype = SOWER_F32;
    if (!check_names(fields, problem)) {
        return false;
    }
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        reading.field = &FIELDS[i];
        reading.value = json_object_get(fields, FIELDS[i].name);
        if (!read_field(&reading)) {
            return false;
        }
    }
    return resolve(request, root, reading.sliced || reading.sharded, problem);
}
