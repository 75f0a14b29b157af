#include "schema/decode_plan.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/decimal.h"
#include "schema/list_frame.h"
#include "schema/topic_parts.h"

void key_word_init(key_word *key, td_bytes text)
{
    TD_ASSERT(text.size <= LIMIT_TOPIC_BYTES);
    uint8_t bytes[KEY_WORD_BYTES] = {0};
    uint8_t mask[KEY_WORD_BYTES] = {0};
    size_t size = text.size < KEY_WORD_BYTES ? text.size : KEY_WORD_BYTES;
    if (size > 0)
        memcpy(bytes, text.data, size);
    memset(mask, 0xff, size);
    if (size < KEY_WORD_BYTES) {
        bytes[size] = '"';
        mask[size] = 0xff;
    }
    memcpy(key->word, bytes, sizeof bytes);
    memcpy(key->mask, mask, sizeof mask);
    key->text = (const char *)text.data;
    key->bytes = (uint32_t)text.size;
}

/* Make a key that matches nothing: JSON strings have no NUL bytes, and no string has that length.
 */
static void key_word_init_unmatched(key_word *key)
{
    *key = (key_word){.text = "", .bytes = UINT32_MAX};
    memset(key->mask, 0xff, sizeof key->mask);
}

uint32_t key_set_find_text(key_set *set, uint32_t place, td_bytes text)
{
    uint32_t guess_index = place < set->count ? place : set->count;
    uint32_t guess = set->guess[guess_index];
    if (guess < set->count &&
        td_bytes_equal(text, td_bytes_of(set->keys[guess].text, set->keys[guess].bytes)))
        return guess;
    for (uint32_t i = 0; i < set->count; i++) {
        if (td_bytes_equal(text, td_bytes_of(set->keys[i].text, set->keys[i].bytes))) {
            set->guess[guess_index] = (uint8_t)i;
            return i;
        }
    }
    return KEY_NONE;
}

/* ---- the tree of objects around values and entries ---- */

/* Note the first fault of the row. The plan is then not used. */
static void note_fault(decode_plan *p, const char *fault, td_bytes at)
{
    if (p->fault != NULL)
        return;
    p->fault = fault;
    p->fault_at = at;
}

/* Add a node without keys. If there are too many, the last one is used again. */
static plan_node *node_new(decode_plan *p, td_bytes path)
{
    if (p->node_count == PLAN_NODES_MAX)
        note_fault(p, "too many objects are around values and entries, with", path);
    else
        p->node_count++;
    plan_node *node = &p->nodes[p->node_count - 1];
    memset(node->guesses, 0, sizeof node->guesses);
    node->keys = (key_set){0, node->words, node->guesses};
    node->path = path;
    node->has_values = 0;
    for (int kind = 0; kind < FRAME_ANY; kind++)
        node->items[kind] = PLAN_NO_ITEMS;
    return node;
}

/* Add a key to a node. In the predicted order of keys it is the last. */
static void node_add(decode_plan *p, plan_node *node, td_bytes key, plan_target target)
{
    uint32_t at = node->keys.count;
    if (at == PLAN_NODE_KEYS_MAX) {
        note_fault(p, "one object has too many keys, at", key);
        return;
    }
    key_word_init(&node->words[at], key);
    node->guesses[at] = (uint8_t)at;
    node->targets[at] = target;
    node->keys.count++;
}

/* The child node for a key; created if absent. */
static plan_node *node_child(decode_plan *p, plan_node *node, td_bytes key)
{
    uint32_t found = key_set_find_text(&node->keys, node->keys.count, key);
    /* The key is part of a row's path, after the parent's path and a dot, so the child's path is a
     * view of both. */
    const uint8_t *from = node == &p->nodes[0] ? key.data : key.data - node->path.size - 1;
    const td_bytes path = td_bytes_of(from, (size_t)(key.data + key.size - from));
    if (found != KEY_NONE && node->targets[found].kind == TARGET_NODE)
        return &p->nodes[node->targets[found].index];
    if (found != KEY_NONE)
        note_fault(p, "a value and an object are at the same path:", path);
    plan_node *child = node_new(p, path);
    node_add(p, node, key, (plan_target){TARGET_NODE, (uint32_t)(child - p->nodes)});
    return child;
}

