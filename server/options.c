#include "server/options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/draw.h"
#include "core/edit_distance.h"
#include "proto/version.h"
#include "server/base/connections.h"
#include "server/base/directory.h"

enum kind { TEXT, COUNT, SIZE, MODE, LEVEL, FLAG, ADDRESSES };

static const struct option {
    const char *name;
    enum kind kind;
    size_t offset; /* in struct sower_options */
    const char *fallback;
    uint64_t minimum, maximum;
    const char *value, *help;
} options_table[] = {
#define AT(member) offsetof(struct sower_options, member)
    {"listen", ADDRESSES, AT(listen), "127.0.0.1:7697", 0, 0, "ADDRESS",
     "HOST:PORT ([::1]:7697 for IPv6, port 0 for any free one) or unix:PATH; several: again, or commas"},
    {"socket-mode", MODE, AT(socket_mode), "0660", 0, 0777, "MODE",
     "permissions of Unix sockets, in octal (0660)"},
    {"open", FLAG, AT(open), NULL, 0, 0, "yes|no",
     "listen beyond this machine without --tokens: everybody who reaches the daemon may use it (no)"},
    {"tls-certificate", TEXT, AT(tls_certificate), NULL, 0, 0, "FILE",
     "certificate chain, PEM: all listeners but Unix sockets speak TLS then (none: plain HTTP)"},
    {"tls-key", TEXT, AT(tls_key), NULL, 0, 0, "FILE", "its private key, PEM, without a password"},
    {"tls-client-ca", TEXT, AT(tls_client_ca), NULL, 0, 0, "FILE",
     "accept only clients with a certificate that one of these signed, PEM (none: any client)"},
    {"hosts", TEXT, AT(hosts), NULL, 0, 0, "NAMES",
     "further names to accept in Host, besides localhost, addresses and this machine's; any: all"},
    {"trusted-proxies", TEXT, AT(proxies), NULL, 0, 0, "ADDRESSES",
     "addresses, networks (10.0.0.0/8) and unix, whose X-Forwarded-For or Forwarded is believed (none)"},
    {"state", TEXT, AT(state), NULL, 0, 0, "DIRECTORY",
     "directory of the ledger and the key ($STATE_DIRECTORY, $XDG_STATE_HOME/sower or ~/.local/state/sower)"},
    {"ledger", TEXT, AT(ledger), NULL, 0, 0, "URL",
     "sqlite:PATH, postgresql://USER@HOST/DATABASE (sqlite: and ledger.sqlite in the state directory)"},
    {"ledger-max", SIZE, AT(ledger_max), "0", 0, INT64_MAX, "BYTES",
     "size of the ledger from which on it takes no new lines; 0: no limit (0)"},
    {"ledger-reserve", SIZE, AT(ledger_reserve), "64M", 0, INT64_MAX, "BYTES",
     "space that stays free on the disk of a ledger in SQLite (64M)"},
    {"strict", FLAG, AT(strict), NULL, 0, 0, "yes|no",
     "refuse a tensor that has the name of another draw but not its shape, dtype or initializer (no)"},
    {"root-key-file", TEXT, AT(root_key_file), NULL, 0, 0, "FILE",
     "file with a private root key: 32 bytes or 64 hex digits (none: the public root)"},
    {"tokens", TEXT, AT(tokens), NULL, 0, 0, "FILE",
     "file with the tokens of clients, one per line; read again on SIGHUP (none: everybody may do "
     "everything)"},
    {"threads", COUNT, AT(threads), "0", 0, 1024, "N", "threads that serve connections (0: one per CPU)"},
    {"compute-threads", COUNT, AT(compute_threads), "0", 0, 1024, "N",
     "threads that prepare heavy tensors and help with streams (0: one per CPU)"},
    {"cache-size", SIZE, AT(cache_size), "1G", 0, UINT64_MAX, "BYTES",
     "memory for factors and for preparing them; K, M or G may follow the number (1G)"},
    {"wait-seconds", COUNT, AT(wait_seconds), "30", 1, 86400, "N",
     "how long a heavy tensor may wait for memory (30)"},
    {"answer-cache", SIZE, AT(answer_cache), "16M", 0, SIZE_MAX, "BYTES",
     "memory for cached small responses; 0: none (16M)"},
    {"max-preparation", COUNT, AT(max_preparation), "120", 1, 1 << 30, "N",
     "seconds of one CPU that preparing a tensor may take, by estimate (120)"},
    {"max-orthogonal", COUNT, AT(max_orthogonal), "8192", 1, 1 << 20, "N",
     "the smaller side of the largest orthogonal matrix (8192)"},
    {"connections", COUNT, AT(connections), "1024", 1, 1 << 20, "N",
     "connections open at the same time, at most (1024)"},
    {"connections-per-client", COUNT, AT(per_client), "0", 0, 1 << 20, "N",
     "of these, for one address or IPv6 /64, at most; a proxy needs more (0: half)"},
    {"header-seconds", COUNT, AT(header_seconds), "10", 1, 86400, "N",
     "time limit for receiving the headers of a request (10)"},
    {"request-seconds", COUNT, AT(request_seconds), "60", 1, 86400, "N",
     "time limit for receiving the body of a request (60)"},
    {"idle-seconds", COUNT, AT(idle_seconds), "60", 1, 86400, "N",
     "a connection without traffic for so long is closed (60)"},
    {"lame-duck-seconds", COUNT, AT(lame_duck_seconds), "0", 0, 86400, "N",
     "how long to serve everything after SIGTERM, while /readyz says 503 (0)"},
    {"drain-seconds", COUNT, AT(drain_seconds), "30", 0, 86400, "N",
     "how long responses may continue after SIGTERM (30)"},
    {"queue", COUNT, AT(queue), "8192", 1, 1 << 24, "N",
     "draws that may wait to be recorded, at most (8192)"},
    {"known-draws", COUNT, AT(known_draws), "65536", 8, 1 << 28, "N",
     "recorded draws to keep in memory (65536)"},
    {"sandbox", FLAG, AT(sandbox), "yes", 0, 0, "yes|no",
     "confine the process to what it needs; no: for debuggers (yes)"},
    {"log-level", LEVEL, AT(log_level), "info", 0, 0, "LEVEL", "error, warning, info or debug (info)"},
#undef AT
};

