#include "schema/exchange_file.h"

#include <ctype.h>

#include <string.h>

#include "base/assert.h"
#include "base/decimal.h"
#include "base/document.h"
#include "base/limits.h"
#include "base/url.h"
#include "schema/dialect_file.h"
#include "schema/instrument.h"
#include "schema/list_frame.h"

enum {
    HOSTS_MAX = 32,
    PRESETS_MAX = 16,
    TEXTS_MAX = 128, /* texts of a member */
    RULES_MAX = 32,  /* rules for control frames */
    WINDOW_S_MAX = 86400,
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define TABLE(array)    (array), COUNT_OF(array)

static const char *const NO_TEXTS[] = {NULL};

typedef struct reading {
    td_arena *memory;
    exchange_row *out;
    td_bytes *keys; /* FRAME_KEYS_MAX */
} reading;

static td_bytes lasting(td_arena *memory, td_bytes text)
{
    return td_bytes_of(td_arena_text(memory, text), text.size);
}

/* ---- connections, kinds ---- */

/* "COUNT per SECONDS s" */
static td_result read_connects(void *user, document_node at, void *row, td_err *err)
{
    exchange_row *out = row;
    document_words from;
    uint64_t count = 0, seconds = 0;
    (void)user;
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK &&
        (from.count != 4 || !td_bytes_is(from.at[1], "per") || !td_bytes_is(from.at[3], "s") ||
         !td_digits_parse(from.at[0], LIMIT_HOST_CONNECTS, &count) ||
         !td_digits_parse(from.at[2], WINDOW_S_MAX, &seconds) || seconds == 0))
        rc = document_refuse_text(at, "a limit is \"COUNT per SECONDS s\", not", err);
    /* With the maximum number of feeds, each has its own reserve (recorder/backoff.h). */
    _Static_assert(LIMIT_FEEDS == 64, "the text below has the double");
    if (rc == TD_OK && count / 2 / LIMIT_FEEDS == 0)
        rc = document_refuse_text(at, "at least 128 connections, 2 a feed, are expected, not", err);
    out->connects = (connect_limit){(uint32_t)count, seconds * UINT64_C(1000000000)};
    return rc;
}

static const document_word KINDS[] = {{"snapshot", FRAME_SNAPSHOT}, {"delta", FRAME_DELTA}};

static td_result read_kinds(void *user, document_node mapping, void *row, td_err *err)
{
    const reading *r = user;
    exchange_row *out = row;
    kind_word *kinds = td_arena_alloc(r->memory, (KIND_WORDS_MAX + 1) * sizeof *kinds);
    size_t count = 0;
    td_result rc = TD_OK;
    for (size_t i = 0; i < document_pair_count(mapping); i++) {
        const document_node name = document_key(mapping, i), list = document_value(mapping, i);
        const char *const *texts = NULL;
        int kind = 0;
        rc = document_read_word(name, "there is no kind", document_text(name), TABLE(KINDS), &kind,
                                err);
        if (rc == TD_OK && document_size(list) > KIND_WORDS_MAX - count)
            rc =
                document_refuse(list, "all kinds together have at most 12 words, not also these of",
                                document_text(name), err);
        if (rc == TD_OK)
            rc = document_read_texts(r->memory, list, KIND_WORDS_MAX - count, &texts, err);
        if (rc != TD_OK)
            return rc;
        for (; *texts != NULL; texts++) {
            if (strlen(*texts) >= LIMIT_NAME_BYTES)
                return document_refuse(list, "a word of a kind has at most 63 bytes, not",
                                       td_bytes_str(*texts), err);
            kinds[count++] = (kind_word){*texts, (frame_kind)kind};
        }
    }
    kinds[count] = (kind_word){NULL, FRAME_UNTYPED};
    out->kinds = kinds;
    return rc;
}

/* ---- the members that tell kinds of frames apart ---- */

enum { FRAME_TOPIC, FRAME_DATA, FRAME_EVENT, FRAME_TIME, FRAME_OP, FRAME_REQUEST, FRAME_SHARED };
enum { FRAME_BEGINS = FRAME_SHARED + 1, FRAME_PONG, FRAME_LIST, FRAME_COUNTER };

