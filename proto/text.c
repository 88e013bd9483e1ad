#include "proto/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/environment.h"
#include "proto/number.h"

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

/* The number of digits from `at` on. */
static size_t count_digits(const char *text, size_t length, size_t at)
{
    size_t end = at;
    while (end < length && is_digit(text[end])) {
        end++;
    }
    return end - at;
}

bool sower_text_integer(const char *text, size_t length, int64_t *value)
{
    bool negative = length > 0 && text[0] == '-';
    size_t start = negative ? 1 : 0;
    size_t digits = count_digits(text, length, start);
    if (digits == 0 || start + digits != length || digits > 19 ||
        (text[start] == '0' && (digits > 1 || negative))) {
        return false;
    }
    uint64_t magnitude = 0; /* 19 digits fit in 64 bits */
    for (size_t i = start; i < length; i++) {
        magnitude = magnitude * 10 + (uint64_t)(text[i] - '0');
    }
    if (magnitude > (uint64_t)INT64_MAX) {
        return false;
    }
    *value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

/* Whether the text is a decimal real as text.h describes it. */
static bool is_real(const char *text, size_t length)
{
    size_t at = length > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    size_t whole = count_digits(text, length, at);
    if (whole > 1 && text[at] == '0') {
        return false;
    }
    at += whole;
    size_t fraction = 0;
    if (at < length && text[at] == '.') {
        fraction = count_digits(text, length, at + 1);
        if (fraction == 0) {
            return false;
        }
        at += 1 + fraction;
    }
    if (whole + fraction == 0) {
        return false;
    }
    if (at < length && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        at += at < length && (text[at] == '-' || text[at] == '+') ? 1 : 0;
        size_t exponent = count_digits(text, length, at);
        if (exponent == 0) {
            return false;
        }
        at += exponent;
    }
    return at == length;
}

bool sower_text_real(const char *text, size_t length, double *value)
{
    char copy[SOWER_REAL_TEXT_MAX + 1];
    if (length > SOWER_REAL_TEXT_MAX || !is_real(text, length)) {
        return false;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    const struct sower_environment found = sower_environment_enter();
    *value = strtod(copy, NULL);
    const volatile bool finite = isfinite(*value);
    sower_environment_leave(&found);
    return finite;
}

static void print_real(double value, char text[SOWER_REAL_SIZE])
{
    if (fabs(value) < 1e15 && value == floor(value)) { /* %g would write 100 as 1e+02 */
        text[0] = '-';
        sower_number_print((uint64_t)fabs(value), text + (signbit(value) != 0));
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, SOWER_REAL_SIZE, "%.*g", digits, value);
        if (!isfinite(value) || strtod(text, NULL) == value) {
            return;
        }
    }
}

void sower_text_print_real(double value, char text[SOWER_REAL_SIZE])
{
    const struct sower_environment found = sower_environment_enter();
    const volatile double given = value;
    print_real(given, text);
    sower_environment_leave(&found);
}

void sower_text_quote(const char *text, size_t length, char quote[SOWER_QUOTE_SIZE])
{
    enum { SHOWN = 60 };
    size_t shown = length;
    if (length > SHOWN) {
        shown = SHOWN;
        /* not inside a UTF-8 sequence, which has at most three continuation bytes */
        while (shown > SHOWN - 3 && ((unsigned char)text[shown] & 0xc0) == 0x80) {
            shown--;
        }
    }
    char *at = quote;
    *at++ = '"';
    for (size_t i = 0; i < shown; i++) {
        *at++ = text[i] == '\0' ? '?' : text[i];
    }
    snprintf(at, SOWER_QUOTE_SIZE - (size_t)(at - quote), "%s", length > shown ? "…\"" : "\"");
}

void sower_text_quote_json(const json_t *value, char quote[SOWER_QUOTE_SIZE])
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        sower_text_quote(json_string_value(value), json_string_length(value), quote);
        return;
    case JSON_INTEGER:
        snprintf(quote, SOWER_QUOTE_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return;
    case JSON_REAL:
        sower_text_print_real(json_real_value(value), quote);
        /* a real stays recognizable as a real: 1 is printed as 1.0 */
        if (strpbrk(quote, ".e") == NULL) {
            snprintf(quote + strlen(quote), SOWER_QUOTE_SIZE - strlen(quote), ".0");
        }
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        snprintf(quote, SOWER_QUOTE_SIZE, "%s", json_is_true(value) ? "true" : "false");
        return;
    case JSON_NULL:
        snprintf(quote, SOWER_QUOTE_SIZE, "null");
        return;
    case JSON_ARRAY:
        snprintf(quote, SOWER_QUOTE_SIZE, "an array");
        return;
    case JSON_OBJECT:
        snprintf(quote, SOWER_QUOTE_SIZE, "an object");
        return;
    }
}
