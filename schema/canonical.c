/* Writing and reading stand side by side, part by part: level, trade, value, head. Whole numbers
 * are little-endian, decimals 128 bits of 10^-18, which needs no division to be the same for 1.50
 * and 1.5. Texts follow their length, so that no two messages have the same bytes. */
#include "schema/canonical.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "schema/decode_value.h"

/* ---- writing: bytes are gathered some hundred levels at a time, because one call for each number
 * would cost more than the hashing ---- */

typedef struct canon canon;

struct canon {
    void (*flush)(canon *c); /* give away bytes[0 .. size) */
    void *to;
    size_t size;
    uint8_t bytes[2048];
};

/* Not inlined, so that canon_space() is: 160 instructions a frame. */
static __attribute__((noinline)) void canon_flush(canon *c)
{
    TD_ASSERT(c->size <= sizeof c->bytes);
    c->flush(c);
    c->size = 0;
}

/* size more bytes, which are at most what the buffer holds. */
static inline uint8_t *canon_space(canon *c, size_t size)
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

/* ---- letters ---- */

static const uint8_t SIDES[] = {[SIDE_BUY] = 'B', [SIDE_SELL] = 'S', [SIDE_NONE] = '-'};

static const uint8_t ACTIONS[] = {
    [ACTION_NONE] = '-',   [ACTION_SET] = '=',    [ACTION_DELETE] = 'd',
    [ACTION_UPDATE] = 'u', [ACTION_INSERT] = 'i',
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

static uint8_t kind_letter(frame_kind kind)
{
    return (uint8_t)frame_kind_name(kind)[0];
}

/* Flags of the head: what follows in it, or in the body. */
enum {
    HAS_CROSS_SEQ = 1,
    HAS_U = 2,
    HAS_SEQ = 4,
    HAS_MATCH_TIME = 8,
    HAS_VERSION = 16, /* of a book; other types have it among their values */
    HAS_RPI = 32,     /* the levels of a book have sizes of retail orders */
    HAS_BESIDE = 64,
    HAS_ALL = 127,
};

/* Letters of values and of a trade's marks. */
enum {
    VALUE_LETTER_TEXT = 't',
    VALUE_LETTER_DECIMAL = 'd',
    VALUE_LETTER_BIG = 'D',
    VALUE_LETTER_INTEGER = 'i',
    VALUE_LETTER_TIME = 'z',
    VALUE_LETTER_TRUE = 'T',
    VALUE_LETTER_FALSE = 'F',
    VALUE_LETTER_JSON = 'j',
    TRADE_LETTER_SEQ = 'q',
    TRADE_LETTER_RPI = 'R',
    TRADE_LETTER_NO_RPI = 'r',
    TRADE_LETTER_SYMBOL = 'y',
};

/* ---- writing the parts ---- */

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

static uint8_t value_letter(const msg_value *value)
{
    switch (value->type) {
    case VALUE_TEXT:
        return VALUE_LETTER_TEXT;
    case VALUE_DECIMAL:
        return VALUE_LETTER_DECIMAL;
    case VALUE_INTEGER:
        return VALUE_LETTER_INTEGER;
    case VALUE_BOOL:
        return value->as.is_true ? VALUE_LETTER_TRUE : VALUE_LETTER_FALSE;
    case VALUE_SIDE:
        return side_letter(value->as.side);
    case VALUE_JSON:
        return VALUE_LETTER_JSON;
    case VALUE_BIG_DECIMAL:
        return VALUE_LETTER_BIG;
    case VALUE_TIME_NS:
        return VALUE_LETTER_TIME;
    case VALUE_ABSENT:
        break;
    }
    TD_ASSERT(!"a value that is written"); /* canon_values() passes over what is absent */
    return 0;
}

/* A member by its name, a letter for its type, and its value. */
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

/* Values in the order of their names, so that the order of a row's fields does not matter. other:
 * a member that is left out, because it stands in the head. */
static void canon_values(canon *c, const msg_value *values, size_t count, msg_member other)
{
    enum { INDEX_BITS = 16 };
    _Static_assert(MEMBER_COUNT < 1 << INDEX_BITS, "an index fits below a member");
    uint32_t order[MEMBER_COUNT]; /* member << INDEX_BITS | index */
    size_t written = 0;
    TD_ASSERT(count <= MEMBER_COUNT);
    for (size_t i = 0; i < count; i++) {
        if (values[i].type == VALUE_ABSENT || values[i].member == other)
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

/* The member of beside's values that stands in the head, too. */
static msg_member member_in_head(msg_type type)
{
    return type == MSG_BOOK_CHANGE ? MEMBER_VERSION : MEMBER_NONE;
}

static void canon_beside(canon *c, const message *m)
{
    const msg_beside *beside = m->beside;
    size_t count = message_item_count(m);
    canon_values(c, beside->values, beside->value_count, member_in_head(m->head.type));
    for (size_t i = 0; i < count; i++)
        canon_values(c, beside->items[i].values, beside->items[i].value_count, MEMBER_NONE);
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
        canon_values(c, record->items[i].values, record->items[i].value_count, MEMBER_NONE);
    }
    canon_values(c, record->values, record->value_count, MEMBER_NONE);
}

/* 1 if any of the values is written. */
static int has_values(const msg_value *values, size_t count, msg_member other)
{
    for (size_t i = 0; i < count; i++)
        if (values[i].type != VALUE_ABSENT && values[i].member != other)
            return 1;
    return 0;
}

/* Lists without values are as none: JSON would show no difference. */
static int has_beside(const message *m)
{
    const msg_beside *beside = m->beside;
    if (beside == NULL || message_is_record(m))
        return 0;
    if (has_values(beside->values, beside->value_count, member_in_head(m->head.type)))
        return 1;
    for (size_t i = 0; i < message_item_count(m); i++)
        if (has_values(beside->items[i].values, beside->items[i].value_count, MEMBER_NONE))
            return 1;
    return 0;
}

/* Likewise of levels that are all deleted, which have no sizes. */
static int has_rpi(const msg_book *book)
{
    for (size_t i = 0; book->rpi_sizes != NULL && i < book->level_count; i++)
        if (book->levels[i].action != ACTION_DELETE)
            return 1;
    return 0;
}

static unsigned head_flags(const message *m, canonical_members members)
{
    const msg_head *head = &m->head;
    unsigned flags = (head->has_cross_seq ? HAS_CROSS_SEQ : 0u) | (head->has_u ? HAS_U : 0u) |
                     (head->has_seq ? HAS_SEQ : 0u) | (head->match_ns != 0 ? HAS_MATCH_TIME : 0u);
    if (head->type == MSG_BOOK_CHANGE)
        flags |= (head->version.size > 0 ? HAS_VERSION : 0u) | (has_rpi(&m->book) ? HAS_RPI : 0u);
    if (members == CANONICAL_WHOLE && has_beside(m))
        flags |= HAS_BESIDE;
    return flags;
}

enum { HEAD_BYTES = 2 + 5 * 8 };

/* The part that every message has: which members are present, and the numbers, 0 where absent. */
static void canon_head(canon *c, const msg_head *head, unsigned flags, size_t item_count)
{
    uint8_t *space = canon_space(c, HEAD_BYTES);
    space[0] = kind_letter(head->kind);
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
}

/* All but the type. What is beside comes before the entries, because the last trade ends with
 * letters that may be absent. */
static void canon_message(canon *c, const message *m, canonical_members members)
{
    unsigned flags = head_flags(m, members);
    canon_head(c, &m->head, flags, message_item_count(m));
    if (flags & HAS_BESIDE)
        canon_beside(c, m);
    if (message_is_record(m))
        canon_record(c, &m->record);
    else if (m->head.type == MSG_BOOK_CHANGE)
        canon_book(c, &m->book, flags);
    else
        canon_trades(c, &m->trades);
}

static void canon_typed(canon *c, const message *m, canonical_members members)
{
    canon_text(c, td_bytes_str(msg_type_name(m->head.type)));
    canon_message(c, m, members);
}

/* ---- where it goes ---- */

/* Bytes of a form that did not fit canon.bytes. */
typedef struct canon_hash {
    td_xxh64_state state;
    uint8_t is_begun;
} canon_hash;

static void flush_to_hash(canon *c)
{
    canon_hash *to = c->to;
    if (!to->is_begun)
        td_xxh64_begin(&to->state);
    to->is_begun = 1;
    td_xxh64_update(&to->state, c->bytes, c->size);
}

/* Nearly all fit, and need no state. */
static uint64_t canon_hash_end(canon *c)
{
    canon_hash *to = c->to;
    if (TD_LIKELY(!to->is_begun))
        return td_xxh64(c->bytes, c->size);
    canon_flush(c);
    return td_xxh64_end(&to->state);
}

/* Bit 0 is the mark of a failure. */
static uint64_t decoded_hash(uint64_t hash)
{
    hash &= ~CANONICAL_FAILED;
    return hash == 0 ? 2 : hash;
}

uint64_t canonical_hash(const message *m, canonical_members members)
{
    canon_hash to;
    canon c;
    to.is_begun = 0;
    c.flush = flush_to_hash;
    c.to = &to;
    c.size = 0;
    canon_typed(&c, m, members);
    return decoded_hash(canon_hash_end(&c));
}

uint64_t canonical_control(const classification *what)
{
    canon_hash to;
    canon c;
    TD_ASSERT(what->success >= -1);
    TD_ASSERT(what->success <= 1);
    to.is_begun = 0;
    c.flush = flush_to_hash;
    c.to = &to;
    c.size = 0;
    canon_byte(&c, 0xfe);
    canon_text(&c, td_bytes_str(frame_class_name(what->frame_class)));
    canon_byte(&c, (uint8_t)(what->success + 1));
    canon_text(&c, what->exchange_topic);
    return decoded_hash(canon_hash_end(&c));
}

static void flush_to_digest(canon *c)
{
    td_hasher_update(c->to, c->bytes, c->size);
}

void canonical_digest(const message *m, td_hasher *into)
{
    canon c;
    c.flush = flush_to_digest;
    c.to = into;
    c.size = 0;
    canon_message(&c, m, CANONICAL_PLAIN);
    canon_flush(&c);
}

/* A buffer that the form is appended to, until that fails. */
typedef struct canon_buf {
    td_buf *buf;
    td_err *err;
    td_result rc;
} canon_buf;

static void flush_to_buf(canon *c)
{
    canon_buf *to = c->to;
    if (to->rc == TD_OK)
        to->rc = td_buf_append(to->buf, c->bytes, c->size, to->err);
}

td_result canonical_write(const message *m, canonical_members members, td_buf *out, td_err *err)
{
    canon_buf to = {out, err, TD_OK};
    canon c;
    c.flush = flush_to_buf;
    c.to = &to;
    c.size = 0;
    canon_typed(&c, m, members);
    canon_flush(&c);
    return to.rc;
}

uint64_t canonical_failure(decode_reason reason)
{
    static const char TEXT[] = "\xffnot decoded ";
    const char *name = decode_reason_name(reason);
    td_xxh64_state state;
    TD_ASSERT(reason != DECODE_OK);
    td_xxh64_begin(&state);
    td_xxh64_update(&state, TEXT, sizeof TEXT - 1);
    td_xxh64_update(&state, name, strlen(name));
    return td_xxh64_end(&state) | CANONICAL_FAILED;
}

/* ---- reading: functions return 1, or 0 after refuse() ---- */

typedef struct reader {
    td_bytes form;
    size_t at;
    json_parser *parser;
    td_arena *arena;
    td_err *err;
    td_result rc;
} reader;

/* A fault of the form at its byte `at`. */
static int refuse(reader *r, size_t at, const char *what)
{
    r->rc = td_err_set(r->err, TD_E_INVALID, "byte %zu: %s", at, what);
    return 0;
}

static int refuse_name(reader *r, size_t at, const char *what, td_bytes name)
{
    int shown = name.size > LIMIT_NAME_BYTES ? (int)LIMIT_NAME_BYTES : (int)name.size;
    r->rc = td_err_set(r->err, TD_E_INVALID, "byte %zu: %s '%.*s'", at, what, shown,
                       (const char *)name.data);
    return 0;
}

/* Memory of count things; NULL after the error was set: the arena is full. */
static void *make(reader *r, size_t count, size_t size)
{
    void *memory = td_arena_alloc(r->arena, count * size);
    if (memory == NULL)
        r->rc = td_err_set(r->err, TD_E_LIMIT, "a form of %zu bytes is too large", r->form.size);
    return memory;
}

static size_t bytes_left(const reader *r)
{
    TD_ASSERT(r->at <= r->form.size);
    return r->form.size - r->at;
}

/* size more bytes. */
static int take(reader *r, size_t size, const uint8_t **out)
{
    if (bytes_left(r) < size)
        return refuse(r, r->form.size, "the form ends too early");
    *out = r->form.data + r->at;
    r->at += size;
    return 1;
}

static int take_byte(reader *r, uint8_t *out)
{
    const uint8_t *p;
    if (!take(r, 1, &p))
        return 0;
    *out = *p;
    return 1;
}

static int take_u64(reader *r, uint64_t *out)
{
    const uint8_t *p;
    if (!take(r, 8, &p))
        return 0;
    *out = td_le64(p);
    return 1;
}

static int take_i64(reader *r, int64_t *out)
{
    uint64_t value;
    if (!take_u64(r, &value))
        return 0;
    *out = (int64_t)value;
    return 1;
}

/* Times of messages have 63 bits. */
static int take_time(reader *r, uint64_t *out)
{
    size_t at = r->at;
    if (!take_u64(r, out))
        return 0;
    return *out <= (uint64_t)INT64_MAX || refuse(r, at, "a time after the year 2262");
}

static int take_text(reader *r, td_bytes *out)
{
    uint64_t size;
    size_t at = r->at;
    if (!take_u64(r, &size))
        return 0;
    if (size > bytes_left(r))
        return refuse(r, at, "a text that is longer than the form");
    *out = td_bytes_of(r->form.data + r->at, (size_t)size);
    r->at += (size_t)size;
    return 1;
}

/* Optional text; absent if empty. */
static int take_some_text(reader *r, td_bytes *out)
{
    size_t at = r->at;
    if (!take_text(r, out))
        return 0;
    return out->size > 0 || refuse(r, at, "an empty text where there is none");
}

static int take_decimal(reader *r, td_decimal *out)
{
    const uint8_t *p;
    size_t at = r->at;
    if (!take(r, DECIMAL_BYTES, &p))
        return 0;
    return td_decimal_narrow((td_decimal_wide){td_le64(p), td_le64(p + 8)}, out) ||
           refuse(r, at, "a decimal of more than 64 bits and 18 places");
}

/* How many things follow, of at least each_bytes. */
static int take_count(reader *r, size_t each_bytes, size_t *out)
{
    uint64_t count;
    size_t at = r->at;
    if (!take_u64(r, &count))
        return 0;
    if (count > bytes_left(r) / each_bytes)
        return refuse(r, at, "a count of more than the form has");
    if (count > LIMIT_FRAME_ITEMS)
        return refuse(r, at, "a count of more than a frame may have");
    *out = (size_t)count;
    return 1;
}

/* The place of a letter in a table; count: there is none. */
static size_t letter_find(const uint8_t *letters, size_t count, uint8_t letter)
{
    size_t at = 0;
    while (at < count && letters[at] != letter)
        at++;
    return at;
}

static int take_letter(reader *r, const uint8_t *letters, size_t count, const char *what,
                       uint8_t *out)
{
    uint8_t letter;
    if (!take_byte(r, &letter))
        return 0;
    size_t found = letter_find(letters, count, letter);
    *out = (uint8_t)found;
    return found < count || refuse(r, r->at - 1, what);
}

static int take_side(reader *r, uint8_t *out)
{
    return take_letter(r, SIDES, sizeof SIDES, "no side", out);
}

static int take_action(reader *r, uint8_t *out)
{
    return take_letter(r, ACTIONS, sizeof ACTIONS, "no action", out);
}

/* What books can apply: a side and an action each. */
static int read_level(reader *r, msg_level *level)
{
    td_decimal price;
    td_decimal size = {0, 0};
    size_t at = r->at;
    if (!take_action(r, &level->action) || !take_side(r, &level->side))
        return 0;
    if (level->action == ACTION_NONE || level->side == SIDE_NONE)
        return refuse(r, at, "a level without action or side");
    if (!take_decimal(r, &price) || (level->action != ACTION_DELETE && !take_decimal(r, &size)))
        return 0;
    level->price = price.mantissa;
    level->price_scale = price.scale;
    level->size = size.mantissa;
    level->size_scale = size.scale;
    return 1;
}

/* The size of the retail orders at a level is a part of its size. */
static int read_rpi(reader *r, const msg_level *level, td_decimal *rpi)
{
    size_t at = r->at;
    td_decimal rest = {level->size, level->size_scale};
    *rpi = (td_decimal){0, 0};
    if (level->action == ACTION_DELETE)
        return 1;
    if (!take_decimal(r, rpi))
        return 0;
    return (rpi->mantissa != INT64_MIN &&
            msg_size_with_rpi(rest, (td_decimal){-rpi->mantissa, rpi->scale}, &rest)) ||
           refuse(r, at, "a size of retail orders that is no part of its level's");
}

static int read_book(reader *r, unsigned flags, size_t count, msg_book *book)
{
    msg_level *levels = make(r, count, sizeof *levels);
    td_decimal *rpi = NULL;
    if (levels == NULL || ((flags & HAS_RPI) && (rpi = make(r, count, sizeof *rpi)) == NULL))
        return 0;
    for (size_t i = 0; i < count; i++)
        if (!read_level(r, &levels[i]))
            return 0;
    for (size_t i = 0; rpi != NULL && i < count; i++)
        if (!read_rpi(r, &levels[i], &rpi[i]))
            return 0;
    book->levels = levels;
    book->level_count = count;
    book->rpi_sizes = rpi;
    return !(flags & HAS_RPI) || has_rpi(book) ||
           refuse(r, r->at, "sizes of retail orders, but no level that has one");
}

/* 1 and its place after the letter if that is the next byte. */
static int skip_letter(reader *r, uint8_t letter)
{
    if (bytes_left(r) == 0 || r->form.data[r->at] != letter)
        return 0;
    r->at++;
    return 1;
}

/* What stands at the end of a trade where it is present. */
static int read_trade_marks(reader *r, msg_trade *trade)
{
    trade->has_seq = (uint8_t)skip_letter(r, TRADE_LETTER_SEQ);
    if (trade->has_seq && !take_i64(r, &trade->seq))
        return 0;
    trade->is_rpi_trade = (int8_t)(skip_letter(r, TRADE_LETTER_RPI)      ? 1
                                   : skip_letter(r, TRADE_LETTER_NO_RPI) ? 0
                                                                         : -1);
    return !skip_letter(r, TRADE_LETTER_SYMBOL) || take_some_text(r, &trade->symbol);
}

static int read_trade(reader *r, msg_trade *trade)
{
    uint8_t stated;
    *trade = (msg_trade){0};
    if (!take_side(r, &trade->side) || !take_byte(r, &stated))
        return 0;
    if (stated > 2)
        return refuse(r, r->at - 1, "a block trade that is neither 0, 1 nor 2");
    trade->is_block_trade = (int8_t)(stated - 1);
    if (!take_decimal(r, &trade->price) || !take_decimal(r, &trade->size) ||
        !take_time(r, &trade->exchange_ns) || !take_byte(r, &trade->has_cross_seq))
        return 0;
    if (trade->has_cross_seq > 1)
        return refuse(r, r->at - 1, "a presence that is neither 0 nor 1");
    if (trade->has_cross_seq && !take_i64(r, &trade->cross_seq))
        return 0;
    return take_text(r, &trade->trade_id) && take_text(r, &trade->tick_direction) &&
           read_trade_marks(r, trade);
}

static int read_trades(reader *r, size_t count, msg_trades *trades)
{
    msg_trade *made = make(r, count, sizeof *made);
    if (made == NULL)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (!read_trade(r, &made[i]))
            return 0;
    trades->trades = made;
    trades->trade_count = count;
    return 1;
}

/* A decimal that is one of those that VALUE_DECIMAL cannot hold, in shortest form: that is how the
 * text of equal values is equal. */
static int check_big_decimal(reader *r, size_t at, td_bytes text)
{
    td_bytes shortest;
    td_decimal value;
    return (td_decimal_parse(text, &value, NULL) != TD_OK && value_big_decimal(text, &shortest) &&
            td_bytes_equal(text, shortest)) ||
           refuse(r, at, "a big decimal that is none, or not in shortest form");
}

/* JSON text that is checked, and canonical. */
static int check_json(reader *r, size_t at, td_bytes text)
{
    json_value root;
    td_bytes canonical;
    if (json_parse(r->parser, text, JSON_COPIED, &root, NULL) != TD_OK)
        return refuse(r, at, "a text that is no JSON");
    uint8_t *memory = make(r, text.size, 1);
    if (memory == NULL)
        return 0;
    return (value_json_text(root, memory, text.size, &canonical) &&
            td_bytes_equal(text, canonical)) ||
           refuse(r, at, "JSON with white space, or keys that are not in order");
}

/* A value's letter and what follows it. */
static int read_value(reader *r, msg_value *value)
{
    uint8_t letter;
    size_t at = r->at;
    if (!take_byte(r, &letter))
        return 0;
    switch (letter) {
    case VALUE_LETTER_TEXT:
        value->type = VALUE_TEXT;
        return take_text(r, &value->as.text);
    case VALUE_LETTER_DECIMAL:
        value->type = VALUE_DECIMAL;
        return take_decimal(r, &value->as.decimal);
    case VALUE_LETTER_BIG:
        value->type = VALUE_BIG_DECIMAL;
        return take_text(r, &value->as.text) && check_big_decimal(r, at, value->as.text);
    case VALUE_LETTER_INTEGER:
        value->type = VALUE_INTEGER;
        return take_i64(r, &value->as.integer);
    case VALUE_LETTER_TIME:
        value->type = VALUE_TIME_NS;
        return take_time(r, &value->as.time_ns);
    case VALUE_LETTER_TRUE:
    case VALUE_LETTER_FALSE:
        value->type = VALUE_BOOL;
        value->as.is_true = letter == VALUE_LETTER_TRUE;
        return 1;
    case VALUE_LETTER_JSON:
        value->type = VALUE_JSON;
        return take_text(r, &value->as.text) && check_json(r, at, value->as.text);
    default:
        break;
    }
    size_t side = letter_find(SIDES, sizeof SIDES, letter);
    value->type = VALUE_SIDE;
    value->as.side = (uint8_t)side;
    return side < sizeof SIDES || refuse(r, at, "no type of a value");
}

/* Where a list of values stands. */
typedef enum values_place {
    VALUES_OF_RECORD,
    VALUES_OF_ENTRY,  /* beside a plain struct */
    VALUES_OF_STRUCT, /* of the envelope, beside plain structs */
} values_place;

/* 1 if a member of such a list stands elsewhere in the message. */
static int is_elsewhere(values_place place, msg_type type, msg_member member)
{
    if (place == VALUES_OF_ENTRY)
        return msg_struct_has(type, member);
    return place == VALUES_OF_STRUCT && member == member_in_head(type);
}

/* Names ascend, so that equal lists are equal bytes and no member stands twice. */
static int read_values(reader *r, values_place place, msg_type type, const msg_value **out,
                       size_t *count)
{
    enum { LEAST_BYTES = 8 + 1 + 1 };
    msg_member before = MEMBER_NONE;
    msg_value *values = NULL;
    if (!take_count(r, LEAST_BYTES, count) || (values = make(r, *count, sizeof *values)) == NULL)
        return 0;
    for (size_t i = 0; i < *count; i++) {
        td_bytes name;
        size_t at = r->at;
        if (!take_text(r, &name))
            return 0;
        values[i] = (msg_value){.member = msg_member_find(name)};
        if (values[i].member == MEMBER_NONE)
            return refuse_name(r, at, "unknown member", name);
        if (values[i].member <= before)
            return refuse_name(r, at, "not in order of names:", name);
        if (is_elsewhere(place, type, values[i].member))
            return refuse_name(r, at, "a member that stands elsewhere:", name);
        before = values[i].member;
        if (!read_value(r, &values[i]))
            return 0;
    }
    *out = values;
    return 1;
}

/* A version that is text is a value as well. */
static void note_version(msg_head *head, const msg_value *values, size_t count)
{
    const msg_value *version = msg_value_find(values, count, MEMBER_VERSION);
    if (version != NULL && version->type == VALUE_TEXT)
        head->version = version->as.text;
}

static int read_record(reader *r, size_t count, msg_record *record)
{
    msg_item *items = make(r, count, sizeof *items);
    if (items == NULL)
        return 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t action;
        if (!take_action(r, &action) || !read_values(r, VALUES_OF_RECORD, record->head.type,
                                                     &items[i].values, &items[i].value_count))
            return 0;
        items[i].action = (msg_action)action;
    }
    record->items = items;
    record->item_count = count;
    if (!read_values(r, VALUES_OF_RECORD, record->head.type, &record->values, &record->value_count))
        return 0;
    note_version(&record->head, record->values, record->value_count);
    return 1;
}

static int read_beside(reader *r, size_t count, message *m)
{
    size_t at = r->at;
    msg_type type = m->head.type;
    msg_beside *beside = make(r, 1, sizeof *beside);
    msg_item *items = make(r, count, sizeof *items);
    if (beside == NULL || items == NULL ||
        !read_values(r, VALUES_OF_STRUCT, type, &beside->values, &beside->value_count))
        return 0;
    size_t total = beside->value_count;
    for (size_t i = 0; i < count; i++) {
        items[i].action = ACTION_NONE;
        if (!read_values(r, VALUES_OF_ENTRY, type, &items[i].values, &items[i].value_count))
            return 0;
        total += items[i].value_count;
    }
    beside->items = items;
    m->beside = beside;
    if (type == MSG_TRADE)
        note_version(&m->head, beside->values, beside->value_count);
    return total > 0 || refuse(r, at, "values beside the entries, but not one");
}

static int read_type(reader *r, msg_type *out)
{
    td_bytes name;
    if (!take_text(r, &name))
        return 0;
    for (int type = MSG_BOOK_CHANGE; type < MSG_CONTROL; type++) {
        *out = (msg_type)type;
        if (td_bytes_is(name, msg_type_name(*out)))
            return 1;
    }
    return refuse_name(r, 0, "unknown type", name);
}

static int read_kind(reader *r, frame_kind *out)
{
    uint8_t letter;
    if (!take_byte(r, &letter))
        return 0;
    for (int kind = FRAME_UNTYPED; kind < FRAME_ANY; kind++) {
        *out = (frame_kind)kind;
        if (kind_letter(*out) == letter)
            return 1;
    }
    return refuse(r, r->at - 1, "no kind");
}

/* A number of the head, which is 0 where it is absent. */
static int read_number(reader *r, int is_present, uint8_t *has, int64_t *out)
{
    size_t at = r->at;
    *has = is_present != 0;
    if (!take_i64(r, out))
        return 0;
    return is_present || *out == 0 || refuse(r, at, "a number that is absent, and not 0");
}

/* The least bytes of an entry of each type, which bound the count of entries. */
static size_t entry_bytes(msg_type type)
{
    if (type == MSG_BOOK_CHANGE)
        return 2 + DECIMAL_BYTES;
    return type == MSG_TRADE ? 2 + 2 * DECIMAL_BYTES + 8 + 1 + 8 + 8 : 1 + 8;
}

static int read_head(reader *r, msg_head *head, unsigned *flags, size_t *count)
{
    uint8_t bits;
    if (!read_type(r, &head->type) || !read_kind(r, &head->kind) || !take_byte(r, &bits))
        return 0;
    int is_book = head->type == MSG_BOOK_CHANGE;
    int is_struct = is_book || head->type == MSG_TRADE;
    if (bits > HAS_ALL || (!is_book && (bits & (HAS_VERSION | HAS_RPI))) ||
        (!is_struct && (bits & HAS_BESIDE)))
        return refuse(r, r->at - 1, "flags that the type does not have");
    *flags = bits;
    if (!take_time(r, &head->exchange_ns) ||
        !read_number(r, bits & HAS_CROSS_SEQ, &head->has_cross_seq, &head->cross_seq) ||
        !read_number(r, bits & HAS_U, &head->has_u, &head->u) ||
        !read_number(r, bits & HAS_SEQ, &head->has_seq, &head->seq) ||
        !take_count(r, entry_bytes(head->type), count))
        return 0;
    if ((bits & HAS_MATCH_TIME) && !take_time(r, &head->match_ns))
        return 0;
    if ((bits & HAS_MATCH_TIME) && head->match_ns == 0)
        return refuse(r, r->at - 8, "a time of 0 where there is none");
    return !(bits & HAS_VERSION) || take_some_text(r, &head->version);
}

static int read_message(reader *r, message *m)
{
    unsigned flags = 0;
    size_t count = 0;
    if (!read_head(r, &m->head, &flags, &count) ||
        ((flags & HAS_BESIDE) && !read_beside(r, count, m)))
        return 0;
    int is_read = message_is_record(m)              ? read_record(r, count, &m->record)
                  : m->head.type == MSG_BOOK_CHANGE ? read_book(r, flags, count, &m->book)
                                                    : read_trades(r, count, &m->trades);
    if (!is_read)
        return 0;
    return bytes_left(r) == 0 || refuse(r, r->at, "bytes after the message");
}

td_result canonical_read(td_bytes form, json_parser *parser, td_arena *arena, message *out,
                         td_err *err)
{
    reader r = {.form = form, .parser = parser, .arena = arena, .err = err, .rc = TD_OK};
    *out = (message){.beside = NULL};
    int is_read = read_message(&r, out);
    TD_ASSERT(is_read == (r.rc == TD_OK));
    return r.rc;
}
