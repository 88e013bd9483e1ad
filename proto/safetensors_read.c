#include "proto/safetensors_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dtype.h"
#include "core/shape.h"
#include "proto/json.h"
#include "proto/json_walker.h"
#include "proto/text.h"

enum { SIZE_BYTES = SOWER_SAFETENSORS_LENGTH_SIZE };

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
    struct sower_buffer *tensors; /* and left_out: for sower_safetensors_read */
    json_t *left_out;
    struct sower_safetensors_entries *entries; /* for sower_safetensors_list; NULL: not wanted */
    size_t entries_capacity;
    json_t *metadata; /* NULL: none */
    json_t *ties;     /* from names that may be tied to the names of the other tensors */
    json_t *shapes;   /* of those other tensors; null: not known */
    struct sower_problem *problem;
};

/* The bits of one element by the name of its type, 0 for an unknown name. *dtype is SOWER_DTYPE_COUNT for a type
 * of which Sower makes no tensors. */
static unsigned element_bits(const char *name, enum sower_dtype *dtype)
{
    static const struct {
        const char *name;
        unsigned bits;
    } others[] = {{"BOOL", 8},        {"U8", 8},      {"I8", 8},      {"U16", 16},
                  {"I16", 16},        {"U32", 32},    {"I32", 32},    {"U64", 64},
                  {"I64", 64},        {"C64", 64},    {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
                  {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4}};
    for (*dtype = 0; *dtype < SOWER_DTYPE_COUNT; (*dtype)++) {
        if (strcmp(sower_safetensors_dtype(*dtype), name) == 0) {
            return 8 * (unsigned)sower_dtype_size(*dtype);
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(others[i].name, name) == 0) {
            return others[i].bits;
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

/* Whether the extent has the size of a tensor of this shape with so many bits for each element. Elements of less than
 * 8 bits fill whole bytes together. */
static bool fills(const struct sower_shape *shape, uint64_t bits, uint64_t start, uint64_t stop)
{
    for (size_t axis = 0; axis < shape->rank; axis++) {
        if (__builtin_mul_overflow(bits, shape->sizes[axis], &bits)) {
            return false;
        }
    }
    return bits % 8 == 0 && start <= stop && stop - start == bits / 8;
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

/* Reads a tensor's member of the header. *type is the name of its dtype. */
static bool read_entry(const char *name, const json_t *entry, const char **type,
                       struct sower_safetensors_entry *tensor, struct sower_problem *problem)
{
    char quote[SOWER_QUOTE_SIZE];
    uint64_t ends[2];
    sower_text_quote(name, strlen(name), quote);
    *type = json_string_value(json_object_get(entry, "dtype"));
    long rank = read_numbers(json_object_get(entry, "shape"), SOWER_RANK_MAX, tensor->shape.sizes);
    if (*type == NULL || rank < 0 || read_numbers(json_object_get(entry, "data_offsets"), 2, ends) != 2) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "like",
                                 "The tensor %s has no dtype, no shape of at most %d sizes or no "
                                 "data_offsets.",
                                 quote, SOWER_RANK_MAX);
    }
    tensor->shape.rank = (size_t)rank;
    tensor->start = ends[0];
    tensor->stop = ends[1];
    unsigned bits = element_bits(*type, &tensor->dtype);
    if (bits == 0) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "like",
                                 "The tensor %s has an unknown dtype, \"%.20s\".", quote, *type);
    }
    return fills(&tensor->shape, bits, tensor->start, tensor->stop) ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "like",
                             "The data_offsets of %s do not fit its shape and dtype.", quote);
}

static bool add_entry(struct reading *reading, const char *name, const struct sower_safetensors_entry *tensor)
{
    struct sower_safetensors_entries *entries = reading->entries;
    if (entries->count == reading->entries_capacity) {
        size_t capacity = entries->count == 0 ? 64 : 2 * entries->count;
        struct sower_safetensors_entry *all = realloc(entries->all, capacity * sizeof *all);
        if (all == NULL) {
            return sower_problem_memory(reading->problem);
        }
        entries->all = all;
        reading->entries_capacity = capacity;
    }
    entries->all[entries->count] = *tensor;
    entries->all[entries->count].name = strdup(name);
    return entries->all[entries->count++].name != NULL || sower_problem_memory(reading->problem);
}

static bool read_tensor(struct reading *reading, const char *name, const json_t *entry)
{
    struct sower_safetensors_entry tensor;
    const char *type;
    if (!read_entry(name, entry, &type, &tensor, reading->problem)) {
        return false;
    }
    if (reading->entries != NULL) {
        if (!add_entry(reading, name, &tensor)) {
            return false;
        }
    } else if (tensor.dtype != SOWER_DTYPE_COUNT) {
        add_tensor(reading, name, tensor.dtype, &tensor.shape);
    } else if (json_array_append_new(reading->left_out, json_sprintf("%s (%s)", name, type)) != 0) {
        return sower_problem_memory(reading->problem);
    }
    return add_extent(reading, (struct extent){tensor.start, tensor.stop});
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
    return end >= data_size || sower_problem_set(reading->problem, SOWER_PROBLEM_INVALID, "like",
                                                 "The file is too long: its tensors have %" PRIu64
                                                 " bytes, but %" PRIu64 " bytes follow its header.",
                                                 end, data_size);
}

/* Reads one member of the header. */
static bool read_member(struct reading *reading, const char *name, json_t *value)
{
    if (strcmp(name, SOWER_SAFETENSORS_METADATA) != 0) {
        return read_tensor(reading, name, value);
    }
    json_decref(reading->metadata);
    reading->metadata = json_incref(value);
    return true;
}

