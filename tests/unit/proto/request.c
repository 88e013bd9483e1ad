#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/request.h"

/* Reads a query string of plain fields; "%" and two hex digits stand for a byte. */
static bool parse_query(const char *query, struct sower_request *request, struct sower_problem *problem)
{
    enum { PAIRS_MAX = 40, BYTES_MAX = 4096 };
    static char bytes[BYTES_MAX];
    struct sower_pair pairs[PAIRS_MAX];
    size_t count = 0;
    size_t used = 0;
    while (*query != '\0') {
        assert_true(count < PAIRS_MAX);
        struct sower_pair *pair = &pairs[count++];
        *pair = (struct sower_pair){.key = bytes + used};
        for (; *query != '\0' && *query != '&'; query++) {
            assert_true(used < BYTES_MAX);
            if (*query == '=' && pair->value == NULL) {
                pair->value = bytes + used;
                continue;
            }
            char byte = *query;
            if (byte == '%') {
                char digits[3] = {query[1], query[2], '\0'};
                byte = (char)strtoul(digits, NULL, 16);
                query += 2;
            }
            bytes[used++] = byte;
            *(pair->value == NULL ? &pair->key_length : &pair->value_length) += 1;
        }
        query += *query == '&';
    }
    json_t *fields;
    struct sower_seed root = sower_seed_public_root();
    bool parsed = sower_request_fields_from_pairs(pairs, count, &fields, problem) &&
                  sower_request_parse(fields, true, &root, request, problem);
    json_decref(fields);
    return parsed;
}

static bool parse_json(const char *text, size_t length, struct sower_request *request,
                       struct sower_problem *problem)
{
    json_t *fields;
    struct sower_seed root = sower_seed_public_root();
    bool parsed = sower_request_fields_from_json(text, length, &fields, problem) &&
                  sower_request_parse(fields, false, &root, request, problem);
    json_decref(fields);
    return parsed;
}

static void assert_problem(const char *input, bool parsed, const struct sower_problem *problem,
                           const char *field, const char *part)
{
    if (parsed) {
        fail_msg("%s is accepted", input);
    }
    if (strcmp(problem->field, field) != 0 || strstr(problem->sentence, part) == NULL) {
        fail_msg("%s: field %s, \"%s\"; expected field %s and \"%s\"", input, problem->field,
                 problem->sentence, field, part);
    }
    json_t *sentence = json_string(problem->sentence); /* NULL unless the sentence is UTF-8 */
    assert_non_null(sentence);
    json_decref(sentence);
}

static void assert_query_refused(const char *query, const char *field, const char *part)
{
    struct sower_request request;
    struct sower_problem problem;
    bool parsed = parse_query(query, &request, &problem);
    assert_problem(query, parsed, &problem, field, part);
}

static void assert_json_refused(const char *text, const char *field, const char *part)
{
    struct sower_request request;
    struct sower_problem problem;
    bool parsed = parse_json(text, strlen(text), &request, &problem);
    assert_problem(text, parsed, &problem, field, part);
}

static struct sower_request good_query(const char *query)
{
    struct sower_request request;
    struct sower_problem problem = {.sentence = ""};
    if (!parse_query(query, &request, &problem)) {
        fail_msg("%s: %s: %s", query, problem.field, problem.sentence);
    }
    return request;
}

static struct sower_request good_json(const char *text)
{
    struct sower_request request;
    struct sower_problem problem = {.sentence = ""};
    if (!parse_json(text, strlen(text), &request, &problem)) {
        fail_msg("%s: %s: %s", text, problem.field, problem.sentence);
    }
    return request;
}

#define BASE "experiment=exp-42&name=w&shape=10,7&init=he_normal"
#define JSON_BASE "\"experiment\":\"exp-42\",\"name\":\"w\",\"shape\":[10,7],\"init\":\"he_normal\""

static void omitted_fields_have_their_defaults(void **state)
{
    (void)state;
    struct sower_request request = good_query(BASE);
    assert_string_equal(request.draw.experiment, "exp-42");
    assert_int_equal(request.draw.trial, 0);
    assert_string_equal(request.draw.name, "w");
    assert_int_equal(request.draw.shape.rank, 2);
    assert_int_equal(request.draw.shape.sizes[0], 10);
    assert_int_equal(request.draw.shape.sizes[1], 7);
    assert_int_equal(request.draw.dtype, SOWER_F32);
    assert_int_equal(request.draw.layout.order, SOWER_LAYOUT_OI);
    assert_int_equal(request.format, SOWER_FORMAT_NPY);
    assert_int_equal(request.plan.fans.in, 7);
    assert_int_equal(request.plan.fans.out, 10);
    assert_int_equal(request.region.rank, 2);
    assert_int_equal(request.region.stop[0], 10);
    assert_int_equal(request.region.stop[1], 7);
}