/* 1 if a path has no empty part and is not too long. A key is compared with all of its bytes, also
 * at the end of a frame, so the padding must have as many. */
static int check_path(decode_plan *p, td_bytes path)
{
    td_bytes rest = path, key;
    if (path.size >= LIMIT_TOPIC_BYTES)
        note_fault(p, "a path has less than 256 bytes, not", path);
    _Static_assert((int)LIMIT_NAME_BYTES <= (int)JSON_PADDING_BYTES, "a key may be in the padding");
    while (td_bytes_next(&rest, '.', &key)) {
        if (key.size == 0)
            note_fault(p, "an empty part is in the path", path);
        if (key.size >= LIMIT_NAME_BYTES)
            note_fault(p, "a part of a path has 1 to 63 bytes, not", key);
    }
    return p->fault == NULL;
}

/* Add a target at the end of a path, and create the nodes on the path. */
static void plan_route(decode_plan *p, const char *path, plan_target target)
{
    td_bytes rest = td_bytes_str(path);
    plan_node *node = &p->nodes[0];
    td_bytes key;
    if (!check_path(p, rest))
        return;
    while (td_bytes_next(&rest, '.', &key) && rest.data != NULL)
        node = node_child(p, node, key);
    const uint32_t found = key_set_find_text(&node->keys, node->keys.count, key);
    if (found != KEY_NONE)
        note_fault(p,
                   node->targets[found].kind == TARGET_NODE
                       ? "a value and an object are at the same path:"
                       : "two values are at the same path:",
                   td_bytes_str(path));
    node_add(p, node, key, target);
}

/* Record in the node at the items' path that the entries are there. */
static void plan_items(decode_plan *p, uint32_t index)
{
    TD_ASSERT(index < TOPIC_ITEMS_MAX);
    const items_row *items = &p->row->items[index];
    td_bytes rest = td_bytes_str(items->path), key;
    plan_node *node = &p->nodes[0];
    if (rest.size > 0 && !check_path(p, rest))
        return;
    while (items->path[0] != '\0' && td_bytes_next(&rest, '.', &key))
        node = node_child(p, node, key);
    p->items_node[index] = (uint8_t)(node - p->nodes);
    for (int kind = 0; kind < FRAME_ANY; kind++)
        if ((items->kind == FRAME_ANY || (int)items->kind == kind) &&
            node->items[kind] == PLAN_NO_ITEMS)
            node->items[kind] = (int8_t)index;
}

/* 1 if the path `from` is a beginning of `path`, and shorter. */
static int path_continues(const char *path, const char *from)
{
    size_t size = strlen(from);
    return strncmp(path, from, size) == 0 && (path[size] == '.' || (size == 0 && path[0] != '\0'));
}

/* Decide how decode_rows() finds the entries of each of the row's items. Its first pass does not
 * enter entries, so entries inside other entries, and entries that inherit fields from objects on
 * their path, are found later by following their path. If a path may have a list or an object with
 * other entries inside (ITEMS_LIST), the first pass finds out which of the two the frame has. */
static void plan_follow(decode_plan *p)
{
    const items_row *items = p->row->items;
    for (int i = 0; i < TOPIC_ITEMS_MAX && items[i].path != NULL; i++) {
        p->is_followed[i] = p->has_inherited;
        p->list_instead[i] = PLAN_NO_ITEMS;
        for (int j = 0; j < TOPIC_ITEMS_MAX && items[j].path != NULL; j++) {
            int is_same_kind = items[i].kind == items[j].kind || items[i].kind == FRAME_ANY ||
                               items[j].kind == FRAME_ANY;
            if (!is_same_kind || !path_continues(items[i].path, items[j].path))
                continue;
            if (items[j].flags & ITEMS_LIST)
                p->list_instead[i] = (int8_t)j;
            else
                p->is_followed[i] = 1;
        }
    }
}