static const document_word FRAME_PARTS[] = {
    {"topic", FRAME_TOPIC},     {"data", FRAME_DATA},       {"event", FRAME_EVENT},
    {"event_time", FRAME_TIME}, {"op", FRAME_OP},           {"request", FRAME_REQUEST},
    {"shared", FRAME_SHARED},   {"begins", FRAME_BEGINS},   {"pong", FRAME_PONG},
    {"list", FRAME_LIST},       {"counter", FRAME_COUNTER},
};

static td_result add_key(reading *r, document_node at, td_bytes key, td_err *err)
{
    frame_keys *frames = &r->out->frames;
    for (size_t i = 0; i < frames->count; i++)
        if (td_bytes_equal(r->keys[i], key))
            return TD_OK;
    if (key.size == 0 || key.size > FRAME_KEY_BYTES_MAX)
        return document_refuse(at, "a key has 1 to 12 bytes, not", key, err);
    if (frames->count == FRAME_KEYS_MAX)
        return document_refuse(at, "more than 24 keys:", key, err);
    /* Sorted by size. */
    size_t to = frames->count++;
    for (; to > 0 && r->keys[to - 1].size > key.size; to--)
        r->keys[to] = r->keys[to - 1];
    r->keys[to] = lasting(r->memory, key);
    return TD_OK;
}

/* "KEY TEXT|* CLASS [or CLASS] [of OP] [by KEY | by_code KEY] [orders]" */
static td_result add_rule_keys(reading *r, document_node at, td_err *err)
{
    document_words from;
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK && from.count < 3)
        rc = document_refuse_text(at, "a rule is \"KEY TEXT CLASS ...\", not", err);
    if (rc == TD_OK)
        rc = add_key(r, at, from.at[0], err);
    for (size_t i = 3; rc == TD_OK && i + 1 < from.count; i++)
        if (td_bytes_is(from.at[i], "by") || td_bytes_is(from.at[i], "by_code"))
            rc = add_key(r, at, from.at[i + 1], err);
    return rc;
}

/* The first key of a path: "arg" of "arg.channel". */
static td_bytes first_key(td_bytes path)
{
    const uint8_t *dot = path.size == 0 ? NULL : memchr(path.data, '.', path.size);
    return td_bytes_of(path.data, dot == NULL ? path.size : (size_t)(dot - path.data));
}

/* All keys that frames and rules name, sorted by size. */
static td_result read_keys(reading *r, document_node frames, document_node rules, td_err *err)
{
    frame_keys *out = &r->out->frames;
    td_result rc = TD_OK;
    int part = 0;
    r->keys = td_arena_alloc(r->memory, FRAME_KEYS_MAX * sizeof *r->keys);
    for (size_t i = 0; rc == TD_OK && i < document_pair_count(frames); i++) {
        const document_node name = document_key(frames, i), value = document_value(frames, i);
        rc = document_read_word(name, "frames has no key", document_text(name), TABLE(FRAME_PARTS),
                                &part, err);
        if (rc == TD_OK && part < FRAME_BEGINS)
            rc = add_key(r, value, first_key(document_text(value)), err);
    }
    for (size_t i = 0; rc == TD_OK && i < document_size(rules); i++)
        rc = add_rule_keys(r, document_entry(rules, i), err);
    out->names = r->keys;
    for (size_t size = 0, i = 0; size <= FRAME_KEY_BYTES_MAX + 1; size++) {
        while (i < out->count && r->keys[i].size < size)
            i++;
        out->first_of_size[size] = (uint8_t)i;
    }
    return rc;
}

static uint8_t key_of(const reading *r, document_node frames, const char *part)
{
    const document_node at = document_find(frames, part);
    return at.at == NULL ? (uint8_t)FRAME_KEY_NONE
                         : frame_key_find(&r->out->frames, first_key(document_text(at)));
}

static int is_plain_name(td_bytes name)
{
    for (size_t i = 0; i < name.size; i++)
        if (!isalnum(name.data[i]) && name.data[i] != '_')
            return 0;
    return name.size > 0;
}

