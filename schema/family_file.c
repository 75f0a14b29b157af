#include "schema/family_file.h"

#include <stdio.h>
#include <string.h>

#include "base/document.h"
#include "base/limits.h"
#include "base/suggest.h"
#include "schema/dialect.h"
#include "schema/topic.h"
#include "schema/exchange_file.h"
#include "schema/topic_check.h"

enum {
    USES_MAX = 4,    /* documents that a document uses */
    SETS_MAX = 256,  /* sets of fields that a family can use */
    TOPICS_MAX = 64, /* topics of a family */
    WORDS_MAX = 12,  /* words of a field, an entry or a rule */
    COINS_MAX = 32,
    KEYS_MAX = 256, /* keys of a mapping */
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

typedef struct field_set {
    const char *name;
    const field_row *rows;
    size_t count;
} field_set;

typedef struct reading {
    const exchange_row *exchange;
    td_arena *memory;
    document sources[1 + USES_MAX]; /* the family's own, and those that it uses */
    size_t source_count;
    field_set sets[SETS_MAX];
    size_t set_count;
    topic_row *topics; /* of the family */
} reading;

/* Refuse the name that was searched, with the most similar one, and where all are listed ("":
 * nowhere). */
static td_result refuse_name(document_node at, const char *what, const suggest_search *search,
                             const char *listed, td_err *err)
{
    char similar[128];
    suggest_format(search, similar, sizeof similar);
    td_result rc = document_refuse(at, what, search->written, err);
    if (similar[0] != '\0' || listed[0] != '\0')
        td_err_hint(err, "%s%s%s", similar, similar[0] == '\0' || listed[0] == '\0' ? "" : " ",
                    listed);
    return rc;
}

static td_result read_member(document_node at, td_bytes word, msg_member *out, td_err *err)
{
    *out = msg_member_find(word);
    if (*out != MEMBER_NONE)
        return TD_OK;
    suggest_search search = {.written = word};
    for (int i = MEMBER_NONE + 1; i < MEMBER_COUNT; i++)
        suggest_offer(&search, msg_member_name((msg_member)i));
    return refuse_name(at, "there is no meaning", &search, "docs/topics.md lists them", err);
}

/* ---- fields ---- */

#define TYPE_WORD(id, word, name, value) {word, FIELD_##id},
static const document_word TYPES[] = {FIELD_TYPES(TYPE_WORD)};

#define UNIT_WORD(id, name) {name, UNIT_##id},
static const document_word UNITS[] = {FIELD_UNITS(UNIT_WORD)};

static const document_word FIELD_FLAGS[] = {
    {"required", FIELD_REQUIRED},
    {"preferred", FIELD_PREFERRED},
    {"inherited", FIELD_INHERITED},
    {"required_to_set", FIELD_REQUIRED_TO_SET},
    {"scale_varies", FIELD_SCALE_VARIES},
    {"below", FIELD_NEXT_NUMBER},
    {"per_connection", FIELD_PER_CONNECTION},
};

/* Read the words after a field's type: its unit, its scale ("e4") and its flags. */
static td_result read_field_words(document_node at, const document_words *from, field_row *out,
                                  td_err *err)
{
    for (size_t i = 3; i < from->count; i++) {
        const td_bytes word = from->at[i];
        const int unit = document_word_value(UNITS, COUNT_OF(UNITS), word);
        int flag = 0;
        if (unit >= 0)
            out->unit = (field_unit)unit;
        else if (word.size == 2 && word.data[0] == 'e' && word.data[1] >= '1' &&
                 word.data[1] <= '9')
            out->scale_e10 = (uint8_t)(word.data[1] - '0');
        else if (document_read_word(at, "a field has no property", word, FIELD_FLAGS,
                                    COUNT_OF(FIELD_FLAGS), &flag, err) != TD_OK)
            return TD_E_INVALID;
        out->flags |= (uint8_t)flag;
    }
    return TD_OK;
}

/* "KEY MEANING TYPE [UNIT] [eN] [FLAG...]" */
static td_result read_field(reading *r, document_node at, field_row *out, td_err *err)
{
    document_words from;
    int type = 0;
    *out = (field_row){.unit = UNIT_NONE};
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK && from.count < 3)
        rc = document_refuse_text(at, "a field is \"KEY MEANING TYPE\", not", err);
    if (rc == TD_OK)
        rc = read_member(at, from.at[1], &out->member, err);
    if (rc == TD_OK)
        rc = document_read_word(at, "there is no type", from.at[2], TYPES, COUNT_OF(TYPES), &type,
                                err);
    if (rc != TD_OK)
        return rc;
    out->key = td_arena_text(r->memory, from.at[0]);
    out->type = (field_type)type;
    return read_field_words(at, &from, out, err);
}

