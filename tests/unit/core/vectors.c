/* Computes every number of the published vectors of seeds, streams and elements again.
 *
 * tests/tables/vectors.py makes the files with the second implementation, which is independent of this code.
 * proto/vectors/README.md describes their members. Run this program at the top of the tree. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "core/elementary.h"
#include "core/environment.h"
#include "core/normal_table.h"
#include "core/source.h"
#include "core/stream.h"
#include "proto/json.h"
#include "proto/record.h"
#include "tests/unit/core/environments.h"

#define SEEDS_FILE "proto/vectors/seeds.json"
#define ELEMENTARY_FILE "proto/vectors/elementary.json"
#define NORMAL_TABLE_FILE "proto/vectors/normal_table.json"

/* Files of requests under the public root, with the elements of the responses. */
static const char *const DRAWS_FILES[] = {"proto/vectors/draws.json", "proto/vectors/cells.json",
                                          "proto/vectors/edges.json"};

/* A new JSON string with the bytes as hex digits. */
static json_t *hex_json(const uint8_t *bytes, size_t size)
{
    char hex[2 * 64 + 1];
    assert_true(size <= 64);
    sodium_bin2hex(hex, sizeof hex, bytes, size);
    return json_string(hex);
}

static void set_key(json_t *object, const char *key, json_t *value)
{
    assert_int_equal(json_object_set_new(object, key, value), 0);
}

/* Reads the elements of a request in pieces. Adds the first and last bytes and the digest of all bytes. */
static void add_elements(json_t *vector, const struct sower_request *request)
{
    enum { PIECE = 1 << 17, FIRST_SIZE = 64, LAST_SIZE = 32 };
    static double piece[PIECE];
    struct sower_source source;
    struct sower_problem problem;
    struct sower_shape shape = sower_region_shape(&request->region);
    const uint64_t count = sower_shape_count(&shape);
    const size_t size = sower_dtype_size(request->draw.dtype);
    crypto_generichash_state digest;
    uint8_t first[FIRST_SIZE], last[LAST_SIZE], hash[32];
    size_t first_size = count * size < FIRST_SIZE ? (size_t)count * size : FIRST_SIZE;
    size_t last_size = count * size < LAST_SIZE ? (size_t)count * size : LAST_SIZE;

    assert_true(sower_source_open(&source, &request->plan, &request->seed, &sower_parallel_none, &problem));
    assert_int_equal(crypto_generichash_init(&digest, NULL, 0, sizeof hash), 0);
    for (uint64_t done = 0; done < count; done += PIECE) {
        size_t taken = count - done < PIECE ? (size_t)(count - done) : PIECE;
        assert_true(sower_source_read(&source, &request->region, done, taken, piece));
        assert_int_equal(crypto_generichash_update(&digest, (const uint8_t *)piece, taken * size), 0);
        if (done == 0) {
            memcpy(first, piece, first_size);
        }
    }
    assert_int_equal(crypto_generichash_final(&digest, hash, sizeof hash), 0);
    if (count > 0) {
        size_t taken = last_size / size;
        assert_true(sower_source_read(&source, &request->region, count - taken, taken, piece));
        memcpy(last, piece, last_size);
    }
    sower_source_close(&source);
    set_key(vector, "elements", json_integer((json_int_t)count));
    set_key(vector, "first", hex_json(first, first_size));
    set_key(vector, "last", hex_json(last, last_size));
    set_key(vector, "blake2b_256", hex_json(hash, sizeof hash));
}

/* Computes the vector for the request of a published vector. */
static json_t *draw_vector(const json_t *published)
{
    json_t *fields = json_object_get(published, "request");
    struct sower_request request = {0};
    struct sower_problem problem = {.sentence = ""};
    struct sower_seed root = sower_seed_public_root();
    if (!sower_request_parse(fields, false, &root, &request, &problem)) {
        fail_msg("%s: %s: %s", sower_json_text(fields, 0), problem.field, problem.sentence);
    }
    char canonical[SOWER_CANONICAL_MAX];
    sower_draw_canonical(&request.draw, canonical);
    struct sower_draw_id id = sower_draw_id(&request.draw);
    json_t *vector = json_object();
    set_key(vector, "request", json_incref(fields));
    set_key(vector, "canonical", json_string(canonical));
    set_key(vector, "draw", hex_json(id.bytes, sizeof id.bytes));
    set_key(vector, "seed", hex_json(request.seed.bytes, sizeof request.seed.bytes));
    add_elements(vector, &request);
    return vector;
}