/* Read the names of a list's elements. One, NAME*, is the list of all in its place. */
static td_result read_list(reading *r, document_node list, td_err *err)
{
    list_names made = {.count = document_size(list), .rest = LIST_NAMES_MAX};
    if (list.at == NULL)
        return TD_OK;
    if (made.count < 2 || made.count > LIST_NAMES_MAX)
        return document_refuse_text(list, "2 to 8 names are expected, not", err);
    for (size_t i = 0; i < made.count; i++) {
        td_bytes name = document_text(document_entry(list, i));
        const int is_rest = name.size > 0 && name.data[name.size - 1] == '*';
        name.size -= (size_t)is_rest;
        if (!is_plain_name(name) || (is_rest && made.rest < LIST_NAMES_MAX))
            return document_refuse(document_entry(list, i),
                                   "names have letters, digits and '_', and one ends with '*', not",
                                   name, err);
        made.names[i] = td_arena_text(r->memory, name);
        made.rest = is_rest ? i : made.rest;
    }
    if (made.rest == LIST_NAMES_MAX)
        return document_refuse_text(list, "one of the names ends with '*':", err);
    r->out->frames.list = td_arena_copy(r->memory, &made, sizeof made);
    return TD_OK;
}

static td_result read_frames(reading *r, document_node mapping, td_err *err)
{
    frame_keys *out = &r->out->frames;
    const td_bytes begins = document_text(document_find(mapping, "begins"));
    out->topic = key_of(r, mapping, "topic");
    out->data = key_of(r, mapping, "data");
    out->event = key_of(r, mapping, "event");
    out->event_time = key_of(r, mapping, "event_time");
    out->op = key_of(r, mapping, "op");
    out->request = key_of(r, mapping, "request");
    out->shared = key_of(r, mapping, "shared");
    const td_bytes topic = document_text(document_find(mapping, "topic"));
    const td_bytes pong = document_text(document_find(mapping, "pong"));
    out->data_start = lasting(r->memory, begins);
    if (first_key(topic).size < topic.size)
        out->topic_path = td_arena_text(r->memory, topic);
    if (pong.size > 0)
        out->pong = td_arena_text(r->memory, pong);
    out->counter = lasting(r->memory, document_text(document_find(mapping, "counter")));
    if (out->counter.size > 0 && document_find(mapping, "list").at != NULL)
        return document_refuse(document_find(mapping, "counter"),
                               "frames that are lists have no counter, not", out->counter, err);
    if (out->counter.size > 0 && strpbrk((const char *)out->counter.data, ".\"\\") != NULL)
        return document_refuse(document_find(mapping, "counter"),
                               "the counter is a key of the frame itself, not", out->counter, err);
    if (out->topic == FRAME_KEY_NONE || out->data == FRAME_KEY_NONE || begins.size == 0)
        return document_refuse_text(mapping, "frames need topic, data and begins, not", err);
    if ((out->event == FRAME_KEY_NONE) != (out->event_time == FRAME_KEY_NONE))
        return document_refuse_text(mapping, "events need both event and event_time, not", err);
    return read_list(r, document_find(mapping, "list"), err);
}

/* ---- control frames ---- */

static const document_word CLASSES[] = {{"ack", CLASS_ACK},
                                        {"auth", CLASS_AUTH},
                                        {"ping", CLASS_PING},
                                        {"pong", CLASS_PONG},
                                        {"error", CLASS_ERROR}};

static td_result read_class(document_node at, td_bytes word, frame_class *out, td_err *err)
{
    int value = 0;
    td_result rc = document_read_word(at, "there is no class", word, TABLE(CLASSES), &value, err);
    *out = (frame_class)value;
    return rc;
}

