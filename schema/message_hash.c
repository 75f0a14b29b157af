/* The canonical form of a message, and its digest. Stable over versions: names and letters of our
 * own, not the numbers of enums; whole numbers little-endian; decimals in shortest form. */
#include "schema/message.h"

#include <string.h>

#include "base/assert.h"

/* Canonical bytes on their way: levels are fed to a hasher some hundred at a time, because one call
 * for each number would cost more than the hashing. */
typedef struct canon {
    td_hasher *hasher; /* NULL: fold into folded instead */
    uint64_t folded;
    size_t size;
    uint8_t bytes[2048];
} canon;

/* Hand on what is buffered. */
static void canon_flush(canon *c)
{
    TD_ASSERT(c->size <= sizeof c->bytes);
    if (c->hasher != NULL) {
        td_hasher_update(c->hasher, c->bytes, c->size);
        c->size = 0;
        return;
    }
    uint64_t piece = td_xxh64(c->bytes, c->size);
    c->folded = (c->folded ^ piece) * UINT64_C(0x9e3779b97f4a7c15);
    c->folded ^= c->folded >> 29;
    c->size = 0;
}

/* size more bytes, which are at most what the buffer holds. */
static uint8_t *canon_room(canon *c, size_t size)
{
    TD_ASSERT(size <= sizeof c->bytes);
    if (c->size + size > sizeof c->bytes)
        canon_flush(c);
    uint8_t *room = c->bytes + c->size;
    c->size += size;
    return room;
}

static void canon_byte(canon *c, uint8_t value)
{
    *canon_room(c, 1) = value;
}

static void canon_u64(canon *c, uint64_t value)
{
    td_put_le64(canon_room(c, 8), value);
}

static void canon_text(canon *c, td_bytes text)
{
    canon_u64(c, text.size);
    for (size_t at = 0; at < text.size;) {
        size_t left = text.size - at;
        size_t size = left < sizeof c->bytes ? left : sizeof c->bytes;
        memcpy(canon_room(c, size), text.data + at, size);
        at += size;
    }
}

/* Mantissa and scale of the shortest form: trailing zeros are how it was written, not what it says.
 */
static uint8_t *put_decimal(uint8_t *room, td_decimal value)
{
    if (value.scale != 0) /* whole numbers, such as sizes in contracts, are shortest already */
        value = td_decimal_shortest(value);
    td_put_le64(room, (uint64_t)value.mantissa);
    room[8] = value.scale;
    return room + 9;
}

static void canon_decimal(canon *c, td_decimal value)
{
    (void)put_decimal(canon_room(c, 9), value); /* only where it ends is ignored */
}

/* A number that may be absent: absent is not 0. */
static void canon_optional(canon *c, int is_present, int64_t value)
{
    canon_byte(c, is_present ? 1 : 0);
    if (is_present)
        canon_u64(c, (uint64_t)value);
}

/* Letters of our own: the numbers of enums may change between versions. */
static uint8_t side_letter(uint8_t side)
{
    TD_ASSERT(side <= SIDE_NONE);
    return side == SIDE_BUY ? 'B' : side == SIDE_SELL ? 'S' : '-';
}

static uint8_t action_letter(uint8_t action)
{
    static const uint8_t LETTERS[] = {
        [ACTION_NONE] = '-',   [ACTION_SET] = '=',    [ACTION_DELETE] = 'd',
        [ACTION_UPDATE] = 'u', [ACTION_INSERT] = 'i',
    };
    TD_ASSERT(action < sizeof LETTERS);
    return LETTERS[action];
}

/* The hottest of all: one reservation for the whole level. */
static void canon_level(canon *c, const msg_level *level)
{
    int has_size = level->action != ACTION_DELETE;
    uint8_t *room = canon_room(c, has_size ? 20 : 11);
    room[0] = action_letter(level->action);
    room[1] = side_letter(level->side);
    room = put_decimal(room + 2, (td_decimal){level->price, level->price_scale});
    if (has_size)
        (void)put_decimal(room, (td_decimal){level->size, level->size_scale}); /* as above */
}

