/* sow ledger verify: checks that a ledger is complete and unchanged. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "client/sow/daemon/http.h"
#include "client/sow/daemon/report.h"
#include "client/sow/ledger/audit.h"
#include "client/sow/ledger/head.h"
#include "client/sow/ledger/records_read.h"
#include "client/sow/tensors/root.h"
#include "client/sow/terminal/terminal.h"
#include "proto/hex.h"
#include "proto/time.h"

static const struct option_rule VERIFY[] = {
    {"head", 0, "FILE ...", "a head that was saved; may be given several times"},
    {"writer", 'w', "HEX",
     "require this key as the signer of the saved heads, or of the daemon's if there are none"},
    {0},
};

static const struct option_group VERIFY_OPTIONS = {"What to compare the ledger with", VERIFY};

static const struct option_group *const GROUPS[] = {&VERIFY_OPTIONS, &root_options, &http_options,
                                                    &options_common, NULL};

/* A verification in progress. */
struct verification {
    const struct options *options;
    const char *path; /* NULL: the daemon's ledger */
    struct audit_head *heads[AUDIT_HEADS_MAX + 1];
    size_t head_count;
    struct audit audit;
    struct sower_problem problem; /* why a line is wrong; the sentence is empty while all lines are right */
    uint64_t moved_after;         /* the number of lines before the missing line, when it follows later; 0:
                                     it was not found */
    uint64_t lines_seen;
};

static bool take(void *context, const struct sower_record *record)
{
    struct verification *verification = context;
    struct audit *audit = &verification->audit;
    verification->lines_seen++;
    if (audit->missing_line == 0) {
        return audit_line(audit, record, &verification->problem) || audit->missing_line != 0;
    }
    verification->moved_after = record->ledger == audit->missing_line ? verification->lines_seen - 1 : 0;
    return verification->moved_after == 0;
}

static bool take_end(void *context, const struct sower_link *end)
{
    struct verification *verification = context;
    return audit_end(&verification->audit, end, &verification->problem);
}

/* The required writer of a head; NULL: any. With several daemons on one ledger, the daemon that responds
 * may not be the one whose head was saved. So --writer applies to its head only when no head is given with
 * --head. */
static const char *wanted_writer(const struct options *options, const char *path)
{
    return path != NULL || options_value(options, "head") == NULL ? options_value(options, "writer") : NULL;
}

static enum sow_exit add_head(struct verification *verification, const char *path)
{
    const struct options *options = verification->options;
    struct audit_head *saved = calloc(1, sizeof *saved);
    if (saved == NULL) {
        return report_memory(options);
    }
    verification->heads[verification->head_count++] = saved;
    saved->name = path != NULL ? path : "the daemon's head";
    enum sow_exit result =
        path != NULL ? head_read(options, path, &saved->head) : head_fetch(options, &saved->head);
    return result == SOW_DONE ? head_trust(options, &saved->head, wanted_writer(options, path), saved->name)
                              : result;
}

/* Adds the heads of --head, and the head of the daemon when its ledger is verified. */
static enum sow_exit add_heads(struct verification *verification)
{
    const struct options *options = verification->options;
    enum sow_exit result = SOW_DONE;
    const char *path;
    for (size_t n = 0; result == SOW_DONE && (path = options_nth(options, "head", n)) != NULL; n++) {
        result = add_head(verification, path);
    }
    return result == SOW_DONE && verification->path == NULL ? add_head(verification, NULL) : result;
}

static enum sow_exit report_wrong_line(const struct verification *verification, const struct records *records)
{
    const struct audit *audit = &verification->audit;
    const char *name = records_name(verification->path);
    if (verification->moved_after != 0) {
        report_failure(verification->options,
                       "%s: line %" PRIu64 " is out of order: it comes after %" PRIu64 " lines.", name,
                       audit->missing_line, verification->moved_after);
    } else {
        report_failure(verification->options, "%s: %s", name, verification->problem.sentence);
    }
    if (verification->problem.code == SOWER_PROBLEM_MEMORY) {
        return SOW_TRANSPORT;
    }
    if (audit->missing_line != 0 && verification->moved_after == 0 && !records->is_database) {
        fputs(
            "A part of a ledger (an export with --experiment, --after or another filter) cannot be verified; "
            "export the whole: sow ledger > ledger.ndjson\n",
            stderr);
    }
    records_hint(records, verification->path);
    return SOW_REFUSED;
}

