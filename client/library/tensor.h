/* An open tensor of the library: a request, and its source, which the first reading opens. */
#ifndef SOWER_CLIENT_LIBRARY_TENSOR_H
#define SOWER_CLIENT_LIBRARY_TENSOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "client/library/sower.h"
#include "client/library/workers.h"
#include "core/attributes.h"
#include "core/source.h"
#include "proto/request.h"

struct sower_tensor {
    struct sower_request request; /* does not change */
    pthread_mutex_t lock; /* for the rest; a thread that needs the factors waits while another makes them */
    bool opened;
    struct sower_source source; /* if `opened`; then it does not change */
    char *plan;                 /* printed; NULL: not yet */
};

/* A tensor without a request. NULL when memory runs out. */
SOWER_MUST_USE sower_tensor *sower_tensor_new(void);

/* The source, opened if it is not yet. NULL with a problem. */
SOWER_MUST_USE const struct sower_source *
sower_tensor_source(sower_tensor *tensor, struct sower_workers *workers, struct sower_problem *problem);

#endif
