/* Order book entries, hot: some five levels in each of a hundred frames a second and symbol. */
#include "base/assert.h"
#include "decode_scan_impl.h"

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
    case HOT_SEQ:
    case HOT_RPI:
    case HOT_IS_BUY:
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

/* What is at a level of a topic that tells retail orders apart: ,"size"] at p. */
static const uint8_t *add_rpi(hot *h, const uint8_t *p, msg_level *level)
{
    decoder *d = h->d;
    td_decimal rpi = {0, 0};
    td_decimal sum = {0, 0};
    if (!decoder_grow((void **)&d->rpi_sizes, &d->rpi_capacity, h->count, sizeof *d->rpi_sizes) ||
        *p != ',')
        return NULL;
    p = scan_decimal(p + 1, &rpi.mantissa, &rpi.scale);
    if (p == NULL || level->size < 0 || rpi.mantissa < 0 ||
        !msg_size_with_rpi((td_decimal){level->size, level->size_scale}, rpi, &sum))
        return NULL;
    d->rpi_sizes[h->count] = rpi;
    level->size = sum.mantissa;
    level->size_scale = sum.scale;
    return p;
}

/* ["price","size"], and a third where retail orders are told apart. Two sizes of 0 are a sum of 0:
 * none is below. */
const uint8_t *hot_book_pair(hot *h, const uint8_t *p, const items_row *items)
{
    decoder *d = h->d;
    if (!decoder_grow((void **)&d->levels, &d->level_capacity, h->count, sizeof *d->levels))
        return NULL;
    TD_ASSERT_SLOW(*p == '[');
    TD_ASSERT_SLOW(h->count < d->level_capacity);
    msg_level *level = &d->levels[h->count];
    *level = (msg_level){
        .action = (uint8_t)items->action,
        .side = (uint8_t)(items->flags & ITEMS_BUY ? SIDE_BUY : SIDE_SELL),
    };
    p = scan_decimal(p + 1, &level->price, &level->price_scale);
    if (TD_UNLIKELY(p == NULL || p >= h->end || *p != ','))
        return NULL;
    p = scan_decimal(p + 1, &level->size, &level->size_scale);
    if (h->p->roles.rpi_size != KEY_NONE && p != NULL && p < h->end)
        p = add_rpi(h, p, level);
    if (TD_UNLIKELY(p == NULL || p >= h->end || *p != ']'))
        return NULL;
    if (level->size == 0 && (items->flags & ITEMS_ZERO_DELETES)) {
        level->action = ACTION_DELETE;
        level->size_scale = 0;
    }
    return p + 1;
}
