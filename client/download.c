#include "download.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

enum {
    ATTEMPTS_MAX = 6, /* in a row that bring no byte */
    PAUSE_MILLISECONDS = 100,
    TICK_MILLISECONDS = 100,
};

struct fetching;

/* One connection's part. */
struct stretch {
    struct fetching *fetching;
    _Atomic uint64_t at; /* the next byte */
    uint64_t stop;
    bool fits; /* the answer under way is the one that was asked for */
    struct http_answer answer;
    bool failed;
    int write_errno;
    pthread_t thread;
};

struct fetching {
    const struct download *download;
    pthread_mutex_t lock; /* guards `running` and `cancelled` */
    pthread_cond_t wake;
    size_t running;
    _Atomic bool cancelled;
    size_t count;
    struct stretch stretches[DOWNLOAD_JOBS_MAX];
};

static bool begin(void *context, const struct http_answer *answer)
{
    struct stretch *stretch = context;
    uint64_t at = atomic_load(&stretch->at);
    /* A cache on the way may answer with the whole; that is good only when it was asked for. */
    stretch->fits = answer->length >= 0 && (uint64_t)answer->length == stretch->stop - at &&
                    (answer->status == 206 || at == 0);
    return stretch->fits;
}

static bool write_at(const struct output *output, const char *bytes, size_t size, uint64_t place)
{
    while (size > 0) {
        ssize_t written = pwrite(output->file, bytes, size, (off_t)place);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return false;
        }
        bytes += written;
        size -= (size_t)written;
        place += (uint64_t)written;
    }
    return true;
}

static bool receive(void *context, const void *bytes, size_t size)
{
    struct stretch *stretch = context;
    struct output *output = stretch->fetching->download->output;
    uint64_t at = atomic_load(&stretch->at);
    if (atomic_load(&stretch->fetching->cancelled)) {
        return false;
    }
    bool written =
        output->temporary[0] != '\0' ? write_at(output, bytes, size, at) : output_write(output, bytes, size);
    if (!written) {
        stretch->write_errno = errno;
        return false;
    }
    atomic_store(&stretch->at, at + size);
    return true;
}

static struct timespec soon(long milliseconds)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_nsec += milliseconds % 1000 * 1000000;
    time.tv_sec += milliseconds / 1000 + time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

/* Waits before the next attempt, unless all is called off. */
static void pause_before(struct fetching *fetching, int attempt)
{
    struct timespec until = soon((long)PAUSE_MILLISECONDS << attempt);
    pthread_mutex_lock(&fetching->lock);
    while (!fetching->cancelled &&
           pthread_cond_timedwait(&fetching->wake, &fetching->lock, &until) != ETIMEDOUT) {
        continue;
    }
    pthread_mutex_unlock(&fetching->lock);
}

/* One question for what is left. Whether to go on: it brought all, or broke in a way that may pass. */
static bool ask(struct stretch *stretch)
{
    const struct download *download = stretch->fetching->download;
    struct http_receiver receiver = {begin, receive, NULL, stretch, false};
    char range[64];
    snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, atomic_load(&stretch->at), stretch->stop - 1);
    struct http_question question = {.path = download->path,
                                     .pairs = download->pairs,
                                     .pair_count = download->pair_count,
                                     .range = range,
                                     .etag = download->etag};
    enum http_end end = http_ask_once(download->options, &question, &receiver, &stretch->answer);
    return end == HTTP_DONE || end == HTTP_FAILED || (end == HTTP_REFUSED && stretch->answer.status >= 500);
}

static void *fetch(void *context)
{
    struct stretch *stretch = context;
    struct fetching *fetching = stretch->fetching;
    int attempts = 0;
    while (atomic_load(&stretch->at) < stretch->stop && !stretch->failed) {
        uint64_t before = atomic_load(&stretch->at);
        bool may_pass = ask(stretch);
        attempts = atomic_load(&stretch->at) > before ? 0 : attempts + 1;
        stretch->failed = !may_pass || attempts == ATTEMPTS_MAX || atomic_load(&fetching->cancelled);
        if (!stretch->failed && atomic_load(&stretch->at) < stretch->stop) {
            pause_before(fetching, attempts);
        }
    }
    pthread_mutex_lock(&fetching->lock);
    fetching->running--;
    if (stretch->failed) {
        fetching->cancelled = true;
    }
    pthread_cond_broadcast(&fetching->wake);
    pthread_mutex_unlock(&fetching->lock);
    return NULL;
}

