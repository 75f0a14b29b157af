#include "schema/exchange_file.h"

#include <ctype.h>

#include <string.h>

#include "base/decimal.h"
#include "base/document.h"
#include "base/limits.h"
#include "base/url.h"
#include "schema/dialect_file.h"
#include "schema/end_notice.h"
#include "schema/instrument.h"

enum {
    HOSTS_MAX = 32,
    PRESETS_MAX = 16,
    TEXTS_MAX = 128,  /* texts of a member */
    VALUES_MAX = 256, /* members with texts, and signs of instruments */
    RULES_MAX = 32,   /* rules for control frames */
    WINDOW_S_MAX = 86400,
};

static const char *const NO_TEXTS[] = {NULL};

static td_bytes copy_of(document_node at)
{
    return td_bytes_of(document_copy(at), document_text(at).size);
}

static td_result read_bytes(document_node at, void *member, td_err *err)
{
    td_bytes *out = member;
    const char *text;
    td_result rc = document_read_text(at, &text, err);
    *out = td_bytes_str(text);
    return rc;
}

/* ---- connections, kinds ---- */

/* "COUNT per SECONDS s" */
static td_result read_connects(document_node at, void *member, td_err *err)
{
    document_words from;
    uint64_t count = 0, seconds = 0;
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK &&
        (from.count != 4 || !document_is(from.at[1], "per") || !document_is(from.at[3], "s") ||
         !td_digits_parse(document_text(from.at[0]), LIMIT_HOST_CONNECTS, &count) ||
         !td_digits_parse(document_text(from.at[2]), WINDOW_S_MAX, &seconds) || seconds == 0))
        rc = document_refuse_text(at, "a limit is \"COUNT per SECONDS s\", not", err);
    /* With the maximum number of feeds, each has its own reserve (recorder/backoff.h). */
    _Static_assert(LIMIT_FEEDS == 64, "the text below has the double");
    if (rc == TD_OK && count / 2 / LIMIT_FEEDS == 0)
        rc = document_refuse_text(at, "at least 128 connections, 2 a feed, are expected, not", err);
    *(connect_limit *)member = (connect_limit){(uint32_t)count, seconds * UINT64_C(1000000000)};
    return rc;
}

/* The words of all kinds, in one list. */
static td_result read_kinds(document_node mapping, void *member, td_err *err)
{
    static const document_member KINDS[] = {
        {"snapshot", DOCUMENT_TEXTS, .offset = 0, .most = KIND_WORDS_MAX},
        {"delta", DOCUMENT_TEXTS, .offset = sizeof(void *), .most = KIND_WORDS_MAX},
    };
    static const document_table TABLE = {"kinds", DOCUMENT_MEMBERS(KINDS)};
    static const frame_kind MEANT[] = {FRAME_SNAPSHOT, FRAME_DELTA};
    const char *const *words[] = {NO_TEXTS, NO_TEXTS};
    kind_word made[KIND_WORDS_MAX + 1];
    size_t count = 0;
    td_result rc = document_read_members(mapping, &TABLE, words, err);
    for (size_t i = 0; rc == TD_OK && i < 2; i++)
        for (const char *const *word = words[i]; *word != NULL; word++) {
            const document_node list = document_find(mapping, KINDS[i].key);
            if (count == KIND_WORDS_MAX)
                return document_refuse(list, "all kinds together have at most 12 words, not also",
                                       td_bytes_str(*word), err);
            if (strlen(*word) >= LIMIT_NAME_BYTES)
                return document_refuse(list, "a word of a kind has at most 63 bytes, not",
                                       td_bytes_str(*word), err);
            made[count++] = (kind_word){*word, MEANT[i]};
        }
    made[count++] = (kind_word){NULL, FRAME_UNTYPED};
    *(const kind_word **)member = td_arena_copy(mapping.of->memory, made, count * sizeof *made);
    return rc;
}

/* ---- the members that tell kinds of frames apart ---- */

