#include "view/market_play.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/row_table.h"
#include "base/time_span.h"
#include "archive/gap.h"
#include "book/book.h"
#include "replay/play/observe.h"
#include "replay/play/stream.h"
#include "schema/entry_order.h"
#include "tape/topic_trust.h"
#include "tape/trade_repeats.h"

enum { SIDES = 2, TRADES_MAX = 1 << 20, WAITING_MAX = 1 << 16, NO_LATENCY = MARKET_LATENCIES };

/* How long after the tiles the book's next frame is looked for: it tells that its connection
 * lasted, although a gap may begin before it (tape/topic_trust.h). Longer than the time between a
 * connection's pings. */
#define AFTER_NS (30 * TD_NS_PER_S)

/* A price, and since when it has its sizes. */
typedef struct price_level {
    int64_t price;
    double sizes[SIDES]; /* by msg_side; 0: no level */
    uint64_t since_ns;
    size_t run;    /* number + 1 of its last run in the tile, or 0 */
    unsigned seen; /* number of the last whole book that had it, by side in the lowest bits */
} price_level;

/* A frame of trades, or one of its trades. It waits until it is known whether the book was known at
 * its time: only the book's next frame tells how long its connection lasted. */
typedef struct waiting_trade {
    uint64_t recv_ns;
    td_decimal price, size;
    uint8_t side;     /* msg_side */
    uint8_t is_trade; /* 0: the frame itself */
    uint8_t latency;  /* bucket, or NO_LATENCY */
} waiting_trade;

typedef struct maker {
    const market_play_options *options;
    td_err *err;
    entry_order order; /* of the trades of a frame */
    trade_repeats had;
    time_span copied; /* trades that are missing if only copies come until the end; from_ns 0: none
                       */
    market_tile *tile;
    size_t index;   /* of the tile */
    time_span time; /* of the tile */
    uint8_t scale;  /* of all prices */
    price_level *levels;
    size_t level_count;
    row_table by_price;
    unsigned books; /* whole books so far */
    /* the book's state since since_ns */
    unsigned state;
    uint64_t since_ns;
    double bid, ask;
    const stream *of;  /* of the book; NULL: no frame yet, or no more frames */
    channel_info info; /* of the book's last frame */
    uint64_t damaged_until_ns;
    waiting_trade *waits;
    size_t wait_first, wait_count;
    uint64_t known_until_ns; /* once there are no more frames */
} maker;

/* The end of all tiles. */
static uint64_t end_of(const market_play_options *options)
{
    return options->from_ns + ((uint64_t)MARKET_COLUMNS << options->k) * options->count;
}

static size_t column_of(const maker *self, uint64_t ns)
{
    return (size_t)((ns - self->time.from_ns) >> self->options->k);
}

/* ---- prices ---- */

static uint64_t hash_price(int64_t price)
{
    return (uint64_t)price * UINT64_C(0x9e3779b97f4a7c15);
}

static int widen_i64(int64_t *value)
{
    return !__builtin_mul_overflow(*value, (int64_t)10, value);
}

/* Give all prices one more decimal place. 0: one does not fit. */
static int widen(maker *self)
{
    int is_good = 1;
    market_tile *tile = self->tile;
    row_table_clear(&self->by_price);
    for (size_t i = 0; i < self->level_count; i++) {
        is_good &= widen_i64(&self->levels[i].price);
        row_table_put(&self->by_price, hash_price(self->levels[i].price), i);
    }
    for (size_t i = 0; i < tile->run_count; i++)
        is_good &= widen_i64(&tile->runs[i].row);
    for (size_t i = 0; i < tile->trades_count; i++)
        is_good &= widen_i64(&tile->trades[i].row);
    tile->bin = (td_decimal){1, ++self->scale};
    return is_good;
}

/* The price at the scale of all prices, which grows if needed. */
static td_result scale_price(maker *self, td_decimal price, int64_t *out)
{
    int is_good = 1;
    if (price.scale > self->scale)
        price = td_decimal_shortest(price);
    while (price.scale > self->scale && is_good)
        is_good = widen(self);
    return is_good && td_decimal_rescale(price, self->scale, out) == TD_OK
               ? TD_OK
               : td_err_set(self->err, TD_E_LIMIT, "the prices differ too much for one picture");
}

