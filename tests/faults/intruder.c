/* An intruder, preloaded into a daemon (LD_PRELOAD): code of an attacker that runs in a thread of the daemon, and tries
 * what the sandbox must prevent.
 *
 * The test and the daemon both map a small file (SOWER_INTRUDER names it). The test chooses an attempt there and sends
 * SIGUSR2 to a thread. The handler makes the attempt in this thread and reports the outcome: errno, or 0 if it was
 * possible. The test's side is tests/http/intruder.py. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct intruder {
    _Atomic int64_t attempt; /* enum attempt */
    _Atomic int64_t port;    /* for CONNECT */
    _Atomic int64_t process; /* for SIGNAL */
    _Atomic int64_t outcome;
    _Atomic int64_t count; /* attempts that are complete */
};

/* In the order of tests/http/intruder.py. */
enum attempt {
    READ_FILE,
    CREATE_FILE,
    LIST_DIRECTORY,
    PACKETS,
    CONNECT,
    BIND,
    DATAGRAMS,
    ABSTRACT_SOCKET,
    SIGNAL,
    FORK,
    WRITABLE_CODE,
    CODE_FROM_DATA,
    NAMESPACE,
    RING,
    PROBE_KERNEL,
    DUMPABLE,
    OWN_FILES,
    EXECUTE,
    EXECUTE_FILE,
    TRACE,
    READ_MEMORY,
    HANG, /* no attempt: the thread hangs until the test chooses another */
};

static struct intruder *intruder;
static const char *path;

/* The outcome of a call that returns -1 with errno. */
static int of(long result)
{
    return result < 0 ? errno : 0;
}

static int open_and_close(const char *name, int flags)
{
    int file = open(name, flags | O_CLOEXEC, 0600);
    int outcome = of(file);
    if (file >= 0) {
        close(file);
    }
    return outcome;
}

static int create_file(void)
{
    char name[4096] = "";
    size_t length = 0;
    for (; path[length] != '\0' && length < sizeof name - 5; length++) {
        name[length] = path[length];
    }
    name[length] = '+';
    return open_and_close(name, O_WRONLY | O_CREAT);
}

static int use_socket(int family, int type, int (*use)(int, const struct sockaddr *, socklen_t),
                      uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int file = socket(family, type | SOCK_CLOEXEC, 0);
    int outcome = of(file);
    if (file >= 0 && use != NULL) {
        outcome = of(use(file, (const struct sockaddr *)&address, sizeof address));
    }
    if (file >= 0) {
        close(file);
    }
    return outcome;
}

static int connect_abstract(void)
{
    struct {
        sa_family_t family;
        char name[20];
    } address = {AF_UNIX, "\0sower-intruder"};
    int file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int outcome =
        of(sendto(file, "x", 1, MSG_DONTWAIT, (const struct sockaddr *)&address, sizeof(sa_family_t) + 15));
    close(file);
    return outcome == EAGAIN ? 0 : outcome; /* EAGAIN: it has many messages already */
}

static int fork_child(void)
{
    long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        _exit(0);
    }
    return of(child);
}

static int map_code(int first, int second)
{
    void *mapped = mmap(NULL, 4096, first, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int outcome = mapped == MAP_FAILED ? errno : 0;
    if (outcome == 0 && second != first) {
        outcome = of(mprotect(mapped, 4096, second));
    }
    if (mapped != MAP_FAILED) {
        munmap(mapped, 4096);
    }
    return outcome;
}

static int read_memory(void)
{
    char bytes[16];
    struct iovec to = {bytes, sizeof bytes}, from = {(void *)intruder, sizeof bytes};
    return of(process_vm_readv(getpid(), &to, 1, &from, 1, 0));
}

static int attempt(enum attempt chosen)
{
    static char program[] = "/bin/true";
    static char *arguments[] = {program, NULL}, *environment[] = {NULL};
    switch (chosen) {
    case READ_FILE:
        return open_and_close(path, O_RDONLY);
    case CREATE_FILE:
        return create_file();
    case LIST_DIRECTORY:
        return open_and_close("/", O_RDONLY | O_DIRECTORY);
    case PACKETS:
        return use_socket(AF_PACKET, SOCK_RAW, NULL, 0);
    case CONNECT:
        return use_socket(AF_INET, SOCK_STREAM, connect, (uint16_t)intruder->port);
    case BIND:
        return use_socket(AF_INET, SOCK_STREAM, bind, 0);
    case DATAGRAMS:
        return use_socket(AF_INET, SOCK_DGRAM, NULL, 0);
    case ABSTRACT_SOCKET:
        return connect_abstract();
    case SIGNAL:
        return of(kill((pid_t)intruder->process, 0));
    case FORK:
        return fork_child();
    case WRITABLE_CODE:
        return map_code(PROT_READ | PROT_WRITE | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC);
    case CODE_FROM_DATA:
        return map_code(PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC);
    case NAMESPACE:
        return of(syscall(SYS_unshare, CLONE_FS));
    case RING:
        return of(syscall(SYS_io_uring_setup, 0, NULL)) == ENOSYS ? ENOSYS : 0;
    case PROBE_KERNEL:
        return of(syscall(SYS_keyctl, 0, -3, 0)) == ENOSYS ? ENOSYS : 0;
    case DUMPABLE:
        return of(prctl(PR_SET_DUMPABLE, 1));
    case OWN_FILES:
        return open_and_close("/proc/self/stat", O_RDONLY) | open_and_close("/dev/null", O_WRONLY);
    case EXECUTE:
        return of(execve(program, arguments, environment));
    case EXECUTE_FILE:
        return of(syscall(SYS_execveat, AT_FDCWD, program, arguments, environment, 0));
    case TRACE:
        return of(ptrace(PTRACE_PEEKDATA, getpid(), NULL, NULL)) == ESRCH ? 0 : EPERM;
    case READ_MEMORY:
        return read_memory();
    case HANG:
        while (intruder->attempt == HANG) {
            usleep(1000);
        }
        return 0;
    }
    return EINVAL;
}

static void handle(int number)
{
    int kept = errno;
    (void)number;
    intruder->outcome = attempt((enum attempt)intruder->attempt);
    intruder->count++;
    errno = kept;
}

__attribute__((constructor)) static void enter(void)
{
    const struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    path = getenv("SOWER_INTRUDER");
    int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    void *mapped = mmap(NULL, sizeof *intruder, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    intruder = mapped == MAP_FAILED ? NULL : mapped;
    if (intruder != NULL) {
        sigaction(SIGUSR2, &action, NULL);
    }
}
