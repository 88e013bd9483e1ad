/* sow ledger verify: whether a ledger is whole and unchanged. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "client/sow/daemon/report.h"
#include "client/sow/ledger/audit.h"
#include "client/sow/ledger/head.h"
#include "client/sow/ledger/records.h"
#include "client/sow/tensors/root.h"
#include "client/sow/terminal/terminal.h"
#include "proto/hex.h"
#include "proto/time.h"

static const struct option_rule VERIFY[] = {
    {"head", 0, "FILE ...", "a head that was kept; may be given several times"},
    {"writer", 'w', "HEX", "insist that kept heads, or else the daemon's, are signed by this key"},
    {0},
};

static const struct option_group VERIFY_OPTIONS = {"What to hold it against", VERIFY};

static const struct option_group *const GROUPS[] = {&VERIFY_OPTIONS, &root_options, &http_options,
                                                    &options_common, NULL};

/* A ledger that is being verified. */
struct verification {
    const struct options *options;
    const char *path; /* NULL: the daemon's ledger */
    struct audit_head *heads[AUDIT_HEADS_MAX + 1];
    size_t head_count;
    struct audit audit;
    struct sower_problem problem; /* why a line does not fit; its sentence is empty while all fit */
    uint64_t found;               /* behind so many lines the sought one stood; 0: it did not */
    uint64_t seen;
};

static bool take(void *context, const struct sower_record *record)
{
    struct verification *verification = context;
    struct audit *audit = &verification->audit;
    verification->seen++;
    if (audit->sought == 0) {
        return audit_line(audit, record, &verification->problem) || audit->sought != 0;
    }
    verification->found = record->ledger == audit->sought ? verification->seen - 1 : 0;
    return verification->found == 0;
}

static bool take_end(void *context, const struct sower_link *end)
{
    struct verification *verification = context;
    return audit_end(&verification->audit, end, &verification->problem);
}

/* Who has to have signed; NULL: anybody. Of several daemons on one ledger another one may answer than the one
 * whose head was kept: it is held to the writer only where there is nothing else to be held to. */
static const char *wanted_writer(const struct options *options, const char *path)
{
    return path != NULL || options->repeated_count == 0 ? options_value(options, "writer") : NULL;
}

static enum sow_exit add_head(struct verification *verification, const char *path)
{
    const struct options *options = verification->options;
    struct audit_head *kept = calloc(1, sizeof *kept);
    if (kept == NULL) {
        return report_memory(options);
    }
    verification->heads[verification->head_count++] = kept;
    kept->name = path != NULL ? path : "the daemon's head";
    enum sow_exit result =
        path != NULL ? head_read(options, path, &kept->head) : head_fetch(options, &kept->head);
    return result == SOW_DONE ? head_trust(options, &kept->head, wanted_writer(options, path), kept->name)
                              : result;
}

/* The heads that were kept; where the daemon is asked for its ledger, its own before that as well. */
static enum sow_exit add_heads(struct verification *verification)
{
    const struct options *options = verification->options;
    enum sow_exit result = SOW_DONE;
    for (size_t i = 0; i < options->repeated_count && result == SOW_DONE; i++) {
        result = add_head(verification, options->repeated[i]);
    }
    return result == SOW_DONE && verification->path == NULL ? add_head(verification, NULL) : result;
}

static enum sow_exit report_misfit(const struct verification *verification, const struct records *records)
{
    const struct audit *audit = &verification->audit;
    const char *name = records_name(verification->path);
    if (verification->found != 0) {
        report_failure(verification->options,
                       "%s: line %" PRIu64 " is out of order: it stands behind %" PRIu64 " lines.", name,
                       audit->sought, verification->found);
    } else {
        report_failure(verification->options, "%s: %s", name, verification->problem.sentence);
    }
    if (verification->problem.code == SOWER_PROBLEM_MEMORY) {
        return SOW_TRANSPORT;
    }
    if (audit->sought != 0 && verification->found == 0 && !records->is_database) {
        fputs("A part of a ledger, as --experiment, --after and other narrowing options give it, cannot be "
              "verified; export the whole: sow ledger > ledger.ndjson\n",
              stderr);
    }
    records_hint(records, verification->path);
    return SOW_REFUSED;
}

static enum sow_exit report_wrong(const struct verification *verification, const struct records *records)
{
    report_failure(verification->options, "%s: line %" PRIu64 " is none of a ledger. %s",
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
                            : "it is empty, as a ledger without draws is and an export that failed",
           audit->chain_count);
    if (audit->foreign > 0) {
        printf("seeds   %" PRIu64 " of %" PRIu64
               " not judged: they are of another root (--root-key-file FILE)\n",
               audit->foreign, audit->draws);
    }
    for (size_t i = 0; i < verification->head_count; i++) {
        char time[SOWER_TIME_SIZE];
        sower_time_print(verification->heads[i]->head.time, time);
        printf("head    fits: %" PRIu64 " lines, signed %s  ", verification->heads[i]->head.ledger, time);
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
    if (audit->sought != 0 || end == RECORDS_STOPPED) {
        return report_misfit(verification, &records);
    }
    if (end == RECORDS_WRONG) {
        return report_wrong(verification, &records);
    }
    return audit_finish(audit, &verification->problem) ? print(verification)
                                                       : report_misfit(verification, &records);
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
    if (options_value(options, "writer") != NULL && options->repeated_count == 0 &&
        options->operand != NULL) {
        options_error(options, "--writer says who signed a head; give the head with --head FILE.");
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
    .summary = "check that a ledger is whole and unchanged",
    .synopsis = "[FILE] [--head FILE]... [--writer HEX] [--root-key-file FILE]",
    .description =
        "Checks an export of the ledger or the daemon's SQLite database, or, without FILE, the daemon's "
        "ledger: "
        "that no line is missing, was inserted, moved or changed, by the links that every line carries; and "
        "that it still holds what it held when a head was kept, which nobody can get round who changes "
        "lines. "
        "Names the first line that does not fit. No daemon is asked where FILE is given.",
    .examples = "  sow ledger > ledger.ndjson && sow ledger verify ledger.ndjson\n"
                "  sow ledger verify /var/lib/sower/ledger.sqlite --head head-2026-01-31.json\n"
                "  sow ledger verify --head head-2026-01-31.json\n",
    .operand = "FILE",
    .groups = GROUPS,
    .run = run,
};
