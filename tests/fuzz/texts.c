/* The small texts of requests; the first byte of an input chooses the kind. Oracles:
 *   numbers  a number that was read is printed as a text that reads back as the same number
 *   slices   a region that is printed as a slice reads back as the same region
 *   shards   the previous piece ends where a piece begins, and the next begins where it ends
 *   globs    a matcher that tries everything, written from the description in glob.h */
#include "proto/glob.h"
#include "proto/slice.h"
#include "proto/text.h"
#include "tests/fuzz/fuzz.h"

static void check_number(const char *text, size_t length)
{
    char printed[SOWER_REAL_SIZE];
    double real, real_again;
    int64_t integer, integer_again;
    if (sower_text_real(text, length, &real)) {
        sower_text_print_real(real, printed);
        MUST(sower_text_real(printed, strlen(printed), &real_again));
        MUST(memcmp(&real, &real_again, sizeof real) == 0);
    }
    if (sower_text_integer(text, length, &integer)) {
        int digits = snprintf(printed, sizeof printed, "%lld", (long long)integer);
        MUST(sower_text_integer(printed, (size_t)digits, &integer_again) && integer == integer_again);
        MUST(sower_text_real(text, length, &real) && real == (double)integer);
    }
}

/* A shape of four axes from the first bytes, and the rest of the text: sizes from one byte each, the last one very large. */
static struct sower_shape take_shape(const char **text, size_t *length)
{
    struct sower_shape shape = {.rank = 0};
    while (shape.rank < 4 && *length > 0) {
        shape.sizes[shape.rank++] = (uint8_t) * (*text)++;
        (*length)--;
    }
    if (shape.rank == 4) {
        shape.sizes[3] = SOWER_SIZE_MAX - shape.sizes[3];
    }
    return shape;
}

static void check_inside(const struct sower_region *region, const struct sower_shape *shape)
{
    MUST(region->rank == shape->rank);
    for (size_t axis = 0; axis < region->rank; axis++) {
        MUST(region->start[axis] <= region->stop[axis] && region->stop[axis] <= shape->sizes[axis]);
    }
}

static void check_slice(const char *text, size_t length)
{
    char printed[SOWER_RANK_MAX * 42];
    struct sower_shape shape = take_shape(&text, &length);
    struct sower_region region, again;
    struct sower_problem problem;
    if (!sower_slice_parse(text, length, &shape, &region, &problem)) {
        check_refusal(&problem);
        return;
    }
    check_inside(&region, &shape);
    print_region(&region, printed, sizeof printed);
    MUST(sower_slice_parse(printed, strlen(printed), &shape, &again, &problem));
    MUST(same_region(&region, &again));
}

/* The piece `rank` of axis 0, as [start, stop). */
static bool piece(const struct sower_shape *shape, long long rank, long long count, uint64_t ends[2])
{
    char text[64];
    struct sower_region region;
    struct sower_problem problem;
    snprintf(text, sizeof text, "0:%lld/%lld", rank, count);
    bool read = sower_shard_parse(text, strlen(text), shape, &region, &problem);
    ends[0] = region.start[0];
    ends[1] = region.stop[0];
    return read;
}

static void check_shard(const char *text, size_t length)
{
    struct sower_shape shape = take_shape(&text, &length);
    struct sower_region region;
    struct sower_problem problem;
    uint64_t ends[2];
    long long rank, count;
    char copy[64];
    if (!sower_shard_parse(text, length, &shape, &region, &problem)) {
        check_refusal(&problem);
        return;
    }
    check_inside(&region, &shape);
    snprintf(copy, sizeof copy, "%.*s", (int)length, text);
    if (length >= sizeof copy || strchr(copy, ',') != NULL ||
        sscanf(copy, "0:%lld/%lld", &rank, &count) != 2) {
        return;
    }
    MUST(rank > 0 ? piece(&shape, rank - 1, count, ends) && ends[1] == region.start[0]
                  : region.start[0] == 0);
    MUST(rank + 1 < count ? piece(&shape, rank + 1, count, ends) && ends[0] == region.stop[0]
                          : region.stop[0] == shape.sizes[0]);
}

/* One character of valid UTF-8. */
static uint32_t take_character(const char **text)
{
    uint32_t character = (unsigned char)*(*text)++;
    while (((unsigned char)**text & 0xc0) == 0x80) {
        character = character << 8 | (unsigned char)*(*text)++;
    }
    return character;
}

/* One element of a set, or the end of a range in it. */
static uint32_t take_element(const char **pattern)
{
    *pattern += **pattern == '\\';
    return take_character(pattern);
}

/* Whether the character is in the set at *pattern; moves *pattern past its "]". */
static bool in_set(const char **pattern, uint32_t character)
{
    bool negated = **pattern == '!', found = false;
    *pattern += negated;
    do {
        uint32_t low = take_element(pattern), high = low;
        if ((*pattern)[0] == '-' && (*pattern)[1] != ']') {
            ++*pattern;
            high = take_element(pattern);
        }
        found = found || (low <= character && character <= high);
    } while (**pattern != ']');
    ++*pattern;
    return found != negated;
}

/* Tries every length for every star. */
static bool matches(const char *pattern, const char *name)
{
    if (*pattern == '\0') {
        return *name == '\0';
    }
    if (*pattern == '*') {
        return matches(pattern + 1, name) ||
               (*name != '\0' && (take_character(&name), matches(pattern, name)));
    }
    if (*name == '\0') {
        return false;
    }
    uint32_t character = take_character(&name);
    if (*pattern == '[') {
        pattern++;
        return in_set(&pattern, character) && matches(pattern, name);
    }
    bool any = *pattern == '?';
    pattern += *pattern == '\\';
    return (take_character(&pattern) == character || any) && matches(pattern, name);
}

static size_t count_stars(const char *text)
{
    size_t stars = 0;
    for (; *text != '\0'; text++) {
        stars += *text == '*';
    }
    return stars;
}

/* A pattern, a line feed, and a name. */
static void check_glob(const char *text, size_t length)
{
    enum { STARS_MAX = 4, NAME_MAX_TRIED = 40 }; /* more would take the oracle too long */
    char copy[256];
    if (length >= sizeof copy || memchr(text, '\0', length) != NULL) {
        return;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    char *name = strchr(copy, '\n');
    if (name == NULL) {
        return;
    }
    *name++ = '\0';
    if (!sower_glob_check(copy)) {
        return;
    }
    bool match = sower_glob_match(copy, name, NULL);
    json_t *pattern_utf8 = json_string(copy), *name_utf8 = json_string(name);
    if (pattern_utf8 != NULL && name_utf8 != NULL && count_stars(copy) <= STARS_MAX &&
        strlen(name) <= NAME_MAX_TRIED) {
        MUST(match == matches(copy, name));
    }
    json_decref(pattern_utf8);
    json_decref(name_utf8);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static void (*const checks[])(const char *text, size_t length) = {check_number, check_slice, check_shard,
                                                                      check_glob};
    if (size > 0) {
        checks[bytes[0] % 4]((const char *)bytes + 1, size - 1);
    }
    return 0;
}
