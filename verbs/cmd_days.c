/* tapedeck days: how whole each symbol's recording is on each UTC day. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "replay/play/bands.h"
#include "replay/play/days.h"
#include "replay/play/joined_days.h"
#include "replay/play/report.h"
#include "tape/gap_cover.h"
#include "verbs/verb_run.h"
#include "verbs/cmds.h"

/* One symbol on one day. As text, symbols with the same figures on a day share a row. */
typedef struct symbol_day {
    const day_topic *topics; /* the symbol's topics on the day, in the day_list */
    size_t topic_count;
    day_topic sum;
    uint64_t proof_ns[TOPIC_PROOFS];
    uint64_t clean, verified; /* 1/100 % */
    uint64_t of_day;          /* clean time in 1/100 % of 24 h per topic */
    size_t proven;            /* number of proven topics */
    uint64_t expected_ns;     /* longest expected time of its topics */
    uint64_t frames;
} symbol_day;

typedef struct symbol_days {
    symbol_day *rows;
    size_t count;
    uint64_t clean;     /* clean rows */
    uint64_t unproven;  /* rows of topics that sent nothing, of which nothing is expected */
    uint64_t recording; /* rows being recorded */
    uint8_t has_feeds;  /* 1: rows of several feeds */
} symbol_days;

/* ---- figures ---- */

/* 1 if all of the row's topics sent nothing, as they may. */
static int is_unproven(const symbol_day *row)
{
    return row->sum.expected_ns == 0 && row->sum.reasons == 0;
}

static symbol_days collect_rows(const day_list *list)
{
    symbol_days out = {0};
    size_t next = 0;
    for (size_t i = 0; i < list->count; i = next) {
        symbol_day row = {.topics = &list->rows[i]};
        next = day_list_sum(list, i, &row.sum, row.proof_ns);
        row.topic_count = next - i;
        row.clean = day_share(row.sum.clean_ns, row.sum.expected_ns);
        if (row.sum.reasons != 0 && row.clean == DAY_SHARE_ALL)
            row.clean--;
        row.verified = day_share(row.proof_ns[PROOF_PROVEN], row.sum.expected_ns);
        row.of_day = day_share(row.sum.clean_ns, row.topic_count * TD_NS_PER_DAY);
        for (size_t k = i; k < next; k++) {
            row.proven += list->rows[k].proof == PROOF_PROVEN;
            row.frames += list->rows[k].counts.frames;
            if (list->rows[k].expected_ns > row.expected_ns)
                row.expected_ns = list->rows[k].expected_ns;
        }
        out.unproven += (uint64_t)is_unproven(&row);
        out.clean += row.sum.reasons == 0 && !is_unproven(&row);
        out.recording += row.sum.is_recording;
        out.has_feeds |= strcmp(row.sum.feed, list->rows[0].feed) != 0;
        out.rows = td_array_grow(out.rows, out.count, sizeof *out.rows);
        out.rows[out.count++] = row;
    }
    return out;
}

/* Compares figures as text shows them; durations in seconds. */
static int compare_figures(const symbol_day *left, const symbol_day *right)
{
    const uint64_t pairs[][2] = {
        {left->clean, right->clean},
        {left->of_day, right->of_day},
        {left->proven, right->proven},
        {left->topic_count, right->topic_count},
        {left->sum.degraded_ns / TD_NS_PER_S, right->sum.degraded_ns / TD_NS_PER_S},
        {left->sum.missing_ns / TD_NS_PER_S, right->sum.missing_ns / TD_NS_PER_S},
        {left->sum.reasons, right->sum.reasons},
    };
    int order = 0;
    for (size_t i = 0; order == 0 && i < sizeof pairs / sizeof pairs[0]; i++)
        order = (pairs[i][0] > pairs[i][1]) - (pairs[i][0] < pairs[i][1]);
    return order;
}

/* Compare by feed, day, figures, symbol. */
static int compare_rows(const void *a, const void *b)
{
    const symbol_day *left = a;
    const symbol_day *right = b;
    int order = strcmp(left->sum.feed, right->sum.feed);
    if (order == 0)
        order = (left->sum.day_ns > right->sum.day_ns) - (left->sum.day_ns < right->sum.day_ns);
    if (order == 0)
        order = compare_figures(left, right);
    return order != 0 ? order : strcmp(left->sum.symbol, right->sum.symbol);
}

/* ---- the result ---- */

static void describe_reasons(result_writer *r, const char *name, unsigned reasons)
{
    char text[DAY_REASONS_BYTES];
    day_reasons_text(reasons, text);
    result_name(r, name, text);
}

