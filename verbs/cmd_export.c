#include "verbs/cmds.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/attr.h"
#include "base/io_posix.h"
#include "base/suggest.h"
#include "base/cli/units.h"
#include "archive/ledger.h"
#include "export/export.h"
#include "export/export_format.h"
#include "export/export_name.h"
#include "replay/play/days.h"
#include "verbs/verb_run.h"

typedef struct export_flags {
    options_list formats;
    const char *out;
    options_list types;
    uint64_t depth;
    const char *bars;
    const char *every;
    uint64_t levels;
    uint8_t has_sod;
    uint8_t has_bbo;
    uint64_t scale;
    uint8_t has_floats;
    uint8_t is_only_clean;
    uint8_t keeps_suspect;
    const char *max_gap_loss;
    const char *shard;
    const char *unit;
    uint8_t finishes;
    uint8_t is_forced;
} export_flags;

enum { FORMATS_MAX = 16, TYPES_MAX = 128 };

/* Names and help texts, built from the tables of formats and types. */
typedef struct export_names {
    const char *formats[FORMATS_MAX + 1];
    const char *types[TYPES_MAX + 1];
    char format_help[1024];
    char type_help[2048];
} export_names;

/* State of one run. */
typedef struct export_command {
    export_flags flags;
    export_names names;
    export_spec spec;
    gap_list gaps;
    const char *plans; /* the verb of `plan`; NULL: `export` */
    uint64_t unit_bytes;
    char *const *words; /* of the verb that is planned, in argv */
    size_t word_count;
    uint64_t loss_max; /* --max-gap-loss in 1/10000 % of the time */
    day_list days;     /* set if --only-clean or --max-gap-loss needs it */
    export_book_snapshots book_snapshots;
} export_command;

/* ---- the command line ---- */

static void add_text(char *text, size_t text_bytes, const char *format, ...) TD_PRINTF(3, 4);
static void add_text(char *text, size_t text_bytes, const char *format, ...)
{
    va_list args;
    size_t used = strlen(text);
    va_start(args, format);
    int size = vsnprintf(text + used, text_bytes - used, format, args);
    va_end(args);
    TD_ASSERT(size >= 0);
    TD_ASSERT((size_t)size < text_bytes - used);
}

/* Add a type's name once, even if several formats have it. */
static void add_type(export_names *names, size_t *count, const char *name)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(names->types[i], name) == 0)
            return;
    TD_ASSERT(*count < TYPES_MAX);
    names->types[(*count)++] = name;
}

static void describe_formats(export_names *names)
{
    size_t count = 0;
    size_t type_count = 0;
    const export_format *const *formats = export_format_table(&count);
    TD_ASSERT(count <= FORMATS_MAX);
    add_text(names->format_help, sizeof names->format_help, "%s",
             "output format (may be repeated: one pass writes all):");
    add_text(names->type_help, sizeof names->type_help, "%s",
             "only this type (may be repeated; default: all types of the format):");
    for (size_t i = 0; i < count; i++) {
        const export_format *format = formats[i];
        names->formats[i] = format->name;
        add_text(names->format_help, sizeof names->format_help, "\n  %s: %s", format->name,
                 format->summary);
        for (size_t k = 0; k < export_format_type_count(format); k++) {
            const char *name = export_format_type(format, k).name;
            add_type(names, &type_count, name);
            if (k == 0)
                add_text(names->type_help, sizeof names->type_help, "\n  %s:", format->name);
            add_text(names->type_help, sizeof names->type_help, "%s %s", k == 0 ? "" : ",", name);
        }
    }
}

enum { ROW_COUNT = 18 };