/* Computes the seeds for the names of a published vector. */
static json_t *seed_vector(const json_t *published)
{
    const char *experiment_name = json_string_value(json_object_get(published, "experiment"));
    const char *name = json_string_value(json_object_get(published, "name"));
    const char *root_digits = json_string_value(json_object_get(published, "root"));
    const json_int_t number = json_integer_value(json_object_get(published, "trial"));
    struct sower_seed root;
    assert_int_equal(sodium_hex2bin(root.bytes, sizeof root.bytes, root_digits, 64, NULL, NULL, NULL), 0);
    struct sower_seed id = sower_seed_root_id(&root);
    struct sower_seed experiment = sower_seed_experiment(&root, experiment_name, strlen(experiment_name));
    struct sower_seed trial = sower_seed_trial(&experiment, (uint64_t)number);
    struct sower_seed tensor = sower_seed_tensor(&trial, name, strlen(name));
    uint8_t blocks[2 * SOWER_STREAM_BLOCK_SIZE];
    sower_stream_blocks(&tensor, 0, 1, blocks);
    sower_stream_blocks(&tensor, SOWER_STREAM_SIZE / SOWER_STREAM_BLOCK_SIZE - 1, 1, blocks + 64);
    json_t *vector = json_object();
    set_key(vector, "root", hex_json(root.bytes, 32));
    set_key(vector, "root_id", hex_json(id.bytes, 32));
    set_key(vector, "experiment", json_string(experiment_name));
    set_key(vector, "experiment_seed", hex_json(experiment.bytes, 32));
    set_key(vector, "trial", json_integer(number));
    set_key(vector, "trial_seed", hex_json(trial.bytes, 32));
    set_key(vector, "name", json_string(name));
    set_key(vector, "tensor_seed", hex_json(tensor.bytes, 32));
    set_key(vector, "stream_first_block", hex_json(blocks, 64));
    set_key(vector, "stream_last_block", hex_json(blocks + 64, 64));
    return vector;
}

/* The bits of a number as hex digits, the most significant first. */
static json_t *bits_json(uint64_t bits, int digits)
{
    char text[24];
    snprintf(text, sizeof text, "%0*" PRIx64, digits, bits);
    return json_string(text);
}

static json_t *bits32_json(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits_json(bits, 8);
}

static json_t *bits64_json(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits_json(bits, 16);
}

/* The double of 16 hex digits. */
static double double_of(const json_t *digits)
{
    const uint64_t bits = strtoull(json_string_value(digits), NULL, 16);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double elementary(const char *function, double x)
{
    static const struct {
        const char *name;
        double (*function)(double x);
    } functions[] = {{"ln", sower_ln},
                     {"exp", sower_exp},
                     {"sin", sower_sin},
                     {"cos", sower_cos},
                     {"inverse_softplus", sower_inverse_softplus}};
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strcmp(functions[i].name, function) == 0) {
            return functions[i].function(x);
        }
    }
    fail_msg("there is no function %s", function);
    return 0;
}

/* Computes the value of an elementary function for the argument of a published vector. */
static json_t *elementary_vector(const json_t *published)
{
    const char *function = json_string_value(json_object_get(published, "function"));
    const double x = double_of(json_object_get(published, "x"));
    json_t *vector = json_object();
    set_key(vector, "function", json_string(function));
    set_key(vector, "x", bits64_json(x));
    set_key(vector, "value", bits64_json(elementary(function, x)));
    return vector;
}

static json_t *normal_table_file(void)
{
    json_t *centre32 = json_array(), *table32 = json_array();
    for (size_t n = 0; n < 32; n++) {
        json_array_append_new(centre32, bits_json(sower_normal_f32_centre[n], 8));
    }
    for (size_t power = 0; power <= SOWER_NORMAL_F32_DEGREE; power++) {
        json_t *row = json_array();
        for (size_t n = 0; n < 32; n++) {
            json_array_append_new(row, bits32_json(sower_normal_f32_table[power][n]));
        }
        json_array_append_new(table32, row);
    }
    json_t *centre64 = json_array(), *table64 = json_array();
    for (size_t n = 0; n < 64; n++) {
        json_array_append_new(centre64, bits_json(sower_normal_f64_centre[n], 16));
    }
    for (size_t power = 0; power <= SOWER_NORMAL_F64_DEGREE; power++) {
        json_t *row = json_array();
        for (size_t n = 0; n < 64; n++) {
            json_array_append_new(row, bits64_json(sower_normal_f64_table[power][n]));
        }
        json_array_append_new(table64, row);
    }
    return json_pack("{s:i, s:{s:o, s:o, s:o}, s:{s:o, s:o, s:o}}", "spec", SOWER_SPEC, "f32", "scale",
                     bits32_json(SOWER_NORMAL_F32_SCALE), "centre", centre32, "coefficients", table32, "f64",
                     "scale", bits64_json(SOWER_NORMAL_F64_SCALE), "centre", centre64, "coefficients",
                     table64);
}

