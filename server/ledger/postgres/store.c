#include "server/ledger/postgres/store.h"

#include <stdlib.h>
#include <string.h>

#include "server/ledger/postgres/pooler.h"
#include "server/ledger/postgres/reader.h"
#include "server/ledger/postgres/schema.h"
#include "server/ledger/postgres/writer.h"

struct postgres_store {
    struct sower_store store; /* comes first: hurry and close_store cast */
    struct sower_postgres_writer writer;
    struct sower_postgres_reader reader;
};

static void hurry(struct sower_store *base)
{
    struct postgres_store *store = (struct postgres_store *)base;
    sower_postgres_hurry(&store->writer.lines.postgres);
    sower_postgres_hurry(&store->reader.postgres);
}

static void close_store(struct sower_store *base)
{
    struct postgres_store *store = (struct postgres_store *)base;
    sower_postgres_writer_close(&store->writer);
    sower_postgres_reader_close(&store->reader);
    free(store);
}

static bool refuse_open(const char *cause, struct sower_problem *problem)
{
    size_t length = strlen(cause);
    bool is_question = length > 0 && cause[length - 1] == '?'; /* libpq's advice ends with a question */
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--ledger", "The ledger cannot be opened: %s%s",
                             cause, is_question ? "" : ".");
}

/* Uses its own connection, because the others prepare statements that need the tables. */
static bool prepare_schema(const char *url, struct sower_problem *problem)
{
    struct sower_postgres postgres;
    bool done = (sower_postgres_open(&postgres, url, NULL, 0) && sower_postgres_pooler_check(&postgres) &&
                 sower_postgres_schema_check(&postgres)) ||
                refuse_open(postgres.cause, problem);
    sower_postgres_close(&postgres);
    return done;
}

struct sower_store *sower_ledger_postgres_open(const char *url, const uint8_t writer[SOWER_WRITER_SIZE],
                                               struct sower_problem *problem)
{
    if (!prepare_schema(url, problem)) {
        return NULL;
    }
    struct postgres_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        refuse_open("the daemon is out of memory", problem);
        return NULL;
    }
    store->store = (struct sower_store){.writer = &store->writer.writer,
                                        .reader = &store->reader.reader,
                                        .hurry = hurry,
                                        .close = close_store};
    bool writes = sower_postgres_writer_open(&store->writer, url, writer);
    bool reads = sower_postgres_reader_open(&store->reader, url, writer);
    if (writes && reads) {
        return &store->store;
    }
    refuse_open(writes ? store->reader.postgres.cause : store->writer.lines.postgres.cause, problem);
    close_store(&store->store);
    return NULL;
}
