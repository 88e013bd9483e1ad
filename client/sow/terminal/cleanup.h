/* Clean-up when a signal ends the program.
 *
 * On SIGINT, SIGTERM, SIGHUP and SIGQUIT the handler removes the temporary file, wipes an unfinished
 * progress line, and raises the signal again with its default effect, so that a shell sees which signal
 * ended the program. Signals that the parent process ignores (nohup) stay ignored. */
#ifndef SOWER_CLIENT_SOW_TERMINAL_CLEANUP_H
#define SOWER_CLIENT_SOW_TERMINAL_CLEANUP_H

#include <signal.h>
#include <stdbool.h>

/* Installs the handlers. Call once, at the start of the program. */
void cleanup_install(void);

/* Sets the file to remove; NULL: none. The string must stay valid until the next call. */
void cleanup_set_file(const char *path);

/* Says whether stderr shows an unfinished progress line. */
void cleanup_set_line(bool shown);

/* Block the signals while a temporary file is created and passed to cleanup_set_file, and unblock them
 * again. `before` keeps the previous signal mask. */
void cleanup_block(sigset_t *before);
void cleanup_unblock(const sigset_t *before);

#endif
