/* Manifests. Oracle: the canonical form is a manifest with the same tensors and the same hash, and its own
 * canonical form. Slices print to a JSON object that gives the same slices again. */
#include "proto/json.h"
#include "proto/manifest_read.h"
#include "proto/model_slices.h"
#include "tests/fuzz/fuzz.h"

static struct sower_buffer print(const struct sower_manifest *manifest)
{
    struct sower_buffer buffer = {0};
    sower_manifest_print(manifest, &buffer);
    MUST(!buffer.failed);
    return buffer;
}

static bool same(const struct sower_manifest_tensor *a, const struct sower_manifest_tensor *b)
{
    return strcmp(a->name, b->name) == 0 && a->dtype == b->dtype && a->tied == b->tied &&
           a->same_as == b->same_as && sower_form_same(a->form, b->form);
}

static void check_canonical_form(const struct sower_manifest *manifest)
{
    struct sower_manifest again;
    struct sower_problem problem;
    struct sower_buffer canonical = print(manifest);
    MUST(sower_manifest_read(canonical.text, canonical.length, &again, &problem));
    MUST(again.count == manifest->count && again.size == manifest->size);
    MUST(memcmp(again.hash, manifest->hash, sizeof again.hash) == 0);
    for (size_t i = 0; i < again.count; i++) {
        MUST(same(&again.tensors[i], &manifest->tensors[i]));
    }
    struct sower_buffer twice = print(&again);
    MUST(twice.length == canonical.length && memcmp(twice.text, canonical.text, twice.length) == 0);
    sower_buffer_free(&twice);
    sower_buffer_free(&canonical);
    sower_manifest_free(&again);
}

static struct sower_buffer print_slices(const struct sower_manifest *manifest, json_t *given)
{
    struct sower_model_slices slices = {0};
    struct sower_problem problem;
    struct sower_buffer buffer = {0};
    if (!sower_model_slices_read(&slices, manifest, given, &problem)) {
        check_refusal(&problem);
    } else if (slices.of != NULL) {
        sower_model_slices_print(&slices, manifest, &buffer);
        MUST(!buffer.failed);
    }
    sower_model_slices_free(&slices);
    return buffer;
}

static void check_slices(const struct sower_manifest *manifest, json_t *given)
{
    json_error_t error;
    struct sower_buffer once = print_slices(manifest, given);
    if (once.length > 0) {
        json_t *again = sower_json_load(once.text, once.length, 0, &error);
        MUST(again != NULL);
        struct sower_buffer twice = print_slices(manifest, again);
        MUST(twice.length == once.length && memcmp(twice.text, once.text, once.length) == 0);
        sower_buffer_free(&twice);
        json_decref(again);
    }
    sower_buffer_free(&once);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct sower_manifest manifest;
    struct sower_problem problem;
    json_t *slices;
    if (sower_manifest_read_sliced((const char *)bytes, size, &manifest, &slices, &problem)) {
        check_canonical_form(&manifest);
        if (slices != NULL) {
            check_slices(&manifest, slices);
        }
    } else {
        check_refusal(&problem);
    }
    json_decref(slices);
    sower_manifest_free(&manifest);
    return 0;
}
