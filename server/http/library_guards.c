#include "server/http/library_guards.h"

#include <string.h>
#include <sys/epoll.h>

size_t sower_guard_tail(const char *target)
{
    const char *query = strchr(target, '?');
    if (query == NULL) {
        return 0;
    }
    const char *end = query + strlen(query), *tail = end;
    for (const char *at = end; at > query; at--) {
        if (at[-1] == '=') {
            break;
        }
        if (at[-1] == '&' || at - 1 == query) {
            tail = at;
        }
    }
    return (size_t)(end - tail);
}

void sower_guard_cut(const char *target, size_t tail)
{
    if (tail > 0) {
        *(char *)(target + strlen(target) - tail) =
            '\0'; /* the callback's type has const, but the buffer is writable */
    }
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
    return epoll_pwait(epoll, events, count > 1 ? count - 1 : count, timeout, NULL);
}
