/* Chains: what makes it show when the ledger was changed afterwards.
 *
 * Every daemon is a writer with an Ed25519 key pair; its public key is its name. The lines that it writes are
 * numbered from 1 without a gap and linked: the link of a line is the BLAKE2b-256 of the line's canonical
 * form, which holds the link before it (32 zero bytes before the first). So a head, the last number and link
 * of a chain, stands for every line up to there: none can be changed, removed, inserted or moved without
 * another head coming out. The canonical form is text, `key=value` lines in a fixed order; SPEC.md shows
 * it. */
#ifndef SOWER_PROTO_CHAIN_H
#define SOWER_PROTO_CHAIN_H

#include <stdint.h>

enum { SOWER_WRITER_SIZE = 32, SOWER_LINK_SIZE = 32 };

/* A line's place in a chain; as the last place so far, the head of the chain. */
struct sower_link {
    uint8_t writer[SOWER_WRITER_SIZE]; /* the public key */
    uint64_t sequence;                 /* from 1; 0: nothing was written yet */
    uint8_t link[SOWER_LINK_SIZE];     /* zeros while nothing was written */
};

struct sower_record;

/* The link of a record whose every other field is set, `place` but for the link included, behind
 * `previous`. */
void sower_chain_link(const struct sower_record *record, const uint8_t previous[SOWER_LINK_SIZE],
                      uint8_t link[SOWER_LINK_SIZE]);

#endif
