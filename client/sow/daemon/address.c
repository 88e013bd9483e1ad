#include "client/sow/daemon/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <curl/curl.h>

static const char DEFAULT_SERVER[] = "http://127.0.0.1:7697", UNIX[] = "unix:";
enum { SOCKET_PATH_MAX = sizeof((struct sockaddr_un *)NULL)->sun_path - 1 };

char *address_join(char *text, const char *more)
{
    if (text == NULL || more == NULL) {
        free(text);
        return NULL;
    }
    char *longer = realloc(text, strlen(text) + strlen(more) + 1);
    if (longer == NULL) {
        free(text);
        return NULL;
    }
    return strcat(longer, more);
}

static char *join_escaped(char *text, const char *bytes, size_t length)
{
    char *escaped = length == 0 ? curl_easy_escape(NULL, "", 0) : curl_easy_escape(NULL, bytes, (int)length);
    text = address_join(text, escaped);
    curl_free(escaped);
    return text;
}

const char *address_socket(const char *base)
{
    return strncmp(base, UNIX, sizeof UNIX - 1) == 0 ? base + sizeof UNIX - 1 : NULL;
}

char *address_of_request(const char *base, const char *path, const struct sower_pair *pairs, size_t count)
{
    char *address = address_join(strdup(address_socket(base) != NULL ? "http://localhost" : base), path);
    for (size_t i = 0; i < count; i++) {
        address = address_join(address, i == 0 ? "?" : "&");
        address = join_escaped(address, pairs[i].key, pairs[i].key_length);
        address = address_join(address, "=");
        address = join_escaped(address, pairs[i].value, pairs[i].value_length);
    }
    return address;
}

static const char *server_of(const struct options *options)
{
    const char *server = options_value(options, "server");
    if (server == NULL) {
        server = getenv("SOW_SERVER");
    }
    return server != NULL && *server != '\0' ? server : DEFAULT_SERVER;
}

static void drop_last_slashes(char *url)
{
    for (size_t length = strlen(url); length > 0 && url[length - 1] == '/'; length--) {
        url[length - 1] = '\0';
    }
}

/* Returns a copy of the URL. NULL with *code set when that fails. */
static char *copy_url(CURLU *url, CURLUcode *code)
{
    char *text = NULL, *copy = NULL;
    *code = curl_url_get(url, CURLUPART_URL, &text, 0);
    if (*code == CURLUE_OK) {
        drop_last_slashes(text);
        copy = strdup(text);
        *code = copy == NULL ? CURLUE_OUT_OF_MEMORY : CURLUE_OK;
    }
    curl_free(text);
    return copy;
}

/* CURLUE_OK when the URL has neither a query nor a fragment. */
static CURLUcode check_no_query(CURLU *url)
{
    char *part = NULL;
    CURLUcode code = curl_url_get(url, CURLUPART_QUERY, &part, 0);
    if (code == CURLUE_NO_QUERY) {
        code = curl_url_get(url, CURLUPART_FRAGMENT, &part, 0);
    }
    curl_free(part);
    return code == CURLUE_NO_FRAGMENT ? CURLUE_OK : code == CURLUE_OK ? CURLUE_BAD_QUERY : code;
}

/* Writes the form for messages: the URL without user and password. */
static CURLUcode print_shown(CURLU *url, char shown[ADDRESS_SIZE])
{
    CURLUcode code = curl_url_set(url, CURLUPART_USER, NULL, 0);
    code = code == CURLUE_OK ? curl_url_set(url, CURLUPART_PASSWORD, NULL, 0) : code;
    char *plain = code == CURLUE_OK ? copy_url(url, &code) : NULL;
    snprintf(shown, ADDRESS_SIZE, "%s", plain != NULL ? plain : "the daemon");
    free(plain);
    return code;
}

/* The address of a daemon on a Unix socket. */
static bool copy_socket(const char *server, char **base)
{
    const char *path = address_socket(server);
    const bool valid = *path != '\0' && strlen(path) <= SOCKET_PATH_MAX;
    *base = valid ? strdup(server) : NULL;
    return !valid || *base != NULL;
}

bool address_of_server(const struct options *options, char **base, char shown[ADDRESS_SIZE])
{
    const char *server = server_of(options);
    if (address_socket(server) != NULL) {
        snprintf(shown, ADDRESS_SIZE, "%s", server);
        return copy_socket(server, base);
    }
    CURLU *url = curl_url();
    CURLUcode code = CURLUE_OUT_OF_MEMORY;
    *base = NULL;
    snprintf(shown, ADDRESS_SIZE, "%s", server);
    if (url != NULL) {
        code = curl_url_set(url, CURLUPART_URL, server, CURLU_GUESS_SCHEME);
        code = code == CURLUE_OK ? check_no_query(url) : code;
    }
    if (code == CURLUE_OK) {
        *base = copy_url(url, &code);
    }
    if (code == CURLUE_OK) {
        code = print_shown(url, shown);
    }
    curl_url_cleanup(url);
    if (code != CURLUE_OK) {
        free(*base);
        *base = NULL;
    }
    return code != CURLUE_OUT_OF_MEMORY;
}
