/* Recipes: what well-known code does when it initializes a model, as named lists of rules.
 *
 * A recipe is data (the table in recipes.c): rules as a manifest has them (rules.h), under the names that its
 * code gives to tensors. A manifest names a recipe and may put rules of its own before it; or it takes the
 * recipe's rules as they are printed here, and edits them. */
#ifndef SOWER_PROTO_RECIPES_H
#define SOWER_PROTO_RECIPES_H

#include <stddef.h>

#include <jansson.h>

/* A rule of a recipe. A rank of {0, 0} is any rank; NULL: not part of the rule. */
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

/* NULL when there is none of that name. */
const struct sower_recipe *sower_recipe_find(const char *name);

/* The recipe whose name is nearest to a mistyped one; NULL when none is near. */
const char *sower_recipe_nearest(const char *name);

/* The rules as the JSON array that a manifest takes; NULL when memory runs out. The caller's. */
json_t *sower_recipe_rules(const struct sower_recipe *recipe);

/* {"name":…, "summary":…, "source":…, "rules":[…]}, and all of them as an array. */
json_t *sower_recipe_json(const struct sower_recipe *recipe);
json_t *sower_recipes_json(void);

#endif
