#include "schema/family_file.h"

#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/suggest.h"
#include "schema/dialect.h"
#include "schema/topic.h"
#include "schema/topic_check.h"

enum {
    USES_MAX = 4,    /* documents that a document uses */
    SETS_MAX = 256,  /* sets of fields that a family can use */
    TOPICS_MAX = 64, /* topics of a family */
    WORDS_MAX = 12,  /* words of a field, an entry or a rule */
    COINS_MAX = 32,
    KEYS_MAX = 256, /* keys of a mapping */
};

typedef struct source {
    const char *name;
    yaml_document_t document;
} source;

/* A node, with its document. */
typedef struct node {
    const source *of;
    const yaml_node_t *at; /* NULL: absent */
} node;

typedef struct field_set {
    const char *name;
    const field_row *rows;
    size_t count;
} field_set;

typedef struct reading {
    const exchange_row *exchange;
    td_arena *memory;
    source sources[1 + USES_MAX]; /* the family's own, and those that it uses */
    size_t source_count;
    field_set sets[SETS_MAX];
    size_t set_count;
} reading;

/* A word and its meaning. */
typedef struct word_row {
    const char *word;
    int value;
} word_row;

/* The words of a text, which are separated by spaces. */
typedef struct words {
    td_bytes at[WORDS_MAX];
    size_t count;
} words;

/* ---- errors ---- */

/* Set an error about a node: "v5-linear.yaml:12: ...". */
static td_result refuse(node at, const char *what, td_bytes found, td_err *err)
{
    size_t line = at.at == NULL ? 0 : at.at->start_mark.line + 1;
    return td_err_set(err, TD_E_INVALID, "%s.yaml:%zu: %s '%.*s'", at.of->name, line, what,
                      (int)(found.size < 80 ? found.size : 80),
                      found.data == NULL ? "" : (const char *)found.data);
}

/* As refuse, with the words that are allowed, or the one that was probably meant. */
static td_result refuse_word(node at, const char *what, td_bytes found, const word_row *allowed,
                             size_t count, td_err *err)
{
    enum { LIST_BYTES = 400 };
    suggest_search search = {.written = found};
    char similar[128];
    char list[LIST_BYTES] = "";
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(list);
        suggest_offer(&search, allowed[i].word);
        (void)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ",
                       allowed[i].word); /* cut if too long */
    }
    suggest_format(&search, similar, sizeof similar);
    td_result rc = refuse(at, what, found, err);
    td_err_hint(err, "%s%sallowed: %s", similar, similar[0] == '\0' ? "" : " ", list);
    return rc;
}

/* ---- nodes ---- */

static node node_of(const source *of, int index)
{
    return (node){of, yaml_document_get_node((yaml_document_t *)&of->document, index)};
}

static td_bytes text_of(node at)
{
    if (at.at == NULL || at.at->type != YAML_SCALAR_NODE)
        return (td_bytes){0};
    return td_bytes_of(at.at->data.scalar.value, at.at->data.scalar.length);
}

static size_t size_of(node list)
{
    if (list.at == NULL || list.at->type != YAML_SEQUENCE_NODE)
        return 0;
    return (size_t)(list.at->data.sequence.items.top - list.at->data.sequence.items.start);
}

static node entry_of(node list, size_t index)
{
    TD_ASSERT(index < size_of(list));
    return node_of(list.of, list.at->data.sequence.items.start[index]);
}

static size_t pair_count(node mapping)
{
    if (mapping.at == NULL || mapping.at->type != YAML_MAPPING_NODE)
        return 0;
    return (size_t)(mapping.at->data.mapping.pairs.top - mapping.at->data.mapping.pairs.start);
}

static node pair_key(node mapping, size_t index)
{
    return node_of(mapping.of, mapping.at->data.mapping.pairs.start[index].key);
}

static node pair_value(node mapping, size_t index)
{
    return node_of(mapping.of, mapping.at->data.mapping.pairs.start[index].value);
}

static node find(node mapping, const char *key)
{
    for (size_t i = 0; i < pair_count(mapping); i++)
        if (td_bytes_is(text_of(pair_key(mapping, i)), key))
            return pair_value(mapping, i);
    return (node){mapping.of, NULL};
}

