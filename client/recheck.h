/* Rechecks: a file compared, byte by byte, with what its model must be, which is derived here. */
#ifndef SOW_RECHECK_H
#define SOW_RECHECK_H

#include <stdbool.h>

#include "../core/problem.h"
#include "../proto/model.h"
#include "progress.h"

/* Compares the file at `path`, showing progress. False with a problem that says what is wrong, and from which
 * byte of which tensor on. */
bool recheck_file(const char *path, const struct sower_model *model, struct progress *progress,
                  struct sower_problem *problem);

#endif
