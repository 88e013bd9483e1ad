#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/json.h"
#include "proto/record.h"

static struct sower_request request_of(const char *body)
{
    struct sower_request request = {0};
    struct sower_problem problem = {.sentence = ""};
    struct sower_seed root = sower_seed_public_root();
    json_t *fields;
    if (!sower_request_fields_from_json(body, strlen(body), &fields, &problem) ||
        !sower_request_parse(fields, false, &root, &request, &problem)) {
        fail_msg("%s: %s", body, problem.sentence);
    }
    json_decref(fields);
    return request;
}

static struct sower_record record_of(const char *body)
{
    struct sower_request request = request_of(body);
    struct sower_record record;
    sower_record_of(&request, &record);
    return record;
}

static void assert_json(json_t *json, const char *expected)
{
    char *text = sower_json_text(json, JSON_COMPACT);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
}

static void a_line_has_its_keys_in_the_order_of_the_contract(void **state)
{
    (void)state;
    struct sower_record record = record_of("{\"experiment\":\"exp-\\u00e942\",\"trial\":7,\"name\":\"w\","
                                           "\"shape\":[4,3],\"init\":\"normal(std=0.02)\"}");
    memset(record.draw.bytes, 0xab, sizeof record.draw.bytes);
    memset(record.seed.bytes, 0x0f, sizeof record.seed.bytes);
    memset(record.root_id.bytes, 0x00, sizeof record.root_id.bytes);
    record.ledger = 12;
    record.time = 1769860800123;
    record.place.sequence = 9;
    memset(record.place.writer, 0x11, sizeof record.place.writer);
    memset(record.place.link, 0x22, sizeof record.place.link);
#define TWICE(text) text text
#define HEX(pair) TWICE(TWICE(TWICE(TWICE(TWICE(pair)))))
    assert_json(sower_record_json(&record),
                "{\"ledger\":12,\"time\":\"2026-01-31T12:00:00.123Z\",\"kind\":\"draw\","
                "\"draw\":\"" HEX("ab") "\",\"seed\":\"" HEX("0f") "\",\"root\":\"" HEX(
                    "00") "\",\"spec\":1,\"experiment\":\"exp-é42\",\"trial\":7,"
                          "\"name\":\"w\",\"shape\":[4,3],\"dtype\":\"f32\",\"init\":"
                          "\"normal(mean=0,std=0.02)\","
                          "\"layout\":\"oi\",\"writer\":\"" HEX("11") "\",\"sequence\":9,\"link\":\"" HEX(
                              "22") "\"}");
}

static void a_draw_that_is_not_yet_written_has_no_number_and_time(void **state)
{
    (void)state;
    struct sower_record record =
        record_of("{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[],\"init\":\"zeros\"}");
    json_t *line = sower_record_json(&record);
    assert_null(json_object_get(line, "ledger"));
    assert_null(json_object_get(line, "time"));
    assert_int_equal(json_array_size(json_object_get(line, "shape")), 0);
    assert_true(json_is_array(json_object_get(line, "shape")));
    json_decref(line);
}

/* The members between the time and the place in the chain. */
static void assert_middle(const struct sower_record *record, const char *expected)
{
    json_t *line = sower_record_json(record);
    static const char *const around[] = {"ledger", "time", "writer", "sequence", "link"};
    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
        assert_int_equal(json_object_del(line, around[i]), 0);
    }
    assert_json(line, expected);
}

static void a_line_of_trials_has_its_numbers_and_its_key(void **state)
{
    (void)state;
    struct sower_record record = {
        .ledger = 2, .kind = SOWER_RECORD_TRIALS, .experiment = "e\"", .trial = SOWER_TRIAL_MAX, .count = 1};
    assert_middle(&record,
                  "{\"kind\":\"trials\",\"root\":\"" HEX(
                      "00") "\",\"experiment\":\"e\\\"\",\"trial\":9223372036854775807,\"count\":1}");
    strcpy(record.key, "a key");
    record.trial = 0;
    record.count = 1000000;
    assert_middle(&record,
                  "{\"kind\":\"trials\",\"root\":\"" HEX(
                      "00") "\",\"experiment\":\"e\\\"\",\"trial\":0,\"count\":1000000,\"key\":\"a key\"}");
}

static void a_line_of_a_pin_has_only_the_experiment(void **state)
{
    (void)state;
    struct sower_record record = {.ledger = 3, .kind = SOWER_RECORD_PIN, .experiment = "e", .trial = 7};
    assert_middle(&record, "{\"kind\":\"pin\",\"root\":\"" HEX("00") "\",\"experiment\":\"e\"}");
    record.kind = SOWER_RECORD_UNPIN;
    assert_middle(&record, "{\"kind\":\"unpin\",\"root\":\"" HEX("00") "\",\"experiment\":\"e\"}");
}

