/* Heads: the signed text, and that a printed head reads back exactly, and any other text is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "proto/head.h"
#include "proto/json.h"

#define TWICE(text) text text
#define HEX(pair) TWICE(TWICE(TWICE(TWICE(TWICE(pair)))))

/* A head with two chains, signed. */
static struct sower_head *signed_head(void)
{
    static const uint8_t seed[crypto_sign_SEEDBYTES] = {7};
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    struct sower_buffer text = {0};
    struct sower_head *head = calloc(1, sizeof *head);
    assert_non_null(head);
    head->ledger = 12;
    head->time = 1769860800123;
    crypto_sign_seed_keypair(head->writer, secret, seed);
    head->count = 2;
    memcpy(head->chains[0].writer, head->writer, sizeof head->writer);
    head->chains[0].sequence = 9;
    memset(head->chains[0].link, 0x22, sizeof head->chains[0].link);
    memset(head->chains[1].writer, 0x33, sizeof head->chains[1].writer);
    head->chains[1].sequence = 3;
    memset(head->chains[1].link, 0x44, sizeof head->chains[1].link);
    sower_head_text(head, &text);
    crypto_sign_detached(head->signature, NULL, (const unsigned char *)text.text, text.length, secret);
    sower_buffer_free(&text);
    return head;
}

static char *json_text(const struct sower_head *head)
{
    json_t *object = sower_head_json(head);
    char *text = sower_json_text(object, JSON_COMPACT);
    assert_non_null(text);
    json_decref(object);
    return text;
}

static void the_signed_text_contains_the_whole_head(void **state)
{
    (void)state;
    struct sower_head *head = signed_head();
    struct sower_buffer text = {0};
    memset(head->writer, 0x11, sizeof head->writer);
    memset(head->chains[0].writer, 0x11, sizeof head->writer);
    sower_head_text(head, &text);
    static const char wanted[] = "sower ledger head\nledger=12\ntime=2026-01-31T12:00:00.123Z\nwriter=" HEX(
        "11") "\nchains=2\n"
              "chain=" HEX("11") ",9," HEX("22") "\nchain=" HEX("33") ",3," HEX("44") "\n";
    assert_int_equal(text.length, sizeof wanted - 1);
    assert_memory_equal(text.text, wanted, text.length);
    sower_buffer_free(&text);
    free(head);
}

static void a_head_reads_back_as_it_was_printed(void **state)
{
    (void)state;
    struct sower_head *head = signed_head(), *again = calloc(1, sizeof *again);
    struct sower_problem problem;
    char *text = json_text(head);
    assert_true(sower_head_read_text(text, strlen(text), again, &problem));
    assert_memory_equal(again, head, sizeof *head);
    assert_true(sower_head_check_signature(again, &problem));
    assert_true(sower_head_is_whole(again));
    free(text);
    free(head);
    free(again);
}

static void an_empty_ledger_has_a_head(void **state)
{
    (void)state;
    struct sower_head *head = calloc(1, sizeof *head), *again = calloc(1, sizeof *again);
    struct sower_problem problem;
    char *text = json_text(head);
    assert_true(sower_head_read_text(text, strlen(text), again, &problem));
    assert_int_equal(again->count, 0);
    assert_true(sower_head_is_whole(again));
    free(text);
    free(head);
    free(again);
}

static void a_change_of_any_bit_breaks_the_signature(void **state)
{
    (void)state;
    struct sower_head *head = signed_head();
    struct sower_problem problem;
    uint8_t *const places[] = {
        (uint8_t *)&head->ledger,
        (uint8_t *)&head->time,
        head->writer,
        head->signature,
        (uint8_t *)&head->count,
        head->chains[0].writer,
        head->chains[1].link,
        (uint8_t *)&head->chains[1].sequence,
        head->signature + SOWER_SIGNATURE_SIZE - 1,
    };
    assert_true(sower_head_check_signature(head, &problem));
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        *places[i] ^= 1;
        assert_false(sower_head_check_signature(head, &problem));
        *places[i] ^= 1;
    }
    struct sower_link first = head->chains[0];
    head->chains[0] = head->chains[1];
    head->chains[1] = first;
    assert_false(sower_head_check_signature(head, &problem));
    free(head);
}

