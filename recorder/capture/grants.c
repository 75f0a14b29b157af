#include "recorder/capture/grants.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/row_table.h"
#include "base/url.h"
#include "schema/dialect.h"
#include "schema/topic_parts.h"

enum {
    REQUEST_ID_BYTES = 64,
    /* Unanswered requests of a connection; tapedeck's own clients have 64 at most. */
    REQUESTS_MAX = 1024,
};

typedef enum grant_state {
    GRANT_REQUESTED,
    GRANT_GRANTED,
    GRANT_UNSUBSCRIBING, /* an unsubscribe request is not answered yet: frames may still arrive */
    GRANT_ENDED,         /* refused, or unsubscribed */
} grant_state;

typedef struct grant_topic {
    char *name;
    uint32_t request;     /* number of the last subscribe request for this topic */
    uint32_t unsubscribe; /* number of an unanswered unsubscribe request; 0: all are answered */
    grant_state state;
    uint8_t is_answered; /* 1: granted by an answer; 0: by a frame */
    uint8_t has_spoken;  /* 1: a frame came since the grant */
    uint8_t must_speak;  /* topic_row_must_speak */
    uint64_t from_ns;    /* time of the grant */
} grant_topic;

typedef struct seen_request {
    uint32_t number;
    uint8_t is_unsubscribe;    /* 1: an unsubscribe request; 0: a subscribe request */
    char id[REQUEST_ID_BYTES]; /* "" if absent */
} seen_request;

/* A slot, and the topics of its current connection. */
typedef struct grant_slot {
    uint32_t line, shard, conn; /* conn 0: no connection is open */
    uint8_t has_more;           /* 1: the connection has more topics than are tracked */
    uint8_t is_known;           /* 1: its requests are known since it began */
    uint8_t is_bare;            /* 1: its frames are data alone (family_path_is_bare) */
    uint64_t from_ns;           /* time of the last grant */
    trade_grants trades;        /* ends, and grants after the first end */
    grant_topic *topics;
    size_t topic_count;
    row_table by_name;
    seen_request *requests; /* oldest first */
    size_t request_count;
    uint32_t request_number;
} grant_slot;

/* An event to write. */
typedef struct grant_change {
    event_kind kind;
    uint32_t slot, topic;
    const char *reason;
} grant_change;

/* A topic over all connections of the session: one that never speaks may be the reason why its
 * connections are stale and end before it is overdue on any. */
typedef struct topic_silence {
    uint64_t hash;       /* of the topic's name */
    uint64_t granted_ns; /* first grant by an answer since its last frame; 0: it has spoken, or its
                            grant has ended on an open connection */
    uint8_t is_reported; /* as overdue */
} topic_silence;

struct grants {
    const family *family;
    const dialect *dialect;
    grant_slot slots[LIMIT_FEED_SLOTS];
    uint32_t epoch; /* from 1; raised when a grant may have ended, so that each channel is checked
                       again */
    grant_change *changes;
    size_t change_count;
    dialect_parser *parser;
    /* grants_count */
    uint64_t counted_ns; /* time of the last count */
    uint64_t due_ns;     /* when a topic becomes overdue; 0: topics have changed since the count */
    topic_silence *silences; /* at most LIMIT_FEED_TOPICS; further topics are counted from the grant
                                of their connection, without a report */
    row_table by_hash;
};

grants *grants_open(const family *of)
{
    TD_ASSERT(of != NULL);
    grants *self = td_alloc_zero(1, sizeof *self);
    self->family = of;
    self->dialect = of->dialect;
    self->epoch = 1;
    self->parser = dialect_parser_open();
    return self;
}

static void forget_topics(grant_slot *slot)
{
    for (size_t i = 0; i < slot->topic_count; i++)
        td_free(slot->topics[i].name);
    slot->topic_count = 0;
    slot->request_count = 0;
    slot->has_more = 0;
    slot->from_ns = 0;
    trade_grants_fini(&slot->trades);
    row_table_clear(&slot->by_name);
}

