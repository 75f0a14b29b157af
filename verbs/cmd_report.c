/* tapedeck report: a recording's coverage, gaps and days as one HTML file. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "base/io.h"
#include "base/io_posix.h"
#include "base/time_text.h"
#include "base/cli/units.h"
#include "replay/play/days.h"
#include "verbs/bands.h"
#include "verbs/cmds.h"
#include "verbs/verb_run.h"

enum {
    REPORT_BYTES_MAX = 5 << 20,
    STEPS = 600,
    BAND_HEIGHT = 18,
    TOPICS_MAX = 60,
    GAPS_MAX = 1000, /* rows of the tables; further ones are counted */
    DAYS_MAX = 4000,
};

typedef struct report_command {
    const char *html;
    td_buf page; /* a row that does not fit sets rc */
    td_result rc;
} report_command;

static const option_row REPORT_ROWS[] = {
    {.long_name = "html",
     OPTION_INTO(report_command, html),
     .metavar = "FILE",
     .help = "write the page to this new file, of at most 5 MiB"},
};

/* ---- HTML ---- */

static void put(report_command *to, const char *html)
{
    if (to->rc == TD_OK)
        to->rc = td_buf_append(&to->page, html, strlen(html), NULL);
}

static void putf(report_command *to, const char *format, ...) TD_PRINTF(2, 3);
static void putf(report_command *to, const char *format, ...)
{
    char text[512];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(text, sizeof text, format, values); /* numbers and short names */
    va_end(values);
    put(to, text);
}

/* Put text from an archive or a peer: nothing in it is markup or controls the reader's program. */
static void put_text(report_command *to, const char *text)
{
    td_bytes rest = td_bytes_str(text);
    while (rest.size > 0) {
        char piece[TD_ESCAPE_BYTES];
        td_bytes part = td_escape_next(&rest, piece);
        for (size_t i = 0; i < part.size && to->rc == TD_OK; i++) {
            const char c = (char)part.data[i];
            if (strchr("&<>\"'", c) != NULL)
                putf(to, "&#%d;", c);
            else
                to->rc = td_buf_append(&to->page, &c, 1, NULL);
        }
    }
}

static void put_time(report_command *to, uint64_t ns)
{
    char text[TD_TIME_TEXT_BYTES];
    td_time_format_ms(ns, text);
    put(to, text);
}

/* Put a duration; "-" for none. */
static void put_duration(report_command *to, uint64_t ns)
{
    char text[TD_TIME_TEXT_BYTES];
    td_duration_format(ns, text);
    put(to, ns == 0 ? "-" : text);
}

static void put_cell(report_command *to, const char *text)
{
    put(to, "<td>");
    put_text(to, text);
}

/* ---- the picture ---- */

/* Put a rectangle for each run of cells in which something was received. */
static void put_received(report_command *to, const timeline_cell *cells)
{
    for (size_t i = 0; i < STEPS; i++) {
        size_t from = i;
        while (i < STEPS && cells[i].received_ns > 0)
            i++;
        if (i > from)
            putf(to, "<rect class=r x=%zu width=%zu height=%d />", from, i - from, BAND_HEIGHT);
    }
}

/* Put a rectangle for each run of cells with the same gaps, whose reasons are its title. */
static void put_gap_bars(report_command *to, const timeline_cell *cells)
{
    size_t end;
    for (size_t i = 0; i < STEPS; i = end) {
        for (end = i + 1; end < STEPS && cells[end].gaps == cells[i].gaps;)
            end++;
        if (cells[i].gaps == 0)
            continue;
        putf(to, "<rect class=g x=%zu width=%zu height=%d><title>", i, end - i, BAND_HEIGHT);
        for (unsigned k = 0; k < GAP_REASON_COUNT; k++)
            if ((cells[i].gaps & 1U << k) != 0)
                putf(to, "%s ", gap_reason_name((gap_reason)k));
        put(to, "</title></rect>");
    }
}

/* Put a line for each cell with frames, as high as the square root of its share of the greatest. */
static void put_frames(report_command *to, const timeline_cell *cells)
{
    double max = 0;
    for (size_t i = 0; i < STEPS; i++)
        max = cells[i].frames > max ? cells[i].frames : max;
    put(to, "<path d=\"");
    for (size_t i = 0; i < STEPS; i++)
        if (cells[i].frames > 0) {
            double share = cells[i].frames / max;
            int height = 1;
            while (height < BAND_HEIGHT - 2 &&
                   (double)(height * height) < share * (BAND_HEIGHT - 2) * (BAND_HEIGHT - 2))
                height++;
            putf(to, "M%zu.5 %dv-%d", i, BAND_HEIGHT, height);
        }
    put(to, "\"/>");
}

