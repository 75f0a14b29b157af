#include "schema/dialect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/url.h"
#include "schema/dialect_text.h"
#include "schema/exchange.h"
#include "schema/template.h"
#include "schema/topic_parts.h"

/* ---- requests ---- */

static int rule_fits(const request_rule *rule, json_value root)
{
    json_value value;
    td_bytes text;
    if (!json_find(root, rule->key, &value))
        return 0;
    if (rule->text == NULL || !json_text(value, &text))
        return rule->text == NULL;
    const size_t size = strlen(rule->text);
    return rule->is_prefix ? text.size > size && memcmp(text.data, rule->text, size) == 0
                           : td_bytes_is(text, rule->text);
}

/* 1 if the request has the word of one to unsubscribe. */
static int unsubscribes(const dialect *spoken, json_value root)
{
    size_t i = 0;
    while (i < spoken->rule_count &&
           (spoken->rules[i].is != REQUEST_UNSUBSCRIBE || !rule_fits(&spoken->rules[i], root)))
        i++;
    return i < spoken->rule_count;
}

static void read_kind(const dialect *spoken, json_value root, dialect_request *out)
{
    size_t i = 0;
    while (i < spoken->rule_count && !rule_fits(&spoken->rules[i], root))
        i++;
    if (i == spoken->rule_count)
        return;
    out->kind = spoken->rules[i].is;
    out->is_second_form = spoken->rules[i].is_second_form;
    if (out->kind == REQUEST_HEARTBEATS && unsubscribes(spoken, root))
        out->kind = REQUEST_NO_HEARTBEATS;
    if (out->kind == REQUEST_ORDER)
        (void)json_find_text(root, spoken->rules[i].key, &out->order_topic);
}

static void read_id(const dialect *spoken, json_value root, dialect_request *out)
{
    json_value value;
    const char *const *id = spoken->ids;
    while (*id != NULL && !json_find(root, *id, &value))
        id++;
    if (*id == NULL)
        return;
    const json_type type = json_type_of(value);
    if (type != JSON_STRING && type != JSON_NUMBER)
        return;
    out->has_id = 1; /* "" is an id, too: some answers distinguish it from a missing id */
    out->id_raw = json_raw(value);
    if (!json_text(value, &out->id))
        out->id = out->id_raw;
}

/* ---- topics ---- */

/* Append a topic, as it is everywhere but on the wire. */
static td_result add_topic(dialect_parser *parser, const topic_spelling *spelling, td_bytes topic,
                           td_err *err)
{
    td_result rc = td_buf_reserve(&parser->texts, topic.size + 1, err);
    if (rc == TD_OK && spelling != NULL)
        parser->texts.size +=
            topic_read_spelling(spelling, topic, (char *)parser->texts.data + parser->texts.size);
    else if (rc == TD_OK)
        td_buf_add(&parser->texts, topic.data, topic.size);
    return rc == TD_OK ? dialect_text_end(parser, err) : rc;
}

/* The keys of the exchange's topics; NULL: they are texts. */
static const topic_keys *object_keys(const exchange_row *exchange)
{
    return exchange->topic_keys.usual != NULL ? &exchange->topic_keys : NULL;
}

/* Append the topic of a value: of an object with these keys; without keys, a text. Any other value
 * as it is written: no topic is so, but some clients send auth's expires as a number. */
static td_result add_value(dialect_parser *parser, const dialect *spoken, const topic_keys *keys,
                           json_value value, td_err *err)
{
    td_bytes item;
    if (keys == NULL || !topic_has_object(keys, value))
        return keys == NULL && json_text(value, &item)
                   ? add_topic(parser, spoken->spelling, item, err)
                   : add_topic(parser, NULL, json_raw(value), err);
    td_result rc = topic_read_object(keys, value, &parser->texts, err);
    return rc == TD_OK ? dialect_text_end(parser, err) : rc;
}

static td_result add_values(dialect_parser *parser, const dialect *spoken, const topic_keys *keys,
                            json_value list, td_err *err)
{
    td_result rc = TD_OK;
    json_value element;
    for (json_iter it = json_iter_of(list); rc == TD_OK && json_next(&it, NULL, &element);)
        rc = add_value(parser, spoken, keys, element, err);
    return rc;
}

