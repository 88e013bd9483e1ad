/* Requests, as a JSON body or, if the first byte is not a brace, as a query. Oracles: a query of the canonical
 * fields of a request reads back as the same request; and the request's ledger record is true. */
#include "proto/record_read.h"
#include "proto/request.h"
#include "tests/fuzz/fuzz.h"

enum { PAIRS_MAX = 40, FORMATS = 3 };

static bool same(const struct sower_request *a, const struct sower_request *b)
{
    return strcmp(a->draw.experiment, b->draw.experiment) == 0 && strcmp(a->draw.name, b->draw.name) == 0 &&
           memcmp(&a->seed, &b->seed, sizeof a->seed) == 0 && a->format == b->format &&
           memcmp(a->draw.initializer.values, b->draw.initializer.values,
                  sizeof a->draw.initializer.values) == 0 &&
           a->plan.fans.in == b->plan.fans.in && a->plan.fans.out == b->plan.fans.out &&
           memcmp(sower_draw_id(&a->draw).bytes, sower_draw_id(&b->draw).bytes, SOWER_DRAW_ID_SIZE) == 0 &&
           same_region(&a->region, &b->region);
}

static bool parse_pairs(const struct sower_pair *pairs, size_t count, struct sower_request *request,
                        struct sower_problem *problem)
{
    const struct sower_seed root = sower_seed_public_root();
    json_t *fields;
    bool parsed = sower_request_fields_from_pairs(pairs, count, &fields, problem) &&
                  sower_request_parse(fields, true, &root, request, problem);
    json_decref(fields);
    return parsed;
}

/* Cuts at "&" and "=", without percent-decoding: the input may have any byte. */
static bool parse_query(const char *text, size_t size, struct sower_request *request,
                        struct sower_problem *problem)
{
    struct sower_pair pairs[PAIRS_MAX];
    size_t count = 0;
    for (const char *end = text + size; text < end && count < PAIRS_MAX;) {
        const char *stop = memchr(text, '&', (size_t)(end - text));
        stop = stop == NULL ? end : stop;
        const char *equals = memchr(text, '=', (size_t)(stop - text));
        pairs[count++] = (struct sower_pair){text, (size_t)((equals == NULL ? stop : equals) - text),
                                             equals == NULL ? NULL : equals + 1,
                                             equals == NULL ? 0 : (size_t)(stop - equals - 1)};
        text = stop + 1;
    }
    return parse_pairs(pairs, count, request, problem);
}

static bool parse(const char *text, size_t size, struct sower_request *request, struct sower_problem *problem)
{
    const struct sower_seed root = sower_seed_public_root();
    json_t *fields;
    if (size == 0 || text[0] != '{') {
        return parse_query(text, size, request, problem);
    }
    bool parsed = sower_request_fields_from_json(text, size, &fields, problem) &&
                  sower_request_parse(fields, false, &root, request, problem);
    json_decref(fields);
    return parsed;
}

static void check_query(const struct sower_request *request, const struct sower_record *record)
{
    static const char *const formats[FORMATS] = {"npy", "raw", "safetensors"};
    struct sower_record_fields fields;
    struct sower_request again;
    struct sower_problem problem;
    char region[SOWER_RANK_MAX * 42];
    const char *format = formats[request->format];
    sower_record_fields(record, &fields);
    MUST(fields.count + 2 <= SOWER_RECORD_FIELDS_MAX);
    fields.pairs[fields.count++] = (struct sower_pair){"format", strlen("format"), format, strlen(format)};
    if (request->region.rank > 0) {
        print_region(&request->region, region, sizeof region);
        fields.pairs[fields.count++] = (struct sower_pair){"slice", strlen("slice"), region, strlen(region)};
    }
    MUST(parse_pairs(fields.pairs, fields.count, &again, &problem) && same(request, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct sower_seed root = sower_seed_public_root();
    struct sower_request request, drawn;
    struct sower_record record;
    struct sower_problem problem;
    bool known;
    if (!parse((const char *)bytes, size, &request, &problem)) {
        check_refusal(&problem);
        return 0;
    }
    sower_record_of(&request, &record);
    check_query(&request, &record);
    MUST(sower_record_request(&record, &root, &drawn, &known, &problem) && known);
    return 0;
}
