#include "regress/learn/learn_topic.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

/* Last numbers of a symbol. */
struct learn_symbol {
    char *name;
    int64_t last[LEARN_NUMBERS_MAX];
    uint8_t has[LEARN_NUMBERS_MAX];
};

/* ---- paths ---- */

static int has_prefix(const char *path, const char *prefix)
{
    const size_t size = strlen(prefix);
    return strncmp(path, prefix, size) == 0 &&
           (size == 0 || path[size] == '.' || path[size] == '[');
}

/* The key of a path right below a prefix; NULL: it is elsewhere, or deeper. */
static const char *key_below(const char *path, const char *prefix)
{
    const size_t size = strlen(prefix);
    if (!has_prefix(path, prefix) || path[size] == '\0')
        return NULL;
    const char *key = path + size + (size > 0);
    return strpbrk(key, ".[") == NULL ? key : NULL;
}

/* The object, or the elements of the list, that hold the value at the i-th path; "" is the frame.
 * NULL: an earlier path has the same, or the value is no scalar. So all i together give each once.
 */
static char *holder_of(const path_table *paths, size_t i, td_arena *memory)
{
    const path_stat *stat = paths->at[i];
    const char *dot = strrchr(stat->path, '.');
    const size_t size = dot == NULL ? 0 : (size_t)(dot - stat->path);
    if (stat->containers == stat->values)
        return NULL;
    for (size_t k = 0; k < i; k++) {
        const char *other = strrchr(paths->at[k]->path, '.');
        const size_t before = other == NULL ? 0 : (size_t)(other - paths->at[k]->path);
        if (before == size && paths->at[k]->containers < paths->at[k]->values &&
            strncmp(paths->at[k]->path, stat->path, size) == 0)
            return NULL;
    }
    return td_arena_text(memory, td_bytes_of(stat->path, size));
}

/* ---- entries ---- */

static size_t count_fields(const path_table *paths, const char *holder)
{
    size_t count = 0;
    for (size_t i = 0; i < paths->count; i++)
        count += key_below(paths->at[i]->path, holder) != NULL &&
                 paths->at[i]->containers < paths->at[i]->values;
    return count;
}

/* The key by which the dictionary knows an entry's field; NULL: it is no field there. */
static const char *meaning_key(const path_table *paths, const char *holder, const char *path)
{
    static const char *const AFTER_ACTION[] = {"action", "0", "1", "2", "3"};
    static const char *const AFTER_SIDE[] = {"side", "0", "1", "2", "3"};
    char first[LEARN_PATH_BYTES + 2];
    const char *key = key_below(path, holder);
    if (key == NULL || key[0] < '0' || key[0] > '4' || key[1] != '\0')
        return key;
    (void)snprintf(first, sizeof first, "%s.0", holder);
    const path_stat *stat = path_table_find(paths, first);
    if (stat == NULL)
        return key;
    return learn_has_actions(stat) ? AFTER_ACTION[key[0] - '0']
           : learn_has_sides(stat) ? AFTER_SIDE[key[0] - '0']
                                   : key;
}

/* 1 if entries there have a field of this meaning. */
static int has_meaning(const path_table *paths, const char *holder, msg_type type,
                       msg_member member)
{
    for (size_t i = 0; i < paths->count; i++) {
        const char *key = meaning_key(paths, holder, paths->at[i]->path);
        if (key != NULL && learn_meaning(paths->at[i], key, type, LEARN_ENTRY).member == member)
            return 1;
    }
    return 0;
}

/* The list that a holder is of, without "[]": its last key. */
static const char *list_key(const char *holder, char out[64])
{
    const char *key = path_key(holder);
    (void)snprintf(out, 64, "%.*s", (int)strcspn(key, "["), key); /* longer ones are no words */
    return out;
}

static void add_list(learn_topic *topic, char *holder, const char *side)
{
    char list[LEARN_PATH_BYTES + 2];
    const size_t size = strlen(holder);
    const int is_list = size > 2 && strcmp(holder + size - 2, "[]") == 0;
    (void)snprintf(list, sizeof list, "%.*s", (int)(is_list ? size - 2 : size), holder);
    const path_stat *of = path_table_find(&topic->paths, list);
    char first[LEARN_PATH_BYTES + 2];
    (void)snprintf(first, sizeof first, "%s.0", holder);
    if (topic->list_count == LEARN_LISTS_MAX)
        return;
    topic->lists[topic->list_count++] =
        (learn_list){.path = holder,
                     .stat = of,
                     .side = side,
                     .is_positional = is_list && path_table_find(&topic->paths, first) != NULL,
                     .is_optional = of != NULL && of->frames < topic->paths.frames};
}

