#include "replay/screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/time_text.h"
#include "base/cli/terminal.h"
#include "replay/condition.h"
#include "replay/play/control.h"

enum {
    FRAME_ROWS = 9,
    BOOK_ROWS = 7,
    BAR_COLUMNS = 50,
    LINE_BYTES = 512, /* longest row; the right side of a wider terminal stays empty */
    NESTING = 2,      /* depth down to which JSON is broken into lines */
};

#define LONG_WAIT_NS (5 * TD_NS_PER_S)

static void print(output_stream *output, const char *text)
{
    output_bytes(output, td_bytes_str(text));
}

/* Print a row: text cut to the terminal's width; clears the rest of the line. */
static void row(output_stream *output, const char *format, ...) TD_PRINTF(2, 3);
static void row(output_stream *output, const char *format, ...)
{
    char text[LINE_BYTES];
    char shown[LINE_BYTES];
    size_t columns = terminal_columns(STDOUT_FILENO);
    va_list values;
    va_start(values, format);
    (void)vsnprintf(text, sizeof text, format, values); /* cut */
    va_end(values);
    (void)td_escape(td_bytes_str(text), shown, columns < sizeof shown ? columns : sizeof shown);
    print(output, shown);
    print(output, "\x1b[K\n");
}

/* ---- the position ---- */

static void draw_position(output_stream *output, const screen_view *view)
{
    const pacer *p = view->pacer;
    char when[TD_TIME_TEXT_BYTES];
    char speed[TD_DECIMAL_TEXT_BYTES];
    char wait[TD_TIME_TEXT_BYTES] = "";
    uint64_t wait_ns = pacer_wait_ns(p);
    td_time_format(p->frames > 0 ? p->played_ns : p->recv_ns, when);
    pacer_speed_format(p->options.speed, speed);
    if (wait_ns >= LONG_WAIT_NS)
        td_duration_format(wait_ns, wait);
    char match[CONDITION_MATCH_BYTES] = "";
    const condition_match *met = view->last->met;
    if (met != NULL)
        condition_match_format(met, match);
    row(output, "%s  frame %llu  %s  speed %s%s%s%s%s%s%s", when, (unsigned long long)p->frames,
        p->is_at_end    ? "end of the tape"
        : p->is_seeking ? "seeking"
        : p->is_paused  ? "paused"
                        : "playing",
        speed, wait[0] == '\0' ? "" : "  f skips ", wait,
        met == NULL ? "" : "  met: ", met == NULL ? "" : met->text, match[0] == '\0' ? "" : ": ",
        match);
}

static size_t column_of(const screen_view *view, uint64_t at_ns)
{
    double part = time_span_share(view->tape, at_ns);
    return part >= 1 ? BAR_COLUMNS - 1 : (size_t)(part * BAR_COLUMNS);
}

static void draw_bar(output_stream *output, const screen_view *view)
{
    char bar[BAR_COLUMNS + 1];
    char from[TD_TIME_TEXT_BYTES];
    char lasts[TD_TIME_TEXT_BYTES];
    memset(bar, '-', BAR_COLUMNS);
    bar[BAR_COLUMNS] = '\0';
    for (size_t i = 0; i < view->gaps->count; i++) {
        const gap_row *gap = &view->gaps->rows[i];
        size_t end = column_of(view, gap->to_ns == GAP_OPEN ? view->tape.to_ns : gap->to_ns);
        for (size_t k = column_of(view, gap->from_ns); k <= end; k++)
            bar[k] = '!';
    }
    if (view->pacer->frames > 0)
        bar[column_of(view, view->pacer->played_ns)] = '#';
    td_time_format_ms(view->tape.from_ns, from);
    td_duration_format(time_span_ns(view->tape), lasts);
    row(output, "%.19s [%s] %s", from, bar, lasts);
}

/* ---- the frame ---- */

/* Draw JSON on at most FRAME_ROWS rows, broken at its outer values; other bytes on one row. */
static void draw_bytes(output_stream *output, td_bytes bytes)
{
    char line[LINE_BYTES];
    size_t size = 0;
    size_t rows = 0;
    int depth = 0;
    int indent = 0;
    int is_text = 0;
    int is_escaped = 0;
    for (size_t i = 0; i < bytes.size && rows < FRAME_ROWS; i++) {
        char c = (char)bytes.data[i];
        int is_open = !is_text && (c == '{' || c == '[');
        int is_close = !is_text && (c == '}' || c == ']');
        depth += is_open - is_close;
        if (is_close && depth < NESTING) {
            row(output, "%*s%.*s", 2 * indent, "", (int)size, line);
            rows++;
            size = 0;
            indent = depth;
        }
        if (size < sizeof line && (is_text || c > ' '))
            line[size++] = c;
        if (c == '"' && !is_escaped)
            is_text = !is_text;
        is_escaped = c == '\\' && !is_escaped;
        if ((is_open && depth <= NESTING) || (!is_text && c == ',' && depth <= NESTING)) {
            if (rows < FRAME_ROWS)
                row(output, "%*s%.*s", 2 * indent, "", (int)size, line);
            rows++;
            size = 0;
            indent = depth;
        }
    }
    if (rows < FRAME_ROWS) {
        row(output, "%*s%.*s", 2 * indent, "", (int)size, line);
        rows++;
    }
    for (; rows < FRAME_ROWS; rows++)
        row(output, "%s", "");
}

