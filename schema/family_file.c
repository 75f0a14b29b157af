#include "schema/family_file.h"

#include <string.h>

#include "base/document.h"
#include "base/limits.h"
#include "base/suggest.h"
#include "schema/dialect.h"
#include "schema/topic.h"
#include "schema/exchange_file.h"
#include "schema/family_sources.h"
#include "schema/template.h"
#include "schema/topic_check.h"

enum {
    SETS_MAX = 256,  /* sets of fields that a family can use */
    TOPICS_MAX = 64, /* entries of a family's topics */
    ROWS_MAX = 128,  /* its topics */
    EACH_MAX = 16,
    COINS_MAX = 32,
    RAW_PLACES_MAX = 4,
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

typedef struct field_set {
    const char *name;
    const field_row *rows;
    size_t count;
} field_set;

/* What the readers of a family share: the user of its documents. */
typedef struct reading {
    const family_texts *texts;
    family *out;
    family_sources sources;
    field_set sets[SETS_MAX];
    size_t set_count;
    size_t entry_of[ROWS_MAX]; /* by topic: the number of its entry */
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

static td_result read_meaning(document_node at, void *member, td_err *err)
{
    msg_member *out = member;
    suggest_search search = {.written = document_text(at)};
    *out = msg_member_find(search.written);
    if (*out != MEMBER_NONE)
        return TD_OK;
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
    {"listed", FIELD_LISTED},
};

/* A word after a field's type: its unit, its scale ("e4") or a flag. */
static td_result read_field_word(document_node at, void *row, td_err *err)
{
    field_row *out = row;
    const td_bytes word = document_text(at);
    const int unit = document_word_value(UNITS, COUNT_OF(UNITS), word);
    int flag = 0;
    td_result rc = TD_OK;
    if (unit >= 0)
        out->unit = (field_unit)unit;
    else if (word.size == 2 && word.data[0] == 'e' && word.data[1] >= '1' && word.data[1] <= '9')
        out->scale_e10 = (uint8_t)(word.data[1] - '0');
    else
        rc = document_read_word(at, "a field has no property", FIELD_FLAGS, COUNT_OF(FIELD_FLAGS),
                                &flag, err);
    out->flags |= rc == TD_OK ? (uint8_t)flag : 0;
    return rc;
}

static const document_member FIELD[] = {
    {NULL, DOCUMENT_AT(TEXT, field_row, key)},
    {NULL, DOCUMENT_AT(OWN, field_row, member), .read = read_meaning},
    {NULL, DOCUMENT_AT(WORD, field_row, type), DOCUMENT_CHOICE(TYPES), .what = "there is no type"},
    {NULL, DOCUMENT_OWN, .read = read_field_word},
};
static const document_form FIELD_FORM = {"a field is \"KEY MEANING TYPE\", not",
                                         DOCUMENT_MEMBERS(FIELD), .least = 3,
                                         .most = DOCUMENT_WORDS_MAX};

static td_result read_set(reading *r, document_node name, td_err *err)
{
    static const document_member ROWS = {.type = DOCUMENT_LIST,
                                         .offset = offsetof(field_set, rows),
                                         .count_offset = offsetof(field_set, count),
                                         .size = sizeof(field_row),
                                         .least = 1,
                                         .most = TOPIC_FIELDS_MAX,
                                         .what = "fields",
                                         .form = &FIELD_FORM};
    if (r->set_count == SETS_MAX)
        return document_refuse_text(name, "too many sets:", err);
    field_set *out = &r->sets[r->set_count++];
    out->name = document_copy(name);
    return document_read_member(document_value_of(name), &ROWS, out, err);
}

/* Find the set that a node names. The family's own sets are first. */
static td_result find_set(document_node at, size_t most, const field_row **rows, size_t *count,
                          td_err *err)
{
    const reading *r = at.of->user;
    suggest_search search = {.written = document_text(at)};
    for (size_t i = 0; i < r->set_count; i++) {
        if (!document_is(at, r->sets[i].name))
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

static td_result read_item_path(document_node at, void *member, td_err *err)
{
    (void)err;
    *(const char **)member = document_is(at, ".") ? "" : document_copy(at);
    return TD_OK;
}

/* "PATH ACTION KIND [FLAG...]"; the path "." is the frame itself. */
static const document_member ITEM[] = {
    {NULL, DOCUMENT_AT(OWN, items_row, path), .read = read_item_path},
    {NULL, DOCUMENT_AT(WORD, items_row, action), DOCUMENT_CHOICE(ACTIONS),
     .what = "there is no action"},
    {NULL, DOCUMENT_AT(WORD, items_row, kind), DOCUMENT_CHOICE(KINDS), .what = "there is no kind"},
    {NULL, DOCUMENT_AT(BIT, items_row, flags), DOCUMENT_CHOICE(ITEM_FLAGS),
     .what = "entries have no property"},
};
static const document_form ITEM_FORM = {"entries are \"PATH ACTION KIND\", not",
                                        DOCUMENT_MEMBERS(ITEM), .least = 3,
                                        .most = DOCUMENT_WORDS_MAX};

static const document_word STRENGTHS[] = {
    {"error", STRENGTH_ERROR}, {"warning", STRENGTH_WARNING}, {"statistic", STRENGTH_STATISTIC}};

static td_result read_rule_name(document_node at, void *member, td_err *err)
{
    rule_id *out = member;
    suggest_search search = {.written = document_text(at)};
    for (int i = RULE_NONE + 1; i < RULE_COUNT; i++)
        if (document_is(at, rule_name((rule_id)i))) {
            *out = (rule_id)i;
            return TD_OK;
        }
    for (int i = RULE_NONE + 1; i < RULE_COUNT; i++)
        suggest_offer(&search, rule_name((rule_id)i));
    return refuse_name(at, "there is no rule", &search, "docs/replay.md lists them", err);
}

/* "RULE [NUMBER] STRENGTH" */
static td_result read_rule(document_node at, void *row, td_err *err)
{
    static const document_member STRENGTH = {DOCUMENT_AT(WORD, rule_row, strength),
                                             DOCUMENT_CHOICE(STRENGTHS),
                                             .what = "a rule has no strength"};
    rule_row *out = row;
    document_words from;
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK && (from.count < 2 || from.count > 3))
        rc = document_refuse_text(at, "a rule is \"RULE [MEANING] STRENGTH\", not", err);
    if (rc == TD_OK)
        rc = read_rule_name(from.at[0], &out->rule, err);
    if (rc == TD_OK && from.count == 3)
        rc = read_meaning(from.at[1], &out->member, err);
    return rc == TD_OK ? document_read_member(from.at[from.count - 1], &STRENGTH, out, err) : rc;
}

/* ---- topics ---- */

#define MESSAGE_WORD(id, name) {name, MSG_##id},
static const document_word MESSAGES[] = {MSG_TYPES(MESSAGE_WORD)};

/* The name of a topic: its pattern without the symbol. */
static const char *name_of(td_arena *memory, const char *pattern)
{
    static const char *const SYMBOLS[] = {".{symbol}", ".{coin}"};
    for (size_t i = 0; i < COUNT_OF(SYMBOLS); i++) {
        const char *at = strstr(pattern, SYMBOLS[i]);
        if (at == NULL || at == pattern)
            continue;
        const size_t before = (size_t)(at - pattern), after = strlen(at + strlen(SYMBOLS[i]));
        char *name = td_arena_alloc(memory, before + after + 1);
        memcpy(name, pattern, before);
        memcpy(name + before, at + strlen(SYMBOLS[i]), after + 1);
        return name;
    }
    return pattern;
}

static td_result read_pattern(document_node at, void *row, td_err *err)
{
    topic_row *out = row;
    td_result rc = document_read_text(at, &out->pattern, err);
    if (rc == TD_OK && out->name == NULL)
        out->name = name_of(at.of->memory, out->pattern);
    return rc;
}

static td_result read_depth(document_node at, void *member, td_err *err)
{
    uint64_t levels = 0;
    td_result rc = document_read_number(at, LIMIT_BOOK_LEVELS, &levels, err);
    *(uint32_t *)member = (uint32_t)levels;
    return rc;
}

static td_result read_checksum_order(document_node at, void *member, td_err *err)
{
    const document_word ORDERS[] = {
        {checksum_order_name(CHECKSUM_ALTERNATING), CHECKSUM_ALTERNATING},
        {checksum_order_name(CHECKSUM_ASKS_THEN_BIDS), CHECKSUM_ASKS_THEN_BIDS},
        {checksum_order_name(CHECKSUM_ORDERS), CHECKSUM_ORDERS}};
    return document_read_word(at, "there is no order", ORDERS, COUNT_OF(ORDERS), member, err);
}

static const document_member CHECKSUM[] = {
    {"levels", DOCUMENT_AT(NUMBER, checksum_recipe, levels), .most = CHECKSUM_LEVELS_MAX},
    {"order", DOCUMENT_AT(OWN, checksum_recipe, order), .read = read_checksum_order},
};
static const document_table CHECKSUM_TABLE = {"checksum", DOCUMENT_MEMBERS(CHECKSUM)};

static td_result read_envelope(document_node at, void *row, td_err *err)
{
    topic_row *out = row;
    return find_set(at, TOPIC_ENVELOPE_MAX, &out->envelope, &out->envelope_count, err);
}

static td_result read_fields(document_node at, void *row, td_err *err)
{
    topic_row *out = row;
    return find_set(at, TOPIC_FIELDS_MAX, &out->fields, &out->field_count, err);
}

static td_result read_reply(document_node mapping, void *row, td_err *err);

static const document_word SEQUENCES[] = {{"envelope", SEQ_ENVELOPE}, {"entry", SEQ_ITEM}};

static const document_word SPEECHES[] = {{"at once", SPEAKS_AT_ONCE},
                                         {"steadily", SPEAKS_STEADILY},
                                         {"when it happens", SPEAKS_WHEN_IT_HAPPENS}};

static const document_word ORDER_ACTIONS[] = {
    {"place", ORDER_PLACED}, {"change", ORDER_CHANGED}, {"cancel", ORDER_CANCELLED}};

#define TOPIC_TEXT(member) DOCUMENT_AT(TEXT, topic_row, member)
static const document_member TOPIC[] = {
    {"topic", DOCUMENT_OWN, .read = read_pattern},
    {"each", DOCUMENT_AT(TEXTS, topic_row, each), .most = EACH_MAX},
    {"name", TOPIC_TEXT(name)},
    {"message", DOCUMENT_AT(WORD, topic_row, type), DOCUMENT_CHOICE(MESSAGES),
     .what = "there is no message type"},
    {"speaks", DOCUMENT_AT(WORD, topic_row, speaks), DOCUMENT_CHOICE(SPEECHES),
     .what = "no topic speaks"},
    {"does", DOCUMENT_AT(WORD, topic_row, does), DOCUMENT_CHOICE(ORDER_ACTIONS),
     .what = "no request about orders does"},
    {"title", TOPIC_TEXT(title)},
    {"from", TOPIC_TEXT(valid_from)},
    {"until", TOPIC_TEXT(valid_until)},
    {"seen", TOPIC_TEXT(seen)},
    {"symbol", TOPIC_TEXT(symbol_path)},
    {"frame_topic", TOPIC_TEXT(frame_topic)},
    {"parameter", TOPIC_TEXT(parameter_path)},
    {"audit", TOPIC_TEXT(audit)},
    {"path", TOPIC_TEXT(path)},
    {"depth", DOCUMENT_AT(OWN, topic_row, book_depth), .read = read_depth},
    {"truncates", DOCUMENT_AT(TRUE, topic_row, truncates)},
    {"grouped", DOCUMENT_AT(TRUE, topic_row, is_grouped)},
    {"checksum", DOCUMENT_AT(STRUCT, topic_row, checksum), .table = &CHECKSUM_TABLE},
    {"sequence", DOCUMENT_AT(WORD, topic_row, sequence), DOCUMENT_CHOICE(SEQUENCES),
     .what = "there is no sequence"},
    {"time", DOCUMENT_AT(OWN, topic_row, time_member), .read = read_meaning},
    {"newest_first", DOCUMENT_AT(OWN, topic_row, newest_first), .read = read_meaning},
    {"events", DOCUMENT_AT(TRUE, topic_row, is_event)},
    {"topic_key", TOPIC_TEXT(topic_key)},
    {"kind_key", TOPIC_TEXT(kind_key)},
    {"snapshot_has", TOPIC_TEXT(snapshot_path)},
    {"kind", DOCUMENT_AT(WORD, topic_row, default_kind), DOCUMENT_CHOICE(KINDS),
     .what = "there is no kind"},
    {"request", TOPIC_TEXT(snapshot_request)},
    {"request_levels", DOCUMENT_AT(NUMBER, topic_row, snapshot_levels), .most = LIMIT_BOOK_LEVELS},
    {"envelope", DOCUMENT_OWN, .read = read_envelope},
    {"fields", DOCUMENT_OWN, .read = read_fields},
    {"entries", DOCUMENT_AT(ROWS, topic_row, items), .size = sizeof(items_row), .least = 1,
     .most = TOPIC_ITEMS_MAX, .what = "lists of entries", .form = &ITEM_FORM},
    {"rules", DOCUMENT_AT(ROWS, topic_row, rules), .size = sizeof(rule_row),
     .most = TOPIC_RULES_MAX, .what = "rules", .read = read_rule},
    {"snapshot", DOCUMENT_OWN, .read = read_reply}, /* it begins with all of these */
};
static const document_table TOPIC_TABLE = {"a topic", DOCUMENT_MEMBERS(TOPIC)};

/* The row of the reply that is the topic's snapshot: as the topic's, but for the keys of
 * `snapshot`. */
static td_result read_reply(document_node mapping, void *row, td_err *err)
{
    topic_row *topic = row;
    topic_row reply = *topic;
    if (topic->snapshot_reply != NULL)
        return document_refuse_ignored(mapping, "a snapshot has no key", td_bytes_str("snapshot"),
                                       err);
    memset(reply.items, 0, sizeof reply.items);
    reply.topic_key = "";
    reply.default_kind = FRAME_SNAPSHOT;
    reply.snapshot_reply = topic;
    td_result rc = document_read_members(mapping, &TOPIC_TABLE, &reply, err);
    reply.snapshot_reply = NULL;
    topic->snapshot_reply = td_arena_copy(mapping.of->memory, &reply, sizeof reply);
    return rc;
}

static td_result check_topic(document_node at, const topic_row *row, td_err *err)
{
    td_bytes where;
    const char *fault = topic_fault(row, &where);
    return fault == NULL ? TD_OK : document_refuse(at, fault, where, err);
}

/* Find the topic of a used document. */
static td_result find_topic(document_node at, document_node *out, td_err *err)
{
    const reading *r = at.of->user;
    for (size_t i = 1; i < r->sources.count; i++) {
        const document_node topics = document_find(document_root(&r->sources.at[i]), "topics");
        for (size_t k = 0; k < document_pair_count(topics); k++)
            if (td_bytes_equal(document_text(document_key(topics, k)), document_text(at))) {
                *out = document_value(topics, k);
                return TD_OK;
            }
    }
    return document_refuse_text(at, "no used document has a topic", err);
}

static td_result read_topic(document_node mapping, void *row, td_err *err)
{
    const reading *r = mapping.of->user;
    topic_row *out = row;
    const document_node use = document_find(mapping, "use");
    td_result rc = TD_OK;
    out->kind_words = r->out->exchange->kinds;
    if (use.at != NULL && document_pair_count(mapping) > 1)
        rc = document_refuse_ignored(
            mapping, "no other key is allowed beside use:", document_text(use), err);
    if (rc == TD_OK && use.at != NULL)
        rc = find_topic(use, &mapping, err);
    if (rc == TD_OK)
        rc = document_read_members(mapping, &TOPIC_TABLE, out, err);
    if (rc == TD_OK && out->topic_key != NULL && out->topic_key[0] == '\0')
        rc = document_refuse(mapping, "only the snapshot has an empty topic_key:, not",
                             td_bytes_str(out->pattern == NULL ? "" : out->pattern), err);
    if (rc == TD_OK && out->each != NULL && out->snapshot_reply != NULL)
        rc = document_refuse_text(document_find(mapping, "each"),
                                  "a topic with a snapshot has no each:, here", err);
    if (rc == TD_OK && out->each == NULL) /* else when it is a row of its own: add_each */
        rc = check_topic(mapping, out, err);
    /* Frames spell topics as requests do, unless the symbol is in another member. */
    out->list = r->out->list;
    out->bare = r->out->exchange->frames.bare_count > 0 && out->type != MSG_ORDER_ENTRY
                    ? &r->out->exchange->frames
                    : NULL;
    out->may_have_key = out->bare != NULL && r->out->dialect->covering == COVER_ACCOUNT;
    if (out->symbol_path == NULL)
        out->spelling = r->out->dialect->spelling;
    return rc == TD_OK && out->snapshot_reply != NULL
               ? check_topic(document_find(mapping, "snapshot"), out->snapshot_reply, err)
               : rc;
}

/* ---- the family ---- */

/* Everything in a document is read as its exchange has it. */
static td_result read_exchange(document_node at, void *row, td_err *err)
{
    const reading *r = at.of->user;
    family *out = row;
    return r->texts->exchange(r->texts->user, document_text(at), &out->exchange, err);
}

static td_result read_dialect(document_node at, void *row, td_err *err)
{
    family *out = row;
    suggest_search search = {.written = document_text(at)};
    for (size_t i = 0; i < out->exchange->dialect_count; i++)
        if (document_is(at, out->exchange->dialects[i].name)) {
            out->dialect = &out->exchange->dialects[i];
            out->list =
                out->dialect->list != NULL ? out->dialect->list : out->exchange->frames.list;
            return TD_OK;
        }
    for (size_t i = 0; i < out->exchange->dialect_count; i++)
        suggest_offer(&search, out->exchange->dialects[i].name);
    return refuse_name(at, "the exchange has no dialect", &search, "", err);
}

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
    *made =
        (exchange_row){.name = "raw",
                       .dialects = spoken,
                       .dialect_count = 1,
                       .other_hosts = NO_TEXTS,
                       .connects = {300, UINT64_C(300) * 1000000000},
                       .frames = {.raw = raw, .data_start = td_bytes_str(""), FRAME_KEYS_ABSENT}};
    return made;
}

/* The family tells only where the topic is. */
static td_result read_raw(document_node list, void *row, td_err *err)
{
    static const char *const OTHERS[] = {"exchange", "dialect", "topics"};
    static const char *const NO_PLACES[] = {NULL};
    const document_node root = document_root(list.of);
    const int is_empty = document_text(list).data == NULL && document_size(list) == 0;
    family *out = row;
    const char *const *raw = NO_PLACES;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < COUNT_OF(OTHERS); i++)
        if (document_find(root, OTHERS[i]).at != NULL)
            rc = document_refuse(document_find(root, OTHERS[i]), "a family with raw has no key",
                                 td_bytes_str(OTHERS[i]), err);
    if (rc == TD_OK && !is_empty)
        rc = document_read_texts(list, RAW_PLACES_MAX, &raw, err);
    for (size_t i = 0; rc == TD_OK && raw[i] != NULL; i++)
        if (raw[i][0] != '/' || strchr(raw[i], '~') != NULL)
            rc = document_refuse(document_entry(list, i),
                                 "a JSON pointer, such as /arg/channel, is expected, not",
                                 td_bytes_str(raw[i]), err);
    out->exchange = raw_exchange(list.of->memory, raw);
    out->dialect = out->exchange->dialects;
    return rc;
}

/* "main|test public|private URL" */
static const document_word NETS[] = {{"main", NET_MAIN}, {"test", NET_TEST}};
static const document_word ACCESSES[] = {{"public", ACCESS_PUBLIC}, {"private", ACCESS_PRIVATE}};
static const document_word BARE[] = {{"bare", 1}};
static const document_member ADDRESS[] = {
    {NULL, DOCUMENT_AT(WORD, family_endpoint, net), DOCUMENT_CHOICE(NETS),
     .what = "there is no net"},
    {NULL, DOCUMENT_AT(WORD, family_endpoint, access), DOCUMENT_CHOICE(ACCESSES),
     .what = "there is no access"},
    {NULL, DOCUMENT_AT(TEXT, family_endpoint, url)},
    {NULL, DOCUMENT_AT(BIT, family_endpoint, is_bare), DOCUMENT_CHOICE(BARE),
     .what = "an address has no property"},
};
static const document_form ADDRESS_FORM = {
    "an address is \"main|test public|private URL [bare]\", not", DOCUMENT_MEMBERS(ADDRESS),
    .least = 3, .most = 4};

#define MARKET_TEXT(member)  DOCUMENT_AT(TEXT, family_market, member)
#define MARKET_TEXTS(member) DOCUMENT_AT(TEXTS, family_market, member), .most = MARKET_TEXTS_MAX
static const document_word MARKETS[] = {
    {"other", MARKET_OTHER}, {"contracts", MARKET_CONTRACTS}, {"options", MARKET_OPTIONS}};
static const document_member DATASETS[] = {
    {"exchange", DOCUMENT_AT(OWN, family_market, exchange),
     .read = exchange_name_read}, /* begins the names of exported files */
    {"book", MARKET_TEXT(book_topic)},
    {"kind", DOCUMENT_AT(WORD, family_market, kind), DOCUMENT_CHOICE(MARKETS),
     .what = "there is no kind of market"},
    {"trades", MARKET_TEXT(trade_topic)},
    {"category", MARKET_TEXT(category)},
    {"coin_category", MARKET_TEXT(coin_category)},
    {"contracts", MARKET_TEXTS(contracts)},
    {"options", MARKET_TEXTS(options)},
    {"tickers", MARKET_TEXTS(tickers)},
    {"best_prices", MARKET_TEXT(best_topic)},
    {"options_chain", MARKET_TEXT(option_topic)},
    {"liquidations", MARKET_TEXT(liquidation_topic)},
    {"liquidated_taker", MARKET_TEXT(liquidated_taker)},
};
static const document_table DATASETS_TABLE = {"datasets", DOCUMENT_MEMBERS(DATASETS)};

/* Note which topics have the frames of another. */
static void note_shared_frames(topic_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++)
            rows[i].shares_frames |= (uint8_t)topic_rows_share_frames(&rows[i], &rows[k]);
}