/* Add the lists of bids and of asks. */
static void find_sides(learn_topic *topic, td_arena *memory)
{
    char key[64];
    int sides = 0;
    for (size_t i = 0; i < topic->paths.count; i++) {
        char *holder = holder_of(&topic->paths, i, memory);
        if (holder == NULL || path_list(holder) != strlen(holder) || holder[0] == '\0')
            continue;
        const char *name = list_key(holder, key);
        const char *side = learn_is_bids(name) ? "buy" : learn_is_asks(name) ? "sell" : NULL;
        if (side == NULL || !has_meaning(&topic->paths, holder, MSG_BOOK_CHANGE, MEMBER_PRICE))
            continue;
        add_list(topic, holder, side);
        sides |= side[0] == 'b' ? 1 : 2;
    }
    if (sides != 3)
        topic->list_count = 0;
}

/* The holder with the most fields: a list, if there is one, else an object. */
static char *richest_holder(const learn_topic *topic, const topic_place *place, td_arena *memory)
{
    char *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < topic->paths.count; i++) {
        char *holder = holder_of(&topic->paths, i, memory);
        if (holder == NULL)
            continue;
        const int is_inside = has_prefix(holder, place->data);
        const size_t depth = path_list(holder) == strlen(holder) && holder[0] != '\0' ? 100 : 0;
        const size_t score = count_fields(&topic->paths, holder) + depth + (is_inside ? 1000 : 0);
        if (best == NULL || score > most) {
            best = holder;
            most = score;
        }
    }
    return best == NULL ? td_arena_text(memory, td_bytes_of(NULL, 0)) : best;
}

static int name_has(const learn_topic *topic, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strcasestr(topic->name, *words) != NULL)
            return 1;
    return 0;
}

static msg_type type_of(const learn_topic *topic, const char *holder)
{
    static const char *const BOOKS[] = {"book", "depth", "level2", "l2", "mbp", NULL};
    static const char *const TICKERS[] = {"ticker", "quote", "bbo", NULL};
    static const char *const KLINES[] = {"kline", "candle", "ohlc", NULL};
    const path_table *paths = &topic->paths;
#define HAS(type, member) has_meaning(paths, holder, type, member)
    if (name_has(topic, BOOKS) && HAS(MSG_BOOK_CHANGE, MEMBER_PRICE) &&
        HAS(MSG_BOOK_CHANGE, MEMBER_SIZE) && HAS(MSG_BOOK_CHANGE, MEMBER_SIDE))
        return MSG_BOOK_CHANGE;
    if (name_has(topic, KLINES) && HAS(MSG_KLINE, MEMBER_OPEN) && HAS(MSG_KLINE, MEMBER_CLOSE))
        return MSG_KLINE;
    if (name_has(topic, TICKERS))
        return MSG_TICKER;
    if (HAS(MSG_TRADE, MEMBER_PRICE) && HAS(MSG_TRADE, MEMBER_SIZE) && HAS(MSG_TRADE, MEMBER_SIDE))
        return MSG_TRADE;
    if (HAS(MSG_TICKER, MEMBER_BID1_PRICE) && HAS(MSG_TICKER, MEMBER_ASK1_PRICE))
        return MSG_TICKER;
#undef HAS
    return MSG_NOTICE;
}

static void find_entries(learn_topic *topic, const topic_place *place, td_arena *memory)
{
    find_sides(topic, memory);
    if (topic->list_count > 0) {
        topic->type = MSG_BOOK_CHANGE;
        return;
    }
    char *holder = richest_holder(topic, place, memory);
    topic->type = type_of(topic, holder);
    add_list(topic, holder, NULL);
}

/* ---- symbol, kind ---- */

static void find_symbol(learn_topic *topic, const topic_place *place)
{
    for (size_t i = 0; i < topic->paths.count && topic->symbol_path == NULL; i++) {
        const path_stat *stat = topic->paths.at[i];
        if (strcmp(stat->path, place->path) != 0 && stat->frames == topic->paths.frames &&
            stat->texts == stat->values && learn_has_symbols(stat))
            topic->symbol_path = stat->path;
    }
}

static void find_kind(learn_topic *topic, const topic_place *place)
{
    for (size_t i = 0; i < topic->paths.count && topic->kind_path == NULL; i++) {
        const path_stat *stat = topic->paths.at[i];
        int are_kinds = stat->word_count > 0 && stat->word_count <= 3 && !stat->has_more_words &&
                        stat->texts == stat->values && strcmp(stat->path, place->path) != 0;
        for (size_t k = 0; are_kinds && k < stat->word_count; k++)
            are_kinds = learn_kind_of(stat->words[k]) != FRAME_UNTYPED;
        if (are_kinds && path_list(path_key(stat->path)) == 0)
            topic->kind_path = stat->path;
    }
    /* A list of levels that few frames have, while the others have another, is in snapshots. */
    for (size_t i = 0; i < topic->list_count && topic->kind_path == NULL; i++) {
        const path_stat *of = topic->lists[i].stat;
        if (topic->list_count > 2 && topic->snapshot_path == NULL && of != NULL &&
            of->frames * 4 < topic->paths.frames)
            topic->snapshot_path = of->path;
    }
}

/* ---- fields ---- */

