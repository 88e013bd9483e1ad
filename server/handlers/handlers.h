/* The handlers, one file each, and the table that gives them their paths (routes.c). */
#ifndef SOWER_SERVER_HANDLERS_HANDLERS_H
#define SOWER_SERVER_HANDLERS_HANDLERS_H

#include "server/http/exchange.h"
#include "server/http/route.h"

/* Ended by a path of NULL. */
extern const struct sower_route sower_routes[];

sower_step sower_handle_tensor;       /* handle_tensor.c */
sower_step sower_handle_plan;         /* handle_plan.c */
sower_step sower_handle_ledger;       /* handle_ledger.c */
sower_step sower_handle_head;         /* handle_head.c */
sower_step sower_handle_initializers; /* handle_initializers.c */
sower_step sower_handle_model;        /* handle_model.c */
sower_step sower_handle_index;        /* handle_manifests.c */
sower_step sower_handle_manifests;
sower_step sower_handle_stats;       /* handle_stats.c */
sower_step sower_handle_experiments; /* handle_experiments.c */
sower_step sower_handle_experiment;
sower_step sower_handle_pin;     /* handle_pin.c */
sower_step sower_handle_trials;  /* handle_trials.c */
sower_step sower_handle_recipes; /* handle_recipes.c */
sower_step sower_handle_healthz; /* handle_health.c */
sower_step sower_handle_readyz;

#endif
