/* A tensor of the library: boxes, buffers, errors, lines, threads, and the environment of the program. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <sodium.h>

#include "client/library/sower.h"
#include "client/library/tensor.h"
#include "tests/unit/core/environments.h"

#define REQUEST(rest) "{\"experiment\":\"e\",\"name\":\"w\"," rest "}"
#define SMALL REQUEST("\"shape\":[5,7,9],\"init\":\"normal(std=0.02)\"")
#define ORTHOGONAL REQUEST("\"shape\":[300,200],\"init\":\"orthogonal\"")
#define LARGEST REQUEST("\"shape\":[262144,262144],\"init\":\"he_normal\"")

static sower_tensor *opened(const char *json)
{
    sower_tensor *tensor = NULL;
    struct sower_error error;
    if (sower_tensor_open(&tensor, json, strlen(json), NULL, &error) != SOWER_OK) {
        fail_msg("%s: %s: %s", json, error.field, error.sentence);
    }
    return tensor;
}

/* ---- Errors --------------------------------------------------------------------------------------------- */

static void a_refused_request_has_a_code_a_field_and_a_sentence_and_changes_no_output(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int code;
        const char *field;
    } refused[] = {
        {"", SOWER_INVALID, ""},
        {"[]", SOWER_INVALID, ""},
        {"{\"experiment\":\"e\"", SOWER_INVALID, ""},
        {REQUEST("\"shape\":[4],\"shape\":[4],\"init\":\"normal\""), SOWER_INVALID, "shape"},
        {REQUEST("\"shape\":[4],\"init\":\"he_normall\""), SOWER_INVALID, "init"},
        {REQUEST("\"shape\":[-4],\"init\":\"normal\""), SOWER_INVALID, "shape"},
        {REQUEST("\"shape\":[4],\"init\":\"normal\",\"trial\":\"3\""), SOWER_INVALID, "trial"},
        {REQUEST("\"shape\":[4],\"init\":\"normal\",\"colour\":1"), SOWER_INVALID, "colour"},
        {REQUEST("\"shape\":[1000000,1000000],\"init\":\"normal\""), SOWER_TOO_LARGE, "shape"},
    };
    sower_tensor *const unchanged = (sower_tensor *)(void *)&state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct sower_error error = {.code = -1};
        sower_tensor *tensor = unchanged;
        const char *json = refused[i].json;
        assert_int_equal(sower_tensor_open(&tensor, json, strlen(json), NULL, &error), refused[i].code);
        assert_int_equal(error.code, refused[i].code);
        assert_string_equal(error.field, refused[i].field);
        assert_true(strlen(error.sentence) > 10);
        assert_int_equal(sower_tensor_open(&tensor, json, strlen(json), NULL, NULL), refused[i].code);
        assert_ptr_equal(tensor, unchanged);
    }
}

static void a_success_clears_the_error(void **state)
{
    (void)state;
    struct sower_error error = {.code = 7, .field = "f", .sentence = "s"};
    sower_tensor *tensor = NULL;
    assert_int_equal(sower_tensor_open(&tensor, SMALL, strlen(SMALL), NULL, &error), SOWER_OK);
    assert_int_equal(error.code, SOWER_OK);
    assert_string_equal(error.field, "");
    assert_string_equal(error.sentence, "");
    sower_tensor_close(tensor);
    sower_tensor_close(NULL);
    sower_tensors_close(NULL);
}

