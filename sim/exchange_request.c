/* What clients ask for: topics, keys, answers. How requests and answers look is the dialect's. */
#include "base/alloc.h"
#include "base/assert.h"
#include "sim/exchange_impl.h"

/* ---- which streams ---- */

int conn_sees(const sim_conn *conn, size_t place, uint32_t stream)
{
    TD_ASSERT(place < conn->of->market_count);
    const sim_market *m = conn->of->markets[place];
    TD_ASSERT(stream < venue_stream_count(m->venue));
    if (!venue_stream_at(m->venue, stream).is_private)
        return conn->sees_public && m->row == conn->of->row;
    return conn->sees_private && m->account == conn->of->row->account;
}

/* Streams of a market that a topic of a request means: calls use for each that the connection may
 * see. Returns how many there are. */
typedef void stream_use(sim_conn *conn, size_t place, uint32_t stream);

static size_t each_in_market(sim_conn *conn, size_t place, td_bytes topic, stream_use *use)
{
    const sim_family *f = conn->of;
    const venue *v = f->markets[place]->venue;
    size_t found = 0;
    uint32_t first = venue_find(v, topic);
    uint32_t count = venue_stream_count(v);
    if (first < count && conn_sees(conn, place, first)) {
        use(conn, place, first);
        return 1;
    }
    for (uint32_t i = 0; f->speech->has_lists && i < count; i++) {
        td_bytes name = td_bytes_str(venue_stream_at(v, i).exchange_topic);
        if (!f->speech->covers(topic, name) || !conn_sees(conn, place, i))
            continue;
        use(conn, place, i);
        found++;
    }
    return found;
}

static size_t each_stream(sim_conn *conn, td_bytes topic, stream_use *use)
{
    size_t found = 0;
    for (size_t i = 0; i < conn->of->market_count; i++)
        found += each_in_market(conn, i, topic, use);
    return found;
}

static void use_nothing(sim_conn *conn, size_t place, uint32_t stream)
{
    (void)conn; /* only their number is asked for */
    (void)place;
    (void)stream;
}

/* Streams that the connection has already stay as they are. */
static void use_subscribe(sim_conn *conn, size_t place, uint32_t stream)
{
    TD_ASSERT(conn->streams[place] != NULL); /* prepare() */
    uint8_t *held = &conn->streams[place][stream];
    if (*held != SUBSCRIPTION_NONE)
        return;
    *held = SUBSCRIPTION_WAITS;
    conn->waiting++;
    conn->has_subscribed = 1;
    venue_want(conn->of->markets[place]->venue, stream);
}

static void use_unsubscribe(sim_conn *conn, size_t place, uint32_t stream)
{
    TD_ASSERT(conn->streams[place] != NULL);
    uint8_t *held = &conn->streams[place][stream];
    TD_ASSERT(*held != SUBSCRIPTION_WAITS || conn->waiting > 0);
    conn->waiting -= *held == SUBSCRIPTION_WAITS;
    *held = SUBSCRIPTION_NONE;
}

/* ---- may it have them ---- */

/* One topic: known, not a repeat where that matters, and not private without a key. */
typedef struct topic_state {
    size_t count;
    uint8_t is_private;
    uint8_t is_held;
} topic_state;

static topic_state look_at(sim_conn *conn, td_bytes topic)
{
    topic_state state = {.count = each_stream(conn, topic, use_nothing)};
    for (size_t i = 0; i < conn->of->market_count; i++) {
        const venue *v = conn->of->markets[i]->venue;
        uint32_t stream = venue_find(v, topic);
        if (stream >= venue_stream_count(v) || !conn_sees(conn, i, stream))
            continue;
        state.is_private |= venue_stream_at(v, stream).is_private;
        state.is_held |= conn->streams[i][stream] != SUBSCRIPTION_NONE;
    }
    return state;
}

static refusal judge(sim_conn *conn, td_bytes topic, request_kind kind)
{
    topic_state state = look_at(conn, topic);
    if (state.count == 0)
        return REFUSAL_UNKNOWN_TOPIC;
    if (state.is_private && !conn->is_authed)
        return REFUSAL_NEEDS_AUTH;
    if (kind == REQUEST_SUBSCRIBE && state.is_held && conn->of->speech->refuses_repeats)
        return REFUSAL_REPEATED;
    return REFUSAL_NONE;
}