void grants_close(grants *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < LIMIT_FEED_SLOTS; i++) {
        forget_topics(&self->slots[i]);
        row_table_fini(&self->slots[i].by_name);
        td_free(self->slots[i].topics);
        td_free(self->slots[i].requests);
    }
    dialect_parser_close(self->parser);
    row_table_fini(&self->by_hash);
    td_free(self->silences);
    td_free(self->changes);
    td_free(self);
}

/* ---- connections ---- */

/* Set the slot's connection (0: closed). A new connection has no topics yet. */
static void set_conn(grants *self, grant_slot *slot, uint32_t conn)
{
    if (slot->conn == conn)
        return;
    forget_topics(slot);
    slot->conn = conn;
    slot->is_known = slot->is_bare = 0;
    self->epoch++;
    self->due_ns = 0;
}

void grants_closed(grants *self, uint32_t slot)
{
    set_conn(self, &self->slots[slot], 0);
}

uint64_t grants_from_ns(const grants *self, uint32_t slot)
{
    return self->slots[slot].from_ns;
}

trade_grant grants_of_trades(const grants *self, uint32_t slot, const channel_info *info)
{
    return trade_grants_find(&self->slots[slot].trades, td_bytes_str(info->symbol));
}

/* ---- events ---- */

static void add_change(grants *self, event_kind kind, const grant_slot *slot, size_t topic,
                       const char *reason)
{
    self->changes = td_array_grow(self->changes, self->change_count, sizeof *self->changes);
    self->changes[self->change_count++] =
        (grant_change){kind, (uint32_t)(slot - self->slots), (uint32_t)topic, reason};
}

event grants_event(const grants *self, size_t i)
{
    TD_ASSERT(i < self->change_count);
    const grant_change *change = &self->changes[i];
    const grant_slot *slot = &self->slots[change->slot];
    if (change->kind == EVENT_LIMIT)
        return (event){.kind = EVENT_LIMIT,
                       .what = EVENT_LIMIT_GRANTS,
                       .state = "begins",
                       .number = DIALECT_ARGS_MAX};
    const grant_topic *topic = &slot->topics[change->topic];
    event out = {.kind = change->kind,
                 .line = slot->line,
                 .shard = slot->shard,
                 .conn = slot->conn,
                 .topic = topic->name,
                 .reason = change->reason};
    if (change->kind == EVENT_GRANT) {
        out.source = topic->is_answered ? EVENT_GRANT_ANSWERED : EVENT_GRANT_SEEN;
        out.from_ns = topic->from_ns;
    }
    return out;
}

size_t grants_restate(grants *self)
{
    self->change_count = 0;
    for (size_t i = 0; i < LIMIT_FEED_SLOTS; i++) {
        const grant_slot *slot = &self->slots[i];
        for (size_t k = 0; k < slot->topic_count; k++) {
            if (slot->topics[k].state == GRANT_GRANTED)
                add_change(self, EVENT_GRANT, slot, k, NULL);
        }
        if (slot->has_more)
            add_change(self, EVENT_LIMIT, slot, 0, NULL);
    }
    return self->change_count;
}

/* ---- topics ---- */

/* Return the index of a topic, or topic_count. */
static size_t find_topic(const grant_slot *slot, td_bytes name)
{
    row_probe at = row_probe_of(td_xxh64(name.data, name.size));
    while (row_table_next(&slot->by_name, &at)) {
        if (td_bytes_is(name, slot->topics[at.row].name))
            return at.row;
    }
    return slot->topic_count;
}

static uint8_t must_speak(const family *of, td_bytes name)
{
    topic_match match;
    return topic_match_text(of->topics, of->topic_count, name, TOPIC_NOW, &match) &&
           topic_row_must_speak(match.row);
}

/* Find or add a topic; NULL: there are too many. */
static grant_topic *get_topic(grants *self, grant_slot *slot, td_bytes name)
{
    size_t at = find_topic(slot, name);
    if (at < slot->topic_count)
        return &slot->topics[at];
    if (at == DIALECT_ARGS_MAX) {
        if (!slot->has_more)
            add_change(self, EVENT_LIMIT, slot, 0, NULL);
        slot->has_more = 1;
        return NULL;
    }
    slot->topics = td_array_grow(slot->topics, at, sizeof *slot->topics);
    slot->topics[at] = (grant_topic){.name = td_strndup((const char *)name.data, name.size),
                                     .state = GRANT_REQUESTED,
                                     .must_speak = must_speak(self->family, name)};
    row_table_put(&slot->by_name, td_xxh64(name.data, name.size), at);
    slot->topic_count++;
    return &slot->topics[at];
}

