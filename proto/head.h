/* Heads: signed statements of a daemon about the whole ledger at one moment.
 *
 * A head says how many lines there are and where each chain ends. With a head that was kept, one can check later
 * whether the lines up to it are still the same (chain.h). As JSON:
 *
 *   {"ledger":12,"time":"2026-01-31T12:00:00.000Z","writer":"<64 hex digits>",
 *    "chains":[{"writer":"<64 hex digits>","sequence":9,"link":"<64 hex digits>"}, …],
 *    "signature":"<128 hex digits>"}
 *
 * `writer` is the public key of the daemon that signs (Ed25519). `chains` begins with this daemon's own chain,
 * if it has written, then has at most SOWER_HEAD_CHAINS_MAX - 1 others, the ones that wrote last first. The
 * signed text contains all of this (SPEC.md):
 *
 *   sower ledger head
 *   ledger=12
 *   time=2026-01-31T12:00:00.000Z
 *   writer=<64 hex digits>
 *   chains=1
 *   chain=<writer, 64 hex digits>,<sequence>,<link, 64 hex digits> */
#ifndef SOWER_PROTO_HEAD_H
#define SOWER_PROTO_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/buffer.h"
#include "proto/chain.h"

enum { SOWER_SIGNATURE_SIZE = 64, SOWER_HEAD_CHAINS_MAX = 1025 };

/* About 75 KB: too large for a stack. */
struct sower_head {
    uint64_t ledger; /* the last line's number; 0: there are no lines */
    int64_t time;    /* when it was signed, milliseconds since 1970-01-01 UTC */
    uint8_t writer[SOWER_WRITER_SIZE];
    uint8_t signature[SOWER_SIGNATURE_SIZE];
    size_t count;
    struct sower_link chains[SOWER_HEAD_CHAINS_MAX];
};

/* Appends the text that is signed. */
void sower_head_text(const struct sower_head *head, struct sower_buffer *text);

/* The head as a JSON object: a new reference, NULL when memory runs out. */
json_t *sower_head_json(const struct sower_head *head);

/* Reads a head strictly: it must have no other members, no chain twice, no chain without a line, and not more
 * lines in its chains than `ledger`. Does not check the signature. */
SOWER_MUST_USE bool sower_head_read(const json_t *object, struct sower_head *head,
                                    struct sower_problem *problem);

/* The same from its text. */
SOWER_MUST_USE bool sower_head_read_text(const char *text, size_t length, struct sower_head *head,
                                         struct sower_problem *problem);

/* Whether `writer` signed the head. False with a problem if it did not, or if memory ran out. */
SOWER_MUST_USE bool sower_head_check_signature(const struct sower_head *head, struct sower_problem *problem);

/* Whether the head names every chain. Then each line of the ledger up to the head is in one of its chains. */
SOWER_MUST_USE bool sower_head_is_whole(const struct sower_head *head);

/* The end of a writer's chain; NULL if the head does not name the chain. */
const struct sower_link *sower_head_find(const struct sower_head *head,
                                         const uint8_t writer[SOWER_WRITER_SIZE]);

#endif