/* The level of a price, or NULL. */
static price_level *find_level(const maker *self, int64_t price)
{
    row_probe at = row_probe_of(hash_price(price));
    while (row_table_next(&self->by_price, &at))
        if (self->levels[at.row].price == price)
            return &self->levels[at.row];
    return NULL;
}

static price_level *add_level(maker *self, int64_t price)
{
    self->levels = td_array_grow(self->levels, self->level_count, sizeof *self->levels);
    self->levels[self->level_count] = (price_level){.price = price};
    row_table_put(&self->by_price, hash_price(price), self->level_count);
    return &self->levels[self->level_count++];
}

static double largest(const price_level *level)
{
    return level->sizes[SIDE_BUY] > level->sizes[SIDE_SELL] ? level->sizes[SIDE_BUY]
                                                            : level->sizes[SIDE_SELL];
}

/* Note that a level had its size until now. */
static td_result end_level(maker *self, price_level *level, uint64_t now_ns)
{
    const double size = largest(level);
    td_result rc = TD_OK;
    if (size > 0 && now_ns > level->since_ns)
        rc = market_tile_add_run(self->tile,
                                 (market_run){level->price, size,
                                              (uint8_t)column_of(self, level->since_ns),
                                              (uint8_t)column_of(self, now_ns - 1)},
                                 &level->run, self->err);
    level->since_ns = now_ns;
    return rc;
}

static td_result set_level(maker *self, msg_side side, td_decimal price, double size,
                           uint64_t now_ns)
{
    int64_t scaled;
    td_result rc = scale_price(self, price, &scaled);
    if (rc != TD_OK)
        return rc;
    price_level *level = find_level(self, scaled);
    if (level == NULL && size == 0)
        return TD_OK;
    if (level == NULL)
        level = add_level(self, scaled);
    level->seen = self->books << SIDES |
                  (level->seen >> SIDES == self->books ? level->seen & 3 : 0) | 1U << side;
    const double before = largest(level);
    const double other = level->sizes[side == SIDE_BUY ? SIDE_SELL : SIDE_BUY];
    if (before != (size > other ? size : other))
        rc = end_level(self, level, now_ns);
    level->sizes[side] = size;
    return rc;
}

/* Remove the levels that are not in the last whole book. */
static td_result drop_unseen(maker *self, uint64_t now_ns)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < self->level_count && rc == TD_OK; i++) {
        price_level *level = &self->levels[i];
        unsigned seen = level->seen >> SIDES == self->books ? level->seen & 3 : 0;
        if (seen == 3 || largest(level) == 0)
            continue;
        rc = end_level(self, level, now_ns);
        for (unsigned side = 0; side < SIDES; side++)
            level->sizes[side] = seen & 1U << side ? level->sizes[side] : 0;
    }
    return rc;
}

static td_result set_book(maker *self, const book *all, uint64_t now_ns)
{
    td_result rc = TD_OK;
    self->books++;
    for (unsigned side = 0; side < SIDES; side++) {
        book_level level;
        for (size_t i = 0; rc == TD_OK && book_level_at(all, (msg_side)side, i, &level); i++)
            rc =
                set_level(self, (msg_side)side, level.price, td_decimal_double(level.size), now_ns);
    }
    return rc == TD_OK ? drop_unseen(self, now_ns) : rc;
}

static td_result change_book(maker *self, const book *all, const msg_book *change, uint64_t now_ns)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < change->level_count && rc == TD_OK; i++) {
        const msg_level *level = &change->levels[i];
        const td_decimal price = {level->price, level->price_scale};
        rc = set_level(self, (msg_side)level->side, price,
                       td_decimal_double(book_size_at(all, (msg_side)level->side, price)), now_ns);
    }
    return rc;
}

/* ---- time ---- */

