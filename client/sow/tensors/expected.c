#include "client/sow/tensors/expected.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/draw.h"
#include "proto/hex.h"
#include "proto/record.h"
#include "proto/text.h"

enum { BLOCK_SIZE = 1024 * 1024, SHOWN_SIZE = 80 };

static void set_number(char field[HTTP_FIELD_SIZE], uint64_t number)
{
    snprintf(field, HTTP_FIELD_SIZE, "%" PRIu64, number);
}

/* Writes "4,4"; "()" for a scalar. */
static void set_shape(char field[HTTP_FIELD_SIZE], const struct sower_shape *shape)
{
    size_t length = 0;
    snprintf(field, HTTP_FIELD_SIZE, "()");
    for (size_t axis = 0; axis < shape->rank; axis++) {
        length += (size_t)snprintf(field + length, HTTP_FIELD_SIZE - length, "%s%" PRIu64,
                                   axis == 0 ? "" : ",", shape->sizes[axis]);
    }
}

/* Sets everything that depends on the root. */
static void set_draw(struct expected *expected)
{
    const struct sower_request *request = expected->request;
    struct sower_draw_id draw = sower_draw_id(&request->draw);
    sower_hex_print(draw.bytes, expected->fields[HTTP_DRAW]);
    sower_hex_print(request->seed.bytes, expected->fields[HTTP_SEED]);
    sower_format_body(request, &expected->body);
    expected->prefix = expected->body.prefix;
    expected->prefix_size = expected->body.prefix_size;
}

static void begin(struct expected *expected, bool root_given)
{
    *expected = (struct expected){.root_given = root_given};
    pthread_mutex_init(&expected->lock, NULL);
    set_number(expected->fields[HTTP_SPEC], SOWER_SPEC);
}

void expected_of_tensor(struct expected *expected, struct sower_request *request, bool root_given)
{
    struct sower_shape shape = sower_region_shape(&request->region);
    begin(expected, root_given);
    expected->request = request;
    set_draw(expected);
    expected->size = expected->body.prefix_size + expected->body.data_size;
    set_shape(expected->fields[HTTP_SHAPE], &shape);
    snprintf(expected->fields[HTTP_TYPE], HTTP_FIELD_SIZE, "%s", sower_format_media_type(request->format));
    snprintf(expected->fields[HTTP_DTYPE], HTTP_FIELD_SIZE, "%s", sower_dtype_name(request->draw.dtype));
    snprintf(expected->fields[HTTP_FAN], HTTP_FIELD_SIZE, "%" PRIu64 ",%" PRIu64, request->plan.fans.in,
             request->plan.fans.out);
}

void expected_of_model(struct expected *expected, struct sower_model *model, bool root_given)
{
    begin(expected, root_given);
    expected->model = model;
    expected->size = model->size;
    expected->prefix = (const uint8_t *)model->header.text;
    expected->prefix_size = model->header.length;
    snprintf(expected->fields[HTTP_TYPE], HTTP_FIELD_SIZE, "application/octet-stream");
    sower_hex_print(model->manifest.hash, expected->fields[HTTP_MANIFEST]);
    set_number(expected->fields[HTTP_TENSORS], model->count);
}

void expected_end(struct expected *expected)
{
    pthread_mutex_destroy(&expected->lock);
}

void expected_set_root(struct expected *expected, const struct sower_seed *root_id)
{
    expected->root_private = true;
    if (expected->request != NULL) {
        expected->request->draw.root_id = *root_id;
        set_draw(expected);
        expected->fields[HTTP_SEED][0] = '\0';
        return;
    }
    sower_model_set_root_id(expected->model, root_id);
}

/* Whether a header field has the expected value; a media type may have parameters. */
static bool field_fits(const struct expected *expected, enum http_field field, const char *found)
{
    const char *value = expected->fields[field];
    if (field == HTTP_TYPE) {
        size_t length = strlen(value);
        return strncasecmp(found, value, length) == 0 && (found[length] == '\0' || found[length] == ';');
    }
    return *value == '\0' || strcmp(found, value) == 0;
}

