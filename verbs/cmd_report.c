/* tapedeck report: the page of `view`, with its answers in it, as one HTML file. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/io.h"
#include "base/io_posix.h"
#include "base/time_text.h"
#include "base/cli/units.h"
#include "base/json/json_write.h"
#include "replay/play/days.h"
#include "verbs/cmds.h"
#include "verbs/verb_run.h"
#include "view/answers.h"
#include "view/market.h"
#include "view/saved_page.h"

enum {
    PICTURE_CELLS = 4096, /* of the whole time, at least half as many: the widest first picture */
    LEVELS_OUT = 3,       /* beyond the level at which one tile is longer than the time */
    LEVELS_IN = 4,        /* below the first picture's, if there is space: 16 times as close */
    BIN_ROWS = 160,       /* of the market's prices */
    BIN_MARGIN_PERCENT = 130,
};

/* A height that puts all prices into few rows: the page asks for it while it knows no price. */
static const char COLUMNS_ONLY[] = "1000000000";

typedef struct report_command {
    const char *html;
    const char *heat_map; /* NULL: none */
    view_answers *answers;
    saved_page page;
    uint64_t first_ns, last_ns; /* of what is shown */
} report_command;

static const option_row REPORT_ROWS[] = {
    {.long_name = "html",
     OPTION_INTO(report_command, html),
     .metavar = "FILE",
     .help = "write the page to this new file, of at most 5 MiB"},
    {.long_name = "heat-map",
     OPTION_INTO(report_command, heat_map),
     .metavar = "TOPIC",
     .help = "also save the market of this book (orderbook.50) of the one selected symbol\n"
             "over the selected time"},
};

/* ---- questions ---- */

/* A question of the page: for the answer, and spelled as the page spells it. */
typedef struct question {
    view_request asked;
    char text[VIEW_PATH_BYTES + 4 * VIEW_ARG_BYTES];
    size_t size;
} question;

static void begin_question(question *q, const char *path)
{
    *q = (question){0};
    (void)snprintf(q->asked.path, sizeof q->asked.path, "%s", path);
    q->size = (size_t)snprintf(q->text, sizeof q->text, "%s", path);
}

static void put_char(question *q, char c)
{
    if (q->size + 1 < sizeof q->text)
        q->text[q->size++] = c;
}

