#include "client/sow/daemon/token.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <sodium.h>

#include "client/sow/daemon/address.h"
#include "proto/secret_file.h"

enum { CONFIG_MAX = 64 * 1024 };

static bool copy_token(const char *found, size_t length, const char *path,
                       char text[SOWER_TOKEN_TEXT_LENGTH + 1], struct sower_problem *problem)
{
    uint8_t secret[SOWER_TOKEN_SIZE];
    bool valid = sower_token_parse(found, length, secret);
    sodium_memzero(secret, sizeof secret);
    if (valid) {
        memcpy(text, found, length);
        text[length] = '\0';
    }
    return valid ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "token_file",
                             "%s does not have a token; a token is \"sower_\" and 43 characters.", path);
}

/* A file with nothing but a token. */
static bool read_token(const char *path, char text[SOWER_TOKEN_TEXT_LENGTH + 1],
                       struct sower_problem *problem)
{
    char content[SOWER_TOKEN_TEXT_LENGTH + 3]; /* a line end, and one byte more */
    size_t size;
    bool read = sower_secret_file_read(path, "The token file", "token_file", content, sizeof content - 1,
                                       &size, problem);
    while (read && size > 0 && strchr("\r\n", content[size - 1]) != NULL) {
        size--;
    }
    read = read && copy_token(content, size, path, text, problem);
    sodium_memzero(content, sizeof content);
    return read;
}

/* ~/.config/sow/tokens; false if there is no such path. */
static bool config_path(char path[PATH_MAX])
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int length = -1;
    if (config != NULL && config[0] == '/') {
        length = snprintf(path, PATH_MAX, "%s/sow/tokens", config);
    } else if (home != NULL && home[0] == '/') {
        length = snprintf(path, PATH_MAX, "%s/.config/sow/tokens", home);
    }
    return length > 0 && length < PATH_MAX;
}

/* Finds the line "ADDRESS TOKEN" of this daemon. An address may end in a slash. */
static bool find_line(char *lines, const char *base, const char *path, char text[SOWER_TOKEN_TEXT_LENGTH + 1],
                      struct sower_problem *problem)
{
    char *rest = NULL;
    for (char *line = strtok_r(lines, "\r\n", &rest); line != NULL; line = strtok_r(NULL, "\r\n", &rest)) {
        size_t length = strcspn(line, " \t");
        const char *token = line + length + strspn(line + length, " \t");
        while (length > 0 && line[length - 1] == '/') {
            length--;
        }
        if (line[0] != '#' && length == strlen(base) && memcmp(line, base, length) == 0) {
            return copy_token(token, strcspn(token, " \t"), path, text, problem);
        }
    }
    return true;
}

static bool read_config(const char *base, char text[SOWER_TOKEN_TEXT_LENGTH + 1],
                        struct sower_problem *problem)
{
    char path[PATH_MAX];
    size_t size;
    if (!config_path(path) || access(path, F_OK) != 0) {
        return true;
    }
    char *content = malloc(CONFIG_MAX + 1);
    if (content == NULL) {
        return sower_problem_memory(problem);
    }
    bool read =
        sower_secret_file_read(path, "The file of tokens", "token_file", content, CONFIG_MAX, &size, problem);
    if (read && size > CONFIG_MAX) {
        read = sower_problem_set(problem, SOWER_PROBLEM_INVALID, "token_file", "%s has more than %d bytes.",
                                 path, CONFIG_MAX);
    }
    if (read) {
        content[size] = '\0';
        read = find_line(content, base, path, text, problem);
    }
    sodium_memzero(content, CONFIG_MAX + 1);
    free(content);
    return read;
}

static bool is_loopback(const char *host)
{
    const size_t length = strlen(host);
    static const char local[] = ".localhost";
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 || strncmp(host, "127.", 4) == 0 ||
           (length >= sizeof local && strcmp(host + length - (sizeof local - 1), local) == 0);
}

/* Whether nobody else can read what is sent to the daemon. */
static bool is_confidential(const char *base)
{
    char *scheme = NULL, *host = NULL;
    CURLU *url = curl_url();
    bool good = address_socket(base) != NULL ||
                (url != NULL && curl_url_set(url, CURLUPART_URL, base, 0) == CURLUE_OK &&
                 curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                 curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                 (strcmp(scheme, "https") == 0 || is_loopback(host)));
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(url);
    return good;
}

bool token_find(const struct options *options, const char *base, char text[SOWER_TOKEN_TEXT_LENGTH + 1],
                struct sower_problem *problem)
{
    const char *file = options_value(options, "token-file"), *variable = getenv("SOW_TOKEN_FILE");
    text[0] = '\0';
    if (file == NULL && variable != NULL && variable[0] != '\0') {
        file = variable;
    }
    if (file != NULL ? !read_token(file, text, problem) : !read_config(base, text, problem)) {
        return false;
    }
    return text[0] == '\0' || is_confidential(base) ||
           sower_problem_set(
               problem, SOWER_PROBLEM_INVALID, "token_file",
               "The token would be sent unencrypted, where others can read it. Use https://, or an address "
               "of this machine.");
}