static void put_picture(report_command *to, const bands *shown)
{
    put(to, "<h2>Frames over time</h2><p>From ");
    put_time(to, shown->grid.from_ns);
    put(to, " to ");
    put_time(to, shown->grid.from_ns + shown->grid.step_ns * shown->grid.count);
    put(to, ", ");
    put_duration(to, shown->grid.step_ns);
    put(to, " a step. Blue: frames (height: square root, by row). Pale: received without a frame. "
            "Orange: a gap. White: not received.</p><table class=bands>");
    for (uint32_t i = 0; i < shown->count; i++) {
        const timeline_cell *cells = shown->cells + i * shown->grid.count;
        put(to, "<tr><th>");
        put_text(to, shown->names[i]);
        putf(to, "<td><svg viewBox=\"0 0 %d %d\" preserveAspectRatio=none role=img aria-label=\"",
             STEPS, BAND_HEIGHT);
        put_text(to, shown->names[i]);
        put(to, "\">");
        put_received(to, cells);
        put_gap_bars(to, cells);
        put_frames(to, cells);
        put(to, "</svg>\n");
    }
    put(to, "</table>\n");
}

/* ---- the tables ---- */

static void put_more(report_command *to, size_t count, size_t shown, const char *noun)
{
    if (count > shown)
        putf(to, "<p>And %s more.</p>\n", format_counted(count - shown, noun).text);
}

static void put_gaps(report_command *to, const verb_run *verb, const bands *shown)
{
    const gap_list *gaps = timeline_gaps(shown->from);
    size_t count = 0;
    put(to, "<h2>Gaps</h2><table><tr><th>From (UTC)<th>Lasted<th>Reason<th>Of<th>Frames "
            "lost<th>Cause</tr>\n");
    for (size_t i = 0; i < gaps->count; i++) {
        const gap_row *gap = &gaps->rows[i];
        if (!selection_wants_gap(&verb->wanted, shown->window, gap) || ++count > GAPS_MAX)
            continue;
        put(to, "<tr><td>");
        put_time(to, gap->from_ns);
        put(to, "<td>");
        if (gap->to_ns == GAP_OPEN)
            put(to, "open");
        else
            put_duration(to, gap->to_ns > gap->from_ns ? gap->to_ns - gap->from_ns : 0);
        put_cell(to, gap_reason_name(gap->reason));
        put_cell(to, gap->feed);
        put(to, " ");
        put_text(to, gap->topic[0] == '\0' ? "(all topics)" : gap->topic);
        put(to, " ");
        put_text(to, gap->symbol);
        put_cell(to, gap->frames_lost == GAP_FRAMES_UNKNOWN ? "?"
                                                            : format_count(gap->frames_lost).text);
        put_cell(to, gap->cause);
        put(to, "</tr>\n");
    }
    put(to, "</table>\n");
    if (count == 0)
        put(to, "<p>None.</p>\n");
    put_more(to, count, GAPS_MAX, "gap");
}

/* Put a symbol's day: its share of clean time, and the longest p99 of its topics' delays. */
static void put_day(report_command *to, const day_topic *topics, size_t count, const day_topic *sum)
{
    char day[TD_TIME_TEXT_BYTES];
    char reasons[DAY_REASONS_BYTES];
    uint64_t share = day_share(sum->clean_ns, sum->expected_ns);
    uint64_t frames = 0;
    uint64_t p50_ns = 0;
    uint64_t p99_ns = 0;
    for (size_t i = 0; i < count; i++) {
        const day_counts *counts = &topics[i].counts;
        frames += counts->frames;
        p50_ns = counts->p50_ns > p50_ns ? counts->p50_ns : p50_ns;
        p99_ns = counts->p99_ns > p99_ns ? counts->p99_ns : p99_ns;
    }
    td_time_format(sum->day_ns, day);
    day[strlen("2021-04-17")] = '\0';
    day_reasons_text(sum->reasons, reasons);
    putf(to, "<tr%s>", sum->reasons == 0 ? "" : " class=bad");
    put_cell(to, day);
    put_cell(to, sum->feed);
    put_cell(to, sum->symbol);
    putf(to, "<td>%u.%02u<td>", (unsigned)(share / 100), (unsigned)(share % 100));
    put_duration(to, sum->degraded_ns);
    put(to, "<td>");
    put_duration(to, sum->missing_ns);
    put_cell(to, reasons);
    put_cell(to, format_count(frames).text);
    put(to, "<td>");
    put_duration(to, p50_ns);
    put(to, "<td>");
    put_duration(to, p99_ns);
    put(to, "</tr>\n");
}

static void put_days(report_command *to, const day_list *days)
{
    size_t count = 0;
    size_t next = 0;
    put(to,
        "<h2>Days</h2><p>How much of the time that was asked for is clean, for each symbol; the "
        "longest delay from exchange to receipt of its topics.</p><table><tr><th>Day "
        "(UTC)<th>Feed<th>Symbol<th>Clean %<th>Degraded<th>Missing<th>Reasons<th>Frames"
        "<th>Delay p50<th>Delay p99</tr>\n");
    for (size_t i = 0; i < days->count; i = next) {
        day_topic sum;
        uint64_t proof_ns[TOPIC_PROOFS];
        next = day_list_sum(days, i, &sum, proof_ns);
        if (++count <= DAYS_MAX)
            put_day(to, &days->rows[i], next - i, &sum);
    }
    put(to, "</table>\n");
    put_more(to, count, DAYS_MAX, "symbol-day");
}

