/* Requests of clients and answers of servers, from the texts of their dialect. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/decimal.h"
#include "base/hash.h"
#include "base/json/json_write.h"
#include "base/limits.h"
#include "base/time_text.h"
#include "schema/dialect.h"
#include "schema/dialect_text.h"
#include "schema/dialect_values.h"
#include "schema/exchange.h"
#include "schema/template.h"
#include "schema/topic_parts.h"

/* ---- single values ---- */

static td_result put_text(td_buf *out, td_bytes text, td_err *err)
{
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_bytes(&writer, text);
    return json_write_end(&writer, err);
}

static td_result put_raw(td_buf *out, td_bytes json, td_err *err)
{
    return td_buf_append(out, json.data, json.size, err);
}

static td_result put_bool(td_buf *out, int value, td_err *err)
{
    return put_raw(out, td_bytes_str(value ? "true" : "false"), err);
}

static td_result put_number(td_buf *out, uint64_t value, td_err *err)
{
    return td_buf_printf(out, err, "%" PRIu64, value);
}

static td_result put_number_text(td_buf *out, uint64_t value, td_err *err)
{
    return td_buf_printf(out, err, "\"%" PRIu64 "\"", value);
}

static td_result put_time(uint64_t now_ms, td_buf *out, td_err *err)
{
    char text[TD_TIME_TEXT_BYTES];
    td_time_format(now_ms * UINT64_C(1000000), text);
    return put_text(out, td_bytes_str(text), err);
}

/* The word of a request in its first form, as the first rule has it; "" if no rule does. */
static td_bytes word_of(const dialect *spoken, request_kind kind)
{
    for (size_t i = 0; i < spoken->rule_count; i++)
        if (spoken->rules[i].is == kind && spoken->rules[i].text != NULL &&
            !spoken->rules[i].is_second_form)
            return td_bytes_str(spoken->rules[i].text);
    return td_bytes_str("");
}

/* ---- requests: how many topics ---- */

/* The number of topics that fit into DIALECT_REQUEST_BYTES of text, at least 1. */
static size_t fit_bytes(const char *const *topics, size_t count)
{
    size_t bytes = 0;
    size_t taken = 0;
    /* A topic that is too large for a request is sent alone, because the exchange decides whether
     * to accept it. */
    while (taken < count && taken < DIALECT_ARGS_MAX) {
        bytes += strlen(topics[taken]) + 3; /* two quotes and a comma */
        if (taken > 0 && bytes > DIALECT_REQUEST_BYTES)
            break;
        taken++;
    }
    return taken;
}

/* How many of the topics differ in their symbol only. */
static size_t fit_symbols(const char *const *topics, size_t count)
{
    const size_t stem = topic_stem_size(topics[0]);
    size_t taken = 1;
    while (taken < count && stem > 0 && topic_stem_size(topics[taken]) == stem &&
           memcmp(topics[taken], topics[0], stem) == 0)
        taken++;
    return taken;
}

/* A request must not have a topic and also a category of that topic (docs/wire.md 1.5). A private
 * connection has some twenty topics, so comparing all pairs is cheap. */
static size_t fit_categories(const dialect *spoken, const char *const *topics, size_t count)
{
    for (size_t taken = 1; taken < count; taken++)
        for (size_t i = 0; i < taken; i++) {
            const td_bytes next = td_bytes_str(topics[taken]), before = td_bytes_str(topics[i]);
            if (!td_bytes_equal(next, before) &&
                (spoken->covers(before, next) || spoken->covers(next, before)))
                return taken;
        }
    return count;
}

size_t dialect_fit(const dialect *spoken, const char *const *topics, size_t count)
{
    TD_ASSERT(count > 0);
    if (spoken->ask_topics == NULL)
        return count; /* not used: subscribe requests are never sent */
    size_t taken = fit_bytes(topics, count);
    if (spoken->ask_topics_max > 0 && taken > spoken->ask_topics_max)
        taken = spoken->ask_topics_max;
    if (spoken->has_symbol_lists)
        taken = fit_symbols(topics, taken);
    if (spoken->covering == COVER_CATEGORIES)
        taken = fit_categories(spoken, topics, taken);
    TD_ASSERT(taken > 0);
    return taken;
}

/* ---- requests: their values ---- */

