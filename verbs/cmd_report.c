/* tapedeck report: a recording's coverage, gaps and days as one HTML file. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/io_posix.h"
#include "base/time_text.h"
#include "base/cli/units.h"
#include "replay/play/days.h"
#include "verbs/bands.h"
#include "verbs/cmds.h"
#include "verbs/heat_map.h"
#include "verbs/html_page.h"
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
    const char *heat_map; /* NULL: none */
    html_page page;
} report_command;

static const option_row REPORT_ROWS[] = {
    {.long_name = "html",
     OPTION_INTO(report_command, html),
     .metavar = "FILE",
     .help = "write the page to this new file, of at most 5 MiB"},
    {.long_name = "heat-map",
     OPTION_INTO(report_command, heat_map),
     .metavar = "TOPIC",
     .help = "also show this book (orderbook.50) of the one selected symbol over the\n"
             "selected time: depth by price, best prices, trades"},
};

/* ---- the picture ---- */

/* Put a rectangle for each run of cells in which something was received. */
static void put_received(html_page *to, const timeline_cell *cells)
{
    for (size_t i = 0; i < STEPS; i++) {
        size_t from = i;
        while (i < STEPS && cells[i].received_ns > 0)
            i++;
        if (i > from)
            html_putf(to, "<rect class=r x=%zu width=%zu height=%d />", from, i - from,
                      BAND_HEIGHT);
    }
}

/* Put a rectangle for each run of cells with the same gaps, whose reasons are its title. */
static void put_gap_bars(html_page *to, const timeline_cell *cells)
{
    size_t end;
    for (size_t i = 0; i < STEPS; i = end) {
        for (end = i + 1; end < STEPS && cells[end].gaps == cells[i].gaps;)
            end++;
        if (cells[i].gaps == 0)
            continue;
        html_putf(to, "<rect class=g x=%zu width=%zu height=%d><title>", i, end - i, BAND_HEIGHT);
        for (unsigned k = 0; k < GAP_REASON_COUNT; k++)
            if ((cells[i].gaps & 1U << k) != 0)
                html_putf(to, "%s ", gap_reason_name((gap_reason)k));
        html_put(to, "</title></rect>");
    }
}

/* Put a line for each cell with frames, as high as the square root of its share of the greatest. */
static void put_frames(html_page *to, const timeline_cell *cells)
{
    double max = 0;
    for (size_t i = 0; i < STEPS; i++)
        max = cells[i].frames > max ? cells[i].frames : max;
    html_put(to, "<path d=\"");
    for (size_t i = 0; i < STEPS; i++)
        if (cells[i].frames > 0) {
            double share = cells[i].frames / max;
            int height = 1;
            while (height < BAND_HEIGHT - 2 &&
                   (double)(height * height) < share * (BAND_HEIGHT - 2) * (BAND_HEIGHT - 2))
                height++;
            html_putf(to, "M%zu.5 %dv-%d", i, BAND_HEIGHT, height);
        }
    html_put(to, "\"/>");
}

static void put_picture(html_page *to, const bands *shown)
{
    html_put(to, "<h2>Frames over time</h2><p>From ");
    html_put_time(to, shown->grid.from_ns);
    html_put(to, " to ");
    html_put_time(to, shown->grid.from_ns + shown->grid.step_ns * shown->grid.count);
    html_put(to, ", ");
    html_put_duration(to, shown->grid.step_ns);
    html_put(to,
             " a step. Blue: frames (height: square root, by row). Pale: received without a frame. "
             "Orange: a gap. White: not received.</p><table class=bands>");
    for (uint32_t i = 0; i < shown->count; i++) {
        const timeline_cell *cells = shown->cells + i * shown->grid.count;
        html_put(to, "<tr><th>");
        html_put_text(to, shown->names[i]);
        html_putf(to,
                  "<td><svg viewBox=\"0 0 %d %d\" preserveAspectRatio=none role=img aria-label=\"",
                  STEPS, BAND_HEIGHT);
        html_put_text(to, shown->names[i]);
        html_put(to, "\">");
        put_received(to, cells);
        put_gap_bars(to, cells);
        put_frames(to, cells);
        html_put(to, "</svg>\n");
    }
    html_put(to, "</table>\n");
}

/* ---- the tables ---- */

static void put_more(html_page *to, size_t count, size_t shown, const char *noun)
{
    if (count > shown)
        html_putf(to, "<p>And %s more.</p>\n", format_counted(count - shown, noun).text);
}

