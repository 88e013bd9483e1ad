/* Quotas: how many lines each owner has added to the ledger, and how many it may add in all.
 *
 * An owner is a name; the ledger does not know what it stands for (the daemon takes the name of a token). A store keeps a
 * row for each owner and daemon, and changes the row in the transaction that adds the lines, so that the count is exact
 * after every failure, and daemons that share a store share the quotas. The rows are not part of the record: no
 * line refers to an owner.
 *
 * A large model takes several transactions (store_models.h), and must not fail for its quota after the first one. So the
 * first one *promises* its missing lines to the owner: the others must leave room for them. Each step fulfils a part. The
 * row has what is promised, for the other daemons; a daemon that was killed takes back its promises when it starts again.
 *
 * A store calls begin, find for each account, read for each count that needs it, take for each new line, and commits the
 * changes. struct sower_quotas belongs to the ledger's thread. */
#ifndef SOWER_SERVER_LEDGER_QUOTAS_H
#define SOWER_SERVER_LEDGER_QUOTAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attributes.h"
#include "core/problem.h"

enum {
    SOWER_OWNER_MAX = 64,       /* bytes of an owner's name */
    SOWER_QUOTAS_OWNERS = 2048, /* in one transaction */
    SOWER_QUOTAS_PROMISES = 64, /* at a time */
};

/* The account of a request: who asks, and what it may add. */
struct sower_account {
    const char *owner;     /* at most SOWER_OWNER_MAX bytes; exists until the request is done */
    uint64_t lines_max;    /* lines that the owner may add to the ledger in all; 0: no limit */
    uint64_t wait_seconds; /* the owner may add nothing for so long; what is recorded is found; 0: it may */
    /* The outcome: */
    uint64_t added; /* lines that the request added, also if it failed after some steps */
    uint64_t used;  /* if `exceeded`: lines that the owner has added, or was promised */
    bool exceeded;  /* the request needs more lines than are left, and added none */
    size_t promise; /* internal, 0 at first: the number of the model's promise */
};

/* The lines of one owner, in a transaction. */
struct sower_quota {
    char owner[SOWER_OWNER_MAX + 1];
    bool limited; /* `used` is needed */
    bool read;    /* `used` is valid */
    bool changed;
    uint64_t used;  /* before the transaction: of all daemons, and what other daemons have promised */
    uint64_t added; /* by the transaction */
};

struct sower_quota_promise {
    char owner[SOWER_OWNER_MAX + 1];
    uint64_t lines;
    bool taken;
    bool stale; /* it ended outside of a transaction: the row does not know it */
};

/* All zeros at first. */
struct sower_quotas {
    size_t count;
    struct sower_quota list[SOWER_QUOTAS_OWNERS];
    struct sower_quota_promise promises[SOWER_QUOTAS_PROMISES];
};

/* Sets the problem of a request that may not add its lines: LIMITED, with a sentence. Returns false. */
bool sower_account_refuse(const struct sower_account *account, struct sower_problem *problem);

/* Begins a transaction: forgets the counts. */
void sower_quotas_begin(struct sower_quotas *quotas);

/* The count of the account's owner. `account` NULL: nobody's lines, and NULL. Also NULL if there are too many owners. */
struct sower_quota *sower_quotas_find(struct sower_quotas *quotas, const struct sower_account *account);

/* Whether the store must read `used` before the count is used. */
bool sower_quota_needs_reading(const struct sower_quota *quota);

/* Adds one line to the account and to the count. False: the account has no line left, and is `exceeded` now. */
SOWER_MUST_USE bool sower_quotas_take(struct sower_quotas *quotas, struct sower_account *account);

/* Promises the owner `lines` lines, unless the account has fewer left (`exceeded`). False with a problem (UNAVAILABLE) if
 * too many promises are made. The account's next lines come out of the promise. */
SOWER_MUST_USE bool sower_quotas_promise(struct sower_quotas *quotas, struct sower_account *account,
                                         uint64_t lines, struct sower_problem *problem);

/* Takes lines that were added out of the account's promise, or all that is left with the `last` ones. Call it before the
 * commit. */
void sower_quotas_fulfil(struct sower_quotas *quotas, struct sower_account *account, uint64_t lines,
                         bool last);

/* Ends the account's promise, if there is one. `committed`: the last step was, so that the row knows the end. */
void sower_quotas_end_promise(struct sower_quotas *quotas, struct sower_account *account, bool committed);

/* What this daemon has promised an owner: the value for its row. */
uint64_t sower_quotas_promised(const struct sower_quotas *quotas, const char *owner);

/* Before a commit: adds the owners of promises that ended meanwhile to the list. After it: the rows know them. */
void sower_quotas_add_stale(struct sower_quotas *quotas);
void sower_quotas_committed(struct sower_quotas *quotas);

#endif
