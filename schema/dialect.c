#include "schema/dialect.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

/* DIALECT_TEXT_BYTES_MAX: larger requests and answers are not parsed. Real requests have kilobytes;
 * an answer may echo a request. ARGS_AT_FIRST: initial capacity of the list of topics. */
enum { DIALECT_TEXT_BYTES_MAX = 2 << 20, ARGS_AT_FIRST = 64 };

/* Bytes for composed topics: each consists of a topic's stem and a part of the request. */
enum { TEXTS_BYTES_MAX = DIALECT_TEXT_BYTES_MAX + DIALECT_ARGS_MAX * (LIMIT_TOPIC_BYTES + 2) };

/* ---- memory for readers ---- */

td_result dialect_text_reserve(dialect_text *text, size_t count, td_err *err)
{
    if (count > DIALECT_ARGS_MAX)
        return td_err_set(err, TD_E_LIMIT, "%zu args: at most %d are read", count,
                          DIALECT_ARGS_MAX);
    size_t last = count < ARGS_AT_FIRST ? ARGS_AT_FIRST - 1 : count - 1;
    text->args = td_array_reach(text->args, &text->arg_capacity, last, sizeof *text->args);
    return TD_OK;
}

td_result dialect_text_list(dialect_text *text, json_value list, size_t *count, td_err *err)
{
    if (json_type_of(list) != JSON_ARRAY)
        return td_err_set(err, TD_E_INVALID, "topics are not a list");
    json_value element;
    for (json_iter it = json_iter_of(list); json_next(&it, NULL, &element);) {
        td_bytes item;
        if (!json_text(element, &item))
            item = json_raw(element); /* a number or a boolean: some clients send auth's expires as
                                         a number, others as a string */
        TD_ASSERT(*count < text->arg_capacity);
        text->args[(*count)++] = item;
    }
    return TD_OK;
}

/* Reads any scalar as text, because exchanges write the same member as a string or as a number or
 * boolean (docs/wire.md 5.5). */
int dialect_text_scalar(json_value object, const char *key, td_bytes *out)
{
    json_value value;
    if (!json_find(object, key, &value))
        return 0;
    json_type type = json_type_of(value);
    if (type == JSON_NUMBER || type == JSON_BOOL) {
        *out = json_raw(value);
        return 1;
    }
    return type == JSON_STRING && json_text(value, out);
}

/* ---- parsers ---- */

struct dialect_parser {
    dialect_text text;
};

dialect_parser *dialect_parser_open(void)
{
    dialect_parser *parser = td_alloc_zero(1, sizeof *parser);
    td_buf_init(&parser->text.texts, TEXTS_BYTES_MAX);
    parser->text.json = json_parser_open(DIALECT_TEXT_BYTES_MAX);
    return parser;
}

void dialect_parser_close(dialect_parser *parser)
{
    if (parser == NULL)
        return;
    json_parser_close(parser->text.json);
    td_buf_fini(&parser->text.texts);
    td_free(parser->text.args);
    td_free(parser);
}

td_result request_parse(dialect_parser *parser, const dialect *spoken, td_bytes frame,
                        dialect_request *out, td_err *err)
{
    *out = (dialect_request){.kind = REQUEST_UNKNOWN, .frame = frame, .dialect = spoken};
    td_buf_clear(&parser->text.texts);
    json_value root;
    td_result rc = json_parse(parser->text.json, frame, JSON_COPIED, &root, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "request");
    if (json_type_of(root) != JSON_OBJECT)
        return td_err_set(err, TD_E_INVALID, "request: no JSON object");
    TD_ASSERT(parser->text.texts.size == 0);
    rc = spoken->read_request(&parser->text, root, out, err);
    TD_ASSERT(out->arg_count <= parser->text.arg_capacity);
    if (rc == TD_OK)
        return TD_OK;
    out->args = NULL; /* discard an incomplete list */
    out->arg_count = 0;
    return td_err_add(err, rc, "request");
}

td_result answer_parse(dialect_parser *parser, const dialect *spoken, td_bytes frame,
                       dialect_answer *out, td_err *err)
{
    const dialect_answer nothing = {.kind = ANSWER_NONE, .of = REQUEST_UNKNOWN, .success = -1};
    *out = nothing;
    td_buf_clear(&parser->text.texts);
    json_value root;
    td_result rc = json_parse(parser->text.json, frame, JSON_COPIED, &root, err);
    if (rc == TD_E_INVALID || (rc == TD_OK && json_type_of(root) != JSON_OBJECT))
        return TD_OK;
    if (rc == TD_OK)
        rc = spoken->read_answer(&parser->text, root, out, err);
    TD_ASSERT(rc != TD_OK || (out->success >= -1 && out->success <= 1));
    if (rc == TD_OK && out->kind != ANSWER_NONE)
        return TD_OK;
    *out = nothing; /* not an answer; an id that was read belongs to a data frame */
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "answer");
}

static int list_names(const td_bytes *list, size_t count, td_bytes topic)
{
    for (size_t i = 0; i < count; i++) {
        if (td_bytes_equal(list[i], topic))
            return 1;
    }
    return 0;
}

int dialect_answer_names(const dialect_answer *answer, const char *topic)
{
    td_bytes text = td_bytes_str(topic);
    return list_names(answer->granted, answer->granted_count, text) ||
           list_names(answer->failed, answer->failed_count, text);
}

int dialect_answer_grants(const dialect_answer *answer, const char *topic)
{
    td_bytes text = td_bytes_str(topic);
    if (list_names(answer->failed, answer->failed_count, text))
        return 0;
    if (list_names(answer->granted, answer->granted_count, text))
        return 1;
    return answer->success == 1;
}

int dialect_answer_withdraws(const dialect_answer *answer, const char *topic)
{
    int is_for_all =
        answer->granted_count + answer->failed_count == 0 && answer->reason_topic.size == 0;
    int is_named = is_for_all || dialect_answer_names(answer, topic);
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

int dialect_answer_fits(const dialect_answer *answer, const dialect_ask *ask)
{
    TD_ASSERT(ask->count > 0);
    TD_ASSERT(ask->kind == REQUEST_SUBSCRIBE || ask->kind == REQUEST_UNSUBSCRIBE);
    if (answer->kind != ANSWER_TOPICS)
        return 0;
    if (answer->of != REQUEST_UNKNOWN && answer->of != ask->kind)
        return 0;
    if (answer->id.size > 0 && ask->id != NULL)
        return td_bytes_is(answer->id, ask->id);
    return has_topics(ask, answer->granted, answer->granted_count) &&
           has_topics(ask, answer->failed, answer->failed_count);
}

/* ---- topics, heartbeats, credentials, names ---- */

int dialect_covers_same(td_bytes subscription, td_bytes exchange_topic)
{
    return subscription.size > 0 && td_bytes_equal(subscription, exchange_topic);
}

td_result dialect_heartbeat(td_buf *out, const char *text, uint64_t now_ms, td_err *err)
{
    td_result rc = TD_OK;
    for (const char *mark; rc == TD_OK && (mark = strchr(text, '%')) != NULL; text = mark + 1)
        rc = td_buf_printf(out, err, "%.*s%" PRIu64, (int)(mark - text), text, now_ms);
    return rc == TD_OK ? td_buf_append(out, text, strlen(text), err) : rc;
}

refusal dialect_check_query(const dialect *spoken, td_bytes query, const char *secret,
                            uint64_t now_ms, int *is_there)
{
    *is_there = 0;
    if (spoken->check_query == NULL)
        return REFUSAL_NONE;
    return spoken->check_query(query, secret, now_ms, is_there);
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
