/* The published vectors through the library: seeds, tensors, manifests, models and ledger lines. Run it at the top of the
 * tree. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <sodium.h>

#include "client/library/sower.h"

/* Elements of larger tensors are only hashed. */
enum { BUFFER_MAX = 1 << 20, SHOWN = 64, SHOWN_LAST = 32 };

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
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

/* The text of a value in a static buffer. */
static const char *print(const json_t *value)
{
    static char text[1 << 20];
    size_t length = json_dumpb(value, text, sizeof text - 1, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_true(length < sizeof text);
    text[length] = '\0';
    return text;
}

static void assert_hex(const json_t *vector, const char *key, const void *bytes, size_t size)
{
    char hex[2 * SHOWN + 1];
    sodium_bin2hex(hex, sizeof hex, bytes, size);
    if (strcmp(hex, text_of(vector, key)) != 0) {
        fail_msg("%s is different here, %s: %s", key, hex, print(vector));
    }
}

static sower_tensor *open_tensor(const json_t *request)
{
    struct sower_error error;
    sower_tensor *tensor = NULL;
    const char *json = print(request);
    if (sower_tensor_open(&tensor, json, strlen(json), NULL, &error) != SOWER_OK) {
        fail_msg("%s: %s: %s", json, error.field, error.sentence);
    }
    return tensor;
}

/* The vectors show bytes of `format=raw`; the library writes in the machine's order. */
static void to_little_endian(void *elements, size_t size, size_t element_size)
{
    const uint16_t one = 1;
    uint8_t *bytes = elements;
    for (size_t i = 0; *(const uint8_t *)&one == 0 && i < size; i += element_size) {
        for (size_t j = 0; j < element_size / 2; j++) {
            uint8_t byte = bytes[i + j];
            bytes[i + j] = bytes[i + element_size - 1 - j];
            bytes[i + element_size - 1 - j] = byte;
        }
    }
}

static void check_elements(const json_t *vector, sower_tensor *tensor, size_t count)
{
    static double buffer[BUFFER_MAX / sizeof(double)];
    const size_t element_size = sower_tensor_element_size(tensor), size = count * element_size;
    struct sower_error error;
    uint8_t digest[SOWER_KEY_SIZE];
    if (size > BUFFER_MAX) {
        return;
    }
    if (sower_tensor_fill(tensor, NULL, NULL, buffer, size, 0, &error) != SOWER_OK) {
        fail_msg("%s: %s", print(vector), error.sentence);
    }
    to_little_endian(buffer, size, element_size);
    const uint8_t *bytes = (const uint8_t *)buffer;
    const size_t last = size < SHOWN_LAST ? size : SHOWN_LAST;
    assert_hex(vector, "first", bytes, size < SHOWN ? size : SHOWN);
    assert_hex(vector, "last", bytes + size - last, last);
    crypto_generichash(digest, sizeof digest, bytes, size, NULL, 0);
    assert_hex(vector, "blake2b_256", digest, sizeof digest);
}

static void check_draw(const json_t *vector)
{
    sower_tensor *tensor = open_tensor(json_object_get(vector, "request"));
    uint8_t bytes[SOWER_KEY_SIZE];
    sower_tensor_draw(tensor, bytes);
    assert_hex(vector, "draw", bytes, sizeof bytes);
    sower_tensor_seed(tensor, bytes);
    assert_hex(vector, "seed", bytes, sizeof bytes);
    check_elements(vector, tensor, (size_t)json_integer_value(json_object_get(vector, "elements")));
    assert_int_equal(sower_tensor_digest(tensor, NULL, NULL, 2, bytes, NULL), SOWER_OK);
    assert_hex(vector, "blake2b_256", bytes, sizeof bytes);
    sower_tensor_close(tensor);
}

static void every_published_tensor_has_the_same_elements(void **state)
{
    (void)state;
    replay("proto/vectors/cells.json", "draws", check_draw);
    replay("proto/vectors/edges.json", "draws", check_draw);
    replay("proto/vectors/draws.json", "draws", check_draw);
}

static void check_seed(const json_t *vector)
{
    uint8_t root[SOWER_KEY_SIZE], bytes[SOWER_KEY_SIZE];
    assert_int_equal(sodium_hex2bin(root, sizeof root, text_of(vector, "root"), 64, NULL, NULL, NULL), 0);
    sower_root_id(root, bytes);
    assert_hex(vector, "root_id", bytes, sizeof bytes);
    assert_int_equal(sower_trial_seed(root, text_of(vector, "experiment"),
                                      (uint64_t)json_integer_value(json_object_get(vector, "trial")), bytes,
                                      NULL),
                     SOWER_OK);
    assert_hex(vector, "trial_seed", bytes, sizeof bytes);
}

static void every_published_seed_is_the_same(void **state)
{
    (void)state;
    replay("proto/vectors/seeds.json", "seeds", check_seed);
}

static void check_purpose(const json_t *vector)
{
    uint8_t root[SOWER_KEY_SIZE], trial[SOWER_KEY_SIZE];
    uint64_t number;
    char text[21];
    assert_int_equal(sodium_hex2bin(root, sizeof root, text_of(vector, "root"), 64, NULL, NULL, NULL), 0);
    assert_int_equal(sower_trial_seed(root, text_of(vector, "experiment"),
                                      (uint64_t)json_integer_value(json_object_get(vector, "trial")), trial,
                                      NULL),
                     SOWER_OK);
    assert_int_equal(sower_purpose_seed(trial, text_of(vector, "purpose"), &number, NULL), SOWER_OK);
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    assert_string_equal(text, text_of(vector, "number"));
}

static void every_published_number_of_a_purpose_is_the_same(void **state)
{
    (void)state;
    replay("proto/vectors/purposes.json", "purposes", check_purpose);
}

static sower_tensors *open_manifest(const json_t *manifest)
{
    struct sower_error error;
    sower_tensors *tensors = NULL;
    const char *json = print(manifest);
    if (sower_tensors_open(&tensors, json, strlen(json), &error) != SOWER_OK) {
        fail_msg("%s: %s: %s", json, error.field, error.sentence);
    }
    return tensors;
}

static void check_manifest(const json_t *vector)
{
    sower_tensors *tensors = open_manifest(json_object_get(vector, "manifest"));
    uint8_t hash[SOWER_KEY_SIZE];
    size_t length = 0;
    sower_tensors_hash(tensors, hash);
    assert_hex(vector, "hash", hash, sizeof hash);
    const char *canonical = sower_tensors_canonical(tensors, &length);
    assert_string_equal(canonical, text_of(vector, "canonical"));
    assert_int_equal(length, strlen(canonical));
    assert_int_equal(sower_tensors_count(tensors), json_integer_value(json_object_get(vector, "tensors")));
    json_t *summary = json_loads(sower_tensors_summary(tensors), JSON_REJECT_DUPLICATES, NULL);
    assert_string_equal(text_of(summary, "manifest"), text_of(vector, "hash"));
    assert_int_equal(json_integer_value(json_object_get(summary, "bytes")),
                     json_integer_value(json_object_get(vector, "bytes")));
    json_decref(summary);
    sower_tensors_close(tensors);
}

static void every_published_manifest_has_the_same_hash(void **state)
{
    (void)state;
    replay("proto/vectors/manifests.json", "manifests", check_manifest);
}

/* The digest of a whole model: that of its tensors' digests. */
static void check_model(const json_t *vector)
{
    if (json_object_get(vector, "tensors") != NULL || json_object_get(vector, "part") != NULL ||
        json_object_get(vector, "shard") != NULL) {
        return; /* the library has whole models */
    }
    sower_tensors *tensors = open_manifest(json_object_get(vector, "manifest"));
    crypto_generichash_state state;
    uint8_t digest[SOWER_KEY_SIZE];
    struct sower_error error;
    const uint64_t trial = (uint64_t)json_integer_value(json_object_get(vector, "trial"));
    crypto_generichash_init(&state, NULL, 0, sizeof digest);
    for (size_t i = 0; i < sower_tensors_count(tensors); i++) {
        sower_tensor *tensor = NULL;
        assert_int_equal(
            sower_tensors_draw(tensors, i, text_of(vector, "experiment"), trial, NULL, &tensor, &error),
            SOWER_OK);
        assert_string_equal(sower_tensor_name(tensor),
                            sower_tensors_name(tensors, sower_tensors_same_as(tensors, i)));
        if (sower_tensors_same_as(tensors, i) == i) {
            assert_int_equal(sower_tensor_digest(tensor, NULL, NULL, 1, digest, &error), SOWER_OK);
            crypto_generichash_update(&state, digest, sizeof digest);
        }
        sower_tensor_close(tensor);
    }
    crypto_generichash_final(&state, digest, sizeof digest);
    assert_hex(vector, "digest", digest, sizeof digest);
    sower_tensors_close(tensors);
}

static void every_published_model_has_the_same_digest(void **state)
{
    (void)state;
    replay("proto/vectors/models.json", "models", check_model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_published_seed_is_the_same),
        cmocka_unit_test(every_published_number_of_a_purpose_is_the_same),
        cmocka_unit_test(every_published_tensor_has_the_same_elements),
        cmocka_unit_test(every_published_manifest_has_the_same_hash),
        cmocka_unit_test(every_published_model_has_the_same_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