static td_result read_set(reading *r, document_node name, document_node list, td_err *err)
{
    const size_t count = document_size(list);
    td_result rc = TD_OK;
    if (count == 0 || count > TOPIC_FIELDS_MAX)
        return document_refuse_text(name, "1 to 128 fields are expected in", err);
    if (r->set_count == SETS_MAX)
        return document_refuse_text(name, "too many sets:", err);
    field_row *rows = td_arena_alloc(r->memory, count * sizeof *rows);
    for (size_t i = 0; rc == TD_OK && i < count; i++)
        rc = read_field(r, document_entry(list, i), &rows[i], err);
    r->sets[r->set_count++] =
        (field_set){td_arena_text(r->memory, document_text(name)), rows, count};
    return rc;
}

/* Find the set that a node names. The family's own sets are first. */
static td_result find_set(const reading *r, document_node at, size_t most, const field_row **rows,
                          size_t *count, td_err *err)
{
    suggest_search search = {.written = document_text(at)};
    for (size_t i = 0; i < r->set_count; i++) {
        if (!td_bytes_is(document_text(at), r->sets[i].name))
            continue;
        *rows = r->sets[i].rows;
        *count = r->sets[i].count;
        return *count <= most ? TD_OK : document_refuse_text(at, "too many fields in", err);
    }
    for (size_t i = 0; i < r->set_count; i++)
        suggest_offer(&search, r->sets[i].name);
    return refuse_name(at, "there is no set of fields", &search, "", err);
}

/* ---- entries and rules ---- */

static const document_word ACTIONS[] = {{"none", ACTION_NONE},
                                        {"set", ACTION_SET},
                                        {"delete", ACTION_DELETE},
                                        {"update", ACTION_UPDATE},
                                        {"insert", ACTION_INSERT}};

static const document_word KINDS[] = {{"untyped", FRAME_UNTYPED},
                                      {"snapshot", FRAME_SNAPSHOT},
                                      {"delta", FRAME_DELTA},
                                      {"any", FRAME_ANY}};

static const document_word ITEM_FLAGS[] = {
    {"optional", ITEMS_OPTIONAL}, {"positional", ITEMS_POSITIONAL},
    {"buy", ITEMS_BUY},           {"sell", ITEMS_SELL},
    {"best", ITEMS_BEST},         {"zero_deletes", ITEMS_ZERO_DELETES},
    {"list", ITEMS_LIST},         {"empty", ITEMS_EMPTY},
};

/* "PATH ACTION KIND [FLAG...]"; the path "." is the frame itself. */
static td_result read_item(reading *r, document_node at, items_row *out, td_err *err)
{
    document_words from;
    int action = 0, kind = 0, flag = 0;
    *out = (items_row){.path = ""};
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK && from.count < 3)
        rc = document_refuse_text(at, "entries are \"PATH ACTION KIND\", not", err);
    if (rc == TD_OK)
        rc = document_read_word(at, "there is no action", from.at[1], ACTIONS, COUNT_OF(ACTIONS),
                                &action, err);
    if (rc == TD_OK)
        rc = document_read_word(at, "there is no kind", from.at[2], KINDS, COUNT_OF(KINDS), &kind,
                                err);
    for (size_t i = 3; rc == TD_OK && i < from.count; i++) {
        rc = document_read_word(at, "entries have no property", from.at[i], ITEM_FLAGS,
                                COUNT_OF(ITEM_FLAGS), &flag, err);
        out->flags |= (uint8_t)flag;
    }
    if (rc != TD_OK)
        return rc;
    if (!td_bytes_is(from.at[0], "."))
        out->path = td_arena_text(r->memory, from.at[0]);
    out->action = (msg_action)action;
    out->kind = (frame_kind)kind;
    return TD_OK;
}

static td_result read_items(void *user, document_node list, void *row, td_err *err)
{
    topic_row *out = row;
    td_result rc = TD_OK;
    if (document_size(list) == 0 || document_size(list) > TOPIC_ITEMS_MAX)
        return document_refuse_text(list, "1 to 6 lists of entries are expected, not", err);
    for (size_t i = 0; rc == TD_OK && i < document_size(list); i++)
        rc = read_item(user, document_entry(list, i), &out->items[i], err);
    return rc;
}

static const document_word STRENGTHS[] = {
    {"error", STRENGTH_ERROR}, {"warning", STRENGTH_WARNING}, {"statistic", STRENGTH_STATISTIC}};

