#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include <sodium.h>

#include "core/stream.h"

enum { BLOCKS = 40 };

static struct sower_seed example_seed(void)
{
    struct sower_seed root = sower_seed_public_root();
    struct sower_seed experiment = sower_seed_experiment(&root, "exp-42", 6);
    struct sower_seed trial = sower_seed_trial(&experiment, 0);
    return sower_seed_tensor(&trial, "w", 1);
}

static void the_stream_is_that_of_libsodium(void **state)
{
    (void)state;
    struct sower_seed seed = example_seed();
    uint8_t expected[BLOCKS * SOWER_STREAM_BLOCK_SIZE], got[sizeof expected];
    randombytes_buf_deterministic(expected, sizeof expected, seed.bytes);
    sower_stream_blocks(&seed, 0, BLOCKS, got);
    assert_memory_equal(got, expected, sizeof got);
}

static void the_stream_of_the_example_starts_as_published(void **state)
{
    (void)state;
    struct sower_seed seed = example_seed();
    uint8_t block[SOWER_STREAM_BLOCK_SIZE];
    char written[33];
    sower_stream_blocks(&seed, 0, 1, block);
    sodium_bin2hex(written, sizeof written, block, 16);
    assert_string_equal(written, "13dd34b94c7cc82adcd78b2bc43dbe6f");
}

static void the_stream_can_be_read_from_any_block(void **state)
{
    (void)state;
    struct sower_seed seed = example_seed();
    uint8_t whole[BLOCKS * SOWER_STREAM_BLOCK_SIZE], part[sizeof whole];
    randombytes_buf_deterministic(whole, sizeof whole, seed.bytes);
    for (size_t first = 0; first < BLOCKS; first++) {
        for (size_t count = 0; first + count <= BLOCKS; count += 1 + count / 2) {
            sower_stream_blocks(&seed, first, count, part);
            assert_memory_equal(part, whole + first * SOWER_STREAM_BLOCK_SIZE,
                                count * SOWER_STREAM_BLOCK_SIZE);
        }
    }
}

static void the_last_blocks_of_the_stream_can_be_read(void **state)
{
    (void)state;
    struct sower_seed seed = example_seed();
    uint8_t together[4 * SOWER_STREAM_BLOCK_SIZE], alone[SOWER_STREAM_BLOCK_SIZE];
    uint64_t first = SOWER_STREAM_SIZE / SOWER_STREAM_BLOCK_SIZE - 4;
    sower_stream_blocks(&seed, first, 4, together);
    for (size_t i = 0; i < 4; i++) {
        sower_stream_blocks(&seed, first + i, 1, alone);
        assert_memory_equal(alone, together + i * SOWER_STREAM_BLOCK_SIZE, sizeof alone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stream_is_that_of_libsodium),
        cmocka_unit_test(the_stream_of_the_example_starts_as_published),
        cmocka_unit_test(the_stream_can_be_read_from_any_block),
        cmocka_unit_test(the_last_blocks_of_the_stream_can_be_read),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