static void make_rows(export_names *names, option_row rows[ROW_COUNT])
{
    describe_formats(names);
    const option_row made[ROW_COUNT] = {
        {.long_name = "format",
         OPTION_INTO(export_flags, formats),
         .metavar = "NAME",
         .help = names->format_help,
         .choices = names->formats},
        {.long_name = "out",
         OPTION_INTO(export_flags, out),
         .metavar = "DIR",
         .help = "output folder; created if it is missing"},
        {.long_name = "type",
         OPTION_INTO(export_flags, types),
         .metavar = "NAME",
         .help = names->type_help,
         .choices = names->types},
        {.long_name = "depth",
         OPTION_INTO(export_flags, depth),
         .metavar = "N",
         .help = "take books from the topic with N levels per side",
         .min = 1,
         .max = LIMIT_BOOK_LEVELS},
        {.long_name = "bars",
         OPTION_INTO(export_flags, bars),
         .metavar = "DURATION",
         .help = "export bars of trades of this length: 1s, 5m, 1h, 1d (it must divide a day)"},
        {.long_name = "every",
         OPTION_INTO(export_flags, every),
         .metavar = "DURATION|Nchanges",
         .help = "export book_snapshots: the book at multiples of a time (100ms, 1s; it must "
                 "divide a day), or after every N changes (50changes)"},
        {.long_name = "levels",
         OPTION_INTO(export_flags, levels),
         .metavar = "N",
         .help = "levels per side of book_snapshots (default: 25)",
         .min = 1,
         .max = EXPORT_SNAPSHOT_LEVELS},
        {.long_name = "sod",
         OPTION_INTO(export_flags, has_sod),
         .help = "hftbacktest: begin each file with the whole book, if it is known"},
        {.long_name = "bbo",
         OPTION_INTO(export_flags, has_bbo),
         .help = "hftbacktest: include the exchange's own best bids and asks"},
        {.long_name = "scale",
         OPTION_INTO(export_flags, scale),
         .metavar = "N",
         .help = "parquet: write numbers as DECIMAL(18,N); a number that does not fit is an error "
                 "(default: DECIMAL(38,12))",
         .min = 1,
         .max = TD_DECIMAL_SCALE_MAX},
        {.long_name = "float",
         OPTION_INTO(export_flags, has_floats),
         .help = "parquet: write numbers as the nearest DOUBLE"},
        {.long_name = "only-clean",
         OPTION_INTO(export_flags, is_only_clean),
         .help = "leave out the days of a symbol that 'tapedeck days' does not report\nas clean; "
                 "replays the selection first"},
        {.long_name = "keep-suspect",
         OPTION_INTO(export_flags, keeps_suspect),
         .help = "keep bars that may lack trades (tardis-csv, nautilus, --only-clean)"},
        {.long_name = "max-gap-loss",
         OPTION_INTO(export_flags, max_gap_loss),
         .metavar = "PERCENT",
         .help = "export nothing if more than this part of a topic's day is missing or not\n"
                 "trusted: 0, 0.5; replays the selection first"},
        {.long_name = "shard",
         OPTION_INTO(export_flags, shard),
         .metavar = "I/N",
         .help = "export only every N-th day, from the I-th, so that N processes share the work"},
        {.long_name = "unit",
         OPTION_INTO(export_flags, unit),
         .metavar = "UNIT",
         .help = "make only this unit of a day, as 'tapedeck plan' prints it: 2026-11-20.2of5"},
        {.long_name = "finish",
         OPTION_INTO(export_flags, finishes),
         .help = "join the units of each day, and publish the days whose units are all made"},
        {.long_name = "force",
         OPTION_INTO(export_flags, is_forced),
         .help = "replace days that already exist"}};
    memcpy(rows, made, sizeof made);
}

static td_result refuse_format(const char *name, const char *names, td_err *err)
{
    suggest_search search = {.written = td_bytes_str(name)};
    char similar[128];
    size_t count = 0;
    const export_format *const *formats = export_format_table(&count);
    for (size_t i = 0; i < count; i++)
        suggest_offer(&search, formats[i]->name);
    td_err_set(err, TD_E_INVALID, "--format: '%s' is not one of %s", name, names);
    suggest_format(&search, similar, sizeof similar);
    if (similar[0] != '\0')
        td_err_hint(err, "%s", similar);
    return TD_E_INVALID;
}

static td_result read_formats(export_command *command, td_err *err)
{
    const options_list *wanted = &command->flags.formats;
    export_spec *spec = &command->spec;
    size_t count = 0;
    const export_format *const *formats = export_format_table(&count);
    char names[256] = "";
    for (size_t i = 0; i < count; i++)
        add_text(names, sizeof names, "%s%s", i == 0 ? "" : ", ", formats[i]->name);
    for (size_t i = 0; i < wanted->count; i++) {
        size_t k = 0;
        while (k < count && strcmp(formats[k]->name, wanted->items[i]) != 0)
            k++;
        if (k == count)
            return refuse_format(wanted->items[i], names, err);
        if (!export_has_format(spec, formats[k]))
            spec->formats[spec->format_count++] = formats[k];
    }
    if (spec->format_count == 0)
        return td_err_set(err, TD_E_INVALID, "no format is given: --format must be one of %s",
                          names);
    return TD_OK;
}

static int is_named(const options_list *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return 1;
    return 0;
}

/* 1 if a type is requested, by its own name or the format's name for it. Some types also need an
 * option. */
static int is_requested(const export_flags *flags, const export_named_type *type)
{
    if ((type->type == &EXPORT_BARS && flags->bars == NULL) ||
        (type->type == &EXPORT_BOOK_SNAPSHOTS && flags->every == NULL))
        return 0;
    return flags->types.count == 0 || is_named(&flags->types, type->name) ||
           is_named(&flags->types, type->type->name);
}