static td_result find_rule(document_node at, td_bytes word, rule_id *out, td_err *err)
{
    suggest_search search = {.written = word};
    for (int i = RULE_NONE + 1; i < RULE_COUNT; i++)
        if (td_bytes_is(word, rule_name((rule_id)i))) {
            *out = (rule_id)i;
            return TD_OK;
        }
    for (int i = RULE_NONE + 1; i < RULE_COUNT; i++)
        suggest_offer(&search, rule_name((rule_id)i));
    return refuse_name(at, "there is no rule", &search, "docs/replay.md lists them", err);
}

/* "RULE [NUMBER] STRENGTH" */
static td_result read_rule(document_node at, rule_row *out, td_err *err)
{
    document_words from;
    int strength = 0;
    *out = (rule_row){.member = MEMBER_NONE};
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK && (from.count < 2 || from.count > 3))
        rc = document_refuse_text(at, "a rule is \"RULE [MEANING] STRENGTH\", not", err);
    if (rc == TD_OK)
        rc = find_rule(at, from.at[0], &out->rule, err);
    if (rc == TD_OK && from.count == 3)
        rc = read_member(at, from.at[1], &out->member, err);
    if (rc == TD_OK)
        rc = document_read_word(at, "a rule has no strength", from.at[from.count - 1], STRENGTHS,
                                COUNT_OF(STRENGTHS), &strength, err);
    out->strength = (rule_strength)strength;
    return rc;
}

static td_result read_rules(void *user, document_node list, void *row, td_err *err)
{
    topic_row *out = row;
    td_result rc = TD_OK;
    (void)user;
    if (document_size(list) > TOPIC_RULES_MAX)
        return document_refuse_text(list, "at most 20 rules are expected, not", err);
    for (size_t i = 0; rc == TD_OK && i < document_size(list); i++)
        rc = read_rule(document_entry(list, i), &out->rules[i], err);
    return rc;
}

/* ---- topics ---- */

#define MESSAGE_WORD(id, name) {name, MSG_##id},
static const document_word MESSAGES[] = {MSG_TYPES(MESSAGE_WORD)};

/* The name of a topic: its pattern without the symbol. */
static const char *name_of(reading *r, const char *pattern)
{
    static const char *const SYMBOLS[] = {".{symbol}", ".{coin}"};
    for (size_t i = 0; i < COUNT_OF(SYMBOLS); i++) {
        const char *at = strstr(pattern, SYMBOLS[i]);
        if (at == NULL || at == pattern)
            continue;
        const size_t before = (size_t)(at - pattern), after = strlen(at + strlen(SYMBOLS[i]));
        char *name = td_arena_alloc(r->memory, before + after + 1);
        memcpy(name, pattern, before);
        memcpy(name + before, at + strlen(SYMBOLS[i]), after + 1);
        return name;
    }
    return pattern;
}

static td_result read_depth(void *user, document_node at, void *out, td_err *err)
{
    topic_row *topic = out;
    uint64_t levels = 0;
    (void)user;
    td_result rc = document_read_number(at, LIMIT_BOOK_LEVELS, &levels, err);
    topic->book_depth = (uint32_t)levels;
    return rc;
}

static td_result read_checksum(void *user, document_node mapping, void *out, td_err *err)
{
    const document_word ORDERS[] = {
        {checksum_order_name(CHECKSUM_ALTERNATING), CHECKSUM_ALTERNATING},
        {checksum_order_name(CHECKSUM_ASKS_THEN_BIDS), CHECKSUM_ASKS_THEN_BIDS}};
    const document_member KEYS[] = {
        {"levels", DOCUMENT_NUMBER, .offset = offsetof(checksum_recipe, levels),
         .most = CHECKSUM_LEVELS_MAX},
        {"order", DOCUMENT_WORD, .offset = offsetof(checksum_recipe, order),
         .what = "there is no order", .words = ORDERS, .word_count = COUNT_OF(ORDERS)},
    };
    reading *r = user;
    topic_row *topic = out;
    if (document_pair_count(mapping) == 0)
        return document_refuse_text(mapping, "checksum is a mapping, not", err);
    return document_read_members(mapping, "checksum has no key", KEYS, COUNT_OF(KEYS), r->memory,
                                 NULL, &topic->checksum, err);
}

static td_result read_time(void *user, document_node at, void *out, td_err *err)
{
    topic_row *topic = out;
    (void)user;
    return read_member(at, document_text(at), &topic->time_member, err);
}

static td_result read_newest_first(void *user, document_node at, void *out, td_err *err)
{
    topic_row *topic = out;
    (void)user;
    return read_member(at, document_text(at), &topic->newest_first, err);
}

static td_result read_envelope(void *user, document_node at, void *out, td_err *err)
{
    topic_row *topic = out;
    return find_set(user, at, TOPIC_ENVELOPE_MAX, &topic->envelope, &topic->envelope_count, err);
}

