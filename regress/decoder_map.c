#include "regress/decoder_map.h"

#include <string.h>

#include "base/alloc.h"

/* Where a member stands. */
typedef enum place { PLACE_MESSAGE, PLACE_LEVELS, PLACE_TRADES, PLACE_ITEMS, PLACE_COUNT } place;

static const char *const PREFIXES[PLACE_COUNT] = {
    [PLACE_MESSAGE] = "",
    [PLACE_LEVELS] = "levels.",
    [PLACE_TRADES] = "trades.",
    [PLACE_ITEMS] = "items.",
};

/* Another name. */
typedef struct name_rule {
    place at;
    td_bytes theirs;
    td_bytes ours; /* empty: passed over */
} name_rule;

struct decoder_map {
    char *text; /* rules point into it */
    name_rule *rules;
    size_t rule_count;
    message_names names;
    /* What is left out of both sides. */
    uint8_t leaves_out;
    uint8_t leaves_kind;
    uint8_t leaves_action;
    uint8_t leaves[PLACE_COUNT][MEMBER_COUNT];
};

/* ---- reading ---- */

typedef struct map_line {
    const char *name;
    unsigned number;
} map_line;

static int is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static td_bytes trim(td_bytes text)
{
    while (text.size > 0 && is_blank(text.data[0]))
        text = td_bytes_of(text.data + 1, text.size - 1);
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

static td_result refuse(const map_line *line, td_bytes text, const char *what, td_err *err)
{
    return td_err_set(err, TD_E_INVALID, "%s:%u: %.*s: %s", line->name, line->number,
                      text.size > 100 ? 100 : (int)text.size, (const char *)text.data, what);
}

/* A path's place and the member's name in it. */
static place split_path(td_bytes path, td_bytes *name)
{
    for (int at = PLACE_LEVELS; at < PLACE_COUNT; at++) {
        td_bytes prefix = td_bytes_str(PREFIXES[at]);
        if (path.size > prefix.size && memcmp(path.data, prefix.data, prefix.size) == 0) {
            *name = td_bytes_of(path.data + prefix.size, path.size - prefix.size);
            return (place)at;
        }
    }
    *name = path;
    return PLACE_MESSAGE;
}

/* Members that are none of schema/message_members.h. */
static int is_own_word(place at, td_bytes name)
{
    static const char *const OF_MESSAGE[] = {"type", "kind", "topic", "unknown_fields"};
    if (at != PLACE_MESSAGE)
        return at != PLACE_TRADES && td_bytes_is(name, "action");
    for (size_t i = 0; i < sizeof OF_MESSAGE / sizeof OF_MESSAGE[0]; i++)
        if (td_bytes_is(name, OF_MESSAGE[i]))
            return 1;
    return 0;
}

static td_result add_omission(decoder_map *map, const map_line *line, td_bytes ours, td_err *err)
{
    td_bytes name;
    place at = split_path(ours, &name);
    msg_member member = msg_member_find(name);
    map->leaves_out = 1;
    if (td_bytes_is(name, "action"))
        map->leaves_action = 1;
    else if (at == PLACE_MESSAGE && td_bytes_is(name, "kind"))
        map->leaves_kind = 1;
    else if (member != MEMBER_NONE)
        map->leaves[at][member] = 1;
    else
        return refuse(line, ours, "no member of messages; 'tapedeck topics --json' lists them",
                      err);
    return TD_OK;
}

static td_result add_name(decoder_map *map, const map_line *line, td_bytes theirs, td_bytes ours,
                          td_err *err)
{
    name_rule rule = {.ours = td_bytes_of(NULL, 0)};
    rule.at = split_path(theirs, &rule.theirs);
    if (!td_bytes_is(ours, "-")) {
        if (split_path(ours, &rule.ours) != rule.at)
            return refuse(line, ours, "a member cannot be moved to another part of the message",
                          err);
        if (msg_member_find(rule.ours) == MEMBER_NONE && !is_own_word(rule.at, rule.ours))
            return refuse(line, ours, "no member of messages; 'tapedeck topics --json' lists them",
                          err);
    }
    for (size_t i = 0; i < map->rule_count; i++)
        if (map->rules[i].at == rule.at && td_bytes_equal(map->rules[i].theirs, rule.theirs))
            return refuse(line, theirs, "the second rule for this name", err);
    name_rule *rules = td_array_grow(map->rules, map->rule_count, sizeof *rules);
    if (rules == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a mapping file");
    map->rules = rules;
    map->rules[map->rule_count++] = rule;
    return TD_OK;
}

static td_result read_line(decoder_map *map, const map_line *line, td_bytes text, td_err *err)
{
    const uint8_t *comment = text.size == 0 ? NULL : memchr(text.data, '#', text.size);
    if (comment != NULL)
        text.size = (size_t)(comment - text.data);
    text = trim(text);
    if (text.size == 0)
        return TD_OK;
    const uint8_t *equals = memchr(text.data, '=', text.size);
    if (equals == NULL)
        return refuse(line, text, "a rule is THEIRS = OURS", err);
    size_t left = (size_t)(equals - text.data);
    td_bytes theirs = trim(td_bytes_of(text.data, left));
    td_bytes ours = trim(td_bytes_of(equals + 1, text.size - left - 1));
    if (theirs.size == 0 || ours.size == 0)
        return refuse(line, text, "a rule is THEIRS = OURS; '-' stands for none", err);
    if (td_bytes_is(theirs, "-") && td_bytes_is(ours, "-"))
        return refuse(line, text, "no name on either side", err);
    return td_bytes_is(theirs, "-") ? add_omission(map, line, ours, err)
                                    : add_name(map, line, theirs, ours, err);
}

static place place_of(msg_type type, int in_entry)
{
    if (!in_entry)
        return PLACE_MESSAGE;
    return type == MSG_BOOK_CHANGE ? PLACE_LEVELS : type == MSG_TRADE ? PLACE_TRADES : PLACE_ITEMS;
}

static int find_name(void *ctx, msg_type type, int in_entry, td_bytes theirs, td_bytes *ours)
{
    const decoder_map *map = ctx;
    place at = place_of(type, in_entry);
    *ours = theirs;
    for (size_t i = 0; i < map->rule_count; i++) {
        if (map->rules[i].at != at || !td_bytes_equal(map->rules[i].theirs, theirs))
            continue;
        *ours = map->rules[i].ours;
        return ours->size > 0;
    }
    return 1;
}

td_result decoder_map_open(td_bytes text, const char *name, decoder_map **out, td_err *err)
{
    map_line line = {name, 0};
    decoder_map *map = td_alloc_zero(1, sizeof *map);
    if (map != NULL)
        map->text = td_strndup((const char *)text.data, text.size);
    if (map == NULL || map->text == NULL) {
        td_free(map);
        return td_err_set(err, TD_E_NOMEM, "no memory for a mapping file");
    }
    map->names = (message_names){find_name, map};
    td_result rc = TD_OK;
    for (const char *at = map->text; *at != '\0' && rc == TD_OK;) {
        size_t size = strcspn(at, "\n");
        line.number++;
        rc = read_line(map, &line, td_bytes_of(at, size), err);
        at += size + (at[size] == '\n');
    }
    if (rc == TD_OK && strlen(map->text) != text.size)
        rc = td_err_set(err, TD_E_INVALID, "%s: a NUL byte in a text file", name);
    if (rc != TD_OK) {
        decoder_map_close(map);
        return rc;
    }
    *out = map;
    return TD_OK;
}

void decoder_map_close(decoder_map *map)
{
    if (map == NULL)
        return;
    td_free(map->rules);
    td_free(map->text);
    td_free(map);
}

const char *decoder_map_text(const decoder_map *map)
{
    return map->text;
}

const message_names *decoder_map_names(const decoder_map *map)
{
    return map->rule_count == 0 ? NULL : &map->names;
}

int decoder_map_leaves_out(const decoder_map *map)
{
    return map->leaves_out;
}

/* ---- leaving out ---- */

static void leave_head(const decoder_map *map, msg_head *head)
{
    const uint8_t *leaves = map->leaves[PLACE_MESSAGE];
    if (map->leaves_kind)
        head->kind = FRAME_UNTYPED;
    if (leaves[MEMBER_EXCHANGE_TIME])
        head->exchange_ns = 0;
    if (leaves[MEMBER_MATCH_TIME])
        head->match_ns = 0;
    if (leaves[MEMBER_CROSS_SEQ])
        head->has_cross_seq = 0;
    if (leaves[MEMBER_U])
        head->has_u = 0;
    if (leaves[MEMBER_SEQ])
        head->has_seq = 0;
    if (leaves[MEMBER_VERSION])
        head->version = td_bytes_of(NULL, 0);
}

static msg_action plain_action(const decoder_map *map, msg_action action)
{
    int is_put = action == ACTION_INSERT || action == ACTION_UPDATE;
    return map->leaves_action && is_put ? ACTION_SET : action;
}

/* 1, or 0 without memory; likewise below. */
static int leave_levels(const decoder_map *map, td_arena *arena, msg_book *book)
{
    const uint8_t *leaves = map->leaves[PLACE_LEVELS];
    msg_level *levels = td_arena_copy(arena, book->levels, book->level_count * sizeof *levels);
    if (levels == NULL)
        return 0;
    for (size_t i = 0; i < book->level_count; i++) {
        levels[i].action = (uint8_t)plain_action(map, (msg_action)levels[i].action);
        if (leaves[MEMBER_PRICE])
            levels[i].price = 0;
        if (leaves[MEMBER_SIZE])
            levels[i].size = 0;
        if (leaves[MEMBER_SIDE])
            levels[i].side = SIDE_NONE;
    }
    book->levels = levels;
    if (leaves[MEMBER_RPI_SIZE] || leaves[MEMBER_SIZE])
        book->rpi_sizes = NULL;
    return 1;
}

static void leave_trade(const uint8_t *leaves, msg_trade *trade)
{
    static const td_decimal ZERO = {0, 0};
    static const td_bytes EMPTY = {NULL, 0};
    if (leaves[MEMBER_PRICE])
        trade->price = ZERO;
    if (leaves[MEMBER_SIZE])
        trade->size = ZERO;
    if (leaves[MEMBER_EXCHANGE_TIME])
        trade->exchange_ns = 0;
    if (leaves[MEMBER_CROSS_SEQ])
        trade->has_cross_seq = 0;
    if (leaves[MEMBER_SEQ])
        trade->has_seq = 0;
    if (leaves[MEMBER_SYMBOL])
        trade->symbol = EMPTY;
    if (leaves[MEMBER_TRADE_ID])
        trade->trade_id = EMPTY;
    if (leaves[MEMBER_TICK_DIRECTION])
        trade->tick_direction = EMPTY;
    if (leaves[MEMBER_SIDE])
        trade->side = SIDE_NONE;
    if (leaves[MEMBER_IS_BLOCK_TRADE])
        trade->is_block_trade = -1;
    if (leaves[MEMBER_IS_RPI_TRADE])
        trade->is_rpi_trade = -1;
}

static int leave_trades(const decoder_map *map, td_arena *arena, msg_trades *of)
{
    msg_trade *trades = td_arena_copy(arena, of->trades, of->trade_count * sizeof *trades);
    if (trades == NULL)
        return 0;
    for (size_t i = 0; i < of->trade_count; i++)
        leave_trade(map->leaves[PLACE_TRADES], &trades[i]);
    of->trades = trades;
    return 1;
}

static int leave_values(const uint8_t *leaves, td_arena *arena, const msg_value **values,
                        size_t *count)
{
    msg_value *kept = td_arena_alloc(arena, *count * sizeof *kept);
    size_t at = 0;
    if (kept == NULL)
        return 0;
    for (size_t i = 0; i < *count; i++)
        if (!leaves[(*values)[i].member])
            kept[at++] = (*values)[i];
    *values = kept;
    *count = at;
    return 1;
}

static int leave_items(const decoder_map *map, place at, td_arena *arena, const msg_item **items,
                       size_t count)
{
    msg_item *kept = td_arena_copy(arena, *items, count * sizeof *kept);
    if (kept == NULL)
        return 0;
    for (size_t i = 0; i < count; i++) {
        kept[i].action = plain_action(map, kept[i].action);
        if (!leave_values(map->leaves[at], arena, &kept[i].values, &kept[i].value_count))
            return 0;
    }
    *items = kept;
    return 1;
}

static int leave_beside(const decoder_map *map, td_arena *arena, message *m)
{
    if (m->beside == NULL)
        return 1;
    msg_beside *beside = td_arena_copy(arena, m->beside, sizeof *beside);
    if (beside == NULL)
        return 0;
    m->beside = beside;
    return leave_values(map->leaves[PLACE_MESSAGE], arena, &beside->values, &beside->value_count) &&
           leave_items(map, place_of(m->head.type, 1), arena, &beside->items,
                       message_item_count(m));
}

static int leave(const decoder_map *map, td_arena *arena, message *m)
{
    leave_head(map, &m->head);
    if (message_is_record(m))
        return leave_values(map->leaves[PLACE_MESSAGE], arena, &m->record.values,
                            &m->record.value_count) &&
               leave_items(map, PLACE_ITEMS, arena, &m->record.items, m->record.item_count);
    return (m->head.type == MSG_BOOK_CHANGE ? leave_levels(map, arena, &m->book)
                                            : leave_trades(map, arena, &m->trades)) &&
           leave_beside(map, arena, m);
}

td_result decoder_map_apply(const decoder_map *map, const message *m, td_arena *arena,
                            const message **out, td_err *err)
{
    *out = m;
    if (!map->leaves_out)
        return TD_OK;
    message *copy = td_arena_copy(arena, m, sizeof *copy);
    if (copy == NULL || !leave(map, arena, copy))
        return td_err_set(err, TD_E_NOMEM, "no memory to leave members out");
    *out = copy;
    return TD_OK;
}
