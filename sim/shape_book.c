/* Order book and trade frames; shape_ticker.c has the rest of sim/shape.h. */
#include "sim/shape.h"

#include "base/assert.h"
#include "base/clock.h"
#include "sim/shape_impl.h"

void book_window_take(book_window *window, const market *m, uint32_t depth)
{
    TD_ASSERT(depth <= SHAPE_WINDOW_MAX);
    for (int side = MARKET_BUY; side <= MARKET_SELL; side++) {
        size_t count = market_level_count(m, (market_side)side);
        window->counts[side] = count < depth ? (uint32_t)count : depth;
        for (uint32_t i = 0; i < window->counts[side]; i++)
            window->levels[side][i] = market_level_at(m, (market_side)side, i);
    }
}

/* ---- levels ---- */

static const char *const SIDES[] = {[MARKET_BUY] = "Buy", [MARKET_SELL] = "Sell"};

/* One entry; a delete has no size. */
static void put_level(text_out *out, const shape_frame *frame, market_side side,
                      const market_level *level, const char *comma)
{
    const instrument *traded = frame->traded;
    const char *quote = frame->shape == SHAPE_LINEAR ? "\"" : "";
    int64_t price = level->price * traded->tick;
    text_puts(out, comma);
    text_puts(out, "{\"price\":\"");
    text_put_fixed(out, price, traded->price_places);
    text_puts(out, "\",\"symbol\":\"");
    text_puts(out, traded->symbol);
    text_puts(out, "\",\"id\":");
    text_puts(out, quote);
    text_put_i64(out, price * text_power10(4u - traded->price_places));
    text_puts(out, quote);
    text_puts(out, ",\"side\":\"");
    text_puts(out, SIDES[side]);
    text_puts(out, "\"");
    if (level->size > 0) {
        text_puts(out, ",\"size\":");
        text_put_shortest(out, level->size, traded->size_places);
    }
    text_puts(out, "}");
}

void shape_book_snapshot(const shape_frame *frame, const book_window *window, text_out *out)
{
    const char *comma = "";
    shape_begin(out, frame, "snapshot");
    text_puts(out, frame->shape == SHAPE_LINEAR ? "{\"order_book\":[" : "[");
    for (uint32_t i = window->counts[MARKET_BUY]; i-- > 0; comma = ",")
        put_level(out, frame, MARKET_BUY, &window->levels[MARKET_BUY][i], comma);
    for (uint32_t i = 0; i < window->counts[MARKET_SELL]; i++, comma = ",")
        put_level(out, frame, MARKET_SELL, &window->levels[MARKET_SELL][i], comma);
    text_puts(out, frame->shape == SHAPE_LINEAR ? "]}" : "]");
    shape_end(out, frame);
}

/* ---- deltas ---- */

typedef enum change_kind { CHANGE_DELETE, CHANGE_UPDATE, CHANGE_INSERT, CHANGE_KINDS } change_kind;

typedef struct change {
    change_kind kind;
    market_side side;
    market_level level;
} change;

/* All changes of a frame: both sides' old levels can go and new ones come. */
typedef struct change_list {
    change items[4 * SHAPE_WINDOW_MAX];
    uint32_t count;
} change_list;

static void add_change(change_list *list, change_kind kind, market_side side, market_level level)
{
    TD_ASSERT(list->count < 4 * SHAPE_WINDOW_MAX);
    if (kind == CHANGE_DELETE)
        level.size = 0;
    list->items[list->count++] = (change){.kind = kind, .side = side, .level = level};
}

/* Walk one side of both windows from the best price on: a level that only the old one has is gone,
 * one that only the new one has came. */
static void compare_side(change_list *list, const book_window *from, const book_window *to,
                         market_side side)
{
    uint32_t i = 0;
    uint32_t j = 0;
    while (i < from->counts[side] && j < to->counts[side]) {
        market_level old = from->levels[side][i];
        market_level new = to->levels[side][j];
        int is_old_better = (old.price > new.price) == (side == MARKET_BUY);
        if (old.price != new.price && is_old_better) {
            add_change(list, CHANGE_DELETE, side, old);
            i++;
        } else if (old.price != new.price) {
            add_change(list, CHANGE_INSERT, side, new);
            j++;
        } else {
            if (old.size != new.size)
                add_change(list, CHANGE_UPDATE, side, new);
            i++;
            j++;
        }
    }
    for (; i < from->counts[side]; i++)
        add_change(list, CHANGE_DELETE, side, from->levels[side][i]);
    for (; j < to->counts[side]; j++)
        add_change(list, CHANGE_INSERT, side, to->levels[side][j]);
}

