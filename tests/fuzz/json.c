/* JSON texts; the first byte of an input chooses the flags. Oracles: the memory that is allocated in advance is
 * always enough, so a parse never fails for lack of it; and the result, a value or an error, is the same as that of
 * jansson with its own allocations. With less memory a parse gives the same value or reports that memory ran
 * out. */
#include "proto/json.h"
#include "tests/fuzz/fuzz.h"

enum { ROOM_FOR_A_BYTE = 300 }; /* so that a limit on bytes is a limit on memory too */

static bool out_of_memory(const json_error_t *error)
{
    return json_error_code(error) == json_error_out_of_memory;
}

static void check_same(const json_t *value, const json_error_t *error, const json_t *other,
                       const json_error_t *other_error)
{
    MUST((value == NULL) == (other == NULL));
    MUST(value == NULL || json_equal(value, other));
    MUST(value != NULL || (strcmp(error->text, other_error->text) == 0 && error->line == other_error->line &&
                           error->column == other_error->column));
    MUST(error->position == other_error->position);
}

/* Prints a value and reads the text back. */
static void check_print(const json_t *value)
{
    json_error_t error;
    char *text = sower_json_text(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    MUST(text != NULL);
    json_t *again = sower_json_load(text, strlen(text), JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    MUST(again != NULL && json_equal(value, again));
    json_decref(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const size_t all_flags[] = {JSON_REJECT_DUPLICATES, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, 0,
                                       JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY};
    json_error_t error, plain_error, tight_error;
    if (size == 0) {
        return 0;
    }
    const size_t flags = all_flags[bytes[0] % 4], length = size - 1;
    const char *text = (const char *)bytes + 1;
    const uint64_t room = sower_json_room(text, length, flags);
    MUST(room <= ROOM_FOR_A_BYTE * ((uint64_t)length + 2));
    json_t *value = sower_json_load(text, length, flags, &error);
    json_t *plain = json_loadb(text, length, flags, &plain_error);
    json_t *tight = sower_json_load_within(room * (bytes[0] >> 2) / 64, text, length, flags, &tight_error);
    MUST(value != NULL || !out_of_memory(&error));
    check_same(value, &error, plain, &plain_error);
    if (tight != NULL || !out_of_memory(&tight_error)) {
        check_same(tight, &tight_error, plain, &plain_error);
    }
    if (value != NULL) {
        check_print(value);
    }
    json_decref(value);
    json_decref(plain);
    json_decref(tight);
    return 0;
}