static td_result read_fields(void *user, document_node at, void *out, td_err *err)
{
    topic_row *topic = out;
    return find_set(user, at, TOPIC_FIELDS_MAX, &topic->fields, &topic->field_count, err);
}

static const document_word SEQUENCES[] = {{"envelope", SEQ_ENVELOPE}, {"entry", SEQ_ITEM}};

static const document_word SPEECHES[] = {{"at once", SPEAKS_AT_ONCE},
                                         {"steadily", SPEAKS_STEADILY},
                                         {"when it happens", SPEAKS_WHEN_IT_HAPPENS}};

#define TOPIC_TEXT(key, member)                                                                    \
    {                                                                                              \
        key, DOCUMENT_TEXT, .offset = offsetof(topic_row, member)                                  \
    }
static const document_member TOPIC_KEYS[] = {
    TOPIC_TEXT("topic", pattern),
    TOPIC_TEXT("name", name),
    {"message", DOCUMENT_WORD, .offset = offsetof(topic_row, type),
     .what = "there is no message type", .words = MESSAGES, .word_count = COUNT_OF(MESSAGES)},
    {"speaks", DOCUMENT_WORD, .offset = offsetof(topic_row, speaks), .what = "no topic speaks",
     .words = SPEECHES, .word_count = COUNT_OF(SPEECHES)},
    TOPIC_TEXT("title", title),
    TOPIC_TEXT("from", valid_from),
    TOPIC_TEXT("until", valid_until),
    TOPIC_TEXT("symbol", symbol_path),
    TOPIC_TEXT("frame_topic", frame_topic),
    TOPIC_TEXT("parameter", parameter_path),
    TOPIC_TEXT("audit", audit),
    {"depth", DOCUMENT_OWN, .read = read_depth},
    {"truncates", DOCUMENT_TRUE, .offset = offsetof(topic_row, truncates)},
    {"checksum", DOCUMENT_OWN, .read = read_checksum},
    {"sequence", DOCUMENT_WORD, .offset = offsetof(topic_row, sequence),
     .what = "there is no sequence", .words = SEQUENCES, .word_count = COUNT_OF(SEQUENCES)},
    {"time", DOCUMENT_OWN, .read = read_time},
    {"newest_first", DOCUMENT_OWN, .read = read_newest_first},
    {"events", DOCUMENT_TRUE, .offset = offsetof(topic_row, is_event)},
    TOPIC_TEXT("topic_key", topic_key),
    TOPIC_TEXT("kind_key", kind_key),
    TOPIC_TEXT("snapshot_has", snapshot_path),
    {"kind", DOCUMENT_WORD, .offset = offsetof(topic_row, default_kind), .what = "there is no kind",
     .words = KINDS, .word_count = COUNT_OF(KINDS)},
    TOPIC_TEXT("request", snapshot_request),
    {"request_levels", DOCUMENT_NUMBER, .offset = offsetof(topic_row, snapshot_levels),
     .most = LIMIT_BOOK_LEVELS},
    {"envelope", DOCUMENT_OWN, .read = read_envelope},
    {"fields", DOCUMENT_OWN, .read = read_fields},
    {"entries", DOCUMENT_OWN, .read = read_items},
    {"rules", DOCUMENT_OWN, .read = read_rules},
    {"snapshot", .type = DOCUMENT_ELSEWHERE}, /* read_reply */
};

static td_result read_topic_keys(reading *r, document_node mapping, topic_row *out, td_err *err)
{
    return document_read_members(mapping, "a topic has no key", TOPIC_KEYS, COUNT_OF(TOPIC_KEYS),
                                 r->memory, r, out, err);
}

/* The row of the reply that is the topic's snapshot: as the topic's, but for the keys of
 * `snapshot`. */
static td_result read_reply(reading *r, document_node mapping, topic_row *topic, td_err *err)
{
    topic_row reply = *topic;
    const document_node nested = document_find(mapping, "snapshot");
    if (mapping.at == NULL)
        return TD_OK;
    if (nested.at != NULL && document_refuse_ignored(nested, "a snapshot has no key",
                                                     td_bytes_str("snapshot"), err) != TD_OK)
        return TD_E_INVALID;
    memset(reply.items, 0, sizeof reply.items);
    reply.topic_key = "";
    reply.default_kind = FRAME_SNAPSHOT;
    td_result rc = read_topic_keys(r, mapping, &reply, err);
    topic->snapshot_reply = td_arena_copy(r->memory, &reply, sizeof reply);
    return rc;
}

static td_result check_topic(document_node at, const topic_row *row, td_err *err)
{
    td_bytes where;
    const char *fault = topic_fault(row, &where);
    return fault == NULL ? TD_OK : document_refuse(at, fault, where, err);
}