/* Add an argument; in the text its value is encoded as by JavaScript's encodeURIComponent. */
static void add_argument(question *q, const char *name, const char *value)
{
    static const char DIGITS[] = "0123456789ABCDEF";
    static const char PLAIN[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-_.!~*'()";
    put_char(q, q->asked.arg_count == 0 ? '?' : '&');
    (void)snprintf(q->asked.args[q->asked.arg_count++], VIEW_ARG_BYTES, "%s=%s", name, value);
    for (const char *c = name; *c != '\0'; c++)
        put_char(q, *c);
    put_char(q, '=');
    for (const char *c = value; *c != '\0'; c++) {
        const unsigned byte = (unsigned char)*c;
        if (strchr(PLAIN, *c) != NULL) {
            put_char(q, *c);
            continue;
        }
        put_char(q, '%');
        put_char(q, DIGITS[byte >> 4]);
        put_char(q, DIGITS[byte & 15]);
    }
}

static void add_number(question *q, const char *name, uint64_t value)
{
    char text[TD_TIME_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    add_argument(q, name, text);
}

/* Put the answer to a question into `out`. */
static td_result ask(report_command *self, question *q, td_buf *out, td_err *err)
{
    view_reply reply = {0};
    td_buf_init(&reply.body, VIEW_ANSWER_BYTES_MAX);
    view_answers_answer(self->answers, &q->asked, &reply);
    *out = reply.body;
    if (reply.status == 200)
        return TD_OK;
    return td_err_set(err, reply.status == 413 ? TD_E_LIMIT : TD_E_IO, "%.*s", (int)reply.body.size,
                      (const char *)reply.body.data);
}

/* Save the answer to a question. TD_E_LIMIT: the page has no space for it. */
static td_result save(report_command *self, question *q, td_err *err)
{
    td_buf answer;
    td_result rc = ask(self, q, &answer, err);
    if (rc == TD_OK)
        rc = saved_page_add(&self->page, q->text, td_buf_view(&answer), err);
    td_buf_fini(&answer);
    return rc;
}

/* ---- days ---- */

/* Write a symbol's day with the members of `days --json` that the page shows. */
static void write_day(json_writer *json, const day_topic *topics, size_t count,
                      const day_topic *sum, uint64_t proven_ns)
{
    char text[TD_TIME_TEXT_BYTES];
    char reasons[DAY_REASONS_BYTES];
    uint64_t frames = 0;
    uint64_t clean = day_share(sum->clean_ns, sum->expected_ns);
    const struct {
        const char *name;
        uint64_t share;
    } shares[] = {
        {"clean_percent", clean - (sum->reasons != 0 && clean == DAY_SHARE_ALL)},
        {"verified_percent", day_share(proven_ns, sum->expected_ns)},
        {"day_percent", day_share(sum->clean_ns, count * DAYS_DAY_NS)},
    };
    for (size_t i = 0; i < count; i++)
        frames += topics[i].counts.frames;
    td_time_format(sum->day_ns, text);
    text[strlen("2021-04-17")] = '\0';
    day_reasons_text(sum->reasons, reasons);
    json_write_object_begin(json);
    json_write_member_text(json, "feed", sum->feed);
    json_write_member_text(json, "day", text);
    json_write_member_text(json, "symbol", sum->symbol[0] == '\0' ? NULL : sum->symbol);
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        (void)snprintf(text, sizeof text, "%u.%02u", (unsigned)(shares[i].share / 100),
                       (unsigned)(shares[i].share % 100));
        json_write_key(json, shares[i].name);
        json_write_raw(json, td_bytes_str(text));
    }
    json_write_member_u64(json, "degraded_ns", sum->degraded_ns);
    json_write_member_u64(json, "missing_ns", sum->missing_ns);
    json_write_member_text(json, "reasons", reasons[0] == '\0' ? NULL : reasons);
    json_write_member_bool(json, "recording", sum->is_recording);
    json_write_member_u64(json, "frames", frames);
    json_write_member_array_begin(json, "topics");
    for (size_t i = 0; i < count; i++) {
        json_write_object_begin(json);
        json_write_member_text(json, "topic", topics[i].topic);
        json_write_member_u64(json, "p50_ns", topics[i].counts.p50_ns);
        json_write_member_u64(json, "p99_ns", topics[i].counts.p99_ns);
        json_write_object_end(json);
    }
    json_write_array_end(json);
    json_write_object_end(json);
}

/* Save the days as the answer to the verb, of all selected time. */
static td_result save_days(report_command *self, const day_list *days, td_err *err)
{
    td_buf answer;
    json_writer json;
    size_t next = 0;
    td_buf_init(&answer, VIEW_ANSWER_BYTES_MAX);
    json_write_begin(&json, &answer);
    json_write_object_begin(&json);
    json_write_member_text(&json, "command", "");
    json_write_member_u64(&json, "status", 0);
    json_write_member_text(&json, "errors", "");
    json_write_member_array_begin(&json, "results");
    json_write_object_begin(&json);
    json_write_member_array_begin(&json, "days");
    for (size_t i = 0; i < days->count; i = next) {
        day_topic sum;
        uint64_t proof_ns[TOPIC_PROOFS];
        next = day_list_sum(days, i, &sum, proof_ns);
        write_day(&json, &days->rows[i], next - i, &sum, proof_ns[PROOF_PROVEN]);
    }
    json_write_array_end(&json);
    json_write_member_array_begin(&json, "silent");
    for (size_t i = 0; i < days->silent.count; i++) {
        if (days->silent.rows[i].is_proven)
            continue;
        json_write_object_begin(&json);
        silent_json_members(&json, &days->silent.rows[i]);
        json_write_object_end(&json);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    json_write_array_end(&json);
    json_write_object_end(&json);
    td_result rc = json_write_end(&json, err);
    if (rc == TD_OK)
        rc = saved_page_add(&self->page, "verb/days", td_buf_view(&answer), err);
    td_buf_fini(&answer);
    return rc;
}

/* ---- tiles ---- */

/* What tiles are of: topics, the symbols of a topic, or a market. */
typedef struct tiles_of {
    const char *path;
    const timeline_row *row; /* NULL: the topics of the archive */
    const char *bin;         /* of a market */
} tiles_of;

/* A question for a tile, spelled as in view/web/api.js. */
static void make_tile_question(question *q, const tiles_of *of, unsigned k, uint64_t i)
{
    begin_question(q, of->path);
    if (of->bin != NULL) {
        add_argument(q, "feed", of->row->feed);
        add_argument(q, "symbol", of->row->symbol);
        add_argument(q, "book", of->row->topic);
    }
    add_number(q, "k", k);
    add_number(q, "i", i);
    if (of->bin != NULL) {
        add_argument(q, "bin", of->bin);
        return;
    }
    add_number(q, "n", 1);
    add_argument(q, "by", of->row == NULL ? "topic" : "symbol");
    if (of->row != NULL) {
        add_argument(q, "feed", of->row->feed);
        add_argument(q, "topic", of->row->topic);
    }
}

/* Save the tiles of a level that overlap the time, all or none. */
static td_result save_level(report_command *self, const tiles_of *of, unsigned k, td_err *err)
{
    const size_t bytes = self->page.html.size;
    const size_t answers = self->page.answers;
    const uint64_t last = (self->last_ns >> k) / TILE_CELLS;
    question *q = td_alloc_zero(1, sizeof *q);
    td_result rc = TD_OK;
    for (uint64_t i = (self->first_ns >> k) / TILE_CELLS; i <= last && rc == TD_OK; i++) {
        make_tile_question(q, of, k, i);
        rc = save(self, q, err);
    }
    if (rc != TD_OK)
        saved_page_cut(&self->page, bytes, answers);
    td_free(q);
    return rc;
}

/* The level of the widest first picture, and the coarsest one. */
static unsigned first_level(const report_command *self, unsigned least)
{
    unsigned k = least;
    while (k < MARKET_K_MAX && (self->last_ns - self->first_ns) >> k >= PICTURE_CELLS)
        k++;
    return k;
}

static unsigned last_level(const report_command *self, unsigned least)
{
    unsigned k = least;
    while (k < MARKET_K_MAX && (self->last_ns - self->first_ns) >> k >= TILE_CELLS)
        k++;
    return k + LEVELS_OUT < MARKET_K_MAX ? k + LEVELS_OUT : MARKET_K_MAX;
}

/* Save the levels of the first picture and of all coarser ones. */
static td_result save_levels(report_command *self, const tiles_of *of, unsigned least, td_err *err)
{
    const unsigned last = last_level(self, least);
    td_result rc = TD_OK;
    for (unsigned k = first_level(self, least); k <= last && rc == TD_OK; k++)
        rc = save_level(self, of, k, err);
    return rc;
}

/* Save closer levels until one does not fit. */
static td_result save_closer(report_command *self, const tiles_of *of, unsigned least, td_err *err)
{
    unsigned k = first_level(self, least);
    td_result rc = TD_OK;
    for (int i = 0; i < LEVELS_IN && k > least && rc == TD_OK; i++)
        rc = save_level(self, of, --k, err);
    if (rc != TD_E_LIMIT)
        return rc;
    td_err_clear(err);
    return TD_OK;
}

/* Save the first picture of each topic's symbols, for the topics that fit. */
static td_result save_symbols(report_command *self, td_err *err)
{
    size_t count;
    const timeline_row *rows = timeline_rows(view_answers_timeline(self->answers), &count);
    td_result rc = TD_OK;
    for (size_t i = 0; i < count && rc == TD_OK; i++) {
        int is_first = view_answers_has_row(self->answers, &rows[i]);
        for (size_t k = 0; k < i && is_first; k++)
            is_first = strcmp(rows[k].feed, rows[i].feed) != 0 ||
                       strcmp(rows[k].topic, rows[i].topic) != 0;
        if (is_first)
            rc = save_levels(self, &(tiles_of){"tile", &rows[i], NULL}, 0, err);
    }
    if (rc != TD_E_LIMIT)
        return rc;
    td_err_clear(err);
    return TD_OK;
}

/* ---- the market ---- */

/* Find the book of the only selected symbol that has it. */
static td_result find_market(const report_command *self, const timeline_row **out, td_err *err)
{
    size_t count;
    const timeline_row *rows = timeline_rows(view_answers_timeline(self->answers), &count);
    *out = NULL;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].type != MSG_BOOK_CHANGE || strcmp(rows[i].topic, self->heat_map) != 0 ||
            !view_answers_has_row(self->answers, &rows[i]))
            continue;
        if (*out != NULL) {
            td_err_set(err, TD_E_INVALID, "'%s' of several symbols is selected: %s %s, %s %s",
                       self->heat_map, (*out)->feed, (*out)->symbol, rows[i].feed, rows[i].symbol);
            td_err_hint(err, "--symbol %s --feed %s", rows[i].symbol, rows[i].feed);
            return TD_E_INVALID;
        }
        *out = &rows[i];
    }
    if (*out != NULL)
        return TD_OK;
    td_err_set(err, TD_E_NOTFOUND, "the selection has no book '%s'", self->heat_map);
    td_err_hint(err, "a topic that 'tapedeck info' lists, for instance orderbook.50");
    return TD_E_NOTFOUND;
}

