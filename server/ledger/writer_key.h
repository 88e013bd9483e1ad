/* The writer key: this daemon's identity in the ledger.
 *
 * An Ed25519 key pair. The public key names the chain of the lines that this daemon writes; the secret key signs
 * the head of the ledger. The daemon creates the key at its first start and keeps it as `writer.key` in the state
 * directory: 64 hex digits, private to the owner. A daemon that has lost its key creates a new one and begins a
 * new chain. */
#ifndef SOWER_SERVER_LEDGER_WRITER_KEY_H
#define SOWER_SERVER_LEDGER_WRITER_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/problem.h"
#include "proto/chain.h"
#include "proto/head.h"

struct sower_writer_key {
    uint8_t key[SOWER_WRITER_SIZE]; /* the public key */
    uint8_t secret[64];
};

/* Reads the key from the state directory; creates it if there is none. False with a problem. */
SOWER_MUST_USE bool sower_writer_key_open(const char *state, struct sower_writer_key *writer,
                                          struct sower_problem *problem);

/* Signs a text of `length` bytes. */
void sower_writer_sign(const struct sower_writer_key *writer, const char *text, size_t length,
                       uint8_t signature[SOWER_SIGNATURE_SIZE]);

/* Wipes the secret key. */
void sower_writer_key_close(struct sower_writer_key *writer);

#endif