/* Note the state since since_ns in the tile's columns. */
static void note_state(maker *self, uint64_t now_ns)
{
    market_tile *tile = self->tile;
    if (now_ns <= self->since_ns)
        return;
    size_t last = column_of(self, now_ns - 1);
    for (size_t i = column_of(self, self->since_ns); i <= last; i++) {
        market_column *at = &tile->columns[i];
        int is_at_end = self->time.from_ns + ((uint64_t)(i + 1) << self->options->k) <= now_ns;
        at->state |= self->state;
        at->bid = is_at_end ? self->bid : at->bid;
        at->ask = is_at_end ? self->ask : at->ask;
    }
    self->since_ns = now_ns;
}

static void begin_tile(maker *self)
{
    const uint64_t length_ns = (uint64_t)MARKET_COLUMNS << self->options->k;
    size_t kept = 0;
    const uint64_t from_ns = self->options->from_ns + self->index * length_ns;
    self->time = (time_span){from_ns, from_ns + length_ns};
    market_tile_init(self->tile, (td_decimal){1, self->scale});
    row_table_clear(&self->by_price);
    for (size_t i = 0; i < self->level_count; i++) {
        price_level level = self->levels[i];
        if (largest(&level) == 0)
            continue;
        level.run = 0;
        row_table_put(&self->by_price, hash_price(level.price), kept);
        self->levels[kept++] = level;
    }
    self->level_count = kept;
}

static td_result end_tile(maker *self)
{
    td_result rc = TD_OK;
    note_state(self, self->time.to_ns);
    for (size_t i = 0; i < self->level_count && rc == TD_OK; i++)
        rc = end_level(self, &self->levels[i], self->time.to_ns);
    if (rc != TD_OK)
        return rc;
    market_tile_sort(self->tile);
    market_tile_find_tick(self->tile);
    rc = self->options->tile(self->options->user, self->index, self->tile, self->err);
    market_tile_fini(self->tile);
    self->index++;
    return rc;
}

static td_result finish_tiles(maker *self, uint64_t now_ns)
{
    td_result rc = TD_OK;
    while (rc == TD_OK && self->index < self->options->count && now_ns >= self->time.to_ns) {
        rc = end_tile(self);
        if (rc == TD_OK && self->index < self->options->count)
            begin_tile(self);
    }
    return rc;
}

static void note_frame(maker *self, uint64_t recv_ns, uint8_t latency)
{
    size_t column = column_of(self, recv_ns);
    self->tile->columns[column].frames++;
    if (latency != NO_LATENCY)
        self->tile->latencies[column][latency]++;
}

static td_result add_trade(maker *self, const waiting_trade *trade)
{
    const double price = td_decimal_double(trade->price);
    const double size = td_decimal_double(trade->size);
    market_tile *tile = self->tile;
    market_column *at = &tile->columns[column_of(self, trade->recv_ns)];
    market_trades cell = {.count = 1, .column = (uint8_t)column_of(self, trade->recv_ns)};
    td_result rc = scale_price(self, trade->price, &cell.row);
    if (rc != TD_OK)
        return rc;
    at->open = at->trades == 0 ? price : at->open;
    at->high = at->trades == 0 ? price : fmax(at->high, price);
    at->low = at->trades == 0 ? price : fmin(at->low, price);
    at->close = price;
    at->trades++;
    *(trade->side == SIDE_SELL ? &at->sell : &at->buy) += size;
    *(trade->side == SIDE_SELL ? &cell.sell : &cell.buy) = size;
    market_trades *last = tile->trades_count == 0 ? NULL : &tile->trades[tile->trades_count - 1];
    if (last != NULL && last->row == cell.row && last->column == cell.column) {
        last->buy += cell.buy;
        last->sell += cell.sell;
        last->count++;
        return TD_OK;
    }
    if (tile->trades_count == TRADES_MAX)
        return td_err_set(self->err, TD_E_LIMIT, "too many trades: show a shorter time");
    tile->trades = td_array_grow(tile->trades, tile->trades_count, sizeof *tile->trades);
    tile->trades[tile->trades_count++] = cell;
    return TD_OK;
}

