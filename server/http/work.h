/* Work: what a request needs that takes too long for a thread that serves connections.
 *
 * It is done by a pool while the connection is suspended: by the compute pool, or by the threads that read
 * the ledger. */
#ifndef SOWER_SERVER_HTTP_WORK_H
#define SOWER_SERVER_HTTP_WORK_H

#include "server/base/pool.h"
#include "server/http/exchange.h"

/* Embedded in the state of a handler, at its beginning. */
struct sower_work {
    struct sower_job job;
    struct sower_exchange *exchange;
    void (*run)(struct sower_work *work); /* on a pool */
    struct sower_problem problem;         /* why it is not done, for the step that comes next */
    unsigned status;                      /* of the refusal; 0: that of the problem's code */
    bool done;                            /* set by `run` when all went well */
};

/* Suspends the exchange, has `run` called on the compute pool, and goes on with `next`. */
enum MHD_Result sower_work_start(struct sower_work *work, struct sower_exchange *exchange,
                                 void (*run)(struct sower_work *work), sower_step *next);

/* The same for work that reads the ledger and computes nothing long. */
enum MHD_Result sower_work_read(struct sower_work *work, struct sower_exchange *exchange,
                                void (*run)(struct sower_work *work), sower_step *next);

/* The answer to work that is not done. */
enum MHD_Result sower_work_refuse(struct sower_work *work);

/* Refuses a query string, for a POST that has all it says in its body. */
bool sower_work_check_query(struct sower_exchange *exchange, struct sower_problem *problem);

/* Refuses a field that is not among `known`, which NULL ends. */
bool sower_work_check_fields(const json_t *fields, const char *const *known, struct sower_problem *problem);

#endif
