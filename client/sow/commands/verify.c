/* sow verify: checks that a file of tensors has the bits of their draws. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "client/sow/daemon/ask.h"
#include "client/sow/daemon/report.h"
#include "client/sow/tensors/derive.h"
#include "client/sow/tensors/drawn.h"
#include "client/sow/tensors/manifest_options.h"
#include "client/sow/tensors/model_request.h"
#include "client/sow/tensors/root.h"
#include "client/sow/tensors/stored.h"
#include "client/sow/tensors/tensor.h"
#include "client/sow/terminal/progress.h"
#include "client/sow/terminal/terminal.h"
#include "proto/hex.h"

static const struct option_rule TENSOR[] = {
    {"name", 'n', "TEXT", "the tensor's name (default: the one in a safetensors file)"},
    {"shape", 's', "SIZES", "the sizes of the whole tensor (default: those in the file)"},
    {"dtype", 'd', "TYPE", "f64, f32, f16, bf16, f8_e4m3 or f8_e5m2 (default: that of the file)"},
    {"slice", 0, "SLICE", "the region of the tensor that the file has: '0:512,:'"},
    {0},
};

static const struct option_rule OUTPUT[] = {
    {"quiet", 'q', NULL, "no progress, and no output if everything is right"},
    {"progress", 'p', NULL, "show progress also when stderr is not a terminal"},
    {0},
};

static const struct option_group TENSOR_OPTIONS = {"One tensor", TENSOR};
static const struct option_group OUTPUT_OPTIONS = {"Output", OUTPUT};

static const struct option_group *const GROUPS[] = {
    &drawn_options,
    &model_options,
    &manifest_options,
    &model_options_choice,
    &TENSOR_OPTIONS,
    &tensor_options_fans,
    &tensor_options_zeros,
    &OUTPUT_OPTIONS,
    &derive_options,
    &root_options,
    &http_options,
    &options_common,
    NULL,
};

enum { SHOWN = 20, SHAPE_SIZE = 200, SENTENCE_SIZE = 640 };

struct verification {
    const struct options *options;
    const char *path;
    struct stored stored;
    struct drawn drawn;
    struct model_request request;
    struct sower_model model; /* of the receipt or the lines */
    bool *seen;               /* for each tensor of a safetensors file */
    struct derivation derivation;
    struct progress progress;
    size_t checked; /* tensors */
    size_t wrong;   /* tensors that differ, are missing, or should not be there */
    struct sower_problem problem;
};

/* ---- Differences ---------------------------------------------------------------------------------------- */

/* Counts a difference, and prints it unless there are many. `sentence` is a printf format. */
static void __attribute__((format(printf, 3, 4)))
differ(struct verification *verification, const char *name, const char *sentence, ...)
{
    char text[SENTENCE_SIZE];
    va_list arguments;
    verification->wrong++;
    if (verification->wrong > SHOWN) {
        return;
    }
    va_start(arguments, sentence);
    vsnprintf(text, sizeof text, sentence, arguments);
    va_end(arguments);
    progress_end(&verification->progress);
    terminal_print(stdout, name);
    putchar('\t');
    terminal_print(stdout, text);
    putchar('\n');
    fflush(stdout); /* show it now: the next tensor may take long */
}

/* "[4096,1024]" */
static const char *print_sizes(const uint64_t *sizes, size_t rank, char text[SHAPE_SIZE])
{
    size_t length = (size_t)snprintf(text, SHAPE_SIZE, "[");
    for (size_t axis = 0; axis < rank; axis++) {
        length += (size_t)snprintf(text + length, SHAPE_SIZE - length, "%s%" PRIu64, axis == 0 ? "" : ",",
                                   sizes[axis]);
    }
    snprintf(text + length, SHAPE_SIZE - length, "]");
    return text;
}

/* The bits of an element as a number in hex: "0x3f800000". */
static const char *print_bits(const uint8_t *bytes, size_t size, char text[24])
{
    size_t length = (size_t)snprintf(text, 24, "0x");
    for (size_t i = size; i-- > 0;) {
        length += (size_t)snprintf(text + length, 24 - length, "%02x", bytes[i]);
    }
    return text;
}

