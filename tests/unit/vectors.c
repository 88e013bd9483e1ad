/* The published vectors: proto/vectors/ replayed, every figure of them computed again.
 *
 * `vectors --write`, run at the top of the tree, writes the files from the tables below. Once spec 1 is
 * released, no vector that is in the files may change; new ones may join them. */
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

#include "../../core/normal_table.h"
#include "../../core/source.h"
#include "../../core/stream.h"
#include "../../proto/record.h"

#define DRAWS_FILE "proto/vectors/draws.json"
#define SEEDS_FILE "proto/vectors/seeds.json"
#define NORMAL_TABLE_FILE "proto/vectors/normal_table.json"

/* A request under the public root; single quotes stand for double ones. */
static const char *const DRAWS[] = {
    /* the one that README and `make demo` show */
    "{'experiment':'exp-42','name':'w','shape':[4096,4096],'init':'he_normal'}",
    /* laws, each in both widths, at an odd shape */
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'zeros'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'ones','dtype':'f64'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'constant(-0.1)'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'constant(-0.1)','dtype':'f64'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'uniform'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'uniform','dtype':'f64'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'uniform(0,1)'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'uniform(0,1)','dtype':'f64'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'uniform(-3,17.5)'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'uniform(1.00000001,1.00000002)'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'uniform(1.00000001,1.00000002)','dtype':'f64'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'normal(0,1)'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'normal(0,1)','dtype':'f64'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'normal(-2.5,1e-05)'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'normal(3,0)'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'truncated_normal'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'truncated_normal','dtype':'f64'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'truncated_normal(1,2,-0.5,inf)'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'truncated_normal(0,1,-inf,inf)'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'truncated_normal(0,1,2,4)','dtype':'f64'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'trunc_normal(0,0.02,-2,2)'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'trunc_normal(0.5,1,0,0.75)'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'trunc_normal(0,1)','dtype':'f64'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'trunc_normal(1,1e-08,1.00000001,1.00000002)'}",
    /* narrow types, overflow and underflow included */
    "{'experiment':'vectors','name':'w','shape':[3,11],'init':'normal(0,1)','dtype':'f16'}",
    "{'experiment':'vectors','name':'w','shape':[3,11],'init':'normal(0,1)','dtype':'bf16'}",
    "{'experiment':'vectors','name':'w','shape':[3,11],'init':'normal(0,1)','dtype':'f8_e4m3'}",
    "{'experiment':'vectors','name':'w','shape':[3,11],'init':'normal(0,1)','dtype':'f8_e5m2'}",
    "{'experiment':'vectors','name':'w','shape':[3,11],'init':'normal(0,3e-06)','dtype':'f16'}",
    "{'experiment':'vectors','name':'w','shape':[3,11],'init':'normal(0,1e-39)','dtype':'bf16'}",
    "{'experiment':'vectors','name':'w','shape':[3,11],'init':'normal(0,0.003)','dtype':'f8_e4m3'}",
    "{'experiment':'vectors','name':'w','shape':[3,11],'init':'normal(0,300)','dtype':'f8_e4m3'}",
    "{'experiment':'vectors','name':'w','shape':[3,11],'init':'normal(0,30000)','dtype':'f8_e5m2'}",
    "{'experiment':'vectors','name':'w','shape':[3,11],'init':'normal(0,1e-40)'}",
    "{'experiment':'vectors','name':'w','shape':[3,11],'init':'uniform(0,1)','dtype':'f16'}",
    "{'experiment':'vectors','name':'w','shape':[3,11],'init':'truncated_normal','dtype':'bf16'}",
    /* the names of Keras and JAX, in both layouts, with every mode */
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'glorot_uniform'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'glorot_normal','layout':'io'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'he_uniform'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'he_uniform','layout':'io'}",
    "{'experiment':'vectors','name':'w','shape':[3,3,8,5],'init':'he_normal','layout':'io'}",
    "{'experiment':'vectors','name':'w','shape':[8,5,3,3],'init':'he_normal','dtype':'f64'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'lecun_uniform'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'lecun_normal','dtype':'bf16'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':{'type':'variance_scaling','scale':2.5,'mode':"
    "'fan_out','distribution':'uniform'}}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':{'type':'variance_scaling','mode':'fan_avg',"
    "'distribution':'untruncated_normal'}}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':{'type':'variance_scaling','scale':0.1}}",
    /* the names of PyTorch */
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'xavier_uniform'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'xavier_normal(gain=1.4142135623730951)'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'kaiming_uniform(a=2.23606797749979)'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'kaiming_uniform(nonlinearity=selu)'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'kaiming_normal(mode=fan_out,nonlinearity="
    "relu)'}",
    "{'experiment':'vectors','name':'w','shape':[24,17,3],'init':'kaiming_normal(nonlinearity=tanh)'}",
    /* the literature */
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'kwon_uniform(tanh)'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'kwon_normal(relu)'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'siren_uniform'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'siren_uniform(first=true)'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'small_normal'}",
    "{'experiment':'vectors','name':'w','shape':[24,17],'init':'wang_normal(28)'}",
    "{'experiment':'vectors','name':'w','shape':[24],'init':'fan_uniform(17)'}",
    /* structures */
    "{'experiment':'vectors','name':'w','shape':[5,7],'init':'identity(2)'}",
    "{'experiment':'vectors','name':'w','shape':[6,2,3,4],'init':'dirac(groups=3)'}",
    "{'experiment':'vectors','name':'w','shape':[3,5,2],'init':'dirac','layout':'io'}",
    "{'experiment':'vectors','name':'w','shape':[2,2,4,3],'init':'bilinear'}",
    "{'experiment':'vectors','name':'w','shape':[12],'init':'lstm_bias'}",
    "{'experiment':'vectors','name':'w','shape':[19,9],'init':'sparse(0.3)'}",
    "{'experiment':'vectors','name':'w','shape':[6,6],'init':'orthogonal'}",
    "{'experiment':'vectors','name':'w','shape':[19,9],'init':'orthogonal(2)'}",
    "{'experiment':'vectors','name':'w','shape':[9,19],'init':'orthogonal','dtype':'f64'}",
    "{'experiment':'vectors','name':'w','shape':[19,9],'init':'orthogonal','dtype':'f64'}",
    "{'experiment':'vectors','name':'w','shape':[3,5,50],'init':'orthogonal'}",
    "{'experiment':'vectors','name':'w','shape':[5,50,3],'init':'orthogonal','layout':'io','dtype':'bf16'}",
    "{'experiment':'vectors','name':'w','shape':[1,1],'init':'orthogonal'}",
    "{'experiment':'vectors','name':'w','shape':[300,270],'init':'orthogonal'}",
    "{'experiment':'vectors','name':'w','shape':[6,4,3,2],'init':'delta_orthogonal'}",
    "{'experiment':'vectors','name':'w','shape':[4,3,5],'init':'delta_orthogonal(0.5)','layout':'io','dtype':"
    "'f64'}",
    /* axes and fans */
    "{'experiment':'vectors','name':'w','shape':[4,6,5],'init':'he_normal','in_axis':[0,1],'out_axis':-1}",
    "{'experiment':'vectors','name':'w','shape':[4,6,5],'init':'he_normal','batch_axis':0,'in_axis':1,"
    "'out_axis':2}",
    "{'experiment':'vectors','name':'w','shape':[4,6,5],'init':'glorot_uniform','fan_in':100,'fan_out':7}",
    "{'experiment':'vectors','name':'w','shape':[9],'init':'he_normal'}",
    /* names, trials, shapes at their edges */
    "{'experiment':'\xc3\xa9\xe6\x97\xa5\xf0\x9d\x84\x9e','trial':1,'name':'\xce\xbb.weight','shape':[2,3],"
    "'init':'normal'}",
    "{'experiment':' ','name':'=&\\n','shape':[2,3],'init':'normal'}",
    "{'experiment':'vectors','trial':9223372036854775807,'name':'w','shape':[2,3],'init':'normal'}",
    "{'experiment':'vectors','trial':4294967296,'name':'w','shape':[2,3],'init':'normal'}",
    "{'experiment':'vectors','name':'w','shape':[],'init':'normal'}",
    "{'experiment':'vectors','name':'w','shape':[],'init':'he_uniform','dtype':'f64'}",
    "{'experiment':'vectors','name':'w','shape':[0],'init':'normal'}",
    "{'experiment':'vectors','name':'w','shape':[3,0,9223372036854775807],'init':'zeros'}",
    "{'experiment':'vectors','name':'w','shape':[1,2,1,3,1,2,1,2],'init':'normal'}",
    "{'experiment':'vectors','name':'w','shape':[1000003],'init':'normal'}",
    /* slices and shards, the ends of the longest streams among them */
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'normal(0,1)','slice':'2:5,1:-1'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'normal(0,1)','slice':'5:2'}",
    "{'experiment':'vectors','name':'w','shape':[7,5],'init':'normal(0,1)','shard':'1:1/2'}",
    "{'experiment':'vectors','name':'w','shape':[6,7,8],'init':'normal(0,1)','slice':'1:3,:,3:6',"
    "'dtype':'f16'}",
    "{'experiment':'vectors','name':'w','shape':[19,9],'init':'sparse(0.3)','slice':'4:11,2:5'}",
    "{'experiment':'vectors','name':'w','shape':[9,19],'init':'orthogonal','slice':'2:7,11:13'}",
    "{'experiment':'vectors','name':'w','shape':[68719476736],'init':'normal','slice':'-21:'}",
    "{'experiment':'vectors','name':'w','shape':[68719476736],'init':'uniform','slice':'4294967290:"
    "4294967300'"
    ",'dtype':'bf16'}",
    "{'experiment':'vectors','name':'w','shape':[131072,262144],'init':'truncated_normal','dtype':'f64',"
    "'slice':'-1:,-9:'}",
};

