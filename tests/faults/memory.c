/* Injection of memory failures, preloaded into a program (LD_PRELOAD): makes chosen allocations fail.
 *
 * The test and the program both map a small file (SOWER_MEMORY names it). While `armed` is set, every allocation in
 * every thread of the process is counted, and the allocations from number `first` to `last` fail. The test's side is
 * tests/http/injected.py.
 *
 * A program that runs to its end is started once for all of its allocations. At the point `forks_at` it forks one
 * child after the other; in each child the next allocation fails. A child runs in its own directory
 * SOWER_MEMORY_RESULTS/NUMBER, with its standard output and standard error in files there. The parent prints a line
 * on standard output for each child: its number, its wait status, and how many allocations failed. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct memory {
    _Atomic int64_t armed;
    _Atomic int64_t first, last; /* the failing allocations; 0: none */
    _Atomic int64_t count;       /* allocations since the test set it to 0 */
    _Atomic int64_t failed;      /* how many of them failed */
    _Atomic int64_t held;        /* blocks that are allocated now; counted also while not armed */
    _Atomic int64_t started;     /* allocations from main until libcurl was initialized */
    _Atomic int64_t forks_at;    /* enum point; 0: never */
    _Atomic int64_t onward;      /* in a child, the chosen allocation and all later ones fail */
    _Atomic int64_t from, most;  /* range of the chosen allocations */
    _Atomic int64_t step;
};

enum point { AT_MAIN = 1, AT_LIBCURL };

enum { CHILD_SECONDS = 60 }; /* time limit of a child */

static struct memory own, *memory = &own; /* used until the file is mapped */

/* Memory for dlsym itself while it looks up the real functions; never released. */
static alignas(max_align_t) char early[4096];
static size_t early_used;

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void (*free)(void *);
} real;

static bool is_early(const void *block)
{
    return (const char *)block >= early && (const char *)block < early + sizeof early;
}

static void *take_early(size_t size)
{
    size_t aligned = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    if (aligned > sizeof early - early_used) {
        abort();
    }
    early_used += aligned;
    return early + early_used - aligned;
}

#define FIND(name) (*(void **)&real.name = dlsym(RTLD_NEXT, #name))

/* Looks up the real functions. False while the look-up runs: dlsym allocates too. */
static bool find_real(void)
{
    static bool looking;
    if (real.free != NULL) {
        return true;
    }
    if (looking) {
        return false;
    }
    looking = true;
    FIND(malloc);
    FIND(calloc);
    FIND(realloc);
    FIND(aligned_alloc);
    FIND(posix_memalign);
    FIND(free);
    return true;
}

/* In a child: enters its own directory, and redirects standard output and standard error there. */
static void enter(const char *results, int64_t number)
{
    char directory[4096];
    snprintf(directory, sizeof directory, "%s/%lld", results, (long long)number);
    if (mkdir(directory, 0700) != 0 || chdir(directory) != 0) {
        abort();
    }
    int output = open("stdout", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int error = open("stderr", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (dup2(output, STDOUT_FILENO) < 0 || dup2(error, STDERR_FILENO) < 0) {
        abort();
    }
    close(output);
    close(error);
    alarm(CHILD_SECONDS); /* kills a child that hangs */
}

/* Returns in each child. The parent exits after two children in a row that did not reach their allocation. */
static void fork_each(void)
{
    const char *results = getenv("SOWER_MEMORY_RESULTS");
    int unaffected = 0;
    for (int64_t number = memory->from; unaffected < 2 && number <= memory->most; number += memory->step) {
        memory->first = number;
        memory->last = memory->onward != 0 ? INT64_MAX : number;
        memory->count = memory->failed = 0;
        pid_t child = fork();
        if (child == 0) {
            enter(results, number);
            memory->armed = 1;
            return;
        }
        int status;
        if (child < 0 || waitpid(child, &status, 0) != child) {
            abort();
        }
        memory->armed = 0;
        unaffected = memory->failed == 0 ? unaffected + 1 : 0;
        dprintf(STDOUT_FILENO, "%lld %d %lld\n", (long long)number, status, (long long)memory->failed);
    }
    _exit(0);
}

__attribute__((constructor)) static void map_memory(void)
{
    const char *path = getenv("SOWER_MEMORY");
    int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    void *mapped = mmap(NULL, sizeof *memory, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    memory = mapped == MAP_FAILED ? memory : mapped;
}

static int (*program)(int, char **, char **);

static int run_program(int count, char **arguments, char **environment)
{
    memory->count = 0;
    if (memory->forks_at == AT_MAIN) {
        fork_each();
    }
    return program(count, arguments, environment);
}

/* Replaces libc's function, which calls main. Allocations of library constructors, before main, never fail. */
int __libc_start_main(int (*main)(int, char **, char **), int count, char **arguments, void (*init)(void),
                      void (*end)(void), void (*unload)(void), void *stack);
int __libc_start_main(int (*main)(int, char **, char **), int count, char **arguments, void (*init)(void),
                      void (*end)(void), void (*unload)(void), void *stack)
{
    int (*start)(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void),
                 void *);
    *(void **)&start = dlsym(RTLD_NEXT, "__libc_start_main");
    program = main;
    return start(run_program, count, arguments, init, end, unload, stack);
}

/* Counts an allocation. True if it must fail. */
static bool fails(void)
{
    if (memory->armed == 0) {
        return false;
    }
    int64_t number = ++memory->count;
    if (number < memory->first || number > memory->last) {
        return false;
    }
    memory->failed++;
    errno = ENOMEM;
    return true;
}

static void *note(void *block)
{
    memory->held += block != NULL;
    return block;
}

int curl_global_init(long flags);

void *malloc(size_t size)
{
    if (!find_real()) {
        return take_early(size);
    }
    return fails() ? NULL : note(real.malloc(size));
}

void *calloc(size_t count, size_t size)
{
    if (!find_real()) {
        return take_early(count * size);
    }
    return fails() ? NULL : note(real.calloc(count, size));
}

void *realloc(void *block, size_t size)
{
    if (block == NULL) {
        return malloc(size);
    }
    if (is_early(block)) {
        abort();
    }
    if (size == 0) {
        free(block);
        return NULL;
    }
    return fails() ? NULL : real.realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    find_real();
    return fails() ? NULL : note(real.aligned_alloc(alignment, size));
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    find_real();
    if (fails()) {
        return ENOMEM;
    }
    int error = real.posix_memalign(block, alignment, size);
    memory->held += error == 0;
    return error;
}

void free(void *block)
{
    if (block == NULL || is_early(block)) {
        return;
    }
    find_real();
    memory->held--;
    real.free(block);
}

/* Replaces libcurl's function, if the program uses libcurl. */
int curl_global_init(long flags)
{
    int (*init)(long);
    *(void **)&init = dlsym(RTLD_NEXT, "curl_global_init");
    int code = init(flags);
    memory->started = memory->count;
    if (memory->forks_at == AT_LIBCURL) {
        fork_each();
    }
    return code;
}