/* Add a type once, if its rows are made from frames. */
static void add_made_type(export_spec *spec, const export_type *type)
{
    int is_known = type->frame == NULL;
    for (size_t i = 0; i < spec->type_count; i++)
        is_known |= spec->types[i] == type;
    if (!is_known)
        spec->types[spec->type_count++] = type;
}

/* Add an output of a format, and its type. A format with precisions reads the lists of instruments,
 * too. */
static void add_output(export_spec *spec, const export_format *format,
                       const export_named_type *type)
{
    TD_ASSERT(spec->output_count < EXPORT_OUTPUTS_MAX);
    spec->outputs[spec->output_count++] = (export_output){format, type->type, type->name};
    add_made_type(spec, type->type);
    if (format->add_listed != NULL)
        add_made_type(spec, &EXPORT_INSTRUMENTS);
}

static td_result refuse_type(const char *name, const export_format *format, td_err *err)
{
    suggest_search search = {.written = td_bytes_str(name)};
    char similar[128];
    for (size_t i = 0; i < export_format_type_count(format); i++)
        suggest_offer(&search, export_format_type(format, i).name);
    suggest_format(&search, similar, sizeof similar);
    if (strcmp(name, "candles") == 0 || strcmp(name, "ohlc") == 0)
        (void)snprintf(similar, sizeof similar,
                       "the exchange's are `klines` (parquet, sqlite, mcap); --bars makes others;");
    td_err_set(err, TD_E_INVALID, "--type: %s has no type '%s'", format->name, name);
    td_err_hint(err, "%s%s`tapedeck export --help` lists the types of each format", similar,
                similar[0] == '\0' ? "" : " ");
    return TD_E_INVALID;
}

/* Read a duration. It must divide a day, so that all days have the same times. */
static td_result read_interval(const char *option, const char *text, uint64_t *ns, td_err *err)
{
    td_result rc = td_duration_parse(text, ns, err);
    if (rc == TD_OK && (*ns == 0 || TD_NS_PER_DAY % *ns != 0))
        rc = td_err_set(err, TD_E_INVALID, "'%s' does not divide a day", text);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "%s", option);
}

/* Read the options of bars and book snapshots: "1s", "50changes". */
static td_result read_derived(export_command *command, td_err *err)
{
    const export_flags *flags = &command->flags;
    export_settings *settings = &command->spec.settings;
    const char *every = flags->every;
    uint64_t changes = 0;
    td_result rc = TD_OK;
    settings->has_suspect_bars = flags->keeps_suspect;
    if (flags->keeps_suspect && flags->bars == NULL)
        return td_err_set(err, TD_E_INVALID, "--keep-suspect needs --bars");
    if (flags->bars != NULL)
        rc = read_interval("--bars", flags->bars, &settings->bar_ns, err);
    if (rc != TD_OK || (every == NULL && flags->levels == 0))
        return rc;
    if (every == NULL)
        return td_err_set(err, TD_E_INVALID, "--levels needs --every");
    settings->levels = flags->levels == 0 ? 25 : (uint32_t)flags->levels;
    export_book_snapshots_init(settings->levels, &command->book_snapshots);
    size_t digits = strspn(every, "0123456789");
    if (strcmp(every + digits, "changes") != 0)
        return read_interval("--every", every, &settings->every_ns, err);
    if (!td_digits_parse(td_bytes_of(every, digits), UINT32_MAX, &changes) || changes == 0)
        return td_err_set(err, TD_E_INVALID, "--every: '%s' is not a number of changes", every);
    settings->every_changes = (uint32_t)changes;
    return TD_OK;
}

/* Check that an option and its type are given together: --bars with bars, --every with
 * book_snapshots. */
static td_result check_pair(const export_command *command, const char *option, int is_given,
                            const char *type, td_err *err)
{
    const export_spec *spec = &command->spec;
    int has_type = 0;
    if (!is_given && is_named(&command->flags.types, type))
        return td_err_set(err, TD_E_INVALID, "--type %s needs %s", type, option);
    for (size_t i = 0; i < spec->output_count; i++)
        has_type |= strcmp(spec->outputs[i].type->name, type) == 0;
    if (is_given && !has_type)
        return td_err_set(err, TD_E_INVALID, "%s: the export has no %s", option, type);
    return TD_OK;
}