static td_result read_topic(reading *r, document_node mapping, topic_row *out, td_err *err)
{
    *out = (topic_row){.kind_words = r->exchange->kinds};
    if (document_pair_count(mapping) == 0)
        return document_refuse_text(mapping, "a topic is a mapping, not", err);
    td_result rc = read_topic_keys(r, mapping, out, err);
    if (rc == TD_OK && out->name == NULL && out->pattern != NULL)
        out->name = name_of(r, out->pattern);
    if (rc == TD_OK && out->topic_key != NULL && out->topic_key[0] == '\0')
        rc = document_refuse(mapping, "only the snapshot has an empty topic_key:, not",
                             td_bytes_str(out->pattern == NULL ? "" : out->pattern), err);
    if (rc == TD_OK)
        rc = read_reply(r, document_find(mapping, "snapshot"), out, err);
    if (rc == TD_OK)
        rc = check_topic(mapping, out, err);
    return rc == TD_OK && out->snapshot_reply != NULL
               ? check_topic(document_find(mapping, "snapshot"), out->snapshot_reply, err)
               : rc;
}

/* Find the topic of a used document. */
static td_result find_topic(const reading *r, document_node at, document_node *out, td_err *err)
{
    for (size_t i = 1; i < r->source_count; i++) {
        const document *of = &r->sources[i];
        const document_node root = document_root(of);
        const document_node topics = document_find(root, "topics");
        for (size_t k = 0; k < document_pair_count(topics); k++)
            if (td_bytes_equal(document_text(document_key(topics, k)), document_text(at))) {
                *out = document_value(topics, k);
                return TD_OK;
            }
    }
    return document_refuse_text(at, "no used document has a topic", err);
}

static td_result read_topics(void *user, document_node list, void *row, td_err *err)
{
    reading *r = user;
    family *out = row;
    const size_t count = document_size(list);
    size_t at = 0;
    td_result rc = TD_OK;
    if (count > TOPICS_MAX)
        return document_refuse_text(list, "at most 64 topics are expected, not", err);
    topic_row *rows = td_arena_alloc(r->memory, (count + 1) * sizeof *rows);
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        document_node topic = document_entry(list, i);
        const document_node use = document_find(topic, "use");
        if (use.at != NULL && document_pair_count(topic) > 1)
            rc = document_refuse_ignored(
                topic, "no other key is allowed beside use:", document_text(use), err);
        if (rc == TD_OK && use.at != NULL)
            rc = find_topic(r, use, &topic, err);
        if (rc == TD_OK)
            rc = read_topic(r, topic, &rows[i], err);
    }
    out->topics = r->topics = rows;
    out->topic_count = count;
    const char *fault = rc == TD_OK ? topic_list_fault(rows, count, &at) : NULL;
    return fault == NULL ? rc
                         : document_refuse(document_entry(list, at), fault,
                                           td_bytes_str(rows[at].pattern), err);
}

/* ---- the family ---- */

static td_result read_dialect(void *user, document_node at, void *row, td_err *err)
{
    const reading *r = user;
    family *out = row;
    suggest_search search = {.written = document_text(at)};
    for (size_t i = 0; i < r->exchange->dialect_count; i++)
        if (td_bytes_is(document_text(at), r->exchange->dialects[i].name)) {
            out->dialect = &r->exchange->dialects[i];
            return TD_OK;
        }
    for (size_t i = 0; i < r->exchange->dialect_count; i++)
        suggest_offer(&search, r->exchange->dialects[i].name);
    return refuse_name(at, "the exchange has no dialect", &search, "", err);
}

enum { RAW_PLACES_MAX = 4 };

/* The exchange of a family with the key `raw`, whose texts (frame_keys.raw) are borrowed. It has
 * one dialect: a connection has all frames without asking, and its pings are WebSocket's. */
static const exchange_row *raw_exchange(td_arena *memory, const char *const *raw)
{
    static const char *const NO_TEXTS[] = {NULL};
    dialect *spoken = td_arena_alloc(memory, sizeof *spoken);
    exchange_row *made = td_arena_alloc(memory, sizeof *made);
    *spoken = (dialect){.name = "raw",
                        .exchange = made,
                        .ping_interval_ns = UINT64_C(20) * 1000000000,
                        .covering = COVER_ALL,
                        .covers = dialect_covers_of(COVER_ALL)};
    *made = (exchange_row){.name = "raw",
                           .dialects = spoken,
                           .dialect_count = 1,
                           .other_hosts = NO_TEXTS,
                           .connects = {300, UINT64_C(300) * 1000000000},
                           .frames = {.raw = raw,
                                      .data_start = td_bytes_str(""),
                                      .topic = FRAME_KEY_NONE,
                                      .data = FRAME_KEY_NONE,
                                      .event = FRAME_KEY_NONE,
                                      .event_time = FRAME_KEY_NONE,
                                      .op = FRAME_KEY_NONE,
                                      .request = FRAME_KEY_NONE,
                                      .shared = FRAME_KEY_NONE}};
    return made;
}

