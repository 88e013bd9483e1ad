#include "client/sow/tensors/root.h"

#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include "client/sow/daemon/ask.h"
#include "client/sow/daemon/report.h"
#include "core/draw.h"
#include "proto/hex.h"
#include "proto/record.h"
#include "proto/request.h"
#include "proto/rootkey.h"

enum { PLAN_SIZE_MAX = 65536 };

static const struct option_rule ROOT[] = {
    {"root-key-file", 'k', "FILE",
     "a private root: 32 raw bytes or 64 hex digits (default: the public root)"},
    {0},
};

const struct option_group root_options = {"The root of all seeds, for tensors that are derived here", ROOT};

bool root_is_given(const struct options *options)
{
    return options_value(options, "root-key-file") != NULL;
}

bool root_read(const struct options *options, struct sower_seed *root, struct sower_problem *problem)
{
    const char *path = options_value(options, "root-key-file");
    if (path != NULL) {
        return sower_rootkey_read(path, root, problem);
    }
    *root = sower_seed_public_root();
    return true;
}

/* A tensor that no user has, so that no pin of its experiment refuses the plan. */
static const struct sower_pair PROBE[] = {
    {"experiment", 10, "sow", 3},
    {"name", 4, "which root", 10},
    {"shape", 5, "1", 1},
    {"init", 4, "zeros", 5},
};

enum { PROBE_COUNT = sizeof PROBE / sizeof PROBE[0] };

/* Computes the draw id of the probe under a root. */
static bool probe_draw(const struct sower_seed *root_id, char hex[SOWER_HEX_SIZE],
                       struct sower_problem *problem)
{
    struct sower_request request;
    struct sower_seed root = sower_seed_public_root();
    json_t *fields = NULL;
    bool good = sower_request_fields_from_pairs(PROBE, PROBE_COUNT, &fields, problem) &&
                sower_request_parse(fields, true, &root, &request, problem);
    json_decref(fields);
    if (good) {
        request.draw.root_id = *root_id;
        struct sower_draw_id draw = sower_draw_id(&request.draw);
        sower_hex_print(draw.bytes, hex);
    }
    return good;
}

static bool read_id(const char *text, struct sower_seed *root_id)
{
    return text != NULL && strlen(text) == 2 * SOWER_SEED_SIZE &&
           sodium_hex2bin(root_id->bytes, SOWER_SEED_SIZE, text, 2 * SOWER_SEED_SIZE, NULL, NULL, NULL) == 0;
}

enum sow_exit root_learn(const struct options *options, struct sower_seed *root_id, bool *is_private)
{
    const struct http_request request = {.path = "/v1/plan", .pairs = PROBE, .pair_count = PROBE_COUNT};
    struct sower_seed root = sower_seed_public_root(), public_id = sower_seed_root_id(&root);
    struct sower_problem problem;
    struct http_response response;
    char hex[SOWER_HEX_SIZE];
    enum sow_exit result;
    json_t *plan = ask_json(options, &request, PLAN_SIZE_MAX, &response, &result);
    const char *draw = json_string_value(json_object_get(plan, "draw"));
    if (plan == NULL) {
        return result;
    }
    if (!read_id(json_string_value(json_object_get(plan, "root")), root_id)) {
        result = report_mismatch(options, &response, "its plan has no root id");
    } else if (!probe_draw(root_id, hex, &problem)) {
        result = report_problem(options, &problem);
    } else if (draw == NULL || strcmp(draw, hex) != 0) {
        result =
            report_mismatch(options, &response, "the draw id of its plan does not follow from the root id");
    }
    *is_private = result == SOW_DONE && memcmp(root_id, &public_id, sizeof public_id) != 0;
    json_decref(plan);
    return result;
}
