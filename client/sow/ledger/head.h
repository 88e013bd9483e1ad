/* Heads of the ledger, as sow gets them: from the daemon, or from a file in which one was kept. */
#ifndef SOWER_CLIENT_SOW_LEDGER_HEAD_H
#define SOWER_CLIENT_SOW_LEDGER_HEAD_H

#include "client/sow/options.h"
#include "proto/head.h"

/* Asks the daemon. What goes wrong has been told. */
enum sow_exit head_fetch(const struct options *options, struct sower_head *head);

/* Reads a file. What goes wrong has been told; SOW_REFUSED when it holds no head. */
enum sow_exit head_read(const struct options *options, const char *path, struct sower_head *head);

/* SOW_DONE when it is signed, and by the writer that is wanted, 64 hex digits, or by any for NULL; otherwise
 * what is wrong has been told, under the head's name. */
enum sow_exit head_trust(const struct options *options, const struct sower_head *head, const char *wanted,
                         const char *name);

/* Whether --writer, if it is given, is a key; otherwise that has been told. */
bool head_check_writer(const struct options *options);

#endif