/* NULL: the topic was never granted by an answer. */
static topic_silence *find_silence(const grants *self, const char *name)
{
    const uint64_t hash = td_xxh64(name, strlen(name));
    row_probe at = row_probe_of(hash);
    while (row_table_next(&self->by_hash, &at))
        if (self->silences[at.row].hash == hash)
            return &self->silences[at.row];
    return NULL;
}

static void begin_silence(grants *self, const char *name, uint64_t recv_ns)
{
    topic_silence *known = find_silence(self, name);
    const size_t count = self->by_hash.count;
    if (known != NULL && known->granted_ns == 0)
        known->granted_ns = recv_ns;
    if (known != NULL || count == LIMIT_FEED_TOPICS)
        return;
    const uint64_t hash = td_xxh64(name, strlen(name));
    self->silences = td_array_grow(self->silences, count, sizeof *self->silences);
    self->silences[count] = (topic_silence){.hash = hash, .granted_ns = recv_ns};
    row_table_put(&self->by_hash, hash, count);
}

static void end_silence(grants *self, const char *name)
{
    topic_silence *known = find_silence(self, name);
    if (known != NULL)
        known->granted_ns = 0;
}

static void grant(grants *self, grant_slot *slot, grant_topic *topic, int is_answered,
                  uint64_t recv_ns)
{
    slot->from_ns = recv_ns;
    topic->state = GRANT_GRANTED;
    topic->is_answered = is_answered != 0;
    topic->has_spoken = !is_answered;
    topic->from_ns = recv_ns;
    if (is_answered)
        begin_silence(self, topic->name, recv_ns);
    else
        end_silence(self, topic->name);
    if (slot->trades.by_symbol.count > 0 || slot->trades.all.ended_ns != 0)
        trade_grants_note(&slot->trades, self->family, td_bytes_str(topic->name),
                          (trade_grant){.granted_ns = recv_ns});
    add_change(self, EVENT_GRANT, slot, (size_t)(topic - slot->topics), NULL);
}

static void end_grant(grants *self, grant_slot *slot, size_t at, const char *reason,
                      uint64_t recv_ns)
{
    trade_grants_note(&slot->trades, self->family, td_bytes_str(slot->topics[at].name),
                      (trade_grant){.ended_ns = recv_ns});
    end_silence(self, slot->topics[at].name);
    add_change(self, EVENT_GRANT_END, slot, at, reason);
}

/* ---- requests ---- */

static void note_request(grant_slot *slot, const dialect_request *request)
{
    slot->request_number++;
    if (slot->request_count == REQUESTS_MAX)
        return;
    if (slot->requests == NULL)
        slot->requests = td_alloc_zero(REQUESTS_MAX, sizeof *slot->requests);
    seen_request *made = &slot->requests[slot->request_count++];
    *made = (seen_request){.number = slot->request_number,
                           .is_unsubscribe = request->kind != REQUEST_SUBSCRIBE};
    if (request->id.size < sizeof made->id)
        (void)snprintf(made->id, sizeof made->id, "%.*s", (int)request->id.size,
                       (const char *)request->id.data);
}

static void on_unsubscribe(grants *self, grant_slot *slot, size_t at, uint64_t recv_ns)
{
    grant_topic *topic = &slot->topics[at];
    if (topic->state == GRANT_GRANTED)
        end_grant(self, slot, at, "unsubscribed", recv_ns);
    topic->state = GRANT_UNSUBSCRIBING;
    topic->unsubscribe = slot->request_number;
}

