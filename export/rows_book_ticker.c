/* The exchange's own best bid and ask: a row for each frame of the topic, even if nothing changed.
 * They are from a book of one level, of which a side that is not in the frame keeps its value, or
 * from the tickers that the family names, each of which has both sides. A break of the topic clears
 * both sides. */
#include <string.h>

#include "base/alloc.h"
#include "export/export_type.h"
#include "export/rows_hftbacktest.h"

typedef struct best_prices {
    msg_value values[QUOTE_COLUMNS];
} best_prices;

static void set_side(best_prices *best, msg_side side, td_decimal price, td_decimal amount)
{
    best->values[side == SIDE_SELL ? QUOTE_ASK_PRICE : QUOTE_BID_PRICE] = row_decimal(price);
    best->values[side == SIDE_SELL ? QUOTE_ASK_SIZE : QUOTE_BID_SIZE] = row_decimal(amount);
}

static void set_from_book(best_prices *best, const book *from)
{
    book_level level;
    if (book_level_at(from, SIDE_SELL, 0, &level))
        set_side(best, SIDE_SELL, level.price, level.size);
    if (book_level_at(from, SIDE_BUY, 0, &level))
        set_side(best, SIDE_BUY, level.price, level.size);
}

/* Sets a side from the first level that is not deleted. */
static void set_from_frame(best_prices *best, msg_side side, const message *m)
{
    size_t count = message_item_count(m);
    for (size_t i = 0; i < count; i++) {
        const msg_level level = message_level(m, i);
        if (level.side != side || level.action == ACTION_DELETE || level.size == 0)
            continue;
        set_side(best, side, (td_decimal){level.price, level.price_scale},
                 (td_decimal){level.size, level.size_scale});
        return;
    }
}

/* Sets a side from a ticker, if that has its price and its size. */
static void set_from_members(best_prices *best, msg_side side, const msg_item *item,
                             msg_member price, msg_member size)
{
    const td_decimal *found = msg_item_decimal(item, price);
    const td_decimal *amount = msg_item_decimal(item, size);
    if (found != NULL && amount != NULL)
        set_side(best, side, *found, *amount);
}

static void set_from_ticker(best_prices *best, const message *m)
{
    *best = (best_prices){0};
    if (m->record.item_count == 0)
        return;
    const msg_item *item = &m->record.items[0];
    set_from_members(best, SIDE_BUY, item, MEMBER_BID1_PRICE, MEMBER_BID1_SIZE);
    set_from_members(best, SIDE_SELL, item, MEMBER_ASK1_PRICE, MEMBER_ASK1_SIZE);
}

static td_result on_frame(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    best_prices *best = maker;
    if (!seen->trust->is_trusted || !seen->trust->was_alive)
        *best = (best_prices){0};
    if (!seen->trust->is_trusted)
        return TD_OK;
    if (seen->trust->is_taken_over && seen->book != NULL)
        set_from_book(best, seen->book);
    if (seen->message->head.type == MSG_TICKER) {
        set_from_ticker(best, seen->message);
    } else {
        set_from_frame(best, SIDE_SELL, seen->message);
        set_from_frame(best, SIDE_BUY, seen->message);
    }
    if (seen->frame->is_lead_in)
        return TD_OK;
    export_row row = export_row_of(seen);
    row.flags |= ROW_LAST_OF_FRAME;
    row.values = best->values;
    return out->put(out->ctx, &row, err);
}

/* 1 for the tickers that supply best prices by the family's document. */
static int is_named(const frame_channel *channel)
{
    const topic_row *row = channel->topic.row;
    const char *name = channel->family == NULL ? NULL : channel->family->market.best_topic;
    return name != NULL && row->type == MSG_TICKER && strcmp(row->name, name) == 0;
}

static int takes(const export_settings *settings, const frame_channel *channel)
{
    const topic_row *row = channel->topic.row;
    (void)settings;
    return row != NULL && (export_is_book_topic(row, 1) || is_named(channel));
}

/* How good a source of best prices a topic is: best prices, a book of one level, tickers. */
static int rank_of(const topic_row *row)
{
    return (row->items[0].flags & ITEMS_BEST) != 0 ? 2 : row->type == MSG_BOOK_CHANGE ? 1 : 0;
}

/* Prefers one topic per symbol, because two would share a file. */
static int prefers(const family_market *market, const topic_row *topic, const topic_row *other)
{
    const int rank = rank_of(topic), other_rank = rank_of(other);
    (void)market;
    return rank != other_rank ? rank > other_rank : strcmp(topic->name, other->name) < 0;
}

static void *open_prices(const maker_begin *begin)
{
    best_prices *made = td_alloc_zero(1, sizeof *made);
    if (begin->before != NULL)
        set_from_book(made, begin->before);
    return made;
}

const export_type EXPORT_BOOK_TICKER = {
    .name = "book_ticker",
    .columns = EXPORT_QUOTE_COLUMNS,
    .column_count = QUOTE_COLUMNS,
    .kinds = 1u << MSG_BOOK_CHANGE | 1u << MSG_TICKER,
    .takes = takes,
    .prefers = prefers,
    .open = open_prices,
    .frame = on_frame,
    .close = td_free,
};

static int takes_bbo(const export_settings *settings, const frame_channel *channel)
{
    return settings->has_bbo && takes(settings, channel);
}

const export_type EXPORT_HFT_BBO = {
    .name = "bbo",
    .columns = EXPORT_QUOTE_COLUMNS,
    .column_count = QUOTE_COLUMNS,
    .kinds = 1u << MSG_BOOK_CHANGE | 1u << MSG_TICKER,
    .takes = takes_bbo,
    .prefers = prefers,
    .open = open_prices,
    .frame = on_frame,
    .close = td_free,
};
