/* Ledger heads: fetched from the daemon, or read from a file in which one was saved; and their signatures. */
#ifndef SOWER_CLIENT_SOW_LEDGER_HEAD_H
#define SOWER_CLIENT_SOW_LEDGER_HEAD_H

#include "client/sow/options.h"
#include "core/attributes.h"
#include "proto/head.h"

/* Fetches the head of the daemon. Failures are reported. */
SOWER_MUST_USE enum sow_exit head_fetch(const struct options *options, struct sower_head *head);

/* Reads a head from a file. Failures are reported; SOW_REFUSED when the file is not a head. */
SOWER_MUST_USE enum sow_exit head_read(const struct options *options, const char *path,
                                       struct sower_head *head);

/* Checks the signature of a head, and that its writer is `wanted` (64 hex digits; NULL: any writer).
 * SOW_DONE when both are right; otherwise the fault is reported. `name` is what messages call the head. */
SOWER_MUST_USE enum sow_exit head_trust(const struct options *options, const struct sower_head *head,
                                        const char *wanted, const char *name);

/* Whether --writer is a valid key or is not given. An invalid key is reported. */
SOWER_MUST_USE bool head_check_writer(const struct options *options);

#endif