static const char *copy_bytes(reading *r, td_bytes text)
{
    char *copy = td_arena_alloc(r->memory, text.size + 1);
    if (text.data != NULL)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

static td_result read_text(reading *r, node at, const char **out, td_err *err)
{
    *out = copy_bytes(r, text_of(at));
    return at.at->type == YAML_SCALAR_NODE
               ? TD_OK
               : refuse(at, "a text is expected, not", text_of(at), err);
}

/* ---- words ---- */

static td_result split(node at, words *out, td_err *err)
{
    td_bytes text = text_of(at);
    size_t i = 0;
    *out = (words){.count = 0};
    if (text.size == 0)
        return refuse(at, "a text is expected, not", text, err);
    while (i < text.size) {
        size_t from = i;
        while (i < text.size && text.data[i] != ' ')
            i++;
        if (i > from && out->count == WORDS_MAX)
            return refuse(at, "too many words in", text, err);
        if (i > from)
            out->at[out->count++] = td_bytes_of(text.data + from, i - from);
        while (i < text.size && text.data[i] == ' ')
            i++;
    }
    return TD_OK;
}

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* The value of a word; -1 if it is not in the table. */
static int value_of(const word_row *table, size_t count, td_bytes word)
{
    for (size_t i = 0; i < count; i++)
        if (td_bytes_is(word, table[i].word))
            return table[i].value;
    return -1;
}

static td_result read_word(node at, const char *what, td_bytes word, const word_row *table,
                           size_t count, int *out, td_err *err)
{
    *out = value_of(table, count, word);
    return *out >= 0 ? TD_OK : refuse_word(at, what, word, table, count, err);
}

static td_result read_member(node at, td_bytes word, msg_member *out, td_err *err)
{
    *out = msg_member_find(word);
    if (*out != MEMBER_NONE)
        return TD_OK;
    suggest_search search = {.written = word};
    char similar[128];
    for (int i = MEMBER_NONE + 1; i < MEMBER_COUNT; i++)
        suggest_offer(&search, msg_member_name((msg_member)i));
    suggest_format(&search, similar, sizeof similar);
    td_result rc = refuse(at, "there is no meaning", word, err);
    td_err_hint(err, "%s%sdocs/messages.md lists them", similar, similar[0] == '\0' ? "" : " ");
    return rc;
}

/* ---- fields ---- */

static const word_row TYPES[] = {
    {"text", FIELD_TEXT}, {"decimal", FIELD_DECIMAL}, {"integer", FIELD_INTEGER},
    {"bool", FIELD_BOOL}, {"side", FIELD_SIDE},       {"any_side", FIELD_ANY_SIDE},
    {"time", FIELD_TIME}, {"is_buy", FIELD_IS_BUY},   {"json", FIELD_JSON},
};

static const word_row UNITS[] = {
    {"price", UNIT_PRICE},
    {"quantity", UNIT_QUANTITY},
    {"money", UNIT_MONEY},
    {"rate", UNIT_RATE},
    {"s", UNIT_S},
    {"ms", UNIT_MS},
    {"us", UNIT_US},
    {"ns", UNIT_NS},
    {"rfc3339", UNIT_RFC3339},
};

static const word_row FIELD_FLAGS[] = {
    {"required", FIELD_REQUIRED},         {"preferred", FIELD_PREFERRED},
    {"inherited", FIELD_INHERITED},       {"required_to_set", FIELD_REQUIRED_TO_SET},
    {"scale_varies", FIELD_SCALE_VARIES},
};

/* Read the words after a field's type: its unit, its scale ("e4") and its flags. */
static td_result read_field_words(node at, const words *from, field_row *out, td_err *err)
{
    for (size_t i = 3; i < from->count; i++) {
        const td_bytes word = from->at[i];
        const int unit = value_of(UNITS, COUNT_OF(UNITS), word);
        int flag = 0;
        if (unit >= 0)
            out->unit = (field_unit)unit;
        else if (word.size == 2 && word.data[0] == 'e' && word.data[1] >= '1' &&
                 word.data[1] <= '9')
            out->scale_e10 = (uint8_t)(word.data[1] - '0');
        else if (read_word(at, "a field has no property", word, FIELD_FLAGS, COUNT_OF(FIELD_FLAGS),
                           &flag, err) != TD_OK)
            return TD_E_INVALID;
        out->flags |= (uint8_t)flag;
    }
    return TD_OK;
}

/* "KEY MEANING TYPE [UNIT] [eN] [FLAG...]" */
static td_result read_field(reading *r, node at, field_row *out, td_err *err)
{
    words from;
    int type = 0;
    *out = (field_row){.unit = UNIT_NONE};
    td_result rc = split(at, &from, err);
    if (rc == TD_OK && from.count < 3)
        rc = refuse(at, "a field is \"KEY MEANING TYPE\", not", text_of(at), err);
    if (rc == TD_OK)
        rc = read_member(at, from.at[1], &out->member, err);
    if (rc == TD_OK)
        rc = read_word(at, "there is no type", from.at[2], TYPES, COUNT_OF(TYPES), &type, err);
    if (rc != TD_OK)
        return rc;
    out->key = copy_bytes(r, from.at[0]);
    out->type = (field_type)type;
    return read_field_words(at, &from, out, err);
}

static td_result read_set(reading *r, node name, node list, td_err *err)
{
    const size_t count = size_of(list);
    td_result rc = TD_OK;
    if (count == 0 || count > TOPIC_FIELDS_MAX)
        return refuse(name, "1 to 128 fields are expected in", text_of(name), err);
    if (r->set_count == SETS_MAX)
        return refuse(name, "too many sets:", text_of(name), err);
    field_row *rows = td_arena_alloc(r->memory, count * sizeof *rows);
    for (size_t i = 0; rc == TD_OK && i < count; i++)
        rc = read_field(r, entry_of(list, i), &rows[i], err);
    r->sets[r->set_count++] = (field_set){copy_bytes(r, text_of(name)), rows, count};
    return rc;
}

/* Find the set that a node names. The family's own sets are first. */
static td_result find_set(const reading *r, node at, size_t most, const field_row **rows,
                          size_t *count, td_err *err)
{
    suggest_search search = {.written = text_of(at)};
    char similar[128];
    for (size_t i = 0; i < r->set_count; i++) {
        if (!td_bytes_is(text_of(at), r->sets[i].name))
            continue;
        *rows = r->sets[i].rows;
        *count = r->sets[i].count;
        return *count <= most ? TD_OK : refuse(at, "too many fields in", text_of(at), err);
    }
    for (size_t i = 0; i < r->set_count; i++)
        suggest_offer(&search, r->sets[i].name);
    suggest_format(&search, similar, sizeof similar);
    td_result rc = refuse(at, "there is no set of fields", text_of(at), err);
    if (similar[0] != '\0')
        td_err_hint(err, "%s", similar);
    return rc;
}

/* ---- entries and rules ---- */

static const word_row ACTIONS[] = {{"none", ACTION_NONE},
                                   {"set", ACTION_SET},
                                   {"delete", ACTION_DELETE},
                                   {"update", ACTION_UPDATE},
                                   {"insert", ACTION_INSERT}};

static const word_row KINDS[] = {{"untyped", FRAME_UNTYPED},
                                 {"snapshot", FRAME_SNAPSHOT},
                                 {"delta", FRAME_DELTA},
                                 {"any", FRAME_ANY}};

static const word_row ITEM_FLAGS[] = {
    {"optional", ITEMS_OPTIONAL}, {"positional", ITEMS_POSITIONAL},
    {"buy", ITEMS_BUY},           {"sell", ITEMS_SELL},
    {"best", ITEMS_BEST},         {"zero_deletes", ITEMS_ZERO_DELETES},
    {"list", ITEMS_LIST},         {"empty", ITEMS_EMPTY},
};

/* "PATH ACTION KIND [FLAG...]"; the path "." is the frame itself. */
static td_result read_item(reading *r, node at, items_row *out, td_err *err)
{
    words from;
    int action = 0, kind = 0, flag = 0;
    *out = (items_row){.path = ""};
    td_result rc = split(at, &from, err);
    if (rc == TD_OK && from.count < 3)
        rc = refuse(at, "entries are \"PATH ACTION KIND\", not", text_of(at), err);
    if (rc == TD_OK)
        rc = read_word(at, "there is no action", from.at[1], ACTIONS, COUNT_OF(ACTIONS), &action,
                       err);
    if (rc == TD_OK)
        rc = read_word(at, "there is no kind", from.at[2], KINDS, COUNT_OF(KINDS), &kind, err);
    for (size_t i = 3; rc == TD_OK && i < from.count; i++) {
        rc = read_word(at, "entries have no property", from.at[i], ITEM_FLAGS, COUNT_OF(ITEM_FLAGS),
                       &flag, err);
        out->flags |= (uint8_t)flag;
    }
    if (rc != TD_OK)
        return rc;
    if (!td_bytes_is(from.at[0], "."))
        out->path = copy_bytes(r, from.at[0]);
    out->action = (msg_action)action;
    out->kind = (frame_kind)kind;
    return TD_OK;
}

static td_result read_items(reading *r, node list, topic_row *out, td_err *err)
{
    td_result rc = TD_OK;
    if (size_of(list) == 0 || size_of(list) > TOPIC_ITEMS_MAX)
        return refuse(list, "1 to 6 lists of entries are expected, not", text_of(list), err);
    for (size_t i = 0; rc == TD_OK && i < size_of(list); i++)
        rc = read_item(r, entry_of(list, i), &out->items[i], err);
    return rc;
}

static const word_row STRENGTHS[] = {
    {"error", STRENGTH_ERROR}, {"warning", STRENGTH_WARNING}, {"statistic", STRENGTH_STATISTIC}};

static td_result find_rule(node at, td_bytes word, rule_id *out, td_err *err)
{
    suggest_search search = {.written = word};
    char similar[128];
    for (int i = RULE_NONE + 1; i < RULE_COUNT; i++)
        if (td_bytes_is(word, rule_name((rule_id)i))) {
            *out = (rule_id)i;
            return TD_OK;
        }
    for (int i = RULE_NONE + 1; i < RULE_COUNT; i++)
        suggest_offer(&search, rule_name((rule_id)i));
    suggest_format(&search, similar, sizeof similar);
    td_result rc = refuse(at, "there is no rule", word, err);
    td_err_hint(err, "%s%sdocs/replay.md lists them", similar, similar[0] == '\0' ? "" : " ");
    return rc;
}

/* "RULE [NUMBER] STRENGTH" */
static td_result read_rule(node at, rule_row *out, td_err *err)
{
    words from;
    int strength = 0;
    *out = (rule_row){.member = MEMBER_NONE};
    td_result rc = split(at, &from, err);
    if (rc == TD_OK && (from.count < 2 || from.count > 3))
        rc = refuse(at, "a rule is \"RULE [MEANING] STRENGTH\", not", text_of(at), err);
    if (rc == TD_OK)
        rc = find_rule(at, from.at[0], &out->rule, err);
    if (rc == TD_OK && from.count == 3)
        rc = read_member(at, from.at[1], &out->member, err);
    if (rc == TD_OK)
        rc = read_word(at, "a rule has no strength", from.at[from.count - 1], STRENGTHS,
                       COUNT_OF(STRENGTHS), &strength, err);
    out->strength = (rule_strength)strength;
    return rc;
}

static td_result read_rules(node list, topic_row *out, td_err *err)
{
    td_result rc = TD_OK;
    if (size_of(list) > TOPIC_RULES_MAX)
        return refuse(list, "at most 20 rules are expected, not", text_of(list), err);
    for (size_t i = 0; rc == TD_OK && i < size_of(list); i++)
        rc = read_rule(entry_of(list, i), &out->rules[i], err);
    return rc;
}

/* ---- topics ---- */

/* What a key of a topic sets. */
typedef enum topic_key {
    KEY_TOPIC,
    KEY_NAME,
    KEY_MESSAGE,
    KEY_TITLE,
    KEY_FROM,
    KEY_UNTIL,
    KEY_PARAMETER,
    KEY_SYMBOL,
    KEY_AUDIT,
    KEY_DEPTH,
    KEY_SEQUENCE,
    KEY_TIME,
    KEY_EVENTS,
    KEY_TOPIC_KEY,
    KEY_KIND_KEY,
    KEY_KIND,
    KEY_REQUEST,
    KEY_ENVELOPE,
    KEY_FIELDS,
    KEY_ENTRIES,
    KEY_RULES,
    KEY_SNAPSHOT,
} topic_key;

static const word_row TOPIC_KEYS[] = {
    {"topic", KEY_TOPIC},       {"name", KEY_NAME},           {"message", KEY_MESSAGE},
    {"title", KEY_TITLE},       {"from", KEY_FROM},           {"until", KEY_UNTIL},
    {"symbol", KEY_SYMBOL},     {"parameter", KEY_PARAMETER}, {"audit", KEY_AUDIT},
    {"depth", KEY_DEPTH},       {"sequence", KEY_SEQUENCE},   {"time", KEY_TIME},
    {"events", KEY_EVENTS},     {"topic_key", KEY_TOPIC_KEY}, {"kind_key", KEY_KIND_KEY},
    {"kind", KEY_KIND},         {"request", KEY_REQUEST},     {"envelope", KEY_ENVELOPE},
    {"fields", KEY_FIELDS},     {"entries", KEY_ENTRIES},     {"rules", KEY_RULES},
    {"snapshot", KEY_SNAPSHOT},
};

static const word_row SEQUENCES[] = {{"envelope", SEQ_ENVELOPE}, {"entry", SEQ_ITEM}};

static td_result read_message(node at, topic_row *out, td_err *err)
{
    word_row names[MSG_TYPE_COUNT];
    int type = 0;
    for (int i = 0; i < MSG_TYPE_COUNT; i++)
        names[i] = (word_row){msg_type_name((msg_type)i), i};
    td_result rc =
        read_word(at, "there is no message type", text_of(at), names, MSG_TYPE_COUNT, &type, err);
    out->type = (msg_type)type;
    return rc;
}

static td_result read_number(node at, uint64_t most, uint64_t *out, td_err *err)
{
    return td_digits_parse(text_of(at), most, out)
               ? TD_OK
               : refuse(at, "a number is expected, not", text_of(at), err);
}

static td_result read_true(node at, uint8_t *out, td_err *err)
{
    *out = (uint8_t)td_bytes_is(text_of(at), "true");
    return *out ? TD_OK : refuse(at, "only true is allowed, not", text_of(at), err);
}

/* The name of a topic: its pattern without the symbol. */
static const char *name_of(reading *r, const char *pattern)
{
    static const char *const SYMBOLS[] = {".{symbol}", ".{coin}"};
    size_t size = strlen(pattern);
    for (size_t i = 0; i < COUNT_OF(SYMBOLS); i++) {
        size_t end = strlen(SYMBOLS[i]);
        if (size > end && strcmp(pattern + size - end, SYMBOLS[i]) == 0)
            return copy_bytes(r, td_bytes_of((const uint8_t *)pattern, size - end));
    }
    return pattern;
}

static td_result read_topic_key(reading *r, topic_key key, node at, topic_row *out, td_err *err)
{
    uint64_t number = 0;
    int value = 0;
    td_result rc = TD_OK;
    switch (key) {
    case KEY_TOPIC:
        return read_text(r, at, &out->pattern, err);
    case KEY_NAME:
        return read_text(r, at, &out->name, err);
    case KEY_MESSAGE:
        return read_message(at, out, err);
    case KEY_TITLE:
        return read_text(r, at, &out->title, err);
    case KEY_FROM:
        return read_text(r, at, &out->valid_from, err);
    case KEY_UNTIL:
        return read_text(r, at, &out->valid_until, err);
    case KEY_PARAMETER:
        return read_text(r, at, &out->parameter_path, err);
    case KEY_SYMBOL:
        return read_text(r, at, &out->symbol_path, err);
    case KEY_AUDIT:
        return read_text(r, at, &out->audit, err);
    case KEY_DEPTH:
        rc = read_number(at, LIMIT_BOOK_LEVELS, &number, err);
        out->book_depth = (uint32_t)number;
        break;
    case KEY_SEQUENCE:
        rc = read_word(at, "there is no sequence", text_of(at), SEQUENCES, COUNT_OF(SEQUENCES),
                       &value, err);
        out->sequence = (seq_source)value;
        break;
    case KEY_TIME:
        return read_member(at, text_of(at), &out->time_member, err);
    case KEY_EVENTS:
        return read_true(at, &out->is_event, err);
    case KEY_TOPIC_KEY:
        return read_text(r, at, &out->topic_key, err);
    case KEY_KIND_KEY:
        return read_text(r, at, &out->kind_key, err);
    case KEY_KIND:
        rc = read_word(at, "there is no kind", text_of(at), KINDS, COUNT_OF(KINDS), &value, err);
        out->default_kind = (frame_kind)value;
        break;
    case KEY_REQUEST:
        return read_text(r, at, &out->snapshot_request, err);
    case KEY_ENVELOPE:
        return find_set(r, at, TOPIC_ENVELOPE_MAX, &out->envelope, &out->envelope_count, err);
    case KEY_FIELDS:
        return find_set(r, at, TOPIC_FIELDS_MAX, &out->fields, &out->field_count, err);
    case KEY_ENTRIES:
        return read_items(r, at, out, err);
    case KEY_RULES:
        return read_rules(at, out, err);
    case KEY_SNAPSHOT:
        break; /* read_reply */
    }
    return rc;
}

static td_result read_topic_keys(reading *r, node mapping, topic_row *out, td_err *err)
{
    td_result rc = TD_OK;
    int key = 0;
    for (size_t i = 0; rc == TD_OK && i < pair_count(mapping); i++) {
        node name = pair_key(mapping, i);
        rc = read_word(name, "a topic has no key", text_of(name), TOPIC_KEYS, COUNT_OF(TOPIC_KEYS),
                       &key, err);
        if (rc == TD_OK)
            rc = read_topic_key(r, (topic_key)key, pair_value(mapping, i), out, err);
    }
    return rc;
}

/* The row of the reply that is the topic's snapshot: as the topic's, but for the keys of
 * `snapshot`. */
static td_result read_reply(reading *r, node mapping, topic_row *topic, td_err *err)
{
    topic_row reply = *topic;
    if (mapping.at == NULL)
        return TD_OK;
    memset(reply.items, 0, sizeof reply.items);
    reply.topic_key = "";
    reply.default_kind = FRAME_SNAPSHOT;
    td_result rc = read_topic_keys(r, mapping, &reply, err);
    topic->snapshot_reply = td_arena_copy(r->memory, &reply, sizeof reply);
    return rc;
}

static td_result check_topic(node at, const topic_row *row, td_err *err)
{
    td_bytes where;
    const char *fault = topic_fault(row, &where);
    return fault == NULL ? TD_OK : refuse(at, fault, where, err);
}

static td_result read_topic(reading *r, node mapping, topic_row *out, td_err *err)
{
    *out = (topic_row){.kind_words = r->exchange->kinds};
    if (pair_count(mapping) == 0)
        return refuse(mapping, "a topic is a mapping, not", text_of(mapping), err);
    td_result rc = read_topic_keys(r, mapping, out, err);
    if (rc == TD_OK && out->name == NULL && out->pattern != NULL)
        out->name = name_of(r, out->pattern);
    if (rc == TD_OK)
        rc = read_reply(r, find(mapping, "snapshot"), out, err);
    if (rc == TD_OK)
        rc = check_topic(mapping, out, err);
    return rc == TD_OK && out->snapshot_reply != NULL
               ? check_topic(find(mapping, "snapshot"), out->snapshot_reply, err)
               : rc;
}

/* Find the topic of a used document. */
static td_result find_topic(const reading *r, node at, node *out, td_err *err)
{
    for (size_t i = 1; i < r->source_count; i++) {
        const source *of = &r->sources[i];
        const node root = {of, yaml_document_get_root_node((yaml_document_t *)&of->document)};
        const node topics = find(root, "topics");
        for (size_t k = 0; k < pair_count(topics); k++)
            if (td_bytes_equal(text_of(pair_key(topics, k)), text_of(at))) {
                *out = pair_value(topics, k);
                return TD_OK;
            }
    }
    return refuse(at, "no used document has a topic", text_of(at), err);
}

static td_result read_topics(reading *r, node list, family *out, td_err *err)
{
    const size_t count = size_of(list);
    size_t at = 0;
    td_result rc = TD_OK;
    if (count > TOPICS_MAX)
        return refuse(list, "at most 64 topics are expected, not", text_of(list), err);
    topic_row *rows = td_arena_alloc(r->memory, (count + 1) * sizeof *rows);
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        node topic = entry_of(list, i);
        const node use = find(topic, "use");
        if (use.at != NULL)
            rc = find_topic(r, use, &topic, err);
        if (rc == TD_OK)
            rc = read_topic(r, topic, &rows[i], err);
    }
    out->topics = rows;
    out->topic_count = count;
    const char *fault = rc == TD_OK ? topic_list_fault(rows, count, &at) : NULL;
    return fault == NULL ? rc
                         : refuse(entry_of(list, at), fault, td_bytes_str(rows[at].pattern), err);
}

