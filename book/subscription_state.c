#include "book/subscription_state.h"

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

subscription_state *subscription_states_get(subscription_states *s, const channel_info *info)
{
    for (size_t i = 0; i < s->count; i++) {
        subscription_state *slot = s->slots[i];
        if (slot->line == info->line && slot->shard == info->shard &&
            strcmp(slot->feed, info->feed) == 0)
            return slot;
    }
    s->slots = td_array_grow(s->slots, s->count, sizeof(subscription_state *));
    subscription_state *made = td_alloc_zero(1, sizeof *made);
    made->feed = td_strdup(info->feed);
    made->line = info->line;
    made->shard = info->shard;
    s->slots[s->count++] = made;
    return made;
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

void subscription_sent(subscription_states *s, subscription_state *slot, const dialect *spoken,
                       uint32_t session, uint32_t conn, uint64_t recv_ns, td_bytes frame)
{
    TD_ASSERT(recv_ns > ANSWERED_UNKNOWN);
    enter(slot, session, conn);
    dialect_request request = {.kind = REQUEST_UNKNOWN};
    if (s->parser == NULL)
        s->parser = dialect_parser_open();
    td_result rc = request_parse(s->parser, spoken, frame, &request, NULL);
    (void)rc; /* one that cannot be read to its end is answered as well: it is refused */
    if (!is_for_topics(request.kind))
        return;
    slot->open_requests++;
    slot->request_ns = recv_ns;
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
