#include "proto/json.h"

#include <limits.h>
#include <setjmp.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/environment.h"

/* The memory of one parse. It is freed when the parse is over and all its blocks are released. */
struct arena {
    _Atomic size_t holders; /* its blocks, and the parse */
    size_t used, size;
    alignas(max_align_t) char memory[];
};

/* The header of each block that jansson gets. */
struct block {
    alignas(max_align_t) struct arena *arena; /* NULL: the block is from malloc */
};

/* A parse, on the stack of its thread. */
struct parse {
    struct arena *arena;
    jmp_buf exceeded;
};

/* The current parse of this thread, or NULL. */
static _Thread_local struct parse *current;

/* The bytes of an arena that a block of `size` bytes uses. */
static uint64_t block_size(uint64_t size)
{
    return sizeof(struct block) +
           (size + alignof(struct block) - 1) / alignof(struct block) * alignof(struct block);
}

static void leave(struct arena *arena)
{
    if (atomic_fetch_sub_explicit(&arena->holders, 1, memory_order_acq_rel) == 1) {
        free(arena);
    }
}

/* During a parse jansson must never get NULL. If the arena is too small after all, the whole parse is abandoned
 * with longjmp. This leaks nothing: jansson's stack frames refer only to memory of the arena. */
static void *take(struct parse *parse, size_t size)
{
    struct arena *arena = parse->arena;
    if (size > arena->size || block_size(size) > arena->size - arena->used) {
        longjmp(parse->exceeded, 1);
    }
    struct block *block = (struct block *)(void *)(arena->memory + arena->used);
    arena->used += (size_t)block_size(size);
    atomic_fetch_add_explicit(&arena->holders, 1, memory_order_relaxed);
    block->arena = arena;
    return block + 1;
}

static void *allocate(size_t size)
{
    if (current != NULL) {
        return take(current, size);
    }
    struct block *block = size > SIZE_MAX - sizeof *block ? NULL : malloc(sizeof *block + size);
    if (block == NULL) {
        return NULL;
    }
    block->arena = NULL;
    return block + 1;
}

static void release(void *memory)
{
    struct block *block = (struct block *)memory - 1;
    if (block->arena != NULL) {
        leave(block->arena);
    } else {
        free(block);
    }
}

/* Before main: blocks that jansson allocated earlier with its default functions could not be released with
 * release(). */
__attribute__((constructor)) static void take_over(void)
{
    json_set_alloc_funcs(allocate, release);
}

/* The memory that a text needs.
 *
 * jansson (2.14 and 2.15: load.c, strbuffer.c, hashtable.c, value.c) allocates, in the order of the text:
 *
 *   at the start  the lexer's buffer: 16 bytes, doubled whenever the longest token so far does not fit
 *   a string      its bytes with both quotes and a NUL, whether it is a key or a value
 *   a value       its node: of a string (a header and two words), of a number (a header and 8 bytes), of an
 *                 object (a header, seven words and 8 buckets of two words), or of an array (a header, three
 *                 words and a table of 8 words)
 *   a member      a pair (seven words, the key and a NUL)
 *
 * An object's buckets are doubled when it has more members than buckets, an array's table when it is full. The
 * old ones stay in the arena. All tables up to the one for n entries have fewer than 4 n entries together. The
 * number of tables grows as log n, so 8 more bytes for each entry are more than enough for their block headers.
 *
 * The parser begins a value only at the start of the text, after "[" or "," of an array, and after ":" of an
 * object. In a malformed text jansson stops at the fault; the scan may stop or continue, because too much memory
 * does no harm. tests/unit/proto/json.c compares this with the linked library. */
enum {
    WORD = sizeof(void *),
    BUCKET = 2 * WORD,
    BUCKETS_FIRST = 8,
    TABLE_FIRST = 8,
    OBJECT = sizeof(json_t) + 7 * WORD,
    ARRAY = sizeof(json_t) + 3 * WORD,
    SCALAR = sizeof(json_t) + 2 * WORD + 8, /* a string's two words, or a number of 8 bytes */
    PAIR = 7 * WORD,
    LEXER_FIRST = 16,
};

_Static_assert(sizeof(json_int_t) == 8 && sizeof(double) == 8, "the size of a number's node");

struct scan {
    const char *text;
    size_t length, at;
    size_t depth;
    bool in_object[JSON_PARSER_MAX_DEPTH + 1]; /* whether an object is open at each depth, from 1 on */
    uint64_t key, longest;                     /* bytes of the last string, and of the longest token */
    uint64_t room;
};

