#include "proto/token.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "proto/text.h"

static const char PREFIX[] = "sower_";

enum { PREFIX_LENGTH = sizeof PREFIX - 1, VARIANT = sodium_base64_VARIANT_URLSAFE_NO_PADDING };

static const struct {
    enum sower_scope scope;
    const char *name;
} SCOPES[] = {
    {SOWER_SCOPE_PLAN, "plan"},       {SOWER_SCOPE_DRAW, "draw"}, {SOWER_SCOPE_TRIALS, "trials"},
    {SOWER_SCOPE_PIN, "pin"},         {SOWER_SCOPE_READ, "read"}, {SOWER_SCOPE_EXPORT, "export"},
    {SOWER_SCOPE_METRICS, "metrics"},
};

enum { SCOPE_COUNT = sizeof SCOPES / sizeof SCOPES[0] };

void sower_token_print(const uint8_t secret[SOWER_TOKEN_SIZE], char text[SOWER_TOKEN_TEXT_LENGTH + 1])
{
    _Static_assert(PREFIX_LENGTH + sodium_base64_ENCODED_LEN(SOWER_TOKEN_SIZE, VARIANT) - 1 ==
                       SOWER_TOKEN_TEXT_LENGTH,
                   "the prefix and 43 characters");
    memcpy(text, PREFIX, PREFIX_LENGTH);
    sodium_bin2base64(text + PREFIX_LENGTH, SOWER_TOKEN_TEXT_LENGTH + 1 - PREFIX_LENGTH, secret,
                      SOWER_TOKEN_SIZE, VARIANT);
}

/* libsodium (1.0.18) takes some bytes beyond ASCII for letters; so the text must be the one that the secret prints. */
bool sower_token_parse(const char *text, size_t length, uint8_t secret[SOWER_TOKEN_SIZE])
{
    char printed[SOWER_TOKEN_TEXT_LENGTH + 1];
    size_t size = 0;
    if (length != SOWER_TOKEN_TEXT_LENGTH ||
        sodium_base642bin(secret, SOWER_TOKEN_SIZE, text + PREFIX_LENGTH, length - PREFIX_LENGTH, NULL, &size,
                          NULL, VARIANT) != 0 ||
        size != SOWER_TOKEN_SIZE) {
        return false;
    }
    sower_token_print(secret, printed);
    bool same = memcmp(printed, text, length) == 0;
    sodium_memzero(printed, sizeof printed);
    return same;
}

void sower_token_hash(const uint8_t secret[SOWER_TOKEN_SIZE], uint8_t hash[SOWER_TOKEN_HASH_SIZE])
{
    crypto_generichash(hash, SOWER_TOKEN_HASH_SIZE, secret, SOWER_TOKEN_SIZE, NULL, 0);
}

static void append(char text[SOWER_SCOPES_SIZE], const char *more)
{
    strncat(text, more, SOWER_SCOPES_SIZE - 1 - strlen(text));
}

void sower_scopes_print(unsigned scopes, const char *between, const char *last, char text[SOWER_SCOPES_SIZE])
{
    text[0] = '\0';
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        const unsigned scope = SCOPES[i].scope;
        if ((scopes & scope) != 0) {
            append(text, text[0] == '\0' ? "" : scopes < 2 * scope ? last : between);
            append(text, SCOPES[i].name);
        }
    }
}

static unsigned find_scope(const char *word, size_t length)
{
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        if (strlen(SCOPES[i].name) == length && memcmp(SCOPES[i].name, word, length) == 0) {
            return SCOPES[i].scope;
        }
    }
    return 0;
}

bool sower_scopes_parse(const char *text, size_t length, unsigned *scopes, struct sower_problem *problem)
{
    char names[SOWER_SCOPES_SIZE];
    *scopes = 0;
    for (const char *word = text, *end = text + length;;) {
        const char *comma = memchr(word, ',', (size_t)(end - word));
        const size_t size = (size_t)((comma != NULL ? comma : end) - word);
        const unsigned scope = find_scope(word, size);
        if (scope == 0) {
            sower_scopes_print(SOWER_SCOPE_ANY, ", ", " and ", names);
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "scopes",
                                     "\"%.*s\" is not a scope; there are %s, separated by commas.",
                                     (int)(size < 64 ? size : 64), word, names);
        }
        *scopes |= scope;
        if (comma == NULL) {
            return true;
        }
        word = comma + 1;
    }
}

static bool is_name_byte(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (!first && (c == '.' || c == '_' || c == '-'));
}

bool sower_token_name_check(const char *name, size_t length, struct sower_problem *problem)
{
    bool well = length >= 1 && length <= SOWER_TOKEN_NAME_MAX;
    for (size_t i = 0; well && i < length; i++) {
        well = is_name_byte(name[i], i == 0);
    }
    return well || sower_problem_set(
                       problem, SOWER_PROBLEM_INVALID, "name",
                       "A token's name has 1 to %d of a-z, 0-9, \".\", \"_\" and \"-\", and begins with a "
                       "letter or a digit.",
                       SOWER_TOKEN_NAME_MAX);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Decodes a pattern in place: what is between two commas. */
static bool read_pattern(char *text, size_t length, struct sower_pattern *pattern,
                         struct sower_problem *problem)
{
    size_t size = 0;
    *pattern = (struct sower_pattern){.text = text};
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '*') {
            pattern->open = i + 1 == length;
            if (pattern->open) {
                break;
            }
            return sower_problem_set(
                problem, SOWER_PROBLEM_INVALID, "experiments",
                "\"*\" may only be the end of a pattern: team-a/*. Write %%2A if a name has one.");
        }
        if (c == '%') {
            const int high = i + 2 < length ? hex_digit(text[i + 1]) : -1,
                      low = high >= 0 ? hex_digit(text[i + 2]) : -1;
            if (low < 0 || (high == 0 && low == 0)) {
                return sower_problem_set(
                    problem, SOWER_PROBLEM_INVALID, "experiments",
                    "After \"%%\" a pattern has two hex digits, which are not 00: %%20 is a space.");
            }
            c = (char)(16 * high + low);
            i += 2;
        }
        text[size++] = c;
    }
    pattern->length = size;
    return size > 0 || pattern->open ||
           sower_problem_set(
               problem, SOWER_PROBLEM_INVALID, "experiments",
               "A pattern is empty; it is a name, the beginning of a name and \"*\", or \"*\".");
}

