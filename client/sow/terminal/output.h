/* Outputs: where the bytes of an answer go, all of them or none.
 *
 * A file is written under a temporary name beside its final one (NAME.XXXXXX.part), made durable, and only
 * then renamed; whatever happens before, nothing stands under the final name that was not there already. A
 * file that is replaced hands on its mode, and its owner where that is allowed. What cannot be renamed over
 * (standard output, also as /dev/stdout or /dev/fd/N, a device, a named pipe) is written straight. */
#ifndef SOWER_CLIENT_SOW_TERMINAL_OUTPUT_H
#define SOWER_CLIENT_SOW_TERMINAL_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct output {
    int file;
    char path[PATH_MAX];      /* the final name */
    char temporary[PATH_MAX]; /* empty: written straight */
    bool replaces;            /* a file stands under the final name */
    struct stat before;       /* that file */
};

/* Each of these returns false when it fails, with errno set; output_open has left nothing behind then, after
 * the others the caller still calls output_discard. */

/* Opens the file at `path`, or standard output for NULL. Where the path is a symbolic link, the file that it
 * points to is replaced, or made. The output must not move in memory until it is finished or discarded. */
bool output_open(struct output *output, const char *path);

bool output_write(struct output *output, const void *bytes, size_t size);

/* Puts the file under its final name, durably. */
bool output_finish(struct output *output);

/* Closes, and removes the temporary file. May be called after output_finish, and twice. */
void output_discard(struct output *output);

#endif