static void put_gaps(html_page *to, const verb_run *verb, const bands *shown)
{
    const gap_list *gaps = timeline_gaps(shown->from);
    size_t count = 0;
    html_put(to, "<h2>Gaps</h2><table><tr><th>From (UTC)<th>Lasted<th>Reason<th>Of<th>Frames "
                 "lost<th>Cause</tr>\n");
    for (size_t i = 0; i < gaps->count; i++) {
        const gap_row *gap = &gaps->rows[i];
        if (!selection_wants_gap(&verb->wanted, shown->window, gap) || ++count > GAPS_MAX)
            continue;
        html_put(to, "<tr><td>");
        html_put_time(to, gap->from_ns);
        html_put(to, "<td>");
        if (gap->to_ns == GAP_OPEN)
            html_put(to, "open");
        else
            html_put_duration(to, gap->to_ns > gap->from_ns ? gap->to_ns - gap->from_ns : 0);
        html_put_cell(to, gap_reason_name(gap->reason));
        html_put_cell(to, gap->feed);
        html_put(to, " ");
        html_put_text(to, gap->topic[0] == '\0' ? "(all topics)" : gap->topic);
        html_put(to, " ");
        html_put_text(to, gap->symbol);
        html_put_cell(
            to, gap->frames_lost == GAP_FRAMES_UNKNOWN ? "?" : format_count(gap->frames_lost).text);
        html_put_cell(to, gap->cause);
        html_put(to, "</tr>\n");
    }
    html_put(to, "</table>\n");
    if (count == 0)
        html_put(to, "<p>None.</p>\n");
    put_more(to, count, GAPS_MAX, "gap");
}

/* Put a symbol's day: its share of clean time, and the longest p99 of its topics' delays. */
static void put_day(html_page *to, const day_topic *topics, size_t count, const day_topic *sum)
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
    html_putf(to, "<tr%s>", sum->reasons == 0 ? "" : " class=bad");
    html_put_cell(to, day);
    html_put_cell(to, sum->feed);
    html_put_cell(to, sum->symbol);
    if (sum->expected_ns == 0) /* nothing is expected of its topics */
        html_put(to, "<td>-<td>");
    else
        html_putf(to, "<td>%u.%02u<td>", (unsigned)(share / 100), (unsigned)(share % 100));
    html_put_duration(to, sum->degraded_ns);
    html_put(to, "<td>");
    html_put_duration(to, sum->missing_ns);
    html_put_cell(to, reasons);
    html_put_cell(to, format_count(frames).text);
    html_put(to, "<td>");
    html_put_duration(to, p50_ns);
    html_put(to, "<td>");
    html_put_duration(to, p99_ns);
    html_put(to, "</tr>\n");
}

/* Put the topics that were asked for and sent nothing. */
static void put_silent(html_page *to, const silent_list *list)
{
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const silent_topic *row = &list->rows[i];
        if (row->is_proven || ++count > DAYS_MAX)
            continue;
        if (count == 1)
            html_put(to, "<p>Asked for, and unproven, because no frame came:</p><table><tr>"
                         "<th>Feed<th>Topic<th>Symbol<th>Answer</tr>\n");
        html_put(to, "<tr>");
        html_put_cell(to, row->feed);
        html_put_cell(to, row->topic);
        html_put_cell(to, row->symbol);
        html_put_cell(to, silent_topic_state(row));
        html_put(to, "</tr>\n");
    }
    if (count > 0)
        html_put(to, "</table>\n");
    put_more(to, count, DAYS_MAX, "topic");
}

