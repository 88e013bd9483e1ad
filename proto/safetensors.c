#include "proto/safetensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/hex.h"
#include "proto/json_walker.h"
#include "proto/record.h"
#include "proto/text.h"

enum { ALIGNMENT = 8, SIZE_BYTES = SOWER_SAFETENSORS_LENGTH_SIZE };

static const char *dtype_name(enum sower_dtype dtype)
{
    static const char *const names[SOWER_DTYPE_COUNT] = {
        [SOWER_F64] = "F64",   [SOWER_F32] = "F32",         [SOWER_F16] = "F16",
        [SOWER_BF16] = "BF16", [SOWER_F8_E4M3] = "F8_E4M3", [SOWER_F8_E5M2] = "F8_E5M2",
    };
    return names[dtype];
}

void sower_safetensors_open(struct sower_buffer *buffer)
{
    sower_buffer_bytes(buffer, "\0\0\0\0\0\0\0\0", SIZE_BYTES);
    sower_buffer_text(buffer, "{\"" SOWER_SAFETENSORS_METADATA "\":{");
}

void sower_safetensors_metadata(struct sower_buffer *buffer, const char *key, const char *value)
{
    bool first = !buffer->failed && buffer->text[buffer->length - 1] == '{';
    sower_buffer_text(buffer, first ? "" : ",");
    sower_buffer_string(buffer, key);
    sower_buffer_text(buffer, ":");
    sower_buffer_string(buffer, value);
}

bool sower_safetensors_is_reserved(const char *key)
{
    return strcmp(key, "format") == 0 || strncmp(key, "sower.", strlen("sower.")) == 0;
}

void sower_safetensors_draw(struct sower_buffer *buffer, const struct sower_draw *draw)
{
    char text[SOWER_HEX_SIZE];
    sower_safetensors_metadata(buffer, "format", "pt");
    sower_safetensors_metadata(buffer, "sower.experiment", draw->experiment);
    snprintf(text, sizeof text, "%" PRIu64, draw->trial);
    sower_safetensors_metadata(buffer, "sower.trial", text);
    sower_hex_print(draw->root_id.bytes, text);
    sower_safetensors_metadata(buffer, "sower.root", text);
    snprintf(text, sizeof text, "%d", SOWER_SPEC);
    sower_safetensors_metadata(buffer, "sower.spec", text);
}

void sower_safetensors_tensor(struct sower_buffer *buffer, const char *name, enum sower_dtype dtype,
                              const struct sower_shape *shape, uint64_t start, uint64_t stop)
{
    /* After the last value of the metadata its object is still open. A tensor ends with "}". */
    bool first = !buffer->failed && buffer->text[buffer->length - 1] != '}';
    sower_buffer_text(buffer, first ? "}," : ",");
    sower_buffer_string(buffer, name);
    sower_buffer_text(buffer, ":{\"dtype\":\"");
    sower_buffer_text(buffer, dtype_name(dtype));
    sower_buffer_text(buffer, "\",\"shape\":");
    sower_buffer_shape(buffer, shape);
    sower_buffer_text(buffer, ",\"data_offsets\":[");
    sower_buffer_number(buffer, start);
    sower_buffer_text(buffer, ",");
    sower_buffer_number(buffer, stop);
    sower_buffer_text(buffer, "]}");
}

void sower_safetensors_close(struct sower_buffer *buffer)
{
    bool empty = !buffer->failed && buffer->text[buffer->length - 1] != '}';
    sower_buffer_text(buffer, empty ? "}}" : "}");
    while (!buffer->failed && buffer->length % ALIGNMENT != 0) {
        sower_buffer_text(buffer, " ");
    }
    for (size_t i = 0; i < SIZE_BYTES && !buffer->failed; i++) {
        buffer->text[i] = (char)((buffer->length - SIZE_BYTES) >> (8 * i) & 0xff);
    }
}

