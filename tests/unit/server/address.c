/* Addresses and lists of networks. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "server/base/address.h"

static struct sower_address address(const char *text)
{
    struct sower_address parsed;
    assert_true(sower_address_parse(text, strlen(text), &parsed));
    return parsed;
}

static void an_address_is_read_and_printed_in_its_shortest_form(void **state)
{
    (void)state;
    static const char *const forms[][2] = {{"192.0.2.1", "192.0.2.1"},
                                           {"::ffff:192.0.2.1", "192.0.2.1"},
                                           {"::FFFF:c000:201", "192.0.2.1"},
                                           {"2001:DB8:0:0::0:1", "2001:db8::1"},
                                           {"::", "::"},
                                           {"0.0.0.0", "0.0.0.0"}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char text[SOWER_ADDRESS_TEXT_SIZE];
        const struct sower_address parsed = address(forms[i][0]);
        sower_address_print(&parsed, text);
        assert_string_equal(text, forms[i][1]);
    }
}

static void other_texts_are_not_addresses(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",      " 192.0.2.1", "192.0.2.1 ", "192.0.2",     "192.0.2.256",    "01.2.3.4", "192.0.2.1:1",
        "[::1]", "::1%lo",     "::1/128",    "0x7f.1",      "localhost",      "unix",     "2130706433",
        ":::",   "1::2::3",    "12345::",    "::192.0.2.x", "\xd9\xa1.0.2.1", "1.2.3.4\n"};
    struct sower_address parsed;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(sower_address_parse(texts[i], strlen(texts[i]), &parsed));
    }
    assert_false(sower_address_parse("192.0.2.1\0x", 11, &parsed));
    char text[200];
    memset(text, '1', sizeof text);
    assert_false(sower_address_parse(text, sizeof text, &parsed));
}

static void a_socket_gives_its_address_and_another_family_is_local(void **state)
{
    (void)state;
    const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(0xc0000201)}};
    const struct sockaddr_un local = {.sun_family = AF_UNIX};
    const struct sower_address of_v4 = sower_address_of((const struct sockaddr *)&v4),
                               of_local = sower_address_of((const struct sockaddr *)&local),
                               expected = address("192.0.2.1");
    char text[SOWER_ADDRESS_TEXT_SIZE];
    assert_true(sower_address_equals(&of_v4, &expected));
    assert_true(of_local.local && sower_address_of(NULL).local);
    assert_false(sower_address_equals(&of_local, &of_v4));
    sower_address_print(&of_local, text);
    assert_string_equal(text, "unix");
}

static bool contains(const char *list, const char *text)
{
    struct sower_networks networks;
    struct sower_problem problem;
    const struct sower_address wanted = address(text);
    assert_true(sower_networks_parse(list, "--x", &networks, &problem));
    return sower_networks_contain(&networks, &wanted);
}

static void a_network_contains_exactly_the_addresses_with_its_prefix(void **state)
{
    (void)state;
    assert_true(contains("10.0.0.0/8", "10.255.255.255") && contains("10.0.0.0/8", "::ffff:10.0.0.1"));
    assert_false(contains("10.0.0.0/8", "11.0.0.0") || contains("10.0.0.0/8", "9.255.255.255"));
    assert_true(contains("192.0.2.128/25", "192.0.2.128") && !contains("192.0.2.128/25", "192.0.2.127"));
    assert_true(contains("192.0.2.1", "192.0.2.1") && !contains("192.0.2.1", "192.0.2.0"));
    assert_true(contains("192.0.2.0/31", "192.0.2.1") && !contains("192.0.2.0/31", "192.0.2.2"));
    assert_true(contains("2001:db8::/33", "2001:db8:7fff::1") &&
                !contains("2001:db8::/33", "2001:db8:8000::"));
    assert_true(contains("::ffff:10.0.0.0/104", "10.1.1.1"));
    assert_true(contains(" 192.0.2.1 ,\t::1", "::1") && !contains("192.0.2.1,::1", "::2"));
    assert_true(contains("0.0.0.0/0", "203.0.113.9") && contains("::/0", "2001:db8::1"));
    assert_false(contains("::/0", "203.0.113.9") || contains("0.0.0.0/0", "2001:db8::1"));
}

static void a_unix_socket_is_in_a_list_only_by_its_word(void **state)
{
    (void)state;
    const struct sower_address local = sower_address_of(NULL);
    struct sower_networks networks;
    struct sower_problem problem;
    assert_true(sower_networks_parse("0.0.0.0/0,::/0", "--x", &networks, &problem));
    assert_false(sower_networks_contain(&networks, &local));
    assert_true(sower_networks_parse("10.0.0.0/8,unix", "--x", &networks, &problem));
    assert_true(sower_networks_contain(&networks, &local));
    assert_false(contains("unix", "0.0.0.0") || contains("unix", "::"));
}

static void a_malformed_list_is_refused_with_the_entry(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "",          ",",           "127.0.0.1,",  ",127.0.0.1",    "10.0.0.1/8",
        "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/ 8", "10.0.0.0/+8",   "10.0.0.0/0008",
        "fd00::1/8", "::1/129",     "host",        "10.0.0.0/8/8",  "/8",
        "unix/8",    "10.0.0.0-9",  "::1 ::2",     "127.0.0.1;::1", "10.0.0.0/99999999999"};
    struct sower_networks networks;
    struct sower_problem problem;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        assert_false(sower_networks_parse(lists[i], "--x", &networks, &problem));
        assert_string_equal(problem.field, "--x");
    }
}

static void a_list_has_a_largest_length(void **state)
{
    (void)state;
    char list[(SOWER_NETWORKS_MAX + 1) * 4 + 1] = "";
    struct sower_networks networks;
    struct sower_problem problem;
    for (int i = 0; i < SOWER_NETWORKS_MAX; i++) {
        strcat(list, i == 0 ? "::1" : ",::1");
    }
    assert_true(sower_networks_parse(list, "--x", &networks, &problem));
    assert_int_equal(networks.count, SOWER_NETWORKS_MAX);
    strcat(list, ",::1");
    assert_false(sower_networks_parse(list, "--x", &networks, &problem));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_read_and_printed_in_its_shortest_form),
        cmocka_unit_test(other_texts_are_not_addresses),
        cmocka_unit_test(a_socket_gives_its_address_and_another_family_is_local),
        cmocka_unit_test(a_network_contains_exactly_the_addresses_with_its_prefix),
        cmocka_unit_test(a_unix_socket_is_in_a_list_only_by_its_word),
        cmocka_unit_test(a_malformed_list_is_refused_with_the_entry),
        cmocka_unit_test(a_list_has_a_largest_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
