/* sower._native: libsower for Python, as thin as can be.
 *
 * It converts Python's objects to C and back, and releases the GIL around everything that takes time. What users see,
 * and every check with a sentence of its own, is in the Python files beside this one. An error of the library becomes
 * the exception that sower._errors.of_library makes of it.
 *
 * Only CPython's stable ABI of 3.11 is used, which has buffers, so one binary serves every later version. */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <limits.h>
#include <string.h>

#include "client/library/sower.h"

struct state {
    PyObject *of_library; /* sower._errors.of_library */
    PyTypeObject *tensor;
    PyTypeObject *tensors;
};

struct tensor {
    PyObject_HEAD sower_tensor *tensor;
};

struct tensors {
    PyObject_HEAD sower_tensors *tensors;
};

static void *fail(PyObject *module, const struct sower_error *error)
{
    if (error->code == SOWER_NO_MEMORY) {
        return PyErr_NoMemory();
    }
    const struct state *state = PyModule_GetState(module);
    PyObject *field = PyUnicode_DecodeUTF8(error->field, (Py_ssize_t)strlen(error->field), "replace");
    PyObject *sentence =
        PyUnicode_DecodeUTF8(error->sentence, (Py_ssize_t)strlen(error->sentence), "replace");
    if (field != NULL && sentence != NULL) {
        PyObject *exception = PyObject_CallFunction(state->of_library, "iOO", error->code, field, sentence);
        if (exception != NULL) {
            PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
            Py_DECREF(exception);
        }
    }
    Py_XDECREF(field);
    Py_XDECREF(sentence);
    return NULL;
}

static PyObject *module_of(PyObject *self)
{
    return PyType_GetModule(Py_TYPE(self));
}

/* A converter for PyArg_ParseTuple: None becomes NULL; bytes of the size of a key are borrowed. */
static int to_key(PyObject *object, void *result)
{
    const char **key = result;
    if (object == Py_None) {
        *key = NULL;
        return 1;
    }
    char *bytes;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(object, &bytes, &size) != 0) {
        return 0;
    }
    if (size != SOWER_KEY_SIZE) {
        PyErr_Format(PyExc_ValueError, "a root or seed has %d bytes, not %zd", SOWER_KEY_SIZE, size);
        return 0;
    }
    *key = bytes;
    return 1;
}

static PyObject *key_bytes(const uint8_t key[SOWER_KEY_SIZE])
{
    return PyBytes_FromStringAndSize((const char *)key, SOWER_KEY_SIZE);
}

/* Takes the tensor, also if it fails. */
static PyObject *wrap_tensor(PyObject *module, sower_tensor *tensor)
{
    const struct state *state = PyModule_GetState(module);
    struct tensor *self = PyObject_New(struct tensor, state->tensor);
    if (self == NULL) {
        sower_tensor_close(tensor);
        return NULL;
    }
    self->tensor = tensor;
    return (PyObject *)self;
}

/* ---- Tensor --------------------------------------------------------------------------------------------- */

/* The bounds of a box: two tuples of integers, one for each axis, or None twice for the whole tensor. */
struct box {
    uint64_t start[SOWER_AXES_MAX];
    uint64_t stop[SOWER_AXES_MAX];
    int is_whole;
};

static int read_bounds(PyObject *tuple, size_t rank, uint64_t bounds[SOWER_AXES_MAX])
{
    if (!PyTuple_Check(tuple) || rank > SOWER_AXES_MAX || PyTuple_Size(tuple) != (Py_ssize_t)rank) {
        PyErr_SetString(PyExc_ValueError, "the bounds of a box are a tuple with an integer for each axis");
        return -1;
    }
    for (size_t axis = 0; axis < rank; axis++) {
        bounds[axis] = PyLong_AsUnsignedLongLong(PyTuple_GetItem(tuple, (Py_ssize_t)axis));
        if (PyErr_Occurred()) {
            return -1;
        }
    }
    return 0;
}