/* A text with a word in place of "{each}". */
static const char *with_word(td_arena *memory, const char *text, const char *word)
{
    const template_word each = {"{each}", td_bytes_str(word)};
    char out[4 * LIMIT_NAME_BYTES];
    if (text == NULL || strstr(text, each.place) == NULL)
        return text;
    template_fill(text, &each, 1, out, sizeof out); /* cut, names are refused as too long */
    return td_arena_text(memory, td_bytes_str(out));
}

/* The number of topics of an entry. */
static size_t each_count(const topic_row *entry)
{
    size_t count = 0;
    while (entry->each != NULL && entry->each[count] != NULL)
        count++;
    return count == 0 ? 1 : count;
}

/* Add a row for each word of an entry, "WORD [SEEN]". */
static td_result add_each(document_node entry, const topic_row *of, topic_row *rows, td_err *err)
{
    td_arena *memory = entry.of->memory;
    td_result rc = TD_OK;
    if (strstr(of->pattern, "{each}") == NULL)
        return document_refuse(entry, "each: is for topics with {each}, not for the topic",
                               td_bytes_str(of->pattern), err);
    for (size_t i = 0; rc == TD_OK && of->each[i] != NULL; i++) {
        td_bytes rest = td_bytes_str(of->each[i]), text;
        (void)td_bytes_next(&rest, ' ', &text); /* always there */
        const char *word = td_arena_text(memory, text);
        rows[i] = *of;
        rows[i].each = NULL;
        rows[i].pattern = with_word(memory, of->pattern, word);
        rows[i].name = with_word(memory, of->name, word);
        rows[i].title = with_word(memory, of->title, word);
        if (rest.data != NULL)
            rows[i].seen = td_arena_text(memory, rest);
        rc = check_topic(entry, &rows[i], err);
    }
    return rc;
}