/* Python: hashlib.blake2b with key= and person=, down the tree of seed.h. */
static void the_seed_follows_from_experiment_trial_and_name(void **state)
{
    (void)state;
    static const uint8_t expected[32] = {0x5b, 0x82, 0x08, 0xda, 0xe6, 0x56, 0xf6, 0x5e, 0x30, 0x10, 0x2f,
                                         0x0d, 0x69, 0x88, 0x73, 0x97, 0x14, 0x79, 0xac, 0xc3, 0xe9, 0x07,
                                         0xfc, 0xf1, 0x62, 0x8c, 0x25, 0xd9, 0x7a, 0x68, 0x08, 0x6d};
    struct sower_request request = good_query(BASE);
    assert_memory_equal(request.seed.bytes, expected, sizeof expected);
}

static void every_field_is_read_from_a_query(void **state)
{
    (void)state;
    struct sower_request request =
        good_query("experiment=%C3%A9&trial=9223372036854775807&name=a%20b&shape=2,3,4,5&init=normal(0,1)&"
                   "dtype=bfloat16&layout=io&in_axis=0,-1&out_axis=1&batch_axis=2&fan_in=11&fan_out=12&"
                   "zero_rows=-1,0&zero_columns=4&slice=1:,:,-1:&format=raw&spec=1");
    assert_string_equal(request.draw.experiment, "é");
    assert_true(request.draw.trial == SOWER_TRIAL_MAX);
    assert_string_equal(request.draw.name, "a b");
    assert_int_equal(request.draw.shape.rank, 4);
    assert_int_equal(request.draw.dtype, SOWER_BF16);
    assert_int_equal(request.draw.layout.order, SOWER_LAYOUT_IO);
    assert_int_equal(request.draw.layout.in_axes, 1 << 0 | 1 << 3);
    assert_int_equal(request.draw.layout.out_axes, 1 << 1);
    assert_int_equal(request.draw.layout.batch_axes, 1 << 2);
    assert_int_equal(request.plan.fans.in, 11);
    assert_int_equal(request.plan.fans.out, 12);
    const struct sower_zeros zeros = {.rows = {2, {0, 1}}, .columns = {1, {4}}};
    assert_memory_equal(&request.draw.layout.zeros, &zeros, sizeof zeros);
    assert_memory_equal(&request.plan.layout.zeros, &zeros, sizeof zeros);
    assert_int_equal(request.region.start[0], 1);
    assert_int_equal(request.region.start[2], 3);
    assert_int_equal(request.format, SOWER_FORMAT_RAW);
}

static void json_is_read_like_a_query(void **state)
{
    (void)state;
    struct sower_request query =
        good_query("experiment=e&trial=3&name=n&shape=4,5,6&init=variance_scaling(2,fan_out)&dtype=f16&"
                   "layout=io&in_axis=0&out_axis=1,2&fan_in=7&zero_rows=3&zero_columns=1,2&shard=0:1/"
                   "2&format=raw&spec=1");
    struct sower_request json =
        good_json("{\"experiment\":\"e\",\"trial\":3,\"name\":\"n\",\"shape\":[4,5,6],\"init\":{\"type\":"
                  "\"variance_scaling\",\"scale\":2,\"mode\":\"fan_out\"},\"dtype\":\"f16\",\"layout\":"
                  "\"io\",\"in_axis\":0,\"out_axis\":[1,-1],\"fan_in\":7,\"zero_rows\":-1,\"zero_columns\":["
                  "2,-5],\"shard\":\"0:1/2\",\"format\":"
                  "\"raw\",\"spec\":1}");
    assert_memory_equal(&query.draw, &json.draw, sizeof query.draw);
    assert_memory_equal(&query.region, &json.region, sizeof query.region);
    assert_memory_equal(&query.seed, &json.seed, sizeof query.seed);
    assert_int_equal(query.format, json.format);
}

static void a_scalar_and_an_empty_tensor_are_tensors(void **state)
{
    (void)state;
    assert_int_equal(good_query("experiment=e&name=n&shape=&init=zeros").draw.shape.rank, 0);
    assert_int_equal(
        good_json("{\"experiment\":\"e\",\"name\":\"n\",\"shape\":[],\"init\":\"zeros\"}").draw.shape.rank,
        0);
    struct sower_request empty = good_query("experiment=e&name=n&shape=0,9223372036854775807&init=zeros");
    assert_int_equal(sower_shape_count(&empty.draw.shape), 0);
}

