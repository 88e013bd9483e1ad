#include "problem.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* The length of the well-formed UTF-8 sequence at `text` (RFC 3629: no overlong forms, no surrogates), or 0.
 */
static size_t utf8_length(const unsigned char *text)
{
    unsigned char lead = text[0];
    if (lead < 0x80) {
        return 1;
    }
    size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                    : lead >= 0xe0 && lead <= 0xef ? 3
                    : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                   : 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0; /* this also stops at the terminator */
        }
    }
    bool overlong = (lead == 0xe0 && text[1] < 0xa0) || (lead == 0xf0 && text[1] < 0x90);
    bool surrogate = lead == 0xed && text[1] > 0x9f;
    bool beyond = lead == 0xf4 && text[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : length;
}

/* Replaces, in place, every byte that is not part of printable UTF-8. A sequence that vsnprintf cut in the
 * middle is invalid too, and is dropped at the end. */
static void make_printable(char *text)
{
    for (unsigned char *at = (unsigned char *)text; *at != '\0';) {
        size_t length = utf8_length(at);
        if (length == 0 || *at < 0x20 || *at == 0x7f) {
            *at = '?';
            length = 1;
        }
        at += length;
    }
}

/* Drops the bytes of a sequence that the end of the buffer cut off. */
static void drop_cut_sequence(char *text)
{
    size_t length = strlen(text);
    size_t start = length;
    while (start > 0 && length - start < 3 && ((unsigned char)text[start - 1] & 0xc0) == 0x80) {
        start--;
    }
    if (start > 0 && (unsigned char)text[start - 1] >= 0xc0 &&
        utf8_length((unsigned char *)text + start - 1) == 0) {
        text[start - 1] = '\0';
    }
}

bool sower_problem_set(struct sower_problem *problem, enum sower_problem_code code, const char *field,
                       const char *sentence, ...)
{
    problem->code = code;
    snprintf(problem->field, sizeof problem->field, "%s", field);
    va_list arguments;
    va_start(arguments, sentence);
    vsnprintf(problem->sentence, sizeof problem->sentence, sentence, arguments);
    va_end(arguments);
    drop_cut_sequence(problem->field);
    drop_cut_sequence(problem->sentence);
    make_printable(problem->field);
    make_printable(problem->sentence);
    return false;
}
