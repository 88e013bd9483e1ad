/* The client behind trusted proxies, and the other texts that say who sent a request. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/http/caller.h"
#include "server/http/forwarded.h"

#define PEER "10.0.0.9"

/* The client for lines "x:VALUE" of X-Forwarded-For and "f:VALUE" of Forwarded; proxies are in 10.0.0.0/8 and
 * fd00::/8. */
static const char *client_of(const char *const lines[], size_t count, const char *peer_text)
{
    static char text[SOWER_ADDRESS_TEXT_SIZE];
    struct sower_networks trusted;
    struct sower_problem problem;
    struct sower_address peer;
    struct sower_forwarded forwarded;
    assert_true(sower_networks_parse("10.0.0.0/8,fd00::/8", "--x", &trusted, &problem));
    assert_true(sower_address_parse(peer_text, strlen(peer_text), &peer));
    sower_forwarded_begin(&forwarded, &trusted);
    for (size_t i = 0; i < count; i++) {
        (lines[i][0] == 'x' ? sower_forwarded_x_line : sower_forwarded_line)(&forwarded, lines[i] + 2,
                                                                             strlen(lines[i] + 2));
    }
    const struct sower_address client = sower_forwarded_client(&forwarded, &peer);
    sower_address_print(&client, text);
    return text;
}

static void assert_client(const char *line, const char *client)
{
    assert_string_equal(client_of(&line, 1, PEER), client);
}

static void the_client_is_the_first_address_from_the_right_that_is_not_a_proxy(void **state)
{
    (void)state;
    assert_client("x:192.0.2.1", "192.0.2.1");
    assert_client("x:6.6.6.6, 192.0.2.1", "192.0.2.1");
    assert_client("x:6.6.6.6, 192.0.2.1,10.0.0.2 , 10.0.0.3", "192.0.2.1");
    assert_client("x:6.6.6.6, fd00::1,192.0.2.1,fd00::2", "192.0.2.1");
    assert_client("x:10.0.0.1, 10.0.0.2", "10.0.0.1");
    assert_client("f:for=6.6.6.6, for=192.0.2.1;by=10.0.0.1, For=\"[fd00::1]:80\"", "192.0.2.1");
}

static void nothing_is_believed_from_a_peer_that_is_not_a_proxy(void **state)
{
    (void)state;
    const char *line = "x:192.0.2.1";
    assert_string_equal(client_of(&line, 1, "192.0.2.9"), "192.0.2.9");
    assert_string_equal(client_of(NULL, 0, PEER), PEER);
}

static void a_malformed_entry_ends_the_way(void **state)
{
    (void)state;
    static const char *const malformed[] = {"nonsense",
                                            "192.0.2.1.5",
                                            "192.0.2.1:",
                                            "192.0.2.1:x",
                                            "192.0.2.1:123456",
                                            "[192.0.2.1]",
                                            "[2001:db8::1",
                                            "[2001:db8::1]x",
                                            "[2001:db8::1]:",
                                            "2001:db8::1]",
                                            "::1%lo",
                                            "\"192.0.2.1\"",
                                            "192.0.2.1 192.0.2.2",
                                            "for=192.0.2.1",
                                            "unix",
                                            "192.0.2.1\x01",
                                            "\xff",
                                            "[]",
                                            "[",
                                            ":",
                                            "::ffff:1.2.3.4:80",
                                            "192.0.2.1;"};
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        char line[200];
        snprintf(line, sizeof line, "x:192.0.2.7,%s", malformed[i]);
        assert_client(line, PEER);
        snprintf(line, sizeof line, "x:192.0.2.7,%s,10.0.0.2, 10.0.0.3", malformed[i]);
        assert_client(line, "10.0.0.2");
        snprintf(line, sizeof line, "x:%s,192.0.2.7", malformed[i]);
        assert_client(line, "192.0.2.7");
    }
}

static void an_element_of_forwarded_without_one_plain_address_ends_the_way(void **state)
{
    (void)state;
    static const char *const malformed[] = {"by=192.0.2.1",     "for=unknown",
                                            "for=_hidden",      "for=",
                                            "for=\"\"",         "for=192.0.2.1;for=192.0.2.1",
                                            "for=\"192.0.2.1",  "for=192.0.2.1\"",
                                            "for=\"_x:80\"",    "for =192.0.2.1",
                                            "for= 192.0.2.1 x", "xfor=192.0.2.1",
                                            "192.0.2.1",        "for=\"\\192.0.2.1\""};
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        char line[200];
        snprintf(line, sizeof line, "f:for=192.0.2.7,%s", malformed[i]);
        assert_client(line, PEER);
    }
}

static void addresses_may_have_ports_and_brackets(void **state)
{
    (void)state;
    assert_client("x:192.0.2.1:8080", "192.0.2.1");
    assert_client("x:2001:db8::1", "2001:db8::1");
    assert_client("x:[2001:db8::1]", "2001:db8::1");
    assert_client("x:[2001:db8::1]:443", "2001:db8::1");
    assert_client("x:::ffff:192.0.2.1", "192.0.2.1");
    assert_client("f:for=\"192.0.2.1:80\";proto=\"a;b,c\\\"d\"", "192.0.2.1");
    assert_client("f:proto=http ; FOR=192.0.2.1 ; by=x", "192.0.2.1");
}

