/* The HTTP fuzzer: many connections to a running daemon, each of which sends a script (script.h).
 *
 * Usage: driver PORT PID SEED SECONDS [FIRST COUNT]
 *
 * About 200 connections are open at the same time. Oracles: a second client with its own connection repeats its
 * requests all the time and must get the same responses within seconds; the response to a script begins like HTTP;
 * the daemon stays alive; and at the end, when all connections are closed, it has no more descriptors than at the
 * beginning. With FIRST and COUNT only those scripts are sent, to repeat a fault. Exit status 0 with a line of
 * figures, or 1 with the fault and the scripts that were in progress. */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/http/script.h"

enum {
    SLOTS = 200,     /* more than 128, where epoll loops have failed before */
    PATIENCE = 60,   /* seconds for a response to the second client */
    IDLE_MAX = 2000, /* milliseconds until a connection without any progress is closed */
    ASK_EVERY = 100, /* scripts between two requests of the second client */
    RESPONSE_MAX = 64 * 1024,
    RESPONSE_BEGIN = 12, /* "HTTP/1.1 200" */
};

/* A connection that sends a script. */
struct slot {
    int socket; /* -1: free */
    uint64_t number;
    size_t sent, piece;
    uint64_t moved;                 /* time of the last progress, in milliseconds */
    char begin[RESPONSE_BEGIN + 1]; /* of the response */
    size_t received;
    struct script *script;
};

static struct fuzzer {
    uint16_t port;
    pid_t daemon;
    uint64_t seed, next, finished, bytes_sent, given_up, statuses[1000];
    struct slot slots[SLOTS];
    int second; /* the second client's connection */
} fuzzer;

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "%s\nOn their way, of seed %" PRIu64 ":", what, fuzzer.seed);
    for (size_t i = 0; i < SLOTS; i++) {
        if (fuzzer.slots[i].socket >= 0) {
            fprintf(stderr, " %" PRIu64, fuzzer.slots[i].number);
        }
    }
    fprintf(stderr, "; the last one begun was %" PRIu64 ".\n", fuzzer.next);
    exit(1);
}

static int open_connection(int flags)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(fuzzer.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int opened = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), on = 1;
    if (opened < 0) {
        fail("The fuzzer is out of descriptors.");
    }
    setsockopt(opened, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(opened, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
        close(opened);
        return -1;
    }
    return opened;
}