/* Read the words after a rule's class. */
static td_result read_rule_words(const reading *r, document_node at, const document_words *from,
                                 control_rule *out, td_err *err)
{
    enum { RULE_OR, RULE_OF, RULE_BY, RULE_BY_CODE, RULE_ORDERS, RULE_NOTICE };
    static const document_word WORDS[] = {{"or", RULE_OR},         {"of", RULE_OF},
                                          {"by", RULE_BY},         {"by_code", RULE_BY_CODE},
                                          {"orders", RULE_ORDERS}, {"notice", RULE_NOTICE}};
    for (size_t i = 3; i < from->count; i++) {
        int word = 0;
        td_result rc =
            document_read_word(at, "a rule has no property", from->at[i], TABLE(WORDS), &word, err);
        if (rc == TD_OK && word < RULE_ORDERS && ++i == from->count)
            rc = document_refuse_text(at, "a word is missing at the end of", err);
        if (rc != TD_OK)
            return rc;
        if (word == RULE_ORDERS)
            out->is_about_orders = 1;
        else if (word == RULE_NOTICE)
            out->is_notice = 1;
        else if (word == RULE_OF)
            out->op = lasting(r->memory, from->at[i]);
        else if (word == RULE_OR)
            rc = read_class(at, from->at[i], &out->if_failed, err);
        else {
            out->success = word == RULE_BY ? SUCCESS_WORD : SUCCESS_CODE;
            out->success_key = frame_key_find(&r->out->frames, from->at[i]);
        }
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

static td_result read_rule(const reading *r, document_node at, control_rule *out, td_err *err)
{
    document_words from;
    *out = (control_rule){.success = SUCCESS_NOT_STATED};
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK)
        rc = read_class(at, from.at[2], &out->is, err);
    if (rc != TD_OK)
        return rc;
    out->key = frame_key_find(&r->out->frames, from.at[0]);
    out->if_failed = out->is;
    if (!td_bytes_is(from.at[1], "*"))
        out->text = lasting(r->memory, from.at[1]);
    return read_rule_words(r, at, &from, out, err);
}

/* The rules for the shared key must be adjacent, and need a text: data frames have the key, too. */
static td_result read_shared(reading *r, document_node list, td_err *err)
{
    frame_keys *out = &r->out->frames;
    for (size_t i = 0; i < out->rule_count; i++) {
        if (out->shared == FRAME_KEY_NONE || out->rules[i].key != out->shared)
            continue;
        if (out->rules[i].text.size == 0 ||
            (out->shared_count > 0 && out->shared_first + out->shared_count != i))
            return document_refuse_text(
                document_entry(list, i),
                "rules for the shared key have a text, and are adjacent, not", err);
        if (out->shared_count++ == 0)
            out->shared_first = (uint8_t)i;
    }
    return TD_OK;
}

static td_result read_rules(reading *r, document_node list, td_err *err)
{
    const size_t count = document_size(list);
    frame_keys *out = &r->out->frames;
    td_result rc = TD_OK;
    control_rule *rules = td_arena_alloc(r->memory, RULES_MAX * sizeof *rules);
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        rc = read_rule(r, document_entry(list, i), &rules[i], err);
        if (rc == TD_OK && rules[i].success == SUCCESS_WORD && out->success_words == NULL)
            rc = document_refuse_text(document_entry(list, i),
                                      "control needs success and failure for", err);
    }
    out->rules = rules;
    out->rule_count = count;
    return rc == TD_OK ? read_shared(r, list, err) : rc;
}

static const document_member CONTROL_KEYS[] = {
    {"success", DOCUMENT_TEXTS, .offset = offsetof(exchange_row, frames.success_words),
     .most = TEXTS_MAX},
    {"failure", DOCUMENT_TEXTS, .offset = offsetof(exchange_row, frames.failure_words),
     .most = TEXTS_MAX},
    {"members", DOCUMENT_TEXTS, .offset = offsetof(exchange_row, control_keys), .most = TEXTS_MAX},
    {"rules", .type = DOCUMENT_ELSEWHERE},
};

static td_result read_control(reading *r, document_node root, td_err *err)
{
    frame_keys *out = &r->out->frames;
    const document_node frames = document_find(root, "frames");
    const document_node mapping = document_find(root, "control");
    const document_node rules = document_find(mapping, "rules");
    if (document_size(rules) == 0 || document_size(rules) > RULES_MAX)
        return document_refuse(mapping, "1 to 32 rules are expected, not", document_text(rules),
                               err);
    td_result rc = read_keys(r, frames, rules, err);
    if (rc == TD_OK)
        rc = read_frames(r, frames, err);
    if (rc == TD_OK)
        rc = document_read_members(mapping, "control has no key", TABLE(CONTROL_KEYS), r->memory,
                                   NULL, r->out, err);
    if (rc == TD_OK && (out->success_words == NULL) != (out->failure_words == NULL))
        rc = document_refuse_text(mapping, "control needs both success and failure, not", err);
    return rc == TD_OK ? read_rules(r, rules, err) : rc;
}

