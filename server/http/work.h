/* Work: the part of a request that takes too long for a thread that serves connections.
 *
 * A pool does it while the connection is suspended: the compute pool, or the threads that read the ledger. */
#ifndef SOWER_SERVER_HTTP_WORK_H
#define SOWER_SERVER_HTTP_WORK_H

#include "core/attributes.h"
#include "server/base/pool.h"
#include "server/http/exchange.h"

/* The first member of the state of a handler. */
struct sower_work {
    struct sower_job job;
    struct sower_exchange *exchange;
    void (*run)(struct sower_work *work); /* on a pool */
    struct sower_problem problem;         /* why the work failed, for the next step */
    unsigned status;                      /* of the refusal; 0: the status of the problem's code */
    bool done;                            /* set by `run` on success */
};

/* Suspends the exchange, calls `run` on the compute pool, then continues with `next`. */
enum MHD_Result sower_work_start(struct sower_work *work, struct sower_exchange *exchange,
                                 void (*run)(struct sower_work *work), sower_step *next);

/* The same for work that reads the ledger and computes nothing that takes long. */
enum MHD_Result sower_work_read(struct sower_work *work, struct sower_exchange *exchange,
                                void (*run)(struct sower_work *work), sower_step *next);

/* Responds to work that failed. */
enum MHD_Result sower_work_refuse(struct sower_work *work);

/* Refuses a query string, for a POST with all fields in its body. */
SOWER_MUST_USE bool sower_work_check_query(struct sower_exchange *exchange, struct sower_problem *problem);

/* Refuses a field that is not in `known`; NULL ends the list. */
SOWER_MUST_USE bool sower_work_check_fields(const json_t *fields, const char *const *known,
                                            struct sower_problem *problem);

#endif