static bool refuse(struct sower_problem *problem, const char *sentence)
{
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "like", "This is not a safetensors file: %s.",
                             sentence);
}

bool sower_safetensors_length(const uint8_t bytes[SIZE_BYTES], uint64_t file_size, size_t *length,
                              struct sower_problem *problem)
{
    uint64_t number = 0;
    for (size_t i = SIZE_BYTES; i-- > 0;) {
        number = number << 8 | bytes[i];
    }
    *length = (size_t)number;
    if (file_size < SIZE_BYTES || number > file_size - SIZE_BYTES) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "like",
            "This is not a safetensors file, or it is cut short: it says that its header "
            "has %" PRIu64 " bytes, but the whole file has %" PRIu64 ".",
            number, file_size);
    }
    return number <= SOWER_SAFETENSORS_HEADER_MAX ||
           refuse(problem, "its header has more than 100,000,000 bytes, the limit of the format's library");
}

/* The range of a tensor's bytes in the data. */
struct extent {
    uint64_t start, stop;
};

/* A header while it is being read. */
struct reading {
    struct extent *extents;
    size_t count, capacity;
    struct sower_buffer *tensors;
    json_t *left_out;
    struct sower_problem *problem;
};

/* The bytes of one element by the name of its type, 0 for an unknown name. *dtype is SOWER_DTYPE_COUNT for
 * integers and booleans. */
static size_t element_size(const char *name, enum sower_dtype *dtype)
{
    static const struct {
        const char *name;
        size_t size;
    } others[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"U16", 2}, {"I16", 2},
                  {"U32", 4},  {"I32", 4}, {"U64", 8}, {"I64", 8}};
    for (*dtype = 0; *dtype < SOWER_DTYPE_COUNT; (*dtype)++) {
        if (strcmp(dtype_name(*dtype), name) == 0) {
            return sower_dtype_size(*dtype);
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(others[i].name, name) == 0) {
            return others[i].size;
        }
    }
    return 0;
}

/* Reads an array of at most `limit` numbers from 0; returns how many it has, or -1 if it is not such an array. */
static long read_numbers(const json_t *array, size_t limit, uint64_t *numbers)
{
    size_t count = json_array_size(array);
    for (size_t i = 0; i < count && i < limit; i++) {
        const json_t *number = json_array_get(array, i);
        if (!json_is_integer(number) || json_integer_value(number) < 0) {
            return -1;
        }
        numbers[i] = (uint64_t)json_integer_value(number);
    }
    return json_is_array(array) && count <= limit ? (long)count : -1;
}

/* Whether the extent has the size of a tensor of this shape with `size` bytes for each element. */
static bool fills(const struct sower_shape *shape, size_t size, const struct extent *extent)
{
    uint64_t bytes = size;
    for (size_t axis = 0; axis < shape->rank; axis++) {
        if (__builtin_mul_overflow(bytes, shape->sizes[axis], &bytes)) {
            return false;
        }
    }
    return extent->start <= extent->stop && extent->stop - extent->start == bytes;
}

static bool add_extent(struct reading *reading, struct extent extent)
{
    if (reading->count == reading->capacity) {
        size_t capacity = reading->capacity == 0 ? 64 : 2 * reading->capacity;
        struct extent *extents = realloc(reading->extents, capacity * sizeof *extents);
        if (extents == NULL) {
            return sower_problem_memory(reading->problem);
        }
        reading->extents = extents;
        reading->capacity = capacity;
    }
    reading->extents[reading->count++] = extent;
    return true;
}

static void add_tensor(struct reading *reading, const char *name, enum sower_dtype dtype,
                       const struct sower_shape *shape)
{
    struct sower_buffer *tensors = reading->tensors;
    sower_buffer_text(tensors, tensors->length > 0 ? ",{\"dtype\":\"" : "{\"dtype\":\"");
    sower_buffer_text(tensors, sower_dtype_name(dtype));
    sower_buffer_text(tensors, "\",\"name\":");
    sower_buffer_string(tensors, name);
    sower_buffer_text(tensors, ",\"shape\":");
    sower_buffer_shape(tensors, shape);
    sower_buffer_text(tensors, "}");
}