/* 1 if frames of every kind have entries at the node, whatever the value there is. */
static int always_has_items(const decode_plan *p, const plan_node *node)
{
    for (int kind = 0; kind < FRAME_ANY; kind++)
        if (node->items[kind] == PLAN_NO_ITEMS ||
            (p->row->items[node->items[kind]].flags & ITEMS_LIST) != 0)
            return 0;
    return 1;
}

/* Mark the nodes whose entries have values of the envelope inside. */
static void plan_values(decode_plan *p)
{
    for (size_t i = 0; i < p->row->envelope_count; i++)
        for (size_t k = 1; k < p->node_count; k++) {
            plan_node *node = &p->nodes[k];
            const char *key = p->row->envelope[i].key;
            node->has_values |= always_has_items(p, node) &&
                                strncmp(key, (const char *)node->path.data, node->path.size) == 0 &&
                                key[node->path.size] == '.';
        }
}

/* Prepare the text that precedes a field's value. Returns 0 if it is too long. */
static int plan_lead_init(plan_lead *lead, char first, const char *key)
{
    char text[sizeof lead->word] = {0};
    uint8_t mask[sizeof lead->mask] = {0};
    int size = snprintf(text, sizeof text, "%c\"%s\":", first, key);
    if (size < 0 || (size_t)size >= sizeof text)
        return 0;
    memset(mask, 0xff, (size_t)size);
    memcpy(lead->word, text, sizeof text);
    memcpy(lead->mask, mask, sizeof mask);
    lead->bytes = (uint32_t)size;
    return 1;
}

/* Note at which index each field of entries that are arrays is: their keys are numbers. */
static void plan_places(decode_plan *p)
{
    const topic_row *row = p->row;
    memset(p->field_at, KEY_NONE, sizeof p->field_at);
    for (size_t i = 0; (row->items[0].flags & ITEMS_POSITIONAL) != 0 && i < row->field_count; i++) {
        uint64_t place;
        const int is_place =
            td_digits_parse(td_bytes_str(row->fields[i].key), TOPIC_FIELDS_MAX - 1, &place);
        TD_ASSERT(is_place); /* topic_fault() checked the keys */
        p->field_at[place] = (uint8_t)i;
    }
}

/* Prepare the keys of entries, and mark fields that share their member with another field. */
static void plan_entry(decode_plan *p)
{
    const topic_row *row = p->row;
    TD_ASSERT(row->field_count <= TOPIC_FIELDS_MAX);
    p->entry = (key_set){(uint32_t)row->field_count, p->words, p->guesses};
    p->outer = (key_set){(uint32_t)row->field_count, p->outer_words, p->outer_guesses};
    for (size_t i = 0; i < row->field_count; i++) {
        int is_inherited = (row->fields[i].flags & FIELD_INHERITED) != 0;
        p->has_inherited |= (uint8_t)is_inherited;
        key_word_init(is_inherited ? &p->outer_words[i] : &p->words[i],
                      td_bytes_str(row->fields[i].key));
        key_word_init_unmatched(is_inherited ? &p->words[i] : &p->outer_words[i]);
        p->guesses[i] = p->outer_guesses[i] = (uint8_t)i;
        for (size_t j = 0; j < row->field_count; j++)
            p->has_twin[i] |= j != i && row->fields[j].member == row->fields[i].member;
    }
}

/* ---- can the fast path read a row's frames? ---- */

/* For each role the index of its field, the preferred one if there are several; KEY_NONE if absent.
 */
typedef struct role_fields {
    uint8_t of[ROLE_COUNT];
} role_fields;

