#include "view/market_tile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/json/json_write.h"

__extension__ typedef __int128 int128;

enum { LATENCY_BITS_MIN = 16, LATENCY_PARTS = 8 };

void market_tile_init(market_tile *self, td_decimal bin)
{
    *self = (market_tile){.bin = bin};
    for (size_t i = 0; i < MARKET_COLUMNS; i++) {
        market_column *at = &self->columns[i];
        at->bid = at->ask = NAN;
        at->open = at->high = at->low = at->close = NAN;
    }
}

void market_tile_fini(market_tile *self)
{
    td_free(self->runs);
    td_free(self->trades);
    self->runs = NULL;
    self->trades = NULL;
    self->run_count = self->trades_count = 0;
}

size_t market_latency_bucket(uint64_t ns)
{
    if (ns < UINT64_C(1) << LATENCY_BITS_MIN)
        return 0;
    double eighths = (log2((double)ns) - LATENCY_BITS_MIN) * LATENCY_PARTS;
    return eighths < MARKET_LATENCIES - 1 ? (size_t)eighths : MARKET_LATENCIES - 1;
}

/* ---- runs ---- */

td_result market_tile_add_run(market_tile *self, market_run run, size_t *last, td_err *err)
{
    market_run *before = *last == 0 ? NULL : &self->runs[*last - 1];
    if (before != NULL && before->last >= run.first) {
        TD_ASSERT(before->last == run.first);
        if (run.size <= before->size) {
            if (run.size == before->size)
                before->last = run.last;
            if (run.size == before->size || run.first == run.last)
                return TD_OK;
            run.first++;
        } else if (before->first == before->last) {
            before->last = run.last;
            before->size = run.size;
            return TD_OK;
        } else {
            before->last--;
        }
    } else if (before != NULL && before->last + 1 == run.first && before->size == run.size) {
        before->last = run.last;
        return TD_OK;
    }
    if (self->run_count == MARKET_RUNS_MAX)
        return td_err_set(err, TD_E_LIMIT, "the book changed too often: show a shorter time");
    self->runs = td_array_grow(self->runs, self->run_count, sizeof *self->runs);
    self->runs[self->run_count++] = run;
    *last = self->run_count;
    return TD_OK;
}

static int compare_runs(const void *a, const void *b)
{
    const market_run *left = a;
    const market_run *right = b;
    int rows = (left->row > right->row) - (left->row < right->row);
    return rows != 0 ? rows : left->first - right->first;
}

static int compare_trades(const void *a, const void *b)
{
    const market_trades *left = a;
    const market_trades *right = b;
    int rows = (left->row > right->row) - (left->row < right->row);
    return rows != 0 ? rows : left->column - right->column;
}

void market_tile_sort(market_tile *self)
{
    size_t kept = 0;
    if (self->run_count > 0)
        qsort(self->runs, self->run_count, sizeof *self->runs, compare_runs);
    if (self->trades_count > 0)
        qsort(self->trades, self->trades_count, sizeof *self->trades, compare_trades);
    for (size_t i = 0; i < self->trades_count; i++) {
        const market_trades at = self->trades[i];
        market_trades *before = kept == 0 ? NULL : &self->trades[kept - 1];
        if (before == NULL || before->row != at.row || before->column != at.column) {
            self->trades[kept++] = at;
            continue;
        }
        before->buy += at.buy;
        before->sell += at.sell;
        before->count += at.count;
    }
    self->trades_count = kept;
}

/* ---- tiles of tiles ---- */

/* The columns of a tile in the tile that is made of it: column / 2^shift + offset. */
typedef struct column_map {
    unsigned shift;
    unsigned offset;
} column_map;

static uint8_t map_column(column_map map, uint8_t column)
{
    return (uint8_t)(((unsigned)column >> map.shift) + map.offset);
}

