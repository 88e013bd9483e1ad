/* Lines of the ledger. Oracles: the one-pass scan and the reader of JSON give the same record; the record is
 * written as the same object again, and a line of the usual form as the same bytes; and the request of a draw's
 * record gives the same record. The text may also be a draw without a line, as a receipt has it. */
#include "proto/json.h"
#include "proto/record_read.h"
#include "proto/record_scan.h"
#include "tests/fuzz/fuzz.h"

static void check_written_again(const char *text, size_t size, const struct sower_record *record, bool usual)
{
    struct sower_record again;
    struct sower_problem problem;
    json_t *line = sower_record_json(record);
    json_t *given = json_loadb(text, size, 0, NULL);
    MUST(line != NULL && json_equal(line, given));
    char *printed = sower_json_text(line, JSON_COMPACT);
    MUST(printed != NULL);
    MUST(!usual || (strlen(printed) == size && memcmp(printed, text, size) == 0));
    MUST(sower_record_read(given, &again, &problem) && memcmp(record, &again, sizeof again) == 0);
    MUST(sower_record_read_text(printed, strlen(printed), &again, &problem) &&
         memcmp(record, &again, sizeof again) == 0);
    free(printed);
    json_decref(given);
    json_decref(line);
}

static void check_request(const struct sower_record *record)
{
    const struct sower_seed root = sower_seed_public_root();
    struct sower_record again;
    struct sower_request request;
    struct sower_problem problem;
    bool known;
    if (!sower_record_request(record, &root, &request, &known, &problem)) {
        check_refusal(&problem);
        return;
    }
    sower_record_of(&request, &again);
    MUST(memcmp(&again.draw, &record->draw, sizeof again.draw) == 0);
    MUST(memcmp(&again.seed, &record->seed, sizeof again.seed) == 0);
    MUST(strcmp(again.name, record->name) == 0 && strcmp(again.initializer, record->initializer) == 0);
}

static void check_described(const char *text, size_t size)
{
    json_error_t error;
    struct sower_record record;
    struct sower_problem problem;
    json_t *draw = sower_json_load(text, size, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(draw)) {
        if (sower_record_read_described(draw, &record, &problem)) {
            check_request(&record);
        } else {
            check_refusal(&problem);
        }
    }
    json_decref(draw);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *text = (const char *)bytes;
    struct sower_record record, scanned;
    struct sower_problem problem;
    check_described(text, size);
    bool usual = sower_record_scan(text, size, &scanned);
    if (!sower_record_read_text(text, size, &record, &problem)) {
        check_refusal(&problem);
        return 0;
    }
    MUST(!usual || memcmp(&record, &scanned, sizeof record) == 0);
    check_written_again(text, size, &record, usual);
    if (record.kind == SOWER_RECORD_DRAW) {
        check_request(&record);
    }
    return 0;
}
