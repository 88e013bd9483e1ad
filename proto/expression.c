#include "proto/expression.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/environment.h"
#include "core/names.h"
#include "proto/text.h"

/* An initializer while its parameters are being set. */
struct building {
    struct sower_initializer *initializer;
    struct sower_signature signature;
    bool set[SOWER_PARAMETER_MAX];
    struct sower_problem *problem;
};

static bool refuse(struct sower_problem *problem, const char *sentence)
{
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "init", "%s", sentence);
}

/* Sets the entry of that name, and the values of the parameters that are not given. */
static bool begin(struct building *building, const char *name, size_t length)
{
    struct sower_initializer *initializer = building->initializer;
    if (!sower_names_find(name, length, &building->signature)) {
        char quote[SOWER_QUOTE_SIZE], suggestion[SOWER_SUGGESTION_SIZE];
        sower_text_quote(name, length, quote);
        sower_names_suggest(name, length, "\"", suggestion);
        return sower_problem_set(building->problem, SOWER_PROBLEM_INVALID, "init",
                                 "There is no initializer %s%s /v1/initializers lists them all.", quote,
                                 suggestion);
    }
    initializer->entry = building->signature.entry;
    memcpy(initializer->values, building->signature.values, sizeof initializer->values);
    return true;
}

/* "mean, std", for a sentence. */
static void list_parameters(const struct sower_parameter *parameters, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; parameters[i].name != NULL && length < size; i++) {
        int written = snprintf(text + length, size - length, "%s%s", i == 0 ? "" : ", ", parameters[i].name);
        length += written > 0 ? (size_t)written : 0;
    }
}

/* What to write instead of a parameter that initializers have in the frameworks, but never here. */
static const char *advice(const char *name)
{
    static const struct {
        const char *name;
        const char *sentence;
    } known[] = {
        {"seed", " The seed follows from the experiment, the trial and the name."},
        {"key", " The seed follows from the experiment, the trial and the name."},
        {"generator", " The seed follows from the experiment, the trial and the name."},
        {"dtype", " The dtype is a field beside init."},
        {"in_axis", " The axes are fields beside init."},
        {"out_axis", " The axes are fields beside init."},
        {"batch_axis", " The axes are fields beside init."},
        {"column_axis", " The field layout says which axes are columns."},
        {"input_axes", " The field in_axis names these axes."},
        {"output_axes", " The field out_axis names these axes."},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i].name, name) == 0) {
            return known[i].sentence;
        }
    }
    return "";
}

/* The index of the parameter of that name; -1 with a problem if there is none, or if it is set already. */
static int find_parameter(struct building *building, const char *name, size_t length)
{
    const struct sower_signature *signature = &building->signature;
    char copy[64];
    snprintf(copy, sizeof copy, "%.*s", (int)(length < sizeof copy ? length : sizeof copy - 1), name);
    int index = 0;
    while (signature->parameters[index].name != NULL &&
           strcmp(signature->parameters[index].name, copy) != 0) {
        index++;
    }
    if (length >= sizeof copy || signature->parameters[index].name == NULL) {
        char quote[SOWER_QUOTE_SIZE];
        char known[160];
        sower_text_quote(name, length, quote);
        list_parameters(signature->parameters, known, sizeof known);
        sower_problem_set(building->problem, SOWER_PROBLEM_INVALID, "init",
                          "%s has no parameter %s; it has %s.%s", signature->name, quote,
                          known[0] == '\0' ? "none" : known, advice(copy));
        return -1;
    }
    if (building->set[index]) {
        sower_problem_set(building->problem, SOWER_PROBLEM_INVALID, "init",
                          "The parameter %s of %s is given twice.", copy, signature->name);
        return -1;
    }
    return index;
}

/* Refuses the value of a parameter: quotes it and names the domain. */
static bool refuse_value(const struct building *building, int index, const char *given)
{
    const struct sower_parameter *parameter = &building->signature.parameters[index];
    char domain[160];
    sower_catalogue_domain(parameter, domain, sizeof domain);
    return sower_problem_set(building->problem, SOWER_PROBLEM_INVALID, "init",
                             "%s: %s must be %s, but %s was given.", building->signature.name,
                             parameter->name, domain, given);
}