/* Whether the character ends a number or a word. */
static bool is_special(char c)
{
    static const bool special[UCHAR_MAX + 1] = {
        [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true, ['{'] = true, ['}'] = true,
        ['['] = true, [']'] = true,  [':'] = true,  [','] = true,  ['"'] = true};
    return special[(unsigned char)c];
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void add_block(struct scan *scan, uint64_t size)
{
    scan->room += block_size(size);
}

static void note_token(struct scan *scan, uint64_t length)
{
    scan->longest = length > scan->longest ? length : scan->longest;
}

static void scan_string(struct scan *scan)
{
    size_t begin = scan->at++;
    while (scan->at < scan->length && scan->text[scan->at] != '"') {
        scan->at += scan->text[scan->at] == '\\' ? 2 : 1;
    }
    scan->at = scan->at < scan->length ? scan->at + 1 : scan->length;
    scan->key = scan->at - begin;
    note_token(scan, scan->key);
    add_block(scan, scan->key + 1);
}

/* Numbers and words, and the byte after them, which the lexer reads too. */
static void scan_word(struct scan *scan)
{
    size_t begin = scan->at;
    while (scan->at < scan->length && !is_special(scan->text[scan->at])) {
        scan->at++;
    }
    note_token(scan, scan->at - begin + 1);
}

/* False at the depth that jansson does not exceed. */
static bool open(struct scan *scan, bool object)
{
    if (scan->depth == JSON_PARSER_MAX_DEPTH) {
        return false;
    }
    scan->in_object[++scan->depth] = object;
    if (object) {
        add_block(scan, OBJECT);
        add_block(scan, BUCKETS_FIRST * BUCKET);
    } else {
        add_block(scan, ARRAY);
        add_block(scan, TABLE_FIRST * WORD);
        add_block(scan, SCALAR);
    }
    return true;
}

/* A colon or comma; false where it is not allowed. */
static bool separate(struct scan *scan, bool colon)
{
    if (scan->depth == 0 || (colon && !scan->in_object[scan->depth])) {
        return false;
    }
    if (colon) {
        add_block(scan, SCALAR);
        add_block(scan, PAIR + scan->key + 1);
        scan->room += 4 * BUCKET + 8;
    } else if (!scan->in_object[scan->depth]) {
        add_block(scan, SCALAR);
        scan->room += 4 * WORD + 8;
    }
    return true;
}

/* Skips a token; false if jansson has stopped by here. */
static bool scan_token(struct scan *scan)
{
    char c = scan->text[scan->at];
    if (c == '"') {
        scan_string(scan);
        return true;
    }
    if (!is_special(c)) {
        scan_word(scan);
        return true;
    }
    scan->at++;
    switch (c) {
    case '{':
    case '[':
        return open(scan, c == '{');
    case '}':
    case ']':
        return scan->depth > 0 && scan->in_object[scan->depth--] == (c == '}');
    case ':':
    case ',':
        return separate(scan, c == ':');
    default:
        return true; /* a space */
    }
}

uint64_t sower_json_room(const char *text, size_t length, size_t flags)
{
    struct scan scan = {.text = text, .length = length, .longest = 1};
    const bool one_value = (flags & JSON_DISABLE_EOF_CHECK) != 0;
    add_block(&scan, SCALAR);
    while (scan.at < length) {
        bool space = is_space(text[scan.at]);
        if (!scan_token(&scan) || (one_value && scan.depth == 0 && !space)) {
            break;
        }
    }
    uint64_t capacity = LEXER_FIRST;
    add_block(&scan, capacity);
    while (capacity <= scan.longest) {
        capacity *= 2;
        add_block(&scan, capacity);
    }
    return scan.room;
}

/* When memory runs out, jansson itself sets no error, or reports a fault of the text. */
static void say_out_of_memory(json_error_t *error)
{
    *error = (json_error_t){.line = -1, .column = -1, .text = "memory has run out"};
    error->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory;
}

/* A separate function, because local variables that change after setjmp are undefined after longjmp. */
static json_t *load(struct parse *parse, const char *text, size_t length, size_t flags, json_error_t *error)
{
    if (setjmp(parse->exceeded) != 0) {
        say_out_of_memory(error);
        free(parse->arena);
        parse->arena = NULL;
        return NULL;
    }
    return json_loadb(text, length, flags, error);
}

json_t *sower_json_load_within(uint64_t room, const char *text, size_t length, size_t flags,
                               json_error_t *error)
{
    struct arena *arena = room > SIZE_MAX / 2 ? NULL : malloc(sizeof *arena + (size_t)room);
    if (arena == NULL) {
        say_out_of_memory(error);
        return NULL;
    }
    arena->used = 0;
    arena->size = (size_t)room;
    atomic_init(&arena->holders, 1);
    struct parse parse = {.arena = arena};
    current = &parse;
    const struct sower_environment found = sower_environment_enter();
    json_t *value = load(&parse, text, length, flags, error);
    sower_environment_leave(&found);
    current = NULL;
    if (parse.arena != NULL) {
        leave(parse.arena);
    }
    return value;
}

json_t *sower_json_load(const char *text, size_t length, size_t flags, json_error_t *error)
{
    return sower_json_load_within(sower_json_room(text, length, flags), text, length, flags, error);
}

static void give_up(json_t **target)
{
    json_decref(*target);
    *target = NULL;
}

void sower_json_set(json_t **target, const char *key, json_t *value)
{
    if (json_object_set_new(*target, key, value) != 0) {
        give_up(target);
    }
}

void sower_json_append(json_t **target, json_t *value)
{
    if (json_array_append_new(*target, value) != 0) {
        give_up(target);
    }
}

void sower_json_set_missing(json_t **target, const json_t *object)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        if (json_object_get(*target, key) == NULL) {
            sower_json_set(target, key, json_incref(value));
        }
    }
}

json_t *sower_json_copy(const json_t *object)
{
    json_t *copy = object == NULL ? NULL : json_object();
    sower_json_set_missing(&copy, object);
    return copy;
}

static int add_text(const char *text, size_t length, void *context)
{
    struct sower_buffer *buffer = context;
    sower_buffer_bytes(buffer, text, length);
    return buffer->failed ? -1 : 0;
}

void sower_json_print(const json_t *value, size_t flags, struct sower_buffer *buffer)
{
    const struct sower_environment found = sower_environment_enter();
    if (json_dump_callback(value, add_text, buffer, flags) != 0) {
        buffer->failed = true;
    }
    sower_environment_leave(&found);
}

char *sower_json_text(const json_t *value, size_t flags)
{
    struct sower_buffer buffer = {0};
    sower_json_print(value, flags, &buffer);
    sower_buffer_bytes(&buffer, "", 1);
    if (buffer.failed) {
        sower_buffer_free(&buffer);
    }
    return buffer.text;
}