enum { OPTION_COUNT = sizeof options_table / sizeof options_table[0], VARIABLE_SIZE = 64 };

/* "root-key-file" → "SOWERD_ROOT_KEY_FILE" */
static void variable_name(const struct option *option, char name[VARIABLE_SIZE])
{
    int length = snprintf(name, VARIABLE_SIZE, "SOWERD_%s", option->name);
    for (int i = 0; i < length; i++) {
        name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
    }
}

static bool parse_number(const char *text, bool with_unit, uint64_t *number)
{
    if (!isdigit((unsigned char)text[0])) {
        return false;
    }
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    unsigned shift = 0;
    if (with_unit && *end != '\0') {
        shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
        end += shift != 0;
    }
    *number = value << shift;
    return errno == 0 && *end == '\0' && *number >> shift == value;
}

static bool set(struct sower_options *options, const struct option *option, const char *text,
                const char *origin, struct sower_problem *problem)
{
    void *member = (char *)options + option->offset;
    uint64_t number;
    char *end;
    switch (option->kind) {
    case TEXT:
        if (text[0] == '\0') {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, origin, "%s is empty; it takes %s: %s.",
                                     origin, option->value, option->help);
        }
        *(const char **)member = text;
        return true;
    case LEVEL:
        return sower_log_level_parse(text, member) ||
               sower_problem_set(problem, SOWER_PROBLEM_INVALID, origin,
                                 "%s is \"%s\"; it takes error, warning, info or debug.", origin, text);
    case ADDRESSES:
        return sower_addresses_add(member, text, origin, problem);
    case MODE:
        *(uint64_t *)member = strtoul(text, &end, 8);
        return (strspn(text, "01234567") > 0 && *end == '\0' && *(uint64_t *)member <= option->maximum) ||
               sower_problem_set(problem, SOWER_PROBLEM_INVALID, origin,
                                 "%s is \"%s\"; it takes permissions in octal, for example 0660.", origin,
                                 text);
    case FLAG:
        *(bool *)member = strcmp(text, "yes") == 0;
        return *(bool *)member || strcmp(text, "no") == 0 ||
               sower_problem_set(problem, SOWER_PROBLEM_INVALID, origin, "%s is \"%s\"; it takes yes or no.",
                                 origin, text);
    default:
        if (!parse_number(text, option->kind == SIZE, &number) || number < option->minimum ||
            number > option->maximum) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, origin,
                                     "%s is \"%s\"; it takes a whole number from %" PRIu64 " to %" PRIu64
                                     "%s.",
                                     origin, text, option->minimum, option->maximum,
                                     option->kind == SIZE ? ", or one followed by K, M or G" : "");
        }
        *(uint64_t *)member = number;
        return true;
    }
}