/* Check that each named type belongs to a chosen format. */
static td_result check_types(const export_command *command, td_err *err)
{
    const export_spec *spec = &command->spec;
    const options_list *names = &command->flags.types;
    for (size_t i = 0; i < names->count; i++) {
        int is_known = 0;
        for (size_t k = 0; k < spec->output_count; k++)
            is_known |= strcmp(names->items[i], spec->outputs[k].name) == 0 ||
                        strcmp(names->items[i], spec->outputs[k].type->name) == 0;
        if (!is_known)
            return refuse_type(names->items[i], spec->formats[0], err);
    }
    return TD_OK;
}

/* Read the types; without --type, all types of the formats. A format without a type, or a depth
 * without a book, is an error. */
static td_result read_types(export_command *command, td_err *err)
{
    export_spec *spec = &command->spec;
    int has_books = 0;
    const export_format *without = NULL; /* a format without a type */
    for (size_t i = 0; i < spec->format_count; i++) {
        const export_format *format = spec->formats[i];
        size_t before = spec->output_count;
        for (size_t k = 0; k < export_format_type_count(format); k++) {
            export_named_type type = export_format_type(format, k);
            if (!is_requested(&command->flags, &type))
                continue;
            if (type.type == &EXPORT_BOOK_SNAPSHOTS)
                type.type = &command->book_snapshots.type;
            add_output(spec, format, &type);
            has_books |= (type.type->flags & EXPORT_OF_BOOKS) != 0;
        }
        if (spec->output_count == before && without == NULL)
            without = format;
    }
    td_result rc = check_pair(command, "--bars", command->flags.bars != NULL, "bars", err);
    if (rc == TD_OK)
        rc = check_pair(command, "--every", command->flags.every != NULL, "book_snapshots", err);
    if (rc == TD_OK && without != NULL)
        rc = refuse_type(command->flags.types.items[0], without, err);
    if (rc == TD_OK)
        rc = check_types(command, err);
    if (rc == TD_OK && command->flags.depth != 0 && !has_books)
        rc = td_err_set(err, TD_E_INVALID, "--depth: the export has no books");
    spec->settings.depth = (uint32_t)command->flags.depth;
    return rc;
}

/* Parse "2/8". */
static td_result read_shard(export_command *command, td_err *err)
{
    const char *text = command->flags.shard;
    export_spec *spec = &command->spec;
    uint64_t number = 0;
    uint64_t count = 0;
    if (text == NULL)
        return TD_OK;
    const char *slash = strchr(text, '/');
    if (slash == NULL ||
        !td_digits_parse(td_bytes_of(text, (size_t)(slash - text)), EXPORT_SHARDS_MAX, &number) ||
        !td_digits_parse(td_bytes_str(slash + 1), EXPORT_SHARDS_MAX, &count) || number == 0 ||
        number > count)
        return td_err_set(err, TD_E_INVALID, "--shard: '%s' is not I/N, with I from 1 to N", text);
    spec->shard = (uint32_t)number;
    spec->shard_count = (uint32_t)count;
    return TD_OK;
}

/* Read the unit, and check what excludes units. */
static td_result read_unit(export_command *command, td_err *err)
{
    const export_flags *flags = &command->flags;
    export_unit *unit = &command->spec.unit;
    const char *which = command->plans != NULL ? "plan"
                        : flags->unit != NULL  ? "--unit"
                        : flags->finishes      ? "--finish"
                                               : NULL;
    if (flags->unit != NULL && !export_unit_parse(flags->unit, unit))
        return td_err_set(err, TD_E_INVALID, "--unit: '%s' is not a unit, such as 2026-11-20.2of5",
                          flags->unit);
    if (unit->count > 1 && !export_can_cut(&command->spec))
        return td_err_set(err, TD_E_INVALID, "--unit: the formats' days cannot be cut: %s",
                          flags->unit);
    if (which != NULL && (flags->is_only_clean || flags->max_gap_loss != NULL))
        return td_err_set(err, TD_E_INVALID,
                          "%s: --only-clean and --max-gap-loss replay the whole selection first, "
                          "which no unit has",
                          which);
    const int part_count = (flags->unit != NULL) + flags->finishes + (flags->shard != NULL);
    if (command->plans != NULL && part_count + flags->is_forced > 0)
        return td_err_set(err, TD_E_INVALID, "plan excludes --unit, --finish, --shard and --force");
    return part_count <= 1
               ? TD_OK
               : td_err_set(err, TD_E_INVALID, "--unit, --finish and --shard exclude each other");
}

