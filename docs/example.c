/* Makes a box of a tensor, on all processors, and prints the tensor's seed, the digest of the box and its first
 * bytes.
 *
 *     cc -o example example.c $(pkg-config --cflags --libs sower)
 *     ./example '{"experiment":"exp-42","name":"w","shape":[4096,1024],"init":"he_normal"}' */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sower.h>

static void print(const char *what, const uint8_t *bytes, size_t count)
{
    printf("%s ", what);
    for (size_t i = 0; i < count; i++) {
        printf("%02x", bytes[i]);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    struct sower_error error = {0};
    sower_tensor *tensor = NULL;
    uint64_t start[SOWER_AXES_MAX] = {0}, stop[SOWER_AXES_MAX], count = 1;
    uint8_t key[SOWER_KEY_SIZE];
    if (argc != 2 || sower_tensor_open(&tensor, argv[1], strlen(argv[1]), NULL, &error) != SOWER_OK) {
        fprintf(stderr, "%s %s\n", error.field, argc == 2 ? error.sentence : "usage: example REQUEST");
        return 2;
    }
    for (size_t axis = 0; axis < sower_tensor_rank(tensor); axis++) { /* the first half of each axis */
        stop[axis] = (sower_tensor_size(tensor, axis) + 1) / 2;
        count *= stop[axis];
    }
    size_t size = (size_t)count * sower_tensor_element_size(tensor);
    void *elements = malloc(size > 0 ? size : 1);
    if (elements == NULL || sower_tensor_fill(tensor, start, stop, elements, size, 0, &error) != SOWER_OK ||
        sower_tensor_digest(tensor, start, stop, 0, key, &error) != SOWER_OK) {
        fprintf(stderr, "%s\n", elements != NULL ? error.sentence : "out of memory");
        return 1;
    }
    print("digest", key, sizeof key);
    sower_tensor_seed(tensor, key);
    print("seed", key, sizeof key);
    print("first", elements, size < 16 ? size : 16);
    free(elements);
    sower_tensor_close(tensor);
    return 0;
}
