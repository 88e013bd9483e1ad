/* The handlers, one file each, and the table that gives them their paths (routes.c). */
#ifndef SOWER_SERVER_HANDLERS_HANDLERS_H
#define SOWER_SERVER_HANDLERS_HANDLERS_H

#include "server/http/exchange.h"
#include "server/http/route.h"

/* The last entry has a path of NULL. */
extern const struct sower_route sower_routes[];

sower_step sower_handle_tensor;       /* tensor.c */
sower_step sower_handle_plan;         /* plan.c */
sower_step sower_handle_stats;        /* stats.c */
sower_step sower_handle_model;        /* model.c */
sower_step sower_handle_model_index;  /* model_index.c */
sower_step sower_handle_draws;        /* draws.c */
sower_step sower_handle_draw;         /* draw.c */
sower_step sower_handle_manifests;    /* manifests.c */
sower_step sower_handle_recipes;      /* recipes.c */
sower_step sower_handle_initializers; /* initializers.c */
sower_step sower_handle_experiments;  /* experiments.c */
sower_step sower_handle_experiment;   /* experiments.c */
sower_step sower_handle_trials;       /* trials.c */
sower_step sower_handle_seed;         /* seed.c */
sower_step sower_handle_pin;          /* pin.c */
sower_step sower_handle_ledger;       /* ledger.c */
sower_step sower_handle_head;         /* head.c */
sower_step sower_handle_openapi;      /* openapi.c */
sower_step sower_handle_metrics;      /* metrics.c */
sower_step sower_handle_healthz;      /* health.c */
sower_step sower_handle_readyz;       /* health.c */

#endif
