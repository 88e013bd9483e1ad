/* The cache of prepared sources, with a structure whose factors are generated when the test allows it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/structure.h"
#include "server/caches/sources.h"

enum { LIMIT = 100, PATIENCE = 3 /* seconds that a request may wait for memory */ };

/* Counters of the structure below; guarded by `lock`. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held, fails;
    unsigned tasks; /* tasks of one preparation; 0: none */
    unsigned started, made, released;
} work = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* values[0] of a plan is the memory of its factors, values[1] the additional memory for preparing them. */
static struct sower_cost cost(const struct sower_plan *plan)
{
    return (struct sower_cost){.memory = (uint64_t)plan->values[0], .scratch = (uint64_t)plan->values[1]};
}

/* The long work: lasts while `held` is set. */
static void take_long(void *unused, size_t index)
{
    (void)unused, (void)index;
    pthread_mutex_lock(&work.lock);
    work.started++;
    pthread_cond_broadcast(&work.changed);
    while (work.held) {
        pthread_cond_wait(&work.changed, &work.lock);
    }
    pthread_mutex_unlock(&work.lock);
}

static void *prepare(const struct sower_plan *plan, const struct sower_seed *seed,
                     const struct sower_parallel *parallel)
{
    (void)plan, (void)seed;
    if (work.tasks > 0) {
        parallel->run(parallel->executor, take_long, NULL, work.tasks);
    } else {
        take_long(NULL, 0);
    }
    pthread_mutex_lock(&work.lock);
    void *factors = work.fails ? NULL : malloc(1);
    work.made += factors != NULL;
    pthread_mutex_unlock(&work.lock);
    return factors;
}

static void release(void *factors)
{
    free(factors);
    pthread_mutex_lock(&work.lock);
    work.released++;
    pthread_mutex_unlock(&work.lock);
}

static const struct sower_structure structure = {.cost = cost, .prepare = prepare, .release = release};

static void set(bool *flag, bool value)
{
    pthread_mutex_lock(&work.lock);
    *flag = value;
    pthread_cond_broadcast(&work.changed);
    pthread_mutex_unlock(&work.lock);
}

static void wait_until_started(unsigned times)
{
    pthread_mutex_lock(&work.lock);
    while (work.started < times) {
        pthread_cond_wait(&work.changed, &work.lock);
    }
    pthread_mutex_unlock(&work.lock);
}

struct fixture {
    struct sower_pool *pool;
    struct sower_sources *sources;
    bool stopped;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->pool = sower_pool_new(4, false);
    fixture->sources = sower_sources_new(fixture->pool, LIMIT, PATIENCE);
    work.held = work.fails = false;
    work.tasks = work.started = work.made = work.released = 0;
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    set(&work.held, false);
    sower_sources_stop(fixture->sources);
    sower_sources_finish(fixture->sources);
    sower_pool_free(fixture->pool);
    sower_sources_free(fixture->sources);
    free(fixture);
    return work.made != work.released; /* all factors are released in the end */
}

struct client {
    struct sower_sources_wait wait; /* comes first */
    pthread_mutex_t lock;
    pthread_cond_t told;
    unsigned times;
    _Atomic bool left;
};

static void done(struct sower_sources_wait *wait)
{
    struct client *client = (struct client *)wait;
    pthread_mutex_lock(&client->lock);
    client->times++;
    pthread_cond_signal(&client->told);
    pthread_mutex_unlock(&client->lock);
}

static bool has_left(const struct sower_sources_wait *wait)
{
    return ((const struct client *)wait)->left;
}

static struct sower_draw_id draw_id(uint8_t number)
{
    return (struct sower_draw_id){{number}};
}

static void ask_for(struct sower_sources *sources, struct client *client, uint64_t whose, uint8_t number,
                    unsigned memory, unsigned scratch)
{
    struct sower_draw_id draw = draw_id(number);
    struct sower_plan plan;
    const struct sower_seed seed = {{number}};
    memset(&plan, 0, sizeof plan);
    plan.structure = &structure;
    plan.values[0] = memory;
    plan.values[1] = scratch;
    memset(client, 0, sizeof *client);
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->told, NULL);
    client->wait.done = done;
    client->wait.has_left = has_left;
    client->wait.client = whose;
    sower_sources_prepare(sources, &draw, &plan, &seed, &client->wait);
}

static void ask_with_scratch(struct fixture *fixture, struct client *client, uint8_t number, unsigned memory,
                             unsigned scratch)
{
    ask_for(fixture->sources, client, 0, number, memory, scratch);
}

