/* The hot road around the entries: the frame's object and what lies on the way, in one pass over
 * the bytes, checking as it goes. Frames that are not written as the exchange writes them (white
 * space, escapes, entries before the kind, lists in another order than the row's, anything
 * malformed) are left to the row-driven decoder: so there is one judge of what is wrong, and both
 * roads agree by construction. */
#include "base/assert.h"
#include "schema/decode_scan.h"

/* A walk over the nodes of the plan. */
typedef struct walk {
    hot *h;
    hot_entry *entry;
    int last_items;      /* entries come in the order of the row: the last list met */
    uint32_t items_seen; /* a bit for each */
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

/* The frame's topic is "topic.symbol", or the topic alone. */
static const uint8_t *scan_topic(walk *w, const uint8_t *p)
{
    const topic_match *topic = w->h->topic;
    td_bytes text;
    p = scan_text(p, w->h->end, &text);
    size_t symbol_bytes = topic->symbol.size == 0 ? 0 : topic->symbol.size + 1;
    if (p == NULL || w->h->p->has_symbol != (symbol_bytes != 0) ||
        text.size != topic->topic.size + symbol_bytes ||
        memcmp(text.data, topic->topic.data, topic->topic.size) != 0)
        return NULL;
    const uint8_t *rest = text.data + topic->topic.size;
    if (symbol_bytes != 0 &&
        (*rest != '.' || memcmp(rest + 1, topic->symbol.data, topic->symbol.size) != 0))
        return NULL;
    w->has_topic = 1;
    return p;
}

/* "snapshot" or "delta"; other words are for the row-driven decoder to judge. */
static const uint8_t *scan_kind(walk *w, const uint8_t *p)
{
    td_bytes text;
    p = scan_text(p, w->h->end, &text);
    if (p == NULL)
        return NULL;
    if (td_bytes_is(text, "snapshot"))
        w->h->head.kind = FRAME_SNAPSHOT;
    else if (td_bytes_is(text, "delta"))
        w->h->head.kind = FRAME_DELTA;
    else
        return NULL;
    w->has_kind = 1;
    return p;
}

/* A field of the envelope, into the head; one that a head has no place for is not for this road. */
static const uint8_t *scan_envelope(walk *w, const field_row *field, const uint8_t *p)
{
    msg_head *head = &w->h->head;
    if (field->type == FIELD_TIME && field_unit_ns(field->unit) != 0) {
        uint64_t other = 0; /* plain structs have no place for other times */
        int is_own = field->member == w->h->p->row->time_member;
        return scan_time(p, field_unit_ns(field->unit), is_own ? &head->exchange_ns : &other);
    }
    if (field->type != FIELD_INTEGER)
        return NULL;
    if (field->member == MEMBER_CROSS_SEQ) {
        head->has_cross_seq = 1;
        return scan_integer(p, &head->cross_seq);
    }
    if (field->member == MEMBER_U) {
        head->has_u = 1;
        return scan_integer(p, &head->u);
    }
    if (field->member == MEMBER_SEQ) {
        head->has_seq = 1;
        return scan_integer(p, &head->seq);
    }
    return NULL;
}

/* A list of entries. */
static const uint8_t *walk_items(walk *w, int items, const uint8_t *p)
{
    TD_ASSERT(items >= 0);
    TD_ASSERT(items < TOPIC_ITEMS_MAX);
    hot *h = w->h;
    const items_row *row = &h->p->row->items[items];
    if (items <= w->last_items || *p != '[')
        return NULL;
    w->last_items = items;
    w->items_seen |= 1u << items;
    if (p[1] == ']')
        return p + 2;
    do {
        p++;
        if (p >= h->end || *p != '{' || h->count == LIMIT_FRAME_ITEMS)
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

/* The value that a key of a node led to. What is inside the text here was made sure of before. */
static const uint8_t *walk_target(walk *w, plan_target target, const uint8_t *p)
{
    plan_node *child;
    switch (target.kind) {
    case TARGET_TOPIC:
        return scan_topic(w, p);
    case TARGET_KIND:
        return scan_kind(w, p);
    case TARGET_FIELD:
        return scan_envelope(w, &w->h->p->row->envelope[target.index], p);
    case TARGET_NODE:
        child = &w->h->p->nodes[target.index];
        /* Entries of a kind that is not known yet cannot be told from others. */
        if (!w->has_kind && w->h->p->needs_kind)
            return NULL;
        if (child->items[w->h->head.kind] != PLAN_NO_ITEMS)
            return walk_items(w, child->items[w->h->head.kind], p);
        return walk_node(w, child, p);
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
            p = scan_scalar(p, w->h->end);
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
static int has_required_items(const walk *w)
{
    const topic_row *row = w->h->p->row;
    for (int i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++) {
        const items_row *items = &row->items[i];
        int applies = items->kind == FRAME_ANY || items->kind == w->h->head.kind;
        if (applies && (items->flags & ITEMS_REQUIRED) && !(w->items_seen & (1u << i)))
            return 0;
    }
    return w->items_seen != 0;
}

/* A symbol as a key: one that is remembered, or own, filled. */
static const key_word *symbol_key(decoder *d, td_bytes symbol, key_word *own)
{
    _Static_assert((DECODER_SYMBOLS_MAX & (DECODER_SYMBOLS_MAX - 1)) == 0, "a mask makes a slot");
    if (symbol.size > SYMBOL_SLOT_BYTES) {
        key_word_init(own, symbol);
        return own;
    }
    size_t place = ((uintptr_t)symbol.data >> 4) & (DECODER_SYMBOLS_MAX - 1);
    symbol_slot *slot = &d->symbols[place];
    if (slot->key.mask[0] == 0 ||
        !td_bytes_equal(td_bytes_of(slot->text, slot->key.bytes), symbol)) {
        if (symbol.size > 0)
            memcpy(slot->text, symbol.data, symbol.size);
        key_word_init(&slot->key, td_bytes_of(slot->text, symbol.size));
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
    key_word own_symbol;
    h.symbol = symbol_key(d, topic->symbol, &own_symbol);
    int is_book = p->row->type == MSG_BOOK_CHANGE;
    walk w = {.h = &h, .entry = is_book ? hot_book_entry : hot_trade_entry, .last_items = -1};
    /* Walking may end behind the text, in the padding: only its very end is a whole frame. */
    if (walk_node(&w, &p->nodes[0], frame.data) != h.end || !w.has_topic || !has_required_items(&w))
        return 0;
    if (is_book)
        out->book = (msg_book){.head = h.head, .levels = d->levels, .level_count = h.count};
    else
        out->trades = (msg_trades){.head = h.head, .trades = d->trades, .trade_count = h.count};
    out->is_record = 0;
    return 1;
}
