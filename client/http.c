#include "http.h"

#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "../proto/json.h"
#include "../proto/version.h"

static const char DEFAULT_SERVER[] = "http://127.0.0.1:7697";

enum { URL_MAX = 8192, CONNECT_SECONDS = 10, BLOCK_SIZE = 512 * 1024 };

static const struct option_rule SERVER[] = {
    {"server", 'S', "URL", "the daemon's address (default: SOW_SERVER, else http://127.0.0.1:7697)"},
    {0},
};

const struct option_group http_options = {"The daemon", SERVER};

/* One exchange under way. */
struct exchange {
    CURL *curl;
    const struct http_receiver *receiver;
    struct http_answer *answer;
    bool begun, stopped, head;
    struct curl_slist *headers; /* of a POST */
    char *body;
};

/* Text of libcurl's making, grown by pieces; NULL once memory has run out. */
static char *join(char *text, const char *more)
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
    text = join(text, escaped);
    curl_free(escaped);
    return text;
}

/* "?key=value&…", or an empty text where there are no fields. */
static char *make_query(const struct sower_pair *pairs, size_t count)
{
    char *query = strdup("");
    for (size_t i = 0; i < count; i++) {
        query = join(query, i == 0 ? "?" : "&");
        query = join_escaped(query, pairs[i].key, pairs[i].key_length);
        query = join(query, "=");
        query = join_escaped(query, pairs[i].value, pairs[i].value_length);
    }
    return query;
}

static void drop_last_slashes(char *url)
{
    for (size_t length = strlen(url); length > 0 && url[length - 1] == '/'; length--) {
        url[length - 1] = '\0';
    }
}

/* The server's address as given, checked and without a slash at the end; NULL when it is none. Its form for
 * messages goes to `shown`. */
static char *make_base(const char *server, char shown[HTTP_ADDRESS_SIZE])
{
    char *part = NULL, *base = NULL;
    CURLU *url = curl_url();
    snprintf(shown, HTTP_ADDRESS_SIZE, "%s", server);
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
        snprintf(shown, HTTP_ADDRESS_SIZE, "%s", part);
    }
out:
    curl_free(part);
    curl_url_cleanup(url);
    return base;
}

static void copy_header(CURL *curl, const char *name, char field[HTTP_FIELD_SIZE])
{
    struct curl_header *header;
    if (curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK) {
        snprintf(field, HTTP_FIELD_SIZE, "%s", header->value);
    }
}

/* Notes status and header fields; begins a good answer. */
static bool begin(struct exchange *exchange)
{
    struct http_answer *answer = exchange->answer;
    curl_off_t length = -1;
    exchange->begun = true;
    curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(exchange->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    answer->length = length;
    copy_header(exchange->curl, "Content-Type", answer->type);
    copy_header(exchange->curl, "ETag", answer->etag);
    copy_header(exchange->curl, "Sower-Seed", answer->seed);
    copy_header(exchange->curl, "Sower-Draw", answer->draw);
    copy_header(exchange->curl, "Sower-Ledger", answer->ledger);
    copy_header(exchange->curl, "Sower-Drift", answer->drift);
    bool good = answer->status >= 200 && answer->status < 300;
    exchange->stopped = good && !exchange->receiver->begin(exchange->receiver->context, answer);
    return !exchange->stopped;
}

static void keep_explanation(struct http_answer *answer, const char *bytes, size_t size)
{
    size_t room = HTTP_EXPLANATION_SIZE - answer->explanation_size;
    size = size < room ? size : room;
    memcpy(answer->explanation + answer->explanation_size, bytes, size);
    answer->explanation_size += size;
    answer->explanation[answer->explanation_size] = '\0';
}

/* libcurl's write function: anything but `count` ends the transfer. */
static size_t take_block(char *bytes, size_t unit, size_t count, void *context)
{
    struct exchange *exchange = context;
    (void)unit; /* always 1 */
    if (!exchange->begun && !begin(exchange)) {
        return CURL_WRITEFUNC_ERROR;
    }
    if (exchange->answer->status < 200 || exchange->answer->status >= 300) {
        keep_explanation(exchange->answer, bytes, count);
        return count;
    }
    if (!exchange->receiver->receive(exchange->receiver->context, bytes, count)) {
        exchange->stopped = true;
        return CURL_WRITEFUNC_ERROR;
    }
    exchange->answer->received += count;
    return count;
}

static int take_tick(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
    (void)total, (void)now, (void)up_total, (void)up_now;
    const struct http_receiver *receiver = context;
    receiver->tick(receiver->context);
    return 0;
}

/* What is not asked through a proxy: loopback, and what the environment exempts. */
static char *make_proxy_exemptions(void)
{
    static const char LOOPBACK[] = "localhost,127.0.0.1,::1";
    const char *set = getenv("no_proxy") != NULL ? getenv("no_proxy") : getenv("NO_PROXY");
    if (set == NULL || *set == '\0') {
        return strdup(LOOPBACK);
    }
    if (strcmp(set, "*") == 0) {
        return strdup(set);
    }
    return join(join(strdup(LOOPBACK), ","), set);
}

static CURLcode set_receiving(struct exchange *exchange)
{
    CURL *curl = exchange->curl;
    CURLcode code = curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_block);
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)BLOCK_SIZE) : code;
    if (exchange->receiver->tick == NULL || code != CURLE_OK) {
        return code;
    }
    code = curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, take_tick);
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_XFERINFODATA, (void *)exchange->receiver) : code;
    return code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) : code;
}

