/* A tally that counts nothing, for a daemon to compare with: make bench PARTS=metrics. */
#include "server/http/tally.h"

#include <stdlib.h>

struct sower_tally *sower_tally_new(size_t routes, size_t threads)
{
    (void)routes, (void)threads;
    return malloc(1);
}

void sower_tally_free(struct sower_tally *tally)
{
    free(tally);
}

void sower_tally_request(struct sower_tally *tally, size_t route, enum sower_method method, unsigned status,
                         uint64_t nanoseconds, uint64_t bytes)
{
    (void)tally, (void)route, (void)method, (void)status, (void)nanoseconds, (void)bytes;
}

void sower_tally_unread(struct sower_tally *tally)
{
    (void)tally;
}

void sower_tally_refused(struct sower_tally *tally, unsigned status, enum sower_problem_code code)
{
    (void)tally, (void)status, (void)code;
}

void sower_tally_read(const struct sower_tally *tally, size_t route, size_t status,
                      struct sower_tally_figures *figures)
{
    (void)tally, (void)route, (void)status;
    *figures = (struct sower_tally_figures){0};
}

uint64_t sower_tally_read_unread(const struct sower_tally *tally)
{
    (void)tally;
    return 0;
}

uint64_t sower_tally_read_refused(const struct sower_tally *tally, size_t refusal)
{
    (void)tally, (void)refusal;
    return 0;
}

const char *sower_tally_method(size_t method)
{
    (void)method;
    return "";
}

const char *sower_tally_status(size_t status)
{
    (void)status;
    return "";
}

const char *sower_tally_refusal(size_t refusal)
{
    (void)refusal;
    return "";
}