/* The family tells only where the topic is. */
static td_result read_raw(reading *r, document_node root, document_node list, td_err *err)
{
    static const char *const OTHERS[] = {"exchange", "dialect", "topics"};
    const char *const *raw = NULL;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < COUNT_OF(OTHERS); i++)
        if (document_find(root, OTHERS[i]).at != NULL)
            rc = document_refuse(document_find(root, OTHERS[i]), "a family with raw has no key",
                                 td_bytes_str(OTHERS[i]), err);
    if (rc == TD_OK)
        rc = document_read_texts(r->memory, list, RAW_PLACES_MAX, &raw, err);
    for (size_t i = 0; rc == TD_OK && raw[i] != NULL; i++)
        if (raw[i][0] != '/' || strchr(raw[i], '~') != NULL)
            rc = document_refuse(document_entry(list, i),
                                 "a JSON pointer, such as /arg/channel, is expected, not",
                                 td_bytes_str(raw[i]), err);
    r->exchange = raw_exchange(r->memory, raw);
    return rc;
}

/* "main|test public|private URL" */
static td_result read_address(reading *r, document_node at, family_endpoint *out, td_err *err)
{
    static const document_word NETS[] = {{"main", NET_MAIN}, {"test", NET_TEST}};
    static const document_word ACCESSES[] = {{"public", ACCESS_PUBLIC},
                                             {"private", ACCESS_PRIVATE}};
    document_words from;
    int net = 0, access = 0;
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK && from.count != 3)
        rc = document_refuse_text(at, "an address is \"main|test public|private URL\", not", err);
    if (rc == TD_OK)
        rc = document_read_word(at, "there is no net", from.at[0], NETS, COUNT_OF(NETS), &net, err);
    if (rc == TD_OK)
        rc = document_read_word(at, "there is no access", from.at[1], ACCESSES, COUNT_OF(ACCESSES),
                                &access, err);
    if (rc == TD_OK)
        *out = (family_endpoint){(family_net)net, (family_access)access,
                                 td_arena_text(r->memory, from.at[2])};
    return rc;
}

static td_result read_addresses(void *user, document_node list, void *row, td_err *err)
{
    family *out = row;
    td_result rc = TD_OK;
    if (document_size(list) > FAMILY_ENDPOINTS_MAX)
        return document_refuse_text(list, "at most 6 addresses are expected, not", err);
    for (size_t i = 0; rc == TD_OK && i < document_size(list); i++)
        rc = read_address(user, document_entry(list, i), &out->endpoints[i], err);
    return rc;
}

#define MARKET_TEXT(key, member)                                                                   \
    {                                                                                              \
        key, DOCUMENT_TEXT, .offset = offsetof(family_market, member)                              \
    }
static td_result read_datasets(void *user, document_node mapping, void *row, td_err *err)
{
    static const document_word MARKETS[] = {
        {"other", MARKET_OTHER}, {"contracts", MARKET_CONTRACTS}, {"options", MARKET_OPTIONS}};
    static const document_member KEYS[] = {
        MARKET_TEXT("exchange", exchange),
        MARKET_TEXT("book", book_topic),
        {"kind", DOCUMENT_WORD, .offset = offsetof(family_market, kind),
         .what = "there is no kind of market", .words = MARKETS, .word_count = COUNT_OF(MARKETS)},
        MARKET_TEXT("category", category),
        MARKET_TEXT("coin_category", coin_category),
        MARKET_TEXT("liquidations", liquidation_topic),
    };
    const reading *r = user;
    family *out = row;
    td_result rc = document_read_members(mapping, "datasets has no key", KEYS, COUNT_OF(KEYS),
                                         r->memory, NULL, &out->market, err);
    const char *exchange = out->market.exchange; /* begins the names of exported files */
    return rc != TD_OK || exchange == NULL || exchange_name_is_plain(exchange)
               ? rc
               : document_refuse(document_find(mapping, "exchange"), EXCHANGE_NAME_FAULT,
                                 td_bytes_str(exchange), err);
}

static td_result read_http(void *user, document_node mapping, void *row, td_err *err)
{
    const reading *r = user;
    family *out = row;
    return exchange_http_read(mapping, r->memory, out->http, err);
}

