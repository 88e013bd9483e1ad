#include "proto/formula.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/environment.h"
#include "proto/number.h"
#include "proto/text.h"

enum { DEPTH_MAX = 16 };

static const char FAN_IN[] = ".fan_in", FAN_OUT[] = ".fan_out";

/* A value while it is being read. */
struct reading {
    const char *text;
    size_t length, at;
    int depth; /* of parentheses */
    const struct sower_formula_terms *terms;
    struct sower_problem *problem;
};

static bool refuse(const struct reading *reading, const char *expected)
{
    char quote[SOWER_QUOTE_SIZE];
    sower_text_quote(reading->text, reading->length, quote);
    return sower_problem_set(
        reading->problem, SOWER_PROBLEM_INVALID, "init",
        "The formula %s needs %s at byte %zu, as in 0.02/sqrt(2*layers) or weight.fan_in.", quote, expected,
        reading->at);
}

static void skip_spaces(struct reading *reading)
{
    while (reading->at < reading->length && reading->text[reading->at] == ' ') {
        reading->at++;
    }
}

static bool take(struct reading *reading, char wanted)
{
    skip_spaces(reading);
    if (reading->at == reading->length || reading->text[reading->at] != wanted) {
        return false;
    }
    reading->at++;
    return true;
}

static bool is_digit(char letter)
{
    return letter >= '0' && letter <= '9';
}

/* Whether the sign at `end` belongs to the word that begins at `at`: it is the first byte, or the sign of an exponent. */
static bool sign_belongs(const char *text, size_t at, size_t end)
{
    if (end == at) {
        return true;
    }
    return end > at + 1 && (text[end - 1] == 'e' || text[end - 1] == 'E') &&
           (is_digit(text[at]) || text[at] == '.' || text[at] == '+' || text[at] == '-');
}

/* The end of the "../" at the beginning of a path. */
static size_t skip_up(const struct reading *reading)
{
    size_t end = reading->at;
    while (reading->length - end >= 3 && memcmp(reading->text + end, "../", 3) == 0) {
        end += 3;
    }
    return end;
}

/* The bytes of a word or number: everything up to a space, an operator or a parenthesis, after any "../". Outside of
 * parentheses there are no sums, and a name may have a "-". */
static size_t word_length(const struct reading *reading)
{
    size_t end = skip_up(reading);
    while (end < reading->length && strchr(" */()", reading->text[end]) == NULL &&
           (reading->depth == 0 || strchr("+-", reading->text[end]) == NULL ||
            sign_belongs(reading->text, reading->at, end))) {
        end++;
    }
    return end - reading->at;
}

/* Whether a word has a sign that does not belong to it. */
static bool has_sign(const char *word, size_t length)
{
    size_t end = 0;
    while (end < length && (strchr("+-", word[end]) == NULL || sign_belongs(word, 0, end))) {
        end++;
    }
    return end < length;
}

static bool is_word(const char *text, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(text, word, length) == 0;
}

static bool ends_with(const char *text, size_t length, const char *end)
{
    size_t size = strlen(end);
    return length > size && memcmp(text + length - size, end, size) == 0;
}

static bool read_fan(struct reading *reading, const char *word, size_t length, double *value)
{
    bool out = ends_with(word, length, FAN_OUT);
    uint64_t fan;
    length -= strlen(out ? FAN_OUT : FAN_IN);
    if (!reading->terms->fan(reading->terms->context, word, length, out, &fan, reading->problem)) {
        return false;
    }
    *value = (double)fan;
    return true;
}

static bool read_layers(const struct reading *reading, double *value)
{
    *value = (double)reading->terms->layers;
    return reading->terms->layers > 0 ||
           sower_problem_set(reading->problem, SOWER_PROBLEM_UNPROCESSABLE, "layers",
                             "its formula needs the number of layers, and its name is in no list of blocks. "
                             "Give the number, for "
                             "example \"layers\":12, or name the list, for example \"blocks\":\"h\".");
}

static bool read_block(const struct reading *reading, double *value)
{
    *value = (double)reading->terms->block;
    return reading->terms->block >= 0 ||
           sower_problem_set(
               reading->problem, SOWER_PROBLEM_UNPROCESSABLE, "blocks",
               "its formula needs the number of its block, and its name is in no list of blocks. Name "
               "the list, for example \"blocks\":\"layers\".");
}

/* The constant of this name, or NULL. */
static const json_t *find_constant(const struct sower_formula_terms *terms, const char *word, size_t length)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)terms->constants, key, value)
    {
        if (strlen(key) == length && memcmp(key, word, length) == 0) {
            return value;
        }
    }
    return NULL;
}

static bool read_product(struct reading *reading, double *value);

static bool refuse_sum(const struct reading *reading)
{
    return refuse(reading, "parentheses around the sum, as in (layers+1),");
}

/* A sum, after its opening parenthesis. */
static bool read_sum(struct reading *reading, double *value)
{
    if (++reading->depth > DEPTH_MAX) {
        return refuse(reading, "at most 16 nested parentheses");
    }
    if (!read_product(reading, value)) {
        return false;
    }
    for (;;) {
        const bool plus = take(reading, '+');
        double next;
        if (!plus && !take(reading, '-')) {
            break;
        }
        if (!read_product(reading, &next)) {
            return false;
        }
        *value = plus ? *value + next : *value - next;
    }
    reading->depth--;
    return take(reading, ')') || refuse(reading, "a closing parenthesis");
}

static bool read_root(struct reading *reading, double *value)
{
    if (!take(reading, '(')) {
        return refuse(reading, "an opening parenthesis");
    }
    if (!read_sum(reading, value)) {
        return false;
    }
    *value = sqrt(*value);
    return true;
}