static void a_missing_or_empty_field_is_named(void **state)
{
    (void)state;
    assert_query_refused("", "experiment", "missing");
    assert_query_refused("name=w&shape=1&init=zeros", "experiment", "missing");
    assert_query_refused("experiment=e&shape=1&init=zeros", "name", "missing");
    assert_query_refused("experiment=e&name=w&init=zeros", "shape", "missing");
    assert_query_refused("experiment=e&name=w&shape=1", "init", "for example init=normal");
    static const char *const fields[] = {"trial",      "dtype",  "layout",    "in_axis",     "out_axis",
                                         "batch_axis", "fan_in", "fan_out",   "slice",       "shard",
                                         "format",     "spec",   "zero_rows", "zero_columns"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, BASE "&%s=", fields[i]);
        assert_query_refused(text, fields[i], "is empty");
        snprintf(text, sizeof text, BASE "&%s", fields[i]);
        assert_query_refused(text, fields[i], "has no value");
        snprintf(text, sizeof text, "{" JSON_BASE ",\"%s\":null}", fields[i]);
        assert_json_refused(text, fields[i], "has no value");
        snprintf(text, sizeof text, "{" JSON_BASE ",\"%s\":{}}", fields[i]);
        assert_json_refused(text, fields[i], "an object was given");
        snprintf(text, sizeof text, "{" JSON_BASE ",\"%s\":true}", fields[i]);
        assert_json_refused(text, fields[i], "true was given");
        snprintf(text, sizeof text, "{" JSON_BASE ",\"%s\":1.5}", fields[i]);
        assert_json_refused(text, fields[i], "1.5 was given");
        snprintf(text, sizeof text, "{" JSON_BASE ",\"%s\":[[0]]}", fields[i]);
        assert_json_refused(text, fields[i], "an array was given");
        snprintf(text, sizeof text, "{" JSON_BASE ",\"%s\":\"?\"}", fields[i]);
        assert_json_refused(text, fields[i], "\"?\"");
        snprintf(text, sizeof text, BASE "&%s=?", fields[i]);
        assert_query_refused(text, fields[i], "\"?\"");
    }
    assert_query_refused("experiment=&name=w&shape=1&init=zeros", "experiment", "is empty");
    assert_query_refused("experiment=e&name=&shape=1&init=zeros", "name", "is empty");
    assert_query_refused("experiment=e&name=w&shape&init=zeros", "shape", "has no value");
    assert_query_refused("experiment=e&name=w&shape=1&init=", "init", "is empty");
    assert_json_refused("{}", "experiment", "for example \"experiment\":\"exp-42\"");
}

static void a_doubled_or_unknown_field_is_named(void **state)
{
    (void)state;
    assert_query_refused(BASE "&trial=1&trial=1", "trial", "twice");
    assert_query_refused(BASE "&trial&trial", "trial", "twice");
    assert_query_refused(BASE "&shap=1", "shap", "did you mean \"shape\"?");
    assert_query_refused(BASE "&shap=1", "shap", "slice, shard, format, spec");
    assert_query_refused("x=1", "x", "no field"); /* reported before missing fields */
    assert_query_refused(BASE "&=1", "", "no field \"\"");
    assert_query_refused(BASE "&Trial=1", "Trial", "no field");
    assert_query_refused(BASE "&trial=-1&seed=1", "seed", "no field");
    assert_json_refused("{" JSON_BASE ",\"trial\":1,\"trial\":1}", "trial", "duplicate");
    assert_json_refused("{" JSON_BASE ",\"trail\":1}", "trail", "did you mean \"trial\"?");
    assert_json_refused("{\"init\":{\"type\":\"normal\",\"std\":1,\"std\":1}}", "init", "duplicate");
    assert_json_refused("{\"a:b\\\"\":1,\"trial\":1,\"trial\":1}", "trial", "duplicate");
}