/* 1 if the path is of the topic, its kind or its symbol outside of entries. */
static int is_identity(const learn_topic *topic, const topic_place *place, const char *path)
{
    return strcmp(path, place->path) == 0 ||
           (topic->kind_path != NULL && strcmp(path, topic->kind_path) == 0) ||
           (topic->symbol_path != NULL && path_list(path) == 0 &&
            strcmp(path, topic->symbol_path) == 0);
}

int learn_topic_entry_key(const learn_topic *topic, const topic_place *place, const path_stat *stat,
                          const char **key)
{
    for (size_t i = 0; i < topic->list_count && !is_identity(topic, place, stat->path); i++) {
        *key = meaning_key(&topic->paths, topic->lists[i].path, stat->path);
        if (*key != NULL)
            return i == 0 || topic->lists[i].side != NULL;
    }
    return 0;
}

int learn_topic_is_envelope(const learn_topic *topic, const topic_place *place,
                            const path_stat *stat)
{
    if (stat->containers > 0 || is_identity(topic, place, stat->path) ||
        (topic->symbol_path != NULL && strcmp(stat->path, topic->symbol_path) == 0))
        return 0;
    for (size_t i = 0; i < topic->list_count; i++) {
        const char *path = topic->lists[i].path;
        if (path[0] == '\0' || has_prefix(stat->path, path))
            return 0;
    }
    /* A list around the entries, which has one element, is as good as an object. */
    const size_t list = path_list(stat->path);
    return list == 0 || (stat->values == stat->frames && topic->list_count > 0 &&
                         strncmp(topic->lists[0].path, stat->path, list) == 0);
}

/* ---- numbers ---- */

static void find_numbers(learn_topic *topic, const topic_place *place)
{
    for (size_t i = 0; i < topic->paths.count; i++) {
        const path_stat *stat = topic->paths.at[i];
        const msg_member member =
            learn_meaning(stat, path_key(stat->path), topic->type, LEARN_ENVELOPE).member;
        if (topic->number_count == LEARN_NUMBERS_MAX || path_list(stat->path) > 0 ||
            (member != MEMBER_SEQ && member != MEMBER_U && member != MEMBER_PREV_SEQ) ||
            !learn_topic_is_envelope(topic, place, stat))
            continue;
        topic->numbers[topic->number_count++] = (learn_number){.stat = stat, .member = member};
    }
}

static struct learn_symbol *get_symbol(learn_topic *topic, td_bytes name)
{
    for (size_t i = 0; i < topic->symbol_count; i++)
        if (td_bytes_is(name, topic->symbols[i].name))
            return &topic->symbols[i];
    if (topic->symbol_count == LEARN_SYMBOLS_MAX)
        return NULL;
    topic->symbols = td_array_grow(topic->symbols, topic->symbol_count, sizeof *topic->symbols);
    topic->symbols[topic->symbol_count] =
        (struct learn_symbol){.name = td_strndup((const char *)name.data, name.size)};
    return &topic->symbols[topic->symbol_count++];
}

void learn_topic_compare(learn_topic *topic, json_value frame, td_bytes symbol)
{
    struct learn_symbol *of = topic->number_count == 0 ? NULL : get_symbol(topic, symbol);
    int64_t now[LEARN_NUMBERS_MAX] = {0};
    uint8_t has[LEARN_NUMBERS_MAX] = {0};
    for (size_t i = 0; of != NULL && i < topic->number_count; i++) {
        json_value value;
        td_bytes text;
        td_decimal number;
        if (!json_find_first(frame, topic->numbers[i].stat->path, &value))
            continue;
        text = json_raw(value);
        (void)json_text(value, &text);
        if (td_decimal_parse(text, &number, NULL) != TD_OK || number.scale != 0)
            continue;
        now[i] = number.mantissa;
        has[i] = 1;
    }
    for (size_t i = 0; of != NULL && i < topic->number_count; i++) {
        learn_number *n = &topic->numbers[i];
        n->steps += has[i] && of->has[i];
        n->next += has[i] && of->has[i] && now[i] == of->last[i] + 1;
        n->falls += has[i] && of->has[i] && now[i] < of->last[i];
        for (size_t k = 0; k < topic->number_count; k++)
            n->links += k != i && has[i] && of->has[k] && now[i] == of->last[k];
    }
    for (size_t i = 0; of != NULL && i < topic->number_count; i++)
        if (has[i]) {
            of->last[i] = now[i];
            of->has[i] = 1;
        }
}

void learn_topic_decide(learn_topic *topic, const topic_place *place, td_arena *memory)
{
    if (place->symbol == SYMBOL_NOWHERE)
        find_symbol(topic, place);
    find_entries(topic, place, memory);
    find_kind(topic, place);
    find_numbers(topic, place);
}

void learn_topic_fini(learn_topic *topic)
{
    for (size_t i = 0; i < topic->symbol_count; i++)
        td_free(topic->symbols[i].name);
    td_free(topic->symbols);
}