static double double_at(const uint8_t *from)
{
    uint64_t bits = 0;
    double out;
    for (size_t i = 0; i < sizeof bits; i++)
        bits |= (uint64_t)from[i] << (8 * i);
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* Widen a range of prices by best bids and asks of an answer (view/answers.h). */
static void widen(td_bytes answer, double *low, double *high)
{
    const uint8_t *end = memchr(answer.data, '\n', answer.size);
    for (size_t i = 0; end != NULL && i < 2 * (size_t)MARKET_COLUMNS; i++) {
        const double price = double_at(end + 1 + 8 * i);
        *low = fmin(*low, price); /* fmin and fmax ignore NAN */
        *high = fmax(*high, price);
    }
}

/* The smallest height of rows that the page may choose (1, 2, 5, 10, ...) and that is as large. */
static void write_bin(double least, char out[TD_DECIMAL_TEXT_BYTES])
{
    static const int STEPS[] = {1, 2, 5};
    td_decimal bin = {1, 0};
    for (int scale = TD_DECIMAL_SCALE_MAX; scale >= 0; scale--)
        for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++)
            if (STEPS[i] / pow(10, scale) >= least) {
                bin = (td_decimal){STEPS[i], (uint8_t)scale};
                td_decimal_format(bin, out);
                return;
            }
    for (size_t i = 0; (double)bin.mantissa < least && bin.mantissa < INT64_MAX / 10; i++)
        bin.mantissa = bin.mantissa / STEPS[i % 3] * (int[]){2, 5, 10}[i % 3];
    td_decimal_format(bin, out);
}

