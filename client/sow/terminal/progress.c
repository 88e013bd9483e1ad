#include "client/sow/terminal/progress.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/sow/clock.h"
#include "client/sow/terminal/cleanup.h"
#include "client/sow/terminal/terminal.h"

enum {
    FIGURES_COLUMNS = 56, /* the longest case, so that the bar keeps its length */
    BAR_COLUMNS_MAX = 40,
    BAR_COLUMNS_MIN = 8,
    LABEL_COLUMNS_MIN = 12,
    LINE_SIZE = 1024, /* enough for a bar of three-byte characters and its colours */
};

static const double REDRAW_SECONDS = 0.1;
static const double WAIT_SECONDS = 1;   /* after this time the wait is shown */
static const double SMOOTH_SECONDS = 2; /* time constant of the rate */

double progress_seconds(const struct progress *progress)
{
    return clock_seconds() - progress->began;
}

/* Whether stderr is a terminal that can move its cursor. */
static bool stderr_is_screen(void)
{
    const char *terminal = getenv("TERM");
    return isatty(STDERR_FILENO) && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

void progress_begin(struct progress *progress, bool quiet, bool wanted)
{
    const char *no_color = getenv("NO_COLOR");
    *progress = (struct progress){
        .kind = quiet                ? PROGRESS_NONE
                : stderr_is_screen() ? PROGRESS_BAR
                : wanted             ? PROGRESS_LINES
                                     : PROGRESS_NONE,
        .coloured = no_color == NULL || *no_color == '\0',
        .utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
        .began = clock_seconds(),
    };
    progress->drawn = progress->began;
}

void progress_expect(struct progress *progress, uint64_t total)
{
    progress->total = total;
    progress->drawn = clock_seconds(); /* the wait for the first byte does not count for the rate */
}

static double fraction(const struct progress *progress)
{
    return progress->total == 0 ? 1 : (double)progress->done / (double)progress->total;
}

/* Updates the rate with the bytes since the last drawing (exponential smoothing). */
static void measure(struct progress *progress, double time)
{
    double elapsed = time - progress->drawn;
    double latest = (double)(progress->done - progress->done_when_drawn) / (elapsed > 0 ? elapsed : 1e-9);
    double weight = progress->rate > 0 ? elapsed / (elapsed + SMOOTH_SECONDS) : 1;
    progress->rate += weight * (latest - progress->rate);
    progress->drawn = time;
    progress->done_when_drawn = progress->done;
}

/* "45%  29.0 MiB of 64.0 MiB  1.2 GiB/s  0:03 left" */
static void print_figures(const struct progress *progress, char *text, size_t size)
{
    char done[TERMINAL_QUANTITY_SIZE], total[TERMINAL_QUANTITY_SIZE], rate[TERMINAL_QUANTITY_SIZE],
        left[TERMINAL_QUANTITY_SIZE] = "-:--";
    if (progress->rate > 0) {
        terminal_duration((double)(progress->total - progress->done) / progress->rate, left);
    }
    snprintf(text, size, "%3.0f%%  %s of %s  %s/s  %s left", fraction(progress) * 100,
             terminal_bytes((double)progress->done, done), terminal_bytes((double)progress->total, total),
             terminal_bytes(progress->rate, rate), left);
}

static size_t append(char *line, size_t length, const char *text)
{
    size_t size = strlen(text);
    if (length + size >= LINE_SIZE) {
        return length;
    }
    memcpy(line + length, text, size + 1);
    return length + size;
}

static size_t append_bar(const struct progress *progress, char *line, size_t length, size_t columns)
{
    size_t filled = (size_t)(fraction(progress) * (double)columns);
    length = append(line, length, progress->coloured ? "\033[32m" : "");
    for (size_t i = 0; i < columns; i++) {
        if (i == filled && progress->coloured) {
            length = append(line, length, "\033[0;2m");
        }
        bool is_filled = i < filled;
        length = append(line, length, progress->utf8 ? (is_filled ? "━" : "─") : (is_filled ? "#" : "-"));
    }
    length = append(line, length, progress->coloured ? "\033[0m" : "");
    return append(line, length, "  ");
}

/* Writes the line in one piece, so that it is never visible half drawn. */
static void show(struct progress *progress, const char *line, size_t length)
{
    cleanup_set_line(true);
    progress->shown = true;
    fwrite(line, 1, length, stderr);
    fflush(stderr);
}

/* Appends the end of the label, which distinguishes tensors better than its start, in at most `columns`
 * columns. Labels are ASCII in nearly all cases; any other byte is shown as "?". */
static size_t append_label(const struct progress *progress, char *line, size_t length, size_t columns)
{
    char shown[64];
    size_t room = columns < sizeof shown ? columns : sizeof shown;
    if (progress->label == NULL || room < LABEL_COLUMNS_MIN) {
        return length;
    }
    size_t size = strlen(progress->label), count = size < room - 2 ? size : room - 3;
    for (size_t i = 0; i < count; i++) {
        char byte = progress->label[size - count + i];
        shown[i] = byte < ' ' || byte > '~' ? '?' : byte;
    }
    shown[count] = '\0';
    return append(line, append(line, length, "  "), shown);
}

static void draw_bar(struct progress *progress)
{
    char figures[160], line[LINE_SIZE];
    print_figures(progress, figures, sizeof figures);
    size_t width = terminal_columns(stderr) - 1; /* some terminals wrap after the last column */
    size_t columns = width > FIGURES_COLUMNS + 2 ? width - FIGURES_COLUMNS - 2 : 0;
    columns = columns > BAR_COLUMNS_MAX ? BAR_COLUMNS_MAX : columns;
    size_t length = append(line, 0, "\r");
    if (columns >= BAR_COLUMNS_MIN) {
        length = append_bar(progress, line, length, columns);
    }
    figures[strlen(figures) < width ? strlen(figures) : width] = '\0';
    length = append(line, length, figures);
    size_t used = strlen(figures) + (columns >= BAR_COLUMNS_MIN ? columns + 2 : 0);
    length = append_label(progress, line, length, width > used ? width - used : 0);
    length = append(line, length, "\033[K");
    show(progress, line, length);
}

static void draw_wait(struct progress *progress)
{
    char line[LINE_SIZE], waited[TERMINAL_QUANTITY_SIZE];
    snprintf(line, sizeof line, "\rwaiting for the first byte, %s\033[K",
             terminal_duration(progress_seconds(progress), waited));
    show(progress, line, strlen(line));
}

static void draw_lines(struct progress *progress, double time)
{
    unsigned tenths = (unsigned)(fraction(progress) * 10);
    if (tenths <= progress->tenths) {
        return;
    }
    char figures[160];
    measure(progress, time);
    print_figures(progress, figures, sizeof figures);
    fprintf(stderr, "%s\n", figures + strspn(figures, " "));
    progress->tenths = tenths;
}

void progress_update(struct progress *progress, uint64_t done)
{
    if (progress->kind == PROGRESS_NONE) {
        return;
    }
    const double time = clock_seconds();
    double elapsed = time - progress->drawn;
    progress->done = done;
    if (progress->total == 0) {
        if (progress->kind == PROGRESS_BAR && elapsed >= WAIT_SECONDS) {
            progress->drawn = time;
            draw_wait(progress);
        }
    } else if (progress->kind == PROGRESS_LINES) {
        draw_lines(progress, time);
    } else if (elapsed >= REDRAW_SECONDS) {
        measure(progress, time);
        draw_bar(progress);
    }
}

void progress_wait_for_disk(struct progress *progress)
{
    static const char LINE[] = "\rall bytes received, writing to disk\033[K";
    if (progress->shown) {
        show(progress, LINE, sizeof LINE - 1);
    }
}

void progress_end(struct progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
        progress->shown = false;
        cleanup_set_line(false);
    }
}
