/* Order book entries, hot: some five levels in each of a hundred frames a second and symbol. */
#include "base/attr.h"
#include "schema/decode_scan.h"

/* One level at *token. 0: not for the hot road. */
static inline int read_level(hot *h, uint32_t *token, const items_row *items, uint32_t *at,
                             msg_level *level)
{
    const json_index *index = h->index;
    const plan *p = h->p;
    const plan_roles *roles = &p->roles;
    if (!scan_object(index, h->p, token, at, &h->head.unknown_fields))
        return 0;
    uint32_t price = at[roles->price];
    uint32_t size = at[roles->size];
    uint32_t side = at[roles->side];
    if (price == 0 || side == 0 ||
        !scan_decimal(index, price, &level->price, &level->price_scale) ||
        !scan_side(index, side, &level->side))
        return 0;
    level->action = (uint8_t)items->action;
    level->size = 0;
    level->size_scale = 0;
    if (size != 0 && !scan_decimal(index, size, &level->size, &level->size_scale))
        return 0;
    if ((items->flags & ITEMS_ZERO_DELETES) && size != 0 && level->size == 0)
        level->action = ACTION_DELETE;
    if (level->action == ACTION_DELETE) {
        level->size = 0;
        level->size_scale = 0;
    } else if (size == 0) {
        return 0;
    }
    /* What has no place in a level still has to be a value. */
    for (uint32_t i = 0; i < p->entry.count; i++)
        if (i != roles->price && i != roles->size && i != roles->side && i != roles->symbol &&
            at[i] != 0 && !scan_unread(index, at[i]))
            return 0;
    return roles->symbol == KEY_NONE || hot_symbol(h, at[roles->symbol]);
}

int hot_book_entries(hot *h, uint32_t *token, const items_row *items)
{
    decoder *d = h->d;
    uint32_t at[TOPIC_FIELDS_MAX];
    if (json_char(h->index, *token + 1) == ']') {
        *token += 2;
        return 1;
    }
    for (;;) {
        ++*token;
        if (json_char(h->index, *token) != '{' || h->count == LIMIT_FRAME_ITEMS ||
            !decoder_grow((void **)&d->levels, &d->level_capacity, h->count, sizeof *d->levels))
            return 0;
        if (!read_level(h, token, items, at, &d->levels[h->count]))
            return 0;
        h->count++;
        uint8_t behind = json_char(h->index, *token);
        if (behind == ']')
            break;
        if (TD_UNLIKELY(behind != ','))
            return 0;
    }
    ++*token;
    return 1;
}
