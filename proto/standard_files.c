#include "proto/standard_files.h"

#include <fcntl.h>
#include <unistd.h>

void sower_standard_files_take(void)
{
    for (int file = STDIN_FILENO; file <= STDERR_FILENO; file++) {
        if (fcntl(file, F_GETFD) < 0) {
            /* open() takes the least free number, which is this one. Without /dev/null nothing can be done. */
            (void)open("/dev/null", file == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        }
    }
}
