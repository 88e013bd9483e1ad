/* Expressions. Oracles: the printed form of an initializer reads back as the same initializer, bit for bit, and
 * prints the same again; so does the object form in JSON; and expanding formulas does not change a plain
 * expression. */
#include "proto/expression.h"
#include "proto/formula.h"
#include "tests/fuzz/fuzz.h"

static bool same(const struct sower_initializer *a, const struct sower_initializer *b)
{
    return a->entry == b->entry && memcmp(a->values, b->values, sizeof a->values) == 0;
}

static void print(const struct sower_initializer *initializer, char text[SOWER_EXPRESSION_MAX])
{
    MUST(sower_expression_print(initializer, text, SOWER_EXPRESSION_MAX));
}

static void check_text_form(const struct sower_initializer *initializer)
{
    struct sower_initializer again;
    struct sower_problem problem;
    char text[SOWER_EXPRESSION_MAX], text_again[SOWER_EXPRESSION_MAX];
    print(initializer, text);
    MUST(sower_expression_parse(text, strlen(text), &again, &problem) && same(&again, initializer));
    print(&again, text_again);
    MUST(strcmp(text, text_again) == 0);
}

static json_t *value_json(const struct sower_parameter *parameter, double value)
{
    switch (parameter->kind) {
    case SOWER_PARAMETER_BOOLEAN:
        return json_boolean(value != 0);
    case SOWER_PARAMETER_CHOICE:
        return json_string(parameter->choices[(size_t)value]);
    case SOWER_PARAMETER_INTEGER:
        return json_integer((json_int_t)value);
    default:
        return value - value == 0 ? json_real(value) : json_string(value > 0 ? "inf" : "-inf");
    }
}

static void check_object_form(const struct sower_initializer *initializer)
{
    struct sower_initializer again;
    struct sower_problem problem;
    json_t *object = json_pack("{s:s}", "type", initializer->entry->name);
    for (size_t i = 0; initializer->entry->parameters[i].name != NULL; i++) {
        const struct sower_parameter *parameter = &initializer->entry->parameters[i];
        json_object_set_new(object, parameter->name, value_json(parameter, initializer->values[i]));
    }
    MUST(sower_expression_from_json(object, &again, &problem) && same(&again, initializer));
    json_decref(object);
}

static bool fan(void *context, const char *name, size_t length, bool out, uint64_t *fan,
                struct sower_problem *problem)
{
    (void)context, (void)name, (void)problem;
    *fan = length + out;
    return true;
}

/* Expands the formulas; true with the plain expression. */
static bool expand(const char *text, size_t length, char plain[SOWER_EXPRESSION_MAX + 1])
{
    const struct sower_formula_terms terms = {.layers = 12, .block = 3, .fan = fan};
    struct sower_problem problem;
    bool expanded = sower_formula_expand(text, length, &terms, plain, &problem);
    if (!expanded) {
        check_refusal(&problem);
    }
    return expanded;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *text = (const char *)bytes;
    char plain[SOWER_EXPRESSION_MAX + 1];
    struct sower_initializer initializer, formula;
    struct sower_problem problem;
    bool read = sower_expression_parse(text, size, &initializer, &problem);
    bool expanded = expand(text, size, plain);
    bool formula_read = expanded && sower_expression_parse(plain, strlen(plain), &formula, &problem);
    if (!read && !formula_read) {
        check_refusal(&problem);
    }
    if (read) {
        check_text_form(&initializer);
        check_object_form(&initializer);
        MUST(formula_read && same(&initializer, &formula));
    }
    if (formula_read) {
        check_text_form(&formula);
    }
    return 0;
}
