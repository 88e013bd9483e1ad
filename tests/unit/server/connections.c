/* The registry of connections, on socket pairs, with a time that the test sets. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/base/client.h"
#include "server/base/connections.h"

enum { LIMIT = 4, SHARE = 3, IDLE = 60, HEADERS = 10, REQUEST = 30, SECOND = 1000, MAX = 64 };

struct end {
    int ours, theirs;
    struct sower_connection *connection;
};

static struct sower_connections registry;
static struct end ends[MAX];
static size_t count;

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int set_up(void **state)
{
    const struct sower_connection_limits limits = {LIMIT, SHARE, IDLE, HEADERS, REQUEST};
    (void)state;
    count = 0;
    return sower_connections_start(&registry, &limits) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < count; i++) {
        sower_connection_end(&registry, ends[i].connection);
        close(ends[i].ours);
        close(ends[i].theirs);
    }
    assert_int_equal(registry.open, 0);
    sower_connections_stop(&registry);
    return 0;
}

static struct end *open_one(uint64_t client)
{
    int pair[2];
    struct end *end = &ends[count++];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    end->ours = pair[0];
    end->theirs = pair[1];
    end->connection = sower_connection_new(&registry, end->ours, client);
    assert_non_null(end->connection);
    assert_ptr_equal(sower_connection_begin(&registry, end->ours), end->connection);
    return end;
}

/* Whether the other side sees the end of the stream. */
static bool is_shut(const struct end *end)
{
    char byte;
    return recv(end->theirs, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void after(int64_t seconds)
{
    sower_connections_tick(&registry, now() + seconds * SECOND);
}

static void each_phase_has_its_time_limit(void **state)
{
    (void)state;
    static const struct {
        enum sower_phase phase;
        int64_t seconds;
    } times[] = {{SOWER_PHASE_NEW, HEADERS},
                 {SOWER_PHASE_WAITING, IDLE},
                 {SOWER_PHASE_HEADERS, HEADERS},
                 {SOWER_PHASE_BODY, REQUEST}};
    for (size_t i = 0; i < 4; i++) {
        struct end *end = open_one(1);
        sower_connection_enter(end->connection, times[i].phase);
        after(times[i].seconds - 1);
        assert_false(is_shut(end));
        after(times[i].seconds + 1);
        assert_true(is_shut(end));
    }
}

static void a_connection_with_a_response_in_progress_is_never_late(void **state)
{
    (void)state;
    struct end *end = open_one(1);
    sower_connection_enter(end->connection, SOWER_PHASE_RESPONDING);
    after(1000000);
    assert_false(is_shut(end));
}

static void a_descriptor_is_not_touched_before_its_connection_begins(void **state)
{
    (void)state;
    int pair[2];
    char byte;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_non_null(sower_connection_new(&registry, pair[0], 1));
    after(HEADERS + 1);
    assert_int_equal(recv(pair[1], &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
    assert_int_equal(registry.open, 1);
    after(1000); /* it will never begin and no longer counts */
    assert_int_equal(recv(pair[1], &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
    assert_int_equal(registry.open, 0);
    assert_null(sower_connection_begin(&registry, pair[0]));
    close(pair[0]);
    close(pair[1]);
}

static void answer(struct end *end)
{
    sower_connection_enter(end->connection, SOWER_PHASE_RESPONDING);
}

static bool place(uint64_t client, enum sower_connection_limit expected)
{
    enum sower_connection_limit reached;
    bool found = sower_connections_make_room(&registry, client, &reached);
    assert_int_equal(reached, expected);
    return found;
}

static void each_client_has_its_own_share(void **state)
{
    (void)state;
    for (int i = 0; i < SHARE; i++) {
        assert_true(place(1, SOWER_LIMIT_NONE));
        answer(open_one(1));
    }
    assert_false(place(1, SOWER_LIMIT_CLIENT));
    assert_true(place(2, SOWER_LIMIT_NONE));
    answer(open_one(2));
    assert_false(place(2, SOWER_LIMIT_TOTAL));
    assert_false(place(3, SOWER_LIMIT_TOTAL));
}

/* This test uses the real clock: it checks that no connection is closed within half a second. */
static void wait_a_second(void)
{
    for (int64_t end = now() + SECOND + 1; now() < end;) {
        struct timespec pause = {0, 10000000};
        nanosleep(&pause, NULL);
    }
}

static void the_longest_waiting_connection_without_unread_bytes_is_closed(void **state)
{
    (void)state;
    struct end *asks = open_one(1), *answered = open_one(1), *longest = open_one(1), *other = open_one(2);
    answer(answered);
    assert_int_equal(write(asks->theirs, "G", 1), 1);
    assert_false(place(1, SOWER_LIMIT_CLIENT)); /* a request may be on its way */
    wait_a_second();
    sower_connection_enter(other->connection, SOWER_PHASE_HEADERS);
    assert_true(place(1, SOWER_LIMIT_CLIENT));
    assert_true(is_shut(longest));
    assert_false(is_shut(asks) || is_shut(answered) || is_shut(other));
    /* A connection that was shut down no longer counts, so no other one is closed. */
    assert_true(place(1, SOWER_LIMIT_NONE));
    answer(open_one(1));
    assert_false(place(1, SOWER_LIMIT_CLIENT));
}

static void at_the_total_limit_any_clients_connection_is_closed(void **state)
{
    (void)state;
    struct end *longest = open_one(1);
    for (int i = 0; i < 2; i++) {
        open_one(1);
    }
    answer(open_one(2));
    sower_connection_enter(ends[1].connection, SOWER_PHASE_HEADERS);
    wait_a_second();
    assert_true(place(3, SOWER_LIMIT_TOTAL));
    assert_true(is_shut(longest));
    open_one(3);
    assert_true(place(3, SOWER_LIMIT_TOTAL));
    assert_false(is_shut(&ends[3]));
}

static void few_connections_are_shut_down_and_still_open(void **state)
{
    (void)state;
    for (int i = 0; i < LIMIT + SOWER_CONNECTIONS_RESERVE; i++) {
        struct end *end = open_one((uint64_t)i);
        after(HEADERS + 1);
        assert_true(is_shut(end));
    }
    assert_false(place(1, SOWER_LIMIT_NONE));
    sower_connection_end(&registry, ends[--count].connection);
    close(ends[count].ours);
    close(ends[count].theirs);
    assert_true(place(1, SOWER_LIMIT_NONE));
}

static uint64_t client_of(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return sower_client_of((const struct sockaddr *)&v4);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return sower_client_of((const struct sockaddr *)&v6);
}

static void a_client_is_an_address_or_a_network_of_64_bits(void **state)
{
    (void)state;
    char text[SOWER_CLIENT_TEXT_SIZE];
    assert_true(client_of("192.0.2.1") != client_of("192.0.2.2"));
    assert_true(client_of("192.0.2.1") == client_of("::ffff:192.0.2.1"));
    assert_true(client_of("2001:db8:0:1::1") == client_of("2001:db8:0:1:ffff::2"));
    assert_true(client_of("2001:db8:0:1::1") != client_of("2001:db8:0:2::1"));
    sower_client_print(client_of("192.0.2.1"), text);
    assert_string_equal(text, "192.0.2.1");
    sower_client_print(client_of("2001:db8:0:1::1"), text);
    assert_string_equal(text, "2001:db8:0:1::/64");
    const struct sockaddr local = {.sa_family = AF_UNIX};
    assert_true(sower_client_of(&local) != client_of("0.0.0.0"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_phase_has_its_time_limit),
        TEST(a_connection_with_a_response_in_progress_is_never_late),
        TEST(a_descriptor_is_not_touched_before_its_connection_begins),
        TEST(each_client_has_its_own_share),
        TEST(the_longest_waiting_connection_without_unread_bytes_is_closed),
        TEST(at_the_total_limit_any_clients_connection_is_closed),
        TEST(few_connections_are_shut_down_and_still_open),
        TEST(a_client_is_an_address_or_a_network_of_64_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
