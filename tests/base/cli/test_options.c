/* The option parser, against the grammar in docs/design.md ("Common grammar") and
 * base/cli/options.h: expected values are written from these texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/workers.h"
#include "base/cli/option_groups.h"
#include "base/cli/options.h"

typedef struct own_options {
    uint64_t limit;
    uint64_t wait_ns;
    uint64_t bytes;
    int speed;
    options_time at;
    uint8_t is_dry;
} own_options;

static const char *const SPEEDS[] = {"slow", "fast", NULL};

static const option_row OWN_ROWS[] = {
    {.short_name = 'n',
     .long_name = "limit",
     .type = OPTION_UINT,
     .offset = offsetof(own_options, limit),
     .metavar = "N",
     .help = "at most N frames",
     .min = 1,
     .max = 1000},
    {.long_name = "wait",
     .type = OPTION_DURATION,
     .offset = offsetof(own_options, wait_ns),
     .metavar = "DURATION",
     .help = "how long",
     .min = 1000000},
    {.long_name = "bytes",
     .type = OPTION_SIZE,
     .offset = offsetof(own_options, bytes),
     .metavar = "SIZE",
     .help = "how much"},
    {.long_name = "pace",
     .type = OPTION_ENUM,
     .offset = offsetof(own_options, speed),
     .metavar = "PACE",
     .help = "how fast",
     .choices = SPEEDS},
    {.long_name = "at",
     .type = OPTION_TIME,
     .offset = offsetof(own_options, at),
     .metavar = "TIME",
     .help = "when"},
    {.long_name = "weight",
     .type = OPTION_UINT,
     .offset = offsetof(own_options, limit),
     .metavar = "N",
     .instead = "set weight in a file"},
    {.long_name = "dry-run",
     .type = OPTION_FLAG,
     .offset = offsetof(own_options, is_dry),
     .help = "change nothing"},
};

/* A verb with every group; one per test, so that targets start empty. */
typedef struct fixture {
    own_options own;
    archive_choice archive;
    selection_options selection;
    threads_options threads;
    json_options json;
    verbosity_options verbosity;
    entry_options entries;
    option_group groups[7];
    options_spec spec;
    options_operands operands;
    td_err err;
} fixture;

static void fixture_init(fixture *f)
{
    memset(f, 0, sizeof *f);
    f->groups[0] = option_group_archive(&f->archive);
    f->groups[1] = (option_group){"Own", OWN_ROWS, sizeof OWN_ROWS / sizeof OWN_ROWS[0], &f->own};
    f->groups[2] = option_group_selection(&f->selection);
    f->groups[3] = option_group_threads(&f->threads);
    f->groups[4] = option_group_json(&f->json);
    f->groups[5] = option_group_verbosity(&f->verbosity);
    f->groups[6] = option_group_entries(&f->entries);
    /* now: 2026-11-20T06:00:00Z, so that relative times can be checked */
    f->spec = (options_spec){.verb = "cat",
                             .summary = "Print frames.",
                             .operands = "[FILE]...",
                             .operand_max = 3,
                             .statuses = {"done", [EXIT_CODE_FAILED] = "nothing is selected"},
                             .groups = f->groups,
                             .group_count = 7,
                             .examples = "tapedeck cat -a DIR --topic trade",
                             .now_ns = UINT64_C(1795154400000000000)};
    td_err_clear(&f->err);
}

enum { WORDS_MAX = 40 };

/* Splits a line at blanks and parses it; "~" is an empty word. */
static td_result parse_line(fixture *f, char *line)
{
    static char *words[WORDS_MAX];
    static char verb[] = "cat";
    int count = 0;
    char *state = NULL;
    words[count++] = verb;
    for (char *w = strtok_r(line, " ", &state); w != NULL; w = strtok_r(NULL, " ", &state)) {
        assert_true(count < WORDS_MAX - 1);
        if (w[0] == '~')
            w[0] = '\0';
        words[count++] = w;
    }
    words[count] = NULL;
    return options_parse(&f->spec, count, words, &f->operands, &f->err);
}

