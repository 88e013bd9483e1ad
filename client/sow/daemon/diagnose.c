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

/* Whether the server answers in HTTP under this URL. Whom the certificate names does not matter for that. */
static bool answers(const struct options *options, const char *url)
{
    CURL *curl = curl_easy_init();
    long status = 0;
    CURLcode code = curl == NULL ? CURLE_OUT_OF_MEMORY : reach_set(curl, options, url);
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_NOBODY, 1L) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)PROBE_SECONDS) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L) : code;
    if (code == CURLE_OK && curl_easy_perform(curl) == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_easy_cleanup(curl);
    return status > 0;
}

/* Whether the server of the answer answers under the other scheme. */
static bool answers_otherwise(const struct options *options, const struct http_response *answer,
                              const char *scheme, const char *other)
{
    char url[ADDRESS_SIZE + 32];
    if (strncmp(answer->address, scheme, strlen(scheme)) != 0) {
        return false;
    }
    snprintf(url, sizeof url, "%s%s/healthz", other, answer->address + strlen(scheme));
    return answers(options, url);
}

/* A complaint about a question that a TLS port got in plain HTTP comes as a page. */
static bool is_complaint(const struct http_response *answer)
{
    return answer->end == HTTP_REFUSED && answer->status == BAD_REQUEST &&
           strncasecmp(answer->fields[HTTP_TYPE], "application/", strlen("application/")) != 0;
}

/* Whether an exchange that failed may have failed because the other side speaks TLS, or does not. */
static bool is_garbled(const struct http_response *answer)
{
    if (answer->end != HTTP_FAILED || answer->status != 0) {
        return false;
    }
    return answer->cause == HTTP_CAUSE_NO_HTTP
               ? answer->explanation[0] == TLS_ALERT
               : answer->cause == HTTP_CAUSE_BROKE || answer->cause == HTTP_CAUSE_OTHER;
}

void diagnose(const struct options *options, struct http_response *answer)
{
    bool garbled = is_garbled(answer);
    if (answer->proxied || (!garbled && !is_complaint(answer))) {
        return;
    }
    if (answers_otherwise(options, answer, HTTP, HTTPS)) {
        answer->cause = HTTP_CAUSE_TLS;
    } else if (garbled && answers_otherwise(options, answer, HTTPS, HTTP)) {
        answer->cause = HTTP_CAUSE_PLAIN;
    }
}
