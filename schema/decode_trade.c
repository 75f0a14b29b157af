/* Trades, hot: one frame may hold a thousand. */
#include "base/assert.h"
#include "decode_scan_impl.h"

/* A side as a boolean: true is Buy. */
static const uint8_t *scan_is_buy(const uint8_t *p, uint8_t *side)
{
    int8_t is_buy = 0;
    p = scan_bool(p, &is_buy);
    *side = is_buy ? (uint8_t)SIDE_BUY : (uint8_t)SIDE_SELL;
    return p;
}

/* The value of one of a trade's fields. */
static inline const uint8_t *read_value(hot *h, hot_role role, const uint8_t *p, void *entry)
{
    msg_trade *trade = entry;
    switch (role) {
    case HOT_PRICE:
        return scan_decimal(p, &trade->price.mantissa, &trade->price.scale);
    case HOT_SIZE:
        return scan_decimal(p, &trade->size.mantissa, &trade->size.scale);
    case HOT_SIDE:
        return scan_side(p, &trade->side);
    case HOT_SYMBOL:
        return hot_symbol(h, p, &trade->symbol);
    case HOT_TIME:
        return scan_time(p, h->p->time_unit_ns, &trade->exchange_ns);
    case HOT_CROSS_SEQ:
        trade->has_cross_seq = 1;
        return scan_integer(p, &trade->cross_seq);
    case HOT_TRADE_ID:
        return scan_text(p, h->end, &trade->trade_id);
    case HOT_TICK_DIRECTION:
        return scan_text(p, h->end, &trade->tick_direction);
    case HOT_BLOCK:
        return scan_bool(p, &trade->is_block_trade);
    case HOT_SEQ:
        trade->has_seq = 1;
        return scan_integer(p, &trade->seq);
    case HOT_RPI:
        return scan_bool(p, &trade->is_rpi_trade);
    case HOT_IS_BUY:
        return scan_is_buy(p, &trade->side);
    case HOT_UNREAD:
        break;
    }
    return scan_unread(p, h->end); /* the time's other spelling */
}

/* The frame's own time and sequence, where its entries have them, are the first one's. */
static void note_first(hot *h, const msg_trade *trade)
{
    const topic_row *row = h->p->row;
    if (row->time_member == MEMBER_EXCHANGE_TIME && h->head.exchange_ns == 0)
        h->head.exchange_ns = trade->exchange_ns;
    if (row->sequence == SEQ_ITEM && trade->has_cross_seq && !h->head.has_cross_seq) {
        h->head.cross_seq = trade->cross_seq;
        h->head.has_cross_seq = 1;
    }
    if (row->sequence == SEQ_ITEM && trade->has_seq && !h->head.has_seq) {
        h->head.seq = trade->seq;
        h->head.has_seq = 1;
    }
}

const uint8_t *hot_trade_entry(hot *h, const uint8_t *p, const items_row *items)
{
    (void)items; /* trades have no action, and no side of their path */
    decoder *d = h->d;
    const plan_roles *roles = &h->p->roles;
    uint64_t seen = 0;
    if (!decoder_grow((void **)&d->trades, &d->trade_capacity, h->count, sizeof *d->trades))
        return NULL;
    TD_ASSERT_SLOW(*p == '{');
    TD_ASSERT_SLOW(h->count < d->trade_capacity);
    msg_trade *trade = &d->trades[h->count];
    *trade = (msg_trade){.is_block_trade = -1, .is_rpi_trade = -1};
    p = hot_fields(h, p, read_value, trade, &seen);
    uint64_t wanted =
        UINT64_C(1) << roles->price | UINT64_C(1) << roles->size | UINT64_C(1) << roles->side;
    if (roles->time != KEY_NONE) /* its other spelling is read by the row-driven decoder alone */
        wanted |= UINT64_C(1) << roles->time;
    if (p == NULL || (seen & wanted) != wanted)
        return NULL;
    if (h->count == 0)
        note_first(h, trade);
    return p;
}