static void ask(struct fixture *fixture, struct client *client, uint8_t number, unsigned memory)
{
    ask_with_scratch(fixture, client, number, memory, 0);
}

static struct sower_prepared *outcome(struct client *client)
{
    pthread_mutex_lock(&client->lock);
    while (client->times == 0) {
        pthread_cond_wait(&client->told, &client->lock);
    }
    pthread_mutex_unlock(&client->lock);
    assert_int_equal(client->times, 1);
    return client->wait.prepared;
}

static bool is_there(struct fixture *fixture, uint8_t number)
{
    struct sower_draw_id draw = draw_id(number);
    struct sower_prepared *prepared = sower_sources_find(fixture->sources, &draw);
    if (prepared != NULL) {
        sower_sources_release(prepared);
    }
    return prepared != NULL;
}

static void simultaneous_requests_share_one_preparation(void **state)
{
    struct fixture *fixture = *state;
    struct client clients[10];
    set(&work.held, true);
    for (size_t i = 0; i < 10; i++) {
        ask(fixture, &clients[i], 1, 10);
    }
    wait_until_started(1);
    set(&work.held, false);
    struct sower_prepared *prepared = outcome(&clients[0]);
    assert_non_null(prepared);
    for (size_t i = 1; i < 10; i++) {
        assert_ptr_equal(outcome(&clients[i]), prepared);
    }
    for (size_t i = 0; i < 10; i++) {
        sower_sources_release(prepared);
    }
    assert_int_equal(work.started, 1);
    assert_int_equal(sower_sources_source(prepared)->seed.bytes[0], 1);
}

static void a_later_request_gets_the_cached_source(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    assert_false(is_there(fixture, 1));
    for (int turn = 0; turn < 3; turn++) {
        ask(fixture, &client, 1, 10);
        sower_sources_release(outcome(&client));
        assert_true(is_there(fixture, 1));
    }
    assert_int_equal(work.started, 1);
}

static void the_least_recently_used_source_is_removed_first(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    for (uint8_t number = 1; number <= 3; number++) {
        ask(fixture, &client, number, 33);
        sower_sources_release(outcome(&client));
    }
    assert_true(is_there(fixture, 1)); /* used: 2 is removed next */
    ask(fixture, &client, 4, 33);
    sower_sources_release(outcome(&client));
    assert_false(is_there(fixture, 2));
    assert_true(is_there(fixture, 1));
    assert_true(is_there(fixture, 3));
    assert_true(is_there(fixture, 4));
}

static void sources_in_use_stay_and_a_request_without_room_waits_for_its_turn(void **state)
{
    struct fixture *fixture = *state;
    struct client large, second, third;
    ask(fixture, &large, 1, LIMIT);
    struct sower_prepared *held = outcome(&large);
    ask(fixture, &second, 2, LIMIT);
    ask(fixture, &third, 3, 1);
    assert_int_equal(second.times, 0);
    assert_int_equal(third.times, 0); /* in order of arrival */
    assert_int_equal(work.started, 1);
    sower_sources_release(held);
    held = outcome(&second);
    assert_false(is_there(fixture, 1));
    sower_sources_release(held);
    sower_sources_release(outcome(&third));
}

static void a_failure_is_reported_to_all_and_not_cached(void **state)
{
    struct fixture *fixture = *state;
    struct client clients[3], again;
    set(&work.fails, true);
    set(&work.held, true);
    for (size_t i = 0; i < 3; i++) {
        ask(fixture, &clients[i], 1, LIMIT);
    }
    set(&work.held, false);
    for (size_t i = 0; i < 3; i++) {
        assert_null(outcome(&clients[i]));
        assert_int_equal(clients[i].wait.problem.code, SOWER_PROBLEM_UNAVAILABLE);
    }
    set(&work.fails, false);
    ask(fixture, &again, 1, LIMIT);
    sower_sources_release(outcome(&again));
}

static void stopping_refuses_waiting_and_later_requests(void **state)
{
    struct fixture *fixture = *state;
    struct client begun, waiting, late;
    set(&work.held, true);
    ask(fixture, &begun, 1, LIMIT);
    wait_until_started(1);
    ask(fixture, &waiting, 2, LIMIT);
    sower_sources_stop(fixture->sources);
    assert_null(outcome(&waiting));
    ask(fixture, &late, 3, 1);
    assert_null(outcome(&late));
    set(&work.held, false);
    assert_null(outcome(&begun));
    assert_int_equal(begun.wait.problem.code, SOWER_PROBLEM_UNAVAILABLE);
}

