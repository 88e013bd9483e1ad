#include "ask.h"

#include "../proto/buffer.h"
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

json_t *ask_json(const struct options *options, const struct http_question *question, size_t most,
                 struct http_answer *answer, enum sow_exit *result)
{
    struct body body = {.most = most};
    struct http_receiver receiver = {begin, receive, NULL, &body};
    enum http_end end = http_ask(options, question, &receiver, answer);
    json_t *object = end == HTTP_DONE ? json_loadb(body.text.text, body.text.length, 0, NULL) : NULL;
    sower_buffer_free(&body.text);
    if (end != HTTP_DONE && end != HTTP_STOPPED) {
        *result = report_answer(options, answer);
    } else if (!json_is_object(object)) {
        *result = report_stranger(options, answer, "not with an object in JSON");
        json_decref(object);
        object = NULL;
    }
    return object;
}
