/* The sandbox: what the process may still do after its start, enforced by the kernel.
 *
 * An attacker who makes the daemon run his code finds a process that can do what the daemon does and nothing
 * else. Three parts, each as far as the kernel has it:
 *
 *   Landlock  opens only the files below the listed directories. From version 4 on, no TCP port can be bound,
 *             and only the listed ports can be connected to; from version 6 on, signals and abstract Unix
 *             sockets of other processes cannot be reached.
 *   seccomp   allows only the system calls that the daemon uses (filter.h).
 *   process   gets no new privileges, and is never dumped (no core file, no debugger of the same user): its
 *             memory has keys and tokens.
 *
 * Landlock applies to the calling thread and to threads that it starts later. So: begin, list what the daemon
 * needs, and enter before the first thread starts. What is open at that time stays open, as the listening sockets
 * do. Nothing here fails: what the kernel does not have is left out, and the log says so. */
#ifndef SOWER_SERVER_SANDBOX_SANDBOX_H
#define SOWER_SERVER_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/log.h"

enum { SOWER_SANDBOX_PLACES = 128, SOWER_SANDBOX_PORTS = 32 };

enum sower_sandbox_access {
    SOWER_SANDBOX_READ,   /* read files, list directories */
    SOWER_SANDBOX_WRITE,  /* also create, write and remove files */
    SOWER_SANDBOX_REMOVE, /* only remove files */
};

struct sower_sandbox {
    bool wanted;           /* false: --sandbox no, or a build with a sanitizer */
    bool connects;         /* the process opens connections */
    bool any_port;         /* to ports that are not known */
    bool abstract_sockets; /* it uses an abstract Unix socket of another process */
    struct {
        int directory; /* or a file; a descriptor without access (O_PATH) */
        enum sower_sandbox_access access;
    } places[SOWER_SANDBOX_PLACES];
    size_t place_count;
    uint16_t ports[SOWER_SANDBOX_PORTS];
    size_t port_count;
};

/* Begins the list with what every process needs: its own /proc/self, the number of processors, /dev/null and
 * /dev/urandom, systemd's notification socket. `wanted` false: nothing is listed, and the process is not confined. */
void sower_sandbox_begin(struct sower_sandbox *sandbox, bool wanted);

/* Lists a directory with all below it, or a single file. A path that does not exist is not listed. */
void sower_sandbox_list(struct sower_sandbox *sandbox, const char *path, enum sower_sandbox_access access);

/* Lists the directory of a file, and if the file is a link, also the directory of the file that it leads to. The
 * file may be replaced by another one with the same name later. */
void sower_sandbox_list_beside(struct sower_sandbox *sandbox, const char *file,
                               enum sower_sandbox_access access);

/* The process opens connections: over TCP to this port and others that are listed, or with port 0 to any. */
void sower_sandbox_connect(struct sower_sandbox *sandbox, uint16_t port);

/* Confines the process from now on, and logs one line, `sandbox`: what is in force, and what is missing. */
void sower_sandbox_enter(struct sower_sandbox *sandbox, const struct sower_log *log);

#endif