/* Check options that only one format has. */
static td_result read_choices(export_command *command, td_err *err)
{
    const export_flags *flags = &command->flags;
    export_settings *settings = &command->spec.settings;
    if (!export_has_format(&command->spec, &EXPORT_HFTBACKTEST) &&
        (flags->has_sod || flags->has_bbo))
        return td_err_set(err, TD_E_INVALID, "--sod and --bbo need --format hftbacktest");
    if (!export_has_format(&command->spec, &EXPORT_PARQUET) &&
        (flags->scale != 0 || flags->has_floats))
        return td_err_set(err, TD_E_INVALID, "--scale and --float need --format parquet");
    if (flags->has_floats && flags->scale != 0)
        return td_err_set(err, TD_E_INVALID, "--float and --scale exclude each other");
    settings->has_floats = flags->has_floats;
    settings->decimal_scale = (uint8_t)flags->scale;
    settings->has_sod = flags->has_sod;
    settings->has_bbo = flags->has_bbo;
    return TD_OK;
}

/* Parse a percentage: 0.5. */
static td_result read_loss(export_command *command, td_err *err)
{
    const char *text = command->flags.max_gap_loss;
    td_decimal value;
    int64_t scaled = 0;
    if (text == NULL)
        return TD_OK;
    if (td_decimal_parse(td_bytes_str(text), &value, err) != TD_OK ||
        td_decimal_rescale(value, 4, &scaled) != TD_OK || scaled < 0 || scaled > INT64_C(1000000))
        return td_err_set(err, TD_E_INVALID,
                          "--max-gap-loss: '%s' is not a percentage from 0 to 100, with at most 4 "
                          "decimals",
                          text);
    command->loss_max = (uint64_t)scaled;
    return TD_OK;
}

/* Check what can be checked before the archive is opened. */
static td_result read_flags(verb_run *verb)
{
    export_command *command = verb->state;
    if (command->plans != NULL && strcmp(command->plans, "export") != 0)
        return td_err_set(
            &verb->err, TD_E_INVALID,
            "--verb: only 'export' has units; other verbs share their work by --feed, "
            "--symbol, --from and --to");
    if (command->plans != NULL && command->word_count == 0)
        return td_err_set(&verb->err, TD_E_INVALID,
                          "the options of export are missing, after '--'");
    td_result rc = read_formats(command, &verb->err);
    if (rc == TD_OK)
        rc = read_derived(command, &verb->err);
    if (rc == TD_OK)
        rc = read_types(command, &verb->err);
    if (rc == TD_OK)
        rc = read_shard(command, &verb->err);
    if (rc == TD_OK)
        rc = read_unit(command, &verb->err);
    if (rc == TD_OK)
        rc = read_loss(command, &verb->err);
    if (rc == TD_OK)
        rc = read_choices(command, &verb->err);
    if (rc == TD_OK && command->flags.out == NULL)
        rc = td_err_set(&verb->err, TD_E_INVALID, "no folder is given: --out DIR is required");
    return rc;
}

/* ---- the run ---- */

/* Print the result and set the exit status that belongs to its verdict. */
static void report_result(verb_run *verb, const export_result *result)
{
    static const exit_code STATUS[] = {[REPLAY_COMPLETE] = EXIT_CODE_DONE,
                                       [REPLAY_INCOMPLETE] = EXIT_CODE_DIFFERS,
                                       [REPLAY_DAMAGED] = EXIT_CODE_DAMAGE};
    const export_command *command = verb->state;
    TD_ASSERT(result->verdict <= REPLAY_DAMAGED);
    const int is_unit = command->flags.unit != NULL; /* only the whole day has a verdict */
    verb->status = is_unit ? EXIT_CODE_DONE : STATUS[result->verdict];
    if (result_json(&verb->result) != NULL) {
        result_writer *r = &verb->result;
        result_object_begin(r, NULL);
        result_count(r, "files", result->files);
        result_count(r, "rows", result->rows);
        result_count(r, "days", result->days);
        result_count(r, "days_kept", result->days_kept);
        result_count(r, "days_absent", result->days_absent);
        result_count(r, "days_unfinished", result->days_unfinished);
        result_name(r, "verdict", is_unit ? "" : export_verdict_name(result->verdict));
        result_name(r, "incomplete", is_unit ? "" : result->worst);
        result_name(r, "left_out_formats", result->left_out_formats);
        result_object_end(r, NULL);
    }
    /* Also with --quiet, so that a nightly run tells it; but not again each night, except that
     * another day was not recorded. */
    int is_news = verb->verbosity.is_quiet && verb->status != EXIT_CODE_DONE &&
                  (result->days_kept < result->days || result->days_absent > 0);
    char absent[128] = "";
    if (result->days_absent > 0)
        (void)snprintf(absent, sizeof absent, "; nothing was recorded on %s that %s asked for",
                       format_counted(result->days_absent, "day").text,
                       result->days_absent == 1 ? "is" : "are");
    const char *worst = is_unit ? "" : result->worst;
    report_line(
        verb->report, is_news ? TD_LOG_ERROR : TD_LOG_INFO, "%s, %s in '%s'%s%s%s%s%s%s%s",
        format_counted(result->files, "file").text, format_counted(result->rows, "row").text,
        command->flags.out,
        result->days_kept == 0              ? ""
        : result->days_kept == result->days ? "; all days existed already"
                                            : "; existing days are kept",
        absent, worst[0] == '\0' ? "" : "; the selection is not complete: ", worst,
        worst[0] == '\0' ? "" : " shows where",
        result->left_out_formats[0] == '\0' ? "" : "; not written: ", result->left_out_formats);
}

