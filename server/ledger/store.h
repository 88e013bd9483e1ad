/* Stores: where the ledger's lines are kept.
 *
 * A store keeps rows (struct sower_record) under line numbers that grow by one, and manifests under their
 * hashes. It knows nothing of tensors, threads or HTTP. Each kind of store has a room of its own (sqlite/,
 * postgres/), which fills two tables of functions: one for the ledger's thread, which writes, and one for any
 * thread, which reads. When the store fails, a function returns false with a problem (UNAVAILABLE, a sentence
 * for the client without paths). It works again when the cause is gone.
 *
 * Several daemons may write to one store. The store writes lines one transaction after the other, so that it
 * skips no number, and no line appears below one that a reader has seen. Each daemon's lines are linked to a
 * chain of its own (proto/chain.h). A transaction reads the end of this chain and moves it on (append.h). */
#ifndef SOWER_SERVER_LEDGER_STORE_H
#define SOWER_SERVER_LEDGER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/problem.h"
#include "proto/record.h"
#include "proto/trials.h"

struct sower_store_writer;
struct sower_store_reader;

/* What became of a draw. */
enum sower_draw_outcome {
    SOWER_DRAW_NEW,      /* it is not recorded; record.drift says whether its seed is */
    SOWER_DRAW_RECORDED, /* record.ledger and record.drift are set */
    SOWER_DRAW_REFUSED,  /* it drifts (record.drift is set), where that is not taken */
};

/* A draw that is looked for or to be written. */
struct sower_store_draw {
    struct sower_record record;
    bool strict; /* refuse it if it drifts; in a pinned experiment it is refused in any case */
    enum sower_draw_outcome outcome;
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
    bool strict;
    const _Atomic bool *given_up; /* becomes true when nobody waits any more: then it fails; or NULL */
    /* The outcome. */
    bool written;    /* false when all of it was there already, or it was refused */
    bool refused;    /* one of its draws drifts, where that is not taken; nothing was written */
    size_t drifting; /* the number of the first draw that drifts, while `drift` is not 0 */
    uint64_t drift;  /* the line that it drifts from; 0: none drifts */
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
    uint64_t first;  /* of numbers that are given */
    uint64_t ledger; /* the line that says so */
};

/* A request to pin an experiment, or to unpin it. */
struct sower_store_pin {
    struct sower_seed root_id;
    const char *experiment;
    bool pinned; /* what it shall be */
    int64_t time;
    uint64_t ledger; /* the outcome: the line that made it so; 0: it was not pinned, and no line was needed */
};

/* Which lines to read; what is NULL does not narrow. A page is found at once, however long the ledger, by a
 * seed and anything else, by an experiment and a trial or a name or a manifest, or by one of these. Beyond
 * that (a trial and a name without their seed, a trial and a manifest) the store may have to look for long.
 */
struct sower_page {
    const struct sower_seed *root_id;
    const char *experiment; /* with root_id */
    const uint64_t *trial;  /* with experiment: draws of this trial, and what was given out from it on */
    const char *name;       /* with experiment: draws of this tensor */
    const struct sower_seed *seed;
    const uint8_t *manifest; /* 32 bytes */
    uint64_t after;          /* lines above this one, in rising order */
    uint64_t until;          /* up to and including this one */
    size_t count;            /* no more than so many */
};

/* What is kept of an experiment as a whole. */
struct sower_experiment {
    uint64_t id; /* a number of the store's, from 1, growing as experiments are first used */
    struct sower_seed root_id;
    char name[SOWER_EXPERIMENT_MAX + 1];
    uint64_t draws;      /* lines of draws */
    uint64_t given;      /* trial numbers given out: 0 to given - 1 */
    int64_t first, last; /* the least and the greatest time of its lines */
    uint64_t pinned;     /* the line that pinned it; 0: it is not */
};

/* What was drawn under one trial of an experiment. */
struct sower_trial {
    uint64_t trial;
    uint64_t draws;
    int64_t first, last;
};

/* Take one of what was found; false stops the reading. */
typedef bool sower_visit_record(void *context, const struct sower_record *record);
typedef bool sower_visit_experiment(void *context, const struct sower_experiment *experiment);
typedef bool sower_visit_trial(void *context, const struct sower_trial *trial);
typedef bool sower_visit_link(void *context, const struct sower_link *head);

/* The writing side of a store. Only the ledger's own thread uses it. */
struct sower_store_writer {
    const struct sower_store_writer_methods *methods;
    int64_t
        chain_time; /* the time of the last line in the daemon's chain, as of the last write or probe that succeeded; 0: none */
};