static void describe_topics(result_writer *r, const symbol_day *of)
{
    result_list_begin(r, "topics");
    for (size_t i = 0; i < of->topic_count; i++) {
        const day_topic *row = &of->topics[i];
        const day_counts *counts = &row->counts;
        result_object_begin(r, NULL);
        result_text(r, "topic", row->topic);
        result_text(r, "proof", topic_proof_name(row->proof));
        result_number(r, "asked_ns", row->expected_ns);
        result_number(r, "clean_ns", row->clean_ns);
        result_number(r, "degraded_ns", row->degraded_ns);
        result_number(r, "missing_ns", row->missing_ns);
        result_number(r, "pruned_ns", row->pruned_ns);
        result_number(r, "not_subscribed_ns", row->not_subscribed_ns);
        result_number(r, "unproven_ns", row->unproven_ns);
        describe_reasons(r, "reasons", row->reasons);
        result_count(r, "frames", counts->frames);
        result_count(r, "bytes", counts->bytes);
        result_count(r, "frames_per_s_max", counts->frames_per_s_max);
        result_count(r, "undecoded", counts->undecoded);
        result_count(r, "broken", counts->broken);
        result_count(r, "crossed", counts->crossed);
        result_count(r, "ahead", counts->ahead);
        result_count(r, "timed", counts->timed);
        result_number(r, "p50_ns", counts->p50_ns);
        result_number(r, "p90_ns", counts->p90_ns);
        result_number(r, "p99_ns", counts->p99_ns);
        result_number(r, "max_ns", counts->max_ns);
        result_object_end(r, NULL);
    }
    result_list_end(r);
}

static void format_day(uint64_t day_ns, char out[TD_TIME_TEXT_BYTES])
{
    td_time_format(day_ns, out);
    out[strlen("2021-04-17")] = '\0';
}

/* Describe a row for this many symbols, and for all days until the day of `last`. */
static void describe_day(result_writer *r, const symbol_day *row, size_t symbols,
                         const symbol_day *last)
{
    char day[TD_TIME_TEXT_BYTES];
    char until[TD_TIME_TEXT_BYTES];
    format_day(row->sum.day_ns, day);
    format_day(last->sum.day_ns, until);
    result_object_begin(r, NULL);
    result_text(r, "feed", row->sum.feed);
    result_text(r, "day", day);
    result_note(r, "until", "%s", last == row ? "" : until);
    result_name(r, "symbol", row->sum.symbol);
    if (symbols > 1)
        result_note(r, "which", "%zu symbols", symbols);
    else
        result_note(r, "which", "%s", row->sum.symbol[0] == '\0' ? "-" : row->sum.symbol);
    result_fraction(r, "clean_percent", row->clean, 2);
    result_note(r, "is_quiet", "%s", is_unproven(row) ? "1" : "");
    result_fraction(r, "day_percent", row->of_day, 2);
    result_fraction(r, "verified_percent", row->verified, 2);
    result_count(r, "proven_topics", row->proven);
    result_number(r, "proven_ns", row->proof_ns[PROOF_PROVEN]);
    result_number(r, "warned_ns", row->proof_ns[PROOF_WARNED]);
    result_number(r, "unverifiable_ns", row->proof_ns[PROOF_UNVERIFIABLE]);
    result_number(r, "asked_ns", row->expected_ns);
    result_number(r, "degraded_ns", row->sum.degraded_ns);
    result_number(r, "missing_ns", row->sum.missing_ns);
    result_number(r, "pruned_ns", row->sum.pruned_ns);
    result_number(r, "not_subscribed_ns", row->sum.not_subscribed_ns);
    result_number(r, "unproven_ns", row->sum.unproven_ns);
    result_note(r, "proven", "%zu of %s", row->proven,
                format_counted(row->topic_count, "topic").text);
    result_duration(r, "asked", row->expected_ns);
    result_duration(r, "degraded", row->sum.degraded_ns);
    result_duration(r, "missing", row->sum.missing_ns);
    describe_reasons(r, "reasons", row->sum.reasons);
    result_bool(r, "recording", row->sum.is_recording);
    result_note(r, "now", "%s", row->sum.is_recording ? "(being recorded)" : "");
    result_count(r, "frames", row->frames);
    if (result_json(r) != NULL)
        describe_topics(r, row);
    result_object_end(r, NULL);
}

/* The index after the rows with the same day and figures. */
static size_t group_end(const symbol_days *days, size_t from)
{
    const symbol_day *first = &days->rows[from];
    size_t end = from + 1;
    while (end < days->count && days->rows[end].sum.day_ns == first->sum.day_ns &&
           strcmp(days->rows[end].sum.feed, first->sum.feed) == 0 &&
           compare_figures(&days->rows[end], first) == 0)
        end++;
    return end;
}

