#include "client/sow/tensors/download.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/sow/clock.h"
#include "client/sow/daemon/report.h"
#include "client/sow/daemon/retry.h"
#include "client/sow/tensors/root.h"

enum {
    TICK_MILLISECONDS = 100,
    ADVANCE_SIZE = 65536, /* a connection that brings so much before it breaks is worth another 60 seconds */
};

struct fetching;

/* One connection's part. */
struct stretch {
    struct fetching *fetching;
    uint64_t start, stop;
    _Atomic uint64_t at; /* the next byte */
    struct expected_reader reader;
    struct http_response answer; /* to the last question */
    enum expected_judgement judgement;
    char reason[EXPECTED_REASON_SIZE]; /* why an answer was not taken */
    bool failed;
    int write_errno;
    pthread_t thread;
};

struct fetching {
    struct download *download;
    pthread_mutex_t lock; /* guards what follows, up to `cancelled` */
    pthread_cond_t wake;
    size_t running;
    bool opened;                 /* the first header and the bytes before the first element fit */
    bool noted;                  /* `waiting` is to be told */
    struct retry waited;         /* for what */
    struct http_response answer; /* that is waited out */
    _Atomic bool cancelled;
    char etag[HTTP_FIELD_SIZE]; /* of the first header */
    size_t count;
    struct stretch stretches[DOWNLOAD_JOBS_MAX];
};

/* Why an answer is not taken; false, for a receiver to return. */
static bool refuse(struct stretch *stretch, const char *reason)
{
    stretch->judgement = EXPECTED_WRONG;
    if (reason != stretch->reason) {
        snprintf(stretch->reason, sizeof stretch->reason, "%s", reason);
    }
    return false;
}

/* Whether a part is the one that was asked for. */
static bool fits_range(const struct stretch *stretch, const struct http_response *answer)
{
    char range[HTTP_FIELD_SIZE];
    snprintf(range, sizeof range, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, atomic_load(&stretch->at),
             stretch->stop - 1, stretch->fetching->download->expected->size);
    return strcmp(answer->fields[HTTP_RANGE], range) == 0 &&
           (uint64_t)answer->length == stretch->stop - atomic_load(&stretch->at);
}

/* A strong entity tag: parts of two answers with the same one belong together. */
static bool is_strong(const char *etag)
{
    return etag[0] == '"';
}

/* Notes the first header, which fits. A cache on the way that knows no parts sends all of it here. */
static void note_first(struct stretch *stretch, const struct http_response *answer)
{
    struct fetching *fetching = stretch->fetching;
    pthread_mutex_lock(&fetching->lock);
    stretch->stop = answer->status == 200 ? fetching->download->expected->size : stretch->stop;
    memcpy(fetching->etag, answer->fields[HTTP_ETAG], sizeof fetching->etag);
    fetching->download->first = *answer;
    pthread_mutex_unlock(&fetching->lock);
}

/* The bytes before `at` have come and fit: once all before the first element have, the others may begin,
 * which are then of the root that is expected. */
static void open_up(struct stretch *stretch, uint64_t at)
{
    struct fetching *fetching = stretch->fetching;
    pthread_mutex_lock(&fetching->lock);
    if (!fetching->opened && at >= fetching->download->expected->prefix_size) {
        fetching->opened = true;
        pthread_cond_broadcast(&fetching->wake);
    }
    pthread_mutex_unlock(&fetching->lock);
}

static bool begin(void *context, const struct http_response *answer)
{
    struct stretch *stretch = context;
    struct fetching *fetching = stretch->fetching;
    const struct expected *expected = fetching->download->expected;
    stretch->judgement = expected_header(expected, answer, stretch->reason);
    if (stretch->judgement != EXPECTED_FITS) {
        return false;
    }
    if (answer->status == 206 && !fits_range(stretch, answer)) {
        return refuse(stretch, "not with the part that was asked for");
    }
    if (answer->status == 200 && atomic_load(&stretch->at) > 0) {
        return refuse(stretch, "with another whole in place of the rest: it has changed meanwhile");
    }
    if (answer->status == 200 && (uint64_t)answer->length != expected->size) {
        snprintf(stretch->reason, sizeof stretch->reason,
                 "with %" PRId64 " bytes, where %" PRIu64 " must come", answer->length, expected->size);
        stretch->judgement = EXPECTED_WRONG;
        return false;
    }
    if (atomic_load(&stretch->at) > 0) {
        return true;
    }
    if (answer->status == 206 && !is_strong(answer->fields[HTTP_ETAG])) {
        return refuse(stretch, "without a strong ETag, by which its parts are asked for");
    }
    note_first(stretch, answer);
    open_up(stretch, 0);
    return true;
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
    if (size > stretch->stop - at) {
        return refuse(stretch, "with more bytes than it announced");
    }
    stretch->judgement = expected_bytes(&stretch->reader, at, bytes, size, stretch->reason);
    if (stretch->judgement == EXPECTED_OTHER_ROOT && at > 0 && output->temporary[0] == '\0') {
        return refuse(stretch, stretch->reason); /* what is written straight cannot begin again */
    }
    if (stretch->judgement != EXPECTED_FITS) {
        return false;
    }
    bool written =
        output->temporary[0] != '\0' ? write_at(output, bytes, size, at) : output_write(output, bytes, size);
    if (!written) {
        stretch->write_errno = errno;
        return false;
    }
    atomic_store(&stretch->at, at + size);
    if (stretch->start == 0) {
        open_up(stretch, at + size);
    }
    return true;
}

