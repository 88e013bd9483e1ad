#include "client/sow/daemon/ask.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "client/sow/daemon/report.h"
#include "proto/json.h"

static const char JSON[] = "application/json";

/* A text on its way. */
struct body {
    struct sower_buffer *text;
    size_t most;
    char fault[64 + HTTP_FIELD_SIZE]; /* why it was stopped: a clause for report_stranger */
};

static bool begin(void *context, const struct http_response *answer)
{
    struct body *body = context;
    body->text->length = 0; /* an answer that broke comes again from its start */
    if (strncasecmp(answer->fields[HTTP_TYPE], JSON, strlen(JSON)) != 0) {
        snprintf(body->fault, sizeof body->fault, "not in JSON: its type is \"%s\"",
                 answer->fields[HTTP_TYPE]);
    } else if (answer->length > 0 && (uint64_t)answer->length > body->most) {
        snprintf(body->fault, sizeof body->fault, "with more than %zu bytes", body->most);
    }
    return body->fault[0] == '\0';
}

static bool receive(void *context, const void *bytes, size_t size)
{
    struct body *body = context;
    if (size > body->most - body->text->length) {
        snprintf(body->fault, sizeof body->fault, "with more than %zu bytes", body->most);
        return false;
    }
    sower_buffer_bytes(body->text, bytes, size);
    return !body->text->failed;
}

enum sow_exit ask_text(const struct options *options, const struct http_question *question, size_t most,
                       struct sower_buffer *text, struct http_response *answer)
{
    struct body body = {.text = text, .most = most};
    struct http_receiver receiver = {begin, receive, &body, true};
    enum http_end end = http_ask(options, question, &receiver, answer);
    if (text->failed) {
        return report_memory(options);
    }
    return end == HTTP_DONE      ? SOW_DONE
           : end == HTTP_STOPPED ? report_stranger(options, answer, body.fault)
                                 : report_response(options, answer);
}

json_t *ask_json(const struct options *options, const struct http_question *question, size_t most,
                 struct http_response *answer, enum sow_exit *result)
{
    struct sower_buffer text = {0};
    json_error_t error;
    json_t *object = NULL;
    *result = ask_text(options, question, most, &text, answer);
    if (*result == SOW_DONE) {
        object = sower_json_load(text.text, text.length, JSON_REJECT_DUPLICATES, &error);
        *result = object == NULL && json_error_code(&error) == json_error_out_of_memory
                      ? report_memory(options)
                  : !json_is_object(object) ? report_stranger(options, answer, "not with an object in JSON")
                                            : SOW_DONE;
    }
    if (*result != SOW_DONE) {
        json_decref(object);
        object = NULL;
    }
    sower_buffer_free(&text);
    return object;
}