static void on_request(grants *self, grant_slot *slot, const feed_frame *frame)
{
    dialect_request request;
    td_err why;
    if (request_parse(self->parser, self->dialect, frame->bytes, &request, &why) != TD_OK)
        return;
    if (request.kind != REQUEST_SUBSCRIBE && request.kind != REQUEST_UNSUBSCRIBE &&
        request.kind != REQUEST_UNSUBSCRIBE_ALL)
        return;
    note_request(slot, &request);
    if (request.kind != REQUEST_SUBSCRIBE)
        self->epoch++;
    if (request.kind == REQUEST_UNSUBSCRIBE_ALL) {
        for (size_t i = 0; i < slot->topic_count; i++)
            on_unsubscribe(self, slot, i, frame->recv_ns);
        return;
    }
    for (size_t i = 0; i < request.arg_count; i++) {
        if (request.kind == REQUEST_UNSUBSCRIBE) {
            size_t at = find_topic(slot, request.args[i]);
            if (at < slot->topic_count)
                on_unsubscribe(self, slot, at, frame->recv_ns);
            continue;
        }
        grant_topic *topic = get_topic(self, slot, request.args[i]);
        if (topic == NULL)
            continue;
        topic->request = slot->request_number;
        if (topic->state != GRANT_GRANTED) /* else it stays granted */
            topic->state = GRANT_REQUESTED;
        if (!dialect_answers(self->dialect, REQUEST_UNSUBSCRIBE))
            topic->unsubscribe = 0;
    }
}

/* ---- answers ---- */

static int is_answer_to(const dialect_answer *answer, const seen_request *request)
{
    if (answer->of == REQUEST_UNKNOWN)
        return 1;
    return request->is_unsubscribe == (answer->of != REQUEST_SUBSCRIBE);
}

/* The number of the topic's request of this request's kind. */
static uint32_t request_of(const grant_topic *topic, const seen_request *request)
{
    return request->is_unsubscribe ? topic->unsubscribe : topic->request;
}

/* 1 if the answer names no symbol alone, or that of an unanswered topic of the request. */
static int has_symbol(const grant_slot *slot, const seen_request *request,
                      const dialect_answer *answer)
{
    for (size_t i = 0; answer->symbol.size > 0 && i < slot->topic_count; i++) {
        const grant_topic *topic = &slot->topics[i];
        if (request_of(topic, request) == request->number &&
            (request->is_unsubscribe || topic->state == GRANT_REQUESTED) &&
            dialect_answer_has_symbol(answer, topic->name))
            return 1;
    }
    return answer->symbol.size == 0;
}

/* Find the request to which an answer belongs: the one with the answer's id, else one with a topic
 * or symbol that the answer names, else the oldest. Returns its index, or request_count if unknown.
 */
static size_t find_request(const grant_slot *slot, const dialect_answer *answer)
{
    const td_bytes *named = answer->granted_count > 0 ? answer->granted : answer->failed;
    const grant_topic *topic = NULL;
    if (answer->granted_count + answer->failed_count > 0) {
        TD_ASSERT(named != NULL);
        size_t at = find_topic(slot, named[0]);
        topic = at < slot->topic_count ? &slot->topics[at] : NULL;
    }
    for (size_t i = 0; i < slot->request_count; i++) {
        const seen_request *request = &slot->requests[i];
        if (!is_answer_to(answer, request))
            continue;
        if (answer->id.size > 0 ? td_bytes_is(answer->id, request->id)
            : topic != NULL     ? request_of(topic, request) == request->number
                                : has_symbol(slot, request, answer))
            return i;
    }
    return slot->request_count;
}

/* Apply an answer to its request. If it names only some of the request's topics, more answers
 * follow, and the request stays open. Whether an unsubscribe request succeeded does not matter: if
 * it was refused, the next frame grants the topic again. */
static void answer_request(grants *self, grant_slot *slot, size_t at, const dialect_answer *answer,
                           uint64_t recv_ns)
{
    TD_ASSERT(at < slot->request_count);
    TD_ASSERT(slot->requests != NULL);
    const seen_request *request = &slot->requests[at];
    const request_kind kind = request->is_unsubscribe ? REQUEST_UNSUBSCRIBE : REQUEST_SUBSCRIBE;
    int names_any = dialect_answer_names_any(answer);
    size_t left = 0;
    for (size_t i = 0; i < slot->topic_count; i++) {
        grant_topic *topic = &slot->topics[i];
        if (request_of(topic, request) != request->number ||
            (!request->is_unsubscribe && topic->state != GRANT_REQUESTED))
            continue;
        if ((names_any || answer->lists_all) && !dialect_answer_names(answer, kind, topic->name)) {
            left++;
        } else if (request->is_unsubscribe) {
            topic->unsubscribe = 0;
            if (topic->state == GRANT_UNSUBSCRIBING) /* else it was requested again */
                topic->state = GRANT_ENDED;
        } else if (dialect_answer_grants(answer, topic->name)) {
            grant(self, slot, topic, 1, recv_ns);
        } else {
            topic->state = GRANT_ENDED;
            end_grant(self, slot, i, "refused", recv_ns);
        }
    }
    if (left > 0)
        return;
    slot->request_count--;
    memmove(&slot->requests[at], &slot->requests[at + 1],
            (slot->request_count - at) * sizeof slot->requests[0]);
}