static bool set_value(struct building *building, int index, double value)
{
    const struct sower_signature *signature = &building->signature;
    if (!sower_catalogue_check(signature->name, &signature->parameters[index], value, building->problem)) {
        return false;
    }
    /* one zero, the positive one */
    building->initializer->values[signature->targets[index]] = value == 0 ? 0 : value;
    building->set[index] = true;
    return true;
}

/* A whole number as the double of the same value; NaN above 2^53, where doubles do not have every whole number. */
static double exactly(int64_t whole)
{
    static const int64_t most = INT64_C(1) << 53;
    return whole >= -most && whole <= most ? (double)whole : NAN;
}

/* The value of a text for this parameter; NaN if the text is not one of its values. */
static double read_value(const struct sower_parameter *parameter, const char *text, size_t length)
{
    int64_t whole;
    double real;
    switch (parameter->kind) {
    case SOWER_PARAMETER_REAL:
        if ((length == 3 && memcmp(text, "inf", 3) == 0) || (length == 4 && memcmp(text, "+inf", 4) == 0)) {
            return INFINITY;
        }
        if (length == 4 && memcmp(text, "-inf", 4) == 0) {
            return -INFINITY;
        }
        return sower_text_real(text, length, &real) ? real : NAN;
    case SOWER_PARAMETER_INTEGER:
        return sower_text_integer(text, length, &whole) ? exactly(whole) : NAN;
    case SOWER_PARAMETER_BOOLEAN:
        if (length == 5 && memcmp(text, "false", 5) == 0) {
            return 0;
        }
        return length == 4 && memcmp(text, "true", 4) == 0 ? 1 : NAN;
    case SOWER_PARAMETER_CHOICE:
        for (int i = 0; parameter->choices[i] != NULL; i++) {
            if (strlen(parameter->choices[i]) == length && memcmp(parameter->choices[i], text, length) == 0) {
                return i;
            }
        }
        return NAN;
    }
    return NAN;
}

static bool set_text(struct building *building, int index, const char *text, size_t length)
{
    double value = read_value(&building->signature.parameters[index], text, length);
    if (isnan(value)) {
        char quote[SOWER_QUOTE_SIZE];
        sower_text_quote(text, length, quote);
        return refuse_value(building, index, quote);
    }
    return set_value(building, index, value);
}

/* Refuses a required parameter that is not given. */
static bool finish(struct building *building)
{
    const struct sower_signature *signature = &building->signature;
    for (int i = 0; signature->parameters[i].name != NULL; i++) {
        const struct sower_parameter *parameter = &signature->parameters[i];
        if (!building->set[i] && parameter->required) {
            char domain[160];
            sower_catalogue_domain(parameter, domain, sizeof domain);
            return sower_problem_set(building->problem, SOWER_PROBLEM_INVALID, "init",
                                     "%s needs the parameter %s (%s): %s. For example: %s.", signature->name,
                                     parameter->name, parameter->meaning, domain, signature->entry->example);
        }
    }
    return true;
}

/* The text form: a cursor over it. */
struct cursor {
    const char *text;
    size_t length;
    size_t at;
};

static void skip_spaces(struct cursor *cursor)
{
    while (cursor->at < cursor->length && cursor->text[cursor->at] == ' ') {
        cursor->at++;
    }
}

/* Takes the character if it is next, after spaces. */
static bool take(struct cursor *cursor, char character)
{
    skip_spaces(cursor);
    if (cursor->at < cursor->length && cursor->text[cursor->at] == character) {
        cursor->at++;
        return true;
    }
    return false;
}

static bool is_letter(char character)
{
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           character == '_';
}

/* Takes a name or number: everything up to the next space, parenthesis, comma or equals sign. The caller
 * checks its meaning. */
static size_t take_word(struct cursor *cursor, const char **word)
{
    skip_spaces(cursor);
    *word = cursor->text + cursor->at;
    size_t length = 0;
    while (cursor->at < cursor->length && strchr(" (),=", cursor->text[cursor->at]) == NULL) {
        cursor->at++;
        length++;
    }
    return length;
}

