#include "proto/towers.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "proto/json.h"

enum { DIGITS_MAX = 9 };

static bool check_list(const json_t *list, struct sower_problem *problem)
{
    const char *text = json_string_value(list);
    const bool good = text != NULL && text[0] != '\0' && text[0] != '.' && text[strlen(text) - 1] != '.' &&
                      strstr(text, "..") == NULL && strchr(text, '/') == NULL;
    return good ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "blocks",
                             "blocks must name the lists of the model's blocks, as in \"blocks\":\"h\" or "
                             "\"blocks\":[\"encoder.layers\",\"decoder.layers\"]. Points separate the "
                             "components, also of names with slashes.");
}

bool sower_towers_check(const json_t *lists, struct sower_problem *problem)
{
    size_t i;
    json_t *list;
    if (!json_is_array(lists)) {
        return check_list(lists, problem);
    }
    if (json_array_size(lists) == 0 || json_array_size(lists) > SOWER_TOWERS_LISTS_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "blocks", "blocks must have 1 to %d lists.",
                                 SOWER_TOWERS_LISTS_MAX);
    }
    json_array_foreach((json_t *)lists, i, list)
    {
        if (!check_list(list, problem)) {
            return false;
        }
    }
    return true;
}

/* Whether the components of `list` and a block number begin at `at`. Sets the end of the list and the number. */
static bool is_list(const char *at, const char *list, size_t *end, uint32_t *block)
{
    size_t length = strlen(list);
    for (size_t i = 0; i < length; i++) {
        /* A point of the list may be a slash in the name, as Keras and Flax separate components. */
        if (at[i] != list[i] && !(list[i] == '.' && at[i] == '/')) {
            return false;
        }
    }
    if (at[length] != '.' && at[length] != '/') {
        return false;
    }
    const char *number = at + length + 1;
    size_t digits = strspn(number, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX || strchr("./", number[digits]) == NULL) {
        return false;
    }
    *end = length;
    *block = (uint32_t)strtoul(number, NULL, 10);
    return true;
}

const char *sower_towers_list(const json_t *lists, size_t index)
{
    return json_is_array(lists) ? json_string_value(json_array_get(lists, index))
           : index == 0         ? json_string_value(lists)
                                : NULL;
}

/* Finds the leftmost list in a name: its number, the length of the tower's name, and the block. */
static bool find_list(const char *name, const json_t *lists, size_t *number, size_t *length, uint32_t *block)
{
    for (const char *at = name; *at != '\0';) {
        const char *list;
        for (size_t i = 0; (list = sower_towers_list(lists, i)) != NULL; i++) {
            if (is_list(at, list, length, block)) {
                *number = i;
                *length += (size_t)(at - name);
                return true;
            }
        }
        at += strcspn(at, "./");
        at += *at != '\0';
    }
    return false;
}

/* A hash table of the towers by their names. `table` has the numbers of towers plus one; 0: free. */
struct table {
    uint32_t *table;
    size_t size; /* a power of two, more than twice the number of towers */
    unsigned char key[crypto_shorthash_KEYBYTES];
};

/* The key of the hashes depends on all names. So nobody can choose names that all have the same hash. */
static void choose_key(struct table *table, const struct sower_manifest *manifest)
{
    const char *last = manifest->tensors[manifest->count - 1].name;
    const size_t length = (size_t)(last - manifest->names) + strlen(last);
    crypto_generichash(table->key, sizeof table->key, (const unsigned char *)manifest->names, length, NULL,
                       0);
}

static uint64_t hash_of(const struct table *table, const char *name, size_t length)
{
    unsigned char bytes[crypto_shorthash_BYTES];
    uint64_t hash;
    crypto_shorthash(bytes, (const unsigned char *)name, length, table->key);
    memcpy(&hash, bytes, sizeof hash);
    return hash;
}

