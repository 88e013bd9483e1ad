#include "tests/fuzz/http/script.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The places where a request can be made long. */
enum place {
    NOWHERE,
    BEFORE,
    METHOD,
    PATH,
    QUERY,
    VERSION,
    NAME,
    VALUE,
    LINES,
    COOKIE,
    EXTENSION,
    CHUNK,
    TRAILER,
    BODY
};

static const struct padding {
    enum place place;
    const char *unit; /* the repeated text */
} paddings[] = {
    {QUERY, "a"},         {QUERY, "a=b&"},       {QUERY, "&"},      {QUERY, "="},
    {QUERY, "%41"},       {QUERY, "%"},          {QUERY, "a&"},     {QUERY, "%00"},
    {QUERY, "+"},         {PATH, "a"},           {PATH, "/"},       {PATH, "%2f"},
    {PATH, "%"},          {VALUE, "a"},          {VALUE, " "},      {VALUE, "\t"},
    {VALUE, "\r\n "},     {VALUE, "\r"},         {NAME, "a"},       {NAME, " "},
    {LINES, "a: b\r\n"},  {LINES, "a:\r\n"},     {LINES, ":b\r\n"}, {LINES, "a\r\n"},
    {LINES, "a:b\n"},     {COOKIE, "a=b; "},     {COOKIE, "a; "},   {COOKIE, ";"},
    {COOKIE, "a=\"b\","}, {COOKIE, "="},         {BEFORE, "\r\n"},  {BEFORE, "\n"},
    {BEFORE, " "},        {METHOD, "A"},         {VERSION, "1"},    {EXTENSION, ";a=b"},
    {EXTENSION, ";"},     {EXTENSION, "a"},      {EXTENSION, " "},  {CHUNK, "1\r\na\r\n"},
    {CHUNK, "0"},         {TRAILER, "a: b\r\n"}, {TRAILER, "a"},    {BODY, "a"},
    {BODY, "["},
};

/* Sizes where a limit may be: the memory of a connection, that without the part that the library reserves for the
 * response, halves of it, smaller memories, common buffers. */
static const size_t goals[] = {
    116 * 1024, 116 * 1024 - 1500, 58 * 1024, 64 * 1024, 32 * 1024, 16 * 1024, 15000, 6700, 8192, 4096, 1500,
    256};

/* In each list the correct entries come first. */
enum {
    RIGHT_METHODS = 7,
    RIGHT_PATHS = 8,
    RIGHT_QUERIES = 4,
    RIGHT_VERSIONS = 5,
    RIGHT_HEADERS = 10,
    RIGHT_ENCODINGS = 2
};
static const char *const methods[] = {"GET",    "GET",   "GET",     "GET", "POST",    "POST",   "HEAD", "PUT",
                                      "DELETE", "PATCH", "OPTIONS", "PRI", "CONNECT", "G\x01T", "get",  ""};
static const char *const paths[] = {"/healthz",
                                    "/healthz",
                                    "/v1/tensor",
                                    "/v1/tensor",
                                    "/v1/plan",
                                    "/v1/initializers",
                                    "/v1/ledger/head",
                                    "/v1/experiments/%66uzz",
                                    "/v1/experiments/fuzz/trials",
                                    "/v1/experiments/fuzz/pin",
                                    "/v1/manifests/00",
                                    "/v1/draws/00",
                                    "/v1/seed",
                                    "/openapi.json",
                                    "/metrics",
                                    "/",
                                    "",
                                    "*",
                                    "//",
                                    "/%",
                                    "/%00",
                                    "/v1/tensor%00/public",
                                    "/v1/tensor#",
                                    "http://localhost/healthz",
                                    "http://",
                                    "/\xff",
                                    "/ /"};