static enum sow_exit report_malformed(const struct verification *verification, const struct records *records)
{
    report_failure(verification->options, "%s: line %" PRIu64 " is not a ledger line. %s",
                   records_name(verification->path), records->count + 1, records->problem.sentence);
    return records->problem.code == SOWER_PROBLEM_MEMORY ? SOW_TRANSPORT : SOW_REFUSED;
}

static void print_chain(void *context, const struct audit_chain *chain)
{
    char writer[SOWER_HEX_SIZE], link[SOWER_HEX_SIZE];
    (void)context;
    sower_hex_print(chain->end.writer, writer);
    sower_hex_print(chain->end.link, link);
    printf("chain   %s  number %" PRIu64 "\n        %s\n", writer, chain->end.sequence, link);
}

static enum sow_exit print(const struct verification *verification)
{
    const struct audit *audit = &verification->audit;
    printf("lines   %" PRIu64 ", %s\nchains  %zu\n", audit->lines,
           audit->lines > 0 ? "all as they were written"
                            : "it is empty: a ledger without draws, or an export that failed",
           audit->chain_count);
    if (audit->other_root > 0) {
        printf("seeds   %" PRIu64 " of %" PRIu64
               " not checked: they are of another root (--root-key-file FILE)\n",
               audit->other_root, audit->draws);
    }
    for (size_t i = 0; i < verification->head_count; i++) {
        char time[SOWER_TIME_SIZE];
        sower_time_print(verification->heads[i]->head.time, time);
        printf("head    matches: %" PRIu64 " lines, signed %s  ", verification->heads[i]->head.ledger, time);
        terminal_print(stdout, verification->heads[i]->name);
        fputc('\n', stdout);
    }
    audit_visit(audit, print_chain, NULL);
    return SOW_DONE;
}

static enum sow_exit verify(struct verification *verification)
{
    struct audit *audit = &verification->audit;
    struct records records = {
        .options = verification->options, .take = take, .take_end = take_end, .context = verification};
    audit->heads = (const struct audit_head *const *)verification->heads;
    audit->head_count = verification->head_count;
    enum records_end end = records_read(&records, verification->path);
    if (end == RECORDS_FAILED) {
        return records.result;
    }
    if (audit->missing_line != 0 || end == RECORDS_STOPPED) {
        return report_wrong_line(verification, &records);
    }
    if (end == RECORDS_MALFORMED) {
        return report_malformed(verification, &records);
    }
    return audit_finish(audit, &verification->problem) ? print(verification)
                                                       : report_wrong_line(verification, &records);
}

static enum sow_exit run(const struct options *options)
{
    struct verification *verification = calloc(1, sizeof *verification);
    if (verification == NULL) {
        return report_memory(options);
    }
    struct sower_seed root;
    verification->options = options;
    verification->path = options->operand;
    enum sow_exit result = SOW_USAGE;
    if (options_value(options, "writer") != NULL && options_value(options, "head") == NULL &&
        options->operand != NULL) {
        options_error(options, "--writer needs a head: give one with --head FILE.");
    } else if (!root_read(options, &root, &verification->problem)) {
        options_error(options, "%s", verification->problem.sentence);
    } else if (head_check_writer(options)) {
        sower_judge_begin(&verification->audit.judge, &root);
        result = add_heads(verification);
        result = result == SOW_DONE ? verify(verification) : result;
    }
    for (size_t i = 0; i < verification->head_count; i++) {
        free(verification->heads[i]);
    }
    audit_free(&verification->audit);
    sodium_memzero(&root, sizeof root);
    free(verification);
    return result;
}

const struct command command_ledger_verify = {
    .name = "ledger verify",
    .summary = "check that a ledger is complete and unchanged",
    .synopsis = "[FILE] [--head FILE]... [--writer HEX] [--root-key-file FILE]",
    .description =
        "Checks an export of the ledger, the SQLite database of the daemon, or, without FILE, the "
        "ledger of the daemon. The links in the lines show whether a line is missing, inserted, moved "
        "or changed. A head that was saved earlier also reveals changes after which the links were "
        "recomputed. Names the first wrong line. With FILE no daemon is needed.",
    .examples = "  sow ledger > ledger.ndjson && sow ledger verify ledger.ndjson\n"
                "  sow ledger verify /var/lib/sower/ledger.sqlite --head head-2026-01-31.json\n"
                "  sow ledger verify --head head-2026-01-31.json\n",
    .operand = "FILE",
    .groups = GROUPS,
    .run = run,
};
