#include "schema/entry_order.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/decimal.h"
#include "schema/topic.h"

void entry_order_fini(entry_order *self)
{
    td_free(self->places);
    *self = (entry_order){0};
}

static uint64_t key_of_integer(int64_t value)
{
    return (uint64_t)value ^ (UINT64_C(1) << 63);
}

/* Returns 0 if the entry lacks the member, or it is a text that is not a whole number. */
static int trade_key(const msg_trade *trade, msg_member member, uint64_t *key)
{
    if (member == MEMBER_TRADE_ID)
        return td_digits_parse(trade->trade_id, UINT64_MAX, key);
    if (member == MEMBER_EXCHANGE_TIME) {
        *key = trade->exchange_ns;
        return trade->exchange_ns != 0;
    }
    *key = key_of_integer(member == MEMBER_SEQ ? trade->seq : trade->cross_seq);
    return member == MEMBER_SEQ ? trade->has_seq : trade->has_cross_seq;
}

static int item_key(const msg_item *item, msg_member member, uint64_t *key)
{
    const msg_value *value = msg_value_find(item->values, item->value_count, member);
    if (value == NULL)
        return 0;
    if (value->type == VALUE_TEXT)
        return td_digits_parse(value->as.text, UINT64_MAX, key);
    *key = value->type == VALUE_TIME_NS ? value->as.time_ns : key_of_integer(value->as.integer);
    return 1;
}

/* Of equal keys the later listed entry is the older one. */
static int compare(const void *a, const void *b)
{
    const entry_place *x = a;
    const entry_place *y = b;
    if (x->key != y->key)
        return x->key > y->key ? 1 : -1;
    return (x->index < y->index) - (x->index > y->index);
}

void entry_order_set(entry_order *self, const message *m)
{
    const msg_member member =
        m == NULL || m->head.row == NULL ? MEMBER_NONE : m->head.row->newest_first;
    const size_t count = member == MEMBER_NONE ? 0 : message_item_count(m);
    int has_keys = 1;
    self->is_listed = count < 2;
    if (self->is_listed)
        return;
    td_array_ensure((void **)&self->places, &self->capacity, count - 1, sizeof *self->places);
    for (size_t i = 0; i < count; i++) {
        entry_place *place = &self->places[i];
        *place = (entry_place){.index = i};
        has_keys &= m->head.type == MSG_TRADE ? trade_key(&m->trades.trades[i], member, &place->key)
                                              : item_key(&m->record.items[i], member, &place->key);
    }
    for (size_t i = 0; i < count && !has_keys; i++)
        self->places[i].key = 0; /* the list is only reversed */
    qsort(self->places, count, sizeof *self->places, compare);
}