static uint8_t field_of(const topic_row *row, msg_member member)
{
    uint8_t found = KEY_NONE;
    for (size_t i = 0; i < row->field_count; i++) {
        if (row->fields[i].member != member || (row->fields[i].flags & FIELD_INHERITED))
            continue;
        if (found == KEY_NONE || (row->fields[i].flags & FIELD_PREFERRED))
            found = (uint8_t)i;
    }
    return found;
}

static role_fields find_roles(const topic_row *row)
{
    static const msg_member MEMBERS_OF[ROLE_COUNT] = {
        [ROLE_PRICE] = MEMBER_PRICE,
        [ROLE_SIZE] = MEMBER_SIZE,
        [ROLE_SIDE] = MEMBER_SIDE,
        [ROLE_SYMBOL] = MEMBER_SYMBOL,
        [ROLE_TIME] = MEMBER_EXCHANGE_TIME,
        [ROLE_CROSS_SEQ] = MEMBER_CROSS_SEQ,
        [ROLE_SEQ] = MEMBER_SEQ,
        [ROLE_TRADE_ID] = MEMBER_TRADE_ID,
        [ROLE_TICK_DIRECTION] = MEMBER_TICK_DIRECTION,
        [ROLE_BLOCK] = MEMBER_IS_BLOCK_TRADE,
        [ROLE_RPI] = MEMBER_IS_RPI_TRADE,
    };
    role_fields roles;
    for (size_t i = 0; i < ROLE_COUNT; i++)
        roles.of[i] = MEMBERS_OF[i] == MEMBER_NONE ? KEY_NONE : field_of(row, MEMBERS_OF[i]);
    return roles;
}

/* 1 if the entries are arrays of price, size and, if there is a third value, the size of retail
 * orders. */
static int are_pairs(const topic_row *row)
{
    static const msg_member ORDER[] = {MEMBER_PRICE, MEMBER_SIZE, MEMBER_RPI_SIZE};
    if ((row->items[0].flags & ITEMS_POSITIONAL) == 0 || row->field_count < 2 ||
        row->field_count > 3)
        return 0;
    for (size_t i = 0; i < row->field_count; i++) {
        const field_row *field = &row->fields[i];
        if (field->member != ORDER[i] || field->key[0] != (char)('0' + i) ||
            field->key[1] != '\0' || field->type != FIELD_DECIMAL || field->scale_e10 != 0 ||
            !(field->flags & FIELD_REQUIRED))
            return 0;
    }
    return 1;
}

static fast_form form_of(const topic_row *row)
{
    return row->type == MSG_TRADE                    ? FORM_TRADE
           : row->type != MSG_BOOK_CHANGE            ? FORM_RECORD
           : (row->items[0].flags & ITEMS_BEST) != 0 ? FORM_BEST
           : are_pairs(row)                          ? FORM_PAIR
                                                     : FORM_LEVEL;
}

/* 1 if the fast path can read a field of entries. */
static int field_is_fast(const decode_plan *p, const role_fields *roles, size_t i)
{
    const field_row *field = &p->row->fields[i];
    const int is_number = i == roles->of[ROLE_CROSS_SEQ] || i == roles->of[ROLE_SEQ];
    if (p->form == FORM_RECORD || p->form == FORM_BEST)
        return !p->has_twin[i];
    if (field->scale_e10 != 0 || (p->has_twin[i] && field->member != MEMBER_EXCHANGE_TIME))
        return 0;
    if (field->member == MEMBER_RPI_SIZE)
        return p->form == FORM_PAIR;
    if (p->has_twin[i]) /* two forms of a trade's time */
        return p->form == FORM_TRADE;
    return !is_number || field->type == FIELD_INTEGER;
}

/* Find the field of entries that is the part of the topic at a path. Returns 0 if the path leads
 * into entries, but to no such field. */
