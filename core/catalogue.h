/* The catalogue: every initializer, described once.
 *
 * An entry says all there is to say of an initializer: its name and aliases, its parameters with domain and
 * default, which ranks it takes, its formula and where that comes from, and how it resolves a shape to a law.
 * Parameter checks, the JSON of /v1/initializers, `sow initializers` and the table in the documentation all
 * read it from here. Entries live in initializers/, one file per family. */
#ifndef SOWER_CORE_CATALOGUE_H
#define SOWER_CORE_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attributes.h"
#include "core/plan.h"
#include "core/problem.h"

enum { SOWER_PARAMETER_MAX = 6, SOWER_ALIAS_MAX = 3 };

enum sower_parameter_kind {
    SOWER_PARAMETER_REAL,    /* a finite double in [minimum, maximum] */
    SOWER_PARAMETER_INTEGER, /* a whole number in [minimum, maximum], at most 2^53 */
    SOWER_PARAMETER_BOOLEAN, /* false or true, held as 0 or 1 */
    SOWER_PARAMETER_CHOICE,  /* one of `choices`, held as its index */
};

struct sower_parameter {
    const char *name; /* NULL ends a list */
    enum sower_parameter_kind kind;
    bool required;        /* has no default */
    double default_value; /* the default */
    double minimum, maximum;
    bool minimum_excluded;      /* an open interval at its lower end */
    bool allows_infinity;       /* the infinities are inside the domain */
    const char *const *choices; /* ended by NULL */
    const char *meaning;        /* a few words, no full stop */
};

struct sower_initializer {
    const struct sower_entry *entry;
    double values[SOWER_PARAMETER_MAX]; /* in the order of entry->parameters, every one set and inside its
                                           domain */
};

struct sower_entry {
    const char *name; /* NULL ends a family */
    const char *aliases[SOWER_ALIAS_MAX + 1];
    const char *summary; /* one sentence */
    const char *formula;
    const char *source;  /* authors, year, or the framework whose semantics it has */
    const char *example; /* an expression that a reader can paste */
    size_t rank_minimum, rank_maximum;
    struct sower_parameter parameters[SOWER_PARAMETER_MAX + 1];
    /* Fills plan->law (or plan->structure) and what the plan says of it. plan->shape, dtype and fans are set.
     */
    bool (*resolve)(const double *values, struct sower_plan *plan, struct sower_problem *problem);
};

/* All entries in the order of the documentation; NULL from `index` = count on. */
SOWER_MUST_USE const struct sower_entry *sower_catalogue_entry(size_t index);

/* By name or alias; NULL when there is none. */
SOWER_MUST_USE const struct sower_entry *sower_catalogue_find(const char *name);

/* The entry whose name or alias is nearest to a mistyped one (edit_distance.h); NULL when none is near. */
SOWER_MUST_USE const char *sower_catalogue_nearest(const char *name);

/* The index of a parameter of that name, or -1. */
SOWER_MUST_USE int sower_catalogue_parameter(const struct sower_entry *entry, const char *name);

/* Checks a value against its parameter's domain; the problem's field is "init" and the sentence names the
 * parameter, its value and its domain. */
SOWER_MUST_USE bool sower_catalogue_check(const struct sower_entry *entry,
                                          const struct sower_parameter *parameter, double value,
                                          struct sower_problem *problem);

/* The domain in words: "a finite number at least 0", "one of fan_in, fan_out, fan_avg". Writes at most `size`
 * bytes. */
void sower_catalogue_domain(const struct sower_parameter *parameter, char *text, size_t size);

#endif
