/* libsower: Sower's tensors inside another program, without a daemon.
 *
 * A tensor is a pure function of names: root, experiment, trial, name, shape, dtype, initializer and layout
 * (proto/SPEC.md). This library parses what the daemon parses, with the same code, and writes the same bits
 * into the caller's memory: a whole tensor, or any box of it, on any number of threads.
 *
 *     struct sower_error error;
 *     sower_tensor *tensor;
 *     const char *request = "{\"experiment\":\"exp-42\",\"name\":\"w\",\"shape\":[4096,1024],\"init\":\"he_normal\"}";
 *     if (sower_tensor_open(&tensor, request, strlen(request), NULL, &error) != SOWER_OK) { puts(error.sentence); … }
 *     if (sower_tensor_fill(tensor, NULL, NULL, elements, size, 0, &error) != SOWER_OK) { … }
 *     sower_tensor_close(tensor);
 *
 * What the library does not do: it records nothing, and it opens no file and no socket. It reads no environment
 * variable, keeps no global state and prints nothing. It starts threads only inside a call that asks for them,
 * and joins them before that call returns. Each call that computes sets the floating-point environment of its
 * threads (round to nearest, keep denormals) and restores the previous one, so the bits do not depend on the
 * program around it.
 *
 * Threads: different handles may be used at the same time. One tensor may be filled and asked by several
 * threads at the same time; only opening and closing must not overlap with another use. A program that starts
 * its first thread before its first call should call sower_start() first.
 *
 * Errors: a function that can fail returns SOWER_OK or the code that it also writes to `error`. Outputs are
 * unchanged then, a buffer excepted. `error` may be NULL. Texts that a handle returns belong to the handle.
 *
 * Seeds and roots are secret if the root is private: whoever has one can generate every tensor below it. The
 * library wipes its copies when a handle is closed.
 *
 * Compatibility: docs/library.md says what stays the same between versions. */
#ifndef SOWER_CLIENT_LIBRARY_SOWER_H
#define SOWER_CLIENT_LIBRARY_SOWER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Only what is declared here is visible outside of the library. */
#pragma GCC visibility push(default)

enum {
    SOWER_KEY_SIZE = 32, /* bytes of a root, a seed, a draw id, a digest and a manifest's hash */
    SOWER_AXES_MAX = 8,  /* a tensor has 0 to 8 axes */
};

enum sower_code {
    SOWER_OK,
    SOWER_INVALID,       /* a field is missing, malformed, out of its range, or unknown */
    SOWER_TOO_LARGE,     /* above a limit of the contract */
    SOWER_UNPROCESSABLE, /* each field is well-formed, but together they make no sense (a manifest) */
    SOWER_DIFFERENT,     /* a line does not describe its own draw: it was changed, or another root made it */
    SOWER_NO_MEMORY,
    SOWER_BUFFER, /* the buffer or the box does not fit the tensor */
};

struct sower_error {
    int code;           /* enum sower_code */
    char field[64];     /* the faulty field, "shape"; empty if no single field is at fault */
    char sentence[512]; /* what is wrong and what would be right, UTF-8, no newline */
};

typedef struct sower_tensor sower_tensor;   /* one draw: names, shape, law, seed */
typedef struct sower_tensors sower_tensors; /* the tensors of a model, resolved */

/* The version of the library ("1.2.3"), of the contract (1), and the name of the kernel for this processor
 * ("avx512", "avx2", "neon", "portable"). */
const char *sower_version(void);
int sower_spec(void);
const char *sower_kernel_name(void);

/* Prepares libsodium. Every opening function does this too. */
int sower_start(struct sower_error *error);

/* ---- Seeds ---------------------------------------------------------------------------------------------- */

void sower_public_root(uint8_t root[SOWER_KEY_SIZE]);

/* Identifies a root without revealing it. */
void sower_root_id(const uint8_t root[SOWER_KEY_SIZE], uint8_t id[SOWER_KEY_SIZE]);

/* The seed of a trial. `experiment` is UTF-8, 1 to 256 bytes; trial at most 2^63 - 1. */
int sower_trial_seed(const uint8_t root[SOWER_KEY_SIZE], const char *experiment, uint64_t trial,
                     uint8_t seed[SOWER_KEY_SIZE], struct sower_error *error);

/* A number for other randomness of a trial, such as the order of the data: SPEC.md, section 2. `purpose` is
 * UTF-8, 1 to 256 bytes. */
int sower_purpose_seed(const uint8_t trial_seed[SOWER_KEY_SIZE], const char *purpose, uint64_t *seed,
                       struct sower_error *error);

/* ---- One tensor ----------------------------------------------------------------------------------------- */

/* Opens a tensor from the fields of a request (SPEC.md, section 9) as a JSON object, with `slice` and `shard`
 * if a part is meant. `root` NULL: the public root. */
