/* A filter of system calls (seccomp): the calls that the daemon and its libraries use are allowed, some only with
 * certain arguments. It is a list for the C libraries of Debian 12 and 13 on x86-64 and aarch64.
 *
 * Any other call fails with ENOSYS, as if the kernel did not have it: the C library then does without (clone3), so an
 * update of a library does not end the daemon. Calls that only an attacker makes (execve, ptrace and their like) end
 * the process at once. */
#ifndef SOWER_SERVER_SANDBOX_FILTER_H
#define SOWER_SERVER_SANDBOX_FILTER_H

#include <stdbool.h>

#include "core/attributes.h"

/* Filters the calls of all threads of the process from now on. `connects`: it may open sockets other than Unix
 * sockets, and connect them. False if the kernel or this machine has no filter. The process must have no_new_privs. */
SOWER_MUST_USE bool sower_filter_enter(bool connects);

#endif
