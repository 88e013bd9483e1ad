#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <microhttpd.h>

#include "server/caches/responses.h"

enum { BODY = 1000, MEMORY = 1 << 20 };

static _Atomic int bodies;   /* not released yet */
static _Atomic int mistaken; /* entries of a target that was not asked for */

static void release_body(void *body)
{
    free(body);
    bodies--;
}

static struct sower_response *make(struct sower_responses *responses, const char *target, size_t size)
{
    struct sower_draw draw = {.experiment = "exp", .trial = 7, .name = "layers.0.bias"};
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(size, calloc(1, size), release_body);
    bodies++;
    struct sower_response *entry = sower_responses_make(responses, target, &draw, response, size);
    assert_non_null(entry);
    return entry;
}

static const char *numbered(char target[40], unsigned number)
{
    snprintf(target, 40, "/v1/tensor?name=%u", number);
    return target;
}

static void an_entry_is_taken_once_and_only_by_its_exact_target(void **state)
{
    (void)state;
    struct sower_responses *responses = sower_responses_new(MEMORY);
    struct sower_response *entry = make(responses, "/v1/tensor?a", BODY);
    assert_null(sower_responses_take(responses, "/v1/tensor?a"));
    sower_responses_give(entry);
    assert_null(sower_responses_take(responses, "/v1/tensor?A"));
    assert_null(sower_responses_take(responses, "/v1/tensor?"));
    assert_null(sower_responses_take(responses, "/v1/tensor?a&"));
    assert_ptr_equal(sower_responses_take(responses, "/v1/tensor?a"), entry);
    assert_null(sower_responses_take(responses, "/v1/tensor?a"));
    sower_responses_give(entry);
    sower_responses_free(responses);
    assert_int_equal(bodies, 0);
}

static void an_entry_has_the_values_of_the_log_line(void **state)
{
    (void)state;
    struct sower_responses *responses = sower_responses_new(MEMORY);
    struct sower_response *entry = make(responses, "/v1/tensor?a", BODY);
    assert_string_equal(entry->experiment, "exp");
    assert_string_equal(entry->name, "layers.0.bias");
    assert_int_equal(entry->trial, 7);
    assert_int_equal(entry->size, BODY);
    sower_responses_give(entry);
    sower_responses_free(responses);
}

static void several_entries_of_one_target_are_kept(void **state)
{
    (void)state;
    struct sower_responses *responses = sower_responses_new(MEMORY);
    struct sower_response *one = make(responses, "/v1/tensor?a", BODY);
    struct sower_response *other = make(responses, "/v1/tensor?a", BODY);
    sower_responses_give(one);
    sower_responses_give(other);
    struct sower_response *first = sower_responses_take(responses, "/v1/tensor?a");
    struct sower_response *second = sower_responses_take(responses, "/v1/tensor?a");
    assert_true((first == one && second == other) || (first == other && second == one));
    assert_null(sower_responses_take(responses, "/v1/tensor?a"));
    sower_responses_give(first);
    sower_responses_give(second);
    sower_responses_free(responses);
    assert_int_equal(bodies, 0);
}

static void memory_stays_within_its_limit(void **state)
{
    (void)state;
    char target[40];
    struct sower_responses *responses = sower_responses_new(MEMORY);
    size_t most = 0;
    for (unsigned i = 0; i < 5000; i++) {
        sower_responses_give(make(responses, numbered(target, i), i * 37 % SOWER_RESPONSE_BODY_MAX));
        size_t memory = sower_responses_figures(responses).memory;
        assert_true(memory <= MEMORY);
        most = memory > most ? memory : most;
    }
    assert_true(most > MEMORY / 2); /* and the limit is used */
    assert_true(bodies > 0 && bodies < 5000);
    sower_responses_free(responses);
    assert_int_equal(bodies, 0);
}

static void the_least_recently_used_entry_is_dropped_first(void **state)
{
    (void)state;
    char target[40];
    struct sower_responses *responses = sower_responses_new(MEMORY);
    sower_responses_give(make(responses, "/v1/tensor?used", BODY));
    sower_responses_give(make(responses, "/v1/tensor?unused", BODY));
    for (unsigned i = 0; i < 5000; i++) {
        sower_responses_give(make(responses, numbered(target, i), BODY));
        struct sower_response *used = sower_responses_take(responses, "/v1/tensor?used");
        assert_non_null(used);
        sower_responses_give(used);
    }
    assert_null(sower_responses_take(responses, "/v1/tensor?unused"));
    assert_null(sower_responses_take(responses, numbered(target, 0)));
    struct sower_response *last = sower_responses_take(responses, numbered(target, 4999));
    assert_non_null(last);
    sower_responses_give(last);
    sower_responses_free(responses);
    assert_int_equal(bodies, 0);
}

static void a_cache_without_memory_keeps_nothing(void **state)
{
    (void)state;
    struct sower_responses *responses = sower_responses_new(0);
    sower_responses_give(make(responses, "/v1/tensor?a", BODY));
    assert_int_equal(bodies, 0);
    assert_null(sower_responses_take(responses, "/v1/tensor?a"));
    assert_int_equal(sower_responses_figures(responses).memory, 0);
    sower_responses_free(responses);
}

static void *take_and_give(void *context)
{
    struct sower_responses *responses = context;
    char target[40];
    for (unsigned i = 0; i < 20000; i++) {
        numbered(target, i % 97);
        struct sower_response *entry = sower_responses_take(responses, target);
        if (entry == NULL) {
            entry = make(responses, target, BODY);
        } else if (strcmp(entry->text, target) != 0) {
            mistaken++;
        }
        sower_responses_give(entry);
    }
    return NULL;
}

static void many_threads_take_and_give_at_once(void **state)
{
    (void)state;
    struct sower_responses *responses = sower_responses_new(MEMORY / 4);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, responses), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(mistaken, 0);
    assert_true(sower_responses_figures(responses).memory <= MEMORY / 4);
    sower_responses_free(responses);
    assert_int_equal(bodies, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_is_taken_once_and_only_by_its_exact_target),
        cmocka_unit_test(an_entry_has_the_values_of_the_log_line),
        cmocka_unit_test(several_entries_of_one_target_are_kept),
        cmocka_unit_test(memory_stays_within_its_limit),
        cmocka_unit_test(the_least_recently_used_entry_is_dropped_first),
        cmocka_unit_test(a_cache_without_memory_keeps_nothing),
        cmocka_unit_test(many_threads_take_and_give_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