static void print_help(FILE *file)
{
    fprintf(file, "Usage: sowerd [--OPTION VALUE]...\n\n"
                  "Serves starting weights of neural networks over HTTP, and records every draw.\n\n");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char usage[64];
        snprintf(usage, sizeof usage, options_table[i].kind == FLAG ? "--%s[=%s]" : "--%s %s",
                 options_table[i].name, options_table[i].value);
        fprintf(file, "  %-26s %s\n", usage, options_table[i].help);
    }
    fprintf(file, "  %-26s %s\n  %-26s %s\n", "--help", "print this text", "--version", "print the version");
    fprintf(file,
            "\nEach option is also an environment variable: --root-key-file is SOWERD_ROOT_KEY_FILE.\n"
            "The command line overrides it. SOWER_KERNEL=portable (avx2, avx512, neon) forces a kernel.\n");
}

static bool read_environment(struct sower_options *options, struct sower_problem *problem)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        char name[VARIABLE_SIZE];
        variable_name(&options_table[i], name);
        const char *text = getenv(name);
        if (text != NULL && options_table[i].kind == ADDRESSES) {
            options->listen.count = 0;
        }
        if (text != NULL && !set(options, &options_table[i], text, name, problem)) {
            return false;
        }
    }
    return true;
}

static const struct option *find(const char *name, size_t length)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (strlen(options_table[i].name) == length && memcmp(options_table[i].name, name, length) == 0) {
            return &options_table[i];
        }
    }
    return NULL;
}

/* Whether an argument is the value of the flag before it; after the last argument there is NULL. */
static bool is_answer(const char *argument)
{
    return argument != NULL && (strcmp(argument, "yes") == 0 || strcmp(argument, "no") == 0);
}

static bool read_arguments(int argc, char **argv, struct sower_options *options,
                           struct sower_problem *problem)
{
    bool listens = false; /* the addresses given here replace those of the environment */
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        size_t length = equals != NULL ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        const struct option *option =
            length > 2 && strncmp(argv[i], "--", 2) == 0 ? find(argv[i] + 2, length - 2) : NULL;
        if (option == NULL) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, argv[i],
                                     "There is no option %s; sowerd --help lists the options.", argv[i]);
        }
        char origin[64];
        snprintf(origin, sizeof origin, "--%s", option->name);
        if (equals == NULL && option->kind == FLAG && !is_answer(argv[i + 1])) { /* means yes */
            *(bool *)((char *)options + option->offset) = true;
            continue;
        }
        if (equals == NULL && i + 1 == argc) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, origin, "%s takes a value, %s: %s.",
                                     origin, option->value, option->help);
        }
        const char *value = equals != NULL ? equals + 1 : argv[++i];
        if (option->kind == ADDRESSES && !listens) {
            options->listen.count = 0;
            listens = true;
        }
        if (!set(options, option, value, origin, problem)) {
            return false;
        }
    }
    return true;
}

/* Whether the options of TLS are complete. */
static bool check_tls(const struct sower_options *options, struct sower_problem *problem)
{
    if ((options->tls_certificate == NULL) != (options->tls_key == NULL)) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID,
                                 options->tls_key == NULL ? "--tls-key" : "--tls-certificate",
                                 "TLS needs both --tls-certificate and --tls-key.");
    }
    return options->tls_client_ca == NULL || options->tls_certificate != NULL ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--tls-client-ca",
                             "--tls-client-ca needs TLS: give --tls-certificate and --tls-key too.");
}

enum sower_options_outcome sower_options_read(int argc, char **argv, struct sower_options *options,
                                              struct sower_problem *problem)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(stdout);
            return SOWER_OPTIONS_DONE;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("sowerd %s, spec %d\n", SOWER_VERSION, SOWER_SPEC);
            return SOWER_OPTIONS_DONE;
        }
    }
    memset(options, 0, sizeof *options);
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (options_table[i].fallback != NULL &&
            !set(options, &options_table[i], options_table[i].fallback, options_table[i].name, problem)) {
            return SOWER_OPTIONS_REFUSED;
        }
    }
    return read_environment(options, problem) && read_arguments(argc, argv, options, problem) &&
                   check_tls(options, problem)
               ? SOWER_OPTIONS_RUN
               : SOWER_OPTIONS_REFUSED;
}

