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
#include "server/ledger/quotas.h"

struct sower_store_writer;
struct sower_store_reader;

/* The outcome of a draw. */
enum sower_draw_outcome {
    SOWER_DRAW_NEW,      /* not recorded; record.drift says whether it would drift */
    SOWER_DRAW_RECORDED, /* record.ledger and record.drift are set */
    SOWER_DRAW_REFUSED,  /* it drifts (record.drift is set) to another array, and that is not allowed */
};

/* A draw to look up or to write. */
struct sower_store_draw {
    struct sower_record record;
    bool strict; /* refuse drift to another array; a pinned experiment refuses it in any case */
    bool
        same_array; /* if record.drift is not 0: that line is the same array in another precision (precision.h) */
    struct sower_account
        *account; /* whose line it becomes; NULL: nobody's. Of a draw that exceeds it, `outcome` stays NEW */
    enum sower_draw_outcome outcome;
};

/* The draws of a model: created one at a time, written together. A model of more than SOWER_STORE_STEP draws
 * (store_models.h) takes several calls, as long as `unfinished` is set. */
struct sower_store_model {
    size_t count; /* 0: only the manifest is stored */
    /* Sets the record of the n-th draw. */
    void (*fill)(void *context, size_t n, struct sower_record *record);
    /* Tells the line and the drift of the n-th draw, which is recorded or will be when this call succeeds. May be called
     * again for the same draw; then the last call counts. May be NULL. */
    void (*note)(void *context, size_t n, const struct sower_record *record);
    void *context;
    uint8_t manifest[32]; /* the hash, for every line */
    const char *text;     /* stored under the hash; NULL: it is stored already */
    size_t length;
    int64_t time;
    bool strict;
    struct sower_account *account; /* whose lines they are, or NULL; a model that exceeds it adds nothing */
    const _Atomic bool *given_up;  /* once true, the call fails soon; may be NULL */
    /* The outcome: */
    bool unfinished; /* call again for the next step; other requests may come in between */
    bool written;    /* false: this call wrote nothing, because everything was recorded already, or it was
                        refused, or it only looked draws up */
    bool refused;    /* a draw drifts to another array and that is not allowed; this call wrote nothing */
    size_t drifting; /* if `drift` is not 0: the first draw that drifts, or the refused one */
    uint64_t drift;  /* the line that it drifts from; 0: no draw drifts */
    /* Internal to the store and the ledger; false and 0 before the first call: */
    bool found;     /* the manifest and all draws before `next` are recorded */
    bool writes;    /* all draws that had to be looked up are; from now on draws are written */
    size_t next;    /* the next draw to process */
    size_t missing; /* once all draws of a large model are looked up: how many are not recorded */
};

/* The outcome of a request for trial numbers. */
enum sower_trials_outcome {
    SOWER_TRIALS_NONE,      /* no line has its key, or it has no key */
    SOWER_TRIALS_GIVEN,     /* it has its numbers, from now or from an earlier request with its key */
    SOWER_TRIALS_KEY_TAKEN, /* its key was used for another count */
    SOWER_TRIALS_EXHAUSTED, /* fewer numbers than that are left */
};

/* A request for trial numbers: first, first + 1, …, `count` of them, under a root and an experiment. */
struct sower_store_trials {
    struct sower_seed root_id;
    const char *experiment;
    const char *key; /* empty: no key */
    uint64_t count;  /* 1 to SOWER_TRIALS_COUNT_MAX */
    int64_t time;
    struct sower_account
        *account; /* whose line it becomes, or NULL; if it is exceeded, `outcome` stays NONE */
    enum sower_trials_outcome outcome;
    uint64_t first;  /* the first number that was given out */
    uint64_t ledger; /* the line of it */
};

/* A request to pin or unpin an experiment. */
struct sower_store_pin {
    struct sower_seed root_id;
    const char *experiment;
    bool pinned; /* true: pin; false: unpin */
    int64_t time;
    struct sower_account *account; /* whose line it becomes, or NULL; if it is exceeded, nothing changes */
    uint64_t ledger; /* outcome: the line that did this; 0: it was not pinned and needed no unpinning */
};

/* Which lines to read. A NULL member sets no condition. Finding a page takes the same short time in a ledger of
 * any length when its conditions are a draw or a seed and any others; an experiment and one of trial, name and manifest; or
 * one condition alone. Other combinations (a trial and a name without their seed, a trial and a manifest) may
 * search for long. */
struct sower_page {
    const struct sower_seed *root_id;
    const char *experiment; /* with root_id */
    const uint64_t
        *trial; /* with experiment: draws of this trial, and trial numbers given out that begin with it */
    const char *name; /* with experiment: draws of this tensor */
    const struct sower_seed *seed;
    const struct sower_draw_id *draw; /* not with seed */
    const uint8_t *manifest;          /* 32 bytes */
    uint64_t after;                   /* lines above this one, in rising order */
    uint64_t until;                   /* up to and including this one */
    size_t count;                     /* at most so many lines */
};

/* Totals of an experiment. */
struct sower_experiment {
    uint64_t id; /* the store's number for it, from 1, rising in the order of first use */
    struct sower_seed root_id;
    char name[SOWER_EXPERIMENT_MAX + 1];
    uint64_t draws;      /* number of draws */
    uint64_t given;      /* trial numbers given out: 0 to given - 1 */
    int64_t first, last; /* the least and the greatest time of its lines */
    uint64_t pinned;     /* the line that pinned it; 0: not pinned */
};

