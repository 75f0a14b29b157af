/* What clients ask for: topics, keys, answers. How requests and answers look is the dialect's. */
#include "base/alloc.h"
#include "base/assert.h"
#include "sim/exchange_impl.h"
#include "schema/refusals.h"

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

/* 1 if the family has the topic for other symbols than this one. */
static int is_symbol_unknown(const sim_conn *conn, td_bytes topic)
{
    const family *of = conn->of->family;
    topic_match match;
    if (!topic_match_text(of->topics, of->topic_count, topic, TOPIC_ANY_TIME, &match) ||
        !topic_row_has_symbol(match.row))
        return 0;
    for (size_t i = 0; i < conn->of->market_count; i++) {
        const venue *v = conn->of->markets[i]->venue;
        for (uint32_t k = 0; k < venue_stream_count(v); k++) {
            if (td_bytes_is(match.symbol, venue_stream_at(v, k).symbol))
                return 0;
        }
    }
    return 1;
}

static topic_standing look_at(void *user, td_bytes topic)
{
    sim_conn *conn = user;
    topic_standing found = {.is_known = each_stream(conn, topic, use_nothing) > 0};
    if (!found.is_known)
        found.is_symbol_unknown = is_symbol_unknown(conn, topic) != 0;
    for (size_t i = 0; i < conn->of->market_count; i++) {
        const venue *v = conn->of->markets[i]->venue;
        uint32_t stream = venue_find(v, topic);
        if (stream >= venue_stream_count(v) || !conn_sees(conn, i, stream))
            continue;
        found.needs_auth |= venue_stream_at(v, stream).is_private && !conn->is_authed;
        found.is_held |= conn->streams[i][stream] != SUBSCRIPTION_NONE;
    }
    return found;
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
        if (family_find_path(x->families[i].family, td_bytes_str(conn->path), &access) == NULL)
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

/* Does with each topic of a request what was granted. */
static void use_topics(sim_conn *conn, const dialect_request *request, const dialect_reply *reply,
                       stream_use *use)
{
    for (size_t i = 0; i < request->arg_count; i++)
        if (reply->is_failed == NULL || !reply->is_failed[i])
            (void)each_stream(conn, request->args[i], use);
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
    reply->refused =
        conn->of->speech->check_auth(request, conn->exchange->options.secret, reply->now_ms);
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

/* Does what was granted. */
static void perform(sim_conn *conn, const dialect_request *request, dialect_reply *reply)
{
    switch (request->kind) {
    case REQUEST_SUBSCRIBE:
        use_topics(conn, request, reply, use_subscribe);
        family_go_on(conn->of); /* a market that waited for its only client has another one now */
        break;
    case REQUEST_UNSUBSCRIBE:
        use_topics(conn, request, reply, use_unsubscribe);
        break;
    case REQUEST_UNSUBSCRIBE_ALL:
        unsubscribe_all(conn);
        break;
    case REQUEST_AUTH:
        authenticate(conn, request, reply);
        break;
    case REQUEST_PING:
    case REQUEST_PONG:
    case REQUEST_UNKNOWN:
        break;
    }
}

static void handle(sim_conn *conn, const dialect_request *request, dialect_reply *reply)
{
    if (reply->refused == REFUSAL_NONE)
        perform(conn, request, reply);
    if ((conn->of->row->flags & CATALOG_ACK_FIRST) == 0)
        conn_send_snapshots(conn); /* data before the ack, as in the recordings */
    answer(conn, request, reply);
    if (request->kind == REQUEST_AUTH && reply->refused == REFUSAL_NONE)
        conn_authenticated(conn);
    conn_send_snapshots(conn);
}

/* Topics are judged by the markets, so those run from the first request for one on. */
static td_result judge(sim_conn *conn, const dialect_request *request, td_result parsed,
                       dialect_reply *reply, td_err *err)
{
    exchange *x = conn->exchange;
    td_result rc = TD_OK;
    int is_about_topics =
        request->kind == REQUEST_SUBSCRIBE || request->kind == REQUEST_UNSUBSCRIBE;
    if (parsed == TD_OK && is_about_topics && request->arg_count > 0) {
        find_family(conn, request);
        rc = prepare(conn, err);
    }
    if (rc != TD_OK) {
        exchange_fail(x, rc, err);
        return rc;
    }
    return refusals_judge(conn->of->speech, request, parsed, look_at, conn, &x->failed, reply, err);
}

void conn_handle(sim_conn *conn, td_bytes bytes)
{
    exchange *x = conn->exchange;
    dialect_request request;
    td_err err;
    dialect_reply reply = {.conn_id = conn->id,
                           .now_ms = clock_wall_ns(x->options.clock) / TD_NS_PER_MS};
    td_result rc = request_parse(x->requests, conn->of->speech, bytes, &request, &err);
    if (rc == TD_OK || rc == TD_E_INVALID)
        rc = judge(conn, &request, rc, &reply, &err);
    if (rc != TD_OK)
        conn_close(conn, rc == TD_E_LIMIT ? 1009 : 1011);
    else
        handle(conn, &request, &reply);
}