static int find_part(decode_plan *p, const char *path, uint8_t *field)
{
    const topic_row *row = p->row;
    const items_row *items = row->items;
    *field = KEY_NONE;
    p->part_count = (uint8_t)(p->part_count + (path != NULL));
    if (path == NULL || !path_continues(path, items[0].path))
        return path == NULL || items[1].path == NULL || !path_continues(path, items[1].path);
    for (size_t i = 0; i < row->field_count && items[1].path == NULL; i++)
        if (strcmp(row->fields[i].key, path + strlen(items[0].path) + 1) == 0)
            *field = (uint8_t)i;
    p->part_count--;
    return *field != KEY_NONE && row->fields[*field].type == FIELD_TEXT &&
           (p->form == FORM_RECORD ||
            (p->form == FORM_TRADE && row->fields[*field].member == MEMBER_SYMBOL));
}

/* Find the node whose presence makes a frame a snapshot. Returns 0 if it has no entries. */
static int find_snapshot(decode_plan *p)
{
    p->snapshot_node = KEY_NONE;
    if (p->row->snapshot_path == NULL)
        return 1;
    for (uint32_t i = 1; i < p->node_count; i++)
        if (td_bytes_is(p->nodes[i].path, p->row->snapshot_path) &&
            p->nodes[i].items[FRAME_SNAPSHOT] != PLAN_NO_ITEMS)
            p->snapshot_node = (uint8_t)i;
    return p->snapshot_node != KEY_NONE;
}

/* 1 if the fast path can read the row's items. A member of an entry is a field or has another
 * meaning, except for a part of the topic, which may be both. */
static int items_are_fast(decode_plan *p)
{
    const topic_row *row = p->row;
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++) {
        plan_node *node = &p->nodes[p->items_node[i]];
        if (p->is_followed[i] || row->items[i].path[0] == '\0' ||
            (p->form == FORM_RECORD &&
             (row->items[i].flags & (ITEMS_ZERO_DELETES | ITEMS_BUY | ITEMS_SELL)) != 0))
            return 0;
        for (size_t f = 0; f < row->field_count; f++) {
            const uint32_t key =
                key_set_find_text(&node->keys, node->keys.count, td_bytes_str(row->fields[f].key));
            if (key != KEY_NONE && node->targets[key].kind != TARGET_SYMBOL &&
                node->targets[key].kind != TARGET_PARAMETER)
                return 0;
        }
    }
    return 1;
}

/* 1 if a text can be in JSON as it is; NULL is. */
static int is_plain(const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == '"' || *text == '\\')
            return 0;
    return 1;
}

/* 1 if all that the fast path compares byte by byte is plain: a frame that is equal to other text
 * is not JSON. */
static int texts_are_plain(const topic_row *row)
{
    int are_plain = is_plain(row->pattern) && is_plain(topic_row_topic_key(row)) &&
                    is_plain(topic_row_kind_key(row)) && is_plain(row->symbol_path) &&
                    is_plain(row->parameter_path) && is_plain(row->frame_topic);
    for (size_t i = 0; i < row->field_count; i++)
        are_plain &= is_plain(row->fields[i].key);
    for (size_t i = 0; i < row->envelope_count; i++)
        are_plain &= is_plain(row->envelope[i].key);
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        are_plain &= is_plain(row->items[i].path);
    for (const kind_word *word = row->kind_words; word != NULL && word->text != NULL; word++)
        are_plain &= is_plain(word->text);
    return are_plain;
}

/* 1 if only the entries name the frame's symbol, which the fast path would compare with "*". */
static int entries_name_symbol(const topic_row *row)
{
    return field_of(row, MEMBER_SYMBOL) != KEY_NONE && !topic_row_has_symbol(row);
}

/* 1 if the fast path can read the row's frames in their usual form. */
static int plan_is_fast(decode_plan *p, const role_fields *roles)
{
    const topic_row *row = p->row;
    p->form = form_of(row);
    if (row->type == MSG_BOOK_ORDERS || row->type == MSG_ORDER_ENTRY || row->is_event ||
        topic_row_topic_key(row)[0] == '\0' || row->field_count > FAST_FIELDS_MAX ||
        p->inner.count > 0 || (row->list != NULL && row->list->key != NULL) ||
        !texts_are_plain(row) || entries_name_symbol(row) || !items_are_fast(p) ||
        !find_snapshot(p))
        return 0;
    for (size_t i = 0; i < row->field_count; i++)
        if (!field_is_fast(p, roles, i))
            return 0;
    return find_part(p, row->symbol_path, &p->symbol_field) &&
           find_part(p, row->parameter_path, &p->parameter_field);
}

