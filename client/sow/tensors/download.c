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
    ADVANCE_SIZE = 65536, /* a connection that transfers this much before it breaks starts the retry time
                             again */
};

struct transfer;

/* A byte range of the response, transferred by one connection. */
struct segment {
    struct transfer *transfer;
    uint64_t start, stop;
    _Atomic uint64_t at; /* the next byte to receive */
    struct expected_reader reader;
    struct http_response response; /* to the last request */
    enum expected_judgement judgement;
    char reason[EXPECTED_REASON_SIZE]; /* why a response was not accepted */
    bool failed;
    int write_errno;
    pthread_t thread;
};

struct transfer {
    struct download *download;
    pthread_mutex_t lock; /* guards the members up to `cancelled` */
    pthread_cond_t wake;
    size_t running;
    bool first_matches;            /* the first header and the bytes before the first element are correct */
    bool retry_pending;            /* the main thread shall report a retry */
    struct retry retry;            /* of that retry */
    struct http_response response; /* the failure that is retried */
    _Atomic bool cancelled;
    char etag[HTTP_FIELD_SIZE]; /* of the first response */
    size_t count;
    struct segment segments[DOWNLOAD_JOBS_MAX];
};

/* Keeps why a response is not accepted. Returns false, which the receiver passes on. */
static bool refuse(struct segment *segment, const char *reason)
{
    segment->judgement = EXPECTED_WRONG;
    if (reason != segment->reason) {
        snprintf(segment->reason, sizeof segment->reason, "%s", reason);
    }
    return false;
}

/* Whether a response with status 206 is the range that was requested. */
static bool matches_range(const struct segment *segment, const struct http_response *response)
{
    char range[HTTP_FIELD_SIZE];
    snprintf(range, sizeof range, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, atomic_load(&segment->at),
             segment->stop - 1, segment->transfer->download->expected->size);
    return strcmp(response->fields[HTTP_RANGE], range) == 0 &&
           (uint64_t)response->length == segment->stop - atomic_load(&segment->at);
}

/* Whether the entity tag is strong: equal strong tags mean equal bytes, so ranges of two responses fit
 * together. */
static bool is_strong(const char *etag)
{
    return etag[0] == '"';
}

/* Keeps the header of the first response. A cache that does not support ranges responds with all bytes;
 * then this segment is the whole response. */
static void keep_first(struct segment *segment, const struct http_response *response)
{
    struct transfer *transfer = segment->transfer;
    pthread_mutex_lock(&transfer->lock);
    segment->stop = response->status == 200 ? transfer->download->expected->size : segment->stop;
    memcpy(transfer->etag, response->fields[HTTP_ETAG], sizeof transfer->etag);
    transfer->download->first = *response;
    pthread_mutex_unlock(&transfer->lock);
}

/* Call after the bytes before `at` have been received and checked. When all bytes before the first element
 * are correct, the daemon has the expected root, and the other segments may start. */
static void allow_others(struct segment *segment, uint64_t at)
{
    struct transfer *transfer = segment->transfer;
    pthread_mutex_lock(&transfer->lock);
    if (!transfer->first_matches && at >= transfer->download->expected->prefix_size) {
        transfer->first_matches = true;
        pthread_cond_broadcast(&transfer->wake);
    }
    pthread_mutex_unlock(&transfer->lock);
}

static bool begin(void *context, const struct http_response *response)
{
    struct segment *segment = context;
    struct transfer *transfer = segment->transfer;
    const struct expected *expected = transfer->download->expected;
    segment->judgement = expected_header(expected, response, segment->reason);
    if (segment->judgement != EXPECTED_MATCHES) {
        return false;
    }
    if (response->status == 206 && !matches_range(segment, response)) {
        return refuse(segment, "it is not the byte range that was requested");
    }
    if (response->status == 200 && atomic_load(&segment->at) > 0) {
        return refuse(
            segment,
            "it is a whole response in place of the rest of the first one: the response has changed");
    }
    if (response->status == 200 && (uint64_t)response->length != expected->size) {
        snprintf(segment->reason, sizeof segment->reason, "it has %" PRId64 " bytes, expected %" PRIu64,
                 response->length, expected->size);
        segment->judgement = EXPECTED_WRONG;
        return false;
    }
    if (atomic_load(&segment->at) > 0) {
        return true;
    }
    if (response->status == 206 && !is_strong(response->fields[HTTP_ETAG])) {
        return refuse(segment, "it has no strong ETag, which is needed to request byte ranges");
    }
    keep_first(segment, response);
    allow_others(segment, 0);
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
    struct segment *segment = context;
    struct output *output = segment->transfer->download->output;
    uint64_t at = atomic_load(&segment->at);
    if (atomic_load(&segment->transfer->cancelled)) {
        return false;
    }
    if (size > segment->stop - at) {
        return refuse(segment, "it has more bytes than its Content-Length says");
    }
    segment->judgement = expected_bytes(&segment->reader, at, bytes, size, segment->reason);
    if (segment->judgement == EXPECTED_OTHER_ROOT && at > 0 && output->temporary[0] == '\0') {
        return refuse(segment, segment->reason); /* an output without a temporary file cannot start again */
    }
    if (segment->judgement != EXPECTED_MATCHES) {
        return false;
    }
    bool written =
        output->temporary[0] != '\0' ? write_at(output, bytes, size, at) : output_write(output, bytes, size);
    if (!written) {
        segment->write_errno = errno;
        return false;
    }
    atomic_store(&segment->at, at + size);
    if (segment->start == 0) {
        allow_others(segment, at + size);
    }
    return true;
}

