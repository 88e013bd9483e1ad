#include "proto/recipes.h"

#include <stdint.h>
#include <string.h>

#include "core/edit_distance.h"
#include "proto/json.h"
#include "proto/recipes/families.h"
#include "proto/text.h"

static const struct sower_recipe *const FAMILIES[] = {
    sower_recipes_torch,       sower_recipes_keras,  sower_recipes_flax,
    sower_recipes_huggingface, sower_recipes_vision, sower_recipes_language,
};

enum { FAMILY_COUNT = sizeof FAMILIES / sizeof FAMILIES[0] };

const struct sower_recipe *sower_recipe(size_t index)
{
    for (size_t family = 0; family < FAMILY_COUNT; family++) {
        for (const struct sower_recipe *recipe = FAMILIES[family]; recipe->name != NULL; recipe++) {
            if (index-- == 0) {
                return recipe;
            }
        }
    }
    return NULL;
}

const struct sower_recipe *sower_recipe_find(const char *name)
{
    const struct sower_recipe *recipe;
    for (size_t i = 0; (recipe = sower_recipe(i)) != NULL; i++) {
        if (strcmp(recipe->name, name) == 0) {
            return recipe;
        }
    }
    return NULL;
}

const char *sower_recipe_nearest(const char *name)
{
    struct sower_nearest nearest = {.name = name};
    const struct sower_recipe *recipe;
    for (size_t i = 0; (recipe = sower_recipe(i)) != NULL; i++) {
        sower_nearest_try(&nearest, recipe->name);
    }
    for (size_t i = 0; nearest.found == NULL && strlen(name) >= 3 && (recipe = sower_recipe(i)) != NULL;
         i++) {
        nearest.found =
            strstr(recipe->name, name) != NULL || strstr(name, recipe->name) != NULL ? recipe->name : NULL;
    }
    return nearest.found;
}

/* Adds a number, or [least, greatest], if the rule has this condition. */
static void add_rank(json_t **match, const char *key, const unsigned rank[2])
{
    if (rank[1] != 0) {
        sower_json_set(match, key,
                       rank[0] == rank[1] ? json_integer(rank[0])
                                          : json_pack("[i, i]", (int)rank[0], (int)rank[1]));
    }
}

static void add_text(json_t **object, const char *key, const char *text)
{
    if (text != NULL) {
        sower_json_set(object, key, json_string(text));
    }
}

/* Adds an array of the parts of "n,2,*": whole numbers as numbers, everything else as text. */
static void add_list(json_t **object, const char *key, const char *list)
{
    json_t *array = list == NULL ? NULL : json_array();
    for (size_t length; array != NULL && *list != '\0'; list += length + (list[length] == ',')) {
        int64_t number;
        length = strcspn(list, ",");
        sower_json_append(&array, sower_text_integer(list, length, &number) ? json_integer(number)
                                                                            : json_stringn(list, length));
    }
    if (list != NULL) {
        sower_json_set(object, key, array);
    }
}

/* A glob such as "*.bias", or an object of conditions. */
static json_t *match_json(const struct sower_recipe_rule *rule)
{
    if (rule->rank[1] == 0 && rule->shape == NULL && rule->beside == NULL) {
        return json_string(rule->name);
    }
    json_t *match = json_pack("{s:s}", "name", rule->name);
    add_rank(&match, "rank", rule->rank);
    add_list(&match, "shape", rule->shape);
    add_text(&match, "beside", rule->beside);
    add_rank(&match, "beside_rank", rule->beside_rank);
    add_list(&match, "beside_shape", rule->beside_shape);
    return match;
}

static json_t *rule_json(const struct sower_recipe_rule *rule)
{
    json_t *json = json_pack("{s:o}", "match", match_json(rule));
    add_text(&json, "init", rule->init);
    add_text(&json, "refuse", rule->refuse);
    add_text(&json, "same_as", rule->same_as);
    if (rule->leave_out) {
        sower_json_set(&json, "leave_out", json_true());
    }
    add_text(&json, "layout", rule->layout);
    add_list(&json, "in_axis", rule->in_axis);
    add_list(&json, "out_axis", rule->out_axis);
    add_list(&json, "batch_axis", rule->batch_axis);
    add_list(&json, "zero_rows", rule->zero_rows);
    return json;
}

static json_t *rules_json(const struct sower_recipe *recipe)
{
    json_t *rules = json_array();
    for (const struct sower_recipe_rule *rule = recipe->rules; rules != NULL && rule->name != NULL; rule++) {
        sower_json_append(&rules, rule_json(rule));
    }
    return rules;
}

static json_t *blocks_json(const struct sower_recipe *recipe)
{
    json_t *blocks = json_array();
    for (size_t i = 0; blocks != NULL && recipe->blocks != NULL && recipe->blocks[i] != NULL; i++) {
        sower_json_append(&blocks, json_string(recipe->blocks[i]));
    }
    return blocks;
}

static json_t *constants_json(const struct sower_recipe *recipe)
{
    json_t *constants = json_object();
    for (const struct sower_recipe_constant *constant = recipe->constants;
         constants != NULL && constant != NULL && constant->name != NULL; constant++) {
        sower_json_set(&constants, constant->name, json_real(constant->value));
    }
    return constants;
}

/* Adds what a manifest needs to do the same as the recipe. */
static void add_manifest(json_t **json, const struct sower_recipe *recipe)
{
    if (recipe->blocks != NULL) {
        sower_json_set(json, "blocks", blocks_json(recipe));
    }
    if (recipe->constants != NULL) {
        sower_json_set(json, "constants", constants_json(recipe));
    }
    sower_json_set(json, "rules", rules_json(recipe));
}

json_t *sower_recipe_manifest(const struct sower_recipe *recipe)
{
    json_t *json = json_object();
    add_manifest(&json, recipe);
    return json;
}

static json_t *comparisons(const struct sower_recipe *recipe)
{
    json_t *array = json_array();
    for (const struct sower_recipe_comparison *with = recipe->compared;
         array != NULL && with != NULL && with->package != NULL; with++) {
        sower_json_append(&array, json_pack("{s:s, s:s, s:s, s:s}", "package", with->package, "version",
                                            with->version, "classes", with->classes, "date", with->date));
    }
    return array;
}

json_t *sower_recipe_json(const struct sower_recipe *recipe)
{
    json_t *json = json_pack("{s:s, s:s, s:s}", "name", recipe->name, "summary", recipe->summary, "source",
                             recipe->source);
    sower_json_set(&json, "compared", comparisons(recipe));
    add_manifest(&json, recipe);
    return json;
}

json_t *sower_recipes_json(void)
{
    json_t *list = json_array();
    const struct sower_recipe *recipe;
    for (size_t i = 0; list != NULL && (recipe = sower_recipe(i)) != NULL; i++) {
        sower_json_append(&list, sower_recipe_json(recipe));
    }
    return list;
}
