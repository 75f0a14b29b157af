#include "schema/responder.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/json/json_write.h"
#include "schema/exchange.h"

/* Limit of an answer, which may echo a request of 2 MiB, with escapes. */
enum { ANSWER_BYTES_MAX = 4 << 20 };

struct responder {
    const char *secret;
    dialect_parser *parser;
    td_buf answer;
    td_buf refused; /* for each topic of a request: its refusal */
    td_buf held;    /* dialect_reply.held */
};

responder *responder_open(const char *secret)
{
    responder *r = td_alloc_zero(1, sizeof *r);
    r->secret = secret;
    td_buf_init(&r->answer, ANSWER_BYTES_MAX);
    td_buf_init(&r->refused, DIALECT_ARGS_MAX);
    td_buf_init(&r->held, ANSWER_BYTES_MAX);
    r->parser = dialect_parser_open();
    return r;
}

void responder_close(responder *r)
{
    if (r == NULL)
        return;
    dialect_parser_close(r->parser);
    td_buf_fini(&r->answer);
    td_buf_fini(&r->refused);
    td_buf_fini(&r->held);
    td_free(r);
}

/* ---- checking a request ---- */

static refusal check_topic(const responder_client *client, request_kind kind, td_bytes topic,
                           const char **recorded_text)
{
    const dialect *spoken = client->dialect;
    topic_standing standing = client->ops->standing(client->user, topic);
    *recorded_text = standing.recorded_text;
    if (!standing.is_known && spoken->grants_unknown && standing.recorded_text == NULL)
        return REFUSAL_NONE;
    if (!standing.is_known && !dialect_has_value(spoken, topic))
        return REFUSAL_UNKNOWN_PARAMETER;
    if (!standing.is_known)
        return standing.is_symbol_unknown && spoken->names_symbols ? REFUSAL_UNKNOWN_SYMBOL
                                                                   : REFUSAL_UNKNOWN_TOPIC;
    const int is_repeat = kind == REQUEST_SUBSCRIBE && standing.is_held && spoken->refuses_repeats;
    if (standing.needs_auth || is_repeat)
        *recorded_text = NULL;
    return standing.needs_auth ? REFUSAL_NEEDS_AUTH : is_repeat ? REFUSAL_REPEATED : REFUSAL_NONE;
}

/* Check the topics of a request. If the dialect does not answer topic by topic, the first refused
 * one refuses the whole request. */
static td_result check_topics(responder *r, const responder_client *client,
                              const dialect_request *request, dialect_reply *reply, td_err *err)
{
    const dialect *spoken = client->dialect;
    if (request->arg_count == 0) {
        reply->refused = REFUSAL_INVALID_ARGS;
        return TD_OK;
    }
    if (client->ops->prepare != NULL)
        client->ops->prepare(client->user, request);
    if (spoken->request_topics_max > 0 && request->arg_count > spoken->request_topics_max) {
        reply->refused = REFUSAL_TOO_MANY;
        return TD_OK;
    }
    td_buf_clear(&r->refused);
    td_result rc = td_buf_reserve(&r->refused, request->arg_count, err);
    if (rc != TD_OK)
        return rc;
    reply->arg_refusals = r->refused.data;
    for (size_t i = 0; i < request->arg_count && reply->refused == REFUSAL_NONE; i++) {
        const refusal why =
            check_topic(client, request->kind, request->args[i], &reply->recorded_text);
        r->refused.data[i] = (uint8_t)why;
        if (spoken->answers_topics)
            continue;
        reply->topic = request->args[i];
        reply->refused = why;
    }
    return TD_OK;
}

