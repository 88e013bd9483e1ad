#include "proto/head.h"

#include <string.h>

#include <sodium.h>

#include "proto/hex.h"
#include "proto/json.h"
#include "proto/members.h"
#include "proto/record.h"
#include "proto/time.h"

_Static_assert((int)SOWER_SIGNATURE_SIZE == (int)crypto_sign_BYTES, "of Ed25519");
_Static_assert((int)SOWER_WRITER_SIZE == (int)crypto_sign_PUBLICKEYBYTES, "of Ed25519");

enum { SIGNATURE_HEX_SIZE = 2 * SOWER_SIGNATURE_SIZE + 1 };

static void put_hex(struct sower_buffer *text, const uint8_t bytes[32])
{
    char hex[SOWER_HEX_SIZE];
    sower_hex_print(bytes, hex);
    sower_buffer_text(text, hex);
}

static void put_number(struct sower_buffer *text, const char *before, uint64_t number)
{
    sower_buffer_text(text, before);
    sower_buffer_number(text, number);
}

void sower_head_text(const struct sower_head *head, struct sower_buffer *text)
{
    char time[SOWER_TIME_SIZE];
    sower_time_print(head->time, time);
    put_number(text, "sower ledger head\nledger=", head->ledger);
    sower_buffer_text(text, "\ntime=");
    sower_buffer_text(text, time);
    sower_buffer_text(text, "\nwriter=");
    put_hex(text, head->writer);
    put_number(text, "\nchains=", head->count);
    for (size_t i = 0; i < head->count; i++) {
        sower_buffer_text(text, "\nchain=");
        put_hex(text, head->chains[i].writer);
        put_number(text, ",", head->chains[i].sequence);
        sower_buffer_text(text, ",");
        put_hex(text, head->chains[i].link);
    }
    sower_buffer_text(text, "\n");
}

static json_t *chain_json(const struct sower_link *chain)
{
    char writer[SOWER_HEX_SIZE], link[SOWER_HEX_SIZE];
    sower_hex_print(chain->writer, writer);
    sower_hex_print(chain->link, link);
    return json_pack("{s:s, s:I, s:s}", "writer", writer, "sequence", (json_int_t)chain->sequence, "link",
                     link);
}

json_t *sower_head_json(const struct sower_head *head)
{
    char time[SOWER_TIME_SIZE], writer[SOWER_HEX_SIZE], signature[SIGNATURE_HEX_SIZE];
    json_t *chains = json_array();
    for (size_t i = 0; i < head->count; i++) {
        sower_json_append(&chains, chain_json(&head->chains[i]));
    }
    sower_time_print(head->time, time);
    sower_hex_print(head->writer, writer);
    sodium_bin2hex(signature, sizeof signature, head->signature, sizeof head->signature);
    return json_pack("{s:I, s:s, s:s, s:o, s:s}", "ledger", (json_int_t)head->ledger, "time", time, "writer",
                     writer, "chains", chains, "signature", signature);
}

#define PLACE(type, member) offsetof(struct type, member)

static const struct sower_member chain_members[] = {
    {"writer", sower_member_hex, PLACE(sower_link, writer), SOWER_WRITER_SIZE, false},
    {"sequence", sower_member_number, PLACE(sower_link, sequence), 1, false},
    {"link", sower_member_hex, PLACE(sower_link, link), SOWER_LINK_SIZE, false},
    {0},
};

static bool read_chains(const struct sower_member *member, const json_t *value, void *place,
                        struct sower_problem *problem)
{
    struct sower_head *head = place;
    const json_t *chain;
    size_t i;
    if (!json_is_array(value) || json_array_size(value) > SOWER_HEAD_CHAINS_MAX) {
        return sower_member_refuse(member, value, "an array of at most 1025 chains", problem);
    }
    head->count = 0;
    json_array_foreach(value, i, chain)
    {
        struct sower_link link;
        if (!sower_members_read(chain, chain_members, &link, problem)) {
            return false;
        }
        if (sower_head_find(head, link.writer) != NULL) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, member->name,
                                     "A chain is listed twice.");
        }
        head->chains[head->count++] = link;
    }
    return true;
}

static const struct sower_member head_members[] = {
    {"ledger", sower_member_number, PLACE(sower_head, ledger), 0, false},
    {"time", sower_member_time, PLACE(sower_head, time), 0, false},
    {"writer", sower_member_hex, PLACE(sower_head, writer), SOWER_WRITER_SIZE, false},
    {"chains", read_chains, 0, 0, false},
    {"signature", sower_member_hex, PLACE(sower_head, signature), SOWER_SIGNATURE_SIZE, false},
    {0},
};

/* How many lines are in none of the head's chains; UINT64_MAX if the chains have more lines than the ledger. */
static uint64_t count_rest(const struct sower_head *head)
{
    uint64_t rest = head->ledger;
    for (size_t i = 0; i < head->count; i++) {
        if (head->chains[i].sequence > rest) {
            return UINT64_MAX;
        }
        rest -= head->chains[i].sequence;
    }
    return rest;
}

bool sower_head_read(const json_t *object, struct sower_head *head, struct sower_problem *problem)
{
    return sower_members_read(object, head_members, head, problem) &&
           (count_rest(head) != UINT64_MAX ||
            sower_problem_set(problem, SOWER_PROBLEM_INVALID, "chains",
                              "The chains have more lines than the ledger."));
}

bool sower_head_read_text(const char *text, size_t length, struct sower_head *head,
                          struct sower_problem *problem)
{
    json_error_t error;
    json_t *object = sower_json_load(text, length, JSON_REJECT_DUPLICATES, &error);
    if (object == NULL) {
        return json_error_code(&error) == json_error_out_of_memory
                   ? sower_problem_memory(problem)
                   : sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "It is not JSON: %s.", error.text);
    }
    bool read = sower_head_read(object, head, problem);
    json_decref(object);
    return read;
}

bool sower_head_check_signature(const struct sower_head *head, struct sower_problem *problem)
{
    struct sower_buffer text = {0};
    sower_head_text(head, &text);
    bool is_signed =
        text.failed ? sower_problem_memory(problem)
                    : crypto_sign_verify_detached(head->signature, (const unsigned char *)text.text,
                                                  text.length, head->writer) == 0 ||
                          sower_problem_set(problem, SOWER_PROBLEM_INVALID, "signature",
                                            "The signature is not that of its writer: the head was changed.");
    sower_buffer_free(&text);
    return is_signed;
}

bool sower_head_is_whole(const struct sower_head *head)
{
    return count_rest(head) == 0;
}

const struct sower_link *sower_head_find(const struct sower_head *head,
                                         const uint8_t writer[SOWER_WRITER_SIZE])
{
    for (size_t i = 0; i < head->count; i++) {
        if (memcmp(head->chains[i].writer, writer, SOWER_WRITER_SIZE) == 0) {
            return &head->chains[i];
        }
    }
    return NULL;
}
