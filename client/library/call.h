/* Calls from a program: what surrounds every function of sower.h.
 *
 * The program may have any locale. Numbers are read and printed with functions of the C library that follow
 * the locale, and with a decimal comma the canonical texts, and so the hashes, would be different. So a call that
 * reads or prints text puts the thread in the locale "C". The floating-point environment is the task of core and
 * proto (core/environment.h). */
#ifndef SOWER_CLIENT_LIBRARY_CALL_H
#define SOWER_CLIENT_LIBRARY_CALL_H

#include <locale.h>
#include <stdbool.h>

#include "client/library/sower.h"
#include "core/attributes.h"
#include "core/problem.h"
#include "core/seed.h"

/* Puts the thread in the locale "C"; returns the previous one, which leave() restores. */
SOWER_MUST_USE locale_t sower_locale_enter(void);
void sower_locale_leave(locale_t found);

/* Writes SOWER_OK, or the problem, to `error`, which may be NULL, and returns the code. `problem` is read only if
 * the call has failed. */
int sower_call_result(bool done, const struct sower_problem *problem, struct sower_error *error);

/* The same for a code that no problem has: SOWER_BUFFER, SOWER_DIFFERENT. */
int sower_call_fail(int code, const struct sower_problem *problem, struct sower_error *error);

/* Checks the names of a trial that a caller gave. */
SOWER_MUST_USE bool sower_call_trial(const char *experiment, uint64_t trial,
                                     char name[SOWER_EXPERIMENT_MAX + 1], struct sower_problem *problem);

/* The root that a caller gave; NULL: the public one. */
struct sower_seed sower_call_root(const uint8_t *root);

#endif