/* Replace the topics with the key `each` by a row for each of its words. */
static td_result expand_topics(document_node list, family *made, td_err *err)
{
    reading *r = list.of->user;
    size_t total = 0, count = 0;
    td_result rc = TD_OK;
    for (size_t i = 0; i < made->topic_count; i++) {
        const size_t added = each_count(&made->topics[i]);
        if (total + added > ROWS_MAX)
            return document_refuse(document_entry(list, i),
                                   "a family has at most 128 topics, without",
                                   td_bytes_str(made->topics[i].pattern), err);
        for (size_t k = 0; k < added; k++)
            r->entry_of[total++] = i;
    }
    if (total == 0)
        return TD_OK;
    topic_row *rows = td_arena_alloc(list.of->memory, (total + 1) * sizeof *rows);
    memset(rows, 0, (total + 1) * sizeof *rows);
    for (size_t i = 0; rc == TD_OK && i < made->topic_count; i++) {
        rows[count] = made->topics[i];
        if (made->topics[i].each != NULL)
            rc = add_each(document_entry(list, i), &made->topics[i], &rows[count], err);
        count += each_count(&made->topics[i]);
    }
    made->topics = rows;
    made->topic_count = count;
    return rc;
}

/* The entry of a topic. */
static document_node entry_of(document_node root, size_t topic)
{
    const reading *r = root.of->user;
    return document_entry(document_find(root, "topics"), r->entry_of[topic]);
}

