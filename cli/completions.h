/* Completion scripts for bash, zsh and fish, from the verb and option tables that --help and the
 * parser read: a new option completes without another line of code.
 *
 * A program's script completes that program. The script of the front holds those of the programs
 * that it runs for their verbs; these print theirs themselves. */
#ifndef TD_CLI_COMPLETIONS_H
#define TD_CLI_COMPLETIONS_H

#include "cli/verbs.h"

/* The option of every program that prints its script, without the dashes. Its value is a shell. */
#define COMPLETIONS_OPTION "completions"

/* 1 if this word of a command line is the option, alone or with "=SHELL". */
int completions_asked(const char *word);

/* Print the script of the table's program on stdout, for the shell that argv[0], which is the
 * option, or argv[1] names. Runs each verb as far as verb_begin. A shell that is missing or unknown
 * is a usage error; a program that cannot be started, or fails, gives its status. */
exit_code completions_print(const verb_table *table, const verb_context *context, int argc,
                            char **argv);

#endif
