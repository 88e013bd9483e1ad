#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <sodium.h>

#include "core/seed.h"

static void assert_seed_is(struct sower_seed seed, const char *hexadecimal)
{
    char written[2 * SOWER_SEED_SIZE + 1];
    sodium_bin2hex(written, sizeof written, seed.bytes, sizeof seed.bytes);
    assert_string_equal(written, hexadecimal);
}

/* Computed with Python's hashlib.blake2b(message, key=…, person=…, digest_size=32). */
static void seeds_are_those_of_the_contract(void **state)
{
    (void)state;
    struct sower_seed root = sower_seed_public_root();
    struct sower_seed experiment = sower_seed_experiment(&root, "exp-42", 6);
    struct sower_seed trial = sower_seed_trial(&experiment, 0);
    struct sower_seed tensor = sower_seed_tensor(&trial, "w", 1);
    assert_seed_is(tensor, "5b8208dae656f65e30102f0d698873971479acc3e907fcf1628c25d97a68086d");
    assert_seed_is(root, "151e525a25692425395a4c46fbee6bab49e753ca397b9ef0a3ee6480eabc0f82");
    assert_seed_is(sower_seed_root_id(&root),
                   "3f4bf5e5cbdb2e7b3eb1174a380bf88c106214c0fed6d4ab0a24202e3f43cdbc");
    assert_seed_is(experiment, "60a9dcada73f4077cef4fef1a4580bc8d481228b61ece5b51f6761d26aede44a");
    assert_seed_is(trial, "911d76441af651cdfe9f1bc1283ab15b4f9a0b244dfdfcd1286216560cd1bc1c");
    assert_seed_is(sower_seed_trial(&experiment, SOWER_TRIAL_MAX),
                   "f49d27f1f561c2817e5afc3a9a80f9542b8d0b615c3968723b7fcd6f126fd8a5");
}

static void a_name_may_contain_any_bytes_up_to_its_length(void **state)
{
    (void)state;
    struct sower_seed root = sower_seed_public_root();
    struct sower_seed whole = sower_seed_experiment(&root, "a\0b", 3);
    struct sower_seed cut = sower_seed_experiment(&root, "a\0c", 2);
    assert_memory_not_equal(whole.bytes, cut.bytes, sizeof whole.bytes);
    whole = sower_seed_experiment(&root, "a\0c", 3);
    cut = sower_seed_experiment(&root, "a\0b", 3);
    assert_memory_not_equal(whole.bytes, cut.bytes, sizeof whole.bytes);
}

static void levels_of_the_tree_give_different_hashes(void **state)
{
    (void)state;
    struct sower_seed root = sower_seed_public_root();
    struct sower_seed experiment = sower_seed_experiment(&root, "12345678", 8);
    struct sower_seed tensor = sower_seed_tensor(&root, "12345678", 8);
    struct sower_seed trial = sower_seed_trial(&root, UINT64_C(0x3837363534333231));
    assert_memory_not_equal(experiment.bytes, tensor.bytes, sizeof tensor.bytes);
    assert_memory_not_equal(experiment.bytes, trial.bytes, sizeof trial.bytes);
    assert_memory_not_equal(tensor.bytes, trial.bytes, sizeof trial.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeds_are_those_of_the_contract),
        cmocka_unit_test(a_name_may_contain_any_bytes_up_to_its_length),
        cmocka_unit_test(levels_of_the_tree_give_different_hashes),
    };
    return cmocka_run_group_tests_name("seed", tests, NULL, NULL);
}
