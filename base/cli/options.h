/* The command line as tables. A row describes an option completely: its names, the type and target
 * of its value, and its help text. Parser and --help read the same rows.
 *
 * A verb lists groups: its own rows, and common ones of base/cli/option_groups.h. Each group has
 * the struct that its rows' offsets refer to; the struct's initial values are the defaults.
 *
 * Grammar: "--name VALUE", "--name=VALUE", "-n VALUE", "-nVALUE", flags in one word ("-qv"), "--"
 * ends the options, "-" is an operand. Options and operands may be mixed. Shortened or unknown
 * names and missing or superfluous values are refused. Values borrow from argv. One thread. */
#ifndef TD_CLI_OPTIONS_H
#define TD_CLI_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/decimal.h"
#include "base/err.h"
#include "base/time_text.h"
#include "base/cli/exit_codes.h"

/* The type of an option's value, and the C type of its target. */
typedef enum option_type {
    OPTION_FLAG,     /* no value; uint8_t becomes 1 */
    OPTION_TEXT,     /* const char *; the last value wins */
    OPTION_LIST,     /* options_list; each value is added */
    OPTION_UINT,     /* uint64_t within [min, max] (max 0: no upper bound) */
    OPTION_DURATION, /* uint64_t ns, a DURATION, bounds as for OPTION_UINT */
    OPTION_SIZE,     /* uint64_t bytes: a whole number and optionally K, KiB, M, MiB, G, GiB, T, TiB
                      * (powers of 1,024) or kB, MB, GB, TB (of 1,000), bounds as for OPTION_UINT */
    OPTION_RANGE,    /* td_decimal_range: a number, or LOW..HIGH */
    OPTION_TIME,     /* options_time, a TIME; +90s only if is_relative */
    OPTION_ENUM,     /* int: index of the value in choices */
} option_type;

/* Kind of the names that completions offer for a value: names in the archive of the command line.
 */
typedef enum option_names {
    OPTION_NAMES_NONE,
    OPTION_NAMES_FEEDS,
    OPTION_NAMES_TOPICS,
    OPTION_NAMES_SYMBOLS,
} option_names;

/* Values of an option that may be repeated. */
enum { OPTIONS_LIST_MAX = 512 };

typedef struct options_list {
    const char *items[OPTIONS_LIST_MAX];
    size_t count;
} options_list;

typedef struct options_time {
    td_time_spec at;
    uint8_t is_given;
} options_time;

typedef struct option_row {
    const char *long_name; /* without the dashes */
    size_t offset;         /* offset of the target in the group's struct */
    const char *metavar;   /* NULL for flags; DIR, FILE, PEM and ARCHIVE complete as paths */
    const char *help;      /* --help wraps it; a line that begins with spaces is a row of a table */
    uint64_t min, max;     /* see OPTION_UINT */
    const char *instead;   /* of a setting that only files have: what replaces its option, for the
                              error; the row is no option and has no help. NULL: an option */
    const char *const *choices; /* OPTION_ENUM: names, then NULL. OPTION_TEXT, OPTION_LIST: names
                                   that completions offer; the verb checks the value */
    option_type type;
    option_names names;  /* archive names that completions offer */
    td_date_edge edge;   /* OPTION_TIME: meaning of a bare date */
    char short_name;     /* 0: no short name */
    uint8_t is_relative; /* OPTION_TIME: may count from the first frame of a selection */
    uint8_t is_operand;  /* OPTION_TEXT, in a verb's first row: the verb's operand also sets the
                            target (options_spec.operands) */
} option_row;

/* Sets a row's target, and its type from the member's type (OPTION_UINT for uint64_t). The literal
 * is not read: it gives the member its type without a null pointer. */
#define OPTION_INTO(of, member)                                                                    \
    .offset = offsetof(of, member),                                                                \
    .type = _Generic(((const of *)(const void *)"")->member,                                       \
        uint8_t: OPTION_FLAG, const char *: OPTION_TEXT, options_list: OPTION_LIST,                \
        uint64_t: OPTION_UINT, td_decimal_range: OPTION_RANGE, options_time: OPTION_TIME,          \
        int: OPTION_ENUM)

typedef struct option_group {
    const char *title; /* heading in --help */
    const option_row *rows;
    size_t row_count;
    void *target; /* the struct that the offsets point into */
} option_group;

enum { OPTIONS_GROUPS_MAX = 12, OPTIONS_STATUSES = EXIT_CODE_FAILED + 1 };

/* A verb's whole command line. */
typedef struct options_spec {
    const char *verb;    /* "cat" */
    const char *summary; /* a sentence or two */
    /* for --help: "[FILE]..."; "[ARCHIVE] NAME" if the first row's operand precedes the verb's own;
     * NULL if the verb has no operands of its own */
    const char *operands;
    size_t operand_min;
    size_t operand_max;
    const option_group *groups;
    size_t group_count;
    const char *examples; /* lines of at most OPTIONS_HELP_COLUMNS - 2: working commands */
    /* Meaning of each exit status; NULL: the verb does not use it. EXIT_CODE_USAGE and
     * EXIT_CODE_FAULT mean the same in all verbs. */
    const char *statuses[OPTIONS_STATUSES];
    uint64_t now_ns; /* wall clock, for TIME values such as now-2h */
    /* Call offer with each name in an archive, for completions; may be NULL. */
    void (*list_names)(const char *archive, option_names names, void (*offer)(const char *name));
} options_spec;

/* The operands of a command line; borrowed from argv. */
typedef struct options_operands {
    const char *const *items;
    size_t count;
} options_operands;

/* Parse argv[1 ...] into the targets. The operands overwrite argv's entries. TD_OK; TD_EOF: --help
 * was given (the rest was not read); TD_E_INVALID with a hint. */
TD_MUST_USE td_result options_parse(const options_spec *spec, int argc, char **argv,
                                    options_operands *operands, td_err *err);

/* Print usage, options, exit statuses and examples, on lines of at most OPTIONS_HELP_COLUMNS. */
enum { OPTIONS_HELP_COLUMNS = 80 };
void options_print_help(const options_spec *spec, FILE *out);

/* Parse the text of a value as its row describes, and set target (address of the struct plus the
 * row's offset). An error (TD_E_INVALID) has the value and the allowed values; the caller adds the
 * option's name. Also used for configuration files, so that they accept the same values as command
 * lines. */
TD_MUST_USE td_result options_set_value(const option_row *row, const char *text, uint64_t now_ns,
                                        void *target, td_err *err);

/* ---- for help and completions ---- */

/* The row of --help, which every verb has implicitly. */
extern const option_row OPTIONS_HELP_ROW;

/* Find a row and its group: by the long name of this length at `name`, or, if length is 0, by the
 * letter at `name`. NULL if absent. */
const option_row *options_find(const options_spec *spec, const char *name, size_t length,
                               const option_group **group);

/* The row that an operand also sets: the only operand of a verb without operands of its own, or an
 * optional operand before the verb's own operands. NULL if the verb has no such row. */
const option_row *options_operand_row(const options_spec *spec);

#endif