static const document_member FAMILY_KEYS[] = {
    {"family", DOCUMENT_TEXT, .offset = offsetof(family, name)},
    {"exchange", .type = DOCUMENT_ELSEWHERE}, /* read_exchange */
    {"dialect", DOCUMENT_OWN, .read = read_dialect},
    {"raw", .type = DOCUMENT_ELSEWHERE}, /* read_raw */
    {"use", .type = DOCUMENT_ELSEWHERE}, /* open_sources */
    {"ended", DOCUMENT_TRUE, .offset = offsetof(family, has_ended)},
    {"signed_prices", DOCUMENT_TRUE, .offset = offsetof(family, has_signed_prices)},
    {"op_is_topic", DOCUMENT_TRUE, .offset = offsetof(family, op_is_topic)},
    {"addresses", DOCUMENT_OWN, .read = read_addresses},
    {"http", DOCUMENT_OWN, .read = read_http},
    {"datasets", DOCUMENT_OWN, .read = read_datasets},
    {"instruments", DOCUMENT_TEXT, .offset = offsetof(family, listing)},
    {"instrument_coins", DOCUMENT_TEXTS, .offset = offsetof(family, listing_coins),
     .most = COINS_MAX},
    {"sets", .type = DOCUMENT_ELSEWHERE},      /* read_sets */
    {"simulator", .type = DOCUMENT_ELSEWHERE}, /* sim/catalog_file.h */
    {"topics", DOCUMENT_OWN, .read = read_topics},
};

/* ---- documents ---- */

static td_result open_source(reading *r, const family_texts *texts, td_bytes name, td_err *err)
{
    td_bytes text;
    document *made = &r->sources[r->source_count];
    const char *copy = td_arena_text(r->memory, name);
    if (!texts->find(texts->user, name, &text))
        return td_err_set(err, TD_E_INVALID, "there is no document '%s.yaml'", copy);
    td_result rc = document_open(made, copy, text, texts->source, err);
    r->source_count += rc == TD_OK;
    return rc;
}

/* Open the document, and those that it uses. */
static td_result open_sources(reading *r, const family_texts *texts, const char *name, td_err *err)
{
    td_result rc = open_source(r, texts, td_bytes_str(name), err);
    const document_node use = rc == TD_OK ? document_find(document_root(&r->sources[0]), "use")
                                          : (document_node){&r->sources[0], NULL};
    if (rc == TD_OK && document_size(use) > USES_MAX)
        return document_refuse_text(use, "at most 4 documents can be used, not", err);
    for (size_t i = 0; rc == TD_OK && i < document_size(use); i++) {
        rc = open_source(r, texts, document_text(document_entry(use, i)), err);
        if (rc == TD_OK)
            rc =
                document_check_keys(document_root(&r->sources[r->source_count - 1]),
                                    "a family has no key", FAMILY_KEYS, COUNT_OF(FAMILY_KEYS), err);
    }
    return rc;
}

static td_result read_sets(reading *r, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < r->source_count; i++) {
        const document_node sets = document_find(document_root(&r->sources[i]), "sets");
        for (size_t k = 0; rc == TD_OK && k < document_pair_count(sets); k++)
            rc = read_set(r, document_key(sets, k), document_value(sets, k), err);
    }
    return rc;
}

/* Everything in a document is read as its exchange has it. */
static td_result read_exchange(reading *r, const family_texts *texts, document_node root,
                               td_err *err)
{
    const document_node at = document_find(root, "exchange");
    if (document_text(at).size == 0)
        return document_refuse(root, "a family needs exchange:", td_bytes_str(r->sources[0].name),
                               err);
    return texts->exchange(texts->user, document_text(at), &r->exchange, err);
}

/* Topics with text after their symbol are only in dialects whose requests have topics as frames
 * have them: others take the text after the last dot as the symbol. */
static td_result check_dialect(document_node root, const family *made, td_err *err)
{
    const dialect *spoken = made->dialect;
    const int is_plain = spoken->covering == COVER_SAME && spoken->spelling == NULL &&
                         spoken->parts == NULL && made->exchange->topic_keys == NULL;
    for (size_t i = 0; i < made->topic_count && !is_plain; i++)
        if (topic_row_end(&made->topics[i])[0] != '\0')
            return document_refuse(document_find(root, "dialect"),
                                   "text is after the symbol of a topic, so the dialect covers "
                                   "the same topic, without spelling, parts or topic_keys, not",
                                   td_bytes_str(spoken->name), err);
    return TD_OK;
}

/* Set what rows need of dialect and exchange. Frames spell their topics as requests do, unless the
 * symbol is in another member. */
