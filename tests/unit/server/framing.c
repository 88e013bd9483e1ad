#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/http/framing.h"

static bool line(struct sower_framing *framing, const char *name, const char *value)
{
    struct sower_problem problem;
    return sower_framing_line(framing, name, strlen(name), value, strlen(value), &problem);
}

/* Whether a request of this HTTP version with these lines ("name", "value", …, NULL) is accepted. */
static bool is_sound(const char *version, const char *const *lines)
{
    struct sower_framing framing;
    struct sower_problem problem;
    assert_true(sower_framing_begin(&framing, "POST", NULL, 0, version, &problem));
    for (size_t i = 0; lines[i] != NULL; i += 2) {
        if (!line(&framing, lines[i], lines[i + 1])) {
            return false;
        }
    }
    return sower_framing_end(&framing, 0, &problem);
}

#define SOUND(version, ...) assert_true(is_sound(version, (const char *const[]){__VA_ARGS__, NULL}))
#define FAULTY(version, ...) assert_false(is_sound(version, (const char *const[]){__VA_ARGS__, NULL}))

static void a_body_has_one_length_or_one_coding(void **state)
{
    (void)state;
    SOUND("HTTP/1.1", "Host", "x");
    SOUND("HTTP/1.1", "Host", "x", "Content-Length", "0");
    SOUND("HTTP/1.1", "Host", "x", "content-length", "00017 \t");
    SOUND("HTTP/1.1", "Transfer-Encoding", "chunked", "Host", "x");
    SOUND("HTTP/1.1", "transfer-ENCODING", "CHUNKED ", "Host", "x");
    FAULTY("HTTP/1.1", "Host", "x", "Content-Length", "1", "Content-Length", "1");
    FAULTY("HTTP/1.1", "Host", "x", "Content-Length", "1", "Transfer-Encoding", "chunked");
    FAULTY("HTTP/1.1", "Transfer-Encoding", "chunked", "Content-Length", "1", "Host", "x");
    FAULTY("HTTP/1.1", "Host", "x", "Transfer-Encoding", "chunked", "Transfer-Encoding", "chunked");
    static const char *const lengths[] = {"", " ", "+1", "-1", "1, 1", "1 1", "0x1", "1e1", "\xb2"};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        FAULTY("HTTP/1.1", "Host", "x", "Content-Length", lengths[i]);
    }
    static const char *const codings[] = {"", "gzip, chunked", "chunked, chunked", "identity", "chunked;a=b"};
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++) {
        FAULTY("HTTP/1.1", "Host", "x", "Transfer-Encoding", codings[i]);
    }
}

static void version_1_0_has_no_coding_and_needs_no_host(void **state)
{
    (void)state;
    SOUND("HTTP/1.0", "Content-Length", "1");
    SOUND("HTTP/1.0", "Host", "x");
    FAULTY("HTTP/1.0", "Transfer-Encoding", "chunked");
    FAULTY("HTTP/1.0", "Host", "x", "Host", "x");
    FAULTY("HTTP/1.1", "X", "y");
    FAULTY("HTTP/1.1", "Host", "x", "Host", "x");
}