/* Append NAME.SYMBOL of each symbol; of a topic without one its name, whatever the list has. */
static td_result add_named_list(dialect_parser *parser, td_bytes name, int is_whole,
                                json_value list, td_err *err)
{
    td_result rc = TD_OK;
    json_value element;
    td_bytes symbol;
    for (json_iter in = json_iter_of(list); rc == TD_OK && json_next(&in, NULL, &element);) {
        if (!json_text(element, &symbol))
            continue;
        if (is_whole)
            return add_topic(parser, NULL, name, err);
        rc = td_buf_append(&parser->texts, name.data, name.size, err);
        if (rc == TD_OK)
            rc = td_buf_append(&parser->texts, ".", 1, err);
        if (rc == TD_OK)
            rc = add_topic(parser, NULL, symbol, err);
    }
    return rc;
}

/* Append the topics of {NAME:[SYMBOL, ...], ...}. */
static td_result add_named_lists(dialect_parser *parser, const topic_parts *parts,
                                 json_value object, td_err *err)
{
    td_result rc = TD_OK;
    json_value key, list;
    td_bytes name;
    for (json_iter it = json_iter_of(object); rc == TD_OK && json_next(&it, &key, &list);)
        if (json_text(key, &name))
            rc = add_named_list(parser, name, parts != NULL && topic_parts_is_whole(parts, name),
                                list, err);
    return rc;
}

/* Append what a request that names no topic is for. */
static td_result add_everything(dialect_parser *parser, dialect_request *out, td_err *err)
{
    if (out->dialect->covering != COVER_ACCOUNT || out->kind > REQUEST_UNSUBSCRIBE)
        return TD_OK;
    out->args = parser->args;
    return add_topic(parser, NULL, td_bytes_str(DIALECT_EVERYTHING), err);
}

/* Read the request's list of topics. It may be missing or null: a ping lacks it, and the server
 * decides how to answer a subscription without topics. */
static td_result read_list(const dialect *spoken, dialect_parser *parser, json_value root,
                           dialect_request *out, td_err *err)
{
    json_value list;
    const char *const *path = spoken->topic_lists;
    while (*path != NULL && (!json_find_path(root, *path, &list) || json_is_null(list)))
        path++;
    if (*path == NULL)
        return add_everything(parser, out, err);
    out->args = parser->args;
    if (spoken->asks_one && json_type_of(list) == JSON_STRING)
        return add_value(parser, spoken, NULL, list, err);
    if (json_type_of(list) != JSON_ARRAY)
        return td_err_set(err, TD_E_INVALID, "topics are not a list");
    return add_values(parser, spoken,
                      out->kind <= REQUEST_UNSUBSCRIBE ? object_keys(spoken->exchange) : NULL, list,
                      err);
}

static td_result read_parts(const dialect *spoken, dialect_parser *parser, json_value root,
                            dialect_request *out, td_err *err)
{
    const split_topic parts = topic_parts_read(spoken->parts, PARTS_OF_REQUEST, root);
    out->symbols = parts.symbol;
    if (out->kind != REQUEST_SUBSCRIBE && out->kind != REQUEST_UNSUBSCRIBE)
        return TD_OK;
    out->args = parser->args;
    return topic_parts_compose(parser, &parts, spoken->has_symbol_lists ? SYMBOL_LIST : SYMBOL_ONE,
                               err);
}

/* Read the time from one heartbeat to the next, whole seconds. */
static td_result read_heartbeat(dialect_request *out, td_err *err)
{
    enum { HEARTBEAT_S_MAX = 86400 };
    const dialect *spoken = out->dialect;
    const dialect_heartbeats *of = &spoken->heartbeats;
    json_value value;
    uint64_t seconds = of->every_s;
    if (of->interval != NULL &&
        (!json_find_path(out->root, of->interval, &value) ||
         !td_digits_parse(json_raw(value), HEARTBEAT_S_MAX, &seconds) || seconds < of->least_s))
        return td_err_set(err, TD_E_INVALID, "heartbeats are asked for each %zu to %d s",
                          of->least_s, HEARTBEAT_S_MAX);
    out->heartbeat_ns = seconds * UINT64_C(1000000000);
    return TD_OK;
}