/* 1 if the rows from `from` to `end` have no frames and the next day has the same rows. */
static int has_same_after(const symbol_days *days, size_t from, size_t end)
{
    const symbol_day *one = &days->rows[from];
    if (end == days->count || group_end(days, end) - end != end - from)
        return 0;
    for (size_t i = from; i < end; i++) {
        const symbol_day *next = &days->rows[i + (end - from)];
        if (days->rows[i].frames != 0 || next->frames != 0 ||
            next->sum.day_ns != one->sum.day_ns + TD_NS_PER_DAY ||
            strcmp(next->sum.feed, one->sum.feed) != 0 ||
            strcmp(next->sum.symbol, days->rows[i].sum.symbol) != 0)
            return 0;
    }
    return compare_figures(one, &days->rows[end]) == 0;
}

static void describe_days(result_writer *r, const symbol_days *days, int by_symbol)
{
    static const table_column COLUMNS[] = {
        {"feed", TABLE_LEFT, "{feed}"},
        {"day", TABLE_LEFT, "{day}[ to {until}]"},
        {"symbol", TABLE_LEFT, "{which}"},
        {"clean %", TABLE_RIGHT, "[{is_quiet!}{clean_percent}][{is_quiet?}-]"},
        {"of the day", TABLE_RIGHT, "{day_percent} %"},
        {"proven", TABLE_LEFT, "{proven}"},
        {"degraded", TABLE_SPARE_RIGHT, "[{degraded_ns?}{degraded}][{degraded_ns!}-]"},
        {"missing", TABLE_SPARE_RIGHT, "[{missing_ns?}{missing}][{missing_ns!}-]"},
        {"reasons", TABLE_LEFT, "{reasons|-}[ {now}]"},
        {"asked for", TABLE_SPARE_RIGHT, "{asked}"},
    };
    size_t skipped = days->has_feeds ? 0 : 1;
    result_table_begin(r, "days", COLUMNS + skipped, sizeof COLUMNS / sizeof COLUMNS[0] - skipped);
    for (size_t i = 0; i < days->count;) {
        size_t last = i;
        size_t end = by_symbol ? i + 1 : group_end(days, i);
        size_t symbols = end - i;
        while (!by_symbol && has_same_after(days, last, end)) {
            last = end;
            end = group_end(days, last);
        }
        describe_day(r, &days->rows[i], symbols, &days->rows[last]);
        i = end;
    }
    result_list_end(r);
}

#define DAYS_PATTERN                                                                               \
    "{together}{clean} of {all} symbol-days are clean"                                             \
    "[; {unproven_days} without a frame]"                                                          \
    "[; nothing was recorded on {days_absent day} that {days_absent is/are} asked for]"            \
    "[; {recording} being recorded][; {damaged_chunks damaged chunk}]"                             \
    "[; {unreadable_segments unreadable segment}]\n" SILENT_PATTERN

/* What each archive has alone. */
static void describe_archives(verb_run *verb, const day_list *lists)
{
    result_writer *r = &verb->result;
    result_list_begin(r, "archives");
    for (size_t i = 0; i < verb->archive_count; i++) {
        symbol_days alone = collect_rows(&lists[i]);
        result_object_begin(r, NULL);
        result_text(r, "archive", archive_path(verb->archives[i]));
        result_note(r, "all", "%zu", alone.count);
        result_count(r, "clean", alone.clean);
        result_count(r, "not_clean", alone.count - alone.clean - alone.unproven);
        result_count(r, "unproven_days", alone.unproven);
        result_object_end(r, "{archive}: {clean} of {all} symbol-days are clean\n");
        td_free(alone.rows);
    }
    result_list_end(r);
}

/* lists: of each archive, which `list` joins, if there are several. */
static td_result describe(verb_run *verb, symbol_days *days, const day_list *list,
                          const day_list *lists, const cursor_stats *stats)
{
    result_writer *r = &verb->result;
    const int are_many = verb->archive_count > 1;
    int is_text = result_json(r) == NULL;
    td_result rc = TD_OK;
    if (is_text && days->count > 0)
        qsort(days->rows, days->count, sizeof *days->rows, compare_rows);
    result_object_begin(r, NULL);
    describe_days(r, days, !is_text || verb->verbosity.is_verbose);
    result_note(r, "all", "%zu", days->count);
    result_count(r, "clean", days->clean);
    result_count(r, "not_clean", days->count - days->clean - days->unproven);
    result_count(r, "unproven_days", days->unproven);
    result_count(r, "recording", days->recording);
    result_count(r, "days_absent", absent_days_count(&list->absent));
    result_count(r, "damaged_chunks", stats->damaged_chunks);
    result_count(r, "unreadable_segments", stats->segments_unreadable);
    report_describe_silent(r, &list->silent);
    result_note(r, "together", "%s", are_many ? "together: " : "");
    if (are_many)
        describe_archives(verb, lists);
    else
        rc = bands_describe(r, verb->archive, &verb->wanted, &verb->err);
    result_object_end(r, are_many ? "{days}\n{archives}" DAYS_PATTERN
                                  : "{days}\n" DAYS_PATTERN BANDS_PATTERN);
    return rc;
}

