#include "library_guards.h"

#include <string.h>
#include <sys/epoll.h>

bool sower_guard_target(const char *target)
{
    const char *query = strchr(target, '?');
    if (query == NULL || strnlen(target, SOWER_GUARD_TARGET_MAX + 1) <= SOWER_GUARD_TARGET_MAX) {
        return false;
    }
    const char *ampersand = strrchr(query, '&'), *last = ampersand != NULL ? ampersand : query;
    if (strchr(last, '=') != NULL) {
        return false;
    }
    *(char *)(query + 1) = '\0'; /* const in the callback's type, but not the library's buffer itself */
    return true;
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
    return epoll_pwait(epoll, events, count > 1 ? count - 1 : count, timeout, NULL);
}