int shape_book_delta(const shape_frame *frame, const book_window *from, const book_window *to,
                     text_out *out)
{
    static const char *const KEYS[] = {[CHANGE_DELETE] = "{\"delete\":[",
                                       [CHANGE_UPDATE] = "],\"update\":[",
                                       [CHANGE_INSERT] = "],\"insert\":["};
    change_list list;
    list.count = 0;
    compare_side(&list, from, to, MARKET_BUY);
    compare_side(&list, from, to, MARKET_SELL);
    if (list.count == 0)
        return 0;
    shape_begin(out, frame, "delta");
    for (int kind = 0; kind < CHANGE_KINDS; kind++) {
        const char *comma = "";
        text_puts(out, KEYS[kind]);
        for (uint32_t i = 0; i < list.count; i++) {
            if (list.items[i].kind != (change_kind)kind)
                continue;
            put_level(out, frame, list.items[i].side, &list.items[i].level, comma);
            comma = ",";
        }
    }
    text_puts(out, frame->shape == SHAPE_LINEAR ? "]}" : "],\"transactTimeE6\":0}");
    shape_end(out, frame);
    return 1;
}

/* ---- trades ---- */

/* A UUID of version 5 out of random bits. */
static void put_uuid(text_out *out, const uint64_t id[2])
{
    static const char HEX[] = "0123456789abcdef";
    char text[36];
    size_t at = 0;
    for (unsigned i = 0; i < 32; i++) {
        unsigned nibble = (unsigned)(id[i / 16] >> (60 - 4 * (i % 16))) & 15u;
        if (i == 12)
            nibble = 5;
        if (i == 16)
            nibble = 8 | (nibble & 3u);
        if (i == 8 || i == 12 || i == 16 || i == 20)
            text[at++] = '-';
        text[at++] = HEX[nibble];
    }
    TD_ASSERT(at == sizeof text);
    text_put(out, text, sizeof text);
}

static void put_trade_inverse(text_out *out, const shape_frame *frame, const shape_trade *trade,
                              const char *second)
{
    const instrument *traded = frame->traded;
    text_puts(out, "{\"trade_time_ms\":");
    text_put_u64(out, frame->ts_ns / TD_NS_PER_MS, 1);
    text_puts(out, ",\"timestamp\":\"");
    text_puts(out, second);
    text_puts(out, "\",\"symbol\":\"");
    text_puts(out, traded->symbol);
    text_puts(out, "\",\"side\":\"");
    text_puts(out, SIDES[trade->done.taker]);
    text_puts(out, "\",\"size\":");
    text_put_shortest(out, trade->done.size, traded->size_places);
    text_puts(out, ",\"price\":");
    text_put_shortest(out, trade->done.price * traded->tick, traded->price_places);
    text_puts(out, ",\"tick_direction\":\"");
    text_puts(out, trade->tick_direction);
    text_puts(out, "\",\"trade_id\":\"");
    put_uuid(out, trade->id);
    text_puts(out, "\",\"cross_seq\":");
    text_put_i64(out, frame->seq);
    text_puts(out, "}");
}

static void put_trade_linear(text_out *out, const shape_frame *frame, const shape_trade *trade,
                             const char *second)
{
    const instrument *traded = frame->traded;
    text_puts(out, "{\"symbol\":\"");
    text_puts(out, traded->symbol);
    text_puts(out, "\",\"tick_direction\":\"");
    text_puts(out, trade->tick_direction);
    text_puts(out, "\",\"price\":\"");
    text_put_fixed(out, trade->done.price * traded->tick, traded->price_places);
    text_puts(out, "\",\"size\":");
    text_put_shortest(out, trade->done.size, traded->size_places);
    text_puts(out, ",\"timestamp\":\"");
    text_puts(out, second);
    text_puts(out, "\",\"trade_time_ms\":\"");
    text_put_u64(out, frame->ts_ns / TD_NS_PER_MS, 1);
    text_puts(out, "\",\"side\":\"");
    text_puts(out, SIDES[trade->done.taker]);
    text_puts(out, "\",\"trade_id\":\"");
    put_uuid(out, trade->id);
    text_puts(out, "\"}");
}

void shape_trades(const shape_frame *frame, const shape_trade *trades, size_t count, text_out *out)
{
    char second[SHAPE_SECOND_BYTES];
    TD_ASSERT(count > 0);
    shape_format_second(frame->ts_ns, ".000Z", second);
    text_puts(out, "{\"topic\":\"");
    text_puts(out, frame->topic);
    text_puts(out, "\",\"data\":[");
    for (size_t i = 0; i < count; i++) {
        text_puts(out, i > 0 ? "," : "");
        if (frame->shape == SHAPE_LINEAR)
            put_trade_linear(out, frame, &trades[i], second);
        else
            put_trade_inverse(out, frame, &trades[i], second);
    }
    text_puts(out, "]}");
}