/* ---- what clients read in answers ---- */

static td_result read_answers(void *user, document_node mapping, void *row, td_err *err)
{
#define ANSWER_PATHS(key, member)                                                                  \
    {                                                                                              \
        key, DOCUMENT_ARRAY, .offset = offsetof(answer_paths, member),                             \
                             .most = ANSWER_PATHS_MAX - 1                                          \
    }
    static const document_member KEYS[] = {
        ANSWER_PATHS("ids", ids),
        ANSWER_PATHS("reasons", reasons),
        ANSWER_PATHS("requests", requests),
        ANSWER_PATHS("topics", topics),
        ANSWER_PATHS("granted", granted),
        ANSWER_PATHS("failed", failed),
        ANSWER_PATHS("reason_topics", reason_topics),
        {"repeat", DOCUMENT_TEXT, .offset = offsetof(answer_paths, repeat)},
        {"whole", DOCUMENT_TRUE, .offset = offsetof(answer_paths, are_whole)},
        {"list_all", DOCUMENT_TRUE, .offset = offsetof(answer_paths, list_all)},
    };
    const reading *r = user;
    exchange_row *out = row;
    const char **forms = out->answers.reason_topics;
    td_result rc = document_read_members(mapping, "answers has no key", TABLE(KEYS), r->memory,
                                         NULL, &out->answers, err);
    for (size_t i = 0; rc == TD_OK && forms[i] != NULL; i++)
        if (strchr(forms[i], '*') == NULL)
            rc = document_refuse(document_find(mapping, "reason_topics"),
                                 "a reason with a topic has * in place of it, not",
                                 td_bytes_str(forms[i]), err);
    return rc;
}

/* ---- documented texts ---- */

/* "MEMBER [open] [in FAMILY]": [TEXT, ...] */
static td_result read_value(const reading *r, document_node name, document_node list,
                            value_row *out, td_err *err)
{
    document_words from;
    size_t at = 1;
    *out = (value_row){.member = MEMBER_NONE};
    td_result rc = document_split(name, &from, err);
    if (rc != TD_OK)
        return rc;
    out->member = msg_member_find(from.at[0]);
    if (out->member == MEMBER_NONE)
        return document_refuse(name, "there is no meaning", from.at[0], err);
    if (at < from.count && td_bytes_is(from.at[at], "open")) {
        out->is_open = 1;
        at++;
    }
    if (at + 1 < from.count && td_bytes_is(from.at[at], "in")) {
        out->family = td_arena_text(r->memory, from.at[at + 1]);
        at += 2;
    }
    if (at != from.count)
        return document_refuse_text(name, "texts are of \"MEANING [open] [in FAMILY]\", not", err);
    return document_read_texts(r->memory, list, TEXTS_MAX, &out->values, err);
}

/* Rows of single families precede the common ones, because the first that fits counts. */
static td_result read_values(void *user, document_node mapping, void *row, td_err *err)
{
    const reading *r = user;
    exchange_row *out = row;
    const size_t count = document_pair_count(mapping);
    value_row *rows = td_arena_alloc(r->memory, (count + 1) * sizeof *rows);
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        const document_node name = document_key(mapping, i);
        rc = read_value(r, name, document_value(mapping, i), &rows[i], err);
        for (size_t k = 0; rc == TD_OK && k < i && rows[i].family != NULL; k++)
            if (rows[k].member == rows[i].member && rows[k].family == NULL)
                rc = document_refuse_text(name, "texts of a family precede the common ones, not",
                                          err);
    }
    rows[count] = (value_row){.member = MEMBER_NONE};
    out->values = rows;
    return rc;
}

/* ---- instruments ---- */

