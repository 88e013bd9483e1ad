/* Other texts that the daemon reads; the first byte of an input chooses the kind. Oracles:
 *   ranges   a second reader that uses the C library's functions
 *   tags     a list that is made of tags contains exactly these tags
 *   names    a suggested file name is harmless, and its two forms are the same name
 *   options  a value means the same on the command line and in the environment, and a size the same with its
 *            unit and without */
#include <inttypes.h>
#include <unistd.h>

#include "core/utf8.h"
#include "server/http/disposition.h"
#include "server/http/range.h"
#include "server/options.h"
#include "tests/fuzz/fuzz.h"

enum { TEXT_MAX = 512 };

/* Copies a text, ended by a NUL, up to its first NUL. */
static char *copy_text(const uint8_t *bytes, size_t size, char copy[TEXT_MAX])
{
    size = size < TEXT_MAX ? size : TEXT_MAX - 1;
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

/* Takes digits; false if there are none. strtoull gives the greatest number for a number that is too large. */
static bool take_number(const char **text, uint64_t *number)
{
    size_t digits = strspn(*text, "0123456789");
    *number = digits > 0 ? strtoull(*text, NULL, 10) : 0;
    *text += digits;
    return digits > 0;
}

/* [first, stop) of a range of this form; false for other text. */
static bool read_range(const char *text, uint64_t size, uint64_t *first, uint64_t *stop)
{
    uint64_t last;
    if (strncasecmp(text, "bytes=", 6) != 0) {
        return false;
    }
    text += 6;
    text += strspn(text, " \t");
    bool has_first = take_number(&text, first);
    if (*text++ != '-') {
        return false;
    }
    bool has_last = take_number(&text, &last);
    if (text[strspn(text, " \t")] != '\0' || (!has_first && !has_last) ||
        (has_first && has_last && last < *first)) {
        return false;
    }
    if (!has_first) {
        *first = last < size ? size - last : 0;
        last = UINT64_MAX;
    }
    *stop = !has_last || last >= size ? size : last + 1;
    return true;
}

static void check_range(const uint8_t *bytes, size_t size)
{
    char header[TEXT_MAX];
    struct sower_range range;
    uint64_t whole = 0, first, stop;
    if (size < sizeof whole) {
        return;
    }
    memcpy(&whole, bytes, sizeof whole);
    copy_text(bytes + sizeof whole, size - sizeof whole, header);
    enum sower_range_outcome outcome = sower_range_parse(header, whole, &range);
    bool read = read_range(header, whole, &first, &stop);
    switch (outcome) {
    case SOWER_RANGE_PART:
        MUST(read && range.start == first && range.length == stop - first && range.length > 0);
        break;
    case SOWER_RANGE_UNSATISFIABLE:
        MUST(read && first >= whole);
        break;
    case SOWER_RANGE_WHOLE:
        MUST(!read || whole == 0);
        MUST(range.start == 0 && range.length == whole);
        break;
    }
}

/* Each byte gives a tag of one letter: its letter, whether it is weak, and the separator before it. */
static void check_tags(const uint8_t *bytes, size_t size)
{
    static const char *const separators[] = {",", ", ", " ,", ",,", " , \t, ", "\t,"};
    char header[TEXT_MAX] = "", text[TEXT_MAX];
    bool strong[8] = {false}, any[8] = {false};
    size = size < 40 ? size : 40;
    for (size_t i = 0, length = 0; i < size; i++) {
        unsigned tag = bytes[i] & 7, weak = bytes[i] >> 3 & 1;
        length +=
            (size_t)snprintf(header + length, sizeof header - length, "%s%s\"%c\"",
                             i == 0 ? "" : separators[(bytes[i] >> 4) % 6], weak ? "W/" : "", 'a' + tag);
        any[tag] = true;
        strong[tag] = strong[tag] || !weak;
    }
    for (unsigned tag = 0; tag < 8; tag++) {
        const char etag[] = {'"', (char)('a' + tag), '"', '\0'};
        MUST(sower_etag_listed(header, etag, true) == any[tag]);
        MUST(sower_etag_listed(header, etag, false) == strong[tag]);
        /* Bytes that are not a list: for any result, a strong match is also a weak match. */
        copy_text(bytes, size, text);
        MUST(!sower_etag_listed(text, etag, false) || sower_etag_listed(text, etag, true));
        MUST(sower_if_range(text, etag) == (strcmp(text, etag) == 0));
    }
}

/* One option, read from the command line if `arguments` is not NULL, else from the environment. */
static bool read_option(const char *variable, char *argument, struct sower_options *options)
{
    char *variables[] = {(char *)(uintptr_t)variable, NULL};
    char *arguments[] = {"sowerd", argument, NULL};
    char **kept = environ; /* libraries still read it at the program's end */
    struct sower_problem problem;
    environ = variables;
    enum sower_options_outcome outcome =
        sower_options_read(argument != NULL ? 2 : 1, arguments, options, &problem);
    environ = kept;
    if (outcome == SOWER_OPTIONS_REFUSED) {
        check_refusal(&problem);
    }
    return outcome == SOWER_OPTIONS_RUN;
}

/* "12K" as "12288". */
static bool without_unit(char *value)
{
    uint64_t number = strtoull(value, NULL, 10);
    size_t digits = strspn(value, "0123456789");
    const char *units = "KMG", *unit = strchr(units, value[digits]);
    if (digits == 0 || digits > 6 || value[digits] == '\0' || unit == NULL || value[digits + 1] != '\0') {
        return false;
    }
    sprintf(value, "%" PRIu64, number << 10 * (unit - units + 1));
    return true;
}

/* An input is "name=value". The value is not copied, so that options that are texts point to the same address. */
static void check_options(const uint8_t *bytes, size_t size)
{
    static const char NONE[] = "NOTHING=";
    char text[TEXT_MAX + 32] = "SOWERD_";
    char *name = text + strlen(text), *argument = name - 2;
    struct sower_options by_variable, by_argument, by_number;
    copy_text(bytes, size, name);
    char *value = strchr(name, '=');
    if (value == NULL) {
        return;
    }
    for (char *c = name; c < value; c++) {
        *c = *c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    }
    bool variable_read = read_option(text, NULL, &by_variable);
    for (char *c = name; c < value; c++) {
        *c = *c == '_' ? '-' : *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    }
    memcpy(argument, "--", 2);
    if (!read_option(NONE, argument, &by_argument)) {
        return; /* there may be no such option; unknown variables are ignored */
    }
    MUST(variable_read && memcmp(&by_variable, &by_argument, sizeof by_argument) == 0);
    if (without_unit(value + 1)) {
        MUST(read_option(NONE, argument, &by_number));
        MUST(memcmp(&by_argument, &by_number, sizeof by_number) == 0);
    }
}

/* Takes a text that must be next. */
static const char *after(const char *text, const char *part)
{
    MUST(strncmp(text, part, strlen(part)) == 0);
    return text + strlen(part);
}

/* Decodes %XX; returns the length of the decoded text. */
static size_t decode(const char *encoded, char *text)
{
    size_t length = 0;
    for (; *encoded != '\0'; encoded++) {
        unsigned byte = (unsigned char)*encoded;
        if (*encoded == '%') {
            MUST(sscanf(encoded, "%%%2X", &byte) == 1);
            encoded += 2;
        }
        text[length++] = (char)byte;
    }
    text[length] = '\0';
    return length;
}

static void check_name(const uint8_t *bytes, size_t size)
{
    char name[TEXT_MAX], value[SOWER_DISPOSITION_SIZE], decoded[SOWER_DISPOSITION_SIZE];
    sower_disposition_print(copy_text(bytes, size, name), "-1.npy", value);
    const char *plain = after(value, "attachment; filename=\"");
    const char *end = strchr(plain, '"');
    MUST(end != NULL && end - plain <= SOWER_DISPOSITION_NAME_MAX + 6 && strncmp(end - 6, "-1.npy", 6) == 0);
    size_t length = decode(after(end, "\"; filename*=UTF-8''"), decoded);
    MUST(length <= SOWER_DISPOSITION_NAME_MAX + 6 && sower_utf8_check(decoded, length));
    MUST(strpbrk(decoded, "\"\\/:*?<>|%") == NULL && strchr(".~ ", decoded[0]) == NULL);
    for (const char *at = decoded; *at != '\0'; at += sower_utf8_length(at, strlen(at))) {
        MUST((unsigned char)*at >= ' ' && *at != 127);
        MUST(plain < end && *plain == ((unsigned char)*at < 128 ? *at : '_'));
        plain++;
    }
    MUST(plain == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static void (*const checks[])(const uint8_t *bytes, size_t size) = {check_range, check_tags,
                                                                        check_options, check_name};
    if (size > 0) {
        checks[bytes[0] % 4](bytes + 1, size - 1);
    }
    return 0;
}
