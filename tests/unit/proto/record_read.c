/* Reading lines: a printed line gives the same record again, and any other text is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/json.h"
#include "proto/record_read.h"
#include "proto/record_scan.h"

#define TWICE(text) text text
#define HEX(pair) TWICE(TWICE(TWICE(TWICE(TWICE(pair)))))
#define BEGIN(kind) "{\"ledger\":12,\"time\":\"2026-01-31T12:00:00.123Z\",\"kind\":\"" kind "\","
#define END ",\"writer\":\"" HEX("11") "\",\"sequence\":9,\"link\":\"" HEX("22") "\"}"
#define DRAW(rest)                                                                                           \
    BEGIN("draw")                                                                                            \
    "\"draw\":\"" HEX("ab") "\",\"seed\":\"" HEX("0f") "\",\"root\":\"" HEX(                                 \
        "00") "\",\"spec\":1,"                                                                               \
              "\"experiment\":\"exp-\xc3\xa9\\n\\\"42\",\"trial\":9223372036854775807,\"name\":\"w\","       \
              "\"shape\":[4,9223372036854775807],\"dtype\":\"f32\",\"init\":\"normal(mean=0,std=0.02)\","    \
              "\"layout\":\"oi,in_axis=0+1,fan_in=3\"" rest END
#define TRIALS(rest)                                                                                         \
    BEGIN("trials") "\"root\":\"" HEX("00") "\",\"experiment\":\"e\",\"trial\":3,\"count\":2" rest END
#define PIN(kind) BEGIN(kind) "\"root\":\"" HEX("00") "\",\"experiment\":\"e\"" END

static void a_printed_line_reads_back_to_the_same_text(void **state)
{
    (void)state;
    static const char *const lines[] = {
        DRAW(""),
        DRAW(",\"manifest\":\"" HEX("cd") "\",\"drift\":7"),
        DRAW(",\"drift\":1"),
        TRIALS(""),
        TRIALS(",\"key\":\"job 17\""),
        PIN("pin"),
        PIN("unpin"),
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct sower_record record;
        struct sower_problem problem;
        if (!sower_record_read_text(lines[i], strlen(lines[i]), &record, &problem)) {
            fail_msg("%s: %s", lines[i], problem.sentence);
        }
        json_t *json = sower_record_json(&record);
        char *text = sower_json_text(json, JSON_COMPACT);
        assert_non_null(text);
        assert_string_equal(text, lines[i]);
        free(text);
        json_decref(json);
    }
}

/* If the one-pass scan accepts a line, it gives the same record as reading it as JSON. */
static void assert_scanned_alike(const char *line)
{
    struct sower_record scanned, read;
    struct sower_problem problem;
    json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    if (sower_record_scan(line, strlen(line), &scanned) && sower_record_check(&scanned, &problem)) {
        assert_true(sower_record_read(json, &read, &problem));
        assert_memory_equal(&scanned, &read, sizeof read);
    }
    json_decref(json);
}

static void a_line_reads_the_same_in_one_pass(void **state)
{
    (void)state;
    static const char plain[] =
        BEGIN("draw") "\"draw\":\"" HEX("ab") "\",\"seed\":\"" HEX("0f") "\",\"root\":\"" HEX(
            "00") "\",\"spec\":1,\"experiment\":\"exp-42\",\"trial\":0,"
                  "\"name\":\"w\",\"shape\":[4,0,9223372036854775807],\"dtype\":\"f32\",\"init\":\"zeros\","
                  "\"layout\":\"oi\",\"manifest\":\"" HEX("cd") "\",\"drift\":7" END;
    static const char *const lines[] = {plain, TRIALS(""), TRIALS(",\"key\":\"k\""), PIN("pin"),
                                        PIN("unpin")};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct sower_record record;
        char line[sizeof plain + 1];
        size_t length = strlen(lines[i]);
        assert_true(sower_record_scan(lines[i], length, &record));
        assert_false(sower_record_scan(lines[i], length - 1, &record));
        /* every byte removed, doubled, or replaced */
        for (size_t at = 0; at < length; at++) {
            sprintf(line, "%.*s%s", (int)at, lines[i], lines[i] + at + 1);
            assert_scanned_alike(line);
            sprintf(line, "%.*s%c%s", (int)at, lines[i], lines[i][at], lines[i] + at);
            assert_scanned_alike(line);
            for (const char *by = "0:,]}\"\\a \x7f\xc3\n-"; *by != '\0'; by++) {
                strcpy(line, lines[i]);
                line[at] = *by;
                assert_scanned_alike(line);
            }
        }
    }
}

