/* sow plan: shows all about a tensor except its elements. */
#include <inttypes.h>
#include <string.h>

#include <sodium.h>

#include "client/sow/daemon/ask.h"
#include "client/sow/daemon/figures.h"
#include "client/sow/daemon/report.h"
#include "client/sow/tensors/root.h"
#include "client/sow/tensors/tensor.h"
#include "client/sow/terminal/terminal.h"
#include "proto/documents.h"
#include "proto/json.h"
#include "proto/request.h"
#include "proto/text.h"

enum { PLAN_SIZE_MAX = 65536, LABEL_COLUMNS = 14 };

static const struct option_rule PLAN[] = {
    {"offline", 0, NULL, "derive the plan on this machine; no daemon is needed"},
    {"json", 'j', NULL, "print JSON"},
    {0},
};

static const struct option_group PLAN_OPTIONS = {"The plan", PLAN};

static const struct option_group *const GROUPS[] = {
    &tensor_options_draw,
    &tensor_options_fans,
    &tensor_options_zeros,
    &tensor_options_response,
    &PLAN_OPTIONS,
    &root_options,
    &http_options,
    &options_common,
    NULL,
};

/* Derives the plan on this machine. NULL when memory runs out, which is reported. */
static json_t *derive(const struct options *options, const struct sower_request *request,
                      enum sow_exit *result)
{
    json_t *plan = sower_document_plan(request);
    if (plan == NULL) {
        *result = report_memory(options);
    }
    return plan;
}

/* The expected plan. A daemon may have a private root: its plan has the id of the root, from which the draw
 * id must follow; then the seed cannot be checked. */
static json_t *expect(const struct options *options, struct sower_request *request, const json_t *found,
                      enum sow_exit *result)
{
    const json_t *root = json_object_get(found, "root");
    struct sower_seed root_id = request->draw.root_id;
    if (figures_is_hash(root) && figures_is_hash(json_object_get(found, "seed"))) {
        sodium_hex2bin(request->draw.root_id.bytes, SOWER_SEED_SIZE, json_string_value(root),
                       2 * SOWER_SEED_SIZE, NULL, NULL, NULL);
    }
    json_t *plan = derive(options, request, result);
    if (plan != NULL && memcmp(&root_id, &request->draw.root_id, sizeof root_id) != 0) {
        json_object_del(plan, "seed");
    }
    return plan;
}

/* Requests the plan from the daemon and checks it. NULL after a failure, which is reported. */
static json_t *ask(const struct options *options, const struct tensor_fields *fields,
                   struct sower_request *request, enum sow_exit *result)
{
    const struct http_request http_request = {
        .path = "/v1/plan", .pairs = fields->pairs, .pair_count = fields->count};
    char reason[FIGURES_REASON_SIZE];
    struct http_response response;
    json_t *plan = ask_json(options, &http_request, PLAN_SIZE_MAX, &response, result);
    json_t *expected = plan != NULL ? expect(options, request, plan, result) : NULL;
    if (expected != NULL && !figures_match(plan, expected, reason)) {
        *result = report_mismatch(options, &response, reason);
    } else if (expected != NULL && (!figures_may_be_line(json_object_get(plan, "ledger")) ||
                                    !figures_may_be_line(json_object_get(plan, "drift")))) {
        *result = report_mismatch(options, &response, "its ledger or its drift is not the number of a line");
    }
    json_decref(expected);
    if (*result != SOW_DONE) {
        json_decref(plan);
        plan = NULL;
    }
    return plan;
}