/* The second client: its requests, and the status and body of the first responses. */
static struct question {
    const char *text;
    char response[RESPONSE_MAX];
    size_t length; /* 0: no response yet */
} questions[] = {
    {.text = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"},
    {.text = "GET /v1/tensor?experiment=second&name=w&shape=8,8&init=he_normal HTTP/1.1\r\nHost: "
             "localhost\r\n\r\n"},
    {.text = "POST /v1/plan HTTP/1.1\r\nHost: localhost\r\nContent-Length: 74\r\n\r\n"
             "{\"experiment\":\"second\",\"name\":\"w\",\"shape\":[8,8],\"init\":\"normal(std=0.02)\"}"},
    {.text = "GET /v1/nothing HTTP/1.1\r\nHost: localhost\r\nCookie: a=b\r\n\r\n"},
};

/* Reads one response: the number of bytes of its header and of all of it; false without a response. */
static bool read_answer(char text[RESPONSE_MAX], size_t *head, size_t *length)
{
    size_t received = 0, wanted = SIZE_MAX;
    while (received < wanted) {
        ssize_t count = recv(fuzzer.second, text + received, RESPONSE_MAX - 1 - received, 0);
        if (count <= 0) {
            return false;
        }
        received += (size_t)count;
        text[received] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *announced = strcasestr(text, "\r\nContent-Length:");
        if (wanted == SIZE_MAX && end != NULL) {
            if (announced == NULL || announced > end) {
                return false;
            }
            *head = (size_t)(end - text) + 4;
            wanted = *head + strtoul(announced + strlen("\r\nContent-Length:"), NULL, 10);
        }
    }
    *length = wanted;
    return received == wanted;
}

static bool send_and_read(const struct question *question, char text[RESPONSE_MAX], size_t *head,
                          size_t *length)
{
    const struct timeval patience = {.tv_sec = PATIENCE};
    if (fuzzer.second < 0) {
        fuzzer.second = open_connection(0);
        setsockopt(fuzzer.second, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    return send(fuzzer.second, question->text, strlen(question->text), MSG_NOSIGNAL) >= 0 &&
           read_answer(text, head, length);
}

static void close_second(void)
{
    close(fuzzer.second);
    fuzzer.second = -1;
}

static void ask(struct question *question)
{
    static char text[RESPONSE_MAX];
    size_t head = 0, length = 0;
    const bool kept = fuzzer.second >= 0;
    errno = 0;
    bool answered = send_and_read(question, text, &head, &length);
    /* The daemon may close a connection that was idle for long, but it must not let it wait. */
    if (!answered && kept && errno != EAGAIN) {
        close_second();
        answered = send_and_read(question, text, &head, &length);
    }
    if (!answered) {
        fail("The second client was not answered.");
    }
    /* Of the header only the status, because the header has the time and the number of the request. */
    const size_t status = strlen("HTTP/1.1 200");
    memmove(text + status, text + head, length - head);
    length = length - head + status;
    if (question->length == 0) {
        memcpy(question->response, text, length);
        question->length = length;
    } else if (length != question->length || memcmp(text, question->response, length) != 0) {
        fprintf(stderr, "%s%.*s\nand before\n%.*s\n", question->text, (int)length, text,
                (int)question->length, question->response);
        fail("The second client was answered otherwise than before.");
    }
}

static void ask_all(void)
{
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        ask(&questions[i]);
    }
    if (fuzzer.finished / ASK_EVERY % 8 == 0) { /* alternately on an old connection and on a new one */
        close_second();
    }
}

static void begin(struct slot *slot)
{
    *slot = (struct slot){.number = fuzzer.next++, .moved = now(), .script = slot->script};
    script_make(slot->script, fuzzer.seed, slot->number);
    slot->socket = open_connection(SOCK_NONBLOCK);
    if (slot->socket < 0) {
        fail("The daemon takes no connection.");
    }
}

static void finish(struct slot *slot)
{
    if (slot->received >= RESPONSE_BEGIN) {
        fuzzer.statuses[strtoul(slot->begin + strlen("HTTP/1.1 "), NULL, 10) % 1000]++;
    }
    close(slot->socket);
    slot->socket = -1;
    if (++fuzzer.finished % ASK_EVERY == 0) {
        ask_all();
    }
}

/* All bytes are sent: ends as the script says. True while responses must be read. */
static bool end_sending(const struct slot *slot)
{
    const struct linger reset = {1, 0};
    switch (slot->script->end) {
    case SCRIPT_HALF_CLOSE:
        return shutdown(slot->socket, SHUT_WR) == 0;
    case SCRIPT_WAIT:
        return true;
    case SCRIPT_RESET:
        setsockopt(slot->socket, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        return false;
    case SCRIPT_CLOSE:
        return false;
    }
    return false;
}

/* Both return whether the connection continues. */
static bool send_some(struct slot *slot)
{
    const struct script *script = slot->script;
    size_t wanted = script->pieces[slot->piece] - slot->sent;
    ssize_t count = send(slot->socket, script->bytes + slot->sent, wanted, MSG_NOSIGNAL);
    if (count < 0) {
        return errno == EAGAIN;
    }
    slot->sent += (size_t)count;
    slot->moved = now();
    fuzzer.bytes_sent += (uint64_t)count;
    while (slot->piece < script->piece_count && slot->sent == script->pieces[slot->piece]) {
        slot->piece++;
    }
    return slot->piece < script->piece_count || end_sending(slot);
}

static bool receive_some(struct slot *slot)
{
    static char bytes[64 * 1024];
    ssize_t count = recv(slot->socket, bytes, sizeof bytes, 0);
    if (count <= 0) {
        return count < 0 && errno == EAGAIN;
    }
    for (size_t i = 0; i < (size_t)count && slot->received + i < RESPONSE_BEGIN; i++) {
        slot->begin[slot->received + i] = bytes[i];
    }
    slot->received += (size_t)count;
    slot->moved = now();
    if (slot->received >= RESPONSE_BEGIN && memcmp(slot->begin, "HTTP/1.", 7) != 0) {
        fprintf(stderr, "script %" PRIu64 ": %.12s\n", slot->number, slot->begin);
        fail("A response does not begin like HTTP.");
    }
    return slot->piece < slot->script->piece_count || slot->script->end != SCRIPT_WAIT;
}

static bool move(struct slot *slot, short events)
{
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && !receive_some(slot)) {
        return false;
    }
    return (events & POLLOUT) == 0 || send_some(slot);
}

/* Serves every ready connection once; false when all slots are free. */
static bool step(bool open_more, uint64_t last)
{
    struct pollfd polled[SLOTS];
    bool busy = false;
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &fuzzer.slots[i];
        if (slot->socket < 0 && open_more && fuzzer.next < last) {
            begin(slot);
        }
        bool sending = slot->socket >= 0 && slot->piece < slot->script->piece_count;
        polled[i] = (struct pollfd){slot->socket, (short)(sending ? POLLIN | POLLOUT : POLLIN), 0};
        busy = busy || slot->socket >= 0;
    }
    poll(polled, SLOTS, 100);
    uint64_t time = now();
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &fuzzer.slots[i];
        if (slot->socket >= 0 && polled[i].revents == 0 && time > slot->moved + IDLE_MAX) {
            fuzzer.given_up++;
            finish(slot);
        } else if (slot->socket >= 0 && polled[i].revents != 0 && !move(slot, polled[i].revents)) {
            finish(slot);
        }
    }
    return busy;
}