/* How to reach the server. There is no limit on the time that an answer takes: large orthogonal tensors are
 * prepared before their first byte. A peer that has died is found out by TCP's own probes. */
static CURLcode set_reaching(struct exchange *exchange, const char *url)
{
    CURL *curl = exchange->curl;
    char *exemptions = make_proxy_exemptions();
    CURLcode code = exemptions == NULL ? CURLE_OUT_OF_MEMORY : curl_easy_setopt(curl, CURLOPT_URL, url);
    /* an experiment may be called ".." */
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_NOPROXY, exemptions) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_USERAGENT, "sow/" SOWER_VERSION) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS) : code;
    code = code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L) : code;
    free(exemptions);
    return code;
}

static CURLcode add_header(struct exchange *exchange, const char *header)
{
    struct curl_slist *headers = curl_slist_append(exchange->headers, header);
    exchange->headers = headers != NULL ? headers : exchange->headers;
    return headers == NULL ? CURLE_OUT_OF_MEMORY
                           : curl_easy_setopt(exchange->curl, CURLOPT_HTTPHEADER, headers);
}

/* The text must stay until the exchange is over. */
static CURLcode set_posting(struct exchange *exchange, const char *text, size_t size)
{
    CURLcode code = curl_easy_setopt(exchange->curl, CURLOPT_POSTFIELDS, text);
    code = code == CURLE_OK ? curl_easy_setopt(exchange->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size)
                            : code;
    return code == CURLE_OK ? add_header(exchange, "Content-Type: application/json") : code;
}

static CURLcode set_key(struct exchange *exchange, const char *key)
{
    char *header = join(strdup("Idempotency-Key: "), key);
    CURLcode code = header == NULL ? CURLE_OUT_OF_MEMORY : add_header(exchange, header);
    free(header);
    return code;
}

static CURLcode set_part(struct exchange *exchange, const struct http_question *question)
{
    char match[HTTP_FIELD_SIZE + sizeof "If-Match: "];
    CURLcode code = CURLE_OK;
    if (question->head) {
        exchange->head = true;
        code = curl_easy_setopt(exchange->curl, CURLOPT_NOBODY, 1L);
    }
    if (question->range != NULL && code == CURLE_OK) {
        code = curl_easy_setopt(exchange->curl, CURLOPT_RANGE, question->range);
    }
    if (question->etag == NULL || code != CURLE_OK) {
        return code;
    }
    snprintf(match, sizeof match, "If-Match: %s", question->etag);
    return add_header(exchange, match);
}