/* Prints one value: sizes as "4096 × 1024", a range of a slice as "0:512". */
static void print_value(const json_t *value, const char *between)
{
    char real[SOWER_REAL_SIZE];
    size_t i;
    json_t *item;
    if (json_is_string(value)) {
        terminal_print(stdout, json_string_value(value));
    } else if (json_is_integer(value)) {
        printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (json_is_real(value)) {
        sower_text_print_real(json_real_value(value), real);
        fputs(real, stdout);
    } else if (json_is_boolean(value)) {
        fputs(json_is_true(value) ? "yes" : "no", stdout);
    } else if (json_is_array(value) && json_array_size(value) == 0) {
        fputs("scalar", stdout);
    } else {
        bool nested = json_is_array(json_array_get(value, 0));
        json_array_foreach(value, i, item)
        {
            fputs(i == 0 ? "" : nested ? ", " : between, stdout);
            print_value(item, ":");
        }
    }
}

/* Whether a value is left out: it does not apply, or it describes the region and that is the whole tensor. */
static bool is_hidden(const json_t *plan, const char *key, const json_t *value)
{
    bool of_region = strcmp(key, "slice") == 0 || strcmp(key, "slice_shape") == 0;
    bool whole = json_equal(json_object_get(plan, "slice_shape"), json_object_get(plan, "shape"));
    return json_is_null(value) || json_is_object(value) || (of_region && whole);
}

/* Prints the values in the order of the response. */
static void print_card(const json_t *plan)
{
    const char *key;
    json_t *value;
    char label[64], quantity[TERMINAL_QUANTITY_SIZE];
    json_object_foreach((json_t *)plan, key, value)
    {
        if (is_hidden(plan, key, value)) {
            continue;
        }
        snprintf(label, sizeof label, "%s", key);
        for (char *c = label; *c != '\0'; c++) {
            *c = *c == '_' ? ' ' : *c;
        }
        terminal_cell(stdout, label, LABEL_COLUMNS);
        fputs(strcmp(key, "ledger") == 0  ? " line "
              : strcmp(key, "drift") == 0 ? " from line "
                                          : " ",
              stdout);
        print_value(value, " × ");
        if (strcmp(key, "bytes") == 0 && json_integer_value(value) >= 1000) {
            printf(" (%s)", terminal_bytes((double)json_integer_value(value), quantity));
        }
        fputc('\n', stdout);
    }
}

static enum sow_exit run(const struct options *options)
{
    struct tensor_fields fields;
    struct sower_request request;
    enum sow_exit result = SOW_DONE;
    bool offline = options_value(options, "offline") != NULL;
    if (!tensor_collect(options, &fields)) {
        return SOW_USAGE;
    }
    if (!offline && options_value(options, "root-key-file") != NULL) {
        return options_error(options, "--root-key-file needs --offline: a daemon uses its own root.");
    }
    result = tensor_request(options, &fields, &request);
    if (result != SOW_DONE) {
        return result;
    }
    json_t *plan = offline ? derive(options, &request, &result) : ask(options, &fields, &request, &result);
    if (plan == NULL) {
        return result;
    }
    if (options_value(options, "json") == NULL) {
        print_card(plan);
    } else if (!terminal_json_value(stdout, plan)) {
        result = report_memory(options);
    }
    json_decref(plan);
    return result;
}

const struct command command_plan = {
    .name = "plan",
    .summary = "show seed, fans and size of a tensor without drawing it",
    .synopsis = "--experiment TEXT [--trial N] --name TEXT --shape SIZES --init EXPRESSION [option …]",
    .description =
        "Shows the seed, fans, standard deviation or limit, range, size and draw id of a tensor, its "
        "line in the ledger, and the line that it drifts from: a line with the same experiment, trial "
        "and name, but another shape, dtype, initializer or layout. Nothing is drawn and nothing is "
        "recorded.",
    .examples = "  sow plan -e exp-42 -n w -s 4096,1024 -i he_normal\n"
                "  sow plan --offline -e exp-42 -n w -s 3,3,64,128 -i glorot_uniform --layout io\n"
                "  sow plan -j -e exp-42 -n w -s 4096,1024 -i he_normal | jq .seed\n",
    .groups = GROUPS,
    .run = run,
};
