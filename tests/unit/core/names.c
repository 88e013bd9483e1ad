#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/names.h"

static struct sower_signature found(const char *name)
{
    struct sower_signature signature;
    if (!sower_names_find(name, strlen(name), &signature)) {
        fail_msg("there is no name %s", name);
    }
    assert_string_equal(signature.name, name);
    return signature;
}

static const char *entry_of(const char *name)
{
    return found(name).entry->name;
}

static void assert_unknown(const char *name)
{
    struct sower_signature signature;
    if (sower_names_find(name, strlen(name), &signature)) {
        fail_msg("%s is %s", name, signature.entry->name);
    }
}

static void a_word_means_what_it_means_in_its_framework(void **state)
{
    (void)state;
    assert_string_equal(entry_of("kaiming_normal"), "kaiming_normal");
    assert_string_equal(entry_of("kaiming_normal_"), "kaiming_normal");
    assert_string_equal(entry_of("torch.nn.init.kaiming_normal_"), "kaiming_normal");
    assert_string_equal(entry_of("nn.init.kaiming_normal"), "kaiming_normal");
    assert_string_equal(entry_of("jax.nn.initializers.kaiming_normal"), "he_normal");
    assert_string_equal(entry_of("jax.nn.initializers.kaiming_uniform"), "he_uniform");
    assert_string_equal(entry_of("jax.nn.initializers.xavier_normal"), "glorot_normal");
    assert_string_equal(entry_of("nn.initializers.xavier_uniform"), "glorot_uniform");
    assert_string_equal(entry_of("HeNormal"), "he_normal");
    assert_string_equal(entry_of("keras.initializers.he_normal"), "he_normal");
    assert_string_equal(entry_of("tf.keras.initializers.HeNormal"), "he_normal");
    assert_string_equal(entry_of("IdentityInitializer"), "identity");
}

static void a_name_has_the_defaults_of_its_framework(void **state)
{
    (void)state;
    assert_true(found("normal").values[1] == 0.05);
    assert_true(found("RandomNormal").values[1] == 0.05);
    assert_true(found("normal_").values[1] == 1);
    assert_true(found("jax.nn.initializers.normal").values[1] == 0.01);
    struct sower_signature signature = found("torch.nn.init.uniform_");
    assert_true(signature.values[0] == 0 && signature.values[1] == 1);
    signature = found("jax.nn.initializers.uniform");
    assert_true(signature.values[0] == 0 && signature.values[1] == 0.01);
    assert_string_equal(signature.parameters[0].name, "scale");
    assert_true(signature.targets[0] == 1); /* high */
    assert_null(signature.parameters[1].name);
    assert_true(found("constant_").parameters[0].required);
    assert_false(found("Constant").parameters[0].required);
}

static void a_name_of_another_framework_is_unknown(void **state)
{
    (void)state;
    assert_unknown("torch.nn.init.he_normal");
    assert_unknown("torch.nn.init.HeNormal");
    assert_unknown("jax.nn.initializers.HeNormal");
    assert_unknown("jax.nn.initializers.normal_");
    assert_unknown("keras.initializers.kaiming_normal");
    assert_unknown("keras.initializers.normal_");
    assert_unknown("initializers.normal"); /* Keras' or Flax'? */
    assert_unknown("he_normal_");
    assert_unknown("");
    assert_unknown("torch.nn.init.");
    char lengthy[5000];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    assert_unknown(lengthy);
}

static void assert_suggests(const char *name, const char *expected)
{
    char suggestion[SOWER_SUGGESTION_SIZE];
    sower_names_suggest(name, strlen(name), "\"", suggestion);
    assert_string_equal(suggestion, expected);
}

static void a_mistyped_name_finds_the_intended_one(void **state)
{
    (void)state;
    assert_suggests("he_norml", "; did you mean \"he_normal\"?");
    assert_suggests("kaiming_unifrom", "; did you mean \"kaiming_uniform\"?");
    assert_suggests("kaiming_unifrom_", "; did you mean \"kaiming_uniform_\"?");
    assert_suggests("zero", "; did you mean \"zeros\"?");
    assert_suggests("HeNorml", "; did you mean \"HeNormal\"?");
    assert_suggests("RandomNorm", "; did you mean \"RandomNormal\"?");
    assert_suggests("torch.nn.init.kaiming_norml_", "; did you mean \"torch.nn.init.kaiming_normal_\"?");
    assert_suggests("jax.nn.initializers.kaiming_norml",
                    "; did you mean \"jax.nn.initializers.kaiming_normal\"?");
    assert_suggests("keras.initializers.HeNorml", "; did you mean \"keras.initializers.HeNormal\"?");
    char lengthy[5000];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    assert_suggests(lengthy, ".");
    assert_suggests("", ".");
    assert_suggests("torch.nn.init.", ".");
    assert_suggests("supercalifragilistic", ".");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_means_what_it_means_in_its_framework),
        cmocka_unit_test(a_name_has_the_defaults_of_its_framework),
        cmocka_unit_test(a_name_of_another_framework_is_unknown),
        cmocka_unit_test(a_mistyped_name_finds_the_intended_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
