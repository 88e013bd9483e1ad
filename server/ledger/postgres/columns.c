#include "server/ledger/postgres/columns.h"

/* The columns of new lines, in the order of INSERT_LINES. */
enum column {
    LEDGER,
    TIME,
    KIND,
    ROOT,
    EXPERIMENT,
    SEQUENCE,
    LINK,
    TRIAL,
    COUNT,
    GIVEN,
    KEY,
    DRAW,
    SEED,
    SPEC,
    NAME,
    SHAPE,
    DTYPE,
    INIT,
    LAYOUT,
    MANIFEST,
    DRIFT,
    COLUMN_COUNT
};

_Static_assert((int)COLUMN_COUNT == (int)SOWER_POSTGRES_COLUMNS, "the header says how many there are");

static const enum sower_postgres_type column_types[COLUMN_COUNT] = {
    [LEDGER] = SOWER_POSTGRES_NUMBER, [TIME] = SOWER_POSTGRES_NUMBER,     [KIND] = SOWER_POSTGRES_NUMBER,
    [ROOT] = SOWER_POSTGRES_BYTES,    [EXPERIMENT] = SOWER_POSTGRES_TEXT, [SEQUENCE] = SOWER_POSTGRES_NUMBER,
    [LINK] = SOWER_POSTGRES_BYTES,    [TRIAL] = SOWER_POSTGRES_NUMBER,    [COUNT] = SOWER_POSTGRES_NUMBER,
    [GIVEN] = SOWER_POSTGRES_NUMBER,  [KEY] = SOWER_POSTGRES_TEXT,        [DRAW] = SOWER_POSTGRES_BYTES,
    [SEED] = SOWER_POSTGRES_BYTES,    [SPEC] = SOWER_POSTGRES_NUMBER,     [NAME] = SOWER_POSTGRES_TEXT,
    [SHAPE] = SOWER_POSTGRES_TEXT,    [DTYPE] = SOWER_POSTGRES_TEXT,      [INIT] = SOWER_POSTGRES_TEXT,
    [LAYOUT] = SOWER_POSTGRES_TEXT,   [MANIFEST] = SOWER_POSTGRES_BYTES,  [DRIFT] = SOWER_POSTGRES_NUMBER,
};

void sower_postgres_columns_begin(struct sower_postgres_columns *lines)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        sower_postgres_array_begin(&lines->columns[i], column_types[i]);
    }
    lines->count = 0;
}

static void put_draw(struct sower_postgres_array *columns, const struct sower_record *record)
{
    sower_postgres_array_number(&columns[TRIAL], record->trial);
    sower_postgres_array_bytes(&columns[DRAW], record->draw.bytes);
    sower_postgres_array_bytes(&columns[SEED], record->seed.bytes);
    sower_postgres_array_number(&columns[SPEC], record->spec);
    sower_postgres_array_text(&columns[NAME], record->name);
    sower_postgres_array_text(&columns[SHAPE], record->shape);
    sower_postgres_array_text(&columns[DTYPE], record->dtype);
    sower_postgres_array_text(&columns[INIT], record->initializer);
    sower_postgres_array_text(&columns[LAYOUT], record->layout);
    if (record->has_manifest) {
        sower_postgres_array_bytes(&columns[MANIFEST], record->manifest);
    }
    if (record->drift != 0) {
        sower_postgres_array_number(&columns[DRIFT], record->drift);
    }
}

static void put_trials(struct sower_postgres_array *columns, const struct sower_record *record)
{
    sower_postgres_array_number(&columns[TRIAL], record->trial);
    sower_postgres_array_number(&columns[COUNT], record->count);
    sower_postgres_array_number(&columns[GIVEN], record->trial + record->count);
    if (record->key[0] != '\0') {
        sower_postgres_array_text(&columns[KEY], record->key);
    }
}

void sower_postgres_columns_put(struct sower_postgres_columns *lines, const struct sower_record *record)
{
    struct sower_postgres_array *columns = lines->columns;
    sower_postgres_array_number(&columns[LEDGER], record->ledger);
    sower_postgres_array_number(&columns[TIME], (uint64_t)record->time);
    sower_postgres_array_number(&columns[KIND], (uint64_t)record->kind);
    sower_postgres_array_bytes(&columns[ROOT], record->root_id.bytes);
    sower_postgres_array_text(&columns[EXPERIMENT], record->experiment);
    sower_postgres_array_number(&columns[SEQUENCE], record->place.sequence);
    sower_postgres_array_bytes(&columns[LINK], record->place.link);
    if (record->kind == SOWER_RECORD_DRAW) {
        put_draw(columns, record);
    } else if (record->kind == SOWER_RECORD_TRIALS) {
        put_trials(columns, record);
    }
    lines->count++;
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        if (columns[i].count < lines->count) {
            sower_postgres_array_null(&columns[i]);
        }
    }
}

void sower_postgres_columns_add_to(struct sower_postgres_columns *lines, struct sower_postgres_values *values)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        sower_postgres_add_array(values, &lines->columns[i]);
    }
}

void sower_postgres_columns_free(struct sower_postgres_columns *lines)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        sower_postgres_array_free(&lines->columns[i]);
    }
}
