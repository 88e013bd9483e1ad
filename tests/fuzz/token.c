/* Lines of the file of tokens, and tokens. Oracles: a line that was read, written again from what was read, reads the same;
 * a token that was read is printed as the same text. */
#include "proto/token.h"
#include "tests/fuzz/fuzz.h"

static void check_token(const char *text, size_t length)
{
    uint8_t secret[SOWER_TOKEN_SIZE];
    char printed[SOWER_TOKEN_TEXT_LENGTH + 1];
    if (sower_token_parse(text, length, secret)) {
        sower_token_print(secret, printed);
        MUST(length == SOWER_TOKEN_TEXT_LENGTH && memcmp(printed, text, length) == 0);
    }
}

/* Writes a line that means what the token says; every byte of a pattern escaped. */
static char *print_line(const struct sower_token *token)
{
    char *text = NULL, scopes[SOWER_SCOPES_SIZE];
    size_t size;
    FILE *file = open_memstream(&text, &size);
    MUST(file != NULL);
    fprintf(file, "%s ", token->name);
    for (size_t i = 0; i < sizeof token->hash; i++) {
        fprintf(file, "%02x", token->hash[i]);
    }
    sower_scopes_print(token->scopes, ",", ",", scopes);
    fprintf(file, " %s ", scopes);
    for (size_t i = 0; i < token->pattern_count; i++) {
        const struct sower_pattern *pattern = &token->patterns[i];
        fputs(i > 0 ? "," : "", file);
        for (size_t j = 0; j < pattern->length; j++) {
            fprintf(file, "%%%02X", (uint8_t)pattern->text[j]);
        }
        fputs(pattern->open ? "*" : "", file);
    }
    if (token->lines_max > 0) {
        fprintf(file, " lines=%llu", (unsigned long long)token->lines_max);
    }
    if (token->lines_per_second > 0) {
        fprintf(file, "\tlines/s=%llu", (unsigned long long)token->lines_per_second);
    }
    MUST(fclose(file) == 0);
    return text;
}

static void check_same(const struct sower_token *one, const struct sower_token *other)
{
    MUST(strcmp(one->name, other->name) == 0 && memcmp(one->hash, other->hash, sizeof one->hash) == 0);
    MUST(one->scopes == other->scopes && one->all_experiments == other->all_experiments);
    MUST(one->lines_max == other->lines_max && one->lines_per_second == other->lines_per_second);
    MUST(one->pattern_count == other->pattern_count);
    for (size_t i = 0; i < one->pattern_count; i++) {
        const struct sower_pattern *a = &one->patterns[i], *b = &other->patterns[i];
        MUST(a->length == b->length && a->open == b->open && memcmp(a->text, b->text, a->length) == 0);
    }
}

static void check_line(char *line)
{
    struct sower_token token, again;
    struct sower_problem problem;
    if (sower_token_line_read(line, &token, &problem)) {
        char *text = print_line(&token);
        MUST(sower_token_line_read(text, &again, &problem));
        check_same(&token, &again);
        sower_token_free(&again);
        free(text);
    } else {
        check_refusal(&problem);
    }
    sower_token_free(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *line = malloc(size + 1);
    MUST(line != NULL);
    memcpy(line, bytes, size);
    line[size] = '\0';
    check_token(line, size);
    line[strcspn(line, "\n")] = '\0';
    check_line(line);
    free(line);
    return 0;
}
