/* sow token new: makes a token for a client of a daemon, and the line for the daemon's file of tokens. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "client/sow/daemon/report.h"
#include "client/sow/options.h"
#include "proto/hex.h"
#include "proto/text.h"
#include "proto/token.h"

static const struct option_rule TOKEN[] = {
    {"name", 'n', "NAME", "of whoever will use it, for logs and metrics: a-z, 0-9, \".\", \"_\" and \"-\""},
    {"scopes", 's', "WORDS",
     "what it allows, separated by commas: plan, draw, trials, pin, read, export, metrics"},
    {"experiments", 'e', "PATTERNS",
     "for which experiments: names, or beginnings of names and *, separated by commas"},
    {"lines-per-second", 0, "N", "the ledger gets at most N lines a second under this name"},
    {"lines", 0, "N", "the ledger gets at most N lines in all under this name"},
    {"output", 'o', "FILE", "write the token to a new private file, and print only the line"},
    {0},
};

static const struct option_group TOKEN_OPTIONS = {"The token", TOKEN};

static const struct option_group *const GROUPS[] = {&TOKEN_OPTIONS, &options_common, NULL};

static bool check_limit(const struct options *options, const char *name, struct sower_problem *problem)
{
    const char *text = options_value(options, name);
    int64_t number;
    return text == NULL || (sower_text_integer(text, strlen(text), &number) && number >= 1) ||
           sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "--%s takes a whole number from 1 on.",
                             name);
}

/* Checks the values by the rules of the daemon, so that it will accept the line. */
static bool check(const struct options *options, struct sower_problem *problem)
{
    static const char *const needed[] = {"name", "scopes", "experiments"};
    unsigned scopes;
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (options_value(options, needed[i]) == NULL) {
            return sower_problem_set(problem, SOWER_PROBLEM_INVALID, "", "--%s is missing.", needed[i]);
        }
    }
    const char *name = options_value(options, "name"), *words = options_value(options, "scopes");
    return sower_token_name_check(name, strlen(name), problem) &&
           sower_scopes_parse(words, strlen(words), &scopes, problem) &&
           sower_patterns_check(options_value(options, "experiments"), problem) &&
           check_limit(options, "lines-per-second", problem) && check_limit(options, "lines", problem);
}

/* Writes the token to a file that did not exist. */
static enum sow_exit write_token(const struct options *options, const char *path, const char *text)
{
    char line[SOWER_TOKEN_TEXT_LENGTH + 2];
    int length = snprintf(line, sizeof line, "%s\n", text);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file < 0 && errno == EEXIST) {
        sodium_memzero(line, sizeof line);
        return report_failure(options, "%s exists; a token is written to a new file.", path);
    }
    bool written = file >= 0 && write(file, line, (size_t)length) == length && fsync(file) == 0;
    int reason = errno;
    sodium_memzero(line, sizeof line);
    if (file >= 0) {
        close(file);
    }
    if (!written && file >= 0) {
        (void)unlink(path);
    }
    return written ? SOW_DONE : report_write_failure(options, path, reason);
}

static void print_line(const struct options *options, const uint8_t hash[SOWER_TOKEN_HASH_SIZE])
{
    const char *rate = options_value(options, "lines-per-second"), *lines = options_value(options, "lines");
    char hex[SOWER_HEX_SIZE];
    sower_hex_print(hash, hex);
    printf("%s %s %s %s%s%s%s%s\n", options_value(options, "name"), hex, options_value(options, "scopes"),
           options_value(options, "experiments"), rate != NULL ? " lines/s=" : "", rate != NULL ? rate : "",
           lines != NULL ? " lines=" : "", lines != NULL ? lines : "");
}

static enum sow_exit run(const struct options *options)
{
    uint8_t secret[SOWER_TOKEN_SIZE], hash[SOWER_TOKEN_HASH_SIZE];
    char text[SOWER_TOKEN_TEXT_LENGTH + 1];
    const char *output = options_value(options, "output");
    struct sower_problem problem;
    if (!check(options, &problem)) {
        return options_error(options, "%s", problem.sentence);
    }
    randombytes_buf(secret, sizeof secret);
    sower_token_hash(secret, hash);
    sower_token_print(secret, text);
    sodium_memzero(secret, sizeof secret);
    enum sow_exit result = output != NULL ? write_token(options, output, text) : SOW_DONE;
    if (output == NULL) {
        puts(text);
    }
    sodium_memzero(text, sizeof text);
    if (result == SOW_DONE) {
        print_line(options, hash);
    }
    return result;
}

const struct command command_token_new = {
    .name = "token new",
    .summary = "make a token for a client of a daemon",
    .synopsis = "--name NAME --scopes WORDS --experiments PATTERNS [-o FILE]",
    .description = "Makes a random token and prints it, once, and then the line that the daemon's file of "
                   "tokens (sowerd --tokens) "
                   "needs. The line has a hash in place of the token. With -o the token goes to a private "
                   "file, and only the "
                   "line is printed. Send SIGHUP to the daemon after you have added the line. Who has the "
                   "token gives sow its file: "
                   "--token-file FILE or SOW_TOKEN_FILE.",
    .examples = "  sow token new -n ci -s plan,draw,trials -e 'team-a/*' -o ci.token >> /etc/sower/tokens\n"
                "  sow token new -n backup -s read,export -e '*'\n"
                "  sow token new -n sweeps -s draw,trials -e 'sweep-*' --lines-per-second 1000\n",
    .groups = GROUPS,
    .run = run,
};
