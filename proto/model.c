#include "proto/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "proto/glob.h"
#include "proto/hex.h"
#include "proto/json.h"
#include "proto/record.h"
#include "proto/safetensors.h"
#include "proto/slice.h"
#include "proto/text.h"

/* Goes through the tensors that a choice selects, in order. */
struct walk {
    const struct sower_manifest *manifest;
    const struct sower_model_choice *choice;
    bool *chosen;  /* for each tensor of the manifest; a tied tensor is never chosen */
    uint64_t size; /* of all chosen tensors */
    uint64_t at;   /* of the chosen tensors before the next one */
    size_t next;
};

/* A name that the glob matches chooses its tensor; the name of a tied tensor chooses the tensor that it is the same as.
 * The caller frees walk->chosen, also after a problem. */
static bool begin_walk(struct walk *walk, const struct sower_manifest *manifest,
                       const struct sower_model_choice *choice, struct sower_problem *problem)
{
    *walk = (struct walk){.manifest = manifest, .choice = choice};
    walk->chosen = calloc(manifest->count + 1, sizeof *walk->chosen);
    if (walk->chosen == NULL) {
        return sower_problem_memory(problem);
    }
    bool matched = false;
    for (size_t i = 0; i < manifest->count; i++) {
        const struct sower_manifest_tensor *tensor = &manifest->tensors[i];
        const size_t number = tensor->tied ? tensor->same_as : i;
        if (!walk->chosen[number] &&
            (choice->tensors == NULL || sower_glob_match(choice->tensors, tensor->name, NULL))) {
            walk->chosen[number] = matched = true;
            walk->size += sower_manifest_tensor_size(&manifest->tensors[number]);
        }
    }
    return matched ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "tensors", "The pattern matches no tensor.");
}

/* The part in which the tensor's first byte lies when all bytes are split evenly. Parts and sizes are below 2^17
 * and 2^45, so the product does not overflow. */
static uint64_t part_of(const struct walk *walk, uint64_t parts)
{
    uint64_t part = walk->size == 0 ? 0 : walk->at * parts / walk->size;
    return part < parts ? part : parts - 1;
}

/* The next chosen tensor, and its part (0 without parts); false at the end. */
static bool step(struct walk *walk, size_t *number, uint64_t *part)
{
    while (walk->next < walk->manifest->count) {
        const struct sower_manifest_tensor *tensor = &walk->manifest->tensors[walk->next++];
        if (!walk->chosen[walk->next - 1]) {
            continue;
        }
        *number = walk->next - 1;
        *part = walk->choice->parts == 0 ? 0 : part_of(walk, walk->choice->parts);
        walk->at += sower_manifest_tensor_size(tensor);
        return true;
    }
    return false;
}

bool sower_model_part_parse(const char *text, uint64_t *part, uint64_t *parts, struct sower_problem *problem)
{
    const char *slash = strchr(text, '/');
    int64_t numbers[2];
    if (slash == NULL || !sower_text_integer(text, (size_t)(slash - text), &numbers[0]) ||
        !sower_text_integer(slash + 1, strlen(slash + 1), &numbers[1]) || numbers[0] < 0 ||
        numbers[0] >= numbers[1] || numbers[1] > SOWER_PARTS_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "part",
                                 "part must be k/n, as in 3/8: k is from 0 to n - 1, and n is at most %d.",
                                 SOWER_PARTS_MAX);
    }
    *part = (uint64_t)numbers[0];
    *parts = (uint64_t)numbers[1];
    return true;
}

static bool check_choice(const struct sower_model_choice *choice, struct sower_problem *problem)
{
    /* Eight axes, so that every axis that a shard may name exists. */
    const struct sower_shape any = {SOWER_RANK_MAX, {1, 1, 1, 1, 1, 1, 1, 1}};
    struct sower_region region;
    if (choice->tensors != NULL && !sower_glob_check(choice->tensors)) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "tensors",
                                 "The pattern has a \"[\" without a \"]\", or ends in a \"\\\".");
    }
    if (choice->shard != NULL && strlen(choice->shard) > SOWER_SHARD_TEXT_MAX) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "shard", "The shard has more than %d bytes.",
                                 SOWER_SHARD_TEXT_MAX);
    }
    if (choice->shard != NULL && choice->slices != NULL) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "shard",
                                 "A request may have slices or a shard, not both.");
    }
    return choice->shard == NULL ||
           sower_shard_parse(choice->shard, strlen(choice->shard), &any, &region, problem);
}

