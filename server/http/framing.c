#include "server/http/framing.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool refuse(struct sower_problem *problem, const char *field, const char *sentence)
{
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, field, "%s", sentence);
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool is_hex_digit(char byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

/* RFC 9110, section 5.6.2. */
static bool is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!is_letter(text[i]) && !is_digit(text[i]) &&
            (text[i] == '\0' || strchr("!#$%&'*+-.^_`|~", text[i]) == NULL)) {
            return false;
        }
    }
    return length > 0;
}

/* A registered name or an IPv4 address (RFC 3986, section 3.2.2); percent signs are refused. */
static bool is_name(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!is_letter(text[i]) && !is_digit(text[i]) &&
            (text[i] == '\0' || strchr("-._~!$&'()*+,;=", text[i]) == NULL)) {
            return false;
        }
    }
    return true;
}

static bool is_ipv6(const char *text, size_t length)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr bytes;
    if (length >= sizeof address || memchr(text, '\0', length) != NULL) {
        return false;
    }
    memcpy(address, text, length);
    address[length] = '\0';
    return inet_pton(AF_INET6, address, &bytes) == 1;
}

/* HOST or HOST:PORT; both may be empty. */
static bool is_host(const char *text, size_t length)
{
    size_t host = length;
    while (host > 0 && is_digit(text[host - 1])) {
        host--;
    }
    host = host > 0 && text[host - 1] == ':' ? host - 1 : length;
    if (length > SOWER_HOST_MAX) {
        return false;
    }
    return host >= 2 && text[0] == '[' ? text[host - 1] == ']' && is_ipv6(text + 1, host - 2)
                                       : is_name(text, host);
}

const char *sower_framing_authority(const char *target, size_t *length)
{
    size_t scheme = strncasecmp(target, "http://", 7) == 0    ? 7
                    : strncasecmp(target, "https://", 8) == 0 ? 8
                                                              : 0;
    if (scheme == 0) {
        return NULL;
    }
    *length = strcspn(target + scheme, "/?");
    return target + scheme;
}

const char *sower_framing_path(const char *target)
{
    size_t length;
    const char *authority = sower_framing_authority(target, &length);
    return authority == NULL ? target : authority[length] == '/' ? authority + length : "/";
}

static const char *path_fault(const char *path, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (path[i] == '%' && (!is_hex_digit(path[i + 1]) || !is_hex_digit(path[i + 2]))) {
            return "The request's path has a percent sign without two hex digits; write %25 for a percent "
                   "sign.";
        }
        if (strncmp(path + i, "%00", 3) == 0) {
            return "The request's path has %00; a path has no NUL byte.";
        }
    }
    return NULL;
}

const char *sower_framing_target_fault(const char *target)
{
    size_t length;
    const char *authority = sower_framing_authority(target, &length);
    if (authority == NULL && target[0] != '/' && strcmp(target, "*") != 0) {
        return "The request's target is not a path; it begins with \"/\", \"http://HOST/\" or "
               "\"https://HOST/\".";
    }
    if (authority != NULL && (length == 0 || !is_host(authority, length))) {
        return "The host in the request's target is malformed; it takes HOST or HOST:PORT.";
    }
    for (const char *byte = target; *byte != '\0'; byte++) {
        if (*byte <= ' ' || *byte > '~' || *byte == '#') {
            return "The request's target has a byte that a URL may not have; write it as % and two hex "
                   "digits.";
        }
    }
    return path_fault(target, strcspn(target, "?"));
}

static bool refuse_hidden(struct sower_problem *problem)
{
    return refuse(problem, "",
                  "The request's header section is malformed: it has a NUL byte, a line feed without a "
                  "carriage return, a folded line or a line without a name.");
}

