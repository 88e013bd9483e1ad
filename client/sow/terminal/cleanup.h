/* Clean-up when a signal ends the program.
 *
 * On SIGINT, SIGTERM, SIGHUP and SIGQUIT the temporary file is removed, a half-drawn progress line is wiped,
 * and the signal is raised again with its default effect, so that a shell sees what ended the program.
 * Signals that the parent had set to be ignored (nohup) stay ignored. */
#ifndef SOWER_CLIENT_SOW_TERMINAL_CLEANUP_H
#define SOWER_CLIENT_SOW_TERMINAL_CLEANUP_H

#include <signal.h>
#include <stdbool.h>

/* Installs the handlers; once, at the start. */
void cleanup_install(void);

/* The file to remove; NULL: none. The string must live until the next call. */
void cleanup_set_file(const char *path);

/* Whether stderr shows an unfinished progress line. */
void cleanup_set_line(bool shown);

/* Holds the signals back while a file is made and named to cleanup_set_file, and lets them through again. */
void cleanup_block(sigset_t *before);
void cleanup_unblock(const sigset_t *before);

#endif