/* Apply an answer that lists all topics of the connection to every request. Returns 0 if the answer
 * is about none of them. */
static int answer_all(grants *self, grant_slot *slot, const dialect_answer *answer,
                      uint64_t recv_ns)
{
    const size_t open_count = slot->request_count;
    const size_t change_count = self->change_count;
    for (size_t at = 0; at < slot->request_count;) {
        const size_t before = slot->request_count;
        answer_request(self, slot, at, answer, recv_ns);
        at += slot->request_count == before;
    }
    return slot->request_count < open_count || self->change_count > change_count;
}

/* Apply an answer that belongs to no known request: the exchange may end grants on its own. If it
 * still sends frames of such a topic, they grant the topic again. A refusal that names neither
 * request nor topic may be about anything that a client sent, so it changes nothing. */
static void withdraw(grants *self, grant_slot *slot, const dialect_answer *answer, uint64_t recv_ns)
{
    const int is_unnamed = answer->of == REQUEST_UNKNOWN && answer->reason_topic.size == 0 &&
                           answer->granted_count + answer->failed_count == 0;
    const int is_refusal = answer->of == REQUEST_SUBSCRIBE || answer->of == REQUEST_UNKNOWN;
    const char *reason = is_refusal && !answer->lists_all ? "refused" : "unsubscribed";
    if (is_unnamed && !answer->lists_all)
        return;
    for (size_t i = 0; i < slot->topic_count; i++) {
        if (slot->topics[i].state != GRANT_GRANTED ||
            !dialect_answer_withdraws(answer, slot->topics[i].name))
            continue;
        slot->topics[i].state = GRANT_ENDED;
        end_grant(self, slot, i, reason, recv_ns);
        self->epoch++;
    }
}

static void on_answer(grants *self, grant_slot *slot, const feed_frame *frame)
{
    dialect_answer answer;
    td_err why;
    if (answer_parse(self->parser, self->dialect, frame->bytes, &answer, &why) != TD_OK)
        return;
    if (answer.kind == ANSWER_AUTH && answer.success == 1 &&
        dialect_subscribes_with_auth(self->dialect)) {
        grant_topic *all = get_topic(self, slot, td_bytes_str(EVENT_GRANT_ALL));
        if (all != NULL && all->state != GRANT_GRANTED)
            grant(self, slot, all, 1, frame->recv_ns);
    }
    if (answer.kind != ANSWER_TOPICS)
        return;
    if (answer.lists_all) {
        if (!answer_all(self, slot, &answer, frame->recv_ns))
            withdraw(self, slot, &answer, frame->recv_ns);
        return;
    }
    size_t at = find_request(slot, &answer);
    if (at < slot->request_count)
        answer_request(self, slot, at, &answer, frame->recv_ns);
    else
        withdraw(self, slot, &answer, frame->recv_ns);
}

/* ---- URLs ---- */

size_t grants_opened(grants *self, uint32_t slot, const event *connect, uint64_t recv_ns)
{
    dialect_request request;
    unsigned accesses;
    const td_url url = td_url_split(td_bytes_str(connect->url == NULL ? "" : connect->url));
    const char *path = family_find_path(self->family, url.path, &accesses);
    grant_slot *of = &self->slots[slot];
    self->change_count = 0;
    set_conn(self, of, connect->conn);
    of->is_known = connect->cause == NULL || strcmp(connect->cause, EVENT_CONTINUED) != 0;
    of->is_bare = path != NULL && family_path_is_bare(self->family, path);
    if (path == NULL ||
        request_of_url(self->parser, self->dialect, family_path_names(path, url.path), url.query,
                       &request, NULL) != TD_OK ||
        request.arg_count == 0)
        return 0;
    of->line = connect->line;
    of->shard = connect->shard;
    for (size_t i = 0; i < request.arg_count; i++) {
        grant_topic *topic = get_topic(self, of, request.args[i]);
        if (topic != NULL && topic->state != GRANT_GRANTED)
            grant(self, of, topic, 1, recv_ns);
    }
    self->due_ns = 0;
    return self->change_count;
}

