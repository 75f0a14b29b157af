/* The command line as tables. One row describes an option completely: its names, what
 * its value is, where the value goes, and its help text. Parser and --help read the same
 * rows.
 *
 * A verb lists groups: its own rows, and the common ones of base/cli/option_groups.h; each group
 * comes with the struct that its rows' offsets point into. Defaults are what that struct holds
 * before.
 *
 * Grammar: "--name VALUE", "--name=VALUE", "-n VALUE", "-nVALUE", flags in one word ("-qv"), "--"
 * ends the options, "-" is an operand. Options and operands may be mixed. Nothing is guessed: a
 * shortened or unknown name, a missing or a needless value is refused. Values borrow from argv. One
 * thread. */
#ifndef TD_CLI_OPTIONS_H
#define TD_CLI_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/decimal.h"
#include "base/err.h"
#include "base/time_text.h"
#include "base/cli/exit_codes.h"

/* What an option's value is, and the C type of its target. */
typedef enum option_type {
    OPTION_FLAG,     /* no value; uint8_t becomes 1 */
    OPTION_TEXT,     /* const char *; the last one wins */
    OPTION_LIST,     /* options_list; each one is added */
    OPTION_UINT,     /* uint64_t within [min, max] (max 0: no upper bound) */
    OPTION_DURATION, /* uint64_t ns, a DURATION, bounds as for OPTION_UINT */
    OPTION_SIZE,     /* uint64_t bytes: a whole number and optionally K, KiB, M, MiB, G, GiB, T, TiB
                      * (powers of 1,024) or kB, MB, GB, TB (of 1,000), bounds as for OPTION_UINT */
    OPTION_RANGE,    /* td_decimal_range: a number, or LOW..HIGH */
    OPTION_TIME,     /* options_time, a TIME; +90s only if is_relative */
    OPTION_ENUM,     /* int: index of the value in choices */
} option_type;

/* Names in the archive of the command line that completions offer for a value. */
typedef enum option_names {
    OPTION_NAMES_NONE,
    OPTION_NAMES_FEEDS,
    OPTION_NAMES_TOPICS,
    OPTION_NAMES_SYMBOLS,
} option_names;

/* Values of one option that may be repeated. */
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
    const char *long_name;      /* without the dashes */
    size_t offset;              /* of the target in the group's struct */
    const char *metavar;        /* NULL for flags; DIR, FILE, PEM and ARCHIVE complete as paths */
    const char *help;           /* --help breaks it into lines; one that begins with spaces
                                 * is a row of a table */
    uint64_t min, max;          /* see OPTION_UINT */
    const char *const *choices; /* OPTION_ENUM: names, then NULL. OPTION_TEXT, OPTION_LIST: names
                                 * that completions offer; the verb judges the value */
    option_type type;
    option_names names;  /* in an archive, which completions offer */
    td_date_edge edge;   /* OPTION_TIME: what a bare date means */
    char short_name;     /* 0: none */
    uint8_t is_relative; /* OPTION_TIME: may count from the first frame of a selection */
    uint8_t is_operand;  /* OPTION_TEXT, a verb's first row: also its operand, if it has none of
                          * its own */
} option_row;

/* The target of a row, which also implies its type (of numbers OPTION_UINT). The literal is not
 * read: it gives the member its type without a null pointer. */
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
    /* "[FILE]..." as --help prints it; "[ARCHIVE] NAME": the first row's operand before its own;
     * NULL if it takes none of its own */
    const char *operands;
    size_t operand_min;
    size_t operand_max;
    const option_group *groups;
    size_t group_count;
    const char *examples; /* lines of OPTIONS_HELP_COLUMNS less 2: commands that work */
    /* What each exit status means; NULL: the verb has no such status. EXIT_CODE_USAGE and
     * EXIT_CODE_FAULT mean the same for all. */
    const char *statuses[OPTIONS_STATUSES];
    uint64_t now_ns; /* wall clock, for TIME values such as now-2h */
    /* Offer each of the names in an archive, for completions; NULL: no names. */
    void (*list_names)(const char *archive, option_names names, void (*offer)(const char *name));
} options_spec;

/* The operands of a command line; borrows from argv. */
typedef struct options_operands {
    const char *const *items;
    size_t count;
} options_operands;

/* Read argv[1 ...] into the targets. argv's entries are overwritten by the operands. TD_OK; TD_EOF:
 * --help was given (the rest was not read); TD_E_INVALID with what is wrong, and a hint. */
TD_MUST_USE td_result options_parse(const options_spec *spec, int argc, char **argv,
                                    options_operands *operands, td_err *err);

/* Print usage, options, exit statuses and examples, on lines of at most OPTIONS_HELP_COLUMNS. */
enum { OPTIONS_HELP_COLUMNS = 80 };
void options_print_help(const options_spec *spec, FILE *out);

/* Read the text of one value as the row says, into target (the value's own place: the struct plus
 * the row's offset). TD_E_INVALID has the value and what is allowed; the caller adds the option.
 * For configuration files too, so that both accept the same. */
TD_MUST_USE td_result options_set_value(const option_row *row, const char *text, uint64_t now_ns,
                                        void *target, td_err *err);

/* ---- for help and completions ---- */

/* --help, which every verb has without listing it. */
extern const option_row OPTIONS_HELP_ROW;

/* The row of a long name of that length, or (length 0) of the letter at name, and its group; NULL
 * if absent. */
const option_row *options_find(const options_spec *spec, const char *name, size_t length,
                               const option_group **group);

/* The row that takes the operand of a verb without operands of its own, or the one before them;
 * NULL if absent. */
const option_row *options_operand_row(const options_spec *spec);

#endif