/* The place of a tower in the table: where it is, or where it belongs. */
static uint32_t *slot_of(const struct table *table, const struct sower_towers *towers, const char *name,
                         size_t length)
{
    size_t at = hash_of(table, name, length) & (table->size - 1);
    while (table->table[at] != 0) {
        const struct sower_tower *tower = &towers->towers[table->table[at] - 1];
        if (tower->length == length && memcmp(tower->name, name, length) == 0) {
            break;
        }
        at = (at + 1) & (table->size - 1);
    }
    return &table->table[at];
}

static bool grow(struct table *table, struct sower_towers *towers)
{
    if (2 * (towers->count + 1) < table->size) {
        return true;
    }
    size_t size = table->size == 0 ? 64 : 2 * table->size;
    struct sower_tower *more = realloc(towers->towers, size / 2 * sizeof *more);
    towers->towers = more != NULL ? more : towers->towers;
    uint32_t *larger = more != NULL ? calloc(size, sizeof *larger) : NULL;
    if (larger == NULL) {
        return false;
    }
    free(table->table);
    table->table = larger;
    table->size = size;
    for (size_t i = 0; i < towers->count; i++) {
        *slot_of(table, towers, towers->towers[i].name, towers->towers[i].length) = (uint32_t)i + 1;
    }
    return true;
}

static bool place_tensor(struct sower_towers *towers, struct table *table, const char *name,
                         const json_t *lists, struct sower_tower_place *place)
{
    size_t number, length;
    *place = (struct sower_tower_place){.tower = SOWER_TOWER_NONE};
    if (!find_list(name, lists, &number, &length, &place->block)) {
        return true;
    }
    towers->found |= UINT64_C(1) << number;
    if (!grow(table, towers)) {
        return false;
    }
    uint32_t *slot = slot_of(table, towers, name, length);
    if (*slot == 0) {
        towers->towers[towers->count] =
            (struct sower_tower){.name = name, .length = length, .least = UINT32_MAX};
        *slot = (uint32_t)++towers->count;
    }
    struct sower_tower *tower = &towers->towers[*slot - 1];
    place->tower = *slot - 1;
    tower->least = place->block < tower->least ? place->block : tower->least;
    tower->layers = place->block + 1 > tower->layers ? place->block + 1 : tower->layers;
    return true;
}

static int compare_places(const void *left, const void *right)
{
    const struct sower_tower_place *a = left, *b = right;
    return a->tower != b->tower ? (a->tower < b->tower ? -1 : 1)
                                : (a->block > b->block) - (a->block < b->block);
}

/* Counts the different block numbers of each tower. */
static bool count_blocks(struct sower_towers *towers, size_t count)
{
    struct sower_tower_place *sorted = malloc(count * sizeof *sorted);
    if (sorted == NULL) {
        return false;
    }
    memcpy(sorted, towers->places, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_places);
    for (size_t i = 0; i < count && sorted[i].tower != SOWER_TOWER_NONE; i++) {
        towers->towers[sorted[i].tower].blocks += i == 0 || compare_places(&sorted[i - 1], &sorted[i]) != 0;
    }
    free(sorted);
    return true;
}

bool sower_towers_find(struct sower_towers *towers, const struct sower_manifest *manifest,
                       const json_t *lists, struct sower_problem *problem)
{
    struct table table = {0};
    *towers = (struct sower_towers){0};
    if (lists == NULL) {
        return true;
    }
    choose_key(&table, manifest);
    towers->places = malloc(manifest->count * sizeof *towers->places);
    bool found = towers->places != NULL;
    for (size_t i = 0; i < manifest->count && found; i++) {
        found = place_tensor(towers, &table, manifest->tensors[i].name, lists, &towers->places[i]);
    }
    free(table.table);
    return (found && count_blocks(towers, manifest->count)) || sower_problem_memory(problem);
}

void sower_towers_free(struct sower_towers *towers)
{
    free(towers->towers);
    free(towers->places);
    *towers = (struct sower_towers){0};
}
