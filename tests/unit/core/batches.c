/* Structures with batch axes, explicit axes and blocks. */
#include <math.h>

#include "core/catalogue.h"
#include "tests/unit/core/tensors.h"

static const struct sower_layout OI = {.order = SOWER_LAYOUT_OI}, IO = {.order = SOWER_LAYOUT_IO};

/* A shape of a batch, its layout, and the shape of one entry with the layout of that. */
struct batch {
    const char *expression;
    struct sower_shape shape;
    struct sower_layout layout;
    struct sower_shape entry;
    struct sower_layout entry_layout;
};

static const struct batch BATCHES[] = {
    {"identity(2)", {3, {4, 3, 5}}, {.batch_axes = 1}, {2, {3, 5}}, {.order = SOWER_LAYOUT_OI}},
    {"identity", {3, {3, 5, 4}}, {.batch_axes = 1 << 2}, {2, {3, 5}}, {.order = SOWER_LAYOUT_OI}},
    {"dirac(2)", {4, {4, 3, 3, 5}}, {.batch_axes = 1 << 1}, {3, {4, 3, 5}}, {.order = SOWER_LAYOUT_OI}},
    {"dirac",
     {5, {2, 3, 5, 4, 3}},
     {.order = SOWER_LAYOUT_IO, .batch_axes = 1 << 0 | 1 << 2},
     {3, {3, 4, 3}},
     {.order = SOWER_LAYOUT_IO}},
    {"bilinear", {4, {2, 2, 4, 3}}, {.batch_axes = 1 << 3}, {3, {2, 2, 4}}, {.order = SOWER_LAYOUT_OI}},
    {"lstm_bias(3)", {2, {5, 8}}, {.batch_axes = 1 << 0}, {1, {8}}, {.order = SOWER_LAYOUT_OI}},
    {"lstm_bias(3)", {3, {2, 8, 3}}, {.batch_axes = 5}, {1, {8}}, {.order = SOWER_LAYOUT_IO}},
};

/* The index in a batch of an element of an entry; both indices are of C order. */
static size_t index_in_batch(const struct batch *batch, size_t entry, size_t element)
{
    size_t index = 0, stride = 1;
    for (size_t axis = batch->shape.rank; axis-- > 0;) {
        size_t size = (size_t)batch->shape.sizes[axis];
        size_t *number = (batch->layout.batch_axes >> axis & 1) != 0 ? &entry : &element;
        index += *number % size * stride;
        *number /= size;
        stride *= size;
    }
    return index;
}

static void each_entry_of_a_batch_is_the_structure_without_batch_axes(void **state)
{
    (void)state;
    for (size_t b = 0; b < sizeof BATCHES / sizeof BATCHES[0]; b++) {
        const struct batch *batch = &BATCHES[b];
        size_t count = (size_t)sower_shape_count(&batch->entry);
        size_t entries = (size_t)sower_shape_count(&batch->shape) / count;
        double *whole = tensor_of(batch->expression, batch->shape, SOWER_F32, &batch->layout);
        double *alone = tensor_of(batch->expression, batch->entry, SOWER_F32, &batch->entry_layout);
        for (size_t entry = 0; entry < entries; entry++) {
            for (size_t i = 0; i < count; i++) {
                assert_true(whole[index_in_batch(batch, entry, i)] == alone[i]);
            }
        }
        free(whole);
        free(alone);
    }
}

/* An element of a matrix inside of a tensor. */
struct stride {
    size_t start, row, column;
};

static double at(const double *values, struct stride stride, size_t row, size_t column)
{
    return values[stride.start + row * stride.row + column * stride.column];
}

/* Asserts that the shorter side of a matrix is orthonormal. */
static void assert_orthonormal(const double *values, struct stride stride, size_t rows, size_t columns)
{
    if (rows > columns) {
        struct stride turned = {stride.start, stride.column, stride.row};
        assert_orthonormal(values, turned, columns, rows);
        return;
    }
    for (size_t one = 0; one < rows; one++) {
        for (size_t other = 0; other <= one; other++) {
            double product = 0;
            for (size_t i = 0; i < columns; i++) {
                product += at(values, stride, one, i) * at(values, stride, other, i);
            }
            if (fabs(product - (one == other)) > 1e-6) {
                fail_msg("the product of %zu and %zu is %g", one, other, product);
            }
        }
    }
}