static void put_page(report_command *to, const verb_run *verb, const bands *shown,
                     const day_list *days, const cursor_stats *stats)
{
    put(to,
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=Content-Security-Policy "
        "content=\"default-src 'none'; style-src 'unsafe-inline'\"><meta name=viewport "
        "content=\"width=device-width\"><title>");
    put_text(to, archive_path(verb->archive));
    put(to,
        "</title><style>:root{color-scheme:light dark}body{font:14px/1.5 sans-serif;margin:2em}"
        "table{border-collapse:collapse}th,td{text-align:left;padding:1px 12px 1px 0;"
        "font-variant-numeric:tabular-nums;vertical-align:top}.bands{width:100%}.bands "
        "th{white-space:nowrap;font-weight:400;width:1%}svg{width:100%;height:18px;display:block;"
        "background:#8881}.r{fill:#7aaee04d}.g{fill:#f08a3c}path{stroke:#2f78b7;fill:none}"
        ".bad td:nth-child(4){font-weight:700}</style><h1>");
    put_text(to, archive_path(verb->archive));
    put(to, "</h1>\n");
    if (cursor_is_damaged(stats))
        put(to, "<p><strong>A part of the recording cannot be read.</strong></p>\n");
    put_picture(to, shown);
    put_gaps(to, verb, shown);
    put_days(to, days);
    put(to, "</html>\n");
}

/* ---- the verb ---- */

static td_result write_page(void *user, td_file *file, td_err *err)
{
    const td_buf *page = user;
    return td_io_append(file, page->data, page->size, err);
}

static td_result make_page(verb_run *verb, const day_list *days, const cursor_stats *stats)
{
    report_command *command = verb->state;
    bands shown;
    td_result rc = bands_find(verb, &verb->wanted, TOPICS_MAX, &shown);
    if (rc == TD_OK && !bands_fill(&shown, STEPS))
        rc = td_err_set(&verb->err, TD_E_NOTFOUND, "no frame matches the selection");
    if (rc == TD_OK) {
        put_page(command, verb, &shown, days, stats);
        rc =
            command->rc == TD_OK
                ? td_io_write_file(io_posix(), command->html, TD_OPEN_CREATE, write_page,
                                   &command->page, &verb->err)
                : td_err_set(&verb->err, TD_E_LIMIT,
                             "the page has more than %d MiB: select less, with --feed, --symbol or "
                             "--from",
                             REPORT_BYTES_MAX >> 20);
    }
    if (rc == TD_OK) {
        result_writer *r = &verb->result;
        result_object_begin(r, NULL);
        result_text(r, "file", command->html);
        result_size(r, "bytes", command->page.size);
        result_object_end(r, "{file}: {bytes}\n");
    }
    bands_fini(&shown);
    return rc;
}

static td_result check(verb_run *verb)
{
    const report_command *command = verb->state;
    if (command->html != NULL)
        return td_io_check_absent(io_posix(), command->html, &verb->err);
    td_err_set(&verb->err, TD_E_INVALID, "no file is given");
    td_err_hint(&verb->err, "--html report.html");
    return TD_E_INVALID;
}

static td_result work(verb_run *verb)
{
    day_list days;
    cursor_stats stats = {0};
    const observe_options how = verb_run_observing(verb);
    td_result rc = days_find(&how, &verb->wanted, &days, &stats, &verb->err);
    progress_end(&verb->progress);
    if (rc == TD_OK)
        rc = make_page(verb, &days, &stats);
    if (rc == TD_OK && cursor_is_damaged(&stats))
        verb->status = EXIT_CODE_DAMAGE;
    day_list_fini(&days);
    return rc;
}

exit_code cmd_report(const verb_context *context, int argc, char **argv)
{
    report_command command = {0};
    td_buf_init(&command.page, REPORT_BYTES_MAX);
    const verb_spec spec = {
        .name = "report",
        .summary = "Write a recording's coverage, gaps and days as one HTML file, to be mailed: it "
                   "needs no other file and no network. The selection is replayed once.",
        .statuses = {[EXIT_CODE_DAMAGE] =
                         "a part of the selection cannot be read; the page reports it",
                     [EXIT_CODE_FAILED] =
                         "nothing matches the selection, or the page is too large"},
        .examples = "tapedeck report archive --html report.html --from now-7d",
        .takes = VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS | VERB_STOPS,
        .own = {{"Report", REPORT_ROWS, sizeof REPORT_ROWS / sizeof *REPORT_ROWS, &command}},
        .mode = ARCHIVE_READ,
        .check = check,
        .work = work};
    exit_code code = verb_run_all(&spec, &command, context, argc, argv);
    td_buf_fini(&command.page);
    return code;
}
