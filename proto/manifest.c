#include "proto/manifest.h"

#include <stdlib.h>

#include <sodium.h>

#include "proto/expression.h"
#include "proto/hex.h"

uint64_t sower_manifest_tensor_size(const struct sower_manifest_tensor *tensor)
{
    return sower_shape_count(&tensor->form->shape) * sower_dtype_size(tensor->dtype);
}

static void print_axes(struct sower_buffer *buffer, const char *key, sower_axes axes)
{
    const char *separator = "";
    sower_buffer_text(buffer, key);
    sower_buffer_text(buffer, "[");
    for (unsigned axis = 0; axis < SOWER_RANK_MAX; axis++) {
        if ((axes >> axis & 1) != 0) {
            sower_buffer_text(buffer, separator);
            sower_buffer_number(buffer, axis);
            separator = ",";
        }
    }
    sower_buffer_text(buffer, "],");
}

static void print_fan(struct sower_buffer *buffer, const char *key, uint64_t fan)
{
    if (fan > 0) {
        sower_buffer_text(buffer, key);
        sower_buffer_number(buffer, fan);
        sower_buffer_text(buffer, ",");
    }
}

static void print_zeros(struct sower_buffer *buffer, const char *key, const struct sower_zero_indices *zeros)
{
    for (size_t i = 0; i < zeros->count; i++) {
        sower_buffer_text(buffer, i == 0 ? key : ",");
        sower_buffer_number(buffer, zeros->at[i]);
    }
    sower_buffer_text(buffer, zeros->count > 0 ? "]" : "");
}

static void print_name(const struct sower_manifest_tensor *tensor, struct sower_buffer *buffer)
{
    sower_buffer_text(buffer, "\"name\":");
    sower_buffer_string(buffer, tensor->name);
    sower_buffer_text(buffer, ",");
}

static void print_shape(const struct sower_manifest_tensor *tensor, struct sower_buffer *buffer)
{
    sower_buffer_text(buffer, "\"shape\":");
    sower_buffer_shape(buffer, &tensor->form->shape);
}

/* A tied tensor. Its dtype is that of the other tensor. */
static void print_tied(const struct sower_manifest *manifest, const struct sower_manifest_tensor *tensor,
                       struct sower_buffer *buffer)
{
    sower_buffer_text(buffer, "{");
    print_name(tensor, buffer);
    sower_buffer_text(buffer, "\"same_as\":");
    sower_buffer_string(buffer, manifest->tensors[tensor->same_as].name);
    sower_buffer_text(buffer, ",");
    print_shape(tensor, buffer);
    sower_buffer_text(buffer, "}");
}

/* A tensor that is not tied, its keys sorted. */
static void print_tensor(const struct sower_manifest_tensor *tensor, struct sower_buffer *buffer)
{
    const struct sower_layout *layout = &tensor->form->layout;
    char expression[SOWER_EXPRESSION_MAX + 1];
    (void)sower_expression_print(&tensor->form->initializer, expression,
                                 sizeof expression); /* always fits, see record.c */
    sower_buffer_text(buffer, "{");
    if (layout->batch_axes != 0) {
        print_axes(buffer, "\"batch_axis\":", layout->batch_axes);
    }
    sower_buffer_text(buffer, "\"dtype\":");
    sower_buffer_string(buffer, sower_dtype_name(tensor->dtype));
    sower_buffer_text(buffer, ",");
    print_fan(buffer, "\"fan_in\":", layout->fan_in);
    print_fan(buffer, "\"fan_out\":", layout->fan_out);
    if (layout->has_in_axes) {
        print_axes(buffer, "\"in_axis\":", layout->in_axes);
    }
    sower_buffer_text(buffer, "\"init\":");
    sower_buffer_string(buffer, expression);
    sower_buffer_text(buffer, ",\"layout\":");
    sower_buffer_string(buffer, sower_layout_name(layout->order));
    sower_buffer_text(buffer, ",");
    print_name(tensor, buffer);
    if (layout->has_out_axes) {
        print_axes(buffer, "\"out_axis\":", layout->out_axes);
    }
    print_shape(tensor, buffer);
    print_zeros(buffer, ",\"zero_columns\":[", &layout->zeros.columns);
    print_zeros(buffer, ",\"zero_rows\":[", &layout->zeros.rows);
    sower_buffer_text(buffer, "}");
}

