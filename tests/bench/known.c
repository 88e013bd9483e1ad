/* Measures the lookup of a recorded draw in memory: nanoseconds per lookup, first with one thread, then with two at
 * once. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/ledger/known.h"
#include "tests/bench/times.h"

enum { DRAWS = 65536, ASKED = 1024, LOOKUPS = 4000000 };

static struct sower_draw_id id_of(uint64_t number)
{
    struct sower_draw_id draw;
    for (size_t i = 0; i < sizeof draw.bytes; i += 8) {
        number = number * 6364136223846793005U + 1442695040888963407U;
        memcpy(draw.bytes + i, &number, 8);
    }
    return draw;
}

static void *find_draws(void *context)
{
    struct sower_draw_id draws[ASKED];
    uintptr_t missed = 0;
    for (uint64_t i = 0; i < ASKED; i++) {
        draws[i] = id_of(DRAWS / ASKED * i);
    }
    for (uint64_t i = 0; i < LOOKUPS; i++) {
        missed += sower_known_find(context, &draws[i % ASKED]) == 0;
    }
    return (void *)missed;
}

int main(void)
{
    struct sower_known *known = sower_known_new(2 * DRAWS);
    if (known == NULL) {
        return EXIT_FAILURE;
    }
    for (uint64_t i = 0; i < DRAWS; i++) {
        struct sower_draw_id draw = id_of(i);
        sower_known_add(known, &draw, i + 1);
    }
    double begun = seconds();
    find_draws(known);
    double alone = seconds() - begun;
    pthread_t other;
    begun = seconds();
    if (pthread_create(&other, NULL, find_draws, known) != 0) {
        return EXIT_FAILURE;
    }
    find_draws(known);
    pthread_join(other, NULL);
    printf("%.1f %.1f\n", 1e9 * alone / LOOKUPS, 1e9 * (seconds() - begun) / LOOKUPS);
    sower_known_free(known);
    return EXIT_SUCCESS;
}
