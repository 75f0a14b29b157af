#include "regress/learn/learn_documents.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

/* A document that is being written; the first failure is kept. */
typedef struct page {
    td_buf *out;
    td_err *err;
    td_result rc;
} page;

static void put(page *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(page *p, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    const int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (p->rc == TD_OK && (size < 0 || (size_t)size >= sizeof text))
        p->rc = td_err_set(p->err, TD_E_LIMIT, "a line of more than 2,047 bytes");
    if (p->rc == TD_OK)
        p->rc = td_buf_append(p->out, text, (size_t)size, p->err);
}

/* ---- the exchange ---- */

/* Put the words for a kind that all topics have. */
static void put_kind_words(page *p, const learned *of, frame_kind kind, const char *name)
{
    const char *written[16];
    size_t count = 0;
    for (size_t i = 0; i < of->topic_count; i++) {
        const char *path = of->topics[i]->kind_path;
        const path_stat *stat = path == NULL ? NULL : path_table_find(&of->topics[i]->paths, path);
        for (size_t k = 0; stat != NULL && k < stat->word_count && count < 16; k++) {
            size_t known = 0;
            while (known < count && strcmp(written[known], stat->words[k]) != 0)
                known++;
            if (known == count && learn_kind_of(stat->words[k]) == kind &&
                learn_is_word(stat->words[k]))
                written[count++] = stat->words[k];
        }
    }
    if (count == 0)
        put(p, "  %s: [%s]\n", name, name);
    for (size_t i = 0; i < count; i++)
        put(p, "%s%s%s", i == 0 ? "  " : ", ", i == 0 ? name : "", i == 0 ? ": [" : "");
    for (size_t i = 0; i < count; i++)
        put(p, "%s%s", written[i], i + 1 == count ? "]\n" : "");
}

static int is_top(const char *path)
{
    return strpbrk(path, ".[") == NULL && strlen(path) <= 12 && learn_is_word(path);
}

/* 1 if control frames have the topic's key, too, with words of their own. */
static int shares_key(const learned *of)
{
    const size_t first = strcspn(of->place.path, ".");
    for (size_t i = 0; i < of->others.count; i++) {
        const path_stat *stat = of->others.at[i];
        for (size_t k = 0; k < stat->word_count && strlen(stat->path) == first &&
                           strncmp(stat->path, of->place.path, first) == 0;
             k++)
            if (learn_class_of(stat->words[k]) != NULL && learn_is_word(stat->words[k]))
                return 1;
    }
    return 0;
}

/* Put rules for control frames: by their words, then by a result. */
static void put_rules(page *p, const learned *of)
{
    enum { RULES_MAX = 20 };
    int count = 0;
    for (size_t i = 0; i < of->others.count; i++) {
        const path_stat *stat = of->others.at[i];
        for (size_t k = 0; is_top(stat->path) && k < stat->word_count && count < RULES_MAX; k++)
            if (learn_class_of(stat->words[k]) != NULL && learn_is_word(stat->words[k])) {
                put(p, "    - %s %s %s\n", stat->path, stat->words[k],
                    learn_class_of(stat->words[k]));
                count++;
            }
    }
    for (size_t i = 0; i < of->others.count; i++) {
        const char *path = of->others.at[i]->path;
        if ((strcmp(path, "result") != 0 && strcmp(path, "success") != 0) ||
            strcmp(path, of->place.data) == 0)
            continue;
        put(p, "    - %s * ack\n", path);
        count++;
    }
    if (count == 0)
        put(p, "    - op pong pong # the capture has no control frame\n");
}

static void put_frames(page *p, const learned *of)
{
    put(p, "frames:\n");
    if (of->is_list)
        put(p, "  list: [id, data*, name, symbol]\n");
    put(p, "  topic: %s\n  data: %s\n", of->place.path, of->place.data);
    if (shares_key(of))
        put(p, "  shared: %.*s\n", (int)strcspn(of->place.path, "."), of->place.path);
    if (of->counter != NULL)
        put(p, "  counter: %s # rises by one in all frames of a connection\n", of->counter);
    put(p, "  begins: '%s'\n", of->begins);
}

/* The symbol's path of topics that are in two members; NULL: they are not. */
static const char *symbol_path(const learned *of)
{
    for (size_t i = 0; i < of->topic_count; i++)
        if (of->topics[i]->symbol_path != NULL)
            return of->topics[i]->symbol_path;
    return NULL;
}

/* "arg.channel" and "arg.instId" are members of one object. */
static int is_one_object(const char *topic, const char *symbol)
{
    const char *a = strrchr(topic, '.'), *b = strrchr(symbol, '.');
    return a != NULL && b != NULL && a - topic == b - symbol &&
           strncmp(topic, symbol, (size_t)(a - topic)) == 0;
}

static void put_spelling(page *p, const topic_place *place)
{
    const char *symbol = place->is_lower ? "{lower_symbol}" : "{symbol}";
    if (place->symbol == SYMBOL_LAST && (place->joint != '.' || place->is_lower))
        put(p, "    spelling: \"{name}%c%s\"\n", place->joint, symbol);
    else if (place->symbol == SYMBOL_FIRST)
        put(p, "    spelling: \"%s%c{name}\"\n", symbol, place->joint);
}

static void put_dialect(page *p, const learned *of)
{
    const char *symbol = symbol_path(of);
    const int has_objects = symbol != NULL && is_one_object(of->place.path, symbol);
    const int has_parts = symbol != NULL && !has_objects;
    char text[LEARN_PATH_BYTES];
    if (has_objects)
        put(p, "topic_keys: [%s, %s]\n", path_key(of->place.path), path_key(symbol));
    if (has_parts)
        put(p, "parts:\n  name: %s\n  symbols: [%s]\n", path_plain(of->place.path, text),
            path_key(symbol));
    put(p, "answers: {ids: [id, req_id, reqid], reasons: [msg, message, error]}\n"
           "dialects:\n  public:\n    ping_s: 20 # not known from a capture\n");
    if (has_parts || shares_key(of))
        put(p, "    properties: %s%s\n", has_parts ? "parts symbol_lists " : "",
            shares_key(of) ? "echoes_topics" : "");
    put_spelling(p, &of->place);
    if (of->ask != NULL && strstr(of->ask, "$topic") != NULL && strstr(of->ask, "$topics") == NULL)
        put(p, "    ask_topics_max: 1\n");
    if (of->ask == NULL)
        put(p, "    # The capture has no request: this one is a guess.\n");
    put(p, "    ask:\n      topics: '%s'\n      ping: '{\"op\":\"ping\"}' # not known\n",
        of->ask != NULL ? of->ask
        : has_parts     ? "{\"op\":$op,\"channel\":$name,\"symbols\":$symbol_list}"
                        : "{\"op\":$op,\"args\":$topics}");
    put(p, "    requests:\n      - op ping ping\n");
    const char *key = of->op_key != NULL ? of->op_key : "op";
    const char *word = of->op_text != NULL ? of->op_text : "subscribe";
    const char *at = strcasestr(word, "sub");
    put(p, "      - %s %s subscribe\n      - %s %.*s%s%s unsubscribe\n", key, word, key,
        (int)(at - word), word, isupper((unsigned char)at[0]) ? "UN" : "un", at);
    put(p, "    ids: [id, req_id, reqid]\n");
    if (!has_parts)
        put(p, "    lists: [%s]\n", of->lists != NULL ? of->lists : "args");
    put(p, "    # What serve answers; not needed for record.\n    replies:\n"
           "      ping: '{\"op\":\"pong\"}'\n      any granted: '{\"success\":true}'\n"
           "      any: '{\"success\":false,\"msg\":$reason}'\n"
           "    refusals:\n      other: Invalid request\n");
}

td_result learned_write_exchange(const learned *of, td_buf *out, td_err *err)
{
    page p = {out, err, TD_OK};
    put(&p,
        "# Proposed by tapedeck family learn from a capture: read it before you use it.\n"
        "exchange: %s\nfamilies:\n  - %s\nconnects: 300 per 300 s # not known from a capture\n"
        "kinds:\n",
        of->name, of->name);
    put_kind_words(&p, of, FRAME_SNAPSHOT, "snapshot");
    put_kind_words(&p, of, FRAME_DELTA, "delta");
    put_frames(&p, of);
    put(&p, "control:\n  rules:\n");
    put_rules(&p, of);
    put_dialect(&p, of);
    return p.rc;
}

/* ---- the family ---- */

/* 1 if the topic's entries must have the field. */
static int is_required(msg_type type, msg_member member)
{
    return (type == MSG_BOOK_CHANGE || type == MSG_TRADE) &&
           (member == MEMBER_PRICE || member == MEMBER_SIZE || member == MEMBER_SIDE ||
            member == MEMBER_LEVEL_ACTION);
}

/* The fields of one place. */
typedef struct field_list {
    const path_stat *at[128];
    const char *keys[128];
    learn_field fields[128];
    size_t count;
} field_list;

/* The place of the field with a member; the count of fields if it is absent. */
static size_t find_member(const field_list *list, msg_member member)
{
    size_t at = 0;
    while (at < list->count && list->fields[at].member != member)
        at++;
    return at;
}

static int has_member(const field_list *list, msg_member member)
{
    return find_member(list, member) < list->count;
}

static void add_field(field_list *list, const path_stat *stat, const char *key, learn_field field)
{
    size_t known = 0;
    while (known < list->count && strcmp(list->keys[known], key) != 0)
        known++;
    if (known < list->count || list->count == 128)
        return;
    const size_t other =
        field.member == MEMBER_NONE ? list->count : find_member(list, field.member);
    if (other < list->count && list->fields[other].rank <= field.rank)
        field = (learn_field){MEMBER_NONE, learn_type(stat), 0};
    else if (other < list->count)
        list->fields[other] = (learn_field){MEMBER_NONE, learn_type(list->at[other]), 0};
    list->at[list->count] = stat;
    list->keys[list->count] = key;
    list->fields[list->count++] = field;
}

static void collect(const learned *of, const learn_topic *topic, field_list *entry,
                    field_list *envelope)
{
    entry->count = envelope->count = 0;
    for (size_t i = 0; i < topic->paths.count; i++) {
        const path_stat *stat = topic->paths.at[i];
        const char *path = stat->path, *key;
        if (learn_topic_entry_key(topic, &of->place, stat, &key)) {
            if (learn_is_word(path_key(path)))
                add_field(entry, stat, path_key(path),
                          learn_meaning(stat, key, topic->type, LEARN_ENTRY));
        } else if (learn_topic_is_envelope(topic, &of->place, stat)) {
            add_field(envelope, stat, path,
                      learn_meaning(stat, path_key(path), topic->type, LEARN_ENVELOPE));
        }
    }
}

/* 1 if each frame has the number: only then a rule about it proves that none is missing. */
static int is_number_of_each(const learn_topic *topic, const path_stat *stat)
{
    for (size_t i = 0; i < topic->number_count; i++)
        if (topic->numbers[i].stat == stat)
            return stat->frames == topic->paths.frames;
    return 0;
}

static void put_field(page *p, const learn_topic *topic, const field_list *list, size_t i)
{
    char text[LEARN_PATH_BYTES];
    const learn_field *field = &list->fields[i];
    const char *key = path_plain(list->keys[i], text);
    const path_stat *stat = list->at[i];
    if (field->member != MEMBER_NONE) {
        put(p, "    - %s %s %s%s\n", key, msg_member_name(field->member), field->type,
            is_required(topic->type, field->member) || is_number_of_each(topic, stat) ? " required"
                                                                                      : "");
        return;
    }
    char example[64] = "";
    for (size_t k = 0; k < stat->word_count && example[0] == '\0'; k++)
        if (strlen(stat->words[k]) < 40 && learn_is_word(stat->words[k]))
            (void)snprintf(example, sizeof example, ", such as %s", stat->words[k]);
    put(p, "    # - %s MEANING %s # not known%s\n", key, field->type, example);
}

static size_t known_count(const field_list *list)
{
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        count += list->fields[i].member != MEMBER_NONE;
    return count;
}

/* A message without a known field is not decoded: its topic is left out. */
static void put_set(page *p, const learn_topic *topic, size_t number, const char *what,
                    const field_list *list)
{
    if (known_count(list) == 0)
        return;
    put(p, "  %s_%zu:\n", what, number);
    for (size_t i = 0; i < list->count; i++)
        put_field(p, topic, list, i);
}

static void put_pattern(page *p, const learned *of, const learn_topic *topic)
{
    const int has_symbol = of->place.symbol != SYMBOL_NOWHERE || topic->symbol_path != NULL;
    put(p, "  - topic: \"%s%s%s%s\"\n", topic->name, has_symbol ? ".{symbol}" : "",
        topic->rest[0] == '\0' ? "" : ".", topic->rest);
}

static void put_lists(page *p, const learn_topic *topic)
{
    char path[LEARN_PATH_BYTES];
    const int is_book = topic->type == MSG_BOOK_CHANGE;
    const char *action = topic->type == MSG_TRADE ? "none" : "set";
    put(p, "    entries:\n");
    for (size_t i = 0; i < topic->list_count; i++) {
        const learn_list *list = &topic->lists[i];
        /* Lists of snapshots are as rare as the one that shows them. */
        const int is_snapshot = topic->snapshot_path != NULL && list->stat != NULL &&
                                list->stat->frames * 4 < topic->paths.frames;
        const char *kind = topic->snapshot_path == NULL ? "any"
                           : is_snapshot                ? "snapshot"
                                                        : "delta";
        put(p, "      - %s %s %s%s%s%s%s%s\n", path_plain(list->path, path), action, kind,
            list->is_positional ? " positional" : "", list->side != NULL ? " " : "",
            list->side != NULL ? list->side : "", is_book ? " zero_deletes empty" : "",
            list->is_optional && !is_snapshot ? " optional" : "");
    }
}

/* Put the rule about a number that the frames bear out. */
static void put_number_rule(page *p, const learned *of, const learn_topic *topic)
{
    const learn_number *best = NULL;
    for (size_t i = 0; i < topic->number_count; i++) {
        const learn_number *n = &topic->numbers[i];
        if (n->member == MEMBER_PREV_SEQ && n->links * 100 >= n->steps * 95 && n->steps > 4) {
            put(p, "      - prev_links prev_seq error # %u of %u frames\n", n->links, n->steps);
            return;
        }
        if (n->member != MEMBER_PREV_SEQ && (best == NULL || n->next > best->next))
            best = n;
    }
    if (best == NULL || best->steps < 5)
        return;
    const char *name = msg_member_name(best->member);
    const int is_counter = of->counter != NULL && strcmp(of->counter, best->stat->path) == 0;
    if (is_counter && best->member == MEMBER_SEQ)
        put(p, "      - conn_dense seq error\n");
    else if (best->next * 100 >= best->steps * 95)
        put(p, "      - seq_dense %s error # %u of %u frames\n", name, best->next, best->steps);
    else if (best->falls == 0)
        put(p, "      - seq_weak %s warning # it rises by one in %u of %u frames\n", name,
            best->next, best->steps);
}

static void put_rules_of(page *p, const learned *of, const learn_topic *topic,
                         const field_list *entry, const field_list *envelope)
{
    const int has_time = has_member(entry, MEMBER_EXCHANGE_TIME) ||
                         (topic->type != MSG_TRADE && has_member(envelope, MEMBER_EXCHANGE_TIME));
    put(p, "    rules:\n");
    put_number_rule(p, of, topic);
    if (topic->type == MSG_BOOK_CHANGE) {
        if (topic->kind_path != NULL || topic->snapshot_path != NULL)
            put(p, "      - anchored error\n");
        put(p, "      - not_crossed error\n      - delete_exists statistic\n");
    }
    if (has_member(entry, MEMBER_SYMBOL))
        put(p, "      - symbol_matches error\n");
    if (topic->type == MSG_TRADE && has_member(entry, MEMBER_TRADE_ID))
        put(p, "      - id_unique trade_id error\n");
    if (topic->type != MSG_BOOK_CHANGE && has_time)
        put(p, "      - %s warning\n",
            topic->type == MSG_TRADE ? "entry_time_weak exchange_ns" : "time_weak");
    else if (topic->type != MSG_BOOK_CHANGE)
        put(p, "      - frame_unique statistic\n");
}

static void put_topic(page *p, const learned *of, const learn_topic *topic, size_t number,
                      const field_list *entry, const field_list *envelope)
{
    char text[LEARN_PATH_BYTES];
    const int has_sequence = has_member(envelope, MEMBER_SEQ) || has_member(envelope, MEMBER_U);
    const int has_time =
        has_member(envelope, MEMBER_EXCHANGE_TIME) || has_member(entry, MEMBER_EXCHANGE_TIME);
    put_pattern(p, of, topic);
    put(p, "    message: %s\n    title: \"%s, %u frames\"\n", msg_type_name(topic->type),
        topic->name, topic->frames);
    if (topic->symbol_path != NULL)
        put(p, "    symbol: %s\n", path_plain(topic->symbol_path, text));
    if (strcmp(of->place.path, "topic") != 0)
        put(p, "    topic_key: %s\n", of->place.path);
    if (topic->kind_path != NULL && strcmp(topic->kind_path, "type") != 0)
        put(p, "    kind_key: %s\n", path_plain(topic->kind_path, text));
    else if (topic->kind_path == NULL && path_table_find(&topic->paths, "type") != NULL)
        put(p, "    kind_key: none # type tells no kind\n");
    if (topic->snapshot_path != NULL)
        put(p, "    snapshot_has: %s\n", path_plain(topic->snapshot_path, text));
    if (topic->type == MSG_BOOK_CHANGE && topic->kind_path == NULL)
        put(p, "    kind: delta%s\n",
            topic->snapshot_path == NULL
                ? " # no frame looks like a snapshot: a request: may be needed"
                : "");
    if (has_sequence)
        put(p, "    sequence: envelope\n");
    if (has_time)
        put(p, "    time: exchange_ns\n");
    if (known_count(envelope) > 0)
        put(p, "    envelope: frame_%zu\n", number);
    if (known_count(entry) > 0)
        put(p, "    fields: entry_%zu\n", number);
    put_lists(p, topic);
    if (topic->type == MSG_BOOK_CHANGE && has_member(envelope, MEMBER_CHECKSUM))
        put(p,
            "    # checksum: {levels: 25, order: alternating} # if it is such a CRC-32, with the "
            "rule: checksum checksum error\n");
    put_rules_of(p, of, topic, entry, envelope);
}

td_result learned_write_family(const learned *of, td_buf *out, td_err *err)
{
    field_list *entry = td_alloc_zero(1, sizeof *entry);
    field_list *envelope = td_alloc_zero(1, sizeof *envelope);
    page p = {out, err, TD_OK};
    put(&p,
        "# Proposed by tapedeck family learn from a capture: read it before you use it.\n"
        "# Lines of fields that begin with # need a meaning (docs/topics.md has all of them).\n"
        "family: %s\nexchange: %s\ndialect: public\naddresses:\n  - main public %s\n"
        "sets:\n",
        of->name, of->name, of->address == NULL ? "wss://HOST/PATH" : of->address);
    for (size_t i = 0; i < of->topic_count; i++) {
        collect(of, of->topics[i], entry, envelope);
        put_set(&p, of->topics[i], i + 1, "frame", envelope);
        put_set(&p, of->topics[i], i + 1, "entry", entry);
    }
    for (size_t i = 0; i < of->left_out_count; i++)
        put(&p, "# Left out, because it has no symbol or no field is known: %s, %u frames\n",
            of->left_out[i]->name, of->left_out[i]->frames);
    put(&p, "topics:\n");
    for (size_t i = 0; i < of->topic_count; i++) {
        collect(of, of->topics[i], entry, envelope);
        put_topic(&p, of, of->topics[i], i + 1, entry, envelope);
    }
    td_free(entry);
    td_free(envelope);
    return p.rc;
}
