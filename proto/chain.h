/* Chains: they show when the ledger was changed afterwards.
 *
 * Every daemon is a writer with an Ed25519 key pair. Its public key is its name. The lines that it writes are
 * numbered from 1 without a gap and linked: the link of a line is the BLAKE2b-256 of the line's canonical
 * form, which contains the previous link (32 zero bytes for the first line). So the last number and link of a
 * chain commit to all its lines: if a line is changed, removed, inserted or moved, the last link is different.
 * The canonical form is text, `key=value` lines in a fixed order; SPEC.md shows it. */
#ifndef SOWER_PROTO_CHAIN_H
#define SOWER_PROTO_CHAIN_H

#include <stdint.h>

enum { SOWER_WRITER_SIZE = 32, SOWER_LINK_SIZE = 32 };

/* The place of a line in a chain; or the end of a chain, which is the place of its last line. */
struct sower_link {
    uint8_t writer[SOWER_WRITER_SIZE]; /* the public key */
    uint64_t sequence;                 /* from 1; 0: nothing is written yet */
    uint8_t link[SOWER_LINK_SIZE];     /* zeros while nothing is written */
};

struct sower_record;

/* Computes the link of a record after the link `previous`. All fields of the record must be set, except
 * place.link. */
void sower_chain_link(const struct sower_record *record, const uint8_t previous[SOWER_LINK_SIZE],
                      uint8_t link[SOWER_LINK_SIZE]);

#endif