static void show(struct fetching *fetching)
{
    const struct download *download = fetching->download;
    uint64_t left = 0, at = download->size;
    for (size_t i = fetching->count; i-- > 0;) {
        uint64_t here = atomic_load(&fetching->stretches[i].at);
        left += fetching->stretches[i].stop - here;
        at = here < fetching->stretches[i].stop ? here : at;
    }
    const struct sower_model *model = download->model;
    if (model != NULL && model->count > 0 && at >= model->header.length && at < download->size) {
        download->progress->label = sower_model_name(model, sower_model_find(model, at));
    }
    progress_update(download->progress, download->size - left);
}

static void wait_for_all(struct fetching *fetching)
{
    pthread_mutex_lock(&fetching->lock);
    while (fetching->running > 0) {
        struct timespec until = soon(TICK_MILLISECONDS);
        pthread_cond_timedwait(&fetching->wake, &fetching->lock, &until);
        pthread_mutex_unlock(&fetching->lock);
        show(fetching);
        pthread_mutex_lock(&fetching->lock);
    }
    pthread_mutex_unlock(&fetching->lock);
}

static void start(struct fetching *fetching)
{
    const struct download *download = fetching->download;
    uint64_t share = download->size / download->jobs;
    for (size_t i = 0; i < download->jobs; i++) {
        struct stretch *stretch = &fetching->stretches[fetching->count++];
        stretch->fetching = fetching;
        stretch->at = i * share;
        stretch->stop = i + 1 == download->jobs ? download->size : (i + 1) * share;
        pthread_mutex_lock(&fetching->lock);
        fetching->running++;
        pthread_mutex_unlock(&fetching->lock);
        if (pthread_create(&stretch->thread, NULL, fetch, stretch) != 0) {
            /* Without a thread of its own it is fetched here, before the next one. */
            stretch->thread = pthread_self();
            fetch(stretch);
        }
    }
}

/* The stretch that failed by itself, not because another one did; NULL when all is well. */
static struct stretch *find_failed(struct fetching *fetching)
{
    struct stretch *found = NULL;
    for (size_t i = 0; i < fetching->count; i++) {
        struct stretch *stretch = &fetching->stretches[i];
        bool called_off = stretch->answer.end == HTTP_STOPPED && stretch->fits && stretch->write_errno == 0;
        if (stretch->failed && (found == NULL || !called_off)) {
            found = stretch;
        }
    }
    return found;
}

enum sow_exit download_run(const struct download *download, int *write_errno)
{
    struct fetching *fetching = calloc(1, sizeof *fetching);
    enum sow_exit result = SOW_DONE;
    *write_errno = 0;
    if (fetching == NULL) {
        return report_memory(download->options);
    }
    fetching->download = download;
    pthread_mutex_init(&fetching->lock, NULL);
    pthread_cond_init(&fetching->wake, NULL);
    start(fetching);
    wait_for_all(fetching);
    for (size_t i = 0; i < fetching->count; i++) {
        if (!pthread_equal(fetching->stretches[i].thread, pthread_self())) {
            pthread_join(fetching->stretches[i].thread, NULL);
        }
    }
    const struct stretch *failed = find_failed(fetching);
    if (failed != NULL) {
        progress_end(download->progress);
        *write_errno = failed->write_errno;
        result = failed->write_errno != 0 ? SOW_TRANSPORT
                 : failed->answer.end == HTTP_STOPPED
                     ? report_stranger(download->options, &failed->answer, "not with the bytes asked for")
                     : report_answer(download->options, &failed->answer);
    }
    pthread_cond_destroy(&fetching->wake);
    pthread_mutex_destroy(&fetching->lock);
    free(fetching);
    return result;
}