typedef struct request_job {
    const dialect *spoken;
    const dialect_ask *ask;
    const dialect_auth *auth;
    uint64_t now_ms, count;
    split_topic topic; /* parts of the first topic, in dialects with parts */
} request_job;

td_result dialect_spell(const dialect *spoken, const char *topic, td_buf *out, td_err *err)
{
    return spoken->spelling != NULL ? topic_spell(spoken->spelling, topic, out, err)
                                    : td_buf_append(out, topic, strlen(topic), err);
}

static td_result put_spelled(const topic_spelling *spelling, const char *topic, td_buf *out,
                             td_err *err)
{
    td_buf spelled;
    td_buf_init(&spelled, DIALECT_REQUEST_BYTES + LIMIT_TOPIC_BYTES);
    td_result rc = topic_spell(spelling, topic, &spelled, err);
    if (rc == TD_OK)
        rc = put_text(out, td_buf_view(&spelled), err);
    td_buf_fini(&spelled);
    return rc;
}

static td_result put_topic(const dialect *spoken, const char *topic, td_buf *out, td_err *err)
{
    if (spoken->exchange->topic_keys.usual != NULL)
        return topic_put_object(&spoken->exchange->topic_keys, topic, out, err);
    return spoken->spelling != NULL ? put_spelled(spoken->spelling, topic, out, err)
                                    : put_text(out, td_bytes_str(topic), err);
}

static td_result put_topics(const request_job *of, td_buf *out, td_err *err)
{
    td_result rc = td_buf_append(out, "[", 1, err);
    for (size_t i = 0; i < of->ask->count && rc == TD_OK; i++) {
        if (i > 0)
            rc = td_buf_append(out, ",", 1, err);
        if (rc == TD_OK)
            rc = put_topic(of->spoken, of->ask->topics[i], out, err);
    }
    return rc == TD_OK ? td_buf_append(out, "]", 1, err) : rc;
}

/* The symbols of all topics, "A,B". The topics' other parts are equal (fit_symbols). */
static td_result put_symbols(const request_job *of, td_buf *out, td_err *err)
{
    td_buf joined;
    if (of->topic.is_whole)
        return put_text(out, td_bytes_str(""), err); /* left out */
    td_buf_init(&joined, (size_t)2 * DIALECT_REQUEST_BYTES);
    td_result rc = TD_OK;
    for (size_t i = 0; i < of->ask->count && rc == TD_OK; i++) {
        const char *symbol = of->ask->topics[i] + topic_stem_size(of->ask->topics[i]) + 1;
        TD_ASSERT(topic_stem_size(of->ask->topics[i]) == topic_stem_size(of->ask->topics[0]));
        if (i > 0)
            rc = td_buf_append(&joined, ",", 1, err);
        if (rc == TD_OK)
            rc = td_buf_append(&joined, symbol, strlen(symbol), err);
    }
    if (rc == TD_OK)
        rc = put_text(out, td_buf_view(&joined), err);
    td_buf_fini(&joined);
    return rc;
}

static td_result put_symbol_list(const request_job *of, td_buf *out, td_err *err)
{
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_array_begin(&writer);
    for (size_t i = 0; i < of->ask->count && !of->topic.is_whole; i++)
        json_write_text(&writer, of->ask->topics[i] + topic_stem_size(of->ask->topics[i]) + 1);
    json_write_array_end(&writer);
    return json_write_end(&writer, err);
}

/* 1 if the parameter is written in the topic's name: "kline_1m". */
static int is_in_name(const request_job *of)
{
    return of->spoken->names_parameters && of->topic.of != NULL && of->topic.of->prefix != NULL;
}

static td_result put_name(const request_job *of, td_buf *out, td_err *err)
{
    char text[LIMIT_TOPIC_BYTES + 1];
    if (!is_in_name(of))
        return put_text(out, of->topic.name, err);
    const td_bytes parameter = of->topic.parameter;
    const size_t prefix = strlen(of->topic.of->prefix);
    if (prefix + parameter.size > LIMIT_TOPIC_BYTES)
        return td_err_set(err, TD_E_INVALID, "a topic of %zu characters: 1 to %u are allowed",
                          prefix + parameter.size, LIMIT_TOPIC_BYTES);
    memcpy(text, of->topic.of->prefix, prefix);
    memcpy(text + prefix, parameter.data, parameter.size);
    return put_text(out, td_bytes_of(text, prefix + parameter.size), err);
}

