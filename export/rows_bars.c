/* Bars made from trades by exchange time: open, high, low, close, amounts. Sums are exact; the
 * average price is rounded once, at the end. Trades arrive almost in order, so the latest OPEN_BARS
 * bars are kept open for further trades; a trade for an earlier bar gets a row of its own. */
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/row_table.h"
#include "base/time_text.h"
#include "export/export_type.h"
#include "tape/trade_repeats.h"
#include "schema/entry_order.h"

__extension__ typedef __int128 int128;

enum { OPEN_BARS = 8, PLACES = 18, COVERED_PLACES = 6, NUMBER_BYTES = 48, SIDES = 3 };

static const export_column COLUMNS[BAR_COLUMNS] = {
    [BAR_START] = {"start", VALUE_TIME_NS},
    [BAR_OPEN] = {"open", VALUE_DECIMAL},
    [BAR_HIGH] = {"high", VALUE_DECIMAL},
    [BAR_LOW] = {"low", VALUE_DECIMAL},
    [BAR_CLOSE] = {"close", VALUE_DECIMAL},
    [BAR_VOLUME] = {"volume", VALUE_DECIMAL},
    [BAR_VWAP] = {"vwap", VALUE_DECIMAL},
    [BAR_COUNT] = {"count", VALUE_INTEGER},
    [BAR_BUY_VOLUME] = {"buy_volume", VALUE_DECIMAL},
    [BAR_SELL_VOLUME] = {"sell_volume", VALUE_DECIMAL},
    [BAR_COVERED] = {"covered", VALUE_DECIMAL}};

/* The number value / 10^scale. */
typedef struct exact_sum {
    int128 value;
    uint8_t scale;
} exact_sum;

typedef struct bar {
    uint64_t start_ns;
    td_decimal open, high, low, close;
    exact_sum volumes[SIDES]; /* sum of amounts, by msg_side of the taker */
    exact_sum turnover;       /* sum of prices times amounts */
    int64_t count;
    uint64_t recv_ns, exchange_ns; /* times of the bar's last trade */
} bar;

/* The bars of one symbol. */
typedef struct bar_series {
    uint64_t written_ns; /* end of the latest bar written, or 0 */
    size_t count;
    bar bars[OPEN_BARS + 1]; /* open bars, in order of time */
    uint8_t is_foreign;      /* 1: entries of another symbol's topic */
    size_t symbol_bytes;     /* 0: the topic's symbol */
    char symbol[LIMIT_SYMBOL_BYTES];
} bar_series;

typedef struct bar_maker {
    const export_settings *settings;
    const coverage *covered;
    trade_repeats had;
    bar_series **series;
    size_t series_count;
    row_table by_symbol;
} bar_maker;

/* ---- exact sums ---- */

/* Adds value / 10^scale. 0 on overflow. */
static int add_exact(exact_sum *to, int128 value, uint8_t scale)
{
    for (; to->scale < scale; to->scale++)
        if (__builtin_mul_overflow(to->value, (int128)10, &to->value))
            return 0;
    for (; scale < to->scale; scale++)
        if (__builtin_mul_overflow(value, (int128)10, &value))
            return 0;
    return !__builtin_add_overflow(to->value, value, &to->value);
}

/* The value in shortest form. The result may point to `text`. */
static msg_value value_of(exact_sum sum, char text[NUMBER_BYTES])
{
    char *at = text + NUMBER_BYTES;
    while (sum.scale > 0 && sum.value % 10 == 0) {
        sum.value /= 10;
        sum.scale--;
    }
    if (sum.scale <= TD_DECIMAL_SCALE_MAX && (int64_t)sum.value == sum.value)
        return row_decimal((td_decimal){(int64_t)sum.value, sum.scale});
    int is_negative = sum.value < 0;
    for (size_t i = 0; sum.value != 0 || i <= sum.scale; i++) {
        int digit = (int)(sum.value % 10);
        if (i > 0 && i == sum.scale)
            *--at = '.';
        *--at = (char)('0' + (is_negative ? -digit : digit));
        sum.value /= 10;
    }
    if (is_negative)
        *--at = '-';
    return (msg_value){.type = VALUE_BIG_DECIMAL,
                       .as.text = td_bytes_of(at, (size_t)(text + NUMBER_BYTES - at))};
}

/* a / b, for b > 0, rounded half to even. The result has `places` decimal places, or a.scale -
 * b.scale if that is more. 0 on overflow. */