/* Words under roots of their own; the root as 64 hex digits, or NULL for the public one. */
static const struct {
    const char *root, *experiment;
    uint64_t trial;
    const char *name;
} SEEDS[] = {
    {NULL, "exp-42", 0, "w"},
    {NULL, "exp-42", 1, "w"},
    {NULL, "exp-42", 0, "layers.0.attn.wq.weight"},
    {NULL, "exp-42", INT64_MAX, "w"},
    {NULL, "\xc3\xa9\xe6\x97\xa5\xf0\x9d\x84\x9e", 256, "\xce\xbb"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "exp-42", 0, "w"},
    {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "e", 7, "n"},
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* Bytes as hex digits; a new JSON string. */
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

static json_t *request_json(const char *text)
{
    char copy[512];
    assert_true(strlen(text) < sizeof copy);
    strcpy(copy, text);
    for (char *at = copy; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    json_error_t error;
    json_t *request = json_loads(copy, JSON_REJECT_DUPLICATES, &error);
    if (request == NULL) {
        fail_msg("%s: %s", copy, error.text);
    }
    return request;
}

/* The elements of a request, read in pieces: the first and last bytes and the digest of all. */
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

static json_t *draw_vector(json_t *fields)
{
    struct sower_request request = {0};
    struct sower_problem problem = {.sentence = ""};
    struct sower_seed root = sower_seed_public_root();
    if (!sower_request_parse(fields, false, &root, &request, &problem)) {
        fail_msg("%s: %s", problem.field, problem.sentence);
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

static json_t *seed_vector(size_t index)
{
    struct sower_seed root = sower_seed_public_root();
    if (SEEDS[index].root != NULL) {
        assert_int_equal(
            sodium_hex2bin(root.bytes, sizeof root.bytes, SEEDS[index].root, 64, NULL, NULL, NULL), 0);
    }
    struct sower_seed id = sower_seed_root_id(&root);
    struct sower_seed experiment =
        sower_seed_experiment(&root, SEEDS[index].experiment, strlen(SEEDS[index].experiment));
    struct sower_seed trial = sower_seed_trial(&experiment, SEEDS[index].trial);
    struct sower_seed tensor = sower_seed_tensor(&trial, SEEDS[index].name, strlen(SEEDS[index].name));
    uint8_t blocks[2 * SOWER_STREAM_BLOCK_SIZE];
    sower_stream_blocks(&tensor, 0, 1, blocks);
    sower_stream_blocks(&tensor, SOWER_STREAM_SIZE / SOWER_STREAM_BLOCK_SIZE - 1, 1, blocks + 64);
    json_t *vector = json_object();
    set_key(vector, "root", hex_json(root.bytes, 32));
    set_key(vector, "root_id", hex_json(id.bytes, 32));
    set_key(vector, "experiment", json_string(SEEDS[index].experiment));
    set_key(vector, "experiment_seed", hex_json(experiment.bytes, 32));
    set_key(vector, "trial", json_integer((json_int_t)SEEDS[index].trial));
    set_key(vector, "trial_seed", hex_json(trial.bytes, 32));
    set_key(vector, "name", json_string(SEEDS[index].name));
    set_key(vector, "tensor_seed", hex_json(tensor.bytes, 32));
    set_key(vector, "stream_first_block", hex_json(blocks, 64));
    set_key(vector, "stream_last_block", hex_json(blocks + 64, 64));
    return vector;
}

static json_t *draw_vectors(void)
{
    json_t *draws = json_array();
    for (size_t i = 0; i < COUNT(DRAWS); i++) {
        json_t *fields = request_json(DRAWS[i]);
        json_array_append_new(draws, draw_vector(fields));
        json_decref(fields);
    }
    return draws;
}

static json_t *seed_vectors(void)
{
    json_t *seeds = json_array();
    for (size_t i = 0; i < COUNT(SEEDS); i++) {
        json_array_append_new(seeds, seed_vector(i));
    }
    return seeds;
}

/* A number's bits, most significant digit first. */
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
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (file == NULL) {
        fail_msg("%s (run this at the top of the tree): %s", path, error.text);
    }
    return file;
}

/* Says which keys of a vector have changed. */
static void assert_same(const json_t *published, const json_t *computed, size_t index)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)computed, key, value)
    {
        if (!json_equal(json_object_get(published, key), value)) {
            char *was = json_dumps(json_object_get(published, key), JSON_ENCODE_ANY);
            char *is = json_dumps(value, JSON_ENCODE_ANY);
            fail_msg("vector %zu: %s was published as %s and is now %s", index, key, was, is);
        }
    }
    assert_int_equal(json_object_size(published), json_object_size(computed));
}

