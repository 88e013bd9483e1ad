#include "proto/glob.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes of the UTF-8 character that begins here, 0 at the end of the text. */
static size_t character_size(const char *text)
{
    if (*text == '\0') {
        return 0;
    }
    size_t size = 1;
    while (((unsigned char)text[size] & 0xc0) == 0x80) {
        size++;
    }
    return size;
}

/* The bytes of the character as one number, in the order of code points. */
static uint32_t character(const char *text)
{
    uint32_t number = 0;
    for (size_t i = 0, size = character_size(text); i < size; i++) {
        number = number << 8 | (unsigned char)text[i];
    }
    return number;
}

/* Reads one character of a set and moves *at past it. */
static uint32_t set_character(const char **at)
{
    *at += **at == '\\';
    uint32_t number = character(*at);
    *at += character_size(*at);
    return number;
}

/* Whether `wanted` is in the set that begins at `at`, after "[". Sets *end past the "]", or to NULL if there is none. */
static bool match_set(const char *at, uint32_t wanted, const char **end)
{
    bool negated = *at == '!', found = false;
    at += negated;
    for (bool first = true; *at != '\0' && (*at != ']' || first); first = false) {
        uint32_t low = set_character(&at), high = low;
        if (*at == '-' && at[1] != ']' && at[1] != '\0') {
            at++;
            high = set_character(&at);
        }
        found = found || (low <= wanted && wanted <= high);
    }
    *end = *at == ']' ? at + 1 : NULL;
    return found != negated;
}

bool sower_glob_check(const char *pattern)
{
    while (*pattern != '\0') {
        const char *end = pattern + 1;
        if (*pattern == '[') {
            match_set(pattern + 1, 0, &end);
        } else if (*pattern == '\\') {
            end = pattern[1] == '\0' ? NULL : pattern + 1 + character_size(pattern + 1);
        }
        if (end == NULL) {
            return false;
        }
        pattern = end;
    }
    return true;
}

static void spend(uint64_t *steps, uint64_t count)
{
    if (steps != NULL) {
        *steps -= count < *steps ? count : *steps;
    }
}

/* Matches one element of the pattern (not a star) with one character. Returns the rest of the pattern, or NULL. */
static const char *match_one(const char *pattern, const char *name, uint64_t *steps)
{
    const char *end;
    bool found;
    spend(steps, 1);
    if (*name == '\0' || *pattern == '\0') {
        return NULL;
    }
    switch (*pattern) {
    case '?':
        return pattern + 1;
    case '[':
        found = match_set(pattern + 1, character(name), &end);
        spend(steps, end == NULL ? 0 : (uint64_t)(end - pattern));
        return found ? end : NULL;
    case '\\':
        pattern++;
        break;
    default:
        break;
    }
    return character(pattern) == character(name) ? pattern + character_size(pattern) : NULL;
}

static bool is_special(char letter)
{
    return letter == '*' || letter == '?' || letter == '[' || letter == ']' || letter == '\\';
}

/* Whether the name does not end in the plain text at the end of the pattern. Most patterns that do not match a name are found
 * by this alone. */
static bool ends_differ(const char *pattern, const char *name)
{
    size_t left = strlen(pattern), of_name = strlen(name);
    while (left > 0 && !is_special(pattern[left - 1])) {
        if (of_name == 0 || name[--of_name] != pattern[--left]) {
            return true;
        }
    }
    return false;
}

/* The first place in the name where the text after a star can begin, or NULL. */
static const char *first_place(const char *after_star, const char *name)
{
    if (*after_star == '\0') {
        return name + strlen(name);
    }
    return is_special(*after_star) ? name : strchr(name, *after_star);
}

bool sower_glob_match(const char *pattern, const char *name, uint64_t *steps)
{
    /* Where to continue when the text after the last star does not match: the star takes more characters. */
    const char *after_star = NULL, *taken = NULL;
    spend(steps, 1);
    if (ends_differ(pattern, name)) {
        return false;
    }
    while (*name != '\0' || *pattern != '\0') {
        const char *next = *pattern == '*' ? NULL : match_one(pattern, name, steps);
        if (steps != NULL && *steps == 0) {
            return false;
        }
        if (next != NULL) {
            pattern = next;
            name += character_size(name);
            continue;
        }
        if (*pattern == '*') {
            after_star = pattern + 1;
            taken = first_place(after_star, name);
        } else {
            taken = after_star == NULL || *taken == '\0'
                        ? NULL
                        : first_place(after_star, taken + character_size(taken));
        }
        if (taken == NULL) {
            return false;
        }
        name = taken;
        pattern = after_star;
    }
    return true;
}
