/* The table of routes (http/route.h): each path, its methods and its handler. */
#include "server/handlers/handlers.h"

#include "proto/manifest.h"
#include "proto/token.h"

/* A canonical form that was kept may be posted too. */
enum { MANIFEST_BODY_MAX = SOWER_MANIFEST_TEXT_MAX };

enum {
    PLAN = SOWER_SCOPE_PLAN,
    DRAW = SOWER_SCOPE_DRAW,
    TRIALS = SOWER_SCOPE_TRIALS,
    PIN = SOWER_SCOPE_PIN,
    READ = SOWER_SCOPE_READ,
    EXPORT = SOWER_SCOPE_EXPORT,
    METRICS = SOWER_SCOPE_METRICS,
    ANY = SOWER_SCOPE_ANY,
    FREE = SOWER_SCOPE_FREE,
};

const struct sower_route sower_routes[] = {
    {"/v1/tensor", SOWER_GET | SOWER_HEAD | SOWER_POST, sower_handle_tensor, .scopes = DRAW},
    {"/v1/plan", SOWER_GET | SOWER_HEAD | SOWER_POST, sower_handle_plan, .scopes = PLAN},
    {"/v1/stats", SOWER_GET | SOWER_HEAD | SOWER_POST, sower_handle_stats, .scopes = PLAN},
    {"/v1/model", SOWER_GET | SOWER_HEAD | SOWER_POST, sower_handle_model, .body_max = MANIFEST_BODY_MAX,
     .scopes = DRAW},
    {"/v1/model/index", SOWER_GET | SOWER_HEAD, sower_handle_model_index, .scopes = PLAN | DRAW},
    {"/v1/draws", SOWER_POST, sower_handle_draws, .body_max = MANIFEST_BODY_MAX, .scopes = DRAW},
    {"/v1/draws/{draw}", SOWER_GET | SOWER_HEAD, sower_handle_draw, .scopes = READ},
    {"/v1/manifests", SOWER_GET | SOWER_HEAD | SOWER_POST, sower_handle_manifests,
     .body_max = MANIFEST_BODY_MAX, .scopes = DRAW, .read_scopes = PLAN | DRAW},
    {"/v1/seed", SOWER_GET | SOWER_HEAD, sower_handle_seed, .scopes = PLAN},
    {"/v1/recipes", SOWER_GET | SOWER_HEAD, sower_handle_recipes, .scopes = ANY},
    {"/v1/experiments", SOWER_GET | SOWER_HEAD, sower_handle_experiments, .scopes = READ},
    {"/v1/experiments/{experiment}", SOWER_GET | SOWER_HEAD, sower_handle_experiment, .scopes = READ},
    {"/v1/experiments/{experiment}/trials", SOWER_POST, sower_handle_trials, .scopes = TRIALS},
    {"/v1/experiments/{experiment}/pin", SOWER_GET | SOWER_HEAD | SOWER_PUT | SOWER_DELETE, sower_handle_pin,
     .scopes = PIN, .read_scopes = READ | PIN},
    {"/v1/ledger", SOWER_GET | SOWER_HEAD, sower_handle_ledger, .scopes = READ | EXPORT},
    {"/v1/ledger/head", SOWER_GET | SOWER_HEAD, sower_handle_head, .scopes = EXPORT},
    {"/v1/initializers", SOWER_GET | SOWER_HEAD, sower_handle_initializers, .scopes = ANY},
    {"/openapi.json", SOWER_GET | SOWER_HEAD, sower_handle_openapi, .scopes = FREE},
    {"/metrics", SOWER_GET | SOWER_HEAD, sower_handle_metrics, .quiet = true, .scopes = METRICS},
    {"/healthz", SOWER_GET | SOWER_HEAD, sower_handle_healthz, .any_host = true, .quiet = true,
     .scopes = FREE},
    {"/readyz", SOWER_GET | SOWER_HEAD, sower_handle_readyz, .any_host = true, .quiet = true, .scopes = FREE},
    {0},
};
