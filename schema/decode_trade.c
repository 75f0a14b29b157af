/* Trades, hot: one frame may hold a thousand. */
#include "base/attr.h"
#include "schema/decode_scan.h"

static int scan_bool(const json_index *index, uint32_t token, int8_t *out)
{
    td_bytes text = json_token(index, token);
    if (text.size > 2 && text.data[0] == '"')
        text = td_bytes_of(text.data + 1, text.size - 2);
    *out = td_bytes_is(text, "true") ? 1 : 0;
    return *out || td_bytes_is(text, "false");
}

/* Fields that a trade may lack. */
static int read_optional(hot *h, const uint32_t *at, msg_trade *trade)
{
    const json_index *index = h->index;
    const plan_roles *roles = &h->p->roles;
    uint32_t seq = roles->cross_seq == KEY_NONE ? 0 : at[roles->cross_seq];
    uint32_t id = roles->trade_id == KEY_NONE ? 0 : at[roles->trade_id];
    uint32_t tick = roles->tick_direction == KEY_NONE ? 0 : at[roles->tick_direction];
    uint32_t block = roles->block == KEY_NONE ? 0 : at[roles->block];
    trade->has_cross_seq = seq != 0;
    trade->cross_seq = 0;
    trade->trade_id = td_bytes_of(NULL, 0);
    trade->tick_direction = td_bytes_of(NULL, 0);
    trade->is_block_trade = -1;
    if (seq != 0 && !scan_integer(index, seq, &trade->cross_seq))
        return 0;
    if (id != 0 && !scan_text(index, id, &trade->trade_id))
        return 0;
    if (tick != 0 && !scan_text(index, tick, &trade->tick_direction))
        return 0;
    return block == 0 || scan_bool(index, block, &trade->is_block_trade);
}

/* The exchange's time: the preferred spelling has to be there, the other is not read beside it. */
static int read_time(hot *h, const uint32_t *at, msg_trade *trade)
{
    const topic_row *row = h->p->row;
    uint8_t time = h->p->roles.time;
    trade->exchange_ns = 0;
    if (time == KEY_NONE)
        return 1;
    if (at[time] == 0 ||
        !scan_time(h->index, at[time], field_unit_ns(row->fields[time].unit), &trade->exchange_ns))
        return 0;
    for (uint32_t i = 0; i < row->field_count; i++)
        if (i != time && row->fields[i].member == MEMBER_EXCHANGE_TIME && at[i] != 0 &&
            !scan_unread(h->index, at[i]))
            return 0;
    return 1;
}

static int read_trade(hot *h, uint32_t *token, uint32_t *at, msg_trade *trade)
{
    const json_index *index = h->index;
    const plan_roles *roles = &h->p->roles;
    if (!scan_object(index, h->p, token, at, &h->head.unknown_fields))
        return 0;
    if (at[roles->price] == 0 || at[roles->size] == 0 || at[roles->side] == 0)
        return 0;
    if (!scan_decimal(index, at[roles->price], &trade->price.mantissa, &trade->price.scale) ||
        !scan_decimal(index, at[roles->size], &trade->size.mantissa, &trade->size.scale) ||
        !scan_side(index, at[roles->side], &trade->side))
        return 0;
    if (!read_time(h, at, trade) || !read_optional(h, at, trade))
        return 0;
    return roles->symbol == KEY_NONE || hot_symbol(h, at[roles->symbol]);
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
}

int hot_trade_entries(hot *h, uint32_t *token, const items_row *items)
{
    (void)items; /* trades have no action and no side of their path */
    decoder *d = h->d;
    uint32_t at[TOPIC_FIELDS_MAX];
    if (json_char(h->index, *token + 1) == ']') {
        *token += 2;
        return 1;
    }
    for (;;) {
        ++*token;
        if (json_char(h->index, *token) != '{' || h->count == LIMIT_FRAME_ITEMS ||
            !decoder_grow((void **)&d->trades, &d->trade_capacity, h->count, sizeof *d->trades))
            return 0;
        msg_trade *trade = &d->trades[h->count];
        if (!read_trade(h, token, at, trade))
            return 0;
        if (h->count++ == 0)
            note_first(h, trade);
        uint8_t behind = json_char(h->index, *token);
        if (behind == ']')
            break;
        if (TD_UNLIKELY(behind != ','))
            return 0;
    }
    ++*token;
    return 1;
}