/* "KEY":VALUE of the topic's parameter. As in the exchange's samples, a number without leading zero
 * is a number ("dumpScale":1), others are text ("klineType":"1m"). */
static td_result put_parameter(const request_job *of, td_buf *out, int *is_there, td_err *err)
{
    const topic_parameter *row = of->topic.of;
    const td_bytes value = of->topic.parameter;
    uint64_t number;
    *is_there = row != NULL && !is_in_name(of);
    if (!*is_there)
        return TD_OK;
    const char *dot = strrchr(row->path, '.');
    td_result rc = td_buf_printf(out, err, "\"%s\":", dot == NULL ? row->path : dot + 1);
    if (rc != TD_OK)
        return rc;
    const int is_number =
        td_digits_parse(value, 999999999, &number) && (value.data[0] != '0' || value.size == 1);
    return is_number ? put_raw(out, value, err) : put_text(out, value, err);
}

static td_result put_signature(const request_job *of, td_buf *out, td_err *err)
{
    char signature[DIALECT_SIGNATURE_BYTES];
    dialect_sign(of->spoken, of->auth, signature);
    return put_text(out, td_bytes_str(signature), err);
}

static td_result ask_value(void *user, unsigned id, const char *suffix, td_buf *out, int *is_there,
                           td_err *err)
{
    const request_job *of = user;
    (void)suffix; /* no value has one */
    switch ((ask_value_id)id) {
    case ASK_TOPICS:
        return put_topics(of, out, err);
    case ASK_TOPIC:
        return put_topic(of->spoken, of->ask->topics[0], out, err);
    case ASK_SYMBOLS:
        *is_there = !of->topic.is_whole;
        return put_symbols(of, out, err);
    case ASK_SYMBOL_LIST:
        *is_there = !of->topic.is_whole;
        return put_symbol_list(of, out, err);
    case ASK_NAME:
        return put_name(of, out, err);
    case ASK_PARAMETER:
        return put_parameter(of, out, is_there, err);
    case ASK_BINARY:
        return put_bool(out, of->ask->frames == DIALECT_FRAMES_BINARY, err);
    case ASK_OP:
        return put_text(out, word_of(of->spoken, of->ask->kind), err);
    case ASK_ID:
        *is_there = of->ask->id != NULL;
        return put_text(out, td_bytes_str(*is_there ? of->ask->id : ""), err);
    case ASK_ID_NUMBER:
        *is_there = of->ask->id != NULL;
        return put_raw(out, dialect_id_number(*is_there ? of->ask->id : ""), err);
    case ASK_KEY:
        return put_text(out, td_bytes_str(of->auth->api_key), err);
    case ASK_PASSPHRASE:
        *is_there = of->auth->passphrase != NULL;
        return put_text(out, td_bytes_str(*is_there ? of->auth->passphrase : ""), err);
    case ASK_SIGNED_S:
        return put_number_text(out, of->auth->signed_ms / 1000, err);
    case ASK_EXPIRES:
        return put_number(out, of->auth->expires_ms, err);
    case ASK_SIGNATURE:
        return put_signature(of, out, err);
    case ASK_NOW:
        return put_number(out, of->now_ms, err);
    case ASK_NOW_TEXT:
        return put_number_text(out, of->now_ms, err);
    case ASK_NOW_ISO:
        return put_time(of->now_ms, out, err);
    case ASK_COUNT:
        return put_number(out, of->count, err);
    case ASK_VALUE_COUNT:
        break;
    }
    TD_ASSERT(0); /* names are checked when the document is read */
    return TD_OK;
}

/* Append a request. */
static td_result build(td_buf *out, const template *text, request_job *of, td_err *err)
{
    const template_source source = {.user = of, .put = ask_value};
    return template_render(text, &source, out, NULL, err);
}

td_result dialect_ask_topics(const dialect *spoken, td_buf *out, const dialect_ask *ask,
                             td_err *err)
{
    TD_ASSERT(ask->count > 0);
    TD_ASSERT(ask->kind == REQUEST_SUBSCRIBE || ask->kind == REQUEST_UNSUBSCRIBE);
    request_job of = {.spoken = spoken, .ask = ask};
    td_result rc = spoken->parts == NULL
                       ? TD_OK
                       : topic_parts_split(spoken->parts, ask->topics[0], &of.topic, err);
    return rc == TD_OK ? build(out, spoken->ask_topics, &of, err) : rc;
}