static void every_published_draw_has_the_same_bits(void **state)
{
    (void)state;
    json_t *file = load(DRAWS_FILE);
    assert_int_equal(json_integer_value(json_object_get(file, "spec")), SOWER_SPEC);
    json_t *draws = json_object_get(file, "draws");
    assert_int_equal(json_array_size(draws), COUNT(DRAWS));
    size_t index;
    json_t *published;
    json_array_foreach(draws, index, published)
    {
        json_t *fields = request_json(DRAWS[index]);
        assert_true(json_equal(fields, json_object_get(published, "request")));
        json_t *computed = draw_vector(fields);
        assert_same(published, computed, index);
        json_decref(computed);
        json_decref(fields);
    }
    json_decref(file);
}

static void every_published_seed_is_the_same(void **state)
{
    (void)state;
    json_t *file = load(SEEDS_FILE);
    json_t *seeds = json_object_get(file, "seeds");
    assert_int_equal(json_array_size(seeds), COUNT(SEEDS));
    size_t index;
    json_t *published;
    json_array_foreach(seeds, index, published)
    {
        json_t *computed = seed_vector(index);
        assert_same(published, computed, index);
        json_decref(computed);
    }
    json_decref(file);
}

static void the_published_normal_table_is_the_one_in_use(void **state)
{
    (void)state;
    json_t *published = load(NORMAL_TABLE_FILE);
    json_t *computed = normal_table_file();
    assert_true(json_equal(published, computed));
    json_decref(published);
    json_decref(computed);
}

