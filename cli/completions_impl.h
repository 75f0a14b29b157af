/* Shared by completions.c and its three renderers.
 *
 * A script has, in this order: a prelude that all programs share, a function for each verb of the
 * program, the functions of the programs that it runs for other verbs (front only), and the
 * program's own function. Function names begin with the program's or with "_tapedeck". */
#ifndef TD_CLI_COMPLETIONS_IMPL_H
#define TD_CLI_COMPLETIONS_IMPL_H

#include <stdio.h>

#include "cli/options.h"
#include "cli/verbs.h"

/* How a value is completed. */
typedef enum completion_kind {
    COMPLETION_NOTHING,   /* no value: a flag; of operands: there are none */
    COMPLETION_ANYTHING,  /* no candidates */
    COMPLETION_NAMES,     /* one of the row's choices */
    COMPLETION_NAME_LIST, /* some of them, joined by commas */
    COMPLETION_FOLDER,
    COMPLETION_ARCHIVE, /* a folder or an .mcap file */
    COMPLETION_FILE,
} completion_kind;

/* From a row's type, choices and metavar (LIST, DIR, ARCHIVE, FILE, PEM). */
completion_kind completion_kind_of(const option_row *row);

/* The same of a verb's operands; all operands of a verb are of one kind. */
completion_kind completion_kind_of_operands(const options_spec *spec);

/* All rows of a verb, --help last; returns their number. */
enum { COMPLETION_ROWS_MAX = 128 };
size_t completion_rows(const options_spec *spec, const option_row *rows[COMPLETION_ROWS_MAX]);

/* The rows of the options that a program takes instead of a verb, in this order. */
extern const option_row COMPLETION_PROGRAM_ROWS[];
extern const size_t COMPLETION_PROGRAM_ROW_COUNT;

/* An option's help in one line, without what follows a semicolon outside parentheses. */
enum { COMPLETION_HELP_BYTES = 256 };
void completion_help(const option_row *row, char out[COMPLETION_HELP_BYTES]);

/* Print text; a backslash goes before each character that is in special. */
void completion_put(FILE *out, const char *text, const char *special);

/* Print the names of a NULL-terminated list, or of a table's verbs, with a blank between them. */
void completion_put_choices(FILE *out, const char *const *choices);
void completion_put_verbs(FILE *out, const verb_table *table, const char *separator);

typedef struct completion_shell {
    const char *name;
    void (*prelude)(FILE *out, const verb_table *table);
    void (*verb)(FILE *out, const options_spec *spec);
    void (*program)(FILE *out, const verb_table *table);
} completion_shell;

extern const completion_shell COMPLETION_BASH;
extern const completion_shell COMPLETION_ZSH;
extern const completion_shell COMPLETION_FISH;

#endif