/* The market's columns at the first picture's level tell the range of its prices, and so a height
 * of rows. */
static td_result save_market(report_command *self, td_err *err)
{
    const timeline_row *row;
    char bin[TD_DECIMAL_TEXT_BYTES];
    double low = INFINITY;
    double high = -INFINITY;
    td_result rc = find_market(self, &row, err);
    if (rc != TD_OK)
        return rc;
    tiles_of of = {"market", row, COLUMNS_ONLY};
    const unsigned k = last_level(self, MARKET_K_MIN) - LEVELS_OUT;
    question *q = td_alloc_zero(1, sizeof *q);
    for (uint64_t i = (self->first_ns >> k) / MARKET_COLUMNS;
         i <= (self->last_ns >> k) / MARKET_COLUMNS && rc == TD_OK; i++) {
        td_buf answer;
        make_tile_question(q, &of, k, i);
        rc = ask(self, q, &answer, err);
        if (rc == TD_OK)
            widen(td_buf_view(&answer), &low, &high);
        td_buf_fini(&answer);
    }
    td_free(q);
    if (rc == TD_OK && isfinite(low) && isfinite(high)) {
        write_bin(fmax((high - low) * BIN_MARGIN_PERCENT / 100 / BIN_ROWS, high * 1e-6), bin);
        of.bin = bin;
    }
    if (rc == TD_OK)
        rc = save_levels(self, &of, MARKET_K_MIN, err);
    return rc == TD_OK ? save_closer(self, &of, MARKET_K_MIN, err) : rc;
}

/* ---- the page ---- */

