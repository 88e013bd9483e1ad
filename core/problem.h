/* What was wrong with a request, in words that a person can act on.
 *
 * Every function of core and proto that judges input returns true when all is well; otherwise it fills a
 * `struct sower_problem` and returns false, having changed nothing else that the caller may rely on. The
 * field names the part of the request at fault in the caller's own vocabulary ("shape", "init", "std"); the
 * sentence says what was wrong and what would be right. Which HTTP status a code becomes is proto's business.
 */
#ifndef SOWER_CORE_PROBLEM_H
#define SOWER_CORE_PROBLEM_H

#include <stdbool.h>

enum sower_problem_code {
    SOWER_PROBLEM_INVALID,     /* a field is missing, malformed, out of its domain, or unknown */
    SOWER_PROBLEM_TOO_LARGE,   /* well-formed, but beyond a limit */
    SOWER_PROBLEM_UNAVAILABLE, /* nothing wrong with the request: a resource here is missing for now */
    SOWER_PROBLEM_MEMORY,      /* nothing wrong with the request: memory has run out */
};

struct sower_problem {
    enum sower_problem_code code;
    char field[64];     /* empty when the fault lies in no single field */
    char sentence[400]; /* complete sentences, no trailing newline */
};

/* Fills `problem` (sentence as by printf, cut to fit on a UTF-8 boundary) and returns false, so that a check
 * reads `return sower_problem_set(...)`. Bytes of a sentence that are not printable UTF-8 are shown as `?`:
 * what a client sent may be quoted without care. */
bool sower_problem_set(struct sower_problem *problem, enum sower_problem_code code, const char *field,
                       const char *sentence, ...) __attribute__((format(printf, 4, 5)));

/* Says that memory has run out, which is never the request's fault; returns false. */
bool sower_problem_memory(struct sower_problem *problem);

#endif