/* Read a key, and give it a number. Keys are numbered by size, so each new one changes numbers. */
static td_result read_key(document_node at, td_bytes key, uint8_t *number, td_err *err)
{
    exchange_reading *r = at.of->user;
    frame_keys *frames = &r->out->frames;
    size_t i = 0, to = frames->count;
    while (i < frames->count && !td_bytes_equal(r->keys[i], key))
        i++;
    if (key.size == 0 || key.size > FRAME_KEY_BYTES_MAX)
        return document_refuse(at, "a key has 1 to 12 bytes, not", key, err);
    if (i == FRAME_KEYS_MAX)
        return document_refuse(at, "more than 24 keys:", key, err);
    if (i == frames->count) {
        for (; to > 0 && r->keys[to - 1].size > key.size; to--)
            r->keys[to] = r->keys[to - 1];
        r->keys[to] = td_bytes_of(td_arena_text(at.of->memory, key), key.size);
        frames->count++;
        for (size_t size = key.size + 1; size <= FRAME_KEY_BYTES_MAX + 1; size++)
            frames->first_of_size[size]++;
    }
    *number = frame_key_find(frames, key);
    return TD_OK;
}

/* A key, or a path, of which the first key counts: "arg" of "arg.channel". */
static td_result read_path(document_node at, void *member, td_err *err)
{
    const td_bytes path = document_text(at);
    const uint8_t *dot = path.size == 0 ? NULL : memchr(path.data, '.', path.size);
    return read_key(at, td_bytes_of(path.data, dot == NULL ? path.size : (size_t)(dot - path.data)),
                    member, err);
}

static td_result read_topic(document_node at, void *row, td_err *err)
{
    frame_keys *out = row;
    const td_bytes path = document_text(at);
    if (path.size > 0 && memchr(path.data, '.', path.size) != NULL)
        out->topic_path = document_copy(at);
    return read_path(at, &out->topic, err);
}

/* 1 if each brace of a form has its other one, with a path between them, and a star is the last. */
static int is_form(const char *form)
{
    size_t values = 0;
    for (; *form != '\0'; form++) {
        const size_t path = *form == '{' ? strcspn(form + 1, "{}*") : 0;
        if (*form == '}' || (*form == '*' && form[1] != '\0') ||
            (*form == '{' && (path == 0 || form[1 + path] != '}')))
            return 0;
        values += *form == '{';
        form += *form == '{' ? path + 1 : 0;
    }
    return values > 0;
}

/* "KEY TEXT|* FORM" */
static td_result read_bare(document_node at, void *row, td_err *err)
{
    bare_rule *out = row;
    document_words from;
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK && from.count != 3)
        rc = document_refuse_text(at, "a rule of bare frames is \"KEY TEXT TOPIC\", not", err);
    if (rc != TD_OK)
        return rc;
    out->key = document_copy(from.at[0]);
    out->text = document_copy(from.at[1]);
    out->form = document_copy(from.at[2]);
    return strlen(out->form) < LIMIT_TOPIC_BYTES && is_form(out->form)
               ? TD_OK
               : document_refuse_text(from.at[2],
                                      "a topic has {PATH} for values of the frame, and '*' only at "
                                      "its end, not",
                                      err);
}

static td_result check_frames(document_node mapping, void *row, td_err *err)
{
    frame_keys *out = row;
    const document_node counter = document_find(mapping, "counter");
    if (out->counter.size > 0 && document_find(mapping, "list").at != NULL)
        return document_refuse_text(counter, "frames that are lists have no counter, not", err);
    if (out->counter.size > 0 && strpbrk((const char *)out->counter.data, ".\"\\") != NULL)
        return document_refuse_text(counter, "the counter is a key of the frame itself, not", err);
    if (out->bare_count > 0 && (out->list != NULL || out->topic_path != NULL))
        return document_refuse_text(document_find(mapping, "bare"),
                                    "bare frames have a text as their topic, and are no lists, not",
                                    err);
    if (out->pong != NULL && out->pong[0] == '\0')
        out->pong = NULL;
    if (out->data_start.size == 0)
        return document_refuse_text(mapping, "frames need topic, data and begins, not", err);
    if ((out->event == FRAME_KEY_NONE) != (out->event_time == FRAME_KEY_NONE))
        return document_refuse_text(mapping, "events need both event and event_time, not", err);
    return TD_OK;
}

