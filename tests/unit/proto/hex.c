/* Hex digits: only lower-case digits are printed and read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/hex.h"

static void bytes_read_back_as_they_were_printed(void **state)
{
    (void)state;
    uint8_t bytes[32], read[32];
    char hex[SOWER_HEX_SIZE];
    for (unsigned first = 0; first < 256; first++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)(first + 37 * i);
        }
        sower_hex_print(bytes, hex);
        assert_int_equal(strlen(hex), 64);
        assert_true(sower_hex_is_hash(hex));
        assert_true(sower_hex_read(hex, read, sizeof read));
        assert_memory_equal(read, bytes, sizeof bytes);
    }
}

static void digits_are_lower_case(void **state)
{
    (void)state;
    const uint8_t bytes[32] = {0x01, 0xAB, 0xff};
    char hex[SOWER_HEX_SIZE];
    sower_hex_print(bytes, hex);
    assert_memory_equal(hex, "01abff0000", 10);
}

static void any_other_digit_is_refused(void **state)
{
    (void)state;
    uint8_t byte;
    for (unsigned digit = 0; digit < 256; digit++) {
        const char high[2] = {(char)digit, '0'}, low[2] = {'0', (char)digit};
        const bool right = digit != 0 && strchr("0123456789abcdef", (int)digit) != NULL;
        assert_int_equal(sower_hex_read(high, &byte, 1), right);
        assert_int_equal(sower_hex_read(low, &byte, 1), right);
    }
    assert_false(sower_hex_is_hash(""));
    assert_false(sower_hex_is_hash("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"));
    assert_false(sower_hex_is_hash("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0"));
    assert_false(sower_hex_is_hash("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeF"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_read_back_as_they_were_printed),
        cmocka_unit_test(digits_are_lower_case),
        cmocka_unit_test(any_other_digit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
