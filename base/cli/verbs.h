/* A program's verbs as one table, which dispatch and the list in --help use. */
#ifndef TD_CLI_VERBS_H
#define TD_CLI_VERBS_H

#include <stddef.h>

#include "base/cli/completions.h"
#include "base/cli/exit_codes.h"
#include "base/cli/options.h"
#include "base/cli/report.h"

/* Context of a verb. */
typedef struct verb_context {
    reporter *report;                  /* the program's; prints the verb's messages */
    const completion_line *completion; /* NULL, or verb_begin only completes this line */
} verb_context;

typedef struct verb_row {
    const char *name;
    const char *summary; /* one line for the list of verbs */
    /* argv[0] is the verb. Prints its own errors; returns the exit status. */
    exit_code (*run)(const verb_context *context, int argc, char **argv);
    const char *program; /* if run is NULL: the program that has the verb, in the same folder */
} verb_row;

/* A verb of earlier versions. */
typedef struct verb_gone {
    const char *name;
    const char *instead; /* the hint when it is given */
} verb_gone;

typedef struct verb_table {
    const char *program;
    const char *summary; /* one or two lines on what the program is for */
    const verb_row *rows;
    size_t row_count;
    const verb_gone *gone; /* may be NULL */
    size_t gone_count;
} verb_table;

/* Run the verb that argv[1] names. Handles --help, --version, --complete WORD...
 * (base/cli/completions.h), and a missing or unknown verb (status 2). First calls
 * io_posix_open_standard; finishes the report at the end. For main() only, as its first call. */
int verbs_main(const verb_table *table, int argc, char **argv);

/* For the run function of a verb that has its own verbs ("tapedeck regress save"). In the table of
 * the own verbs, program is "tapedeck VERB", and no row is a verb of another program. In the
 * options_spec of an own verb, verb is "VERB NAME". Help and completions work as for a program's
 * verbs. */
exit_code verbs_below(const verb_table *table, const verb_context *context, int argc, char **argv);

/* Start of every verb: parse argv, or print help, the error or completions. Returns 1 to continue;
 * 0 to end with *status. */
int verb_begin(const verb_context *context, const options_spec *spec, int argc, char **argv,
               options_operands *operands, exit_code *status);

#endif