static void a_number_is_plain_digits_within_its_range(void **state)
{
    (void)state;
    static const char *const trials[] = {"-1",
                                         "+1",
                                         " 1",
                                         "1 ",
                                         "01",
                                         "1.0",
                                         "1e3",
                                         "0x10",
                                         "1,2",
                                         "NaN",
                                         "inf",
                                         "1_0",
                                         "--1",
                                         "-0",
                                         "9223372036854775808",
                                         "18446744073709551616",
                                         "1e999",
                                         "true",
                                         "[1]",
                                         "%EF%BC%91"};
    for (size_t i = 0; i < sizeof trials / sizeof trials[0]; i++) {
        char query[200];
        snprintf(query, sizeof query, BASE "&trial=%s", trials[i]);
        assert_query_refused(query, "trial", "whole number from 0 to 9223372036854775807");
        snprintf(query, sizeof query, BASE "&spec=%s", trials[i]);
        assert_query_refused(query, "spec", "spec must be 1");
    }
    static const char *const values[] = {"-1", "1.0", "1e3", "\"1\"", "true", "[1]", "1e300"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "{" JSON_BASE ",\"trial\":%s}", values[i]);
        assert_json_refused(text, "trial", "whole number from 0 to 9223372036854775807");
        snprintf(text, sizeof text, "{" JSON_BASE ",\"fan_in\":%s}", values[i]);
        assert_json_refused(text, "fan_in", "whole number from 1 to 9223372036854775807");
    }
    assert_query_refused(BASE "&fan_in=0", "fan_in", "from 1");
    assert_query_refused(BASE "&fan_out=-1", "fan_out", "from 1");
    assert_query_refused(BASE "&spec=2", "spec", "\"2\" was given");
    assert_query_refused(BASE "&fan_in=-0", "fan_in", "from 1");
    assert_query_refused(BASE "&in_axis=-0", "in_axis", "-0");
    assert_query_refused("experiment=e&name=n&init=zeros&shape=2,-0", "shape", "-0");
    /* JSON has -0, but readers of JSON do not distinguish it from 0 */
    assert_int_equal(good_json("{" JSON_BASE ",\"trial\":-0}").draw.trial, 0);
    assert_json_refused("{" JSON_BASE ",\"trial\":9223372036854775808}", "trial", "too big integer");
    assert_json_refused("{" JSON_BASE ",\"trial\":1e999}", "trial", "real number overflow");
    assert_json_refused("{\"shape\":[1,18446744073709551616]}", "shape", "too big integer");
    assert_json_refused("{\"init\":{\"type\":\"normal\",\"std\":1e999}}", "init", "real number overflow");
}

static void a_shape_may_be_written_as_python_prints_it(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct sower_shape shape;
    } cases[] = {
        {"4096, 1024", {2, {4096, 1024}}},
        {" 4096 ,1024 ", {2, {4096, 1024}}},
        {"[4096, 1024]", {2, {4096, 1024}}},
        {"(4096,1024)", {2, {4096, 1024}}},
        {" ( 4096 , 1024 ) ", {2, {4096, 1024}}},
        {"(4096,)", {1, {4096}}},
        {"[7]", {1, {7}}},
        {"(4, 3, )", {2, {4, 3}}},
        {"()", {0, {0}}},
        {"[ ]", {0, {0}}},
        {"torch.Size([4, 3])", {2, {4, 3}}},
        {"torch.Size([])", {0, {0}}},
        {"(0,9223372036854775807)", {2, {0, INT64_MAX}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char query[200];
        snprintf(query, sizeof query, "experiment=e&name=n&init=zeros&shape=%s", cases[i].text);
        const struct sower_shape shape = good_query(query).draw.shape;
        assert_int_equal(shape.rank, cases[i].shape.rank);
        assert_memory_equal(shape.sizes, cases[i].shape.sizes, shape.rank * sizeof shape.sizes[0]);
    }
}

static void a_shape_is_at_most_eight_sizes_that_fit_one_stream(void **state)
{
    (void)state;
    static const char *const shapes[] = {",",
                                         "1,",
                                         ",1",
                                         "1,,2",
                                         "4096x1024",
                                         "(2,3",
                                         "2,3]",
                                         "[2,3)",
                                         "-1",
                                         "2,-1",
                                         "1.5",
                                         "2 3",
                                         "1e3,2",
                                         "NaN",
                                         "+2",
                                         "02",
                                         "2;3",
                                         "two",
                                         "(,)",
                                         "(2,,)",
                                         "((2))",
                                         "[[2]]",
                                         "torch.Size((2,3))",
                                         "[2, 3",
                                         "[2 3]",
                                         "(",
                                         "torch.Size(2)",
                                         "Size(2)",
                                         "[-2]",
                                         "[2.0]",
                                         "torch.Size(",
                                         "9223372036854775808",
                                         " "};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        char query[200];
        snprintf(query, sizeof query, "experiment=e&name=n&init=zeros&shape=%s", shapes[i]);
        assert_query_refused(query, "shape", "the sizes of the axes");
    }
    static const char *const values[] = {"5",     "\"5\"",  "[\"5\"]", "[5.0]", "[true]",
                                         "[[5]]", "[null]", "[-5]",    "{}",    "[1e3]"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"experiment\":\"e\",\"name\":\"n\",\"init\":\"zeros\",\"shape\":%s}",
                 values[i]);
        assert_json_refused(text, "shape", "the sizes of the axes");
    }
    assert_query_refused("experiment=e&name=n&init=zeros&shape=1,1,1,1,1,1,1,1,1", "shape", "at most 8");
    assert_json_refused(
        "{\"experiment\":\"e\",\"name\":\"n\",\"init\":\"zeros\",\"shape\":[1,1,1,1,1,1,1,1,1]}", "shape",
        "at most 8");
    static const char *const large[] = {"68719476737", "4294967296,4294967296", "262144,262145",
                                        "9223372036854775807,9223372036854775807"};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        char query[200];
        struct sower_request request;
        struct sower_problem problem;
        snprintf(query, sizeof query, "experiment=e&name=n&init=zeros&shape=%s", large[i]);
        assert_false(parse_query(query, &request, &problem));
        assert_int_equal(problem.code, SOWER_PROBLEM_TOO_LARGE);
        assert_string_equal(problem.field, "shape");
    }
    good_query("experiment=e&name=n&init=zeros&shape=68719476736");
    assert_query_refused("experiment=e&name=n&init=zeros&dtype=f64&shape=34359738369", "shape", "f64");
    assert_query_refused("experiment=e&name=n&init=zeros&dtype=bf8&shape=68719476737", "dtype", "bf8");
}

