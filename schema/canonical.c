/* Numbers are little-endian. Decimals are 128-bit multiples of 10^-18, so that 1.50 and 1.5 are
 * equal without a division. The length of a text precedes it, so that different messages never have
 * the same bytes. */
#include "schema/canonical.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* ---- writing: the form is collected before it is hashed, because a call per number would cost
 * more than the hashing ---- */

typedef struct canon {
    uint8_t *bytes; /* first, or allocated */
    size_t size, capacity;
    uint8_t first[8192]; /* some hundred levels */
} canon;

static void canon_begin(canon *c)
{
    c->bytes = c->first;
    c->size = 0;
    c->capacity = sizeof c->first;
}

static void canon_end(canon *c)
{
    if (TD_UNLIKELY(c->bytes != c->first))
        td_free(c->bytes);
}

/* Not inlined, so that the compiler inlines canon_space(), which saves 160 instructions per
 * frame. */
static __attribute__((noinline)) void canon_grow(canon *c, size_t size)
{
    const size_t capacity = 2 * (c->size + size);
    uint8_t *bytes = td_alloc(capacity);
    memcpy(bytes, c->bytes, c->size);
    canon_end(c);
    c->bytes = bytes;
    c->capacity = capacity;
}

static inline uint8_t *canon_space(canon *c, size_t size)
{
    if (TD_UNLIKELY(size > c->capacity - c->size))
        canon_grow(c, size);
    uint8_t *space = c->bytes + c->size;
    c->size += size;
    return space;
}

static void canon_bytes(canon *c, td_bytes bytes)
{
    if (bytes.size > 0)
        memcpy(canon_space(c, bytes.size), bytes.data, bytes.size);
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
    canon_bytes(c, text);
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
    /* The returned end position is not needed. */
    (void)put_decimal(canon_space(c, DECIMAL_BYTES), value);
}

/* ---- letters ---- */

static const uint8_t SIDES[] = {[SIDE_BUY] = 'B', [SIDE_SELL] = 'S', [SIDE_NONE] = '-'};

static const uint8_t ACTIONS[] = {
    [ACTION_NONE] = '-',   [ACTION_SET] = '=',    [ACTION_DELETE] = 'd',
    [ACTION_UPDATE] = 'u', [ACTION_INSERT] = 'i',
};

/* Of values whose letter depends on their type only. */
static const uint8_t VALUES[] = {
    [VALUE_TEXT] = 't',    [VALUE_DECIMAL] = 'd', [VALUE_BIG_DECIMAL] = 'D',
    [VALUE_INTEGER] = 'i', [VALUE_TIME_NS] = 'z', [VALUE_JSON] = 'j',
};

static uint8_t side_letter(uint8_t side)
{
    TD_ASSERT(side < sizeof SIDES);
    return SIDES[side];
}

static uint8_t action_letter(uint8_t action)
{
    TD_ASSERT(action < sizeof ACTIONS);
    return ACTIONS[action];
}

static uint8_t value_letter(const msg_value *value)
{
    if (value->type == VALUE_BOOL)
        return value->as.is_true ? 'T' : 'F';
    if (value->type == VALUE_SIDE)
        return side_letter(value->as.side);
    TD_ASSERT(value->type < sizeof VALUES);
    TD_ASSERT(VALUES[value->type] != 0); /* canon_values() skips absent values */
    return VALUES[value->type];
}

/* Flags of the head: which optional members the message has. */
enum {
    HAS_CROSS_SEQ = 1,
    HAS_U = 2,
    HAS_SEQ = 4,
    HAS_MATCH_TIME = 8,
    HAS_VERSION = 16, /* a book's version; in other types the version is a value */
    HAS_RPI = 32,     /* the book has sizes of retail orders */
    HAS_PREV_SEQ = 64,
    HAS_CHECKSUM = 128,
};

/* Letters of a trade's optional members. */
enum {
    TRADE_LETTER_SEQ = 'q',
    TRADE_LETTER_RPI = 'R',
    TRADE_LETTER_NO_RPI = 'r',
    TRADE_LETTER_SYMBOL = 'y',
};

/* ---- writing the parts ---- */