static int read_box(const sower_tensor *tensor, PyObject *start, PyObject *stop, struct box *box)
{
    box->is_whole = start == Py_None && stop == Py_None;
    if (box->is_whole) {
        return 0;
    }
    size_t rank = sower_tensor_rank(tensor);
    return read_bounds(start, rank, box->start) == 0 ? read_bounds(stop, rank, box->stop) : -1;
}

static PyObject *tensor_fill(PyObject *object, PyObject *arguments)
{
    sower_tensor *tensor = ((struct tensor *)object)->tensor;
    PyObject *target, *start, *stop;
    unsigned threads;
    struct box box;
    if (!PyArg_ParseTuple(arguments, "OOOI", &target, &start, &stop, &threads) ||
        read_box(tensor, start, stop, &box) != 0) {
        return NULL;
    }
    Py_buffer buffer;
    if (PyObject_GetBuffer(target, &buffer, PyBUF_WRITABLE) != 0) {
        return NULL;
    }
    struct sower_error error;
    int code;
    Py_BEGIN_ALLOW_THREADS code =
        sower_tensor_fill(tensor, box.is_whole ? NULL : box.start, box.is_whole ? NULL : box.stop, buffer.buf,
                          (size_t)buffer.len, threads, &error);
    Py_END_ALLOW_THREADS PyBuffer_Release(&buffer);
    if (code != SOWER_OK) {
        return fail(module_of(object), &error);
    }
    Py_RETURN_NONE;
}

static PyObject *tensor_digest(PyObject *object, PyObject *arguments)
{
    sower_tensor *tensor = ((struct tensor *)object)->tensor;
    PyObject *start, *stop;
    unsigned threads;
    struct box box;
    if (!PyArg_ParseTuple(arguments, "OOI", &start, &stop, &threads) ||
        read_box(tensor, start, stop, &box) != 0) {
        return NULL;
    }
    struct sower_error error;
    uint8_t digest[SOWER_KEY_SIZE];
    int code;
    Py_BEGIN_ALLOW_THREADS code = sower_tensor_digest(
        tensor, box.is_whole ? NULL : box.start, box.is_whole ? NULL : box.stop, threads, digest, &error);
    Py_END_ALLOW_THREADS return code == SOWER_OK ? key_bytes(digest) : fail(module_of(object), &error);
}

static PyObject *tensor_plan(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    const char *plan = sower_tensor_plan(((struct tensor *)object)->tensor);
    return plan != NULL ? PyUnicode_FromString(plan) : PyErr_NoMemory();
}

