/* The fast path: one pass over the bytes, from the frame's object along the path to its entries to
 * each entry's fields, with all checks. It reads frames only in the usual form, and refuses frames
 * with white space, escapes, entries before the kind, lists in another order than the row's, or
 * malformed JSON; decode_rows.c then reads these frames and reports errors. The two decoders give
 * the same message for a frame that both accept.
 *
 * The reason for a separate path without the JSON reader's index: instructions per frame,
 * by callgrind, for the simulated exchange's frames (seed 7, some 400 bytes, books and trades):
 *
 *                                                        inverse    v5-linear
 *   this path, frame to message                            3,170        4,400
 *   simdjson on-demand, only walking over all tokens       4,560        5,550
 *   simdjson DOM, parse only                               4,950        5,300
 *   json_parse() only                                      8,120        8,930
 *   decode_rows(), frame to message                       21,630       34,080
 *
 * Every byte is either compared with the row's expectation, or part of a number or of a
 * string of printable ASCII. */
#include "schema/decode_fast.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "schema/decode_value.h"
#include "schema/scan.h"
#include "schema/topic_parts.h"

/* ---- keys and values that only this path reads ---- */

enum { SCAN_KEY_BYTES_MAX = 40 };
_Static_assert((int)SCAN_KEY_BYTES_MAX + 8 < (int)SCAN_REACH, "a key, its quotes and its colon");

/* Read "Buy" or "Sell" without a branch, which would be unpredictable. */
static inline const uint8_t *scan_side(const uint8_t *p, uint8_t *side)
{
    static const char TEXTS[2][8] = {"\"Sell\"", "\"Buy\""};
    static const char MASKS[2][8] = {"\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff"};
    size_t is_buy = p[1] == 'B';
    uint64_t text = key_load((const uint8_t *)TEXTS[is_buy]);
    uint64_t mask = key_load((const uint8_t *)MASKS[is_buy]);
    _Static_assert(SIDE_BUY == 0 && SIDE_SELL == 1, "a side is computed from the text");
    *side = (uint8_t)(1 - is_buy);
    return ((key_load(p) ^ text) & mask) == 0 ? p + 6 - is_buy : NULL;
}

/* Skip an unsigned integer of 1 to 15 digits. */
static inline const uint8_t *scan_unread_digits(const uint8_t *p)
{
    uint64_t low = scan_other_bytes(td_le64(p));
    uint64_t high = scan_other_bytes(td_le64(p + 8));
    size_t low_digits = (size_t)__builtin_ctzll(low | UINT64_C(1) << 63) / 8;
    size_t high_digits = (size_t)__builtin_ctzll(high | UINT64_C(1) << 63) / 8;
    size_t count = low == 0 ? 8 + high_digits : low_digits;
    int is_plain = count > 0 && (*p != '0' || count == 1) && (low | high) != 0;
    return is_plain ? p + count : NULL;
}

/* Skip a string or number: text fields may have either. */
static inline const uint8_t *scan_unread(const uint8_t *p, const uint8_t *end)
{
    td_bytes text;
    return *p == '"' ? scan_string(p, end, &text) : scan_unread_digits(p);
}

/* Read true or false, also as a string: linear trades have "false" (docs/wire.md 2). */
static const uint8_t *scan_bool(const uint8_t *p, int8_t *out)
{
    int is_string = *p == '"';
    p += is_string;
    if (memcmp(p, "true", 4) == 0) {
        *out = 1;
        p += 4;
    } else if (memcmp(p, "false", 5) == 0) {
        *out = 0;
        p += 5;
    } else {
        return NULL;
    }
    return !is_string ? p : *p == '"' ? p + 1 : NULL;
}

/* Maximum nesting of a skipped value on this path; a deeper one is left to decode_rows(). */
enum { UNKNOWN_DEPTH = 4 };

/* Skip any value in canonical form, including objects and arrays. Checks that each element begins
 * inside the text. */
static const uint8_t *scan_value(const uint8_t *p, const uint8_t *end, int depth)
{
    td_bytes key;
    if (*p != '{' && *p != '[')
        return scan_scalar(p, end);
    const uint8_t closing = *p == '{' ? '}' : ']';
    if (depth == 0 || p + 1 >= end)
        return NULL;
    if (p[1] == closing)
        return p + 2;
    do {
        p++;
        if (closing == '}') {
            p = p < end ? scan_string(p, end, &key) : NULL;
            if (p == NULL || p >= end || *p++ != ':')
                return NULL;
        }
        p = p < end ? scan_value(p, end, depth - 1) : NULL;
    } while (p != NULL && p < end && *p == ',');
    return p != NULL && p < end && *p == closing ? p + 1 : NULL;
}