/* "MEMBER CATEGORY [TEXT_MEMBER TEXT]"; the last has "*" as its member. */
static td_result read_sign(const reading *r, document_node at, category_sign *out, td_err *err)
{
    document_words from;
    *out = (category_sign){.member = NULL};
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK && from.count != 2 && from.count != 4)
        rc = document_refuse_text(at, "a sign is \"MEMBER CATEGORY [MEMBER TEXT]\", not", err);
    if (rc != TD_OK)
        return rc;
    out->member = td_bytes_is(from.at[0], "*") ? NULL : td_arena_text(r->memory, from.at[0]);
    out->category = td_arena_text(r->memory, from.at[1]);
    if (from.count == 4) {
        out->text_member = td_arena_text(r->memory, from.at[2]);
        out->text = td_arena_text(r->memory, from.at[3]);
    }
    return TD_OK;
}

static td_result read_signs(void *user, document_node list, void *row, td_err *err)
{
    const reading *r = user;
    instrument_lists *out = row;
    const size_t count = document_size(list);
    category_sign *signs = td_arena_alloc(r->memory, (count + 1) * sizeof *signs);
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        rc = read_sign(r, document_entry(list, i), &signs[i], err);
        if (rc == TD_OK && (signs[i].member == NULL) != (i + 1 == count))
            rc = document_refuse_text(document_entry(list, i), "only the last sign is *, not", err);
    }
    out->signs = signs;
    return count > 0 ? rc : document_refuse_text(list, "a list of signs is expected, not", err);
}

/* 1 if each [ of a member's paths begins a "[KEY=TEXT]" at the end of a part, without a point. */
static int are_conditions_whole(const char *paths)
{
    for (const char *open = strchr(paths, '['); open != NULL; open = strchr(open + 1, '[')) {
        const size_t size = strcspn(open, "].|");
        if (open[size] != ']' || memchr(open, '=', size) == NULL ||
            (open[size + 1] != '\0' && strchr(".|", open[size + 1]) == NULL))
            return 0;
    }
    return 1;
}