/* Totals of one trial of an experiment. */
struct sower_trial {
    uint64_t trial;
    uint64_t draws;
    int64_t first, last;
};

/* What a line takes in a store with its indexes, at most by estimate; usually half of that. */
enum { SOWER_STORE_LINE_BYTES = 1024 };

/* How large the ledger is. */
struct sower_store_size {
    uint64_t bytes; /* of everything that the store keeps */
    uint64_t free;  /* bytes free where it is kept; UINT64_MAX: not known */
};

/* Called once for each result; false stops the reading. */
typedef bool sower_visit_record(void *context, const struct sower_record *record);
typedef bool sower_visit_experiment(void *context, const struct sower_experiment *experiment);
typedef bool sower_visit_trial(void *context, const struct sower_trial *trial);
typedef bool sower_visit_link(void *context, const struct sower_link *head);

/* The writing side of a store. Only the ledger's thread uses it. */
struct sower_store_writer {
    const struct sower_store_writer_methods *methods;
    /* The time of the last line of the daemon's chain after the last successful write or probe; 0: no line. */
    int64_t chain_time;
    uint64_t last;  /* the highest line number of the ledger at that time */
    uint64_t lines; /* written since the store was opened */
    struct sower_quotas quotas;
};

struct sower_store_writer_methods {
    /* Sets the outcome of each draw; writes nothing. */
    bool (*find)(struct sower_store_writer *writer, struct sower_store_draw *const *draws, size_t count,
                 struct sower_problem *problem);
    /* Writes the draws that are new and not refused, in order, and makes them durable, all or none. Sets the
     * outcome of each draw to RECORDED or REFUSED, and the whole record of those that it writes. A draw that is
     * recorded already, or twice in the list, gets its existing line. record.time is the clock's time on entry;
     * the line gets the time of the chain's last line if that is later (append.h). */
    bool (*append)(struct sower_store_writer *writer, struct sower_store_draw *const *draws, size_t count,
                   struct sower_problem *problem);
    /* Sets the outcome of a model as append_model would, except for `written`; writes nothing. One step of it. */
    bool (*find_model)(struct sower_store_writer *writer, struct sower_store_model *model,
                       struct sower_problem *problem);
    /* Writes the draws of a model that are not recorded yet, and its manifest: one step of it, in one commit, all
     * or nothing. Writes nothing if everything is stored already or a draw is refused. (Another process may pin the
     * experiment between two steps. Then the steps before that stay.) */
    bool (*append_model)(struct sower_store_writer *writer, struct sower_store_model *model,
                         struct sower_problem *problem);
    /* Sets the outcome of each request whose key has been used, and NONE for the others. */
    bool (*find_trials)(struct sower_store_writer *writer, struct sower_store_trials *const *requests,
                        size_t count, struct sower_problem *problem);
    /* Gives out numbers to `count` requests, in order, writes a line for each, and makes them durable, all or
     * none. Each number is given out once, from 0 without gaps. A key that has been used, or that is twice in the
     * list, gets its existing numbers. A refused request does not prevent the others. */
    bool (*give_trials)(struct sower_store_writer *writer, struct sower_store_trials *const *requests,
                        size_t count, struct sower_problem *problem);
    /* Pins or unpins an experiment and writes a line of that, unless it is in that state already. */
    bool (*pin)(struct sower_store_writer *writer, struct sower_store_pin *pin,
                struct sower_problem *problem);
    bool knows_disk; /* `measure` sets `free` */
    /* Sets the size. Called before each write, so it must cost little: a store that cannot measure at once estimates
     * from an earlier measurement. */
    bool (*measure)(struct sower_store_writer *writer, struct sower_store_size *size,
                    struct sower_problem *problem);
    /* Gives space back that the ledger does not need, as far as that is possible without waiting for another process. May
     * use a part of the free space meanwhile. Returns whether it gave any back. NULL for a store that keeps no such space. */
    bool (*shrink)(struct sower_store_writer *writer);
    /* Whether append would work at this time. Writes a draw to the disk as append does, and rolls it back. */
    bool (*probe)(struct sower_store_writer *writer, int64_t time, struct sower_problem *problem);
};

/* The reading side of a store. Any thread may use it, several at the same time. */
struct sower_store_reader {
    const struct sower_store_reader_methods *methods;
};

struct sower_store_reader_methods {
    /* The highest line number; 0 if the ledger is empty. */
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
    /* Visits at most `count` trials of an experiment that have draws, from number `from` on, in rising order. */
    bool (*trials)(struct sower_store_reader *reader, uint64_t experiment, uint64_t from, size_t count,
                   sower_visit_trial *visit, void *context, struct sower_problem *problem);
    /* The number of lines, and the heads of the chains at the same moment: first this daemon's own, if it has
     * written, then at most `count` others, the latest writer first. */
    bool (*heads)(struct sower_store_reader *reader, size_t count, uint64_t *lines, sower_visit_link *visit,
                  void *context, struct sower_problem *problem);
    /* The manifest with a hash. *text is the caller's to free, NULL if there is no such manifest. */
    bool (*manifest)(struct sower_store_reader *reader, const uint8_t hash[32], char **text, size_t *length,
                     struct sower_problem *problem);
};

struct sower_store {
    struct sower_store_writer *writer;
    struct sower_store_reader *reader;
    /* From now on no call waits longer than a second for another process; this includes calls in progress. Any
     * thread may call it. NULL for a store that never waits so long. */
    void (*hurry)(struct sower_store *store);
    void (*close)(struct sower_store *store);
};

#endif
