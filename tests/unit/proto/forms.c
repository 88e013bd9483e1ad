#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/forms.h"

static struct sower_form example(void)
{
    return (struct sower_form){
        .shape = {2, {30, 20}},
        .initializer = {.entry = sower_catalogue_find("normal"), .values = {0, 0.02}},
        .layout = {.order = SOWER_LAYOUT_OI, .zeros = {.rows = {2, {0, 7}}}},
    };
}

static const struct sower_form *find(struct sower_forms *forms, struct sower_form form)
{
    struct sower_problem problem;
    const struct sower_form *found = sower_forms_find(forms, &form, &problem);
    assert_non_null(found);
    assert_true(sower_form_same(found, &form));
    return found;
}

static void equal_forms_exist_once(void **state)
{
    (void)state;
    struct sower_forms forms = {0};
    const struct sower_form *first = find(&forms, example());
    struct sower_form again;
    memset(&again, 0xff, sizeof again); /* the bytes between the members do not matter */
    again.shape = example().shape;
    again.initializer = example().initializer;
    again.layout = example().layout;
    again.structured = false;
    again.shape.sizes[2] = 5; /* beyond the rank */
    assert_ptr_equal(find(&forms, again), first);
    assert_int_equal(forms.count, 1);
    sower_forms_free(&forms);
}

static void every_member_makes_another_form(void **state)
{
    (void)state;
    struct sower_forms forms = {0};
    struct sower_form changed[20];
    size_t count = 0;
    for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++) {
        changed[i] = example();
    }
    changed[count++].shape.rank = 1;
    changed[count++].shape.sizes[1] = 21;
    changed[count++].initializer.entry = sower_catalogue_find("uniform");
    changed[count++].initializer.values[1] = 0.03;
    changed[count++].initializer.values[5] = 1;
    changed[count++].layout.order = SOWER_LAYOUT_IO;
    changed[count++].layout.has_in_axes = true;
    changed[count++].layout.has_out_axes = true;
    changed[count++].layout.in_axes = 1;
    changed[count++].layout.out_axes = 1;
    changed[count++].layout.batch_axes = 1;
    changed[count++].layout.fan_in = 1;
    changed[count++].layout.fan_out = 1;
    changed[count++].layout.zeros.rows.count = 1;
    changed[count++].layout.zeros.rows.at[1] = 8;
    changed[count++].layout.zeros.columns.count = 1;
    changed[count++].structured = true;
    (void)find(&forms, example());
    for (size_t i = 0; i < count; i++) {
        (void)find(&forms, changed[i]);
        assert_int_equal(forms.count, i + 2);
    }
    sower_forms_free(&forms);
}

static void forms_stay_in_their_place_up_to_the_limit(void **state)
{
    (void)state;
    struct sower_forms forms = {0};
    struct sower_problem problem;
    const struct sower_form *first = find(&forms, example());
    struct sower_form form = example();
    for (uint64_t i = 1; i < SOWER_FORMS_MAX; i++) {
        form.shape.sizes[0] = 1000 + i;
        (void)find(&forms, form);
    }
    assert_ptr_equal(find(&forms, example()), first);
    assert_int_equal(forms.count, SOWER_FORMS_MAX);
    assert_true(sower_forms_memory(&forms) <= 45 << 20);
    form.shape.sizes[0] = 1;
    assert_null(sower_forms_find(&forms, &form, &problem));
    assert_int_equal(problem.code, SOWER_PROBLEM_TOO_LARGE);
    assert_string_equal(problem.field, "tensors");
    sower_forms_free(&forms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_forms_exist_once),
        cmocka_unit_test(every_member_makes_another_form),
        cmocka_unit_test(forms_stay_in_their_place_up_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