/* Write a level. Reserves space once for all its members, because no other part is as frequent. */
static void canon_level(canon *c, const msg_level *level)
{
    int has_size = level->action != ACTION_DELETE;
    uint8_t *space = canon_space(c, 2 + DECIMAL_BYTES + (has_size ? DECIMAL_BYTES : 0));
    space[0] = action_letter(level->action);
    space[1] = side_letter(level->side);
    space = put_decimal(space + 2, (td_decimal){level->price, level->price_scale});
    if (has_size)
        /* The returned end position is not needed. */
        (void)put_decimal(space, (td_decimal){level->size, level->size_scale});
}

static void canon_trade(canon *c, const msg_trade *trade)
{
    uint8_t *space = canon_space(c, 2 + 2 * DECIMAL_BYTES + 8);
    space[0] = side_letter(trade->side);
    space[1] = (uint8_t)(trade->is_block_trade + 1);
    space = put_decimal(space + 2, trade->price);
    space = put_decimal(space, trade->size);
    td_put_le64(space, trade->exchange_ns);
    canon_byte(c, trade->has_cross_seq ? 1 : 0); /* an absent sequence differs from 0 */
    if (trade->has_cross_seq)
        canon_u64(c, (uint64_t)trade->cross_seq);
    canon_text(c, trade->trade_id);
    canon_text(c, trade->tick_direction);
    if (trade->has_seq) {
        canon_byte(c, TRADE_LETTER_SEQ);
        canon_u64(c, (uint64_t)trade->seq);
    }
    if (trade->is_rpi_trade >= 0)
        canon_byte(c, trade->is_rpi_trade ? TRADE_LETTER_RPI : TRADE_LETTER_NO_RPI);
    if (trade->symbol.size > 0) {
        canon_byte(c, TRADE_LETTER_SYMBOL);
        canon_text(c, trade->symbol);
    }
}

/* Write a member's name, the letter of its type, and its value. */
static void canon_value(canon *c, const msg_value *value)
{
    td_bytes name = msg_member_text(value->member);
    uint8_t *space = canon_space(c, 8 + name.size + 1);
    td_put_le64(space, name.size);
    memcpy(space + 8, name.data, name.size);
    space[8 + name.size] = value_letter(value);
    if (value->type == VALUE_DECIMAL)
        canon_decimal(c, value->as.decimal);
    else if (value->type == VALUE_INTEGER)
        canon_u64(c, (uint64_t)value->as.integer);
    else if (value->type == VALUE_TIME_NS)
        canon_u64(c, value->as.time_ns);
    else if (value->type == VALUE_TEXT || value->type == VALUE_JSON ||
             value->type == VALUE_BIG_DECIMAL)
        canon_text(c, value->as.text);
}

/* Write values sorted by name, so that the order of a row's fields does not matter. */
static void canon_values(canon *c, const msg_value *values, size_t count)
{
    enum { INDEX_BITS = 16 };
    _Static_assert(MEMBER_COUNT < 1 << INDEX_BITS, "an index fits below a member");
    uint32_t order[MEMBER_COUNT]; /* member << INDEX_BITS | index */
    size_t written = 0;
    TD_ASSERT(count <= MEMBER_COUNT);
    for (size_t i = 0; i < count; i++) {
        if (values[i].type == VALUE_ABSENT)
            continue;
        uint32_t key = (uint32_t)values[i].member << INDEX_BITS | (uint32_t)i;
        size_t at = written++;
        for (; at > 0 && order[at - 1] > key; at--)
            order[at] = order[at - 1];
        order[at] = key;
    }
    canon_u64(c, written);
    for (size_t i = 0; i < written; i++)
        canon_value(c, &values[order[i] & ((1u << INDEX_BITS) - 1)]);
}