static const char *const queries[] = {"",
                                      "",
                                      "?experiment=fuzz&name=w&shape=4,6&init=he_normal",
                                      "?experiment=fuzz&name=v&shape=2&init=zeros&format=raw",
                                      "?",
                                      "??",
                                      "?=",
                                      "?a",
                                      "?a=%",
                                      "?a=%00",
                                      "?&&a=b&=&a"};
static const char *const versions[] = {" HTTP/1.1", " HTTP/1.1", " HTTP/1.1",  " HTTP/1.1",  " HTTP/1.0",
                                       " HTTP/0.9", " HTTP/2.0", " HTTP/1.12", " HTTP/1,1",  " HTTP/",
                                       " ",         "",          "\tHTTP/1.1", "  HTTP/1.1 "};
static const char *const line_ends[] = {"\r\n", "\r\n", "\n", "\r", "\r\r\n", "\r\n\r\n"};
static const char *const headers[] = {"Connection: keep-alive",
                                      "Connection: close",
                                      "Expect: 100-continue",
                                      "Range: bytes=0-3",
                                      "If-None-Match: \"x\", W/\"y\"",
                                      "Cookie: a=b; c=\"d\"; e=f",
                                      "Accept: */*",
                                      "Content-Type: application/json",
                                      "Idempotency-Key: fuzz",
                                      "Accept-Encoding: br;q=1.0, *;q=0",
                                      "Connection: upgrade, TE",
                                      "Expect: 200",
                                      "Range: bytes=-",
                                      "If-Match: *",
                                      "Host: other",
                                      "Host",
                                      ": v",
                                      "a:",
                                      " folded",
                                      "\tfolded",
                                      "a b: c",
                                      "a : b",
                                      "a\x01: b",
                                      "a: b\x01",
                                      "Cookie: =",
                                      "Cookie: $Version=1; a",
                                      "Cookie:",
                                      "Upgrade: h2c",
                                      "Content-Length: 0",
                                      "Content-Length: x",
                                      "Transfer-Encoding: chunked"};
static const char *const lengths[] = {"+5",  "5,5", "-1", "18446744073709551616", "9223372036854775807",
                                      "0x5", "5 5", "",   "00000000000000000005"};
static const char *const encodings[] = {"chunked", "Chunked", "gzip, chunked", "identity", "chunked, chunked",
                                        "cow",     ""};
static const char *const sizes[] = {"ffffffffffffffff", "10000000000000000",    "-1", "0x5", "g", "",
                                    "7fffffffffffffff", "00000000000000000005", " 5"};
static const char BODY_TEXT[] =
    "{\"experiment\":\"fuzz\",\"name\":\"w\",\"shape\":[4,6],\"init\":\"he_normal\"}";

/* A script that is being generated. */
struct maker {
    struct script *script;
    uint64_t random;
    const struct padding *padding; /* of the current request; NULL: the request is not made long */
    size_t goal;                   /* where the padding ends */
    const char *line_end;
    bool careful; /* the request is correct, except perhaps for its size */
};

