/* The token that sow shows to the daemon (proto/token.h).
 *
 * It comes from a file, never from the command line, which every user of the machine can read: --token-file, else
 * SOW_TOKEN_FILE, else the line for this daemon in ~/.config/sow/tokens (XDG_CONFIG_HOME). These files must be private.
 * A token is sent encrypted (https), or to this machine: to a loopback address. */
#ifndef SOWER_CLIENT_SOW_DAEMON_TOKEN_H
#define SOWER_CLIENT_SOW_DAEMON_TOKEN_H

#include <stdbool.h>

#include "client/sow/options.h"
#include "core/attributes.h"
#include "core/problem.h"
#include "proto/token.h"

/* Finds the token for the daemon at `base` (address.h). `text` gets it, or an empty text if there is none; the caller
 * wipes it. False with a problem: a file is wrong, or the token would be sent where others can read it. */
SOWER_MUST_USE bool token_find(const struct options *options, const char *base,
                               char text[SOWER_TOKEN_TEXT_LENGTH + 1], struct sower_problem *problem);

#endif
