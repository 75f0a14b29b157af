/* The hot road around the entries: the frame's object and what lies on the way, in one pass over
 * the index, checking as it goes. Frames that are not written as the exchange writes them (white
 * space, escapes, entries before the kind, lists in another order than the row's, anything
 * malformed) are left to the row-driven decoder: so there is one judge of what is wrong, and both
 * roads agree by construction. */
#include "base/assert.h"
#include "base/attr.h"
#include "schema/decode_scan.h"

/* A walk over the nodes of the plan. */
typedef struct walk {
    hot *h;
    hot_entries *entries;
    uint32_t token;
    uint32_t depth;      /* objects around the token */
    int last_items;      /* entries come in the order of the row: the last one met */
    uint32_t items_seen; /* a bit for each */
    uint8_t has_topic;
    uint8_t has_kind;
} walk;

/* Key and colon at *token: which of the set's keys it is. 0 if it is not written plainly. */
static inline int scan_key(const json_index *index, key_set *set, uint32_t place, uint32_t token,
                           uint32_t *found)
{
    /* Key, colon, value and what is behind it have to be in the text. */
    if (TD_UNLIKELY(token + 3 >= index->count))
        return 0;
    const uint8_t *key = scan_at(index, token);
    const uint8_t *colon = scan_at(index, token + 1);
    if (TD_UNLIKELY(*key != '"' || *colon != ':'))
        return 0;
    *found = key_set_find(set, place, key + 1);
    if (TD_UNLIKELY(*found == KEY_NONE))
        return colon[-1] == '"' && colon - key >= 2 &&
               !json_has_escape(td_bytes_of(key + 1, (size_t)(colon - key) - 2));
    return key + set->keys[*found].bytes + 2 == colon;
}

int scan_object(const json_index *index, plan *p, uint32_t *token, uint32_t *at, uint32_t *unknown)
{
    uint32_t t = *token;
    TD_ASSERT_SLOW(json_char(index, t) == '{');
    memset(at, 0, p->entry.count * sizeof *at);
    for (uint32_t place = 0;; place++) {
        uint32_t found;
        t++;
        if (!scan_key(index, &p->entry, place, t, &found))
            return 0;
        uint32_t value = t + 2;
        uint8_t first = *scan_at(index, value);
        if (TD_UNLIKELY(found == KEY_NONE)) {
            ++*unknown;
            t = json_check_value(index, value, SCAN_ENTRY_DEPTH);
            if (t == 0)
                return 0;
        } else {
            if (TD_UNLIKELY(at[found] != 0 || first == '{' || first == '['))
                return 0;
            at[found] = value;
            t = value + 1;
        }
        uint8_t behind = json_char(index, t);
        if (behind == '}')
            break;
        if (TD_UNLIKELY(behind != ','))
            return 0;
    }
    *token = t + 1;
    return 1;
}

/* The frame's topic is "topic.symbol", or the topic alone. */
static int scan_topic(walk *w, uint32_t token)
{
    const topic_match *topic = w->h->topic;
    td_bytes text;
    if (!scan_text(w->h->index, token, &text))
        return 0;
    size_t symbol_bytes = topic->symbol.size == 0 ? 0 : topic->symbol.size + 1;
    if (w->h->p->has_symbol != (symbol_bytes != 0))
        return 0;
    if (text.size != topic->topic.size + symbol_bytes ||
        memcmp(text.data, topic->topic.data, topic->topic.size) != 0)
        return 0;
    w->has_topic = 1;
    const uint8_t *rest = text.data + topic->topic.size;
    return symbol_bytes == 0 ||
           (*rest == '.' && memcmp(rest + 1, topic->symbol.data, topic->symbol.size) == 0);
}

static int scan_kind(walk *w, uint32_t token)
{
    td_bytes text;
    if (!scan_text(w->h->index, token, &text))
        return 0;
    if (td_bytes_is(text, "snapshot"))
        w->h->head.kind = FRAME_SNAPSHOT;
    else if (td_bytes_is(text, "delta"))
        w->h->head.kind = FRAME_DELTA;
    else
        return 0;
    w->has_kind = 1;
    return 1;
}