/* Waits before the next attempt, unless all is called off; the main thread tells what for. */
static void pause_before(struct stretch *stretch, const struct retry *retry, double pause)
{
    struct fetching *fetching = stretch->fetching;
    struct timespec until = clock_deadline(pause);
    pthread_mutex_lock(&fetching->lock);
    if (retry->attempts == 1) {
        fetching->answer = stretch->answer;
        fetching->waited = *retry;
        fetching->noted = true;
    }
    while (!fetching->cancelled &&
           pthread_cond_timedwait(&fetching->wake, &fetching->lock, &until) != ETIMEDOUT) {
        continue;
    }
    pthread_mutex_unlock(&fetching->lock);
}

/* One question for what is left. */
static enum http_end ask(struct stretch *stretch)
{
    struct fetching *fetching = stretch->fetching;
    const struct download *download = fetching->download;
    struct http_receiver receiver = {begin, receive, stretch, false};
    uint64_t at = atomic_load(&stretch->at);
    bool whole = at == 0 && stretch->stop == download->expected->size;
    char range[64];
    snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, at, stretch->stop - 1);
    struct http_question question = {.path = download->path,
                                     .pairs = download->pairs,
                                     .pair_count = download->pair_count,
                                     .range = whole ? NULL : range,
                                     .etag = at > 0 ? fetching->etag : NULL};
    return http_ask_once(download->options, &question, &receiver, &stretch->answer);
}

/* Whether what is left may be asked for: all of it, or a part by its tag. */
static bool can_go_on(const struct stretch *stretch)
{
    return atomic_load(&stretch->at) == 0 || is_strong(stretch->fetching->etag);
}

static void fetch_stretch(struct stretch *stretch)
{
    struct fetching *fetching = stretch->fetching;
    struct retry retry = {.limit = http_retry_seconds(fetching->download->options)};
    uint64_t mark = atomic_load(&stretch->at);
    double pause;
    while (ask(stretch) != HTTP_DONE) {
        if (atomic_load(&stretch->at) - mark >= ADVANCE_SIZE) {
            mark = atomic_load(&stretch->at);
            retry_reset(&retry);
        }
        stretch->failed = atomic_load(&fetching->cancelled) || !can_go_on(stretch) ||
                          !retry_again(&retry, &stretch->answer, &pause);
        if (stretch->failed) {
            return;
        }
        pause_before(stretch, &retry, pause);
    }
}

static void *fetch(void *context)
{
    struct stretch *stretch = context;
    struct fetching *fetching = stretch->fetching;
    fetch_stretch(stretch);
    expected_reader_end(&stretch->reader);
    pthread_mutex_lock(&fetching->lock);
    fetching->running--;
    if (stretch->failed) {
        fetching->cancelled = true;
    }
    pthread_cond_broadcast(&fetching->wake);
    pthread_mutex_unlock(&fetching->lock);
    return NULL;
}

/* Shows how far it is. */
static void show(struct fetching *fetching)
{
    const struct download *download = fetching->download;
    const struct expected *expected = download->expected;
    uint64_t done = 0, at = expected->size;
    for (size_t i = fetching->count; i-- > 0;) {
        uint64_t here = atomic_load(&fetching->stretches[i].at);
        done += here - fetching->stretches[i].start;
        at = here < fetching->stretches[i].stop ? here : at;
    }
    const struct sower_model *model = expected->model;
    if (model != NULL && model->count > 0 && at >= model->header.length && at < expected->size) {
        download->progress->label = sower_model_name(model, sower_model_find(model, at));
    }
    progress_update(download->progress, done);
}

/* What the main thread does while others fetch, with the lock held: shows progress, and tells what is waited
 * for. Comes back after a while, or when something happens. */
static void attend(struct fetching *fetching)
{
    struct timespec until = clock_deadline(TICK_MILLISECONDS / 1e3);
    pthread_cond_timedwait(&fetching->wake, &fetching->lock, &until);
    if (fetching->noted) {
        fetching->noted = false;
        progress_end(fetching->download->progress);
        retry_note(&fetching->waited, fetching->download->options, &fetching->answer);
    }
    if (fetching->opened && fetching->download->progress->total == 0) {
        progress_expect(fetching->download->progress, fetching->download->expected->size);
    }
    show(fetching);
}

