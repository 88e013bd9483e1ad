#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/server.h"
#include "server/streams/together.h"

enum { COLUMNS = 1000, ROWS = 700, THREADS = 4 };

struct tensor {
    struct sower_source source;
    struct sower_tensor_bytes bytes;
    size_t size;
    uint8_t *expected, *made;
};

static void open_tensor(struct tensor *tensor, enum sower_dtype dtype, enum sower_format format)
{
    static const struct sower_shape shape = {.rank = 2, .sizes = {ROWS, COLUMNS}};
    struct sower_problem problem;
    struct sower_request request = {.format = format, .draw = {.shape = shape, .dtype = dtype}};
    request.region = sower_region_whole(&shape);
    struct sower_plan plan = {.shape = shape, .dtype = dtype};
    assert_true(sower_plan_normal(&plan, 0, 0.02, &problem));
    assert_true(sower_source_open(&tensor->source, &plan, &(struct sower_seed){.bytes = {9}},
                                  &sower_parallel_none, &problem));
    sower_format_body(&request, &tensor->bytes.body);
    tensor->bytes.region = request.region;
    tensor->bytes.source = &tensor->source;
    tensor->size = (size_t)sower_tensor_bytes_size(&tensor->bytes);
    tensor->expected = malloc(tensor->size);
    tensor->made = malloc(tensor->size);
    assert_true(tensor->expected != NULL && tensor->made != NULL);
    assert_true(sower_tensor_bytes_read(&tensor->bytes, 0, tensor->size, tensor->expected));
}

static void close_tensor(struct tensor *tensor)
{
    sower_source_close(&tensor->source);
    free(tensor->expected);
    free(tensor->made);
}

static void read_all(const struct sower_server *server, struct tensor *tensor, size_t step)
{
    memset(tensor->made, 0xa5, tensor->size);
    for (size_t at = 0; at < tensor->size; at += step) {
        size_t count = tensor->size - at < step ? tensor->size - at : step;
        assert_true(sower_together_read(server, 1, &tensor->bytes, at, count, tensor->made + at));
    }
    assert_memory_equal(tensor->made, tensor->expected, tensor->size);
}

static void reading_together_gives_the_same_bytes_as_reading_alone(void **state)
{
    (void)state;
    static const size_t steps[] = {1 << 16, (1 << 16) + 1, 100003, 1 << 20, 2 << 20, SIZE_MAX};
    static const enum sower_dtype dtypes[] = {SOWER_F64, SOWER_F32, SOWER_BF16, SOWER_F8_E5M2};
    struct sower_server server = {.pool = sower_pool_new(THREADS, false), .streams = 1};
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        for (enum sower_format format = SOWER_FORMAT_NPY; format <= SOWER_FORMAT_RAW; format++) {
            struct tensor tensor;
            open_tensor(&tensor, dtypes[i], format);
            for (size_t step = 0; step < sizeof steps / sizeof steps[0]; step++) {
                read_all(&server, &tensor, steps[step] < tensor.size ? steps[step] : tensor.size);
            }
            close_tensor(&tensor);
        }
    }
    sower_pool_free(server.pool);
}

/* Jobs that keep every thread of the pool busy until the test releases them. */
struct holding {
    struct sower_job job;
    pthread_barrier_t *held, *let_go;
};

static void hold(struct sower_job *job)
{
    struct holding *holding = (struct holding *)job;
    pthread_barrier_wait(holding->held);
    pthread_barrier_wait(holding->let_go);
}

static void reading_does_not_wait_for_a_busy_pool(void **state)
{
    (void)state;
    struct sower_server server = {.pool = sower_pool_new(THREADS, false), .streams = 1};
    pthread_barrier_t held, let_go;
    struct holding holdings[THREADS];
    pthread_barrier_init(&held, NULL, THREADS + 1);
    pthread_barrier_init(&let_go, NULL, THREADS + 1);
    for (size_t i = 0; i < THREADS; i++) {
        holdings[i] = (struct holding){{.run = hold}, &held, &let_go};
        sower_pool_submit(server.pool, &holdings[i].job);
    }
    pthread_barrier_wait(&held);
    struct tensor tensor;
    open_tensor(&tensor, SOWER_F32, SOWER_FORMAT_NPY);
    read_all(&server, &tensor, 1 << 20);
    close_tensor(&tensor);
    pthread_barrier_wait(&let_go);
    sower_pool_free(server.pool);
    pthread_barrier_destroy(&held);
    pthread_barrier_destroy(&let_go);
}

static void streams_go_on_when_the_pool_has_stopped(void **state)
{
    (void)state;
    struct sower_server server = {.pool = sower_pool_new(THREADS, false), .streams = 1};
    struct tensor tensor;
    open_tensor(&tensor, SOWER_F32, SOWER_FORMAT_RAW);
    sower_pool_stop(server.pool);
    read_all(&server, &tensor, 1 << 20);
    close_tensor(&tensor);
    sower_pool_free(server.pool);
}

struct reader {
    pthread_t thread;
    const struct sower_server *server;
    struct tensor tensor;
    bool failed;
};

static void *read_many_times(void *context)
{
    struct reader *reader = context;
    for (size_t i = 0; i < 20; i++) {
        reader->failed = !sower_together_read(reader->server, 1, &reader->tensor.bytes, 0,
                                              reader->tensor.size, reader->tensor.made) ||
                         reader->failed;
    }
    return NULL;
}

static void several_streams_share_the_pool(void **state)
{
    (void)state;
    struct sower_server server = {.pool = sower_pool_new(THREADS, false), .streams = THREADS / 2};
    struct reader readers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        readers[i].server = &server;
        readers[i].failed = false;
        open_tensor(&readers[i].tensor, i % 2 == 0 ? SOWER_F32 : SOWER_F16, SOWER_FORMAT_NPY);
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_many_times, &readers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_false(readers[i].failed);
        assert_memory_equal(readers[i].tensor.made, readers[i].tensor.expected, readers[i].tensor.size);
        close_tensor(&readers[i].tensor);
    }
    sower_pool_free(server.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_together_gives_the_same_bytes_as_reading_alone),
        cmocka_unit_test(reading_does_not_wait_for_a_busy_pool),
        cmocka_unit_test(streams_go_on_when_the_pool_has_stopped),
        cmocka_unit_test(several_streams_share_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
