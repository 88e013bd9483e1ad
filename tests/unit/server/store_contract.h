/* The contract of all kinds of stores: the same test cases for each kind, in store_contract_lines.h and
 * store_contract_trials.h. A test program includes them and defines the functions below for its kind. */
#ifndef SOWER_TESTS_UNIT_SERVER_STORE_CONTRACT_H
#define SOWER_TESTS_UNIT_SERVER_STORE_CONTRACT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/ledger/store.h"
#include "server/ledger/store_models.h"

static const struct sower_seed ROOT = {{0xcd, 0xef}};
static const uint8_t WRITER[SOWER_WRITER_SIZE] = {7}, OTHER_WRITER[SOWER_WRITER_SIZE] = {8};

struct fixture {
    char directory[32], url[256];
    struct sower_store *store; /* of WRITER */
};

/* Create an empty place for a ledger, and remove it. */
static bool make_place(struct fixture *fixture);
static bool remove_place(struct fixture *fixture);
static struct sower_store *open_store(const struct fixture *fixture, const uint8_t writer[SOWER_WRITER_SIZE],
                                      struct sower_problem *problem);
/* Runs a statement on the database, past the store. */
static void execute(const struct fixture *fixture, const char *statement);
/* Lock the ledger against writes, as another program could; release the lock. */
static void *hold_lock(const struct fixture *fixture);
static void release_lock(void *lock);

static struct sower_store *open_as(const struct fixture *fixture, const uint8_t writer[SOWER_WRITER_SIZE])
{
    struct sower_problem problem = {.sentence = ""};
    struct sower_store *store = open_store(fixture, writer, &problem);
    if (store == NULL) {
        print_error("%s\n", problem.sentence);
    }
    return store;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!make_place(fixture)) {
        return -1;
    }
    fixture->store = open_as(fixture, WRITER);
    *state = fixture;
    return fixture->store == NULL;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    fixture->store->close(fixture->store);
    bool removed = remove_place(fixture);
    free(fixture);
    return !removed;
}

static void open_again(struct fixture *fixture)
{
    fixture->store->close(fixture->store);
    fixture->store = open_as(fixture, WRITER);
    assert_non_null(fixture->store);
}

static struct sower_record make_record(unsigned number)
{
    struct sower_record record;
    memset(&record, 0, sizeof record);
    memcpy(record.draw.bytes, &number, sizeof number);
    record.kind = SOWER_RECORD_DRAW;
    memset(record.seed.bytes, 0xab, sizeof record.seed.bytes);
    memcpy(record.seed.bytes, &number, sizeof number);
    record.root_id = ROOT;
    record.time = 1769860800123 + number;
    record.spec = 1;
    record.trial = SOWER_TRIAL_MAX;
    snprintf(record.experiment, sizeof record.experiment, "e%u", number % 2);
    snprintf(record.name, sizeof record.name, "w'%u\xc3\xbc", number);
    strcpy(record.shape, "4,6");
    strcpy(record.dtype, "f32");
    strcpy(record.initializer, "normal(mean=0,std=0.02)");
    strcpy(record.layout, "oi,in_axis=0+1");
    return record;
}

/* Another draw of the same name: its seed is the same. */
static struct sower_record make_drifting(unsigned number, uint8_t variant)
{
    struct sower_record record = make_record(number);
    record.draw.bytes[31] = variant;
    snprintf(record.shape, sizeof record.shape, "%u", (unsigned)variant);
    return record;
}

static void append_to(struct sower_store *store, struct sower_store_draw *draws, size_t count)
{
    struct sower_store_draw **pointers = calloc(count, sizeof *pointers);
    struct sower_problem problem = {.sentence = ""};
    for (size_t i = 0; i < count; i++) {
        pointers[i] = &draws[i];
    }
    bool done = store->writer->methods->append(store->writer, pointers, count, &problem);
    free(pointers);
    assert_string_equal(problem.sentence, "");
    assert_true(done);
}