/* Check a request. parsed is the result of request_parse(): TD_OK or TD_E_INVALID. */
static td_result check_request(responder *r, const responder_client *client,
                               const dialect_request *request, td_result parsed,
                               dialect_reply *reply, td_err *err)
{
    TD_ASSERT(parsed == TD_OK || parsed == TD_E_INVALID);
    TD_ASSERT(reply->refused == REFUSAL_NONE);
    if (request->kind == REQUEST_UNKNOWN && !request->has_root)
        reply->refused = REFUSAL_INVALID_JSON;
    else if (request->kind == REQUEST_UNKNOWN || request->kind == REQUEST_ORDER)
        reply->refused = REFUSAL_INVALID_OP;
    else if (parsed != TD_OK && (request->kind != REQUEST_AUTH || client->dialect->signed_text))
        reply->refused = REFUSAL_INVALID_ARGS;
    else if (request->kind == REQUEST_SUBSCRIBE || request->kind == REQUEST_UNSUBSCRIBE)
        return check_topics(r, client, request, reply, err);
    else if (request->kind == REQUEST_AUTH)
        reply->refused = dialect_check_auth(request, r->secret, reply->now_ms);
    return TD_OK;
}

/* ---- performing a request ---- */

/* Subscribe to the topics of a request, or unsubscribe, but for those that were refused. */
static void perform(responder *r, const responder_client *client, const dialect_request *request,
                    dialect_reply *reply)
{
    const responder_ops *ops = client->ops;
    if (request->kind > REQUEST_UNSUBSCRIBE_ALL)
        return; /* not about topics */
    if (request->kind == REQUEST_UNSUBSCRIBE_ALL)
        ops->unsubscribe_all(client->user);
    for (size_t i = 0; i < request->arg_count; i++) {
        const td_bytes topic = request->args[i];
        if (r->refused.data[i] ||
            (client->dialect->grants_unknown && !ops->standing(client->user, topic).is_known))
            continue; /* refused, or there is nothing to send */
        if (request->kind == REQUEST_UNSUBSCRIBE) {
            ops->unsubscribe(client->user, topic);
        } else if (!ops->subscribe(client->user, topic)) {
            reply->topic = topic;
            r->refused.data[i] = REFUSAL_TOO_MANY;
            if (!client->dialect->answers_topics)
                reply->refused = REFUSAL_TOO_MANY;
        }
    }
    if (reply->refused == REFUSAL_NONE)
        ops->changed(client->user, request->kind);
}

/* ---- the topics that a client has, for exchanges whose answers list them ---- */

static td_bytes name_of(const char *topic)
{
    const char *dot = strrchr(topic, '.');
    return td_bytes_of(topic, dot == NULL ? strlen(topic) : (size_t)(dot - topic));
}

/* By name, then by symbol. */
static int compare_topics(const void *a, const void *b)
{
    const char *const *one = a, *const *other = b;
    const int order = td_bytes_compare(name_of(*one), name_of(*other));
    return order != 0 ? order : strcmp(*one, *other);
}

/* Write sorted topics as {NAME:[SYMBOL, ...], ...}. */
static td_result write_held(const char *const *topics, size_t count, td_buf *out, td_err *err)
{
    json_writer json;
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    for (size_t i = 0; i < count; i++) {
        const td_bytes name = name_of(topics[i]);
        const int is_new = i == 0 || !td_bytes_equal(name, name_of(topics[i - 1]));
        if (is_new && i > 0)
            json_write_array_end(&json);
        if (is_new) {
            json_write_key_bytes(&json, name);
            json_write_array_begin(&json);
        }
        json_write_text(&json, topics[i] + name.size + (topics[i][name.size] == '.'));
    }
    if (count > 0)
        json_write_array_end(&json);
    json_write_object_end(&json);
    return json_write_end(&json, err);
}

static td_result list_held(responder *r, const responder_client *client, dialect_reply *reply,
                           td_err *err)
{
    const char **topics = NULL;
    const char *topic;
    size_t count = 0, next = 0;
    if (!client->dialect->exchange->answers.list_all)
        return TD_OK;
    while ((topic = client->ops->next_held(client->user, &next)) != NULL) {
        topics = td_array_grow(topics, count, sizeof *topics);
        topics[count++] = topic;
    }
    if (count > 0)
        qsort(topics, count, sizeof *topics, compare_topics);
    td_buf_clear(&r->held);
    td_result rc = write_held(topics, count, &r->held, err);
    td_free(topics);
    reply->held = td_buf_view(&r->held);
    return rc;
}

