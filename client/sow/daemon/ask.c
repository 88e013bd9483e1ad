#include "client/sow/daemon/ask.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "client/sow/daemon/report.h"
#include "proto/json.h"

static const char JSON[] = "application/json";

/* A text that is being received. */
struct body {
    struct sower_buffer *text;
    size_t most;
    char fault[64 + HTTP_FIELD_SIZE]; /* why the exchange was stopped: a clause for report_not_sowerd */
};

static bool begin(void *context, const struct http_response *response)
{
    struct body *body = context;
    body->text->length = 0; /* after a lost connection the response starts again */
    if (strncasecmp(response->fields[HTTP_TYPE], JSON, strlen(JSON)) != 0) {
        snprintf(body->fault, sizeof body->fault, "its media type is \"%s\", expected %s",
                 response->fields[HTTP_TYPE], JSON);
    } else if (response->length > 0 && (uint64_t)response->length > body->most) {
        snprintf(body->fault, sizeof body->fault, "it has more than %zu bytes", body->most);
    }
    return body->fault[0] == '\0';
}

static bool receive(void *context, const void *bytes, size_t size)
{
    struct body *body = context;
    if (size > body->most - body->text->length) {
        snprintf(body->fault, sizeof body->fault, "it has more than %zu bytes", body->most);
        return false;
    }
    sower_buffer_bytes(body->text, bytes, size);
    return !body->text->failed;
}

enum sow_exit ask_text(const struct options *options, const struct http_request *request, size_t most,
                       struct sower_buffer *text, struct http_response *response)
{
    struct body body = {.text = text, .most = most};
    struct http_receiver receiver = {begin, receive, &body, true};
    enum http_end end = http_ask(options, request, &receiver, response);
    if (text->failed) {
        return report_memory(options);
    }
    return end == HTTP_DONE      ? SOW_DONE
           : end == HTTP_STOPPED ? report_not_sowerd(options, response, body.fault)
                                 : report_response(options, response);
}

json_t *ask_json(const struct options *options, const struct http_request *request, size_t most,
                 struct http_response *response, enum sow_exit *result)
{
    struct sower_buffer text = {0};
    json_error_t error;
    json_t *object = NULL;
    *result = ask_text(options, request, most, &text, response);
    if (*result == SOW_DONE) {
        object = sower_json_load(text.text, text.length, JSON_REJECT_DUPLICATES, &error);
        *result = object == NULL && json_error_code(&error) == json_error_out_of_memory
                      ? report_memory(options)
                  : !json_is_object(object) ? report_not_sowerd(options, response, "it is not a JSON object")
                                            : SOW_DONE;
    }
    if (*result != SOW_DONE) {
        json_decref(object);
        object = NULL;
    }
    sower_buffer_free(&text);
    return object;
}
