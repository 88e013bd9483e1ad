#include "server/access/tokens.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "proto/secret_file.h"

struct entry {
    struct sower_token token; /* comes first: sower_tokens_give gets a pointer to it */
    struct sower_token_list *list;
};

struct sower_token_list {
    _Atomic size_t users;
    char *text; /* of the file; tokens point into it */
    size_t count;
    struct entry entries[SOWER_TOKENS_MAX]; /* sorted by hash */
};

static void release(struct sower_token_list *list)
{
    if (list == NULL || --list->users > 0) {
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        sower_token_free(&list->entries[i].token);
    }
    free(list->text);
    free(list);
}

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(((const struct entry *)a)->token.hash, ((const struct entry *)b)->token.hash,
                  SOWER_TOKEN_HASH_SIZE);
}

/* Adds the token of a line, if it has one. */
static bool read_line(struct sower_token_list *list, char *line, size_t number, const char *path,
                      struct sower_problem *problem)
{
    struct sower_problem inner;
    const size_t length = strlen(line);
    if (length > 0 && line[length - 1] == '\r') {
        line[length - 1] = '\0';
    }
    if (line[strspn(line, " \t")] == '\0' || line[0] == '#') {
        return true;
    }
    if (list->count == SOWER_TOKENS_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--tokens", "%s has more than %d tokens.",
                                 path, SOWER_TOKENS_MAX);
    }
    struct entry *entry = &list->entries[list->count++];
    entry->list = list;
    return sower_token_line_read(line, &entry->token, &inner) ||
           sower_problem_set(problem, inner.code, "--tokens", "%s, line %zu: %s", path, number,
                             inner.sentence);
}

static bool read_lines(struct sower_token_list *list, const char *path, struct sower_problem *problem)
{
    size_t number = 1;
    for (char *line = list->text; line != NULL; number++) {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end = '\0';
        }
        if (!read_line(list, line, number, path, problem)) {
            return false;
        }
        line = end != NULL ? end + 1 : NULL;
    }
    qsort(list->entries, list->count, sizeof list->entries[0], compare_hashes);
    for (size_t i = 1; i < list->count; i++) {
        if (compare_hashes(&list->entries[i - 1], &list->entries[i]) == 0) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--tokens",
                                     "%s has the hash of %s twice; each token has one line.", path,
                                     list->entries[i].token.name);
        }
    }
    return true;
}

static bool read_text(struct sower_token_list *list, const char *path, struct sower_problem *problem)
{
    size_t size;
    list->text = malloc(SOWER_TOKENS_FILE_MAX + 1);
    if (list->text == NULL) {
        return sower_problem_memory(problem);
    }
    if (!sower_secret_file_read(path, "The file of tokens", "--tokens", list->text, SOWER_TOKENS_FILE_MAX,
                                &size, problem)) {
        return false;
    }
    if (size > SOWER_TOKENS_FILE_MAX || memchr(list->text, '\0', size) != NULL) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--tokens",
                                 "The file of tokens %s is not a text, or has more than %d bytes.", path,
                                 SOWER_TOKENS_FILE_MAX);
    }
    list->text[size] = '\0';
    char *fitting = realloc(list->text, size + 1);
    list->text = fitting != NULL ? fitting : list->text;
    return true;
}

static struct sower_token_list *read_list(const char *path, struct sower_problem *problem)
{
    struct sower_token_list *list = calloc(1, sizeof *list);
    if (list == NULL) {
        sower_problem_memory(problem);
        return NULL;
    }
    list->users = 1;
    if (!read_text(list, path, problem) || !read_lines(list, path, problem)) {
        release(list);
        return NULL;
    }
    return list;
}

bool sower_tokens_open(struct sower_tokens *tokens, const char *path, struct sower_problem *problem)
{
    tokens->path = path;
    tokens->list = NULL;
    pthread_mutex_init(&tokens->lock, NULL);
    if (path != NULL) {
        tokens->list = read_list(path, problem);
    }
    return path == NULL || tokens->list != NULL;
}

void sower_tokens_close(struct sower_tokens *tokens)
{
    release(tokens->list);
    tokens->list = NULL;
}

bool sower_tokens_reload(struct sower_tokens *tokens, size_t *count, struct sower_problem *problem)
{
    struct sower_token_list *list = read_list(tokens->path, problem);
    if (list == NULL) {
        return false;
    }
    *count = list->count;
    pthread_mutex_lock(&tokens->lock);
    struct sower_token_list *old = tokens->list;
    tokens->list = list;
    pthread_mutex_unlock(&tokens->lock);
    release(old);
    return true;
}

const struct sower_token *sower_tokens_take(struct sower_tokens *tokens,
                                            const uint8_t secret[SOWER_TOKEN_SIZE])
{
    struct entry wanted;
    sower_token_hash(secret, wanted.token.hash);
    pthread_mutex_lock(&tokens->lock);
    struct sower_token_list *list = tokens->list;
    const struct entry *found = bsearch(&wanted, list->entries, list->count, sizeof wanted, compare_hashes);
    list->users += found != NULL;
    pthread_mutex_unlock(&tokens->lock);
    return found != NULL ? &found->token : NULL;
}

void sower_tokens_give(const struct sower_token *token)
{
    release(((const struct entry *)token)->list);
}
