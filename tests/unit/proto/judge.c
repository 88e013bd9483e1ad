/* Judges: the same result for every draw as from the parser of requests, whatever was judged before. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/judge.h"
#include "proto/record_read.h"

static struct sower_record record_of(const char *body)
{
    struct sower_request request;
    struct sower_problem problem;
    struct sower_record record;
    struct sower_seed root = sower_seed_public_root();
    json_t *fields;
    if (!sower_request_fields_from_json(body, strlen(body), &fields, &problem) ||
        !sower_request_parse(fields, false, &root, &request, &problem)) {
        fail_msg("%s: %s", body, problem.sentence);
    }
    json_decref(fields);
    sower_record_of(&request, &record);
    return record;
}

/* The same tensor under other names, with other tensors in between. */
static const char *const BODIES[] = {
    "{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[4,5],\"init\":\"he_normal\"}",
    "{\"experiment\":\"f\",\"name\":\"w\",\"shape\":[4,5],\"init\":\"he_normal\",\"trial\":3}",
    "{\"experiment\":\"f\",\"name\":\"\\u00fc\",\"shape\":[4,5],\"init\":\"he_normal\"}",
    "{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[4,5],\"init\":\"he_normal\",\"dtype\":\"bf16\"}",
    "{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[4,5],\"init\":\"he_normal\",\"layout\":\"io\"}",
    "{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[],\"init\":\"zeros\"}",
    "{\"experiment\":\"e\",\"name\":\"v\",\"shape\":[4,5],\"init\":\"he_normal\"}",
};

enum { BODY_COUNT = sizeof BODIES / sizeof BODIES[0] };

static void assert_same_word(struct sower_judge *judge, const struct sower_record *record)
{
    struct sower_request request;
    struct sower_problem judged = {.field = ""}, wanted = {.field = ""};
    bool known = false, wanted_known = false;
    bool is_true = sower_judge_draw(judge, record, &known, &judged);
    assert_int_equal(is_true, sower_record_request(record, &judge->root, &request, &wanted_known, &wanted));
    assert_string_equal(judged.field, wanted.field);
    assert_string_equal(judged.sentence, wanted.sentence);
    assert_true(!is_true || known == wanted_known);
}

/* Every body, unchanged and with each member changed, after all others: so the remembered kind is another one. */
static void a_draw_is_judged_as_the_parser_of_requests_judges_it(void **state)
{
    (void)state;
    static const size_t places[] = {
        offsetof(struct sower_record, experiment), offsetof(struct sower_record, trial),
        offsetof(struct sower_record, name),       offsetof(struct sower_record, shape),
        offsetof(struct sower_record, dtype),      offsetof(struct sower_record, initializer),
        offsetof(struct sower_record, layout),     offsetof(struct sower_record, spec),
        offsetof(struct sower_record, draw),       offsetof(struct sower_record, seed),
        offsetof(struct sower_record, root_id),
    };
    const struct sower_seed root = sower_seed_public_root();
    struct sower_judge *judge = malloc(sizeof *judge);
    assert_non_null(judge);
    sower_judge_begin(judge, &root);
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < BODY_COUNT; i++) {
            struct sower_record record = record_of(BODIES[i]);
            assert_same_word(judge, &record);
            for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
                struct sower_record changed = record;
                *((uint8_t *)&changed + places[p]) ^= 1;
                assert_same_word(judge, &changed);
                assert_same_word(judge, &record);
            }
        }
    }
    free(judge);
}

static void a_name_that_is_no_utf_8_is_refused_though_its_kind_is_known(void **state)
{
    (void)state;
    const struct sower_seed root = sower_seed_public_root();
    struct sower_judge *judge = malloc(sizeof *judge);
    assert_non_null(judge);
    sower_judge_begin(judge, &root);
    struct sower_record record = record_of(BODIES[0]);
    assert_same_word(judge, &record);
    strcpy(record.name, "\xff");
    assert_same_word(judge, &record);
    free(judge);
}

static void more_kinds_than_are_remembered_give_the_same_results(void **state)
{
    (void)state;
    const struct sower_seed root = sower_seed_public_root();
    struct sower_judge *judge = malloc(sizeof *judge);
    char body[128];
    assert_non_null(judge);
    sower_judge_begin(judge, &root);
    for (size_t round = 0; round < 2; round++) {
        for (unsigned size = 0; size < 4 * SOWER_JUDGE_KINDS; size++) {
            snprintf(body, sizeof body,
                     "{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[%u],\"init\":\"zeros\"}", size);
            struct sower_record record = record_of(body);
            assert_same_word(judge, &record);
        }
    }
    free(judge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_draw_is_judged_as_the_parser_of_requests_judges_it),
        cmocka_unit_test(a_name_that_is_no_utf_8_is_refused_though_its_kind_is_known),
        cmocka_unit_test(more_kinds_than_are_remembered_give_the_same_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
