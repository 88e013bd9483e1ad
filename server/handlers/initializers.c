/* /v1/initializers: the catalogue, or with ?name= one entry of it.
 *
 * One step: sower_handle_initializers, on a worker, reads the name and replies. */
#include "server/handlers/handlers.h"

#include <string.h>

#include "core/catalogue.h"
#include "core/names.h"
#include "proto/documents.h"

/* Finds the entry that the field "name" asks for; *entry stays NULL without the field. */
static bool read_name(const json_t *fields, const struct sower_entry **entry, struct sower_problem *problem)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)fields, key, value)
    {
        const char *name = json_string_value(value);
        if (strcmp(key, "name") != 0) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, key,
                                     "There is no field \"%s\" here; the only field is name.", key);
        }
        if (name == NULL || name[0] == '\0') {
            return sower_problem_set(
                problem, SOWER_PROBLEM_INVALID, "name",
                "The name is empty; it takes an initializer's name, for example he_normal.");
        }
        struct sower_signature signature;
        if (!sower_names_find(name, strlen(name), &signature)) {
            char suggestion[SOWER_SUGGESTION_SIZE];
            sower_names_suggest(name, strlen(name), "\"", suggestion);
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "name",
                                     "There is no initializer \"%.60s\"%s /v1/initializers lists them all.",
                                     name, suggestion);
        }
        *entry = signature.entry;
    }
    return true;
}

enum MHD_Result sower_handle_initializers(struct sower_exchange *exchange)
{
    const struct sower_entry *entry = NULL;
    struct sower_problem problem;
    json_t *fields;
    if (!sower_exchange_fields(exchange, &fields, &problem)) {
        return sower_refuse(exchange, &problem);
    }
    bool read = read_name(fields, &entry, &problem);
    json_decref(fields);
    if (!read) {
        return sower_refuse(exchange, &problem);
    }
    return sower_reply_json(exchange, MHD_HTTP_OK,
                            entry != NULL ? sower_document_entry(entry) : sower_document_catalogue());
}