static void names_are_utf8_of_bounded_length(void **state)
{
    (void)state;
    static const char *const invalid[] = {"%FF", "%C3", "%C0%80", "%ED%A0%80", "%F4%90%80%80", "a%80b"};
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
        char query[200];
        snprintf(query, sizeof query, "experiment=%s&name=n&shape=1&init=zeros", invalid[i]);
        assert_query_refused(query, "experiment", "not UTF-8");
        snprintf(query, sizeof query, "experiment=e&name=%s&shape=1&init=zeros", invalid[i]);
        assert_query_refused(query, "name", "not UTF-8");
        snprintf(query, sizeof query, BASE "&%s=1", invalid[i]);
        assert_query_refused(query, "", "not UTF-8");
    }
    assert_query_refused("experiment=a%00b&name=n&shape=1&init=zeros", "experiment", "NUL");
    assert_query_refused(BASE "&tri%00al=1", "", "NUL");
    assert_json_refused("{\"experiment\":\"a\\u0000b\"}", "experiment", "NUL");
    assert_json_refused("{\"experiment\":\"a\xff\"}", "experiment", "UTF-8");
    assert_json_refused("{\"experiment\":\"\\ud800\"}", "", "Unicode");
    char query[1200];
    char text[SOWER_NAME_MAX + 2];
    memset(text, 'x', sizeof text);
    text[SOWER_EXPERIMENT_MAX] = '\0';
    snprintf(query, sizeof query, "experiment=%s&name=n&shape=1&init=zeros", text);
    good_query(query);
    snprintf(query, sizeof query, "experiment=%sx&name=n&shape=1&init=zeros", text);
    assert_query_refused(query, "experiment", "has 257 bytes; it may have at most 256");
    text[SOWER_EXPERIMENT_MAX] = 'x';
    text[SOWER_NAME_MAX] = '\0';
    snprintf(query, sizeof query, "experiment=e&name=%s&shape=1&init=zeros", text);
    good_query(query);
    snprintf(query, sizeof query, "experiment=e&name=%sx&shape=1&init=zeros", text);
    assert_query_refused(query, "name", "has 513 bytes");
}