static int divide(exact_sum a, exact_sum b, uint8_t places, exact_sum *out)
{
    exact_sum quotient = {a.value / b.value, (uint8_t)(a.scale - b.scale)};
    int128 rest = a.value % b.value;
    while (quotient.scale < places) {
        if (__builtin_mul_overflow(rest, (int128)10, &rest) ||
            !add_exact(&quotient, rest / b.value, (uint8_t)(quotient.scale + 1)))
            return 0;
        rest %= b.value;
    }
    int128 twice = rest < 0 ? -rest : rest;
    twice -= b.value - twice;
    if (twice > 0 || (twice == 0 && quotient.value % 2 != 0))
        quotient.value += a.value < 0 ? -1 : 1;
    *out = quotient;
    return 1;
}

/* ---- trades ---- */

static td_result refuse(const bar *at, td_err *err)
{
    char start[TD_TIME_TEXT_BYTES];
    td_time_format(at->start_ns, start);
    return td_err_set(err, TD_E_LIMIT, "the sums of the bar of %s do not fit in 38 digits", start);
}

static td_result add_trade(bar *to, const msg_trade *trade, td_err *err)
{
    const td_decimal price = trade->price;
    const td_decimal size = trade->size;
    if (to->count++ == 0)
        to->open = to->high = to->low = price;
    if (td_decimal_compare(price, to->high) > 0)
        to->high = price;
    if (td_decimal_compare(price, to->low) < 0)
        to->low = price;
    to->close = price;
    if (!add_exact(&to->volumes[trade->side], size.mantissa, size.scale) ||
        !add_exact(&to->turnover, (int128)price.mantissa * size.mantissa,
                   (uint8_t)(price.scale + size.scale)))
        return refuse(to, err);
    return TD_OK;
}

/* Finds or adds the bar for a time. */
static bar *find_bar(bar_series *self, uint64_t bar_ns, uint64_t exchange_ns)
{
    const uint64_t start_ns = exchange_ns - exchange_ns % bar_ns;
    size_t i = self->count;
    while (i > 0 && self->bars[i - 1].start_ns > start_ns)
        i--;
    if (i > 0 && self->bars[i - 1].start_ns == start_ns)
        return &self->bars[i - 1];
    memmove(&self->bars[i + 1], &self->bars[i], (self->count++ - i) * sizeof(bar));
    self->bars[i] = (bar){.start_ns = start_ns};
    return &self->bars[i];
}

/* ---- rows ---- */

/* The share of a bar's interval in which no trades are missing, rounded down; 1 if the bar is
 * complete. */
static td_decimal covered_share(const bar_maker *self, const bar *at)
{
    const uint64_t length_ns = self->settings->bar_ns;
    const uint64_t whole_ns =
        length_ns - coverage_missing_ns(self->covered, at->start_ns, at->start_ns + length_ns);
    td_decimal share = {(int64_t)((int128)whole_ns * 1000000 / length_ns), COVERED_PLACES};
    while (share.scale > 0 && share.mantissa % 10 == 0) {
        share.mantissa /= 10;
        share.scale--;
    }
    return share;
}

static td_result put_bar(const bar_maker *self, bar_series *of, const row_out *out, td_err *err)
{
    const bar at = of->bars[0];
    const uint8_t places = self->settings->decimal_scale;
    exact_sum volume = {0};
    exact_sum vwap;
    const td_decimal share = covered_share(self, &at);
    char texts[SIDES + 1][NUMBER_BYTES];
    memmove(&of->bars[0], &of->bars[1], --of->count * sizeof(bar));
    for (size_t i = 0; i < SIDES; i++)
        if (!add_exact(&volume, at.volumes[i].value, at.volumes[i].scale))
            return refuse(&at, err);
    msg_value values[BAR_COLUMNS] = {
        [BAR_START] = row_time(at.start_ns),
        [BAR_OPEN] = row_decimal(at.open),
        [BAR_HIGH] = row_decimal(at.high),
        [BAR_LOW] = row_decimal(at.low),
        [BAR_CLOSE] = row_decimal(at.close),
        [BAR_VOLUME] = value_of(volume, texts[0]),
        [BAR_VWAP] = row_absent(),
        [BAR_COUNT] = row_integer(at.count),
        [BAR_BUY_VOLUME] = value_of(at.volumes[SIDE_BUY], texts[1]),
        [BAR_SELL_VOLUME] = value_of(at.volumes[SIDE_SELL], texts[2]),
        [BAR_COVERED] = row_decimal(share),
    };
    if (volume.value > 0) {
        if (!divide(at.turnover, volume, places == 0 ? PLACES : places, &vwap))
            return refuse(&at, err);
        values[BAR_VWAP] = value_of(vwap, texts[3]);
    }
    int is_late = at.start_ns < of->written_ns || of->is_foreign;
    if (!is_late)
        of->written_ns = at.start_ns + self->settings->bar_ns;
    const export_row row = {.recv_ns = at.recv_ns,
                            .exchange_ns = at.exchange_ns,
                            .is_suspect = share.mantissa != 1 || share.scale != 0 || is_late,
                            .flags = ROW_SYNTHESIZED | (is_late ? (unsigned)ROW_LATE : 0U),
                            .symbol = td_bytes_of(of->symbol, of->symbol_bytes),
                            .values = values};
    return out->put(out->ctx, &row, err);
}