int sower_tensor_open(sower_tensor **tensor, const char *json, size_t length, const uint8_t *root,
                      struct sower_error *error);

/* The same from the fields, the id of the root and the tensor's own seed, which is enough to generate it. */
int sower_tensor_open_seed(sower_tensor **tensor, const char *json, size_t length,
                           const uint8_t root_id[SOWER_KEY_SIZE], const uint8_t seed[SOWER_KEY_SIZE],
                           struct sower_error *error);

/* The same from a ledger line of kind "draw" (SPEC.md, section 12), or a draw of a receipt with the receipt's
 * root, spec, experiment and trial added to it. The line has the seed, so no root is needed. The draw id must be
 * that of the fields. With `root`, the seed must follow from it too. SOWER_DIFFERENT if not. */
int sower_tensor_open_line(sower_tensor **tensor, const char *json, size_t length, const uint8_t *root,
                           struct sower_error *error);

void sower_tensor_close(sower_tensor *tensor); /* NULL: nothing */

const char *sower_tensor_name(const sower_tensor *tensor);
const char *sower_tensor_experiment(const sower_tensor *tensor);
uint64_t sower_tensor_trial(const sower_tensor *tensor);
const char *sower_tensor_dtype(const sower_tensor *tensor);   /* "f32", "bf16", … */
size_t sower_tensor_element_size(const sower_tensor *tensor); /* bytes: 8, 4, 2 or 1 */
size_t sower_tensor_rank(const sower_tensor *tensor);
uint64_t sower_tensor_size(const sower_tensor *tensor, size_t axis); /* axis < rank, else 1 */
void sower_tensor_draw(const sower_tensor *tensor, uint8_t id[SOWER_KEY_SIZE]);
void sower_tensor_seed(const sower_tensor *tensor, uint8_t seed[SOWER_KEY_SIZE]);

/* What the tensor resolves to, as the daemon's /v1/plan says it: a JSON object. Stays valid until the tensor is
 * closed. NULL if memory ran out. */
const char *sower_tensor_plan(sower_tensor *tensor);

/* Writes the elements of a box into `buffer`, in the C order of the box, in the byte order of this machine.
 *
 * The box is start[axis] … stop[axis] - 1 for each axis; NULL for both means the whole tensor (the slice or shard of
 * the request if it has one). Bounds: start <= stop <= the size of the axis. `size` is the size of the buffer in
 * bytes and must be exactly that of the box; `buffer` must be aligned for the element. `threads`: how many
 * threads to use at most; 0: one for each processor that this process may use.
 *
 * The first call for an orthogonal initializer computes its factors, which can take minutes for large matrices;
 * the tensor keeps them until it is closed. After a failure the buffer may be partly written. */
int sower_tensor_fill(sower_tensor *tensor, const uint64_t *start, const uint64_t *stop, void *buffer,
                      size_t size, unsigned threads, struct sower_error *error);

/* The digest of a box: the BLAKE2b-256 of its elements in little-endian order, as `format=raw` sends them. The
 * whole box is never in memory. */
int sower_tensor_digest(sower_tensor *tensor, const uint64_t *start, const uint64_t *stop, unsigned threads,
                        uint8_t digest[SOWER_KEY_SIZE], struct sower_error *error);

/* ---- A model -------------------------------------------------------------------------------------------- */

/* Reads a manifest (SPEC.md, section 14): rules, recipe, formulas and ties are resolved here. */
int sower_tensors_open(sower_tensors **tensors, const char *json, size_t length, struct sower_error *error);
void sower_tensors_close(sower_tensors *tensors); /* NULL: nothing */

void sower_tensors_hash(const sower_tensors *tensors, uint8_t hash[SOWER_KEY_SIZE]);

/* The canonical form, which is a manifest too and has nothing but tensors with all their fields. Stays valid until
 * the manifest is closed. NULL if memory ran out. */
const char *sower_tensors_canonical(sower_tensors *tensors, size_t *length);

/* What the daemon answers to a kept manifest: hash, tensors, bytes, layers, towers, left_out, warnings. A JSON
 * object, valid until the manifest is closed. NULL if memory ran out. */
const char *sower_tensors_summary(sower_tensors *tensors);

size_t sower_tensors_count(const sower_tensors *tensors); /* of tensors, tied ones included */
const char *sower_tensors_name(const sower_tensors *tensors, size_t index);

/* The index of the tensor that this one is the same as; its own index if it is not tied. */
size_t sower_tensors_same_as(const sower_tensors *tensors, size_t index);

/* Opens a tensor of the manifest under an experiment and a trial; a tied tensor is the one that it is the same as.
 * `root` NULL: the public root. The tensor does not depend on the manifest afterwards. */
int sower_tensors_draw(const sower_tensors *tensors, size_t index, const char *experiment, uint64_t trial,
                       const uint8_t *root, sower_tensor **tensor, struct sower_error *error);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