/* The text with one piece replaced. */
static char *replaced(const char *text, const char *part, const char *by)
{
    const char *at = strstr(text, part);
    char *changed = malloc(strlen(text) + strlen(by) + 1);
    assert_non_null(at);
    assert_non_null(changed);
    sprintf(changed, "%.*s%s%s", (int)(at - text), text, by, at + strlen(part));
    return changed;
}

static void a_head_that_is_not_exact_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *part, *by, *member;
    } cases[] = {
        {"\"ledger\":12", "\"ledger\":11", "chains"}, /* fewer lines than the chains have */
        {"\"ledger\":12", "\"ledger\":-1", "ledger"},
        {"\"ledger\":12", "\"ledger\":12,\"ledger\":12", ""},
        {"\"ledger\":12", "\"ledger\":12,\"extra\":1", "extra"},
        {"\"ledger\":12,", "", "ledger"},
        {".123Z", "Z", "time"},
        {"\"sequence\":9", "\"sequence\":0", "sequence"},
        {"\"sequence\":9", "\"sequence\":9223372036854775807", "chains"},
        {"\"sequence\":9,", "", "sequence"},
        {HEX("33"), HEX("3G"), "writer"},
        {"\"chains\":[", "\"chains\":[null,", ""},
        {"\"chains\":[",
         "\"chains\":[{\"writer\":\"" HEX("33") "\",\"sequence\":1,\"link\":\"" HEX("33") "\"},", "chains"},
    };
    struct sower_head *head = signed_head(), *again = calloc(1, sizeof *again);
    char *text = json_text(head);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sower_problem problem = {.field = "none"};
        char *changed = replaced(text, cases[i].part, cases[i].by);
        if (sower_head_read_text(changed, strlen(changed), again, &problem) ||
            strcmp(problem.field, cases[i].member) != 0) {
            fail_msg("%s: %s", changed, problem.field);
        }
        free(changed);
    }
    free(text);
    free(head);
    free(again);
}

static void more_chains_than_the_maximum_are_refused(void **state)
{
    (void)state;
    struct sower_head *head = calloc(1, sizeof *head), *again = calloc(1, sizeof *again);
    struct sower_problem problem;
    head->count = SOWER_HEAD_CHAINS_MAX;
    head->ledger = 5000;
    for (size_t i = 0; i < head->count; i++) {
        memcpy(head->chains[i].writer, &i, sizeof i);
        head->chains[i].sequence = 1;
    }
    json_t *object = sower_head_json(head);
    assert_true(sower_head_read(object, again, &problem));
    assert_memory_equal(again, head, sizeof *head);
    assert_false(sower_head_is_whole(again));
    json_t *chains = json_object_get(object, "chains");
    assert_int_equal(json_array_append(chains, json_array_get(chains, 0)), 0);
    assert_false(sower_head_read(object, again, &problem));
    assert_string_equal(problem.field, "chains");
    json_decref(object);
    free(head);
    free(again);
}

static void a_chain_is_found_by_its_writer(void **state)
{
    (void)state;
    struct sower_head *head = signed_head();
    uint8_t unknown[SOWER_WRITER_SIZE] = {0};
    assert_ptr_equal(sower_head_find(head, head->chains[1].writer), &head->chains[1]);
    assert_null(sower_head_find(head, unknown));
    free(head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_signed_text_contains_the_whole_head),
        cmocka_unit_test(a_head_reads_back_as_it_was_printed),
        cmocka_unit_test(an_empty_ledger_has_a_head),
        cmocka_unit_test(a_change_of_any_bit_breaks_the_signature),
        cmocka_unit_test(a_head_that_is_not_exact_is_refused),
        cmocka_unit_test(more_chains_than_the_maximum_are_refused),
        cmocka_unit_test(a_chain_is_found_by_its_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