/* The line with one piece of its text replaced. */
static char *replaced(const char *line, const char *part, const char *by)
{
    const char *at = strstr(line, part);
    size_t before = at != NULL ? (size_t)(at - line) : 0;
    char *text = malloc(strlen(line) + strlen(by) + 1);
    assert_non_null(at);
    assert_non_null(text);
    sprintf(text, "%.*s%s%s", (int)before, line, by, at + strlen(part));
    return text;
}

static void a_line_that_is_not_exact_is_refused_with_the_name_of_the_member(void **state)
{
    (void)state;
    static char long_text[600], long_experiment[700], long_name[700];
    memset(long_text, 'x', sizeof long_text - 1);
    sprintf(long_experiment, "\"experiment\":\"%s\"", long_text);
    sprintf(long_name, "\"name\":\"%s\"", long_text);
    const struct {
        const char *line, *part, *by, *member;
    } cases[] = {
        {DRAW(""), "\"ledger\":12", "\"ledger\":0", "ledger"},
        {DRAW(""), "\"ledger\":12", "\"ledger\":-1", "ledger"},
        {DRAW(""), "\"ledger\":12", "\"ledger\":12.0", "ledger"},
        {DRAW(""), "\"ledger\":12", "\"ledger\":\"12\"", "ledger"},
        {DRAW(""), "\"ledger\":12,", "", "ledger"},
        {DRAW(""), "\"ledger\":12,", "\"ledger\":12,\"Ledger\":12,", "Ledger"},
        {DRAW(""), "\"ledger\":12,", "\"ledger\":12,\"count\":1,", "count"},
        {DRAW(""), "\"ledger\":12,", "\"ledger\":12,\"ledger\":12,", ""},
        {DRAW(""), "{", "[{", ""},
        {DRAW(""), "12:00:00.123Z", "12:00:60.123Z", "time"},
        {DRAW(""), "2026-01-31T", "2026-02-29T", "time"},
        {DRAW(""), "2026-01-31T", "2026-01-31 ", "time"},
        {DRAW(""), "2026-01-31T", "0999-01-31T", "time"},
        {DRAW(""), "12:00:00.123Z", "12:00:00.12Z", "time"},
        {DRAW(""), "12:00:00.123Z", "12:00:00.123+", "time"},
        {DRAW(""), "\"kind\":\"draw\"", "\"kind\":\"Draw\"", "kind"},
        {DRAW(""), "\"kind\":\"draw\"", "\"kind\":\"pin\"", "draw"},
        {DRAW(""), "\"kind\":\"draw\",", "", "kind"},
        {DRAW(""), "abab\",\"seed\"", "abAB\",\"seed\"", "draw"},
        {DRAW(""), "abab\",\"seed\"", "aba\",\"seed\"", "draw"},
        {DRAW(""), "abab\",\"seed\"", "abag\",\"seed\"", "draw"},
        {DRAW(""), "\"spec\":1", "\"spec\":0", "spec"},
        {DRAW(""), "\"spec\":1", "\"spec\":4294967297", "spec"},
        {DRAW(""), "\"trial\":9223372036854775807", "\"trial\":9223372036854775808", ""},
        {DRAW(""), "\"trial\":9223372036854775807", "\"trial\":null", "trial"},
        {DRAW(""), "\"name\":\"w\"", "\"name\":\"\"", "name"},
        {DRAW(""), "\"name\":\"w\"", "\"name\":\"a\\u0000b\"", ""},
        {DRAW(""), "\"name\":\"w\"", long_name, "name"},
        {TRIALS(""), "\"experiment\":\"e\"", long_experiment, "experiment"},
        {DRAW(""), "[4,", "[-4,", "shape"},
        {DRAW(""), "[4,", "[4.0,", "shape"},
        {DRAW(""), "[4,", "[1,1,1,1,1,1,1,1,", "shape"},
        {DRAW(""), "\"f32\"", "\"f32\\ninit=zeros\"", "dtype"},
        {DRAW(""), "\"f32\"", "\"0123456789abcdef\"", "dtype"},
        {DRAW(""), "\"normal(", "\"\\tnormal(", "init"},
        {DRAW(""), "\"oi,", "\"oi\\n,", "layout"},
        {DRAW(",\"drift\":7"), "\"drift\":7", "\"drift\":0", "drift"},
        {DRAW(",\"drift\":7"), "\"drift\":7", "\"manifest\":\"\"", "manifest"},
        {TRIALS(""), "\"count\":2", "\"count\":0", "count"},
        {TRIALS(",\"key\":\"k\""), "\"key\":\"k\"", "\"key\":\"\"", "key"},
        {PIN("pin"), "\"sequence\":9", "\"sequence\":0", "sequence"},
        {PIN("pin"), "\"sequence\":9", "\"trial\":0,\"sequence\":9", "trial"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_record record;
        struct sower_problem problem = {.field = "none"};
        char *line = replaced(cases[i].line, cases[i].part, cases[i].by);
        if (sower_record_read_text(line, strlen(line), &record, &problem) ||
            strcmp(problem.field, cases[i].member) != 0) {
            fail_msg("%s: %s", line, problem.field);
        }
        free(line);
    }
}

static struct sower_seed root(void)
{
    return sower_seed_public_root();
}

static struct sower_record record_of(const char *body)
{
    struct sower_request request;
    struct sower_problem problem;
    struct sower_record record;
    struct sower_seed public_root = root();
    json_t *fields;
    if (!sower_request_fields_from_json(body, strlen(body), &fields, &problem) ||
        !sower_request_parse(fields, false, &public_root, &request, &problem)) {
        fail_msg("%s: %s", body, problem.sentence);
    }
    json_decref(fields);
    sower_record_of(&request, &record);
    return record;
}

static const char *const BODIES[] = {
    "{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[],\"init\":\"zeros\"}",
    "{\"experiment\":\"a\\nb\",\"trial\":9223372036854775807,\"name\":\"\\u00fc=&%\",\"shape\":[0,3],"
    "\"init\":\"he_normal\","
    "\"dtype\":\"f8_e4m3\"}",
    "{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[2,3,4,5],\"init\":\"variance_scaling(0.1)\",\"layout\":"
    "\"io\",\"fan_out\":5,\"fan_in\":4,\"batch_axis\":1,\"out_axis\":2,\"in_axis\":[-1,0]}",
    "{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[20,3,4,9],\"init\":\"normal\",\"fan_out\":5,\"fan_in\":"
    "4,"
    "\"batch_axis\":1,\"out_axis\":2,\"in_axis\":[-1,0],\"zero_rows\":[0,1,2,3,4,5,6,19],\"zero_columns\":[8,"
    "0]}",
    "{\"experiment\":\"e\",\"name\":\"w\",\"shape\":[8,8],\"init\":\"orthogonal(gain=-0.0)\",\"dtype\":"
    "\"f64\"}",
};

static void the_request_of_a_record_is_the_one_that_it_came_from(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof BODIES / sizeof BODIES[0]; i++) {
        struct sower_record record = record_of(BODIES[i]), again;
        struct sower_seed public_root = root();
        struct sower_request request;
        struct sower_problem problem;
        bool known = false;
        if (!sower_record_request(&record, &public_root, &request, &known, &problem)) {
            fail_msg("%s: %s", BODIES[i], problem.sentence);
        }
        assert_true(known);
        sower_record_of(&request, &again);
        assert_memory_equal(&again, &record, sizeof record);
    }
}