/* Get the series of a symbol; empty: the topic's symbol. NULL: the symbol is too long. */
static td_result get_series(bar_maker *self, td_bytes symbol, uint8_t is_foreign, bar_series **out,
                            td_err *err)
{
    const uint64_t hash = td_xxh64(symbol.data, symbol.size);
    row_probe at = row_probe_of(hash);
    *out = NULL;
    if (symbol.size >= sizeof(*out)->symbol)
        return TD_OK;
    while (row_table_next(&self->by_symbol, &at)) {
        bar_series *series = self->series[at.row];
        if (td_bytes_equal(td_bytes_of(series->symbol, series->symbol_bytes), symbol))
            *out = series;
    }
    if (*out != NULL)
        return TD_OK;
    if (self->series_count == LIMIT_EXPORT_SERIES)
        return td_err_set(err, TD_E_LIMIT, "bars of more than %u symbols", LIMIT_EXPORT_SERIES);
    bar_series *made = td_alloc_zero(1, sizeof *made);
    made->is_foreign = is_foreign;
    made->symbol_bytes = symbol.size;
    if (symbol.size > 0) /* data may be NULL */
        memcpy(made->symbol, symbol.data, symbol.size);
    self->series = td_array_grow(self->series, self->series_count, sizeof(bar_series *));
    row_table_put(&self->by_symbol, hash, self->series_count);
    self->series[self->series_count++] = *out = made;
    return TD_OK;
}

static td_result on_frame(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    bar_maker *self = maker;
    const message *m = seen->message;
    td_result rc = TD_OK;
    size_t count = m == NULL ? 0 : message_item_count(m);
    for (size_t i = 0; i < count && rc == TD_OK; i++) {
        const msg_trade trade = message_trade(m, entry_order_at(seen->order, i));
        const uint64_t exchange_ns = coverage_trade_ns(seen->frame, &trade);
        if (trade_repeats_has(&self->had, seen->frame, &trade))
            continue;
        trade_repeats_add(&self->had, seen->frame, &trade);
        if (!coverage_has_trade(seen->part, seen->frame->recv_ns, exchange_ns))
            continue;
        const int is_foreign = trade.symbol.size > 0 && !export_entries_have_symbols(m->head.row);
        bar_series *of;
        rc = get_series(self, trade.symbol, (uint8_t)is_foreign, &of, err);
        if (of == NULL)
            continue;
        bar *to = find_bar(of, self->settings->bar_ns, exchange_ns);
        to->recv_ns = seen->frame->recv_ns;
        to->exchange_ns = exchange_ns;
        rc = add_trade(to, &trade, err);
        if (rc == TD_OK && of->count > OPEN_BARS)
            rc = put_bar(self, of, out, err);
    }
    return rc;
}

static td_result on_end(void *maker, uint64_t end_ns, const gap_row *gap, const row_out *out,
                        td_err *err)
{
    const bar_maker *self = maker;
    td_result rc = TD_OK;
    (void)end_ns;
    (void)gap;
    for (size_t i = 0; i < self->series_count; i++)
        while (rc == TD_OK && self->series[i]->count > 0)
            rc = put_bar(self, self->series[i], out, err);
    return rc;
}

/* 1 if bars are requested. */
static int takes(const export_settings *settings, const frame_channel *channel)
{
    (void)channel;
    return settings->bar_ns != 0;
}

static void *open_bars(const maker_begin *begin)
{
    bar_maker *made = td_alloc_zero(1, sizeof *made);
    made->settings = begin->settings;
    made->covered = begin->covered;
    return made;
}

static void close_bars(void *maker)
{
    bar_maker *self = maker;
    for (size_t i = 0; i < self->series_count; i++)
        td_free(self->series[i]);
    td_free(self->series);
    row_table_fini(&self->by_symbol);
    td_free(self);
}

const export_type EXPORT_BARS = {
    .name = "bars",
    .columns = COLUMNS,
    .column_count = BAR_COLUMNS,
    .flags = EXPORT_OF_INTERVALS,
    .message = MSG_TRADE,
    .takes = takes,
    .prefers = export_prefers_trades,
    .open = open_bars,
    .frame = on_frame,
    .end = on_end,
    .close = close_bars,
};