td_result dialect_ask_auth(const dialect *spoken, td_buf *out, const dialect_auth *auth,
                           td_err *err)
{
    request_job of = {.spoken = spoken, .auth = auth};
    return build(out, spoken->ask_auth, &of, err);
}

int dialect_wants_passphrase(const dialect *spoken)
{
    return spoken->ask_auth != NULL && template_has(spoken->ask_auth, ASK_PASSPHRASE);
}

td_result dialect_heartbeat(td_buf *out, const template *text, uint64_t now_ms, td_err *err)
{
    request_job of = {.now_ms = now_ms};
    return build(out, text, &of, err);
}

td_result dialect_server_heartbeat(const dialect *spoken, td_buf *out, uint64_t now_ms,
                                   uint64_t count, td_err *err)
{
    request_job of = {.now_ms = now_ms, .count = count};
    return build(out, spoken->heartbeats.text, &of, err);
}

/* ---- answers: their values ---- */

typedef struct answer_job {
    const dialect_request *request;
    const dialect_reply *reply;
} answer_job;

static const refusal_text *refusal_of(const dialect *spoken, const dialect_reply *reply)
{
    const refusal_text *own = &spoken->spot_refusals[reply->refused];
    return reply->is_spot && own->text != NULL ? own : &spoken->refusals[reply->refused];
}

/* The beginning of a text, up to the end of a character. */
static td_bytes cut_text(td_bytes text, size_t size_max)
{
    if (text.size <= size_max)
        return text;
    while (size_max > 0 && (text.data[size_max] & 0xc0) == 0x80)
        size_max--;
    return td_bytes_of(text.data, size_max);
}

/* The symbol of a topic: what follows the last dot; empty: it has no dot. */
static td_bytes symbol_of(td_bytes topic)
{
    const uint8_t *dot = topic.size == 0 ? NULL : memrchr(topic.data, '.', topic.size);
    const size_t stem = dot == NULL ? topic.size : (size_t)(dot - topic.data) + 1;
    return td_bytes_of(topic.data + stem, topic.size - stem);
}

/* Write a topic as its keys, "channel:trades,instId:BTC-USDT"; if topics are texts, as it is. Of a
 * long text the beginning. */
static td_bytes write_keys(const dialect *spoken, td_bytes topic, char *out, size_t out_bytes)
{
    enum { TEXT_SHOWN_MAX = 64 };
    const topic_keys *keys = &spoken->exchange->topic_keys;
    topic_member members[TOPIC_MEMBERS_MAX];
    const size_t count = keys->usual == NULL ? 0 : topic_members(keys, topic, members);
    size_t size = 0;
    if (count == 0)
        return cut_text(topic, out_bytes);
    for (size_t i = 0; i < count && size < out_bytes; i++) {
        const td_bytes text = cut_text(members[i].text, TEXT_SHOWN_MAX);
        size += (size_t)snprintf(out + size, out_bytes - size, "%s%s:%.*s", i == 0 ? "" : ",",
                                 members[i].key, (int)text.size, (const char *)text.data);
    }
    return td_bytes_str(out);
}

/* The word that names the client's request; empty: the request lacks it. */
static td_bytes asked_word(const dialect_request *request)
{
    const frame_keys *keys = &request->dialect->exchange->frames;
    json_value found;
    td_bytes word;
    if (keys->op == FRAME_KEY_NONE || !request->has_root ||
        !json_find_key(request->root, keys->names[keys->op], &found) || !json_text(found, &word))
        return (td_bytes){0};
    return word;
}

void dialect_refusal_text(const dialect_request *request, const dialect_reply *reply,
                          char out[DIALECT_REASON_BYTES])
{
    enum { SHOWN_MAX = DIALECT_REASON_BYTES / 2 };
    char keys[SHOWN_MAX];
    const template_word words[] = {
        {"{topic}", cut_text(reply->topic, SHOWN_MAX)},
        {"{symbol}", cut_text(symbol_of(reply->topic), SHOWN_MAX)},
        {"{keys}", write_keys(request->dialect, reply->topic, keys, sizeof keys)},
        {"{op}", cut_text(asked_word(request), SHOWN_MAX)},
        {"{request}", cut_text(request->frame, SHOWN_MAX)},
    };
    if (reply->recorded_text != NULL && strlen(reply->recorded_text) < DIALECT_REASON_BYTES) {
        memcpy(out, reply->recorded_text, strlen(reply->recorded_text) + 1);
        return;
    }
    template_fill(refusal_of(request->dialect, reply)->text, words, sizeof words / sizeof *words,
                  out, DIALECT_REASON_BYTES);
}