static td_result read_instrument_members(void *user, document_node mapping, void *row, td_err *err)
{
    const reading *r = user;
    instrument_lists *out = row;
#define MEMBER_PATHS(id, name, type)                                                               \
    {name, DOCUMENT_TEXT, .offset = INSTRUMENT_##id * sizeof(const char *)},
    static const document_member KEYS[] = {INSTRUMENT_VALUES(MEMBER_PATHS)};
#undef MEMBER_PATHS
    const size_t bytes = INSTRUMENT_VALUE_COUNT * sizeof(const char *);
    const char **members = memset(td_arena_alloc(r->memory, bytes), 0, bytes);
    td_result rc = document_read_members(mapping, "an instrument has no value", TABLE(KEYS),
                                         r->memory, NULL, members, err);
    for (size_t i = 0; rc == TD_OK && i < COUNT_OF(KEYS); i++)
        if (members[i] != NULL && !are_conditions_whole(members[i]))
            rc = document_refuse(document_find(mapping, KEYS[i].key),
                                 "a member of a list is \"LIST[KEY=TEXT].MEMBER\", not",
                                 td_bytes_str(members[i]), err);
    out->members = members;
    return rc;
}

#define LISTS_TEXT(key, member)                                                                    \
    {                                                                                              \
        key, DOCUMENT_TEXT, .offset = offsetof(instrument_lists, member)                           \
    }
#define LISTS_TEXTS(key, member)                                                                   \
    {                                                                                              \
        key, DOCUMENT_TEXTS, .offset = offsetof(instrument_lists, member), .most = TEXTS_MAX       \
    }
static td_result read_instruments(void *user, document_node mapping, void *row, td_err *err)
{
    static const document_member KEYS[] = {
        LISTS_TEXTS("lists", lists),
        LISTS_TEXTS("traded", traded),
        LISTS_TEXTS("ended", ended),
        LISTS_TEXTS("perpetual", perpetual),
        LISTS_TEXT("category", category),
        LISTS_TEXT("page", page),
        LISTS_TEXT("page_query", page_query),
        LISTS_TEXT("coin_query", coin_query),
        LISTS_TEXT("kind_query", kind_query),
        LISTS_TEXT("result", result),
        LISTS_TEXT("without_min_qty", without_min_qty),
        LISTS_TEXT("pair", pair),
        LISTS_TEXT("multiplier", multiplier),
        {"signs", DOCUMENT_OWN, .read = read_signs},
        {"members", DOCUMENT_OWN, .read = read_instrument_members},
    };
    reading *r = user;
    exchange_row *exchange = row;
    instrument_lists *out = td_arena_alloc(r->memory, sizeof *out);
    *out = (instrument_lists){
        .lists = NO_TEXTS, .traded = NO_TEXTS, .ended = NO_TEXTS, .perpetual = NO_TEXTS};
    td_result rc = document_read_members(mapping, "instruments has no key", TABLE(KEYS), r->memory,
                                         r, out, err);
    if (rc == TD_OK && (out->signs == NULL || out->members == NULL ||
                        (out->page == NULL) != (out->page_query == NULL)))
        rc = document_refuse_text(
            mapping, "instruments need signs and members, and page_query if page, not", err);
    exchange->instruments = out;
    return rc;
}

/* ---- the exchange ---- */

static td_result read_parts(void *user, document_node at, void *row, td_err *err)
{
    const reading *r = user;
    exchange_row *out = row;
    return topic_parts_from(at, r->memory, &out->parts, err);
}

static td_result read_topic_keys(void *user, document_node list, void *row, td_err *err)
{
    const reading *r = user;
    exchange_row *out = row;
    return document_size(list) == 2
               ? document_read_texts(r->memory, list, 2, &out->topic_keys, err)
               : document_refuse_text(
                     list, "the keys of a topic's name and symbol are expected, not", err);
}

td_result exchange_http_read(document_node mapping, td_arena *memory, const char *out[2],
                             td_err *err)
{
    static const document_member KEYS[] = {
        {"main", DOCUMENT_TEXT, .offset = 0},
        {"test", DOCUMENT_TEXT, .offset = sizeof(const char *)},
    };
    td_server_url ignored;
    td_result rc =
        document_read_members(mapping, "http has no key", TABLE(KEYS), memory, NULL, out, err);
    for (size_t i = 0; rc == TD_OK && i < COUNT_OF(KEYS); i++) {
        const char *url = out[i];
        if (url != NULL && (td_url_parse_http(url, &ignored, NULL) != TD_OK ||
                            td_url_split(td_bytes_str(url)).path.size > 1))
            rc = document_refuse(document_find(mapping, KEYS[i].key),
                                 "https:// and a host are expected, not", td_bytes_str(url), err);
    }
    return rc;
}

static td_result read_http(void *user, document_node mapping, void *row, td_err *err)
{
    const reading *r = user;
    exchange_row *out = row;
    return exchange_http_read(mapping, r->memory, out->http, err);
}

static td_result read_http_times(void *user, document_node list, void *row, td_err *err)
{
    const reading *r = user;
    exchange_row *out = row;
    const char *const *keys = NULL;
    td_result rc = document_read_texts(r->memory, list, TOPIC_ENVELOPE_MAX, &keys, err);
    if (rc != TD_OK)
        return rc;
    field_row *fields = td_arena_alloc(r->memory, TOPIC_ENVELOPE_MAX * sizeof *fields);
    topic_row made = {.name = "HTTP replies", .envelope = fields};
    for (; keys[made.envelope_count] != NULL; made.envelope_count++)
        fields[made.envelope_count] =
            (field_row){.key = keys[made.envelope_count], .type = FIELD_TIME};
    out->http_reply = td_arena_copy(r->memory, &made, sizeof made);
    return TD_OK;
}

/* "LIBRARY [BEGINNING]: [NAME=/path, ...]" */
static td_result read_http_presets(void *user, document_node mapping, void *row, td_err *err)
{
    const reading *r = user;
    exchange_row *out = row;
    const size_t count = document_pair_count(mapping);
    http_preset *presets = td_arena_alloc(r->memory, (PRESETS_MAX + 1) * sizeof *presets);
    td_result rc = TD_OK;
    if (count > PRESETS_MAX)
        return document_refuse(mapping, "more than 16 presets", td_bytes_str(""), err);
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        const document_node name = document_key(mapping, i);
        document_words from;
        rc = document_split(name, &from, err);
        if (rc == TD_OK && from.count > 2)
            rc = document_refuse_text(name, "a preset is \"LIBRARY [BEGINNING]\", not", err);
        if (rc != TD_OK)
            return rc;
        presets[i] = (http_preset){.name = td_arena_text(r->memory, from.at[0]), .families = ""};
        if (from.count == 2)
            presets[i].families = td_arena_text(r->memory, from.at[1]);
        rc = document_read_texts(r->memory, document_value(mapping, i), LIMIT_FEED_HTTP,
                                 &presets[i].requests, err);
        for (const char *const *at = presets[i].requests; rc == TD_OK && *at != NULL; at++)
            if (strstr(*at, "=/") == NULL)
                rc = document_refuse(document_value(mapping, i), "a request is \"NAME=/path\", not",
                                     td_bytes_str(*at), err);
    }
    presets[count] = (http_preset){.name = NULL};
    out->http_presets = presets;
    return rc;
}