static void each_entry_is_orthonormal_wherever_the_batch_axis_is(void **state)
{
    (void)state;
    enum { BATCH = 5, OUT = 6, IN = 9 };
    const struct {
        struct sower_shape shape;
        struct sower_layout layout;
        struct stride stride; /* rows are out */
        size_t entry;
    } cases[] = {
        {{3, {BATCH, OUT, IN}}, {.batch_axes = 1 << 0}, {0, IN, 1}, OUT * IN},
        {{3, {OUT, BATCH, IN}}, {.batch_axes = 1 << 1}, {0, BATCH * IN, 1}, IN},
        {{3, {OUT, IN, BATCH}}, {.batch_axes = 1 << 2}, {0, IN * BATCH, BATCH}, 1},
        {{3, {BATCH, IN, OUT}}, {.order = SOWER_LAYOUT_IO, .batch_axes = 1}, {0, 1, OUT}, OUT * IN},
        {{3, {IN, OUT, BATCH}}, {.order = SOWER_LAYOUT_IO, .batch_axes = 4}, {0, BATCH, OUT * BATCH}, 1},
        {{3, {BATCH, IN, OUT}},
         {.has_in_axes = true, .in_axes = 2, .has_out_axes = true, .out_axes = 4, .batch_axes = 1},
         {0, 1, OUT},
         OUT * IN},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        double *values = tensor_of("orthogonal", cases[c].shape, SOWER_F32, &cases[c].layout);
        for (size_t entry = 0; entry < BATCH; entry++) {
            struct stride stride = cases[c].stride;
            stride.start = entry * cases[c].entry;
            assert_orthonormal(values, stride, OUT, IN);
            assert_true(entry == 0 || values[0] != values[stride.start]);
        }
        free(values);
    }
}

/* A transposed convolution of PyTorch has the in axis first: rows of the matrix are axis 1. */
static void the_out_axes_are_one_side_of_the_matrix(void **state)
{
    (void)state;
    enum { IN = 3, OUT = 4, SPACE = 5 };
    const struct sower_layout layout = {
        .has_in_axes = true, .in_axes = 1, .has_out_axes = true, .out_axes = 2};
    double *values = tensor_of("orthogonal", (struct sower_shape){3, {IN, OUT, SPACE}}, SOWER_F64, &layout);
    double rows[OUT][IN * SPACE];
    for (size_t i = 0; i < IN * OUT * SPACE; i++) {
        rows[i / SPACE % OUT][i / (OUT * SPACE) * SPACE + i % SPACE] = values[i];
    }
    assert_orthonormal(rows[0], (struct stride){0, IN * SPACE, 1}, OUT, IN * SPACE);
    free(values);
}

static void each_block_is_orthonormal(void **state)
{
    (void)state;
    enum { BLOCKS = 4, SIDE = 7 };
    double *values =
        tensor_of("orthogonal(blocks=4)", (struct sower_shape){2, {BLOCKS * SIDE, SIDE}}, SOWER_F32, &OI);
    double *turned =
        tensor_of("orthogonal(blocks=4)", (struct sower_shape){2, {SIDE, BLOCKS * SIDE}}, SOWER_F32, &IO);
    for (size_t block = 0; block < BLOCKS; block++) {
        assert_orthonormal(values, (struct stride){block * SIDE * SIDE, SIDE, 1}, SIDE, SIDE);
        assert_orthonormal(turned, (struct stride){block * SIDE, BLOCKS * SIDE, 1}, SIDE, SIDE);
        assert_true(block == 0 || values[0] != values[block * SIDE * SIDE]);
    }
    free(values);
    free(turned);
}

/* Over many entries, an element of one entry is uncorrelated with that of the next. */
static void entries_of_a_batch_are_independent(void **state)
{
    (void)state;
    enum { ENTRIES = 20000, SIDE = 3, COUNT = SIDE * SIDE };
    const struct sower_layout layout = {.batch_axes = 1};
    double *values =
        tensor_of("orthogonal", (struct sower_shape){3, {ENTRIES, SIDE, SIDE}}, SOWER_F32, &layout);
    double sum = 0, squares = 0, products = 0;
    for (size_t entry = 0; entry + 1 < ENTRIES; entry++) {
        double value = values[entry * COUNT], next = values[(entry + 1) * COUNT];
        sum += value;
        squares += value * value;
        products += value * next;
    }
    /* the variance of an element is 1/3, that of the product of two 1/9 */
    assert_true(fabs(sum) < 4 * sqrt(ENTRIES / 3.0));
    assert_true(fabs(squares - ENTRIES / 3.0) < 4 * sqrt(ENTRIES * (1 / 5.0 - 1 / 9.0)));
    assert_true(fabs(products) < 4 * sqrt(ENTRIES / 9.0));
    free(values);
}

