/* A disk whose power can be cut, for tests that run the real code on real files.
 *
 * This header defines the functions of the C library that change files; SQLite calls these definitions too. While
 * recording, each change below one directory goes into a trace before it is executed. From any prefix of the trace
 * the test can build the disk after a power cut. Flushed changes are there (content by fsync of the file, its name by
 * fsync of the directory). Of the other changes the test chooses: none, all, or some sectors of some writes.
 *
 * Child processes share the trace's memory, so a test can let a process exit without closing its files, start the
 * next process on the same files, and cut the power later. Files have numbers of this disk, because an inode may be
 * used again. Only one program may include this file. */
#ifndef SOWER_TESTS_UNIT_SERVER_POWER_DISK_H
#define SOWER_TESTS_UNIT_SERVER_POWER_DISK_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DISK_SECTOR = 512,
    DISK_PATH_MAX = 128,
    DISK_IMAGE_PATH_MAX = 256,
    DISK_FILES_MAX = 256,
    DISK_NAMES_MAX = 64,
    DISK_PENDING_MAX = 1 << 16,
};
static const size_t DISK_TRACE_MAX = (size_t)1 << 30; /* address space; unused pages take no memory */

enum disk_change {
    DISK_ENTER,          /* a file or directory gets a name */
    DISK_LEAVE,          /* a name is removed */
    DISK_WRITE,          /* `size` bytes at `offset` */
    DISK_TRUNCATE,       /* to `offset` */
    DISK_SYNC,           /* of a file's content */
    DISK_SYNC_FAILED,    /* unwritten pages are lost; the kernel treats them as written from now on */
    DISK_SYNC_DIRECTORY, /* of a directory's names */
    DISK_ANSWERED        /* a mark of the test with `size` bytes of data */
};

struct disk_op {
    enum disk_change change;
    bool is_directory;
    unsigned file;
    int64_t offset;
    size_t size;
    char path[DISK_PATH_MAX]; /* below the disk's directory; "" is the directory itself */
    uint8_t bytes[];
};

struct disk {
    char root[64], image[72];
    bool recording;
    int64_t fail_sync; /* how many syncs from now until one fails; 0: none fails */
    size_t count, used;
    unsigned files;
    ino_t inodes[DISK_FILES_MAX]; /* inode of each file */
    struct disk_op *ops[1 << 18];
    uint8_t trace[];
};

static struct disk *disk;

static void disk_stop(const char *why)
{
    fprintf(stderr, "power_disk: %s: %s\n", why, strerror(errno));
    abort();
}

/* Adds an op to the trace; `bytes` NULL: no data. */
static struct disk_op *disk_note(enum disk_change change, const void *bytes, size_t size)
{
    size_t needed = (sizeof(struct disk_op) + size + 15) & ~(size_t)15;
    if (sizeof *disk + disk->used + needed > DISK_TRACE_MAX ||
        disk->count >= sizeof disk->ops / sizeof disk->ops[0]) {
        disk_stop("the trace is full");
    }
    struct disk_op *op = (struct disk_op *)(void *)(disk->trace + disk->used);
    *op = (struct disk_op){.change = change, .size = size};
    if (size > 0) {
        memcpy(op->bytes, bytes, size);
    }
    disk->used += needed;
    disk->ops[disk->count++] = op;
    return op;
}

/* The part of a path below the disk's directory; NULL if it is elsewhere or recording is off. Leaves out the index of
 * the write-ahead log (-shm), which is memory and has no meaning after a power cut. */
static const char *disk_path(const char *path)
{
    size_t length = disk == NULL ? 0 : strlen(disk->root);
    if (disk == NULL || !disk->recording || strncmp(path, disk->root, length) != 0 ||
        (path[length] != '/' && path[length] != '\0') || strstr(path, "-shm") != NULL) {
        return NULL;
    }
    return path[length] == '/' ? path + length + 1 : path + length;
}

/* The same for an open file. */
static const char *disk_path_of(int file, char resolved[4096])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = disk == NULL || !disk->recording ? -1 : readlink(link, resolved, 4095);
    if (length < 0) {
        return NULL;
    }
    resolved[length] = '\0';
    return disk_path(resolved);
}

static unsigned disk_file(int file)
{
    struct stat status;
    if (fstat(file, &status) != 0) {
        disk_stop("fstat");
    }
    for (unsigned n = disk->files; n-- > 0;) {
        if (disk->inodes[n] == status.st_ino) {
            return n;
        }
    }
    disk_stop("a file of which nobody knows");
    return 0;
}

