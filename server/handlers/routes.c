/* The table of routes (http/route.h): each path, its methods and its handler. */
#include "server/handlers/handlers.h"

#include "proto/manifest.h"

/* A canonical form that was kept may be posted too. */
enum { MANIFEST_BODY_MAX = SOWER_MANIFEST_TEXT_MAX };

const struct sower_route sower_routes[] = {
    {"/v1/tensor", SOWER_GET | SOWER_HEAD | SOWER_POST, sower_handle_tensor, 0, false},
    {"/v1/plan", SOWER_GET | SOWER_HEAD | SOWER_POST, sower_handle_plan, 0, false},
    {"/v1/stats", SOWER_GET | SOWER_HEAD | SOWER_POST, sower_handle_stats, 0, false},
    {"/v1/model", SOWER_GET | SOWER_HEAD | SOWER_POST, sower_handle_model, MANIFEST_BODY_MAX, false},
    {"/v1/model/index", SOWER_GET | SOWER_HEAD, sower_handle_model_index, 0, false},
    {"/v1/draws", SOWER_POST, sower_handle_draws, MANIFEST_BODY_MAX, false},
    {"/v1/draws/{draw}", SOWER_GET | SOWER_HEAD, sower_handle_draw, 0, false},
    {"/v1/manifests", SOWER_GET | SOWER_HEAD | SOWER_POST, sower_handle_manifests, MANIFEST_BODY_MAX, false},
    {"/v1/seed", SOWER_GET | SOWER_HEAD, sower_handle_seed, 0, false},
    {"/v1/recipes", SOWER_GET | SOWER_HEAD, sower_handle_recipes, 0, false},
    {"/v1/experiments", SOWER_GET | SOWER_HEAD, sower_handle_experiments, 0, false},
    {"/v1/experiments/{experiment}", SOWER_GET | SOWER_HEAD, sower_handle_experiment, 0, false},
    {"/v1/experiments/{experiment}/trials", SOWER_POST, sower_handle_trials, 0, false},
    {"/v1/experiments/{experiment}/pin", SOWER_GET | SOWER_HEAD | SOWER_PUT | SOWER_DELETE, sower_handle_pin,
     0, false},
    {"/v1/ledger", SOWER_GET | SOWER_HEAD, sower_handle_ledger, 0, false},
    {"/v1/ledger/head", SOWER_GET | SOWER_HEAD, sower_handle_head, 0, false},
    {"/v1/initializers", SOWER_GET | SOWER_HEAD, sower_handle_initializers, 0, false},
    {"/openapi.json", SOWER_GET | SOWER_HEAD, sower_handle_openapi, 0, false},
    {"/healthz", SOWER_GET | SOWER_HEAD, sower_handle_healthz, 0, true},
    {"/readyz", SOWER_GET | SOWER_HEAD, sower_handle_readyz, 0, true},
    {0},
};