/* Reads experiment, trial and spec with the parser of requests, as fields of a request for a scalar. */
static bool read_asked(struct sower_model *model, const json_t *asked, bool from_pairs,
                       const struct sower_seed *root, struct sower_problem *problem)
{
    struct sower_request request;
    json_t *fields = sower_json_copy(asked);
    sower_json_set(&fields, "name", json_string("-"));
    sower_json_set(&fields, "shape", from_pairs ? json_string("") : json_array());
    sower_json_set(&fields, "init", json_string("zeros"));
    bool read = fields != NULL ? sower_request_parse(fields, from_pairs, root, &request, problem)
                               : sower_problem_memory(problem);
    json_decref(fields);
    if (!read) {
        return false;
    }
    model->draw = request.draw;
    struct sower_seed experiment =
        sower_seed_experiment(root, model->draw.experiment, strlen(model->draw.experiment));
    model->trial_seed = sower_seed_trial(&experiment, model->draw.trial);
    sodium_memzero(&experiment, sizeof experiment);
    return true;
}

/* The slice of a tensor (given by its index in the manifest), or its shard; or the whole tensor, also if it lacks an axis that
 * the shard names. */
static struct sower_region region_of(const struct sower_model *model, size_t number)
{
    const struct sower_shape *shape = &model->manifest.tensors[number].form->shape;
    struct sower_region region;
    struct sower_problem unused;
    if (sower_model_slices_region(&model->slices, &model->manifest, number, &region)) {
        return region;
    }
    if (model->shard[0] == '\0' ||
        !sower_shard_parse(model->shard, strlen(model->shard), shape, &region, &unused)) {
        return sower_region_whole(shape);
    }
    return region;
}

/* Sets the model's tensors, with starts relative to the first tensor. */
static bool choose_tensors(struct sower_model *model, const struct sower_model_choice *choice,
                           struct sower_problem *problem)
{
    const struct sower_manifest *manifest = &model->manifest;
    struct walk walk;
    size_t number;
    uint64_t part, at = 0;
    bool begun = begin_walk(&walk, manifest, choice, problem);
    model->tensors = malloc((manifest->count + 1) * sizeof *model->tensors);
    if (model->tensors == NULL) {
        free(walk.chosen);
        return sower_problem_memory(problem);
    }
    while (begun && step(&walk, &number, &part)) {
        if (part != choice->part) {
            continue;
        }
        const struct sower_manifest_tensor *tensor = &manifest->tensors[number];
        struct sower_region region = region_of(model, number);
        struct sower_shape shape = sower_region_shape(&region);
        model->tensors[model->count++] = (struct sower_model_tensor){at, (uint32_t)number};
        at += sower_shape_count(&shape) * sower_dtype_size(tensor->dtype);
    }
    model->tensors[model->count] = (struct sower_model_tensor){at, 0};
    free(walk.chosen);
    return begun;
}

/* Whether the tensor with this index in the manifest is in the file. */
static bool has_tensor(const struct sower_model *model, uint32_t number)
{
    size_t low = 0, high = model->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        *(model->tensors[middle].number < number ? &low : &high) =
            model->tensors[middle].number < number ? middle + 1 : middle;
    }
    return low < model->count && model->tensors[low].number == number;
}

bool sower_model_tie(const struct sower_model *model, size_t *next, const char **name, const char **same_as)
{
    const struct sower_manifest *manifest = &model->manifest;
    while (manifest->tied_count > 0 && *next < manifest->count) {
        const struct sower_manifest_tensor *tensor = &manifest->tensors[(*next)++];
        if (tensor->tied && has_tensor(model, tensor->same_as)) {
            *name = tensor->name;
            *same_as = manifest->tensors[tensor->same_as].name;
            return true;
        }
    }
    return false;
}

