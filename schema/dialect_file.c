#include "schema/dialect_file.h"

#include <string.h>

#include "base/decimal.h"
#include "base/limits.h"
#include "schema/dialect_values.h"
#include "schema/exchange.h"
#include "schema/template.h"
#include "schema/topic_parts.h"

enum {
    DIALECTS_MAX = 32,
    PARAMETERS_MAX = 16,
    TEXTS_MAX = 64,
    PING_S_MAX = 3600,
    LIMIT_MAX = 1 << 20, /* of topics, or of bytes */
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])
#define TABLE(array)    (array), COUNT_OF(array)

/* What the readers of a dialect's keys need. */
typedef struct reading {
    td_arena *memory;
    const exchange_row *exchange;
} reading;

static td_arena *memory_of(void *user)
{
    const reading *r = user;
    return r->memory;
}

/* ---- parts of topics ---- */

/* The topic of a parameter, "TOPIC", "TOPIC-" or "TOPIC_". */
static td_bytes topic_of(td_bytes word)
{
    const uint8_t last = word.data[word.size - 1];
    return td_bytes_of(word.data, word.size - (word.size > 1 && (last == '-' || last == '_')));
}

/* "TOPIC[-] PATH [PREFIX]" */
static td_result read_parameter(document_node at, td_arena *memory, topic_parameter *out,
                                td_err *err)
{
    document_words from;
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK && (from.count < 2 || from.count > 3))
        rc = document_refuse_text(at, "a parameter is \"TOPIC PATH [PREFIX]\", not", err);
    if (rc != TD_OK)
        return rc;
    *out = (topic_parameter){.path = td_arena_text(memory, from.at[1]), .joint = '.'};
    const td_bytes topic = topic_of(from.at[0]);
    if (topic.size < from.at[0].size)
        out->joint = (char)from.at[0].data[topic.size];
    out->topic = td_arena_text(memory, topic);
    if (from.count == 3)
        out->prefix = td_arena_text(memory, from.at[2]);
    return TD_OK;
}

/* Values are of the topic of a parameter. */
static td_result check_value_topic(document_node name, document_node parameters, td_err *err)
{
    document_words from;
    for (size_t i = 0; i < document_size(parameters); i++)
        if (document_split(document_entry(parameters, i), &from, NULL) == TD_OK &&
            td_bytes_equal(document_text(name), topic_of(from.at[0])))
            return TD_OK;
    return document_refuse_ignored(name, "no parameter has the topic", document_text(name), err);
}

static td_result read_parameters(document_node list, document_node values, td_arena *memory,
                                 topic_parts *out, td_err *err)
{
    const size_t count = document_size(list);
    td_result rc = TD_OK;
    if (count > PARAMETERS_MAX)
        return document_refuse_text(list, "at most 16 parameters are expected, not", err);
    topic_parameter *rows = td_arena_alloc(memory, (count + 1) * sizeof *rows);
    for (size_t i = 0; rc == TD_OK && i < document_pair_count(values); i++)
        rc = check_value_topic(document_key(values, i), list, err);
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        rc = read_parameter(document_entry(list, i), memory, &rows[i], err);
        const document_node texts =
            rc == TD_OK ? document_find(values, rows[i].topic) : (document_node){list.of, NULL};
        if (texts.at != NULL)
            rc = document_read_texts(memory, texts, TEXTS_MAX, &rows[i].values, err);
    }
    out->parameters = rows;
    out->parameter_count = count;
    return rc;
}