static void differ_elements(struct verification *verification, const char *name,
                            const struct sower_request *request, const struct derive_differences *differences)
{
    const struct sower_shape shape = sower_region_shape(&request->region);
    const size_t size = sower_dtype_size(request->draw.dtype);
    uint64_t index[SOWER_RANK_MAX], rest = differences->first;
    char place[SHAPE_SIZE], found[24], expected[24];
    for (size_t axis = shape.rank; axis-- > 0;) {
        index[axis] = rest % shape.sizes[axis];
        rest /= shape.sizes[axis];
    }
    differ(verification, name,
           "%" PRIu64 " of %" PRIu64 " elements differ; the first is %s: its bits are %s, expected %s",
           differences->count, sower_shape_count(&shape), print_sizes(index, shape.rank, place),
           print_bits(differences->found, size, found), print_bits(differences->expected, size, expected));
}

/* ---- One tensor ----------------------------------------------------------------------------------------- */

/* Compares a tensor of the file, whose elements begin at byte `at`. False with a problem. */
static bool check_elements(struct verification *verification, const char *name,
                           const struct sower_request *request, uint64_t at)
{
    struct derive_differences differences;
    verification->checked++;
    if (!derive_compare(&verification->derivation, request, verification->stored.file, at, &differences,
                        &verification->problem)) {
        return false;
    }
    if (differences.count > 0) {
        differ_elements(verification, name, request, &differences);
    }
    return true;
}

static bool same_shape(struct verification *verification, const char *name, const struct sower_shape *found,
                       const struct sower_request *request)
{
    const struct sower_shape shape = sower_region_shape(&request->region);
    char is[SHAPE_SIZE], wanted[SHAPE_SIZE];
    if (found->rank == shape.rank &&
        memcmp(found->sizes, shape.sizes, shape.rank * sizeof shape.sizes[0]) == 0) {
        return true;
    }
    differ(verification, name, "its shape is %s, expected %s", print_sizes(found->sizes, found->rank, is),
           print_sizes(shape.sizes, shape.rank, wanted));
    return false;
}

static bool check_npy(struct verification *verification, const struct sower_request *request)
{
    const struct stored *stored = &verification->stored;
    const char *name = request->draw.name;
    const struct sower_shape shape = sower_region_shape(&request->region);
    const uint64_t size = sower_shape_count(&shape) * sower_dtype_size(request->draw.dtype);
    progress_expect(&verification->progress, size);
    if (!sower_npy_has_dtype(&stored->npy, request->draw.dtype)) {
        differ(verification, name, "its elements are of NumPy's type %s, expected %s", stored->npy.type,
               sower_dtype_name(request->draw.dtype));
        return true;
    }
    if (!same_shape(verification, name, &stored->npy.shape, request)) {
        return true;
    }
    if (stored->size - stored->data != size) {
        differ(verification, name, "the file has %" PRIu64 " bytes of elements, expected %" PRIu64,
               stored->size - stored->data, size);
        return true;
    }
    return check_elements(verification, name, request, stored->data);
}

/* The tensor of the file with this name, or the one that the file's metadata says is the same. */
static const struct sower_safetensors_entry *find_entry(const struct verification *verification,
                                                        const char *name)
{
    const struct sower_safetensors_entries *entries = &verification->stored.entries;
    const struct sower_safetensors_entry *entry = sower_safetensors_find(entries, name);
    const char *other = stored_metadata(&verification->stored, name);
    return entry == NULL && other != NULL && !sower_safetensors_is_reserved(name)
               ? sower_safetensors_find(entries, other)
               : entry;
}

