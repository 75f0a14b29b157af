#include "schema/dialect_file.h"

#include <ctype.h>
#include <string.h>

#include "schema/dialect_values.h"
#include "schema/exchange.h"
#include "schema/list_frame.h"
#include "schema/template.h"
#include "schema/topic_parts.h"

enum {
    PARAMETERS_MAX = 16,
    TEXTS_MAX = 64,
    PING_S_MAX = 3600,
    LIMIT_MAX = 1 << 20, /* of topics, or of bytes */
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define TABLE(array)    (array), COUNT_OF(array)

static const exchange_row *exchange_being_read(document_node at)
{
    const exchange_reading *r = at.of->user;
    return r->out;
}

/* ---- parts of topics ---- */

/* "TOPIC[-] PATH [PREFIX]" */
static td_result read_parameter(document_node at, void *row, td_err *err)
{
    static const document_member WORDS[] = {{NULL, DOCUMENT_AT(TEXT, topic_parameter, topic)},
                                            {NULL, DOCUMENT_AT(TEXT, topic_parameter, path)},
                                            {NULL, DOCUMENT_AT(TEXT, topic_parameter, prefix)}};
    static const document_form FORM = {"a parameter is \"TOPIC PATH [PREFIX]\", not",
                                       DOCUMENT_MEMBERS(WORDS), .least = 2, .most = 3};
    topic_parameter *out = row;
    td_result rc = document_read_form(at, &FORM, out, err);
    const size_t size = rc == TD_OK ? strlen(out->topic) : 0;
    out->joint = '.';
    if (size > 1 && strchr("-_", out->topic[size - 1]) != NULL) {
        out->joint = out->topic[size - 1];
        out->topic = td_arena_text(at.of->memory, td_bytes_of(out->topic, size - 1));
    }
    return rc;
}

/* Find the parameter of a topic, which has been read before. NULL: not there, which was once
 * ignored. */
static td_result find_parameter(const topic_parts *of, document_node name, topic_parameter **out,
                                td_err *err)
{
    *out = NULL;
    for (size_t k = 0; k < of->parameter_count; k++)
        if (document_is(name, of->parameters[k].topic)) {
            *out = &of->parameters[k];
            return TD_OK;
        }
    return document_refuse_ignored(name, "no parameter has the topic", document_text(name), err);
}

/* A mapping from topics to what a member has of their parameters, which have been read. */
static td_result read_of_parameters(document_node mapping, void *row, const document_member *member,
                                    td_err *err)
{
    topic_parameter *of;
    td_result rc = document_check_mapping(mapping, err);
    for (size_t i = 0; rc == TD_OK && i < document_pair_count(mapping); i++) {
        const document_node name = document_key(mapping, i);
        rc = find_parameter(row, name, &of, err);
        if (rc == TD_OK && of != NULL)
            rc = document_read_member(document_value_of(name), member, of, err);
    }
    return rc;
}

static td_result read_texts(document_node mapping, void *row, td_err *err)
{
    static const document_member VALUES = {DOCUMENT_AT(TEXTS, topic_parameter, values),
                                           .most = TEXTS_MAX};
    return read_of_parameters(mapping, row, &VALUES, err);
}

/* The parameters of requests without parameters. */
static td_result read_defaults(document_node mapping, void *row, td_err *err)
{
    static const document_member OTHERWISE = {DOCUMENT_AT(TEXT, topic_parameter, otherwise)};
    return read_of_parameters(mapping, row, &OTHERWISE, err);
}

static const document_member PARTS[] = {
    {"request", DOCUMENT_AT(TEXT, topic_parts, request)},
    {"answer", DOCUMENT_AT(TEXT, topic_parts, answer)},
    {"name", DOCUMENT_AT(TEXT, topic_parts, name), .is_needed = 1},
    {"symbols", DOCUMENT_AT(TEXTS, topic_parts, symbols), .is_needed = 1, .most = TEXTS_MAX},
    {"parameters", DOCUMENT_AT(LIST, topic_parts, parameters), .what = "parameters",
     .count_offset = offsetof(topic_parts, parameter_count), .size = sizeof(topic_parameter),
     .most = PARAMETERS_MAX, .read = read_parameter},
    {"without_symbol", DOCUMENT_AT(TEXTS, topic_parts, without_symbol), .most = TEXTS_MAX},
    {"values", DOCUMENT_OWN, .read = read_texts},
    {"defaults", DOCUMENT_OWN, .read = read_defaults},
};
const document_table TOPIC_PARTS = {"parts", DOCUMENT_MEMBERS(PARTS), .was_ignored = 1};

/* ---- texts of frames ---- */

#define ASK_WORD(id, name) {name, ASK_##id},
static const document_word ASKED[] = {ASK_VALUES(ASK_WORD)};

#define REPLY_WORD(id, name) {name, REPLY_##id},
static const document_word REPLIED[] = {REPLY_VALUES(REPLY_WORD)};

/* Read a text with names. An empty one becomes NULL. */
static td_result read_frame(document_node at, const template_names *names, const template **out,
                            td_err *err)
{
    const char *text;
    td_result rc = document_read_text(at, &text, err);
    *out = NULL;
    if (rc != TD_OK || *text == '\0')
        return rc;
    rc = template_compile(at.of->memory, text, names, out, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "%s.yaml:%zu", at.of->name, document_line(at));
}

/* What a client sends: each text can have a part of the values. */
static td_result read_ask(document_node at, void *member, td_err *err)
{
    static const template_names NAMES = {.values = ASKED + ASK_TOPICS,
                                         .value_count = ASK_KEY - ASK_TOPICS};
    return read_frame(at, &NAMES, member, err);
}

static td_result read_ask_auth(document_node at, void *member, td_err *err)
{
    static const template_names NAMES = {.values = ASKED + ASK_KEY,
                                         .value_count = ASK_NOW - ASK_KEY};
    return read_frame(at, &NAMES, member, err);
}

static td_result read_ask_ping(document_node at, void *member, td_err *err)
{
    static const template_names NAMES = {.values = ASKED + ASK_NOW,
                                         .value_count = ASK_COUNT - ASK_NOW};
    return read_frame(at, &NAMES, member, err);
}

static td_result read_heartbeat(document_node at, void *member, td_err *err)
{
    static const template_names NAMES = {.values = ASKED + ASK_NOW,
                                         .value_count = ASK_VALUE_COUNT - ASK_NOW};
    return read_frame(at, &NAMES, member, err);
}

static const document_member ASK[] = {
    {"topics", DOCUMENT_AT(OWN, dialect, ask_topics), .read = read_ask},
    {"auth", DOCUMENT_AT(OWN, dialect, ask_auth), .read = read_ask_auth},
    {"ping", DOCUMENT_AT(OWN, dialect, ping), .read = read_ask_ping},
    {"pong", DOCUMENT_AT(OWN, dialect, pong), .read = read_ask_ping},
};
static const document_table ASK_TABLE = {"ask", DOCUMENT_MEMBERS(ASK)};

/* ---- requests that a server reads ---- */

static const document_word REQUESTS[] = {
    {"subscribe", REQUEST_SUBSCRIBE},
    {"unsubscribe", REQUEST_UNSUBSCRIBE},
    {"auth", REQUEST_AUTH},
    {"unsubscribe_all", REQUEST_UNSUBSCRIBE_ALL},
    {"ping", REQUEST_PING},
    {"pong", REQUEST_PONG},
    {"order", REQUEST_ORDER},
    {"unknown", REQUEST_UNKNOWN},
    {"heartbeats", REQUEST_HEARTBEATS},
    {"no_heartbeats", REQUEST_NO_HEARTBEATS},
};

static const document_word SECOND[] = {{"second", 1}};

static td_result read_request_text(document_node at, void *row, td_err *err)
{
    request_rule *out = row;
    td_bytes text = document_text(at);
    (void)err;
    if (document_is(at, "*"))
        return TD_OK;
    out->is_prefix = text.data[text.size - 1] == '*';
    text.size -= out->is_prefix;
    out->text = td_arena_text(at.of->memory, text);
    return TD_OK;
}

/* "KEY TEXT|* REQUEST [second]"; a text may end with "*". */
static const document_member REQUEST[] = {
    {NULL, DOCUMENT_AT(TEXT, request_rule, key)},
    {NULL, DOCUMENT_OWN, .read = read_request_text},
    {NULL, DOCUMENT_AT(WORD, request_rule, is), DOCUMENT_CHOICE(REQUESTS),
     .what = "there is no request"},
    {NULL, DOCUMENT_AT(BIT, request_rule, is_second_form), DOCUMENT_CHOICE(SECOND),
     .what = "a request has no property"},
};
static const document_form REQUEST_FORM = {"a request is \"KEY TEXT REQUEST [second]\", not",
                                           DOCUMENT_MEMBERS(REQUEST), .least = 3, .most = 4};

/* ---- frames that are lists ---- */

static int is_plain_name(td_bytes name)
{
    for (size_t i = 0; i < name.size; i++)
        if (!isalnum(name.data[i]) && name.data[i] != '_')
            return 0;
    return name.size > 0;
}

/* Split "NAME*" or "NAME*(KEY)"; key.data is NULL without a key. Returns 0 if the text has no star,
 * or other text after it. */
static int split_rest(td_bytes text, td_bytes *name, td_bytes *key)
{
    const uint8_t *star = text.size == 0 ? NULL : memchr(text.data, '*', text.size);
    *name = text;
    *key = td_bytes_of(NULL, 0);
    if (star == NULL)
        return 0;
    const size_t before = (size_t)(star - text.data);
    const td_bytes after = td_bytes_of(star + 1, text.size - before - 1);
    const int has_key =
        after.size >= 2 && after.data[0] == '(' && after.data[after.size - 1] == ')';
    if (after.size > 0 && !has_key)
        return 0;
    if (has_key)
        *key = td_bytes_of(after.data + 1, after.size - 2);
    name->size = before;
    return 1;
}

/* One name, NAME*, is the list of all elements in its place; of NAME*(KEY), KEY has the ids of its
 * entries. */
td_result list_names_read(document_node list, void *member, td_err *err)
{
    list_names made = {.count = document_size(list), .rest = LIST_NAMES_MAX};
    if (made.count < 2 || made.count > LIST_NAMES_MAX)
        return document_refuse_text(list, "2 to 8 names are expected, not", err);
    for (size_t i = 0; i < made.count; i++) {
        td_bytes name, key;
        const td_bytes text = document_text(document_entry(list, i));
        const int is_rest = split_rest(text, &name, &key);
        if (!is_plain_name(name) || (key.data != NULL && !is_plain_name(key)) ||
            (is_rest && made.rest < LIST_NAMES_MAX))
            return document_refuse(document_entry(list, i),
                                   "names have letters, digits and '_', and one ends with '*' or "
                                   "'*(KEY)', not",
                                   text, err);
        made.names[i] = td_arena_text(list.of->memory, name);
        made.rest = is_rest ? i : made.rest;
        made.key = key.data != NULL ? td_arena_text(list.of->memory, key) : made.key;
    }
    if (made.rest == LIST_NAMES_MAX)
        return document_refuse_text(list, "one of the names ends with '*':", err);
    *(const list_names **)member = td_arena_copy(list.of->memory, &made, sizeof made);
    return TD_OK;
}

/* The list of a dialect's frames, with what is checked of the exchange's own. */
static td_result read_own_list(document_node list, void *member, td_err *err)
{
    const frame_keys *keys = &exchange_being_read(list)->frames;
    return keys->counter.size > 0 || keys->bare_count > 0
               ? document_refuse_text(list,
                                      "the exchange counts frames, or has bare ones, which are no "
                                      "lists:",
                                      err)
               : list_names_read(list, member, err);
}

/* ---- refusals ---- */

#define REFUSAL_WORD(id, name) {name, REFUSAL_##id},
static const document_word REFUSALS[] = {DIALECT_REFUSALS(REFUSAL_WORD){"other", REFUSAL_COUNT}};

/* "[CODE] TEXT" */
static td_result read_refusal(document_node at, refusal_text *out, td_err *err)
{
    const td_bytes text = document_text(at);
    const size_t sign = text.size > 0 && text.data[0] == '-';
    size_t digits = sign;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    /* Answers have it as a number of JSON, so a sign alone and "007" are words. */
    const int is_number = digits > sign && (digits == sign + 1 || text.data[sign] != '0');
    const int has_code = is_number && digits < text.size && text.data[digits] == ' ';
    td_result rc = document_read_text(at, &out->text, err);
    out->code = NULL;
    if (has_code) {
        out->code = td_arena_text(at.of->memory, td_bytes_of(text.data, digits));
        out->text += digits + 1;
    }
    return rc;
}

/* "NAME" or "NAME spot" */
static td_result read_refusal_name(document_node name, int *why, int *is_spot, td_err *err)
{
    document_words from;
    td_result rc = document_split(name, &from, err);
    *is_spot = rc == TD_OK && from.count == 2 && document_is(from.at[1], "spot");
    if (rc == TD_OK && from.count > 1 && !*is_spot)
        rc = document_refuse_text(name, "a refusal is \"NAME [spot]\", not", err);
    return rc == TD_OK
               ? document_read_word(from.at[0], "there is no refusal", TABLE(REFUSALS), why, err)
               : rc;
}

static td_result read_refusals(document_node mapping, void *row, td_err *err)
{
    dialect *out = row;
    refusal_text rows[2][REFUSAL_COUNT + 1] = {{{NULL, NULL}}};
    td_result rc = TD_OK;
    int why = 0, is_spot = 0;
    for (size_t i = 0; rc == TD_OK && i < document_pair_count(mapping); i++) {
        rc = read_refusal_name(document_key(mapping, i), &why, &is_spot, err);
        if (rc == TD_OK)
            rc = read_refusal(document_value(mapping, i), &rows[is_spot][why], err);
    }
    if (rc == TD_OK && rows[0][REFUSAL_NONE].text == NULL)
        rows[0][REFUSAL_NONE].text = "";
    if (rc == TD_OK && rows[0][REFUSAL_INVALID_JSON].text == NULL)
        rows[0][REFUSAL_INVALID_JSON] = rows[0][REFUSAL_INVALID_OP]; /* most have no other words */
    for (int i = 0; rc == TD_OK && i < REFUSAL_COUNT; i++) {
        out->refusals[i] = rows[0][i].text != NULL ? rows[0][i] : rows[0][REFUSAL_COUNT];
        out->spot_refusals[i] = rows[1][i];
        if (out->refusals[i].text == NULL && i >= REFUSAL_BAD_ORDER)
            out->refusals[i] = out->refusals[REFUSAL_INVALID_ARGS];
        if (out->refusals[i].text == NULL)
            rc = document_refuse(mapping, "refusals need other, or all of them; there is no",
                                 td_bytes_str(REFUSALS[i].word), err);
    }
    return rc;
}

/* ---- answers that a server writes ---- */

/* The words before an answer: requests, outcomes, refusals, and "has:PATH". */
static td_result read_condition(document_node at, void *row, td_err *err)
{
    enum { ANY = REQUEST_KINDS, TOPICS };
    /* Bits of conditions follow. */
    static const document_word WORDS[] = {
        {"any", ANY << 8},
        {"topics", TOPICS << 8},
        {"granted", ANSWER_IF_GRANTED},
        {"refused", ANSWER_IF_REFUSED},
        {"second", ANSWER_IF_SECOND_FORM},
        {"no_topic", ANSWER_IF_NO_TOPIC},
        {"recorded", ANSWER_IF_RECORDED},
    };
    static const char HAS[] = "has:";
    answer_text *out = row;
    const td_bytes word = document_text(at);
    const int kind = document_word_value(TABLE(REQUESTS), word);
    const int why = document_word_value(TABLE(REFUSALS), word);
    int value = 0;
    if (kind >= 0) {
        out->kinds |= 1U << kind;
        return TD_OK;
    }
    if (why > REFUSAL_NONE && why < REFUSAL_COUNT) {
        out->refused = (refusal)why;
        return TD_OK;
    }
    if (word.size > sizeof HAS - 1 && memcmp(word.data, HAS, sizeof HAS - 1) == 0) {
        out->has = document_copy(at) + sizeof HAS - 1;
        return TD_OK;
    }
    td_result rc = document_read_word(at, "answers have no condition", TABLE(WORDS), &value, err);
    if (value == ANY << 8)
        out->kinds = ~0U;
    else if (value == TOPICS << 8)
        out->kinds |= 1U << REQUEST_SUBSCRIBE | 1U << REQUEST_UNSUBSCRIBE;
    else if (rc == TD_OK)
        out->conditions |= (uint8_t)value;
    return rc;
}

static td_result read_reply(document_node name, void *row, td_err *err)
{
    static const template_names NAMES = {TABLE(REPLIED), .object = REPLY_MEMBER};
    static const document_member WORDS[] = {{NULL, DOCUMENT_OWN, .read = read_condition}};
    static const document_form FORM = {"", DOCUMENT_MEMBERS(WORDS), .most = DOCUMENT_WORDS_MAX};
    answer_text *out = row;
    td_result rc = document_read_form(name, &FORM, out, err);
    if (rc == TD_OK && out->kinds == 0)
        rc = document_refuse_text(name, "an answer is to any, or to requests, not", err);
    return rc == TD_OK ? read_frame(document_value_of(name), &NAMES, &out->text, err) : rc;
}

/* ---- a dialect ---- */

#define FLAG(member) ((int)offsetof(dialect, member))
static const document_word PROPERTIES[] = {
    {"answers_topics", FLAG(answers_topics)},     {"answers_each", FLAG(answers_each)},
    {"refuses_repeats", FLAG(refuses_repeats)},   {"names_symbols", FLAG(names_symbols)},
    {"credentials_in_url", FLAG(has_query)},      {"parts", FLAG(has_parts)},
    {"symbol_lists", FLAG(has_symbol_lists)},     {"parameters_in_names", FLAG(names_parameters)},
    {"escapes_for_html", FLAG(escapes_for_html)}, {"echoes_topics", FLAG(echoes_topics)},
    {"signs_orders", FLAG(signs_orders)},         {"grants_unknown", FLAG(grants_unknown)},
};

/* Set the dialect's flags: those that are not named are not set. */
static td_result read_properties(document_node at, void *row, td_err *err)
{
    const exchange_row *exchange = exchange_being_read(at);
    dialect *out = row;
    uint8_t *bytes = row;
    document_words from = {.count = 0};
    td_result rc = document_text(at).size > 0 ? document_split(at, &from, err) : TD_OK;
    int flag = 0;
    for (size_t i = 0; i < COUNT_OF(PROPERTIES); i++)
        bytes[PROPERTIES[i].value] = 0;
    for (size_t i = 0; rc == TD_OK && i < from.count; i++) {
        rc = document_read_word(from.at[i], "a dialect has no property", TABLE(PROPERTIES), &flag,
                                err);
        if (rc == TD_OK)
            bytes[flag] = 1;
    }
    out->parts = out->has_parts ? exchange->parts : NULL;
    return rc == TD_OK && out->has_parts && out->parts == NULL
               ? document_refuse(at, "the exchange has no", td_bytes_str("parts"), err)
               : rc;
}

static td_result read_signed(document_node at, void *member, td_err *err)
{
    const char **out = member;
    td_result rc = document_read_text(at, out, err);
    if (**out == '\0')
        *out = NULL;
    return rc != TD_OK || *out == NULL ||
                   ((strstr(*out, "{expires}") == NULL) != (strstr(*out, "{signed_s}") == NULL) &&
                    strlen(*out) < DIALECT_SIGNED_BYTES)
               ? rc
               : document_refuse_text(
                     at, "what is signed has {expires} or {signed_s}, and less than 64 bytes, not",
                     err);
}

static td_result read_spelling(document_node at, void *member, td_err *err)
{
    const char *text;
    topic_spelling made;
    td_result rc = document_read_text(at, &text, err);
    const char *fault = rc == TD_OK ? topic_spelling_parse(text, &made) : NULL;
    if (fault != NULL)
        rc = document_refuse_text(at, fault, err);
    if (rc == TD_OK)
        *(const topic_spelling **)member = td_arena_copy(at.of->memory, &made, sizeof made);
    return rc;
}

static td_result read_ping(document_node at, void *member, td_err *err)
{
    uint64_t seconds = 0;
    td_result rc = document_read_number(at, PING_S_MAX, &seconds, err);
    if (rc == TD_OK && seconds == 0)
        rc = document_refuse_text(at, "1 to 3600 seconds are expected, not", err);
    *(uint64_t *)member = seconds * UINT64_C(1000000000);
    return rc;
}

/* Begin with another dialect. */
static td_result read_like(document_node at, void *row, td_err *err)
{
    const exchange_row *exchange = exchange_being_read(at);
    for (size_t i = 0; i < exchange->dialect_count; i++)
        if (document_is(at, exchange->dialects[i].name)) {
            *(dialect *)row = exchange->dialects[i];
            return TD_OK;
        }
    return document_refuse_text(at, "no dialect before this one is", err);
}

static const document_word SIGNATURES[] = {{"hex", SIGNATURE_HEX}, {"base64", SIGNATURE_BASE64}};

static const document_member CREDENTIALS[] = {
    {"key", DOCUMENT_AT(TEXT, credential_paths, key), .is_needed = 1},
    {"time", DOCUMENT_AT(TEXT, credential_paths, time), .is_needed = 1},
    {"signature", DOCUMENT_AT(TEXT, credential_paths, signature), .is_needed = 1},
};
static const document_table CREDENTIALS_TABLE = {"credentials", DOCUMENT_MEMBERS(CREDENTIALS)};

static const document_member HEARTBEATS[] = {
    {"interval", DOCUMENT_AT(TEXT, dialect, heartbeats.interval)},
    {"least_s", DOCUMENT_AT(NUMBER, dialect, heartbeats.least_s), .most = 3600},
    {"every_s", DOCUMENT_AT(NUMBER, dialect, heartbeats.every_s), .most = 3600},
    {"in_pauses", DOCUMENT_AT(TRUE, dialect, heartbeats.is_idle)},
    {"text", DOCUMENT_AT(OWN, dialect, heartbeats.text), .read = read_heartbeat},
};
static const document_table HEARTBEATS_TABLE = {"heartbeats", DOCUMENT_MEMBERS(HEARTBEATS)};

static const document_word COVERS[] = {{"same", COVER_SAME},
                                       {"lists", COVER_LISTS},
                                       {"all", COVER_ALL},
                                       {"categories", COVER_CATEGORIES},
                                       {"account", COVER_ACCOUNT}};

#define TEXT(key)  #key, DOCUMENT_AT(TEXT, dialect, key)
#define LIMIT(key) #key, DOCUMENT_AT(NUMBER, dialect, key), .most = LIMIT_MAX
static const document_member DIALECT[] = {
    {"like", DOCUMENT_OWN, .read = read_like},
    {"ping_s", DOCUMENT_AT(OWN, dialect, ping_interval_ns), .read = read_ping},
    {"covers", DOCUMENT_AT(WORD, dialect, covering), DOCUMENT_CHOICE(COVERS),
     .what = "there is no form of subscriptions"},
    {"properties", DOCUMENT_OWN, .read = read_properties},
    {"signed", DOCUMENT_AT(OWN, dialect, signed_text), .read = read_signed},
    {"signature", DOCUMENT_AT(WORD, dialect, signature), DOCUMENT_CHOICE(SIGNATURES),
     .what = "there is no form of signatures"},
    {"credentials", DOCUMENT_AT(STRUCT, dialect, credentials), .table = &CREDENTIALS_TABLE},
    {"spelling", DOCUMENT_AT(OWN, dialect, spelling), .read = read_spelling},
    {"frame_list", DOCUMENT_AT(OWN, dialect, list), .read = read_own_list},
    {LIMIT(connection_topics_max)},
    {LIMIT(connection_bytes_max)},
    {LIMIT(request_topics_max)},
    {LIMIT(ask_topics_max)},
    {"ask", DOCUMENT_STRUCT, .table = &ASK_TABLE},
    {"requests", DOCUMENT_AT(ROWS, dialect, rules), .count_offset = offsetof(dialect, rule_count),
     .size = sizeof(request_rule), .most = DIALECT_RULES_MAX, .what = "requests",
     .form = &REQUEST_FORM},
    {"ids", DOCUMENT_AT(ARRAY, dialect, ids), .most = DIALECT_IDS_MAX - 1},
    {"lists", DOCUMENT_AT(ARRAY, dialect, topic_lists), .most = DIALECT_LISTS_MAX - 1},
    {TEXT(binary)},
    {TEXT(order_id)},
    {TEXT(url_topics)},
    {TEXT(recorded)},
    {"replies", DOCUMENT_AT(PAIRS, dialect, answers),
     .count_offset = offsetof(dialect, answer_count), .size = sizeof(answer_text), .least = 1,
     .most = DIALECT_ANSWERS_MAX, .what = "replies", .read = read_reply},
    {"refusals", DOCUMENT_OWN, .read = read_refusals},
    {"heartbeats", DOCUMENT_STRUCT, .table = &HEARTBEATS_TABLE},
};
static const document_table DIALECT_TABLE = {"a dialect", DOCUMENT_MEMBERS(DIALECT)};

static int asks_for(const dialect *made, ask_value_id value)
{
    return made->ask_topics != NULL && template_has(made->ask_topics, value);
}

static int has_request(const dialect *made, request_kind kind)
{
    size_t i = 0;
    while (i < made->rule_count && made->rules[i].is != kind)
        i++;
    return i < made->rule_count;
}

/* What is missing in its heartbeats; NULL: nothing. */
static const char *fault_of_heartbeats(const dialect *made)
{
    const dialect_heartbeats *of = &made->heartbeats;
    if (of->interval == NULL && of->every_s == 0)
        return of->is_asked ? "a request for heartbeats needs heartbeats:" : NULL;
    if (of->interval != NULL && of->every_s != 0)
        return "heartbeats have an interval, or every_s:";
    if (of->interval != NULL && (!of->is_asked || of->text == NULL))
        return "an interval of heartbeats needs a text, and a request for them:";
    return of->is_idle && of->is_asked ? "heartbeats are asked for, or in_pauses:" : NULL;
}

/* What is missing in a dialect; NULL: nothing. */
static const char *fault_of(const dialect *made)
{
    const int is_in_parts = asks_for(made, ASK_NAME) || asks_for(made, ASK_SYMBOL_LIST) ||
                            asks_for(made, ASK_SYMBOLS) || asks_for(made, ASK_PARAMETER);
    const char *fault = fault_of_heartbeats(made);
    if (made->ping_interval_ns == 0 || made->ping == NULL)
        return "a dialect needs ping_s, and a ping in ask:";
    if (made->rule_count == 0 || made->answer_count == 0 ||
        made->refusals[REFUSAL_NONE].text == NULL)
        return "a dialect needs requests, replies and refusals:";
    if ((made->ask_topics == NULL) != (made->covering == COVER_ALL))
        return "topics are asked for, or authentication subscribes to all of them:";
    if ((made->ask_auth == NULL) != (made->signed_text == NULL))
        return "auth in ask and signed belong together:";
    if (made->signed_text == NULL && (made->has_query || made->covering == COVER_ALL))
        return "credentials need signed:";
    if ((is_in_parts || made->has_symbol_lists) && !made->has_parts)
        return "$name, $symbols, $symbol_list, $parameter and symbol_lists need the property "
               "parts:";
    if (fault != NULL)
        return fault;
    if (made->spelling != NULL && made->exchange->topic_keys.usual != NULL)
        return "topics are spelled, or objects (topic_keys):";
    if (made->asks_one && made->ask_topics_max != 1)
        return "$topic needs ask_topics_max: 1:";
    if (made->answers_each && !made->answers_topics)
        return "answers_each needs answers_topics:";
    if (made->has_parts && !made->has_symbol_lists && made->ask_topics_max != 1)
        return "parts need symbol_lists, or ask_topics_max: 1:";
    return NULL;
}

td_result dialect_read(document_node name, void *row, td_err *err)
{
    dialect *out = row;
    out->covering = COVER_SAME;
    td_result rc = document_read_members(document_value_of(name), &DIALECT_TABLE, out, err);
    out->name = document_copy(name);
    out->exchange = exchange_being_read(name);
    out->covers = dialect_covers_of(out->covering);
    out->heartbeats.is_asked = has_request(out, REQUEST_HEARTBEATS) != 0;
    out->asks_one = (uint8_t)asks_for(out, ASK_TOPIC);
    const char *fault = rc == TD_OK ? fault_of(out) : NULL;
    return fault == NULL ? rc : document_refuse_text(name, fault, err);
}