static void finish_topics(reading *r, family *out)
{
    out->spelling = out->dialect->spelling;
    for (size_t i = 0; i < out->topic_count; i++) {
        r->topics[i].list = out->exchange->frames.list;
        if (r->topics[i].symbol_path == NULL)
            r->topics[i].spelling = out->spelling;
    }
}

/* The rule about a connection's numbers must name the member that has them. */
static td_result check_counter(document_node root, const family *made, td_err *err)
{
    const td_bytes counter = made->exchange->frames.counter;
    for (size_t i = 0; i < made->topic_count; i++)
        for (size_t k = 0; k < TOPIC_RULES_MAX; k++) {
            const topic_row *row = &made->topics[i];
            const rule_row *rule = &row->rules[k];
            int is_there = rule->rule != RULE_CONN_DENSE;
            for (size_t at = 0; at < row->envelope_count; at++)
                is_there |= rule->member == MEMBER_SEQ && row->envelope[at].member == MEMBER_SEQ &&
                            td_bytes_is(counter, row->envelope[at].key);
            if (!is_there)
                return document_refuse(document_entry(document_find(root, "topics"), i),
                                       "conn_dense compares seq, which is at the key that the "
                                       "exchange's counter: names, unlike in the topic",
                                       td_bytes_str(row->pattern), err);
        }
    return TD_OK;
}

/* The time of a connection is looked for as a member of the frame itself, before it is decoded. */
static td_result check_times(document_node root, const family *made, td_err *err)
{
    for (size_t i = 0; i < made->topic_count; i++) {
        const topic_row *row = &made->topics[i];
        int is_there = row->is_event || row->list != NULL;
        for (size_t at = 0; at < row->envelope_count + row->field_count; at++) {
            const int is_head = at < row->envelope_count;
            const field_row *field =
                is_head ? &row->envelope[at] : &row->fields[at - row->envelope_count];
            if ((field->flags & FIELD_PER_CONNECTION) != 0 &&
                (is_there || !is_head || field->type != FIELD_TIME || strchr(field->key, '.')))
                return document_refuse(document_entry(document_find(root, "topics"), i),
                                       "per_connection is for a time at the top of frames, once, "
                                       "unlike in the topic",
                                       td_bytes_str(row->pattern), err);
            is_there |= (field->flags & FIELD_PER_CONNECTION) != 0;
        }
    }
    return TD_OK;
}

static td_result read_family(reading *r, const family_texts *texts, family *out, td_err *err)
{
    const document_node root = document_root(&r->sources[0]);
    const document_node raw = document_find(root, "raw");
    td_result rc =
        raw.at == NULL ? read_exchange(r, texts, root, err) : read_raw(r, root, raw, err);
    if (rc == TD_OK)
        rc = read_sets(r, err);
    *out = (family){.document = r->sources[0].name, .exchange = r->exchange};
    if (raw.at != NULL)
        out->dialect = r->exchange->dialects;
    if (rc == TD_OK)
        rc = document_read_members(root, "a family has no key", FAMILY_KEYS, COUNT_OF(FAMILY_KEYS),
                                   r->memory, r, out, err);
    if (rc != TD_OK)
        return rc;
    if (out->name == NULL || out->dialect == NULL)
        return document_refuse(
            root, "a family needs family and dialect:", td_bytes_str(r->sources[0].name), err);
    if (out->listing != NULL && out->exchange->instruments == NULL)
        return document_refuse(document_find(root, "instruments"),
                               "the exchange has no instruments:, which would read",
                               td_bytes_str(out->listing), err);
    finish_topics(r, out);
    rc = check_dialect(root, out, err);
    if (rc == TD_OK)
        rc = check_counter(root, out, err);
    return rc == TD_OK ? check_times(root, out, err) : rc;
}

td_result family_file_read(const family_texts *texts, const char *name, td_arena *memory,
                           family *out, td_err *err)
{
    reading *r = td_arena_alloc(memory, sizeof *r);
    *r = (reading){.memory = memory};
    td_result rc = open_sources(r, texts, name, err);
    if (rc == TD_OK)
        rc = read_family(r, texts, out, err);
    for (size_t i = 0; i < r->source_count; i++)
        document_close(&r->sources[i]);
    return rc;
}

td_result family_file_is_family(const family_texts *texts, const char *name, int *out, td_err *err)
{
    td_arena *memory = td_arena_open();
    reading *r = td_arena_alloc(memory, sizeof *r);
    *r = (reading){.memory = memory};
    td_result rc = open_source(r, texts, td_bytes_str(name), err);
    *out = rc == TD_OK && document_find(document_root(&r->sources[0]), "family").at != NULL;
    for (size_t i = 0; i < r->source_count; i++)
        document_close(&r->sources[i]);
    td_arena_close(memory);
    return rc;
}