static void a_draw_names_its_manifest_and_what_it_drifts_from(void **state)
{
    (void)state;
    struct sower_record record =
        record_of("{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[2],\"init\":\"zeros\"}");
    record.ledger = 8;
    record.has_manifest = true;
    memset(record.manifest, 0xcd, sizeof record.manifest);
    record.drift = 7;
    json_t *line = sower_record_json(&record);
    assert_string_equal(json_string_value(json_object_get(line, "manifest")), HEX("cd"));
    assert_int_equal(json_integer_value(json_object_get(line, "drift")), 7);
    json_decref(line);
}

static void a_layout_lists_its_overrides_in_order(void **state)
{
    (void)state;
    assert_string_equal(
        record_of(
            "{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[2,3,4,5],\"init\":\"he_normal\",\"layout\":"
            "\"io\",\"zero_columns\":-1,\"zero_rows\":[1,0],\"fan_out\":5,\"fan_in\":4,\"batch_axis\":1,"
            "\"out_axis\":2,\"in_axis\":[-1,0]}")
            .layout,
        "io,in_axis=0+3,out_axis=2,batch_axis=1,fan_in=4,fan_out=5,zero_rows=0+1,zero_columns=4");
    assert_string_equal(
        record_of("{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[2,3],\"init\":\"he_normal\","
                  "\"fan_in\":9223372036854775807}")
            .layout,
        "oi,fan_in=9223372036854775807");
}

/* The last eight indices of the longest axis. */
#define LAST_EIGHT                                                                                           \
    "9223372036854775799+9223372036854775800+9223372036854775801+9223372036854775802+9223372036854775803+"   \
    "9223372036854775804+9223372036854775805+9223372036854775806"

static void the_longest_record_fits(void **state)
{
    (void)state;
    struct sower_record record =
        record_of("{\"experiment\":\"e\",\"name\":\"w\",\"init\":\"zeros\",\"shape\":[9223372036854775807,0,"
                  "9223372036854775807,9223372036854775807,9223372036854775807,9223372036854775807,"
                  "9223372036854775807,9223372036854775807],\"zero_rows\":[-1,-2,-3,-4,-5,-6,-7,-8],"
                  "\"zero_columns\":[-1,-2,-3,-4,-5,-6,-7,-8],\"in_axis\":[0,1,2],\"out_axis\":[3,4,5],"
                  "\"batch_axis\":[6,7],\"fan_in\":9223372036854775807,\"fan_out\":9223372036854775807}");
    assert_string_equal(record.layout, "oi,in_axis=0+1+2,out_axis=3+4+5,batch_axis=6+7,fan_in="
                                       "9223372036854775807,fan_out=9223372036854775807,"
                                       "zero_rows=" LAST_EIGHT ",zero_columns=" LAST_EIGHT);
    json_t *line = sower_record_json(&record);
    json_t *shape = json_object_get(line, "shape");
    assert_int_equal(json_array_size(shape), 8);
    assert_true(json_integer_value(json_array_get(shape, 7)) == INT64_MAX);
    json_decref(line);
}

static void a_record_with_a_damaged_shape_gives_no_line(void **state)
{
    (void)state;
    struct sower_record record =
        record_of("{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[3],\"init\":\"zeros\"}");
    strcpy(record.shape, "3;4");
    assert_null(sower_record_json(&record));
}

/* A request with the line's own fields is the same draw. */
static void a_line_regenerates_its_draw(void **state)
{
    (void)state;
    struct sower_record record = record_of("{\"experiment\":\"e\",\"trial\":3,\"name\":\"w\",\"shape\":[4,5],"
                                           "\"init\":\"variance_scaling(2)\",\"dtype\":\"bf16\"}");
    json_t *line = sower_record_json(&record);
    static const char *const others[] = {"draw", "seed", "root"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(json_object_del(line, others[i]), 0);
    }
    char *body = sower_json_text(line, 0);
    assert_non_null(body);
    struct sower_record again = record_of(body);
    assert_memory_equal(&again, &record, sizeof record);
    free(body);
    json_decref(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_its_keys_in_the_order_of_the_contract),
        cmocka_unit_test(a_draw_that_is_not_yet_written_has_no_number_and_time),
        cmocka_unit_test(a_line_of_trials_has_its_numbers_and_its_key),
        cmocka_unit_test(a_line_of_a_pin_has_only_the_experiment),
        cmocka_unit_test(a_draw_names_its_manifest_and_what_it_drifts_from),
        cmocka_unit_test(a_layout_lists_its_overrides_in_order),
        cmocka_unit_test(the_longest_record_fits),
        cmocka_unit_test(a_record_with_a_damaged_shape_gives_no_line),
        cmocka_unit_test(a_line_regenerates_its_draw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