/* Refuses the next text and says what is expected there. */
static bool refuse_here(const struct cursor *cursor, const char *expected, struct sower_problem *problem)
{
    char quote[SOWER_QUOTE_SIZE] = "the end";
    if (cursor->at < cursor->length) {
        sower_text_quote(cursor->text + cursor->at, cursor->length - cursor->at, quote);
    }
    return sower_problem_set(
        problem, SOWER_PROBLEM_INVALID, "init",
        "At byte %zu of the expression is %s; expected %s, as in normal(mean=0,std=0.02).", cursor->at, quote,
        expected);
}

/* One argument; `position` is the index that it fills if it has no name, or negative after a named one. */
static bool parse_argument(struct building *building, struct cursor *cursor, int *position)
{
    const struct sower_signature *signature = &building->signature;
    const char *word;
    size_t length = take_word(cursor, &word);
    if (length == 0) {
        return refuse_here(cursor, "a parameter or a value", building->problem);
    }
    if (take(cursor, '=')) {
        *position = -1;
        int index = find_parameter(building, word, length);
        if (index < 0) {
            return false;
        }
        length = take_word(cursor, &word);
        return length == 0 ? refuse_here(cursor, "a value", building->problem)
                           : set_text(building, index, word, length);
    }
    char quote[SOWER_QUOTE_SIZE];
    sower_text_quote(word, length, quote);
    if (*position < 0) {
        return sower_problem_set(building->problem, SOWER_PROBLEM_INVALID, "init",
                                 "The value %s comes after a named parameter, so it needs a name as well.",
                                 quote);
    }
    if (signature->parameters[*position].name == NULL) {
        return sower_problem_set(building->problem, SOWER_PROBLEM_INVALID, "init",
                                 "The value %s is one too many: %s has %d parameters.", quote,
                                 signature->name, *position);
    }
    return set_text(building, (*position)++, word, length);
}

static bool parse_arguments(struct building *building, struct cursor *cursor)
{
    int position = 0;
    if (take(cursor, ')')) {
        return true;
    }
    do {
        if (!parse_argument(building, cursor, &position)) {
            return false;
        }
    } while (take(cursor, ','));
    return take(cursor, ')') || refuse_here(cursor, "a comma or a closing parenthesis", building->problem);
}

static bool parse(const char *text, size_t length, struct sower_initializer *initializer,
                  struct sower_problem *problem)
{
    struct building building = {.initializer = initializer, .problem = problem};
    struct cursor cursor = {.text = text, .length = length};
    *initializer = (struct sower_initializer){0};
    if (length > SOWER_EXPRESSION_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "init",
                                 "The expression has %zu bytes; at most %d are allowed.", length,
                                 SOWER_EXPRESSION_MAX);
    }
    if (memchr(text, '\0', length) != NULL) {
        return refuse(problem, "The expression contains a NUL byte; it must be plain text.");
    }
    const char *name;
    size_t name_length = take_word(&cursor, &name);
    if (name_length == 0 || !is_letter(name[0])) {
        cursor.at = (size_t)(name - text);
        return refuse_here(&cursor, "the name of an initializer", problem);
    }
    if (!begin(&building, name, name_length)) {
        return false;
    }
    if (take(&cursor, '(') && !parse_arguments(&building, &cursor)) {
        return false;
    }
    skip_spaces(&cursor);
    if (cursor.at < length) {
        return refuse_here(&cursor, "the end", problem);
    }
    return finish(&building);
}

bool sower_expression_parse(const char *text, size_t length, struct sower_initializer *initializer,
                            struct sower_problem *problem)
{
    const struct sower_environment found = sower_environment_enter();
    bool good = parse(text, length, initializer, problem);
    sower_environment_leave(&found);
    return good;
}