#define FRAME_KEY(key) #key, DOCUMENT_AT(OWN, frame_keys, key), .read = read_path
static const document_member FRAMES[] = {
    {"topic", .type = DOCUMENT_OWN, .is_needed = 1, .read = read_topic},
    {FRAME_KEY(data), .is_needed = 1},
    {FRAME_KEY(event)},
    {FRAME_KEY(event_time)},
    {FRAME_KEY(op)},
    {FRAME_KEY(request)},
    {FRAME_KEY(shared)},
    {"begins", DOCUMENT_AT(OWN, frame_keys, data_start), .is_needed = 1, .read = read_bytes},
    {"pong", DOCUMENT_AT(TEXT, frame_keys, pong)},
    {"list", DOCUMENT_AT(OWN, frame_keys, list), .read = list_names_read},
    {"counter", DOCUMENT_AT(OWN, frame_keys, counter), .read = read_bytes},
    {"bare", DOCUMENT_AT(LIST, frame_keys, bare), .count_offset = offsetof(frame_keys, bare_count),
     .size = sizeof(bare_rule), .least = 1, .most = RULES_MAX, .what = "rules", .read = read_bare},
};
static const document_table FRAMES_TABLE = {"frames", DOCUMENT_MEMBERS(FRAMES),
                                            .check = check_frames};

/* ---- control frames ---- */

static td_result read_class(document_node at, frame_class *out, td_err *err)
{
    static const document_word CLASSES[] = {{"ack", CLASS_ACK},
                                            {"auth", CLASS_AUTH},
                                            {"ping", CLASS_PING},
                                            {"pong", CLASS_PONG},
                                            {"error", CLASS_ERROR}};
    int value = 0;
    td_result rc = document_read_word(at, "there is no class", CLASSES,
                                      sizeof CLASSES / sizeof CLASSES[0], &value, err);
    *out = (frame_class)value;
    return rc;
}

/* Read the words after a rule's class. */
static td_result read_rule_words(document_node at, const document_words *from, control_rule *out,
                                 td_err *err)
{
    enum { RULE_OR, RULE_OF, RULE_BY, RULE_BY_CODE, RULE_ORDERS, RULE_NOTICE };
    static const document_word WORDS[] = {{"or", RULE_OR},         {"of", RULE_OF},
                                          {"by", RULE_BY},         {"by_code", RULE_BY_CODE},
                                          {"orders", RULE_ORDERS}, {"notice", RULE_NOTICE}};
    td_result rc = TD_OK;
    for (size_t i = 3; rc == TD_OK && i < from->count; i++) {
        int word = 0;
        rc = document_read_word(from->at[i], "a rule has no property", WORDS,
                                sizeof WORDS / sizeof WORDS[0], &word, err);
        if (rc == TD_OK && word < RULE_ORDERS && ++i == from->count)
            rc = document_refuse_text(at, "a word is missing at the end of", err);
        if (rc != TD_OK)
            return rc;
        if (word == RULE_ORDERS)
            out->is_about_orders = 1;
        else if (word == RULE_NOTICE)
            out->is_notice = 1;
        else if (word == RULE_OF)
            out->op = copy_of(from->at[i]);
        else if (word == RULE_OR)
            rc = read_class(from->at[i], &out->if_failed, err);
        else {
            out->success = word == RULE_BY ? SUCCESS_WORD : SUCCESS_CODE;
            rc = read_key(from->at[i], document_text(from->at[i]), &out->success_key, err);
        }
    }
    return rc;
}

