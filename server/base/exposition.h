/* Exposition: the text in which Prometheus reads figures.
 *
 * There are two forms of it: the text format 0.0.4, and OpenMetrics 1.0. They differ in the names of counters in
 * the comment lines, in lines for units, and in the end mark. A family is a name, a type and a sentence of help;
 * its samples follow. The names follow the conventions of Prometheus: the unit is the end of the name (_seconds,
 * _bytes), and a counter's samples end in _total, which this file appends. */
#ifndef SOWER_SERVER_BASE_EXPOSITION_H
#define SOWER_SERVER_BASE_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buffer.h"
#include "server/base/histogram.h"

enum sower_family_type {
    SOWER_FAMILY_COUNTER,
    SOWER_FAMILY_GAUGE,
    SOWER_FAMILY_HISTOGRAM,
    SOWER_FAMILY_INFO, /* one sample, always 1, whose labels are the information */
};

struct sower_exposition {
    struct sower_buffer text; /* failed: memory has run out */
    bool open_metrics;
    const char *name;
    enum sower_family_type type;
};

/* A label of a sample. The value may be any UTF-8 text. A list of labels ends with the name NULL. */
struct sower_label {
    const char *name, *value;
};

/* Begins a family. `help` is a sentence without line feeds, quotes and backslashes. */
void sower_exposition_family(struct sower_exposition *exposition, enum sower_family_type type,
                             const char *name, const char *help);

/* A sample of the family. `labels` may be NULL. */
void sower_exposition_number(struct sower_exposition *exposition, const struct sower_label *labels,
                             uint64_t number);
void sower_exposition_seconds(struct sower_exposition *exposition, const struct sower_label *labels,
                              uint64_t nanoseconds);
void sower_exposition_histogram(struct sower_exposition *exposition, const struct sower_label *labels,
                                const struct sower_histogram_figures *figures);

/* A family with one sample that has no labels. */
void sower_exposition_one(struct sower_exposition *exposition, enum sower_family_type type, const char *name,
                          const char *help, uint64_t number);

/* The end mark. Nothing may follow. */
void sower_exposition_end(struct sower_exposition *exposition);

#endif