static bool read_tensor(struct reading *reading, const char *name, const json_t *entry)
{
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    struct sower_shape shape;
    struct extent extent;
    enum sower_dtype dtype;
    char quote[SOWER_QUOTE_SIZE];
    sower_text_quote(name, strlen(name), quote);
    long rank = read_numbers(json_object_get(entry, "shape"), SOWER_RANK_MAX, shape.sizes);
    long ends = read_numbers(json_object_get(entry, "data_offsets"), 2, (uint64_t[2]){0, 0});
    if (type == NULL || rank < 0 || ends != 2) {
        return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, "like",
                                 "The tensor %s has no dtype, no shape of at most %d sizes or no "
                                 "data_offsets.",
                                 quote, SOWER_RANK_MAX);
    }
    (void)read_numbers(json_object_get(entry, "data_offsets"), 2, (uint64_t *)&extent);
    shape.rank = (size_t)rank;
    size_t size = element_size(type, &dtype);
    if (size == 0) {
        return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, "like",
                                 "The tensor %s has an unknown dtype, \"%.20s\".", quote, type);
    }
    if (!fills(&shape, size, &extent)) {
        return sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, "like",
                                 "The data_offsets of %s do not fit its shape and dtype.", quote);
    }
    if (dtype != SOWER_DTYPE_COUNT) {
        add_tensor(reading, name, dtype, &shape);
    } else if (json_array_append_new(reading->left_out, json_sprintf("%s (%s)", name, type)) != 0) {
        return sower_problem_memory(reading->problem);
    }
    return add_extent(reading, extent);
}

static int compare_extents(const void *left, const void *right)
{
    const struct extent *a = left, *b = right;
    if (a->start != b->start) {
        return a->start < b->start ? -1 : 1;
    }
    return (a->stop > b->stop) - (a->stop < b->stop);
}

/* The tensors must fill the data without gaps, each byte once. */
static bool check_extents(struct reading *reading, uint64_t data_size)
{
    uint64_t end = 0;
    if (reading->count > 0) {
        qsort(reading->extents, reading->count, sizeof *reading->extents, compare_extents);
    }
    for (size_t i = 0; i < reading->count; i++) {
        if (reading->extents[i].start != end) {
            return refuse(reading->problem, "the data_offsets of its tensors overlap or leave gaps");
        }
        end = reading->extents[i].stop;
    }
    return end == data_size ||
           sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, "like",
                             "The file is cut short or too long: its tensors have %" PRIu64
                             " bytes, but %" PRIu64 " bytes follow its header.",
                             end, data_size);
}

bool sower_safetensors_read(const char *header, size_t length, uint64_t data_size,
                            struct sower_buffer *tensors, json_t *left_out, struct sower_problem *problem)
{
    struct reading reading = {.tensors = tensors, .left_out = left_out, .problem = problem};
    struct sower_json_walker walker;
    bool more = true, read = sower_json_walker_open(&walker, header, length, 0, '{', problem);
    while (read && more) {
        json_t *key = NULL, *entry = NULL;
        read = sower_json_walker_next(&walker, &more, &key, problem);
        if (read && more) {
            entry = sower_json_walker_load(&walker, problem);
            read = entry != NULL && (strcmp(json_string_value(key), SOWER_SAFETENSORS_METADATA) == 0 ||
                                     read_tensor(&reading, json_string_value(key), entry));
        }
        json_decref(entry);
        json_decref(key);
    }
    read = read &&
           (sower_json_walker_at_end(&walker) ||
            refuse(problem, "there is text after the JSON of its header")) &&
           check_extents(&reading, data_size);
    if (read && tensors->failed) {
        read = sower_problem_memory(problem);
    }
    free(reading.extents);
    return read;
}
