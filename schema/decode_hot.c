/* The hot road around the entries: the frame's object and what lies on the way, in one pass over
 * the bytes, checking as it goes. Frames that are not written as the exchange writes them (white
 * space, escapes, entries before the kind, lists in another order than the row's, anything
 * malformed) are left to the row-driven decoder: so there is one judge of what is wrong, and both
 * roads agree by construction. */
#include "base/assert.h"
#include "decode_scan_impl.h"

/* A walk over the nodes of the plan. */
typedef struct walk {
    hot *h;
    hot_entry *entry;
    int last_items;         /* entries come in the order of the row: the last list met */
    uint32_t items_seen;    /* a bit for each */
    uint32_t envelope_seen; /* likewise, of required fields that say something */
    uint8_t parts_seen;     /* of the topic, where they stand beside it */
    uint8_t has_topic;
    uint8_t has_kind;
} walk;

const uint8_t *scan_many_digits(const uint8_t *p, uint64_t *value, size_t *count)
{
    uint64_t total = *value;
    size_t whole = 0; /* digits in full words */
    uint64_t word = td_le64(p);
    uint64_t others;
    while ((others = scan_other_bytes(word)) == 0) {
        whole += 8;
        *count = whole;
        if (whole > SCAN_DIGITS_MAX)
            return p;
        total = total * 100000000 + scan_eight_digits(word ^ UINT64_C(0x3030303030303030));
        word = td_le64(p + whole);
    }
    size_t rest = (size_t)__builtin_ctzll(others) / 8;
    uint64_t digits = word ^ UINT64_C(0x3030303030303030);
    digits = digits << (56 - 8 * rest) << 8; /* in two steps: rest may be 0 */
    *value = total * SCAN_POW10[rest] + scan_eight_digits(digits);
    *count = whole + rest;
    return p + *count;
}

/* A whole number of 8 to 16 digits, as times and sequences are; NULL: it is something else. */
static inline const uint8_t *scan_two_whole_words(const uint8_t *p, uint64_t *value)
{
    const uint64_t zeros = UINT64_C(0x3030303030303030);
    uint64_t first = td_le64(p);
    uint64_t second = td_le64(p + 8);
    uint64_t others = scan_other_bytes(second);
    size_t digits = others == 0 ? 8 : (size_t)__builtin_ctzll(others) / 8;
    uint8_t next = p[8 + digits];
    if (scan_other_bytes(first) != 0 || *p == '0' || next == '.' || (next >= '0' && next <= '9'))
        return NULL;
    uint64_t behind = digits == 0 ? 0 : (second ^ zeros) << (64 - 8 * digits);
    *value = scan_eight_digits(first ^ zeros) * SCAN_POW10[digits] + scan_eight_digits(behind);
    return p + 8 + digits;
}

const uint8_t *scan_long_number(const uint8_t *p, uint64_t *value, uint8_t *scale)
{
    const uint8_t *behind = scan_two_whole_words(p, value);
    uint8_t first = *p;
    size_t whole;
    size_t places = 0;
    *scale = 0;
    if (TD_LIKELY(behind != NULL))
        return behind;
    *value = 0;
    p = scan_digits(p, value, &whole);
    if (whole == 0 || (first == '0' && whole > 1))
        return NULL;
    if (*p == '.') {
        p = scan_digits(p + 1, value, &places);
        if (places == 0)
            return NULL;
    }
    if (whole + places > SCAN_DIGITS_MAX)
        return NULL;
    *scale = (uint8_t)places;
    return p;
}

