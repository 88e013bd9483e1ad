#include "core/zeros.h"

#include <string.h>

/* One of the two lists, for a sentence. */
struct side {
    const char *field;
    const char *one; /* "row" */
    const char *axis;
};

static const struct side ROWS = {"zero_rows", "row", "first axis"};
static const struct side COLUMNS = {"zero_columns", "column", "last axis"};

/* Whether the list has the index; *place: how many of its indices are smaller. */
static bool find(const struct sower_zero_indices *list, uint64_t index, size_t *place)
{
    *place = 0;
    while (*place < list->count && list->at[*place] < index) {
        (*place)++;
    }
    return *place < list->count && list->at[*place] == index;
}

/* Adds one index of an axis of `size` elements. */
static bool add(struct sower_zero_indices *list, const struct side *side, uint64_t size, int64_t index,
                struct sower_problem *problem)
{
    const int64_t from_start = index < 0 ? index + (int64_t)size : index;
    size_t place;
    if (from_start < 0 || (uint64_t)from_start >= size) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, side->field,
                                 "There is no %s %lld: the %s has %llu.", side->one, (long long)index,
                                 side->axis, (unsigned long long)size);
    }
    if (find(list, (uint64_t)from_start, &place)) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, side->field, "%s names %s %lld twice.",
                                 side->field, side->one, (long long)from_start);
    }
    memmove(&list->at[place + 1], &list->at[place], (list->count - place) * sizeof list->at[0]);
    list->at[place] = (uint64_t)from_start;
    list->count++;
    return true;
}

static bool set(struct sower_zero_indices *list, const struct side *side, const struct sower_shape *shape,
                size_t axis, const int64_t *indices, size_t count, struct sower_problem *problem)
{
    list->count = 0;
    if (shape->rank == 0) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, side->field,
                                 "%s needs a tensor with at least one axis; this one is a scalar.",
                                 side->field);
    }
    if (count > SOWER_ZEROS_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, side->field,
                                 "%s has %zu indices; it may have at most %d.", side->field, count,
                                 SOWER_ZEROS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (!add(list, side, shape->sizes[axis], indices[i], problem)) {
            return false;
        }
    }
    return true;
}

bool sower_zeros_set_rows(struct sower_zeros *zeros, const struct sower_shape *shape, const int64_t *indices,
                          size_t count, struct sower_problem *problem)
{
    return set(&zeros->rows, &ROWS, shape, 0, indices, count, problem);
}

bool sower_zeros_set_columns(struct sower_zeros *zeros, const struct sower_shape *shape,
                             const int64_t *indices, size_t count, struct sower_problem *problem)
{
    return set(&zeros->columns, &COLUMNS, shape, shape->rank - 1, indices, count, problem);
}

double sower_zeros_share_of_others(const struct sower_zeros *zeros, const struct sower_shape *shape)
{
    size_t rows = zeros->rows.count, columns = zeros->columns.count, place;
    if (rows + columns == 0 || sower_shape_count(shape) == 0) {
        return 1;
    }
    const double height = (double)shape->sizes[0], width = (double)shape->sizes[shape->rank - 1];
    if (shape->rank > 1) {
        return (height - (double)rows) / height * ((width - (double)columns) / width);
    }
    for (size_t i = 0; i < zeros->columns.count; i++) { /* an element that is in both counts once */
        columns -= find(&zeros->rows, zeros->columns.at[i], &place) ? 1 : 0;
    }
    return (height - (double)(rows + columns)) / height;
}

/* How many elements of the runs have an index below `index`. */
static uint64_t count_below(const struct sower_runs *runs, uint64_t index)
{
    if (index <= runs->first) {
        return 0;
    }
    const uint64_t distance = index - runs->first;
    const uint64_t run = runs->count > 1 ? distance / runs->stride : 0;
    if (run >= runs->count) {
        return runs->count * runs->length;
    }
    const uint64_t within = distance - run * runs->stride;
    return run * runs->length + (within < runs->length ? within : runs->length);
}

/* A row is a range of indices, and so it is one range of the elements. */
static void put_row(uint64_t row, uint64_t row_length, const struct sower_runs *runs, size_t size,
                    uint8_t *elements)
{
    const uint64_t begin = count_below(runs, row * row_length);
    const uint64_t end = count_below(runs, (row + 1) * row_length);
    memset(elements + begin * size, 0, (size_t)(end - begin) * size);
}

/* memset with a length that the compiler knows: about ten times as fast for one element. */
static void put_element(size_t size, uint8_t *element)
{
    switch (size) {
    case 8:
        memset(element, 0, 8);
        break;
    case 4:
        memset(element, 0, 4);
        break;
    case 2:
        memset(element, 0, 2);
        break;
    default:
        *element = 0;
    }
}

/* The distance between two runs is a multiple of the last axis, so the column has the same place in each run. */
static void put_column(uint64_t column, uint64_t width, const struct sower_runs *runs, size_t size,
                       uint8_t *elements)
{
    const uint64_t start = runs->first % width;
    const uint64_t place = column >= start ? column - start : column + width - start;
    for (uint64_t run = 0; run < runs->count; run++) {
        for (uint64_t at = place; at < runs->length; at += width) {
            put_element(size, elements + (run * runs->length + at) * size);
        }
    }
}

void sower_zeros_put(const struct sower_zeros *zeros, const struct sower_shape *shape,
                     const struct sower_runs *runs, size_t size, void *elements)
{
    if (zeros->rows.count + zeros->columns.count == 0) {
        return;
    }
    const uint64_t width = shape->sizes[shape->rank - 1];
    const uint64_t row_length = sower_shape_count(shape) / shape->sizes[0];
    for (size_t i = 0; i < zeros->rows.count; i++) {
        put_row(zeros->rows.at[i], row_length, runs, size, elements);
    }
    for (size_t i = 0; i < zeros->columns.count; i++) {
        put_column(zeros->columns.at[i], width, runs, size, elements);
    }
}