static td_result refuse_loss(const day_topic *row, td_err *err)
{
    char date[EXPORT_DATE_BYTES];
    char missing[TD_TIME_TEXT_BYTES];
    char expected[TD_TIME_TEXT_BYTES];
    export_date_format(export_day_of(row->day_ns), date);
    td_duration_format(row->expected_ns - row->clean_ns, missing);
    td_duration_format(row->expected_ns, expected);
    td_err_set(err, TD_E_LIMIT,
               "%s %s %s of %s: %s of %s is missing or not trusted, more than "
               "--max-gap-loss allows",
               row->feed, row->topic, row->symbol, date, missing, expected);
    td_err_hint(err, "`tapedeck days` lists what is missing; --only-clean leaves these days out");
    return TD_E_LIMIT;
}

/* Find the selection's days if an option needs them; refuse a day that lacks too much. */
static td_result check_days(verb_run *verb)
{
    export_command *command = verb->state;
    const export_flags *flags = &command->flags;
    cursor_stats stats;
    if (!flags->is_only_clean && flags->max_gap_loss == NULL)
        return TD_OK;
    const observe_options how = verb_run_observing(verb);
    td_result rc = days_find(&how, &verb->wanted, &command->days, &stats, &verb->err);
    progress_end(&verb->progress);
    command->spec.days = flags->is_only_clean ? &command->days : NULL;
    int is_all_left_out = 1;
    for (size_t i = 0; rc == TD_OK && i < command->days.count; i++) {
        const day_topic *row = &command->days.rows[i];
        uint32_t day = export_day_of(row->day_ns);
        if (!export_is_clean(&command->spec, day, row->feed, row->symbol))
            continue;
        is_all_left_out &= day_topic_is_silent(row);
        if (flags->max_gap_loss != NULL &&
            row->expected_ns - row->clean_ns > row->expected_ns / 1000000 * command->loss_max)
            rc = refuse_loss(row, &verb->err);
    }
    if (rc == TD_OK && is_all_left_out)
        rc = td_err_set(&verb->err, TD_E_NOTFOUND,
                        "no symbol has a clean day in the selection: 'tapedeck days' lists why");
    return rc;
}

/* ---- plan ---- */

/* A day's units, one after the other. */
typedef struct plan_output {
    verb_run *verb;
    const char *archive;
    json_writer *json; /* NULL: text */
    uint8_t is_uncut;  /* 1: a day is larger than a unit, and could not be cut */
} plan_output;