static void a_box_or_buffer_that_does_not_fit_is_refused_and_nothing_is_written(void **state)
{
    (void)state;
    const uint64_t zero[3] = {0}, end[3] = {5, 7, 9}, past[3] = {5, 8, 9}, middle[3] = {2, 3, 4};
    const uint64_t far[3] = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    _Alignas(8) static uint8_t buffer[5 * 7 * 9 * 4 + 8], untouched[sizeof buffer];
    const size_t whole = 5 * 7 * 9 * 4, third = 3 * 4 * 5 * 4;
    const struct {
        const uint64_t *start, *stop;
        void *buffer;
        size_t size;
    } wrong[] = {
        {NULL, NULL, buffer, whole - 1},
        {NULL, NULL, buffer, whole + 1},
        {NULL, NULL, buffer, 0},
        {NULL, NULL, buffer, SIZE_MAX},
        {NULL, NULL, NULL, whole},
        {NULL, NULL, buffer + 1, whole},
        {NULL, NULL, buffer + 2, whole},
        {middle, end, buffer + 1, third},
        {middle, end, buffer, whole},
        {zero, past, buffer, whole},
        {zero, past, buffer, 5 * 8 * 9 * 4},
        {end, middle, buffer, 0},
        {end, zero, buffer, whole},
        {far, far, buffer, 0},
        {zero, far, buffer, whole},
        {NULL, end, buffer, whole},
        {zero, NULL, buffer, whole},
    };
    sower_tensor *tensor = opened(SMALL);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct sower_error error;
        const int code = sower_tensor_fill(tensor, wrong[i].start, wrong[i].stop, wrong[i].buffer,
                                           wrong[i].size, 2, &error);
        if (code != SOWER_BUFFER || error.code != SOWER_BUFFER || error.sentence[0] == '\0') {
            fail_msg("case %zu gives %d", i, code);
        }
    }
    assert_memory_equal(buffer, untouched, sizeof buffer);
    uint8_t digest[SOWER_KEY_SIZE];
    assert_int_equal(sower_tensor_digest(tensor, zero, past, 2, digest, NULL), SOWER_BUFFER);
    sower_tensor_close(tensor);
}

/* ---- Boxes ---------------------------------------------------------------------------------------------- */

static void a_box_has_the_elements_of_the_whole_tensor(void **state)
{
    (void)state;
    static const char *const requests[] = {
        SMALL,
        REQUEST("\"shape\":[5,7,9],\"init\":\"orthogonal\",\"dtype\":\"bf16\""),
        REQUEST("\"shape\":[5,7,9],\"init\":\"uniform(low=-1,high=1)\",\"dtype\":\"f64\",\"zero_rows\":[1]"),
    };
    static double whole[5 * 7 * 9], box[5 * 7 * 9];
    for (size_t r = 0; r < sizeof requests / sizeof requests[0]; r++) {
        sower_tensor *tensor = opened(requests[r]);
        const size_t size = sower_tensor_element_size(tensor);
        assert_int_equal(sower_tensor_fill(tensor, NULL, NULL, whole, 5 * 7 * 9 * size, 2, NULL), SOWER_OK);
        for (uint64_t n = 0; n < 200; n++) { /* different bounds on each axis */
            const uint64_t start[3] = {n % 5, n % 7, n % 9};
            const uint64_t stop[3] = {5 - n / 5 % (5 - n % 5), 7 - n / 3 % (7 - n % 7),
                                      9 - n / 2 % (9 - n % 9)};
            const size_t count = (size_t)((stop[0] - start[0]) * (stop[1] - start[1]) * (stop[2] - start[2]));
            assert_int_equal(sower_tensor_fill(tensor, start, stop, box, count * size, n % 4, NULL),
                             SOWER_OK);
            const uint8_t *at = (const uint8_t *)box;
            for (uint64_t i = start[0]; i < stop[0]; i++) {
                for (uint64_t j = start[1]; j < stop[1]; j++, at += (size_t)(stop[2] - start[2]) * size) {
                    assert_memory_equal(at, (const uint8_t *)whole + ((i * 7 + j) * 9 + start[2]) * size,
                                        (size_t)(stop[2] - start[2]) * size);
                }
            }
        }
        sower_tensor_close(tensor);
    }
}