/* The line number in a header field; 0 when it has none. */
static uint64_t line_of(const char *field)
{
    int64_t number;
    return sower_text_integer(field, strlen(field), &number) && number > 0 ? (uint64_t)number : 0;
}

/* Checks the fields whose values cannot be known in advance. Returns a clause, or NULL when they are valid. */
static const char *find_fault(const struct expected *expected, const struct http_response *response)
{
    uint64_t drift = line_of(response->fields[HTTP_DRIFT]);
    uint64_t line = line_of(response->fields[HTTP_LEDGER]);
    if (response->length < 0) {
        return "it has no Content-Length, so its end cannot be checked";
    }
    if (expected->request != NULL && !sower_hex_is_hash(response->fields[HTTP_SEED])) {
        return "it has no Sower-Seed of 64 hex digits";
    }
    if (expected->request != NULL && line == 0) {
        return "it has no Sower-Ledger with the number of a line";
    }
    if (response->fields[HTTP_DRIFT][0] != '\0' &&
        (drift == 0 || (expected->request != NULL && drift >= line))) {
        return "its Sower-Drift is not the number of an earlier line";
    }
    return NULL;
}

enum expected_judgement expected_header(const struct expected *expected, const struct http_response *response,
                                        char reason[EXPECTED_REASON_SIZE])
{
    const char *fault = find_fault(expected, response);
    bool may_be_private = !expected->root_given && !expected->root_private;
    enum expected_judgement judgement = EXPECTED_MATCHES;
    for (enum http_field field = 0; field < HTTP_FIELD_COUNT && judgement != EXPECTED_WRONG; field++) {
        if (field_fits(expected, field, response->fields[field])) {
            continue;
        }
        bool of_root = may_be_private && (field == HTTP_SEED ||
                                          (field == HTTP_DRAW && sower_hex_is_hash(response->fields[field])));
        judgement = of_root ? EXPECTED_OTHER_ROOT : EXPECTED_WRONG;
        snprintf(reason, EXPECTED_REASON_SIZE, "\"%s\" is \"%s\", expected \"%s\"", http_field_name(field),
                 response->fields[field], expected->fields[field]);
    }
    if (fault != NULL && judgement != EXPECTED_WRONG) {
        snprintf(reason, EXPECTED_REASON_SIZE, "%s", fault);
        return EXPECTED_WRONG;
    }
    return judgement;
}

/* Prints up to 8 bytes in hex. */
static void show_bytes(const uint8_t *bytes, size_t count, char text[SHOWN_SIZE])
{
    text[0] = '\0';
    for (size_t i = 0; i < count && i < 8; i++) {
        snprintf(text + 3 * i, SHOWN_SIZE - 3 * i, "%02x ", bytes[i]);
    }
    size_t length = strlen(text);
    text[length > 0 ? length - 1 : 0] = '\0';
}

/* Compares; `reason` names the first byte that differs. */
static bool compare(const uint8_t *found, const uint8_t *wanted, size_t size, uint64_t at, const char *place,
                    char reason[EXPECTED_REASON_SIZE])
{
    char shown[SHOWN_SIZE], expected[SHOWN_SIZE];
    size_t i = 0;
    if (memcmp(found, wanted, size) == 0) {
        return true;
    }
    while (found[i] == wanted[i]) {
        i++;
    }
    show_bytes(found + i, size - i, shown);
    show_bytes(wanted + i, size - i, expected);
    snprintf(reason, EXPECTED_REASON_SIZE,
             "its bytes differ from byte %" PRIu64 " on, in %.200s: they are %s, expected %s", at + i, place,
             shown, expected);
    return false;
}

/* Returns the source of a tensor, opened once and shared by all readers; NULL when memory runs out. */
static struct expected_source *open_source(struct expected *expected, size_t tensor,
                                           const struct sower_request *request)
{
    struct expected_source *found = NULL;
    struct sower_problem problem;
    pthread_mutex_lock(&expected->lock);
    for (size_t i = 0; i < EXPECTED_SOURCES_MAX; i++) {
        struct expected_source *source = &expected->sources[i];
        if (source->users > 0 && source->tensor == tensor) {
            found = source;
            break;
        }
        found = found == NULL && source->users == 0 ? source : found;
    }
    /* There are as many places as readers, so a free one exists. Only an unused place is written to. */
    if (found->users == 0 &&
        sower_source_open(&found->source, &request->plan, &request->seed, &sower_parallel_none, &problem)) {
        found->tensor = tensor;
        found->users = 1;
    } else if (found->users == 0) {
        found = NULL;
    } else {
        found->users++;
    }
    pthread_mutex_unlock(&expected->lock);
    return found;
}