static void draw_verdict(output_stream *output, const last_frame *last)
{
    const verdict_item *broken = verdict_violation(&last->rules);
    char detail[VERDICT_TEXT_BYTES] = "";
    if (broken != NULL)
        verdict_item_text(broken, detail);
    if (last->undecoded != NULL)
        row(output, "verdict: not decoded: %s", last->undecoded);
    else if (broken != NULL)
        row(output, "verdict: broke %s%s%s", rule_name(broken->rule), detail[0] == '\0' ? "" : ": ",
            detail);
    else
        row(output, "verdict: ok%s%s", last->frame.is_copy ? ", a copy" : "",
            last->rules.unchecked ? ", on a broken book" : "");
}

/* ---- the book ---- */

/* Return the mark for the frame's effect on a level: '*' set or updated, '+' inserted. A snapshot
 * marks no level. */
static char mark_of(const last_frame *last, msg_side side, td_decimal price)
{
    const msg_level *levels = (const msg_level *)(const void *)last->levels.data;
    char mark = ' ';
    for (size_t i = 0; i < last->levels.size / sizeof *levels && !last->rules.is_snapshot; i++)
        if (levels[i].side == side &&
            td_decimal_compare((td_decimal){levels[i].price, levels[i].price_scale}, price) == 0)
            mark = levels[i].action == ACTION_INSERT ? '+' : '*';
    return mark;
}

/* marks: the frame whose changes are marked; NULL: no marks. */
static void format_level(const last_frame *marks, const book *b, msg_side side, size_t index,
                         char *out, size_t out_bytes)
{
    char price[TD_DECIMAL_TEXT_BYTES];
    char size[TD_DECIMAL_TEXT_BYTES];
    book_level level;
    out[0] = '\0';
    if (!book_level_at(b, side, index, &level))
        return;
    (void)td_decimal_format(level.price, price); /* the lengths are not needed */
    (void)td_decimal_format(level.size, size);
    (void)snprintf(out, out_bytes, "%c %14s x %-16s",
                   marks == NULL ? ' ' : mark_of(marks, side, level.price), price, size);
}

/* Print the prices that the frame removed, on one row. */
static void draw_removed(output_stream *output, const last_frame *last)
{
    const msg_level *levels = (const msg_level *)(const void *)last->levels.data;
    char text[LINE_BYTES] = "";
    char price[TD_DECIMAL_TEXT_BYTES];
    size_t size = 0;
    for (size_t i = 0; i < last->levels.size / sizeof *levels; i++) {
        if (levels[i].action != ACTION_DELETE || size + TD_DECIMAL_TEXT_BYTES + 8 > sizeof text)
            continue;
        (void)td_decimal_format((td_decimal){levels[i].price, levels[i].price_scale}, price);
        size += (size_t)snprintf(text + size, sizeof text - size, " %s %s",
                                 levels[i].side == SIDE_BUY ? "bid" : "ask", price);
    }
    row(output, "%s%s", size == 0 ? "" : "removed:", text);
}

static void draw_levels(output_stream *output, const last_frame *marks, const book *b)
{
    for (size_t i = 0; i < BOOK_ROWS; i++) {
        char bid[64];
        char ask[64];
        format_level(marks, b, SIDE_BUY, i, bid, sizeof bid);
        format_level(marks, b, SIDE_SELL, i, ask, sizeof ask);
        row(output, "%-36s%s", bid, ask);
    }
}

/* Draw the book of the symbol of a frame that met a condition, from another topic. */
static void draw_symbol_book(output_stream *output, const last_frame *last)
{
    char words[LAST_FRAME_WORDS_BYTES];
    symbol_book of;
    if (!last_frame_symbol_book(last, &of, words)) {
        row(output, "no book");
    } else if (of.book == NULL) {
        row(output, "no book: %s", words);
    } else {
        row(output, "%-38s%s (%s)", "  bids", "asks", of.topic);
        draw_levels(output, NULL, of.book);
    }
}

static void draw_book(output_stream *output, const last_frame *last)
{
    const book *b = last->track == NULL ? NULL : track_book(last->track);
    if (b == NULL) {
        draw_symbol_book(output, last);
        return;
    }
    row(output, "%-38s%s%s", "  bids", "asks", last->is_trusted ? "" : " (broken)");
    draw_levels(output, last, b);
    draw_removed(output, last);
}

void screen_draw(output_stream *output, const screen_view *view)
{
    const last_frame *last = view->last;
    print(output, "\x1b[H");
    draw_position(output, view);
    draw_bar(output, view);
    if (last->is_set) {
        const channel_info *channel = &last->frame.channel->info;
        row(output, "%s %s %s  frame %llu of connection %u, %zu bytes", channel->feed,
            channel->topic, channel->symbol, (unsigned long long)last->frame.ordinal,
            (unsigned)frame_own_conn(&last->frame)->number, last->bytes.size);
        draw_verdict(output, last);
        draw_bytes(output, last->frame.bytes);
        draw_book(output, last);
    }
    print(output, control_list_keys("").text);
    print(output, "\x1b[J\r");
    output_flush(output);
}

void screen_end(output_stream *output)
{
    print(output, "\x1b[K\n");
}