/* Compares a tensor of a safetensors file; `entry` NULL: the file does not have it. */
static bool check_entry(struct verification *verification, const struct sower_safetensors_entry *entry,
                        const struct sower_request *request)
{
    if (entry == NULL) {
        differ(verification, request->draw.name, "it is missing");
        return true;
    }
    if (entry->dtype != request->draw.dtype) {
        differ(verification, entry->name, "its dtype is %s, expected %s",
               entry->dtype < SOWER_DTYPE_COUNT ? sower_dtype_name(entry->dtype)
                                                : "one that Sower does not make",
               sower_dtype_name(request->draw.dtype));
        return true;
    }
    return !same_shape(verification, entry->name, &entry->shape, request) ||
           check_elements(verification, entry->name, request, verification->stored.data + entry->start);
}

/* ---- A model -------------------------------------------------------------------------------------------- */

static void mark(struct verification *verification, const struct sower_safetensors_entry *entry)
{
    if (entry != NULL) {
        verification->seen[entry - verification->stored.entries.all] = true;
    }
}

/* The request for the n-th tensor of the model. */
static void request_of(const struct verification *verification, const struct sower_model *model, size_t n,
                       struct sower_request *request)
{
    sower_model_request(model, n, request);
    if (model == &verification->model) {
        drawn_set_seed(&verification->drawn, model, n, request);
    }
}

static bool check_present(struct verification *verification, const struct sower_model *model)
{
    struct sower_request request;
    bool good = true;
    for (size_t n = 0; n < model->count && good; n++) {
        const struct sower_safetensors_entry *entry = find_entry(verification, sower_model_name(model, n));
        if (entry == NULL && model == &verification->model && !verification->drawn.of_receipt) {
            continue; /* lines are those of a trial, whatever its files have */
        }
        mark(verification, entry);
        request_of(verification, model, n, &request);
        good = check_entry(verification, entry, &request);
    }
    sodium_memzero(&request.seed, sizeof request.seed);
    return good;
}

/* The place in the model's file of a tensor by its index in the manifest; the model's count: it is not in the file. */
static size_t place_of(const struct sower_model *model, uint32_t number)
{
    size_t low = 0, high = model->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        *(model->tensors[middle].number < number ? &low : &high) =
            model->tensors[middle].number < number ? middle + 1 : middle;
    }
    return low < model->count && model->tensors[low].number == number ? low : model->count;
}

/* A file may have a tied tensor as a tensor of its own. Then it has the elements of the other one. */
static bool check_tied(struct verification *verification, const struct sower_model *model)
{
    struct sower_request request;
    bool good = true;
    for (size_t i = 0; i < model->manifest.count && good; i++) {
        const struct sower_manifest_tensor *tensor = &model->manifest.tensors[i];
        const struct sower_safetensors_entry *entry =
            tensor->tied ? sower_safetensors_find(&verification->stored.entries, tensor->name) : NULL;
        const size_t n = entry != NULL ? place_of(model, tensor->same_as) : model->count;
        if (n < model->count && !verification->seen[entry - verification->stored.entries.all]) {
            mark(verification, entry);
            request_of(verification, model, n, &request);
            good = check_entry(verification, entry, &request);
        }
    }
    sodium_memzero(&request.seed, sizeof request.seed);
    return good;
}

/* Tensors of the file that the model does not have. When only a part of the model is to be checked, the file may have more. */
static void check_additional(struct verification *verification)
{
    const struct sower_safetensors_entries *entries = &verification->stored.entries;
    if (options_value(verification->options, "tensors") != NULL ||
        options_value(verification->options, "part") != NULL) {
        return;
    }
    for (size_t i = 0; i < entries->count; i++) {
        if (!verification->seen[i]) {
            differ(verification, entries->all[i].name, "it is in the file, but not among the draws");
        }
    }
}

static bool check_model(struct verification *verification, const struct sower_model *model)
{
    progress_expect(&verification->progress, model->size - model->header.length);
    verification->seen = calloc(verification->stored.entries.count + 1, sizeof *verification->seen);
    if (verification->seen == NULL) {
        return sower_problem_memory(&verification->problem);
    }
    if (!check_present(verification, model) || !check_tied(verification, model)) {
        return false;
    }
    check_additional(verification);
    return true;
}