/* Calls `take` for each member of the header, in order. */
static bool read_members(struct reading *reading, const char *header, size_t length,
                         bool (*take)(struct reading *reading, const char *name, json_t *value))
{
    struct sower_json_walker walker;
    bool more = true, read = sower_json_walker_open(&walker, header, length, 0, '{', reading->problem);
    while (read && more) {
        json_t *key = NULL, *value = NULL;
        read = sower_json_walker_next(&walker, &more, &key, reading->problem);
        if (read && more) {
            value = sower_json_walker_load(&walker, reading->problem);
            read = value != NULL && take(reading, json_string_value(key), value);
        }
        json_decref(value);
        json_decref(key);
    }
    return read && (sower_json_walker_at_end(&walker) ||
                    refuse(reading->problem, "there is text after the JSON of its header"));
}

/* Collects the members of the metadata that may be ties, and the names of the other tensors, their shapes unknown. */
static bool collect_ties(struct reading *reading)
{
    const char *name;
    json_t *other;
    reading->ties = json_object();
    reading->shapes = json_object();
    json_object_foreach(reading->metadata, name, other)
    {
        if (json_is_string(other) && !sower_safetensors_is_reserved(name)) {
            sower_json_set(&reading->ties, name, json_incref(other));
            sower_json_set(&reading->shapes, json_string_value(other), json_null());
        }
    }
    return (reading->ties != NULL && reading->shapes != NULL) || sower_problem_memory(reading->problem);
}

/* A name that a tensor has is not tied. Stores the shape of a tensor that a tie may name. */
static bool note_shape(struct reading *reading, const char *name, json_t *entry)
{
    enum sower_dtype dtype;
    json_object_del(reading->ties, name);
    if (json_object_get(reading->shapes, name) != NULL &&
        element_bits(json_string_value(json_object_get(entry, "dtype")), &dtype) != 0 &&
        dtype != SOWER_DTYPE_COUNT) {
        sower_json_set(&reading->shapes, name, json_incref(json_object_get(entry, "shape")));
    }
    return reading->shapes != NULL || sower_problem_memory(reading->problem);
}

static void add_tie(struct sower_buffer *tensors, const char *name, const char *other, const json_t *shape)
{
    sower_buffer_text(tensors, ",{\"name\":");
    sower_buffer_string(tensors, name);
    sower_buffer_text(tensors, ",\"same_as\":");
    sower_buffer_string(tensors, other);
    sower_buffer_text(tensors, ",\"shape\":");
    sower_json_print(shape, JSON_COMPACT, tensors);
    sower_buffer_text(tensors, "}");
}

/* Goes through the header again, which is valid, because the metadata may be anywhere in it. */
static bool add_ties(struct reading *reading, const char *header, size_t length)
{
    const char *name;
    json_t *other;
    if (!collect_ties(reading)) {
        return false;
    }
    if (json_object_size(reading->ties) == 0) {
        return true;
    }
    if (!read_members(reading, header, length, note_shape)) {
        return false;
    }
    json_object_foreach(reading->ties, name, other)
    {
        const json_t *shape = json_object_get(reading->shapes, json_string_value(other));
        if (json_is_array(shape)) {
            add_tie(reading->tensors, name, json_string_value(other), shape);
        }
    }
    return true;
}

bool sower_safetensors_read(const char *header, size_t length, uint64_t data_size,
                            struct sower_buffer *tensors, json_t *left_out, struct sower_problem *problem)
{
    struct reading reading = {.tensors = tensors, .left_out = left_out, .problem = problem};
    bool read = read_members(&reading, header, length, read_member) && check_extents(&reading, data_size) &&
                add_ties(&reading, header, length);
    if (read && tensors->failed) {
        read = sower_problem_memory(problem);
    }
    json_decref(reading.metadata);
    json_decref(reading.ties);
    json_decref(reading.shapes);
    free(reading.extents);
    return read;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(((const struct sower_safetensors_entry *)left)->name,
                  ((const struct sower_safetensors_entry *)right)->name);
}

/* Sorts by name, and refuses two tensors of one name. */
static bool sort_entries(struct sower_safetensors_entries *entries, struct sower_problem *problem)
{
    if (entries->count > 0) {
        qsort(entries->all, entries->count, sizeof *entries->all, compare_names);
    }
    for (size_t i = 1; i < entries->count; i++) {
        if (strcmp(entries->all[i - 1].name, entries->all[i].name) == 0) {
            return refuse(problem, "two of its tensors have the same name");
        }
    }
    return true;
}

bool sower_safetensors_list(const char *header, size_t length, uint64_t data_size,
                            struct sower_safetensors_entries *entries, struct sower_problem *problem)
{
    struct reading reading = {.entries = entries, .problem = problem};
    *entries = (struct sower_safetensors_entries){0};
    bool read = read_members(&reading, header, length, read_member) && check_extents(&reading, data_size);
    if (read && reading.count > 0 && reading.extents[reading.count - 1].stop > data_size) {
        read = refuse(problem, "it is cut short");
    }
    read = read && sort_entries(entries, problem);
    entries->metadata = reading.metadata;
    free(reading.extents);
    return read;
}

const struct sower_safetensors_entry *sower_safetensors_find(const struct sower_safetensors_entries *entries,
                                                             const char *name)
{
    const struct sower_safetensors_entry wanted = {.name = (char *)name};
    return entries->count == 0
               ? NULL
               : bsearch(&wanted, entries->all, entries->count, sizeof *entries->all, compare_names);
}

void sower_safetensors_free(struct sower_safetensors_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        free(entries->all[i].name);
    }
    free(entries->all);
    json_decref(entries->metadata);
    *entries = (struct sower_safetensors_entries){0};
}