static td_result check_topics(document_node root, const family *made, td_err *err)
{
    size_t at = 0;
    const char *fault = topic_list_fault(made->topics, made->topic_count, &at);
    return fault == NULL ? TD_OK
                         : document_refuse(entry_of(root, at), fault,
                                           td_bytes_str(made->topics[at].pattern), err);
}

/* Topics with text after their symbol are only in dialects whose requests have topics as frames
 * have them: others take the text after the last dot as the symbol. */
static td_result check_dialect(document_node root, const family *made, td_err *err)
{
    const dialect *spoken = made->dialect;
    const int is_plain = spoken->covering == COVER_SAME && spoken->spelling == NULL &&
                         spoken->parts == NULL && made->exchange->topic_keys.usual == NULL;
    for (size_t i = 0; i < made->topic_count && !is_plain; i++)
        if (topic_row_end(&made->topics[i])[0] != '\0')
            return document_refuse(document_find(root, "dialect"),
                                   "text is after the symbol of a topic, so the dialect covers "
                                   "the same topic, without spelling, parts or topic_keys, not",
                                   td_bytes_str(spoken->name), err);
    return TD_OK;
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
                return document_refuse(entry_of(root, i),
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
                return document_refuse(entry_of(root, i),
                                       "per_connection is for a time at the top of frames, once, "
                                       "unlike in the topic",
                                       td_bytes_str(row->pattern), err);
            is_there |= (field->flags & FIELD_PER_CONNECTION) != 0;
        }
    }
    return TD_OK;
}

