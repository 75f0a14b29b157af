#include "sim/exchange.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "sim/exchange_impl.h"

enum {
    ANSWER_BYTES_MAX = 1 << 20,
    BATCH_BUFFER_BYTES = 4 << 20, /* BATCH_BYTES_MAX and one more frame of the largest size */
};

/* Families with a venue, and how their frames look. */
typedef struct served_row {
    const char *family;
    frame_shape shape;
} served_row;

static const served_row SERVED[] = {
    {"inverse", SHAPE_INVERSE},
    {"linear", SHAPE_LINEAR},
};

static const served_row *find_served(const family *wanted)
{
    for (size_t i = 0; i < sizeof SERVED / sizeof SERVED[0]; i++)
        if (strcmp(SERVED[i].family, wanted->name) == 0)
            return &SERVED[i];
    return NULL;
}

int exchange_can_serve(const family *wanted)
{
    return find_served(wanted) != NULL && dialect_find(wanted->dialect) != NULL;
}

td_bytes exchange_url_path(const char *url)
{
    const char *host = strstr(url, "://");
    const char *path = strchr(host == NULL ? url : host + 3, '/');
    return path == NULL ? td_bytes_str("/") : td_bytes_of(path, strcspn(path, "?#"));
}

const char *exchange_path(const sim_family *f)
{
    /* Endpoints are constants without a query, so the rest of the URL is the path. */
    return (const char *)exchange_url_path(f->family->endpoints[0].url).data;
}

/* ---- connections ---- */

void exchange_fail(exchange *x, td_result rc, const td_err *err)
{
    if (x->failure != TD_OK)
        return; /* the first one is told */
    x->failure = rc;
    x->failure_err = *err;
    exchange_stop(x);
}

void conn_send(sim_conn *conn, td_bytes bytes)
{
    td_err err;
    if (conn->is_closing)
        return;
    if (wire_peer_send(conn->wire, 1, bytes, &err) != TD_OK) {
        td_log_say(conn->exchange->options.log, TD_LOG_WARNING, "connection %llu: %s",
                   (unsigned long long)conn->number, err.text);
        conn_close(conn, 1011);
        return;
    }
    conn->exchange->counts.bytes += bytes.size;
}

void conn_close(sim_conn *conn, unsigned code)
{
    if (conn->is_closing)
        return;
    conn->is_closing = 1;
    wire_peer_close(conn->wire, code);
}

void exchange_close_conns(exchange *x, const sim_family *only, unsigned code)
{
    for (uint32_t i = 0; i < x->options.family_count; i++) {
        if (only != NULL && only != &x->families[i])
            continue;
        for (sim_conn *conn = x->families[i].first_conn; conn != NULL; conn = conn->next)
            conn_close(conn, code);
    }
}

/* The family whose clients connect to path, or NULL. */
static sim_family *find_path(exchange *x, td_bytes path)
{
    for (uint32_t i = 0; i < x->options.family_count; i++) {
        const family_endpoint *endpoints = x->families[i].family->endpoints;
        for (size_t n = 0; n < FAMILY_ENDPOINTS_MAX && endpoints[n].url != NULL; n++)
            if (td_bytes_equal(exchange_url_path(endpoints[n].url), path))
                return &x->families[i];
    }
    return NULL;
}

static uint64_t wall_ms(const exchange *x)
{
    return clock_wall_ns(x->options.clock) / TD_NS_PER_MS;
}

/* 1 if this upgrade is to be refused by a fault. */
static int is_refused(exchange *x)
{
    uint64_t upgrade = ++x->upgrades;
    for (size_t i = 0; i < x->options.fault_count; i++)
        if (x->options.faults[i].kind == FAULT_REFUSE && x->options.faults[i].at == upgrade)
            return 1;
    return 0;
}

static unsigned on_accept(void *user, td_bytes path, td_bytes query)
{
    exchange *x = user;
    unsigned status = 101;
    int has_key = 0;
    refusal wrong = dialect_check_query(query, x->options.secret, wall_ms(x), &has_key);
    if (find_path(x, path) == NULL)
        status = 404;
    else if (x->is_stopped)
        status = 503;
    else if (is_refused(x))
        status = 502;
    else if (wrong != REFUSAL_NONE)
        status = 401;
    x->counts.refused += status != 101;
    return status;
}

/* A connection's id, as a UUID out of the seed. */
static void make_conn_id(exchange *x, char out[CONN_ID_BYTES])
{
    uint64_t a = td_random_next(&x->random);
    uint64_t b = td_random_next(&x->random);
    int n = snprintf(out, CONN_ID_BYTES, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
                     (unsigned)(a >> 16) & 0xffffu, (unsigned)a & 0xfffu,
                     0x8000u | ((unsigned)(b >> 48) & 0x3fffu),
                     (unsigned long long)(b & 0xffffffffffffu));
    TD_ASSERT(n == CONN_ID_BYTES - 1);
}

