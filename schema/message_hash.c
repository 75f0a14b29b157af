/* The canonical form of a message, and its digest. Stable over versions: names and letters of our
 * own, not the numbers of enums; whole numbers little-endian; decimals as 128 bits of 10^-18, which
 * needs no division to be the same for 1.50 and 1.5. */
#include "schema/message.h"

#include <string.h>

#include "base/assert.h"

/* Canonical bytes that are not hashed yet: levels are fed to the hasher some hundred at a time,
 * because one call for each number would cost more than the hashing. */
typedef struct canon {
    td_hasher *hasher;
    size_t size;
    uint8_t bytes[2048];
} canon;

/* Hash what is buffered. Not inlined, so that canon_space() is: 160 instructions a frame. */
static __attribute__((noinline)) void canon_flush(canon *c)
{
    TD_ASSERT(c->size <= sizeof c->bytes);
    td_hasher_update(c->hasher, c->bytes, c->size);
    c->size = 0;
}

/* size more bytes, which are at most what the buffer holds. */
static uint8_t *canon_space(canon *c, size_t size)
{
    TD_ASSERT(size <= sizeof c->bytes);
    if (TD_UNLIKELY(c->size + size > sizeof c->bytes))
        canon_flush(c);
    uint8_t *space = c->bytes + c->size;
    c->size += size;
    return space;
}

static void canon_byte(canon *c, uint8_t value)
{
    *canon_space(c, 1) = value;
}

static void canon_u64(canon *c, uint64_t value)
{
    td_put_le64(canon_space(c, 8), value);
}

static void canon_text(canon *c, td_bytes text)
{
    canon_u64(c, text.size);
    for (size_t at = 0; at < text.size;) {
        size_t left = text.size - at;
        size_t size = left < sizeof c->bytes ? left : sizeof c->bytes;
        memcpy(canon_space(c, size), text.data + at, size);
        at += size;
    }
}

enum { DECIMAL_BYTES = 16 };

static uint8_t *put_decimal(uint8_t *space, td_decimal value)
{
    td_decimal_wide wide = td_decimal_widen(value);
    td_put_le64(space, wide.low);
    td_put_le64(space + 8, wide.high);
    return space + DECIMAL_BYTES;
}

static void canon_decimal(canon *c, td_decimal value)
{
    (void)put_decimal(canon_space(c, DECIMAL_BYTES), value); /* only where it ends is ignored */
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

/* The most frequent: one reservation for the whole level. */
static void canon_level(canon *c, const msg_level *level)
{
    int has_size = level->action != ACTION_DELETE;
    uint8_t *space = canon_space(c, 2 + DECIMAL_BYTES + (has_size ? DECIMAL_BYTES : 0));
    space[0] = action_letter(level->action);
    space[1] = side_letter(level->side);
    space = put_decimal(space + 2, (td_decimal){level->price, level->price_scale});
    if (has_size)
        (void)put_decimal(space, (td_decimal){level->size, level->size_scale}); /* as above */
}

static void canon_trade(canon *c, const msg_trade *trade)
{
    uint8_t *space = canon_space(c, 2 + 2 * DECIMAL_BYTES + 8);
    space[0] = side_letter(trade->side);
    space[1] = (uint8_t)(trade->is_block_trade + 1);
    space = put_decimal(space + 2, trade->price);
    space = put_decimal(space, trade->size);
    td_put_le64(space, trade->exchange_ns);
    canon_optional(c, trade->has_cross_seq, trade->cross_seq);
    canon_text(c, trade->trade_id);
    canon_text(c, trade->tick_direction);
    if (trade->has_seq) {
        canon_byte(c, 'q');
        canon_u64(c, (uint64_t)trade->seq);
    }
    if (trade->is_rpi_trade >= 0)
        canon_byte(c, trade->is_rpi_trade ? 'R' : 'r');
    if (trade->symbol.size > 0) {
        canon_byte(c, 'y');
        canon_text(c, trade->symbol);
    }
}

/* A member by its name, a letter for its type, and its value. */
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
    case VALUE_JSON:
        canon_byte(c, 'j');
        canon_text(c, value->as.text);
        break;
    case VALUE_BIG_DECIMAL:
        canon_byte(c, 'D');
        canon_text(c, value->as.text);
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

static void canon_book(canon *c, const msg_book *book)
{
    for (size_t i = 0; i < book->level_count; i++)
        canon_level(c, &book->levels[i]);
    for (size_t i = 0; book->rpi_sizes != NULL && i < book->level_count; i++)
        canon_decimal(c, book->rpi_sizes[i]);
}

static void canon_trades(canon *c, const msg_trades *trades)
{
    for (size_t i = 0; i < trades->trade_count; i++)
        canon_trade(c, &trades->trades[i]);
}

static void canon_record(canon *c, const msg_record *record)
{
    for (size_t i = 0; i < record->item_count; i++) {
        canon_byte(c, action_letter((uint8_t)record->items[i].action));
        canon_values(c, record->items[i].values, record->items[i].value_count);
    }
    canon_values(c, record->values, record->value_count);
}

/* The part that every message has: which numbers are present, and the numbers, 0 where absent. */
static void canon_head(canon *c, const msg_head *head, size_t item_count)
{
    uint8_t *space = canon_space(c, 2 + 5 * 8);
    space[0] = (uint8_t)frame_kind_name(head->kind)[0];
    space[1] =
        (uint8_t)((head->has_cross_seq ? 1 : 0) | (head->has_u ? 2 : 0) | (head->has_seq ? 4 : 0));
    td_put_le64(space + 2, head->exchange_ns);
    td_put_le64(space + 10, head->has_cross_seq ? (uint64_t)head->cross_seq : 0);
    td_put_le64(space + 18, head->has_u ? (uint64_t)head->u : 0);
    td_put_le64(space + 26, head->has_seq ? (uint64_t)head->seq : 0);
    td_put_le64(space + 34, item_count);
}

/* Texts follow their length, so that no two messages have the same bytes. */
static void canon_message(canon *c, const message *m)
{
    TD_ASSERT(m->head.type < MSG_TYPE_COUNT);
    TD_ASSERT(c->size == 0);
    canon_head(c, &m->head, message_item_count(m));
    if (m->head.match_ns != 0)
        canon_u64(c, m->head.match_ns);
    if (m->head.type == MSG_BOOK_CHANGE && m->head.version.size > 0)
        canon_text(c, m->head.version);
    if (message_is_record(m))
        canon_record(c, &m->record);
    else if (m->head.type == MSG_BOOK_CHANGE)
        canon_book(c, &m->book);
    else
        canon_trades(c, &m->trades);
    canon_flush(c);
}

void message_hash(const message *m, td_hasher *into)
{
    canon c;
    c.hasher = into;
    c.size = 0;
    canon_message(&c, m);
}
