/* Recipes: named lists of rules that do what well-known code does when it initializes a model.
 *
 * A recipe is data (the table in recipes.c): rules as in a manifest (rules.h), for the tensor names of that code.
 * A manifest may name a recipe; its own rules then come first. Or it may contain an edited copy of the recipe's
 * rules, which are printed here for that purpose. */
#ifndef SOWER_PROTO_RECIPES_H
#define SOWER_PROTO_RECIPES_H

#include <stddef.h>

#include <jansson.h>

/* A rule of a recipe. A rank of {0, 0} means any rank; NULL: not part of the rule. */
struct sower_recipe_rule {
    const char *name; /* NULL ends a list */
    unsigned rank[2];
    const char *beside;
    unsigned beside_rank[2];
    const char *init, *layout;
};

struct sower_recipe {
    const char *name; /* NULL ends the table */
    const char *summary, *source;
    const struct sower_recipe_rule *rules;
};

extern const struct sower_recipe sower_recipes[];

/* NULL if there is no recipe of that name. */
const struct sower_recipe *sower_recipe_find(const char *name);

/* The name of the recipe that is nearest to a mistyped one; NULL if none is near. */
const char *sower_recipe_nearest(const char *name);

/* The rules as the JSON array that a manifest takes; a new reference, NULL when memory runs out. */
json_t *sower_recipe_rules(const struct sower_recipe *recipe);

/* {"name":…, "summary":…, "source":…, "rules":[…]}, and all recipes as an array; new references, NULL when memory runs out. */
json_t *sower_recipe_json(const struct sower_recipe *recipe);
json_t *sower_recipes_json(void);

#endif
