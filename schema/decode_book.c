/* Order book entries, hot: some five levels in each of a hundred frames a second and symbol. */
#include "base/assert.h"
#include "schema/decode_scan.h"

/* The value of one of a level's fields. */
static inline const uint8_t *read_value(hot *h, hot_role role, const uint8_t *p, void *entry)
{
    msg_level *level = entry;
    td_bytes foreign; /* counted; a level has no place for it */
    switch (role) {
    case HOT_PRICE:
        return scan_decimal(p, &level->price, &level->price_scale);
    case HOT_SIZE:
        return scan_decimal(p, &level->size, &level->size_scale);
    case HOT_SIDE:
        return scan_side(p, &level->side);
    case HOT_SYMBOL:
        return hot_symbol(h, p, &foreign);
    case HOT_UNREAD:
    case HOT_TIME:
    case HOT_CROSS_SEQ:
    case HOT_TRADE_ID:
    case HOT_TICK_DIRECTION:
    case HOT_BLOCK:
        break;
    }
    return scan_unread(p, h->end); /* no place in a level, but it has to be a value */
}

const uint8_t *hot_book_entry(hot *h, const uint8_t *p, const items_row *items)
{
    decoder *d = h->d;
    const plan_roles *roles = &h->p->roles;
    uint64_t seen = 0;
    if (!decoder_grow((void **)&d->levels, &d->level_capacity, h->count, sizeof *d->levels))
        return NULL;
    TD_ASSERT_SLOW(*p == '{');
    TD_ASSERT_SLOW(h->count < d->level_capacity);
    msg_level *level = &d->levels[h->count];
    *level = (msg_level){.action = (uint8_t)items->action};
    p = hot_fields(h, p, read_value, level, &seen);
    uint64_t has_price_and_side = UINT64_C(1) << roles->price | UINT64_C(1) << roles->side;
    if (p == NULL || (seen & has_price_and_side) != has_price_and_side)
        return NULL;
    /* Deletes mostly come without a size, some with 0 (docs/wire.md 2): in the message none has
     * one. */
    int has_size = (seen & UINT64_C(1) << roles->size) != 0;
    if ((items->flags & ITEMS_ZERO_DELETES) && has_size && level->size == 0)
        level->action = ACTION_DELETE;
    if (level->action == ACTION_DELETE) {
        level->size = 0;
        level->size_scale = 0;
    } else if (!has_size) {
        return NULL;
    }
    return p;
}
