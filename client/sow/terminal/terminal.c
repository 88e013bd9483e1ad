#include "client/sow/terminal/terminal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "proto/json.h"

enum { PARAGRAPH_COLUMNS_MAX = 100, TERMINAL_COLUMNS_DEFAULT = 80, TERMINAL_COLUMNS_MIN = 40 };

/* Code points that control a terminal or change the reading order of a line: C0, DEL and C1; marks,
 * embeddings, overrides and isolates of bidirectional text; line and paragraph separators. */
static const struct {
    uint32_t first, last;
} UNSAFE[] = {{0, 0x1f}, {0x7f, 0x9f}, {0x61c, 0x61c}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x206f}};

/* One character of untrusted text. */
struct character {
    size_t size;    /* in bytes, at least 1 */
    uint32_t point; /* its code point; the byte itself when it is not valid UTF-8 */
    bool safe;
};

/* The length of the UTF-8 sequence that begins with this byte; 1 for a byte that begins none. */
static size_t sequence_size(unsigned char lead)
{
    return lead >= 0xc2 && lead <= 0xdf   ? 2
           : lead >= 0xe0 && lead <= 0xef ? 3
           : lead >= 0xf0 && lead <= 0xf4 ? 4
                                          : 1;
}

/* Reads the first character of `text`, which has `size` bytes, at least one. */
static struct character read_character(const char *text, size_t size)
{
    static const uint32_t LEAST[] = {0, 0, 0x80, 0x800,
                                     0x10000}; /* the smallest code point that needs this many bytes */
    const unsigned char *bytes = (const unsigned char *)text;
    size_t wanted = sequence_size(bytes[0]);
    uint32_t point = wanted == 1 ? bytes[0] : bytes[0] & (0x7fu >> wanted);
    size_t count = 1;
    for (; count < wanted && count < size && (bytes[count] & 0xc0) == 0x80; count++) {
        point = point << 6 | (bytes[count] & 0x3f);
    }
    bool surrogate = point >= 0xd800 && point <= 0xdfff;
    if (count < wanted || (wanted == 1 && bytes[0] >= 0x80) || point < LEAST[wanted] || surrogate ||
        point > 0x10ffff) {
        return (struct character){1, bytes[0], false};
    }
    struct character character = {wanted, point, true};
    for (size_t i = 0; i < sizeof UNSAFE / sizeof UNSAFE[0]; i++) {
        character.safe = character.safe && (point < UNSAFE[i].first || point > UNSAFE[i].last);
    }
    return character;
}

/* The columns that a character takes; 1 when the locale does not know it. */
static size_t character_columns(const char *text, struct character character)
{
    wchar_t wide;
    mbstate_t state = {0};
    size_t read = character.safe ? mbrtowc(&wide, text, character.size, &state) : (size_t)-1;
    int columns = read == (size_t)-1 || read == (size_t)-2 ? 1 : wcwidth(wide);
    return columns < 0 ? 1 : (size_t)columns;
}

static void print_character(FILE *file, const char *text, struct character character)
{
    if (character.safe) {
        fwrite(text, 1, character.size, file);
    } else {
        fputc('?', file);
    }
}

static void print_text(FILE *file, const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        struct character character = read_character(text + at, size - at);
        print_character(file, text + at, character);
        at += character.size;
    }
}

void terminal_print(FILE *file, const char *text)
{
    print_text(file, text, strlen(text));
}

void terminal_json(FILE *file, const char *text, size_t size)
{
    if (!isatty(fileno(file))) {
        fwrite(text, 1, size, file);
        return;
    }
    for (size_t at = 0; at < size;) {
        struct character character = read_character(text + at, size - at);
        if (!character.safe && text[at] != '\n') {
            fprintf(file, "\\u%04" PRIx32, character.point);
        } else {
            fwrite(text + at, 1, character.size, file);
        }
        at += character.size;
    }
}

bool terminal_json_value(FILE *file, const json_t *value)
{
    char *text = sower_json_text(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL) {
        return false;
    }
    terminal_json(file, text, strlen(text));
    fputc('\n', file);
    free(text);
    return true;
}

static size_t text_columns(const char *text, size_t size)
{
    size_t columns = 0;
    for (size_t at = 0; at < size;) {
        struct character character = read_character(text + at, size - at);
        columns += character_columns(text + at, character);
        at += character.size;
    }
    return columns;
}

void terminal_cell(FILE *file, const char *text, size_t columns)
{
    size_t size = strlen(text), used = 0;
    bool whole = text_columns(text, size) <= columns;
    size_t room = whole || columns == 0 ? columns : columns - 1; /* one column for the … */
    for (size_t at = 0; at < size;) {
        struct character character = read_character(text + at, size - at);
        size_t taken = character_columns(text + at, character);
        if (used + taken > room) {
            break;
        }
        print_character(file, text + at, character);
        used += taken;
        at += character.size;
    }
    if (!whole && columns > 0) {
        fputs("…", file);
        used++;
    }
    for (; used < columns; used++) {
        fputc(' ', file);
    }
}

void terminal_wrap(FILE *file, const char *text, size_t indent)
{
    size_t width = terminal_columns(file);
    width = width < PARAGRAPH_COLUMNS_MAX ? width : PARAGRAPH_COLUMNS_MAX;
    size_t at = indent;
    bool first = true;
    while (*text != '\0') {
        size_t size = strcspn(text, " ");
        size_t columns = text_columns(text, size);
        if (!first && at + 1 + columns > width) {
            fprintf(file, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            fputc(' ', file);
            at++;
        }
        print_text(file, text, size);
        at += columns;
        first = false;
        text += size;
        text += strspn(text, " ");
    }
    fputc('\n', file);
}

size_t terminal_columns(FILE *file)
{
    struct winsize size;
    if (ioctl(fileno(file), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        return TERMINAL_COLUMNS_DEFAULT;
    }
    return size.ws_col < TERMINAL_COLUMNS_MIN ? TERMINAL_COLUMNS_MIN : size.ws_col;
}

const char *terminal_bytes(double bytes, char text[TERMINAL_QUANTITY_SIZE])
{
    static const char *const UNITS[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes >= 1000 && unit + 1 < sizeof UNITS / sizeof UNITS[0]) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, TERMINAL_QUANTITY_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, UNITS[unit]);
    return text;
}

const char *terminal_duration(double seconds, char text[TERMINAL_QUANTITY_SIZE])
{
    double longest = 999 * 3600.0;
    unsigned whole = (unsigned)(seconds < longest ? seconds + 0.5 : longest);
    unsigned hours = whole / 3600, minutes = whole / 60 % 60;
    if (hours > 0) {
        snprintf(text, TERMINAL_QUANTITY_SIZE, "%u:%02u:%02u", hours, minutes, whole % 60);
    } else {
        snprintf(text, TERMINAL_QUANTITY_SIZE, "%u:%02u", minutes, whole % 60);
    }
    return text;
}