static void *on_opened(void *user, wire_peer_conn *wire, td_bytes path, td_bytes query)
{
    exchange *x = user;
    sim_family *f = find_path(x, path);
    (void)query; /* on_accept has looked at it */
    TD_ASSERT(f != NULL);
    sim_conn *conn = td_alloc_zero(1, sizeof *conn + f->stream_count);
    if (conn == NULL)
        return NULL;
    conn->exchange = x;
    conn->of = f;
    conn->wire = wire;
    conn->number = ++x->counts.connections;
    conn->next = f->first_conn;
    if (conn->next != NULL)
        conn->next->previous = conn;
    f->first_conn = conn;
    x->open_conns++;
    make_conn_id(x, conn->id);
    td_log_say(x->options.log, TD_LOG_DEBUG, "connection %llu to %s",
               (unsigned long long)conn->number, exchange_path(f));
    if (f->is_done)
        conn_close(conn, 1000);
    return conn;
}

static void on_closed(void *user)
{
    sim_conn *conn = user;
    sim_family *f = conn->of;
    exchange *x = conn->exchange;
    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        f->first_conn = conn->next;
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
    TD_ASSERT(x->open_conns > 0);
    x->open_conns--;
    td_log_say(x->options.log, TD_LOG_DEBUG, "connection %llu ended",
               (unsigned long long)conn->number);
    td_free(conn);
    family_go_on(f);
}

static void on_drained(void *user, wire_peer_conn *wire)
{
    sim_conn *conn = user;
    (void)wire; /* conn has it */
    conn_send_snapshots(conn);
    family_go_on(conn->of);
}

/* ---- requests ---- */

static int covers(const sim_conn *conn, td_bytes topic, uint32_t stream)
{
    venue_stream of = venue_stream_at(conn->of->venue, stream);
    const dialect *speech = dialect_find(conn->of->family->dialect);
    return speech->covers(topic, td_bytes_str(of.exchange_topic));
}

/* Does a topic of a request mean anything here? */
static int is_known(const sim_conn *conn, td_bytes topic)
{
    for (uint32_t i = 0; i < conn->of->stream_count; i++)
        if (covers(conn, topic, i))
            return 1;
    return 0;
}

/* All topics of a request are known, or *reply says which one is not. */
static int check_topics(sim_conn *conn, const dialect_request *request, dialect_reply *reply)
{
    for (size_t i = 0; i < request->arg_count; i++) {
        if (is_known(conn, request->args[i]))
            continue;
        reply->refused = REFUSAL_UNKNOWN_TOPIC;
        reply->topic = request->args[i];
        return 0;
    }
    if (request->arg_count == 0)
        reply->refused = REFUSAL_INVALID_ARGS;
    return request->arg_count > 0;
}

/* Streams that the connection has already stay as they are. */
static void subscribe_topic(sim_conn *conn, td_bytes topic)
{
    for (uint32_t i = 0; i < conn->of->stream_count; i++) {
        if (conn->streams[i] == SUBSCRIPTION_NONE && covers(conn, topic, i)) {
            conn->streams[i] = SUBSCRIPTION_WAITS;
            conn->waiting++;
        }
    }
}

static void unsubscribe_topic(sim_conn *conn, td_bytes topic)
{
    for (uint32_t i = 0; i < conn->of->stream_count; i++) {
        if (conn->streams[i] != SUBSCRIPTION_NONE && covers(conn, topic, i)) {
            conn->waiting -= conn->streams[i] == SUBSCRIPTION_WAITS;
            conn->streams[i] = SUBSCRIPTION_NONE;
        }
    }
}

static void subscribe(sim_conn *conn, const dialect_request *request, dialect_reply *reply)
{
    td_err err;
    td_result rc = family_start(conn->of, &err);
    if (rc != TD_OK) {
        exchange_fail(conn->exchange, rc, &err);
        return;
    }
    if (!check_topics(conn, request, reply))
        return;
    for (size_t i = 0; i < request->arg_count; i++)
        subscribe_topic(conn, request->args[i]);
    conn_send_snapshots(conn); /* data before the ack, as in the recordings */
}

static void unsubscribe(sim_conn *conn, const dialect_request *request, dialect_reply *reply)
{
    if (conn->of->venue == NULL || !check_topics(conn, request, reply))
        return; /* nobody has subscribed yet: there is nothing to take back */
    for (size_t i = 0; i < request->arg_count; i++)
        unsubscribe_topic(conn, request->args[i]);
}

static void answer(sim_conn *conn, const dialect_request *request, const dialect_reply *reply)
{
    exchange *x = conn->exchange;
    const dialect *speech = dialect_find(conn->of->family->dialect);
    td_err err;
    td_buf_clear(&x->answer);
    if (speech->build_answer(&x->answer, request, reply, &err) != TD_OK) {
        conn_close(conn, 1009); /* the request, which answers echo, is too large */
        return;
    }
    if (x->answer.size == 0)
        return; /* this exchange says nothing to it */
    conn->sent++;
    x->counts.control_frames++;
    conn_send(conn, td_buf_view(&x->answer));
}