/* The first task of a preparation waits for the stop; no task may begin after that. */
static void stopping_cancels_a_preparation_between_its_tasks(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    set(&work.held, true);
    work.tasks = 1000;
    ask(fixture, &client, 1, LIMIT);
    wait_until_started(1);
    sower_sources_stop(fixture->sources);
    set(&work.held, false);
    assert_null(outcome(&client));
    assert_true(work.started <= 4); /* threads of the pool */
}

static void seconds_pass(struct fixture *fixture, unsigned count)
{
    while (count-- > 0) {
        sower_sources_tick(fixture->sources);
    }
}

/* The first task waits until all clients have left; no task may begin after that. */
static void a_preparation_without_clients_is_cancelled_between_its_tasks(void **state)
{
    struct fixture *fixture = *state;
    struct client clients[3], again;
    set(&work.held, true);
    work.tasks = 1000;
    for (size_t i = 0; i < 3; i++) {
        ask(fixture, &clients[i], 1, LIMIT);
    }
    wait_until_started(1);
    for (size_t i = 0; i < 3; i++) {
        clients[i].left = true;
    }
    seconds_pass(fixture, 2);
    for (size_t i = 0; i < 3; i++) {
        assert_null(outcome(&clients[i]));
        assert_int_equal(clients[i].wait.problem.code, SOWER_PROBLEM_UNAVAILABLE);
    }
    ask(fixture, &again, 1, LIMIT); /* waits for the memory, and is prepared from the beginning */
    assert_int_equal(again.times, 0);
    set(&work.held, false);
    sower_sources_release(outcome(&again));
    assert_in_range(work.started, 1000 + 1,
                    1000 + 4); /* of the first preparation at most one task per thread */
    assert_int_equal(work.made, work.released + 1);
}

static void a_preparation_continues_for_the_clients_that_stay(void **state)
{
    struct fixture *fixture = *state;
    struct client leaves, stays;
    set(&work.held, true);
    ask(fixture, &leaves, 1, LIMIT);
    ask(fixture, &stays, 1, LIMIT);
    wait_until_started(1);
    leaves.left = true;
    seconds_pass(fixture, 2);
    assert_null(outcome(&leaves));
    set(&work.held, false);
    sower_sources_release(outcome(&stays));
    assert_true(is_there(fixture, 1));
    assert_int_equal(work.started, 1);
}

/* A half-closed client looks the same, and still gets a response that is nearly ready. */
static void a_client_that_seems_to_have_left_gets_one_more_second(void **state)
{
    struct fixture *fixture = *state;
    struct client client;
    set(&work.held, true);
    ask(fixture, &client, 1, LIMIT);
    client.left = true;
    seconds_pass(fixture, 1);
    client.left = false;
    seconds_pass(fixture, 1);
    assert_int_equal(client.times, 0);
    set(&work.held, false);
    sower_sources_release(outcome(&client));
}

static void a_request_without_a_turn_in_time_is_refused_and_others_move_up(void **state)
{
    struct fixture *fixture = *state;
    struct client holder, large, small;
    ask(fixture, &holder, 1, LIMIT / 2);
    struct sower_prepared *held = outcome(&holder);
    ask(fixture, &large, 2, LIMIT);
    seconds_pass(fixture, PATIENCE);
    ask(fixture, &small, 3, LIMIT / 2);
    assert_int_equal(small.times, 0);
    seconds_pass(fixture, 1);
    assert_null(outcome(&large));
    assert_int_equal(large.wait.problem.code, SOWER_PROBLEM_UNAVAILABLE);
    assert_non_null(strstr(large.wait.problem.sentence, "--wait-seconds 3"));
    sower_sources_release(outcome(&small));
    sower_sources_release(held);
}

static void a_client_that_leaves_before_its_turn_frees_its_place(void **state)
{
    struct fixture *fixture = *state;
    struct client holder, leaves, next;
    ask(fixture, &holder, 1, LIMIT / 2);
    struct sower_prepared *held = outcome(&holder);
    ask(fixture, &leaves, 2, LIMIT);
    ask(fixture, &next, 3, LIMIT / 2);
    leaves.left = true;
    seconds_pass(fixture, 2);
    assert_null(outcome(&leaves));
    sower_sources_release(outcome(&next));
    sower_sources_release(held);
    assert_int_equal(work.started, 2);
}