/* Print a word of a command line for a shell. */
static void print_word(output_stream *output, const char *word)
{
    static const char PLAIN[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "%+,-./:=@_";
    if (word[0] != '\0' && word[strspn(word, PLAIN)] == '\0') {
        output_bytes(output, td_bytes_str(word));
        return;
    }
    output_bytes(output, td_bytes_str("'"));
    for (size_t size; *word != '\0'; word += size + (word[size] == '\'')) {
        size = strcspn(word, "'");
        output_bytes(output, td_bytes_of(word, size));
        output_bytes(output, td_bytes_str(word[size] == '\'' ? "'\\''" : ""));
    }
    output_bytes(output, td_bytes_str("'"));
}

static void put_word(const plan_output *to, const char *word)
{
    if (to->json != NULL) {
        json_write_text(to->json, word);
        return;
    }
    print_word(&to->verb->output, word);
    output_bytes(&to->verb->output, td_bytes_str(" "));
}

/* The command that makes a unit. */
static void put_command(const plan_output *to, const char *unit)
{
    const export_command *command = to->verb->state;
    put_word(to, "tapedeck");
    put_word(to, command->plans);
    put_word(to, to->archive);
    for (size_t i = 0; i < command->word_count; i++)
        put_word(to, command->words[i]);
    put_word(to, "--unit");
    if (to->json != NULL) {
        json_write_text(to->json, unit);
        return;
    }
    print_word(&to->verb->output, unit);
    output_bytes(&to->verb->output, td_bytes_str("\n"));
}

static void describe_unit(const plan_output *to, const export_planned_day *day,
                          const export_unit *unit)
{
    const export_command *command = to->verb->state;
    json_writer *json = to->json;
    char name[EXPORT_UNIT_NAME_BYTES];
    char result[LIMIT_PATH_BYTES];
    export_unit_format(unit, name);
    (void)snprintf(result, sizeof result, "%s/" EXPORT_UNITS_FOLDER "/%s", command->flags.out,
                   name);
    json_write_object_begin(json);
    json_write_member_text(json, "unit", name);
    json_write_member_array_begin(json, "symbols");
    for (size_t i = 0; i < day->symbols->count; i++)
        if (day->unit_count == 1 || day->symbols->items[i].unit == unit->number)
            json_write_text(json, day->symbols->items[i].symbol);
    json_write_array_end(json);
    json_write_member_text(json, "result", result);
    json_write_member_array_begin(json, "command");
    put_command(to, name);
    json_write_array_end(json);
    json_write_object_end(json);
    output_json_item(&to->verb->output);
}

static void begin_day(const plan_output *to, const export_planned_day *day, const char *date)
{
    if (day->unit_count == 0)
        report_line(to->verb->report, TD_LOG_WARNING,
                    "%s is not finished: it is being recorded, and has no units yet", date);
    if (to->json == NULL)
        return;
    json_write_object_begin(to->json);
    json_write_member_text(to->json, "day", date);
    json_write_member_bool(to->json, "finished", day->unit_count > 0);
    json_write_member_u64(to->json, "read_bytes", day->symbols->bytes);
    json_write_member_array_begin(to->json, "units");
}

static void put_day(void *user, const export_planned_day *day)
{
    plan_output *to = user;
    const export_command *command = to->verb->state;
    char name[EXPORT_UNIT_NAME_BYTES];
    char date[EXPORT_DATE_BYTES];
    to->is_uncut |= day->unit_count == 1 && day->symbols->bytes > command->unit_bytes;
    export_date_format(day->day, date);
    begin_day(to, day, date);
    for (uint32_t number = 1; number <= day->unit_count; number++) {
        const export_unit unit = {day->day, number, day->unit_count};
        export_unit_format(&unit, name);
        if (to->json != NULL)
            describe_unit(to, day, &unit);
        else
            put_command(to, name);
    }
    if (to->json == NULL)
        return;
    json_write_array_end(to->json);
    json_write_object_end(to->json);
}

/* Print the units of an export. */
static td_result plan(verb_run *verb, const export_options *options)
{
    const export_command *command = verb->state;
    plan_output to = {.verb = verb};
    td_result rc = archive_choice_require(&verb->choice, &to.archive, &verb->err);
    if (rc != TD_OK)
        return rc;
    if (verb->json.is_json) {
        to.json = output_json_begin(&verb->output);
        json_write_object_begin(to.json);
        json_write_member_array_begin(to.json, "days");
    }
    rc = export_plan(options, command->unit_bytes, put_day, &to, &verb->err);
    if (to.json != NULL) {
        json_write_array_end(to.json);
        json_write_object_end(to.json);
        output_json_end(&verb->output);
    }
    if (to.is_uncut)
        report_line(verb->report, TD_LOG_INFO,
                    "a day of more than %s is one unit: its formats cannot be cut, or it has one "
                    "symbol",
                    format_size(command->unit_bytes).text);
    return rc;
}

/* ---- export ---- */

/* Read the ledger and export. */
static td_result run(verb_run *verb)
{
    export_command *command = verb->state;
    for (size_t i = 0; i < command->spec.type_count; i++)
        verb->wanted.with_replies |= (command->spec.types[i]->flags & EXPORT_OF_REPLIES) != 0;
    /* the whole ledger, because a gap before the selection affects a book that began before the
     * gap */
    td_result rc = archive_gaps(verb->archive, &command->gaps, &verb->err);
    if (rc == TD_OK)
        rc = check_days(verb);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(command->flags.out != NULL);
    const export_options options = {.spec = &command->spec,
                                    .archive = verb->archive,
                                    .wanted = &verb->wanted,
                                    .ledger = &command->gaps,
                                    .io = io_posix(),
                                    .folder = command->flags.out,
                                    .joins_units = command->flags.finishes,
                                    .overwrite =
                                        command->flags.is_forced ? EXPORT_REPLACE : EXPORT_KEEP,
                                    .threads = threads_options_count(&verb->threads),
                                    .log = &verb->log,
                                    .progress = verb_run_progress_part,
                                    .user = verb};
    if (command->plans != NULL)
        return plan(verb, &options);
    export_result result;
    rc = export_run(&options, &result, &verb->err);
    progress_end(&verb->progress);
    if (rc == TD_EOF)
        return td_err_set(
            &verb->err, TD_E_IO,
            "stopped before the end: complete days are kept; the same command continues");
    if (rc == TD_OK)
        report_result(verb, &result);
    return rc;
}

/* Plan: the options of `export` in addition to its own, because it checks the command line of the
 * export. Words after "--" are that command line. */
exit_code cmd_plan(const verb_context *context, int argc, char **argv)
{
    static export_command command = {.unit_bytes = UINT64_C(1) << 30}; /* large */
    static const char *const VERBS[] = {"export", NULL};
    static const option_row PLAN_ROWS[] = {
        {.long_name = "verb",
         OPTION_INTO(export_command, plans),
         .metavar = "VERB",
         .help = "the verb whose work is planned: export",
         .choices = VERBS},
        {.long_name = "unit-bytes",
         .type = OPTION_SIZE,
         .offset = offsetof(export_command, unit_bytes),
         .metavar = "SIZE",
         .help = "cut a day with more bytes of segments into units of about this size "
                 "(default: 1GiB)",
         .min = 1}};
    option_row rows[ROW_COUNT];
    make_rows(&command.names, rows);
    command.plans = VERBS[0];
    int first = 0;
    while (first < argc && strcmp(argv[first], "--") != 0)
        first++;
    command.word_count = first < argc ? (size_t)(argc - first) - 1 : 0;
    char **words = td_alloc_zero((size_t)argc + 1, sizeof(char *));
    memcpy(words, argv + argc - command.word_count, command.word_count * sizeof(char *));
    command.words = words;
    if (first < argc) { /* the rest is parsed like the options before it */
        memmove(argv + first, argv + first + 1, command.word_count * sizeof(char *));
        argc--;
    }
    const verb_spec spec = {
        .name = "plan",
        .summary = "Print the command lines, one per line, that make an export in units: days, or\n"
                   "parts of days. Any process on any machine may run each of them, in any order\n"
                   "and more than once. 'tapedeck export ... --finish' then joins them. The words\n"
                   "after '--' are options of export.",
        .statuses = {[EXIT_CODE_DONE] = "done"},
        .examples = "tapedeck plan DIR --unit-bytes 1GiB -- --format parquet --out DATASET",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS |
                 VERB_TAKES_JSON,
        .own = {{"Plan", PLAN_ROWS, 2, &command}, {"Export", rows, ROW_COUNT, &command.flags}},
        .mode = ARCHIVE_READ,
        .check = read_flags,
        .work = run};
    exit_code status = verb_run_main(&spec, &command, context, argc, argv);
    gap_list_fini(&command.gaps);
    td_free(words);
    return status;
}

exit_code cmd_export(const verb_context *context, int argc, char **argv)
{
    static export_command command; /* large */
    option_row rows[ROW_COUNT];
    make_rows(&command.names, rows);
    const verb_spec spec = {
        .name = "export",
        .summary = "Export a selection as a dataset, a UTC day at a time. The files of a day are\n"
                   "renamed when all are complete, its manifest last: it describes the input\n"
                   "and lists the holes. Days that already exist are not exported again.",
        .statuses =
            {[EXIT_CODE_DONE] = "done",
             [EXIT_CODE_DIFFERS] =
                 ("done, but a symbol or a format was left out, the verdict in a day's manifest is "
                  "not 'complete', or --finish found a day that lacks units"),
             [EXIT_CODE_USAGE] =
                 ("the command line is wrong, or a file or a day of another export exists "
                  "already"),
             [EXIT_CODE_DAMAGE] =
                 "done, but stored frames are damaged: 'tapedeck verify' lists them",
             [EXIT_CODE_FAILED] =
                 ("nothing matches the selection or fits the format, a file cannot be read "
                  "or written, or a signal stopped the export; days that were complete stay")},
        .examples = "tapedeck export DIR --format tardis-csv --out DATASET\n"
                    "tapedeck export DIR --format tardis-csv --out DATASET --type trades \\\n"
                    "  --symbol BTCUSDT --from 2026-11-21 --to 2026-11-22\n"
                    "tapedeck export DIR --format jsonl --out DATASET --topic publicTrade\n"
                    "tapedeck export DIR --format tardis-csv --out DATASET --shard 1/2\n"
                    "tapedeck export DIR --format tardis-csv --out DATASET --finish",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS |
                 VERB_TAKES_JSON | VERB_STOPS,
        .own = {{"Export", rows, ROW_COUNT, &command.flags}},
        .mode = ARCHIVE_READ,
        .check = read_flags,
        .work = run};
    exit_code status = verb_run_main(&spec, &command, context, argc, argv);
    gap_list_fini(&command.gaps);
    day_list_fini(&command.days);
    return status;
}
