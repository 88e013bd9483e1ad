/* Links: the link of a line, and that every member of the line changes it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "proto/chain.h"
#include "proto/record.h"

static const uint8_t FIRST[SOWER_LINK_SIZE];

#define TWICE(text) text text
#define HEX(pair) TWICE(TWICE(TWICE(TWICE(TWICE(pair)))))

static struct sower_record draw(void)
{
    struct sower_record record = {.ledger = 12,
                                  .time = 1769860800123,
                                  .kind = SOWER_RECORD_DRAW,
                                  .experiment = "a\nb",
                                  .trial = SOWER_TRIAL_MAX,
                                  .spec = 1,
                                  .name = "\xc3\xbc",
                                  .shape = "4096,4096",
                                  .dtype = "f32",
                                  .initializer = "normal(mean=0,std=0.02)",
                                  .layout = "oi,fan_in=3",
                                  .place = {.sequence = 9}};
    memset(record.root_id.bytes, 0x01, sizeof record.root_id.bytes);
    memset(record.draw.bytes, 0x02, sizeof record.draw.bytes);
    memset(record.seed.bytes, 0x03, sizeof record.seed.bytes);
    memset(record.place.writer, 0x04, sizeof record.place.writer);
    return record;
}

static struct sower_record trials(void)
{
    struct sower_record record = draw();
    struct sower_record given = {.ledger = 13,
                                 .time = record.time,
                                 .kind = SOWER_RECORD_TRIALS,
                                 .root_id = record.root_id,
                                 .experiment = "exp-42",
                                 .trial = 3,
                                 .count = 2,
                                 .key = "k=1",
                                 .place = record.place};
    return given;
}

/* The link is the hash of this text. */
static void assert_link_of(const struct sower_record *record, const uint8_t previous[SOWER_LINK_SIZE],
                           const char *text)
{
    uint8_t link[SOWER_LINK_SIZE], wanted[SOWER_LINK_SIZE];
    crypto_generichash(wanted, sizeof wanted, (const unsigned char *)text, strlen(text), NULL, 0);
    sower_chain_link(record, previous, link);
    assert_memory_equal(link, wanted, sizeof link);
}

static void the_link_of_a_draw_is_the_hash_of_its_canonical_form(void **state)
{
    (void)state;
    struct sower_record record = draw();
    uint8_t previous[SOWER_LINK_SIZE];
    memset(previous, 0xab, sizeof previous);
#define DRAW_TEXT(manifest, drift)                                                                           \
    "sower ledger line\nprevious=" HEX("ab") "\nwriter=" HEX(                                                \
        "04") "\nsequence=9\nledger=12\n"                                                                    \
              "time=2026-01-31T12:00:00.123Z\nkind=draw\nroot=" HEX(                                         \
                  "01") "\nexperiment=3:a\nb\n"                                                              \
                        "trial=9223372036854775807\nname=2:\xc3\xbc\ndraw=" HEX("02") "\nseed=" HEX(         \
                            "03") "\nspec=1\n"                                                               \
                                  "shape=4096,4096\ndtype=f32\ninit=normal(mean=0,std=0.02)\nlayout=oi,fan_" \
                                  "in=3\nmanifest=" manifest "\ndrift=" drift "\n"
    assert_link_of(&record, previous, DRAW_TEXT("", "0"));
    record.has_manifest = true;
    memset(record.manifest, 0xcd, sizeof record.manifest);
    record.drift = 7;
    assert_link_of(&record, previous, DRAW_TEXT(HEX("cd"), "7"));
}

static void the_links_of_the_other_kinds_are_hashes_of_their_canonical_forms(void **state)
{
    (void)state;
    struct sower_record record = trials();
#define TEXT(kind, rest)                                                                                     \
    "sower ledger line\nprevious=" HEX("00") "\nwriter=" HEX(                                                \
        "04") "\nsequence=9\nledger=13\n"                                                                    \
              "time=2026-01-31T12:00:00.123Z\nkind=" kind "\nroot=" HEX("01") "\nexperiment=6:exp-42\n" rest
    assert_link_of(&record, FIRST, TEXT("trials", "trial=3\ncount=2\nkey=3:k=1\n"));
    record.key[0] = '\0';
    assert_link_of(&record, FIRST, TEXT("trials", "trial=3\ncount=2\nkey=0:\n"));
    record.kind = SOWER_RECORD_PIN;
    assert_link_of(&record, FIRST, TEXT("pin", ""));
    record.kind = SOWER_RECORD_UNPIN;
    assert_link_of(&record, FIRST, TEXT("unpin", ""));
}

struct part {
    const char *name;
    size_t offset, size;
};

#define PART(member)                                                                                         \
    {                                                                                                        \
#member, offsetof(struct sower_record, member), sizeof((struct sower_record *)NULL)->member          \
    }

/* Changes one bit of each member, and of the previous link. */
static void check_parts(struct sower_record record, const struct part *parts, size_t count)
{
    uint8_t link[SOWER_LINK_SIZE], other[SOWER_LINK_SIZE], previous[SOWER_LINK_SIZE] = {1};
    sower_chain_link(&record, FIRST, link);
    sower_chain_link(&record, previous, other);
    assert_memory_not_equal(link, other, sizeof link);
    for (size_t i = 0; i < count; i++) {
        uint8_t *place = (uint8_t *)&record + parts[i].offset;
        *place ^= 1;
        sower_chain_link(&record, FIRST, other);
        *place ^= 1;
        if (memcmp(link, other, sizeof link) == 0) {
            fail_msg("%s is not in the link", parts[i].name);
        }
    }
}

static void every_member_of_a_line_changes_its_link(void **state)
{
    (void)state;
    static const struct part of_draws[] = {
        PART(ledger),       PART(time),           PART(root_id), PART(experiment),   PART(trial),
        PART(draw),         PART(seed),           PART(spec),    PART(name),         PART(shape),
        PART(dtype),        PART(initializer),    PART(layout),  PART(has_manifest), PART(drift),
        PART(place.writer), PART(place.sequence),
    };
    static const struct part of_trials[] = {
        PART(ledger), PART(time), PART(root_id),      PART(experiment),     PART(trial),
        PART(count),  PART(key),  PART(place.writer), PART(place.sequence),
    };
    check_parts(draw(), of_draws, sizeof of_draws / sizeof of_draws[0]);
    check_parts(trials(), of_trials, sizeof of_trials / sizeof of_trials[0]);
}

/* Without the lengths in front of the texts, these two canonical forms would be the same. */
static void a_text_cannot_imitate_the_members_after_it(void **state)
{
    (void)state;
    struct sower_record one = trials(), other = trials();
    uint8_t link_of_one[SOWER_LINK_SIZE], link_of_other[SOWER_LINK_SIZE];
    one.trial = 3;
    strcpy(one.experiment, "e\ntrial=3");
    strcpy(other.experiment, "e");
    sower_chain_link(&one, FIRST, link_of_one);
    sower_chain_link(&other, FIRST, link_of_other);
    assert_memory_not_equal(link_of_one, link_of_other, sizeof link_of_one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_link_of_a_draw_is_the_hash_of_its_canonical_form),
        cmocka_unit_test(the_links_of_the_other_kinds_are_hashes_of_their_canonical_forms),
        cmocka_unit_test(every_member_of_a_line_changes_its_link),
        cmocka_unit_test(a_text_cannot_imitate_the_members_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