/* ---- the family ---- */

typedef enum family_key {
    FAMILY_NAME,
    FAMILY_DIALECT,
    FAMILY_USE,
    FAMILY_ENDED,
    FAMILY_SIGNED_PRICES,
    FAMILY_OP_IS_TOPIC,
    FAMILY_ADDRESSES,
    FAMILY_DATASETS,
    FAMILY_INSTRUMENTS,
    FAMILY_COINS,
    FAMILY_SETS,
    FAMILY_TOPICS_KEY,
} family_key;

static const word_row FAMILY_KEYS[] = {
    {"family", FAMILY_NAME},
    {"dialect", FAMILY_DIALECT},
    {"use", FAMILY_USE},
    {"ended", FAMILY_ENDED},
    {"signed_prices", FAMILY_SIGNED_PRICES},
    {"op_is_topic", FAMILY_OP_IS_TOPIC},
    {"addresses", FAMILY_ADDRESSES},
    {"datasets", FAMILY_DATASETS},
    {"instruments", FAMILY_INSTRUMENTS},
    {"instrument_coins", FAMILY_COINS},
    {"sets", FAMILY_SETS},
    {"topics", FAMILY_TOPICS_KEY},
};

static td_result read_dialect(const reading *r, node at, family *out, td_err *err)
{
    for (const named_dialect *row = r->exchange->dialects; row->name != NULL; row++)
        if (td_bytes_is(text_of(at), row->name)) {
            out->dialect = row->dialect;
            return TD_OK;
        }
    return refuse(at, "the exchange has no dialect", text_of(at), err);
}

