#include "core/draw.h"

#include <string.h>

#include <sodium.h>

#include "core/environment.h"

struct sower_seed sower_draw_seed(const struct sower_draw *draw, const struct sower_seed *root)
{
    struct sower_seed experiment = sower_seed_experiment(root, draw->experiment, strlen(draw->experiment));
    struct sower_seed trial = sower_seed_trial(&experiment, draw->trial);
    struct sower_seed tensor = sower_seed_tensor(&trial, draw->name, strlen(draw->name));
    sodium_memzero(&experiment, sizeof experiment);
    sodium_memzero(&trial, sizeof trial);
    return tensor;
}

/* A text that grows inside a buffer which is always large enough: SOWER_CANONICAL_MAX is above the sum
 * of the longest fields (names 768 bytes, 8 sizes of 20, 6 parameters of about 60, 16 zero rows and columns
 * of 20, keys and axes below 400). Every response needs the id of its draw, and printf would take most of that time, so this code
 * does without it. */
struct text {
    char *start;
    size_t length;
};

static void add(struct text *text, const char *more)
{
    size_t length = strlen(more);
    memcpy(text->start + text->length, more, length + 1);
    text->length += length;
}

static void add_number(struct text *text, uint64_t number)
{
    char digits[21];
    char *at = digits + sizeof digits - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    add(text, at);
}

/* A name, which may contain any byte except NUL, after its length: "6:exp-42". */
static void add_name(struct text *text, const char *name)
{
    add_number(text, strlen(name));
    add(text, ":");
    add(text, name);
}

/* The 16 hexadecimal digits of a double, the most significant first. */
static void add_double(struct text *text, double value)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t bits;
    char hex[17] = {0};
    memcpy(&bits, &value, sizeof bits);
    for (size_t i = 16; i-- > 0; bits >>= 4) {
        hex[i] = digits[bits & 15];
    }
    add(text, hex);
}

static void add_parameters(struct text *text, const struct sower_initializer *initializer)
{
    const struct sower_parameter *parameter = initializer->entry->parameters;
    for (size_t i = 0; parameter[i].name != NULL; i++) {
        if (!sower_catalogue_is_written(&parameter[i], initializer->values[i])) {
            continue;
        }
        add(text, "\ninit.");
        add(text, parameter[i].name);
        add(text, "=");
        if (parameter[i].kind == SOWER_PARAMETER_CHOICE) {
            add(text, parameter[i].choices[(size_t)initializer->values[i]]);
        } else {
            add_double(text, initializer->values[i]);
        }
    }
}

static void add_axes(struct text *text, sower_axes axes)
{
    const char *separator = "";
    for (unsigned axis = 0; axis < SOWER_RANK_MAX; axis++) {
        if ((axes >> axis & 1) != 0) {
            add(text, separator);
            add_number(text, axis);
            separator = ",";
        }
    }
}

/* Only if there are any: a draw without them has the id that it had before zero rows existed. */
static void add_zeros(struct text *text, const char *key, const struct sower_zero_indices *indices)
{
    for (size_t i = 0; i < indices->count; i++) {
        add(text, i == 0 ? key : ",");
        add_number(text, indices->at[i]);
    }
}

static void add_layout(struct text *text, const struct sower_layout *layout, size_t rank)
{
    add(text, "\nlayout=");
    add(text, sower_layout_name(layout->order));
    add(text, "\nin_axes=");
    add_axes(text, sower_layout_in_axes(layout, rank));
    add(text, "\nout_axes=");
    add_axes(text, sower_layout_out_axes(layout, rank));
    add(text, "\nbatch_axes=");
    add_axes(text, layout->batch_axes);
    add(text, "\nfan_in=");
    add_number(text, layout->fan_in);
    add(text, "\nfan_out=");
    add_number(text, layout->fan_out);
    add_zeros(text, "\nzero_rows=", &layout->zeros.rows);
    add_zeros(text, "\nzero_columns=", &layout->zeros.columns);
}

size_t sower_draw_canonical(const struct sower_draw *draw, char buffer[SOWER_CANONICAL_MAX])
{
    /* add_parameters() converts a double to an integer. That can raise an exception flag although it is
     * exact, because clang computes both ways to convert it. */
    const struct sower_environment found = sower_environment_enter();
    struct text text = {.start = buffer};
    char root[2 * SOWER_SEED_SIZE + 1];
    sodium_bin2hex(root, sizeof root, draw->root_id.bytes, SOWER_SEED_SIZE);
    add(&text, "sower draw\nspec=");
    add_number(&text, SOWER_SPEC);
    add(&text, "\nroot=");
    add(&text, root);
    add(&text, "\nexperiment=");
    add_name(&text, draw->experiment);
    add(&text, "\ntrial=");
    add_number(&text, draw->trial);
    add(&text, "\nname=");
    add_name(&text, draw->name);
    add(&text, "\nshape=");
    for (size_t axis = 0; axis < draw->shape.rank; axis++) {
        add(&text, axis == 0 ? "" : ",");
        add_number(&text, draw->shape.sizes[axis]);
    }
    add(&text, "\ndtype=");
    add(&text, sower_dtype_name(draw->dtype));
    add(&text, "\ninit=");
    add(&text, draw->initializer.entry->name);
    add_parameters(&text, &draw->initializer);
    add_layout(&text, &draw->layout, draw->shape.rank);
    add(&text, "\n");
    sower_environment_leave(&found);
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