static void empty_entries_are_ignored_and_lines_continue_each_other(void **state)
{
    (void)state;
    assert_client("x: , 192.0.2.1 ,, ", "192.0.2.1");
    assert_client("x:", PEER);
    assert_client("x: ,", PEER);
    const char *const lines[] = {"x:6.6.6.6, 192.0.2.1", "x:10.0.0.1", "x:", "x:10.0.0.2"};
    assert_string_equal(client_of(lines, 4, PEER), "192.0.2.1");
}

static void an_open_quote_cannot_hide_what_the_proxy_adds(void **state)
{
    (void)state;
    assert_client("f:for=\"6.6.6.6, for=192.0.2.1", PEER);
    assert_client("f:for=\"6.6.6.6\\\", for=192.0.2.1", PEER);
    assert_client("f:for=6.6.6.6;x=\", for=192.0.2.1", PEER);
    assert_client("f:for=6.6.6.6;\xff=\", for=192.0.2.1", PEER);
}

static void two_kinds_of_headers_must_agree(void **state)
{
    (void)state;
    const char *const agree[] = {"x:192.0.2.1", "f:for=192.0.2.1"},
                      *const differ[] = {"x:192.0.2.1", "f:for=192.0.2.2"},
                      *const broken[] = {"x:192.0.2.1", "f:for=_x"},
                      *const empty[] = {"x:", "f:for=192.0.2.2"};
    assert_string_equal(client_of(agree, 2, PEER), "192.0.2.1");
    assert_string_equal(client_of(differ, 2, PEER), PEER);
    assert_string_equal(client_of(broken, 2, PEER), PEER);
    assert_string_equal(client_of(empty, 2, PEER), PEER);
}

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"

static void a_trace_id_is_taken_from_a_valid_traceparent_only(void **state)
{
    (void)state;
    static const char *const valid[] = {"00-" ID "-00f067aa0ba902b7-01", "00-" ID "-00f067aa0ba902b7-00",
                                        "cc-" ID "-00f067aa0ba902b7-ff",
                                        "01-" ID "-00f067aa0ba902b7-01-what-later-versions-add"};
    static const char *const malformed[] = {"",
                                            "00",
                                            "00-" ID "-00f067aa0ba902b7",
                                            "00-" ID "-00f067aa0ba902b7-1",
                                            "ff-" ID "-00f067aa0ba902b7-01",
                                            "00-" ID "-00f067aa0ba902b7-01-x",
                                            "01-" ID "-00f067aa0ba902b7-01x",
                                            "00-" ID "-0000000000000000-01",
                                            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                                            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                                            "00_" ID "-00f067aa0ba902b7-01",
                                            "00-" ID "_00f067aa0ba902b7-01",
                                            "00-" ID "-00f067aa0ba902b7_01",
                                            "0g-" ID "-00f067aa0ba902b7-01",
                                            "00-" ID "-00f067aa0ba902b7-0g",
                                            " 00-" ID "-00f067aa0ba902b7-01"};
    char trace[SOWER_TRACE_SIZE];
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
        assert_true(sower_caller_trace(valid[i], strlen(valid[i]), trace));
        assert_string_equal(trace, ID);
    }
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        assert_false(sower_caller_trace(malformed[i], strlen(malformed[i]), trace));
        assert_string_equal(trace, "");
    }
}

static void an_outer_id_has_safe_characters_and_a_largest_length(void **state)
{
    (void)state;
    char id[SOWER_OUTER_ID_MAX + 1], text[SOWER_OUTER_ID_MAX + 1];
    memset(text, 'x', sizeof text);
    assert_true(sower_caller_outer_id("Root=1-67891233-abcdef012345678912345678", 40, id));
    assert_string_equal(id, "Root=1-67891233-abcdef012345678912345678");
    assert_true(sower_caller_outer_id(text, SOWER_OUTER_ID_MAX, id) && strlen(id) == SOWER_OUTER_ID_MAX);
    assert_false(sower_caller_outer_id(text, SOWER_OUTER_ID_MAX + 1, id));
    for (int byte = 0; byte < 256; byte++) {
        text[0] = (char)byte;
        const bool safe = byte != 0 && strchr("-._~:/+=@", byte) != NULL;
        const bool alphanumeric =
            (byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'z' && byte < 128);
        assert_true(sower_caller_outer_id(text, 3, id) == (safe || alphanumeric));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_is_the_first_address_from_the_right_that_is_not_a_proxy),
        cmocka_unit_test(nothing_is_believed_from_a_peer_that_is_not_a_proxy),
        cmocka_unit_test(a_malformed_entry_ends_the_way),
        cmocka_unit_test(an_element_of_forwarded_without_one_plain_address_ends_the_way),
        cmocka_unit_test(addresses_may_have_ports_and_brackets),
        cmocka_unit_test(empty_entries_are_ignored_and_lines_continue_each_other),
        cmocka_unit_test(an_open_quote_cannot_hide_what_the_proxy_adds),
        cmocka_unit_test(two_kinds_of_headers_must_agree),
        cmocka_unit_test(a_trace_id_is_taken_from_a_valid_traceparent_only),
        cmocka_unit_test(an_outer_id_has_safe_characters_and_a_largest_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
