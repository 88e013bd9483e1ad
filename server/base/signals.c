#include "server/base/signals.h"

#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

bool sower_signals_ignore(void)
{
    return signal(SIGPIPE, SIG_IGN) != SIG_ERR && signal(SIGXFSZ, SIG_IGN) != SIG_ERR;
}

/* SIGHUP is left out if it is ignored (nohup):
 * once blocked, signalfd would report it anyway. */
static void list_signals(sigset_t *set)
{
    struct sigaction hangup;
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) {
        sigaddset(set, SIGHUP);
    }
}

int sower_signals_open(void)
{
    sigset_t set;
    list_signals(&set);
    return pthread_sigmask(SIG_BLOCK, &set, NULL) != 0 ? -1 : signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void sower_signals_block(void)
{
    sigset_t set;
    list_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* The default action of a signal does nothing to process 1 of a container; _exit does. */
static void end_at_once(int number)
{
    raise(number);
    _exit(128 + number);
}

void sower_signals_let_end(void)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    struct sigaction action = {.sa_handler = end_at_once, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaddset(&set, numbers[i]);
        (void)sigaction(numbers[i], &action, NULL);
    }
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void sower_signals_release(int signals)
{
    struct signalfd_siginfo first;
    while (read(signals, &first, sizeof first) == (ssize_t)sizeof first) {
        continue;
    }
    sower_signals_let_end();
}