/* ---- The result ----------------------------------------------------------------------------------------- */

static enum sow_exit conclude(struct verification *verification)
{
    const bool quiet = options_value(verification->options, "quiet") != NULL;
    if (verification->wrong > SHOWN) {
        printf("and %zu more\n", verification->wrong - SHOWN);
    }
    if (verification->wrong > 0) {
        report_failure(verification->options, "%s is not as drawn: %zu tensor%s.", verification->path,
                       verification->wrong, verification->wrong == 1 ? "" : "s");
        return SOW_REFUSED;
    }
    if (verification->checked == 0 && verification->drawn.count > 0 && !verification->drawn.of_receipt) {
        report_failure(verification->options, "%s has no tensor of these lines.", verification->path);
        return SOW_REFUSED;
    }
    if (!quiet) {
        char bytes[TERMINAL_QUANTITY_SIZE];
        printf("%zu tensor%s, %s: every bit as drawn\n", verification->checked,
               verification->checked == 1 ? "" : "s",
               terminal_bytes((double)verification->derivation.done, bytes));
    }
    return SOW_DONE;
}

/* Compares the file with a tensor (request) or with a model. */
static enum sow_exit check(struct verification *verification, const struct sower_request *request,
                           const struct sower_model *model)
{
    const struct options *options = verification->options;
    unsigned threads;
    if (!derive_threads(options, &threads)) {
        return SOW_USAGE;
    }
    progress_begin(&verification->progress, options_value(options, "quiet") != NULL,
                   options_value(options, "progress") != NULL);
    bool good =
        derive_begin(&verification->derivation, threads, &verification->progress, &verification->problem);
    if (good && model != NULL) {
        good = check_model(verification, model);
    } else if (good && verification->stored.is_npy) {
        good = check_npy(verification, request);
    } else if (good) {
        good = check_entry(verification, find_entry(verification, request->draw.name), request);
    }
    progress_end(&verification->progress);
    enum sow_exit result = good ? conclude(verification) : report_problem(options, &verification->problem);
    derive_end(&verification->derivation);
    free(verification->seen);
    return result;
}

/* ---- What the file is compared with --------------------------------------------------------------------- */

/* Without a receipt or lines the seeds follow from the root, so it must be that of the file, if the file says it. */
static enum sow_exit check_root(const struct verification *verification)
{
    const char *hex = stored_metadata(&verification->stored, "sower.root");
    struct sower_problem problem;
    struct sower_seed root;
    char ours[SOWER_HEX_SIZE];
    if (hex == NULL) {
        return SOW_DONE;
    }
    if (!root_read(verification->options, &root, &problem)) {
        return options_error(verification->options, "%s", problem.sentence);
    }
    const struct sower_seed id = sower_seed_root_id(&root);
    sodium_memzero(&root, sizeof root);
    sower_hex_print(id.bytes, ours);
    if (strcmp(ours, hex) == 0) {
        return SOW_DONE;
    }
    report_failure(
        verification->options,
        "the file says that it was drawn under the root %.12s…, not %s; give --root-key-file FILE, or "
        "--receipt FILE, which has the seeds.",
        hex, root_is_given(verification->options) ? "that of --root-key-file" : "the public one");
    return SOW_REFUSED;
}

/* A receipt or lines. All draws are compared with a safetensors file, unless --name chooses one of them. */
static enum sow_exit verify_drawn(struct verification *verification)
{
    const struct options *options = verification->options;
    struct drawn *drawn = &verification->drawn;
    struct sower_model_choice choice;
    struct sower_request request;
    const char *name = options_value(options, "name");
    enum sow_exit result = drawn_read(drawn, options, name);
    if (result == SOW_DONE && (verification->stored.is_npy || name != NULL)) {
        result = drawn_request(drawn, &request);
        result = result == SOW_DONE ? check(verification, &request, NULL) : result;
        sodium_memzero(&request.seed, sizeof request.seed);
    } else if (result == SOW_DONE) {
        result =
            model_choice_read(options, verification->stored.entries.metadata, &choice, &verification->problem)
                ? drawn_model(drawn, &choice, &verification->model)
                : report_problem(options, &verification->problem);
        json_decref(choice.slices);
        result = result == SOW_DONE ? check(verification, NULL, &verification->model) : result;
        sower_model_free(&verification->model);
    }
    drawn_end(drawn);
    return result;
}