static td_result read_request(dialect_parser *parser, dialect_request *out, td_err *err)
{
    const dialect *spoken = out->dialect;
    read_kind(spoken, out->root, out);
    read_id(spoken, out->root, out);
    if (out->kind == REQUEST_UNSUBSCRIBE_ALL)
        return TD_OK; /* its list, if it has one, is ignored */
    if (out->kind == REQUEST_HEARTBEATS)
        return read_heartbeat(out, err);
    if (out->kind == REQUEST_NO_HEARTBEATS)
        return TD_OK;
    return spoken->parts != NULL ? read_parts(spoken, parser, out->root, out, err)
                                 : read_list(spoken, parser, out->root, out, err);
}

td_result request_parse(dialect_parser *parser, const dialect *spoken, td_bytes frame,
                        dialect_request *out, td_err *err)
{
    *out = (dialect_request){.kind = REQUEST_UNKNOWN, .frame = frame, .dialect = spoken};
    dialect_text_begin(parser);
    if (spoken->ping != NULL && template_is(spoken->ping, frame) && frame.data[0] != '{') {
        out->kind = REQUEST_PING; /* not JSON: it has no id to echo */
        return TD_OK;
    }
    td_result rc = json_parse(parser->json, frame, JSON_COPIED, &out->root, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "request");
    if (json_type_of(out->root) != JSON_OBJECT)
        return td_err_set(err, TD_E_INVALID, "request: no JSON object");
    out->has_root = 1;
    rc = read_request(parser, out, err);
    if (rc == TD_OK) {
        dialect_text_seal(parser);
        out->args = out->args == NULL ? NULL : parser->args; /* they may have moved */
        out->arg_count = parser->arg_count;
        return TD_OK;
    }
    out->args = NULL; /* discard an incomplete list */
    return out->kind == REQUEST_ORDER ? TD_OK : td_err_add(err, rc, "request");
}

/* Append the topics of a text "A/B". A key, of which only stars were recorded, is not a topic. */
static td_result add_joined(dialect_parser *parser, const dialect *spoken, td_bytes joined,
                            td_err *err)
{
    char topic[LIMIT_TOPIC_BYTES];
    td_result rc = TD_OK;
    while (rc == TD_OK && joined.size > 0) {
        const uint8_t *slash = memchr(joined.data, '/', joined.size);
        const size_t size = slash == NULL ? joined.size : (size_t)(slash - joined.data);
        if (size > 0 && *joined.data != '*' &&
            td_url_decode(td_bytes_of(joined.data, size), topic, sizeof topic))
            rc = add_topic(parser, spoken->spelling, td_bytes_str(topic), err);
        joined = td_bytes_of(joined.data + size, joined.size - size);
        joined = slash == NULL ? joined : td_bytes_of(slash + 1, joined.size - 1);
    }
    return rc;
}

td_result request_of_url(dialect_parser *parser, const dialect *spoken, td_bytes names,
                         td_bytes query, dialect_request *out, td_err *err)
{
    *out = (dialect_request){.kind = REQUEST_SUBSCRIBE, .dialect = spoken};
    dialect_text_begin(parser);
    /* What follows the path of an account is the client's key. */
    td_result rc =
        spoken->covering == COVER_ACCOUNT ? TD_OK : add_joined(parser, spoken, names, err);
    if (rc == TD_OK && spoken->url_topics != NULL)
        rc = add_joined(parser, spoken, td_url_param(query, spoken->url_topics), err);
    if (rc == TD_OK && spoken->url_topics != NULL && parser->arg_count == 0)
        rc = add_everything(parser, out, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "topics of a URL");
    dialect_text_seal(parser);
    out->args = parser->args;
    out->arg_count = parser->arg_count;
    return TD_OK;
}

/* ---- answers: single members ---- */

/* The topic in a reason; empty if the reason has another form. */
static td_bytes find_reason_topic(const char *const *forms, td_bytes reason)
{
    for (; *forms != NULL; forms++) {
        const char *mark = strchr(*forms, '*'); /* checked: it is there */
        const size_t before = (size_t)(mark - *forms), after = strlen(mark + 1);
        const uint8_t *at =
            reason.size == 0 ? NULL : memmem(reason.data, reason.size, *forms, before);
        if (at == NULL)
            continue;
        const size_t begin = (size_t)(at - reason.data) + before;
        if (reason.size <= begin + after ||
            memcmp(reason.data + reason.size - after, mark + 1, after) != 0)
            continue;
        return td_bytes_of(reason.data + begin, reason.size - begin - after);
    }
    return (td_bytes){0};
}

