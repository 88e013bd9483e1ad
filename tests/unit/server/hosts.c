#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/http/hosts.h"

static struct sower_hosts hosts_of(const char *names, const char *listen)
{
    static struct sower_addresses listening;
    struct sower_hosts hosts;
    struct sower_problem problem;
    listening.count = 0;
    assert_true(sower_addresses_add(&listening, listen, "--listen", &problem));
    sower_hosts_init(&hosts, names, &listening);
    strcpy(hosts.machine, "gpu.lab.example");
    return hosts;
}

static bool knows(const struct sower_hosts *hosts, const char *host)
{
    return sower_hosts_know(hosts, host, strlen(host));
}

static void loopback_addresses_and_own_names_are_known(void **state)
{
    (void)state;
    const struct sower_hosts hosts = hosts_of(NULL, "box.example:7697");
    static const char *const known[] = {"localhost",   "LocalHost:1",     "localhost.",
                                        "a.localhost", "127.0.0.1",       "10.1.2.3:80",
                                        "[::1]",       "[fe80::1]:7697",  "",
                                        ":7697",       "gpu.lab.example", "gpu:7697",
                                        "GPU",         "box.example.",    "box.example:7697",
                                        "0.0.0.0"};
    static const char *const foreign[] = {
        "evil.example", "localhost.evil",   "xlocalhost",       "127.0.0.1.evil",
        "1.2.3",        "1.2.3.4.5",        "gpu.evil",         "gpu.lab",
        "box",          "box.example.evil", "lab.example:7697", ".",
        "sower"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_true(knows(&hosts, known[i]));
    }
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        assert_false(knows(&hosts, foreign[i]));
    }
}

static void names_are_added_one_by_one(void **state)
{
    (void)state;
    const struct sower_hosts hosts = hosts_of("sower,sower.example", "127.0.0.1:7697");
    assert_true(knows(&hosts, "sower") && knows(&hosts, "SOWER.example:443") && knows(&hosts, "localhost"));
    assert_false(knows(&hosts, "sow") || knows(&hosts, "example") || knows(&hosts, "sower,sower.example"));
    const struct sower_hosts any = hosts_of("any", "127.0.0.1:7697"), star = hosts_of("*", "127.0.0.1:7697");
    assert_true(knows(&any, "evil.example") && knows(&star, "evil.example"));
}

static void a_machine_without_a_name_does_not_accept_an_empty_name(void **state)
{
    (void)state;
    struct sower_hosts hosts = hosts_of(NULL, "[::1]:7697");
    hosts.machine[0] = '\0';
    assert_false(knows(&hosts, ".") || knows(&hosts, "x"));
    assert_true(knows(&hosts, "[::1]:1"));
}

static void the_host_of_each_listener_is_known(void **state)
{
    (void)state;
    const struct sower_hosts hosts =
        hosts_of(NULL, "127.0.0.1:7697,unix:/run/sower/socket,one.example:1,two.example.:2");
    assert_true(knows(&hosts, "one.example") && knows(&hosts, "two.example:7697"));
    assert_false(knows(&hosts, "unix") || knows(&hosts, "socket") || knows(&hosts, "example"));
}

static void a_list_has_names_and_no_ports(void **state)
{
    (void)state;
    struct sower_problem problem;
    static const char *const good[] = {"any", "*", "a", "a.b-c_d", "A,b,c.d", "10.0.0.1"};
    static const char *const bad[] = {"",    ",",     "a,",  ",a",  "a,,b",    "a b",
                                      "a:1", "[::1]", "*.a", "a/b", "\xc3\xbc"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(sower_hosts_check(good[i], &problem));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(sower_hosts_check(bad[i], &problem));
        assert_non_null(strstr(problem.sentence, "--hosts"));
    }
}

static bool is_foreign(const struct sower_hosts *hosts, const char *origin, const char *site,
                       const char *mode, const char *dest)
{
    return sower_hosts_foreign(hosts, "localhost:7697", strlen("localhost:7697"), origin, site, mode, dest);
}

static void a_page_of_another_site_is_foreign(void **state)
{
    (void)state;
    const struct sower_hosts hosts = hosts_of("sower.example", "127.0.0.1:7697"),
                             any = hosts_of("any", "127.0.0.1:7697");
    assert_false(is_foreign(&hosts, NULL, NULL, NULL, NULL));
    assert_false(is_foreign(&hosts, "http://LOCALHOST:7697", "same-origin", "cors", "empty"));
    assert_false(is_foreign(&hosts, "https://sower.example:8443", NULL, NULL, NULL));
    assert_false(is_foreign(&hosts, NULL, "none", "navigate", "document"));
    assert_false(is_foreign(&hosts, NULL, "cross-site", "navigate", "document"));
    assert_true(is_foreign(&hosts, NULL, "cross-site", "navigate", "iframe"));
    assert_true(is_foreign(&hosts, NULL, "cross-site", "no-cors", "image"));
    assert_true(is_foreign(&hosts, NULL, "cross-site", NULL, NULL));
    assert_true(is_foreign(&hosts, "http://localhost:3000", NULL, NULL, NULL));
    assert_true(is_foreign(&hosts, "http://evil.example", "same-origin", NULL, NULL));
    assert_true(is_foreign(&hosts, "null", NULL, NULL, NULL));
    assert_true(is_foreign(&hosts, "", NULL, NULL, NULL));
    assert_true(is_foreign(&hosts, "://", NULL, NULL, NULL));
    assert_false(is_foreign(&any, "http://evil.example", "cross-site", "no-cors", "image"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_addresses_and_own_names_are_known),
        cmocka_unit_test(names_are_added_one_by_one),
        cmocka_unit_test(a_machine_without_a_name_does_not_accept_an_empty_name),
        cmocka_unit_test(the_host_of_each_listener_is_known),
        cmocka_unit_test(a_list_has_names_and_no_ports),
        cmocka_unit_test(a_page_of_another_site_is_foreign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