static void every_column_of_every_entry_has_its_own_zeros(void **state)
{
    (void)state;
    enum { ENTRIES = 30, ROWS = 20, COLUMNS = 11, ZEROS = 8 };
    const struct sower_layout first = {.batch_axes = 1},
                              last = {.order = SOWER_LAYOUT_IO, .batch_axes = 1 << 2},
                              across = {.batch_axes = 1,
                                        .has_in_axes = true,
                                        .in_axes = 2,
                                        .has_out_axes = true,
                                        .out_axes = 4};
    const struct {
        struct sower_shape shape;
        const struct sower_layout *layout;
        struct stride stride;
        size_t entry;
    } cases[] = {
        {{3, {ENTRIES, ROWS, COLUMNS}}, &first, {0, COLUMNS, 1}, ROWS * COLUMNS},
        {{3, {ROWS, COLUMNS, ENTRIES}}, &last, {0, COLUMNS * ENTRIES, ENTRIES}, 1},
        {{3, {ENTRIES, COLUMNS, ROWS}}, &across, {0, 1, ROWS}, ROWS * COLUMNS},
    };
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        double *values = tensor_of("sparse(0.4)", cases[c].shape, SOWER_F32, cases[c].layout);
        size_t equal = 0; /* columns with the zeros of the first column of the first entry */
        for (size_t i = 0; i < ENTRIES * COLUMNS; i++) {
            struct stride stride = cases[c].stride;
            stride.start = i / COLUMNS * cases[c].entry;
            size_t zeros = 0, same = 0;
            for (size_t row = 0; row < ROWS; row++) {
                bool zero = at(values, stride, row, i % COLUMNS) == 0;
                zeros += zero;
                same += zero == (at(values, cases[c].stride, row, 0) == 0);
            }
            assert_int_equal(zeros, ZEROS);
            equal += same == ROWS;
        }
        assert_int_equal(equal, 1);
        free(values);
    }
}

/* Batches of each kind: factors kept, nothing kept, elements kept (matrices.h). */
static const struct batch SLICED[] = {
    {"orthogonal", {3, {4, 6, 7}}, {.batch_axes = 1}, {0}, {0}},
    {"orthogonal(1,3)", {3, {4, 5, 6}}, {.order = SOWER_LAYOUT_IO, .batch_axes = 1}, {0}, {0}},
    {"orthogonal", {3, {6000, 3, 4}}, {.batch_axes = 1}, {0}, {0}},
    {"orthogonal", {3, {4000, 6, 11}}, {.batch_axes = 1}, {0}, {0}},
    {"orthogonal(blocks=2)", {3, {2000, 7, 20}}, {.order = SOWER_LAYOUT_IO, .batch_axes = 1}, {0}, {0}},
    {"orthogonal", {3, {6, 4, 7}}, {.batch_axes = 2}, {0}, {0}},
    {"orthogonal(blocks=2)", {3, {5, 6, 4}}, {.order = SOWER_LAYOUT_IO, .batch_axes = 4}, {0}, {0}},
    {"delta_orthogonal", {4, {4, 4, 3, 3}}, {.batch_axes = 1}, {0}, {0}},
    {"delta_orthogonal", {4, {3, 5, 2, 4}}, {.order = SOWER_LAYOUT_IO, .batch_axes = 1 << 1}, {0}, {0}},
    {"sparse(0.3)", {3, {5, 9, 4}}, {.batch_axes = 4}, {0}, {0}},
    {"sparse(0.3)", {3, {9, 5, 17}}, {.batch_axes = 2}, {0}, {0}},
    {"dirac", {4, {3, 4, 4, 3}}, {.batch_axes = 1}, {0}, {0}},
};

static void assert_slice_equals_whole(const struct batch *batch, enum sower_dtype dtype,
                                      const struct sower_region *region, size_t step, const double *whole)
{
    const struct sower_shape cut = sower_region_shape(region);
    double *part = tensor_part(batch->expression, batch->shape, dtype, &batch->layout, region, step);
    for (size_t n = 0; n < sower_shape_count(&cut); n++) {
        size_t left = n, index = 0, stride = 1;
        for (size_t axis = cut.rank; axis-- > 0;) {
            index += (size_t)(region->start[axis] + left % cut.sizes[axis]) * stride;
            left /= (size_t)cut.sizes[axis];
            stride *= (size_t)batch->shape.sizes[axis];
        }
        assert_true(part[n] == whole[index]);
    }
    free(part);
}