static void close_source(struct expected_reader *reader)
{
    struct expected *expected = reader->expected;
    if (reader->source == NULL) {
        return;
    }
    pthread_mutex_lock(&expected->lock);
    if (--reader->source->users == 0) {
        sower_source_close(&reader->source->source);
    }
    pthread_mutex_unlock(&expected->lock);
    reader->source = NULL;
}

void expected_reader_end(struct expected_reader *reader)
{
    close_source(reader);
    free(reader->block);
    reader->block = NULL;
}

/* Makes the tensor that holds byte `at` of the response the current one. */
static bool enter_tensor(struct expected_reader *reader, uint64_t at)
{
    const struct expected *expected = reader->expected;
    size_t tensor = expected->model != NULL ? sower_model_find(expected->model, at) : 0;
    struct sower_request of_model;
    const struct sower_request *request = expected->request;
    if (reader->source != NULL && reader->source->tensor == tensor) {
        return true;
    }
    close_source(reader);
    if (expected->model != NULL) {
        sower_model_request(expected->model, tensor, &of_model);
        request = &of_model;
    }
    reader->source = open_source(reader->expected, tensor, request);
    if (reader->source != NULL) {
        reader->bytes.region = request->region;
        reader->bytes.source = &reader->source->source;
        sower_format_body(request, &reader->bytes.body);
    }
    return reader->source != NULL;
}

/* Compares bytes of one tensor, at most a block; *done gets the number of bytes. */
static enum expected_judgement compare_elements(struct expected_reader *reader, uint64_t at,
                                                const uint8_t *found, size_t size, size_t *done,
                                                char reason[EXPECTED_REASON_SIZE])
{
    const struct sower_model *model = reader->expected->model;
    reader->block =
        reader->block != NULL ? reader->block : aligned_alloc(SOWER_TENSOR_BYTES_ALIGNMENT, BLOCK_SIZE);
    if (reader->block == NULL || !enter_tensor(reader, at)) {
        return EXPECTED_NO_MEMORY;
    }
    size_t tensor = reader->source->tensor;
    uint64_t start = model != NULL ? model->tensors[tensor].start : 0;
    uint64_t left = (model != NULL ? model->tensors[tensor + 1].start : reader->expected->size) - at;
    *done = size < BLOCK_SIZE ? size : BLOCK_SIZE;
    *done = *done < left ? *done : (size_t)left;
    if (!sower_tensor_bytes_read(&reader->bytes, at - start, *done, reader->block)) {
        return EXPECTED_NO_MEMORY;
    }
    const char *name = model != NULL ? sower_model_name(model, tensor) : reader->expected->request->draw.name;
    return compare(found, reader->block, *done, at, name, reason) ? EXPECTED_MATCHES : EXPECTED_WRONG;
}

enum expected_judgement expected_bytes(struct expected_reader *reader, uint64_t at, const uint8_t *found,
                                       size_t size, char reason[EXPECTED_REASON_SIZE])
{
    const struct expected *expected = reader->expected;
    enum expected_judgement judgement = EXPECTED_MATCHES;
    if (at < expected->prefix_size) {
        size_t left = expected->prefix_size - (size_t)at, count = size < left ? size : left;
        if (!compare(found, expected->prefix + at, count, at, "the header", reason)) {
            return expected->root_given || expected->root_private ? EXPECTED_WRONG : EXPECTED_OTHER_ROOT;
        }
        at += count;
        found += count;
        size -= count;
    }
    while (expected->derives && size > 0 && judgement == EXPECTED_MATCHES) {
        size_t done;
        judgement = compare_elements(reader, at, found, size, &done, reason);
        if (judgement == EXPECTED_MATCHES) {
            at += done;
            found += done;
            size -= done;
        }
    }
    return judgement;
}