static void scratch_memory_counts_while_a_preparation_lasts(void **state)
{
    struct fixture *fixture = *state;
    struct client first, second, third;
    set(&work.held, true);
    ask_with_scratch(fixture, &first, 1, LIMIT / 2, LIMIT / 2);
    ask(fixture, &second, 2, LIMIT / 2);
    wait_until_started(1);
    seconds_pass(fixture, 1); /* the second still has no turn */
    assert_int_equal(work.started, 1);
    set(&work.held, false);
    struct sower_prepared *held = outcome(&first);
    sower_sources_release(outcome(&second)); /* together with the first, whose scratch memory is free again */
    sower_sources_release(held);
    ask_with_scratch(fixture, &third, 3, 1, LIMIT - 1); /* all cached sources are removed for it */
    sower_sources_release(outcome(&third));
    assert_false(is_there(fixture, 1));
    assert_false(is_there(fixture, 2));
}

static void the_memory_needed_is_the_sum_and_never_overflows(void **state)
{
    const struct fixture *fixture = *state;
    struct sower_cost cost = {.memory = 5, .scratch = 7, .scratch_per_thread = 11};
    assert_int_equal(sower_sources_need(fixture->sources, &cost), 5 + 7 + 4 * 11);
    cost.memory = UINT64_MAX;
    assert_true(sower_sources_need(fixture->sources, &cost) == UINT64_MAX);
}

static void a_source_that_is_not_read_for_long_is_removed_for_waiting_requests(void **state)
{
    struct fixture *fixture = *state;
    struct client slow, reading, second, third;
    ask(fixture, &slow, 1, LIMIT / 2);
    ask(fixture, &reading, 2, LIMIT / 2);
    struct sower_prepared *rests = outcome(&slow), *read = outcome(&reading);
    sower_sources_rest(rests);
    seconds_pass(fixture, 100); /* no request waits */
    assert_true(is_there(fixture, 1));
    ask(fixture, &second, 3, LIMIT / 2);
    seconds_pass(fixture, PATIENCE - 1);
    struct sower_prepared *held = outcome(&second);
    assert_non_null(held);
    assert_false(is_there(fixture, 1));
    assert_true(is_there(fixture, 2));
    assert_false(sower_sources_wake(rests));
    /* It is prepared again for the client that did not read, when there is room. */
    sower_sources_release(held);
    memset(&third, 0, sizeof third);
    pthread_mutex_init(&third.lock, NULL);
    pthread_cond_init(&third.told, NULL);
    third.wait.done = done;
    sower_sources_prepare_again(rests, &third.wait);
    held = outcome(&third);
    assert_non_null(held);
    assert_int_equal(sower_sources_source(held)->seed.bytes[0], 1);
    assert_true(is_there(fixture, 1));
    sower_sources_release(held);
    sower_sources_release(read);
    assert_int_equal(work.made, 4);
}

static void a_source_that_one_of_two_clients_reads_is_not_removed(void **state)
{
    struct fixture *fixture = *state;
    struct client slow, reading, waiting;
    ask(fixture, &slow, 1, LIMIT);
    struct sower_prepared *held = outcome(&slow);
    ask(fixture, &reading, 1, LIMIT);
    assert_ptr_equal(outcome(&reading), held);
    sower_sources_rest(held);
    ask(fixture, &waiting, 2, LIMIT);
    seconds_pass(fixture, PATIENCE + 1);
    assert_null(outcome(&waiting));
    assert_true(sower_sources_wake(held));
    sower_sources_release(held);
    sower_sources_release(held);
}

static void clients_take_turns(void **state)
{
    struct fixture *fixture = *state;
    struct client holder, greedy[3], other;
    ask_for(fixture->sources, &holder, 3, 1, LIMIT, 0);
    struct sower_prepared *held = outcome(&holder);
    for (uint8_t i = 0; i < 3; i++) {
        ask_for(fixture->sources, &greedy[i], 1, 2 + i, LIMIT, 0);
    }
    ask_for(fixture->sources, &other, 2, 5, LIMIT, 0);
    struct client *const order[] = {&greedy[0], &other, &greedy[1], &greedy[2]};
    for (size_t i = 0; i < 4; i++) {
        sower_sources_release(held);
        held = outcome(order[i]);
        for (size_t later = i + 1; later < 4; later++) {
            assert_int_equal(order[later]->times, 0);
        }
    }
    sower_sources_release(held);
}

