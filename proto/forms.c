#include "proto/forms.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

enum { TABLE_FIRST = 64, BLOCK_FORMS = 64 };

struct sower_forms_block {
    struct sower_forms_block *next;
    size_t count;
    struct sower_form forms[BLOCK_FORMS];
};

static bool same_numbers(const uint64_t *one, const uint64_t *other, size_t count)
{
    return memcmp(one, other, count * sizeof *one) == 0;
}

static bool same_shape(const struct sower_shape *one, const struct sower_shape *other)
{
    return one->rank == other->rank && same_numbers(one->sizes, other->sizes, one->rank);
}

/* Parameters are compared bit by bit; the parser of expressions has replaced −0 by 0. */
static bool same_initializer(const struct sower_initializer *one, const struct sower_initializer *other)
{
    return one->entry == other->entry && memcmp(one->values, other->values, sizeof one->values) == 0;
}

static bool same_indices(const struct sower_zero_indices *one, const struct sower_zero_indices *other)
{
    return one->count == other->count && same_numbers(one->at, other->at, one->count);
}

static bool same_layout(const struct sower_layout *one, const struct sower_layout *other)
{
    return one->order == other->order && one->has_in_axes == other->has_in_axes &&
           one->has_out_axes == other->has_out_axes && one->in_axes == other->in_axes &&
           one->out_axes == other->out_axes && one->batch_axes == other->batch_axes &&
           one->fan_in == other->fan_in && one->fan_out == other->fan_out &&
           same_indices(&one->zeros.rows, &other->zeros.rows) &&
           same_indices(&one->zeros.columns, &other->zeros.columns);
}

bool sower_form_same(const struct sower_form *one, const struct sower_form *other)
{
    return one->structured == other->structured && same_shape(&one->shape, &other->shape) &&
           same_initializer(&one->initializer, &other->initializer) &&
           same_layout(&one->layout, &other->layout);
}

/* All fields of a form as numbers. */
struct words {
    size_t count;
    uint64_t list[1 + SOWER_RANK_MAX + 1 + SOWER_PARAMETER_MAX + 3 + 2 * (1 + SOWER_ZEROS_MAX)];
};

static void add(struct words *words, const void *numbers, size_t count)
{
    memcpy(words->list + words->count, numbers, count * sizeof words->list[0]);
    words->count += count;
}

static void add_indices(struct words *words, const struct sower_zero_indices *indices)
{
    const uint64_t count = indices->count;
    add(words, &count, 1);
    add(words, indices->at, indices->count);
}

/* The key is random, so nobody can choose forms that are slow to find. */
static uint64_t hash_of(const struct sower_forms *forms, const struct sower_form *form)
{
    const struct sower_layout *layout = &form->layout;
    const uint64_t axes = (uint64_t)layout->order << 24 | (uint64_t)layout->in_axes << 16 |
                          (uint64_t)layout->out_axes << 8 | layout->batch_axes;
    const uint64_t first[] = {form->shape.rank, (uintptr_t)form->initializer.entry, axes, layout->fan_in,
                              layout->fan_out};
    struct words words = {.count = 0};
    uint64_t hash;
    add(&words, first, sizeof first / sizeof first[0]);
    add(&words, form->shape.sizes, form->shape.rank);
    add(&words, form->initializer.values, SOWER_PARAMETER_MAX);
    add_indices(&words, &layout->zeros.rows);
    add_indices(&words, &layout->zeros.columns);
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)words.list,
                     words.count * sizeof words.list[0], forms->key);
    return hash;
}

/* The place of a form in the table, or the empty place where it belongs. */
static const struct sower_form **place_of(const struct sower_forms *forms, const struct sower_form *form)
{
    size_t at = (size_t)hash_of(forms, form) & (forms->table_size - 1);
    while (forms->table[at] != NULL && !sower_form_same(forms->table[at], form)) {
        at = (at + 1) & (forms->table_size - 1);
    }
    return &forms->table[at];
}

/* Makes room in the table for one more form. */
static bool grow(struct sower_forms *forms)
{
    if (2 * (forms->count + 1) <= forms->table_size) {
        return true;
    }
    if (forms->table_size == 0) {
        crypto_shorthash_keygen(forms->key);
    }
    struct sower_forms larger = *forms;
    larger.table_size = forms->table_size == 0 ? TABLE_FIRST : 2 * forms->table_size;
    larger.table = calloc(larger.table_size, sizeof(const struct sower_form *));
    if (larger.table == NULL) {
        return false;
    }
    for (size_t i = 0; i < forms->table_size; i++) {
        if (forms->table[i] != NULL) {
            *place_of(&larger, forms->table[i]) = forms->table[i];
        }
    }
    free(forms->table);
    *forms = larger;
    return true;
}

/* A copy that stays where it is; NULL when memory runs out. */
static const struct sower_form *keep(struct sower_forms *forms, const struct sower_form *fields)
{
    struct sower_forms_block *block = forms->blocks;
    if (block == NULL || block->count == BLOCK_FORMS) {
        block = malloc(sizeof *block);
        if (block == NULL) {
            return NULL;
        }
        block->next = forms->blocks;
        block->count = 0;
        forms->blocks = block;
    }
    struct sower_form *form = &block->forms[block->count++];
    *form = *fields;
    forms->count++;
    return form;
}

const struct sower_form *sower_forms_find(struct sower_forms *forms, const struct sower_form *fields,
                                          struct sower_problem *problem)
{
    if (!grow(forms)) {
        sower_problem_memory(problem);
        return NULL;
    }
    const struct sower_form **place = place_of(forms, fields);
    if (*place != NULL) {
        return *place;
    }
    if (forms->count == SOWER_FORMS_MAX) {
        sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "tensors",
                          "The tensors have more than %d different combinations of shape, initializer and "
                          "layout, the most that a manifest may have.",
                          SOWER_FORMS_MAX);
        return NULL;
    }
    *place = keep(forms, fields);
    if (*place == NULL) {
        sower_problem_memory(problem);
    }
    return *place;
}

size_t sower_forms_memory(const struct sower_forms *forms)
{
    const size_t blocks = (forms->count + BLOCK_FORMS - 1) / BLOCK_FORMS;
    return blocks * sizeof(struct sower_forms_block) + forms->table_size * sizeof *forms->table;
}

void sower_forms_free(struct sower_forms *forms)
{
    while (forms->blocks != NULL) {
        struct sower_forms_block *next = forms->blocks->next;
        free(forms->blocks);
        forms->blocks = next;
    }
    free(forms->table);
    *forms = (struct sower_forms){0};
}
