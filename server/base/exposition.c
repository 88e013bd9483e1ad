#include "server/base/exposition.h"

#include <string.h>

#include "proto/number.h"

static const char *const type_names[] = {"counter", "gauge", "histogram", "info"};

/* What the name of a sample or, in a comment line, of a family has after the family's name. */
static const char *ending(enum sower_family_type type)
{
    return type == SOWER_FAMILY_COUNTER ? "_total" : type == SOWER_FAMILY_INFO ? "_info" : "";
}

static bool ends_with(const char *name, const char *end)
{
    const size_t length = strlen(name), end_length = strlen(end);
    return length > end_length && strcmp(name + length - end_length, end) == 0;
}

static void comment(struct sower_exposition *exposition, const char *kind, const char *text)
{
    struct sower_buffer *buffer = &exposition->text;
    sower_buffer_text(buffer, "# ");
    sower_buffer_text(buffer, kind);
    sower_buffer_text(buffer, " ");
    sower_buffer_text(buffer, exposition->name);
    sower_buffer_text(buffer, exposition->open_metrics ? "" : ending(exposition->type));
    sower_buffer_text(buffer, " ");
    sower_buffer_text(buffer, text);
    sower_buffer_text(buffer, "\n");
}

void sower_exposition_family(struct sower_exposition *exposition, enum sower_family_type type,
                             const char *name, const char *help)
{
    exposition->name = name;
    exposition->type = type;
    comment(exposition, "HELP", help);
    /* The text format 0.0.4 has no type for information. */
    const bool plain_info = type == SOWER_FAMILY_INFO && !exposition->open_metrics;
    comment(exposition, "TYPE", type_names[plain_info ? SOWER_FAMILY_GAUGE : type]);
    if (exposition->open_metrics && ends_with(name, "_seconds")) {
        comment(exposition, "UNIT", "seconds");
    } else if (exposition->open_metrics && ends_with(name, "_bytes")) {
        comment(exposition, "UNIT", "bytes");
    }
}

/* The name and the labels of a sample. `bound` is the additional label of a histogram's bucket, or NULL. */
static void begin_sample(struct sower_exposition *exposition, const char *end,
                         const struct sower_label *labels, const char *bound)
{
    struct sower_buffer *buffer = &exposition->text;
    const char *before = "{";
    sower_buffer_text(buffer, exposition->name);
    sower_buffer_text(buffer, end);
    for (const struct sower_label *label = labels; label != NULL && label->name != NULL; label++) {
        sower_buffer_text(buffer, before);
        sower_buffer_text(buffer, label->name);
        sower_buffer_text(buffer, "=");
        sower_buffer_string(buffer,
                            label->value); /* quotes, backslashes and line feeds are escaped as in JSON */
        before = ",";
    }
    if (bound != NULL) {
        sower_buffer_text(buffer, before);
        sower_buffer_text(buffer, "le=");
        sower_buffer_string(buffer, bound);
        before = ",";
    }
    sower_buffer_text(buffer, before[0] == ',' ? "} " : " ");
}

static void number_and_line_feed(struct sower_exposition *exposition, uint64_t number)
{
    sower_buffer_number(&exposition->text, number);
    sower_buffer_text(&exposition->text, "\n");
}

static void seconds_and_line_feed(struct sower_exposition *exposition, uint64_t nanoseconds)
{
    char fraction[11] = ".";
    sower_number_pad(nanoseconds % 1000000000, fraction + 1, 9);
    fraction[10] = '\n';
    sower_buffer_number(&exposition->text, nanoseconds / 1000000000);
    sower_buffer_bytes(&exposition->text, fraction, sizeof fraction);
}

void sower_exposition_number(struct sower_exposition *exposition, const struct sower_label *labels,
                             uint64_t number)
{
    begin_sample(exposition, ending(exposition->type), labels, NULL);
    number_and_line_feed(exposition, number);
}

void sower_exposition_seconds(struct sower_exposition *exposition, const struct sower_label *labels,
                              uint64_t nanoseconds)
{
    begin_sample(exposition, ending(exposition->type), labels, NULL);
    seconds_and_line_feed(exposition, nanoseconds);
}

void sower_exposition_histogram(struct sower_exposition *exposition, const struct sower_label *labels,
                                const struct sower_histogram_figures *figures)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= SOWER_HISTOGRAM_BOUNDS; i++) {
        const char *bound = i < SOWER_HISTOGRAM_BOUNDS ? sower_histogram_bounds[i].seconds : "+Inf";
        count += figures->buckets[i];
        begin_sample(exposition, "_bucket", labels, bound);
        number_and_line_feed(exposition, count);
    }
    begin_sample(exposition, "_sum", labels, NULL);
    seconds_and_line_feed(exposition, figures->nanoseconds);
    begin_sample(exposition, "_count", labels, NULL);
    number_and_line_feed(exposition, count);
}

void sower_exposition_one(struct sower_exposition *exposition, enum sower_family_type type, const char *name,
                          const char *help, uint64_t number)
{
    sower_exposition_family(exposition, type, name, help);
    sower_exposition_number(exposition, NULL, number);
}

void sower_exposition_end(struct sower_exposition *exposition)
{
    if (exposition->open_metrics) {
        sower_buffer_text(&exposition->text, "# EOF\n");
    }
}
