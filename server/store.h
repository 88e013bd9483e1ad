/* Stores: where the ledger's lines are kept.
 *
 * A store keeps rows (struct sower_record) under growing line numbers, and manifests under their hashes. It
 * knows nothing of tensors, threads or HTTP. There is one file per kind of store; each fills a table of
 * functions. Every function returns false with a problem (UNAVAILABLE, a sentence for the client without
 * paths) when the store fails, and works again when the cause is gone.
 *
 * find, append, append_model, find_trials, give_trials and probe are called by the ledger's own thread only;
 * the others by any thread, at the same time. */
#ifndef SOWER_SERVER_STORE_H
#define SOWER_SERVER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/problem.h"
#include "../proto/record.h"
#include "../proto/trials.h"

struct sower_store;

/* Which lines to read. */
struct sower_page {
    const char *experiment; /* of this experiment only; NULL: of all */
    uint64_t after;         /* lines above this one, in rising order */
    uint64_t until;         /* up to and including this one */
    size_t count;           /* no more than so many */
};

/* The draws of a model, which are made one at a time and written together. */
struct sower_store_model {
    size_t count; /* 0: only the manifest is kept */
    void (*fill)(void *context, size_t n,
                 struct sower_record *record); /* makes the record of the n-th draw */
    void *context;
    uint8_t manifest[32]; /* the hash, which goes into every line */
    const char *text;     /* what is kept under the hash */
    size_t length;
    int64_t time;
    bool written; /* the outcome: false when all of it was there already */
};

/* What became of a request for trial numbers. */
enum sower_trials_outcome {
    SOWER_TRIALS_NONE,      /* nothing is there under its key, or it has none */
    SOWER_TRIALS_GIVEN,     /* it has its numbers, now or since an earlier request under its key */
    SOWER_TRIALS_KEY_TAKEN, /* its key stands for another count */
    SOWER_TRIALS_EXHAUSTED, /* so many numbers are not left */
};

/* A request for trial numbers: first, first + 1, …, `count` of them, under a root and an experiment. */
struct sower_store_trials {
    struct sower_seed root_id;
    const char *experiment;
    const char *key; /* empty: none */
    uint64_t count;  /* 1 to SOWER_TRIALS_COUNT_MAX */
    int64_t time;
    enum sower_trials_outcome outcome;
    uint64_t first; /* of numbers that are given */
};

/* Takes one line; false stops the reading. */
typedef bool sower_store_visit(void *context, const struct sower_record *record);

struct sower_store_methods {
    /* Sets the line number of each record whose draw is recorded, and 0 for the others. */
    bool (*find)(struct sower_store *store, struct sower_record *const *records, size_t count,
                 struct sower_problem *problem);
    /* Writes `count` records and makes them durable, all or none, and sets the line number of each. A draw
     * that is already there, or twice among them, gets the line that it has. */
    bool (*append)(struct sower_store *store, struct sower_record *const *records, size_t count,
                   struct sower_problem *problem);
    /* Writes those draws of a model that are not there yet, and keeps its manifest, all or nothing, in one
     * commit; writes nothing when all of it is there. */
    bool (*append_model)(struct sower_store *store, struct sower_store_model *model,
                         struct sower_problem *problem);
    /* Sets the outcome of each request whose key is there, and NONE for the others. */
    bool (*find_trials)(struct sower_store *store, struct sower_store_trials *const *requests, size_t count,
                        struct sower_problem *problem);
    /* Gives out numbers to `count` requests, in their order, and makes them durable, all or none. Each number
     * is given once, and without gaps from 0; a key that is there, or twice among them, gets the numbers that
     * it has. A request that must be refused does not keep the others from theirs. */
    bool (*give_trials)(struct sower_store *store, struct sower_store_trials *const *requests, size_t count,
                        struct sower_problem *problem);
    /* Makes a small durable write that adds no line: whether append would work. */
    bool (*probe)(struct sower_store *store, struct sower_problem *problem);
    /* The greatest line number, 0 when the ledger is empty. */
    bool (*last)(struct sower_store *store, uint64_t *line, struct sower_problem *problem);
    /* Visits the lines of a page in order. No lock and no transaction outlive the call. */
    bool (*page)(struct sower_store *store, const struct sower_page *page, sower_store_visit *visit,
                 void *context, struct sower_problem *problem);
    /* The manifest that is kept under a hash: *text is the caller's (free), NULL when there is none. */
    bool (*manifest)(struct sower_store *store, const uint8_t hash[32], char **text, size_t *length,
                     struct sower_problem *problem);
    void (*close)(struct sower_store *store);
};

/* What every store begins with. */
struct sower_store {
    const struct sower_store_methods *methods;
};

/* Opens the store that a URL names ("sqlite:PATH"; PATH empty: ledger.sqlite in `state`). NULL with a
 * problem, also for a scheme that is not known. Closed with methods->close. */
struct sower_store *sower_store_open(const char *url, const char *state, struct sower_problem *problem);

#endif