/* "main|test public|private URL" */
static td_result read_address(reading *r, node at, family_endpoint *out, td_err *err)
{
    static const word_row NETS[] = {{"main", NET_MAIN}, {"test", NET_TEST}};
    static const word_row ACCESSES[] = {{"public", ACCESS_PUBLIC}, {"private", ACCESS_PRIVATE}};
    words from;
    int net = 0, access = 0;
    td_result rc = split(at, &from, err);
    if (rc == TD_OK && from.count != 3)
        rc = refuse(at, "an address is \"main|test public|private URL\", not", text_of(at), err);
    if (rc == TD_OK)
        rc = read_word(at, "there is no net", from.at[0], NETS, COUNT_OF(NETS), &net, err);
    if (rc == TD_OK)
        rc = read_word(at, "there is no access", from.at[1], ACCESSES, COUNT_OF(ACCESSES), &access,
                       err);
    if (rc == TD_OK)
        *out = (family_endpoint){(family_net)net, (family_access)access, copy_bytes(r, from.at[2])};
    return rc;
}

static td_result read_addresses(reading *r, node list, family *out, td_err *err)
{
    td_result rc = TD_OK;
    if (size_of(list) > FAMILY_ENDPOINTS_MAX)
        return refuse(list, "at most 6 addresses are expected, not", text_of(list), err);
    for (size_t i = 0; rc == TD_OK && i < size_of(list); i++)
        rc = read_address(r, entry_of(list, i), &out->endpoints[i], err);
    return rc;
}

