#include "ask.h"

#include "../proto/json.h"
#include "report.h"

struct body {
    struct sower_buffer text;
    size_t most;
};

static bool begin(void *context, const struct http_answer *answer)
{
    (void)context, (void)answer;
    return true;
}

static bool receive(void *context, const void *bytes, size_t size)
{
    struct body *body = context;
    sower_buffer_bytes(&body->text, bytes, size);
    return !body->text.failed && body->text.length <= body->most;
}

json_t *ask_read(const struct options *options, const struct http_answer *answer,
                 const struct sower_buffer *body, const char *wrong, enum sow_exit *result)
{
    json_error_t error;
    json_t *object = body->failed ? NULL : sower_json_load(body->text, body->length, 0, &error);
    if (json_is_object(object)) {
        return object;
    }
    bool memory = body->failed || (object == NULL && json_error_code(&error) == json_error_out_of_memory);
    *result = memory ? report_memory(options) : report_stranger(options, answer, wrong);
    json_decref(object);
    return NULL;
}

json_t *ask_json(const struct options *options, const struct http_question *question, size_t most,
                 struct http_answer *answer, enum sow_exit *result)
{
    struct body body = {.most = most};
    struct http_receiver receiver = {begin, receive, NULL, &body};
    enum http_end end = http_ask(options, question, &receiver, answer);
    static const char wrong[] = "not with an object in JSON";
    json_t *object = NULL;
    if (end != HTTP_DONE && end != HTTP_STOPPED) {
        *result = report_answer(options, answer);
    } else if (end == HTTP_DONE || body.text.failed) {
        object = ask_read(options, answer, &body.text, wrong, result);
    } else {
        *result = report_stranger(options, answer, wrong);
    }
    sower_buffer_free(&body.text);
    return object;
}
