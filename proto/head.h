/* Heads: what a daemon says of the whole ledger at one moment, signed.
 *
 * How many lines there are, and where each chain ends. Whoever keeps a head can tell later whether the lines
 * up to there are still the same (chain.h). As JSON:
 *
 *   {"ledger":12,"time":"2026-01-31T12:00:00.000Z","writer":"<64 hex digits>",
 *    "chains":[{"writer":"<64 hex digits>","sequence":9,"link":"<64 hex digits>"}, …],
 *    "signature":"<128 hex digits>"}
 *
 * `writer` is the public key of the daemon that signs (Ed25519). `chains` begins with its own, when it has
 * written, then come at most SOWER_HEAD_CHAINS_MAX - 1 others, those that wrote last first. What is signed is
 * a text that holds all of it (SPEC.md):
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

#include "core/problem.h"
#include "proto/buffer.h"
#include "proto/chain.h"

enum { SOWER_SIGNATURE_SIZE = 64, SOWER_HEAD_CHAINS_MAX = 1025 };

/* Some 75 KB: not for a stack. */
struct sower_head {
    uint64_t ledger; /* the last line's number; 0: there is none */
    int64_t time;    /* when it was signed, milliseconds since 1970-01-01 UTC */
    uint8_t writer[SOWER_WRITER_SIZE];
    uint8_t signature[SOWER_SIGNATURE_SIZE];
    size_t count;
    struct sower_link chains[SOWER_HEAD_CHAINS_MAX];
};

/* Appends what is to be signed. */
void sower_head_text(const struct sower_head *head, struct sower_buffer *text);

/* The head as a JSON object: a new reference, NULL when memory runs out. */
json_t *sower_head_json(const struct sower_head *head);

/* Reads it, strictly: no other members; no chain twice, none without a line; no more lines in them than there
 * are. The signature is not checked. */
bool sower_head_read(const json_t *object, struct sower_head *head, struct sower_problem *problem);

/* The same from its text. */
bool sower_head_read_text(const char *text, size_t length, struct sower_head *head,
                          struct sower_problem *problem);

/* Whether `writer` signed it. False with a problem that says that it did not, or that memory ran out. */
bool sower_head_check_signature(const struct sower_head *head, struct sower_problem *problem);

/* Whether it names every chain: then each of its lines is in one of them. */
bool sower_head_is_whole(const struct sower_head *head);

/* The end of a writer's chain; NULL when the head does not name it. */
const struct sower_link *sower_head_find(const struct sower_head *head,
                                         const uint8_t writer[SOWER_WRITER_SIZE]);

#endif