static void tensor_free(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    sower_tensor_close(((struct tensor *)object)->tensor);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyMethodDef tensor_methods[] = {
    {"fill", tensor_fill, METH_VARARGS, "fill(buffer, start, stop, threads): writes the elements of a box."},
    {"digest", tensor_digest, METH_VARARGS, "digest(start, stop, threads): the BLAKE2b-256 of a box."},
    {"plan", tensor_plan, METH_NOARGS, "plan(): what the tensor resolves to, as JSON."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot tensor_slots[] = {
    {Py_tp_dealloc, tensor_free},
    {Py_tp_methods, tensor_methods},
    {0, NULL},
};

static PyType_Spec tensor_spec = {
    .name = "sower._native.Tensor",
    .basicsize = sizeof(struct tensor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tensor_slots,
};

/* ---- Tensors -------------------------------------------------------------------------------------------- */

static PyObject *tensors_hash(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    uint8_t hash[SOWER_KEY_SIZE];
    sower_tensors_hash(((struct tensors *)object)->tensors, hash);
    return key_bytes(hash);
}

static PyObject *tensors_canonical(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    size_t length;
    const char *text = sower_tensors_canonical(((struct tensors *)object)->tensors, &length);
    return text != NULL ? PyUnicode_FromStringAndSize(text, (Py_ssize_t)length) : PyErr_NoMemory();
}

static PyObject *tensors_summary(PyObject *object, PyObject *ignored)
{
    (void)ignored;
    const char *text = sower_tensors_summary(((struct tensors *)object)->tensors);
    return text != NULL ? PyUnicode_FromString(text) : PyErr_NoMemory();
}

static PyObject *tensors_draw(PyObject *object, PyObject *arguments)
{
    const sower_tensors *tensors = ((struct tensors *)object)->tensors;
    Py_ssize_t index;
    const char *experiment;
    unsigned long long trial;
    const uint8_t *root;
    if (!PyArg_ParseTuple(arguments, "nsKO&", &index, &experiment, &trial, to_key, &root)) {
        return NULL;
    }
    if (index < 0 || (size_t)index >= sower_tensors_count(tensors)) {
        PyErr_SetString(PyExc_IndexError, "the manifest has no tensor of this index");
        return NULL;
    }
    struct sower_error error;
    sower_tensor *tensor;
    int code = sower_tensors_draw(tensors, (size_t)index, experiment, trial, root, &tensor, &error);
    return code == SOWER_OK ? wrap_tensor(module_of(object), tensor) : fail(module_of(object), &error);
}

static void tensors_free(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    sower_tensors_close(((struct tensors *)object)->tensors);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyMethodDef tensors_methods[] = {
    {"hash", tensors_hash, METH_NOARGS, "hash(): the manifest's hash, as bytes."},
    {"canonical", tensors_canonical, METH_NOARGS, "canonical(): the canonical form, as JSON."},
    {"summary", tensors_summary, METH_NOARGS,
     "summary(): what the daemon answers to a kept manifest, as JSON."},
    {"draw", tensors_draw, METH_VARARGS,
     "draw(index, experiment, trial, root): opens a tensor of the manifest."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot tensors_slots[] = {
    {Py_tp_dealloc, tensors_free},
    {Py_tp_methods, tensors_methods},
    {0, NULL},
};

static PyType_Spec tensors_spec = {
    .name = "sower._native.Tensors",
    .basicsize = sizeof(struct tensors),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tensors_slots,
};

/* ---- Functions ------------------------------------------------------------------------------------------ */

static PyObject *open_request(PyObject *module, PyObject *arguments)
{
    const char *json;
    Py_ssize_t length;
    const uint8_t *root;
    if (!PyArg_ParseTuple(arguments, "y#O&", &json, &length, to_key, &root)) {
        return NULL;
    }
    struct sower_error error;
    sower_tensor *tensor;
    int code = sower_tensor_open(&tensor, json, (size_t)length, root, &error);
    return code == SOWER_OK ? wrap_tensor(module, tensor) : fail(module, &error);
}

static PyObject *open_line(PyObject *module, PyObject *arguments)
{
    const char *json;
    Py_ssize_t length;
    const uint8_t *root;
    if (!PyArg_ParseTuple(arguments, "y#O&", &json, &length, to_key, &root)) {
        return NULL;
    }
    struct sower_error error;
    sower_tensor *tensor;
    int code = sower_tensor_open_line(&tensor, json, (size_t)length, root, &error);
    return code == SOWER_OK ? wrap_tensor(module, tensor) : fail(module, &error);
}

static PyObject *open_manifest(PyObject *module, PyObject *arguments)
{
    const char *json;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(arguments, "y#", &json, &length)) {
        return NULL;
    }
    struct sower_error error;
    sower_tensors *tensors;
    int code;
    Py_BEGIN_ALLOW_THREADS code = sower_tensors_open(&tensors, json, (size_t)length, &error);
    Py_END_ALLOW_THREADS if (code != SOWER_OK)
    {
        return fail(module, &error);
    }
    const struct state *state = PyModule_GetState(module);
    struct tensors *self = PyObject_New(struct tensors, state->tensors);
    if (self == NULL) {
        sower_tensors_close(tensors);
        return NULL;
    }
    self->tensors = tensors;
    return (PyObject *)self;
}

static PyObject *public_root(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    uint8_t root[SOWER_KEY_SIZE];
    sower_public_root(root);
    return key_bytes(root);
}

static PyObject *root_id(PyObject *module, PyObject *arguments)
{
    (void)module;
    const uint8_t *root;
    if (!PyArg_ParseTuple(arguments, "O&", to_key, &root)) {
        return NULL;
    }
    if (root == NULL) {
        return PyErr_Format(PyExc_TypeError, "root_id needs a root");
    }
    uint8_t id[SOWER_KEY_SIZE];
    sower_root_id(root, id);
    return key_bytes(id);
}

static PyObject *trial_seed(PyObject *module, PyObject *arguments)
{
    const uint8_t *root;
    const char *experiment;
    unsigned long long trial;
    if (!PyArg_ParseTuple(arguments, "O&sK", to_key, &root, &experiment, &trial)) {
        return NULL;
    }
    if (root == NULL) {
        return PyErr_Format(PyExc_TypeError, "trial_seed needs a root");
    }
    struct sower_error error;
    uint8_t seed[SOWER_KEY_SIZE];
    int code = sower_trial_seed(root, experiment, trial, seed, &error);
    return code == SOWER_OK ? key_bytes(seed) : fail(module, &error);
}

static PyObject *purpose_seed(PyObject *module, PyObject *arguments)
{
    const uint8_t *seed;
    const char *purpose;
    if (!PyArg_ParseTuple(arguments, "O&s", to_key, &seed, &purpose)) {
        return NULL;
    }
    if (seed == NULL) {
        return PyErr_Format(PyExc_TypeError, "purpose_seed needs a seed");
    }
    struct sower_error error;
    uint64_t number;
    int code = sower_purpose_seed(seed, purpose, &number, &error);
    return code == SOWER_OK ? PyLong_FromUnsignedLongLong(number) : fail(module, &error);
}

static PyMethodDef functions[] = {
    {"open_request", open_request, METH_VARARGS,
     "open_request(json, root): a Tensor from the fields of a request."},
    {"open_line", open_line, METH_VARARGS, "open_line(json, root): a Tensor from a ledger line."},
    {"open_manifest", open_manifest, METH_VARARGS, "open_manifest(json): the Tensors of a manifest."},
    {"public_root", public_root, METH_NOARGS, "public_root(): the public root, as bytes."},
    {"root_id", root_id, METH_VARARGS, "root_id(root): the id of a root, as bytes."},
    {"trial_seed", trial_seed, METH_VARARGS,
     "trial_seed(root, experiment, trial): the seed of a trial, as bytes."},
    {"purpose_seed", purpose_seed, METH_VARARGS, "purpose_seed(seed, purpose): a number below 2^64."},
    {NULL, NULL, 0, NULL},
};

/* ---- The module ----------------------------------------------------------------------------------------- */

static int execute(PyObject *module)
{
    struct state *state = PyModule_GetState(module);
    struct sower_error error;
    PyObject *errors = PyImport_ImportModule("sower._errors");
    if (errors == NULL) {
        return -1;
    }
    state->of_library = PyObject_GetAttrString(errors, "of_library");
    Py_DECREF(errors);
    if (state->of_library == NULL) {
        return -1;
    }
    if (sower_start(&error) != SOWER_OK) {
        fail(module, &error);
        return -1;
    }
    state->tensor = (PyTypeObject *)PyType_FromModuleAndSpec(module, &tensor_spec, NULL);
    state->tensors = (PyTypeObject *)PyType_FromModuleAndSpec(module, &tensors_spec, NULL);
    if (state->tensor == NULL || state->tensors == NULL || PyModule_AddType(module, state->tensor) != 0 ||
        PyModule_AddType(module, state->tensors) != 0) {
        return -1;
    }
    return PyModule_AddStringConstant(module, "version", sower_version()) == 0 &&
                   PyModule_AddStringConstant(module, "kernel", sower_kernel_name()) == 0 &&
                   PyModule_AddIntConstant(module, "spec", sower_spec()) == 0
               ? 0
               : -1;
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    const struct state *state = PyModule_GetState(module);
    Py_VISIT(state->of_library);
    Py_VISIT(state->tensor);
    Py_VISIT(state->tensors);
    return 0;
}

static int clear(PyObject *module)
{
    struct state *state = PyModule_GetState(module);
    Py_CLEAR(state->of_library);
    Py_CLEAR(state->tensor);
    Py_CLEAR(state->tensors);
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "sower._native",
    .m_doc = "libsower. Use the package sower instead.",
    .m_size = sizeof(struct state),
    .m_methods = functions,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
};

PyMODINIT_FUNC PyInit__native(void);

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&definition);
}
