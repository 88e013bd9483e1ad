/* Files of the state are for their owner alone: names of experiments and keys of clients stand in them. What
 * the daemon makes is so from the beginning (main.c sets the umask); files that an older one made, or that
 * were copied there, are made so at start. */
#ifndef SOWER_SERVER_BASE_PRIVATE_FILE_H
#define SOWER_SERVER_BASE_PRIVATE_FILE_H

#include "server/base/log.h"

/* Takes a file, if there is one, away from its group and from others, and says so in the log; it is a warning
 * there when that cannot be done. */
void sower_private_file(const char *path, const struct sower_log *log);

#endif