bool sower_framing_begin(struct sower_framing *framing, const char *method, const char *target,
                         size_t target_length, const char *version, struct sower_problem *problem)
{
    *framing = (struct sower_framing){.http_1_0 = strcmp(version, "HTTP/1.0") == 0};
    if (!is_token(method, strlen(method))) {
        return refuse(problem, "", "The request's method is malformed; it is one word, GET for example.");
    }
    if (target != NULL) {
        if (target != method + strlen(method) + 1 || version != target + target_length + 1) {
            return refuse_hidden(problem);
        }
        framing->start = method;
        framing->position = version + strlen(version) + 2;
    }
    return true;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* Whether the line begins where the previous one ends, with only blanks between name and value. */
static bool lies_in_place(struct sower_framing *framing, const char *name, size_t name_length,
                          const char *value, size_t value_length)
{
    const char *after = name + name_length + 1;
    if (name != framing->position || value < after) {
        return false;
    }
    while (after < value && is_blank(*after)) {
        after++;
    }
    framing->position = value + value_length + 2;
    return after == value;
}

static bool is_named(const char *name, size_t length, const char *wanted)
{
    return length == strlen(wanted) && strncasecmp(name, wanted, length) == 0;
}

static bool check_content_length(struct sower_framing *framing, const char *value, size_t length,
                                 struct sower_problem *problem)
{
    if (framing->content_lengths++ > 0) {
        return refuse(problem, "Content-Length",
                      "Content-Length is given more than once; it is given once at most.");
    }
    for (size_t i = 0; i < length; i++) {
        if (!is_digit(value[i])) {
            length = 0;
        }
    }
    return length > 0 ||
           refuse(problem, "Content-Length", "Content-Length is not a number; it takes only digits.");
}

static bool check_transfer_encoding(struct sower_framing *framing, const char *value, size_t length,
                                    struct sower_problem *problem)
{
    if (framing->transfer_encodings++ > 0) {
        return refuse(problem, "Transfer-Encoding",
                      "Transfer-Encoding is given more than once; it is given once at most.");
    }
    if (framing->http_1_0) {
        return refuse(problem, "Transfer-Encoding",
                      "HTTP/1.0 has no Transfer-Encoding; it takes Content-Length.");
    }
    return is_named(value, length, "chunked") ||
           refuse(problem, "Transfer-Encoding", "Transfer-Encoding is not supported; it takes only chunked.");
}

static bool check_host(struct sower_framing *framing, const char *value, size_t length,
                       struct sower_problem *problem)
{
    if (framing->hosts++ > 0) {
        return refuse(problem, "Host", "Host is given more than once; it is given once.");
    }
    framing->host = value;
    framing->host_length = length;
    return is_host(value, length) ||
           refuse(problem, "Host", "Host is malformed; it takes HOST or HOST:PORT.");
}

static bool has_control_byte(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (((unsigned char)value[i] < ' ' && value[i] != '\t') || value[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

bool sower_framing_line(struct sower_framing *framing, const char *name, size_t name_length,
                        const char *value, size_t value_length, struct sower_problem *problem)
{
    if (framing->position != NULL && !lies_in_place(framing, name, name_length, value, value_length)) {
        return refuse_hidden(problem);
    }
    if (!is_token(name, name_length)) {
        return refuse(problem, "",
                      "A header's name is malformed; it is one word, directly followed by a colon.");
    }
    if (has_control_byte(value, value_length)) {
        char header[sizeof problem->field];
        snprintf(header, sizeof header, "%.*s", (int)name_length, name);
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, header,
                                 "The header %s has a control byte; it takes text.", header);
    }
    while (value_length > 0 && is_blank(value[value_length - 1])) {
        value_length--;
    }
    return is_named(name, name_length, "Content-Length")
               ? check_content_length(framing, value, value_length, problem)
           : is_named(name, name_length, "Transfer-Encoding")
               ? check_transfer_encoding(framing, value, value_length, problem)
           : is_named(name, name_length, "Host") ? check_host(framing, value, value_length, problem)
                                                 : true;
}

bool sower_framing_end(const struct sower_framing *framing, size_t size, struct sower_problem *problem)
{
    if (framing->position != NULL && framing->position + 2 != framing->start + size) {
        return refuse_hidden(problem);
    }
    if (framing->transfer_encodings > 0 && framing->content_lengths > 0) {
        return refuse(
            problem, "Transfer-Encoding",
            "The request has both Content-Length and Transfer-Encoding; it has one of them at most.");
    }
    return framing->http_1_0 || framing->hosts == 1 ||
           refuse(problem, "Host", "Host is missing; it takes the host's name, as in the URL.");
}
