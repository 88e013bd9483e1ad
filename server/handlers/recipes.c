/* /v1/recipes: all recipes, or with ?name= one of them.
 *
 * One step: sower_handle_recipes, on a worker, reads the name and replies. */
#include "server/handlers/handlers.h"

#include "core/edit_distance.h"
#include "proto/recipes.h"
#include "server/http/work.h"

enum MHD_Result sower_handle_recipes(struct sower_exchange *exchange)
{
    static const char *const known[] = {"name", NULL};
    struct sower_problem problem;
    json_t *fields;
    if (!sower_exchange_fields(exchange, &fields, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    const char *name = json_string_value(json_object_get(fields, "name"));
    const struct sower_recipe *recipe = name == NULL ? NULL : sower_recipe_find(name);
    bool read = sower_work_check_fields(fields, known, &problem);
    if (read && json_object_size(fields) > 0 && recipe == NULL) {
        char suggestion[SOWER_SUGGESTION_SIZE];
        sower_nearest_suggestion(sower_recipe_nearest(name == NULL ? "" : name), "\"", "\"", suggestion);
        read = sower_problem_set(&problem, SOWER_PROBLEM_INVALID, "name",
                                 "There is no recipe \"%.60s\"%s /v1/recipes lists them.",
                                 name == NULL ? "" : name, suggestion);
    }
    json_decref(fields);
    if (!read) {
        return sower_refuse(exchange, &problem);
    }
    return sower_reply_json(exchange, MHD_HTTP_OK,
                            recipe != NULL ? sower_recipe_json(recipe) : sower_recipes_json());
}