/* Writes the names of tied tensors as safetensors.torch.save_model does: "lm_head.weight":"wte.weight". */
static void write_ties(struct sower_model *model)
{
    const char *name, *same_as;
    for (size_t next = 0; sower_model_tie(model, &next, &name, &same_as);) {
        sower_safetensors_metadata(&model->header, name, same_as);
        model->tied_count++;
    }
}

static void write_slices(struct sower_model *model)
{
    struct sower_buffer text = {0};
    sower_model_slices_print(&model->slices, &model->manifest, &text);
    sower_buffer_bytes(&text, "", 1);
    if (text.failed) {
        model->header.failed = true;
    } else {
        sower_safetensors_metadata(&model->header, "sower.slices", text.text);
    }
    sower_buffer_free(&text);
}

static void write_provenance(struct sower_model *model, const struct sower_model_choice *choice)
{
    struct sower_buffer *header = &model->header;
    char text[SOWER_HEX_SIZE];
    sower_safetensors_draw(header, &model->draw);
    sower_hex_print(model->manifest.hash, text);
    sower_safetensors_metadata(header, "sower.manifest", text);
    if (choice->tensors != NULL) {
        sower_safetensors_metadata(header, "sower.tensors", choice->tensors);
    }
    if (choice->parts > 0) {
        snprintf(text, sizeof text, "%" PRIu64 "/%" PRIu64, choice->part, choice->parts);
        sower_safetensors_metadata(header, "sower.part", text);
    }
    if (choice->shard != NULL) {
        sower_safetensors_metadata(header, "sower.shard", choice->shard);
    }
    if (model->slices.of != NULL) {
        write_slices(model);
    }
}

static bool write_header(struct sower_model *model, const struct sower_model_choice *choice,
                         struct sower_problem *problem)
{
    struct sower_buffer *header = &model->header;
    sower_safetensors_open(header);
    write_provenance(model, choice);
    write_ties(model);
    for (size_t i = 0; i < model->count; i++) {
        const struct sower_manifest_tensor *tensor = &model->manifest.tensors[model->tensors[i].number];
        struct sower_region region = region_of(model, model->tensors[i].number);
        struct sower_shape shape = sower_region_shape(&region);
        sower_safetensors_tensor(header, tensor->name, tensor->dtype, &shape, model->tensors[i].start,
                                 model->tensors[i + 1].start);
    }
    sower_safetensors_close(header);
    if (header->failed) {
        return sower_problem_memory(problem);
    }
    for (size_t i = 0; i <= model->count; i++) {
        model->tensors[i].start += header->length;
    }
    model->size = model->tensors[model->count].start;
    return header->length - SOWER_SAFETENSORS_LENGTH_SIZE <= SOWER_SAFETENSORS_HEADER_MAX ||
           sower_problem_set(problem, SOWER_PROBLEM_TOO_LARGE, "tensors",
                             "The header of the file would have more than %d bytes.",
                             SOWER_SAFETENSORS_HEADER_MAX);
}

bool sower_model_choose(struct sower_model *model, struct sower_manifest *manifest, const json_t *asked,
                        bool from_pairs, const struct sower_seed *root,
                        const struct sower_model_choice *choice, struct sower_problem *problem)
{
    memset(model, 0, sizeof *model);
    model->manifest = *manifest;
    *manifest = (struct sower_manifest){0};
    if (!check_choice(choice, problem) || !read_asked(model, asked, from_pairs, root, problem)) {
        return false;
    }
    if (choice->shard != NULL) {
        snprintf(model->shard, sizeof model->shard, "%s", choice->shard);
    }
    return (choice->slices == NULL ||
            sower_model_slices_read(&model->slices, &model->manifest, choice->slices, problem)) &&
           choose_tensors(model, choice, problem);
}

bool sower_model_make(struct sower_model *model, struct sower_manifest *manifest, const json_t *asked,
                      bool from_pairs, const struct sower_seed *root, const struct sower_model_choice *choice,
                      struct sower_problem *problem)
{
    return sower_model_choose(model, manifest, asked, from_pairs, root, choice, problem) &&
           write_header(model, choice, problem);
}