static td_result read_datasets(reading *r, node mapping, family_market *out, td_err *err)
{
    enum { EXCHANGE, BOOK, MARKET_KIND, CATEGORY, COIN_CATEGORY, LIQUIDATIONS };
    static const word_row KEYS[] = {{"exchange", EXCHANGE},
                                    {"book", BOOK},
                                    {"kind", MARKET_KIND},
                                    {"category", CATEGORY},
                                    {"coin_category", COIN_CATEGORY},
                                    {"liquidations", LIQUIDATIONS}};
    static const word_row MARKETS[] = {
        {"other", MARKET_OTHER}, {"contracts", MARKET_CONTRACTS}, {"options", MARKET_OPTIONS}};
    const char **const texts[] = {[EXCHANGE] = &out->exchange,
                                  [BOOK] = &out->book_topic,
                                  [CATEGORY] = &out->category,
                                  [COIN_CATEGORY] = &out->coin_category,
                                  [LIQUIDATIONS] = &out->liquidation_topic};
    td_result rc = TD_OK;
    int key = 0, kind = 0;
    for (size_t i = 0; rc == TD_OK && i < pair_count(mapping); i++) {
        const node name = pair_key(mapping, i);
        const node value = pair_value(mapping, i);
        rc = read_word(name, "datasets has no key", text_of(name), KEYS, COUNT_OF(KEYS), &key, err);
        if (rc == TD_OK && key == MARKET_KIND)
            rc = read_word(value, "there is no kind of market", text_of(value), MARKETS,
                           COUNT_OF(MARKETS), &kind, err);
        else if (rc == TD_OK)
            rc = read_text(r, value, texts[key], err);
    }
    out->kind = (market_kind)kind;
    return rc;
}

