/* The fast path: one pass over the bytes, from the frame's object or list along the path to its
 * entries to each entry's fields, with all checks. It reads frames only in the usual form, and
 * refuses frames with white space, escapes, entries before the kind, lists in another order than
 * the row's, or malformed JSON; decode_rows.c then reads these frames and reports errors. The two
 * decoders give the same message for a frame that both accept.
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

#include "base/assert.h"
#include "base/limits.h"
#include "base/scan.h"
#include "base/time_text.h"
#include "schema/decode_value.h"
#include "schema/list_frame.h"

/* ---- keys and values that only this path reads ---- */

enum { SCAN_KEY_BYTES_MAX = 40 };
_Static_assert((int)SCAN_KEY_BYTES_MAX + 8 < (int)SCAN_REACH, "a key, its quotes and its colon");
_Static_assert((int)SCAN_REACH < (int)JSON_PADDING_BYTES, "padding covers what is read ahead");

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
    if (p >= end || *p != '"')
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

/* Read a key and its colon; p is at most end. *found is its index in the set, or KEY_NONE; place is
 * its position in the object, at most set->count. */
static inline const uint8_t *scan_key(key_set *set, uint32_t place, const uint8_t *p,
                                      const uint8_t *end, uint32_t *found)
{
    const uint32_t guess = set->guess[place];
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

typedef struct fast_frame fast_frame;

/* A function that reads one entry: the object or array at p. */
typedef const uint8_t *fast_entry(fast_frame *h, const uint8_t *p, const items_row *items);

struct fast_frame {
    decode_frame f;
    fast_decoder *d;
    const uint8_t *end; /* end of the frame's text */
    fast_entry *entry;
    const plan_node *node; /* with the entries that are read */
    cached_topic *own;     /* the topic, to compare with the frame's and with each entry's symbol */
    uint64_t extra_fields; /* the plan's extra_fields if the frame is decoded whole; otherwise 0 */
    uint64_t slots_filled; /* a bit for each of d->slots that has a value */
    uint32_t items_seen;   /* a bit for each of the row's items */
    int last_items; /* index of the row's items read last, because lists must be in the row's order
                     */
    uint8_t parts_seen; /* number of parts of the topic found in other members */
    uint8_t has_topic;
    uint8_t has_kind;
};

static inline uint32_t half_load(const uint8_t *p)
{
    uint32_t half;
    memcpy(&half, p, sizeof half);
    return half;
}

/* 1 if the size bytes at a equal those at b. */
static inline int bytes_are(const uint8_t *a, const uint8_t *b, size_t size)
{
    if (size < 4)
        return size == 0 || memcmp(a, b, size) == 0;
    if (size < 8)
        return ((half_load(a) ^ half_load(b)) |
                (half_load(a + size - 4) ^ half_load(b + size - 4))) == 0;
    uint64_t differs = key_load(a + size - 8) ^ key_load(b + size - 8);
    for (size_t i = 0; i + 8 < size; i += 8)
        differs |= key_load(a + i) ^ key_load(b + i);
    return differs == 0;
}

/* Read a time in RFC 3339, UTC. Most are of the same second as the one before. */
static const uint8_t *scan_date_time(fast_frame *h, const uint8_t *p, uint64_t *ns)
{
    static const uint32_t PLACE_NS[] = {0,     100000000, 10000000, 1000000, 100000,
                                        10000, 1000,      100,      10,      1};
    fast_decoder *d = h->d;
    uint64_t fraction = 0;
    size_t places = 0;
    const uint8_t *text = p + 1;
    if (text + FAST_SECOND_BYTES >= h->end)
        return NULL;
    if (!bytes_are(text, d->second, FAST_SECOND_BYTES)) {
        uint8_t whole[FAST_SECOND_BYTES + 1];
        uint64_t second_ns;
        memcpy(whole, text, FAST_SECOND_BYTES);
        whole[FAST_SECOND_BYTES] = 'Z';
        if (td_time_parse_rfc3339(td_bytes_of(whole, sizeof whole), &second_ns, NULL) != TD_OK)
            return NULL;
        memcpy(d->second, text, FAST_SECOND_BYTES);
        d->second_ns = second_ns;
    }
    p = text + FAST_SECOND_BYTES;
    if (*p == '.') {
        p = scan_digits(p + 1, &fraction, &places);
        if (places == 0 || places >= sizeof PLACE_NS / sizeof *PLACE_NS)
            return NULL;
        fraction *= PLACE_NS[places];
    }
    *ns = d->second_ns + fraction;
    return *p == 'Z' && p[1] == '"' && *ns <= (uint64_t)INT64_MAX ? p + 2 : NULL;
}

static inline const uint8_t *fast_time(fast_frame *h, uint64_t unit_ns, const uint8_t *p,
                                       uint64_t *ns)
{
    if (*p == '"' && p[5] == '-')
        return scan_date_time(h, p, ns);
    return unit_ns != 0 ? scan_time(p, unit_ns, ns) : NULL;
}

/* Read a value of any form. */
static const uint8_t *scan_other_value(fast_frame *h, const field_row *field, const uint8_t *p,
                                       msg_value *out)
{
    const size_t quotes = *p == '"';
    const int is_list = *p == '[' && field->type == FIELD_JSON;
    const uint8_t *after = is_list ? scan_value(p, h->end, UNKNOWN_DEPTH) : scan_scalar(p, h->end);
    decode_reason ignored;
    if (after == NULL || after > h->end)
        return NULL;
    const td_bytes text = td_bytes_of(p + quotes, (size_t)(after - p) - 2 * quotes);
    out->type = VALUE_ABSENT;
    if (quotes != 0 ? field->type != FIELD_ANY_SIDE && value_is_empty(text) : *p == 'n')
        return after;
    if (field->type == FIELD_JSON) {
        out->type = VALUE_JSON;
        out->as.text = td_bytes_of(p, (size_t)(after - p));
        /* The keys of an object in a list may need another order. */
        return is_list && memchr(p, '{', out->as.text.size) != NULL ? NULL : after;
    }
    if (quotes == 0 && !(*p == 't' || *p == 'f' ? field_may_be_bool(field->type)
                                                : field_may_be_number(field->type)))
        return NULL;
    return decode_text(field, text, out, &ignored) &&
                   (out->type != VALUE_BIG_DECIMAL || h->f.p->form == FORM_RECORD)
               ? after
               : NULL;
}

/* Read the value of a field, as decode_field() does. */
static const uint8_t *scan_field(fast_frame *h, const field_row *field, const uint8_t *p,
                                 msg_value *out)
{
    const uint8_t *after = NULL;
    out->member = field->member;
    out->is_scale_assumed = 0;
    if (field->type == FIELD_DECIMAL && field->scale_e10 == 0 &&
        !(field->flags & FIELD_SCALE_VARIES)) {
        out->type = VALUE_DECIMAL;
        after = scan_decimal(p, &out->as.decimal.mantissa, &out->as.decimal.scale);
    } else if (field->type == FIELD_TIME) {
        out->type = VALUE_TIME_NS;
        after = fast_time(h, field_unit_ns(field->unit), p, &out->as.time_ns);
    } else if (field->type == FIELD_INTEGER && !(field->flags & FIELD_NEXT_NUMBER)) {
        out->type = VALUE_INTEGER;
        after = scan_integer(p, &out->as.integer);
    }
    return TD_LIKELY(after != NULL) ? after : scan_other_value(h, field, p, out);
}

/* Read a value of any form that must be of this type. */
static const uint8_t *scan_typed(fast_frame *h, const field_row *field, value_type type,
                                 const uint8_t *p, msg_value *out)
{
    p = scan_other_value(h, field, p, out);
    return p != NULL && out->type == type ? p : NULL;
}

/* Read a whole number, as decode_field() does. */
static inline const uint8_t *fast_integer(fast_frame *h, const field_row *field, const uint8_t *p,
                                          int64_t *out)
{
    msg_value value = {.type = VALUE_ABSENT};
    const uint8_t *after = scan_integer(p, out);
    if (TD_UNLIKELY(after == NULL)) {
        after = scan_typed(h, field, VALUE_INTEGER, p, &value);
        *out = value.as.integer;
    } else if (field->flags & FIELD_NEXT_NUMBER) {
        *out = field_number_below(*out);
    }
    return after;
}

/* ---- members without a place in the plain struct ---- */

/* 1 if a field that the plain struct has no place for is kept: the frame is decoded whole. */
static inline int keeps_extra(const fast_frame *h, uint32_t field)
{
    return (h->extra_fields >> field & 1) != 0;
}

/* Keep the value of a field in d->slots, for add_slots(). */
static inline void fill_slot(fast_frame *h, uint32_t field, const msg_value *value)
{
    h->d->slots[field] = *value;
    h->slots_filled |= UINT64_C(1) << field;
}

/* Add the values in d->slots, in the row's order. Returns the index of the first. */
static inline size_t add_slots(fast_frame *h)
{
    const size_t first = h->f.value_count;
    msg_value *to = decode_add_values(&h->f, (size_t)__builtin_popcountll(h->slots_filled));
    for (; h->slots_filled != 0; h->slots_filled &= h->slots_filled - 1)
        *to++ = h->d->slots[__builtin_ctzll(h->slots_filled)];
    return first;
}

/* Complete a level or trade. */
static inline void end_struct(fast_frame *h)
{
    decode_end_struct(&h->f, TD_LIKELY(h->slots_filled == 0) ? h->f.value_count : add_slots(h));
}

/* Read a field that the plain struct has no place for. Its value is kept if the frame is decoded
 * whole. */
static const uint8_t *read_extra(fast_frame *h, uint32_t field, const uint8_t *p)
{
    msg_value value;
    p = scan_field(h, &h->f.p->row->fields[field], p, &value);
    if (p == NULL)
        return NULL;
    if (value.type == VALUE_ABSENT)
        return (h->f.p->required_fields >> field & 1) != 0 ? NULL : p;
    if (h->f.p->noted_fields >> field & 1)
        decode_note_value(&h->f, &value);
    if (TD_UNLIKELY(keeps_extra(h, field)))
        fill_slot(h, field, &value);
    return p;
}

/* Skip a field that the message has only if it is whole. */
static inline const uint8_t *read_unread(fast_frame *h, uint32_t field, const uint8_t *p)
{
    const uint8_t *after = keeps_extra(h, field) ? NULL : scan_unread(p, h->end);
    return TD_LIKELY(after != NULL) ? after : read_extra(h, field, p);
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

/* A function that reads a field's value, which is at p, into the entry: a
 * msg_level, a msg_trade, or the slots of a record. */
typedef const uint8_t *fast_value(fast_frame *h, uint32_t field, fast_role role, const uint8_t *p,
                                  void *entry);

static const uint8_t *walk_other_target(fast_frame *h, plan_target target, const uint8_t *p);

/* Skip a member of an entry that is no field, or read it: the entry may have values of the envelope
 * inside. key is at the key's quote. */
static const uint8_t *read_other_member(fast_frame *h, const uint8_t *key, const uint8_t *p)
{
    const key_set *keys = &h->node->keys;
    for (uint32_t i = 0; i < keys->count; i++)
        if (key_is(&keys->keys[i], key + 1))
            return h->node->has_values ? walk_other_target(h, h->node->targets[i], p) : NULL;
    h->f.head.unknown_fields++;
    return scan_value(p, h->end, UNKNOWN_DEPTH);
}

/* The rest of fast_fields() from the first field that is not in the row's order. p is at the
 * object's brace, or at the comma after the fields that were read. */
static __attribute__((noinline)) const uint8_t *
fast_other_fields(fast_frame *h, const uint8_t *p, fast_value *value, void *entry, uint64_t *seen)
{
    uint32_t place = (uint32_t)__builtin_popcountll(*seen);
    if (*p != (*seen == 0 ? '{' : ','))
        return NULL;
    p++;
    do {
        uint32_t field;
        const uint8_t *key = p;
        p = scan_key(&h->f.p->entry, place, p, h->end, &field);
        if (p == NULL || p >= h->end)
            return NULL;
        if (field == KEY_NONE) {
            p = read_other_member(h, key, p);
            continue;
        }
        if (*seen & (UINT64_C(1) << field))
            return NULL;
        *seen |= UINT64_C(1) << field;
        place = field + 1; /* a frame may lack fields, but the others are in the row's order */
        p = value(h, field, (fast_role)h->f.p->role_of[field], p, entry);
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
    const plan_lead *leads = h->f.p->leads;
    const uint8_t *roles = h->f.p->role_of;
    const uint8_t *end = h->end;
    uint32_t count = h->f.p->lead_count;
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

/* Read the fields of the array at p. */
static inline __attribute__((always_inline)) const uint8_t *
fast_places(fast_frame *h, const uint8_t *p, fast_value *value, void *entry, uint64_t *seen)
{
    uint32_t place = 0;
    do {
        p++;
        if (p >= h->end)
            return NULL;
        const uint32_t field = place < TOPIC_FIELDS_MAX ? h->f.p->field_at[place] : KEY_NONE;
        place++;
        if (TD_UNLIKELY(field == KEY_NONE)) {
            h->f.head.unknown_fields++;
            p = scan_value(p, h->end, UNKNOWN_DEPTH);
        } else {
            *seen |= UINT64_C(1) << field;
            p = value(h, field, (fast_role)h->f.p->role_of[field], p, entry);
        }
        if (TD_UNLIKELY(p == NULL || p >= h->end))
            return NULL;
    } while (*p == ',');
    return *p == ']' ? p + 1 : NULL;
}

/* Read an entry. Returns NULL also if it lacks a required field. */
static inline __attribute__((always_inline)) const uint8_t *
read_entry(fast_frame *h, const uint8_t *p, fast_value *value, void *entry, uint64_t *seen)
{
    *seen = 0;
    p = h->f.p->is_positional ? fast_places(h, p, value, entry, seen)
                              : fast_fields(h, p, value, entry, seen);
    return (h->f.p->required_fields & ~*seen) == 0 ? p : NULL;
}

/* Compare an entry's symbol with the topic's. A different symbol is counted and stored in *foreign.
 */
static inline __attribute__((always_inline)) const uint8_t *
fast_symbol(fast_frame *h, const uint8_t *p, td_bytes *foreign)
{
    if (TD_LIKELY(*p == '"' && h->own->symbol.bytes <= SCAN_KEY_BYTES_MAX &&
                  key_is(&h->own->symbol, p + 1)))
        return p + h->own->symbol.bytes + 2;
    td_bytes text;
    p = scan_text(p, h->end, &text);
    if (p != NULL && !td_bytes_equal(text, h->f.topic->symbol)) {
        h->f.head.foreign_symbols += !h->f.p->has_coin;
        *foreign = text;
    }
    return p;
}

/* Read a side in any form. */
static const uint8_t *scan_other_side(fast_frame *h, uint32_t field, const uint8_t *p,
                                      uint8_t *side)
{
    msg_value value = {.type = VALUE_ABSENT};
    p = scan_typed(h, &h->f.p->row->fields[field], VALUE_SIDE, p, &value);
    *side = value.as.side;
    return p;
}

/* ---- levels: each symbol has a hundred frames per second, with some five levels each ---- */

/* Read one field of a level. */
static inline __attribute__((always_inline)) const uint8_t *
read_level_value(fast_frame *h, uint32_t field, fast_role role, const uint8_t *p, void *entry)
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
    case ROLE_OTHER_SIDE:
        return scan_other_side(h, field, p, &level->side);
    case ROLE_SYMBOL:
        if (TD_LIKELY(!keeps_extra(h, field)))
            return fast_symbol(h, p, &foreign);
        if (fast_symbol(h, p, &foreign) == NULL)
            return NULL;
        break;
    case ROLE_UNREAD:
        return read_unread(h, field, p);
    case ROLE_EXTRA:
    case ROLE_TIME:
    case ROLE_CROSS_SEQ:
    case ROLE_TRADE_ID:
    case ROLE_TICK_DIRECTION:
    case ROLE_BLOCK:
    case ROLE_SEQ:
    case ROLE_RPI:
    case ROLE_COUNT:
        break;
    }
    return read_extra(h, field, p);
}

/* Set the action of a level and its whole size. Most deletes have no size, some have size 0
 * (docs/wire.md 2). Returns 0 if the sum of its sizes exceeds 64 bits. */
static inline int finish_level(const items_row *items, int has_size, const td_decimal *rpi,
                               msg_level *level)
{
    const td_decimal size = {level->size, level->size_scale};
    level->action = (uint8_t)decode_action(items, has_size ? &size : NULL, rpi);
    return msg_level_end(level, rpi);
}

/* The next level, with the side that the path of its entries implies. */
static inline msg_level *new_level(fast_frame *h, const items_row *items)
{
    msg_level *level = decode_level(&h->f);
    *level = (msg_level){.side = (uint8_t)(items->flags & ITEMS_BUY ? SIDE_BUY : SIDE_SELL)};
    return level;
}

static const uint8_t *fast_book_entry(fast_frame *h, const uint8_t *p, const items_row *items)
{
    uint64_t seen;
    msg_level *level = new_level(h, items);
    p = read_entry(h, p, read_level_value, level, &seen);
    if (p == NULL)
        return NULL;
    (void)finish_level(items, (seen & h->f.p->size_bit) != 0, NULL, level); /* it has one size */
    end_struct(h);
    return level->action == ACTION_DELETE || (h->f.p->required_to_set & ~seen) == 0 ? p : NULL;
}

/* Read the size of a level's retail orders (at p: ,"size"). */
static const uint8_t *scan_rpi(fast_frame *h, const uint8_t *p, const items_row *items,
                               msg_level *level)
{
    td_decimal *rpi = decode_rpi(&h->f);
    p = *p == ',' ? scan_decimal(p + 1, &rpi->mantissa, &rpi->scale) : NULL;
    return p != NULL && finish_level(items, 1, rpi, level) ? p : NULL;
}

/* Read ["price","size"], with a third value if the topic has a separate size of retail orders. */
static const uint8_t *fast_book_pair(fast_frame *h, const uint8_t *p, const items_row *items)
{
    msg_level *level = new_level(h, items);
    TD_ASSERT_SLOW(*p == '[');
    p = scan_decimal(p + 1, &level->price, &level->price_scale);
    if (TD_UNLIKELY(p == NULL || p >= h->end || *p != ','))
        return NULL;
    p = scan_decimal(p + 1, &level->size, &level->size_scale);
    if (h->f.p->has_rpi && p != NULL && p < h->end)
        p = scan_rpi(h, p, items, level);
    else
        (void)finish_level(items, 1, NULL, level); /* it has one size */
    if (TD_UNLIKELY(p == NULL || p >= h->end || *p != ']'))
        return NULL;
    h->f.count++;
    return p + 1;
}

/* ---- trades: up to a thousand in a frame ---- */

/* Read an id: a text, or a number as written. */
static inline const uint8_t *fast_id(fast_frame *h, uint32_t field, const uint8_t *p, td_bytes *id)
{
    msg_value value = {.type = VALUE_ABSENT};
    if (TD_LIKELY(*p == '"'))
        return scan_text(p, h->end, id);
    p = scan_typed(h, &h->f.p->row->fields[field], VALUE_TEXT, p, &value);
    *id = value.as.text;
    return p;
}

/* Read one field of a trade. */
static inline __attribute__((always_inline)) const uint8_t *
read_trade_value(fast_frame *h, uint32_t field, fast_role role, const uint8_t *p, void *entry)
{
    msg_trade *trade = entry;
    switch (role) {
    case ROLE_PRICE:
        return scan_decimal(p, &trade->price.mantissa, &trade->price.scale);
    case ROLE_SIZE:
        return scan_decimal(p, &trade->size.mantissa, &trade->size.scale);
    case ROLE_SIDE:
        return scan_side(p, &trade->side);
    case ROLE_OTHER_SIDE:
        return scan_other_side(h, field, p, &trade->side);
    case ROLE_SYMBOL:
        return fast_symbol(h, p, &trade->symbol);
    case ROLE_TIME:
        return fast_time(h, h->f.p->time_unit_ns, p, &trade->exchange_ns);
    case ROLE_CROSS_SEQ:
        trade->has_cross_seq = 1;
        return fast_integer(h, &h->f.p->row->fields[field], p, &trade->cross_seq);
    case ROLE_TRADE_ID:
        return fast_id(h, field, p, &trade->trade_id);
    case ROLE_TICK_DIRECTION:
        return fast_id(h, field, p, &trade->tick_direction);
    case ROLE_BLOCK:
        return scan_bool(p, &trade->is_block_trade);
    case ROLE_SEQ:
        trade->has_seq = 1;
        return fast_integer(h, &h->f.p->row->fields[field], p, &trade->seq);
    case ROLE_RPI:
        return scan_bool(p, &trade->is_rpi_trade);
    case ROLE_UNREAD:
        return read_unread(h, field, p);
    case ROLE_EXTRA:
    case ROLE_COUNT:
        break;
    }
    return read_extra(h, field, p);
}

/* Use sequence and time of the first trade as the frame's, if only entries have them. The first
 * trade may have to name the topic's symbol. */
static int note_first(fast_frame *h, const msg_trade *trade)
{
    if (h->f.p->row->time_member == MEMBER_EXCHANGE_TIME)
        decode_note_time(&h->f, trade->exchange_ns);
    if (trade->has_cross_seq)
        decode_note_number(&h->f, MEMBER_CROSS_SEQ, trade->cross_seq);
    if (trade->has_seq)
        decode_note_number(&h->f, MEMBER_SEQ, trade->seq);
    return h->f.p->symbol_field == KEY_NONE || trade->symbol.size == 0;
}

static const uint8_t *fast_trade_entry(fast_frame *h, const uint8_t *p, const items_row *items)
{
    (void)items; /* trades have no action, and their path implies no side */
    uint64_t seen;
    msg_trade *trade = decode_trade(&h->f);
    *trade = (msg_trade){.is_block_trade = -1, .is_rpi_trade = -1};
    p = read_entry(h, p, read_trade_value, trade, &seen);
    if (p == NULL || (h->f.count == 0 && !note_first(h, trade)))
        return NULL;
    end_struct(h);
    return p;
}

/* ---- records: everything else, and best prices, which become levels ---- */

/* Read one field of a record. */
static inline __attribute__((always_inline)) const uint8_t *
read_record_value(fast_frame *h, uint32_t field, fast_role role, const uint8_t *p, void *entry)
{
    msg_value *value = (msg_value *)entry + field;
    p = scan_field(h, &h->f.p->row->fields[field], p, value);
    if (p == NULL || value->type == VALUE_ABSENT)
        return p;
    h->slots_filled |= UINT64_C(1) << field;
    if (role == ROLE_SYMBOL && !td_bytes_equal(value->as.text, h->f.topic->symbol))
        h->f.head.foreign_symbols += !h->f.p->has_coin;
    return p;
}

/* The value of a field of the entry in d->slots; NULL if the field is absent. */
static const msg_value *slot_of(const fast_frame *h, uint8_t field)
{
    return field != KEY_NONE && (h->slots_filled >> field & 1) ? &h->d->slots[field] : NULL;
}

/* As note_first(), of the entry in d->slots. */
static int note_slots(fast_frame *h)
{
    const decode_plan *p = h->f.p;
    for (uint64_t left = h->slots_filled & p->noted_fields; left != 0; left &= left - 1)
        decode_note_value(&h->f, &h->d->slots[__builtin_ctzll(left)]);
    if (h->f.count > 0)
        return 1;
    const msg_value *symbol = slot_of(h, p->symbol_field);
    const msg_value *parameter = slot_of(h, p->parameter_field);
    return (p->symbol_field == KEY_NONE ||
            (symbol != NULL && td_bytes_equal(symbol->as.text, h->f.topic->symbol))) &&
           (p->parameter_field == KEY_NONE ||
            (parameter != NULL &&
             td_bytes_equal(parameter->as.text, decode_plan_parameter(p, h->f.topic))));
}

/* Read the fields of an entry into d->slots. */
static const uint8_t *read_slots(fast_frame *h, const uint8_t *p, uint64_t *seen)
{
    h->slots_filled = 0;
    p = read_entry(h, p, read_record_value, h->d->slots, seen);
    return (h->f.p->required_fields & ~h->slots_filled) == 0 && p != NULL && note_slots(h) ? p
                                                                                           : NULL;
}

static const uint8_t *fast_record_entry(fast_frame *h, const uint8_t *p, const items_row *items)
{
    uint64_t seen;
    p = read_slots(h, p, &seen);
    if (p != NULL)
        decode_add_item(&h->f, add_slots(h), items->action,
                        h->f.head.type == MSG_TICKER ? seen : 0);
    return p;
}

static const uint8_t *fast_best_entry(fast_frame *h, const uint8_t *p, const items_row *items)
{
    (void)items; /* the best levels are set */
    uint64_t seen;
    p = read_slots(h, p, &seen);
    for (int side = SIDE_BUY; p != NULL && side <= SIDE_SELL; side++) {
        const uint8_t *fields = h->f.p->best_fields[side];
        if (!decode_add_best(&h->f, (msg_side)side, slot_of(h, fields[0]), slot_of(h, fields[1])))
            p = NULL;
    }
    return p;
}

/* ---- the path to the entries ---- */

/* Check a frame's topic that no frame had before. */
static __attribute__((noinline)) const uint8_t *scan_new_topic(fast_frame *h, const uint8_t *p)
{
    cached_topic *own = h->own;
    td_bytes text;
    p = scan_text(p, h->end, &text);
    if (p == NULL || !decode_plan_is_topic(h->f.p, h->f.topic, text))
        return NULL;
    if (text.size <= sizeof own->spelled) {
        memcpy(own->spelled, text.data, text.size);
        own->spelled_bytes = (uint8_t)text.size;
    }
    return p;
}

/* Check the frame's topic. */
static inline const uint8_t *scan_topic(fast_frame *h, const uint8_t *p)
{
    const size_t size = h->own->spelled_bytes;
    h->has_topic = 1;
    if (TD_LIKELY(size != 0 && p + size + 2 <= h->end && *p == '"' &&
                  bytes_are(p + 1, h->own->spelled, size) && p[1 + size] == '"'))
        return p + size + 2;
    return scan_new_topic(h, p);
}

/* Check a part of the topic that is in another member: it must equal the part in the channel's
 * topic. */
static const uint8_t *scan_part(fast_frame *h, const uint8_t *p, target_kind kind)
{
    const td_bytes wanted =
        kind == TARGET_PARAMETER ? decode_plan_parameter(h->f.p, h->f.topic) : h->f.topic->symbol;
    const size_t quotes = *p == '"';
    const uint8_t *after = scan_scalar(p, h->end);
    h->parts_seen++;
    return after != NULL && after <= h->end &&
                   td_bytes_equal(td_bytes_of(p + quotes, (size_t)(after - p) - 2 * quotes), wanted)
               ? after
               : NULL;
}

/* Read the frame's kind: one of the row's words. */
static inline __attribute__((always_inline)) const uint8_t *scan_kind(fast_frame *h,
                                                                      const uint8_t *p)
{
    decode_plan *own = h->f.p;
    uint32_t word;
    const int is_told = own->snapshot_node != KEY_NONE; /* by another member, too */
    if (h->has_kind && !is_told)
        return NULL;
    h->has_kind = 1;
    if (TD_LIKELY(*p == '"')) {
        word = key_set_find(&own->kinds, 0, p + 1);
        p += word == KEY_NONE ? 0 : own->kinds.keys[word].bytes + 2;
    } else {
        int8_t is_true = 0;
        const uint8_t *begin = p;
        p = scan_bool(p, &is_true);
        if (p == NULL)
            return NULL;
        word = key_set_find_text(&own->kinds, 0, td_bytes_of(begin, (size_t)(p - begin)));
    }
    if (word == KEY_NONE)
        return NULL;
    const frame_kind kind = own->kind_words[word].kind;
    if (is_told)
        return kind == own->row->default_kind ? p : NULL;
    h->f.head.kind = kind;
    return p;
}

/* Read a field of the envelope that is neither a number nor a time of the head. */
static const uint8_t *scan_envelope_other(fast_frame *h, uint32_t index, const uint8_t *p)
{
    const field_row *field = &h->f.p->row->envelope[index];
    msg_value value;
    td_bytes symbol;
    if (field->member == MEMBER_SYMBOL && field->type == FIELD_TEXT)
        return h->f.p->has_symbol ? fast_symbol(h, p, &symbol) : NULL;
    p = scan_field(h, field, p, &value);
    if (p == NULL || (value.type == VALUE_ABSENT && (field->flags & FIELD_REQUIRED)))
        return NULL;
    decode_note_envelope(&h->f, index, &value);
    return p;
}

/* Read a field of the envelope. */
static inline __attribute__((always_inline)) const uint8_t *
scan_envelope(fast_frame *h, uint32_t index, const uint8_t *p)
{
    const field_row *field = &h->f.p->row->envelope[index];
    msg_head *head = &h->f.head;
    int64_t *number;
    uint8_t *has;
    if (h->f.envelope_seen >> index & 1)
        return NULL;
    h->f.envelope_seen |= 1u << index;
    if (field->type == FIELD_INTEGER &&
        (number = msg_head_place(head, field->member, &has)) != NULL) {
        *has = 1;
        return fast_integer(h, field, p, number);
    }
    const int is_own = field->member == h->f.p->row->time_member;
    if (field->type == FIELD_TIME && (is_own || field->member == MEMBER_MATCH_TIME)) {
        h->f.is_timed |= (uint8_t)is_own;
        p = fast_time(h, field_unit_ns(field->unit), p,
                      is_own ? &head->exchange_ns : &head->match_ns);
        return !is_own || head->exchange_ns != 0 ? p : NULL; /* entries have the time */
    }
    return scan_envelope_other(h, index, p);
}

static const uint8_t *walk_node(fast_frame *h, plan_node *node, const uint8_t *p);

/* Read an element of a list: an entry, if items is not NULL, or an object on the path to entries.
 */
static inline const uint8_t *walk_element(fast_frame *h, plan_node *node, const items_row *items,
                                          const uint8_t *p)
{
    if (items == NULL)
        return walk_node(h, node, p);
    if (p >= h->end || *p != (h->f.p->is_positional ? '[' : '{') || h->f.count >= LIMIT_FRAME_ITEMS)
        return NULL;
    p = h->entry(h, p, items);
    TD_ASSERT_SLOW(p == NULL || p <= h->end + SCAN_REACH);
    return p;
}

/* The row's items whose entries are at a node, or NULL. They are marked as seen; *is_next becomes 0
 * if they are not in the row's order. */
static const items_row *items_at(fast_frame *h, plan_node *node, int *is_next)
{
    const int items = node->items[h->f.head.kind];
    *is_next = 1;
    if (items == PLAN_NO_ITEMS)
        return NULL;
    TD_ASSERT(items < TOPIC_ITEMS_MAX);
    *is_next = items > h->last_items;
    h->last_items = items;
    h->items_seen |= 1u << items;
    h->node = node;
    return &h->f.p->row->items[items];
}

/* Read the value of a node: a list of entries, a single entry, or an object on the path to entries,
 * maybe in a list. */
static const uint8_t *walk_value(fast_frame *h, plan_node *node, const uint8_t *p)
{
    const int index = node->items[h->f.head.kind];
    int is_next;
    if (*p == '{' &&
        (index == PLAN_NO_ITEMS || (h->f.p->row->items[index].flags & ITEMS_LIST) != 0))
        return walk_node(h, node, p);
    const items_row *items = items_at(h, node, &is_next);
    if (!is_next)
        return NULL;
    if (*p == '{')
        return walk_element(h, node, items, p);
    if (*p != '[' || node->has_values)
        return NULL;
    if (p[1] == ']' && items != NULL)
        return items->flags & ITEMS_EMPTY ? p + 2 : NULL;
    do {
        p = walk_element(h, node, items, p + 1);
        if (p == NULL || p >= h->end)
            return NULL;
    } while (*p == ',');
    return *p == ']' ? p + 1 : NULL;
}

/* 1 if a node has entries in frames of at least one kind. */
static int holds_items(const plan_node *node)
{
    return node->items[FRAME_UNTYPED] != PLAN_NO_ITEMS ||
           node->items[FRAME_SNAPSHOT] != PLAN_NO_ITEMS ||
           node->items[FRAME_DELTA] != PLAN_NO_ITEMS;
}

/* Read the value of a node's key. The caller made sure that p is inside the text. */
static inline __attribute__((always_inline)) const uint8_t *
walk_target(fast_frame *h, plan_target target, const uint8_t *p)
{
    plan_node *child;
    switch (target.kind) {
    case TARGET_TOPIC:
        return scan_topic(h, p);
    case TARGET_PARAMETER:
    case TARGET_SYMBOL:
        return scan_part(h, p, target.kind);
    case TARGET_KIND:
        return scan_kind(h, p);
    case TARGET_FIELD:
        return scan_envelope(h, target.index, p);
    case TARGET_NODE:
        child = &h->f.p->nodes[target.index];
        if (TD_UNLIKELY(target.index == h->f.p->snapshot_node)) {
            if (h->items_seen != 0)
                return NULL; /* of another kind */
            h->f.head.kind = FRAME_SNAPSHOT;
        }
        /* The row's items depend on the kind, which has not been read yet. */
        if (TD_UNLIKELY(!h->has_kind && h->f.p->needs_kind && holds_items(child)))
            return NULL;
        return walk_value(h, child, p);
    }
    TD_ASSERT(!"an unknown target");
    return NULL;
}

/* walk_target() for all but the members of walk_node(), where a call would be slower. */
static const uint8_t *walk_other_target(fast_frame *h, plan_target target, const uint8_t *p)
{
    return walk_target(h, target, p);
}

/* Read an object on the path to entries. The recursion is as deep as the plan's paths. */
static const uint8_t *walk_node(fast_frame *h, plan_node *node, const uint8_t *p)
{
    uint32_t seen = 0; /* a bit for each key; a repeated key is left to decode_rows() */
    uint32_t place = 0;
    TD_ASSERT_SLOW(node->keys.count <= PLAN_NODE_KEYS_MAX);
    if (p >= h->end || *p != '{')
        return NULL;
    p++;
    do {
        uint32_t found;
        p = scan_key(&node->keys, place, p, h->end, &found);
        place += place < node->keys.count;
        if (p == NULL || p >= h->end)
            return NULL;
        if (found == KEY_NONE) {
            h->f.head.unknown_fields++;
            p = scan_value(p, h->end, UNKNOWN_DEPTH);
            continue;
        }
        if (seen & (1u << found))
            return NULL;
        seen |= 1u << found;
        p = walk_target(h, node->targets[found], p);
    } while (has_next_member(&p, h->end));
    return p;
}

/* Read the elements of a list frame between the others: all that are objects or lists. A single
 * list of objects or lists is itself the value (schema/list_frame.h). */
static const uint8_t *walk_rest(fast_frame *h, plan_target target, const uint8_t *p)
{
    int is_next;
    if (target.kind != TARGET_NODE)
        return NULL;
    plan_node *node = &h->f.p->nodes[target.index];
    if (*p == '[' && (p[1] == '{' || p[1] == '[' || p[1] == ']')) {
        p = walk_value(h, node, p);
        return p != NULL && *p == ',' && (p[1] == '{' || p[1] == '[') ? NULL : p;
    }
    const items_row *items = items_at(h, node, &is_next);
    if (!is_next || node->has_values)
        return NULL;
    for (;; p++) {
        p = walk_element(h, node, items, p);
        if (p == NULL || p >= h->end || *p != ',' || (p[1] != '{' && p[1] != '['))
            return p;
    }
}

/* Read a frame that is a list. */
static const uint8_t *walk_list(fast_frame *h, const list_names *names, const uint8_t *p)
{
    plan_node *root = &h->f.p->nodes[0];
    for (size_t i = 0; i < names->count; i++) {
        const uint32_t found =
            key_set_find_text(&root->keys, (uint32_t)i, td_bytes_str(names->names[i]));
        if (p >= h->end || *p++ != (i == 0 ? '[' : ',') || p >= h->end)
            return NULL;
        if (found == KEY_NONE) {
            h->f.head.unknown_fields++;
            p = scan_value(p, h->end, UNKNOWN_DEPTH);
        } else {
            p = i == names->rest ? walk_rest(h, root->targets[found], p)
                                 : walk_other_target(h, root->targets[found], p);
        }
        if (p == NULL)
            return NULL;
    }
    return p < h->end && *p == ']' ? p + 1 : NULL;
}

/* 1 if everything that the plan requires was present. */
static int has_required(const fast_frame *h)
{
    const decode_plan *p = h->f.p;
    TD_ASSERT_SLOW(h->f.head.kind < FRAME_ANY);
    return h->has_topic && h->items_seen != 0 && h->parts_seen == p->part_count &&
           (p->required_envelope & ~h->f.envelope_seen) == 0 &&
           (p->required_items[h->f.head.kind] & ~h->items_seen) == 0 &&
           (h->f.count > 0 || (p->symbol_field == KEY_NONE && p->parameter_field == KEY_NONE));
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

static void copy_text(uint8_t *to, td_bytes text)
{
    if (text.size > 0)
        memcpy(to, text.data, text.size);
}

/* The last bytes of a text, up to eight. */
static inline uint64_t text_end(td_bytes text)
{
    if (text.size >= 8)
        return key_load(text.data + text.size - 8);
    if (text.size >= 4)
        return (uint64_t)half_load(text.data) << 32 | half_load(text.data + text.size - 4);
    uint64_t end = 0;
    for (size_t i = 0; i < text.size; i++)
        end = end << 8 | text.data[i];
    return end;
}

static inline uint64_t text_mix(uint64_t hash, td_bytes text)
{
    const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15); /* 2^64 divided by the golden ratio */
    for (size_t i = 0; i + 8 < text.size; i += 8)
        hash = (hash ^ key_load(text.data + i)) * odd;
    return (hash ^ text_end(text)) * odd;
}

static inline int is_cached(const cached_topic *cached, const topic_match *topic)
{
    return cached->row == topic->row && cached->symbol_bytes == topic->symbol.size &&
           cached->name_bytes == topic->topic.size &&
           bytes_are(cached->symbol_text, topic->symbol.data, topic->symbol.size) &&
           bytes_are(cached->name, topic->topic.data, topic->topic.size);
}

/* What is known of a topic: from the cache, or in *own, which is then initialized. Its place
 * depends on its texts: addresses differ in each process, and with them topics that replace each
 * other, which made decoding up to 7 % slower in one run than in another. */
static cached_topic *find_topic(fast_decoder *d, const topic_match *topic, cached_topic *own)
{
    _Static_assert((FAST_TOPICS_MAX & (FAST_TOPICS_MAX - 1)) == 0, "a mask makes an index");
    const td_bytes name = topic->topic, symbol = topic->symbol;
    if (symbol.size > CACHED_TEXT_BYTES || name.size > CACHED_TEXT_BYTES) {
        own->spelled_bytes = 0;
        symbol_word_init(&own->symbol, symbol);
        return own;
    }
    const uint64_t hash = text_mix(text_mix(0, symbol), name) >> 32;
    cached_topic *cached = &d->topics[hash & (FAST_TOPICS_MAX - 2)];
    if (TD_LIKELY(is_cached(cached, topic)))
        return cached;
    if (is_cached(cached + 1, topic))
        return cached + 1;
    cached += d->next_out;
    d->next_out ^= 1;
    copy_text(cached->symbol_text, symbol);
    copy_text(cached->name, name);
    cached->row = topic->row;
    cached->symbol_bytes = (uint8_t)symbol.size;
    cached->name_bytes = (uint8_t)name.size;
    cached->spelled_bytes = 0;
    symbol_word_init(&cached->symbol, td_bytes_of(cached->symbol_text, symbol.size));
    return cached;
}

int decode_fast(fast_decoder *d, decode_memory *m, decode_plan *p, const topic_match *topic,
                td_bytes frame, int is_whole, message *out)
{
    static fast_entry *const ENTRIES[] = {
        [FORM_PAIR] = fast_book_pair,    [FORM_LEVEL] = fast_book_entry,
        [FORM_TRADE] = fast_trade_entry, [FORM_RECORD] = fast_record_entry,
        [FORM_BEST] = fast_best_entry,
    };
    TD_ASSERT(p->is_fast);
    if (frame.size == 0 || frame.size > LIMIT_FRAME_BYTES || td_bytes_is(topic->symbol, "*"))
        return 0;
    cached_topic own;
    fast_frame h = {.f = {.m = m, .p = p, .topic = topic, .is_whole = (uint8_t)is_whole},
                    .d = d,
                    .end = frame.data + frame.size,
                    .entry = ENTRIES[p->form],
                    .own = find_topic(d, topic, &own),
                    .extra_fields = is_whole ? p->extra_fields : 0,
                    .has_kind = p->row->snapshot_path != NULL,
                    .last_items = -1};
    msg_head_init(&h.f.head, topic);
    h.f.head.kind = p->row->default_kind;
    const uint8_t *end = p->row->list != NULL && *frame.data == '['
                             ? walk_list(&h, p->row->list, frame.data)
                             : walk_node(&h, &p->nodes[0], frame.data);
    /* The scanners may run into the padding. Therefore the frame is complete only if reading ended
     * exactly at the end of its text. */
    if (end != h.end || !has_required(&h))
        return 0;
    decode_publish(&h.f, out);
    return 1;
}
