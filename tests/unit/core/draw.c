#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "core/draw.h"

static struct sower_draw example(void)
{
    struct sower_seed root = sower_seed_public_root();
    struct sower_draw draw = {
        .root_id = sower_seed_root_id(&root),
        .experiment = "exp-42",
        .name = "w",
        .shape = {.rank = 2, .sizes = {4096, 1024}},
        .dtype = SOWER_F32,
        .initializer = {.entry = sower_catalogue_find("variance_scaling"), .values = {2, 1, 2}},
        .layout = {.order = SOWER_LAYOUT_OI},
    };
    return draw;
}

/* The example of the contract; the digits were computed with Python's hashlib. */
static void the_seed_of_the_example_is_that_of_the_contract(void **state)
{
    (void)state;
    struct sower_seed root = sower_seed_public_root();
    struct sower_draw draw = example();
    struct sower_seed seed = sower_draw_seed(&draw, &root);
    char hex[65];
    sodium_bin2hex(hex, sizeof hex, seed.bytes, sizeof seed.bytes);
    assert_string_equal(hex, "5b8208dae656f65e30102f0d698873971479acc3e907fcf1628c25d97a68086d");
}

static void the_canonical_form_is_this_text(void **state)
{
    (void)state;
    struct sower_draw draw = example();
    char text[SOWER_CANONICAL_MAX];
    size_t length = sower_draw_canonical(&draw, text);
    assert_int_equal(length, strlen(text));
    char root[65], expected[SOWER_CANONICAL_MAX];
    sodium_bin2hex(root, sizeof root, draw.root_id.bytes, sizeof draw.root_id.bytes);
    snprintf(
        expected, sizeof expected,
        "sower draw\nspec=1\nroot=%s\nexperiment=6:exp-42\ntrial=0\nname=1:w\nshape=4096,1024\ndtype=f32\n"
        "init=variance_scaling\ninit.scale=4000000000000000\ninit.mode=fan_out\ninit.distribution=uniform\n"
        "layout=oi\nin_axes=1\nout_axes=0\nbatch_axes=\nfan_in=0\nfan_out=0\n",
        root);
    assert_string_equal(text, expected);
}

static void assert_other_id(struct sower_draw changed)
{
    struct sower_draw draw = example();
    struct sower_draw_id before = sower_draw_id(&draw), after = sower_draw_id(&changed);
    assert_memory_not_equal(before.bytes, after.bytes, sizeof before.bytes);
}

static void every_field_is_part_of_the_id(void **state)
{
    (void)state;
    struct sower_draw draw = example();
    struct sower_draw_id first = sower_draw_id(&draw), again = sower_draw_id(&draw);
    assert_memory_equal(first.bytes, again.bytes, sizeof first.bytes);
    draw.root_id.bytes[31] ^= 1;
    assert_other_id(draw);
    draw = example();
    strcpy(draw.experiment, "exp-43");
    assert_other_id(draw);
    draw = example();
    draw.trial = 1;
    assert_other_id(draw);
    draw = example();
    strcpy(draw.name, "v");
    assert_other_id(draw);
    draw = example();
    draw.shape.sizes[1]++;
    assert_other_id(draw);
    draw = example();
    draw.dtype = SOWER_F16;
    assert_other_id(draw);
    draw = example();
    draw.initializer.values[1] = 0;
    assert_other_id(draw);
    draw = example();
    draw.layout.order = SOWER_LAYOUT_IO;
    assert_other_id(draw);
    draw = example();
    draw.layout.fan_out = 1;
    assert_other_id(draw);
    draw = example();
    draw.layout.zeros.rows.count = 1;
    assert_other_id(draw);
    draw = example();
    draw.layout.zeros.columns.count = 1;
    assert_other_id(draw);
}

static void zero_rows_and_columns_are_two_more_lines(void **state)
{
    (void)state;
    struct sower_draw draw = example();
    char text[SOWER_CANONICAL_MAX], without[SOWER_CANONICAL_MAX];
    size_t length = sower_draw_canonical(&draw, without);
    draw.layout.zeros = (struct sower_zeros){.rows = {2, {0, 4095}}, .columns = {1, {7}}};
    sower_draw_canonical(&draw, text);
    assert_memory_equal(text, without, length);
    assert_string_equal(text + length, "zero_rows=0,4095\nzero_columns=7\n");
}

static void explicit_axes_equal_to_the_layouts_give_the_same_id(void **state)
{
    (void)state;
    struct sower_draw draw = example(), named = example();
    named.layout.has_in_axes = true;
    named.layout.in_axes = 1 << 1;
    struct sower_draw_id id = sower_draw_id(&draw), same = sower_draw_id(&named);
    assert_memory_equal(id.bytes, same.bytes, sizeof id.bytes);
}

static void the_longest_draw_fits(void **state)
{
    (void)state;
    struct sower_draw draw = example();
    memset(draw.experiment, 'e', SOWER_EXPERIMENT_MAX);
    memset(draw.name, 'n', SOWER_NAME_MAX);
    draw.trial = SOWER_TRIAL_MAX;
    draw.shape.rank = SOWER_RANK_MAX;
    for (size_t axis = 0; axis < SOWER_RANK_MAX; axis++) {
        draw.shape.sizes[axis] = SOWER_SIZE_MAX;
    }
    draw.layout.batch_axes = 0xff;
    draw.layout.fan_in = draw.layout.fan_out = UINT64_MAX;
    for (size_t i = 0; i < SOWER_ZEROS_MAX; i++) {
        draw.layout.zeros.rows.at[i] = draw.layout.zeros.columns.at[i] = SOWER_SIZE_MAX - i;
    }
    draw.layout.zeros.rows.count = draw.layout.zeros.columns.count = SOWER_ZEROS_MAX;
    const struct sower_entry *entry;
    for (size_t i = 0; (entry = sower_catalogue_entry(i)) != NULL; i++) {
        draw.initializer = (struct sower_initializer){.entry = entry};
        char text[SOWER_CANONICAL_MAX];
        size_t length = sower_draw_canonical(&draw, text);
        assert_true(length < SOWER_CANONICAL_MAX);
        assert_int_equal(text[length - 1], '\n');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_seed_of_the_example_is_that_of_the_contract),
        cmocka_unit_test(the_canonical_form_is_this_text),
        cmocka_unit_test(every_field_is_part_of_the_id),
        cmocka_unit_test(explicit_axes_equal_to_the_layouts_give_the_same_id),
        cmocka_unit_test(zero_rows_and_columns_are_two_more_lines),
        cmocka_unit_test(the_longest_draw_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