static void canon_trade(canon *c, const msg_trade *trade)
{
    canon_byte(c, side_letter(trade->side));
    canon_decimal(c, trade->price);
    canon_decimal(c, trade->size);
    canon_u64(c, trade->exchange_ns);
    canon_optional(c, trade->has_cross_seq, trade->cross_seq);
    canon_text(c, trade->trade_id);
    canon_text(c, trade->tick_direction);
    canon_byte(c, (uint8_t)(trade->is_block_trade + 1));
}

/* A member by its name, and its value behind a letter for its type. */
static void canon_value(canon *c, const msg_value *value)
{
    canon_text(c, td_bytes_str(msg_member_name(value->member)));
    switch (value->type) {
    case VALUE_ABSENT:
        canon_byte(c, 'n');
        break;
    case VALUE_TEXT:
        canon_byte(c, 't');
        canon_text(c, value->as.text);
        break;
    case VALUE_DECIMAL:
        canon_byte(c, 'd');
        canon_decimal(c, value->as.decimal);
        break;
    case VALUE_INTEGER:
        canon_byte(c, 'i');
        canon_u64(c, (uint64_t)value->as.integer);
        break;
    case VALUE_BOOL:
        canon_byte(c, value->as.is_true ? 'T' : 'F');
        break;
    case VALUE_SIDE:
        canon_byte(c, side_letter(value->as.side));
        break;
    case VALUE_TIME_NS:
        canon_byte(c, 'z');
        canon_u64(c, value->as.time_ns);
        break;
    }
}

static void canon_values(canon *c, const msg_value *values, size_t count)
{
    canon_u64(c, count);
    for (size_t i = 0; i < count; i++)
        canon_value(c, &values[i]);
}

static void canon_items(canon *c, const message *m)
{
    size_t count = message_item_count(m);
    canon_u64(c, count);
    for (size_t i = 0; i < count; i++) {
        if (m->head.type == MSG_BOOK_CHANGE) {
            msg_level level = message_level(m, i);
            canon_level(c, &level);
        } else if (m->head.type == MSG_TRADE) {
            msg_trade trade = message_trade(m, i);
            canon_trade(c, &trade);
        } else {
            const msg_item *item = &m->record.items[i];
            canon_byte(c, action_letter((uint8_t)item->action));
            canon_values(c, item->values, item->value_count);
        }
    }
}

/* Texts come with their length in front, so that no two messages run together into the same bytes.
 */
static void canon_message(canon *c, const message *m)
{
    TD_ASSERT(m->head.type < MSG_TYPE_COUNT);
    TD_ASSERT(c->size == 0);
    const msg_head *head = &m->head;
    canon_text(c, td_bytes_str(msg_type_name(head->type)));
    canon_byte(c, (uint8_t)frame_kind_name(head->kind)[0]);
    canon_text(c, head->topic);
    canon_text(c, head->symbol);
    canon_u64(c, head->exchange_ns);
    canon_optional(c, head->has_cross_seq, head->cross_seq);
    canon_optional(c, head->has_u, head->u);
    canon_optional(c, head->has_seq, head->seq);
    canon_items(c, m);
    /* Plain structs have no envelope of their own, so it counts for other types only. */
    if (head->type != MSG_BOOK_CHANGE && head->type != MSG_TRADE && m->is_record)
        canon_values(c, m->record.values, m->record.value_count);
    canon_flush(c);
}

void message_hash(const message *m, td_hasher *into)
{
    canon c;
    c.hasher = into;
    c.folded = 0;
    c.size = 0;
    canon_message(&c, m);
}

uint64_t message_hash64(const message *m)
{
    canon c;
    c.hasher = NULL;
    c.folded = 0;
    c.size = 0;
    canon_message(&c, m);
    return c.folded;
}
