#include "play/subscribed.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/event.h"
#include "schema/dialect.h"

enum {
    REQUEST_ID_BYTES = 64,
    /* Requests of a connection that wait for their answer: clients of ours have 64 at most. */
    REQUESTS_MAX = 1024,
};

typedef enum topic_state { TOPIC_ASKED, TOPIC_GRANTED, TOPIC_LEFT } topic_state;

typedef struct asked_topic {
    char *name;
    uint32_t request; /* the last one for it */
    topic_state state;
} asked_topic;

typedef struct open_request {
    uint32_t number;
    char id[REQUEST_ID_BYTES]; /* "" without one */
} open_request;

/* A slot of a feed in a session, and what its present connection is subscribed to. */
typedef struct slot_topics {
    char *feed;
    const dialect *spoken;
    uint32_t session, line, shard;
    uint32_t conn;
    uint8_t is_ended;
    uint8_t has_all; /* authenticating brought everything */
    asked_topic *topics;
    size_t topic_count;
    open_request *requests; /* oldest first */
    size_t request_count;
    uint32_t request_number;
} slot_topics;

struct subscribed {
    slot_topics *slots;
    size_t count;
    dialect_parser *requests;
    dialect_parser *answers;
};

subscribed *subscribed_open(void)
{
    subscribed *s = td_alloc_zero(1, sizeof *s);
    s->requests = dialect_parser_open();
    s->answers = dialect_parser_open();
    return s;
}

static void forget_topics(slot_topics *slot)
{
    for (size_t i = 0; i < slot->topic_count; i++)
        td_free(slot->topics[i].name);
    slot->topic_count = 0;
    slot->request_count = 0;
    slot->has_all = 0;
}

void subscribed_close(subscribed *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++) {
        forget_topics(&s->slots[i]);
        td_free(s->slots[i].topics);
        td_free(s->slots[i].requests);
        td_free(s->slots[i].feed);
    }
    td_free(s->slots);
    dialect_parser_close(s->requests);
    dialect_parser_close(s->answers);
    td_free(s);
}

/* ---- connections ---- */

static slot_topics *find_slot(const subscribed *s, const frame_ref *frame, uint32_t line,
                              uint32_t shard)
{
    for (size_t i = 0; i < s->count; i++) {
        slot_topics *slot = &s->slots[i];
        if (slot->session == frame->conn->session && slot->line == line && slot->shard == shard &&
            strcmp(slot->feed, frame->channel->info.feed) == 0)
            return slot;
    }
    return NULL;
}

/* The slot that a frame came over, with the frame's connection; a new one has no topics yet. */
static slot_topics *enter(subscribed *s, const frame_ref *frame)
{
    const channel_info *info = &frame->channel->info;
    slot_topics *slot = find_slot(s, frame, info->line, info->shard);
    if (slot == NULL) {
        s->slots = td_array_grow(s->slots, s->count, sizeof *s->slots);
        slot = &s->slots[s->count++];
        *slot = (slot_topics){.feed = td_strdup(info->feed),
                              .spoken = frame->channel->family->dialect,
                              .session = frame->conn->session,
                              .line = info->line,
                              .shard = info->shard,
                              .conn = frame->conn->number};
    }
    if (slot->conn != frame->conn->number) {
        forget_topics(slot);
        slot->conn = frame->conn->number;
        slot->is_ended = 0;
    }
    return slot;
}

/* ---- topics ---- */

static asked_topic *find_topic(const slot_topics *slot, td_bytes name)
{
    for (size_t i = 0; i < slot->topic_count; i++) {
        if (td_bytes_is(name, slot->topics[i].name))
            return &slot->topics[i];
    }
    return NULL;
}

/* Set a topic's state; beyond the bound it stays unknown. */
static void put_topic(slot_topics *slot, td_bytes name, topic_state state)
{
    asked_topic *topic = find_topic(slot, name);
    if (topic == NULL) {
        if (slot->topic_count == DIALECT_ARGS_MAX)
            return;
        slot->topics = td_array_grow(slot->topics, slot->topic_count, sizeof *slot->topics);
        topic = &slot->topics[slot->topic_count++];
        *topic = (asked_topic){.name = td_strndup((const char *)name.data, name.size)};
    }
    /* A topic that is granted stays granted when it is requested again. */
    if (state != TOPIC_ASKED || topic->state != TOPIC_GRANTED)
        topic->state = state;
    topic->request = slot->request_number;
}

/* ---- requests and answers ---- */

static void note_request(slot_topics *slot, const dialect_request *request)
{
    if (slot->request_count == REQUESTS_MAX)
        return;
    if (slot->requests == NULL)
        slot->requests = td_alloc_zero(REQUESTS_MAX, sizeof *slot->requests);
    open_request *made = &slot->requests[slot->request_count++];
    *made = (open_request){.number = ++slot->request_number};
    if (request->id.size < sizeof made->id)
        (void)snprintf(made->id, sizeof made->id, "%.*s", (int)request->id.size,
                       (const char *)request->id.data);
    for (size_t i = 0; i < request->arg_count; i++)
        put_topic(slot, request->args[i], TOPIC_ASKED);
}