static int scan_envelope(walk *w, const field_row *field, uint32_t token)
{
    const json_index *index = w->h->index;
    msg_head *head = &w->h->head;
    if (field->member == w->h->p->row->time_member && field->type == FIELD_TIME &&
        field_unit_ns(field->unit) != 0)
        return scan_time(index, token, field_unit_ns(field->unit), &head->exchange_ns);
    if (field->type == FIELD_TIME && field_unit_ns(field->unit) != 0) {
        uint64_t ns = 0; /* plain structs have no place for other times */
        return scan_time(index, token, field_unit_ns(field->unit), &ns);
    }
    if (field->type != FIELD_INTEGER)
        return 0;
    if (field->member == MEMBER_CROSS_SEQ)
        return (head->has_cross_seq = 1) && scan_integer(index, token, &head->cross_seq);
    if (field->member == MEMBER_U)
        return (head->has_u = 1) && scan_integer(index, token, &head->u);
    if (field->member == MEMBER_SEQ)
        return (head->has_seq = 1) && scan_integer(index, token, &head->seq);
    return 0;
}

/* A list of entries at the walk's token. */
static int walk_items(walk *w, int items)
{
    if (items <= w->last_items || (w->items_seen & (1u << items)))
        return 0;
    w->last_items = items;
    w->items_seen |= 1u << items;
    if (json_char(w->h->index, w->token) != '[')
        return 0;
    return w->entries(w->h, &w->token, &w->h->p->row->items[items]);
}

static int walk_node(walk *w, plan_node *node);

/* The value at the walk's token, which a key of node led to. */
static int walk_target(walk *w, plan_target target)
{
    plan_node *child;
    switch (target.kind) {
    case TARGET_TOPIC:
        return scan_topic(w, w->token++);
    case TARGET_KIND:
        return scan_kind(w, w->token++);
    case TARGET_FIELD:
        return scan_envelope(w, &w->h->p->row->envelope[target.index], w->token++);
    case TARGET_NODE:
        child = &w->h->p->nodes[target.index];
        /* Entries of a kind that is not known yet cannot be told from others. */
        if (!w->has_kind && w->h->p->needs_kind)
            return 0;
        if (child->items[w->h->head.kind] != PLAN_NO_ITEMS)
            return walk_items(w, child->items[w->h->head.kind]);
        return json_char(w->h->index, w->token) == '{' && walk_node(w, child);
    }
    TD_ASSERT(!"a target that is none");
    return 0;
}

/* The object at the walk's token; goes behind it. */
static int walk_node(walk *w, plan_node *node)
{
    w->depth++;
    const json_index *index = w->h->index;
    uint32_t seen = 0;
    for (uint32_t place = 0;; place++) {
        uint32_t found;
        w->token++;
        if (!scan_key(index, &node->keys, place, w->token, &found))
            return 0;
        w->token += 2;
        if (found == KEY_NONE) {
            w->h->head.unknown_fields++;
            w->token = json_check_value(index, w->token, w->depth);
            if (w->token == 0)
                return 0;
        } else if ((seen & (1u << found)) || !walk_target(w, node->targets[found])) {
            return 0;
        }
        seen |= found == KEY_NONE ? 0 : 1u << found;
        uint8_t behind = json_char(index, w->token);
        if (behind == '}')
            break;
        if (behind != ',')
            return 0;
    }
    w->token++;
    w->depth--;
    return 1;
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

int decode_hot(decoder *d, plan *p, const topic_match *topic, td_bytes frame, message *out)
{
    TD_ASSERT(p->is_hot);
    if (json_parser_index(d->parser, frame, JSON_PADDED) != TD_OK)
        return 0;
    hot h = {.d = d, .p = p, .topic = topic, .index = &d->parser->index};
    decode_head_init(&h.head, topic);
    key_word_init(&h.symbol, topic->symbol);
    int is_book = p->row->type == MSG_BOOK_CHANGE;
    walk w = {.h = &h, .entries = is_book ? hot_book_entries : hot_trade_entries, .last_items = -1};
    if (json_char(h.index, 0) != '{' || !walk_node(&w, &p->nodes[0]) || !w.has_topic ||
        w.token != h.index->count || !has_required_items(&w))
        return 0;
    if (is_book)
        out->book = (msg_book){.head = h.head, .levels = d->levels, .level_count = h.count};
    else
        out->trades = (msg_trades){.head = h.head, .trades = d->trades, .trade_count = h.count};
    out->is_record = 0;
    return 1;
}