static bool read_term(struct reading *reading, double *value)
{
    if (take(reading, '(')) {
        return read_sum(reading, value);
    }
    skip_spaces(reading);
    const char *word = reading->text + reading->at;
    size_t length = word_length(reading);
    const json_t *constant = find_constant(reading->terms, word, length);
    if (constant != NULL) {
        reading->at += length;
        *value = json_number_value(constant);
        return true;
    }
    if (sower_text_real(word, length, value)) {
        reading->at += length;
        return true;
    }
    if (is_word(word, length, "layers")) {
        reading->at += length;
        return read_layers(reading, value);
    }
    if (is_word(word, length, "block")) {
        reading->at += length;
        return read_block(reading, value);
    }
    if (is_word(word, length, "sqrt")) {
        reading->at += length;
        return read_root(reading, value);
    }
    if (ends_with(word, length, FAN_IN) || ends_with(word, length, FAN_OUT)) {
        reading->at += length;
        return read_fan(reading, word, length, value);
    }
    return has_sign(word, length)
               ? refuse_sum(reading)
               : refuse(reading, "a number, layers, block, a constant, sqrt(…), (…) or NAME.fan_in");
}

static bool read_product(struct reading *reading, double *value)
{
    if (!read_term(reading, value)) {
        return false;
    }
    for (;;) {
        bool times = take(reading, '*');
        double next;
        if (!times && !take(reading, '/')) {
            return true;
        }
        if (!read_term(reading, &next)) {
            return false;
        }
        *value = times ? *value * next : *value / next;
    }
}

/* Whether a value is a formula, and not a single number or word. */
static bool is_formula(const char *text, size_t length, const struct sower_formula_terms *terms)
{
    for (size_t i = 0; i < length; i++) {
        if (strchr("*/(", text[i]) != NULL && text[i] != '\0') {
            return true;
        }
    }
    return is_word(text, length, "layers") || is_word(text, length, "block") ||
           find_constant(terms, text, length) != NULL || ends_with(text, length, FAN_IN) ||
           ends_with(text, length, FAN_OUT);
}

/* The expression that is being written. */
struct writing {
    char *text;
    size_t length;
};

static bool add(struct writing *writing, const char *text, size_t length, struct sower_problem *problem)
{
    if (length > SOWER_EXPRESSION_MAX - writing->length) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "init",
                                 "The expression has more than %d bytes.", SOWER_EXPRESSION_MAX);
    }
    memcpy(writing->text + writing->length, text, length);
    writing->length += length;
    writing->text[writing->length] = '\0';
    return true;
}

/* Whole numbers up to 2^53 are printed as plain digits, because a whole parameter must not have an exponent. */
static void print_result(double value, char text[SOWER_REAL_SIZE])
{
    if (value >= 0 && value <= 0x1p53 && value == floor(value)) {
        sower_number_print((uint64_t)value, text);
        return;
    }
    sower_text_print_real(value, text);
}

static bool add_value(struct writing *writing, const char *text, size_t length,
                      const struct sower_formula_terms *terms, struct sower_problem *problem)
{
    struct reading reading = {.text = text, .length = length, .terms = terms, .problem = problem};
    char number[SOWER_REAL_SIZE];
    double value;
    while (reading.length > 0 && text[reading.length - 1] == ' ') {
        reading.length--;
    }
    skip_spaces(&reading);
    if (!is_formula(text + reading.at, reading.length - reading.at, terms)) {
        return has_sign(text + reading.at, reading.length - reading.at) ? refuse_sum(&reading)
                                                                        : add(writing, text, length, problem);
    }
    if (!read_product(&reading, &value)) {
        return false;
    }
    if (reading.at < reading.length) {
        return strchr("+-", text[reading.at]) != NULL ? refuse_sum(&reading)
                                                      : refuse(&reading, "the end or an operator");
    }
    if (!isfinite(value)) {
        return refuse(&reading, "a finite result");
    }
    print_result(value, number);
    return add(writing, number, strlen(number), problem);
}

/* Bytes up to the comma or the closing parenthesis that ends an argument. */
static size_t argument_length(const char *text, size_t length)
{
    size_t depth = 0, end = 0;
    while (end < length && (depth > 0 || (text[end] != ',' && text[end] != ')'))) {
        depth += text[end] == '(';
        depth -= text[end] == ')';
        end++;
    }
    return end;
}

static bool expand(const char *text, size_t length, const struct sower_formula_terms *terms,
                   char plain[SOWER_EXPRESSION_MAX + 1], struct sower_problem *problem)
{
    struct writing writing = {plain, 0};
    const char *open = memchr(text, '(', length);
    size_t at = open == NULL ? length : (size_t)(open - text) + 1;
    plain[0] = '\0';
    if (!add(&writing, text, at, problem)) {
        return false;
    }
    while (at < length) {
        size_t size = argument_length(text + at, length - at);
        const char *equals = memchr(text + at, '=', size);
        size_t name = equals == NULL ? 0 : (size_t)(equals - (text + at)) + 1;
        if (!add(&writing, text + at, name, problem) ||
            !add_value(&writing, text + at + name, size - name, terms, problem)) {
            return false;
        }
        at += size;
        if (at < length && !add(&writing, text + at++, 1, problem)) {
            return false;
        }
    }
    return true;
}

bool sower_formula_expand(const char *text, size_t length, const struct sower_formula_terms *terms,
                          char plain[SOWER_EXPRESSION_MAX + 1], struct sower_problem *problem)
{
    const struct sower_environment found = sower_environment_enter();
    bool good = expand(text, length, terms, plain, problem);
    sower_environment_leave(&found);
    return good;
}