static td_result read_coins(reading *r, node list, family *out, td_err *err)
{
    const size_t count = size_of(list);
    if (count == 0 || count > COINS_MAX)
        return refuse(list, "1 to 32 coins are expected, not", text_of(list), err);
    const char **coins = td_arena_alloc(r->memory, (count + 1) * sizeof *coins);
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < count; i++)
        rc = read_text(r, entry_of(list, i), &coins[i], err);
    coins[count] = NULL;
    out->listing_coins = coins;
    return rc;
}

static td_result read_family_key(reading *r, family_key key, node at, family *out, td_err *err)
{
    switch (key) {
    case FAMILY_NAME:
        return read_text(r, at, &out->name, err);
    case FAMILY_DIALECT:
        return read_dialect(r, at, out, err);
    case FAMILY_ENDED:
        return read_true(at, &out->has_ended, err);
    case FAMILY_SIGNED_PRICES:
        return read_true(at, &out->has_signed_prices, err);
    case FAMILY_OP_IS_TOPIC:
        return read_true(at, &out->op_is_topic, err);
    case FAMILY_ADDRESSES:
        return read_addresses(r, at, out, err);
    case FAMILY_DATASETS:
        return read_datasets(r, at, &out->market, err);
    case FAMILY_INSTRUMENTS:
        return read_text(r, at, &out->listing, err);
    case FAMILY_COINS:
        return read_coins(r, at, out, err);
    case FAMILY_TOPICS_KEY:
        return read_topics(r, at, out, err);
    case FAMILY_USE: /* open_uses */
    case FAMILY_SETS:
        break; /* read_sets */
    }
    return TD_OK;
}