static void without_a_box_the_slice_of_the_request_is_filled(void **state)
{
    (void)state;
    float sliced[2 * 9], boxed[2 * 9];
    const uint64_t start[] = {4, 5, 0}, stop[] = {5, 7, 9};
    sower_tensor *tensor =
        opened(REQUEST("\"shape\":[5,7,9],\"init\":\"normal(std=0.02)\",\"slice\":\"-1:,5:7\""));
    assert_int_equal(sower_tensor_size(tensor, 1), 7);
    assert_int_equal(sower_tensor_fill(tensor, NULL, NULL, sliced, sizeof sliced, 0, NULL), SOWER_OK);
    assert_int_equal(sower_tensor_fill(tensor, start, stop, boxed, sizeof boxed, 0, NULL), SOWER_OK);
    assert_memory_equal(sliced, boxed, sizeof sliced);
    sower_tensor_close(tensor);
}

static void a_scalar_has_one_element_and_an_empty_box_none(void **state)
{
    (void)state;
    float value = 0;
    uint8_t digest[SOWER_KEY_SIZE], nothing[SOWER_KEY_SIZE];
    const uint64_t none[SOWER_AXES_MAX] = {3, 3};
    sower_tensor *scalar = opened(REQUEST("\"shape\":[],\"init\":\"constant(value=2)\""));
    assert_int_equal(sower_tensor_rank(scalar), 0);
    assert_int_equal(sower_tensor_fill(scalar, NULL, NULL, &value, sizeof value, 0, NULL), SOWER_OK);
    assert_true(value == 2);
    value = 0;
    assert_int_equal(sower_tensor_fill(scalar, none, none, &value, sizeof value, 0, NULL), SOWER_OK);
    assert_true(value == 2);
    sower_tensor_close(scalar);

    crypto_generichash(nothing, sizeof nothing, NULL, 0, NULL, 0);
    static const char *const empty[] = {
        REQUEST(
            "\"shape\":[0,9223372036854775807,2147483647],\"fan_in\":1,\"fan_out\":1,\"init\":\"normal\""),
        ORTHOGONAL};
    for (size_t i = 0; i < 2; i++) {
        sower_tensor *tensor = opened(empty[i]);
        const uint64_t *box = i == 0 ? NULL : none;
        assert_int_equal(sower_tensor_fill(tensor, box, box, NULL, 0, 0, NULL), SOWER_OK);
        assert_int_equal(sower_tensor_digest(tensor, box, box, 0, digest, NULL), SOWER_OK);
        assert_memory_equal(digest, nothing, sizeof digest);
        assert_false(tensor->opened); /* nothing was prepared */
        sower_tensor_close(tensor);
    }
}

static void the_end_of_the_largest_tensor_is_where_a_slice_has_it(void **state)
{
    (void)state;
    enum { ROWS = 3, COLUMNS = 100 };
    const uint64_t side = 262144, start[] = {side - ROWS, side - COLUMNS}, stop[] = {side, side};
    float boxed[ROWS * COLUMNS], sliced[ROWS * COLUMNS];
    sower_tensor *tensor = opened(LARGEST);
    assert_int_equal(sower_tensor_fill(tensor, start, stop, boxed, sizeof boxed, 0, NULL), SOWER_OK);
    sower_tensor *slice =
        opened(REQUEST("\"shape\":[262144,262144],\"init\":\"he_normal\",\"slice\":\"-3:,-100:\""));
    assert_int_equal(sower_tensor_fill(slice, NULL, NULL, sliced, sizeof sliced, 1, NULL), SOWER_OK);
    assert_memory_equal(boxed, sliced, sizeof boxed);
    assert_true(boxed[0] != boxed[1] && boxed[0] != boxed[COLUMNS]);
    assert_int_equal(sower_tensor_fill(tensor, NULL, NULL, boxed, sizeof boxed, 0, NULL), SOWER_BUFFER);
    sower_tensor_close(slice);
    sower_tensor_close(tensor);
}

/* ---- Threads and the environment ------------------------------------------------------------------------ */

