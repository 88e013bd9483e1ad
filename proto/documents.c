#include "proto/documents.h"

#include <math.h>
#include <string.h>

#include "core/environment.h"
#include "proto/format.h"
#include "proto/json.h"

unsigned sower_document_status(enum sower_problem_code code)
{
    switch (code) {
    case SOWER_PROBLEM_INVALID:
        return 400;
    case SOWER_PROBLEM_TOO_LARGE:
        return 413;
    case SOWER_PROBLEM_UNPROCESSABLE:
        return 422;
    case SOWER_PROBLEM_UNAVAILABLE:
    case SOWER_PROBLEM_MEMORY:
        return 503;
    case SOWER_PROBLEM_UNKNOWN:
        return 401;
    case SOWER_PROBLEM_FORBIDDEN:
        return 403;
    case SOWER_PROBLEM_LIMITED:
        return 429;
    }
    return 500;
}

static const char *status_title(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }
    return "Error";
}

json_t *sower_document_problem(unsigned status, const char *param, const char *detail)
{
    json_t *problem = json_pack("{s:s, s:s, s:i, s:s}", "type", "about:blank", "title", status_title(status),
                                "status", (int)status, "detail", detail);
    if (param != NULL && param[0] != '\0') {
        sower_json_set(&problem, "param", json_string(param));
    }
    return problem;
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* [[start, stop], …], one for each axis. */
static json_t *region_json(const struct sower_region *region)
{
    json_t *ranges = json_array();
    for (size_t axis = 0; ranges != NULL && axis < region->rank; axis++) {
        sower_json_append(
            &ranges, json_pack("[I, I]", (json_int_t)region->start[axis], (json_int_t)region->stop[axis]));
    }
    return ranges;
}

static json_t *shape_json(const struct sower_shape *shape)
{
    json_t *sizes = json_array();
    for (size_t axis = 0; sizes != NULL && axis < shape->rank; axis++) {
        sower_json_append(&sizes, json_integer((json_int_t)shape->sizes[axis]));
    }
    return sizes;
}

/* The members of a plan that a ledger line does not have. */
static json_t *resolved_json(const struct sower_request *request)
{
    const struct sower_plan *plan = &request->plan;
    struct sower_shape shape = sower_region_shape(&request->region);
    struct sower_body body;
    sower_format_body(request, &body);
    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:s, s:I}", "fan_in",
                     (json_int_t)plan->fans.in, "fan_out", (json_int_t)plan->fans.out, "gain",
                     number(plan->gain), "std", number(plan->std), "limit", number(plan->limit),
                     "mean_expected", number(plan->mean_expected), "std_expected", number(plan->std_expected),
                     "low", number(plan->low), "high", number(plan->high), "slice",
                     region_json(&request->region), "slice_shape", shape_json(&shape), "elements",
                     (json_int_t)sower_shape_count(&shape), "format", sower_format_name(request->format),
                     "bytes", (json_int_t)(body.prefix_size + body.data_size));
}

json_t *sower_document_plan(const struct sower_request *request)
{
    struct sower_record record;
    sower_record_of(request, &record);
    json_t *plan = sower_record_json(&record);
    const struct sower_environment found = sower_environment_enter();
    json_t *resolved = resolved_json(request);
    sower_environment_leave(&found);
    if (resolved == NULL) {
        json_decref(plan);
        return NULL;
    }
    sower_json_set_missing(&plan, resolved); /* the two have no member in common */
    json_decref(resolved);
    return plan;
}

/* A list of texts, ended by NULL. */
static json_t *texts_json(const char *const *texts)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && texts[i] != NULL; i++) {
        sower_json_append(&list, json_string(texts[i]));
    }
    return list;
}

static const char *kind_name(enum sower_parameter_kind kind)
{
    switch (kind) {
    case SOWER_PARAMETER_REAL:
        return "real";
    case SOWER_PARAMETER_INTEGER:
        return "integer";
    case SOWER_PARAMETER_BOOLEAN:
        return "boolean";
    case SOWER_PARAMETER_CHOICE:
        return "choice";
    }
    return "";
}

/* The default in the parameter's own type. */
static json_t *default_json(const struct sower_parameter *parameter)
{
    if (parameter->required) {
        return json_null();
    }
    switch (parameter->kind) {
    case SOWER_PARAMETER_REAL:
        return isinf(parameter->default_value) ? json_string(parameter->default_value < 0 ? "-inf" : "inf")
                                               : number(parameter->default_value);
    case SOWER_PARAMETER_INTEGER:
        return json_integer((json_int_t)parameter->default_value);
    case SOWER_PARAMETER_BOOLEAN:
        return json_boolean(parameter->default_value != 0);
    case SOWER_PARAMETER_CHOICE:
        return json_string(parameter->choices[(size_t)parameter->default_value]);
    }
    return NULL;
}

static json_t *parameter_json(const struct sower_parameter *parameter)
{
    char domain[160];
    sower_catalogue_domain(parameter, domain, sizeof domain);
    json_t *json = json_pack("{s:s, s:s, s:b, s:o, s:s, s:s}", "name", parameter->name, "kind",
                             kind_name(parameter->kind), "required", parameter->required, "default",
                             default_json(parameter), "domain", domain, "meaning", parameter->meaning);
    if (parameter->kind == SOWER_PARAMETER_CHOICE) {
        sower_json_set(&json, "choices", texts_json(parameter->choices));
    }
    return json;
}

static json_t *parameters_json(const struct sower_entry *entry)
{
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && entry->parameters[i].name != NULL; i++) {
        sower_json_append(&list, parameter_json(&entry->parameters[i]));
    }
    return list;
}

static json_t *entry_json(const struct sower_entry *entry)
{
    return json_pack("{s:s, s:o, s:s, s:s, s:s, s:s, s:[I, I], s:o}", "name", entry->name, "aliases",
                     texts_json(entry->aliases), "summary", entry->summary, "formula", entry->formula,
                     "source", entry->source, "example", entry->example, "rank",
                     (json_int_t)entry->rank_minimum, (json_int_t)entry->rank_maximum, "parameters",
                     parameters_json(entry));
}

json_t *sower_document_entry(const struct sower_entry *entry)
{
    const struct sower_environment found = sower_environment_enter();
    json_t *json = entry_json(entry);
    sower_environment_leave(&found);
    return json;
}

json_t *sower_document_catalogue(void)
{
    json_t *list = json_array();
    const struct sower_entry *entry;
    for (size_t i = 0; list != NULL && (entry = sower_catalogue_entry(i)) != NULL; i++) {
        sower_json_append(&list, sower_document_entry(entry));
    }
    return list;
}
