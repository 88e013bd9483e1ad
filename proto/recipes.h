/* Recipes: named lists of rules that do what well-known code does when it initializes a model.
 *
 * A recipe is data: rules as in a manifest (rules.h), for the tensor names of that code. A manifest may name a recipe; its own
 * rules then come first. Or it may contain an edited copy of the recipe's rules, which are printed here for that purpose. Each
 * family of code has a file of recipes in recipes/; docs/add-a-recipe.md says how to add one. */
#ifndef SOWER_PROTO_RECIPES_H
#define SOWER_PROTO_RECIPES_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/* A rule of a recipe. NULL, false, or a rank of {0, 0}: not part of the rule. It has one of init, refuse, same_as and leave_out,
 * or none of them and other fields. */
struct sower_recipe_rule {
    const char *name; /* a glob; NULL ends a list */
    unsigned rank[2];
    const char *shape; /* sizes, letters and stars, "n,m" */
    const char *beside;
    unsigned beside_rank[2];
    const char *beside_shape;
    const char *init, *refuse, *same_as;
    bool leave_out;
    const char *layout;
    const char *in_axis, *out_axis, *batch_axis, *zero_rows; /* numbers, "0,1" */
};

/* A number of the code's configuration, by its name there. Formulas use the default unless the manifest gives another. */
struct sower_recipe_constant {
    const char *name; /* NULL ends a list */
    double value;
};

/* The classes with whose own initialization the recipe was compared, tensor by tensor. */
struct sower_recipe_comparison {
    const char *package; /* NULL ends a list */
    const char *version;
    const char *classes; /* separated by ", " */
    const char *date;    /* 2026-01-31 */
};

struct sower_recipe {
    const char *name; /* NULL ends a family */
    const char *summary, *source;
    const char *const *blocks; /* the lists of blocks (rules.h), ended by NULL; NULL: none */
    const struct sower_recipe_constant *constants; /* NULL: none */
    const struct sower_recipe_rule *rules;
    const struct sower_recipe_comparison *compared; /* NULL: with nothing */
};

/* Recipe number `index` in the order of the documentation; NULL after the last one. */
const struct sower_recipe *sower_recipe(size_t index);

/* NULL if there is no recipe of that name. */
const struct sower_recipe *sower_recipe_find(const char *name);

/* The name of a recipe that resembles an unknown one: it is near to it (edit_distance.h), or one of the two contains the other.
 * NULL if there is none. */
const char *sower_recipe_nearest(const char *name);

/* The fields that make a manifest the same as this recipe does: {"blocks":[…], "constants":{…}, "rules":[…]}. The first two are
 * left out if the recipe has none. A new reference, NULL when memory runs out. */
json_t *sower_recipe_manifest(const struct sower_recipe *recipe);

/* {"name":…, "summary":…, "source":…, "compared":[…]} and those fields; and all recipes as an array. New references, NULL when
 * memory runs out. */
json_t *sower_recipe_json(const struct sower_recipe *recipe);
json_t *sower_recipes_json(void);

#endif
