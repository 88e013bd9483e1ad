/* The writer: who this daemon is in the ledger.
 *
 * An Ed25519 key pair. The public key names the chain of the lines that this daemon writes; with the secret
 * one it signs the head of the ledger. It is made when the daemon first starts and kept as `writer.key` in
 * the state directory: 64 hex digits, for the owner alone. A daemon that lost it goes on under a new name,
 * with a new chain. */
#ifndef SOWER_SERVER_LEDGER_WRITER_KEY_H
#define SOWER_SERVER_LEDGER_WRITER_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/problem.h"
#include "proto/chain.h"
#include "proto/head.h"

struct sower_writer_key {
    uint8_t key[SOWER_WRITER_SIZE]; /* the public one */
    uint8_t secret[64];
};

/* Reads the key from the state directory, or makes it there. */
bool sower_writer_key_open(const char *state, struct sower_writer_key *writer, struct sower_problem *problem);

/* Signs a text. */
void sower_writer_sign(const struct sower_writer_key *writer, const char *text, size_t length,
                       uint8_t signature[SOWER_SIGNATURE_SIZE]);

/* Wipes the secret. */
void sower_writer_key_close(struct sower_writer_key *writer);

#endif
