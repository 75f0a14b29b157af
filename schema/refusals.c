#include "schema/refusals.h"

#include <string.h>

#include "base/assert.h"

static refusal judge_topic(const dialect *spoken, request_kind kind, topic_standing standing)
{
    if (!standing.is_known)
        return standing.is_symbol_unknown && spoken->names_symbols ? REFUSAL_UNKNOWN_SYMBOL
                                                                   : REFUSAL_UNKNOWN_TOPIC;
    if (standing.needs_auth)
        return REFUSAL_NEEDS_AUTH;
    if (kind == REQUEST_SUBSCRIBE && standing.is_held && spoken->refuses_repeats)
        return REFUSAL_REPEATED;
    return REFUSAL_NONE;
}

/* The first topic that is refused refuses the whole request. */
static void judge_whole(const dialect *spoken, const dialect_request *request, topic_look *look,
                        void *user, dialect_reply *reply)
{
    for (size_t i = 0; i < request->arg_count && reply->refused == REFUSAL_NONE; i++) {
        reply->topic = request->args[i];
        reply->refused = judge_topic(spoken, request->kind, look(user, request->args[i]));
    }
}

static td_result judge_each(const dialect *spoken, const dialect_request *request, topic_look *look,
                            void *user, td_buf *failed, dialect_reply *reply, td_err *err)
{
    td_buf_clear(failed);
    td_result rc = td_buf_reserve(failed, request->arg_count, err);
    if (rc != TD_OK)
        return rc;
    for (size_t i = 0; i < request->arg_count; i++)
        failed->data[i] =
            judge_topic(spoken, request->kind, look(user, request->args[i])) != REFUSAL_NONE;
    reply->is_failed = failed->data;
    return TD_OK;
}

static td_result judge_topics(const dialect *spoken, const dialect_request *request,
                              topic_look *look, void *user, td_buf *failed, dialect_reply *reply,
                              td_err *err)
{
    size_t most = spoken->request_topics_max;
    if (request->arg_count == 0)
        reply->refused = REFUSAL_INVALID_ARGS;
    else if (most > 0 && request->arg_count > most)
        reply->refused = REFUSAL_TOO_MANY;
    else if (spoken->answers_topics)
        return judge_each(spoken, request, look, user, failed, reply, err);
    else
        judge_whole(spoken, request, look, user, reply);
    return TD_OK;
}

td_result refusals_judge(const dialect *spoken, const dialect_request *request, td_result parsed,
                         topic_look *look, void *user, td_buf *failed, dialect_reply *reply,
                         td_err *err)
{
    TD_ASSERT(parsed == TD_OK || parsed == TD_E_INVALID);
    TD_ASSERT(reply->refused == REFUSAL_NONE);
    if (request->kind == REQUEST_UNKNOWN)
        reply->refused = REFUSAL_INVALID_OP;
    else if (parsed != TD_OK)
        reply->refused = REFUSAL_INVALID_ARGS;
    else if (request->kind == REQUEST_SUBSCRIBE || request->kind == REQUEST_UNSUBSCRIBE)
        return judge_topics(spoken, request, look, user, failed, reply, err);
    return TD_OK;
}