static void canon_book(canon *c, const msg_book *book, unsigned flags)
{
    for (size_t i = 0; i < book->level_count; i++)
        canon_level(c, &book->levels[i]);
    for (size_t i = 0; (flags & HAS_RPI) && i < book->level_count; i++)
        if (book->levels[i].action != ACTION_DELETE)
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

/* 1 if a book has sizes of retail orders to write; deleted levels have no such size. */
static int has_rpi(const msg_book *book)
{
    for (size_t i = 0; book->rpi_sizes != NULL && i < book->level_count; i++)
        if (book->levels[i].action != ACTION_DELETE)
            return 1;
    return 0;
}

static unsigned head_flags(const message *m)
{
    const msg_head *head = &m->head;
    unsigned flags = (head->has_cross_seq ? HAS_CROSS_SEQ : 0u) | (head->has_u ? HAS_U : 0u) |
                     (head->has_seq ? HAS_SEQ : 0u) | (head->match_ns != 0 ? HAS_MATCH_TIME : 0u);
    if (TD_UNLIKELY(head->has_prev_seq | head->has_checksum))
        flags |=
            (head->has_prev_seq ? HAS_PREV_SEQ : 0u) | (head->has_checksum ? HAS_CHECKSUM : 0u);
    if (head->type == MSG_BOOK_CHANGE)
        flags |= (head->version.size > 0 ? HAS_VERSION : 0u) | (has_rpi(&m->book) ? HAS_RPI : 0u);
    return flags;
}

enum { HEAD_BYTES = 2 + 5 * 8 };

/* Write the head: flags for the optional members, then all numbers, 0 if absent. */
static void canon_head(canon *c, const msg_head *head, unsigned flags, size_t item_count)
{
    uint8_t *space = canon_space(c, HEAD_BYTES);
    space[0] = (uint8_t)frame_kind_name(head->kind)[0];
    space[1] = (uint8_t)flags;
    td_put_le64(space + 2, head->exchange_ns);
    td_put_le64(space + 10, head->has_cross_seq ? (uint64_t)head->cross_seq : 0);
    td_put_le64(space + 18, head->has_u ? (uint64_t)head->u : 0);
    td_put_le64(space + 26, head->has_seq ? (uint64_t)head->seq : 0);
    td_put_le64(space + 34, item_count);
    if (flags & HAS_MATCH_TIME)
        canon_u64(c, head->match_ns);
    if (flags & HAS_VERSION)
        canon_text(c, head->version);
    if (TD_LIKELY((flags & (HAS_PREV_SEQ | HAS_CHECKSUM)) == 0))
        return;
    if (flags & HAS_PREV_SEQ)
        canon_u64(c, (uint64_t)head->prev_seq);
    if (flags & HAS_CHECKSUM)
        canon_u64(c, (uint64_t)head->checksum);
}

/* Write everything except the message's type. */
static void canon_message(canon *c, const message *m)
{
    unsigned flags = head_flags(m);
    canon_head(c, &m->head, flags, message_item_count(m));
    if (message_is_record(m))
        canon_record(c, &m->record);
    else if (m->head.type == MSG_BOOK_CHANGE)
        canon_book(c, &m->book, flags);
    else
        canon_trades(c, &m->trades);
}

/* ---- output ---- */

static uint64_t canon_hash(canon *c)
{
    const uint64_t hash = td_xxh64(c->bytes, c->size);
    canon_end(c);
    return hash;
}

/* Clear bit 0, which is set only for frames that were not decoded. Returns 2 instead of 0. */
static uint64_t decoded_hash(uint64_t hash)
{
    hash &= ~CANONICAL_FAILED;
    return hash == 0 ? 2 : hash;
}

uint64_t canonical_hash(const message *m)
{
    canon c;
    canon_begin(&c);
    canon_text(&c, td_bytes_str(msg_type_name(m->head.type)));
    canon_message(&c, m);
    return decoded_hash(canon_hash(&c));
}

uint64_t canonical_control(const classification *what)
{
    canon c;
    TD_ASSERT(what->success >= -1);
    TD_ASSERT(what->success <= 1);
    canon_begin(&c);
    canon_byte(&c, 0xfe);
    canon_text(&c, td_bytes_str(frame_class_name(what->frame_class)));
    canon_byte(&c, (uint8_t)(what->success + 1));
    canon_text(&c, what->exchange_topic);
    return decoded_hash(canon_hash(&c));
}

void canonical_digest(const message *m, td_hasher *into)
{
    canon c;
    canon_begin(&c);
    canon_message(&c, m);
    td_hasher_update(into, c.bytes, c.size);
    canon_end(&c);
}

uint64_t canonical_failure(decode_reason reason)
{
    canon c;
    TD_ASSERT(reason != DECODE_OK);
    canon_begin(&c);
    canon_bytes(&c, td_bytes_str("\xffnot decoded "));
    canon_bytes(&c, td_bytes_str(decode_reason_name(reason)));
    return canon_hash(&c) | CANONICAL_FAILED;
}