/* Add what waits and was received before a time, and finish the tiles that end before or at it. */
static td_result advance(maker *self, uint64_t now_ns)
{
    td_result rc = TD_OK;
    while (rc == TD_OK && self->wait_first < self->wait_count &&
           self->waits[self->wait_first].recv_ns < now_ns) {
        const waiting_trade *at = &self->waits[self->wait_first++];
        rc = finish_tiles(self, at->recv_ns);
        if (rc == TD_OK && at->is_trade)
            rc = add_trade(self, at);
        else if (rc == TD_OK)
            note_frame(self, at->recv_ns, at->latency);
    }
    if (self->wait_first == self->wait_count)
        self->wait_first = self->wait_count = 0;
    return rc == TD_OK ? finish_tiles(self, now_ns) : rc;
}

/* The book is unknown from a time on, at the earliest from its last frame. */
static td_result forget_book(maker *self, uint64_t from_ns)
{
    uint64_t now_ns = from_ns > self->since_ns ? from_ns : self->since_ns;
    td_result rc = advance(self, now_ns);
    if (rc != TD_OK || self->index == self->options->count)
        return rc;
    note_state(self, now_ns);
    self->books++;
    self->state = MARKET_BOOK_UNKNOWN;
    self->bid = self->ask = NAN;
    return drop_unseen(self, now_ns);
}

/* A gap that begins after the book's last frame and before a time, or that ended its connection. */
static const gap_row *find_gap(const maker *self, uint64_t now_ns)
{
    const gap_list *ledger = self->options->ledger;
    for (size_t i = 0; i < ledger->count; i++) {
        const gap_row *gap = &ledger->rows[i];
        int is_after = gap->from_ns >= self->since_ns || (gap_reason_ends_connection(gap->reason) &&
                                                          gap_row_span(gap).to_ns > self->since_ns);
        if (gap->from_ns < now_ns && is_after && gap->covered_by[0] == '\0' &&
            gap_row_affects_channel(gap, &self->info))
            return gap;
    }
    return NULL;
}

/* Until when the book is known after its last frame: at most until now_ns. */
static uint64_t known_until(const maker *self, uint64_t now_ns, uint64_t damaged_until_ns)
{
    if (self->of == NULL || (self->state & MARKET_BOOK_KNOWN) == 0)
        return now_ns;
    if ((self->state & MARKET_BOOK_UNTRUSTED) != 0) {
        const gap_row *gap = find_gap(self, now_ns);
        return gap == NULL ? now_ns : gap->from_ns;
    }
    const trust_break end =
        topic_trust_end(&self->of->tape.trust, self->options->ledger, damaged_until_ns, now_ns);
    return end.reason == TIME_IS_RIGHT ? now_ns : end.doubt_ns;
}

/* ---- frames ---- */

static int is_missing(time_reason reason)
{
    return reason == DOUBT_CONNECTION || reason == DOUBT_DAMAGE || time_reason_is_gap(reason);
}

/* Bring the state up to a frame of the book, from the frame's verdict. */
static td_result before_frame(maker *self, const applied_frame *seen, uint64_t now_ns)
{
    const trust_break *broke = seen->trust->broke;
    td_result rc = TD_OK;
    if ((self->state & MARKET_BOOK_KNOWN) != 0) {
        int is_untrusted = (self->state & MARKET_BOOK_UNTRUSTED) != 0;
        if (is_missing(broke->reason))
            rc = forget_book(self, broke->doubt_ns < now_ns ? broke->doubt_ns : now_ns);
        else if (is_untrusted && seen->found->step == SYMBOL_RECONNECTS)
            rc = forget_book(self, self->since_ns);
        else if (broke->reason != TIME_IS_RIGHT)
            self->state |= MARKET_BOOK_UNTRUSTED; /* frames before this one are missing */
    }
    if (rc == TD_OK)
        rc = advance(self, now_ns);
    if (rc == TD_OK && self->index < self->options->count)
        note_state(self, now_ns);
    return rc;
}