td_result topic_parts_from(document_node mapping, td_arena *memory, const topic_parts **out,
                           td_err *err)
{
    static const document_member KEYS[] = {{"name", .type = DOCUMENT_ELSEWHERE},
                                           {"symbols", .type = DOCUMENT_ELSEWHERE},
                                           {"parameters", .type = DOCUMENT_ELSEWHERE},
                                           {"values", .type = DOCUMENT_ELSEWHERE}};
    topic_parts *parts = td_arena_alloc(memory, sizeof *parts);
    *parts = (topic_parts){.name = NULL};
    const document_node name = document_find(mapping, "name");
    if (name.at == NULL)
        return document_refuse_text(mapping, "parts need a name, not", err);
    td_result rc = document_check_keys(mapping, "parts has no key", TABLE(KEYS), err);
    if (rc == TD_OK)
        rc = document_read_text(memory, name, &parts->name, err);
    if (rc == TD_OK)
        rc = document_read_texts(memory, document_find(mapping, "symbols"), TEXTS_MAX,
                                 &parts->symbols, err);
    if (rc == TD_OK)
        rc = read_parameters(document_find(mapping, "parameters"), document_find(mapping, "values"),
                             memory, parts, err);
    *out = parts;
    return rc;
}

/* ---- texts of frames ---- */

#define ASK_WORD(id, name) {name, ASK_##id},
static const document_word ASKED[] = {ASK_VALUES(ASK_WORD)};

#define REPLY_WORD(id, name) {name, REPLY_##id},
static const document_word REPLIED[] = {REPLY_VALUES(REPLY_WORD)};

/* Read a text with names. An empty one becomes NULL. */
static td_result read_frame(document_node at, td_arena *memory, const template_names *names,
                            const template **out, td_err *err)
{
    const char *text;
    td_result rc = document_read_text(memory, at, &text, err);
    *out = NULL;
    if (rc != TD_OK || *text == '\0')
        return rc;
    rc = template_compile(memory, text, names, out, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "%s.yaml:%zu", at.of->name, document_line(at));
}

/* What a client sends: each text has its part of the values, from first up to end. */
static td_result read_asks(void *user, document_node mapping, void *row, td_err *err)
{
    static const struct {
        size_t offset;
        template_names names;
    } ASKS[] = {{offsetof(dialect, ask_topics),
                 {.values = ASKED + ASK_TOPICS, .value_count = ASK_KEY - ASK_TOPICS}},
                {offsetof(dialect, ask_auth),
                 {.values = ASKED + ASK_KEY, .value_count = ASK_NOW - ASK_KEY}},
                {offsetof(dialect, ping),
                 {.values = ASKED + ASK_NOW, .value_count = ASK_VALUE_COUNT - ASK_NOW}},
                {offsetof(dialect, pong),
                 {.values = ASKED + ASK_NOW, .value_count = ASK_VALUE_COUNT - ASK_NOW}}};
    static const document_word KEYS[] = {{"topics", 0}, {"auth", 1}, {"ping", 2}, {"pong", 3}};
    td_result rc = TD_OK;
    int at = 0;
    for (size_t i = 0; rc == TD_OK && i < document_pair_count(mapping); i++) {
        const document_node name = document_key(mapping, i);
        rc = document_read_word(name, "ask has no key", document_text(name), TABLE(KEYS), &at, err);
        if (rc == TD_OK)
            rc = read_frame(document_value(mapping, i), memory_of(user), &ASKS[at].names,
                            (const template **)((uint8_t *)row + ASKS[at].offset), err);
    }
    return rc;
}

/* ---- requests that a server reads ---- */

static const document_word REQUESTS[] = {
    {"subscribe", REQUEST_SUBSCRIBE}, {"unsubscribe", REQUEST_UNSUBSCRIBE},
    {"auth", REQUEST_AUTH},           {"unsubscribe_all", REQUEST_UNSUBSCRIBE_ALL},
    {"ping", REQUEST_PING},           {"pong", REQUEST_PONG},
    {"order", REQUEST_ORDER},         {"unknown", REQUEST_UNKNOWN},
};