static void start(struct fetching *fetching, uint64_t at, uint64_t stop)
{
    struct stretch *stretch = &fetching->stretches[fetching->count++];
    stretch->fetching = fetching;
    stretch->reader = (struct expected_reader){.expected = fetching->download->expected};
    stretch->start = at;
    stretch->at = at;
    stretch->stop = stop;
    fetching->running++;
    if (pthread_create(&stretch->thread, NULL, fetch, stretch) != 0) {
        /* Without a thread of its own it is fetched here, before the next one. */
        stretch->thread = pthread_self();
        pthread_mutex_unlock(&fetching->lock);
        fetch(stretch);
        pthread_mutex_lock(&fetching->lock);
    }
}

/* Fetches: the first stretch, and the others once its beginning fits. */
static void fetch_all(struct fetching *fetching)
{
    uint64_t size = fetching->download->expected->size;
    uint64_t share = size / fetching->download->jobs;
    size_t jobs = share > fetching->download->expected->prefix_size ? fetching->download->jobs : 1;
    pthread_mutex_lock(&fetching->lock);
    start(fetching, 0, jobs == 1 ? size : share);
    while (fetching->running > 0 && !fetching->opened) {
        attend(fetching);
    }
    bool in_parts = fetching->opened && fetching->stretches[0].stop < size;
    for (size_t i = 1; i < jobs && in_parts; i++) {
        start(fetching, i * share, i + 1 == jobs ? size : (i + 1) * share);
    }
    while (fetching->running > 0) {
        attend(fetching);
    }
    pthread_mutex_unlock(&fetching->lock);
    for (size_t i = 0; i < fetching->count; i++) {
        if (!pthread_equal(fetching->stretches[i].thread, pthread_self())) {
            pthread_join(fetching->stretches[i].thread, NULL);
        }
    }
    show(fetching);
}

/* The stretch that failed by itself, not because another one did; NULL when all is well. */
static struct stretch *find_failed(struct fetching *fetching)
{
    struct stretch *found = NULL;
    for (size_t i = 0; i < fetching->count; i++) {
        struct stretch *stretch = &fetching->stretches[i];
        bool called_off = stretch->answer.end == HTTP_STOPPED && stretch->judgement == EXPECTED_FITS &&
                          stretch->write_errno == 0;
        if (stretch->failed && (found == NULL || !called_off)) {
            found = stretch;
        }
    }
    return found;
}

static enum sow_exit report_stretch(const struct download *download, const struct stretch *stretch)
{
    const struct options *options = download->options;
    if (stretch->write_errno != 0) {
        output_discard(download->output); /* before a broken pipe ends the program */
        const char *path = options_value(options, "output");
        return report_unwritten(options, path == NULL || strcmp(path, "-") == 0 ? NULL : path,
                                stretch->write_errno);
    }
    if (stretch->answer.end != HTTP_STOPPED) {
        return report_response(options, &stretch->answer);
    }
    return stretch->judgement == EXPECTED_UNKNOWN ? report_memory(options)
                                                  : report_unfit(options, &stretch->answer, stretch->reason);
}

static enum sow_exit finish(const struct download *download)
{
    progress_store(download->progress);
    int reason = output_finish(download->output) ? 0 : errno;
    progress_end(download->progress);
    if (reason == 0) {
        return SOW_DONE;
    }
    struct stretch failed = {.write_errno = reason};
    return report_stretch(download, &failed);
}

/* Fetches once. *other_root: nothing was told; the daemon may have another root. */
static enum sow_exit run_once(struct download *download, bool *other_root)
{
    struct fetching *fetching = calloc(1, sizeof *fetching);
    enum sow_exit result = SOW_DONE;
    *other_root = false;
    if (fetching == NULL) {
        return report_memory(download->options);
    }
    fetching->download = download;
    pthread_mutex_init(&fetching->lock, NULL);
    pthread_cond_init(&fetching->wake, NULL);
    fetch_all(fetching);
    const struct stretch *failed = find_failed(fetching);
    *other_root = failed != NULL && failed->judgement == EXPECTED_OTHER_ROOT;
    if (failed != NULL) {
        progress_end(download->progress);
        download->first = failed->answer;
        memcpy(download->reason, failed->reason, sizeof download->reason);
        result = *other_root ? SOW_TRANSPORT : report_stretch(download, failed);
    }
    pthread_cond_destroy(&fetching->wake);
    pthread_mutex_destroy(&fetching->lock);
    free(fetching);
    return result;
}

/* Takes over the daemon's root, if it is not the public one. */
static enum sow_exit take_root(struct download *download)
{
    bool is_private;
    struct sower_seed root_id;
    enum sow_exit result = root_learn(download->options, &root_id, &is_private);
    if (result != SOW_DONE || !is_private) {
        return report_unfit(download->options, &download->first, download->reason);
    }
    if (download->expected->derives) {
        return report_failure(download->options,
                              "the daemon's root is private: --verify needs --root-key-file FILE.");
    }
    expected_set_root(download->expected, &root_id);
    return SOW_DONE;
}

enum sow_exit download_run(struct download *download)
{
    bool other_root;
    enum sow_exit result = run_once(download, &other_root);
    if (other_root) {
        result = take_root(download);
        result = result == SOW_DONE ? run_once(download, &other_root) : result;
    }
    return result == SOW_DONE ? finish(download) : result;
}
