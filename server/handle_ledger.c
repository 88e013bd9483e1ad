/* /v1/ledger: the ledger's lines as NDJSON, in order, all of them unless narrowed by experiment, after and
 * limit.
 *
 * A stream in constant memory: the store is read page by page, by line number, and each page is printed and
 * sent before the next is read. It ends at the line that was the last one when the request came. */
#include "handlers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/record.h"

enum { PAGE_LINES = 64, BLOCK_SIZE = 64 * 1024 };

struct lines {
    struct sower_exchange *exchange;
    char experiment[SOWER_EXPERIMENT_MAX + 1];
    struct sower_seed root_id;
    struct sower_page page;
    uint64_t left; /* lines that the limit still allows */
    bool ended;
    /* the page that is being sent */
    char *text;
    size_t size, capacity, sent;
    uint64_t count; /* lines of it */
    bool out_of_memory;
};

static void release(void *state)
{
    struct lines *lines = state;
    free(lines->text);
    free(lines);
}

static bool reserve(struct lines *lines, size_t count)
{
    if (count <= lines->capacity - lines->size) {
        return true;
    }
    size_t capacity = lines->capacity == 0 ? BLOCK_SIZE / 4 : lines->capacity;
    while (capacity < lines->size + count) {
        capacity *= 2;
    }
    char *text = realloc(lines->text, capacity);
    if (text == NULL) {
        return false;
    }
    lines->text = text;
    lines->capacity = capacity;
    return true;
}

static int add_text(const char *text, size_t size, void *context)
{
    struct lines *lines = context;
    if (!reserve(lines, size)) {
        return -1;
    }
    memcpy(lines->text + lines->size, text, size);
    lines->size += size;
    return 0;
}

static bool add_line(void *context, const struct sower_record *record)
{
    struct lines *lines = context;
    json_t *object = sower_record_json(record);
    lines->out_of_memory = object == NULL || json_dump_callback(object, add_text, lines, JSON_COMPACT) != 0 ||
                           add_text("\n", 1, lines) != 0;
    json_decref(object);
    lines->page.after = record->ledger;
    lines->count++;
    return !lines->out_of_memory;
}

/* Reads and prints the next page. After the last one, and after a failure, `ended` is set. */
static bool next_page(struct lines *lines, struct sower_problem *problem)
{
    struct sower_store *store = sower_ledger_store(lines->exchange->server->ledger);
    lines->size = lines->sent = 0;
    lines->count = 0;
    lines->page.experiment = lines->experiment[0] != '\0' ? lines->experiment : NULL;
    lines->page.root_id = &lines->root_id;
    lines->page.count = lines->left < PAGE_LINES ? (size_t)lines->left : PAGE_LINES;
    bool read = lines->page.count == 0 || store->methods->page(store, &lines->page, add_line, lines, problem);
    if (read && lines->out_of_memory) {
        read = sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "The daemon is out of memory.");
    }
    lines->left -= lines->count;
    lines->ended = !read || lines->count < PAGE_LINES;
    return read;
}

static ssize_t read_block(void *context, uint64_t position, char *buffer, size_t size)
{
    struct lines *lines = context;
    struct sower_problem problem;
    (void)position;
    if (lines->sent == lines->size) {
        if (lines->ended) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
        if (!next_page(lines, &problem)) {
            return MHD_CONTENT_READER_END_WITH_ERROR; /* cut off, not ended: the client sees the difference */
        }
        if (lines->size == 0) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
    }
    size_t count = lines->size - lines->sent < size ? lines->size - lines->sent : size;
    memcpy(buffer, lines->text + lines->sent, count);
    lines->sent += count;
    lines->exchange->bytes += count;
    return (ssize_t)count;
}

static bool read_whole_number(const char *field, const char *text, uint64_t *number,
                              struct sower_problem *problem)
{
    if (text != NULL && text[0] >= '0' && text[0] <= '9') {
        char *end;
        errno = 0;
        *number = strtoull(text, &end, 10);
        if (errno == 0 && *end == '\0' && *number <= INT64_MAX) {
            return true;
        }
    }
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, field,
                             "%s is \"%s\"; it takes a whole number from 0 to 2^63 - 1.", field,
                             text == NULL ? "" : text);
}

static bool read_experiment(const char *text, struct lines *lines, struct sower_problem *problem)
{
    size_t length = text == NULL ? 0 : strlen(text);
    if (length == 0 || length > SOWER_EXPERIMENT_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "experiment",
                                 "The experiment has %zu bytes; it takes 1 to %d.", length,
                                 SOWER_EXPERIMENT_MAX);
    }
    memcpy(lines->experiment, text, length + 1);
    return true;
}

static bool read_fields(const json_t *fields, struct lines *lines, struct sower_problem *problem)
{
    const char *key;
    json_t *value;
    lines->left = INT64_MAX;
    json_object_foreach((json_t *)fields, key, value)
    {
        const char *text = json_string_value(value);
        bool read;
        if (strcmp(key, "experiment") == 0) {
            read = read_experiment(text, lines, problem);
        } else if (strcmp(key, "after") == 0) {
            read = read_whole_number("after", text, &lines->page.after, problem);
        } else if (strcmp(key, "limit") == 0) {
            read = read_whole_number("limit", text, &lines->left, problem);
        } else {
            read = sower_problem_set(problem, SOWER_PROBLEM_INVALID, key,
                                     "There is no field \"%s\" here; there are experiment, after and limit.",
                                     key);
        }
        if (!read) {
            return false;
        }
    }
    return true;
}

static enum MHD_Result reply(struct sower_exchange *exchange, struct lines *lines)
{
    struct sower_store *store = sower_ledger_store(exchange->server->ledger);
    struct sower_problem problem;
    /* The first page is read before the status is sent, so that a ledger that fails is seen as such. */
    if (!store->methods->last(store, &lines->page.until, &problem) || !next_page(lines, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, read_block, lines, NULL);
    if (response != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/x-ndjson");
    }
    return sower_reply(exchange, MHD_HTTP_OK, response);
}

enum MHD_Result sower_handle_ledger(struct sower_exchange *exchange)
{
    struct sower_problem problem;
    json_t *fields;
    if (!sower_exchange_fields(exchange, &fields, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    struct lines *lines = calloc(1, sizeof *lines);
    if (lines == NULL) {
        json_decref(fields);
        return MHD_NO;
    }
    lines->exchange = exchange;
    lines->root_id = sower_seed_root_id(&exchange->server->root);
    exchange->state = lines;
    exchange->release = release;
    bool read = read_fields(fields, lines, &problem);
    json_decref(fields);
    return read ? reply(exchange, lines) : sower_refuse(exchange, &problem);
}