/* "KEY TEXT|* REQUEST [second]"; a text may end with "*". */
static td_result read_request(document_node at, td_arena *memory, request_rule *out, td_err *err)
{
    document_words from;
    int kind = 0;
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK && (from.count < 3 || from.count > 4 ||
                        (from.count == 4 && !td_bytes_is(from.at[3], "second"))))
        rc = document_refuse_text(at, "a request is \"KEY TEXT REQUEST [second]\", not", err);
    if (rc == TD_OK)
        rc = document_read_word(at, "there is no request", from.at[2], TABLE(REQUESTS), &kind, err);
    if (rc != TD_OK)
        return rc;
    td_bytes text = from.at[1];
    *out = (request_rule){.key = td_arena_text(memory, from.at[0]),
                          .is = (request_kind)kind,
                          .is_second_form = from.count == 4};
    if (td_bytes_is(text, "*"))
        return TD_OK;
    out->is_prefix = text.data[text.size - 1] == '*';
    text.size -= out->is_prefix;
    out->text = td_arena_text(memory, text);
    return TD_OK;
}

static td_result read_requests(void *user, document_node list, void *row, td_err *err)
{
    dialect *out = row;
    td_result rc = TD_OK;
    if (document_size(list) > DIALECT_RULES_MAX)
        return document_refuse_text(list, "at most 12 requests are expected, not", err);
    for (size_t i = 0; rc == TD_OK && i < document_size(list); i++)
        rc = read_request(document_entry(list, i), memory_of(user), &out->rules[i], err);
    out->rule_count = document_size(list);
    return rc;
}

/* ---- refusals ---- */

#define REFUSAL_WORD(id, name) {name, REFUSAL_##id},
static const document_word REFUSALS[] = {DIALECT_REFUSALS(REFUSAL_WORD){"other", REFUSAL_COUNT}};

