/* The catalogue: every initializer, described once.
 *
 * An entry has everything about one initializer: its name and aliases, its parameters with their domains
 * and defaults, the ranks it accepts, its formula and the formula's source, and the function that resolves
 * a shape to a law. Parameter checks, the JSON of /v1/initializers, `sow initializers` and the table in
 * SPEC.md all use these entries. Entries are in initializers/, one file per family.
 * docs/add-an-initializer.md says how to add one. */
#ifndef SOWER_CORE_CATALOGUE_H
#define SOWER_CORE_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attributes.h"
#include "core/edit_distance.h"
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
    bool required; /* has no default */
    double default_value;
    double minimum, maximum;
    bool minimum_excluded;      /* the value must be greater than the minimum */
    bool allows_infinity;       /* inf and -inf are inside the domain */
    bool added_later;           /* to an entry that had draws: its default is not part of canonical forms */
    const char *const *choices; /* ended by NULL */
    const char *meaning;        /* a few words, no full stop */
};

struct sower_initializer {
    const struct sower_entry *entry;
    double values[SOWER_PARAMETER_MAX]; /* in the order of entry->parameters; each is set and in its domain */
};

struct sower_entry {
    const char *name; /* NULL ends a family */
    const char *aliases[SOWER_ALIAS_MAX + 1];
    const char *summary; /* one sentence */
    const char *formula;
    const char *source;  /* authors and year, or the framework whose semantics the entry has */
    const char *example; /* an expression that a reader can paste */
    size_t rank_minimum, rank_maximum;
    struct sower_parameter parameters[SOWER_PARAMETER_MAX + 1];
    /* Sets plan->law (for a structure plan->structure as well) and the figures that the plan shows to a
     * reader. The caller has set shape, dtype, layout, fans and values. */
    bool (*resolve)(const double *values, struct sower_plan *plan, struct sower_problem *problem);
};

/* Entry number `index` in the order of the documentation; NULL after the last one. */
SOWER_MUST_USE const struct sower_entry *sower_catalogue_entry(size_t index);

/* The entry with this name or alias; NULL when there is none. */
SOWER_MUST_USE const struct sower_entry *sower_catalogue_find(const char *name);

/* Tries all names and aliases in a search for the nearest one. names.h also finds the frameworks' names. */
void sower_catalogue_try(struct sower_nearest *nearest);

/* The index of the parameter with this name, or -1. */
SOWER_MUST_USE int sower_catalogue_parameter(const struct sower_entry *entry, const char *name);

/* Whether canonical forms have this parameter: not if it was added later and has its default, so that draws from
 * before keep their ids. */
SOWER_MUST_USE bool sower_catalogue_is_written(const struct sower_parameter *parameter, double value);

/* Checks a value against its parameter's domain. The problem's field is "init"; the sentence names the
 * initializer, the parameter, its value and its domain. */
SOWER_MUST_USE bool sower_catalogue_check(const char *name, const struct sower_parameter *parameter,
                                          double value, struct sower_problem *problem);

/* Writes the domain in words ("a finite number from 0", "one of fan_in, fan_out, fan_avg"): at most `size`
 * bytes with the terminator. */
void sower_catalogue_domain(const struct sower_parameter *parameter, char *text, size_t size);

#endif