static void any_slice_of_a_batch_equals_the_same_part_of_the_whole(void **state)
{
    (void)state;
    for (size_t b = 0; b < sizeof SLICED / sizeof SLICED[0]; b++) {
        const struct batch *batch = &SLICED[b];
        double *whole = tensor_of(batch->expression, batch->shape, SOWER_BF16, &batch->layout);
        for (size_t axis = 0; axis <= batch->shape.rank; axis++) {
            struct sower_region region = sower_region_whole(&batch->shape);
            for (size_t other = 0; other < batch->shape.rank; other++) {
                if (other == axis || axis == batch->shape.rank) {
                    region.start[other] = 1;
                    region.stop[other] -= region.stop[other] > 2;
                }
            }
            assert_slice_equals_whole(batch, SOWER_BF16, &region, 1 << 20, whole);
            assert_slice_equals_whole(batch, SOWER_BF16, &region, 97, whole);
        }
        free(whole);
    }
}

static struct sower_cost cost_of(const char *expression, struct sower_shape shape, sower_axes batch_axes)
{
    struct sower_initializer initializer;
    struct sower_problem problem = {0};
    struct sower_plan plan;
    const struct sower_layout layout = {.batch_axes = batch_axes};
    assert_true(sower_expression_parse(expression, strlen(expression), &initializer, &problem));
    assert_true(sower_layout_check(&layout, &shape, &problem));
    assert_true(sower_plan_make(&initializer, &shape, SOWER_F32, &layout, &plan, &problem));
    return sower_source_cost(&plan);
}

static void the_cost_of_a_batch_is_bounded_or_said(void **state)
{
    (void)state;
    const uint64_t million = 1000000;
    /* A great many small matrices, one after the other: the factors are not kept. */
    struct sower_cost cost = cost_of("orthogonal", (struct sower_shape){3, {million, 64, 64}}, 1);
    assert_true(cost.memory < 4096 && cost.seconds == 0);
    /* Tiny ones, and interleaved ones: the elements are kept. */
    cost = cost_of("orthogonal", (struct sower_shape){3, {million, 8, 8}}, 1);
    assert_true(cost.memory >= million * 64 * 4 && cost.memory < million * 64 * 4 + 4096);
    cost = cost_of("orthogonal", (struct sower_shape){3, {8, million, 8}}, 2);
    assert_true(cost.memory >= million * 64 * 4 && cost.memory < million * 64 * 4 + 4096);
    assert_true(cost.seconds > 1 && cost.scratch_per_thread < 1 << 20);
    /* Large matrices: the factors of each are kept. */
    cost = cost_of("orthogonal", (struct sower_shape){3, {1000, 1024, 1024}}, 1);
    struct sower_cost one = cost_of("orthogonal", (struct sower_shape){2, {1024, 1024}}, 0);
    assert_true(cost.memory > 999 * one.memory && cost.seconds > 999 * one.seconds);
    assert_int_equal(cost.smaller_side, 1024);
    /* Their sum may be beyond all memory. */
    cost = cost_of("orthogonal", (struct sower_shape){3, {1 << 14, 1 << 11, 1 << 11}}, 1);
    assert_true(cost.memory > UINT64_C(1) << 37);
}

static void blocks_that_do_not_divide_the_out_side_are_refused(void **state)
{
    (void)state;
    struct sower_initializer initializer;
    struct sower_problem problem = {0};
    struct sower_plan plan;
    const struct sower_shape shape = {2, {12, 10}};
    assert_true(sower_expression_parse("orthogonal(blocks=4)", 20, &initializer, &problem));
    assert_true(sower_plan_make(&initializer, &shape, SOWER_F32, &OI, &plan, &problem));
    assert_false(sower_plan_make(&initializer, &shape, SOWER_F32, &IO, &plan, &problem));
    assert_string_equal(problem.field, "init");
    assert_non_null(strstr(problem.sentence, "10"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_entry_of_a_batch_is_the_structure_without_batch_axes),
        cmocka_unit_test(each_entry_is_orthonormal_wherever_the_batch_axis_is),
        cmocka_unit_test(the_out_axes_are_one_side_of_the_matrix),
        cmocka_unit_test(each_block_is_orthonormal),
        cmocka_unit_test(entries_of_a_batch_are_independent),
        cmocka_unit_test(every_column_of_every_entry_has_its_own_zeros),
        cmocka_unit_test(any_slice_of_a_batch_equals_the_same_part_of_the_whole),
        cmocka_unit_test(the_cost_of_a_batch_is_bounded_or_said),
        cmocka_unit_test(blocks_that_do_not_divide_the_out_side_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