/* Judge all topics of a request. Where the dialect answers topic by topic, is_failed gets a byte
 * for each; else one bad topic refuses the whole. */
static int check_topics(sim_conn *conn, const dialect_request *request, dialect_reply *reply,
                        uint8_t *is_failed)
{
    size_t failed = 0;
    for (size_t i = 0; i < request->arg_count; i++) {
        refusal why = judge(conn, request->args[i], request->kind);
        if (why == REFUSAL_NONE)
            continue;
        failed++;
        if (is_failed != NULL) {
            is_failed[i] = 1;
            continue;
        }
        reply->refused = why;
        reply->topic = request->args[i];
        return 0;
    }
    if (request->arg_count == 0)
        reply->refused = REFUSAL_INVALID_ARGS;
    TD_ASSERT(failed <= request->arg_count);
    return failed < request->arg_count;
}

/* ---- requests ---- */

/* Room for what the connection has of each stream; the markets run. */
static td_result prepare(sim_conn *conn, td_err *err)
{
    sim_family *f = conn->of;
    TD_ASSERT(f->market_count <= CATALOG_MARKETS_MAX);
    td_result rc = family_start(f, err);
    for (size_t i = 0; rc == TD_OK && i < f->market_count; i++) {
        if (conn->streams[i] != NULL)
            continue;
        conn->streams[i] = td_alloc_zero(venue_stream_count(f->markets[i]->venue), 1);
        if (conn->streams[i] == NULL)
            rc = td_err_set(err, TD_E_NOMEM, "no memory for a connection");
    }
    return rc;
}

static void forget_streams(sim_conn *conn)
{
    TD_ASSERT(!conn->has_subscribed);
    for (size_t i = 0; i < CATALOG_MARKETS_MAX; i++) {
        td_free(conn->streams[i]);
        conn->streams[i] = NULL;
    }
}

/* Does the connection's family know the first topic of a request? */
static int knows_first(sim_conn *conn, const dialect_request *request)
{
    td_err err;
    return request->arg_count == 0 || prepare(conn, &err) != TD_OK ||
           each_stream(conn, request->args[0], use_nothing) > 0;
}

/* Several families can share a path: the first topics that a client asks for say which one it
 * means. */
static void find_family(sim_conn *conn, const dialect_request *request)
{
    exchange *x = conn->exchange;
    sim_family *first = conn->of;
    unsigned access = 0;
    if (conn->has_subscribed || knows_first(conn, request))
        return;
    for (uint32_t i = 0; i < x->options.family_count; i++) {
        if (!family_has_path(&x->families[i], td_bytes_str(conn->path), &access))
            continue;
        forget_streams(conn);
        conn_move(conn, &x->families[i]);
        if (knows_first(conn, request))
            return;
    }
    forget_streams(conn);
    conn_move(conn, first); /* nobody knows it: the first says so */
    TD_ASSERT(conn->of == first);
}

static void subscribe(sim_conn *conn, const dialect_request *request, dialect_reply *reply,
                      uint8_t *is_failed)
{
    td_err err;
    find_family(conn, request);
    td_result rc = prepare(conn, &err);
    if (rc != TD_OK) {
        exchange_fail(conn->exchange, rc, &err);
        return;
    }
    if (!check_topics(conn, request, reply, is_failed))
        return;
    for (size_t i = 0; i < request->arg_count; i++)
        if (is_failed == NULL || !is_failed[i])
            (void)each_stream(conn, request->args[i], use_subscribe);
    family_go_on(conn->of); /* a market that waited for its only client has another one now */
}

static void unsubscribe(sim_conn *conn, const dialect_request *request, dialect_reply *reply,
                        uint8_t *is_failed)
{
    if (conn->streams[0] == NULL || !check_topics(conn, request, reply, is_failed))
        return; /* nobody has subscribed yet: there is nothing to take back */
    for (size_t i = 0; i < request->arg_count; i++)
        if (is_failed == NULL || !is_failed[i])
            (void)each_stream(conn, request->args[i], use_unsubscribe);
}