static void disk_note_path(enum disk_change change, const char *path, bool is_directory, unsigned file)
{
    struct disk_op *op = disk_note(change, NULL, 0);
    if (snprintf(op->path, sizeof op->path, "%s", path) >= (int)sizeof op->path) {
        disk_stop("a long path");
    }
    op->is_directory = is_directory;
    op->file = file;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int disk_open(int (*real)(const char *, int, ...), const char *path, int flags, mode_t mode)
{
    const char *name = (flags & O_CREAT) != 0 ? disk_path(path) : NULL;
    bool makes = name != NULL && access(path, F_OK) != 0;
    int file = real(path, flags, mode);
    struct stat status;
    if (makes && file >= 0 && fstat(file, &status) == 0) {
        if (disk->files == DISK_FILES_MAX) {
            disk_stop("many files");
        }
        disk->inodes[disk->files] = status.st_ino;
        disk_note_path(DISK_ENTER, name, false, disk->files++);
    }
    return file;
}

#define DISK_OPEN(name)                                                                                      \
    int name(const char *path, int flags, ...)                                                               \
    {                                                                                                        \
        va_list arguments;                                                                                   \
        va_start(arguments, flags);                                                                          \
        mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;                                \
        va_end(arguments);                                                                                   \
        return disk_open(REAL(name), path, flags, mode);                                                     \
    }
DISK_OPEN(open)
DISK_OPEN(open64)

static void disk_note_write(int file, const void *bytes, size_t size, int64_t offset)
{
    char resolved[4096];
    if (disk_path_of(file, resolved) != NULL) {
        unsigned number = disk_file(file);
        struct disk_op *op = disk_note(DISK_WRITE, bytes, size);
        op->file = number;
        op->offset = offset;
    }
}

/* Both names are the same function; which one SQLite calls depends on how Debian built it. */
#define DISK_PWRITE(name, offset_type)                                                                       \
    ssize_t name(int file, const void *bytes, size_t size, offset_type offset)                               \
    {                                                                                                        \
        disk_note_write(file, bytes, size, offset);                                                          \
        return REAL(name)(file, bytes, size, offset);                                                        \
    }
DISK_PWRITE(pwrite, off_t)
DISK_PWRITE(pwrite64, off64_t)

ssize_t write(int file, const void *bytes, size_t size)
{
    off_t offset = disk != NULL && disk->recording ? lseek(file, 0, SEEK_CUR) : -1;
    if (offset >= 0) {
        disk_note_write(file, bytes, size, offset);
    }
    return REAL(write)(file, bytes, size);
}

static void disk_note_truncate(int file, int64_t size)
{
    char resolved[4096];
    if (disk_path_of(file, resolved) != NULL) {
        unsigned number = disk_file(file);
        struct disk_op *op = disk_note(DISK_TRUNCATE, NULL, 0);
        op->file = number;
        op->offset = size;
    }
}

#define DISK_FTRUNCATE(name, offset_type)                                                                    \
    int name(int file, offset_type size)                                                                     \
    {                                                                                                        \
        disk_note_truncate(file, size);                                                                      \
        return REAL(name)(file, size);                                                                       \
    }
DISK_FTRUNCATE(ftruncate, off_t)
DISK_FTRUNCATE(ftruncate64, off64_t)

/* These do not flush the real disk. */
static int disk_sync(int file)
{
    char resolved[4096];
    struct stat status;
    const char *path = disk_path_of(file, resolved);
    if (path == NULL || fstat(file, &status) != 0) {
        return 0;
    }
    if (S_ISDIR(status.st_mode)) {
        disk_note_path(DISK_SYNC_DIRECTORY, path, true, 0);
        return 0;
    }
    bool fails = disk->fail_sync > 0 && --disk->fail_sync == 0;
    disk_note(fails ? DISK_SYNC_FAILED : DISK_SYNC, NULL, 0)->file = disk_file(file);
    errno = EIO;
    return fails ? -1 : 0;
}

int fsync(int file)
{
    return disk_sync(file);
}

int fdatasync(int file)
{
    return disk_sync(file);
}

int unlink(const char *path)
{
    const char *name = disk_path(path);
    int done = REAL(unlink)(path);
    if (name != NULL && done == 0) {
        disk_note_path(DISK_LEAVE, name, false, 0);
    }
    return done;
}

int link(const char *from, const char *to)
{
    const char *name = disk_path(to);
    int done = REAL(link)(from, to);
    if (name != NULL && done == 0) {
        int file = REAL(open)(to, O_RDONLY);
        disk_note_path(DISK_ENTER, name, false, disk_file(file));
        close(file);
    }
    return done;
}

int mkdir(const char *path, mode_t mode)
{
    const char *name = disk_path(path);
    int done = REAL(mkdir)(path, mode);
    if (name != NULL && done == 0) {
        disk_note_path(DISK_ENTER, name, true, 0);
    }
    return done;
}

/* The content of the disk after a prefix of the trace. */
struct disk_content {
    uint8_t *bytes; /* the safe content */
    size_t size, room;
};

struct disk_name {
    char path[DISK_PATH_MAX];
    bool is_directory;
    unsigned file;
};

struct disk_state {
    size_t next; /* the next op of the trace */
    struct disk_content files[DISK_FILES_MAX];
    struct disk_name names[DISK_NAMES_MAX]; /* the safe names */
    size_t name_count;
    size_t pending[DISK_PENDING_MAX]; /* ops that are not safe yet, in order */
    size_t pending_count;
};

static void disk_resize(struct disk_content *content, size_t size)
{
    if (size > content->room) {
        content->room = 2 * size;
        content->bytes = realloc(content->bytes, content->room);
        if (content->bytes == NULL) {
            disk_stop("memory");
        }
    }
    if (size > content->size) {
        memset(content->bytes + content->size, 0, size - content->size);
    }
    content->size = size;
}

static void disk_put(struct disk_content *content, const struct disk_op *op, size_t from, size_t count)
{
    size_t end = (size_t)op->offset + from + count;
    if (content->size < end) {
        disk_resize(content, end);
    }
    memcpy(content->bytes + op->offset + from, op->bytes + from, count);
}

static void disk_name_apply(struct disk_name *names, size_t *count, const struct disk_op *op)
{
    size_t n = 0;
    while (n < *count && strcmp(names[n].path, op->path) != 0) {
        n++;
    }
    if (op->change == DISK_ENTER) {
        if (n == DISK_NAMES_MAX) {
            disk_stop("many names");
        }
        *count += n == *count;
        names[n].is_directory = op->is_directory;
        names[n].file = op->file;
        memcpy(names[n].path, op->path, sizeof op->path);
    } else if (n < *count) {
        names[n] = names[--*count];
    }
}

/* Whether a name is directly in this directory. */
static bool disk_is_in(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    const char *rest = length == 0 ? path : path + length + 1;
    return (length == 0 || (strncmp(path, directory, length) == 0 && path[length] == '/')) &&
           strchr(rest, '/') == NULL;
}

/* Makes the pending ops of a file, or of the names of a directory, safe (or drops them). */
static void disk_settle(struct disk_state *state, const struct disk_op *sync)
{
    size_t kept = 0;
    for (size_t i = 0; i < state->pending_count; i++) {
        const struct disk_op *op = disk->ops[state->pending[i]];
        bool is_name = op->change == DISK_ENTER || op->change == DISK_LEAVE;
        if (sync->change == DISK_SYNC_DIRECTORY ? !is_name || !disk_is_in(op->path, sync->path)
                                                : is_name || op->file != sync->file) {
            state->pending[kept++] = state->pending[i];
        } else if (sync->change == DISK_SYNC_DIRECTORY) {
            disk_name_apply(state->names, &state->name_count, op);
        } else if (sync->change == DISK_SYNC) {
            op->change == DISK_WRITE ? disk_put(&state->files[op->file], op, 0, op->size)
                                     : disk_resize(&state->files[op->file], (size_t)op->offset);
        }
    }
    state->pending_count = kept;
}

/* Applies the ops up to the one with this number, exclusive. */
static void disk_advance(struct disk_state *state, size_t until)
{
    for (; state->next < until; state->next++) {
        const struct disk_op *op = disk->ops[state->next];
        switch (op->change) {
        case DISK_ANSWERED:
            break;
        case DISK_SYNC:
        case DISK_SYNC_FAILED:
        case DISK_SYNC_DIRECTORY:
            disk_settle(state, op);
            break;
        default:
            if (state->pending_count == DISK_PENDING_MAX) {
                disk_stop("much waits to be flushed");
            }
            state->pending[state->pending_count++] = state->next;
        }
    }
}

static void disk_state_free(struct disk_state *state)
{
    for (size_t i = 0; i < DISK_FILES_MAX; i++) {
        free(state->files[i].bytes);
    }
    free(state);
}

/* How many of the unflushed changes survive a cut. */
enum disk_luck { DISK_NOTHING_KEPT, DISK_SECTORS_KEPT, DISK_ALL_KEPT };

/* A small random generator with a seed, so that a failure can be repeated. */
static uint64_t disk_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Names survive in order: with one, all before it. */
static void disk_keep_names(const struct disk_state *state, enum disk_luck luck, uint64_t *seed,
                            struct disk_name *names, size_t *count)
{
    memcpy(names, state->names, sizeof state->names);
    *count = state->name_count;
    if (luck == DISK_NOTHING_KEPT) {
        return;
    }
    for (size_t i = 0; i < state->pending_count; i++) {
        const struct disk_op *op = disk->ops[state->pending[i]];
        if (op->change != DISK_ENTER && op->change != DISK_LEAVE) {
            continue;
        }
        if (luck == DISK_SECTORS_KEPT && disk_random(seed) % 4 == 0) {
            return;
        }
        disk_name_apply(names, count, op);
    }
}

static void disk_keep(struct disk_content *content, const struct disk_op *op, enum disk_luck luck,
                      unsigned chance, uint64_t *seed)
{
    if (op->change == DISK_TRUNCATE) {
        if (luck == DISK_ALL_KEPT || disk_random(seed) % 2 == 0) {
            disk_resize(content, (size_t)op->offset);
        }
        return;
    }
    /* Whole sectors of the disk, even if only part of one was written. */
    for (size_t at = 0; at < op->size;) {
        size_t count = DISK_SECTOR - ((size_t)op->offset + at) % DISK_SECTOR;
        count = count < op->size - at ? count : op->size - at;
        if (luck == DISK_ALL_KEPT || disk_random(seed) % 16 < chance) {
            disk_put(content, op, at, count);
        }
        at += count;
    }
}

/* The path of a name in the image. */
static void disk_image_path(const struct disk_name *name, char path[DISK_IMAGE_PATH_MAX])
{
    if (snprintf(path, DISK_IMAGE_PATH_MAX, "%s/%.*s", disk->image, DISK_PATH_MAX - 1, name->path) >=
        DISK_IMAGE_PATH_MAX) {
        disk_stop("a long path");
    }
}

static void disk_write_file(const struct disk_state *state, const struct disk_name *name, enum disk_luck luck,
                            uint64_t *seed)
{
    char path[DISK_IMAGE_PATH_MAX];
    struct disk_content content = {0};
    const struct disk_content *safe = &state->files[name->file];
    disk_resize(&content, safe->size);
    if (safe->size > 0) {
        memcpy(content.bytes, safe->bytes, safe->size);
    }
    unsigned chance =
        (unsigned)(disk_random(seed) % 17); /* some cuts keep nearly all changes, some nearly none */
    for (size_t i = 0; i < state->pending_count && luck != DISK_NOTHING_KEPT; i++) {
        const struct disk_op *op = disk->ops[state->pending[i]];
        if ((op->change == DISK_WRITE || op->change == DISK_TRUNCATE) && op->file == name->file) {
            disk_keep(&content, op, luck, chance, seed);
        }
    }
    disk_image_path(name, path);
    int file = REAL(open)(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || REAL(write)(file, content.bytes, content.size) != (ssize_t)content.size) {
        disk_stop(path);
    }
    close(file);
    free(content.bytes);
}

static int disk_remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status, (void)kind, (void)where;
    return remove(path);
}

