/* The limits of the ledger's size, with a store that says any size. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/ledger/limits.h"

struct fake {
    struct sower_store_writer writer; /* comes first: the methods cast */
    struct sower_store_size size;
    uint64_t spare; /* bytes that shrinking gives back */
    bool busy, unknown;
    size_t shrinks;
};

static bool measure(struct sower_store_writer *writer, struct sower_store_size *size,
                    struct sower_problem *problem)
{
    const struct fake *fake = (const struct fake *)writer;
    *size = fake->size;
    return !fake->unknown ||
           sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "The database is gone.");
}

static bool shrink(struct sower_store_writer *writer)
{
    struct fake *fake = (struct fake *)writer;
    fake->shrinks++;
    if (fake->busy || fake->spare == 0) {
        return false;
    }
    fake->size.bytes -= fake->spare;
    fake->size.free += fake->spare;
    fake->spare = 0;
    return true;
}

static const struct sower_store_writer_methods methods = {
    .measure = measure, .shrink = shrink, .knows_disk = true};
static const struct sower_store_writer_methods nothing = {.measure = NULL};
static struct sower_log_output standard_error = {.file = STDERR_FILENO, .lock = PTHREAD_MUTEX_INITIALIZER};
static const struct sower_log quiet = {SOWER_LOG_ERROR, &standard_error};

static bool check(struct sower_limits *limits, struct fake *fake, uint64_t lines, uint64_t bytes)
{
    struct sower_problem problem = {.sentence = ""};
    fake->writer.methods = &methods;
    bool room = sower_limits_check(limits, &fake->writer, lines, bytes, &quiet, &problem);
    assert_int_equal(room, problem.sentence[0] == '\0');
    assert_true(room || problem.code == SOWER_PROBLEM_UNAVAILABLE);
    return room;
}

static void without_limits_the_store_is_not_asked(void **state)
{
    (void)state;
    struct sower_limits limits = {0};
    struct sower_store_writer writer = {.methods = &nothing};
    struct sower_problem problem;
    assert_true(sower_limits_check(&limits, &writer, 1, UINT32_MAX, &quiet, &problem));
}

static void a_store_that_does_not_know_its_disk_is_not_asked_for_the_reserve(void **state)
{
    (void)state;
    struct sower_limits limits = {.reserve = 1};
    struct sower_store_writer writer = {.methods = &nothing};
    struct sower_problem problem;
    assert_true(sower_limits_check(&limits, &writer, 1, 1, &quiet, &problem));
}

static void the_maximum_is_reached_to_the_byte(void **state)
{
    (void)state;
    struct sower_limits limits = {.max = 1000000};
    struct fake fake = {.size = {.bytes = 999999, .free = UINT64_MAX}};
    assert_true(check(&limits, &fake, 0, 0));
    assert_true(check(&limits, &fake, 0, 1));
    assert_false(check(&limits, &fake, 0, 2));
    assert_false(limits.full); /* only this request is too large */
    assert_false(check(&limits, &fake, 1, 0));
    fake.size.bytes++;
    assert_false(check(&limits, &fake, 0, 0));
    assert_true(limits.full);
    fake.size.bytes = UINT64_MAX;
    assert_false(check(&limits, &fake, SIZE_MAX >> 20, 0));
    fake.size.bytes = 0;
    assert_true(check(&limits, &fake, 0, 0));
    assert_false(limits.full);
}

static void the_reserve_stays_free(void **state)
{
    (void)state;
    struct sower_limits limits = {.reserve = 1000000};
    struct fake fake = {.size = {.bytes = UINT64_MAX, .free = 1000000}};
    assert_true(check(&limits, &fake, 0, 0));
    assert_false(check(&limits, &fake, 0, 1));
    assert_false(limits.full);
    fake.size.free = 1004096;
    assert_true(check(&limits, &fake, 2, 0)); /* a page is in the log and in the database for a while */
    assert_false(check(&limits, &fake, 3, 0));
    fake.size.free = 999999;
    assert_false(check(&limits, &fake, 0, 0));
    assert_true(limits.full);
    fake.size.free = UINT64_MAX; /* not known */
    assert_true(check(&limits, &fake, 1000, 0));
}

static void space_that_the_store_can_give_back_is_not_in_the_way(void **state)
{
    (void)state;
    struct sower_limits limits = {.max = 1000000, .reserve = 1000000};
    struct fake fake = {.size = {.bytes = 1000000, .free = 900000}, .spare = 500000};
    assert_true(check(&limits, &fake, 0, 0));
    assert_int_equal(fake.shrinks, 1);
    assert_true(check(&limits, &fake, 0, 0));
    assert_int_equal(fake.shrinks, 1);
}

static void an_attempt_to_shrink_that_fails_is_repeated_only_after_a_while(void **state)
{
    (void)state;
    struct sower_limits limits = {.max = 1000000};
    struct fake fake = {.size = {.bytes = 1000000, .free = UINT64_MAX}, .spare = 500000, .busy = true};
    for (int i = 0; i < 100; i++) {
        assert_false(check(&limits, &fake, 0, 0));
    }
    assert_in_range(fake.shrinks, 1, 10);
    fake.busy = false;
    limits.shrink_after = 0; /* as if a second had passed */
    assert_true(check(&limits, &fake, 0, 0));
}

static void a_store_that_cannot_say_its_size_refuses_by_itself(void **state)
{
    (void)state;
    struct sower_limits limits = {.max = 1};
    struct fake fake = {.unknown = true};
    struct sower_problem problem;
    fake.writer.methods = &methods;
    assert_true(sower_limits_check(&limits, &fake.writer, 1, 1, &quiet, &problem));
    assert_false(limits.full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_limits_the_store_is_not_asked),
        cmocka_unit_test(a_store_that_does_not_know_its_disk_is_not_asked_for_the_reserve),
        cmocka_unit_test(the_maximum_is_reached_to_the_byte),
        cmocka_unit_test(the_reserve_stays_free),
        cmocka_unit_test(space_that_the_store_can_give_back_is_not_in_the_way),
        cmocka_unit_test(an_attempt_to_shrink_that_fails_is_repeated_only_after_a_while),
        cmocka_unit_test(a_store_that_cannot_say_its_size_refuses_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
