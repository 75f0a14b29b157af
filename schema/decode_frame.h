/* The message of a frame while it is decoded, and the rules of its values: zero deletes, sums of
 * sizes, preferred times, which values the message has. The two decoders only read values. */
#ifndef TD_SCHEMA_DECODE_FRAME_H
#define TD_SCHEMA_DECODE_FRAME_H

#include "base/alloc.h"
#include "base/assert.h"
#include "schema/decode_plan.h"
#include "schema/message.h"

/* Memory for the content of the last frame; it grows to the largest frame so far. Zero-initialise.
 */
typedef struct decode_memory {
    msg_level *levels;
    size_t level_capacity;
    td_decimal
        *rpi_sizes; /* one for each level, if the topic has separate sizes of retail orders */
    size_t rpi_capacity;
    msg_trade *trades;
    size_t trade_capacity;
    msg_value envelope[TOPIC_ENVELOPE_MAX]; /* by field */
    msg_value *values;                      /* of all entries */
    size_t value_capacity;
    msg_item *items;
    size_t item_capacity;
    msg_extra extra;
} decode_memory;

/* A frame while it is decoded. */
typedef struct decode_frame {
    decode_memory *m;
    decode_plan *p;
    const topic_match *topic;
    msg_head head;
    size_t count;           /* number of entries so far */
    size_t item_count;      /* number of m->items: of structs only those with extra values */
    size_t value_count;     /* number of m->values */
    uint32_t envelope_seen; /* a bit for each field of the envelope */
    uint32_t envelope_kept; /* a bit for each value in m->envelope */
    uint8_t is_timed;       /* 1: the envelope has the frame's time */
    uint8_t is_whole;       /* 1: message.extra gets the members that the plain struct lacks */
} decode_frame;

/* Free the memory. */
void decode_memory_fini(decode_memory *m);

/* Use a value of the envelope: in the head if that has a member for it. */
void decode_note_envelope(decode_frame *f, uint32_t field, const msg_value *value);

/* Use the time of an entry as the frame's, if only entries have it: that of the first. The time of
 * a book is the latest of its levels. */
static inline void decode_note_time(decode_frame *f, uint64_t ns)
{
    if (!f->is_timed && ns > f->head.exchange_ns &&
        (f->count == 0 || f->head.type == MSG_BOOK_CHANGE))
        f->head.exchange_ns = ns;
}

/* Use a number of the first entry as the frame's, if only entries have it. */
void decode_note_number(decode_frame *f, msg_member member, int64_t number);

/* Use the value of an entry, if it is the frame's time or number. */
void decode_note_value(decode_frame *f, const msg_value *value);

/* The action of an entry: its path's action, or a delete if its size is 0 and the path has
 * ITEMS_ZERO_DELETES. Either size may be NULL: absent. */
static inline msg_action decode_action(const items_row *items, const td_decimal *size,
                                       const td_decimal *rpi)
{
    const int deletes = size != NULL && size->mantissa == 0 && (rpi == NULL || rpi->mantissa == 0);
    return deletes && (items->flags & ITEMS_ZERO_DELETES) ? ACTION_DELETE : items->action;
}

/* The next level. */
static inline msg_level *decode_level(decode_frame *f)
{
    decode_memory *m = f->m;
    td_array_ensure((void **)&m->levels, &m->level_capacity, f->count, sizeof *m->levels);
    TD_ASSERT_SLOW(f->count < m->level_capacity);
    return &m->levels[f->count];
}

/* The size of the next level's retail orders. */
static inline td_decimal *decode_rpi(decode_frame *f)
{
    decode_memory *m = f->m;
    td_array_ensure((void **)&m->rpi_sizes, &m->rpi_capacity, f->count, sizeof *m->rpi_sizes);
    return &m->rpi_sizes[f->count];
}

/* The next trade. */
static inline msg_trade *decode_trade(decode_frame *f)
{
    decode_memory *m = f->m;
    td_array_ensure((void **)&m->trades, &m->trade_capacity, f->count, sizeof *m->trades);
    TD_ASSERT_SLOW(f->count < m->trade_capacity);
    return &m->trades[f->count];
}

/* Append values of an entry: the first of count, which the caller sets. */
static inline msg_value *decode_add_values(decode_frame *f, size_t count)
{
    decode_memory *m = f->m;
    f->value_count += count;
    td_array_ensure((void **)&m->values, &m->value_capacity, f->value_count, sizeof *m->values);
    return m->values + f->value_count - count;
}

/* Complete an entry that is no struct, whose values are those from index first on. `fields`: see
 * msg_item. */
void decode_add_item(decode_frame *f, size_t first, msg_action action, uint64_t fields);

/* Complete a level or trade. If there are values from index first on, its struct lacks them. */
static inline void decode_end_struct(decode_frame *f, size_t first)
{
    if (TD_UNLIKELY(f->value_count > first))
        decode_add_item(f, first, ACTION_NONE, 0);
    else
        f->count++;
}

/* Add the best level of a side, if it has a price. Returns 0 if it lacks a size. */
int decode_add_best(decode_frame *f, msg_side side, const msg_value *price, const msg_value *size);

/* Make the message, whose values do not move any more. */
void decode_publish(decode_frame *f, message *out);

#endif
