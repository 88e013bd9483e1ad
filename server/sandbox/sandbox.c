#include "server/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/sandbox/filter.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { SANITIZER = 1 };
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZER = 1 };
#else
enum { SANITIZER = 0 };
#endif
#else
enum { SANITIZER = 0 };
#endif

/* From the kernel's header for Landlock. That of Debian 12 has only the first versions. */
enum {
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIRECTORY = 1 << 3,
    REMOVE_FILE = 1 << 5,
    MAKE_FILE = 1 << 8,
    TRUNCATE = 1 << 14,
    OF_FILES = WRITE_FILE | READ_FILE | TRUNCATE,

    BIND_TCP = 1 << 0,
    CONNECT_TCP = 1 << 1,

    ABSTRACT_SOCKETS = 1 << 0,
    SIGNALS = 1 << 1,

    ASK_VERSION = 1 << 0,
    RULE_PATH = 1,
    RULE_PORT = 2,
    /* The versions that brought something. */
    WITH_REFER = 2,
    WITH_TRUNCATE = 3,
    WITH_NETWORK = 4,
    WITH_DEVICES = 5,
    WITH_SCOPES = 6,
};

struct ruleset {
    uint64_t files, network, scopes;
};

struct path_rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

struct port_rule {
    uint64_t allowed, port;
};

/* All kinds of access to files that a version knows. What a ruleset lists here is forbidden without a rule. */
static uint64_t known_accesses(int version)
{
    const int bits = version >= WITH_DEVICES    ? 16
                     : version >= WITH_TRUNCATE ? 15
                     : version >= WITH_REFER    ? 14
                                                : 13;
    return ((uint64_t)1 << bits) - 1;
}

static uint64_t accesses_of(enum sower_sandbox_access access)
{
    switch (access) {
    case SOWER_SANDBOX_READ:
        return READ_FILE | READ_DIRECTORY;
    case SOWER_SANDBOX_WRITE:
        return OF_FILES | READ_DIRECTORY | MAKE_FILE | REMOVE_FILE;
    default:
        return REMOVE_FILE;
    }
}

void sower_sandbox_begin(struct sower_sandbox *sandbox, bool wanted)
{
    const char *notify = getenv("NOTIFY_SOCKET");
    *sandbox = (struct sower_sandbox){.wanted = wanted && !SANITIZER};
    sandbox->abstract_sockets = notify != NULL && notify[0] == '@';
    sower_sandbox_list(sandbox, "/proc/self", SOWER_SANDBOX_READ);
    sower_sandbox_list(sandbox, "/sys/devices/system/cpu", SOWER_SANDBOX_READ);
    sower_sandbox_list(sandbox, "/dev/null", SOWER_SANDBOX_WRITE);
    sower_sandbox_list(sandbox, "/dev/urandom", SOWER_SANDBOX_READ);
}

void sower_sandbox_list(struct sower_sandbox *sandbox, const char *path, enum sower_sandbox_access access)
{
    if (!sandbox->wanted || sandbox->place_count == SOWER_SANDBOX_PLACES) {
        return;
    }
    int directory = open(path, O_PATH | O_CLOEXEC);
    if (directory >= 0) {
        sandbox->places[sandbox->place_count].directory = directory;
        sandbox->places[sandbox->place_count++].access = access;
    }
}

static void list_parent(struct sower_sandbox *sandbox, const char *file, enum sower_sandbox_access access)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(file, '/');
    int length = slash == NULL   ? snprintf(parent, sizeof parent, ".")
                 : slash == file ? snprintf(parent, sizeof parent, "/")
                                 : snprintf(parent, sizeof parent, "%.*s", (int)(slash - file), file);
    if (length > 0 && (size_t)length < sizeof parent) {
        sower_sandbox_list(sandbox, parent, access);
    }
}

void sower_sandbox_list_beside(struct sower_sandbox *sandbox, const char *file,
                               enum sower_sandbox_access access)
{
    char target[PATH_MAX];
    list_parent(sandbox, file, access);
    /* Of a link to a file that does not exist yet, the C library gives the file's path too. */
    if ((realpath(file, target) != NULL || errno == ENOENT) && strcmp(target, file) != 0) {
        list_parent(sandbox, target, access);
    }
}

void sower_sandbox_connect(struct sower_sandbox *sandbox, uint16_t port)
{
    sandbox->connects = true;
    if (port == 0 || sandbox->port_count == SOWER_SANDBOX_PORTS) {
        sandbox->any_port = true;
    } else {
        sandbox->ports[sandbox->port_count++] = port;
    }
}

static int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);
    return version > 0 ? (int)version : 0;
}

