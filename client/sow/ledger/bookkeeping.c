#include "client/sow/ledger/bookkeeping.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

/* Each query finds the first entry that does not follow from the lines, and names it. The largest trial
 * number is INT64_MAX, so adding 1 to it is avoided. */
static const char *const QUERIES[] = {
    "WITH derived AS (SELECT experiment, sum(kind = 1) AS draws, min(time) AS first, max(time) AS last,"
    "  max(CASE kind WHEN 2 THEN trial + (count - 1) END) AS given,"
    "  max(CASE WHEN kind IN (3, 4) THEN 2 * ledger + (kind = 3) END) AS pin FROM line GROUP BY experiment)"
    " SELECT 'experiment ' || e.name || ' (' || CASE"
    "  WHEN s.experiment IS NULL THEN 'no line'"
    "  WHEN e.draws <> s.draws THEN 'draws'"
    "  WHEN e.given <> CASE WHEN s.given IS NULL THEN 0"
    "   WHEN s.given = 9223372036854775807 THEN -9223372036854775807 - 1 ELSE s.given + 1 END THEN 'given'"
    "  WHEN e.pinned <> CASE s.pin % 2 WHEN 1 THEN s.pin / 2 ELSE 0 END THEN 'pinned'"
    "  WHEN e.first <> s.first OR e.last <> s.last THEN 'times' END || ')' AS finding"
    " FROM experiment e LEFT JOIN derived s ON s.experiment = e.id WHERE finding IS NOT NULL LIMIT 1",

    "WITH derived AS (SELECT experiment, trial, count(*) AS draws, min(time) AS first, max(time) AS last"
    "  FROM line WHERE kind = 1 GROUP BY experiment, trial)"
    " SELECT 'experiment ' || e.name || ' (trial ' || s.trial || ')'"
    " FROM derived s JOIN experiment e ON e.id = s.experiment"
    " LEFT JOIN trial t ON t.experiment = s.experiment AND t.trial = s.trial"
    " WHERE t.draws IS NOT s.draws OR t.first IS NOT s.first OR t.last IS NOT s.last LIMIT 1",

    "SELECT 'trial ' || trial || ' (no line)' FROM trial t WHERE NOT EXISTS (SELECT 1 FROM line l"
    " WHERE l.experiment = t.experiment AND l.trial = t.trial AND l.kind = 1) LIMIT 1",

    "SELECT 'experiment ' || e.name || ' (trial ' || g.trial || ' was not the next number)' FROM"
    " (SELECT experiment, trial, lag(trial + (count - 1), 1, -1) OVER (PARTITION BY experiment"
    "  ORDER BY trial, ledger) AS before FROM line NOT INDEXED WHERE kind = 2) g"
    " JOIN experiment e ON e.id = g.experiment WHERE g.trial - 1 <> g.before LIMIT 1",

    "SELECT 'writer ' || lower(hex(w.key)) || ' (time)' FROM line l CROSS JOIN writer w ON w.id = l.writer"
    " WHERE l.sequence = w.sequence AND l.time <> w.time LIMIT 1",
};

/* SQLITE_NOMEM if SQLite had no memory for a column of the row; otherwise `code`. */
static int memory_or(sqlite3_stmt *statement, int code)
{
    return sqlite3_errcode(sqlite3_db_handle(statement)) == SQLITE_NOMEM ? SQLITE_NOMEM : code;
}

static int run_query(sqlite3 *database, const char *query, char finding[BOOKKEEPING_SIZE])
{
    sqlite3_stmt *statement = NULL;
    int step = sqlite3_prepare_v2(database, query, -1, &statement, NULL);
    if (step == SQLITE_OK && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(statement, 0);
        step = memory_or(statement, step);
        snprintf(finding, BOOKKEEPING_SIZE, "%s", text == NULL ? "a row without a name" : (const char *)text);
    }
    sqlite3_finalize(statement);
    return step;
}

/* Whether the text of a manifest has another hash than the one under which it is stored. */
static bool has_other_hash(const void *kept, int kept_size, const void *text, int size)
{
    unsigned char hash[crypto_generichash_BYTES];
    crypto_generichash(hash, sizeof hash, text, (unsigned long long)size, NULL, 0);
    return kept_size != (int)sizeof hash || memcmp(kept, hash, sizeof hash) != 0;
}

/* SQLITE_ROW with a finding when the manifest of the row has another hash; SQLITE_OK when it has not; or an
 * error code. */
static int check_manifest(sqlite3_stmt *row, char finding[BOOKKEEPING_SIZE])
{
    const void *kept = sqlite3_column_blob(row, 0), *text = sqlite3_column_blob(row, 1);
    const unsigned char *name = sqlite3_column_text(row, 2);
    int code = memory_or(row, SQLITE_OK);
    if (code != SQLITE_OK ||
        !has_other_hash(kept, sqlite3_column_bytes(row, 0), text, sqlite3_column_bytes(row, 1))) {
        return code;
    }
    snprintf(finding, BOOKKEEPING_SIZE, "manifest %s (its text has another hash)", (const char *)name);
    return SQLITE_ROW;
}

static int check_manifests(sqlite3 *database, char finding[BOOKKEEPING_SIZE])
{
    sqlite3_stmt *statement = NULL;
    int step = sqlite3_prepare_v2(database, "SELECT hash, text, lower(hex(hash)) FROM manifest", -1,
                                  &statement, NULL);
    while (step == SQLITE_OK && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        step = check_manifest(statement, finding);
    }
    sqlite3_finalize(statement);
    return step;
}

int bookkeeping_check(sqlite3 *database, char finding[BOOKKEEPING_SIZE])
{
    int found = SQLITE_DONE;
    for (size_t i = 0; i < sizeof QUERIES / sizeof QUERIES[0] && found == SQLITE_DONE; i++) {
        found = run_query(database, QUERIES[i], finding);
    }
    return found == SQLITE_DONE ? check_manifests(database, finding) : found;
}