static void note_best(maker *self, const book *all, const frame_ref *frame)
{
    book_level bid;
    book_level ask;
    int has_bid = book_level_at(all, SIDE_BUY, 0, &bid);
    int has_ask = book_level_at(all, SIDE_SELL, 0, &ask);
    self->bid = has_bid ? td_decimal_double(bid.price) : NAN;
    self->ask = has_ask ? td_decimal_double(ask.price) : NAN;
    if (frame->is_lead_in || !has_bid || !has_ask)
        return;
    market_column *at = &self->tile->columns[column_of(self, frame->recv_ns)];
    double bid_size = td_decimal_double(bid.size);
    double ask_size = td_decimal_double(ask.size);
    double imbalance = bid_size + ask_size > 0 ? (bid_size - ask_size) / (bid_size + ask_size) : 0;
    at->book_frames++;
    at->spread += (self->ask - self->bid - at->spread) / at->book_frames;
    at->imbalance += (imbalance - at->imbalance) / at->book_frames;
}

static td_result add_book_frame(maker *self, const stream *of, const applied_frame *seen)
{
    const frame_ref *frame = seen->frame;
    const message *m = frame->content.message;
    const uint64_t first_ns = self->options->from_ns;
    const uint64_t now_ns = frame->recv_ns > first_ns ? frame->recv_ns : first_ns;
    const book *all = seen->found->track == NULL ? NULL : track_book(seen->found->track);
    td_result rc = before_frame(self, seen, now_ns);
    if (rc != TD_OK || self->index == self->options->count || all == NULL)
        return rc;
    const int is_whole = (self->state & MARKET_BOOK_KNOWN) == 0 || m == NULL ||
                         m->head.type != MSG_BOOK_CHANGE || /* it has orders, not levels */
                         seen->trust->is_snapshot || seen->trust->is_taken_over ||
                         seen->found->step != SYMBOL_CONTINUES;
    rc = is_whole ? set_book(self, all, now_ns) : change_book(self, all, &m->book, now_ns);
    self->of = of;
    self->info = frame->channel->info;
    self->damaged_until_ns = frame->damaged_until_ns;
    note_best(self, all, frame);
    int has_levels = !isnan(self->bid) || !isnan(self->ask);
    self->state = !has_levels               ? MARKET_BOOK_UNKNOWN
                  : seen->trust->is_trusted ? MARKET_BOOK_KNOWN
                                            : MARKET_BOOK_KNOWN | MARKET_BOOK_UNTRUSTED;
    return rc;
}

static uint8_t latency_of(const frame_ref *frame)
{
    const message *m = frame->content.message;
    if (m == NULL || m->head.exchange_ns == 0)
        return NO_LATENCY;
    return (uint8_t)market_latency_bucket(
        frame->recv_ns > m->head.exchange_ns ? frame->recv_ns - m->head.exchange_ns : 0);
}

static void wait_for_book(maker *self, waiting_trade added)
{
    self->waits = td_array_grow(self->waits, self->wait_count, sizeof *self->waits);
    self->waits[self->wait_count++] = added;
}

/* If too much waits, the book counts as known. */
static td_result add_trades_frame(maker *self, const frame_ref *frame)
{
    const message *m = frame->content.message;
    int is_waiting = frame->is_lead_in ||
                     ((self->state & MARKET_BOOK_KNOWN) != 0 && self->wait_count < WAITING_MAX);
    td_result rc = is_waiting ? TD_OK : advance(self, frame->recv_ns);
    if (!frame->is_lead_in)
        wait_for_book(self,
                      (waiting_trade){.recv_ns = frame->recv_ns, .latency = latency_of(frame)});
    entry_order_set(&self->order, m);
    for (size_t i = 0; m != NULL && i < m->trades.trade_count; i++) {
        const msg_trade *trade = &m->trades.trades[entry_order_at(&self->order, i)];
        const int is_repeat = trade_repeats_has(&self->had, frame, trade);
        trade_repeats_add(&self->had, frame, trade);
        if (is_repeat || frame->is_lead_in)
            continue;
        wait_for_book(self, (waiting_trade){.recv_ns = frame->recv_ns,
                                            .price = trade->price,
                                            .size = trade->size,
                                            .side = trade->side,
                                            .is_trade = 1});
    }
    return rc;
}

/* Mark the columns of a time in which only copies of trades came. Tiles that are done by then stay
 * as they are. */