/* 1 if the family has a topic of this name with such messages of one symbol each. */
static int has_symbol_topic(const family *made, const char *name, msg_type type)
{
    for (size_t i = 0; i < made->topic_count; i++) {
        const topic_row *row = &made->topics[i];
        if (strcmp(row->name, name) == 0 && row->type == type && topic_row_has_symbol(row) &&
            !topic_row_has_coin(row))
            return 1;
    }
    return 0;
}

/* 1 if the family has a topic of this name with tickers of several symbols. */
static int has_coin_topic(const family *made, const char *name)
{
    for (size_t i = 0; i < made->topic_count; i++) {
        const topic_row *row = &made->topics[i];
        if (strcmp(row->name, name) == 0 && row->type == MSG_TICKER && topic_row_has_coin(row))
            return 1;
    }
    return 0;
}

/* A misspelt topic would be missing from datasets without a word. */
static td_result check_datasets(document_node root, const family *made, td_err *err)
{
    const document_node datasets = document_find(root, "datasets");
    const family_market *market = &made->market;
    if (market->trade_topic != NULL && !has_symbol_topic(made, market->trade_topic, MSG_TRADE))
        return document_refuse(document_find(datasets, "trades"),
                               "trades: names a topic of one symbol with the message trade, unlike",
                               td_bytes_str(market->trade_topic), err);
    if (market->best_topic != NULL && !has_symbol_topic(made, market->best_topic, MSG_TICKER))
        return document_refuse(
            document_find(datasets, "best_prices"),
            "best_prices: names a topic of one symbol with the message ticker, unlike",
            td_bytes_str(market->best_topic), err);
    if (market->option_topic != NULL && !has_coin_topic(made, market->option_topic))
        return document_refuse(
            document_find(datasets, "options_chain"),
            "options_chain: names a topic of several symbols with the message ticker, unlike",
            td_bytes_str(market->option_topic), err);
    for (size_t i = 0; market->tickers != NULL && market->tickers[i] != NULL; i++)
        if (!has_symbol_topic(made, market->tickers[i], MSG_TICKER))
            return document_refuse(
                document_entry(document_find(datasets, "tickers"), i),
                "tickers: has names of topics of one symbol with the message ticker, unlike",
                td_bytes_str(market->tickers[i]), err);
    return TD_OK;
}

