/* What a ledger's URL adds to the list of what the daemon needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/ledger/opening.h"
#include "server/sandbox/sandbox.h"

enum { DNS = 53, DEFAULT = 5432 };

static struct sower_sandbox needs_of(const char *url)
{
    struct sower_sandbox sandbox;
    sower_sandbox_begin(&sandbox, false);
    sower_store_list_needs(url, "/nowhere", &sandbox);
    return sandbox;
}

static void assert_ports(const char *url, size_t count, const uint16_t *ports)
{
    const struct sower_sandbox sandbox = needs_of(url);
    assert_true(sandbox.connects);
    assert_false(sandbox.any_port);
    assert_int_equal(sandbox.port_count, count);
    assert_memory_equal(sandbox.ports, ports, count * sizeof ports[0]);
}

static void the_ports_of_all_hosts_are_listed(void **state)
{
    (void)state;
    assert_ports("postgresql://u@a:7,b:8/x", 3, (const uint16_t[]){DNS, 7, 8});
    assert_ports("postgresql://a,b:8/x", 3, (const uint16_t[]){DNS, DEFAULT, 8});
    assert_ports("postgresql://a:7,b/x", 3, (const uint16_t[]){DNS, 7, DEFAULT});
    assert_ports("postgres://u:7@[::1]/x", 2, (const uint16_t[]){DNS, DEFAULT});
    assert_ports("postgresql:///x?host=/run/p&port=9", 2, (const uint16_t[]){DNS, 9});
}

static void the_environment_gives_a_port_that_the_url_does_not(void **state)
{
    (void)state;
    assert_int_equal(setenv("PGPORT", "77", 1), 0);
    assert_ports("postgresql://a/x", 2, (const uint16_t[]){DNS, 77});
    assert_ports("postgresql://a:7/x", 2, (const uint16_t[]){DNS, 7});
    assert_int_equal(unsetenv("PGPORT"), 0);
}

static void unknown_ports_are_not_confined(void **state)
{
    (void)state;
    char many[1024] = "postgresql://a:1";
    for (size_t i = 0; i < SOWER_SANDBOX_PORTS; i++) {
        strcat(many, ",a:1");
    }
    assert_true(needs_of("postgresql:///x?service=s").any_port);
    assert_true(needs_of("postgresql://a/%zz").any_port); /* libpq does not read this URL */
    assert_true(needs_of(many).any_port);
}

static void only_postgresql_connects(void **state)
{
    (void)state;
    assert_false(needs_of("sqlite:").connects);
    assert_false(needs_of("sqlite:/nowhere/ledger").connects);
    assert_false(needs_of("mysql://a/x").connects);
    assert_true(needs_of("postgresql:///x?host=@a").abstract_sockets);
    assert_false(needs_of("postgresql:///x?host=/a").abstract_sockets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ports_of_all_hosts_are_listed),
        cmocka_unit_test(the_environment_gives_a_port_that_the_url_does_not),
        cmocka_unit_test(unknown_ports_are_not_confined),
        cmocka_unit_test(only_postgresql_connects),
    };
    unsetenv("PGPORT");
    unsetenv("PGHOST");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
