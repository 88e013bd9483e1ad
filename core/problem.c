#include "core/problem.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/environment.h"
#include "core/utf8.h"

/* Replaces every byte that is not part of a printable UTF-8 character, in place. */
static void make_printable(char *text)
{
    for (char *at = text; *at != '\0';) {
        size_t length = sower_utf8_length(at, SIZE_MAX);
        if (length == 0 || (unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = '?';
            length = 1;
        }
        at += length;
    }
}

/* Drops the start of a UTF-8 sequence at the end of the text, which snprintf has cut off. */
static void drop_cut_sequence(char *text)
{
    size_t length = strlen(text);
    size_t start = length;
    while (start > 0 && length - start < 3 && ((unsigned char)text[start - 1] & 0xc0) == 0x80) {
        start--;
    }
    if (start > 0 && (unsigned char)text[start - 1] >= 0xc0 &&
        sower_utf8_length(text + start - 1, SIZE_MAX) == 0) {
        text[start - 1] = '\0';
    }
}

bool sower_problem_set(struct sower_problem *problem, enum sower_problem_code code, const char *field,
                       const char *sentence, ...)
{
    problem->code = code;
    snprintf(problem->field, sizeof problem->field, "%s", field);
    const struct sower_environment found = sower_environment_enter();
    va_list arguments;
    va_start(arguments, sentence);
    vsnprintf(problem->sentence, sizeof problem->sentence, sentence, arguments);
    va_end(arguments);
    sower_environment_leave(&found);
    drop_cut_sequence(problem->field);
    drop_cut_sequence(problem->sentence);
    make_printable(problem->field);
    make_printable(problem->sentence);
    return false;
}

bool sower_problem_memory(struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_MEMORY, "", "Memory has run out; try again later.");
}