/* Waits before the next attempt, unless the transfer is cancelled. The main thread reports the retry. */
static void pause_before(struct segment *segment, const struct retry *retry, double pause)
{
    struct transfer *transfer = segment->transfer;
    struct timespec until = clock_deadline(pause);
    pthread_mutex_lock(&transfer->lock);
    if (retry->attempts == 1) {
        transfer->response = segment->response;
        transfer->retry = *retry;
        transfer->retry_pending = true;
    }
    while (!transfer->cancelled &&
           pthread_cond_timedwait(&transfer->wake, &transfer->lock, &until) != ETIMEDOUT) {
        continue;
    }
    pthread_mutex_unlock(&transfer->lock);
}

/* Requests the rest of the segment, once. */
static enum http_end ask(struct segment *segment)
{
    struct transfer *transfer = segment->transfer;
    const struct download *download = transfer->download;
    struct http_receiver receiver = {begin, receive, segment, false};
    uint64_t at = atomic_load(&segment->at);
    bool whole = at == 0 && segment->stop == download->expected->size;
    char range[64];
    snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, at, segment->stop - 1);
    struct http_request request = {.path = download->path,
                                   .pairs = download->pairs,
                                   .pair_count = download->pair_count,
                                   .range = whole ? NULL : range,
                                   .etag = at > 0 ? transfer->etag : NULL};
    return http_ask_once(download->options, &request, &receiver, &segment->response);
}

/* Whether the rest of the segment may be requested: nothing has been received yet, or the tag is strong. */
static bool can_resume(const struct segment *segment)
{
    return atomic_load(&segment->at) == 0 || is_strong(segment->transfer->etag);
}

static void fetch_segment(struct segment *segment)
{
    struct transfer *transfer = segment->transfer;
    struct retry retry = {.limit = http_retry_seconds(transfer->download->options)};
    uint64_t mark = atomic_load(&segment->at);
    double pause;
    while (ask(segment) != HTTP_DONE) {
        if (atomic_load(&segment->at) - mark >= ADVANCE_SIZE) {
            mark = atomic_load(&segment->at);
            retry_reset(&retry);
        }
        segment->failed = atomic_load(&transfer->cancelled) || !can_resume(segment) ||
                          !retry_allowed(&retry, &segment->response, &pause);
        if (segment->failed) {
            return;
        }
        pause_before(segment, &retry, pause);
    }
}

static void *fetch(void *context)
{
    struct segment *segment = context;
    struct transfer *transfer = segment->transfer;
    fetch_segment(segment);
    expected_reader_end(&segment->reader);
    pthread_mutex_lock(&transfer->lock);
    transfer->running--;
    if (segment->failed) {
        transfer->cancelled = true;
    }
    pthread_cond_broadcast(&transfer->wake);
    pthread_mutex_unlock(&transfer->lock);
    return NULL;
}

/* Updates the progress line. */
static void show(struct transfer *transfer)
{
    const struct download *download = transfer->download;
    const struct expected *expected = download->expected;
    uint64_t done = 0, at = expected->size;
    for (size_t i = transfer->count; i-- > 0;) {
        uint64_t here = atomic_load(&transfer->segments[i].at);
        done += here - transfer->segments[i].start;
        at = here < transfer->segments[i].stop ? here : at;
    }
    const struct sower_model *model = expected->model;
    if (model != NULL && model->count > 0 && at >= model->header.length && at < expected->size) {
        download->progress->label = sower_model_name(model, sower_model_find(model, at));
    }
    progress_update(download->progress, done);
}

/* The main thread calls this while the other threads transfer, with the lock held: it shows progress and
 * reports retries. Returns when something changes, at the latest after TICK_MILLISECONDS. */
static void wait_for_change(struct transfer *transfer)
{
    struct timespec until = clock_deadline(TICK_MILLISECONDS / 1e3);
    pthread_cond_timedwait(&transfer->wake, &transfer->lock, &until);
    if (transfer->retry_pending) {
        transfer->retry_pending = false;
        progress_end(transfer->download->progress);
        retry_announce(&transfer->retry, transfer->download->options, &transfer->response);
    }
    if (transfer->first_matches && transfer->download->progress->total == 0) {
        progress_expect(transfer->download->progress, transfer->download->expected->size);
    }
    show(transfer);
}

