#include "server/sandbox/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __x86_64__ || defined __aarch64__

#ifdef __x86_64__
#define MACHINE AUDIT_ARCH_X86_64
#else
#define MACHINE AUDIT_ARCH_AARCH64
#endif

/* Allowed with all arguments. The first ones are frequent: a kernel without a cache of the filter's results compares
 * one after the other. */
static const int allowed[] = {
    SYS_read,
    SYS_write,
    SYS_futex,
    SYS_epoll_pwait,
    SYS_recvfrom,
    SYS_sendto,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_clock_gettime,
    SYS_pread64,
    SYS_pwrite64,
    SYS_fdatasync,
    SYS_fsync,
    SYS_fcntl,
    SYS_ppoll,
    SYS_epoll_ctl,
    SYS_accept4,
    SYS_close,
    SYS_madvise,
    SYS_munmap,
    /* Files; Landlock says which. */
    SYS_openat,
    SYS_readv,
    SYS_writev,
    SYS_preadv,
    SYS_pwritev,
    SYS_lseek,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_statfs,
    SYS_fstatfs,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_getcwd,
    SYS_unlinkat,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fadvise64,
    SYS_flock,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_umask,
    SYS_dup,
    SYS_dup3,
    SYS_pipe2,
    SYS_sendfile,
    /* Waiting and sockets. */
    SYS_epoll_create1,
    SYS_eventfd2,
    SYS_signalfd4,
    SYS_pselect6,
    SYS_accept,
    SYS_shutdown,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_sendmmsg,
    SYS_recvmmsg,
    /* Memory. */
    SYS_brk,
    SYS_mremap,
    SYS_msync,
    SYS_mlock,
    SYS_mlock2,
    SYS_munlock,
    SYS_mincore,
    SYS_membarrier,
    /* Threads, signals, the clock, the process itself. */
    SYS_exit,
    SYS_exit_group,
    SYS_set_robust_list,
    SYS_get_robust_list,
    SYS_set_tid_address,
    SYS_rseq,
    SYS_sched_yield,
    SYS_setpriority,
    SYS_sched_getaffinity,
    SYS_sched_getparam,
    SYS_sched_getscheduler,
    SYS_getcpu,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigpending,
    SYS_rt_sigtimedwait,
    SYS_rt_sigsuspend,
    SYS_sigaltstack,
    SYS_restart_syscall,
    SYS_gettimeofday,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_times,
    SYS_getrusage,
    SYS_sysinfo,
    SYS_uname,
    SYS_getrandom,
    SYS_getpid,
    SYS_getppid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getresuid,
    SYS_getresgid,
    SYS_getgroups,
/* Older forms, which aarch64 does not have. */
#ifdef __x86_64__
    SYS_epoll_wait,
    SYS_epoll_create,
    SYS_poll,
    SYS_select,
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_unlink,
    SYS_chmod,
    SYS_dup2,
    SYS_pipe,
    SYS_eventfd,
    SYS_time,
    SYS_arch_prctl,
    SYS_getrlimit,
    SYS_getpgrp,
#endif
};

/* Allowed for a daemon that opens connections. */
static const int allowed_to_connect[] = {SYS_connect, SYS_bind};

/* Only an attacker makes these calls: they end the process. */
static const int deadly[] = {SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv,
                             SYS_process_vm_writev};

/* Allowed if the bits `mask` of one argument are one of the values; otherwise the call fails with EPERM. */
enum { VALUES = 6, ALL_BITS = -1 };
struct condition {
    int call, argument;
    uint32_t mask;
    size_t count;
    uint32_t values[VALUES];
};

enum { WX = PROT_WRITE | PROT_EXEC, NAMESPACES = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID };

static const struct condition conditions[] = {
    /* Memory is never written and executed. */
    {SYS_mmap, 2, WX, 3, {PROT_NONE, PROT_WRITE, PROT_EXEC}},
    {SYS_mprotect, 2, PROT_EXEC, 1, {0}},
    /* New threads, but no new processes. */
    {SYS_clone, 0, (uint32_t)CLONE_THREAD | NAMESPACES, 1, {CLONE_THREAD}},
    {SYS_prctl, 0, (uint32_t)ALL_BITS, 3, {PR_SET_NAME, PR_GET_NAME, 0x53564d41 /* PR_SET_VMA */}},
    {SYS_ioctl, 1, (uint32_t)ALL_BITS, 3, {FIONBIO, FIONREAD, TCGETS}},
    /* Limits of this process. */
    {SYS_prlimit64, 0, (uint32_t)ALL_BITS, 1, {0}},
};

enum { CAPACITY = 1024 };
struct program {
    struct sock_filter steps[CAPACITY];
    unsigned short count;
};

static void add(struct program *program, unsigned code, unsigned yes, unsigned no, uint32_t operand)
{
    program->steps[program->count++] =
        (struct sock_filter){(uint16_t)code, (uint8_t)yes, (uint8_t)no, operand};
}

static void add_load(struct program *program, size_t offset)
{
    add(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

/* Ends with `result` if the loaded value is equal to `value`. */
static void add_result(struct program *program, uint32_t value, uint32_t result)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
    add(program, BPF_RET | BPF_K, 0, 0, result);
}

static void add_calls(struct program *program, const int *calls, size_t count, uint32_t result)
{
    for (size_t i = 0; i < count; i++) {
        add_result(program, (uint32_t)calls[i], result);
    }
}

/* Both machines are little-endian: the lower half of an argument comes first. The kernel ignores the upper half of
 * these arguments, or the bits in question are in the lower one. */
static void add_condition(struct program *program, const struct condition *condition)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, 0, (unsigned)(3 + 2 * condition->count),
        (uint32_t)condition->call);
    add_load(program, offsetof(struct seccomp_data, args) + (size_t)condition->argument * sizeof(uint64_t));
    add(program, BPF_ALU | BPF_AND | BPF_K, 0, 0, condition->mask);
    for (size_t i = 0; i < condition->count; i++) {
        add_result(program, condition->values[i], SECCOMP_RET_ALLOW);
    }
    add(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM);
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void build(struct program *program, bool connects)
{
    /* Signals go to this process only; getaddrinfo asks the kernel for its addresses by AF_NETLINK. */
    const uint32_t self = (uint32_t)getpid(), all = (uint32_t)ALL_BITS;
    const struct condition more[] = {
        {SYS_tgkill, 0, all, 1, {self}},
        {SYS_kill, 0, all, 1, {self}},
        {SYS_socketpair, 0, all, 1, {AF_UNIX}},
        {SYS_socket, 0, all, connects ? 4 : 1, {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}},
    };
    add_load(program, offsetof(struct seccomp_data, arch));
    add(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, MACHINE);
    add(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
    add_load(program, offsetof(struct seccomp_data, nr));
    add_calls(program, allowed, COUNT(allowed), SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < COUNT(conditions); i++) {
        add_condition(program, &conditions[i]);
    }
    for (size_t i = 0; i < COUNT(more); i++) {
        add_condition(program, &more[i]);
    }
    if (connects) {
        add_calls(program, allowed_to_connect, COUNT(allowed_to_connect), SECCOMP_RET_ALLOW);
    }
    add_calls(program, deadly, COUNT(deadly), SECCOMP_RET_KILL_PROCESS);
    add(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
}

bool sower_filter_enter(bool connects)
{
    struct program program = {.count = 0};
    build(&program, connects);
    const struct sock_fprog filter = {.len = program.count, .filter = program.steps};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0;
}

#else

bool sower_filter_enter(bool connects)
{
    (void)connects;
    return false;
}

#endif