/* "KEY TEXT|* CLASS [or CLASS] [of OP] [by KEY | by_code KEY] [orders] [notice]" */
static td_result read_rule(document_node at, void *row, td_err *err)
{
    control_rule *out = row;
    document_words from;
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK && from.count < 3)
        rc = document_refuse_text(at, "a rule is \"KEY TEXT CLASS ...\", not", err);
    if (rc == TD_OK)
        rc = read_key(from.at[0], document_text(from.at[0]), &out->key, err);
    if (rc == TD_OK)
        rc = read_class(from.at[2], &out->is, err);
    if (rc != TD_OK)
        return rc;
    out->if_failed = out->is;
    if (!document_is(from.at[1], "*"))
        out->text = copy_of(from.at[1]);
    return read_rule_words(at, &from, out, err);
}

/* The rules for the shared key must be adjacent, and need a text: data frames have the key, too. */
static td_result check_shared(document_node list, frame_keys *out, td_err *err)
{
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

static const document_member CONTROL[] = {
    {"success", DOCUMENT_AT(TEXTS, exchange_row, frames.success_words), .most = TEXTS_MAX},
    {"failure", DOCUMENT_AT(TEXTS, exchange_row, frames.failure_words), .most = TEXTS_MAX},
    {"members", DOCUMENT_AT(TEXTS, exchange_row, control_keys), .most = TEXTS_MAX},
    {"rules", DOCUMENT_AT(LIST, exchange_row, frames.rules), .is_needed = 1, .what = "rules",
     .count_offset = offsetof(exchange_row, frames.rule_count), .size = sizeof(control_rule),
     .least = 1, .most = RULES_MAX, .read = read_rule},
};
static const document_table CONTROL_TABLE = {"control", DOCUMENT_MEMBERS(CONTROL)};

/* Frames have been read. What names keys is read again when all keys are known. */
static td_result read_control(document_node mapping, void *row, td_err *err)
{
    exchange_row *out = row;
    const document_node frames = document_find(document_root(mapping.of), "frames");
    const document_node rules = document_find(mapping, "rules");
    td_result rc = document_read_members(mapping, &CONTROL_TABLE, out, err);
    if (rc == TD_OK)
        rc = document_read_members(frames, &FRAMES_TABLE, &out->frames, err);
    if (rc == TD_OK)
        rc = document_read_members(mapping, &CONTROL_TABLE, out, err);
    if (rc == TD_OK && (out->frames.success_words == NULL) != (out->frames.failure_words == NULL))
        rc = document_refuse_text(mapping, "control needs both success and failure, not", err);
    for (size_t i = 0; rc == TD_OK && i < out->frames.rule_count; i++)
        if (out->frames.rules[i].success == SUCCESS_WORD && out->frames.success_words == NULL)
            rc = document_refuse_text(document_entry(rules, i),
                                      "control needs success and failure for", err);
    return rc == TD_OK ? check_shared(rules, &out->frames, err) : rc;
}

/* ---- what clients read in answers ---- */

static td_result check_answers(document_node mapping, void *row, td_err *err)
{
    const answer_paths *out = row;
    for (const char *const *form = out->reason_topics; *form != NULL; form++)
        if (strchr(*form, '*') == NULL)
            return document_refuse(document_find(mapping, "reason_topics"),
                                   "a reason with a topic has * in place of it, not",
                                   td_bytes_str(*form), err);
    return TD_OK;
}

#define PATHS(key) #key, DOCUMENT_AT(ARRAY, answer_paths, key), .most = ANSWER_PATHS_MAX - 1
static const document_member ANSWERS[] = {
    {PATHS(ids)},
    {PATHS(reasons)},
    {PATHS(requests)},
    {PATHS(topics)},
    {PATHS(granted)},
    {PATHS(failed)},
    {PATHS(reason_topics)},
    {"symbol", DOCUMENT_AT(TEXT, answer_paths, symbol)},
    {"repeat", DOCUMENT_AT(TEXT, answer_paths, repeat)},
    {"whole", DOCUMENT_AT(TRUE, answer_paths, are_whole)},
    {"list_all", DOCUMENT_AT(TRUE, answer_paths, list_all)},
};
static const document_table ANSWERS_TABLE = {"answers", DOCUMENT_MEMBERS(ANSWERS),
                                             .check = check_answers};

/* ---- announced ends ---- */

/* The example shows that the words are right. */
static td_result check_end(document_node mapping, void *row, td_err *err)
{
    const end_notice *out = row;
    json_parser *parser = json_parser_open(END_NOTICE_BYTES_MAX);
    const int is_notice = end_notice_is(out, parser, td_bytes_str(out->frame));
    json_parser_close(parser);
    return is_notice
               ? TD_OK
               : document_refuse_text(document_find(mapping, "frame"),
                                      "an announced end's frame has the words of when, and at most "
                                      "2048 bytes, not",
                                      err);
}

static const document_member END_WORD[] = {
    {NULL, DOCUMENT_AT(TEXT, end_word, path)},
    {NULL, DOCUMENT_AT(TEXT, end_word, text)},
};
static const document_form END_WORD_FORM = {"a word of an announced end is \"PATH TEXT\", not",
                                            DOCUMENT_MEMBERS(END_WORD), .least = 2, .most = 2};
static const document_member END[] = {
    {"when", DOCUMENT_AT(ROWS, end_notice, words), .is_needed = 1, .what = "words",
     .count_offset = offsetof(end_notice, word_count), .size = sizeof(end_word), .least = 1,
     .most = END_WORDS_MAX, .form = &END_WORD_FORM},
    {"frame", DOCUMENT_AT(TEXT, end_notice, frame), .is_needed = 1},
};
static const document_table END_TABLE = {"an announced end", DOCUMENT_MEMBERS(END),
                                         .check = check_end};

/* ---- documented texts ---- */

/* "MEMBER [open] [in FAMILY]": [TEXT, ...] */
static td_result read_value(document_node name, void *row, td_err *err)
{
    value_row *out = row;
    document_words from;
    size_t at = 1;
    td_result rc = document_split(name, &from, err);
    if (rc != TD_OK)
        return rc;
    out->member = msg_member_find(document_text(from.at[0]));
    if (out->member == MEMBER_NONE)
        return document_refuse_text(from.at[0], "there is no meaning", err);
    if (at < from.count && document_is(from.at[at], "open")) {
        out->is_open = 1;
        at++;
    }
    if (at + 1 < from.count && document_is(from.at[at], "in")) {
        out->family = document_copy(from.at[at + 1]);
        at += 2;
    }
    if (at != from.count)
        return document_refuse_text(name, "texts are of \"MEANING [open] [in FAMILY]\", not", err);
    return document_read_texts(document_value_of(name), TEXTS_MAX, &out->values, err);
}

/* Rows of single families precede the common ones, because the first that fits counts. */
static td_result check_values(document_node mapping, const value_row *rows, td_err *err)
{
    for (size_t i = 0; i < document_pair_count(mapping); i++)
        for (size_t k = 0; k < i && rows[i].family != NULL; k++)
            if (rows[k].member == rows[i].member && rows[k].family == NULL)
                return document_refuse_text(document_key(mapping, i),
                                            "texts of a family precede the common ones, not", err);
    return TD_OK;
}

/* ---- instruments ---- */

/* "MEMBER CATEGORY [TEXT_MEMBER TEXT]"; the last has "*" as its member. */
static td_result read_sign(document_node at, void *row, td_err *err)
{
    static const document_member WORDS[] = {
        {NULL, DOCUMENT_AT(TEXT, category_sign, member)},
        {NULL, DOCUMENT_AT(TEXT, category_sign, category)},
        {NULL, DOCUMENT_AT(TEXT, category_sign, text_member)},
        {NULL, DOCUMENT_AT(TEXT, category_sign, text)},
    };
    static const document_form FORM = {"a sign is \"MEMBER CATEGORY [MEMBER TEXT]\", not",
                                       DOCUMENT_MEMBERS(WORDS), .least = 2, .most = 4};
    category_sign *out = row;
    td_result rc = document_read_form(at, &FORM, out, err);
    if (rc == TD_OK && (out->text_member == NULL) != (out->text == NULL))
        rc = document_refuse_text(at, FORM.text, err);
    if (rc == TD_OK && strcmp(out->member, "*") == 0)
        out->member = NULL;
    return rc;
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

static td_result read_paths(document_node at, void *member, td_err *err)
{
    const char **out = member;
    td_result rc = document_read_text(at, out, err);
    return rc != TD_OK || are_conditions_whole(*out)
               ? rc
               : document_refuse_text(at, "a member of a list is \"LIST[KEY=TEXT].MEMBER\", not",
                                      err);
}

static td_result check_instruments(document_node mapping, void *row, td_err *err)
{
    instrument_lists *out = row;
    const document_node signs = document_find(mapping, "signs");
    const char *const **const texts[] = {&out->lists, &out->traded, &out->ended, &out->perpetual};
    if ((out->page == NULL) != (out->page_query == NULL))
        return document_refuse_text(mapping, "instruments need page_query if page, not", err);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (*texts[i] == NULL)
            *texts[i] = NO_TEXTS;
    for (size_t i = 0; i < document_size(signs); i++)
        if ((out->signs[i].member == NULL) != (i + 1 == document_size(signs)))
            return document_refuse_text(document_entry(signs, i), "only the last sign is *, not",
                                        err);
    return TD_OK;
}

#define MEMBER_PATHS(id, name, type)                                                               \
    {name, DOCUMENT_OWN, .offset = INSTRUMENT_##id * sizeof(const char *), .read = read_paths},
static const document_member VALUES[] = {INSTRUMENT_VALUES(MEMBER_PATHS)};
#undef MEMBER_PATHS
static const document_table VALUES_TABLE = {"an instrument", DOCUMENT_MEMBERS(VALUES)};

#define TEXT(key)  #key, DOCUMENT_AT(TEXT, instrument_lists, key)
#define TEXTS(key) #key, DOCUMENT_AT(TEXTS, instrument_lists, key), .most = TEXTS_MAX
static const document_member INSTRUMENTS[] = {
    {TEXTS(lists)},
    {TEXTS(traded)},
    {TEXTS(ended)},
    {TEXTS(perpetual)},
    {TEXT(category)},
    {TEXT(page)},
    {TEXT(page_query)},
    {TEXT(coin_query)},
    {TEXT(kind_query)},
    {TEXT(result)},
    {TEXT(without_min_qty)},
    {TEXT(pair)},
    {TEXT(multiplier)},
    {"signs", DOCUMENT_AT(LIST, instrument_lists, signs), .is_needed = 1, .what = "signs",
     .size = sizeof(category_sign), .least = 1, .most = VALUES_MAX, .read = read_sign},
    {"members", DOCUMENT_AT(POINTER, instrument_lists, members), .is_needed = 1,
     .size = INSTRUMENT_VALUE_COUNT * sizeof(const char *), .table = &VALUES_TABLE},
};
static const document_table INSTRUMENTS_TABLE = {"instruments", DOCUMENT_MEMBERS(INSTRUMENTS),
                                                 .check = check_instruments};

/* ---- HTTP ---- */

static td_result read_server(document_node at, void *member, td_err *err)
{
    const char **out = member;
    td_server_url ignored;
    td_result rc = document_read_text(at, out, err);
    return rc != TD_OK || (td_url_parse_http(*out, &ignored, NULL) == TD_OK &&
                           td_url_split(td_bytes_str(*out)).path.size <= 1)
               ? rc
               : document_refuse_text(at, "https:// and a host are expected, not", err);
}

static const document_member HTTP[] = {
    {"main", DOCUMENT_OWN, .offset = 0, .read = read_server},
    {"test", DOCUMENT_OWN, .offset = sizeof(const char *), .read = read_server},
};
const document_table EXCHANGE_HTTP = {"http", DOCUMENT_MEMBERS(HTTP)};

static td_result read_http_times(document_node list, void *member, td_err *err)
{
    const char *const *keys = NULL;
    td_result rc = document_read_texts(list, TOPIC_ENVELOPE_MAX, &keys, err);
    if (rc != TD_OK)
        return rc;
    field_row *fields = td_arena_alloc(list.of->memory, TOPIC_ENVELOPE_MAX * sizeof *fields);
    topic_row made = {.name = "HTTP replies", .envelope = fields};
    for (; keys[made.envelope_count] != NULL; made.envelope_count++)
        fields[made.envelope_count] =
            (field_row){.key = keys[made.envelope_count], .type = FIELD_TIME};
    *(const topic_row **)member = td_arena_copy(list.of->memory, &made, sizeof made);
    return TD_OK;
}

/* "LIBRARY [BEGINNING]: [NAME=/path, ...]" */
static td_result read_http_preset(document_node name, void *row, td_err *err)
{
    static const document_member WORDS[] = {{NULL, DOCUMENT_AT(TEXT, http_preset, name)},
                                            {NULL, DOCUMENT_AT(TEXT, http_preset, families)}};
    static const document_form FORM = {"a preset is \"LIBRARY [BEGINNING]\", not",
                                       DOCUMENT_MEMBERS(WORDS), .least = 1, .most = 2};
    http_preset *out = row;
    const document_node list = document_value_of(name);
    out->families = "";
    td_result rc = document_read_form(name, &FORM, out, err);
    if (rc == TD_OK)
        rc = document_read_texts(list, LIMIT_FEED_HTTP, &out->requests, err);
    for (const char *const *at = out->requests; rc == TD_OK && *at != NULL; at++)
        if (strstr(*at, "=/") == NULL)
            rc = document_refuse(list, "a request is \"NAME=/path\", not", td_bytes_str(*at), err);
    return rc;
}

/* ---- the exchange ---- */

static td_result read_topic_keys(document_node list, void *member, td_err *err)
{
    return document_size(list) == 2
               ? document_read_texts(list, 2, member, err)
               : document_refuse_text(
                     list, "the keys of a topic's name and symbol are expected, not", err);
}

/* "NAME KEY [KEY...]" */
static const document_member NAMED_KEYS[] = {
    {NULL, DOCUMENT_AT(TEXT, named_keys, topic)},
    {NULL, DOCUMENT_AT(TEXT, named_keys, keys[0])},
    {NULL, DOCUMENT_AT(TEXT, named_keys, keys[1])},
    {NULL, DOCUMENT_AT(TEXT, named_keys, keys[2])},
};
static const document_form NAMED_KEYS_FORM = {"a topic's keys are \"NAME KEY [KEY...]\", not",
                                              DOCUMENT_MEMBERS(NAMED_KEYS), .least = 2, .most = 4};

/* 1 if a name can begin names of files and be a cell of tables. */
static int is_plain(const char *name)
{
    const size_t size = strlen(name);
    size_t plain = 0;
    while (isalnum((unsigned char)name[plain]) || name[plain] == '_' || name[plain] == '-')
        plain++;
    return size > 0 && size < LIMIT_NAME_BYTES && plain == size && isalnum((unsigned char)name[0]);
}

td_result exchange_name_read(document_node at, void *member, td_err *err)
{
    const char **out = member;
    td_result rc = document_read_text(at, out, err);
    return rc != TD_OK || is_plain(*out)
               ? rc
               : document_refuse_text(
                     at, "an exchange's name has letters, digits, '-' and '_', at most 63, not",
                     err);
}

/* What is of other members follows them. */
static const document_member EXCHANGE[] = {
    {"exchange", DOCUMENT_AT(OWN, exchange_row, name), .is_needed = 1, .read = exchange_name_read},
    {"families", .type = DOCUMENT_ELSEWHERE}, /* the build reads them: schema/compile-families */
    {"hosts", DOCUMENT_AT(TEXTS, exchange_row, other_hosts), .most = HOSTS_MAX},
    {"http", DOCUMENT_AT(STRUCT, exchange_row, http), .table = &EXCHANGE_HTTP},
    {"http_presets", DOCUMENT_AT(MAP, exchange_row, http_presets), .what = "presets",
     .size = sizeof(http_preset), .most = PRESETS_MAX, .read = read_http_preset},
    {"http_times", DOCUMENT_AT(OWN, exchange_row, http_reply), .read = read_http_times},
    {"connects", DOCUMENT_AT(OWN, exchange_row, connects), .is_needed = 1, .read = read_connects},
    {"kinds", DOCUMENT_AT(OWN, exchange_row, kinds), .read = read_kinds},
    {"frames", DOCUMENT_AT(STRUCT, exchange_row, frames), .is_needed = 1, .table = &FRAMES_TABLE},
    {"control", DOCUMENT_OWN, .is_needed = 1, .read = read_control},
    {"raw_topics", DOCUMENT_AT(TEXTS, exchange_row, raw_topics), .most = TEXTS_MAX},
    {"values", DOCUMENT_AT(MAP, exchange_row, values), .what = "members with texts",
     .size = sizeof(value_row), .most = VALUES_MAX, .read = read_value},
    {"instruments", DOCUMENT_AT(POINTER, exchange_row, instruments),
     .size = sizeof(instrument_lists), .table = &INSTRUMENTS_TABLE},
    {"ends", DOCUMENT_AT(LIST, exchange_row, ends), .what = "announced ends",
     .size = sizeof(end_notice), .least = 1, .most = END_NOTICES_MAX, .table = &END_TABLE},
    {"parts", DOCUMENT_AT(POINTER, exchange_row, parts), .size = sizeof(topic_parts),
     .table = &TOPIC_PARTS},
    {"topic_keys", DOCUMENT_AT(OWN, exchange_row, topic_keys.usual), .read = read_topic_keys},
    {"topic_keys_of", DOCUMENT_AT(LIST, exchange_row, topic_keys.named), .what = "topics",
     .size = sizeof(named_keys), .least = 1, .most = TEXTS_MAX, .form = &NAMED_KEYS_FORM},
    {"answers", DOCUMENT_AT(STRUCT, exchange_row, answers), .table = &ANSWERS_TABLE},
    {"dialects", DOCUMENT_AT(MAP, exchange_row, dialects), .is_needed = 1, .what = "dialects",
     .count_offset = offsetof(exchange_row, dialect_count), .size = sizeof(dialect), .least = 1,
     .most = DIALECTS_MAX, .read = dialect_read},
};

static td_result check_exchange(document_node root, void *row, td_err *err)
{
    const exchange_row *out = row;
    const document_node keys = document_find(root, "topic_keys_of");
    return out->topic_keys.named != NULL && out->topic_keys.usual == NULL
               ? document_refuse(keys, "the exchange has no", td_bytes_str("topic_keys"), err)
               : check_values(document_find(root, "values"), out->values, err);
}

static const document_table EXCHANGE_TABLE = {"an exchange", DOCUMENT_MEMBERS(EXCHANGE),
                                              .check = check_exchange};

td_result exchange_file_read(const char *name, td_bytes text, document_source source,
                             td_arena *memory, exchange_row *out, td_err *err)
{
    exchange_reading *r = td_arena_alloc(memory, sizeof *r);
    document read;
    td_result rc = document_open(&read, name, text, source, memory, err);
    if (rc != TD_OK)
        return rc;
    *r = (exchange_reading){.out = out};
    read.user = r;
    *out = (exchange_row){.other_hosts = NO_TEXTS, .frames = {FRAME_KEYS_ABSENT, .names = r->keys}};
    rc = document_read_members(document_root(&read), &EXCHANGE_TABLE, out, err);
    document_close(&read);
    return rc;
}