/* 1 if an arg of the request was refused, individually or with the whole request. */
static int is_failed(const dialect_reply *reply, size_t arg)
{
    return reply->refused != REFUSAL_NONE ||
           (reply->arg_refusals != NULL && reply->arg_refusals[arg]);
}

/* 1 if any topic failed: "success" is then false. This is an assumption; clients should read the
 * lists. */
static int has_failed(const answer_job *of)
{
    int failed = of->reply->refused != REFUSAL_NONE;
    for (size_t i = 0; i < of->request->arg_count && !failed; i++)
        failed = is_failed(of->reply, i);
    return failed;
}

typedef enum topic_fate { FATE_GRANTED, FATE_FAILED, FATE_ANY } topic_fate;

/* The request's topics of one fate. They are absent if no topic has it. */
static td_result put_args(const answer_job *of, topic_fate fate, td_buf *out, int *is_there,
                          td_err *err)
{
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_array_begin(&writer);
    *is_there = 0;
    for (size_t i = 0; i < of->request->arg_count; i++) {
        if (fate != FATE_ANY && is_failed(of->reply, i) != (fate == FATE_FAILED))
            continue;
        json_write_bytes(&writer, of->request->args[i]);
        *is_there = 1;
    }
    json_write_array_end(&writer);
    return json_write_end(&writer, err);
}

/* The request's first topic, as requests have it. */
static td_result put_arg(const dialect_request *request, td_buf *out, td_err *err)
{
    char topic[LIMIT_TOPIC_BYTES] = "";
    const td_bytes arg = request->arg_count > 0 ? request->args[0] : td_bytes_of(NULL, 0);
    if (arg.size >= sizeof topic)
        return put_text(out, arg, err); /* no topic is so long */
    if (arg.size > 0)
        memcpy(topic, arg.data, arg.size);
    td_result rc = put_topic(request->dialect, topic, out, err);
    return rc == TD_E_INVALID ? put_text(out, arg, err) : rc; /* it has no spelling */
}

/* A part of the request's first topic, before or after its last dot. */
typedef enum topic_half { HALF_NAME, HALF_SYMBOL } topic_half;
static td_result put_half(const dialect_request *request, topic_half which, td_buf *out,
                          int *is_there, td_err *err)
{
    const td_bytes topic = request->arg_count > 0 ? request->args[0] : td_bytes_of(NULL, 0);
    const uint8_t *dot = topic.size == 0 ? NULL : memrchr(topic.data, '.', topic.size);
    const size_t name = dot == NULL ? topic.size : (size_t)(dot - topic.data);
    *is_there = which == HALF_NAME ? name > 0 : dot != NULL;
    if (which == HALF_NAME || !*is_there)
        return put_text(out, td_bytes_of(topic.data, *is_there ? name : 0), err);
    return put_text(out, td_bytes_of(dot + 1, topic.size - name - 1), err);
}

static td_result put_reason(const answer_job *of, td_buf *out, td_err *err)
{
    char reason[DIALECT_REASON_BYTES];
    dialect_refusal_text(of->request, of->reply, reason);
    return put_text(out, td_bytes_str(reason), err);
}

/* A member of the request, "request.params.klineType": as text, or, if it is a list or an object,
 * as it is. "" if it is absent. */
static td_result put_member(const answer_job *of, const char *path, td_buf *out, int *is_there,
                            td_err *err)
{
    td_bytes found = {0};
    json_value whole;
    if (of->request->has_root && json_find_path(of->request->root, path, &whole) &&
        json_type_of(whole) >= JSON_ARRAY)
        return put_raw(out, json_raw(whole), err);
    *is_there = of->request->has_root && dialect_text_scalar(of->request->root, path, &found) &&
                found.size > 0;
    return put_text(out, *is_there ? found : td_bytes_str(""), err);
}

/* A member of the request as the client wrote it. */
static td_result put_member_raw(const answer_job *of, const char *path, td_buf *out, int *is_there,
                                td_err *err)
{
    json_value found;
    *is_there = of->request->has_root && json_find_path(of->request->root, path, &found);
    return *is_there ? put_raw(out, json_raw(found), err) : TD_OK;
}