/* "[CODE] TEXT" */
static td_result read_refusal(document_node at, td_arena *memory, refusal_text *out, td_err *err)
{
    const td_bytes text = document_text(at);
    const size_t sign = text.size > 0 && text.data[0] == '-';
    size_t digits = sign;
    while (digits < text.size && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    /* Answers have it as a number of JSON, so a sign alone and "007" are words. */
    const int is_number = digits > sign && (digits == sign + 1 || text.data[sign] != '0');
    const int has_code = is_number && digits < text.size && text.data[digits] == ' ';
    const size_t skip = has_code ? digits + 1 : 0;
    if (text.data == NULL)
        return document_refuse(at, "a text is expected, not", text, err);
    *out = (refusal_text){
        .code = has_code ? td_arena_text(memory, td_bytes_of(text.data, digits)) : NULL,
        .text = td_arena_text(memory, td_bytes_of(text.data + skip, text.size - skip))};
    return TD_OK;
}

/* "NAME" or "NAME spot" */
static td_result read_refusal_name(document_node name, int *why, int *is_spot, td_err *err)
{
    document_words from;
    td_result rc = document_split(name, &from, err);
    *is_spot = rc == TD_OK && from.count == 2 && td_bytes_is(from.at[1], "spot");
    if (rc == TD_OK && from.count > 1 && !*is_spot)
        rc = document_refuse_text(name, "a refusal is \"NAME [spot]\", not", err);
    return rc == TD_OK ? document_read_word(name, "there is no refusal", from.at[0],
                                            TABLE(REFUSALS), why, err)
                       : rc;
}

static td_result read_refusals(void *user, document_node mapping, void *row, td_err *err)
{
    dialect *out = row;
    refusal_text rows[2][REFUSAL_COUNT + 1] = {{{NULL, NULL}}};
    td_result rc = TD_OK;
    int why = 0, is_spot = 0;
    for (size_t i = 0; rc == TD_OK && i < document_pair_count(mapping); i++) {
        rc = read_refusal_name(document_key(mapping, i), &why, &is_spot, err);
        if (rc == TD_OK)
            rc =
                read_refusal(document_value(mapping, i), memory_of(user), &rows[is_spot][why], err);
    }
    if (rc == TD_OK && rows[0][REFUSAL_NONE].text == NULL)
        rows[0][REFUSAL_NONE].text = "";
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
static td_result read_condition(document_node at, td_bytes word, td_arena *memory, answer_text *out,
                                td_err *err)
{
    enum { ANY = REQUEST_ORDER + 1, TOPICS, GRANTED, REFUSED, SECOND, NO_TOPIC, RECORDED };
    static const document_word WORDS[] = {
        {"any", ANY},       {"topics", TOPICS},     {"granted", GRANTED},   {"refused", REFUSED},
        {"second", SECOND}, {"no_topic", NO_TOPIC}, {"recorded", RECORDED},
    };
    static const char HAS[] = "has:";
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
        out->has = td_arena_text(
            memory, td_bytes_of(word.data + sizeof HAS - 1, word.size - sizeof HAS + 1));
        return TD_OK;
    }
    td_result rc =
        document_read_word(at, "answers have no condition", word, TABLE(WORDS), &value, err);
    if (value == ANY)
        out->kinds = ~0U;
    else if (value == TOPICS)
        out->kinds |= 1U << REQUEST_SUBSCRIBE | 1U << REQUEST_UNSUBSCRIBE;
    else
        out->conditions |= (uint8_t)(value == GRANTED    ? ANSWER_IF_GRANTED
                                     : value == REFUSED  ? ANSWER_IF_REFUSED
                                     : value == SECOND   ? ANSWER_IF_SECOND_FORM
                                     : value == NO_TOPIC ? ANSWER_IF_NO_TOPIC
                                     : value == RECORDED ? ANSWER_IF_RECORDED
                                                         : 0);
    return rc;
}

static td_result read_reply(document_node name, document_node text, td_arena *memory,
                            answer_text *out, td_err *err)
{
    static const template_names NAMES = {TABLE(REPLIED), .object = REPLY_MEMBER};
    document_words from;
    *out = (answer_text){.kinds = 0};
    td_result rc = document_split(name, &from, err);
    for (size_t i = 0; rc == TD_OK && i < from.count; i++)
        rc = read_condition(name, from.at[i], memory, out, err);
    if (rc == TD_OK && out->kinds == 0)
        rc = document_refuse_text(name, "an answer is to any, or to requests, not", err);
    if (rc == TD_OK)
        rc = read_frame(text, memory, &NAMES, &out->text, err);
    return rc;
}

static td_result read_replies(void *user, document_node mapping, void *row, td_err *err)
{
    dialect *out = row;
    const size_t count = document_pair_count(mapping);
    td_result rc = TD_OK;
    if (count == 0 || count > DIALECT_ANSWERS_MAX)
        return document_refuse_text(mapping, "1 to 12 replies are expected, not", err);
    for (size_t i = 0; rc == TD_OK && i < count; i++)
        rc = read_reply(document_key(mapping, i), document_value(mapping, i), memory_of(user),
                        &out->answers[i], err);
    out->answer_count = count;
    return rc;
}

/* ---- a dialect ---- */

#define FLAG(member) ((int)offsetof(dialect, member))
static const document_word PROPERTIES[] = {
    {"answers_topics", FLAG(answers_topics)},     {"answers_each", FLAG(answers_each)},
    {"refuses_repeats", FLAG(refuses_repeats)},   {"names_symbols", FLAG(names_symbols)},
    {"credentials_in_url", FLAG(has_query)},      {"parts", FLAG(has_parts)},
    {"symbol_lists", FLAG(has_symbol_lists)},     {"parameters_in_names", FLAG(names_parameters)},
    {"escapes_for_html", FLAG(escapes_for_html)}, {"echoes_topics", FLAG(echoes_topics)},
};

/* Set the dialect's flags: those that are not named are not set. */
static td_result read_properties(void *user, document_node at, void *row, td_err *err)
{
    const reading *r = user;
    dialect *out = row;
    uint8_t *bytes = row;
    document_words from = {.count = 0};
    td_result rc = document_text(at).size > 0 ? document_split(at, &from, err) : TD_OK;
    int flag = 0;
    for (size_t i = 0; i < COUNT_OF(PROPERTIES); i++)
        bytes[PROPERTIES[i].value] = 0;
    for (size_t i = 0; rc == TD_OK && i < from.count; i++) {
        rc = document_read_word(at, "a dialect has no property", from.at[i], TABLE(PROPERTIES),
                                &flag, err);
        if (rc == TD_OK)
            bytes[flag] = 1;
    }
    out->parts = out->has_parts ? r->exchange->parts : NULL;
    return rc == TD_OK && out->has_parts && out->parts == NULL
               ? document_refuse(at, "the exchange has no", td_bytes_str("parts"), err)
               : rc;
}

/* An optional text: "" becomes NULL. */
static td_result read_optional(document_node at, td_arena *memory, const char **out, td_err *err)
{
    td_result rc = document_read_text(memory, at, out, err);
    if (rc == TD_OK && **out == '\0')
        *out = NULL;
    return rc;
}

static td_result read_signed(void *user, document_node at, void *row, td_err *err)
{
    dialect *out = row;
    td_result rc = read_optional(at, memory_of(user), &out->signed_text, err);
    if (rc != TD_OK || out->signed_text == NULL)
        return rc;
    return strstr(out->signed_text, "{expires}") != NULL &&
                   strlen(out->signed_text) < DIALECT_SIGNED_BYTES
               ? TD_OK
               : document_refuse_text(
                     at, "what is signed has {expires}, and less than 64 bytes, not", err);
}

static td_result read_spelling(void *user, document_node at, void *row, td_err *err)
{
    dialect *out = row;
    const char *text;
    topic_spelling made;
    td_result rc = document_read_text(memory_of(user), at, &text, err);
    const char *fault = rc == TD_OK ? topic_spelling_parse(text, &made) : NULL;
    if (fault != NULL)
        rc = document_refuse_text(at, fault, err);
    if (rc == TD_OK)
        out->spelling = td_arena_copy(memory_of(user), &made, sizeof made);
    return rc;
}

static td_result read_ping(void *user, document_node at, void *row, td_err *err)
{
    dialect *out = row;
    uint64_t seconds = 0;
    (void)user;
    td_result rc = document_read_number(at, PING_S_MAX, &seconds, err);
    if (rc == TD_OK && seconds == 0)
        rc = document_refuse_text(at, "1 to 3600 seconds are expected, not", err);
    out->ping_interval_ns = seconds * UINT64_C(1000000000);
    return rc;
}

static const document_word COVERS[] = {{"same", COVER_SAME},
                                       {"lists", COVER_LISTS},
                                       {"all", COVER_ALL},
                                       {"categories", COVER_CATEGORIES}};

#define LIMIT(member)                                                                              \
    {                                                                                              \
#member, DOCUMENT_NUMBER, .offset = offsetof(dialect, member), .most = LIMIT_MAX           \
    }
static const document_member DIALECT_KEYS[] = {
    {"like", .type = DOCUMENT_ELSEWHERE}, /* read_like */
    {"ping_s", DOCUMENT_OWN, .read = read_ping},
    {"covers", DOCUMENT_WORD, .offset = offsetof(dialect, covering),
     .what = "there is no form of subscriptions", .words = COVERS, .word_count = COUNT_OF(COVERS)},
    {"properties", DOCUMENT_OWN, .read = read_properties},
    {"signed", DOCUMENT_OWN, .read = read_signed},
    {"spelling", DOCUMENT_OWN, .read = read_spelling},
    LIMIT(connection_topics_max),
    LIMIT(connection_bytes_max),
    LIMIT(request_topics_max),
    LIMIT(ask_topics_max),
    {"ask", DOCUMENT_OWN, .read = read_asks},
    {"requests", DOCUMENT_OWN, .read = read_requests},
    {"ids", DOCUMENT_ARRAY, .offset = offsetof(dialect, ids), .most = DIALECT_IDS_MAX - 1},
    {"lists", DOCUMENT_ARRAY, .offset = offsetof(dialect, topic_lists),
     .most = DIALECT_LISTS_MAX - 1},
    {"binary", DOCUMENT_TEXT, .offset = offsetof(dialect, binary)},
    {"order_id", DOCUMENT_TEXT, .offset = offsetof(dialect, order_id)},
    {"recorded", DOCUMENT_TEXT, .offset = offsetof(dialect, recorded)},
    {"replies", DOCUMENT_OWN, .read = read_replies},
    {"refusals", DOCUMENT_OWN, .read = read_refusals},
};

/* Begin with another dialect, if the mapping names one. */
static td_result read_like(document_node mapping, const dialect *before, size_t count, dialect *out,
                           td_err *err)
{
    const document_node like = document_find(mapping, "like");
    for (size_t i = 0; i < count; i++)
        if (td_bytes_is(document_text(like), before[i].name)) {
            *out = before[i];
            return TD_OK;
        }
    *out = (dialect){.covering = COVER_SAME};
    return like.at == NULL ? TD_OK
                           : document_refuse_text(like, "no dialect before this one is", err);
}

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

/* What is missing in a dialect; NULL: nothing. */
static const char *fault_of(const dialect *made)
{
    const int is_in_parts = asks_for(made, ASK_NAME) || asks_for(made, ASK_SYMBOL_LIST) ||
                            asks_for(made, ASK_SYMBOLS) || asks_for(made, ASK_PARAMETER);
    if (made->ping_interval_ns == 0 || made->ping == NULL)
        return "a dialect needs ping_s, and a ping in ask:";
    if (made->rule_count == 0 || made->answer_count == 0 ||
        made->refusals[REFUSAL_NONE].text == NULL)
        return "a dialect needs requests, replies and refusals:";
    if ((made->ask_topics == NULL) != (made->covering == COVER_ALL))
        return "topics are asked for, or authentication subscribes to all of them:";
    if ((made->ask_auth == NULL) != (made->signed_text == NULL))
        return "auth in ask and signed belong together:";
    if (made->signed_text == NULL &&
        (made->has_query || made->covering == COVER_ALL || has_request(made, REQUEST_AUTH)))
        return "credentials need signed:";
    if ((is_in_parts || made->has_symbol_lists) && !made->has_parts)
        return "$name, $symbols, $symbol_list, $parameter and symbol_lists need the property "
               "parts:";
    if (made->spelling != NULL && made->exchange->topic_keys != NULL)
        return "topics are spelled, or objects (topic_keys):";
    if (made->asks_one && made->ask_topics_max != 1)
        return "$topic needs ask_topics_max: 1:";
    if (made->answers_each && !made->answers_topics)
        return "answers_each needs answers_topics:";
    if (made->has_parts && !made->has_symbol_lists && made->ask_topics_max != 1)
        return "parts need symbol_lists, or ask_topics_max: 1:";
    return NULL;
}

static td_result read_dialect(reading *r, document_node name, document_node mapping, dialect *all,
                              size_t count, td_err *err)
{
    dialect *out = &all[count];
    td_result rc = read_like(mapping, all, count, out, err);
    out->name = td_arena_text(r->memory, document_text(name));
    out->exchange = r->exchange;
    if (rc == TD_OK)
        rc = document_read_members(mapping, "a dialect has no key", TABLE(DIALECT_KEYS), r->memory,
                                   r, out, err);
    out->covers = dialect_covers_of(out->covering);
    out->asks_one = (uint8_t)asks_for(out, ASK_TOPIC);
    const char *fault = rc == TD_OK ? fault_of(out) : NULL;
    return fault == NULL ? rc : document_refuse_text(name, fault, err);
}

td_result dialects_from(document_node mapping, td_arena *memory, exchange_row *exchange,
                        td_err *err)
{
    const size_t count = document_pair_count(mapping);
    reading r = {memory, exchange};
    td_result rc = TD_OK;
    if (count == 0 || count > DIALECTS_MAX)
        return document_refuse_text(mapping, "1 to 32 dialects are expected, not", err);
    dialect *all = td_arena_alloc(memory, count * sizeof *all);
    for (size_t i = 0; rc == TD_OK && i < count; i++)
        rc = read_dialect(&r, document_key(mapping, i), document_value(mapping, i), all, i, err);
    exchange->dialects = all;
    exchange->dialect_count = count;
    return rc;
}