void sower_model_set_root_id(struct sower_model *model, const struct sower_seed *root_id)
{
    /* The key occurs once: a quote inside a text of the header is escaped. */
    static const char key[] = "\"sower.root\":\"";
    char hex[SOWER_HEX_SIZE];
    char *place = memmem(model->header.text, model->header.length, key, strlen(key));
    sower_hex_print(root_id->bytes, hex);
    model->draw.root_id = *root_id;
    if (place != NULL) {
        memcpy(place + strlen(key), hex, SOWER_HEX_SIZE - 1);
    }
}

static const struct sower_manifest_tensor *tensor_of(const struct sower_model *model, size_t n)
{
    return &model->manifest.tensors[model->tensors[n].number];
}

void sower_model_draw(const struct sower_model *model, size_t n, struct sower_request *request)
{
    const struct sower_manifest_tensor *tensor = tensor_of(model, n);
    request->draw = model->draw;
    snprintf(request->draw.name, sizeof request->draw.name, "%s", tensor->name);
    request->draw.shape = tensor->form->shape;
    request->draw.dtype = tensor->dtype;
    request->draw.initializer = tensor->form->initializer;
    request->draw.layout = tensor->form->layout;
    request->seed = sower_seed_tensor(&model->trial_seed, tensor->name, strlen(tensor->name));
}

void sower_model_request(const struct sower_model *model, size_t n, struct sower_request *request)
{
    const struct sower_manifest_tensor *tensor = tensor_of(model, n);
    struct sower_problem unused;
    sower_model_draw(model, n, request);
    /* Cannot fail: reading the manifest made the same plan. */
    const bool made = sower_plan_make(&tensor->form->initializer, &tensor->form->shape, tensor->dtype,
                                      &tensor->form->layout, &request->plan, &unused);
    (void)made;
    request->region = region_of(model, model->tensors[n].number);
    request->format = SOWER_FORMAT_RAW;
}

const char *sower_model_name(const struct sower_model *model, size_t n)
{
    return tensor_of(model, n)->name;
}

bool sower_model_is_structured(const struct sower_model *model, size_t n)
{
    return tensor_of(model, n)->form->structured;
}

size_t sower_model_find(const struct sower_model *model, uint64_t position)
{
    /* The last tensor that begins at or before the position. Earlier ones with the same start are empty. */
    size_t low = 0, high = model->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        *(model->tensors[middle].start <= position ? &low : &high) = middle;
    }
    return low;
}

bool sower_model_index(const struct sower_manifest *manifest, const char *tensors, uint64_t parts,
                       struct sower_buffer *buffer, struct sower_problem *problem)
{
    const struct sower_model_choice choice = {.tensors = tensors, .parts = parts};
    char file[64];
    size_t number;
    uint64_t part;
    if (!check_choice(&choice, problem)) {
        return false;
    }
    struct walk walk;
    if (!begin_walk(&walk, manifest, &choice, problem)) {
        free(walk.chosen);
        return false;
    }
    sower_buffer_text(buffer, "{\"metadata\":{\"total_size\":");
    sower_buffer_number(buffer, walk.size);
    sower_buffer_text(buffer, "},\"weight_map\":{");
    for (const char *separator = ""; step(&walk, &number, &part); separator = ",") {
        snprintf(file, sizeof file, "model-%05" PRIu64 "-of-%05" PRIu64 ".safetensors", part + 1, parts);
        sower_buffer_text(buffer, separator);
        sower_buffer_string(buffer, manifest->tensors[number].name);
        sower_buffer_text(buffer, ":");
        sower_buffer_string(buffer, file);
    }
    sower_buffer_text(buffer, "}}\n");
    free(walk.chosen);
    return !buffer->failed || sower_problem_memory(problem);
}

void sower_model_free(struct sower_model *model)
{
    sower_manifest_free(&model->manifest);
    free(model->tensors);
    sower_model_slices_free(&model->slices);
    sower_buffer_free(&model->header);
    sodium_memzero(&model->trial_seed, sizeof model->trial_seed);
}
