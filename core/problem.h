/* Problems: what is wrong with a request, in words that help a person to correct it.
 *
 * Every function of core and proto that checks input returns true when the input is valid. Otherwise it
 * fills a `struct sower_problem` and returns false; the caller must not use the function's other outputs
 * then. `field` is the faulty part of the request, in the caller's vocabulary ("shape", "init", "std").
 * `sentence` says what is wrong and what would be right. proto/documents.h maps codes to HTTP statuses. */
#ifndef SOWER_CORE_PROBLEM_H
#define SOWER_CORE_PROBLEM_H

#include <stdbool.h>

enum sower_problem_code {
    SOWER_PROBLEM_INVALID,       /* a field is missing, malformed, out of its domain, or unknown */
    SOWER_PROBLEM_TOO_LARGE,     /* well-formed, but above a limit */
    SOWER_PROBLEM_UNPROCESSABLE, /* every field is well-formed, but together they make no sense (a manifest) */
    SOWER_PROBLEM_UNAVAILABLE,   /* the request is valid: a resource is missing for the moment */
    SOWER_PROBLEM_MEMORY,        /* the request is valid: memory has run out */
    SOWER_PROBLEM_UNKNOWN,       /* it is not known who asks */
    SOWER_PROBLEM_FORBIDDEN,     /* who asks may not do this */
    SOWER_PROBLEM_LIMITED,       /* who asks has used up a limit of theirs */
};

struct sower_problem {
    enum sower_problem_code code;
    char field[64];     /* empty when no single field is at fault */
    char sentence[512]; /* complete sentences, no trailing newline */
};

/* Fills `problem` and returns false, so that a check can say `return sower_problem_set(...)`. `sentence`
 * is a printf format; a text that is too long is cut at a UTF-8 boundary. Bytes that are not printable
 * UTF-8 become `?`, so a sentence may quote what a client sent. */
bool sower_problem_set(struct sower_problem *problem, enum sower_problem_code code, const char *field,
                       const char *sentence, ...) __attribute__((format(printf, 4, 5)));

/* Fills `problem` with "memory has run out" and returns false. */
bool sower_problem_memory(struct sower_problem *problem);

#endif