/* Prepare the fields that have roles for the fast path. */
static void plan_roles(decode_plan *p, const role_fields *roles)
{
    const topic_row *row = p->row;
    for (size_t i = 0; i < row->field_count; i++) {
        const int is_text =
            row->fields[i].type == FIELD_TEXT && !(row->fields[i].flags & FIELD_REQUIRED);
        p->role_of[i] = is_text || p->has_twin[i] ? ROLE_UNREAD : ROLE_EXTRA;
    }
    for (size_t i = 0; i < ROLE_COUNT; i++)
        if (roles->of[i] != KEY_NONE)
            p->role_of[roles->of[i]] = (uint8_t)i;
    const uint8_t side = roles->of[ROLE_SIDE];
    if (side != KEY_NONE && row->fields[side].type != FIELD_SIDE &&
        row->fields[side].type != FIELD_ANY_SIDE)
        p->role_of[side] = ROLE_OTHER_SIDE;
    static const msg_member BEST[2][2] = {{MEMBER_BID1_PRICE, MEMBER_BID1_SIZE},
                                          {MEMBER_ASK1_PRICE, MEMBER_ASK1_SIZE}};
    for (size_t i = 0; i < 4; i++)
        p->best_fields[i / 2][i % 2] = field_of(row, BEST[i / 2][i % 2]);
    if (roles->of[ROLE_SIZE] != KEY_NONE)
        p->size_bit = UINT64_C(1) << roles->of[ROLE_SIZE];
    if (p->symbol_field != KEY_NONE)
        p->required_fields = UINT64_C(1) << p->symbol_field;
}

/* Prepare the fields for the fast path. */
static void plan_fast_fields(decode_plan *p, const role_fields *roles)
{
    const topic_row *row = p->row;
    TD_ASSERT(row->field_count <= FAST_FIELDS_MAX);
    plan_roles(p, roles);
    for (size_t i = 0; i < row->field_count; i++) {
        if (p->lead_count == i &&
            plan_lead_init(&p->leads[i], i == 0 ? '{' : ',', row->fields[i].key))
            p->lead_count++;
        if ((row->type == MSG_BOOK_CHANGE || row->type == MSG_TRADE) &&
            !msg_struct_has(row->type, row->fields[i].member))
            p->extra_fields |= UINT64_C(1) << i;
        if (row->fields[i].member == row->time_member ||
            row->fields[i].member == MEMBER_CROSS_SEQ || row->fields[i].member == MEMBER_SEQ)
            p->noted_fields |= UINT64_C(1) << i;
        if (row->fields[i].flags & FIELD_REQUIRED)
            p->required_fields |= UINT64_C(1) << i;
        if (row->fields[i].flags & FIELD_REQUIRED_TO_SET)
            p->required_to_set |= UINT64_C(1) << i;
    }
    if (p->form == FORM_RECORD || p->form == FORM_BEST || row->type == MSG_TRADE) {
        p->required_fields |= p->required_to_set; /* they are never deletes */
        p->required_to_set = 0;
    }
    const uint8_t time = roles->of[ROLE_TIME];
    if (row->type != MSG_TRADE || time == KEY_NONE)
        return;
    /* If a trade has its time only in the other form, decode_rows() reads the frame. */
    p->time_unit_ns = field_unit_ns(row->fields[time].unit);
    if (p->has_twin[time])
        p->required_fields |= UINT64_C(1) << time;
}

