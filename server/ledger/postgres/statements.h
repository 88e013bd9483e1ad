/* The statements that write a ledger on PostgreSQL, and look up what writing needs. */
#ifndef SOWER_SERVER_LEDGER_POSTGRES_STATEMENTS_H
#define SOWER_SERVER_LEDGER_POSTGRES_STATEMENTS_H

/* The first three are the beginning of a transaction, in this order. */
enum sower_postgres_statement {
    SOWER_POSTGRES_BEGIN,
    SOWER_POSTGRES_LOCK,
    SOWER_POSTGRES_FIND_WRITER,
    SOWER_POSTGRES_FIND_DRAWS,
    SOWER_POSTGRES_FIND_KEYS,
    SOWER_POSTGRES_FIND_PIN,
    SOWER_POSTGRES_FIND_MANIFEST,
    SOWER_POSTGRES_INSERT_MANIFEST,
    SOWER_POSTGRES_MOVE_HEAD,
    SOWER_POSTGRES_INSERT_LINES,
    SOWER_POSTGRES_MOVE_LAST,
    SOWER_POSTGRES_NO_TIMEOUT,
    SOWER_POSTGRES_COMMIT,
    SOWER_POSTGRES_STATEMENTS
};

extern const char *const sower_postgres_statements[SOWER_POSTGRES_STATEMENTS];

#endif