struct sower_store_writer_methods {
    /* Sets the outcome of each draw, and writes nothing. */
    bool (*find)(struct sower_store_writer *writer, struct sower_store_draw *const *draws, size_t count,
                 struct sower_problem *problem);
    /* Writes those draws that are new and not to be refused, in their order, and makes them durable, all or
     * none. Sets the outcome of each, of which none is NEW then, and the whole record of those it writes. A
     * draw that is already there, or twice among them, gets the line that it has. record.time is what the
     * clock says; the line gets the time of the chain's last line if that is later (append.h). */
    bool (*append)(struct sower_store_writer *writer, struct sower_store_draw *const *draws, size_t count,
                   struct sower_problem *problem);
    /* Sets the outcome of a model, `written` aside, as append_model would, and writes nothing. */
    bool (*find_model)(struct sower_store_writer *writer, struct sower_store_model *model,
                       struct sower_problem *problem);
    /* Writes those draws of a model that are not there yet, and keeps its manifest, all or nothing, in one
     * commit; writes nothing when all of it is there, or one is refused. */
    bool (*append_model)(struct sower_store_writer *writer, struct sower_store_model *model,
                         struct sower_problem *problem);
    /* Sets the outcome of each request whose key is there, and NONE for the others. */
    bool (*find_trials)(struct sower_store_writer *writer, struct sower_store_trials *const *requests,
                        size_t count, struct sower_problem *problem);
    /* Gives out numbers to `count` requests, in their order, and makes them durable, all or none, a line for
     * each. Each number is given once, and without gaps from 0; a key that is there, or twice among them,
     * gets the numbers that it has. A request that must be refused does not keep the others from theirs. */
    bool (*give_trials)(struct sower_store_writer *writer, struct sower_store_trials *const *requests,
                        size_t count, struct sower_problem *problem);
    /* Pins or unpins an experiment and writes a line of it, unless it is so already. */
    bool (*pin)(struct sower_store_writer *writer, struct sower_store_pin *pin,
                struct sower_problem *problem);
    /* Whether append would work at this time: writes a draw to the disk, as append does, and takes it back.
     */
    bool (*probe)(struct sower_store_writer *writer, int64_t time, struct sower_problem *problem);
};

/* The reading side of a store. Any thread may use it, several at the same time. */
struct sower_store_reader {
    const struct sower_store_reader_methods *methods;
};

struct sower_store_reader_methods {
    /* The greatest line number, 0 when the ledger is empty. */
    bool (*last)(struct sower_store_reader *reader, uint64_t *line, struct sower_problem *problem);
    /* Visits the lines of a page in order. No lock and no transaction outlive the call. */
    bool (*page)(struct sower_store_reader *reader, const struct sower_page *page, sower_visit_record *visit,
                 void *context, struct sower_problem *problem);
    /* Visits at most `count` experiments whose id is below `before`, the newest first. */
    bool (*experiments)(struct sower_store_reader *reader, uint64_t before, size_t count,
                        sower_visit_experiment *visit, void *context, struct sower_problem *problem);
    /* The experiment of that name under a root; its id is 0 when there is none. */
    bool (*experiment)(struct sower_store_reader *reader, const struct sower_seed *root_id, const char *name,
                       struct sower_experiment *experiment, struct sower_problem *problem);
    /* Visits at most `count` trials of an experiment that have draws, from number `from` on, rising. */
    bool (*trials)(struct sower_store_reader *reader, uint64_t experiment, uint64_t from, size_t count,
                   sower_visit_trial *visit, void *context, struct sower_problem *problem);
    /* The number of lines, and the heads of the chains at that moment: the store's own writer's first, when
     * it has written, then of at most `count` others, those that wrote last first. */
    bool (*heads)(struct sower_store_reader *reader, size_t count, uint64_t *lines, sower_visit_link *visit,
                  void *context, struct sower_problem *problem);
    /* The manifest that is kept under a hash: *text is the caller's (free), NULL when there is none. */
    bool (*manifest)(struct sower_store_reader *reader, const uint8_t hash[32], char **text, size_t *length,
                     struct sower_problem *problem);
};

struct sower_store {
    struct sower_store_writer *writer;
    struct sower_store_reader *reader;
    /* From now on nothing waits longer than a second for another process, calls in progress included. Any thread may call it. NULL
     * for a store that never waits so long. */
    void (*hurry)(struct sower_store *store);
    void (*close)(struct sower_store *store);
};

#endif
