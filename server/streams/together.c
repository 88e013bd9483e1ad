#include "server/streams/together.h"

#include "server/server.h"

enum { PIECE = 64 * 1024 }; /* bytes that one thread generates at a time: about 20 microseconds */

struct reading {
    const struct sower_tensor_bytes *bytes;
    uint64_t position;
    size_t count;
    uint8_t *buffer;
    _Atomic bool failed;
};

static void read_piece(void *work, size_t index)
{
    struct reading *reading = work;
    size_t start = index * PIECE, left = reading->count - start;
    if (!sower_tensor_bytes_read(reading->bytes, reading->position + start, left < PIECE ? left : PIECE,
                                 reading->buffer + start)) {
        atomic_store(&reading->failed, true);
    }
}

/* With more streams than one for every two CPUs, the threads that send them keep all CPUs busy. */
static bool has_idle_cpus(const struct sower_server *server)
{
    uint64_t streams = atomic_load_explicit(&server->streams, memory_order_relaxed);
    return 2 * streams <= sower_pool_threads(server->pool);
}

bool sower_together_read(const struct sower_server *server, uint64_t client,
                         const struct sower_tensor_bytes *bytes, uint64_t position, size_t count,
                         uint8_t *buffer)
{
    if (count <= PIECE || !has_idle_cpus(server)) {
        return sower_tensor_bytes_read(bytes, position, count, buffer);
    }
    struct reading reading = {.bytes = bytes, .position = position, .count = count, .buffer = buffer};
    struct sower_team team = {server->pool, client, true};
    const struct sower_parallel parallel = sower_team_parallel(&team);
    parallel.run(parallel.executor, read_piece, &reading, (count + PIECE - 1) / PIECE);
    return !atomic_load(&reading.failed);
}