/* Large enough for several chunks. */
#define SEVERAL_CHUNKS REQUEST("\"shape\":[1100,1000],\"init\":\"normal(std=0.02)\"")

static void the_number_of_threads_changes_no_bit(void **state)
{
    (void)state;
    static const char *const requests[] = {SEVERAL_CHUNKS, ORTHOGONAL};
    for (size_t r = 0; r < 2; r++) {
        sower_tensor *tensor = opened(requests[r]);
        const size_t size =
            (size_t)(sower_tensor_size(tensor, 0) * sower_tensor_size(tensor, 1)) * sizeof(float);
        float *one = malloc(size), *many = malloc(size);
        uint8_t digest[SOWER_KEY_SIZE], other[SOWER_KEY_SIZE];
        assert_int_equal(sower_tensor_fill(tensor, NULL, NULL, one, size, 1, NULL), SOWER_OK);
        assert_int_equal(sower_tensor_digest(tensor, NULL, NULL, 1, digest, NULL), SOWER_OK);
        for (unsigned threads = 2; threads <= 5; threads++) {
            memset(many, 0xff, size);
            assert_int_equal(sower_tensor_fill(tensor, NULL, NULL, many, size, threads, NULL), SOWER_OK);
            assert_memory_equal(one, many, size);
            assert_int_equal(sower_tensor_digest(tensor, NULL, NULL, threads, other, NULL), SOWER_OK);
            assert_memory_equal(digest, other, sizeof digest);
        }
        free(one);
        free(many);
        sower_tensor_close(tensor);
    }
}

static void the_environment_of_the_program_changes_no_bit_and_is_restored(void **state)
{
    (void)state;
    static const char *const requests[] = {REQUEST("\"shape\":[1100,1000],\"init\":\"normal(std=1e-38)\""),
                                           ORTHOGONAL};
    for (size_t r = 0; r < 2; r++) {
        uint8_t digest[SOWER_KEY_SIZE], normal[SOWER_KEY_SIZE];
        sower_tensor *tensor = opened(requests[r]);
        assert_int_equal(sower_tensor_digest(tensor, NULL, NULL, 3, normal, NULL), SOWER_OK);
        sower_tensor_close(tensor);
        for (size_t i = 0; i < ENVIRONMENTS; i++) {
            environment_set(&environments[i]);
            const uint64_t before = environment_registers();
            sower_tensor *other = NULL;
            const int code = sower_tensor_open(&other, requests[r], strlen(requests[r]), NULL, NULL);
            const char *plan = code == SOWER_OK ? sower_tensor_plan(other) : NULL;
            const int made =
                code == SOWER_OK ? sower_tensor_digest(other, NULL, NULL, 3, digest, NULL) : code;
            const uint64_t after = environment_registers();
            environment_restore();
            assert_int_equal(made, SOWER_OK);
            assert_non_null(plan);
            assert_int_equal(before, after);
            assert_memory_equal(digest, normal, sizeof digest);
            sower_tensor_close(other);
        }
    }
}

static atomic_uint runs; /* of work that core divides */

static void count_and_run(void *executor, sower_task *task, void *work, size_t count)
{
    atomic_fetch_add(&runs, 1);
    sower_parallel_none.run(executor, task, work, count);
}

static void *open_source(void *tensor)
{
    struct sower_workers workers;
    struct sower_problem problem;
    sower_workers_init(&workers, 1);
    workers.parallel.run = count_and_run;
    const void *source = sower_tensor_source(tensor, &workers, &problem);
    sower_workers_stop(&workers);
    return (void *)(uintptr_t)source;
}