static void start(struct transfer *transfer, uint64_t at, uint64_t stop)
{
    struct segment *segment = &transfer->segments[transfer->count++];
    segment->transfer = transfer;
    segment->reader = (struct expected_reader){.expected = transfer->download->expected};
    segment->start = at;
    segment->at = at;
    segment->stop = stop;
    transfer->running++;
    if (pthread_create(&segment->thread, NULL, fetch, segment) != 0) {
        /* If no thread can be started, the segment is transferred in this thread. */
        segment->thread = pthread_self();
        pthread_mutex_unlock(&transfer->lock);
        fetch(segment);
        pthread_mutex_lock(&transfer->lock);
    }
}

/* Transfers all segments: the first one alone until its start is correct, then all of them. */
static void fetch_all(struct transfer *transfer)
{
    uint64_t size = transfer->download->expected->size;
    uint64_t share = size / transfer->download->jobs;
    size_t jobs = share > transfer->download->expected->prefix_size ? transfer->download->jobs : 1;
    pthread_mutex_lock(&transfer->lock);
    start(transfer, 0, jobs == 1 ? size : share);
    while (transfer->running > 0 && !transfer->first_matches) {
        wait_for_change(transfer);
    }
    bool in_segments = transfer->first_matches && transfer->segments[0].stop < size;
    for (size_t i = 1; i < jobs && in_segments; i++) {
        start(transfer, i * share, i + 1 == jobs ? size : (i + 1) * share);
    }
    while (transfer->running > 0) {
        wait_for_change(transfer);
    }
    pthread_mutex_unlock(&transfer->lock);
    for (size_t i = 0; i < transfer->count; i++) {
        if (!pthread_equal(transfer->segments[i].thread, pthread_self())) {
            pthread_join(transfer->segments[i].thread, NULL);
        }
    }
    show(transfer);
}

/* The segment that caused the failure, not one that was cancelled because of it; NULL when all succeeded. */
static struct segment *find_failed(struct transfer *transfer)
{
    struct segment *found = NULL;
    for (size_t i = 0; i < transfer->count; i++) {
        struct segment *segment = &transfer->segments[i];
        bool was_cancelled = segment->response.end == HTTP_STOPPED &&
                             segment->judgement == EXPECTED_MATCHES && segment->write_errno == 0;
        if (segment->failed && (found == NULL || !was_cancelled)) {
            found = segment;
        }
    }
    return found;
}

static enum sow_exit report_segment(const struct download *download, const struct segment *segment)
{
    const struct options *options = download->options;
    if (segment->write_errno != 0) {
        output_discard(download->output); /* before SIGPIPE ends the program */
        const char *path = options_value(options, "output");
        return report_write_failure(options, path == NULL || strcmp(path, "-") == 0 ? NULL : path,
                                    segment->write_errno);
    }
    if (segment->response.end != HTTP_STOPPED) {
        return report_response(options, &segment->response);
    }
    return segment->judgement == EXPECTED_NO_MEMORY
               ? report_memory(options)
               : report_mismatch(options, &segment->response, segment->reason);
}

static enum sow_exit finish(const struct download *download)
{
    progress_wait_for_disk(download->progress);
    int reason = output_finish(download->output) ? 0 : errno;
    progress_end(download->progress);
    if (reason == 0) {
        return SOW_DONE;
    }
    struct segment failed = {.write_errno = reason};
    return report_segment(download, &failed);
}

/* Transfers once. *other_root: the daemon may have a private root; nothing has been reported. */
static enum sow_exit run_once(struct download *download, bool *other_root)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    enum sow_exit result = SOW_DONE;
    *other_root = false;
    if (transfer == NULL) {
        return report_memory(download->options);
    }
    transfer->download = download;
    pthread_mutex_init(&transfer->lock, NULL);
    pthread_cond_init(&transfer->wake, NULL);
    fetch_all(transfer);
    const struct segment *failed = find_failed(transfer);
    *other_root = failed != NULL && failed->judgement == EXPECTED_OTHER_ROOT;
    if (failed != NULL) {
        progress_end(download->progress);
        download->first = failed->response;
        memcpy(download->reason, failed->reason, sizeof download->reason);
        result = *other_root ? SOW_TRANSPORT : report_segment(download, failed);
    }
    pthread_cond_destroy(&transfer->wake);
    pthread_mutex_destroy(&transfer->lock);
    free(transfer);
    return result;
}

/* Asks the daemon for the id of its root and expects that root, if it is private. */
static enum sow_exit adopt_root(struct download *download)
{
    bool is_private;
    struct sower_seed root_id;
    enum sow_exit result = root_learn(download->options, &root_id, &is_private);
    if (result != SOW_DONE) {
        report_failure(download->options, "the root id of %s was requested because %s.",
                       download->first.address, download->reason);
        return result;
    }
    if (!is_private) {
        return report_mismatch(download->options, &download->first, download->reason);
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
        result = adopt_root(download);
        result = result == SOW_DONE ? run_once(download, &other_root) : result;
    }
    return result == SOW_DONE ? finish(download) : result;
}
