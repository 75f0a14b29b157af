#include "schema/decode_frame.h"

void decode_memory_fini(decode_memory *m)
{
    td_free(m->levels);
    td_free(m->rpi_sizes);
    td_free(m->trades);
    td_free(m->values);
    td_free(m->items);
}

void decode_note_envelope(decode_frame *f, uint32_t field, const msg_value *value)
{
    if (value->type == VALUE_TIME_NS && value->member == f->p->row->time_member)
        f->is_timed = value->as.time_ns != 0;
    if (value->type == VALUE_ABSENT || msg_head_store(&f->head, f->p->row->time_member, value))
        return;
    if (value->type == VALUE_TEXT && value->member == MEMBER_VERSION)
        f->head.version = value->as.text; /* also added as a value; books use only this one */
    f->m->envelope[field] = *value;
    f->envelope_kept |= 1u << field;
}

void decode_note_number(decode_frame *f, msg_member member, int64_t number)
{
    uint8_t *has;
    int64_t *place = msg_head_place(&f->head, member, &has);
    const int is_noted =
        f->p->row->sequence == SEQ_ITEM && (member == MEMBER_CROSS_SEQ || member == MEMBER_SEQ);
    if (!is_noted || f->count > 0 || *has)
        return;
    *place = number;
    *has = 1;
}

void decode_note_value(decode_frame *f, const msg_value *value)
{
    if (value->type == VALUE_TIME_NS && value->member == f->p->row->time_member)
        decode_note_time(f, value->as.time_ns);
    else if (value->type == VALUE_INTEGER)
        decode_note_number(f, value->member, value->as.integer);
}

/* Append entries without values until there are count entries. */
static void reach_items(decode_frame *f, size_t count)
{
    decode_memory *m = f->m;
    while (f->item_count < count) {
        td_array_ensure((void **)&m->items, &m->item_capacity, f->item_count, sizeof *m->items);
        m->items[f->item_count++] = (msg_item){.value_count = 0};
    }
}

void decode_add_item(decode_frame *f, size_t first, msg_action action, uint64_t fields)
{
    reach_items(f, ++f->count);
    f->m->items[f->count - 1] =
        (msg_item){.action = action, .value_count = f->value_count - first, .fields = fields};
}

int decode_add_best(decode_frame *f, msg_side side, const msg_value *price, const msg_value *size)
{
    if (price == NULL)
        return 1;
    if (size == NULL)
        return 0;
    if (f->p->has_rpi)
        *decode_rpi(f) = (td_decimal){0, 0};
    *decode_level(f) = (msg_level){.price = price->as.decimal.mantissa,
                                   .price_scale = price->as.decimal.scale,
                                   .size = size->as.decimal.mantissa,
                                   .size_scale = size->as.decimal.scale,
                                   .side = (uint8_t)side,
                                   .action = ACTION_SET};
    f->count++;
    return 1;
}

/* Set the entries' pointers to their values, and move the envelope's values together. Returns the
 * number of the envelope's. */
static size_t publish_values(decode_frame *f)
{
    decode_memory *m = f->m;
    const msg_value *values = m->values;
    size_t envelope_count = 0;
    for (uint32_t i = 0; f->envelope_kept >> i != 0; i++)
        if (f->envelope_kept >> i & 1)
            m->envelope[envelope_count++] = m->envelope[i];
    for (size_t i = 0; values != NULL && i < f->item_count; values += m->items[i++].value_count)
        m->items[i].values = values;
    return envelope_count;
}

/* Set the time of a frame whose number is its time. */
static void time_of_number(decode_frame *f)
{
    const uint64_t unit_ns = f->p->number_unit_ns;
    uint8_t *has;
    const int64_t *number = msg_head_place(&f->head, f->p->row->time_member, &has);
    if (number != NULL && *has && *number > 0 && (uint64_t)*number <= UINT64_MAX / unit_ns)
        f->head.exchange_ns = (uint64_t)*number * unit_ns;
}

void decode_publish(decode_frame *f, message *out)
{
    decode_memory *m = f->m;
    const msg_type type = f->head.type;
    const int is_struct = type == MSG_BOOK_CHANGE || type == MSG_TRADE;
    const int has_extra = f->is_whole && (f->value_count > 0 || f->envelope_kept != 0);
    if (TD_UNLIKELY(f->p->number_unit_ns != 0))
        time_of_number(f);
    out->extra = NULL;
    if (is_struct && has_extra) {
        reach_items(f, f->count);
        m->extra = (msg_extra){m->envelope, publish_values(f), m->items};
        out->extra = &m->extra;
    }
    if (type == MSG_BOOK_CHANGE)
        out->book = (msg_book){f->head, m->levels, f->count, f->p->has_rpi ? m->rpi_sizes : NULL};
    else if (type == MSG_TRADE)
        out->trades = (msg_trades){f->head, m->trades, f->count};
    else
        out->record = (msg_record){f->head, m->envelope, publish_values(f), m->items, f->count};
}