/* Whether the client asked for binary frames, as text. */
static td_result put_binary(const answer_job *of, td_buf *out, td_err *err)
{
    const char *path = of->request->dialect->binary;
    td_bytes text = {0};
    const int is_there = path != NULL && of->request->has_root &&
                         dialect_text_scalar(of->request->root, path, &text);
    const int is_binary = is_there && (td_bytes_is(text, "true") || td_bytes_is(text, "True"));
    return put_text(out, td_bytes_str(is_binary ? "true" : "false"), err);
}

static td_result put_trace(const answer_job *of, td_buf *out, td_err *err)
{
    const td_bytes frame = of->request->frame;
    return td_buf_printf(out, err, "\"%016" PRIx64 "%016" PRIx64 "\"",
                         td_xxh64(frame.data, frame.size), of->reply->now_ms);
}

static td_result answer_value(void *user, unsigned id, const char *suffix, td_buf *out,
                              int *is_there, td_err *err)
{
    const answer_job *of = user;
    const dialect_request *request = of->request;
    const dialect_reply *reply = of->reply;
    const char *code = refusal_of(request->dialect, reply)->code;
    switch ((answer_value_id)id) {
    case REPLY_SUCCESS:
        return put_bool(out, !has_failed(of), err);
    case REPLY_REASON:
        return put_reason(of, out, err);
    case REPLY_CODE:
        return put_raw(out, td_bytes_str(code == NULL ? "0" : code), err);
    case REPLY_CONN_ID:
        return put_text(out, td_bytes_str(reply->conn_id), err);
    case REPLY_ID:
        *is_there = request->has_id;
        return put_text(out, request->id, err);
    case REPLY_ID_RAW:
        *is_there = request->has_id;
        return put_raw(out, *is_there ? request->id_raw : td_bytes_str("null"), err);
    case REPLY_OP:
        return put_text(out, word_of(request->dialect, request->kind), err);
    case REPLY_ARGS:
        return request->args == NULL ? put_raw(out, td_bytes_str("null"), err)
                                     : put_args(of, FATE_ANY, out, is_there, err);
    case REPLY_TOPIC:
        *is_there = request->arg_count > 0;
        return put_arg(request, out, err);
    case REPLY_NAME:
        return put_half(request, HALF_NAME, out, is_there, err);
    case REPLY_SYMBOL:
        return put_half(request, HALF_SYMBOL, out, is_there, err);
    case REPLY_GRANTED:
        return put_args(of, FATE_GRANTED, out, is_there, err);
    case REPLY_FAILED:
        return put_args(of, FATE_FAILED, out, is_there, err);
    case REPLY_SYMBOLS:
        return put_text(out, request->symbols, err);
    case REPLY_BINARY:
        return put_binary(of, out, err);
    case REPLY_NOW:
        return put_number(out, reply->now_ms, err);
    case REPLY_NOW_TEXT:
        return put_number_text(out, reply->now_ms, err);
    case REPLY_NOW_US:
        return put_number(out, reply->now_ms * 1000, err);
    case REPLY_NOW_ISO:
        return put_time(reply->now_ms, out, err);
    case REPLY_ORDER_ID:
        *is_there = reply->order_id.size > 0;
        return put_text(out, reply->order_id, err);
    case REPLY_ORDER_LINK_ID:
        *is_there = reply->order_id.size > 0;
        return put_text(out, reply->order_link_id, err);
    case REPLY_TRACE:
        return put_trace(of, out, err);
    case REPLY_HELD:
        return put_raw(out, reply->held.size == 0 ? td_bytes_str("{}") : reply->held, err);
    case REPLY_RECORDED:
        *is_there = reply->recorded_text != NULL && reply->refused == REFUSAL_NONE;
        return put_raw(out, td_bytes_str(*is_there ? reply->recorded_text : ""), err);
    case REPLY_MEMBER:
        return put_member(of, suffix, out, is_there, err);
    case REPLY_MEMBER_RAW:
        return put_member_raw(of, suffix, out, is_there, err);
    case REPLY_VALUE_COUNT:
        break;
    }
    TD_ASSERT(0); /* names are checked when the document is read */
    return TD_OK;
}

/* ---- answers ---- */