/* Prints one tensor after another. After each, `flush` (unless it is NULL) may consume the buffer. */
static void print(const struct sower_manifest *manifest, struct sower_buffer *buffer,
                  void (*flush)(void *context, struct sower_buffer *buffer), void *context)
{
    sower_buffer_text(buffer, "{\"tensors\":[");
    for (size_t i = 0; i < manifest->count; i++) {
        sower_buffer_text(buffer, i == 0 ? "" : ",");
        const struct sower_manifest_tensor *tensor = &manifest->tensors[i];
        if (tensor->tied) {
            print_tied(manifest, tensor, buffer);
        } else {
            print_tensor(tensor, buffer);
        }
        if (flush != NULL) {
            flush(context, buffer);
        }
    }
    sower_buffer_text(buffer, "]}");
}

void sower_manifest_print(const struct sower_manifest *manifest, struct sower_buffer *buffer)
{
    print(manifest, buffer, NULL, NULL);
}

/* The state of a hash, and the number of bytes so far. */
struct hashing {
    crypto_generichash_state state;
    uint64_t length;
};

static void add_to_hash(void *context, struct sower_buffer *buffer)
{
    struct hashing *hashing = context;
    crypto_generichash_update(&hashing->state, (const unsigned char *)buffer->text, buffer->length);
    hashing->length += buffer->length;
    buffer->length = 0;
}

bool sower_manifest_hash(struct sower_manifest *manifest, struct sower_problem *problem)
{
    struct hashing hashing = {.length = 0};
    struct sower_buffer buffer = {0};
    crypto_generichash_init(&hashing.state, NULL, 0, sizeof manifest->hash);
    print(manifest, &buffer, add_to_hash, &hashing);
    bool printed = !buffer.failed;
    if (printed) {
        add_to_hash(&hashing, &buffer);
    }
    crypto_generichash_final(&hashing.state, manifest->hash, sizeof manifest->hash);
    manifest->canonical_size = hashing.length;
    sower_buffer_free(&buffer);
    if (!printed) {
        return sower_problem_memory(problem);
    }
    return hashing.length <= SOWER_MANIFEST_TEXT_MAX ||
           sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "tensors",
                             "The canonical form of the manifest has more than %d bytes; use shorter names.",
                             SOWER_MANIFEST_TEXT_MAX);
}

json_t *sower_manifest_summary(const struct sower_manifest *manifest)
{
    char hash[SOWER_HEX_SIZE];
    sower_hex_print(manifest->hash, hash);
    return json_pack("{s:s, s:I, s:I, s:I, s:o, s:O, s:{s:I, s:O}, s:O}", "manifest", hash, "tensors",
                     (json_int_t)manifest->count, "same_as", (json_int_t)manifest->tied_count, "bytes",
                     (json_int_t)manifest->size, "layers",
                     manifest->layers > 0 ? json_integer((json_int_t)manifest->layers) : json_null(),
                     "towers", manifest->towers, "left_out", "count", (json_int_t)manifest->left_out_count,
                     "names", manifest->left_out, "warnings", manifest->warnings);
}

void sower_manifest_free(struct sower_manifest *manifest)
{
    free(manifest->tensors);
    free(manifest->names);
    sower_forms_free(&manifest->forms);
    json_decref(manifest->asked);
    json_decref(manifest->warnings);
    json_decref(manifest->towers);
    json_decref(manifest->left_out);
    *manifest = (struct sower_manifest){0};
}