static void mark_copied(maker *self, time_span copied)
{
    const time_span shown = time_span_clip(copied, self->time);
    if (copied.from_ns == 0 || self->index == self->options->count || time_span_ns(shown) == 0)
        return;
    for (size_t i = column_of(self, shown.from_ns); i <= column_of(self, shown.to_ns - 1); i++)
        self->tile->columns[i].state |= MARKET_TRADES_MISSING;
}

static void note_copied(maker *self, const frame_ref *frame)
{
    const time_span copied = {frame->copied_since_ns, frame->recv_ns + 1};
    if (!frame->is_copy)
        mark_copied(self, copied);
    self->copied = frame->is_copy && copied.from_ns != 0 ? copied : (time_span){0};
}

static td_result observe(void *ctx, const stream *of, void **state, const applied_frame *seen,
                         td_err *err)
{
    maker *self = ctx;
    const frame_ref *frame = seen->frame;
    const atomic_int *is_cancelled = self->options->is_cancelled;
    int is_book = strcmp(of->topic, self->options->name.book) == 0;
    td_result rc = TD_OK;
    self->err = err;
    if (is_cancelled != NULL && atomic_load(is_cancelled))
        return td_err_set(err, TD_E_IO, "the page no longer needs this");
    if (!is_book)
        note_copied(self, frame);
    if (frame->is_copy || seen->found == NULL)
        return TD_OK;
    if (is_book) {
        *state = self; /* so that the end of the stream is seen */
        rc = add_book_frame(self, of, seen);
        if (rc == TD_OK && self->index == self->options->count)
            return TD_EOF;
        if (rc == TD_OK && !frame->is_lead_in)
            note_frame(self, frame->recv_ns, latency_of(frame));
    } else if (frame->recv_ns < end_of(self->options)) {
        rc = add_trades_frame(self, frame);
    }
    return rc;
}

/* The book's stream ends: its trust is known for the last time. */
static void end_stream(void *ctx, void *state)
{
    maker *self = ctx;
    const uint64_t end_ns = end_of(self->options);
    (void)state;
    self->known_until_ns =
        known_until(self, self->options->until_ns < end_ns ? self->options->until_ns : end_ns,
                    self->damaged_until_ns);
    self->of = NULL;
}

/* ---- the play ---- */

static int wants_channel(void *user, const channel_info *info)
{
    const market_name *name = &((const maker *)user)->options->name;
    return info->dir == CHANNEL_IN && strcmp(info->feed, name->feed) == 0 &&
           strcmp(info->symbol, name->symbol) == 0 &&
           (strcmp(info->topic, name->book) == 0 || strcmp(info->topic, name->trades) == 0);
}

td_result market_play(const market_play_options *options, td_err *err)
{
    static const observer_ops OPS = {
        .name = "market", .frame = observe, .close = end_stream, .is_ordered = 1};
    market_tile *tile = td_alloc_zero(1, sizeof *tile);
    maker self = {.options = options,
                  .err = err,
                  .tile = tile,
                  .state = MARKET_BOOK_UNKNOWN,
                  .since_ns = options->from_ns,
                  .bid = NAN,
                  .ask = NAN};
    const observe_options how = {.archive = options->from, .threads = 1};
    selection wanted = {0};
    cursor_stats stats;
    selection_set_window(&wanted, (selection_window){options->from_ns, end_of(options) + AFTER_NS});
    begin_tile(&self);
    td_result rc = observe_tape(&how, &wanted,
                                (cursor_options){.states = TAPE_STATES_BOOKS,
                                                 .wants_channel = wants_channel,
                                                 .user = &self},
                                (observer){&OPS, &self, options->ledger}, &stats, NULL, err);
    self.err = err;
    mark_copied(&self, self.copied);
    if (rc == TD_OK && self.index < options->count)
        rc = forget_book(&self, self.known_until_ns);
    if (rc == TD_OK)
        rc = advance(&self, end_of(options));
    market_tile_fini(tile);
    td_free(tile);
    td_free(self.levels);
    td_free(self.waits);
    entry_order_fini(&self.order);
    row_table_fini(&self.by_price);
    return rc;
}