/* Sets up the question: GET with a query, or POST where that would be too long. */
static CURLcode set_question(struct exchange *exchange, const char *base,
                             const struct http_question *question)
{
    char *place = join(strdup(base), question->path);
    char *query = make_query(question->pairs, question->pair_count);
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (place == NULL || query == NULL) {
        goto out;
    }
    bool post = question->body != NULL && strlen(place) + strlen(query) > URL_MAX;
    if (question->text != NULL) {
        code = set_posting(exchange, question->text, question->text_size);
    } else if (post) {
        exchange->body = sower_json_text(question->body, JSON_COMPACT);
        code = exchange->body == NULL ? CURLE_OUT_OF_MEMORY
                                      : set_posting(exchange, exchange->body, strlen(exchange->body));
    } else {
        place = join(place, query);
        code = place != NULL ? CURLE_OK : CURLE_OUT_OF_MEMORY;
    }
    code = code == CURLE_OK ? set_part(exchange, question) : code;
    if (question->method != NULL && code == CURLE_OK) {
        code = curl_easy_setopt(exchange->curl, CURLOPT_CUSTOMREQUEST, question->method);
    }
    if (question->idempotency_key != NULL && code == CURLE_OK) {
        code = set_key(exchange, question->idempotency_key);
    }
    code = code == CURLE_OK ? set_reaching(exchange, place) : code;
    code = code == CURLE_OK ? set_receiving(exchange) : code;
out:
    free(place);
    free(query);
    return code;
}

static enum http_end fail(struct http_answer *answer, CURLcode code, const char *detail)
{
    snprintf(answer->reason, sizeof answer->reason, "%s",
             *detail != '\0' ? detail : curl_easy_strerror(code));
    return HTTP_FAILED;
}

/* How the transfer ended, seen together with the header that came. */
static enum http_end judge(struct exchange *exchange, CURLcode code, const char *detail)
{
    struct http_answer *answer = exchange->answer;
    curl_off_t connected_after = 0;
    curl_easy_getinfo(exchange->curl, CURLINFO_CONNECT_TIME_T, &connected_after);
    answer->connected = connected_after > 0;
    if (code == CURLE_OK && !exchange->begun) {
        begin(exchange);
    }
    if (exchange->stopped) {
        return HTTP_STOPPED;
    }
    if (code != CURLE_OK) {
        return fail(answer, code, detail);
    }
    if (answer->status < 200 || answer->status >= 300) {
        return HTTP_REFUSED;
    }
    if (!exchange->head && answer->length >= 0 && answer->received != (uint64_t)answer->length) {
        return fail(answer, CURLE_PARTIAL_FILE, "");
    }
    return HTTP_DONE;
}

static const char *server_of(const struct options *options)
{
    const char *server = options_value(options, "server");
    if (server == NULL) {
        server = getenv("SOW_SERVER");
    }
    return server != NULL && *server != '\0' ? server : DEFAULT_SERVER;
}

enum http_end http_ask(const struct options *options, const struct http_question *question,
                       const struct http_receiver *receiver, struct http_answer *answer)
{
    char detail[CURL_ERROR_SIZE] = "";
    struct exchange exchange = {.receiver = receiver, .answer = answer};
    *answer = (struct http_answer){.end = HTTP_MISUSED, .length = -1};
    char *base = make_base(server_of(options), answer->address);
    if (base == NULL) {
        return answer->end;
    }
    exchange.curl = curl_easy_init();
    CURLcode code = exchange.curl != NULL ? set_question(&exchange, base, question) : CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK) {
        code = curl_easy_setopt(exchange.curl, CURLOPT_ERRORBUFFER, detail);
    }
    if (code == CURLE_OK) {
        code = curl_easy_perform(exchange.curl);
        answer->end = judge(&exchange, code, detail);
    } else {
        answer->end = fail(answer, code, detail);
    }
    curl_easy_cleanup(exchange.curl);
    curl_slist_free_all(exchange.headers);
    free(exchange.body);
    free(base);
    return answer->end;
}