static void put_days(html_page *to, const day_list *days)
{
    size_t count = 0;
    size_t next = 0;
    html_put(
        to,
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
    html_put(to, "</table>\n");
    put_more(to, count, DAYS_MAX, "symbol-day");
    put_silent(to, &days->silent);
}

/* ---- the heat map ---- */

static timeline_extent find_extent(void *user, const char *feed, uint64_t from_ns, uint64_t to_ns)
{
    return timeline_extent_of(user, feed, from_ns, to_ns);
}

/* Find the book of the only selected symbol that has it. */
static td_result find_market(const verb_run *verb, const bands *shown, const char *topic,
                             const timeline_row **out, td_err *err)
{
    *out = NULL;
    for (size_t i = 0; i < shown->row_count; i++) {
        const timeline_row *row = &shown->rows[i];
        if (row->type != MSG_BOOK_CHANGE || strcmp(row->topic, topic) != 0 ||
            !selection_has_feed(&verb->wanted, row->feed) ||
            !selection_has_topic(&verb->wanted, td_bytes_str(row->topic),
                                 td_bytes_str(row->exchange_topic), td_bytes_str(row->symbol)))
            continue;
        if (*out != NULL) {
            td_err_set(err, TD_E_INVALID, "'%s' of several symbols is selected: %s %s, %s %s",
                       topic, (*out)->feed, (*out)->symbol, row->feed, row->symbol);
            td_err_hint(err, "--symbol %s --feed %s", row->symbol, row->feed);
            return TD_E_INVALID;
        }
        *out = row;
    }
    if (*out != NULL)
        return TD_OK;
    td_err_set(err, TD_E_NOTFOUND, "the selection has no book '%s'", topic);
    td_err_hint(err, "a topic that 'tapedeck info' lists, for instance orderbook.50");
    return TD_E_NOTFOUND;
}

static td_result put_heat_map(verb_run *verb, const bands *shown)
{
    report_command *command = verb->state;
    const timeline_row *book;
    td_result rc = find_market(verb, shown, command->heat_map, &book, &verb->err);
    if (rc != TD_OK)
        return rc;
    market_cache *cache = market_cache_open_default();
    const market_source source = {
        .from = verb->archive,
        .cache = cache,
        .name = {book->feed, book->symbol, book->topic,
                 market_find_trades(shown->from, book->feed, book->symbol)},
        .extent = find_extent,
        .user = shown->from,
    };
    const timeline_grid *grid = &shown->grid;
    rc = heat_map_put(&command->page, &source, grid->from_ns,
                      grid->from_ns + grid->step_ns * grid->count, &verb->err);
    market_cache_close(cache);
    return rc;
}

/* ---- the page ---- */

static td_result put_page(verb_run *verb, const bands *shown, const day_list *days,
                          const cursor_stats *stats)
{
    report_command *command = verb->state;
    html_page *to = &command->page;
    html_put(
        to,
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=Content-Security-Policy "
        "content=\"default-src 'none'; style-src 'unsafe-inline'\"><meta name=viewport "
        "content=\"width=device-width\"><title>");
    html_put_text(to, archive_path(verb->archive));
    html_put(
        to,
        "</title><style>:root{color-scheme:light dark}body{font:14px/1.5 sans-serif;margin:2em}"
        "table{border-collapse:collapse}th,td{text-align:left;padding:1px 12px 1px 0;"
        "font-variant-numeric:tabular-nums;vertical-align:top}.bands{width:100%}.bands "
        "th{white-space:nowrap;font-weight:400;width:1%}svg{width:100%;height:18px;display:block;"
        "background:#8881}.r{fill:#7aaee04d}.g{fill:#f08a3c}path{stroke:#2f78b7;fill:none}"
        ".bad td:nth-child(4){font-weight:700}");
    html_put(to, HEAT_MAP_STYLE);
    html_put(to, "</style><h1>");
    html_put_text(to, archive_path(verb->archive));
    html_put(to, "</h1>\n");
    if (cursor_is_damaged(stats))
        html_put(to, "<p><strong>A part of the recording cannot be read.</strong></p>\n");
    put_picture(to, shown);
    td_result rc = command->heat_map == NULL ? TD_OK : put_heat_map(verb, shown);
    put_gaps(to, verb, shown);
    put_days(to, days);
    html_put(to, "</html>\n");
    return rc;
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
    if (rc == TD_OK)
        rc = put_page(verb, &shown, days, stats);
    if (rc == TD_OK) {
        rc =
            command->page.rc == TD_OK
                ? td_io_write_file(io_posix(), command->html, TD_OPEN_CREATE, write_page,
                                   &command->page.bytes, &verb->err)
                : td_err_set(&verb->err, TD_E_LIMIT,
                             "the page has more than %d MiB: select less, with --feed, --symbol or "
                             "--from",
                             REPORT_BYTES_MAX >> 20);
    }
    if (rc == TD_OK) {
        result_writer *r = &verb->result;
        result_object_begin(r, NULL);
        result_text(r, "file", command->html);
        result_size(r, "bytes", command->page.bytes.size);
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
    html_page_init(&command.page, REPORT_BYTES_MAX);
    const verb_spec spec = {
        .name = "report",
        .summary = "Write a recording's coverage, gaps and days as one HTML file, to be mailed: it "
                   "needs no other file and no network. The selection is replayed once.",
        .statuses = {[EXIT_CODE_DAMAGE] =
                         "a part of the selection cannot be read; the page reports it",
                     [EXIT_CODE_FAILED] =
                         "nothing matches the selection, or the page is too large"},
        .examples = "tapedeck report archive --html report.html --from now-7d\n"
                    "tapedeck report DIR --html map.html --symbol BTCUSDT --heat-map orderbook.50",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_SELECTION | VERB_TAKES_THREADS |
                 VERB_STOPS,
        .own = {{"Report", REPORT_ROWS, sizeof REPORT_ROWS / sizeof *REPORT_ROWS, &command}},
        .mode = ARCHIVE_READ,
        .check = check,
        .work = work};
    exit_code code = verb_run_all(&spec, &command, context, argc, argv);
    html_page_fini(&command.page);
    return code;
}
