/* The published vectors of everything except elements: refusals, plans, headers, manifests, models, ledger lines
 * and heads. tests/unit/core/vectors.c checks the elements.
 *
 * tests/http/test_vectors.py asks a daemon for the same over HTTP. This program needs no daemon, so it can show on
 * other machines that no byte of a header or a hash depends on the machine. Run it at the top of the tree. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "core/source.h"
#include "proto/chain.h"
#include "proto/documents.h"
#include "proto/fields.h"
#include "proto/format.h"
#include "proto/head.h"
#include "proto/json.h"
#include "proto/manifest_read.h"
#include "proto/model.h"
#include "proto/record_read.h"

/* Enough for one element of any dtype, and for the largest tensor in a vector of a model. */
enum { TENSOR_SIZE_MAX = 4096 };

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static uint64_t number_of(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* Checks each vector of a list. */
static void replay(const char *path, const char *key, void (*check)(const json_t *vector))
{
    json_error_t error;
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (file == NULL) {
        fail_msg("%s (run this at the top of the tree): %s", path, error.text);
    }
    json_t *list = json_object_get(file, key), *vector;
    size_t index;
    assert_true(json_array_size(list) > 0);
    json_array_foreach(list, index, vector)
    {
        check(vector);
    }
    json_decref(file);
}

/* Fails, and shows the vector, unless `found` is the vector's value for the key. */
static void assert_text(const json_t *vector, const char *key, const char *found)
{
    const char *published = text_of(vector, key);
    if (published == NULL || strcmp(published, found) != 0) {
        fail_msg("%s is published as %s, and here it is %s: %s", key, published, found,
                 sower_json_text(vector, JSON_COMPACT));
    }
}

static void assert_hex(const json_t *vector, const char *key, const void *bytes, size_t size)
{
    char *hex = malloc(2 * size + 1);
    assert_non_null(hex);
    sodium_bin2hex(hex, 2 * size + 1, bytes, size);
    assert_text(vector, key, hex);
    free(hex);
}

static struct sower_request request_of(const json_t *vector)
{
    struct sower_request request;
    struct sower_problem problem = {.sentence = ""};
    struct sower_seed root = sower_seed_public_root();
    const json_t *fields = json_object_get(vector, "request");
    if (!sower_request_parse(fields, false, &root, &request, &problem)) {
        fail_msg("%s: %s: %s", sower_json_text(fields, 0), problem.field, problem.sentence);
    }
    return request;
}

/* The fields of a refused request as the text of a JSON body; numbers keep their type. */
static bool is_refused(const char *body, struct sower_problem *problem)
{
    struct sower_request request;
    struct sower_seed root = sower_seed_public_root();
    json_t *fields;
    if (!sower_request_fields_from_json(body, strlen(body), &fields, problem)) {
        return true;
    }
    bool read = sower_request_parse(fields, false, &root, &request, problem);
    json_decref(fields);
    return !read;
}

static void check_refusal(const json_t *vector)
{
    struct sower_problem problem = {.sentence = ""};
    if (json_object_get(vector, "query") != NULL) {
        return; /* only the daemon decodes query strings */
    }
    char *body = json_object_get(vector, "body") != NULL
                     ? strdup(text_of(vector, "body"))
                     : sower_json_text(json_object_get(vector, "request"), JSON_COMPACT);
    if (!is_refused(body, &problem)) {
        fail_msg("this is not refused: %s", body);
    }
    assert_text(vector, "param", problem.field);
    assert_int_equal(sower_document_status(problem.code), number_of(vector, "status"));
    free(body);
}

static void check_plan(const json_t *vector)
{
    struct sower_request request = request_of(vector);
    json_t *plan = sower_document_plan(&request), *published;
    const char *key;
    assert_non_null(plan);
    json_object_foreach(json_object_get(vector, "plan"), key, published)
    {
        if (!json_equal(json_object_get(plan, key), published)) {
            fail_msg("%s is different here: %s", key, sower_json_text(vector, JSON_COMPACT));
        }
    }
    json_decref(plan);
}

static void check_file(const json_t *vector)
{
    static struct sower_body body;
    struct sower_request request = request_of(vector);
    sower_format_body(&request, &body);
    assert_hex(vector, "header", body.prefix, body.prefix_size);
    assert_int_equal(body.prefix_size + body.data_size, number_of(vector, "bytes"));
}

static struct sower_manifest manifest_of(const json_t *vector)
{
    struct sower_manifest manifest;
    struct sower_problem problem = {.sentence = ""};
    char *text = sower_json_text(json_object_get(vector, "manifest"), JSON_COMPACT);
    if (!sower_manifest_read(text, strlen(text), &manifest, &problem)) {
        fail_msg("%s: %s: %s", text, problem.field, problem.sentence);
    }
    free(text);
    return manifest;
}

static void check_manifest(const json_t *vector)
{
    struct sower_manifest manifest = manifest_of(vector);
    struct sower_buffer canonical = {0};
    sower_manifest_print(&manifest, &canonical);
    sower_buffer_bytes(&canonical, "\0", 1);
    assert_false(canonical.failed);
    assert_text(vector, "canonical", canonical.text);
    assert_hex(vector, "hash", manifest.hash, sizeof manifest.hash);
    assert_int_equal(manifest.count, number_of(vector, "tensors"));
    assert_int_equal(manifest.size, number_of(vector, "bytes"));
    sower_buffer_free(&canonical);
    sower_manifest_free(&manifest);
}

static struct sower_model model_of(const json_t *vector)
{
    struct sower_model model;
    struct sower_problem problem = {.sentence = ""};
    struct sower_seed root = sower_seed_public_root();
    struct sower_model_choice choice = {.tensors = text_of(vector, "tensors"),
                                        .shard = text_of(vector, "shard")};
    struct sower_manifest manifest = manifest_of(vector);
    json_t *asked = json_object();
    json_object_set(asked, "experiment", json_object_get(vector, "experiment"));
    if (json_object_get(vector, "trial") != NULL) {
        json_object_set(asked, "trial", json_object_get(vector, "trial"));
    }
    if (json_object_get(vector, "part") != NULL) {
        assert_true(sower_model_part_parse(text_of(vector, "part"), &choice.part, &choice.parts, &problem));
    }
    if (!sower_model_make(&model, &manifest, asked, false, &root, &choice, &problem)) {
        fail_msg("%s: %s: %s", sower_json_text(vector, JSON_COMPACT), problem.field, problem.sentence);
    }
    json_decref(asked);
    return model;
}

/* Adds the elements of the n-th tensor to the file's digest, and their own digest to the model's. */
static void add_tensor(const struct sower_model *model, size_t n, crypto_generichash_state *file,
                       crypto_generichash_state *digests)
{
    static double elements[TENSOR_SIZE_MAX / sizeof(double)];
    struct sower_request request = {0};
    struct sower_source source;
    struct sower_problem problem;
    uint8_t digest[32];
    sower_model_request(model, n, &request);
    struct sower_shape shape = sower_region_shape(&request.region);
    size_t count = (size_t)sower_shape_count(&shape), size = count * sower_dtype_size(request.draw.dtype);
    assert_true(size <= sizeof elements);
    assert_true(sower_source_open(&source, &request.plan, &request.seed, &sower_parallel_none, &problem));
    assert_true(sower_source_read(&source, &request.region, 0, count, elements));
    sower_source_close(&source);
    crypto_generichash(digest, sizeof digest, (const unsigned char *)elements, size, NULL, 0);
    crypto_generichash_update(file, (const unsigned char *)elements, size);
    crypto_generichash_update(digests, digest, sizeof digest);
}

static void check_model(const json_t *vector)
{
    struct sower_model model = model_of(vector);
    crypto_generichash_state file, digests;
    uint8_t hash[32];
    assert_hex(vector, "header", model.header.text, model.header.length);
    assert_int_equal(model.size, number_of(vector, "bytes"));
    crypto_generichash_init(&file, NULL, 0, sizeof hash);
    crypto_generichash_init(&digests, NULL, 0, sizeof hash);
    crypto_generichash_update(&file, (const unsigned char *)model.header.text, model.header.length);
    for (size_t n = 0; n < model.count; n++) {
        add_tensor(&model, n, &file, &digests);
    }
    crypto_generichash_final(&file, hash, sizeof hash);
    assert_hex(vector, "blake2b_256", hash, sizeof hash);
    crypto_generichash_final(&digests, hash, sizeof hash);
    assert_hex(vector, "digest", hash, sizeof hash);
    sower_model_free(&model);
}

static void check_index(const json_t *vector)
{
    struct sower_manifest manifest = manifest_of(vector);
    struct sower_buffer text = {0};
    struct sower_problem problem;
    assert_true(sower_model_index(&manifest, text_of(vector, "tensors"), number_of(vector, "parts"), &text,
                                  &problem));
    json_t *index = json_loadb(text.text, text.length, JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_equal(index, json_object_get(vector, "index")));
    json_decref(index);
    sower_buffer_free(&text);
    sower_manifest_free(&manifest);
}

static void check_line(const json_t *vector)
{
    const json_t *line = json_object_get(vector, "line");
    struct sower_record record;
    struct sower_problem problem = {.sentence = ""};
    uint8_t previous[SOWER_LINK_SIZE], link[SOWER_LINK_SIZE];
    assert_int_equal(
        sodium_hex2bin(previous, sizeof previous, text_of(vector, "previous"), 64, NULL, NULL, NULL), 0);
    if (!sower_record_read(line, &record, &problem)) {
        fail_msg("%s: %s", problem.field, problem.sentence);
    }
    sower_chain_link(&record, previous, link);
    assert_hex(line, "link", link, sizeof link);
    const char *canonical = text_of(vector, "canonical");
    crypto_generichash(link, sizeof link, (const unsigned char *)canonical, strlen(canonical), NULL, 0);
    assert_hex(line, "link", link, sizeof link);
}

static void check_head(const json_t *vector)
{
    static struct sower_head head;
    struct sower_problem problem = {.sentence = ""};
    struct sower_buffer text = {0};
    if (!sower_head_read(json_object_get(vector, "head"), &head, &problem)) {
        fail_msg("%s: %s", problem.field, problem.sentence);
    }
    assert_true(sower_head_check_signature(&head, &problem));
    sower_head_text(&head, &text);
    sower_buffer_bytes(&text, "\0", 1);
    assert_text(vector, "text", text.text);
    sower_buffer_free(&text);
}

static void every_published_refusal_names_the_same_field(void **state)
{
    (void)state;
    replay("proto/vectors/refusals.json", "refusals", check_refusal);
}

static void every_published_plan_is_the_same(void **state)
{
    (void)state;
    replay("proto/vectors/plans.json", "plans", check_plan);
}

static void every_published_file_begins_with_the_same_bytes(void **state)
{
    (void)state;
    replay("proto/vectors/files.json", "files", check_file);
}

static void every_published_manifest_has_the_same_hash(void **state)
{
    (void)state;
    replay("proto/vectors/manifests.json", "manifests", check_manifest);
}

static void every_published_model_is_the_same_file(void **state)
{
    (void)state;
    replay("proto/vectors/models.json", "models", check_model);
    replay("proto/vectors/models.json", "indexes", check_index);
}

static void every_published_line_has_the_same_link(void **state)
{
    (void)state;
    replay("proto/vectors/ledger.json", "lines", check_line);
}

static void every_published_head_is_signed(void **state)
{
    (void)state;
    replay("proto/vectors/ledger.json", "heads", check_head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_published_refusal_names_the_same_field),
        cmocka_unit_test(every_published_plan_is_the_same),
        cmocka_unit_test(every_published_file_begins_with_the_same_bytes),
        cmocka_unit_test(every_published_manifest_has_the_same_hash),
        cmocka_unit_test(every_published_model_is_the_same_file),
        cmocka_unit_test(every_published_line_has_the_same_link),
        cmocka_unit_test(every_published_head_is_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