/* 1 if the topic is what begins so: "depth@100ms.BTCUSDT" of "depth.BTCUSDT". */
static int is_begun(const char *topic, td_bytes begun)
{
    const size_t name = topic_stem_size(topic);
    const uint8_t *dot = memrchr(begun.data, '.', begun.size);
    const size_t size = dot == NULL ? begun.size : (size_t)(dot - begun.data);
    return dot != NULL && name >= size && memcmp(topic, begun.data, size) == 0 &&
           td_bytes_is(td_bytes_of(dot, begun.size - size), topic + name) &&
           (name == size || strchr("@-0123456789", topic[size]) != NULL);
}

const char *grants_find_begun(const grants *self, uint32_t slot, uint32_t conn, td_bytes begun)
{
    const grant_slot *of = &self->slots[slot];
    const char *found = NULL;
    if (of->conn != conn || !of->is_known || of->has_more || (begun.size == 0 && !of->is_bare))
        return NULL;
    /* One that was ended counts, too: its last frames may come later. */
    for (size_t i = 0; i < of->topic_count; i++) {
        if (begun.size > 0 && !is_begun(of->topics[i].name, begun))
            continue;
        if (found != NULL)
            return NULL;
        found = of->topics[i].name;
    }
    return found;
}

/* ---- frames ---- */

/* Note a frame of a granted topic. A reply that was fetched over HTTP does not show that the
 * exchange sends the topic. */
static void note_frame(grants *self, grant_topic *topic, const feed_frame *frame)
{
    if (topic->has_spoken || (frame->info->form & FORM_FETCHED) != 0)
        return;
    topic->has_spoken = 1;
    end_silence(self, topic->name);
    self->due_ns = 0;
}

/* 1 if frames may still be of a subscription that an unsubscribe request ends, so they do not show
 * that a later request is granted. */
static int is_leaving(const grant_topic *topic)
{
    return topic->state == GRANT_UNSUBSCRIBING ||
           (topic->state == GRANT_REQUESTED && topic->unsubscribe != 0);
}

static void on_data(grants *self, grant_slot *slot, const feed_frame *frame,
                    const channel_route *route)
{
    td_bytes name = td_bytes_str(dialect_has_all(self->dialect) ? EVENT_GRANT_ALL
                                                                : frame->info->exchange_topic);
    size_t at = find_topic(slot, name);
    grant_topic *own = at < slot->topic_count ? &slot->topics[at] : NULL;
    if (own != NULL && is_leaving(own))
        return;
    int is_granted = own != NULL && own->state == GRANT_GRANTED;
    if (is_granted)
        note_frame(self, own, frame);
    /* The frame's topic is never a list, but a granted list of symbols, or "everything", may
     * include it. */
    size_t cover_count = self->dialect->covers == dialect_covers_same ? 0 : slot->topic_count;
    for (size_t i = 0; !is_granted && i < cover_count; i++) {
        is_granted = slot->topics[i].state == GRANT_GRANTED &&
                     self->dialect->covers(td_bytes_str(slot->topics[i].name), name);
        if (is_granted)
            note_frame(self, &slot->topics[i], frame);
    }
    for (size_t i = 0; !is_granted && i < cover_count; i++)
        if (is_leaving(&slot->topics[i]) && dialect_answers(self->dialect, REQUEST_UNSUBSCRIBE) &&
            self->dialect->covers(td_bytes_str(slot->topics[i].name), name))
            return; /* the frame may be of the list that is unsubscribed */
    if (!is_granted) {
        grant_topic *topic = get_topic(self, slot, name);
        if (topic != NULL)
            grant(self, slot, topic, 0, frame->recv_ns);
    }
    route->notes->grants_epoch = self->epoch;
}