/* Save the selected notes. The page asks for all that its archive has. */
static td_result save_notes(report_command *self, const selection *wanted, selection_window window,
                            td_err *err)
{
    const struct {
        const char *name;
        const selection_globs *globs;
    } kinds[] = {
        {"feed", &wanted->feeds}, {"topic", &wanted->topics}, {"symbol", &wanted->symbols}};
    question *q = td_alloc_zero(1, sizeof *q);
    begin_question(q, "verb/note/ls");
    if (window.from_ns > 0)
        add_number(q, "from", window.from_ns);
    if (window.to_ns != UINT64_MAX)
        add_number(q, "to", window.to_ns);
    td_result rc = TD_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (size_t k = 0; k < kinds[i].globs->count && rc == TD_OK; k++) {
            if (q->asked.arg_count == VIEW_ARGS_MAX)
                rc = td_err_set(err, TD_E_INVALID, "a report takes at most %d globs",
                                VIEW_ARGS_MAX - 2);
            else
                add_argument(q, kinds[i].name, kinds[i].globs->items[k]);
        }
    q->text[strcspn(q->text, "?")] = '\0';
    if (rc == TD_OK)
        rc = save(self, q, err);
    td_free(q);
    return rc;
}

/* Save what the page asks for first, and then what fits. */
static td_result save_all(report_command *self, const selection *wanted, const day_list *days,
                          td_err *err)
{
    static const char *const PLAIN[] = {"archive", "gaps"};
    const tiles_of topics = {"tile", NULL, NULL};
    question *q = td_alloc_zero(1, sizeof *q);
    td_result rc = TD_OK;
    for (size_t i = 0; i < sizeof PLAIN / sizeof PLAIN[0] && rc == TD_OK; i++) {
        begin_question(q, PLAIN[i]);
        rc = save(self, q, err);
    }
    td_free(q);
    if (rc == TD_OK)
        view_answers_range(self->answers, &self->first_ns, &self->last_ns);
    if (rc == TD_OK && self->last_ns == 0)
        rc = td_err_set(err, TD_E_NOTFOUND, "no frame matches the selection");
    if (rc == TD_OK)
        rc = save_days(self, days, err);
    if (rc == TD_OK)
        rc = save_notes(self, wanted, days->window, err);
    if (rc == TD_OK)
        rc = save_levels(self, &topics, 0, err);
    if (rc == TD_OK && self->heat_map != NULL)
        rc = save_market(self, err);
    if (rc == TD_OK)
        rc = save_symbols(self, err);
    return rc == TD_OK ? save_closer(self, &topics, 0, err) : rc;
}

static td_result write_page(void *user, td_file *file, td_err *err)
{
    const td_buf *page = user;
    return td_io_append(file, page->data, page->size, err);
}

static td_result make_page(verb_run *verb, const day_list *days, const cursor_stats *stats)
{
    report_command *command = verb->state;
    selection_window window;
    td_result rc = verb_run_window(verb, &verb->wanted, &window);
    if (rc == TD_OK)
        rc = view_answers_open(verb->archive, verb->catalog, &command->answers, &verb->err);
    if (rc != TD_OK)
        return rc;
    view_answers_select(command->answers, &verb->wanted, window);
    rc = saved_page_begin(&command->page, clock_wall_ns(verb->clock),
                          (uint8_t)cursor_is_damaged(stats), &verb->err);
    if (rc == TD_OK)
        rc = save_all(command, &verb->wanted, days, &verb->err);
    if (rc == TD_E_LIMIT)
        rc = td_err_set(&verb->err, TD_E_LIMIT,
                        "the page has more than %d MiB: select less, with a later --from, an "
                        "earlier --to, or fewer symbols (--symbol, --feed)",
                        SAVED_PAGE_BYTES_MAX >> 20);
    if (rc != TD_OK)
        return rc;
    saved_page_end(&command->page);
    rc = td_io_write_file(io_posix(), command->html, TD_OPEN_CREATE, write_page,
                          &command->page.html, &verb->err);
    if (rc != TD_OK)
        return rc;
    result_writer *r = &verb->result;
    result_object_begin(r, NULL);
    result_text(r, "file", command->html);
    result_size(r, "bytes", command->page.html.size);
    result_object_end(r, "{file}: {bytes}\n");
    return TD_OK;
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
    view_answers_close(((report_command *)verb->state)->answers);
    if (rc == TD_OK && cursor_is_damaged(&stats))
        verb->status = EXIT_CODE_DAMAGE;
    day_list_fini(&days);
    return rc;
}

exit_code cmd_report(const verb_context *context, int argc, char **argv)
{
    report_command command = {0};
    const verb_spec spec = {
        .name = "report",
        .summary =
            "Write the page of 'view' with the selection's coverage, gaps and days as one HTML "
            "file, to be mailed: it needs no server, no other file and no network. The "
            "selection is replayed once.",
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
    saved_page_fini(&command.page);
    return code;
}