static void waiting_time_counts_only_for_a_client_with_a_turn_and_without_a_preparation(void **state)
{
    struct fixture *fixture = *state;
    struct client greedy[2], other, third;
    set(&work.held, true);
    ask_for(fixture->sources, &greedy[0], 1, 1, LIMIT, 0);
    wait_until_started(1);
    ask_for(fixture->sources, &greedy[1], 1, 2, LIMIT, 0);
    ask_for(fixture->sources, &other, 2, 3, LIMIT, 0);
    ask_for(fixture->sources, &third, 3, 4, LIMIT, 0);
    seconds_pass(fixture, PATIENCE + 1);
    assert_null(outcome(&other)); /* it had its turn */
    seconds_pass(fixture, PATIENCE);
    assert_int_equal(third.times, 0); /* it has had its turn since then */
    assert_int_equal(greedy[1].times, 0);
    set(&work.held, false);
    sower_sources_release(outcome(&greedy[0]));
    sower_sources_release(outcome(&third));
    sower_sources_release(outcome(&greedy[1]));
}

/* The fixture's cache is so small that no tensor in it counts as small. */
static void small_tensors_do_not_wait_for_large_ones(void **state)
{
    enum { LARGE = 128 * 100 };
    struct fixture *fixture = *state;
    struct client greedy[2], small;
    struct sower_sources *sources = sower_sources_new(fixture->pool, LARGE, PATIENCE);
    ask_for(sources, &greedy[0], 1, 1, LARGE - 100, 0);
    struct sower_prepared *held = outcome(&greedy[0]);
    ask_for(sources, &greedy[1], 1, 2, LARGE / 2, 0);
    ask_for(sources, &small, 2, 3, 100, 0);
    sower_sources_release(outcome(&small));
    assert_int_equal(greedy[1].times, 0);
    sower_sources_release(held);
    sower_sources_release(outcome(&greedy[1]));
    sower_sources_stop(sources);
    sower_sources_finish(sources);
    sower_sources_free(sources);
}

static void a_client_may_have_half_of_the_queue(void **state)
{
    enum { MOST = 128 };
    struct fixture *fixture = *state;
    static struct client greedy[MOST + 1], other, holder;
    ask_for(fixture->sources, &holder, 1, 255, LIMIT, 0);
    struct sower_prepared *held = outcome(&holder);
    for (size_t i = 0; i <= MOST; i++) {
        ask_for(fixture->sources, &greedy[i], 1, (uint8_t)i, LIMIT, 0);
    }
    assert_null(outcome(&greedy[MOST]));
    ask_for(fixture->sources, &other, 2, 254, LIMIT, 0);
    assert_int_equal(other.times, 0); /* it is queued */
    sower_sources_stop(fixture->sources);
    assert_null(outcome(&other));
    sower_sources_release(held);
}

/* The test does not call the tick; the cache's thread does. */
static void the_cache_calls_its_own_tick(void **state)
{
    struct fixture *fixture = *state;
    struct client holder, large;
    ask(fixture, &holder, 1, LIMIT);
    struct sower_prepared *held = outcome(&holder);
    ask(fixture, &large, 2, LIMIT);
    assert_null(outcome(&large));
    sower_sources_release(held);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(simultaneous_requests_share_one_preparation),
        TEST(a_later_request_gets_the_cached_source),
        TEST(the_least_recently_used_source_is_removed_first),
        TEST(sources_in_use_stay_and_a_request_without_room_waits_for_its_turn),
        TEST(a_failure_is_reported_to_all_and_not_cached),
        TEST(stopping_refuses_waiting_and_later_requests),
        TEST(stopping_cancels_a_preparation_between_its_tasks),
        TEST(a_preparation_without_clients_is_cancelled_between_its_tasks),
        TEST(a_preparation_continues_for_the_clients_that_stay),
        TEST(a_client_that_seems_to_have_left_gets_one_more_second),
        TEST(a_request_without_a_turn_in_time_is_refused_and_others_move_up),
        TEST(a_client_that_leaves_before_its_turn_frees_its_place),
        TEST(scratch_memory_counts_while_a_preparation_lasts),
        TEST(the_memory_needed_is_the_sum_and_never_overflows),
        TEST(a_source_that_is_not_read_for_long_is_removed_for_waiting_requests),
        TEST(a_source_that_one_of_two_clients_reads_is_not_removed),
        TEST(clients_take_turns),
        TEST(waiting_time_counts_only_for_a_client_with_a_turn_and_without_a_preparation),
        TEST(small_tensors_do_not_wait_for_large_ones),
        TEST(a_client_may_have_half_of_the_queue),
        TEST(the_cache_calls_its_own_tick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