/* Asks the daemon for the manifest that the file's metadata names. */
static enum sow_exit fetch_manifest(const struct verification *verification, const char *hash,
                                    json_t **manifest)
{
    const struct sower_pair pair = {"manifest", strlen("manifest"), hash, strlen(hash)};
    const struct http_request request = {.path = "/v1/manifests", .pairs = &pair, .pair_count = 1};
    struct http_response response;
    enum sow_exit result;
    *manifest = ask_json(verification->options, &request, SOWER_MANIFEST_TEXT_MAX, &response, &result);
    return result;
}

/* `hash`: of the manifest that the daemon has kept; NULL: the options name a manifest. */
static enum sow_exit verify_model(struct verification *verification, const char *hash)
{
    const struct options *options = verification->options;
    json_t *manifest = NULL;
    enum sow_exit result = check_root(verification);
    result = result == SOW_DONE && hash != NULL ? fetch_manifest(verification, hash, &manifest) : result;
    if (result != SOW_DONE) {
        return result;
    }
    result = model_request_read_file(&verification->request, options, verification->stored.entries.metadata,
                                     manifest);
    if (result == SOW_DONE && hash != NULL && strcmp(verification->request.hash, hash) != 0) {
        report_failure(options, "the daemon sent another manifest than that of the hash %.12s….", hash);
        result = SOW_REFUSED;
    }
    result = result == SOW_DONE ? check(verification, NULL, &verification->request.model) : result;
    model_request_free(&verification->request);
    return result;
}

/* The dtype of a NumPy file; NULL: f8, of which there are two, or one that Sower does not make. */
static const char *npy_dtype(const struct sower_npy *npy)
{
    enum sower_dtype found = SOWER_DTYPE_COUNT;
    for (enum sower_dtype dtype = 0; dtype < SOWER_DTYPE_COUNT; dtype++) {
        if (sower_npy_has_dtype(npy, dtype) && found != SOWER_DTYPE_COUNT) {
            return NULL;
        }
        found = sower_npy_has_dtype(npy, dtype) ? dtype : found;
    }
    return found < SOWER_DTYPE_COUNT ? sower_dtype_name(found) : NULL;
}

/* The fields of the tensor by hand. The file gives those that no option gives: shape (of a whole tensor) and dtype, and a
 * safetensors file also its name, experiment and trial. */
static enum sow_exit collect(const struct verification *verification, struct tensor_fields *fields,
                             char sizes[SHAPE_SIZE])
{
    const struct options *options = verification->options;
    const struct stored *stored = &verification->stored;
    const char *name = options_value(options, "name");
    const struct sower_safetensors_entry *entry = name != NULL ? find_entry(verification, name)
                                                  : stored->entries.count == 1 ? &stored->entries.all[0]
                                                                               : NULL;
    if (!stored->is_npy && entry == NULL) {
        return options_error(options, name != NULL ? "the file has no tensor with this --name."
                                                   : "the file has several tensors; choose one with --name.");
    }
    const struct sower_shape *shape = stored->is_npy ? &stored->npy.shape : &entry->shape;
    const bool whole = options_value(options, "slice") == NULL && options_value(options, "shard") == NULL;
    print_sizes(shape->sizes, shape->rank, sizes);
    const char *dtype = stored->is_npy                     ? npy_dtype(&stored->npy)
                        : entry->dtype < SOWER_DTYPE_COUNT ? sower_dtype_name(entry->dtype)
                                                           : NULL;
    const struct tensor_default defaults[] = {
        {"experiment", stored_metadata(stored, "sower.experiment")},
        {"trial", stored_metadata(stored, "sower.trial")},
        {"name", entry != NULL ? entry->name : NULL},
        {"shape", whole ? sizes : NULL},
        {"dtype", dtype},
    };
    if (dtype == NULL && options_value(options, "dtype") == NULL) {
        return options_error(options, "--dtype is missing: the file does not say which dtype it has.");
    }
    return tensor_collect_with(options, defaults, sizeof defaults / sizeof defaults[0], fields) ? SOW_DONE
                                                                                                : SOW_USAGE;
}

