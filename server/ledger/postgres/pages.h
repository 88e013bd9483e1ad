/* Pages of a ledger on PostgreSQL: what is asked of it, read page by page.
 *
 * One connection reads for everybody, under a lock that is held for one page. Each function does what the
 * method of the same name does (store.h). */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_PAGES_H
#define SOWER_SERVER_LEDGER_POSTGRES_PAGES_H

#include <pthread.h>
#include <stdbool.h>

#include "server/ledger/postgres/connection.h"
#include "server/ledger/store.h"

struct sower_postgres_pages {
    pthread_mutex_t lock; /* guards the connection */
    struct sower_postgres postgres;
    uint8_t writer[SOWER_WRITER_SIZE]; /* the store's own */
};

/* Connects; what is wrong is said by pages->postgres.cause. Closed in any case. */
bool sower_postgres_pages_open(struct sower_postgres_pages *pages, const char *url,
                               const uint8_t writer[SOWER_WRITER_SIZE]);
void sower_postgres_pages_close(struct sower_postgres_pages *pages);

bool sower_postgres_pages_last(struct sower_postgres_pages *pages, uint64_t *line,
                               struct sower_problem *problem);
bool sower_postgres_pages_page(struct sower_postgres_pages *pages, const struct sower_page *page,
                               sower_visit_record *visit, void *context, struct sower_problem *problem);
bool sower_postgres_pages_experiments(struct sower_postgres_pages *pages, uint64_t before, size_t count,
                                      sower_visit_experiment *visit, void *context,
                                      struct sower_problem *problem);
bool sower_postgres_pages_experiment(struct sower_postgres_pages *pages, const struct sower_seed *root_id,
                                     const char *name, struct sower_experiment *experiment,
                                     struct sower_problem *problem);
bool sower_postgres_pages_trials(struct sower_postgres_pages *pages, uint64_t experiment, uint64_t from,
                                 size_t count, sower_visit_trial *visit, void *context,
                                 struct sower_problem *problem);
bool sower_postgres_pages_heads(struct sower_postgres_pages *pages, size_t count, uint64_t *lines,
                                sower_visit_link *visit, void *context, struct sower_problem *problem);
bool sower_postgres_pages_manifest(struct sower_postgres_pages *pages, const uint8_t hash[32], char **text,
                                   size_t *length, struct sower_problem *problem);

#endif