static int has_words(td_bytes text, const char *words)
{
    return words != NULL && text.size > 0 &&
           memmem(text.data, text.size, words, strlen(words)) != NULL;
}

/* The request with this word, by the rules of all dialects. */
static request_kind kind_of_word(const exchange_row *exchange, td_bytes word)
{
    for (size_t i = 0; i < exchange->dialect_count && word.size > 0; i++) {
        const dialect *of = &exchange->dialects[i];
        for (size_t k = 0; k < of->rule_count; k++)
            if (of->rules[k].text != NULL && td_bytes_is(word, of->rules[k].text))
                return of->rules[k].is;
    }
    return REQUEST_UNKNOWN;
}

/* ---- topics that an answer names ---- */

/* Append the topics of lists. A member that is missing or not a list has no topics. */
static td_result read_lists(dialect_parser *parser, const dialect *spoken, json_value root,
                            const char *const *paths, td_err *err)
{
    const topic_keys *keys = object_keys(spoken->exchange);
    td_result rc = TD_OK;
    json_value list;
    for (; *paths != NULL && rc == TD_OK; paths++) {
        const json_type type =
            json_find_first(root, *paths, &list) ? json_type_of(list) : JSON_NULL;
        if ((type == JSON_STRING && spoken->asks_one) || (type == JSON_OBJECT && keys != NULL))
            rc = add_value(parser, spoken, keys, list, err);
        else if (type == JSON_ARRAY)
            rc = add_values(parser, spoken, keys, list, err);
        else if (type == JSON_OBJECT)
            rc = add_named_lists(parser, spoken->parts, list, err);
    }
    return rc;
}

/* Read the parts of the request that the answer repeats. */
static td_result read_echo(dialect_parser *parser, const topic_parts *parts, json_value root,
                           td_err *err)
{
    json_value symbol, at;
    const split_topic of = topic_parts_read(parts, PARTS_OF_ANSWER, root);
    if (of.name.size == 0 || (of.symbol.size == 0 && !of.is_whole) ||
        !topic_parts_find(parts, PARTS_OF_ANSWER, root, &at))
        return TD_OK;
    /* Only requests with the symbol in its first place have lists. */
    const int is_list = json_find_path(at, parts->symbols[0], &symbol);
    return topic_parts_compose(parser, &of, is_list ? SYMBOL_LIST : SYMBOL_ONE, err);
}

/* Read lists of granted and of refused topics, or topics that are granted or refused depending on
 * the answer's success. */
static td_result read_topics(dialect_parser *parser, const dialect *spoken, json_value root,
                             dialect_answer *out, td_err *err)
{
    const exchange_row *exchange = spoken->exchange;
    const answer_paths *paths = &exchange->answers;
    td_result rc = read_lists(parser, spoken, root, paths->granted, err);
    size_t granted = parser->arg_count;
    if (rc == TD_OK)
        rc = read_lists(parser, spoken, root, paths->failed, err);
    const int has_lists = parser->arg_count > 0;
    if (rc == TD_OK && !has_lists)
        rc = read_lists(parser, spoken, root, paths->topics, err);
    if (rc == TD_OK && parser->arg_count == 0 && exchange->parts != NULL)
        rc = read_echo(parser, exchange->parts, root, err);
    if (rc != TD_OK)
        return rc;
    if (!has_lists)
        granted = out->success == 0 ? 0 : parser->arg_count;
    dialect_text_seal(parser);
    out->granted = parser->args;
    out->granted_count = granted;
    out->failed = parser->args + granted;
    out->failed_count = parser->arg_count - granted;
    if (paths->symbol != NULL && parser->arg_count == 0)
        (void)dialect_text_scalar(root, paths->symbol, &out->symbol); /* else it stays empty */
    return TD_OK;
}

/* ---- whole answers ---- */

/* Read the members that control_find() needs. */
static void read_words(const frame_keys *keys, json_value root, frame_words *out)
{
    json_value value;
    memset(out, 0, sizeof *out);
    for (uint8_t i = 0; i < keys->count; i++) {
        if (!json_find_key(root, keys->names[i], &value))
            continue;
        out->json[i] = json_raw(value);
        (void)json_text(value, &out->text[i]); /* else it stays empty */
    }
    if (keys->op == FRAME_KEY_NONE)
        return;
    out->op = out->text[keys->op];
    if (out->op.size == 0 && keys->request != FRAME_KEY_NONE &&
        json_find_key(root, keys->names[keys->request], &value) &&
        json_find_key(value, keys->names[keys->op], &value))
        (void)json_text(value, &out->op);
}