/* ---- documents ---- */

/* Of two equal keys only one would count. */
static td_result check_keys(node mapping, td_err *err)
{
    const size_t count = pair_count(mapping);
    if (count > KEYS_MAX)
        return refuse(mapping, "at most 256 keys are expected, not", text_of(mapping), err);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (td_bytes_equal(text_of(pair_key(mapping, i)), text_of(pair_key(mapping, k))))
                return refuse(pair_key(mapping, i),
                              "a key is there twice:", text_of(pair_key(mapping, i)), err);
    return TD_OK;
}

static td_result check_document(const source *of, td_err *err)
{
    const yaml_node_t *end = of->document.nodes.top;
    td_result rc = TD_OK;
    for (yaml_node_t *at = of->document.nodes.start; rc == TD_OK && at < end; at++)
        rc = check_keys((node){of, at}, err);
    return rc;
}

static td_result open_source(reading *r, const family_texts *texts, td_bytes name, td_err *err)
{
    yaml_parser_t parser;
    td_bytes text;
    source *made = &r->sources[r->source_count];
    made->name = copy_bytes(r, name);
    if (!texts->find(texts->user, name, &text))
        return td_err_set(err, TD_E_INVALID, "there is no document '%s.yaml'", made->name);
    if (!yaml_parser_initialize(&parser))
        return td_err_set(err, TD_E_INVALID, "%s.yaml: no memory", made->name);
    yaml_parser_set_input_string(&parser, text.data, text.size);
    int is_read = yaml_parser_load(&parser, &made->document);
    td_result rc = is_read ? TD_OK
                           : td_err_set(err, TD_E_INVALID, "%s.yaml:%zu: %s", made->name,
                                        parser.problem_mark.line + 1,
                                        parser.problem == NULL ? "not YAML" : parser.problem);
    r->source_count += is_read != 0;
    yaml_parser_delete(&parser);
    return rc == TD_OK ? check_document(made, err) : rc;
}