static void threads_that_need_the_factors_at_the_same_time_compute_them_once(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    sower_tensor *alone = opened(ORTHOGONAL), *shared = opened(ORTHOGONAL);
    pthread_t threads[THREADS];
    assert_non_null(open_source(alone));
    const unsigned once = atomic_exchange(&runs, 0);
    assert_true(once > 0);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, open_source, shared), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *source;
        assert_int_equal(pthread_join(threads[i], &source), 0);
        assert_ptr_equal(source, &shared->source);
    }
    assert_int_equal(runs, once);
    sower_tensor_close(alone);
    sower_tensor_close(shared);
}

/* ---- Seeds and lines ------------------------------------------------------------------------------------ */

static void a_tensor_from_its_seed_is_that_from_the_root(void **state)
{
    (void)state;
    uint8_t root[SOWER_KEY_SIZE] = {1, 2, 3}, id[SOWER_KEY_SIZE], seed[SOWER_KEY_SIZE], one[SOWER_KEY_SIZE],
            other[SOWER_KEY_SIZE];
    sower_tensor *rooted = NULL, *seeded = NULL;
    assert_int_equal(sower_tensor_open(&rooted, SMALL, strlen(SMALL), root, NULL), SOWER_OK);
    sower_tensor_seed(rooted, seed);
    sower_root_id(root, id);
    assert_int_equal(sower_tensor_open_seed(&seeded, SMALL, strlen(SMALL), id, seed, NULL), SOWER_OK);
    sower_tensor_draw(rooted, one);
    sower_tensor_draw(seeded, other);
    assert_memory_equal(one, other, sizeof one);
    assert_int_equal(sower_tensor_digest(rooted, NULL, NULL, 1, one, NULL), SOWER_OK);
    assert_int_equal(sower_tensor_digest(seeded, NULL, NULL, 1, other, NULL), SOWER_OK);
    assert_memory_equal(one, other, sizeof one);
    assert_string_equal(sower_tensor_plan(rooted), sower_tensor_plan(seeded));
    sower_tensor_close(rooted);
    sower_tensor_close(seeded);
}

static int open_value(const json_t *line, const uint8_t *root, struct sower_error *error)
{
    sower_tensor *tensor = NULL;
    char text[4096];
    const size_t length = json_dumpb(line, text, sizeof text, JSON_COMPACT);
    assert_in_range(length, 1, sizeof text);
    const int code = sower_tensor_open_line(&tensor, text, length, root, error);
    assert_int_equal(code == SOWER_OK, tensor != NULL);
    sower_tensor_close(tensor);
    return code;
}

/* A line with one member changed. */
static int open_changed(const json_t *line, const char *member, json_t *value, struct sower_error *error)
{
    json_t *changed = json_deep_copy(line);
    json_object_set_new(changed, member, value);
    const int code = open_value(changed, NULL, error);
    json_decref(changed);
    return code;
}

static void check_line(const json_t *line)
{
    uint8_t root[SOWER_KEY_SIZE], other[SOWER_KEY_SIZE] = {1};
    struct sower_error error;
    const char *zeros = "0000000000000000000000000000000000000000000000000000000000000000";
    const bool draw = strcmp(json_string_value(json_object_get(line, "kind")), "draw") == 0;
    assert_int_equal(open_value(line, NULL, &error), draw ? SOWER_OK : SOWER_INVALID);
    if (!draw) {
        return;
    }
    sower_public_root(root);
    assert_int_equal(open_value(line, root, &error), SOWER_OK);
    assert_int_equal(open_value(line, other, &error), SOWER_DIFFERENT);
    assert_string_equal(error.field, "root");
    assert_int_equal(open_changed(line, "draw", json_string(zeros), &error), SOWER_DIFFERENT);
    assert_string_equal(error.field, "draw");
    assert_int_equal(open_changed(line, "seed", json_string(zeros), &error), SOWER_DIFFERENT);
    assert_string_equal(error.field, "seed");
    assert_int_equal(open_changed(line, "root", json_string(zeros), &error), SOWER_DIFFERENT);
    assert_int_equal(open_changed(line, "name", json_string("x"), &error), SOWER_DIFFERENT);
    assert_int_equal(open_changed(line, "trial", json_integer(77), &error), SOWER_DIFFERENT);
    assert_int_equal(open_changed(line, "dtype", json_string("f16"), &error), SOWER_DIFFERENT);
    assert_int_not_equal(open_changed(line, "shape", json_pack("[i, i, i]", 5, 11, 2), &error), SOWER_OK);
    assert_int_equal(open_changed(line, "spec", json_integer(2), &error), SOWER_INVALID);
    assert_int_equal(open_changed(line, "shape", json_string("3"), &error), SOWER_INVALID);
    assert_int_equal(open_changed(line, "colour", json_true(), &error), SOWER_INVALID);
}

