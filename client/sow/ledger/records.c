#include "client/sow/ledger/records.h"

#include <stdio.h>
#include <string.h>

#include "client/sow/terminal/terminal.h"

const char *records_name(const char *path)
{
    return path == NULL ? "the daemon" : strcmp(path, "-") == 0 ? "standard input" : path;
}

void records_hint(const struct records *records, const char *path)
{
    if (records->lacks_wal) {
        fputs("If the file was copied while sowerd was running, the rest is in ", stderr);
        terminal_print(stderr, path);
        fputs("-wal: copy that file too.\n", stderr);
    }
}
