/* Completion in bash, zsh and fish, from the option tables that --help and the parser read: a new
 * option completes without further code.
 *
 * The shells' scripts are completions.bash, .zsh and .fish in this folder; `make install` installs
 * them. At each completion a script runs "PROGRAM --complete WORD..." with the words after the
 * program's name up to the cursor; the last one, perhaps empty, is to be completed. The program
 * prints lines of tab-separated fields:
 *
 *   KIND PREFIX WHAT     first line; PREFIX: the part of the last word that stays as it is, for
 *                        example "--net="; WHAT: the name of what is completed
 *   CANDIDATE HELP       any number of lines; a candidate follows PREFIX; HELP may be missing
 *
 * KIND: "options" (a candidate with "=" at its end takes a value), "names", "folders", "archives"
 * (folders and .mcap files), "files" or "none". For paths there are no candidates: the shell
 * completes them. All candidates are printed; the shell selects the matching ones. No shell may
 * evaluate these lines: PREFIX is user input. Values of --feed, --topic and --symbol are names in
 * the archive given on the line or by TAPEDECK_ARCHIVE. */
#ifndef TD_CLI_COMPLETIONS_H
#define TD_CLI_COMPLETIONS_H

#include <stddef.h>

#include "base/cli/options.h"

/* The words to complete. */
typedef struct completion_line {
    char *const *words; /* after the verb's name, if present; the last one is completed */
    size_t count;       /* > 0 */
} completion_line;

/* Print candidates from a verb's options and operands. */
void completions_offer(const completion_line *line, const options_spec *spec);

#endif