/* Every field with 100 KB of one character, and a field with such a name. */
static void long_values_are_refused_in_a_short_sentence(void **state)
{
    (void)state;
    enum { LENGTH = 100000 };
    static char text[LENGTH];
    static const char *const fields[] = {"experiment", "trial",     "name",        "shape",      "init",
                                         "dtype",      "layout",    "in_axis",     "fan_in",     "out_axis",
                                         "slice",      "shard",     "format",      "batch_axis", "spec",
                                         "fan_out",    "zero_rows", "zero_columns"};
    static const char fillers[] = "1a,:(\"{%-";
    struct sower_seed root = sower_seed_public_root();
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        for (size_t f = 0; fillers[f] != '\0'; f++) {
            memset(text, fillers[f], LENGTH);
            struct sower_pair pairs[] = {{"experiment", 10, "e", 1},
                                         {"name", 4, "n", 1},
                                         {"shape", 5, "2,2", 3},
                                         {"init", 4, "zeros", 5},
                                         {fields[i], strlen(fields[i]), text, LENGTH}};
            size_t last = 4;
            for (size_t known = 0; known < 4; known++) {
                if (strcmp(fields[i], pairs[known].key) == 0) {
                    pairs[known] = pairs[last--];
                }
            }
            struct sower_request request;
            struct sower_problem problem = {.sentence = ""};
            json_t *given;
            assert_true(sower_request_fields_from_pairs(pairs, last + 1, &given, &problem));
            bool parsed = sower_request_parse(given, true, &root, &request, &problem);
            assert_problem(fields[i], parsed, &problem, fields[i], "");
            assert_true(strlen(problem.sentence) > 20);
            json_decref(given);
        }
    }
    memset(text, 'k', LENGTH);
    struct sower_pair pair = {text, LENGTH, "1", 1};
    struct sower_request request;
    struct sower_problem problem;
    json_t *given;
    assert_true(sower_request_fields_from_pairs(&pair, 1, &given, &problem));
    assert_false(sower_request_parse(given, true, &root, &request, &problem));
    assert_non_null(strstr(problem.sentence, "no field \"kkk"));
    json_decref(given);
}

static void unknown_words_are_refused_with_the_list_of_words(void **state)
{
    (void)state;
    assert_query_refused(BASE "&dtype=Float32", "dtype", "f64, f32, f16, bf16, f8_e4m3, f8_e5m2");
    assert_query_refused(BASE "&dtype=int8", "dtype", "\"int8\" was given");
    assert_query_refused(BASE "&layout=OI", "layout", "oi (out, in");
    assert_query_refused(BASE "&layout=oihw", "layout", "\"oihw\" was given");
    assert_query_refused(BASE "&format=NPY", "format", "npy, raw or safetensors");
    assert_query_refused(BASE "&format=json", "format", "npy, raw or safetensors");
    assert_query_refused(BASE "&format=%00npy", "format", "NUL");
    assert_query_refused("experiment=e&name=w&shape=2&init=he_norml", "init", "did you mean \"he_normal\"?");
}

static void axes_are_checked_against_the_shape(void **state)
{
    (void)state;
    static const char *const fields[] = {"in_axis", "out_axis", "batch_axis"};
    static const struct {
        const char *value;
        const char *part;
    } cases[] = {{"2", "no axis 2: the shape has 2 axes"},
                 {"-3", "no axis -3"},
                 {"0,0", "twice"},
                 {"0,-2", "twice"},
                 {"0,", "one or more axes"},
                 {",0", "one or more axes"},
                 {"0+1", "one or more axes"},
                 {"[0]", "one or more axes"},
                 {"a", "one or more axes"},
                 {"1.0", "one or more axes"},
                 {"0,1,0,1,0,1,0,1,0,1", "twice"},
                 {"9223372036854775808", "one or more axes"},
                 {"9223372036854775807", "no axis"},
                 {"-9223372036854775807", "no axis"}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
            char query[200];
            snprintf(query, sizeof query, BASE "&%s=%s", fields[i], cases[c].value);
            assert_query_refused(query, fields[i], cases[c].part);
        }
        char text[200];
        snprintf(text, sizeof text, "{" JSON_BASE ",\"%s\":[]}", fields[i]);
        assert_json_refused(text, fields[i], "one or more axes");
        snprintf(text, sizeof text, "{" JSON_BASE ",\"%s\":[0,1,0,1,0,1,0,1,0]}", fields[i]);
        assert_json_refused(text, fields[i], "twice");
    }
    assert_query_refused("experiment=e&name=n&shape=&init=zeros&in_axis=0", "in_axis",
                         "the shape has 0 axes");
    assert_query_refused(BASE "&in_axis=0&out_axis=0", "in_axis", "both");
}

static void zeros_are_checked_against_the_shape(void **state)
{
    (void)state;
    static const struct {
        const char *value, *part;
    } cases[] = {{"2", "There is no row 2: the first axis has 2."},
                 {"-3", "no row -3"},
                 {"0,0", "twice"},
                 {"1,-1", "twice"},
                 {"0,", "one or more indices"},
                 {"1.0", "one or more indices"},
                 {"0+1", "one or more indices"},
                 {"[0]", "one or more indices"},
                 {"0,1,0,1,0,1,0,1,0,1", "has 10 indices; it may have at most 8"},
                 {"9223372036854775807", "no row"},
                 {"-9223372036854775807", "no row"}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        char query[200];
        snprintf(query, sizeof query, "experiment=e&name=n&shape=2,3&init=zeros&zero_rows=%s",
                 cases[c].value);
        assert_query_refused(query, "zero_rows", cases[c].part);
    }
    assert_query_refused("experiment=e&name=n&shape=2,3&init=zeros&zero_columns=3", "zero_columns",
                         "There is no column 3: the last axis has 3.");
    assert_query_refused("experiment=e&name=n&shape=&init=zeros&zero_rows=0", "zero_rows", "scalar");
    assert_json_refused("{" JSON_BASE ",\"zero_rows\":[]}", "zero_rows", "one or more indices");
}