const uint8_t *scan_key_unguessed(key_set *set, uint32_t place, const uint8_t *p,
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

const uint8_t *scan_scalar(const uint8_t *p, const uint8_t *end)
{
    if (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0)
        return p + 4;
    if (memcmp(p, "false", 5) == 0)
        return p + 5;
    int64_t mantissa;
    uint8_t scale;
    td_bytes text;
    return *p == '"' ? scan_string(p, end, &text) : scan_number(p, &mantissa, &scale);
}

/* How deep what nobody reads may be nested on this road. */
enum { UNKNOWN_DEPTH = 4 };

/* Any plain value, containers too. Every element begins inside the text. */
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

const uint8_t *scan_bool(const uint8_t *p, int8_t *out)
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

/* size bytes at a, which padding follows, are those at b; size is at least 8. */
static inline int bytes_are(const uint8_t *a, const uint8_t *b, size_t size)
{
    uint64_t differs = key_load(a + size - 8) ^ key_load(b + size - 8);
    for (size_t i = 0; i + 8 < size; i += 8)
        differs |= key_load(a + i) ^ key_load(b + i);
    return differs == 0;
}

/* "topic.symbol", where the topic is its row's name alone (plain text, that is), or has a parameter
 * of plain text: NULL if that cannot be said so quickly. */
static inline const uint8_t *scan_whole_topic(const walk *w, const uint8_t *p)
{
    td_bytes topic = w->h->topic->topic;
    const plan *own = w->h->p;
    const key_word *symbol = w->h->symbol;
    if (!own->has_symbol || own->row->symbol_path != NULL || topic.size < 8 || topic.size > 32 ||
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

/* The frame's topic is "topic.symbol", or the topic alone; or what of it does not stand elsewhere.
 */
static const uint8_t *scan_topic(walk *w, const uint8_t *p)
{
    const uint8_t *behind = scan_whole_topic(w, p);
    if (TD_LIKELY(behind != NULL)) {
        w->has_topic = 1;
        return behind;
    }
    const topic_match *topic = w->h->topic;
    const struct plan *own = w->h->p;
    int is_apart = own->row->symbol_path != NULL;
    td_bytes text = {0};
    p = scan_text(p, w->h->end, &text);
    size_t topic_bytes = is_apart ? own->topic_bytes : topic->topic.size;
    size_t symbol_bytes = !own->has_symbol || is_apart ? 0 : topic->symbol.size + 1;
    if (p == NULL || topic_bytes > topic->topic.size || text.size != topic_bytes + symbol_bytes ||
        memcmp(text.data, topic->topic.data, topic_bytes) != 0)
        return NULL;
    const uint8_t *rest = text.data + topic_bytes;
    if (symbol_bytes != 0 &&
        (*rest != '.' || memcmp(rest + 1, topic->symbol.data, topic->symbol.size) != 0))
        return NULL;
    w->has_topic = 1;
    return p;
}

/* A part of the topic that stands beside it: just as it is filed. */
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

/* "snapshot" or "delta", true or false; other words are for the row-driven decoder to judge. */
static const uint8_t *scan_kind(walk *w, const uint8_t *p)
{
    td_bytes text;
    w->has_kind = 1;
    if (*p == 't' || *p == 'f') {
        w->h->head.kind = *p == 't' ? FRAME_SNAPSHOT : FRAME_DELTA;
        return memcmp(p, "true", 4) == 0 || memcmp(p, "false", 5) == 0 ? p + (*p == 't' ? 4 : 5)
                                                                       : NULL;
    }
    p = scan_text(p, w->h->end, &text);
    if (p == NULL)
        return NULL;
    if (td_bytes_is(text, "snapshot") || td_bytes_is(text, "NEW"))
        w->h->head.kind = FRAME_SNAPSHOT;
    else if (td_bytes_is(text, "delta") || td_bytes_is(text, "CHANGE"))
        w->h->head.kind = FRAME_DELTA;
    else
        return NULL;
    return p;
}

/* Text, which is a symbol or a version, or has no place. */
static const uint8_t *scan_envelope_text(hot *h, msg_member member, const uint8_t *p)
{
    td_bytes text;
    if (member == MEMBER_SYMBOL)
        return h->p->has_symbol ? hot_symbol(h, p, &text) : NULL;
    if (member == MEMBER_VERSION)
        return scan_text(p, h->end, &h->head.version);
    return scan_unread(p, h->end);
}

/* A field of the envelope that is neither time nor number: plain structs have no place for most,
 * which only have to be what they should be. */
static const uint8_t *scan_envelope_other(hot *h, const field_row *field, const uint8_t *p)
{
    int8_t is_true;
    int64_t mantissa;
    uint8_t scale;
    switch (field->type) {
    case FIELD_TEXT:
        return scan_envelope_text(h, field->member, p);
    case FIELD_BOOL:
        return scan_bool(p, &is_true);
    case FIELD_DECIMAL:
        return field->scale_e10 == 0 ? scan_decimal(p, &mantissa, &scale) : NULL;
    case FIELD_TIME: /* RFC 3339 */
    case FIELD_INTEGER:
    case FIELD_SIDE:
    case FIELD_ANY_SIDE:
    case FIELD_IS_BUY:
    case FIELD_JSON:
        break;
    }
    return NULL;
}

/* A field of the envelope, into the head where that has a place for it. */
static const uint8_t *scan_envelope(walk *w, uint32_t index, const uint8_t *p)
{
    const plan *own = w->h->p;
    msg_head *head = &w->h->head;
    uint64_t other_ns = 0;
    int64_t other = 0;
    w->envelope_seen |= 1u << index;
    switch ((hot_place)own->envelope_role[index]) {
    case PLACE_EXCHANGE_TIME:
        return scan_time(p, own->envelope_unit_ns[index], &head->exchange_ns);
    case PLACE_MATCH_TIME:
        return scan_time(p, own->envelope_unit_ns[index], &head->match_ns);
    case PLACE_OTHER_TIME:
        return scan_time(p, own->envelope_unit_ns[index], &other_ns);
    case PLACE_CROSS_SEQ:
        head->has_cross_seq = 1;
        return scan_integer(p, &head->cross_seq);
    case PLACE_U:
        head->has_u = 1;
        return scan_integer(p, &head->u);
    case PLACE_SEQ:
        head->has_seq = 1;
        return scan_integer(p, &head->seq);
    case PLACE_OTHER_INTEGER:
        return scan_integer(p, &other);
    case PLACE_NONE:
        break;
    }
    return scan_envelope_other(w->h, &own->row->envelope[index], p);
}

/* A list of entries. */
static const uint8_t *walk_items(walk *w, int items, const uint8_t *p)
{
    TD_ASSERT(items >= 0);
    TD_ASSERT(items < TOPIC_ITEMS_MAX);
    hot *h = w->h;
    const items_row *row = &h->p->row->items[items];
    const uint8_t opening = h->p->is_positional ? '[' : '{';
    if (items <= w->last_items || *p != '[')
        return NULL;
    w->last_items = items;
    w->items_seen |= 1u << items;
    if (p[1] == ']')
        return p + 2;
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

/* An object on the way to entries, or a list of one: spot's data is that. */
static const uint8_t *walk_way(walk *w, plan_node *node, const uint8_t *p)
{
    if (*p != '[')
        return walk_node(w, node, p);
    p = p + 1 < w->h->end ? walk_node(w, node, p + 1) : NULL;
    return p != NULL && p < w->h->end && *p == ']' ? p + 1 : NULL;
}

/* 1 if entries stand here, in frames of some kind. */
static int holds_items(const plan_node *node)
{
    return node->items[FRAME_UNTYPED] != PLAN_NO_ITEMS ||
           node->items[FRAME_SNAPSHOT] != PLAN_NO_ITEMS ||
           node->items[FRAME_DELTA] != PLAN_NO_ITEMS;
}

/* The value that a key of a node led to. What is inside the text here was made sure of before. */
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
        /* Entries of a kind that is not known yet cannot be told from others. */
        if (TD_UNLIKELY(!w->has_kind && w->h->p->needs_kind && holds_items(child)))
            return NULL;
        if (child->items[w->h->head.kind] != PLAN_NO_ITEMS)
            return walk_items(w, child->items[w->h->head.kind], p);
        return walk_way(w, child, p);
    }
    TD_ASSERT(!"a target that is none");
    return NULL;
}

/* An object on the way to entries. Recursion is as deep as the plan's paths. */
static const uint8_t *walk_node(walk *w, plan_node *node, const uint8_t *p)
{
    uint32_t seen = 0; /* a bit for each key: what stands twice is not for this road */
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
    } while (hot_goes_on(&p, w->h->end));
    return p;
}

/* Did everything that the row wants to be there come? */
static int has_required(const walk *w)
{
    const plan *p = w->h->p;
    TD_ASSERT_SLOW(w->h->head.kind < FRAME_ANY);
    return w->has_topic && w->items_seen != 0 && w->parts_seen == p->part_count &&
           (p->required_envelope & ~w->envelope_seen) == 0 &&
           (p->required_items[w->h->head.kind] & ~w->items_seen) == 0;
}

/* A symbol that is no plain text stands in a frame in another way than it is filed, if at all: its
 * key is longer than what is compared as one. */
static void symbol_word_init(key_word *key, td_bytes symbol)
{
    key_word_init(key, symbol);
    for (size_t i = 0; i < symbol.size; i++)
        if (symbol.data[i] < 0x20 || symbol.data[i] >= 0x7f || symbol.data[i] == '"' ||
            symbol.data[i] == '\\')
            key->bytes = UINT32_MAX;
}

/* A symbol as a key: one that is remembered, or own, filled. */
static const key_word *symbol_key(decoder *d, td_bytes symbol, key_word *own)
{
    _Static_assert((DECODER_SYMBOLS_MAX & (DECODER_SYMBOLS_MAX - 1)) == 0, "a mask makes a slot");
    if (symbol.size > SYMBOL_SLOT_BYTES) {
        symbol_word_init(own, symbol);
        return own;
    }
    size_t place = ((uintptr_t)symbol.data >> 4) & (DECODER_SYMBOLS_MAX - 1);
    symbol_slot *slot = &d->symbols[place];
    if (slot->key.mask[0] == 0 ||
        !td_bytes_equal(td_bytes_of(slot->text, slot->key.bytes), symbol)) {
        if (symbol.size > 0)
            memcpy(slot->text, symbol.data, symbol.size);
        symbol_word_init(&slot->key, td_bytes_of(slot->text, symbol.size));
    }
    TD_ASSERT_SLOW(slot->key.mask[0] != 0);
    return &slot->key;
}

int decode_hot(decoder *d, plan *p, const topic_match *topic, td_bytes frame, message *out)
{
    TD_ASSERT(p->is_hot);
    if (frame.size == 0 || frame.size > LIMIT_FRAME_BYTES)
        return 0;
    hot h = {.d = d, .p = p, .topic = topic, .end = frame.data + frame.size};
    decode_head_init(&h.head, topic);
    h.head.kind = p->row->default_kind;
    key_word own_symbol;
    h.symbol = symbol_key(d, topic->symbol, &own_symbol);
    int is_book = p->row->type == MSG_BOOK_CHANGE;
    walk w = {.h = &h,
              .entry = !is_book           ? hot_trade_entry
                       : p->is_positional ? hot_book_pair
                                          : hot_book_entry,
              .last_items = -1};
    /* Walking may end behind the text, in the padding: only its very end is a whole frame. */
    if (walk_node(&w, &p->nodes[0], frame.data) != h.end || !has_required(&w))
        return 0;
    if (is_book)
        out->book = (msg_book){.head = h.head,
                               .levels = d->levels,
                               .level_count = h.count,
                               .rpi_sizes = p->roles.rpi_size != KEY_NONE ? d->rpi_sizes : NULL};
    else
        out->trades = (msg_trades){.head = h.head, .trades = d->trades, .trade_count = h.count};
    out->is_record = 0;
    out->beside = NULL;
    return 1;
}