/* As scan_key(), for a key other than the predicted one. */
static const uint8_t *scan_key_unguessed(key_set *set, uint32_t place, const uint8_t *p,
                                         const uint8_t *end, uint32_t *found)
{
    if (*p != '"')
        return NULL;
    *found = key_set_find(set, place, p + 1);
    if (*found != KEY_NONE) {
        p += set->keys[*found].bytes + 2;
    } else {
        td_bytes text;
        p = scan_string(p, end, &text);
        if (p == NULL)
            return NULL;
    }
    return *p == ':' ? p + 1 : NULL;
}

/* Read a key and its colon. *found is its index in the set, or KEY_NONE; place is its position in
 * the object. */
static inline const uint8_t *scan_key(key_set *set, uint32_t place, const uint8_t *p,
                                      const uint8_t *end, uint32_t *found)
{
    uint32_t guess = set->guess[place < set->count ? place : set->count];
    if (TD_LIKELY(guess < set->count)) {
        const key_word *key = &set->keys[guess];
        const uint8_t *colon = p + key->bytes + 2;
        if (TD_LIKELY(*p == '"' && key->bytes <= SCAN_KEY_BYTES_MAX && key_is(key, p + 1) &&
                      *colon == ':')) {
            *found = guess;
            return colon + 1;
        }
    }
    return scan_key_unguessed(set, place, p, end, found);
}

/* ---- an entry ---- */

typedef struct fast_frame {
    fast_decoder *d;
    decode_plan *p;
    const topic_match *topic;
    const uint8_t *end; /* end of the frame's text */
    msg_head head;
    const key_word *symbol; /* the topic's symbol, to compare with each entry's symbol */
    size_t count;           /* number of entries so far */
    uint64_t extra_fields;  /* the plan's extra_fields if the frame is decoded whole; otherwise 0 */
    uint64_t entry_seen;    /* a bit for each field in the last of d->items */
    size_t item_count;      /* number of d->items */
    size_t value_count;     /* number of d->values */
    uint32_t envelope_seen; /* a bit for each field in d->envelope */
} fast_frame;

/* ---- members without a place in the plain struct, if the frame is decoded whole ---- */

/* Read a field's value, whose text is from p to after. Returns NULL if the frame must be left to
 * decode_rows(). */
static const uint8_t *read_extra(const field_row *field, const uint8_t *p, const uint8_t *after,
                                 msg_value *out)
{
    decode_reason ignored;
    size_t quotes = *p == '"';
    if (after == NULL)
        return NULL;
    td_bytes text = td_bytes_of(p + quotes, (size_t)(after - p) - 2 * quotes);
    out->member = field->member;
    return !value_is_empty(text) && decode_text(field, text, out, &ignored) ? after : NULL;
}

/* Append entries without values until there are count entries. */
static void reach_items(fast_frame *h, size_t count)
{
    fast_decoder *d = h->d;
    for (; h->item_count < count; h->entry_seen = 0) {
        td_array_ensure((void **)&d->items, &d->item_capacity, h->item_count, sizeof *d->items);
        d->items[h->item_count++] = (msg_item){.value_count = 0};
    }
}

/* Add a value that the plain struct has no place for. Returns NULL if the entry's values are not in
 * the row's order; decode_rows() then reads the frame and sorts them. */
static const uint8_t *add_extra(fast_frame *h, uint32_t field, const uint8_t *p,
                                const uint8_t *after)
{
    fast_decoder *d = h->d;
    reach_items(h, h->count + 1);
    if (h->entry_seen >> field != 0)
        return NULL;
    h->entry_seen |= UINT64_C(1) << field;
    td_array_ensure((void **)&d->values, &d->value_capacity, h->value_count, sizeof *d->values);
    d->items[h->count].value_count++;
    return read_extra(&h->p->row->fields[field], p, after, &d->values[h->value_count++]);
}

/* Called after each field that the plain struct has no place for; the field's value is from p to
 * after. Adds the value if the frame is decoded whole. */
static inline const uint8_t *keep_extra(fast_frame *h, uint32_t field, const uint8_t *p,
                                        const uint8_t *after)
{
    return TD_LIKELY((h->extra_fields >> field & 1) == 0) ? after : add_extra(h, field, p, after);
}

/* Set the message's pointers to the values, which do not move any more. */
static const msg_extra *publish_extra(fast_frame *h)
{
    fast_decoder *d = h->d;
    const msg_value *values = d->values;
    size_t envelope_count = 0;
    if (h->value_count == 0 && h->envelope_seen == 0)
        return NULL;
    for (uint32_t i = 0; h->envelope_seen >> i != 0; i++)
        if (h->envelope_seen >> i & 1)
            d->envelope[envelope_count++] = d->envelope[i];
    reach_items(h, h->count);
    for (size_t i = 0; i < h->count; values += d->items[i++].value_count)
        d->items[i].values = values;
    d->extra = (msg_extra){d->envelope, envelope_count, d->items};
    return &d->extra;
}