static void test_values(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f);
    char line[] = "-n 7 --wait=1.5s one --bytes 64MiB --pace fast -qv --dry-run -a /x -j4 "
                  "--price 1.50 --topic trade --topic=order* --symbol BTCUSD -- --not-an-option -";
    assert_int_equal(parse_line(&f, line), TD_OK);
    assert_int_equal(f.own.limit, 7);
    assert_int_equal(f.own.wait_ns, 1500000000);
    assert_int_equal(f.own.bytes, 67108864);
    assert_int_equal(f.own.speed, 1);
    assert_int_equal(f.own.is_dry, 1);
    assert_int_equal(f.entries.price.low.mantissa, 150);
    assert_true(entry_options_are_given(&f.entries));
    assert_int_equal(f.verbosity.is_quiet, 1);
    assert_int_equal(f.verbosity.is_verbose, 1);
    assert_string_equal(f.archive.path, "/x");
    assert_int_equal(threads_options_count(&f.threads), 4);
    assert_int_equal(f.selection.topics.count, 2);
    assert_string_equal(f.selection.topics.items[0], "trade");
    assert_string_equal(f.selection.topics.items[1], "order*");
    assert_int_equal(f.selection.symbols.count, 1);
    assert_int_equal(f.selection.feeds.count, 0);
    assert_int_equal(f.operands.count, 3);
    assert_string_equal(f.operands.items[0], "one");
    assert_string_equal(f.operands.items[1], "--not-an-option");
    assert_string_equal(f.operands.items[2], "-");
}

/* Operands keep their order, wherever options are between them. */
static void test_operands_keep_order(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f);
    char line[] = "a -n 1 b --pace slow -q c";
    assert_int_equal(parse_line(&f, line), TD_OK);
    assert_int_equal(f.operands.count, 3);
    assert_string_equal(f.operands.items[0], "a");
    assert_string_equal(f.operands.items[1], "b");
    assert_string_equal(f.operands.items[2], "c");
    assert_int_equal(f.own.limit, 1);
}

/* A date alone in --to is the end of that day; +90s counts from the first frame, now-2h from now.
 */
static void test_times(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f);
    char dates[] = "--from 2021-04-17 --to 2021-04-17";
    assert_int_equal(parse_line(&f, dates), TD_OK);
    assert_true(f.selection.from.is_given);
    assert_int_equal(f.selection.from.at.ns, UINT64_C(1618617600000000000));
    assert_int_equal(f.selection.to.at.ns, UINT64_C(1618704000000000000));
    fixture_init(&f);
    char relative[] = "--from +90s --to now-2h";
    assert_int_equal(parse_line(&f, relative), TD_OK);
    assert_int_equal(f.selection.from.at.kind, TD_TIME_SINCE_FIRST);
    assert_int_equal(f.selection.from.at.ns, UINT64_C(90000000000));
    assert_int_equal(f.selection.to.at.ns, UINT64_C(1795147200000000000));
}

typedef struct refusal_row {
    const char *name;
    const char *line;
    const char *text; /* contained in the error */
    const char *hint; /* contained in the hint; NULL: any hint */
} refusal_row;

