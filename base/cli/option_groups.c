#include "base/cli/option_groups.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/workers.h"

#define ROW_COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static const option_row ARCHIVE_ROWS[] = {
    {.short_name = 'a',
     .long_name = "archive",
     OPTION_INTO(archive_choice, path),
     .metavar = "ARCHIVE",
     .help = "archive folder; verbs that only read also accept a single .mcap file, or "
             "s3://BUCKET/PREFIX. Without it, $TAPEDECK_ARCHIVE",
     .is_operand = 1},
};

option_group option_group_archive(archive_choice *target)
{
    return (option_group){"Archive", ARCHIVE_ROWS, ROW_COUNT(ARCHIVE_ROWS), target};
}

td_result archive_choice_require(const archive_choice *options, const char **path, td_err *err)
{
    *path = options->path != NULL ? options->path : getenv("TAPEDECK_ARCHIVE");
    if (*path == NULL || (*path)[0] == '\0') {
        td_err_set(err, TD_E_INVALID, "no archive is given");
        td_err_hint(err,
                    "give --archive DIR, or set TAPEDECK_ARCHIVE; most verbs also accept it as an "
                    "argument");
        return TD_E_INVALID;
    }
    return TD_OK;
}

static const option_row SELECTION_ROWS[] = {
    {.long_name = "feed",
     OPTION_INTO(selection_options, feeds),
     .metavar = "GLOB",
     .names = OPTION_NAMES_FEEDS,
     .help = "only these feeds (may be repeated)"},
    {.long_name = "topic",
     OPTION_INTO(selection_options, topics),
     .metavar = "GLOB",
     .names = OPTION_NAMES_TOPICS,
     .help = "only these topics: publicTrade, 'orderbook.*' (may be repeated)"},
    {.long_name = "symbol",
     OPTION_INTO(selection_options, symbols),
     .metavar = "GLOB",
     .names = OPTION_NAMES_SYMBOLS,
     .help = "only these symbols: BTCUSDT, 'BTC*' (may be repeated)"},
    {.long_name = "from",
     OPTION_INTO(selection_options, from),
     .metavar = "TIME",
     .help = "start of the range (inclusive): 2026-11-21T20:47, a date, yesterday, now-2h, an "
             "integer epoch (s, ms, us, ns), or +90s after the first frame of the selected feeds",
     .is_relative = 1,
     .edge = TD_DATE_BEGINS},
    {.long_name = "to",
     OPTION_INTO(selection_options, to),
     .metavar = "TIME",
     .help = "end of the range (exclusive); a date alone includes that day;\n"
             "+10m means ten minutes after --from",
     .is_relative = 1,
     .edge = TD_DATE_ENDS},
};

option_group option_group_selection(selection_options *target)
{
    return (option_group){"Selection", SELECTION_ROWS, ROW_COUNT(SELECTION_ROWS), target};
}

static const option_row ENTRY_ROWS[] = {
    {.long_name = "price",
     OPTION_INTO(entry_options, price),
     .metavar = "RANGE",
     .help = "only frames with a trade, level or order at this price: 60623.5, or a range with\n"
             "both its ends: 60000..60700, 60000.., ..60700"},
    {.long_name = "size",
     OPTION_INTO(entry_options, size),
     .metavar = "RANGE",
     .help = "only frames with an entry of this size; with --price, one entry matches both"},
};

option_group option_group_entries(entry_options *target)
{
    return (option_group){"Entries", ENTRY_ROWS, ROW_COUNT(ENTRY_ROWS), target};
}

int entry_options_are_given(const entry_options *options)
{
    return options->price.has_low || options->price.has_high || options->size.has_low ||
           options->size.has_high;
}

static const option_row THREADS_ROWS[] = {
    {.short_name = 'j',
     .long_name = "threads",
     OPTION_INTO(threads_options, count),
     .metavar = "N",
     .help = "number of threads (default: number of cores)",
     .min = 1,
     .max = LIMIT_THREADS},
};

option_group option_group_threads(threads_options *target)
{
    return (option_group){"Work", THREADS_ROWS, ROW_COUNT(THREADS_ROWS), target};
}

unsigned threads_options_count(const threads_options *options)
{
    TD_ASSERT(options->count <= LIMIT_THREADS);
    if (options->count != 0)
        return (unsigned)options->count;
    unsigned cores = td_core_count();
    return cores > LIMIT_THREADS ? LIMIT_THREADS : cores;
}

static const option_row JSON_ROWS[] = {
    {.long_name = "json", OPTION_INTO(json_options, is_json), .help = "print JSON instead of text"},
};

option_group option_group_json(json_options *target)
{
    return (option_group){"Output", JSON_ROWS, ROW_COUNT(JSON_ROWS), target};
}

static const option_row TALK_ROWS[] = {
    {.short_name = 'q',
     .long_name = "quiet",
     OPTION_INTO(verbosity_options, is_quiet),
     .help = "print errors only"},
    {.short_name = 'v',
     .long_name = "verbose",
     OPTION_INTO(verbosity_options, is_verbose),
     .help = "print more messages"},
};

option_group option_group_quiet(verbosity_options *target)
{
    return (option_group){"Messages (stderr)", TALK_ROWS, 1, target};
}

option_group option_group_verbosity(verbosity_options *target)
{
    return (option_group){"Messages (stderr)", TALK_ROWS, ROW_COUNT(TALK_ROWS), target};
}

static const option_row LISTEN_ROWS[] = {
    {.long_name = "listen",
     OPTION_INTO(listen_options, address),
     .metavar = "HOST:PORT",
     .help = "address to listen on; with port 0 the kernel chooses the port"},
    {.long_name = "ready-file",
     OPTION_INTO(listen_options, ready_file),
     .metavar = "FILE",
     .help = "write {\"url\",\"ca_file\"} to FILE once connections are accepted"},
    {.long_name = "plain", OPTION_INTO(listen_options, is_plain), .help = "serve without TLS"},
    {.long_name = "tls-cert",
     OPTION_INTO(listen_options, tls_cert),
     .metavar = "FILE",
     .help = "PEM certificate chain (default: generated for this run)"},
    {.long_name = "tls-key",
     OPTION_INTO(listen_options, tls_key),
     .metavar = "FILE",
     .help = "PEM private key of --tls-cert"},
};

option_group option_group_listen(listen_options *target)
{
    return (option_group){"Server", LISTEN_ROWS, ROW_COUNT(LISTEN_ROWS), target};
}

static const option_row ORIGIN_ROWS[] = {
    {.long_name = "allow-origin",
     OPTION_INTO(listen_options, origins),
     .metavar = "ORIGIN",
     .help = "let web pages of ORIGIN connect, such as http://tapes.example:8080 (repeatable);\n"
             "pages of this machine always may"},
};

option_group option_group_origins(listen_options *target)
{
    return (option_group){"Web pages", ORIGIN_ROWS, ROW_COUNT(ORIGIN_ROWS), target};
}

void listen_options_log_trust(const listen_options *options, const td_log *log)
{
    if (options->is_plain || options->tls_cert != NULL)
        return;
    if (options->ready_file != NULL)
        td_log_emit(log, TD_LOG_INFO, "clients can trust this run's certificate with '%s.pem'",
                    options->ready_file);
    else
        td_log_emit(log, TD_LOG_WARNING,
                    "no file has this run's certificate, so clients cannot trust it: give "
                    "--ready-file FILE (then FILE.pem has it), --plain or --tls-cert");
}
