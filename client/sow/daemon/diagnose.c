#include "client/sow/daemon/diagnose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client/sow/daemon/reach.h"

enum { PROBE_SECONDS = 3, TLS_ALERT = 0x15, BAD_REQUEST = 400 };

static const char HTTP[] = "http://", HTTPS[] = "https://";

static size_t ignore(char *bytes, size_t unit, size_t count, void *context)
{
    (void)bytes, (void)unit, (void)context;
    return count;
}

/* Whether the server speaks HTTP under this URL, or at least TLS: it may want a client certificate. Its own certificate is
 * not checked: only the protocol matters here. */
static bool speaks(const struct options *options, const char *url)
{
    CURL *curl = curl_easy_init();
    long status = 0;
    curl_off_t handshake = 0; /* microseconds until the end of a complete handshake */
    CURLcode code = curl == NULL ? CURLE_OUT_OF_MEMORY : reach_set(curl, options, url, NULL);
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_NOBODY, 1L) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)PROBE_SECONDS) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L) : code;
    if (code == CURLE_OK && curl_easy_perform(curl) == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    if (code == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_APPCONNECT_TIME_T, &handshake);
    }
    curl_easy_cleanup(curl);
    return status > 0 || handshake > 0;
}

/* Whether the server of the response also responds when `other` replaces `scheme` in its address. */
static bool responds_to_scheme(const struct options *options, const struct http_response *response,
                               const char *scheme, const char *other)
{
    char url[ADDRESS_SIZE + 32];
    if (strncmp(response->address, scheme, strlen(scheme)) != 0) {
        return false;
    }
    snprintf(url, sizeof url, "%s%s/healthz", other, response->address + strlen(scheme));
    return speaks(options, url);
}

/* A server with TLS that gets plain HTTP may respond with status 400 and an HTML page. */
static bool is_bad_request_page(const struct http_response *response)
{
    return response->end == HTTP_REFUSED && response->status == BAD_REQUEST &&
           strncasecmp(response->fields[HTTP_TYPE], "application/", strlen("application/")) != 0;
}

/* Whether the exchange may have failed because only one of the two sides speaks TLS. */
static bool may_be_wrong_scheme(const struct http_response *response)
{
    if (response->end != HTTP_FAILED || response->status != 0) {
        return false;
    }
    return response->cause == HTTP_CAUSE_NOT_HTTP
               ? response->explanation[0] == TLS_ALERT
               : response->cause == HTTP_CAUSE_CONNECTION_LOST || response->cause == HTTP_CAUSE_OTHER;
}

void diagnose(const struct options *options, struct http_response *response)
{
    bool failed = may_be_wrong_scheme(response);
    if (response->proxied || (!failed && !is_bad_request_page(response))) {
        return;
    }
    if (responds_to_scheme(options, response, HTTP, HTTPS)) {
        response->cause = HTTP_CAUSE_SPEAKS_TLS;
    } else if (failed && responds_to_scheme(options, response, HTTPS, HTTP)) {
        response->cause = HTTP_CAUSE_SPEAKS_HTTP;
    }
}
