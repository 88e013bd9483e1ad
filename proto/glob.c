#include "proto/glob.h"

#include <stddef.h>
#include <stdint.h>

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

/* Matches one element of the pattern (not a star) with one character. Returns the rest of the pattern, or NULL. */
static const char *match_one(const char *pattern, const char *name)
{
    const char *end;
    if (*name == '\0' || *pattern == '\0') {
        return NULL;
    }
    switch (*pattern) {
    case '?':
        return pattern + 1;
    case '[':
        return match_set(pattern + 1, character(name), &end) ? end : NULL;
    case '\\':
        pattern++;
        break;
    default:
        break;
    }
    return character(pattern) == character(name) ? pattern + character_size(pattern) : NULL;
}

bool sower_glob_match(const char *pattern, const char *name)
{
    /* Where to continue when the text after the last star does not match: the star takes one character more. */
    const char *after_star = NULL, *taken = NULL;
    while (*name != '\0' || *pattern != '\0') {
        if (*pattern == '*') {
            after_star = ++pattern;
            taken = name;
            continue;
        }
        const char *next = match_one(pattern, name);
        if (next != NULL) {
            pattern = next;
            name += character_size(name);
        } else if (after_star != NULL && *taken != '\0') {
            taken += character_size(taken);
            name = taken;
            pattern = after_star;
        } else {
            return false;
        }
    }
    return true;
}