static const document_member EXCHANGE_KEYS[] = {
    {"exchange", DOCUMENT_TEXT, .offset = offsetof(exchange_row, name)},
    {"families", .type = DOCUMENT_ELSEWHERE}, /* the build reads them: schema/compile-families */
    {"hosts", DOCUMENT_TEXTS, .offset = offsetof(exchange_row, other_hosts), .most = HOSTS_MAX},
    {"http", DOCUMENT_OWN, .read = read_http},
    {"http_presets", DOCUMENT_OWN, .read = read_http_presets},
    {"http_times", DOCUMENT_OWN, .read = read_http_times},
    {"connects", DOCUMENT_OWN, .read = read_connects},
    {"kinds", DOCUMENT_OWN, .read = read_kinds},
    {"frames", .type = DOCUMENT_ELSEWHERE},  /* read_control */
    {"control", .type = DOCUMENT_ELSEWHERE}, /* the same */
    {"raw_topics", DOCUMENT_TEXTS, .offset = offsetof(exchange_row, raw_topics), .most = TEXTS_MAX},
    {"values", DOCUMENT_OWN, .read = read_values},
    {"instruments", DOCUMENT_OWN, .read = read_instruments},
    {"parts", DOCUMENT_OWN, .read = read_parts},
    {"topic_keys", DOCUMENT_OWN, .read = read_topic_keys},
    {"answers", DOCUMENT_OWN, .read = read_answers},
    {"dialects", .type = DOCUMENT_ELSEWHERE}, /* after all others */
};

int exchange_name_is_plain(const char *name)
{
    const size_t size = strlen(name);
    size_t plain = 0;
    while (isalnum((unsigned char)name[plain]) || name[plain] == '_' || name[plain] == '-')
        plain++;
    return size > 0 && size < LIMIT_NAME_BYTES && plain == size && isalnum((unsigned char)name[0]);
}

static td_result read_exchange(reading *r, document_node root, td_err *err)
{
    static const char *const NEEDED[] = {"exchange", "connects", "frames", "control", "dialects"};
    *r->out = (exchange_row){.other_hosts = NO_TEXTS};
    td_result rc = document_read_members(root, "an exchange has no key", TABLE(EXCHANGE_KEYS),
                                         r->memory, r, r->out, err);
    for (size_t i = 0; rc == TD_OK && i < COUNT_OF(NEEDED); i++)
        if (document_find(root, NEEDED[i]).at == NULL)
            rc = document_refuse(root, "an exchange needs", td_bytes_str(NEEDED[i]), err);
    if (rc == TD_OK && !exchange_name_is_plain(r->out->name))
        rc = document_refuse(document_find(root, "exchange"), EXCHANGE_NAME_FAULT,
                             td_bytes_str(r->out->name), err);
    if (rc == TD_OK)
        rc = read_control(r, root, err);
    return rc == TD_OK ? dialects_from(document_find(root, "dialects"), r->memory, r->out, err)
                       : rc;
}

td_result exchange_file_read(const char *name, td_bytes text, document_source source,
                             td_arena *memory, exchange_row *out, td_err *err)
{
    reading r = {.memory = memory, .out = out};
    document read;
    td_result rc = document_open(&read, name, text, source, err);
    if (rc != TD_OK)
        return rc;
    rc = read_exchange(&r, document_root(&read), err);
    document_close(&read);
    return rc;
}
