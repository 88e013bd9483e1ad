#include "client/sow/terminal/cleanup.h"

#include <stddef.h>
#include <unistd.h>

static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

enum { SIGNAL_COUNT = sizeof SIGNALS / sizeof SIGNALS[0] };

/* A signal handler has no argument for its data, so the data is global. */
static const char *volatile temporary_file;
static volatile sig_atomic_t line_shown;

/* Calls only async-signal-safe functions. SA_RESETHAND has restored the default effect of the signal. The
 * raised signal is blocked until this function returns. */
static void end_by_signal(int number)
{
    const char *path = temporary_file;
    if (path != NULL) {
        unlink(path);
    }
    static const char WIPE[] = "\r\033[K";
    if (line_shown && write(STDERR_FILENO, WIPE, sizeof WIPE - 1) < 0) {
        line_shown = 0; /* stderr is gone: there is nothing to wipe */
    }
    raise(number);
}

void cleanup_install(void)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        struct sigaction action;
        if (sigaction(SIGNALS[i], NULL, &action) != 0 || action.sa_handler == SIG_IGN) {
            continue;
        }
        action = (struct sigaction){.sa_handler = end_by_signal, .sa_flags = (int)SA_RESETHAND};
        sigemptyset(&action.sa_mask);
        sigaction(SIGNALS[i], &action, NULL);
    }
}

void cleanup_set_file(const char *path)
{
    temporary_file = path;
}

void cleanup_set_line(bool shown)
{
    line_shown = shown;
}

void cleanup_block(sigset_t *before)
{
    sigset_t ours;
    sigemptyset(&ours);
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        sigaddset(&ours, SIGNALS[i]);
    }
    sigprocmask(SIG_BLOCK, &ours, before);
}

void cleanup_unblock(const sigset_t *before)
{
    sigprocmask(SIG_SETMASK, before, NULL);
}