static void a_record_of_another_root_is_checked_except_its_seed(void **state)
{
    (void)state;
    struct sower_record record = record_of(BODIES[2]);
    struct sower_seed other = {{1}};
    struct sower_request request;
    struct sower_problem problem;
    bool known = true;
    assert_true(sower_record_request(&record, &other, &request, &known, &problem));
    assert_false(known);
    assert_memory_equal(&request.seed, &record.seed, sizeof record.seed);
    record.draw.bytes[0] ^= 1;
    assert_false(sower_record_request(&record, &other, &request, &known, &problem));
    assert_string_equal(problem.field, "draw");
}

static void a_record_that_contradicts_itself_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        const char *text, *member;
    } cases[] = {
        {offsetof(struct sower_record, experiment), "f", "seed"},
        {offsetof(struct sower_record, name), "v", "seed"},
        {offsetof(struct sower_record, shape), "2,3,5,4", "draw"},
        {offsetof(struct sower_record, shape), "2,3,4,5,", "shape"},
        {offsetof(struct sower_record, dtype), "float32", "dtype"},
        {offsetof(struct sower_record, dtype), "f31", "dtype"},
        {offsetof(struct sower_record, dtype), "f16", "draw"},
        {offsetof(struct sower_record, initializer), "he_normal( )", "init"},
        {offsetof(struct sower_record, initializer), "he_normal", "draw"},
        {offsetof(struct sower_record, layout), "io,in_axis=3+0,out_axis=2,batch_axis=1,fan_in=4,fan_out=5",
         "layout"},
        {offsetof(struct sower_record, layout), "io,in_axis=0+3,out_axis=2,batch_axis=1,fan_in=4", "draw"},
        {offsetof(struct sower_record, layout),
         "io,in_axis=0+3,out_axis=2,batch_axis=1,fan_in=4,fan_out=5,zero_rows=0", "draw"},
        {offsetof(struct sower_record, layout),
         "io,in_axis=0+3,out_axis=2,batch_axis=1,fan_in=4,fan_out=5,zero_rows=1+0", "layout"},
        {offsetof(struct sower_record, layout),
         "io,in_axis=0+3,out_axis=2,batch_axis=1,fan_in=4,fan_out=5,zero_columns=-1", "layout"},
        {offsetof(struct sower_record, layout),
         "io,in_axis=0+3,out_axis=2,batch_axis=1,fan_in=4,fan_out=5,zero_rows=2", "zero_rows"},
        {offsetof(struct sower_record, layout), "oi,slice=0:1", "layout"},
        {offsetof(struct sower_record, layout), "oi,fan_in", "fan_in"},
        {offsetof(struct sower_record, layout), "oi,name=x", ""},
        {offsetof(struct sower_record, layout), "oi,", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_record record = record_of(BODIES[2]);
        struct sower_seed public_root = root();
        struct sower_request request;
        struct sower_problem problem = {.field = "none"};
        bool known;
        strcpy((char *)&record + cases[i].offset, cases[i].text);
        if (sower_record_request(&record, &public_root, &request, &known, &problem)) {
            fail_msg("%s was taken", cases[i].text);
        }
        if (cases[i].member[0] != '\0') {
            assert_string_equal(problem.field, cases[i].member);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_printed_line_reads_back_to_the_same_text),
        cmocka_unit_test(a_line_reads_the_same_in_one_pass),
        cmocka_unit_test(a_line_that_is_not_exact_is_refused_with_the_name_of_the_member),
        cmocka_unit_test(the_request_of_a_record_is_the_one_that_it_came_from),
        cmocka_unit_test(a_record_of_another_root_is_checked_except_its_seed),
        cmocka_unit_test(a_record_that_contradicts_itself_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