static void a_line_opens_only_if_it_describes_its_own_draw(void **state)
{
    (void)state;
    json_t *file = json_load_file("proto/vectors/ledger.json", JSON_REJECT_DUPLICATES, NULL), *vector;
    size_t index;
    assert_non_null(file);
    json_array_foreach(json_object_get(file, "lines"), index, vector)
    {
        check_line(json_object_get(vector, "line"));
    }
    json_decref(file);
}

static void a_draw_of_a_receipt_opens_with_the_names_of_the_receipt(void **state)
{
    (void)state;
    struct sower_error error;
    json_t *file = json_load_file("proto/vectors/ledger.json", JSON_REJECT_DUPLICATES, NULL);
    json_t *draw = json_deep_copy(json_object_get(json_array_get(json_object_get(file, "lines"), 0), "line"));
    static const char *const place[] = {"kind", "time", "writer", "sequence", "link"};
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++) {
        json_object_del(draw, place[i]);
    }
    assert_int_equal(open_value(draw, NULL, &error), SOWER_OK);
    assert_int_equal(open_changed(draw, "drift", json_null(), &error), SOWER_OK);
    assert_int_equal(open_changed(draw, "drift", json_integer(1), &error), SOWER_OK);
    assert_int_equal(open_changed(draw, "drift", json_integer(0), &error), SOWER_INVALID);
    assert_int_equal(open_changed(draw, "name", json_string("x"), &error), SOWER_DIFFERENT);
    assert_int_equal(open_changed(draw, "time", json_string("2026-01-31T12:00:00.000Z"), &error),
                     SOWER_INVALID);
    json_object_del(draw, "ledger");
    assert_int_equal(open_value(draw, NULL, &error), SOWER_OK);
    json_object_del(draw, "seed");
    assert_int_equal(open_value(draw, NULL, &error), SOWER_INVALID);
    assert_string_equal(error.field, "seed");
    json_decref(draw);
    json_decref(file);
}

/* ---- Models and seeds ----------------------------------------------------------------------------------- */

