/* Inside of the row-driven decoder: what its two parts share. decode_rows.c reads what stands
 * around the entries, decode_entries.c the entries. */
#ifndef TD_SCHEMA_DECODE_ROWS_IMPL_H
#define TD_SCHEMA_DECODE_ROWS_IMPL_H

#include "schema/decode_impl.h"

/* A frame on its way to a record. */
typedef struct rows {
    decoder *d;
    plan *p;
    const topic_match *topic;
    decode_error *why;
    msg_head head;
    size_t value_count; /* in d->values: the envelope's, then each entry's, one behind the other */
    size_t envelope_count;
    uint32_t envelope_seen;                     /* a bit for each field of the envelope that came */
    uint8_t envelope_order[TOPIC_ENVELOPE_MAX]; /* which field each of its values is of */
    size_t item_count;
    /* Where the entries of each of the row's items stand, as the first pass found them. */
    json_value items_at[TOPIC_ITEMS_MAX];
    uint32_t items_seen[TOPIC_ITEMS_MAX]; /* how often: more than once behind arrays only */
    uint8_t symbol_is_set;
    json_value root;
} rows;

/* What is wrong with the frame, and where; 0. */
static inline int rows_refuse(rows *r, decode_reason reason, size_t offset, const char *field)
{
    *r->why = (decode_error){.reason = reason, .offset = offset, .field = field};
    return 0;
}

static inline int rows_refuse_value(rows *r, decode_reason reason, json_value value,
                                    const char *field)
{
    return rows_refuse(r, reason, json_offset(value), field);
}

/* Append to the values of the frame. They lie in one array that may move while it grows. 1; 0: no
 * memory. */
int rows_add_value(rows *r, const msg_value *value);

/* A symbol that the frame names beside its topic, or an entry. */
void rows_note_symbol(rows *r, td_bytes symbol);

/* Where the head has a place for a number of that member; NULL if it has none. *has: where it is
 * noted that the number is there. */
int64_t *rows_head_number(msg_head *head, msg_member member, uint8_t **has);

/* The path of the frame's kind. */
static inline const char *rows_kind_key(const rows *r)
{
    return r->p->row->kind_key == NULL ? "type" : r->p->row->kind_key;
}

/* Read the entries, in the order of the row's items. 1, or 0 and *r->why. */
int rows_read_items(rows *r);

#endif
