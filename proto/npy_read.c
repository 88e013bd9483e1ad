#include "proto/npy_read.h"

#include <string.h>

#include "core/dtype.h"
#include "proto/format.h"
#include "proto/text.h"

static const uint8_t MAGIC[] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* The dictionary of a header while it is being read. */
struct reading {
    const char *at, *end;
    struct sower_npy *npy;
    bool has_type, has_order, has_shape;
    struct sower_problem *problem;
};

static bool refuse(struct sower_problem *problem, const char *sentence)
{
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "",
                             "This is not a NumPy file that sow reads: %s.", sentence);
}

static void skip_spaces(struct reading *reading)
{
    while (reading->at < reading->end && strchr(" \t\n", *reading->at) != NULL && *reading->at != '\0') {
        reading->at++;
    }
}

/* Takes these characters if they are next. */
static bool take(struct reading *reading, const char *text)
{
    const size_t length = strlen(text);
    skip_spaces(reading);
    if ((size_t)(reading->end - reading->at) < length || memcmp(reading->at, text, length) != 0) {
        return false;
    }
    reading->at += length;
    return true;
}

/* Takes a string in single quotes without escapes, of at most `most` bytes. */
static bool take_string(struct reading *reading, char *text, size_t most)
{
    if (!take(reading, "'")) {
        return false;
    }
    const char *close = memchr(reading->at, '\'', (size_t)(reading->end - reading->at));
    const size_t length = close != NULL ? (size_t)(close - reading->at) : most + 1;
    if (length > most || memchr(reading->at, '\\', length) != NULL) {
        return false;
    }
    memcpy(text, reading->at, length);
    text[length] = '\0';
    reading->at = close + 1;
    return true;
}

static bool take_size(struct reading *reading, uint64_t *size)
{
    const char *digits = reading->at;
    int64_t number;
    while (reading->at < reading->end && *reading->at >= '0' && *reading->at <= '9') {
        reading->at++;
    }
    if (!sower_text_integer(digits, (size_t)(reading->at - digits), &number)) {
        return false;
    }
    *size = (uint64_t)number;
    return true;
}

/* Takes a tuple: (), (3,), (3, 4). */
static bool take_shape(struct reading *reading)
{
    struct sower_shape *shape = &reading->npy->shape;
    shape->rank = 0;
    if (!take(reading, "(")) {
        return false;
    }
    bool comma = true;
    while (!take(reading, ")")) {
        if (!comma || shape->rank == SOWER_RANK_MAX || !take_size(reading, &shape->sizes[shape->rank])) {
            return false;
        }
        shape->rank++;
        comma = take(reading, ",");
    }
    return true;
}

static bool take_member(struct reading *reading)
{
    char key[SOWER_NPY_TYPE_MAX + 1];
    if (!take_string(reading, key, SOWER_NPY_TYPE_MAX) || !take(reading, ":")) {
        return refuse(reading->problem, "its header is malformed");
    }
    if (strcmp(key, "descr") == 0 && !reading->has_type) {
        reading->has_type = true;
        return take_string(reading, reading->npy->type, SOWER_NPY_TYPE_MAX) ||
               refuse(reading->problem, "its elements are not plain numbers");
    }
    if (strcmp(key, "fortran_order") == 0 && !reading->has_order) {
        reading->has_order = true;
        return take(reading, "False") || refuse(reading->problem, "its array is in Fortran order");
    }
    if (strcmp(key, "shape") == 0 && !reading->has_shape) {
        reading->has_shape = true;
        return take_shape(reading) ||
               refuse(reading->problem, "its shape is malformed, or has more than 8 axes");
    }
    return refuse(reading->problem, "its header has an unknown or a doubled member");
}

static bool read_dictionary(struct reading *reading)
{
    bool comma = true;
    if (!take(reading, "{")) {
        return refuse(reading->problem, "its header is malformed");
    }
    while (!take(reading, "}")) {
        if (!comma) {
            return refuse(reading->problem, "its header is malformed");
        }
        if (!take_member(reading)) {
            return false;
        }
        comma = take(reading, ",");
    }
    skip_spaces(reading);
    return (reading->at == reading->end && reading->has_type && reading->has_order && reading->has_shape) ||
           refuse(reading->problem, "its header is incomplete");
}

bool sower_npy_is(const uint8_t *bytes, size_t size)
{
    return size >= sizeof MAGIC && memcmp(bytes, MAGIC, sizeof MAGIC) == 0;
}

bool sower_npy_read(const uint8_t *bytes, size_t size, struct sower_npy *npy, struct sower_problem *problem)
{
    enum { VERSION = sizeof MAGIC, LENGTH = VERSION + 2 };
    const unsigned version = size > VERSION ? bytes[VERSION] : 0;
    const size_t length_size = version == 1 ? 2 : 4; /* versions 2 and 3 */
    const size_t start = LENGTH + length_size;
    size_t length = 0;
    if (!sower_npy_is(bytes, size) || version < 1 || version > 3 || size < start) {
        return refuse(problem, "it does not begin as one");
    }
    for (size_t i = length_size; i-- > 0;) {
        length = length << 8 | bytes[LENGTH + i];
    }
    if (length > SOWER_NPY_HEADER_MAX - start || length > size - start) {
        return refuse(problem, "its header is cut short, or too long");
    }
    struct reading reading = {.at = (const char *)bytes + start,
                              .end = (const char *)bytes + start + length,
                              .npy = npy,
                              .problem = problem};
    npy->header_size = start + length;
    return read_dictionary(&reading);
}

bool sower_npy_has_dtype(const struct sower_npy *npy, enum sower_dtype dtype)
{
    return strcmp(npy->type, sower_format_npy_type(dtype)) == 0;
}