static void plan_kinds(decode_plan *p)
{
    static const kind_word PLAIN[] = {
        {"snapshot", FRAME_SNAPSHOT}, {"delta", FRAME_DELTA}, {NULL, FRAME_UNTYPED}};
    p->kind_words = p->row->kind_words == NULL ? PLAIN : p->row->kind_words;
    p->kinds = (key_set){0, p->kind_keys, p->kind_guesses};
    for (const kind_word *word = p->kind_words; word->text != NULL; word++)
        key_word_init(&p->kind_keys[p->kinds.count++], td_bytes_str(word->text));
}

/* Prepare the keys of the objects in entries that have fields. */
static void plan_inner(decode_plan *p)
{
    const topic_row *row = p->row;
    p->inner = (key_set){0, p->inner_words, p->inner_guesses};
    for (size_t i = 0; i < row->field_count; i++) {
        const td_bytes key = td_bytes_of(row->fields[i].key, strcspn(row->fields[i].key, "."));
        if (row->fields[i].key[key.size] == '\0' ||
            key_set_find_text(&p->inner, p->inner.count, key) != KEY_NONE)
            continue;
        for (size_t k = 0; k < TOPIC_ITEMS_MAX && row->items[k].path != NULL; k++) {
            plan_node *node = &p->nodes[p->items_node[k]];
            if (key_set_find_text(&node->keys, node->keys.count, key) != KEY_NONE)
                note_fault(p,
                           "an object in an entry has fields, and other values have it on their "
                           "path:",
                           key);
        }
        if (p->inner.count == PLAN_INNER_MAX) {
            note_fault(p, "more than 4 objects in an entry have fields, with", key);
            return;
        }
        key_word_init(&p->inner_words[p->inner.count++], key);
    }
}

/* Prepare the keys for the parts of the topic, the frame's kind, entries and the envelope. Sets all
 * that it reads. */
