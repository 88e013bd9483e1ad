#include "terminal.h"

#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { PARAGRAPH_COLUMNS_MAX = 100, TERMINAL_COLUMNS_DEFAULT = 80, TERMINAL_COLUMNS_MIN = 40 };

/* The bytes of the character at `text`, which is not at its end. */
static size_t character_size(const char *text)
{
    size_t size = 1;
    while (((unsigned char)text[size] & 0xc0) == 0x80) {
        size++;
    }
    return size;
}

/* C0, DEL, and C1 in its UTF-8 form (U+0080 to U+009F), which terminals obey as well. */
static bool is_control(const char *text)
{
    unsigned char first = (unsigned char)text[0], second = (unsigned char)text[1];
    return first < 0x20 || first == 0x7f || (first == 0xc2 && second >= 0x80 && second <= 0x9f);
}

/* The columns a character takes; 1 where the locale cannot say. */
static size_t character_columns(const char *text)
{
    wchar_t wide;
    mbstate_t state = {0};
    size_t read = mbrtowc(&wide, text, character_size(text), &state);
    if (is_control(text) || read == (size_t)-1 || read == (size_t)-2) {
        return 1;
    }
    int columns = wcwidth(wide);
    return columns < 0 ? 1 : (size_t)columns;
}

static void print_character(FILE *file, const char *text)
{
    if (is_control(text)) {
        fputc('?', file);
        return;
    }
    fwrite(text, 1, character_size(text), file);
}

void terminal_print(FILE *file, const char *text)
{
    for (; *text != '\0'; text += character_size(text)) {
        print_character(file, text);
    }
}

static size_t text_columns(const char *text)
{
    size_t columns = 0;
    for (; *text != '\0'; text += character_size(text)) {
        columns += character_columns(text);
    }
    return columns;
}

void terminal_cell(FILE *file, const char *text, size_t columns)
{
    bool whole = text_columns(text) <= columns;
    size_t room = whole || columns == 0 ? columns : columns - 1; /* one for the … */
    size_t used = 0;
    for (; *text != '\0' && used + character_columns(text) <= room; text += character_size(text)) {
        print_character(file, text);
        used += character_columns(text);
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
        char word[256];
        snprintf(word, sizeof word, "%.*s", (int)size, text);
        size_t columns = text_columns(word);
        if (!first && at + 1 + columns > width) {
            fprintf(file, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!first) {
            fputc(' ', file);
            at++;
        }
        terminal_print(file, word);
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