/* ---- answers ---- */

static td_result answer(responder *r, const responder_client *client,
                        const dialect_request *request, const dialect_reply *reply, td_err *err)
{
    td_buf_clear(&r->answer);
    td_result rc = dialect_build_answer(&r->answer, request, reply, err);
    if (rc == TD_OK && r->answer.size > 0) /* the exchange does not answer some requests */
        client->ops->send(client->user, td_buf_view(&r->answer));
    return rc;
}

/* Send the answer, or, if the dialect answers each topic, an answer for each as if it were the only
 * one. */
static td_result answer_topics(responder *r, const responder_client *client,
                               const dialect_request *request, const dialect_reply *reply,
                               td_err *err)
{
    td_result rc = TD_OK;
    if (!client->dialect->answers_each || reply->arg_refusals == NULL)
        return answer(r, client, request, reply, err);
    for (size_t i = 0; i < request->arg_count && rc == TD_OK; i++) {
        const topic_standing standing = client->ops->standing(client->user, request->args[i]);
        dialect_request one = *request;
        dialect_reply its = *reply;
        one.args = &request->args[i];
        one.arg_count = 1;
        its.topic = one.args[0];
        its.refused = (refusal)reply->arg_refusals[i];
        its.arg_refusals = NULL;
        its.recorded_text =
            standing.is_known != (its.refused != REFUSAL_NONE) ? standing.recorded_text : NULL;
        rc = answer(r, client, &one, &its, err);
    }
    return rc;
}

td_result responder_begin(responder *r, const responder_client *client, td_bytes names,
                          td_bytes query, td_err *err)
{
    dialect_request request;
    const responder_ops *ops = client->ops;
    td_result rc = request_of_url(r->parser, client->dialect, names, query, &request, err);
    if (rc != TD_OK || request.arg_count == 0)
        return rc;
    if (ops->prepare != NULL)
        ops->prepare(client->user, &request);
    for (size_t i = 0; i < request.arg_count; i++) {
        const topic_standing standing = ops->standing(client->user, request.args[i]);
        if (standing.is_known && !standing.needs_auth)
            (void)ops->subscribe(client->user, request.args[i]); /* no answer could refuse it */
    }
    ops->changed(client->user, REQUEST_SUBSCRIBE);
    return TD_OK;
}

td_result responder_answer(responder *r, const responder_client *client, td_bytes frame,
                           uint64_t now_ms, td_err *err)
{
    dialect_request request;
    dialect_reply reply = {.conn_id = client->conn_id, .now_ms = now_ms};
    td_result rc = request_parse(r->parser, client->dialect, frame, &request, err);
    if (rc == TD_OK && request.kind == REQUEST_ORDER && client->ops->order != NULL &&
        client->ops->order(client->user, &request))
        return TD_OK;
    if (rc == TD_OK || rc == TD_E_INVALID)
        rc = check_request(r, client, &request, rc, &reply, err);
    if (rc != TD_OK)
        return rc;
    if (reply.refused == REFUSAL_NONE)
        perform(r, client, &request, &reply);
    rc = list_held(r, client, &reply, err);
    if (rc == TD_OK)
        rc = answer_topics(r, client, &request, &reply, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "answer");
    const int is_heartbeat = request.kind == REQUEST_PING || request.kind == REQUEST_HEARTBEATS ||
                             request.kind == REQUEST_NO_HEARTBEATS;
    if (is_heartbeat && reply.refused == REFUSAL_NONE && client->ops->heartbeats != NULL)
        client->ops->heartbeats(client->user, &request);
    if (request.kind == REQUEST_AUTH && reply.refused == REFUSAL_NONE)
        client->ops->authenticated(client->user);
    return TD_OK;
}