/* A row in rows of another height: floor(row * from / to). 0: it does not fit. */
static int map_row(int64_t row, td_decimal from, td_decimal to, int64_t *out)
{
    int128 dividend = (int128)row * from.mantissa;
    int128 divisor = to.mantissa;
    for (; from.scale < to.scale; from.scale++)
        if (__builtin_mul_overflow(dividend, (int128)10, &dividend))
            return 0;
    for (; to.scale < from.scale; to.scale++)
        if (__builtin_mul_overflow(divisor, (int128)10, &divisor))
            return 0;
    int128 row128 = dividend / divisor - (dividend % divisor < 0);
    *out = (int64_t)row128;
    return *out == row128;
}

/* The means of two groups of frames, weighted. */
static double join_means(double left, uint32_t left_count, double right, uint32_t right_count)
{
    double count = (double)left_count + right_count;
    return count == 0 ? 0 : (left * left_count + right * right_count) / count;
}

/* Add a later part of a column. */
static void add_column(market_column *to, const market_column *part)
{
    to->state |= part->state;
    to->bid = part->bid;
    to->ask = part->ask;
    to->spread = join_means(to->spread, to->book_frames, part->spread, part->book_frames);
    to->imbalance = join_means(to->imbalance, to->book_frames, part->imbalance, part->book_frames);
    to->book_frames += part->book_frames;
    to->frames += part->frames;
    if (part->trades > 0) {
        to->open = to->trades == 0 ? part->open : to->open;
        to->high = to->trades == 0 ? part->high : fmax(to->high, part->high);
        to->low = to->trades == 0 ? part->low : fmin(to->low, part->low);
        to->close = part->close;
    }
    to->trades += part->trades;
    to->buy += part->buy;
    to->sell += part->sell;
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    a = a < 0 ? -a : a;
    b = b < 0 ? -b : b;
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

void market_tile_find_tick(market_tile *self)
{
    for (size_t i = 0; i < self->run_count; i++)
        self->tick = common_divisor(self->tick, self->runs[i].row);
    for (size_t i = 0; i < self->trades_count; i++)
        self->tick = common_divisor(self->tick, self->trades[i].row);
    self->tick_scale = self->bin.scale;
}

/* Take over the price step of another tile; it is finer if the two differ. */
static void add_tick(market_tile *to, const market_tile *from)
{
    int64_t own = to->tick;
    int64_t other = from->tick;
    uint8_t scale = to->tick_scale > from->tick_scale ? to->tick_scale : from->tick_scale;
    if (other == 0 || td_decimal_rescale((td_decimal){own, to->tick_scale}, scale, &own) != TD_OK ||
        td_decimal_rescale((td_decimal){other, from->tick_scale}, scale, &other) != TD_OK)
        return;
    to->tick = common_divisor(own, other);
    to->tick_scale = scale;
}

/* A tile that is being added to another one: its next run and cell of trades. */
typedef struct tile_source {
    const market_tile *tile;
    column_map map;
    size_t run, trades;
} tile_source;

static td_result too_fine(td_err *err)
{
    return td_err_set(err, TD_E_LIMIT, "rows of this height are too fine for these prices");
}

/* Find the lowest row of the next runs of all sources. 0: no run is left. */
static int find_next_row(const tile_source *sources, size_t count, td_decimal bin, int64_t *row,
                         td_result *rc, td_err *err)
{
    int is_found = 0;
    for (size_t i = 0; i < count; i++) {
        const tile_source *at = &sources[i];
        int64_t own;
        if (at->run == at->tile->run_count)
            continue;
        if (!map_row(at->tile->runs[at->run].row, at->tile->bin, bin, &own)) {
            *rc = too_fine(err);
            return 0;
        }
        *row = !is_found || own < *row ? own : *row;
        is_found = 1;
    }
    return is_found;
}

/* Append one row of all sources. */
static td_result add_row(tile_source *sources, size_t count, int64_t row, market_tile *out,
                         td_err *err)
{
    double sizes[MARKET_COLUMNS] = {0};
    size_t last = 0;
    for (size_t i = 0; i < count; i++) {
        tile_source *at = &sources[i];
        const market_tile *tile = at->tile;
        int64_t own;
        while (at->run < tile->run_count &&
               map_row(tile->runs[at->run].row, tile->bin, out->bin, &own) && own == row) {
            const market_run *run = &tile->runs[at->run++];
            for (size_t k = map_column(at->map, run->first); k <= map_column(at->map, run->last);
                 k++)
                sizes[k] = run->size > sizes[k] ? run->size : sizes[k];
        }
    }
    for (size_t first = 0, end; first < MARKET_COLUMNS; first = end) {
        for (end = first + 1; end < MARKET_COLUMNS && sizes[end] == sizes[first];)
            end++;
        const market_run run = {row, sizes[first], (uint8_t)first, (uint8_t)(end - 1)};
        td_result rc = run.size > 0 ? market_tile_add_run(out, run, &last, err) : TD_OK;
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

/* Make a tile of sources in the order of time. */
static td_result combine(tile_source *sources, size_t count, td_decimal bin, market_tile *out,
                         td_err *err)
{
    td_result rc = TD_OK;
    int64_t row = 0;
    market_tile_init(out, bin);
    for (size_t i = 0; i < count; i++) {
        const tile_source *at = &sources[i];
        const market_tile *tile = at->tile;
        add_tick(out, tile);
        out->may_grow |= tile->may_grow;
        for (size_t k = 0; k < MARKET_COLUMNS; k++) {
            uint8_t column = map_column(at->map, (uint8_t)k);
            add_column(&out->columns[column], &tile->columns[k]);
            for (size_t bucket = 0; bucket < MARKET_LATENCIES; bucket++)
                out->latencies[column][bucket] += tile->latencies[k][bucket];
        }
        for (size_t k = 0; k < tile->trades_count && rc == TD_OK; k++) {
            market_trades cell = tile->trades[k];
            cell.column = map_column(at->map, cell.column);
            if (!map_row(cell.row, tile->bin, bin, &cell.row))
                rc = too_fine(err);
            out->trades = td_array_grow(out->trades, out->trades_count, sizeof *out->trades);
            out->trades[out->trades_count++] = cell;
        }
    }
    while (rc == TD_OK && find_next_row(sources, count, bin, &row, &rc, err))
        rc = add_row(sources, count, row, out, err);
    if (rc == TD_OK)
        market_tile_sort(out);
    else
        market_tile_fini(out);
    return rc;
}

td_result market_tile_join(const market_tile *left, const market_tile *right, td_decimal bin,
                           market_tile *out, td_err *err)
{
    tile_source sources[] = {{.tile = left, .map = {1, 0}},
                             {.tile = right, .map = {1, MARKET_COLUMNS / 2}}};
    return combine(sources, 2, bin, out, err);
}

td_result market_tile_rebin(const market_tile *from, td_decimal bin, market_tile *out, td_err *err)
{
    tile_source source = {.tile = from};
    return combine(&source, 1, bin, out, err);
}

/* ---- bytes ---- */

enum { POINTER_BYTES = sizeof(void *) };

void market_tile_save(const market_tile *self, td_buf *out)
{
    const size_t at = out->size;
    td_buf_add(out, self, sizeof *self);
    memset(out->data + at + offsetof(market_tile, runs), 0, POINTER_BYTES);
    memset(out->data + at + offsetof(market_tile, trades), 0, POINTER_BYTES);
    td_buf_add(out, self->runs, self->run_count * sizeof *self->runs);
    td_buf_add(out, self->trades, self->trades_count * sizeof *self->trades);
}

td_result market_tile_load(td_bytes bytes, market_tile *out, td_err *err)
{
    if (bytes.size < sizeof *out)
        return td_err_set(err, TD_E_CORRUPT, "it is too short");
    memcpy(out, bytes.data, sizeof *out);
    const uint8_t *at = bytes.data + sizeof *out;
    size_t rest = bytes.size - sizeof *out;
    size_t runs = out->run_count;
    size_t trades = out->trades_count;
    out->runs = NULL;
    out->trades = NULL;
    if (runs > MARKET_RUNS_MAX || trades > rest / sizeof *out->trades ||
        rest != runs * sizeof *out->runs + trades * sizeof *out->trades)
        return td_err_set(err, TD_E_CORRUPT, "its length is wrong");
    /* td_array_grow must be able to append */
    for (size_t i = 0; i < runs; i++) {
        out->runs = td_array_grow(out->runs, i, sizeof *out->runs);
        memcpy(&out->runs[i], at + i * sizeof *out->runs, sizeof *out->runs);
    }
    at += runs * sizeof *out->runs;
    for (size_t i = 0; i < trades; i++) {
        out->trades = td_array_grow(out->trades, i, sizeof *out->trades);
        memcpy(&out->trades[i], at + i * sizeof *out->trades, sizeof *out->trades);
    }
    return TD_OK;
}

/* ---- the page's form ---- */

static void add_f64(td_buf *to, double value)
{
    uint64_t bits;
    uint8_t bytes[8];
    memcpy(&bits, &value, sizeof bits);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(bits >> (8 * i));
    td_buf_add(to, bytes, sizeof bytes);
}

static void add_u32(td_buf *to, uint32_t value)
{
    const uint8_t bytes[] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                             (uint8_t)(value >> 24)};
    td_buf_add(to, bytes, sizeof bytes);
}

/* The members of a column that the page gets as doubles, in this order. */
static const size_t DOUBLES[] = {
    offsetof(market_column, bid),    offsetof(market_column, ask),
    offsetof(market_column, spread), offsetof(market_column, imbalance),
    offsetof(market_column, open),   offsetof(market_column, high),
    offsetof(market_column, low),    offsetof(market_column, close),
    offsetof(market_column, buy),    offsetof(market_column, sell),
};

static void add_columns(const market_tile *self, td_buf *to)
{
    for (size_t i = 0; i < sizeof DOUBLES / sizeof DOUBLES[0]; i++)
        for (size_t k = 0; k < MARKET_COLUMNS; k++) {
            const market_column *at = &self->columns[k];
            double value;
            memcpy(&value, (const char *)at + DOUBLES[i], sizeof value);
            int is_mean = DOUBLES[i] == offsetof(market_column, spread) ||
                          DOUBLES[i] == offsetof(market_column, imbalance);
            add_f64(to, is_mean && at->book_frames == 0 ? NAN : value);
        }
}

static size_t count_latencies(const market_tile *self)
{
    size_t count = 0;
    for (size_t i = 0; i < MARKET_COLUMNS; i++)
        for (size_t k = 0; k < MARKET_LATENCIES; k++)
            count += self->latencies[i][k] != 0;
    return count;
}

static td_result add_head(const market_tile *self, const char *trades, int64_t base, td_buf *out,
                          td_err *err)
{
    json_writer json;
    char text[TD_DECIMAL_TEXT_BYTES];
    td_decimal_format((td_decimal){self->tick, self->tick_scale}, text);
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    json_write_member_text(&json, "trades", trades);
    json_write_member_text(&json, "tick", self->tick == 0 ? NULL : text);
    json_write_key(&json, "base");
    json_write_i64(&json, base);
    json_write_member_bool(&json, "is_final", !self->may_grow);
    json_write_member_u64(&json, "runs", self->run_count);
    json_write_member_u64(&json, "trade_cells", self->trades_count);
    json_write_member_u64(&json, "latency_cells", count_latencies(self));
    json_write_object_end(&json);
    return json_write_end(&json, err);
}

static int64_t first_row(const market_tile *self)
{
    int64_t row = self->run_count > 0 ? self->runs[0].row : INT64_MAX;
    if (self->trades_count > 0 && self->trades[0].row < row)
        row = self->trades[0].row;
    return row == INT64_MAX ? 0 : row;
}

static int64_t last_row(const market_tile *self)
{
    int64_t row = self->run_count > 0 ? self->runs[self->run_count - 1].row : INT64_MIN;
    if (self->trades_count > 0 && self->trades[self->trades_count - 1].row > row)
        row = self->trades[self->trades_count - 1].row;
    return row == INT64_MIN ? 0 : row;
}

static void add_cells(const market_tile *self, int64_t base, td_buf *out)
{
    for (size_t i = 0; i < self->run_count; i++)
        add_f64(out, self->runs[i].size);
    for (size_t i = 0; i < self->trades_count; i++)
        add_f64(out, self->trades[i].buy);
    for (size_t i = 0; i < self->trades_count; i++)
        add_f64(out, self->trades[i].sell);
    for (size_t i = 0; i < MARKET_COLUMNS; i++)
        add_u32(out, self->columns[i].frames);
    for (size_t i = 0; i < MARKET_COLUMNS; i++)
        add_u32(out, self->columns[i].trades);
    for (size_t i = 0; i < self->run_count; i++)
        add_u32(out, (uint32_t)(self->runs[i].row - base));
    for (size_t i = 0; i < self->trades_count; i++)
        add_u32(out, (uint32_t)(self->trades[i].row - base));
    for (size_t i = 0; i < self->trades_count; i++)
        add_u32(out, self->trades[i].count);
    for (size_t i = 0; i < (size_t)MARKET_COLUMNS * MARKET_LATENCIES; i++)
        if (self->latencies[i / MARKET_LATENCIES][i % MARKET_LATENCIES] != 0)
            add_u32(out, self->latencies[i / MARKET_LATENCIES][i % MARKET_LATENCIES]);
}

static void add_bytes(const market_tile *self, td_buf *out)
{
    for (size_t i = 0; i < MARKET_COLUMNS; i++) {
        const uint8_t state = (uint8_t)self->columns[i].state;
        td_buf_add(out, &state, 1);
    }
    for (size_t i = 0; i < self->run_count; i++)
        td_buf_add(out, &self->runs[i].first, 1);
    for (size_t i = 0; i < self->run_count; i++)
        td_buf_add(out, &self->runs[i].last, 1);
    for (size_t i = 0; i < self->trades_count; i++)
        td_buf_add(out, &self->trades[i].column, 1);
    for (int is_bucket = 0; is_bucket < 2; is_bucket++)
        for (size_t i = 0; i < (size_t)MARKET_COLUMNS * MARKET_LATENCIES; i++) {
            const size_t column = i / MARKET_LATENCIES;
            const size_t bucket = i % MARKET_LATENCIES;
            const uint8_t number = (uint8_t)(is_bucket ? bucket : column);
            if (self->latencies[column][bucket] != 0)
                td_buf_add(out, &number, 1);
        }
}

td_result market_tile_answer(const market_tile *self, const char *trades, td_buf *out, td_err *err)
{
    const int64_t base = first_row(self);
    if (self->run_count > MARKET_RUNS_SENT_MAX || self->trades_count > MARKET_TRADES_SENT_MAX)
        return td_err_set(err, TD_E_LIMIT, "too many prices: show fewer, or larger rows");
    if ((int128)last_row(self) - base > INT32_MAX)
        return too_fine(err);
    td_result rc = add_head(self, trades, base, out, err);
    if (rc == TD_OK)
        rc = td_buf_append(out, "\n", 1, err);
    /* all below is at most 6 MiB: the counts are bounded */
    if (rc == TD_OK)
        add_columns(self, out);
    if (rc == TD_OK)
        add_cells(self, base, out);
    if (rc == TD_OK)
        add_bytes(self, out);
    return rc;
}
