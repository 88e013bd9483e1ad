/* Headers of safetensors files. An input is the size of the file's data (8 bytes, little-endian) and the
 * header. Oracles: a header that is written from the tensors reads back as the same tensors; a list of the tensors is made
 * only of headers that can be read, and each tensor of it is inside the data. */
#include "proto/safetensors_read.h"
#include "tests/fuzz/fuzz.h"

enum { DATA_SIZE_BYTES = 8 };

static uint64_t little_endian(const uint8_t bytes[8])
{
    uint64_t number = 0;
    for (size_t i = 8; i-- > 0;) {
        number = number << 8 | bytes[i];
    }
    return number;
}

static bool read(const char *header, size_t length, uint64_t data_size, struct sower_buffer *tensors)
{
    struct sower_problem problem;
    json_t *left_out = json_array();
    bool read = sower_safetensors_read(header, length, data_size, tensors, left_out, &problem);
    if (!read) {
        check_refusal(&problem);
    }
    json_decref(left_out);
    return read;
}

static const char *name_of(const json_t *tensor)
{
    return json_string_value(json_object_get(tensor, "name"));
}

/* Writes the tensor after the previous ones; returns the end of its bytes. */
static uint64_t write(struct sower_buffer *file, const json_t *tensor, uint64_t start)
{
    enum sower_dtype dtype;
    struct sower_shape shape = {.rank = json_array_size(json_object_get(tensor, "shape"))};
    MUST(sower_dtype_parse(json_string_value(json_object_get(tensor, "dtype")), &dtype));
    uint64_t stop = sower_dtype_size(dtype);
    for (size_t axis = 0; axis < shape.rank; axis++) {
        json_t *size = json_array_get(json_object_get(tensor, "shape"), axis);
        shape.sizes[axis] = (uint64_t)json_integer_value(size);
        stop *= shape.sizes[axis]; /* below 2^61, else its offsets would not fit */
    }
    stop += start;
    sower_safetensors_tensor(file, name_of(tensor), dtype, &shape, start, stop);
    return stop;
}

static void check_written_again(const struct sower_buffer *tensors)
{
    struct sower_buffer array = {0}, file = {0}, again = {0};
    struct sower_problem problem;
    size_t length;
    uint64_t stop = 0;
    sower_buffer_text(&array, "[");
    sower_buffer_bytes(&array, tensors->text, tensors->length);
    sower_buffer_text(&array, "]");
    json_t *list = json_loadb(array.text, array.length, 0, NULL);
    MUST(list != NULL);
    sower_safetensors_open(&file);
    sower_safetensors_metadata(&file, "format", "pt");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *other = json_string_value(json_object_get(json_array_get(list, i), "same_as"));
        if (other != NULL) {
            sower_safetensors_metadata(&file, name_of(json_array_get(list, i)), other);
        }
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_object_get(json_array_get(list, i), "same_as") == NULL) {
            stop = write(&file, json_array_get(list, i), stop);
        }
    }
    sower_safetensors_close(&file);
    MUST(!file.failed && sower_safetensors_length((uint8_t *)file.text, file.length, &length, &problem));
    MUST(length + SOWER_SAFETENSORS_LENGTH_SIZE == file.length && file.length % 8 == 0);
    MUST(read(file.text + SOWER_SAFETENSORS_LENGTH_SIZE, length, stop, &again));
    MUST(again.length == tensors->length && memcmp(again.text, tensors->text, again.length) == 0);
    json_decref(list);
    sower_buffer_free(&array);
    sower_buffer_free(&file);
    sower_buffer_free(&again);
}

static void check_list(const char *header, size_t length, uint64_t data_size, bool is_read)
{
    struct sower_safetensors_entries entries;
    struct sower_problem problem;
    const bool listed = sower_safetensors_list(header, length, data_size, &entries, &problem);
    MUST(is_read || !listed);
    if (!listed) {
        check_refusal(&problem);
    }
    for (size_t i = 0; listed && i < entries.count; i++) {
        const struct sower_safetensors_entry *entry = &entries.all[i];
        MUST(entry->start <= entry->stop && entry->stop <= data_size);
        MUST(sower_safetensors_find(&entries, entry->name) == entry);
    }
    sower_safetensors_free(&entries);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < DATA_SIZE_BYTES) {
        return 0;
    }
    struct sower_buffer tensors = {0};
    const char *header = (const char *)bytes + DATA_SIZE_BYTES;
    const bool is_read = read(header, size - DATA_SIZE_BYTES, little_endian(bytes), &tensors);
    check_list(header, size - DATA_SIZE_BYTES, little_endian(bytes), is_read);
    if (is_read && tensors.length > 0) {
        check_written_again(&tensors);
    }
    sower_buffer_free(&tensors);
    return 0;
}