static td_result check_family(document_node root, void *row, td_err *err)
{
    family *out = row;
    out->spelling = out->dialect->spelling;
    if (out->listing != NULL && out->exchange->instruments == NULL)
        return document_refuse_text(document_find(root, "instruments"),
                                    "the exchange has no instruments:, which would read", err);
    td_result rc = expand_topics(document_find(root, "topics"), out, err);
    if (rc == TD_OK)
        rc = check_topics(root, out, err);
    if (rc != TD_OK)
        return rc;
    note_shared_frames((topic_row *)out->topics, out->topic_count); /* read into the arena */
    rc = check_dialect(root, out, err);
    if (rc == TD_OK)
        rc = check_counter(root, out, err);
    if (rc == TD_OK)
        rc = check_datasets(root, out, err);
    return rc == TD_OK ? check_times(root, out, err) : rc;
}

/* "METHOD /path" and the reply */
static td_result read_http_answer(document_node name, void *row, td_err *err)
{
    http_answer *out = row;
    document_words from;
    td_result rc = document_split(name, &from, err);
    if (rc == TD_OK && (from.count != 2 || *document_text(from.at[1]).data != '/'))
        rc = document_refuse_text(name, "a request over HTTP is \"METHOD /path\", not", err);
    if (rc == TD_OK && document_is(from.at[0], "GET"))
        rc = document_refuse_text(name, "recorded replies answer GET, not documents:", err);
    if (rc != TD_OK)
        return rc;
    out->method = document_copy(from.at[0]);
    out->path = document_copy(from.at[1]);
    return document_read_text(document_value_of(name), &out->text, err);
}

