/* Measures appending 4 KiB to a file and flushing it. Usage: flushers DIRECTORY THREADS COUNT
 *
 * Each thread flushes its own file in the directory COUNT times without a pause. Prints the number of flushes, and
 * the median and the 99th percentile of their seconds. */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/times.h"

enum { THREADS_MAX = 64, SIZE = 4096 };

static const char *directory;
static size_t count;

/* A thread: fills `context`, an array of `count` times. */
static void *flush(void *context)
{
    static const char bytes[SIZE];
    double *times = context;
    char path[4096];
    snprintf(path, sizeof path, "%s/flushed-%p", directory, context);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    for (size_t i = 0; i < count; i++) {
        double begun = seconds();
        if (write(file, bytes, SIZE) != SIZE || fdatasync(file) != 0) {
            perror(path);
            exit(1);
        }
        times[i] = seconds() - begun;
    }
    unlink(path);
    close(file);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS_MAX];
    size_t flushers = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    if (flushers < 1 || flushers > THREADS_MAX || count < 1) {
        fprintf(stderr, "Usage: flushers DIRECTORY THREADS COUNT\n");
        return 2;
    }
    directory = argv[1];
    double *times = calloc(flushers * count, sizeof *times);
    for (size_t i = 0; i < flushers; i++) {
        if (times == NULL || pthread_create(&threads[i], NULL, flush, times + i * count) != 0) {
            return 1;
        }
    }
    for (size_t i = 0; i < flushers; i++) {
        pthread_join(threads[i], NULL);
    }
    print_times(times, flushers * count);
    free(times);
    return 0;
}