static void a_slice_or_a_shard_but_not_both(void **state)
{
    (void)state;
    struct sower_request slice = good_query(BASE "&slice=2:5");
    assert_int_equal(slice.region.start[0], 2);
    assert_int_equal(slice.region.stop[0], 5);
    struct sower_request shard = good_query(BASE "&shard=0:3/4");
    assert_int_equal(shard.region.start[0], 9);
    assert_int_equal(shard.region.stop[0], 10);
    assert_query_refused(BASE "&slice=2:5&shard=0:0/2", "shard", "not both");
    assert_query_refused(BASE "&slice=0:1:2", "slice", "step");
    assert_query_refused(BASE "&shard=0:8/8", "shard", "count - 1");
    struct sower_request whole = good_query(BASE);
    assert_memory_equal(&whole.draw, &slice.draw, sizeof whole.draw); /* a slice is not part of the draw */
}

static void a_body_must_be_one_json_object(void **state)
{
    (void)state;
    static const char *const bodies[] = {"",
                                         " ",
                                         "null",
                                         "[]",
                                         "1",
                                         "\"text\"",
                                         "{",
                                         "{\"a\"",
                                         "{a:1}",
                                         "{}{}",
                                         "{} x",
                                         "{\"a\":1,}",
                                         "{'a':1}",
                                         "nonsense",
                                         "{\"a\":01}",
                                         "{\"a\":+1}",
                                         "{\"a\":.5}",
                                         "{\"a\":NaN}",
                                         "{\"a\":Infinity}",
                                         "{\"a\":0x1}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        assert_json_refused(bodies[i], "", "");
    }
    struct sower_request request;
    struct sower_problem problem;
    assert_false(parse_json("{}\0{}", 5, &request, &problem));
    assert_false(parse_json("\xef\xbb\xbf{}", 5, &request, &problem)); /* RFC 8259: no byte order mark */
    enum { DEPTH = 200000 };
    char *deep = malloc(2 * DEPTH);
    assert_non_null(deep);
    memset(deep, '[', DEPTH);
    memset(deep + DEPTH, ']', DEPTH);
    assert_false(parse_json(deep, 2 * DEPTH, &request, &problem));
    assert_non_null(strstr(problem.sentence, "levels of nesting"));
    free(deep);
}

static void a_field_is_named_by_its_decoded_key(void **state)
{
    (void)state;
    assert_json_refused("{\"\\u00e9\":99999999999999999999}", "\xc3\xa9", "Whole numbers");
    assert_json_refused("{\"a\\\"b\":1,\"a\\\"b\":2}", "a\"b", "once");
    assert_json_refused("{\"trial\":99999999999999999999}", "trial", "Whole numbers");
}

/* `count` times `item`, separated by commas, between `begin` and `end`. */
static char *repeated(const char *begin, const char *item, size_t count, const char *end)
{
    const size_t step = strlen(item) + 1;
    char *text = malloc(strlen(begin) + count * step + strlen(end) + 1), *at = text;
    assert_non_null(text);
    at = stpcpy(at, begin);
    for (size_t i = 0; i < count; i++) {
        at = stpcpy(stpcpy(at, i == 0 ? "" : ","), item);
    }
    stpcpy(at, end);
    return text;
}

static void the_memory_for_a_body_is_bounded(void **state)
{
    (void)state;
    struct sower_problem problem;
    json_t *fields;
    char *hostile = repeated("{\"rules\":[", "{}", (16 << 20) / 3 - 8, "]}");
    assert_false(sower_request_fields_from_json(hostile, strlen(hostile), &fields, &problem));
    assert_null(fields);
    assert_int_equal(problem.code, SOWER_PROBLEM_TOO_LARGE);
    free(hostile);
    char *large = repeated("{\"tensors\":[",
                           "{\"name\":\"model.decoder.layers.31.mlp.experts.127.gate_projection.weight\","
                           "\"shape\":[4096,1024],\"init\":{\"type\":\"normal\",\"std\":0.02}}",
                           100000, "]}");
    assert_true(sower_request_fields_from_json(large, strlen(large), &fields, &problem));
    json_decref(fields);
    free(large);
}

