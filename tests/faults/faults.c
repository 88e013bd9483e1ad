/* Fault injection, preloaded into a daemon (LD_PRELOAD): makes writes and flushes of the ledger's files fail, sets
 * the clock wrong, or kills the process in the middle of a write.
 *
 * The test and the daemon both map a small file (SOWER_FAULTS names it). The test sets faults there, which take
 * effect and end at once, and reads how often the ledger's files were changed. The test's side is
 * tests/http/injected.py. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct faults {
    _Atomic int64_t write_error; /* errno of failing writes; 0: writes work */
    _Atomic int64_t sync_error;
    _Atomic int64_t clock;   /* milliseconds to add to the wall clock */
    _Atomic int64_t kill_at; /* the process dies in the middle of this change; 0: never */
    _Atomic int64_t changes; /* number of writes, flushes, truncations and removals */
    _Atomic int64_t failed;  /* how many of them failed on request */
    _Atomic int64_t hold;    /* while not 0, changes wait */
};

static struct faults *faults;

__attribute__((constructor)) static void map_faults(void)
{
    const char *path = getenv("SOWER_FAULTS");
    int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    void *mapped = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    faults = mapped == MAP_FAILED ? NULL : mapped;
}

/* Whether a path is the ledger or its write-ahead log. The log's index (-shm) is shared memory and does not count. */
static bool is_ledger(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name == NULL ? path : name + 1;
    return strncmp(name, "ledger.sqlite", 13) == 0 && strstr(name, "-shm") == NULL;
}

static bool is_ledger_file(int file)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = faults == NULL ? -1 : readlink(link, path, sizeof path - 1);
    if (length < 0) {
        return false;
    }
    path[length] = '\0';
    return is_ledger(path);
}

/* Counts a change, and makes it wait on request. True if the process must die in the middle of it. */
static bool change(void)
{
    int64_t number = ++faults->changes;
    while (faults->hold != 0) {
        usleep(1000);
    }
    return number == faults->kill_at;
}

static int die(void)
{
    kill(getpid(), SIGKILL);
    return -1; /* not reached */
}

static int fail(int64_t error)
{
    faults->failed++;
    errno = (int)error;
    return -1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* False with errno if a write must fail. *dies: the caller writes the first half, then the process dies. */
static bool may_write(int file, bool *dies)
{
    if (!is_ledger_file(file)) {
        return true;
    }
    *dies = change();
    return *dies || faults->write_error == 0 || fail(faults->write_error) == 0;
}

/* Both names are the same function; which one SQLite calls depends on how Debian built it. */
#define PWRITE(name, offset_type)                                                                            \
    ssize_t name(int file, const void *bytes, size_t size, offset_type offset)                               \
    {                                                                                                        \
        bool dies = false;                                                                                   \
        if (!may_write(file, &dies)) {                                                                       \
            return -1;                                                                                       \
        }                                                                                                    \
        ssize_t written = REAL(name)(file, bytes, dies ? size / 2 : size, offset);                           \
        return dies ? die() : written;                                                                       \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int file, const void *bytes, size_t size)
{
    bool dies = false;
    if (!may_write(file, &dies)) {
        return -1;
    }
    ssize_t written = REAL(write)(file, bytes, dies ? size / 2 : size);
    return dies ? die() : written;
}

static bool may_sync(int file)
{
    if (!is_ledger_file(file)) {
        return true;
    }
    if (change()) {
        die();
    }
    return faults->sync_error == 0 || fail(faults->sync_error) == 0;
}

int fdatasync(int file)
{
    return may_sync(file) ? REAL(fdatasync)(file) : -1;
}

int fsync(int file)
{
    return may_sync(file) ? REAL(fsync)(file) : -1;
}

#define FTRUNCATE(name, offset_type)                                                                         \
    int name(int file, offset_type size)                                                                     \
    {                                                                                                        \
        return is_ledger_file(file) && change() ? die() : REAL(name)(file, size);                            \
    }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

int unlink(const char *path)
{
    if (faults != NULL && is_ledger(path) && change()) {
        die();
    }
    return REAL(unlink)(path);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int done = REAL(clock_gettime)(clock, now);
    int64_t wrong = faults == NULL ? 0 : faults->clock;
    if (done == 0 && clock == CLOCK_REALTIME && wrong != 0) {
        int64_t milliseconds = (int64_t)now->tv_sec * 1000 + now->tv_nsec / 1000000 + wrong;
        now->tv_sec = milliseconds / 1000;
        now->tv_nsec = milliseconds % 1000 * 1000000;
    }
    return done;
}