static bool read_patterns(char *text, struct sower_token *token, struct sower_problem *problem)
{
    token->patterns = calloc(SOWER_TOKEN_PATTERNS_MAX, sizeof *token->patterns);
    if (token->patterns == NULL) {
        return sower_problem_memory(problem);
    }
    for (;;) {
        const size_t length = strcspn(text, ",");
        const bool last = text[length] == '\0';
        if (token->pattern_count == SOWER_TOKEN_PATTERNS_MAX) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "experiments",
                                     "A token has at most %d patterns of experiments.",
                                     SOWER_TOKEN_PATTERNS_MAX);
        }
        struct sower_pattern *pattern = &token->patterns[token->pattern_count++];
        if (!read_pattern(text, length, pattern, problem)) {
            return false;
        }
        token->all_experiments = token->all_experiments || (pattern->open && pattern->length == 0);
        if (last) {
            return true;
        }
        text += length + 1;
    }
}

/* "lines=1000" or "lines/s=10" */
static bool read_limit(const char *text, struct sower_token *token, struct sower_problem *problem)
{
    const char *equals = strchr(text, '=');
    const size_t length = equals != NULL ? (size_t)(equals - text) : 0;
    const bool in_all = length == 5 && memcmp(text, "lines", 5) == 0;
    const bool a_second = length == 7 && memcmp(text, "lines/s", 7) == 0;
    int64_t number = 0;
    if ((!in_all && !a_second) || !sower_text_integer(equals + 1, strlen(equals + 1), &number) ||
        number < 1) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "limit",
            "\"%.64s\" is not a limit; there are lines/s=N and lines=N, with a number from 1 on.", text);
    }
    *(in_all ? &token->lines_max : &token->lines_per_second) = (uint64_t)number;
    return true;
}

/* The next word of a line, which ends it with a NUL; NULL: none. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \t");
    const size_t length = strcspn(word, " \t");
    *rest = word + length + (word[length] != '\0');
    word[length] = '\0';
    return length > 0 ? word : NULL;
}

static bool read_hash(const char *text, struct sower_token *token, struct sower_problem *problem)
{
    size_t size = 0;
    return (strlen(text) == 2 * SOWER_TOKEN_HASH_SIZE &&
            sodium_hex2bin(token->hash, sizeof token->hash, text, strlen(text), NULL, &size, NULL) == 0 &&
            size == sizeof token->hash) ||
           sower_problem_set(
               problem, SOWER_PROBLEM_INVALID, "hash",
               "The second word must be the hash of a token, 64 hex digits; sow token new prints a line.");
}

bool sower_token_line_read(char *line, struct sower_token *token, struct sower_problem *problem)
{
    *token = (struct sower_token){.scopes = 0};
    char *name = next_word(&line), *hash = next_word(&line), *scopes = next_word(&line),
         *patterns = next_word(&line);
    if (patterns == NULL) {
        return sower_problem_set(
            problem, SOWER_PROBLEM_INVALID, "",
            "A line is NAME HASH SCOPES EXPERIMENTS [lines/s=N] [lines=N]; sow token new prints one.");
    }
    if (!sower_token_name_check(name, strlen(name), problem) || !read_hash(hash, token, problem) ||
        !sower_scopes_parse(scopes, strlen(scopes), &token->scopes, problem) ||
        !read_patterns(patterns, token, problem)) {
        return false;
    }
    memcpy(token->name, name, strlen(name) + 1);
    for (char *limit; (limit = next_word(&line)) != NULL;) {
        if (!read_limit(limit, token, problem)) {
            return false;
        }
    }
    return true;
}

void sower_token_free(struct sower_token *token)
{
    free(token->patterns);
    token->patterns = NULL;
}

bool sower_patterns_check(const char *patterns, struct sower_problem *problem)
{
    struct sower_token token = {.scopes = 0};
    if (strlen(patterns) > SOWER_TOKEN_LINE_MAX / 2 || strpbrk(patterns, " \t\r\n") != NULL) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "experiments",
                                 "Patterns of experiments have no blanks (write %%20) and at most %d bytes.",
                                 SOWER_TOKEN_LINE_MAX / 2);
    }
    char *text = strdup(patterns);
    bool well = text != NULL ? read_patterns(text, &token, problem) : sower_problem_memory(problem);
    sower_token_free(&token);
    free(text);
    return well;
}

bool sower_token_may_use(const struct sower_token *token, const char *experiment)
{
    for (size_t i = 0; i < token->pattern_count; i++) {
        const struct sower_pattern *pattern = &token->patterns[i];
        if (strncmp(experiment, pattern->text, pattern->length) == 0 &&
            (pattern->open || experiment[pattern->length] == '\0')) {
            return true;
        }
    }
    return false;
}