/* The generator of Sebastiano Vigna, "splitmix64", public domain. */
static uint64_t next(struct maker *maker)
{
    uint64_t z = maker->random += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static size_t below(struct maker *maker, size_t limit)
{
    return (size_t)(next(maker) % limit);
}

static bool one_in(struct maker *maker, size_t count)
{
    return below(maker, count) == 0;
}

#define COUNT(list) (sizeof(list) / sizeof(list)[0])
#define PICK(maker, list) ((list)[below(maker, COUNT(list))])
/* Chooses from a list whose first entries are correct. */
#define PICK_RIGHT(maker, list, right) ((list)[below(maker, (maker)->careful ? (right) : COUNT(list))])

/* Adds a text, or the part of it that fits. */
static void put(struct maker *maker, const char *text)
{
    struct script *script = maker->script;
    size_t length = strlen(text), room = SCRIPT_MAX - script->length;
    length = length < room ? length : room;
    memcpy(script->bytes + script->length, text, length);
    script->length += length;
}

static void put_line(struct maker *maker, const char *text)
{
    put(maker, text);
    put(maker, maker->line_end);
}

static bool is_long(const struct maker *maker, enum place place)
{
    return maker->padding != NULL && maker->padding->place == place;
}

/* Makes the request long if this is the chosen place. */
static void pad(struct maker *maker, enum place place)
{
    while (is_long(maker, place) && maker->script->length < maker->goal) {
        put(maker, maker->padding->unit);
    }
}

/* Whether to make something wrong. */
static bool wrong(struct maker *maker, size_t count)
{
    return !maker->careful && one_in(maker, count);
}

static void put_request_line(struct maker *maker)
{
    pad(maker, BEFORE);
    put(maker, PICK_RIGHT(maker, methods, RIGHT_METHODS));
    pad(maker, METHOD);
    put(maker, wrong(maker, 20) ? "" : " ");
    put(maker, PICK_RIGHT(maker, paths, RIGHT_PATHS));
    pad(maker, PATH);
    const char *query = PICK_RIGHT(maker, queries, RIGHT_QUERIES);
    put(maker, query[0] == '\0' && is_long(maker, QUERY) ? "?" : query);
    pad(maker, QUERY);
    put(maker, PICK_RIGHT(maker, versions, RIGHT_VERSIONS));
    pad(maker, VERSION);
    put(maker, maker->line_end);
}

static void put_headers(struct maker *maker)
{
    if (!wrong(maker, 6)) {
        put_line(maker, "Host: localhost");
    }
    for (size_t count = one_in(maker, 2) ? 0 : below(maker, 5); count > 0; count--) {
        put_line(maker, PICK_RIGHT(maker, headers, RIGHT_HEADERS));
    }
    if (is_long(maker, VALUE) || is_long(maker, NAME) || is_long(maker, COOKIE)) {
        put(maker, is_long(maker, COOKIE) ? "Cookie: " : "X");
        pad(maker, NAME);
        put(maker, is_long(maker, COOKIE) ? "" : ": ");
        pad(maker, VALUE);
        pad(maker, COOKIE);
        put(maker, maker->line_end);
    }
    pad(maker, LINES);
}

static void put_chunk(struct maker *maker, size_t size)
{
    char text[32];
    snprintf(text, sizeof text, one_in(maker, 2) ? "%zx" : "%04zX", size);
    put(maker, wrong(maker, 12) ? PICK(maker, sizes) : text);
    put(maker, one_in(maker, 4) ? ";a=b" : one_in(maker, 8) ? " ; a=\"b;\r\n\"" : "");
    pad(maker, EXTENSION);
    put(maker, maker->line_end);
    for (size_t i = 0; i < size; i++) {
        put(maker, "{");
    }
    put(maker, size > 0 && !wrong(maker, 12) ? maker->line_end : "");
}

static void put_chunks(struct maker *maker)
{
    for (size_t count = below(maker, 4); count > 0; count--) {
        put_chunk(maker, 1 + below(maker, one_in(maker, 4) ? 5000 : 20));
    }
    pad(maker, CHUNK);
    if (!wrong(maker, 8)) {
        put_chunk(maker, 0);
        pad(maker, TRAILER);
        put(maker, wrong(maker, 4) ? "Content-Length: 3\r\n" : "");
        put(maker, maker->line_end);
    }
}

/* The headers that frame a body, the end of all headers, and the body. */
static void put_body(struct maker *maker)
{
    char line[64];
    size_t kind = below(maker, maker->careful ? 4 : 8);
    bool chunked = kind == 1 || kind == 5, counted = kind == 2 || kind == 3 || kind == 5;
    size_t fill =
        is_long(maker, BODY) && maker->goal > maker->script->length ? maker->goal - maker->script->length : 0;
    if (chunked) {
        snprintf(line, sizeof line, "Transfer-Encoding: %s", PICK_RIGHT(maker, encodings, RIGHT_ENCODINGS));
        put_line(maker, line);
    }
    if (counted) {
        size_t length = strlen(BODY_TEXT) + fill + (wrong(maker, 4) ? below(maker, 60) - 30 : 0);
        snprintf(line, sizeof line, "Content-Length: %zu", length);
        put_line(maker, line);
    } else if (kind > 5) {
        snprintf(line, sizeof line, "Content-Length: %s", PICK(maker, lengths));
        put_line(maker, line);
    }
    put(maker, maker->line_end);
    if (chunked) {
        put_chunks(maker);
    } else if (counted) {
        for (size_t i = 0; i < fill; i++) {
            put(maker, maker->padding->unit);
        }
        put(maker, BODY_TEXT);
    }
}

static void put_request(struct maker *maker)
{
    maker->padding = one_in(maker, 3) ? &PICK(maker, paddings) : NULL;
    maker->goal = maker->script->length + PICK(maker, goals) + below(maker, 200) - 150;
    maker->goal = maker->goal < SCRIPT_MAX ? maker->goal : SCRIPT_MAX;
    maker->careful = one_in(maker, 2);
    maker->line_end = wrong(maker, 4) ? PICK(maker, line_ends) : "\r\n";
    put_request_line(maker);
    put_headers(maker);
    put_body(maker);
}

/* Changes, removes or repeats some bytes. */
static void spoil(struct maker *maker)
{
    static const char bytes[] = "\0\r\n\t :=&%;,\"/?#\x7f\x80\xff"
                                "0A";
    struct script *script = maker->script;
    for (size_t count = 1 + below(maker, 4); count > 0 && script->length > 1; count--) {
        size_t at = below(maker, script->length);
        size_t span = 1 + below(maker, one_in(maker, 4) ? 200 : 4);
        span = span < script->length - at ? span : script->length - at;
        switch (below(maker, 4)) {
        case 0:
            memmove(script->bytes + at, script->bytes + at + span, script->length - at - span);
            script->length -= span;
            break;
        case 1:
            span = span < SCRIPT_MAX - script->length ? span : SCRIPT_MAX - script->length;
            memmove(script->bytes + at + span, script->bytes + at, script->length - at);
            script->length += span;
            break;
        case 2:
            script->bytes[at] = (char)(script->bytes[at] ^ 1 << below(maker, 8));
            break;
        default:
            script->bytes[at] = bytes[below(maker, sizeof bytes - 1)];
            break;
        }
    }
}

static int compare_sizes(const void *left, const void *right)
{
    const size_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static void cut_to_pieces(struct maker *maker)
{
    struct script *script = maker->script;
    script->piece_count = one_in(maker, 2) ? 1 : 1 + below(maker, SCRIPT_PIECES_MAX);
    for (size_t i = 1; i < script->piece_count; i++) {
        script->pieces[i] = below(maker, script->length + 1);
    }
    script->pieces[0] = script->length;
    qsort(script->pieces, script->piece_count, sizeof script->pieces[0], compare_sizes);
}

void script_make(struct script *script, uint64_t seed, uint64_t number)
{
    struct maker maker = {.script = script, .random = seed * 0xd1342543de82ef95 + number};
    script->length = 0;
    for (size_t count = 1 + (one_in(&maker, 3) ? below(&maker, 8) : 0); count > 0; count--) {
        put_request(&maker);
    }
    if (one_in(&maker, 3)) {
        spoil(&maker);
    }
    if (one_in(&maker, 6)) {
        script->length = below(&maker, script->length + 1);
    }
    cut_to_pieces(&maker);
    size_t end = below(&maker, 16);
    script->end = end < 10    ? SCRIPT_HALF_CLOSE
                  : end < 14  ? SCRIPT_WAIT
                  : end == 14 ? SCRIPT_CLOSE
                              : SCRIPT_RESET;
}