static void disk_remove(const char *directory)
{
    if (nftw(directory, disk_remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
        disk_stop(directory);
    }
}

/* Fills the image directory with the disk after a cut in this state. */
static void disk_cut(const struct disk_state *state, enum disk_luck luck, uint64_t *seed)
{
    struct disk_name names[DISK_NAMES_MAX];
    char path[DISK_IMAGE_PATH_MAX];
    size_t count;
    disk_remove(disk->image);
    if (REAL(mkdir)(disk->image, 0700) != 0) {
        disk_stop(disk->image);
    }
    disk_keep_names(state, luck, seed, names, &count);
    for (size_t i = 0; i < count; i++) { /* a directory is created before its entries */
        disk_image_path(&names[i], path);
        if (names[i].is_directory) {
            (void)REAL(mkdir)(path, 0700); /* fails if its parent was lost: then it is lost too */
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct stat status;
        disk_image_path(&names[i], path);
        *strrchr(path, '/') = '\0';
        if (!names[i].is_directory && stat(path, &status) == 0) {
            disk_write_file(state, &names[i], luck, seed);
        }
    }
}

/* An empty disk and an empty trace. */
static void disk_make(void)
{
    if (disk == NULL) {
        void *memory = mmap(NULL, DISK_TRACE_MAX, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) {
            disk_stop("mmap");
        }
        disk = memory;
    }
    disk->recording = false;
    disk->count = disk->used = disk->files = 0;
    disk->fail_sync = 0;
    snprintf(disk->root, sizeof disk->root, "%s/sower-power-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(disk->root) == NULL) {
        disk_stop(disk->root);
    }
    snprintf(disk->image, sizeof disk->image, "%.63s.cut", disk->root);
}

static void disk_free(void)
{
    disk_remove(disk->root);
    disk_remove(disk->image);
}

#endif
