/* The texts that say who sent a request; the first byte of an input chooses the kind. Oracles:
 *   forwarded  a reader of X-Forwarded-For from the right end that uses the C library's functions; whatever a client puts
 *              before what a proxy appends, an untrusted address that the proxy appends is the client, or nobody is
 *   networks   the address of each entry is in the list
 *   ids        a trace id has 32 lower hex digits, a request id only safe characters
 *   log        a line with any text is one JSON object that gives the text back, without bytes that could act in a terminal */
#include <arpa/inet.h>
#include <ctype.h>

#include "core/utf8.h"
#include "server/base/log.h"
#include "server/http/caller.h"
#include "server/http/forwarded.h"
#include "tests/fuzz/fuzz.h"

enum { TEXT_MAX = 1024 };

#define PEER "10.0.0.9"

static struct sower_address address_of(const char *text)
{
    struct sower_address address;
    MUST(sower_address_parse(text, strlen(text), &address));
    return address;
}

static struct sower_networks trusted_networks(void)
{
    struct sower_networks networks;
    struct sower_problem problem;
    MUST(sower_networks_parse("10.0.0.0/8,fd00::/8", "--x", &networks, &problem));
    return networks;
}

/* A port, or nothing. */
static bool is_tail(const char *text)
{
    const size_t digits = text[0] == ':' ? strspn(text + 1, "0123456789") : 0;
    return text[0] == '\0' || (digits >= 1 && digits <= 5 && text[1 + digits] == '\0');
}

/* Reads an entry, which is changed. */
static bool read_entry(char *entry, struct sower_address *address)
{
    struct in6_addr v6;
    struct in_addr v4;
    char mapped[80];
    char *host = entry, *tail = entry + strlen(entry);
    if (entry[0] == '[') {
        char *end = strchr(entry, ']');
        if (end == NULL || !is_tail(end + 1)) {
            return false;
        }
        *end = '\0';
        host++;
        if (strchr(host, ':') == NULL) {
            return false;
        }
    } else if (strchr(entry, ':') != NULL && strchr(entry, '.') != NULL &&
               strchr(entry, '.') < strchr(entry, ':')) {
        tail = strchr(entry, ':');
        if (!is_tail(tail)) {
            return false;
        }
        *tail = '\0';
    }
    if (inet_pton(AF_INET, host, &v4) == 1) {
        snprintf(mapped, sizeof mapped, "::ffff:%s", host);
        host = mapped;
    }
    *address = (struct sower_address){0};
    const bool read = inet_pton(AF_INET6, host, &v6) == 1;
    memcpy(address->bytes, &v6, sizeof v6);
    return read;
}

/* The client of one line of X-Forwarded-For, which is changed, read from its right end. */
static struct sower_address read_from_the_right(char *line, const struct sower_networks *trusted)
{
    struct sower_address client = address_of(PEER), next;
    while (line != NULL && sower_networks_contain(trusted, &client)) {
        char *comma = strrchr(line, ','), *entry = comma != NULL ? comma + 1 : line;
        char *end = entry + strlen(entry);
        entry += strspn(entry, " \t");
        while (end > entry && (end[-1] == ' ' || end[-1] == '\t')) {
            *--end = '\0';
        }
        if (entry[0] != '\0' && !read_entry(entry, &next)) {
            break;
        }
        client = entry[0] != '\0' ? next : client;
        if (comma != NULL) {
            *comma = '\0';
        }
        line = comma != NULL ? line : NULL;
    }
    return client;
}

/* What a proxy appends to a line of Forwarded is the client, or nobody is. */
static void check_appended(const char *text, size_t length, const struct sower_networks *trusted)
{
    static const char *const appended[] = {", for=192.0.2.1", ", for=\"[2001:db8::1]\"",
                                           ", for=\"192.0.2.1:80\";by=\"[fd00::1]\""};
    static const char *const clients[] = {"192.0.2.1", "2001:db8::1", "192.0.2.1"};
    const struct sower_address peer = address_of(PEER);
    for (size_t i = 0; i < 3; i++) {
        char line[TEXT_MAX + 64];
        struct sower_forwarded forwarded;
        memcpy(line, text, length);
        strcpy(line + length, appended[i]);
        sower_forwarded_begin(&forwarded, trusted);
        sower_forwarded_line(&forwarded, line, length + strlen(appended[i]));
        const struct sower_address client = sower_forwarded_client(&forwarded, &peer),
                                   wanted = address_of(clients[i]);
        MUST(sower_address_equals(&client, &wanted) || sower_address_equals(&client, &peer));
    }
}

