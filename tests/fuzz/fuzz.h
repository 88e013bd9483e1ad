/* What every fuzz target needs: the entry point that libFuzzer calls, and checks that end the run.
 *
 * A target takes any bytes, gives them to one parser, and checks the result with an oracle, which the top of its
 * file describes. tests/fuzz/corpus makes the first inputs, tests/fuzz/run runs the targets. */
#ifndef SOWER_TESTS_FUZZ_FUZZ_H
#define SOWER_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/problem.h"
#include "core/shape.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Ends the run unless the condition is true; the fuzzer then keeps the input. */
#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition);                       \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* A refusal is a sentence for people: not empty, UTF-8, without control characters, ending with a period. */
static inline void check_refusal(const struct sower_problem *problem)
{
    size_t length = strlen(problem->sentence);
    json_t *as_json = json_string(problem->sentence);
    MUST(length > 0 && as_json != NULL);
    json_decref(as_json);
    for (size_t i = 0; i < length; i++) {
        MUST((unsigned char)problem->sentence[i] >= ' ' && problem->sentence[i] != 127);
    }
    /* A sentence that was cut because of its length has no end. */
    MUST(length > sizeof problem->sentence - 8 || strchr(".?", problem->sentence[length - 1]) != NULL);
}

/* A region as a slice: "0:2,3:7". */
static inline void print_region(const struct sower_region *region, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t axis = 0; axis < region->rank; axis++) {
        length +=
            (size_t)snprintf(text + length, size - length, "%s%llu:%llu", axis == 0 ? "" : ",",
                             (unsigned long long)region->start[axis], (unsigned long long)region->stop[axis]);
    }
    MUST(length < size);
}

static inline bool same_region(const struct sower_region *a, const struct sower_region *b)
{
    bool same = a->rank == b->rank;
    for (size_t axis = 0; axis < a->rank && same; axis++) {
        same = a->start[axis] == b->start[axis] && a->stop[axis] == b->stop[axis];
    }
    return same;
}

#endif