static void handle(sim_conn *conn, const dialect_request *request)
{
    const exchange *x = conn->exchange;
    dialect_reply reply = {.conn_id = conn->id, .now_ms = wall_ms(x)};
    switch (request->kind) {
    case REQUEST_SUBSCRIBE:
        subscribe(conn, request, &reply);
        break;
    case REQUEST_UNSUBSCRIBE:
        unsubscribe(conn, request, &reply);
        break;
    case REQUEST_AUTH:
        reply.refused = dialect_check_auth(request, x->options.secret, reply.now_ms);
        break;
    case REQUEST_PING:
    case REQUEST_PONG:
        break;
    case REQUEST_UNSUBSCRIBE_ALL: /* of a dialect that is not simulated yet */
    case REQUEST_UNKNOWN:
        reply.refused = REFUSAL_INVALID_OP;
        break;
    }
    answer(conn, request, &reply);
}

static void on_message(void *user, wire_peer_conn *wire, unsigned opcode, td_bytes bytes)
{
    sim_conn *conn = user;
    exchange *x = conn->exchange;
    dialect_request request;
    td_err err;
    (void)wire;   /* conn has it */
    (void)opcode; /* the exchange reads both kinds */
    if (conn->is_closing)
        return;
    const dialect *speech = dialect_find(conn->of->family->dialect);
    td_result rc = request_parse(x->requests, speech, bytes, &request, &err);
    if (rc == TD_OK)
        handle(conn, &request);
    else
        conn_close(conn, rc == TD_E_LIMIT ? 1009 : 1007); /* too large; no JSON object */
}

/* ---- opening ---- */

static const wire_server_ops SERVER_OPS = {
    .accept = on_accept,
    .opened = on_opened,
    .message = on_message,
    .drained = on_drained,
    .closed = on_closed,
};

static td_result open_families(exchange *x, td_err *err)
{
    x->families = td_alloc_zero(x->options.family_count, sizeof *x->families);
    if (x->families == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for an exchange");
    for (uint32_t i = 0; i < x->options.family_count; i++) {
        sim_family *f = &x->families[i];
        const served_row *row = find_served(x->options.families[i]);
        TD_ASSERT(row != NULL);
        f->exchange = x;
        f->family = x->options.families[i];
        f->shape = row->shape;
        f->stream_count = x->options.symbol_count * VENUE_TOPICS;
        td_buf_init(&f->batch_bytes, BATCH_BUFFER_BYTES);
    }
    return TD_OK;
}

td_result exchange_open(const exchange_options *options, wire_loop *loop, exchange **out,
                        td_err *err)
{
    TD_ASSERT(options->family_count > 0);
    TD_ASSERT(options->family_count <= EXCHANGE_FAMILIES_MAX);
    exchange *x = td_alloc_zero(1, sizeof *x);
    if (x == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for an exchange");
    x->options = *options;
    x->loop = loop;
    td_random_init(&x->random, options->seed + 1);
    td_buf_init(&x->answer, ANSWER_BYTES_MAX);
    const wire_server_options serving = {.listen = options->listen,
                                         .tls_cert = options->tls_cert,
                                         .tls_key = options->tls_key,
                                         .is_plain = options->is_plain,
                                         .ops = &SERVER_OPS,
                                         .user = x};
    td_result rc = open_families(x, err);
    if (rc == TD_OK)
        rc = request_parser_open(&x->requests, err);
    if (rc == TD_OK)
        rc = wire_server_open(loop, &serving, &x->server, err);
    if (rc != TD_OK) {
        exchange_close(x);
        return rc;
    }
    *out = x;
    return TD_OK;
}

void exchange_close(exchange *x)
{
    if (x == NULL)
        return;
    x->is_stopped = 1;
    wire_server_close(x->server);
    wire_timer_cancel(x->end_timer);
    for (uint32_t i = 0; x->families != NULL && i < x->options.family_count; i++)
        family_close(&x->families[i]);
    request_parser_close(x->requests);
    td_buf_fini(&x->answer);
    td_free(x->families);
    td_free(x);
}

const wire_server *exchange_server(const exchange *x)
{
    return x->server;
}

void exchange_stop(exchange *x)
{
    x->is_stopped = 1;
    exchange_close_conns(x, NULL, 1001);
}

int exchange_is_done(const exchange *x)
{
    uint32_t done = 0;
    uint32_t running = 0;
    if (x->open_conns > 0)
        return 0;
    for (uint32_t i = 0; i < x->options.family_count; i++) {
        done += x->families[i].is_done;
        running += x->families[i].venue != NULL && !x->families[i].is_done;
    }
    return x->is_stopped || (done > 0 && running == 0);
}

td_result exchange_failure(const exchange *x, td_err *err)
{
    if (x->failure != TD_OK && err != NULL)
        *err = x->failure_err;
    return x->failure;
}

exchange_counts exchange_get_counts(const exchange *x)
{
    return x->counts;
}
