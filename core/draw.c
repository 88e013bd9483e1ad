#include "draw.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

struct sower_seed sower_draw_seed(const struct sower_draw *draw, const struct sower_seed *root)
{
    struct sower_seed experiment = sower_seed_experiment(root, draw->experiment, strlen(draw->experiment));
    struct sower_seed trial = sower_seed_trial(&experiment, draw->trial);
    struct sower_seed tensor = sower_seed_tensor(&trial, draw->name, strlen(draw->name));
    sodium_memzero(&experiment, sizeof experiment);
    sodium_memzero(&trial, sizeof trial);
    return tensor;
}

/* A text that grows inside a buffer known to be large enough: SOWER_CANONICAL_MAX is above the sum of all
 * fields' maxima (names 768 bytes, 8 sizes of 20, 6 parameters of some 60, keys and axes below 400). */
struct text {
    char *start;
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int written =
        vsnprintf(text->start + text->length, SOWER_CANONICAL_MAX - text->length, format, arguments);
    va_end(arguments);
    text->length += (size_t)written;
}

static void add_parameters(struct text *text, const struct sower_initializer *initializer)
{
    const struct sower_parameter *parameter = initializer->entry->parameters;
    for (size_t i = 0; parameter[i].name != NULL; i++) {
        if (parameter[i].kind == SOWER_PARAMETER_CHOICE) {
            add(text, "init.%s=%s\n", parameter[i].name,
                parameter[i].choices[(size_t)initializer->values[i]]);
        } else {
            uint64_t bits;
            memcpy(&bits, &initializer->values[i], sizeof bits);
            add(text, "init.%s=%016" PRIx64 "\n", parameter[i].name, bits);
        }
    }
}

static void add_axes(struct text *text, const char *key, sower_axes axes)
{
    add(text, "%s=", key);
    const char *separator = "";
    for (unsigned axis = 0; axis < SOWER_RANK_MAX; axis++) {
        if ((axes >> axis & 1) != 0) {
            add(text, "%s%u", separator, axis);
            separator = ",";
        }
    }
    add(text, "\n");
}

size_t sower_draw_canonical(const struct sower_draw *draw, char buffer[SOWER_CANONICAL_MAX])
{
    struct text text = {.start = buffer};
    char root[2 * SOWER_SEED_SIZE + 1];
    sodium_bin2hex(root, sizeof root, draw->root_id.bytes, SOWER_SEED_SIZE);
    add(&text, "sower draw\nspec=%d\nroot=%s\n", SOWER_SPEC, root);
    add(&text, "experiment=%zu:%s\n", strlen(draw->experiment), draw->experiment);
    add(&text, "trial=%" PRIu64 "\n", draw->trial);
    add(&text, "name=%zu:%s\n", strlen(draw->name), draw->name);
    add(&text, "shape=");
    for (size_t axis = 0; axis < draw->shape.rank; axis++) {
        add(&text, "%s%" PRIu64, axis == 0 ? "" : ",", draw->shape.sizes[axis]);
    }
    add(&text, "\ndtype=%s\ninit=%s\n", sower_dtype_name(draw->dtype), draw->initializer.entry->name);
    add_parameters(&text, &draw->initializer);
    add(&text, "layout=%s\n", sower_layout_name(draw->layout.order));
    add_axes(&text, "in_axes", sower_layout_in_axes(&draw->layout, draw->shape.rank));
    add_axes(&text, "out_axes", sower_layout_out_axes(&draw->layout, draw->shape.rank));
    add_axes(&text, "batch_axes", draw->layout.batch_axes);
    add(&text, "fan_in=%" PRIu64 "\nfan_out=%" PRIu64 "\n", draw->layout.fan_in, draw->layout.fan_out);
    return text.length;
}

struct sower_draw_id sower_draw_id(const struct sower_draw *draw)
{
    char text[SOWER_CANONICAL_MAX];
    size_t length = sower_draw_canonical(draw, text);
    struct sower_draw_id id;
    crypto_generichash(id.bytes, sizeof id.bytes, (const unsigned char *)text, length, NULL, 0);
    return id;
}