/* Find the days of each archive. One may have nothing of the selection, if another one has. */
static td_result find_each(verb_run *verb, day_list *lists, cursor_stats *stats)
{
    int has_any = 0;
    td_result rc = TD_OK;
    for (size_t i = 0; i < verb->archive_count && rc == TD_OK; i++) {
        cursor_stats read = {0};
        verb_run_choose(verb, i);
        const observe_options how = verb_run_observing(verb);
        rc = days_find(&how, &verb->wanted, &lists[i], &read, &verb->err);
        stats->damaged_chunks += read.damaged_chunks;
        stats->segments_unreadable += read.segments_unreadable;
        has_any |= rc == TD_OK;
        if (rc == TD_E_NOTFOUND && (has_any || i + 1 < verb->archive_count))
            rc = TD_OK;
    }
    progress_end(&verb->progress);
    return rc;
}

/* Join the days of several archives. */
static td_result join_days(verb_run *verb, const day_list *lists, day_list *out)
{
    gap_account accounts[GAP_ACCOUNTS_MAX] = {{0}};
    gap_list between = {0};
    td_result rc = TD_OK;
    *out = (day_list){0};
    for (size_t i = 0; i < verb->archive_count && rc == TD_OK; i++)
        rc = archive_view_open(verb->archives[i], VIEW_ALL, NULL, &accounts[i].view, &verb->err);
    if (rc == TD_OK) {
        gap_cover_between(accounts, verb->archive_count, &between);
        joined_days_make(lists, verb->archive_count, &between, out);
    }
    gap_list_fini(&between);
    for (size_t i = 0; i < verb->archive_count; i++)
        archive_view_close(accounts[i].view);
    return rc;
}

static td_result run_days(verb_run *verb)
{
    day_list lists[GAP_ACCOUNTS_MAX] = {{0}};
    day_list joined = {0};
    cursor_stats stats = {0};
    td_result rc = find_each(verb, lists, &stats);
    if (rc == TD_OK && verb->archive_count > 1)
        rc = join_days(verb, lists, &joined);
    if (rc == TD_OK) {
        const day_list *list = verb->archive_count > 1 ? &joined : &lists[0];
        symbol_days days = collect_rows(list);
        rc = describe(verb, &days, list, lists, &stats);
        const int is_whole =
            days.clean + days.unproven == days.count && absent_days_count(&list->absent) == 0;
        verb->status = cursor_is_damaged(&stats) ? EXIT_CODE_DAMAGE
                       : is_whole                ? EXIT_CODE_DONE
                                                 : EXIT_CODE_DIFFERS;
        td_free(days.rows);
    }
    for (size_t i = 0; i < GAP_ACCOUNTS_MAX; i++)
        day_list_fini(&lists[i]);
    day_list_fini(&joined);
    return rc;
}

exit_code cmd_days(const verb_context *context, int argc, char **argv)
{
    const verb_spec spec = {
        .name = "days",
        .summary = "Report how whole the recording of each symbol is on each UTC day. Symbols "
                   "with the same figures are one row; with -v each has its own. The selection "
                   "is replayed once.",
        .statuses = {[EXIT_CODE_DONE] =
                         "all days are clean, or only have topics that may be silent",
                     [EXIT_CODE_DIFFERS] =
                         "a day is not clean, or was not recorded although asked for",
                     [EXIT_CODE_DAMAGE] = ("a part of the selection cannot be read or is missing, "
                                           "or the journal is damaged")},
        .examples = "tapedeck days archive --feed v5-linear --from 2026-11-01 --to 2026-11-07\n"
                    "tapedeck days archive --symbol BTCUSDT --json\n"
                    "tapedeck days east s3://bucket/west",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS |
                 VERB_TAKES_JSON | VERB_STOPS | VERB_TAKES_ARCHIVES,
        .mode = ARCHIVE_READ,
        .work = run_days};
    return verb_run_main(&spec, NULL, context, argc, argv);
}
