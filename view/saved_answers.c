#include "view/saved_answers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/time_text.h"
#include "view/market.h"

enum {
    PICTURE_CELLS = 4096, /* of the whole time, at least half as many: the widest first picture */
    LEVELS_OUT = 3,       /* beyond the level at which one tile is longer than the time */
    LEVELS_IN = 4,        /* below the first picture's, if there is space: 16 times as close */
    BIN_ROWS = 160,       /* of the market's prices */
    BIN_MARGIN_PERCENT = 130,
};

/* A height that puts all prices into few rows: the page asks for it while it knows no price. */
static const char COLUMNS_ONLY[] = "1000000000";

typedef struct saver {
    saved_page *page;
    const saved_answers_of *of;
    uint64_t first_ns, last_ns; /* of what is shown */
} saver;

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
static td_result ask(saver *self, question *q, td_buf *out, td_err *err)
{
    view_reply reply = {0};
    td_buf_init(&reply.body, VIEW_ANSWER_BYTES_MAX);
    view_answers_answer(self->of->answers, &q->asked, &reply);
    *out = reply.body;
    if (reply.status == 200)
        return TD_OK;
    return td_err_set(err, reply.status == 413 ? TD_E_LIMIT : TD_E_IO, "%.*s", (int)reply.body.size,
                      (const char *)reply.body.data);
}

/* Save the answer to a question. TD_E_LIMIT: the page has no space for it. */
static td_result save(saver *self, question *q, td_err *err)
{
    td_buf answer;
    td_result rc = ask(self, q, &answer, err);
    if (rc == TD_OK)
        rc = saved_page_add(self->page, q->text, td_buf_view(&answer), err);
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
static td_result save_level(saver *self, const tiles_of *of, unsigned k, td_err *err)
{
    const size_t bytes = self->page->html.size;
    const size_t answers = self->page->answers;
    const uint64_t last = (self->last_ns >> k) / TILE_CELLS;
    question *q = td_alloc_zero(1, sizeof *q);
    td_result rc = TD_OK;
    for (uint64_t i = (self->first_ns >> k) / TILE_CELLS; i <= last && rc == TD_OK; i++) {
        make_tile_question(q, of, k, i);
        rc = stop_signal_arrived(self->of->signals)
                 ? td_err_set(err, TD_E_IO, "stopped before the end")
                 : save(self, q, err);
    }
    if (rc != TD_OK)
        saved_page_cut(self->page, bytes, answers);
    td_free(q);
    return rc;
}

/* The level of the widest first picture, and the coarsest one. */
static unsigned first_level(const saver *self, unsigned least)
{
    unsigned k = least;
    while (k < MARKET_K_MAX && (self->last_ns - self->first_ns) >> k >= PICTURE_CELLS)
        k++;
    return k;
}

static unsigned last_level(const saver *self, unsigned least)
{
    unsigned k = least;
    while (k < MARKET_K_MAX && (self->last_ns - self->first_ns) >> k >= TILE_CELLS)
        k++;
    return k + LEVELS_OUT < MARKET_K_MAX ? k + LEVELS_OUT : MARKET_K_MAX;
}

/* Save the levels of the first picture and of all coarser ones. */
static td_result save_levels(saver *self, const tiles_of *of, unsigned least, td_err *err)
{
    const unsigned last = last_level(self, least);
    td_result rc = TD_OK;
    for (unsigned k = first_level(self, least); k <= last && rc == TD_OK; k++)
        rc = save_level(self, of, k, err);
    return rc;
}

/* Save closer levels until one does not fit. */
static td_result save_closer(saver *self, const tiles_of *of, unsigned least, td_err *err)
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
static td_result save_symbols(saver *self, td_err *err)
{
    size_t count;
    const timeline_row *rows = timeline_rows(view_answers_timeline(self->of->answers), &count);
    td_result rc = TD_OK;
    for (size_t i = 0; i < count && rc == TD_OK; i++) {
        int is_first = view_answers_has_row(self->of->answers, &rows[i]);
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
static td_result find_market(const saver *self, const timeline_row **out, td_err *err)
{
    size_t count;
    const timeline_row *rows = timeline_rows(view_answers_timeline(self->of->answers), &count);
    *out = NULL;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].type != MSG_BOOK_CHANGE || strcmp(rows[i].topic, self->of->book) != 0 ||
            !view_answers_has_row(self->of->answers, &rows[i]))
            continue;
        if (*out != NULL) {
            td_err_set(err, TD_E_INVALID, "'%s' of several symbols is selected: %s %s, %s %s",
                       self->of->book, (*out)->feed, (*out)->symbol, rows[i].feed, rows[i].symbol);
            td_err_hint(err, "--symbol %s --feed %s", rows[i].symbol, rows[i].feed);
            return TD_E_INVALID;
        }
        *out = &rows[i];
    }
    if (*out != NULL)
        return TD_OK;
    td_err_set(err, TD_E_NOTFOUND, "the selection has no book '%s'", self->of->book);
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
static td_result save_market(saver *self, td_err *err)
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

/* ---- all ---- */

/* Save the selected notes. The page asks for all that its archive has. */
static td_result save_notes(saver *self, td_err *err)
{
    const selection *wanted = self->of->wanted;
    const selection_window window = self->of->window;
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

td_result saved_answers_add(saved_page *page, const saved_answers_of *of, td_err *err)
{
    static const char *const PLAIN[] = {"archive", "gaps", "calendar"};
    const tiles_of topics = {"tile", NULL, NULL};
    saver self = {.page = page, .of = of};
    question *q = td_alloc_zero(1, sizeof *q);
    td_result rc = TD_OK;
    view_answers_select(of->answers, of->wanted, of->window);
    for (size_t i = 0; i < sizeof PLAIN / sizeof PLAIN[0] && rc == TD_OK; i++) {
        begin_question(q, PLAIN[i]);
        rc = save(&self, q, err);
    }
    td_free(q);
    if (rc == TD_OK)
        view_answers_range(of->answers, &self.first_ns, &self.last_ns);
    if (rc == TD_OK && self.last_ns == 0)
        rc = td_err_set(err, TD_E_NOTFOUND, "no frame matches the selection");
    if (rc == TD_OK)
        rc = save_notes(&self, err);
    if (rc == TD_OK)
        rc = save_levels(&self, &topics, 0, err);
    if (rc == TD_OK && of->book != NULL)
        rc = save_market(&self, err);
    if (rc == TD_OK)
        rc = save_symbols(&self, err);
    return rc == TD_OK ? save_closer(&self, &topics, 0, err) : rc;
}
