#include "client/sow/tensors/drift.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/sow/daemon/lines.h"
#include "client/sow/daemon/report.h"
#include "proto/buffer.h"
#include "proto/precision.h"
#include "proto/record.h"
#include "proto/record_read.h"
#include "proto/text.h"

enum { DIFFERENCE_SIZE = 640 };

static bool begin(void *context, const struct http_response *response)
{
    (void)context, (void)response;
    return true;
}

static bool receive(void *context, const void *bytes, size_t size)
{
    struct sower_buffer *text = context;
    if (size <= LINES_SIZE_MAX - text->length) {
        sower_buffer_bytes(text, bytes, size);
        return !text->failed;
    }
    return false;
}

/* Requests one line of the ledger; false when that fails. */
static bool ask_line(const struct options *options, uint64_t line, struct sower_record *record)
{
    char after[24];
    struct sower_buffer text = {0};
    struct sower_problem problem;
    struct http_response response;
    snprintf(after, sizeof after, "%" PRIu64, line - 1);
    const struct sower_pair pairs[] = {{"after", 5, after, strlen(after)}, {"limit", 5, "1", 1}};
    const struct http_request request = {.path = "/v1/ledger", .pairs = pairs, .pair_count = 2};
    const struct http_receiver receiver = {begin, receive, &text, false};
    bool found = http_ask_once(options, &request, &receiver, &response) == HTTP_DONE && text.length > 0 &&
                 sower_record_read_text(text.text, text.length - (text.text[text.length - 1] == '\n'), record,
                                        &problem) &&
                 record->ledger == line && record->kind == SOWER_RECORD_DRAW;
    sower_buffer_free(&text);
    return found;
}

/* Appends "shape 4,4 there and 4,6 here" when the two differ. */
static void add_difference(char text[DIFFERENCE_SIZE], const char *what, const char *there, const char *here)
{
    size_t length = strlen(text);
    if (strcmp(there, here) != 0) {
        snprintf(text + length, DIFFERENCE_SIZE - length, "%s%s %.120s there and %.120s here",
                 length > 0 ? ", " : "", what, *there != '\0' ? there : "of a scalar",
                 *here != '\0' ? here : "of a scalar");
    }
}

/* The index of the model's tensor with this name; model->count when there is none. */
static size_t find_tensor(const struct sower_model *model, const char *name)
{
    size_t n = 0;
    while (n < model->count && strcmp(sower_model_name(model, n), name) != 0) {
        n++;
    }
    return n;
}

/* Describes what differs between the line and the tensor of the same name. False when no tensor has that
 * name, or nothing differs, or memory runs out. */
static bool find_differences(const struct sower_record *there, const struct sower_request *request,
                             const struct sower_model *model, char text[DIFFERENCE_SIZE], bool *same_array)
{
    struct sower_problem problem;
    struct sower_request of_model;
    struct sower_record here;
    size_t tensor = model != NULL ? find_tensor(model, there->name) : 0;
    if (model != NULL && tensor == model->count) {
        return false;
    }
    if (model != NULL) {
        sower_model_request(model, tensor, &of_model);
        request = &of_model;
    }
    sower_record_of(request, &here);
    text[0] = '\0';
    add_difference(text, "shape", there->shape, here.shape);
    add_difference(text, "dtype", there->dtype, here.dtype);
    add_difference(text, "init", there->initializer, here.initializer);
    add_difference(text, "layout", there->layout, here.layout);
    return text[0] != '\0' && strcmp(there->name, here.name) == 0 &&
           strcmp(there->experiment, here.experiment) == 0 && there->trial == here.trial &&
           sower_precision_compare(there, &here, same_array, &problem);
}

void drift_report(const struct options *options, const struct http_response *response,
                  const struct sower_request *request, const struct sower_model *model)
{
    char text[DIFFERENCE_SIZE];
    int64_t line;
    bool same_array;
    const char *field = response->fields[HTTP_DRIFT];
    if (!sower_text_integer(field, strlen(field), &line) || line < 1) {
        return;
    }
    struct sower_record *there = malloc(sizeof *there);
    if (there != NULL && ask_line(options, (uint64_t)line, there) &&
        find_differences(there, request, model, text, &same_array)) {
        report_failure(options, "warning: %.200s drifts from line %" PRId64 " of the ledger: %s%s.",
                       there->name, line, text, same_array ? ": the same array in another precision" : "");
    } else {
        report_failure(options,
                       "warning: %s has the experiment, trial and name of line %" PRId64
                       " of the ledger, but another shape, dtype, initializer or layout.",
                       model != NULL ? "a tensor of this model" : "this tensor", line);
    }
    free(there);
}