static void every_initializer_has_a_vector(void **state)
{
    (void)state;
    json_t *file = load(DRAWS_FILE);
    const struct sower_entry *entry;
    for (size_t i = 0; (entry = sower_catalogue_entry(i)) != NULL; i++) {
        char line[96];
        bool found = false;
        size_t index;
        json_t *draw;
        snprintf(line, sizeof line, "\ninit=%s\n", entry->name);
        json_array_foreach(json_object_get(file, "draws"), index, draw)
        {
            found = found || strstr(json_string_value(json_object_get(draw, "canonical")), line) != NULL;
        }
        if (!found) {
            fail_msg("%s has no vector: add one to DRAWS and run vectors --write", entry->name);
        }
    }
    json_decref(file);
}

/* Spec 1 is frozen: what was published stays, to the letter; vectors are only added. */
static bool keeps_what_was_published(const char *path, const char *key, const json_t *vectors)
{
    json_t *file = json_load_file(path, 0, NULL);
    const json_t *published = json_object_get(file, key), *old;
    bool kept = true;
    size_t i, j;
    json_array_foreach(published, i, old)
    {
        const json_t *new;
        bool found = false;
        json_array_foreach(vectors, j, new)
        {
            found = found || json_equal(old, new);
        }
        if (!found) {
            fprintf(stderr, "%s: vector %zu would change or go; the bits of spec %d are frozen.\n", path, i,
                    SOWER_SPEC);
            kept = false;
        }
    }
    json_decref(file);
    return kept;
}

/* {"spec":1,"<key>":[…]}, one vector on each line. */
static int write_vectors(const char *path, const char *key, json_t *vectors)
{
    FILE *file = keeps_what_was_published(path, key, vectors) ? fopen(path, "w") : NULL;
    if (file == NULL) {
        perror(path);
        return 1;
    }
    fprintf(file, "{\"spec\":%d,\"%s\":[", SOWER_SPEC, key);
    size_t index;
    json_t *vector;
    json_array_foreach(vectors, index, vector)
    {
        fprintf(file, index == 0 ? "\n" : ",\n");
        json_dumpf(vector, file, JSON_COMPACT);
    }
    fprintf(file, "\n]}\n");
    json_decref(vectors);
    int failed = ferror(file);
    return fclose(file) != 0 || failed;
}

static int write_normal_table(void)
{
    json_t *table = normal_table_file();
    int failed = json_dump_file(table, NORMAL_TABLE_FILE, JSON_INDENT(1));
    json_decref(table);
    return failed != 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_published_seed_is_the_same),
        cmocka_unit_test(every_published_draw_has_the_same_bits),
        cmocka_unit_test(the_published_normal_table_is_the_one_in_use),
        cmocka_unit_test(every_initializer_has_a_vector),
    };
    if (argc == 2 && strcmp(argv[1], "--write") == 0) {
        return write_vectors(DRAWS_FILE, "draws", draw_vectors()) |
               write_vectors(SEEDS_FILE, "seeds", seed_vectors()) | write_normal_table();
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
