#include "tape/subscription_state.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"

/* A request without an answer for so long counts as answered: none will come. */
#define ANSWER_NS_MAX (30 * TD_NS_PER_S)

void subscription_states_fini(subscription_states *s)
{
    for (size_t i = 0; i < s->count; i++) {
        td_free(s->slots[i]->feed);
        td_free(s->slots[i]);
    }
    td_free(s->slots);
    dialect_parser_close(s->parser);
    *s = (subscription_states){0};
}

static td_result slot_add(subscription_states *s, const channel_info *info,
                          subscription_state **out, td_err *err)
{
    subscription_state **slots = td_array_grow(s->slots, s->count, sizeof(subscription_state *));
    if (slots != NULL)
        s->slots = slots;
    subscription_state *made = slots == NULL ? NULL : td_alloc_zero(1, sizeof *made);
    if (made != NULL)
        made->feed = td_strdup(info->feed);
    if (made == NULL || made->feed == NULL) {
        td_free(made);
        return td_err_set(err, TD_E_NOMEM, "no memory for the connections of feed %s", info->feed);
    }
    made->line = info->line;
    made->shard = info->shard;
    s->slots[s->count++] = made;
    *out = made;
    return TD_OK;
}

td_result subscription_states_get(subscription_states *s, const channel_info *info,
                                  subscription_state **out, td_err *err)
{
    for (size_t i = 0; i < s->count; i++) {
        subscription_state *slot = s->slots[i];
        if (slot->line != info->line || slot->shard != info->shard ||
            strcmp(slot->feed, info->feed) != 0)
            continue;
        *out = slot;
        return TD_OK;
    }
    return slot_add(s, info, out, err);
}

/* A new connection has no requests yet. */
static void enter(subscription_state *slot, uint32_t session, uint32_t conn)
{
    if (slot->session == session && slot->conn == conn)
        return;
    slot->session = session;
    slot->conn = conn;
    slot->open_requests = 0;
    slot->request_ns = 0;
    slot->answer_ns = 0;
}

static int is_for_topics(request_kind kind)
{
    return kind == REQUEST_SUBSCRIBE || kind == REQUEST_UNSUBSCRIBE ||
           kind == REQUEST_UNSUBSCRIBE_ALL;
}

td_result subscription_sent(subscription_states *s, subscription_state *slot, const dialect *spoken,
                            uint32_t session, uint32_t conn, uint64_t recv_ns, td_bytes frame,
                            td_err *err)
{
    TD_ASSERT(recv_ns > ANSWERED_UNKNOWN);
    enter(slot, session, conn);
    dialect_request request = {.kind = REQUEST_UNKNOWN};
    td_err why;
    td_result rc = s->parser == NULL ? dialect_parser_open(&s->parser, &why) : TD_OK;
    if (rc == TD_OK)
        rc = request_parse(s->parser, spoken, frame, &request, &why);
    if (rc == TD_E_NOMEM)
        return td_err_set(err, rc, "%s", why.text);
    /* One that cannot be read to its end is answered as well: it is refused. */
    if (!is_for_topics(request.kind))
        return TD_OK;
    slot->open_requests++;
    slot->request_ns = recv_ns;
    return TD_OK;
}

void subscription_answered(subscription_state *slot, uint32_t session, uint32_t conn,
                           uint64_t recv_ns)
{
    TD_ASSERT(recv_ns > ANSWERED_UNKNOWN);
    enter(slot, session, conn);
    /* A request may have several answers; its topics are complete from the last one on. */
    if (slot->open_requests > 0)
        slot->open_requests--;
    slot->answer_ns = recv_ns;
}

uint64_t subscription_answered_ns(const subscription_state *slot, uint32_t session, uint32_t conn,
                                  uint64_t recv_ns)
{
    if (slot->session != session || slot->conn != conn || slot->request_ns == 0)
        return ANSWERED_UNKNOWN;
    if (slot->open_requests == 0) {
        TD_ASSERT(slot->answer_ns != 0);
        return slot->answer_ns;
    }
    uint64_t latest = slot->request_ns + ANSWER_NS_MAX;
    return recv_ns > latest ? latest : ANSWERED_NOT_YET;
}