static const document_member FAMILY[] = {
    {"family", DOCUMENT_AT(TEXT, family, name)},
    {"exchange", DOCUMENT_OWN, .read = read_exchange},
    {"raw", DOCUMENT_OWN, .read = read_raw},
    {"dialect", DOCUMENT_OWN, .read = read_dialect},
    {"use", .type = DOCUMENT_ELSEWHERE}, /* family_sources_open */
    {"ended", DOCUMENT_AT(TRUE, family, has_ended)},
    {"signed_prices", DOCUMENT_AT(TRUE, family, has_signed_prices)},
    {"op_is_topic", DOCUMENT_AT(TRUE, family, op_is_topic)},
    {"addresses", DOCUMENT_AT(ROWS, family, endpoints), .size = sizeof(family_endpoint),
     .most = FAMILY_ENDPOINTS_MAX, .what = "addresses", .form = &ADDRESS_FORM},
    {"http", DOCUMENT_AT(STRUCT, family, http), .table = &EXCHANGE_HTTP},
    {"http_answers", DOCUMENT_AT(PAIRS, family, http_answers),
     .count_offset = offsetof(family, http_answer_count), .size = sizeof(http_answer), .least = 1,
     .most = HTTP_ANSWERS_MAX, .what = "answers", .read = read_http_answer},
    {"datasets", DOCUMENT_AT(STRUCT, family, market), .table = &DATASETS_TABLE},
    {"instruments", DOCUMENT_AT(TEXT, family, listing)},
    {"instrument_coins", DOCUMENT_AT(TEXTS, family, listing_coins), .most = COINS_MAX},
    {"sets", .type = DOCUMENT_MAPPING},      /* read_sets */
    {"simulator", .type = DOCUMENT_MAPPING}, /* sim/catalog_file.h */
    {"topics", DOCUMENT_AT(LIST, family, topics), .count_offset = offsetof(family, topic_count),
     .size = sizeof(topic_row), .most = TOPICS_MAX, .what = "topics", .read = read_topic},
};
static const document_table FAMILY_TABLE = {"a family", DOCUMENT_MEMBERS(FAMILY),
                                            .check = check_family};