/* Whether Kubernetes sets the variable. It sets such variables in every container for each service; these are
 * of a service whose name begins with "sowerd": SOWERD_SERVICE_HOST, SOWERD_SERVICE_PORT, SOWERD_SERVICE_PORT_HTTP,
 * SOWERD_PORT=tcp://…, SOWERD_PORT_7697_TCP, SOWERD_PORT_7697_TCP_ADDR. */
static bool is_set_by_kubernetes(const char *name, const char *value)
{
    const char *port = strstr(name, "_PORT");
    if (strstr(name, "_SERVICE_HOST") != NULL || strstr(name, "_SERVICE_PORT") != NULL) {
        return true;
    }
    return port != NULL && (port[5] == '\0' ? strstr(value, "://") != NULL
                                            : port[5] == '_' && isdigit((unsigned char)port[6]));
}

static void warn_if_unknown(const struct sower_log *log, const char *name)
{
    enum { PREFIX = sizeof "SOWERD_" - 1 }; /* common to all names: the comparison leaves it out */
    char names[OPTION_COUNT][VARIABLE_SIZE], suggestion[SOWER_SUGGESTION_SIZE], sentence[256];
    struct sower_nearest nearest = {.name = name + PREFIX};
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        variable_name(&options_table[i], names[i]);
        if (strcmp(names[i], name) == 0) {
            return;
        }
        sower_nearest_try(&nearest, names[i] + PREFIX);
    }
    sower_nearest_suggestion(nearest.found != NULL ? nearest.found - PREFIX : NULL, "", "", suggestion);
    snprintf(sentence, sizeof sentence, "The variable %.80s does not belong to an option and has no effect%s",
             name, suggestion);
    sower_log_sentence(log, SOWER_LOG_WARNING, "unknown_variable", sentence);
}

void sower_options_warn(const struct sower_log *log)
{
    for (char **variable = environ; *variable != NULL; variable++) {
        char name[128];
        size_t length = strcspn(*variable, "=");
        snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1),
                 *variable);
        if (strncmp(name, "SOWERD_", 7) == 0 && !is_set_by_kubernetes(name, *variable + length)) {
            warn_if_unknown(log, name);
        }
    }
}

uint64_t sower_options_files(const struct sower_options *options)
{
    enum { SPARE = 64, PER_THREAD = 4 }; /* open files besides connections: in all, and per serving thread */
    const uint64_t pools = options->tls_certificate != NULL ? 2 : 1; /* with TLS and without */
    return 2 * options->connections + SOWER_CONNECTIONS_RESERVE + SPARE +
           PER_THREAD * pools * sower_options_threads(options->threads);
}

uint64_t sower_options_threads(uint64_t given)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return given > 0 ? given : processors > 0 ? (uint64_t)processors : 1;
}

bool sower_options_state(const struct sower_options *options, char *path, size_t size,
                         struct sower_problem *problem)
{
    const char *systemd = getenv("STATE_DIRECTORY"), *state_home = getenv("XDG_STATE_HOME"),
               *home = getenv("HOME");
    int length;
    if (options->state != NULL) {
        length = snprintf(path, size, "%s", options->state);
    } else if (systemd != NULL && systemd[0] != '\0') {
        length = snprintf(path, size, "%.*s", (int)strcspn(systemd, ":"), systemd);
    } else if (state_home != NULL && state_home[0] == '/') {
        length = snprintf(path, size, "%s/sower", state_home);
    } else if (home != NULL && home[0] == '/') {
        length = snprintf(path, size, "%s/.local/state/sower", home);
    } else {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--state",
                                 "There is no home directory for the state; name a directory with --state.");
    }
    if (length <= 0 || (size_t)length >= size) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--state",
                                 "The state directory's path is too long.");
    }
    struct stat status;
    if (!sower_directory_make(path) || stat(path, &status) != 0) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--state",
                                 "The state directory %s cannot be created: %s.", path,
                                 sower_directory_error(errno));
    }
    if (!S_ISDIR(status.st_mode)) {
        return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "--state",
                                 "The state directory %s is not a directory.", path);
    }
    return (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 ||
           sower_problem_set(
               problem, SOWER_PROBLEM_INVALID, "--state",
               "Other users may write to the state directory %s (mode %04o), so they could put a ledger or a "
               "key of their own there. Forbid that (chmod go-w), or name a directory inside it; sowerd "
               "creates it.",
               path, (unsigned)status.st_mode & 07777U);
}
