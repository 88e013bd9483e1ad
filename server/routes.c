#include "handlers.h"

const struct sower_route sower_routes[] = {
    {"/v1/tensor", SOWER_GET | SOWER_HEAD | SOWER_POST, sower_handle_tensor},
    {"/v1/plan", SOWER_GET | SOWER_HEAD | SOWER_POST, sower_handle_plan},
    {"/v1/ledger", SOWER_GET | SOWER_HEAD, sower_handle_ledger},
    {"/v1/initializers", SOWER_GET | SOWER_HEAD, sower_handle_initializers},
    {"/healthz", SOWER_GET | SOWER_HEAD, sower_handle_healthz},
    {"/readyz", SOWER_GET | SOWER_HEAD, sower_handle_readyz},
    {NULL, 0, NULL},
};
