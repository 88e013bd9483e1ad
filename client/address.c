#include "address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

static const char DEFAULT_SERVER[] = "http://127.0.0.1:7697";

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

char *address_of_question(const char *base, const char *path, const struct sower_pair *pairs, size_t count)
{
    char *address = address_join(strdup(base), path);
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

char *address_of_server(const struct options *options, char shown[ADDRESS_SIZE])
{
    const char *server = server_of(options);
    char *part = NULL, *base = NULL;
    CURLU *url = curl_url();
    snprintf(shown, ADDRESS_SIZE, "%s", server);
    if (url == NULL || curl_url_set(url, CURLUPART_URL, server, CURLU_GUESS_SCHEME) != CURLUE_OK) {
        goto out;
    }
    if (curl_url_get(url, CURLUPART_QUERY, &part, 0) != CURLUE_NO_QUERY ||
        curl_url_get(url, CURLUPART_FRAGMENT, &part, 0) != CURLUE_NO_FRAGMENT) {
        goto out;
    }
    if (curl_url_get(url, CURLUPART_URL, &part, 0) != CURLUE_OK) {
        goto out;
    }
    drop_last_slashes(part);
    base = strdup(part);
    curl_free(part);
    part = NULL;
    curl_url_set(url, CURLUPART_USER, NULL, 0);
    curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
    if (curl_url_get(url, CURLUPART_URL, &part, 0) == CURLUE_OK) {
        drop_last_slashes(part);
        snprintf(shown, ADDRESS_SIZE, "%s", part);
    }
out:
    curl_free(part);
    curl_url_cleanup(url);
    return base;
}
