/* Manifests. Oracle: the canonical form is a manifest with the same tensors and the same hash, and its own
 * canonical form. */
#include "proto/manifest_read.h"
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct sower_manifest manifest;
    struct sower_problem problem;
    if (sower_manifest_read((const char *)bytes, size, &manifest, &problem)) {
        check_canonical_form(&manifest);
    } else {
        check_refusal(&problem);
    }
    sower_manifest_free(&manifest);
    return 0;
}