static json_t *load(const char *path)
{
    json_error_t error;
    const struct sower_environment found = sower_environment_enter(); /* jansson reads numbers with strtod */
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    sower_environment_leave(&found);
    if (file == NULL) {
        fail_msg("%s (run this at the top of the tree): %s", path, error.text);
    }
    return file;
}

/* Fails with the first key of a vector that differs from the computed one. */
static void assert_same(const json_t *published, const json_t *computed, const char *path, size_t index)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)computed, key, value)
    {
        if (!json_equal(json_object_get(published, key), value)) {
            char *was = sower_json_text(json_object_get(published, key), JSON_ENCODE_ANY);
            char *is = sower_json_text(value, JSON_ENCODE_ANY);
            fail_msg("%s, vector %zu: %s is published as %s, and here it is %s", path, index, key, was, is);
        }
    }
    assert_int_equal(json_object_size(published), json_object_size(computed));
}

/* Computes each vector of a file again, except those with more than `most` elements. */
static void replay(const char *path, const char *key, json_t *(*compute)(const json_t *published),
                   json_int_t most)
{
    json_t *file = load(path);
    json_t *vectors = json_object_get(file, key);
    assert_int_equal(json_integer_value(json_object_get(file, "spec")), SOWER_SPEC);
    assert_true(json_array_size(vectors) > 0);
    size_t index;
    json_t *published;
    json_array_foreach(vectors, index, published)
    {
        if (json_integer_value(json_object_get(published, "elements")) > most) {
            continue;
        }
        json_t *computed = compute(published);
        assert_same(published, computed, path, index);
        json_decref(computed);
    }
    json_decref(file);
}

static void replay_draws(json_int_t most)
{
    for (size_t i = 0; i < sizeof DRAWS_FILES / sizeof DRAWS_FILES[0]; i++) {
        replay(DRAWS_FILES[i], "draws", draw_vector, most);
    }
}

static void every_published_draw_has_the_same_bits(void **state)
{
    (void)state;
    replay_draws(INT64_MAX);
}

/* Other code in the process may have changed the floating-point environment (core/environment.h). The
 * few large vectors are left out, because emulators need minutes for them. */
static void every_published_draw_has_the_same_bits_in_every_environment(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENVIRONMENTS; i++) {
        environment_set(&environments[i]);
        replay_draws(100000);
        environment_restore();
    }
}

static void every_published_seed_is_the_same(void **state)
{
    (void)state;
    replay(SEEDS_FILE, "seeds", seed_vector, INT64_MAX);
}

static void every_published_elementary_function_has_the_same_bits(void **state)
{
    (void)state;
    replay(ELEMENTARY_FILE, "functions", elementary_vector, INT64_MAX);
}

static void the_published_normal_table_is_the_one_in_the_code(void **state)
{
    (void)state;
    json_t *published = load(NORMAL_TABLE_FILE);
    json_t *computed = normal_table_file();
    assert_true(json_equal(published, computed));
    json_decref(published);
    json_decref(computed);
}

/* Whether a file has a draw with this entry and dtype. */
static bool has_cell(const json_t *file, const char *entry, enum sower_dtype dtype)
{
    char lines[128];
    snprintf(lines, sizeof lines, "\ndtype=%s\ninit=%s\n", sower_dtype_name(dtype), entry);
    size_t index;
    json_t *draw;
    json_array_foreach(json_object_get(file, "draws"), index, draw)
    {
        if (strstr(json_string_value(json_object_get(draw, "canonical")), lines) != NULL) {
            return true;
        }
    }
    return false;
}

static void every_initializer_has_a_vector_of_every_dtype(void **state)
{
    (void)state;
    json_t *file = load("proto/vectors/cells.json");
    const struct sower_entry *entry;
    for (size_t i = 0; (entry = sower_catalogue_entry(i)) != NULL; i++) {
        for (enum sower_dtype dtype = 0; dtype < SOWER_DTYPE_COUNT; dtype++) {
            if (!has_cell(file, entry->name, dtype)) {
                fail_msg("%s of %s has no vector: see tests/tables/vectors.py", entry->name,
                         sower_dtype_name(dtype));
            }
        }
    }
    json_decref(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_published_seed_is_the_same),
        cmocka_unit_test(every_published_draw_has_the_same_bits),
        cmocka_unit_test(every_published_draw_has_the_same_bits_in_every_environment),
        cmocka_unit_test(every_published_elementary_function_has_the_same_bits),
        cmocka_unit_test(the_published_normal_table_is_the_one_in_the_code),
        cmocka_unit_test(every_initializer_has_a_vector_of_every_dtype),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