/* A kind of access that is in the ruleset is forbidden, except where a rule allows it. */
static struct ruleset ruleset_of(const struct sower_sandbox *sandbox, int version)
{
    struct ruleset ruleset = {.files = known_accesses(version)};
    if (version >= WITH_NETWORK) {
        ruleset.network = sandbox->any_port ? BIND_TCP : BIND_TCP | CONNECT_TCP;
    }
    if (version >= WITH_SCOPES) {
        ruleset.scopes = sandbox->abstract_sockets ? SIGNALS : SIGNALS | ABSTRACT_SOCKETS;
    }
    return ruleset;
}

static void add_rules(const struct sower_sandbox *sandbox, int rules, const struct ruleset *ruleset)
{
    struct stat status;
    for (size_t i = 0; i < sandbox->place_count; i++) {
        struct path_rule rule = {.allowed = accesses_of(sandbox->places[i].access) & ruleset->files,
                                 .parent = sandbox->places[i].directory};
        if (fstat(rule.parent, &status) == 0) {
            rule.allowed &= S_ISDIR(status.st_mode) ? rule.allowed : (uint64_t)OF_FILES;
            (void)syscall(SYS_landlock_add_rule, rules, RULE_PATH, &rule, 0);
        }
    }
    for (size_t i = 0; i < sandbox->port_count && (ruleset->network & CONNECT_TCP) != 0; i++) {
        struct port_rule rule = {.allowed = CONNECT_TCP, .port = sandbox->ports[i]};
        (void)syscall(SYS_landlock_add_rule, rules, RULE_PORT, &rule, 0);
    }
}

/* Returns the version of Landlock that is in force, or 0. */
static int enter_landlock(const struct sower_sandbox *sandbox)
{
    int version = landlock_version();
    if (version == 0) {
        return 0;
    }
    const struct ruleset ruleset = ruleset_of(sandbox, version);
    int rules = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof ruleset, 0);
    if (rules < 0) {
        return 0;
    }
    add_rules(sandbox, rules, &ruleset);
    bool entered = syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    close(rules);
    return entered ? version : 0;
}

/* The first descriptor is that of /proc/self, and stays open: the kernel forgets a process's entry in /proc when
 * nobody uses it, and with it the rule. */
static void close_places(struct sower_sandbox *sandbox)
{
    while (sandbox->place_count > 1) {
        close(sandbox->places[--sandbox->place_count].directory);
    }
}

/* What is missing, in words; "" if nothing is. */
static void describe_missing(int landlock, bool filtered, bool private, char *text, size_t size)
{
    const char *files = landlock == 0             ? "Landlock (files and the network are not confined), "
                        : landlock < WITH_NETWORK ? "Landlock's rules for the network and for signals, "
                        : landlock < WITH_SCOPES  ? "Landlock's rules for signals, "
                                                  : "";
    int length = snprintf(text, size, "%s%s%s", files,
                          filtered ? "" : "seccomp's filter (system calls are not confined), ",
                          private ? "" : "PR_SET_NO_NEW_PRIVS or PR_SET_DUMPABLE, ");
    if (length > 2) {
        text[length - 2] = '\0';
    }
}

static void log_entered(const struct sower_log *log, int landlock, bool filtered, bool private)
{
    struct sower_log_line line;
    char missing[256], sentence[320];
    describe_missing(landlock, filtered, private, missing, sizeof missing);
    snprintf(sentence, sizeof sentence, "The kernel does not have %s.", missing);
    sower_log_begin(&line, log, missing[0] == '\0' ? SOWER_LOG_INFO : SOWER_LOG_WARNING, "sandbox");
    sower_log_number(&line, "landlock", (uint64_t)landlock);
    sower_log_string(&line, "seccomp", filtered ? "yes" : "no");
    sower_log_string(&line, "private", private ? "yes" : "no");
    sower_log_string(&line, "sentence",
                     missing[0] == '\0' ? "The process is confined to what it needs." : sentence);
    sower_log_end(&line);
}

void sower_sandbox_enter(struct sower_sandbox *sandbox, const struct sower_log *log)
{
    const struct rlimit none = {0};
    if (!sandbox->wanted) {
        sower_log_sentence(log, SOWER_LOG_INFO, "sandbox",
                           SANITIZER ? "This build has a sanitizer, so the process is not confined."
                                     : "The process is not confined (--sandbox no).");
        return;
    }
    bool private = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    private = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && private;
    (void)setrlimit(RLIMIT_CORE, &none);
    int landlock = enter_landlock(sandbox);
    close_places(sandbox);
    bool filtered = sower_filter_enter(sandbox->connects);
    log_entered(log, landlock, filtered, private);
}