/* Appends draws that are new, numbers `first`, first + 1, … */
static void append(struct fixture *fixture, unsigned first, unsigned count)
{
    struct sower_store_draw *draws = calloc(count, sizeof *draws);
    for (unsigned i = 0; i < count; i++) {
        draws[i].record = make_record(first + i);
    }
    append_to(fixture->store, draws, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(draws[i].record.ledger, first + i + 1);
        assert_int_equal(draws[i].outcome, SOWER_DRAW_RECORDED);
    }
    free(draws);
}

static struct sower_store_draw append_one(struct fixture *fixture, struct sower_record record, bool strict)
{
    struct sower_store_draw draw = {.record = record, .strict = strict};
    append_to(fixture->store, &draw, 1);
    return draw;
}

static enum sower_draw_outcome find_one(struct fixture *fixture, struct sower_store_draw *draw)
{
    struct sower_problem problem;
    assert_true(fixture->store->writer->methods->find(fixture->store->writer, &draw, 1, &problem));
    return draw->outcome;
}

static uint64_t last_line(struct fixture *fixture)
{
    struct sower_problem problem;
    uint64_t last = 99;
    assert_true(fixture->store->reader->methods->last(fixture->store->reader, &last, &problem));
    return last;
}

struct page {
    struct sower_record records[16];
    size_t count, stop_at;
};

static bool visit_record(void *context, const struct sower_record *record)
{
    struct page *page = context;
    page->records[page->count++] = *record;
    return page->count != page->stop_at;
}

/* Reads the lines from 1 to 1,000 of a page, at most 16 unless the page says otherwise. */
static size_t read_page(struct fixture *fixture, struct sower_page wanted, struct page *page)
{
    struct sower_problem problem = {.sentence = ""};
    wanted.until = wanted.until == 0 ? 1000 : wanted.until;
    wanted.count = wanted.count == 0 ? 16 : wanted.count;
    page->count = 0;
    fixture->store->reader->methods->page(fixture->store->reader, &wanted, visit_record, page, &problem);
    assert_string_equal(problem.sentence, "");
    return page->count;
}

/* The chains, computed from the lines. */
struct chains {
    uint64_t lines;
    struct sower_link heads[4];
};

static bool visit_link(void *context, const struct sower_record *record)
{
    struct chains *chains = context;
    struct sower_link *head = chains->heads;
    uint8_t link[SOWER_LINK_SIZE];
    while (head->sequence > 0 && memcmp(head->writer, record->place.writer, sizeof head->writer) != 0) {
        head++;
    }
    assert_int_equal(record->ledger, ++chains->lines);
    assert_int_equal(record->place.sequence, head->sequence + 1);
    sower_chain_link(record, head->link, link);
    assert_memory_equal(record->place.link, link, sizeof link);
    *head = record->place;
    return true;
}

struct heads {
    size_t count;
    struct sower_link heads[4];
};

static bool visit_head(void *context, const struct sower_link *head)
{
    struct heads *heads = context;
    heads->heads[heads->count++] = *head;
    return true;
}

static uint64_t read_heads(struct sower_store *store, size_t count, struct heads *heads)
{
    struct sower_problem problem;
    uint64_t lines = 99;
    heads->count = 0;
    assert_true(store->reader->methods->heads(store->reader, count, &lines, visit_head, heads, &problem));
    return lines;
}

/* Checks that every line is at its place, without gaps, with the right link, and that the heads are the last lines of
 * the chains. Returns the number of lines. */
static uint64_t check_chains(struct fixture *fixture)
{
    struct chains chains = {0};
    struct heads heads;
    struct sower_problem problem;
    struct sower_page all = {.until = UINT32_MAX, .count = UINT32_MAX};
    assert_true(
        fixture->store->reader->methods->page(fixture->store->reader, &all, visit_link, &chains, &problem));
    assert_int_equal(read_heads(fixture->store, 3, &heads), chains.lines);
    for (size_t i = 0; i < heads.count; i++) {
        const struct sower_link *head = chains.heads;
        while (memcmp(head->writer, heads.heads[i].writer, sizeof head->writer) != 0) {
            head++;
        }
        assert_memory_equal(head, &heads.heads[i], sizeof *head);
    }
    return chains.lines;
}

#endif
