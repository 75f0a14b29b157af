/* A program's verbs as one table: dispatch and the list in --help come from it. */
#ifndef TD_CLI_VERBS_H
#define TD_CLI_VERBS_H

#include <stddef.h>

#include "base/cli/completions.h"
#include "base/cli/exit_codes.h"
#include "base/cli/options.h"
#include "base/cli/report.h"

/* What a verb is given. */
typedef struct verb_context {
    reporter *report;                  /* the program's, for its own lines */
    const completion_line *completing; /* or NULL; verb_begin completes it and does nothing else */
} verb_context;

typedef struct verb_row {
    const char *name;
    const char *summary; /* for the list */
    /* argv[0] is the verb. Returns the exit status; prints for itself. */
    exit_code (*run)(const verb_context *context, int argc, char **argv);
    const char *program; /* run NULL: the program beside this one that has the verb */
} verb_row;

typedef struct verb_table {
    const char *program;
    const char *summary; /* one or two lines on what the program is for */
    const verb_row *rows;
    size_t row_count;
} verb_table;

/* Run the verb that argv[1] names. Handles --help, --version, --complete WORD...
 * (base/cli/completions.h), and a missing or unknown verb (status 2). Opens those
 * of descriptors 0 to 2 that are closed, before anything else is opened; the report is finished
 * when it returns. For main() only, as the first thing it does. */
int verbs_main(const verb_table *table, int argc, char **argv);

/* A verb that has verbs of its own ("tapedeck regress save"): what its run function calls, with
 * their table, which has the program "tapedeck VERB" and no verbs of other programs. Their
 * options_spec has the verb "VERB NAME". Help and completions work as for a program's verbs. */
exit_code verbs_below(const verb_table *table, const verb_context *context, int argc, char **argv);

/* Start of every verb: parse argv, or print help, the error or completions. Returns 1 to
 * continue; 0: end with *status. */
int verb_begin(const verb_context *context, const options_spec *spec, int argc, char **argv,
               options_operands *operands, exit_code *status);

#endif
