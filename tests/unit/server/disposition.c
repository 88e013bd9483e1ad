/* The file name that a response suggests. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/http/disposition.h"

static void assert_value(const char *name, const char *plain, const char *encoded)
{
    char value[SOWER_DISPOSITION_SIZE], expected[SOWER_DISPOSITION_SIZE];
    sower_disposition_print(name, ".npy", value);
    snprintf(expected, sizeof expected, "attachment; filename=\"%s.npy\"; filename*=UTF-8''%s.npy", plain,
             encoded);
    assert_string_equal(value, expected);
}

static void a_name_is_given_in_ascii_and_in_utf_8(void **state)
{
    (void)state;
    assert_value("w", "w", "w");
    assert_value("layers.0.attn.wq.weight", "layers.0.attn.wq.weight", "layers.0.attn.wq.weight");
    assert_value("a b;c=d'(e),@f~", "a b;c=d'(e),@f~", "a%20b%3Bc%3Dd%27%28e%29%2C%40f~");
    assert_value("Gew\xc3\xbc\xc3\x9f", "Gew__", "Gew%C3%BC%C3%9F");
    assert_value("\xe6\xa8\xa9\xf0\x9f\x8c\xb1", "__", "%E6%A8%A9%F0%9F%8C%B1");
}

static void path_separators_and_special_names_become_underscores(void **state)
{
    (void)state;
    assert_value("../../etc/passwd", "_._.._etc_passwd", "_._.._etc_passwd");
    assert_value("/abs", "_abs", "_abs");
    assert_value("..", "_.", "_.");
    assert_value(".bashrc", "_bashrc", "_bashrc");
    assert_value("-rf", "_rf", "_rf");
    assert_value("~root", "_root", "_root");
    assert_value(" w", "_w", "_w");
    assert_value("a\"; filename=\"evil", "a_; filename=_evil", "a_%3B%20filename%3D_evil");
    assert_value("a\\b:c*d?e<f>g|h%41", "a_b_c_d_e_f_g_h_41", "a_b_c_d_e_f_g_h_41");
    assert_value("\x01\r\nX: y\x1b[2J\x7f", "___X_ y_[2J_", "___X_%20y_%5B2J_");
}

static void control_and_direction_characters_are_replaced(void **state)
{
    (void)state;
    static const char *const unsafe[] = {"\xc2\x80",     "\xc2\x9f",     "\xd8\x9c",     "\xe2\x80\x8e",
                                         "\xe2\x80\xa8", "\xe2\x80\xae", "\xe2\x81\xa6", "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof unsafe / sizeof unsafe[0]; i++) {
        assert_value(unsafe[i], "_", "_");
    }
    assert_value("\xc2\xa0", "_", "%C2%A0");
    assert_value("\xff\xc3", "__", "__"); /* not UTF-8 */
}

static void a_long_name_is_cut_between_characters(void **state)
{
    (void)state;
    char name[513], value[SOWER_DISPOSITION_SIZE], expected[SOWER_DISPOSITION_SIZE];
    memset(name, 'x', 512);
    name[512] = '\0';
    sower_disposition_print(name, "-7.safetensors", value);
    snprintf(expected, sizeof expected,
             "attachment; filename=\"%.200s-7.safetensors\"; filename*=UTF-8''%.200s-7.safetensors", name,
             name);
    assert_string_equal(value, expected);
    for (size_t ahead = 0; ahead < 4; ahead++) {
        memset(name, 'x', sizeof name);
        for (size_t at = ahead; at + 4 < sizeof name; at += 4) {
            memcpy(name + at, "\xf0\x9f\x8c\xb1", 4);
        }
        name[512] = '\0';
        sower_disposition_print(name, "-7.safetensors", value);
        const char *encoded = strstr(value, "UTF-8''") + 7;
        assert_int_equal(strspn(encoded, "x"), ahead);
        size_t length = strcspn(encoded + ahead, "-");
        assert_int_equal(length % 12, 0); /* four times %XX per character */
        assert_int_equal(length / 12, (SOWER_DISPOSITION_NAME_MAX - ahead) / 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_given_in_ascii_and_in_utf_8),
        cmocka_unit_test(path_separators_and_special_names_become_underscores),
        cmocka_unit_test(control_and_direction_characters_are_replaced),
        cmocka_unit_test(a_long_name_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