static const refusal_row REFUSALS[] = {
    {"unknown long", "--nonsense", "unknown option --nonsense", "--help"},
    {"near miss", "--symbols X", "unknown option --symbols", "did you mean --symbol?"},
    {"shortened name", "--arch x", "unknown option --arch", "--archive"},
    {"unknown short", "-x", "unknown option -x", "--help"},
    {"beginning of a long one", "-w 5s", "unknown option -w", "did you mean --wait?"},
    {"setting of files", "--weight 5", "unknown option --weight", "set weight in a file"},
    {"setting of files, with a value", "--weight=5", "unknown option --weight", "set weight in"},
    {"near a setting of files", "--weigh 5", "unknown option --weigh", "--help"},
    {"near choice", "--pace fas", "not one of slow, fast", "did you mean 'fast'?"},
    {"missing value", "--topic", "--topic needs a value", "--help"},
    {"missing short value", "-q -n", "--limit needs a value", "--help"},
    {"needless value", "--dry-run=yes", "--dry-run takes no value", NULL},
    {"empty value", "--topic ~", "--topic: the value is empty", NULL},
    {"not a number", "-n seven", "--limit: 'seven' is not a whole number", NULL},
    {"negative", "-n -7", "--limit: '-7' is not a whole number", NULL},
    {"too large for 64 bits", "-n 99999999999999999999", "not a whole number", NULL},
    {"relative time", "--at +90s", "--at: '+90s' counts from the first frame", "a date"},
    {"below the bound", "-n 0", "--limit: '0' is not in the range 1 to 1000", NULL},
    {"above the bound", "-n 1001", "not in the range 1 to 1000", NULL},
    {"duration without unit", "--wait 5", "--wait", NULL},
    {"duration below the bound", "--wait 5us", "--wait: '5us' is below 1 ms", NULL},
    {"size with odd unit", "--bytes 5mb", "'5mb' is not a size", NULL},
    {"size overflows", "--bytes 99999999999TiB", "is not a size", NULL},
    {"not a choice", "--pace medium", "--pace: 'medium' is not one of slow, fast", NULL},
    {"no range", "--price 10..x", "--price: '10..x' is not a number or a range", NULL},
    {"bad time", "--from tomorrow", "--from", NULL},
    {"threads 0", "-j 0", "--threads: '0' is not in the range 1 to 64", NULL},
    {"too many operands", "a b c d", "unexpected argument 'd'", "--help"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof REFUSALS / sizeof REFUSALS[0]; i++) {
        const refusal_row *row = &REFUSALS[i];
        fixture f;
        fixture_init(&f);
        char line[128];
        snprintf(line, sizeof line, "%s", row->line);
        td_result rc = parse_line(&f, line);
        if (rc != TD_E_INVALID || strstr(f.err.text, row->text) == NULL ||
            (row->hint != NULL && strstr(f.err.hint, row->hint) == NULL))
            fail_msg("%s: result %d, text '%s', hint '%s'", row->name, rc, f.err.text, f.err.hint);
    }
}

static void test_list_is_bounded(void **state)
{
    (void)state;
    options_list list = {.count = OPTIONS_LIST_MAX};
    option_row row = {.long_name = "symbol", .type = OPTION_LIST, .metavar = "GLOB", .help = ""};
    td_err err;
    assert_int_equal(options_set_value(&row, "X", 0, &list, &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "more than 512 values"));
    assert_int_equal(list.count, OPTIONS_LIST_MAX);
}

static void test_missing_operand(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f);
    f.spec.operand_min = 1;
    char line[] = "-q";
    assert_int_equal(parse_line(&f, line), TD_E_INVALID);
    assert_non_null(strstr(f.err.text, "missing argument: [FILE]..."));
}

static void test_environment(void **state)
{
    (void)state;
    fixture f;
    const char *path = NULL;
    unsetenv("TAPEDECK_ARCHIVE");
    fixture_init(&f);
    char none[] = "-q";
    assert_int_equal(parse_line(&f, none), TD_OK);
    assert_int_equal(archive_choice_require(&f.archive, &path, &f.err), TD_E_INVALID);
    assert_non_null(strstr(f.err.hint, "TAPEDECK_ARCHIVE"));

    setenv("TAPEDECK_ARCHIVE", "/from/environment", 1);
    fixture_init(&f);
    char again[] = "-q";
    assert_int_equal(parse_line(&f, again), TD_OK);
    assert_int_equal(archive_choice_require(&f.archive, &path, &f.err), TD_OK);
    assert_string_equal(path, "/from/environment");

    fixture_init(&f);
    char given[] = "--archive=/given";
    assert_int_equal(parse_line(&f, given), TD_OK);
    assert_string_equal(f.archive.path, "/given");
    unsetenv("TAPEDECK_ARCHIVE");
}

/* A verb without operands accepts the archive as an operand, once, and before the environment. */
static void test_operand_of_a_row(void **state)
{
    (void)state;
    fixture f;
    setenv("TAPEDECK_ARCHIVE", "/from/environment", 1);
    fixture_init(&f);
    f.spec.operands = NULL;
    f.spec.operand_min = f.spec.operand_max = 0;
    char line[] = "-q tape";
    assert_int_equal(parse_line(&f, line), TD_OK);
    assert_string_equal(f.archive.path, "tape");
    assert_int_equal(f.operands.count, 0);
    unsetenv("TAPEDECK_ARCHIVE");

    char twice[] = "-a one two";
    f.archive.path = NULL;
    assert_int_equal(parse_line(&f, twice), TD_E_INVALID);
    assert_string_equal(f.err.text, "the archive is given twice: 'two', and --archive 'one'");
    char many[] = "one two";
    f.archive.path = NULL;
    assert_int_equal(parse_line(&f, many), TD_E_INVALID);
    assert_string_equal(f.err.text, "unexpected argument 'two'");
}