/* 1 if the frame shows that its topic is granted. */
static int is_data(const grants *self, const channel_route *route)
{
    return route->role == ROLE_DATA ||
           (route->role == ROLE_UNKNOWN && dialect_has_all(self->dialect));
}

int grants_ignores(const grants *self, const channel_route *route)
{
    if (is_data(self, route))
        return route->notes->grants_epoch == self->epoch;
    return route->role != ROLE_CONTROL && route->role != ROLE_OUT;
}

size_t grants_apply(grants *self, uint32_t slot, const feed_frame *frame,
                    const channel_route *route)
{
    self->change_count = 0;
    if (grants_ignores(self, route))
        return 0;
    TD_ASSERT(frame->conn > 0);
    TD_ASSERT(slot < LIMIT_FEED_SLOTS);
    grant_slot *of = &self->slots[slot];
    set_conn(self, of, frame->conn);
    of->line = frame->line;
    of->shard = frame->shard;
    if (is_data(self, route))
        on_data(self, of, frame, route);
    else if (route->role == ROLE_OUT)
        on_request(self, of, frame);
    else
        on_answer(self, of, frame);
    if (self->change_count > 0)
        self->due_ns = 0;
    return self->change_count;
}

/* ---- counts ---- */

int grants_are_due(const grants *self, uint64_t now_ns)
{
    return now_ns >= self->due_ns && now_ns >= self->counted_ns + TD_NS_PER_S;
}

/* The topic as it is over all slots: granted if it is on any, with the oldest of these grants. 0:
 * an earlier slot has it, so it is counted there. */
static int join_slots(const grants *self, size_t first, const grant_topic *own, grant_topic *out)
{
    *out = *own;
    for (size_t i = 0; i < LIMIT_FEED_SLOTS; i++) {
        const grant_slot *slot = &self->slots[i];
        const size_t at = i == first || slot->topic_count == 0
                              ? SIZE_MAX
                              : find_topic(slot, td_bytes_str(own->name));
        if (at >= slot->topic_count)
            continue;
        if (i < first)
            return 0;
        const grant_topic *other = &slot->topics[at];
        const int is_older = out->state != GRANT_GRANTED || other->from_ns < out->from_ns;
        const uint8_t has_spoken = out->has_spoken | other->has_spoken;
        if (other->state == GRANT_GRANTED && is_older)
            *out = *other;
        out->has_spoken = has_spoken;
    }
    return 1;
}

/* Report an overdue topic, unless it was reported before. */
static void warn_once(topic_silence *of, const char *name, td_buf *overdue)
{
    if (of == NULL || of->is_reported)
        return;
    of->is_reported = 1;
    if (overdue->size > 0)
        td_buf_add(overdue, ", ", 2);
    td_buf_add(overdue, name, strlen(name));
}

grants_counts grants_count(grants *self, uint64_t now_ns, td_buf *overdue)
{
    grants_counts out = {0};
    self->counted_ns = now_ns;
    self->due_ns = UINT64_MAX;
    for (size_t i = 0; i < LIMIT_FEED_SLOTS; i++) {
        const grant_slot *slot = &self->slots[i];
        for (size_t k = 0; k < slot->topic_count; k++) {
            grant_topic topic;
            if (!join_slots(self, i, &slot->topics[k], &topic))
                continue;
            out.granted += topic.state == GRANT_GRANTED;
            if (topic.state != GRANT_GRANTED || topic.has_spoken)
                continue;
            out.silent++;
            if (!topic.must_speak)
                continue;
            topic_silence *silence = find_silence(self, topic.name);
            const int is_older =
                silence != NULL && silence->granted_ns != 0 && silence->granted_ns < topic.from_ns;
            const uint64_t due_ns =
                (is_older ? silence->granted_ns : topic.from_ns) + TOPIC_SILENCE_NS;
            if (now_ns < due_ns) {
                self->due_ns = due_ns < self->due_ns ? due_ns : self->due_ns;
                continue;
            }
            out.overdue++;
            warn_once(silence, topic.name, overdue);
        }
    }
    return out;
}
