#include "server/ledger/postgres/quotas.h"

#include <string.h>

#include "server/ledger/postgres/statements.h"

void sower_postgres_quotas_free(struct sower_postgres_quotas *rows)
{
    sower_postgres_array_free(&rows->owners);
    sower_postgres_array_free(&rows->lines);
    sower_postgres_array_free(&rows->promised);
}

bool sower_postgres_quotas_take_back(const struct sower_postgres_quotas *rows,
                                     struct sower_postgres *postgres)
{
    struct sower_postgres_values values = {0};
    sower_postgres_add_bytes(&values, rows->writer);
    sower_postgres_queue_text(
        postgres, "UPDATE sower.quota SET promised = 0 WHERE writer = $1::bytea AND promised <> 0", &values);
    return sower_postgres_run(postgres);
}

bool sower_postgres_quotas_queue_find(struct sower_postgres_quotas *rows, struct sower_postgres *postgres)
{
    const struct sower_quotas *quotas = rows->quotas;
    struct sower_postgres_values values = {0};
    bool any = false;
    for (size_t i = 0; i < quotas->count; i++) {
        if (!sower_quota_needs_reading(&quotas->list[i])) {
            continue;
        }
        if (!any) {
            sower_postgres_array_begin(&rows->owners, SOWER_POSTGRES_TEXT);
            any = true;
        }
        sower_postgres_array_text(&rows->owners, quotas->list[i].owner);
    }
    if (any) {
        sower_postgres_add_bytes(&values, rows->writer);
        sower_postgres_add_array(&values, &rows->owners);
        sower_postgres_queue(postgres, SOWER_POSTGRES_FIND_QUOTAS, &values);
    }
    return any;
}

void sower_postgres_quotas_read(struct sower_postgres_quotas *rows, const PGresult *found)
{
    char owner[SOWER_OWNER_MAX + 1];
    for (int row = 0; row < PQntuples(found); row++) {
        sower_postgres_read_text(found, row, 0, owner, sizeof owner);
        struct sower_quota *quota = sower_quotas_find(rows->quotas, &(struct sower_account){.owner = owner});
        if (quota != NULL) {
            quota->used = sower_postgres_read_number(found, row, 1);
            quota->read = true;
        }
    }
}

void sower_postgres_quotas_queue_changes(struct sower_postgres_quotas *rows, struct sower_postgres *postgres)
{
    struct sower_quotas *quotas = rows->quotas;
    struct sower_postgres_values values = {0};
    bool any = false;
    sower_quotas_add_stale(quotas);
    for (size_t i = 0; i < quotas->count; i++) {
        const struct sower_quota *quota = &quotas->list[i];
        if (!quota->changed) {
            continue;
        }
        if (!any) {
            sower_postgres_array_begin(&rows->owners, SOWER_POSTGRES_TEXT);
            sower_postgres_array_begin(&rows->lines, SOWER_POSTGRES_NUMBER);
            sower_postgres_array_begin(&rows->promised, SOWER_POSTGRES_NUMBER);
            any = true;
        }
        sower_postgres_array_text(&rows->owners, quota->owner);
        sower_postgres_array_number(&rows->lines, quota->added);
        sower_postgres_array_number(&rows->promised, sower_quotas_promised(quotas, quota->owner));
    }
    if (any) {
        sower_postgres_add_bytes(&values, rows->writer);
        sower_postgres_add_array(&values, &rows->owners);
        sower_postgres_add_array(&values, &rows->lines);
        sower_postgres_add_array(&values, &rows->promised);
        sower_postgres_queue(postgres, SOWER_POSTGRES_WRITE_QUOTAS, &values);
    }
}