static void test_threads_default_to_cores(void **state)
{
    (void)state;
    threads_options threads = {0};
    assert_int_equal(threads_options_count(&threads), td_core_count());
}

/* --help is made from the parser's rows, and contains all of them. */
static void test_help_shows_every_row(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f);
    char line[] = "-q --help --nonsense";
    assert_int_equal(parse_line(&f, line), TD_EOF);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    options_print_help(&f.spec, out);
    fclose(out);
    assert_non_null(strstr(text, "usage: tapedeck cat [OPTION]... [FILE]...\n"));
    assert_non_null(strstr(text, "tapedeck cat -a DIR --topic trade"));
    assert_non_null(strstr(text, "one of: slow, fast"));
    assert_non_null(strstr(text, "TAPEDECK_ARCHIVE"));
    assert_non_null(strstr(text, "\nExit status\n"
                                 "  0   done\n"
                                 "  2   the command line is wrong\n"
                                 "  4   nothing is selected\n"
                                 "  70  "));
    for (size_t g = 0; g < f.spec.group_count; g++) {
        for (size_t r = 0; r < f.groups[g].row_count; r++) {
            char name[64];
            snprintf(name, sizeof name, "--%s", f.groups[g].rows[r].long_name);
            if ((strstr(text, name) != NULL) != (f.groups[g].rows[r].instead == NULL))
                fail_msg("%s: only options are in the help", name);
        }
    }
    free(text);
}

/* Lines in a help text that begin with spaces are rows of a table. */
static void test_help_has_tables(void **state)
{
    (void)state;
    static const option_row ROW = {
        .long_name = "type",
        .type = OPTION_TEXT,
        .metavar = "NAME",
        .help = "only this type (may be repeated;\ndefault: all of the format):\n"
                "  first: trades, quotes, bars, book_snapshots, liquidations\n  second: frames"};
    static const char EXPECTED[] =
        "      --type NAME             only this type (may be repeated; default: all of\n"
        "                              the format):\n"
        "                                first: trades, quotes, bars, book_snapshots,\n"
        "                                  liquidations\n"
        "                                second: frames\n";
    fixture f;
    char *text = NULL;
    size_t size = 0;
    fixture_init(&f);
    const option_group group = {"Group", &ROW, 1, NULL};
    f.spec.groups = &group;
    f.spec.group_count = 1;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    options_print_help(&f.spec, out);
    fclose(out);
    assert_non_null(strstr(text, EXPECTED));
    free(text);
}

typedef struct size_row {
    const char *text;
    uint64_t bytes;
} size_row;

/* Powers of 1,024 and of 1,000, as in base/cli/options.h. */
static void test_sizes(void **state)
{
    (void)state;
    static const size_row ROWS[] = {{"0", 0},
                                    {"12", 12},
                                    {"1K", 1024},
                                    {"1KiB", 1024},
                                    {"1kB", 1000},
                                    {"3M", 3145728},
                                    {"3MB", 3000000},
                                    {"2GiB", 2147483648},
                                    {"2GB", 2000000000},
                                    {"1T", 1099511627776}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        uint64_t bytes = 1;
        option_row row = {.long_name = "size", .type = OPTION_SIZE, .metavar = "SIZE"};
        assert_int_equal(options_set_value(&row, ROWS[i].text, 0, &bytes, NULL), TD_OK);
        assert_int_equal(bytes, ROWS[i].bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_operands_keep_order),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_list_is_bounded),
        cmocka_unit_test(test_missing_operand),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_operand_of_a_row),
        cmocka_unit_test(test_threads_default_to_cores),
        cmocka_unit_test(test_help_shows_every_row),
        cmocka_unit_test(test_help_has_tables),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
