#include "client/sow/tensors/like.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/json.h"
#include "proto/safetensors_read.h"

static bool fail(const char *path, struct sower_problem *problem)
{
    return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "like", "%s cannot be read: %s.", path,
                             errno != 0 ? strerror(errno) : "it is truncated");
}

static bool read_bytes(int file, const char *path, void *bytes, size_t size, struct sower_problem *problem)
{
    char *at = bytes;
    ssize_t count = 1;
    errno = 0;
    while (size > 0 && (count > 0 || (count < 0 && errno == EINTR))) {
        count = read(file, at, size);
        at += count > 0 ? count : 0;
        size -= count > 0 ? (size_t)count : 0;
    }
    return size == 0 || fail(path, problem);
}

/* Reads the header of an open file of `size` bytes. */
static bool read_header(int file, const char *path, uint64_t size, struct sower_buffer *tensors,
                        json_t *left_out, struct sower_problem *problem)
{
    uint8_t bytes[SOWER_SAFETENSORS_LENGTH_SIZE] = {0};
    size_t length;
    if (size >= sizeof bytes && !read_bytes(file, path, bytes, sizeof bytes, problem)) {
        return false;
    }
    if (!sower_safetensors_length(bytes, size, &length, problem)) {
        return false;
    }
    char *header = malloc(length + 1);
    bool read = header != NULL ? read_bytes(file, path, header, length, problem) &&
                                     sower_safetensors_read(header, length, size - sizeof bytes - length,
                                                            tensors, left_out, problem)
                               : sower_problem_memory(problem);
    free(header);
    return read;
}

static bool read_file(const char *path, struct sower_buffer *tensors, json_t *left_out,
                      struct sower_problem *problem)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    bool read = file >= 0 && fstat(file, &status) == 0
                    ? read_header(file, path, (uint64_t)status.st_size, tensors, left_out, problem)
                    : fail(path, problem);
    if (file >= 0) {
        close(file);
    }
    return read;
}

/* The path of a file in the directory of the index. A name that leads elsewhere is refused. */
static bool path_beside(const char *index, const char *name, char path[PATH_MAX],
                        struct sower_problem *problem)
{
    const char *slash = strrchr(index, '/');
    int length = slash == NULL ? 0 : (int)(slash - index) + 1;
    if (strchr(name, '/') != NULL || name[0] == '\0' ||
        snprintf(path, PATH_MAX, "%.*s%s", length, index, name) >= PATH_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "like",
                                 "The index names \"%.100s\", which is not a file in its own directory.",
                                 name);
    }
    return true;
}

/* The files that the index lists, each once, in the order of the first mention: an object from their names to
 * their paths. NULL with a problem. */
static json_t *list_files(const char *path, const json_t *map, struct sower_problem *problem)
{
    json_t *files = json_object(), *value;
    const char *key;
    char file[PATH_MAX];
    json_object_foreach((json_t *)map, key, value)
    {
        const char *name = json_is_string(value) ? json_string_value(value) : "";
        if (json_object_get(files, name) != NULL) {
            continue;
        }
        if (!path_beside(path, name, file, problem)) {
            json_decref(files);
            return NULL;
        }
        sower_json_set(&files, name, json_string(file));
    }
    if (files == NULL) {
        sower_problem_memory(problem);
    }
    return files;
}

/* Says how many files are missing, before any is read: one message in place of one for each attempt. */
static bool check_present(const json_t *files, struct sower_problem *problem)
{
    const char *name, *first = NULL;
    json_t *file;
    size_t missing = 0;
    json_object_foreach((json_t *)files, name, file)
    {
        if (access(json_string_value(file), F_OK) != 0 && errno == ENOENT) {
            first = missing++ == 0 ? name : first;
        }
    }
    return missing == 0 ||
           sower_problem_set(
               problem, SOWER_PROBLEM_INVALID, "like",
               "%zu of the %zu files that the index lists are not in its directory; the first is "
               "%.200s. Put them there; the beginning of each file, up to the end of its header, is "
               "enough.",
               missing, json_object_size(files), first);
}

static bool read_files(const json_t *files, struct sower_buffer *tensors, json_t *left_out,
                       struct sower_problem *problem)
{
    const char *name;
    json_t *file;
    json_object_foreach((json_t *)files, name, file)
    {
        if (!read_file(json_string_value(file), tensors, left_out, problem)) {
            return false;
        }
    }
    return true;
}

/* The files must have exactly the tensors that the index lists. Tied tensors are in no file; an index may list them. */
static bool check_names(const struct sower_buffer *tensors, const json_t *left_out, const json_t *map,
                        struct sower_problem *problem)
{
    struct sower_buffer text = {0};
    sower_buffer_text(&text, "[");
    sower_buffer_bytes(&text, tensors->text, tensors->length);
    sower_buffer_text(&text, "]");
    json_error_t error;
    json_t *list = text.failed ? NULL : sower_json_load(text.text, text.length, 0, &error), *tensor;
    size_t i;
    size_t found = json_array_size(left_out);
    bool same = list != NULL;
    json_array_foreach(list, i, tensor)
    {
        bool listed = json_object_get(map, json_string_value(json_object_get(tensor, "name"))) != NULL;
        same = same && (listed || json_object_get(tensor, "same_as") != NULL);
        found += listed;
    }
    same = same && found == json_object_size(map);
    bool memory = text.failed || (list == NULL && json_error_code(&error) == json_error_out_of_memory);
    json_decref(list);
    sower_buffer_free(&text);
    if (memory) {
        return sower_problem_memory(problem);
    }
    return same || sower_problem_set(problem, SOWER_PROBLEM_INVALID, "like",
                                     "The files do not have exactly the tensors that their index lists.");
}

/* Loads a JSON file; NULL with a problem. */
static json_t *load(const char *path, struct sower_problem *problem)
{
    struct sower_buffer text = {0};
    json_t *json = NULL;
    json_error_t error;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || !sower_buffer_read(&text, file, SIZE_MAX)) {
        fail(path, problem);
        goto out;
    }
    if (!text.failed) {
        json = sower_json_load(text.text, text.length, JSON_REJECT_DUPLICATES, &error);
    }
    if (text.failed || (json == NULL && json_error_code(&error) == json_error_out_of_memory)) {
        sower_problem_memory(problem);
    } else if (json == NULL) {
        sower_problem_set(problem, SOWER_PROBLEM_INVALID, "like",
                          "%s is not an index of safetensors files: %s.", path, error.text);
    }
out:
    if (file >= 0) {
        close(file);
    }
    sower_buffer_free(&text);
    return json;
}

static bool read_index(const char *path, struct sower_buffer *tensors, json_t *left_out,
                       struct sower_problem *problem)
{
    json_t *index = load(path, problem);
    const json_t *map = json_object_get(index, "weight_map");
    json_t *files = json_is_object(map) ? list_files(path, map, problem) : NULL;
    bool read = files != NULL && check_present(files, problem) &&
                read_files(files, tensors, left_out, problem) && check_names(tensors, left_out, map, problem);
    json_decref(files);
    if (index != NULL && !json_is_object(map)) {
        sower_problem_set(problem, SOWER_PROBLEM_INVALID, "like",
                          "%s is not an index of safetensors files: it has no weight_map.", path);
    }
    json_decref(index);
    return read;
}

bool like_read(const char *path, struct sower_buffer *tensors, json_t *left_out,
               struct sower_problem *problem)
{
    size_t length = strlen(path);
    bool is_index = length > 5 && strcmp(path + length - 5, ".json") == 0;
    return is_index ? read_index(path, tensors, left_out, problem)
                    : read_file(path, tensors, left_out, problem);
}