/* A valid body that is cut short or has a changed byte is read or refused, without any harm. */
static void a_damaged_body_does_no_harm(void **state)
{
    (void)state;
    static const char body[] =
        "{\"experiment\":\"exp\",\"trial\":7,\"name\":\"w\\u00e9\",\"shape\":[4,5],"
        "\"init\":{\"type\":\"normal\",\"std\":0.5},\"in_axis\":[1],\"out_axis\":0,\"slice\":\"1:,:\"}";
    struct sower_request request;
    struct sower_problem problem;
    assert_true(parse_json(body, sizeof body - 1, &request, &problem));
    for (size_t length = 0; length < sizeof body - 1; length++) {
        char *copy = malloc(length + 1); /* on the heap, so that sanitizers detect a read past the end */
        assert_non_null(copy);
        memcpy(copy, body, length);
        assert_false(parse_json(copy, length, &request, &problem));
        free(copy);
    }
    char copy[sizeof body];
    for (size_t at = 0; at < sizeof body - 1; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            memcpy(copy, body, sizeof body);
            copy[at] = (char)byte;
            problem.sentence[0] = '\0';
            bool parsed = parse_json(copy, sizeof body - 1, &request, &problem);
            assert_true(parsed || problem.sentence[0] != '\0');
        }
    }
}

/* The number of allocations of jansson that still succeed. */
static size_t allocations_left;

static void *failing_malloc(size_t size)
{
    return allocations_left == 0 ? NULL : (allocations_left--, malloc(size));
}

static void running_out_of_memory_is_a_problem_and_leaks_nothing(void **state)
{
    (void)state;
    static const char body[] = "{" JSON_BASE ",\"in_axis\":[1],\"trial\":7}";
    static const struct sower_pair pairs[] = {
        {"experiment", 10, "e", 1}, {"name", 4, "n", 1}, {"trial", 5, NULL, 0}};
    json_t *fields = NULL;
    bool done = false;
    for (size_t allowed = 0; !done; allowed++) {
        struct sower_problem problem = {.sentence = ""};
        json_set_alloc_funcs(failing_malloc, free);
        allocations_left = allowed;
        done = sower_request_fields_from_json(body, sizeof body - 1, &fields, &problem);
        json_set_alloc_funcs(malloc, free);
        json_decref(fields);
        assert_true(done || (fields == NULL && problem.sentence[0] != '\0'));
    }
    done = false;
    for (size_t allowed = 0; !done; allowed++) {
        struct sower_problem problem = {.code = SOWER_PROBLEM_INVALID};
        json_set_alloc_funcs(failing_malloc, free);
        allocations_left = allowed;
        done = sower_request_fields_from_pairs(pairs, 3, &fields, &problem);
        json_set_alloc_funcs(malloc, free);
        json_decref(fields);
        assert_true(done || (fields == NULL && problem.code == SOWER_PROBLEM_MEMORY));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(omitted_fields_have_their_defaults),
        cmocka_unit_test(the_seed_follows_from_experiment_trial_and_name),
        cmocka_unit_test(every_field_is_read_from_a_query),
        cmocka_unit_test(json_is_read_like_a_query),
        cmocka_unit_test(a_scalar_and_an_empty_tensor_are_tensors),
        cmocka_unit_test(a_missing_or_empty_field_is_named),
        cmocka_unit_test(a_doubled_or_unknown_field_is_named),
        cmocka_unit_test(a_number_is_plain_digits_within_its_range),
        cmocka_unit_test(a_shape_may_be_written_as_python_prints_it),
        cmocka_unit_test(a_shape_is_at_most_eight_sizes_that_fit_one_stream),
        cmocka_unit_test(names_are_utf8_of_bounded_length),
        cmocka_unit_test(long_values_are_refused_in_a_short_sentence),
        cmocka_unit_test(unknown_words_are_refused_with_the_list_of_words),
        cmocka_unit_test(axes_are_checked_against_the_shape),
        cmocka_unit_test(zeros_are_checked_against_the_shape),
        cmocka_unit_test(a_slice_or_a_shard_but_not_both),
        cmocka_unit_test(a_body_must_be_one_json_object),
        cmocka_unit_test(a_field_is_named_by_its_decoded_key),
        cmocka_unit_test(the_memory_for_a_body_is_bounded),
        cmocka_unit_test(a_damaged_body_does_no_harm),
        cmocka_unit_test(running_out_of_memory_is_a_problem_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
