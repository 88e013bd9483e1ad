/* Completions for shells: what may stand at the end of an unfinished command line.
 *
 * The scripts in client/sow/completions call `sow complete WORD...` with the words after "sow"; the last one is unfinished and may
 * be empty. Each candidate is a line: the whole word, a tab, and a few words about it, which may be empty. The candidates are
 * read from the tables that the parser uses: option groups, initializers, recipes, dtypes. So they cannot differ from what sow
 * accepts. The one line ":file" means that the word is a file's name, which the shell knows how to complete. */
#ifndef SOWER_CLIENT_SOW_COMPLETION_H
#define SOWER_CLIENT_SOW_COMPLETION_H

#include <stddef.h>
#include <stdio.h>

#include "client/sow/command.h"

/* Candidates for the first word. */
void completion_first(const struct command *const *commands, size_t count, const char *word, FILE *file);

/* Candidates for the second word of commands whose names have two: "ledger head". */
void completion_second(const struct command *const *commands, size_t count, const char *first,
                       const char *word, FILE *file);

/* Candidates for the last of the words after the command's name; count is at least 1. */
void completion_words(const struct command *command, int count, char **words, FILE *file);

#endif