static node root_of(const source *of)
{
    return (node){of, yaml_document_get_root_node((yaml_document_t *)&of->document)};
}

/* Open the document, and those that it uses. */
static td_result open_sources(reading *r, const family_texts *texts, const char *name, td_err *err)
{
    td_result rc = open_source(r, texts, td_bytes_str(name), err);
    const node use =
        rc == TD_OK ? find(root_of(&r->sources[0]), "use") : (node){&r->sources[0], NULL};
    if (rc == TD_OK && size_of(use) > USES_MAX)
        return refuse(use, "at most 4 documents can be used, not", text_of(use), err);
    for (size_t i = 0; rc == TD_OK && i < size_of(use); i++)
        rc = open_source(r, texts, text_of(entry_of(use, i)), err);
    return rc;
}

static td_result read_sets(reading *r, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < r->source_count; i++) {
        const node sets = find(root_of(&r->sources[i]), "sets");
        for (size_t k = 0; rc == TD_OK && k < pair_count(sets); k++)
            rc = read_set(r, pair_key(sets, k), pair_value(sets, k), err);
    }
    return rc;
}

static td_result read_family(reading *r, family *out, td_err *err)
{
    const node root = root_of(&r->sources[0]);
    td_result rc = read_sets(r, err);
    int key = 0;
    *out = (family){.exchange = r->exchange};
    for (size_t i = 0; rc == TD_OK && i < pair_count(root); i++) {
        const node name = pair_key(root, i);
        rc = read_word(name, "a family has no key", text_of(name), FAMILY_KEYS,
                       COUNT_OF(FAMILY_KEYS), &key, err);
        if (rc == TD_OK)
            rc = read_family_key(r, (family_key)key, pair_value(root, i), out, err);
    }
    if (rc == TD_OK && (out->name == NULL || out->dialect == NULL))
        rc = refuse(root, "a family needs family and dialect:", td_bytes_str(r->sources[0].name),
                    err);
    return rc;
}

td_result family_file_read(const family_texts *texts, const char *name,
                           const exchange_row *exchange, td_arena *memory, family *out, td_err *err)
{
    reading *r = td_arena_alloc(memory, sizeof *r);
    *r = (reading){.exchange = exchange, .memory = memory};
    td_result rc = open_sources(r, texts, name, err);
    if (rc == TD_OK)
        rc = read_family(r, out, err);
    for (size_t i = 0; i < r->source_count; i++)
        yaml_document_delete(&r->sources[i].document);
    return rc;
}

td_result family_file_is_family(const family_texts *texts, const char *name, int *out, td_err *err)
{
    td_arena *memory = td_arena_open();
    reading *r = td_arena_alloc(memory, sizeof *r);
    *r = (reading){.memory = memory};
    td_result rc = open_source(r, texts, td_bytes_str(name), err);
    *out = rc == TD_OK && find(root_of(&r->sources[0]), "family").at != NULL;
    for (size_t i = 0; i < r->source_count; i++)
        yaml_document_delete(&r->sources[i].document);
    td_arena_close(memory);
    return rc;
}
