#include "server/ledger/opening.h"

bool sower_store_opening_refuse(struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "",
                             "The ledger is being opened, which takes some minutes when it was written by an "
                             "older sowerd; ask again in a moment.");
}

static bool last(struct sower_store *store, uint64_t *line, struct sower_problem *problem)
{
    (void)store, (void)line;
    return sower_store_opening_refuse(problem);
}

static bool page(struct sower_store *store, const struct sower_page *page, sower_visit_record *visit,
                 void *context, struct sower_problem *problem)
{
    (void)store, (void)page, (void)visit, (void)context;
    return sower_store_opening_refuse(problem);
}

static bool experiments(struct sower_store *store, uint64_t before, size_t count,
                        sower_visit_experiment *visit, void *context, struct sower_problem *problem)
{
    (void)store, (void)before, (void)count, (void)visit, (void)context;
    return sower_store_opening_refuse(problem);
}

static bool experiment(struct sower_store *store, const struct sower_seed *root_id, const char *name,
                       struct sower_experiment *experiment, struct sower_problem *problem)
{
    (void)store, (void)root_id, (void)name, (void)experiment;
    return sower_store_opening_refuse(problem);
}

static bool trials(struct sower_store *store, uint64_t experiment, uint64_t from, size_t count,
                   sower_visit_trial *visit, void *context, struct sower_problem *problem)
{
    (void)store, (void)experiment, (void)from, (void)count, (void)visit, (void)context;
    return sower_store_opening_refuse(problem);
}

static bool heads(struct sower_store *store, size_t count, uint64_t *lines, sower_visit_link *visit,
                  void *context, struct sower_problem *problem)
{
    (void)store, (void)count, (void)lines, (void)visit, (void)context;
    return sower_store_opening_refuse(problem);
}

static bool manifest(struct sower_store *store, const uint8_t hash[32], char **text, size_t *length,
                     struct sower_problem *problem)
{
    (void)store, (void)hash, (void)text, (void)length;
    return sower_store_opening_refuse(problem);
}

/* Only what any thread may ask of a store. */
static const struct sower_store_methods methods = {
    .last = last,
    .page = page,
    .experiments = experiments,
    .experiment = experiment,
    .trials = trials,
    .heads = heads,
    .manifest = manifest,
};

struct sower_store *sower_store_opening(void)
{
    static struct sower_store store = {.methods = &methods};
    return &store;
}