static void a_tensor_of_a_manifest_is_refused_for_its_own_faults_and_outlives_the_manifest(void **state)
{
    (void)state;
    static const char json[] = "{\"tensors\":[{\"name\":\"a\",\"shape\":[4,3],\"init\":\"he_normal\"},"
                               "{\"name\":\"b\",\"shape\":[4,3],\"same_as\":\"a\"}]}";
    sower_tensors *tensors = NULL;
    sower_tensor *tensor = NULL, *tied = NULL;
    struct sower_error error;
    uint8_t one[SOWER_KEY_SIZE], other[SOWER_KEY_SIZE];
    assert_int_equal(sower_tensors_open(&tensors, "{\"tensors\":[]", 13, &error), SOWER_INVALID);
    assert_int_equal(sower_tensors_open(&tensors, json, sizeof json - 1, &error), SOWER_OK);
    assert_int_equal(sower_tensors_draw(tensors, 2, "e", 0, NULL, &tensor, &error), SOWER_INVALID);
    assert_int_equal(sower_tensors_draw(tensors, 0, "", 0, NULL, &tensor, &error), SOWER_INVALID);
    assert_string_equal(error.field, "experiment");
    assert_int_equal(sower_tensors_draw(tensors, 0, "e", UINT64_MAX, NULL, &tensor, &error), SOWER_INVALID);
    assert_string_equal(error.field, "trial");
    assert_null(tensor);
    assert_null(sower_tensors_name(tensors, 2));
    assert_int_equal(sower_tensors_same_as(tensors, 1), 0);
    assert_int_equal(sower_tensors_draw(tensors, 0, "e", 5, NULL, &tensor, &error), SOWER_OK);
    assert_int_equal(sower_tensors_draw(tensors, 1, "e", 5, NULL, &tied, &error), SOWER_OK);
    sower_tensors_close(tensors);
    assert_string_equal(sower_tensor_name(tied), "a");
    assert_string_equal(sower_tensor_experiment(tied), "e");
    assert_int_equal(sower_tensor_trial(tied), 5);
    assert_int_equal(sower_tensor_digest(tensor, NULL, NULL, 1, one, NULL), SOWER_OK);
    assert_int_equal(sower_tensor_digest(tied, NULL, NULL, 1, other, NULL), SOWER_OK);
    assert_memory_equal(one, other, sizeof one);
    sower_tensor_close(tensor);
    sower_tensor_close(tied);
}

static void names_of_seeds_are_checked(void **state)
{
    (void)state;
    uint8_t root[SOWER_KEY_SIZE], seed[SOWER_KEY_SIZE];
    struct sower_error error;
    uint64_t number = 7;
    char longest[258];
    memset(longest, 'a', sizeof longest);
    longest[257] = '\0';
    sower_public_root(root);
    assert_int_equal(sower_trial_seed(root, longest, 0, seed, &error), SOWER_INVALID);
    assert_int_equal(sower_trial_seed(root, "\xff", 0, seed, &error), SOWER_INVALID);
    assert_string_equal(error.field, "experiment");
    assert_int_equal(sower_trial_seed(root, longest + 1, INT64_MAX, seed, &error), SOWER_OK);
    assert_int_equal(sower_purpose_seed(seed, "", &number, &error), SOWER_INVALID);
    assert_int_equal(sower_purpose_seed(seed, longest, &number, &error), SOWER_INVALID);
    assert_int_equal(sower_purpose_seed(seed, "\xc3", &number, &error), SOWER_INVALID);
    assert_string_equal(error.field, "purpose");
    assert_int_equal(number, 7);
    assert_int_equal(sower_purpose_seed(seed, longest + 1, &number, &error), SOWER_OK);
    assert_int_not_equal(number, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_request_has_a_code_a_field_and_a_sentence_and_changes_no_output),
        cmocka_unit_test(a_success_clears_the_error),
        cmocka_unit_test(a_box_or_buffer_that_does_not_fit_is_refused_and_nothing_is_written),
        cmocka_unit_test(a_box_has_the_elements_of_the_whole_tensor),
        cmocka_unit_test(without_a_box_the_slice_of_the_request_is_filled),
        cmocka_unit_test(a_scalar_has_one_element_and_an_empty_box_none),
        cmocka_unit_test(the_end_of_the_largest_tensor_is_where_a_slice_has_it),
        cmocka_unit_test(the_number_of_threads_changes_no_bit),
        cmocka_unit_test(the_environment_of_the_program_changes_no_bit_and_is_restored),
        cmocka_unit_test(threads_that_need_the_factors_at_the_same_time_compute_them_once),
        cmocka_unit_test(a_tensor_from_its_seed_is_that_from_the_root),
        cmocka_unit_test(a_line_opens_only_if_it_describes_its_own_draw),
        cmocka_unit_test(a_draw_of_a_receipt_opens_with_the_names_of_the_receipt),
        cmocka_unit_test(a_tensor_of_a_manifest_is_refused_for_its_own_faults_and_outlives_the_manifest),
        cmocka_unit_test(names_of_seeds_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