static void unsubscribe_all(sim_conn *conn)
{
    for (size_t i = 0; i < conn->of->market_count && conn->streams[i] != NULL; i++)
        memset(conn->streams[i], SUBSCRIPTION_NONE,
               venue_stream_count(conn->of->markets[i]->venue));
    conn->waiting = 0;
}

/* Where auth is all there is to subscribing, it brings every private stream. */
static void subscribe_private(sim_conn *conn)
{
    td_err err;
    td_result rc = prepare(conn, &err);
    if (rc != TD_OK) {
        exchange_fail(conn->exchange, rc, &err);
        return;
    }
    for (size_t i = 0; i < conn->of->market_count; i++)
        for (uint32_t k = 0; k < venue_stream_count(conn->of->markets[i]->venue); k++)
            if (conn_sees(conn, i, k))
                use_subscribe(conn, i, k);
}

void conn_authenticated(sim_conn *conn)
{
    conn->is_authed = 1;
    if (!conn->of->speech->subscribes_with_auth)
        return;
    subscribe_private(conn);
    conn_send_snapshots(conn);
}

static void authenticate(sim_conn *conn, const dialect_request *request, dialect_reply *reply)
{
    reply->refused = dialect_check_auth(request, conn->exchange->options.secret, reply->now_ms);
}

static void answer(sim_conn *conn, const dialect_request *request, const dialect_reply *reply)
{
    exchange *x = conn->exchange;
    td_err err;
    td_buf_clear(&x->answer);
    if (conn->of->speech->build_answer(&x->answer, request, reply, &err) != TD_OK) {
        conn_close(conn, 1009); /* the request, which answers echo, is too large */
        return;
    }
    if (x->answer.size == 0)
        return; /* this exchange says nothing to it */
    conn->sent++;
    x->counts.control_frames++;
    conn_send(conn, td_buf_view(&x->answer));
}

static void handle(sim_conn *conn, const dialect_request *request, uint8_t *is_failed)
{
    const exchange *x = conn->exchange;
    dialect_reply reply = {.conn_id = conn->id,
                           .now_ms = clock_wall_ns(x->options.clock) / TD_NS_PER_MS,
                           .is_failed = is_failed};
    switch (request->kind) {
    case REQUEST_SUBSCRIBE:
        subscribe(conn, request, &reply, is_failed);
        break;
    case REQUEST_UNSUBSCRIBE:
        unsubscribe(conn, request, &reply, is_failed);
        break;
    case REQUEST_UNSUBSCRIBE_ALL:
        unsubscribe_all(conn);
        break;
    case REQUEST_AUTH:
        authenticate(conn, request, &reply);
        break;
    case REQUEST_PING:
    case REQUEST_PONG:
        break;
    case REQUEST_UNKNOWN:
        reply.refused = REFUSAL_INVALID_OP;
        break;
    }
    if ((conn->of->row->flags & CATALOG_ACK_FIRST) == 0)
        conn_send_snapshots(conn); /* data before the ack, as in the recordings */
    answer(conn, request, &reply);
    if (request->kind == REQUEST_AUTH && reply.refused == REFUSAL_NONE)
        conn_authenticated(conn);
    conn_send_snapshots(conn);
}

void conn_handle(sim_conn *conn, td_bytes bytes)
{
    exchange *x = conn->exchange;
    dialect_request request;
    td_err err;
    uint8_t *is_failed = NULL;
    td_result rc = request_parse(x->requests, conn->of->speech, bytes, &request, &err);
    if (rc != TD_OK) {
        conn_close(conn, rc == TD_E_LIMIT ? 1009 : 1007); /* too large; no JSON object */
        return;
    }
    if (conn->of->speech->answers_topics && request.arg_count > 0) {
        is_failed = td_alloc_zero(request.arg_count, 1);
        if (is_failed == NULL) {
            conn_close(conn, 1011);
            return;
        }
    }
    handle(conn, &request, is_failed);
    td_free(is_failed);
}