/* Step over the comma or brace after a member of an object. Returns 1 if another member follows. *p
 * becomes NULL if there is neither a comma nor a brace. */
static inline int has_next_member(const uint8_t **p, const uint8_t *end)
{
    const uint8_t *at = *p;
    if (TD_UNLIKELY(at == NULL || at >= end || (*at != ',' && *at != '}'))) {
        *p = NULL;
        return 0;
    }
    *p = at + 1;
    return *at == ',';
}

/* A function that reads a field's value, which is at p, into the entry (a msg_level or msg_trade).
 */
typedef const uint8_t *fast_value(fast_frame *h, uint32_t field, fast_role role, const uint8_t *p,
                                  void *entry);

/* The rest of fast_fields() from the first field that is not in the row's order. p is at the
 * object's brace, or at the comma after the fields that were read. */
static inline __attribute__((always_inline)) const uint8_t *
fast_other_fields(fast_frame *h, const uint8_t *p, fast_value *value, void *entry, uint64_t *seen)
{
    uint32_t place = 0;
    if (*p != (*seen == 0 ? '{' : ','))
        return NULL;
    p++;
    do {
        uint32_t field;
        p = p < h->end ? scan_key(&h->p->entry, place++, p, h->end, &field) : NULL;
        if (p == NULL || p >= h->end)
            return NULL;
        if (field == KEY_NONE) {
            h->head.unknown_fields++;
            p = scan_scalar(p, h->end);
            continue;
        }
        if (*seen & (UINT64_C(1) << field))
            return NULL;
        *seen |= UINT64_C(1) << field;
        p = value(h, field, (fast_role)h->p->role_of[field], p, entry);
    } while (has_next_member(&p, h->end));
    return p;
}

/* Read the fields of the object at p; *seen gets a bit for each. In most frames they are in the
 * row's order: then one comparison covers brace or comma, key and colon. From the first key in
 * another order on, each key is searched. Always inlined, so that value is not called indirectly.
 */
static inline __attribute__((always_inline)) const uint8_t *
fast_fields(fast_frame *h, const uint8_t *p, fast_value *value, void *entry, uint64_t *seen)
{
    const plan_lead *leads = h->p->leads;
    const uint8_t *roles = h->p->role_of;
    const uint8_t *end = h->end;
    uint32_t count = h->p->entry.count;
    uint32_t field = 0;
    while (field < count && plan_lead_is(&leads[field], p)) {
        p = value(h, field, (fast_role)roles[field], p + leads[field].bytes, entry);
        if (TD_UNLIKELY(p == NULL || p >= end))
            return NULL;
        field++;
    }
    *seen = (UINT64_C(1) << field) - 1;
    if (TD_LIKELY(field > 0 && *p == '}'))
        return p + 1;
    return fast_other_fields(h, p, value, entry, seen);
}

/* Compare an entry's symbol with the topic's. A different symbol is counted and stored in *foreign.
 */
static inline const uint8_t *fast_symbol(fast_frame *h, const uint8_t *p, td_bytes *foreign)
{
    if (TD_LIKELY(*p == '"' && h->symbol->bytes <= SCAN_KEY_BYTES_MAX && key_is(h->symbol, p + 1)))
        return p + h->symbol->bytes + 2;
    td_bytes text;
    p = scan_text(p, h->end, &text);
    if (p != NULL && !td_bytes_equal(text, h->topic->symbol)) {
        h->head.foreign_symbols += !h->p->has_coin;
        *foreign = text;
    }
    return p;
}

/* ---- levels: each symbol has a hundred frames per second, with some five levels each ---- */

/* Read one field of a level. */
static inline const uint8_t *read_level_value(fast_frame *h, uint32_t field, fast_role role,
                                              const uint8_t *p, void *entry)
{
    msg_level *level = entry;
    td_bytes foreign; /* not used: a foreign symbol is only counted */
    switch (role) {
    case ROLE_PRICE:
        return scan_decimal(p, &level->price, &level->price_scale);
    case ROLE_SIZE:
        return scan_decimal(p, &level->size, &level->size_scale);
    case ROLE_SIDE:
        return scan_side(p, &level->side);
    case ROLE_SYMBOL:
        return keep_extra(h, field, p, fast_symbol(h, p, &foreign));
    case ROLE_UNREAD:
    case ROLE_TIME:
    case ROLE_CROSS_SEQ:
    case ROLE_TRADE_ID:
    case ROLE_TICK_DIRECTION:
    case ROLE_BLOCK:
    case ROLE_SEQ:
    case ROLE_RPI:
    case ROLE_IS_BUY:
    case ROLE_COUNT:
        break;
    }
    /* A field that is not read, but must have a value. */
    return keep_extra(h, field, p, scan_unread(p, h->end));
}