/* A parameter's value in the object form: numbers and booleans as such; choices and infinities as strings. */
static bool set_json(struct building *building, int index, const json_t *value)
{
    const struct sower_parameter *parameter = &building->signature.parameters[index];
    if (json_is_number(value) && parameter->kind == SOWER_PARAMETER_REAL) {
        return set_value(building, index, json_number_value(value));
    }
    if (json_is_integer(value) && parameter->kind == SOWER_PARAMETER_INTEGER &&
        !isnan(exactly(json_integer_value(value)))) {
        return set_value(building, index, exactly(json_integer_value(value)));
    }
    if (json_is_boolean(value) && parameter->kind == SOWER_PARAMETER_BOOLEAN) {
        return set_value(building, index, json_is_true(value) ? 1 : 0);
    }
    if (json_is_string(value)) {
        const char *text = json_string_value(value);
        bool infinite = strcmp(text, "inf") == 0 || strcmp(text, "-inf") == 0;
        if (parameter->kind == SOWER_PARAMETER_CHOICE ||
            (parameter->kind == SOWER_PARAMETER_REAL && infinite)) {
            return set_text(building, index, text, json_string_length(value));
        }
    }
    char quote[SOWER_QUOTE_SIZE];
    sower_text_quote_json(value, quote);
    return refuse_value(building, index, quote);
}

static bool from_json(const json_t *object, struct sower_initializer *initializer,
                      struct sower_problem *problem)
{
    struct building building = {.initializer = initializer, .problem = problem};
    *initializer = (struct sower_initializer){0};
    const json_t *type = json_object_get(object, "type");
    if (!json_is_string(type)) {
        return refuse(problem, "An initializer given as an object needs its name in \"type\", as in "
                               "{\"type\":\"normal\",\"std\":0.02}.");
    }
    if (!begin(&building, json_string_value(type), json_string_length(type))) {
        return false;
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        if (strcmp(key, "type") == 0) {
            continue;
        }
        int index = find_parameter(&building, key, strlen(key));
        if (index < 0 || !set_json(&building, index, value)) {
            return false;
        }
    }
    return finish(&building);
}

bool sower_expression_from_json(const json_t *object, struct sower_initializer *initializer,
                                struct sower_problem *problem)
{
    const struct sower_environment found = sower_environment_enter();
    bool good = from_json(object, initializer, problem);
    sower_environment_leave(&found);
    return good;
}

static void print_value(const struct sower_parameter *parameter, double value, char text[SOWER_REAL_SIZE])
{
    switch (parameter->kind) {
    case SOWER_PARAMETER_REAL:
        sower_text_print_real(value, text);
        return;
    case SOWER_PARAMETER_INTEGER:
        snprintf(text, SOWER_REAL_SIZE, "%.0f", value);
        return;
    case SOWER_PARAMETER_BOOLEAN:
        snprintf(text, SOWER_REAL_SIZE, "%s", value != 0 ? "true" : "false");
        return;
    case SOWER_PARAMETER_CHOICE:
        snprintf(text, SOWER_REAL_SIZE, "%s", parameter->choices[(size_t)value]);
        return;
    }
}

static bool print(const struct sower_initializer *initializer, char *text, size_t size)
{
    const struct sower_parameter *parameters = initializer->entry->parameters;
    int written = snprintf(text, size, "%s", initializer->entry->name);
    size_t length = (size_t)written, count = 0;
    for (size_t i = 0; parameters[i].name != NULL; i++) {
        char value[SOWER_REAL_SIZE];
        if (!sower_catalogue_is_written(&parameters[i], initializer->values[i])) {
            continue;
        }
        print_value(&parameters[i], initializer->values[i], value);
        if (length >= size) {
            return false;
        }
        written = snprintf(text + length, size - length, "%c%s=%s", count++ == 0 ? '(' : ',',
                           parameters[i].name, value);
        length += (size_t)written;
    }
    if (count > 0 && length < size) {
        written = snprintf(text + length, size - length, ")");
        length += (size_t)written;
    }
    return length < size;
}

bool sower_expression_print(const struct sower_initializer *initializer, char *text, size_t size)
{
    const struct sower_environment found = sower_environment_enter();
    bool fits = print(initializer, text, size);
    sower_environment_leave(&found);
    return fits;
}