static td_result read_answer(dialect_parser *parser, const dialect *spoken, json_value root,
                             dialect_answer *out, td_err *err)
{
    const exchange_row *exchange = spoken->exchange;
    const answer_paths *paths = &exchange->answers;
    frame_words words;
    td_bytes word = {0};
    json_value recorded;
    read_words(&exchange->frames, root, &words);
    const control_rule *rule = control_rule_find(&exchange->frames, &words);
    const frame_class is = control_find(&exchange->frames, &words, &out->success);
    (void)dialect_text_first(root, paths->reasons, &out->reason); /* stays empty if absent */
    (void)dialect_text_first(root, paths->ids, &out->id);
    out->reason_topic = find_reason_topic(paths->reason_topics, out->reason);
    if (spoken->recorded != NULL && json_find_path(root, spoken->recorded, &recorded))
        out->recorded = json_raw(recorded);
    out->is_repeat = (uint8_t)has_words(out->reason, paths->repeat);
    out->is_of_one = spoken->answers_each;
    switch (is) {
    case CLASS_PONG:
        out->kind = ANSWER_PONG;
        out->of = REQUEST_PING;
        break;
    case CLASS_PING:
        out->kind = ANSWER_PING;
        out->is_notice = rule->is_notice;
        break;
    case CLASS_AUTH:
        out->kind = ANSWER_AUTH;
        out->of = REQUEST_AUTH;
        break;
    case CLASS_ACK:
    case CLASS_ERROR:
        if (rule->is_about_orders)
            break;
        out->kind = ANSWER_TOPICS;
        (void)dialect_text_first(root, paths->requests, &word);
        out->of = kind_of_word(exchange, word);
        out->is_whole = paths->are_whole;
        out->lists_all = is == CLASS_ACK && paths->list_all;
        return read_topics(parser, spoken, root, out, err);
    case CLASS_DATA:
    case CLASS_REQUEST:
    case CLASS_UNKNOWN:
        break;
    }
    return TD_OK;
}

td_result answer_parse(dialect_parser *parser, const dialect *spoken, td_bytes frame,
                       dialect_answer *out, td_err *err)
{
    const dialect_answer nothing = {.kind = ANSWER_NONE, .of = REQUEST_UNKNOWN, .success = -1};
    *out = nothing;
    dialect_text_begin(parser);
    json_value root;
    const char *pong = spoken->exchange->frames.pong;
    if (pong != NULL && td_bytes_is(frame, pong)) {
        out->kind = ANSWER_PONG;
        out->of = REQUEST_PING;
        return TD_OK;
    }
    td_result rc = json_parse(parser->json, frame, JSON_COPIED, &root, err);
    if (rc == TD_E_INVALID || (rc == TD_OK && json_type_of(root) != JSON_OBJECT))
        return TD_OK;
    if (rc == TD_OK)
        rc = read_answer(parser, spoken, root, out, err);
    TD_ASSERT(rc != TD_OK || (out->success >= -1 && out->success <= 1));
    if (rc == TD_OK && out->kind != ANSWER_NONE)
        return TD_OK;
    *out = nothing; /* not an answer; an id that was read belongs to a data frame */
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "answer");
}

static int is_listed(const td_bytes *list, size_t count, td_bytes topic)
{
    for (size_t i = 0; i < count; i++) {
        if (td_bytes_equal(list[i], topic))
            return 1;
    }
    return 0;
}

int dialect_answer_has_symbol(const dialect_answer *answer, const char *topic)
{
    const size_t stem = topic_stem_size(topic);
    return answer->symbol.size > 0 && stem > 0 && td_bytes_is(answer->symbol, topic + stem + 1);
}

/* 1 if the answer has the whole topic. */
static int has_topic(const dialect_answer *answer, td_bytes topic)
{
    return is_listed(answer->granted, answer->granted_count, topic) ||
           is_listed(answer->failed, answer->failed_count, topic);
}

