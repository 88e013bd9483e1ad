#include "core/catalogue.h"

#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/environment.h"
#include "core/initializers/families.h"

static const struct sower_entry *const FAMILIES[] = {
    sower_entries_plain,      sower_entries_variance_scaling, sower_entries_pytorch,
    sower_entries_published,  sower_entries_structured,       sower_entries_sparse,
    sower_entries_orthogonal, sower_entries_tables,
};

enum { FAMILY_COUNT = sizeof FAMILIES / sizeof FAMILIES[0] };

const struct sower_entry *sower_catalogue_entry(size_t index)
{
    for (size_t family = 0; family < FAMILY_COUNT; family++) {
        for (const struct sower_entry *entry = FAMILIES[family]; entry->name != NULL; entry++) {
            if (index-- == 0) {
                return entry;
            }
        }
    }
    return NULL;
}

/* Name n of an entry: its name for n = 0, then its aliases, then NULL. */
static const char *entry_name(const struct sower_entry *entry, size_t n)
{
    return n == 0 ? entry->name : entry->aliases[n - 1];
}

const struct sower_entry *sower_catalogue_find(const char *name)
{
    const struct sower_entry *entry;
    for (size_t i = 0; (entry = sower_catalogue_entry(i)) != NULL; i++) {
        for (size_t n = 0; entry_name(entry, n) != NULL; n++) {
            if (strcmp(name, entry_name(entry, n)) == 0) {
                return entry;
            }
        }
    }
    return NULL;
}

void sower_catalogue_try(struct sower_nearest *nearest)
{
    const struct sower_entry *entry;
    for (size_t i = 0; (entry = sower_catalogue_entry(i)) != NULL; i++) {
        for (size_t n = 0; entry_name(entry, n) != NULL; n++) {
            sower_nearest_try(nearest, entry_name(entry, n));
        }
    }
}

int sower_catalogue_parameter(const struct sower_entry *entry, const char *name)
{
    for (int i = 0; entry->parameters[i].name != NULL; i++) {
        if (strcmp(entry->parameters[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

bool sower_catalogue_is_written(const struct sower_parameter *parameter, double value)
{
    return !parameter->added_later || value != parameter->default_value;
}

static void choices_domain(const struct sower_parameter *parameter, char *text, size_t size)
{
    int length = snprintf(text, size, "one of ");
    for (size_t i = 0; parameter->choices[i] != NULL && length >= 0 && (size_t)length < size; i++) {
        length +=
            snprintf(text + length, size - (size_t)length, "%s%s", i == 0 ? "" : ", ", parameter->choices[i]);
    }
}

static void print_domain(const struct sower_parameter *parameter, char *text, size_t size)
{
    if (parameter->kind == SOWER_PARAMETER_BOOLEAN) {
        snprintf(text, size, "true or false");
        return;
    }
    if (parameter->kind == SOWER_PARAMETER_CHOICE) {
        choices_domain(parameter, text, size);
        return;
    }
    const char *number = parameter->kind == SOWER_PARAMETER_INTEGER ? "a whole number"
                         : parameter->allows_infinity               ? "a number, inf or -inf"
                                                                    : "a finite number";
    int length = snprintf(text, size, "%s", number);
    if (isfinite(parameter->minimum) && (size_t)length < size) {
        length += snprintf(text + length, size - (size_t)length, " %s %.17g",
                           parameter->minimum_excluded ? "above" : "from", parameter->minimum);
    }
    if (isfinite(parameter->maximum) && (size_t)length < size) {
        snprintf(text + length, size - (size_t)length, "%s %.17g",
                 isfinite(parameter->minimum) && !parameter->minimum_excluded ? " to" : " up to",
                 parameter->maximum);
    }
}

void sower_catalogue_domain(const struct sower_parameter *parameter, char *text, size_t size)
{
    const struct sower_environment found = sower_environment_enter();
    print_domain(parameter, text, size);
    sower_environment_leave(&found);
}

static bool in_domain(const struct sower_parameter *parameter, double value)
{
    if (isnan(value) || (isinf(value) && !parameter->allows_infinity)) {
        return false;
    }
    if (parameter->kind != SOWER_PARAMETER_REAL && value != floor(value)) {
        return false;
    }
    bool above = parameter->minimum_excluded ? value > parameter->minimum : value >= parameter->minimum;
    return above && value <= parameter->maximum;
}

bool sower_catalogue_check(const char *name, const struct sower_parameter *parameter, double value,
                           struct sower_problem *problem)
{
    const struct sower_environment found = sower_environment_enter();
    const volatile double given = value; /* volatile: see environment.h */
    const volatile bool good = in_domain(parameter, given);
    sower_environment_leave(&found);
    if (good) {
        return true;
    }
    char domain[160];
    sower_catalogue_domain(parameter, domain, sizeof domain);
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "init", "%s: %s is %.17g; it must be %s.", name,
                             parameter->name, value, domain);
}
