/* Tokens and the lines of the daemon's file. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "proto/token.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"

static struct sower_problem problem;

static bool read_line(const char *text, struct sower_token *token)
{
    static char line[SOWER_TOKEN_LINE_MAX];
    strcpy(line, text);
    return sower_token_line_read(line, token, &problem);
}

static void a_token_is_its_text(void **state)
{
    (void)state;
    uint8_t secret[SOWER_TOKEN_SIZE] = {0xff, 0, 1}, read[SOWER_TOKEN_SIZE];
    char text[SOWER_TOKEN_TEXT_LENGTH + 1];
    sower_token_print(secret, text);
    assert_string_equal(text, "sower__wABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_true(sower_token_parse(text, strlen(text), read));
    assert_memory_equal(read, secret, sizeof secret);
}

static void another_text_is_no_token(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "sower_",
        "sower__wABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",   /* short */
        "sower__wABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* long */
        "Sower__wABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "sower_/wABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* the other base64 */
        "sower__wABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", /* bits beyond the last byte */
        "sower__wABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
        "sower__wABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\301", /* libsodium reads it as "A" */
    };
    uint8_t secret[SOWER_TOKEN_SIZE];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(sower_token_parse(wrong[i], strlen(wrong[i]), secret));
    }
}

static void a_hash_is_the_digest_of_the_bytes(void **state)
{
    (void)state;
    uint8_t secret[SOWER_TOKEN_SIZE] = {0}, hash[SOWER_TOKEN_HASH_SIZE];
    char hex[2 * SOWER_TOKEN_HASH_SIZE + 1];
    sower_token_hash(secret, hash);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    /* python3 -c 'import hashlib; print(hashlib.blake2b(bytes(32), digest_size=32).hexdigest())' */
    assert_string_equal(hex, "89eb0d6a8a691dae2cd15ed0369931ce0a949ecafa5c3f93f8121833646e15c3");
}

static void a_line_says_who_may_do_what(void **state)
{
    (void)state;
    struct sower_token token;
    assert_true(read_line("ci\t" HASH "  plan,draw team-a/*,b%2Cc lines=7 lines/s=9 ", &token));
    assert_string_equal(token.name, "ci");
    assert_int_equal(token.hash[0], 0x01);
    assert_int_equal(token.hash[31], 0xef);
    assert_int_equal(token.scopes, SOWER_SCOPE_PLAN | SOWER_SCOPE_DRAW);
    assert_true(token.lines_max == 7 && token.lines_per_second == 9);
    assert_false(token.all_experiments);
    assert_true(sower_token_may_use(&token, "team-a/x") && sower_token_may_use(&token, "team-a/"));
    assert_true(sower_token_may_use(&token, "b,c"));
    assert_false(sower_token_may_use(&token, "b,cd") || sower_token_may_use(&token, "team-a") ||
                 sower_token_may_use(&token, "") || sower_token_may_use(&token, "b"));
    sower_token_free(&token);
}

static void a_star_is_every_experiment_also_among_others(void **state)
{
    (void)state;
    struct sower_token token;
    assert_true(read_line("ci " HASH " read x,*", &token));
    assert_true(token.all_experiments && sower_token_may_use(&token, "anything"));
    sower_token_free(&token);
}

static void a_problem_never_quotes_a_hash(void **state)
{
    (void)state;
    struct sower_token token;
    static const char *const wrong[] = {"ci " HASH "0 read *", "ci " HASH, HASH " ci read *",
                                        "ci read " HASH " *", "ci " HASH " read * x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(read_line(wrong[i], &token));
        assert_null(
            strstr(problem.sentence, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"));
        sower_token_free(&token);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_its_text),
        cmocka_unit_test(another_text_is_no_token),
        cmocka_unit_test(a_hash_is_the_digest_of_the_bytes),
        cmocka_unit_test(a_line_says_who_may_do_what),
        cmocka_unit_test(a_star_is_every_experiment_also_among_others),
        cmocka_unit_test(a_problem_never_quotes_a_hash),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
