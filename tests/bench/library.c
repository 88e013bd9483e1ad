/* Measures sower_tensor_fill and sower_tensor_digest of 1 GiB, and prints one JSON object.
 *
 * Each round measures one thread before and after two threads, so that a change of the machine's speed affects both.
 * The results are medians over the rounds. The memory was written before, except for "fresh": there each fill gets new pages from the
 * system, which costs about as much time as the numbers. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "client/library/sower.h"
#include "tests/bench/times.h"

enum { ROUNDS = 7 };

static const size_t SIZE = (size_t)1 << 30;

static void *pages(void)
{
    void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        exit(1);
    }
    return memory;
}

/* Seconds of one fill; `memory` NULL: of new pages. */
static double fill(sower_tensor *tensor, void *memory, unsigned threads)
{
    void *elements = memory != NULL ? memory : pages();
    double start = seconds();
    if (sower_tensor_fill(tensor, NULL, NULL, elements, SIZE, threads, NULL) != SOWER_OK) {
        exit(1);
    }
    double taken = seconds() - start;
    if (memory == NULL) {
        munmap(elements, SIZE);
    }
    return taken;
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, ascending);
    return values[ROUNDS / 2];
}

static void measure(const char *name, const char *dtype, uint64_t rows, void *memory)
{
    char request[160];
    double ratios[ROUNDS], alone[ROUNDS];
    sower_tensor *tensor;
    snprintf(request, sizeof request,
             "{\"experiment\":\"bench\",\"name\":\"w\",\"shape\":[%llu,4096],\"init\":\"normal\",\"dtype\":"
             "\"%s\"}",
             (unsigned long long)rows, dtype);
    if (sower_tensor_open(&tensor, request, strlen(request), NULL, NULL) != SOWER_OK) {
        exit(1);
    }
    for (size_t i = 0; i < ROUNDS; i++) {
        double before = fill(tensor, memory, 1), two = fill(tensor, memory, 2),
               after = fill(tensor, memory, 1);
        alone[i] = (before + after) / 2;
        ratios[i] = alone[i] / two;
    }
    sower_tensor_close(tensor);
    printf("\"%s\": {\"bytes_per_second\": %.0f, \"two_threads_over_one\": %.3f}, ", name,
           (double)SIZE / median(alone), median(ratios));
}

static double digest(unsigned threads)
{
    static const char request[] =
        "{\"experiment\":\"bench\",\"name\":\"w\",\"shape\":[65536,4096],\"init\":\"normal\"}";
    sower_tensor *tensor;
    uint8_t result[SOWER_KEY_SIZE];
    double start = seconds();
    if (sower_tensor_open(&tensor, request, sizeof request - 1, NULL, NULL) != SOWER_OK ||
        sower_tensor_digest(tensor, NULL, NULL, threads, result, NULL) != SOWER_OK) {
        exit(1);
    }
    sower_tensor_close(tensor);
    return (double)SIZE / (seconds() - start);
}

int main(void)
{
    void *memory = pages();
    memset(memory, 1, SIZE);
    printf("{");
    measure("f32", "f32", 65536, memory);
    measure("bf16", "bf16", 131072, memory);
    measure("fresh", "f32", 65536, NULL);
    double one = digest(1), two = digest(2);
    printf("\"digest\": [%.0f, %.0f]}\n", one, two);
    return 0;
}