/* ---- documents ---- */

static td_result read_sets(reading *r, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < r->sources.count; i++) {
        const document_node sets = document_find(document_root(&r->sources.at[i]), "sets");
        for (size_t k = 0; rc == TD_OK && k < document_pair_count(sets); k++)
            rc = read_set(r, document_key(sets, k), err);
    }
    return rc;
}

static td_result read_family(reading *r, const char *name, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < r->sources.count; i++)
        rc = document_check_keys(document_root(&r->sources.at[i]), &FAMILY_TABLE, err);
    if (rc == TD_OK)
        rc = read_sets(r, err);
    if (rc != TD_OK)
        return rc;
    const document_node root = document_root(&r->sources.at[0]);
    const int is_raw = document_find(root, "raw").at != NULL;
    *r->out = (family){.document = r->sources.at[0].name};
    if (!is_raw && document_text(document_find(root, "exchange")).size == 0)
        return document_refuse(root, "a family needs exchange:", td_bytes_str(name), err);
    if (document_find(root, "family").at == NULL ||
        (!is_raw && document_find(root, "dialect").at == NULL))
        return document_refuse(root, "a family needs family and dialect:", td_bytes_str(name), err);
    return document_read_members(root, &FAMILY_TABLE, r->out, err);
}

td_result family_file_read(const family_texts *texts, const char *name, td_arena *memory,
                           family *out, td_err *err)
{
    reading *r = td_arena_alloc(memory, sizeof *r);
    *r = (reading){.texts = texts, .out = out};
    td_result rc = family_sources_open(texts, name, memory, r, &r->sources, err);
    if (rc == TD_OK)
        rc = read_family(r, name, err);
    family_sources_close(&r->sources);
    return rc;
}

td_result family_file_is_family(const family_texts *texts, const char *name, int *out, td_err *err)
{
    td_arena *memory = td_arena_open();
    document read;
    td_result rc = family_source_open(texts, td_bytes_str(name), memory, NULL, &read, err);
    *out = rc == TD_OK && document_find(document_root(&read), "family").at != NULL;
    if (rc == TD_OK)
        document_close(&read);
    td_arena_close(memory);
    return rc;
}