static void check_forwarded(const char *text, size_t length)
{
    char copy[TEXT_MAX + 1];
    const struct sower_networks trusted = trusted_networks();
    const struct sower_address peer = address_of(PEER), stranger = address_of("192.0.2.9");
    struct sower_forwarded forwarded;
    sower_forwarded_begin(&forwarded, &trusted);
    sower_forwarded_x_line(&forwarded, text, length);
    struct sower_address client = sower_forwarded_client(&forwarded, &stranger);
    MUST(sower_address_equals(&client, &stranger));
    if (memchr(text, '\0', length) == NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
        const struct sower_address wanted = read_from_the_right(copy, &trusted);
        client = sower_forwarded_client(&forwarded, &peer);
        MUST(sower_address_equals(&client, &wanted));
    }
    check_appended(text, length, &trusted);
}

static void check_networks(const char *text, size_t length)
{
    char copy[TEXT_MAX + 1];
    struct sower_networks networks;
    struct sower_problem problem;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (!sower_networks_parse(copy, "--x", &networks, &problem)) {
        check_refusal(&problem);
        return;
    }
    for (size_t i = 0; i < networks.count; i++) {
        struct sower_address address = {0}, again;
        char printed[SOWER_ADDRESS_TEXT_SIZE];
        memcpy(address.bytes, networks.list[i].bytes, sizeof address.bytes);
        MUST(!networks.list[i].ipv4 || sower_address_is_ipv4(&address));
        MUST(sower_networks_contain(&networks, &address) ||
             sower_address_is_ipv4(&address) != networks.list[i].ipv4);
        sower_address_print(&address, printed);
        MUST(sower_address_parse(printed, strlen(printed), &again) && sower_address_equals(&address, &again));
    }
}

static void check_ids(const char *text, size_t length)
{
    char trace[SOWER_TRACE_SIZE], id[SOWER_OUTER_ID_MAX + 1];
    if (sower_caller_trace(text, length, trace)) {
        MUST(strlen(trace) == 32 && strspn(trace, "0123456789abcdef") == 32 &&
             memcmp(trace, text + 3, 32) == 0);
    } else {
        MUST(trace[0] == '\0');
    }
    if (sower_caller_outer_id(text, length, id)) {
        MUST(strlen(id) == length && memcmp(id, text, length) == 0);
        for (size_t i = 0; i < length; i++) {
            MUST(isgraph((unsigned char)id[i]) && strchr("\"'\\<>&;,%{}$`", id[i]) == NULL);
        }
    } else {
        MUST(id[0] == '\0');
    }
}

static void check_log(const char *text, size_t length)
{
    struct sower_log_output output = {.file = -1};
    const struct sower_log log = {SOWER_LOG_INFO, &output};
    struct sower_log_line line;
    char copy[TEXT_MAX + 1];
    memcpy(copy, text, length);
    copy[length] = '\0';
    sower_log_begin(&line, &log, SOWER_LOG_INFO, "x");
    for (int i = 0; i < 6; i++) { /* more than fits */
        sower_log_string(&line, i == 0 ? "first" : "other", copy);
    }
    MUST(line.length < sizeof line.text - 1);
    line.text[line.length++] = '}';
    json_error_t error;
    json_t *object = json_loadb(line.text, line.length, 0, &error);
    MUST(json_is_object(object));
    if (sower_utf8_check(copy, strlen(copy)) && strlen(copy) <= 256) {
        MUST(strcmp(json_string_value(json_object_get(object, "first")), copy) == 0);
    }
    json_decref(object);
    for (size_t at = 0; at < line.length;) {
        uint32_t point;
        const size_t size = sower_utf8_length(line.text + at, line.length - at);
        MUST(size > 0 && !sower_utf8_controls(line.text + at, size, &point));
        at += size;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static void (*const checks[])(const char *text, size_t length) = {check_forwarded, check_networks,
                                                                      check_ids, check_log};
    if (size > 0 && size <= TEXT_MAX) {
        checks[bytes[0] % 4]((const char *)bytes + 1, size - 1);
    }
    return 0;
}
