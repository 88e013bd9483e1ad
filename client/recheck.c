#include "recheck.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/answer_bytes.h"

enum { BLOCK_SIZE = 1024 * 1024 };

struct check {
    FILE *file;
    const char *path;
    struct progress *progress;
    uint64_t done;
    struct sower_problem *problem;
    _Alignas(SOWER_BYTES_ALIGNMENT) uint8_t wanted[BLOCK_SIZE];
    uint8_t found[BLOCK_SIZE];
};

/* Compares the next bytes of the file with `wanted`; `name` is what they belong to. */
static bool compare(struct check *check, const uint8_t *wanted, size_t size, const char *name)
{
    errno = 0;
    if (fread(check->found, 1, size, check->file) != size) {
        return sower_problem_set(check->problem, SOWER_PROBLEM_INVALID, "",
                                 "%s ends too early, or cannot be read: %s.", check->path, strerror(errno));
    }
    if (memcmp(check->found, wanted, size) != 0) {
        size_t i = 0;
        while (check->found[i] == wanted[i]) {
            i++;
        }
        return sower_problem_set(check->problem, SOWER_PROBLEM_INVALID, "",
                                 "%s is not what it must be: it differs from byte %" PRIu64 " on, in %.200s.",
                                 check->path, check->done + i, name);
    }
    check->done += size;
    progress_update(check->progress, check->done);
    return true;
}

static bool compare_tensor(struct check *check, const struct sower_model *model, size_t n)
{
    struct sower_request request;
    struct sower_source source;
    sower_model_request(model, n, &request);
    if (!sower_source_open(&source, &request.plan, &request.seed, &sower_parallel_none, check->problem)) {
        return false;
    }
    struct sower_bytes bytes = {.region = request.region, .source = &source};
    sower_format_body(&request, &bytes.body);
    check->progress->label = sower_model_name(model, n);
    bool same = true;
    for (uint64_t at = 0, size = sower_bytes_size(&bytes); at < size && same;) {
        size_t count = size - at < BLOCK_SIZE ? (size_t)(size - at) : BLOCK_SIZE;
        same = sower_bytes_read(&bytes, at, count, check->wanted)
                   ? compare(check, check->wanted, count, sower_model_name(model, n))
                   : sower_problem_set(check->problem, SOWER_PROBLEM_UNAVAILABLE, "", "Memory has run out.");
        at += count;
    }
    sower_source_close(&source);
    return same;
}

static bool compare_header(struct check *check, const struct sower_model *model)
{
    bool same = true;
    for (size_t at = 0; at < model->header.length && same; at += BLOCK_SIZE) {
        size_t left = model->header.length - at;
        same = compare(check, (const uint8_t *)model->header.text + at, left < BLOCK_SIZE ? left : BLOCK_SIZE,
                       "the header");
    }
    return same;
}

bool recheck_file(const char *path, const struct sower_model *model, struct progress *progress,
                  struct sower_problem *problem)
{
    struct check *check = aligned_alloc(SOWER_BYTES_ALIGNMENT, sizeof *check);
    FILE *file = fopen(path, "rb");
    bool same = check != NULL && file != NULL;
    if (!same) {
        sower_problem_set(problem, SOWER_PROBLEM_UNAVAILABLE, "", "%s cannot be read: %s.", path,
                          strerror(errno));
        goto out;
    }
    check->file = file;
    check->path = path;
    check->progress = progress;
    check->problem = problem;
    check->done = 0;
    progress_expect(progress, model->size);
    same = compare_header(check, model);
    for (size_t n = 0; n < model->count && same; n++) {
        same = compare_tensor(check, model, n);
    }
    if (same && fgetc(file) != EOF) {
        same = sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "%s has too many bytes.", path);
    }
out:
    progress_end(progress);
    if (file != NULL) {
        fclose(file);
    }
    free(check);
    return same;
}
