/* Completion by bash, zsh and fish, from the option tables that --help and the parser read: a new
 * option completes without another line of code.
 *
 * The shells' scripts are completions.bash, .zsh and .fish beside this file; `make install`
 * installs them. At each completion a script runs "PROGRAM --complete WORD...", where the WORDs are
 * those after the program's name up to the cursor; the last one, perhaps empty, is to be completed.
 * It prints lines of fields with a tab between them:
 *
 *   KIND PREFIX WHAT     first line; PREFIX: the part of the last word that stays as it is, for
 *                        example "--net="; WHAT: the name of what is completed
 *   CANDIDATE HELP       any number of lines; a candidate follows PREFIX; HELP may be missing
 *
 * KIND: "options" ("=" at the end of a candidate: it takes a value), "names", "folders", "archives"
 * (folders and .mcap files), "files" or "none". Paths have no candidates: the shell completes them.
 * All candidates are printed; the shell takes those that match. No shell may evaluate these lines:
 * PREFIX is the user's. Values of --feed, --topic and --symbol are the names in the archive that
 * the line, or TAPEDECK_ARCHIVE, names. */
#ifndef TD_CLI_COMPLETIONS_H
#define TD_CLI_COMPLETIONS_H

#include <stddef.h>

#include "base/cli/options.h"

/* The words to complete. */
typedef struct completion_line {
    char *const *words; /* after the verb's name, if it is given; the last one is completed */
    size_t count;       /* > 0 */
} completion_line;

/* Print candidates, by a verb's options and operands. */
void completions_offer(const completion_line *line, const options_spec *spec);

#endif