int dialect_answers(const dialect *spoken, request_kind kind)
{
    for (size_t i = 0; i < spoken->answer_count; i++) {
        const answer_text *row = &spoken->answers[i];
        if ((row->kinds & 1U << kind) != 0 && (row->conditions & ANSWER_IF_REFUSED) == 0 &&
            row->refused == REFUSAL_NONE && row->text != NULL)
            return 1;
    }
    return 0;
}

static int answer_fits(const answer_text *row, const dialect_request *request,
                       const dialect_reply *reply)
{
    const int is_refused = reply->refused != REFUSAL_NONE;
    const int names_topics = request->arg_count > 0 && request->kind != REQUEST_UNKNOWN;
    json_value value;
    if ((row->kinds & 1U << request->kind) == 0 ||
        ((row->conditions & ANSWER_IF_GRANTED) != 0 && is_refused) ||
        ((row->conditions & ANSWER_IF_REFUSED) != 0 && !is_refused) ||
        ((row->conditions & ANSWER_IF_SECOND_FORM) != 0 && !request->is_second_form) ||
        ((row->conditions & ANSWER_IF_NO_TOPIC) != 0 && names_topics) ||
        ((row->conditions & ANSWER_IF_RECORDED) != 0 &&
         (is_refused || reply->recorded_text == NULL)) ||
        (row->refused != REFUSAL_NONE && row->refused != reply->refused))
        return 0;
    return row->has == NULL ||
           (request->has_root && json_find_path(request->root, row->has, &value));
}

/* Append text, but escape the characters that are special in HTML, as the exchange does: "args size
 * \u003e10" (docs/wire.md 1.3). In JSON these characters occur only inside strings. */
static td_result append_for_html(td_buf *out, td_bytes text, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < text.size && rc == TD_OK; i++) {
        uint8_t c = text.data[i];
        if (c == '<' || c == '>' || c == '&')
            rc = td_buf_printf(out, err, "\\u%04x", c);
        else
            rc = td_buf_append(out, &c, 1, err);
    }
    return rc;
}

td_result dialect_build_answer(td_buf *out, const dialect_request *request,
                               const dialect_reply *reply, td_err *err)
{
    const dialect *spoken = request->dialect;
    answer_job of = {request, reply};
    const template_source source = {.user = &of, .put = answer_value};
    size_t i = 0;
    TD_ASSERT(reply->conn_id != NULL);
    TD_ASSERT(request->args != NULL || request->arg_count == 0);
    while (i < spoken->answer_count && !answer_fits(&spoken->answers[i], request, reply))
        i++;
    if (i == spoken->answer_count || spoken->answers[i].text == NULL)
        return TD_OK;
    const template *const answer = spoken->answers[i].text;
    if (!spoken->escapes_for_html)
        return template_render(answer, &source, out, NULL, err);
    td_buf text;
    td_buf_init(&text, out->size_max);
    td_result rc = template_render(answer, &source, &text, NULL, err);
    if (rc == TD_OK)
        rc = append_for_html(out, td_buf_view(&text), err);
    td_buf_fini(&text);
    return rc;
}

void dialect_build_with_id(const dialect *spoken, td_buf *out, json_parser *json, td_bytes recorded,
                           td_bytes id_raw)
{
    json_value root;
    json_value id;
    td_err err;
    td_bytes given = id_raw.size == 0 ? td_bytes_str("\"\"") : id_raw;
    if (json_parse(json, recorded, JSON_COPIED, &root, &err) != TD_OK ||
        !json_find(root, spoken->order_id, &id) ||
        td_buf_reserve(out, recorded.size + given.size, &err) != TD_OK) {
        td_buf_add(out, recorded.data, recorded.size);
        return;
    }
    size_t after = json_offset(id) + json_raw(id).size;
    td_buf_add(out, recorded.data, json_offset(id));
    td_buf_add(out, given.data, given.size);
    td_buf_add(out, recorded.data + after, recorded.size - after);
}

int dialect_has_value(const dialect *spoken, td_bytes topic)
{
    return spoken->parts == NULL || topic_parts_is_possible(spoken->parts, topic);
}

int dialect_is_possible(const dialect *spoken, td_bytes topic)
{
    const int is_list =
        spoken->parts != NULL && topic.size > 0 && memchr(topic.data, ',', topic.size) != NULL;
    return !is_list && dialect_has_value(spoken, topic);
}
