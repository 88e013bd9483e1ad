#include "server/base/private_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void sower_private_file(const char *path, const struct sower_log *log)
{
    enum { OTHERS = S_IRWXG | S_IRWXO };
    struct stat status;
    char sentence[PATH_MAX + 160];
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || (status.st_mode & OTHERS) == 0) {
        return;
    }
    bool done = chmod(path, status.st_mode & 07777U & ~(mode_t)OTHERS) == 0;
    snprintf(sentence, sizeof sentence, "The file %s was accessible to other users (mode %04o); %s%s.", path,
             (unsigned)status.st_mode & 07777U,
             done ? "it is private to its owner now" : "making it private to its owner failed: ",
             done ? "" : strerror(errno));
    if (log != NULL) {
        sower_log_sentence(log, done ? SOWER_LOG_INFO : SOWER_LOG_WARNING, "file_mode", sentence);
    }
}