static const uint8_t *fast_book_entry(fast_frame *h, const uint8_t *p, const items_row *items)
{
    fast_decoder *d = h->d;
    uint64_t seen = 0;
    td_array_ensure((void **)&d->levels, &d->level_capacity, h->count, sizeof *d->levels);
    TD_ASSERT_SLOW(*p == '{');
    TD_ASSERT_SLOW(h->count < d->level_capacity);
    msg_level *level = &d->levels[h->count];
    *level = (msg_level){.action = (uint8_t)items->action};
    p = fast_fields(h, p, read_level_value, level, &seen);
    if (p == NULL || (h->p->required_fields & ~seen) != 0)
        return NULL;
    /* Most deletes have no size, some have size 0 (docs/wire.md 2). In messages every delete has
     * size 0. */
    int has_size = (seen & h->p->size_bit) != 0;
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

/* Read the size of a level's retail orders (at p: ,"size") and add it to the level's size. */
static const uint8_t *add_rpi(fast_frame *h, const uint8_t *p, msg_level *level)
{
    fast_decoder *d = h->d;
    td_decimal rpi = {0, 0};
    td_decimal sum = {0, 0};
    if (*p != ',')
        return NULL;
    td_array_ensure((void **)&d->rpi_sizes, &d->rpi_capacity, h->count, sizeof *d->rpi_sizes);
    p = scan_decimal(p + 1, &rpi.mantissa, &rpi.scale);
    if (p == NULL || level->size < 0 || rpi.mantissa < 0 ||
        !msg_size_with_rpi((td_decimal){level->size, level->size_scale}, rpi, &sum))
        return NULL;
    d->rpi_sizes[h->count] = rpi;
    level->size = sum.mantissa;
    level->size_scale = sum.scale;
    return p;
}

/* Read ["price","size"], with a third value if the topic has a separate size of retail orders.
 * Neither size is negative, so their sum is 0 only if both are 0. */
static const uint8_t *fast_book_pair(fast_frame *h, const uint8_t *p, const items_row *items)
{
    fast_decoder *d = h->d;
    td_array_ensure((void **)&d->levels, &d->level_capacity, h->count, sizeof *d->levels);
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
    if (h->p->has_rpi && p != NULL && p < h->end)
        p = add_rpi(h, p, level);
    if (TD_UNLIKELY(p == NULL || p >= h->end || *p != ']'))
        return NULL;
    if (level->size == 0 && (items->flags & ITEMS_ZERO_DELETES)) {
        level->action = ACTION_DELETE;
        level->size_scale = 0;
    }
    return p + 1;
}

/* ---- trades: up to a thousand in a frame ---- */

/* Read a side written as a boolean: true is Buy. */
static const uint8_t *scan_is_buy(const uint8_t *p, uint8_t *side)
{
    int8_t is_buy = 0;
    p = scan_bool(p, &is_buy);
    *side = is_buy ? (uint8_t)SIDE_BUY : (uint8_t)SIDE_SELL;
    return p;
}

/* Read one field of a trade. */
static inline const uint8_t *read_trade_value(fast_frame *h, uint32_t field, fast_role role,
                                              const uint8_t *p, void *entry)
{
    msg_trade *trade = entry;
    switch (role) {
    case ROLE_PRICE:
        return scan_decimal(p, &trade->price.mantissa, &trade->price.scale);
    case ROLE_SIZE:
        return scan_decimal(p, &trade->size.mantissa, &trade->size.scale);
    case ROLE_SIDE:
        return scan_side(p, &trade->side);
    case ROLE_SYMBOL:
        return fast_symbol(h, p, &trade->symbol);
    case ROLE_TIME:
        return scan_time(p, h->p->time_unit_ns, &trade->exchange_ns);
    case ROLE_CROSS_SEQ:
        trade->has_cross_seq = 1;
        return scan_integer(p, &trade->cross_seq);
    case ROLE_TRADE_ID:
        return scan_text(p, h->end, &trade->trade_id);
    case ROLE_TICK_DIRECTION:
        return scan_text(p, h->end, &trade->tick_direction);
    case ROLE_BLOCK:
        return scan_bool(p, &trade->is_block_trade);
    case ROLE_SEQ:
        trade->has_seq = 1;
        return scan_integer(p, &trade->seq);
    case ROLE_RPI:
        return scan_bool(p, &trade->is_rpi_trade);
    case ROLE_IS_BUY:
        return scan_is_buy(p, &trade->side);
    case ROLE_UNREAD:
    case ROLE_COUNT:
        break;
    }
    /* This field is skipped, for example the time in its other form. */
    return keep_extra(h, field, p, scan_unread(p, h->end));
}

/* Use sequence and time of the first trade as the frame's, if only entries have them. */
static void note_first(fast_frame *h, const msg_trade *trade)
{
    const topic_row *row = h->p->row;
    if (row->time_member == MEMBER_EXCHANGE_TIME && h->head.exchange_ns == 0)
        h->head.exchange_ns = trade->exchange_ns;
    if (row->sequence == SEQ_ITEM && trade->has_cross_seq && !h->head.has_cross_seq) {
        h->head.cross_seq = trade->cross_seq;
        h->head.has_cross_seq = 1;
    }
    if (row->sequence == SEQ_ITEM && trade->has_seq && !h->head.has_seq) {
        h->head.seq = trade->seq;
        h->head.has_seq = 1;
    }
}

static const uint8_t *fast_trade_entry(fast_frame *h, const uint8_t *p, const items_row *items)
{
    (void)items; /* trades have no action, and their path implies no side */
    fast_decoder *d = h->d;
    uint64_t seen = 0;
    td_array_ensure((void **)&d->trades, &d->trade_capacity, h->count, sizeof *d->trades);
    TD_ASSERT_SLOW(*p == '{');
    TD_ASSERT_SLOW(h->count < d->trade_capacity);
    msg_trade *trade = &d->trades[h->count];
    *trade = (msg_trade){.is_block_trade = -1, .is_rpi_trade = -1};
    p = fast_fields(h, p, read_trade_value, trade, &seen);
    if (p == NULL || (h->p->required_fields & ~seen) != 0)
        return NULL;
    if (h->count == 0)
        note_first(h, trade);
    return p;
}

/* ---- the path to the entries ---- */

/* A function that reads one entry of a list: the object or array at p. */
typedef const uint8_t *fast_entry(fast_frame *h, const uint8_t *p, const items_row *items);

/* The state while the frame's nodes are read. */
typedef struct walk {
    fast_frame *h;
    fast_entry *entry;
    int last_items; /* index of the row's items read last, because lists must be in the row's order
                     */
    uint32_t items_seen;    /* a bit for each of the row's items */
    uint32_t envelope_seen; /* a bit for each field of the envelope */
    uint8_t parts_seen;     /* number of parts of the topic found in other members */
    uint8_t has_topic;
    uint8_t has_kind;
} walk;

/* 1 if the size bytes at a equal those at b. */
static inline int bytes_are(const uint8_t *a, const uint8_t *b, size_t size)
{
    if (size < 8)
        return memcmp(a, b, size) == 0;
    uint64_t differs = key_load(a + size - 8) ^ key_load(b + size - 8);
    for (size_t i = 0; i + 8 < size; i += 8)
        differs |= key_load(a + i) ^ key_load(b + i);
    return differs == 0;
}

/* Compare the text at p with the channel's "topic.symbol", by words. Returns NULL if they differ,
 * or if this topic cannot be compared in this way; the caller then compares the topic's parts. */
static inline const uint8_t *scan_whole_topic(const walk *w, const uint8_t *p)
{
    td_bytes topic = w->h->topic->topic;
    const decode_plan *own = w->h->p;
    const key_word *symbol = w->h->symbol;
    if (!own->has_whole_topic || topic.size == 0 || topic.size > 32 ||
        own->topic_bytes > topic.size || symbol->bytes == 0 || symbol->bytes >= KEY_WORD_BYTES ||
        p + topic.size + symbol->bytes + 3 > w->h->end || *p != '"')
        return NULL;
    const uint8_t *dot = p + 1 + topic.size;
    for (const uint8_t *at = p + 1 + own->topic_bytes; at < dot; at += 8)
        if (scan_special_bytes(td_le64(at)) != 0)
            return NULL;
    if (!bytes_are(p + 1, topic.data, topic.size) || *dot != '.' || !key_is(symbol, dot + 1))
        return NULL;
    return dot + symbol->bytes + 2;
}

/* Check the frame's topic: the text is "topic.symbol", the topic alone, or a part of the topic. It
 * is apart from scan_topic(), because its buffer and its calls make that function slower. */
static __attribute__((noinline)) const uint8_t *scan_topic_parts(walk *w, const uint8_t *p)
{
    const topic_match *topic = w->h->topic;
    const decode_plan *own = w->h->p;
    int is_apart = own->row->symbol_path != NULL;
    td_bytes text = {0};
    char plain[LIMIT_TOPIC_BYTES];
    p = scan_text(p, w->h->end, &text);
    if (own->row->spelling != NULL && p != NULL && text.size <= sizeof plain)
        text = td_bytes_of(plain, topic_read_spelling(own->row->spelling, text, plain));
    if (is_apart) {
        w->has_topic = 1;
        return p != NULL && topic_row_is_frame_topic(own->row, topic->topic, text) ? p : NULL;
    }
    size_t topic_bytes = topic->topic.size;
    size_t symbol_bytes = own->has_symbol ? topic->symbol.size + 1 : 0;
    if (p == NULL || text.size != topic_bytes + symbol_bytes ||
        memcmp(text.data, topic->topic.data, topic_bytes) != 0)
        return NULL;
    const uint8_t *rest = text.data + topic_bytes;
    if (symbol_bytes != 0 &&
        (*rest != '.' || memcmp(rest + 1, topic->symbol.data, topic->symbol.size) != 0))
        return NULL;
    w->has_topic = 1;
    return p;
}

/* Check the frame's topic. */
static inline const uint8_t *scan_topic(walk *w, const uint8_t *p)
{
    const uint8_t *after = scan_whole_topic(w, p);
    if (TD_UNLIKELY(after == NULL))
        return scan_topic_parts(w, p);
    w->has_topic = 1;
    return after;
}

/* Check a part of the topic that is in another member: it must equal the part in the channel's
 * topic. */
static const uint8_t *scan_part(walk *w, const uint8_t *p, target_kind kind)
{
    const topic_match *topic = w->h->topic;
    td_bytes wanted = topic->symbol;
    td_bytes text;
    if (kind == TARGET_PARAMETER) {
        size_t from = w->h->p->topic_bytes + 1u;
        if (topic->topic.size <= from)
            return NULL;
        wanted = td_bytes_of(topic->topic.data + from, topic->topic.size - from);
    }
    p = scan_text(p, w->h->end, &text);
    if (p == NULL || !td_bytes_equal(text, wanted))
        return NULL;
    w->parts_seen++;
    return p;
}

/* Read the frame's kind: one of the row's words. */
static const uint8_t *scan_kind(walk *w, const uint8_t *p)
{
    decode_plan *own = w->h->p;
    uint32_t word;
    w->has_kind = 1;
    if (TD_LIKELY(*p == '"')) {
        word = key_set_find(&own->kinds, 0, p + 1);
        p += word == KEY_NONE ? 0 : own->kinds.keys[word].bytes + 2;
    } else {
        int8_t is_true;
        const uint8_t *begin = p;
        p = scan_bool(p, &is_true);
        if (p == NULL)
            return NULL;
        word = key_set_find_text(&own->kinds, 0, td_bytes_of(begin, (size_t)(p - begin)));
    }
    if (word == KEY_NONE)
        return NULL;
    w->h->head.kind = own->kind_words[word].kind;
    return p;
}

/* Read a field of the envelope that has no place in the head: check its type, and keep its value if
 * the frame is decoded whole. */
static const uint8_t *scan_envelope_other(fast_frame *h, uint32_t index, const uint8_t *p)
{
    const field_row *field = &h->p->row->envelope[index];
    const uint8_t *after = NULL;
    int8_t is_true;
    int64_t number;
    uint64_t ns;
    uint8_t scale;
    td_bytes symbol;
    switch (field->type) {
    case FIELD_TEXT:
        if (field->member == MEMBER_SYMBOL)
            return h->p->has_symbol ? fast_symbol(h, p, &symbol) : NULL;
        after = field->member == MEMBER_VERSION ? scan_text(p, h->end, &h->head.version)
                                                : scan_unread(p, h->end);
        break;
    case FIELD_BOOL:
        after = scan_bool(p, &is_true);
        break;
    case FIELD_DECIMAL:
        after = field->scale_e10 == 0 ? scan_decimal(p, &number, &scale) : NULL;
        break;
    case FIELD_INTEGER:
        after = scan_integer(p, &number);
        break;
    case FIELD_TIME:
        after = h->p->envelope_unit_ns[index] != 0
                    ? scan_time(p, h->p->envelope_unit_ns[index], &ns)
                    : NULL; /* a time in RFC 3339 is left to decode_rows() */
        break;
    case FIELD_SIDE:
    case FIELD_ANY_SIDE:
    case FIELD_IS_BUY:
    case FIELD_IS_SELL:
    case FIELD_MAKER_SIDE:
    case FIELD_LOWER_SIDE:
    case FIELD_LOWER_MAKER_SIDE:
    case FIELD_JSON:
        break;
    }
    if (TD_LIKELY(!h->d->wants_whole))
        return after;
    h->envelope_seen |= 1u << index;
    return read_extra(field, p, after, &h->d->envelope[index]);
}

/* Read a field of the envelope, into the head if the head has a member for it. */
static const uint8_t *scan_envelope(walk *w, uint32_t index, const uint8_t *p)
{
    const decode_plan *own = w->h->p;
    msg_head *head = &w->h->head;
    w->envelope_seen |= 1u << index;
    switch ((head_member)own->envelope_role[index]) {
    case PLACE_EXCHANGE_TIME:
        return scan_time(p, own->envelope_unit_ns[index], &head->exchange_ns);
    case PLACE_MATCH_TIME:
        return scan_time(p, own->envelope_unit_ns[index], &head->match_ns);
    case PLACE_CROSS_SEQ:
        head->has_cross_seq = 1;
        return scan_integer(p, &head->cross_seq);
    case PLACE_U:
        head->has_u = 1;
        return scan_integer(p, &head->u);
    case PLACE_SEQ:
        head->has_seq = 1;
        return scan_integer(p, &head->seq);
    case PLACE_PREV_SEQ:
        head->has_prev_seq = 1;
        p = scan_integer(p, &head->prev_seq);
        if (own->row->envelope[index].flags & FIELD_NEXT_NUMBER)
            head->prev_seq = field_number_below(head->prev_seq);
        return p;
    case PLACE_CHECKSUM:
        head->has_checksum = 1;
        return scan_integer(p, &head->checksum);
    case PLACE_NONE:
        break;
    }
    return scan_envelope_other(w->h, index, p);
}

/* Read a list of entries. */
static const uint8_t *walk_items(walk *w, int items, const uint8_t *p)
{
    TD_ASSERT(items >= 0);
    TD_ASSERT(items < TOPIC_ITEMS_MAX);
    fast_frame *h = w->h;
    const items_row *row = &h->p->row->items[items];
    const uint8_t opening = h->p->is_positional ? '[' : '{';
    if (items <= w->last_items || *p != '[')
        return NULL;
    w->last_items = items;
    w->items_seen |= 1u << items;
    if (p[1] == ']')
        return row->flags & ITEMS_EMPTY ? p + 2 : NULL;
    do {
        p++;
        if (p >= h->end || *p != opening || h->count == LIMIT_FRAME_ITEMS)
            return NULL;
        p = w->entry(h, p, row);
        if (p == NULL)
            return NULL;
        TD_ASSERT_SLOW(p <= h->end + SCAN_REACH);
        h->count++;
    } while (*p == ',');
    return *p == ']' ? p + 1 : NULL;
}

static const uint8_t *walk_node(walk *w, plan_node *node, const uint8_t *p);

/* Read an object on the path to entries, or a list with one such object, which is the form of
 * spot's data. */
static const uint8_t *walk_object_or_list(walk *w, plan_node *node, const uint8_t *p)
{
    if (*p != '[')
        return walk_node(w, node, p);
    p = p + 1 < w->h->end ? walk_node(w, node, p + 1) : NULL;
    return p != NULL && p < w->h->end && *p == ']' ? p + 1 : NULL;
}

/* 1 if a node has entries in frames of at least one kind. */
static int holds_items(const plan_node *node)
{
    return node->items[FRAME_UNTYPED] != PLAN_NO_ITEMS ||
           node->items[FRAME_SNAPSHOT] != PLAN_NO_ITEMS ||
           node->items[FRAME_DELTA] != PLAN_NO_ITEMS;
}

/* Read the value of a node's key. The caller made sure that p is inside the text. */
static const uint8_t *walk_target(walk *w, plan_target target, const uint8_t *p)
{
    plan_node *child;
    switch (target.kind) {
    case TARGET_TOPIC:
        return scan_topic(w, p);
    case TARGET_PARAMETER:
    case TARGET_SYMBOL:
        return scan_part(w, p, target.kind);
    case TARGET_KIND:
        return scan_kind(w, p);
    case TARGET_FIELD:
        return scan_envelope(w, target.index, p);
    case TARGET_NODE:
        child = &w->h->p->nodes[target.index];
        /* The row's items depend on the kind, which has not been read yet. */
        if (TD_UNLIKELY(!w->has_kind && w->h->p->needs_kind && holds_items(child)))
            return NULL;
        if (child->items[w->h->head.kind] != PLAN_NO_ITEMS)
            return walk_items(w, child->items[w->h->head.kind], p);
        return walk_object_or_list(w, child, p);
    }
    TD_ASSERT(!"an unknown target");
    return NULL;
}

/* Read an object on the path to entries. The recursion is as deep as the plan's paths. */
static const uint8_t *walk_node(walk *w, plan_node *node, const uint8_t *p)
{
    uint32_t seen = 0; /* a bit for each key; a repeated key is left to decode_rows() */
    uint32_t place = 0;
    TD_ASSERT_SLOW(node->keys.count <= PLAN_NODE_KEYS_MAX);
    if (*p != '{')
        return NULL;
    p++;
    do {
        uint32_t found;
        if (p >= w->h->end)
            return NULL;
        p = scan_key(&node->keys, place++, p, w->h->end, &found);
        if (p == NULL || p >= w->h->end)
            return NULL;
        if (found == KEY_NONE) {
            w->h->head.unknown_fields++;
            p = scan_value(p, w->h->end, UNKNOWN_DEPTH);
            continue;
        }
        if (seen & (1u << found))
            return NULL;
        seen |= 1u << found;
        p = walk_target(w, node->targets[found], p);
    } while (has_next_member(&p, w->h->end));
    return p;
}

/* 1 if everything that the plan requires was present. */
static int has_required(const walk *w)
{
    const decode_plan *p = w->h->p;
    TD_ASSERT_SLOW(w->h->head.kind < FRAME_ANY);
    return w->has_topic && w->items_seen != 0 && w->parts_seen == p->part_count &&
           (p->required_envelope & ~w->envelope_seen) == 0 &&
           (p->required_items[w->h->head.kind] & ~w->items_seen) == 0;
}

/* Prepare a symbol as a key. In a frame, a symbol that is not plain text has escapes: its key
 * matches nothing, which leaves the frame to decode_rows(). */
static void symbol_word_init(key_word *key, td_bytes symbol)
{
    key_word_init(key, symbol);
    for (size_t i = 0; i < symbol.size; i++)
        if (symbol.data[i] < 0x20 || symbol.data[i] >= 0x7f || symbol.data[i] == '"' ||
            symbol.data[i] == '\\')
            key->bytes = UINT32_MAX;
}

/* The key for a symbol: a cached one, or *own, which is then initialized. */
static const key_word *symbol_key(fast_decoder *d, td_bytes symbol, key_word *own)
{
    _Static_assert((FAST_SYMBOLS_MAX & (FAST_SYMBOLS_MAX - 1)) == 0, "a mask makes an index");
    if (symbol.size > CACHED_SYMBOL_BYTES) {
        symbol_word_init(own, symbol);
        return own;
    }
    size_t place = ((uintptr_t)symbol.data >> 4) & (FAST_SYMBOLS_MAX - 1);
    cached_symbol *cached = &d->symbols[place];
    if (cached->key.mask[0] == 0 ||
        !td_bytes_equal(td_bytes_of(cached->text, cached->key.bytes), symbol)) {
        if (symbol.size > 0)
            memcpy(cached->text, symbol.data, symbol.size);
        symbol_word_init(&cached->key, td_bytes_of(cached->text, symbol.size));
    }
    TD_ASSERT_SLOW(cached->key.mask[0] != 0);
    return &cached->key;
}

int decode_fast(fast_decoder *d, decode_plan *p, const topic_match *topic, td_bytes frame,
                message *out)
{
    TD_ASSERT(p->is_fast);
    if (frame.size == 0 || frame.size > LIMIT_FRAME_BYTES)
        return 0;
    fast_frame h = {.d = d, .p = p, .topic = topic, .end = frame.data + frame.size};
    h.extra_fields = d->wants_whole ? p->extra_fields : 0;
    msg_head_init(&h.head, topic);
    h.head.kind = p->row->default_kind;
    key_word own_symbol;
    h.symbol = symbol_key(d, topic->symbol, &own_symbol);
    int is_book = p->row->type == MSG_BOOK_CHANGE;
    walk w = {.h = &h,
              .entry = !is_book           ? fast_trade_entry
                       : p->is_positional ? fast_book_pair
                                          : fast_book_entry,
              .last_items = -1};
    /* The scanners may run into the padding. Therefore the frame is complete only if reading ended
     * exactly at the end of its text. */
    if (walk_node(&w, &p->nodes[0], frame.data) != h.end || !has_required(&w))
        return 0;
    if (is_book)
        out->book = (msg_book){.head = h.head,
                               .levels = d->levels,
                               .level_count = h.count,
                               .rpi_sizes = p->has_rpi ? d->rpi_sizes : NULL};
    else
        out->trades = (msg_trades){.head = h.head, .trades = d->trades, .trade_count = h.count};
    out->extra = d->wants_whole ? publish_extra(&h) : NULL;
    return 1;
}

void fast_decoder_fini(fast_decoder *d)
{
    td_free(d->values);
    td_free(d->items);
    td_free(d->levels);
    td_free(d->rpi_sizes);
    td_free(d->trades);
}