static void plan_paths(decode_plan *p, const topic_row *row)
{
    p->row = row;
    p->node_count = 0;
    p->fault = NULL;
    p->fault_at = td_bytes_of(NULL, 0);
    memset(p->items_node, 0, sizeof p->items_node);
    memset(p->inner_guesses, 0, sizeof p->inner_guesses);
    (void)node_new(p, td_bytes_of(NULL, 0)); /* the root */
    if (topic_row_topic_key(row)[0] != '\0')
        plan_route(p, topic_row_topic_key(row), (plan_target){TARGET_TOPIC, 0});
    plan_route(p, topic_row_kind_key(row), (plan_target){TARGET_KIND, 0});
    if (row->symbol_path != NULL)
        plan_route(p, row->symbol_path, (plan_target){TARGET_SYMBOL, 0});
    if (row->parameter_path != NULL)
        plan_route(p, row->parameter_path, (plan_target){TARGET_PARAMETER, 0});
    for (uint32_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        plan_items(p, i);
    for (uint32_t i = 0; i < row->envelope_count; i++)
        plan_route(p, row->envelope[i].key, (plan_target){TARGET_FIELD, i});
    plan_inner(p);
}

const char *decode_plan_fault(const topic_row *row, td_bytes *where)
{
    decode_plan p; /* not cleared: it is large */
    plan_paths(&p, row);
    *where = p.fault_at;
    return p.fault;
}

/* Prepare what depends on the topic's pattern. */
static void plan_pattern(decode_plan *p)
{
    const topic_row *row = p->row;
    size_t literal = strcspn(row->pattern, "{");
    TD_ASSERT(literal < LIMIT_TOPIC_BYTES);
    p->topic_bytes = (uint8_t)(row->pattern[literal] == '{' && literal > 0 ? literal - 1 : literal);
    p->has_symbol = (uint8_t)topic_row_has_symbol(row);
    p->has_coin = (uint8_t)topic_row_has_coin(row);
}

/* Prepare the sets of fields and items that the fast path must find in a frame. */
static void plan_requirements(decode_plan *p)
{
    const topic_row *row = p->row;
    p->number_unit_ns = topic_row_time_unit_ns(row);
    for (uint32_t i = 0; i < row->envelope_count; i++)
        if (row->envelope[i].flags & FIELD_REQUIRED)
            p->required_envelope |= 1u << i;
    for (uint32_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        for (int kind = 0; kind < FRAME_ANY; kind++)
            if (!(row->items[i].flags & ITEMS_OPTIONAL) && p->list_instead[i] == PLAN_NO_ITEMS &&
                (row->items[i].kind == FRAME_ANY || (int)row->items[i].kind == kind))
                p->required_items[kind] |= 1u << i;
}

/* Fill in everything that depends only on the row. */
static void plan_fill(decode_plan *p, const topic_row *row)
{
    plan_paths(p, row);
    TD_ASSERT(p->fault == NULL); /* checked when the document was read */
    plan_pattern(p);
    for (uint32_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        p->needs_kind |= row->items[i].kind != FRAME_ANY;
    plan_kinds(p);
    plan_entry(p);
    plan_places(p);
    plan_follow(p);
    plan_values(p);
    plan_requirements(p);
    const role_fields roles = find_roles(row);
    p->has_rpi = field_of(row, MEMBER_RPI_SIZE) != KEY_NONE;
    p->is_fast = (uint8_t)plan_is_fast(p, &roles);
    p->is_positional = (row->items[0].flags & ITEMS_POSITIONAL) != 0;
    if (p->is_fast)
        plan_fast_fields(p, &roles);
}

td_bytes decode_plan_parameter(const decode_plan *p, const topic_match *topic)
{
    const size_t from = p->topic_bytes + 1u;
    return topic->topic.size < from
               ? td_bytes_of(NULL, 0)
               : td_bytes_of(topic->topic.data + from, topic->topic.size - from);
}

int decode_plan_is_topic(const decode_plan *p, const topic_match *topic, td_bytes text)
{
    topic_match found;
    char unspelled[LIMIT_TOPIC_BYTES];
    const topic_row *row = p->row;
    if (row->spelling != NULL && text.size < sizeof unspelled)
        text = td_bytes_of(unspelled, topic_read_spelling(row->spelling, text, unspelled));
    if (row->symbol_path != NULL) /* the text is only the first part; other members have the rest */
        return topic_row_is_frame_topic(row, topic->topic, text);
    return topic_match_text(row, 1, text, TOPIC_ANY_TIME, &found) &&
           td_bytes_equal(found.topic, topic->topic) &&
           (td_bytes_equal(found.symbol, topic->symbol) || td_bytes_is(topic->symbol, "*"));
}

/* ---- the plans of a decoder ---- */

void plan_cache_fini(plan_cache *cache)
{
    for (size_t i = 0; i < PLAN_CACHE_MAX; i++)
        td_free(cache->plans[i]);
    *cache = (plan_cache){.count = 0};
}

decode_plan *plan_cache_find(plan_cache *cache, const topic_row *row)
{
    _Static_assert((PLAN_CACHE_MAX & (PLAN_CACHE_MAX - 1)) == 0, "a mask makes an index");
    size_t index = ((uintptr_t)row / sizeof *row) & (PLAN_CACHE_MAX - 1);
    while (cache->plans[index] != NULL) {
        if (cache->plans[index]->row == row)
            return cache->last = cache->plans[index];
        index = (index + 1) & (PLAN_CACHE_MAX - 1);
    }
    /* No version has so many rows, so only callers that invent rows get here. Clear the cache. */
    if (cache->count >= PLAN_CACHE_MAX / 4 * 3) {
        plan_cache_fini(cache);
        index = ((uintptr_t)row / sizeof *row) & (PLAN_CACHE_MAX - 1);
    }
    cache->last = cache->plans[index] = td_alloc_zero(1, sizeof *cache->last);
    plan_fill(cache->last, row);
    cache->count++;
    /* There is an unused entry, at which every search ends. */
    TD_ASSERT(cache->count < PLAN_CACHE_MAX);
    return cache->last;
}