static enum sow_exit verify_tensor(struct verification *verification)
{
    struct tensor_fields fields;
    struct sower_request request;
    char sizes[SHAPE_SIZE];
    enum sow_exit result = check_root(verification);
    result = result == SOW_DONE ? collect(verification, &fields, sizes) : result;
    result = result == SOW_DONE ? tensor_request(verification->options, &fields, &request) : result;
    result = result == SOW_DONE ? check(verification, &request, NULL) : result;
    sodium_memzero(&request.seed, sizeof request.seed);
    return result;
}

static enum sow_exit verify(struct verification *verification)
{
    const struct options *options = verification->options;
    const struct stored *stored = &verification->stored;
    enum sow_exit result = stored_open(&verification->stored, options, verification->path);
    if (result != SOW_DONE) {
        return result;
    }
    if (drawn_is_given(options)) {
        return verify_drawn(verification);
    }
    if (model_request_given(options)) {
        return stored->is_npy
                   ? options_error(options, "a manifest is for a safetensors file; for a NumPy file "
                                            "give the fields of its tensor, or --receipt FILE.")
                   : verify_model(verification, NULL);
    }
    if (options_value(options, "init") != NULL) {
        return verify_tensor(verification);
    }
    const char *hash = stored_metadata(stored, "sower.manifest");
    if (hash != NULL && options_value(options, "server") != NULL) {
        return verify_model(verification, hash);
    }
    return options_error(
        options,
        "say what the draws are: --receipt FILE, --line FILE or --manifest FILE; or, for one "
        "tensor, --init EXPRESSION and its other fields.%s",
        hash != NULL ? " The file names its manifest: --server URL gets it from the daemon." : "");
}

static enum sow_exit run(const struct options *options)
{
    struct verification *verification = calloc(1, sizeof *verification);
    enum sow_exit result = SOW_USAGE;
    if (verification == NULL) {
        return report_memory(options);
    }
    verification->options = options;
    verification->path = options->operand;
    verification->stored.file = -1;
    if (options->operand == NULL) {
        options_error(options, "FILE is missing: name a safetensors or npy file.");
    } else {
        result = verify(verification);
    }
    stored_close(&verification->stored);
    free(verification);
    return result;
}

const struct command command_verify = {
    .name = "verify",
    .summary = "check that a file has the bits of its draws",
    .synopsis = "FILE (--receipt FILE | --line FILE | --manifest FILE | --like FILE | --init EXPRESSION … | "
                "--server URL) [option …]",
    .description = "Computes the tensors of a safetensors or npy file again, and compares every bit: −0 is "
                   "not +0. Names the "
                   "tensors that differ, with the number of elements that differ and the index of the first, "
                   "those that are "
                   "missing or should not be there, and those of another shape or dtype. What the draws are "
                   "comes from a "
                   "receipt, from lines of the ledger, from a manifest, or from the fields of one tensor; "
                   "experiment, trial "
                   "and the chosen part of a model also from the metadata of the file. With --server, the "
                   "daemon gives the manifest that the metadata names; otherwise no daemon is needed.",
    .examples = "  sow verify model.safetensors --receipt receipt.json\n"
                "  sow verify model.safetensors --manifest model.json\n"
                "  sow verify model.safetensors --server http://127.0.0.1:7697\n"
                "  sow ledger -e exp-42 | sow verify w.npy --line - --name w\n"
                "  sow verify w.npy -e exp-42 -n w -i he_normal\n",
    .operand = "FILE",
    .groups = GROUPS,
    .run = run,
};