static void a_host_is_a_name_or_an_address_with_an_optional_port(void **state)
{
    (void)state;
    static const char *const good[] = {
        "x",     "",        "a.b-c_d~",          "1.2.3.4",      "x:1",  "x:65535",         "x:",
        "[::1]", "[::1]:1", "[1:2:3:4:5:6:7:8]", "a!$&'()*+,;=", "x \t", "[::ffff:1.2.3.4]"};
    static const char *const bad[] = {"a b",        "a/b",  "a@b",  "a:b",    "a:1:2", "::1",
                                      "[::1",       "[]",   "[g]",  "a%20",   "a?",    "[::1]x",
                                      "[::1%25lo]", "a\"b", "\xe4", "[::1]:x"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        SOUND("HTTP/1.1", "Host", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        FAULTY("HTTP/1.1", "Host", bad[i]);
    }
    char name[SOWER_HOST_MAX + 2];
    memset(name, 'a', sizeof name);
    name[SOWER_HOST_MAX + 1] = '\0';
    FAULTY("HTTP/1.1", "Host", name);
    name[SOWER_HOST_MAX] = '\0';
    SOUND("HTTP/1.1", "Host", name);
}

static void names_are_tokens_and_values_have_no_control_bytes(void **state)
{
    (void)state;
    struct sower_framing framing;
    struct sower_problem problem;
    assert_true(sower_framing_begin(&framing, "GET", NULL, 0, "HTTP/1.1", &problem));
    for (int byte = 0; byte < 256; byte++) {
        const char text[] = {'a', (char)byte, 'b'};
        const bool letter =
            (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
        const bool token = letter || (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
        assert_int_equal(sower_framing_line(&framing, text, 3, "x", 1, &problem), token);
        const bool control = (byte < 32 && byte != '\t') || byte == 127;
        assert_int_equal(sower_framing_line(&framing, "X", 1, text, 3, &problem), !control);
    }
    assert_false(line(&framing, "", "x"));
    assert_true(line(&framing, "X", ""));
    assert_false(sower_framing_begin(&framing, "", NULL, 0, "HTTP/1.1", &problem));
    assert_false(sower_framing_begin(&framing, "G(T", NULL, 0, "HTTP/1.1", &problem));
}

static void a_target_is_a_path_with_or_without_a_host(void **state)
{
    (void)state;
    static const struct {
        const char *target, *path, *authority;
    } good[] = {
        {"/", "/", NULL},
        {"/a%20b?c=%zz%00", "/a%20b?c=%zz%00", NULL},
        {"*", "*", NULL},
        {"//x/y", "//x/y", NULL},
        {"/http://x/", "/http://x/", NULL},
        {"http://sower/healthz", "/healthz", "sower"},
        {"HTTPS://[::1]:1/a?b", "/a?b", "[::1]:1"},
        {"http://sower", "/", "sower"},
        {"http://sower?a/b", "/", "sower"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        size_t length = 0;
        assert_null(sower_framing_target_fault(good[i].target));
        assert_string_equal(sower_framing_path(good[i].target), good[i].path);
        const char *authority = sower_framing_authority(good[i].target, &length);
        assert_int_equal(authority == NULL, good[i].authority == NULL);
        if (authority != NULL) {
            assert_int_equal(length, strlen(good[i].authority));
            assert_memory_equal(authority, good[i].authority, length);
        }
    }
    static const char *const bad[] = {
        "",    "x",        "?a",          "/a#b",        "/a b",     "/\x7f",   "/\x80",        "/%",
        "/%1", "/%g0",     "/%0g",        "/%00",        "/a%00b?c", "http://", "http:///x",    "http://u@x/",
        "**",  "ftp://x/", "http://x:y/", "http://a b/", "/?\x01",   "/\x01",   "http://a%41/", "http:/x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_non_null(sower_framing_target_fault(bad[i]));
    }
}

/* A header buffer as libmicrohttpd 0.9.75 leaves it: NUL bytes (here '|') replace line ends, colons and the spaces of
 * the request line. The helper finds names and values as that version does. */
static bool lies_in_place(const char *picture, size_t hidden)
{
    char head[128];
    size_t size = strlen(picture);
    struct sower_framing framing;
    struct sower_problem problem;
    for (size_t i = 0; i < size; i++) {
        head[i] = picture[i] == '|' ? '\0' : picture[i];
    }
    const char *target = head + strlen(head) + 1, *version = target + strlen(target) + 1,
               *name = version + strlen(version) + 2;
    if (!sower_framing_begin(&framing, head, target, strlen(target), version, &problem)) {
        return false;
    }
    while (*name == '\0' && name < head + size - 2) { /* hidden before the name */
        name++;
    }
    while (name < head + size - 2) {
        const char *value = name + strlen(name) + 1;
        value += strspn(value, " \t");
        if (!sower_framing_line(&framing, name, strlen(name), value, strlen(value), &problem)) {
            return false;
        }
        name = value + strlen(value) + 2;
        while (*name == '\0' && name < head + size - 2) {
            name++;
        }
    }
    return sower_framing_end(&framing, size + hidden, &problem);
}

static void gaps_show_hidden_bytes(void **state)
{
    (void)state;
    assert_true(lies_in_place("GET|/|HTTP/1.1||Host| x||A|b||||", 0));
    assert_true(lies_in_place("GET|/|HTTP/1.1||Host|  x||A|||||", 0));
    assert_true(lies_in_place("GET|/|HTTP/1.0||||", 0));
    assert_false(lies_in_place("GET|/|HTTP/1.1||Host| x|A|b||||", 0));   /* a bare line feed */
    assert_false(lies_in_place("GET|/|HTTP/1.1||Host| x|||A|b||||", 0)); /* a NUL before the line end */
    assert_false(lies_in_place("GET|/|HTTP/1.1|||Host| x||A|b||||", 0)); /* a NUL before the first name */
    assert_false(
        lies_in_place("GET|/|HTTP/1.1||Host| x||A|b||||", 7));         /* a line that was taken for the end */
    assert_false(lies_in_place("GET|/|HTTP/1.1||Host| x||A|b|||", 0)); /* a bare line feed at the end */
    assert_false(lies_in_place("GET||/|HTTP/1.1||Host| x||||", 0));    /* a NUL in the method */
}

static void texts_outside_the_header_buffer_count_as_hidden(void **state)
{
    (void)state;
    static const char head[] = "GET\0/\0HTTP/1.1\0\0Host\0 x\0\0";
    struct sower_framing framing;
    struct sower_problem problem;
    assert_true(sower_framing_begin(&framing, head, head + 4, 1, head + 6, &problem));
    assert_false(
        sower_framing_line(&framing, "Host", 4, head + 22, 1, &problem)); /* folded: copied elsewhere */
    assert_true(sower_framing_begin(&framing, head, head + 4, 1, head + 6, &problem));
    assert_false(
        sower_framing_line(&framing, head + 16, 6, head + 22, 1, &problem)); /* folded: the name has grown */
    assert_true(sower_framing_begin(&framing, head, head + 4, 1, head + 6, &problem));
    assert_true(sower_framing_line(&framing, head + 16, 4, head + 22, 1, &problem));
    assert_false(sower_framing_begin(&framing, head, head + 4, 2, head + 6, &problem));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_has_one_length_or_one_coding),
        cmocka_unit_test(version_1_0_has_no_coding_and_needs_no_host),
        cmocka_unit_test(a_host_is_a_name_or_an_address_with_an_optional_port),
        cmocka_unit_test(names_are_tokens_and_values_have_no_control_bytes),
        cmocka_unit_test(a_target_is_a_path_with_or_without_a_host),
        cmocka_unit_test(gaps_show_hidden_bytes),
        cmocka_unit_test(texts_outside_the_header_buffer_count_as_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