static void add_request(subscribed *s, slot_topics *slot, const frame_ref *frame)
{
    dialect_request request;
    if (request_parse(s->requests, slot->spoken, frame->bytes, &request, NULL) != TD_OK)
        return;
    if (request.kind == REQUEST_SUBSCRIBE)
        note_request(slot, &request);
    if (request.kind == REQUEST_UNSUBSCRIBE_ALL)
        forget_topics(slot);
    if (request.kind == REQUEST_UNSUBSCRIBE)
        for (size_t i = 0; i < request.arg_count; i++)
            put_topic(slot, request.args[i], TOPIC_LEFT);
}

/* The request that an answer is to: by its id, by a topic that it names, else the oldest. */
static size_t find_request(const slot_topics *slot, const dialect_answer *answer)
{
    const td_bytes *named = answer->granted_count > 0 ? answer->granted : answer->failed;
    const asked_topic *topic = NULL;
    if (answer->granted_count + answer->failed_count > 0) {
        TD_ASSERT(named != NULL);
        topic = find_topic(slot, named[0]);
    }
    for (size_t i = 0; i < slot->request_count; i++) {
        const open_request *request = &slot->requests[i];
        if (answer->id.size > 0 ? td_bytes_is(answer->id, request->id)
                                : topic == NULL || topic->request == request->number)
            return i;
    }
    return slot->request_count;
}

/* An answer may name some of the request's topics only: then more are to come. */
static void settle(slot_topics *slot, size_t at, const dialect_answer *answer)
{
    TD_ASSERT(at < slot->request_count);
    TD_ASSERT(slot->requests != NULL);
    uint32_t number = slot->requests[at].number;
    int names_any = answer->granted_count + answer->failed_count > 0;
    size_t left = 0;
    for (size_t i = 0; i < slot->topic_count; i++) {
        asked_topic *topic = &slot->topics[i];
        if (topic->request != number || topic->state != TOPIC_ASKED)
            continue;
        if (names_any && !dialect_answer_names(answer, topic->name))
            left++;
        else
            topic->state = dialect_answer_grants(answer, topic->name) ? TOPIC_GRANTED : TOPIC_LEFT;
    }
    if (left > 0)
        return;
    slot->request_count--;
    memmove(&slot->requests[at], &slot->requests[at + 1],
            (slot->request_count - at) * sizeof slot->requests[0]);
}

static void add_answer(slot_topics *slot, const dialect_answer *answer)
{
    if (answer->kind == ANSWER_AUTH && answer->success == 1)
        slot->has_all |= slot->spoken->subscribes_with_auth;
    if (answer->kind != ANSWER_TOPICS ||
        (answer->of != REQUEST_SUBSCRIBE && answer->of != REQUEST_UNKNOWN))
        return;
    size_t at = find_request(slot, answer);
    if (at == slot->request_count)
        return;
    settle(slot, at, answer);
}

static void add_control(subscribed *s, slot_topics *slot, const frame_ref *frame)
{
    dialect_answer answer;
    if (frame->channel->info.dir == CHANNEL_OUT)
        add_request(s, slot, frame);
    else if (answer_parse(s->answers, slot->spoken, frame->bytes, &answer, NULL) == TD_OK)
        add_answer(slot, &answer);
}

/* ---- frames ---- */

static void end_slot(slot_topics *slot)
{
    forget_topics(slot);
    slot->is_ended = 1;
}

/* A connection ends by its own event, or with its session. */
static void add_event(subscribed *s, const frame_ref *frame)
{
    const event *said = frame->event;
    if (said == NULL)
        return;
    if (said->kind == EVENT_DISCONNECT) {
        slot_topics *slot = find_slot(s, frame, said->line, said->shard);
        if (slot != NULL)
            end_slot(slot);
    }
    if (said->kind != EVENT_SESSION || said->state == NULL || strcmp(said->state, "stop") != 0)
        return;
    for (size_t i = 0; i < s->count; i++) {
        slot_topics *slot = &s->slots[i];
        if (slot->session == frame->conn->session &&
            strcmp(slot->feed, frame->channel->info.feed) == 0)
            end_slot(slot);
    }
}

void subscribed_add(subscribed *s, const frame_ref *frame)
{
    frame_role role = frame->channel->role;
    if (role == ROLE_EVENT)
        add_event(s, frame);
    if (role == ROLE_EVENT || role == ROLE_HTTP || frame->channel->family == NULL)
        return;
    slot_topics *slot = enter(s, frame);
    if (role == ROLE_CONTROL || role == ROLE_OUT)
        add_control(s, slot, frame);
    if (role == ROLE_DATA)
        put_topic(slot, td_bytes_str(frame->channel->info.exchange_topic), TOPIC_GRANTED);
}

int subscribed_has(const subscribed *s, const char *feed, const char *exchange_topic)
{
    td_bytes wanted = td_bytes_str(exchange_topic);
    for (size_t i = 0; i < s->count; i++) {
        const slot_topics *slot = &s->slots[i];
        if (slot->is_ended || strcmp(slot->feed, feed) != 0)
            continue;
        if (slot->has_all)
            return 1;
        for (size_t k = 0; k < slot->topic_count; k++) {
            const asked_topic *topic = &slot->topics[k];
            if (topic->state == TOPIC_GRANTED &&
                (td_bytes_is(wanted, topic->name) ||
                 slot->spoken->covers(td_bytes_str(topic->name), wanted)))
                return 1;
        }
    }
    return 0;
}