/* The number of the daemon's open descriptors. */
static size_t count_descriptors(void)
{
    char path[64];
    size_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)fuzzer.daemon);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        fail("The daemon is gone.");
    }
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

/* The daemon's resident memory in KiB. */
static unsigned long memory(void)
{
    char path[64], line[256];
    unsigned long size = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)fuzzer.daemon);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        sscanf(line, "VmRSS: %lu", &size);
    }
    if (file != NULL) {
        fclose(file);
    }
    return size;
}

static void print_figures(uint64_t begun)
{
    printf("%" PRIu64 " scripts, %" PRIu64 " MB in %" PRIu64 " s; first responses", fuzzer.finished,
           fuzzer.bytes_sent / 1000000, (now() - begun) / 1000);
    for (size_t i = 0; i < 1000; i++) {
        if (fuzzer.statuses[i] > 0) {
            printf(" %zu: %" PRIu64, i, fuzzer.statuses[i]);
        }
    }
    printf("; %" PRIu64 " given up; %lu KiB resident, %zu descriptors\n", fuzzer.given_up, memory(),
           count_descriptors());
    fflush(stdout);
}

/* The daemon needs some time to notice closed connections. */
static void check_descriptors(size_t before)
{
    uint64_t begun = now();
    while (count_descriptors() > before) {
        if (now() - begun > PATIENCE * 1000) {
            fail("The daemon holds more descriptors than before.");
        }
        ask_all();
    }
}

int main(int argc, char **argv)
{
    if (argc != 5 && argc != 7) {
        fputs("Usage: driver PORT PID SEED SECONDS [FIRST COUNT]\n", stderr);
        return 2;
    }
    fuzzer.port = (uint16_t)atoi(argv[1]);
    fuzzer.daemon = (pid_t)atoi(argv[2]);
    fuzzer.seed = strtoull(argv[3], NULL, 10);
    fuzzer.next = argc > 5 ? strtoull(argv[5], NULL, 10) : 0;
    fuzzer.second = -1;
    uint64_t last = argc > 5 ? fuzzer.next + strtoull(argv[6], NULL, 10) : UINT64_MAX;
    for (size_t i = 0; i < SLOTS; i++) {
        fuzzer.slots[i] = (struct slot){.socket = -1, .script = malloc(sizeof(struct script))};
        if (fuzzer.slots[i].script == NULL) {
            return 2;
        }
    }
    ask_all();
    ask_all();
    uint64_t begun = now(), stop = begun + strtoull(argv[4], NULL, 10) * 1000, told = begun;
    size_t descriptors = count_descriptors() + (fuzzer.second < 0);
    while (step(now() < stop, last)) {
        if (now() > told + 60000) {
            told = now();
            print_figures(begun);
        }
    }
    ask_all();
    check_descriptors(descriptors);
    print_figures(begun);
    return 0;
}