int dialect_answer_names(const dialect_answer *answer, request_kind of, const char *topic)
{
    td_bytes text = td_bytes_str(topic);
    if (answer->lists_all)
        return is_listed(answer->granted, answer->granted_count, text) == (of == REQUEST_SUBSCRIBE);
    return answer->is_whole || has_topic(answer, text) || dialect_answer_has_symbol(answer, topic);
}

int dialect_answer_grants(const dialect_answer *answer, const char *topic)
{
    td_bytes text = td_bytes_str(topic);
    if (is_listed(answer->failed, answer->failed_count, text))
        return 0;
    if (is_listed(answer->granted, answer->granted_count, text))
        return 1;
    return answer->success == 1 && !answer->is_whole;
}

int dialect_answer_withdraws(const dialect_answer *answer, const char *topic)
{
    int is_for_all = !answer->is_of_one && answer->granted_count + answer->failed_count == 0 &&
                     answer->reason_topic.size == 0;
    if (answer->lists_all)
        return !is_listed(answer->granted, answer->granted_count, td_bytes_str(topic));
    /* A symbol alone is not enough: it has other topics, too. */
    int is_named = is_for_all || answer->is_whole || has_topic(answer, td_bytes_str(topic));
    if (answer->of == REQUEST_UNSUBSCRIBE || answer->of == REQUEST_UNSUBSCRIBE_ALL)
        return is_named && dialect_answer_grants(answer, topic);
    if ((answer->of != REQUEST_SUBSCRIBE && answer->of != REQUEST_UNKNOWN) || answer->is_repeat ||
        (answer->success != 0 && answer->failed_count == 0))
        return 0;
    return (is_named && !dialect_answer_grants(answer, topic)) ||
           td_bytes_is(answer->reason_topic, topic);
}

/* 1 if the request has all named topics. An answer names them in the request's order, so each
 * search begins after the last match. */
static int has_topics(const dialect_ask *ask, const td_bytes *named, size_t count)
{
    size_t next = 0;
    for (size_t i = 0; i < count; i++) {
        size_t tried = 0;
        TD_ASSERT(next < ask->count);
        while (tried < ask->count && !td_bytes_is(named[i], ask->topics[next])) {
            next = next + 1 == ask->count ? 0 : next + 1;
            tried++;
        }
        if (tried == ask->count)
            return 0;
        next = next + 1 == ask->count ? 0 : next + 1;
    }
    return 1;
}

/* 1 if the answer is about one of the request's topics. */
static int names_one(const dialect_answer *answer, const dialect_ask *ask)
{
    for (size_t i = 0; i < ask->count; i++)
        if (dialect_answer_names(answer, ask->kind, ask->topics[i]))
            return 1;
    return 0;
}

int dialect_answer_fits(const dialect_answer *answer, const dialect_ask *ask)
{
    TD_ASSERT(ask->count > 0);
    TD_ASSERT(ask->kind == REQUEST_SUBSCRIBE || ask->kind == REQUEST_UNSUBSCRIBE);
    if (answer->kind != ANSWER_TOPICS)
        return 0;
    if (answer->of != REQUEST_UNKNOWN && answer->of != ask->kind)
        return 0;
    if (answer->lists_all)
        return names_one(answer, ask);
    if (answer->id.size > 0 && ask->id != NULL)
        return td_bytes_is(answer->id, ask->id) ||
               td_bytes_equal(answer->id, dialect_id_number(ask->id));
    if (answer->symbol.size > 0)
        return names_one(answer, ask);
    return has_topics(ask, answer->granted, answer->granted_count) &&
           has_topics(ask, answer->failed, answer->failed_count);
}

/* ---- names ---- */

td_bytes dialect_id_number(const char *id)
{
    size_t begin = strlen(id);
    while (begin > 0 && id[begin - 1] >= '0' && id[begin - 1] <= '9')
        begin--;
    return td_bytes_str(id + begin);
}

void dialect_conn_id(uint64_t high, uint64_t low, char out[DIALECT_CONN_ID_BYTES])
{
    uint64_t versioned = (high & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    uint64_t variant = (low & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
    int length = snprintf(out, DIALECT_CONN_ID_BYTES,
                          "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
                          versioned >> 32, versioned >> 16 & 0xffff, versioned & 0xffff,
                          variant >> 48, variant & UINT64_C(0xffffffffffff));
    TD_ASSERT(length == DIALECT_CONN_ID_BYTES - 1);
}
