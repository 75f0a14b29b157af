#include "sim/exchange.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "sim/exchange_impl.h"

enum {
    ANSWER_BYTES_MAX = 1 << 20,
    BATCH_BUFFER_BYTES = 4 << 20, /* BATCH_BYTES_MAX and one more frame of the largest size */
};

int exchange_can_serve(const family *wanted)
{
    return catalog_find(wanted->name) != NULL;
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
    td_result rc = wire_peer_send(conn->wire, 1, bytes, &err);
    if (rc == TD_OK) {
        conn->exchange->counts.bytes += bytes.size;
    } else if (rc == TD_E_LIMIT) {
        conn_close_slow(conn);
    } else {
        td_log_say(conn->exchange->options.log, TD_LOG_WARNING, "connection %llu: %s",
                   (unsigned long long)conn->number, err.text);
        conn_close(conn, 1011);
    }
}

void conn_close_slow(sim_conn *conn)
{
    exchange *x = conn->exchange;
    td_log_say(x->options.log, TD_LOG_WARNING,
               "connection %llu is closed: its client does not read fast enough (%zu bytes queued)",
               (unsigned long long)conn->number, wire_peer_queued_bytes(conn->wire));
    x->counts.slow++;
    conn_close(conn, 1008);
}

void conn_close(sim_conn *conn, unsigned code)
{
    if (conn->is_closing)
        return;
    conn->is_closing = 1;
    wire_peer_close(conn->wire, code);
}

/* Is the market the only thing, or the first one, that the family shows? */
static int is_main_market(const sim_family *f, const sim_market *m)
{
    return f->market_count > 0 && f->markets[0] == m;
}

void exchange_close_conns(exchange *x, const sim_market *only, unsigned code)
{
    for (uint32_t i = 0; i < x->options.family_count; i++) {
        if (only != NULL && !is_main_market(&x->families[i], only))
            continue;
        for (sim_conn *conn = x->families[i].first_conn; conn != NULL; conn = conn->next)
            conn_close(conn, code);
    }
}

/* The first family whose clients connect to path, or NULL. */
static sim_family *find_path(exchange *x, td_bytes path)
{
    unsigned access = 0;
    for (uint32_t i = 0; i < x->options.family_count; i++)
        if (family_find_path(x->families[i].family, path, &access) != NULL)
            return &x->families[i];
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

static unsigned refuse_upgrade(exchange *x, td_bytes path, td_bytes query,
                               char why[WIRE_REASON_BYTES])
{
    const sim_family *f = find_path(x, path);
    int has_key = 0;
    if (f == NULL) {
        for (uint32_t i = 0; i < x->options.family_count; i++)
            family_paths_text(x->families[i].family, path, why, WIRE_REASON_BYTES);
        return 404;
    }
    if (x->is_stopped) {
        (void)snprintf(why, WIRE_REASON_BYTES, "the exchange is stopping");
        return 503;
    }
    if (is_refused(x)) {
        (void)snprintf(why, WIRE_REASON_BYTES, "an injected fault");
        return 502;
    }
    if (dialect_check_query(f->speech, query, x->options.secret, wall_ms(x), &has_key) ==
        REFUSAL_NONE)
        return 101;
    (void)snprintf(why, WIRE_REASON_BYTES, "the credentials in the URL are wrong or expired");
    return 401;
}

static unsigned on_accept(void *user, td_bytes path, td_bytes query, char why[WIRE_REASON_BYTES])
{
    exchange *x = user;
    unsigned status = refuse_upgrade(x, path, query, why);
    if (status != 101) {
        x->counts.refused++;
        td_log_say(x->options.log, TD_LOG_INFO, "a client was refused (%u): %s", status, why);
    }
    return status;
}

/* ---- a family's list of connections ---- */

static void link_conn(sim_conn *conn, sim_family *f)
{
    unsigned access = 0;
    const char *path = family_find_path(f->family, td_bytes_str(conn->path), &access);
    TD_ASSERT(path != NULL);
    conn->of = f;
    conn->sees_public = (access & (1u << ACCESS_PUBLIC)) != 0;
    conn->sees_private = (access & (1u << ACCESS_PRIVATE)) != 0;
    conn->previous = NULL;
    conn->next = f->first_conn;
    if (conn->next != NULL)
        conn->next->previous = conn;
    f->first_conn = conn;
}

static void unlink_conn(sim_conn *conn)
{
    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        conn->of->first_conn = conn->next;
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
}

void conn_move(sim_conn *conn, sim_family *to)
{
    TD_ASSERT(!conn->has_subscribed);
    unlink_conn(conn);
    link_conn(conn, to);
}

static void *on_opened(void *user, wire_peer_conn *wire, td_bytes path, td_bytes query)
{
    exchange *x = user;
    sim_family *f = find_path(x, path);
    int has_key = 0;
    TD_ASSERT(f != NULL);
    sim_conn *conn = td_alloc_zero(1, sizeof *conn);
    if (conn == NULL)
        return NULL;
    conn->exchange = x;
    conn->wire = wire;
    unsigned access = 0;
    conn->path = family_find_path(f->family, path, &access); /* a text that stays */
    conn->number = ++x->counts.connections;
    /* on_accept has let the key in. */
    conn->is_authed = dialect_check_query(f->speech, query, x->options.secret, wall_ms(x),
                                          &has_key) == REFUSAL_NONE &&
                      has_key;
    link_conn(conn, f);
    x->open_conns++;
    uint64_t high = td_random_next(&x->random);
    dialect_conn_id(high, td_random_next(&x->random), conn->id);
    td_log_say(x->options.log, TD_LOG_DEBUG, "connection %llu to %s",
               (unsigned long long)conn->number, conn->path);
    if (f->market_count > 0 && f->markets[0]->is_done)
        conn_close(conn, 1000);
    else if (conn->is_authed)
        conn_authenticated(conn);
    return conn;
}

static void on_closed(void *user)
{
    sim_conn *conn = user;
    sim_family *f = conn->of;
    exchange *x = conn->exchange;
    unlink_conn(conn);
    TD_ASSERT(x->open_conns > 0);
    x->open_conns--;
    td_log_say(x->options.log, TD_LOG_DEBUG, "connection %llu ended",
               (unsigned long long)conn->number);
    for (size_t i = 0; i < CATALOG_MARKETS_MAX; i++)
        td_free(conn->streams[i]);
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

static void on_message(void *user, wire_peer_conn *wire, unsigned opcode, td_bytes bytes)
{
    sim_conn *conn = user;
    (void)wire;   /* conn has it */
    (void)opcode; /* the exchange reads both kinds */
    if (!conn->is_closing)
        conn_handle(conn, bytes);
}

/* ---- opening ---- */

static const wire_server_ops SERVER_OPS = {
    .accept = on_accept,
    .opened = on_opened,
    .message = on_message,
    .drained = on_drained,
    .closed = on_closed,
};

/* The market of a family's name, made if there is none yet. NULL: it is no family with a market. */
static sim_market *get_market(exchange *x, const char *name)
{
    const catalog_row *row = catalog_find(name);
    if (row == NULL || row->streams == NULL)
        return NULL;
    for (size_t i = 0; i < x->market_count; i++)
        if (x->markets[i].row == row)
            return &x->markets[i];
    TD_ASSERT(x->market_count < EXCHANGE_FAMILIES_MAX);
    sim_market *m = &x->markets[x->market_count++];
    const catalog_row *account =
        row->account_family != NULL ? catalog_find(row->account_family) : row;
    m->exchange = x;
    m->row = row;
    m->account = account->account;
    td_buf_init(&m->batch_bytes, BATCH_BUFFER_BYTES);
    return m;
}

/* A family shows its own market, or those that its account trades in. */
static void open_family(exchange *x, sim_family *f, const family *of)
{
    *f = (sim_family){
        .exchange = x, .family = of, .row = catalog_find(of->name), .speech = of->dialect};
    TD_ASSERT(f->row != NULL);
    sim_market *own = get_market(x, of->name);
    if (own != NULL)
        f->markets[f->market_count++] = own;
    for (size_t i = 0; f->row->markets[i] != NULL; i++) {
        TD_ASSERT(f->market_count < CATALOG_MARKETS_MAX);
        sim_market *traded = get_market(x, f->row->markets[i]);
        TD_ASSERT(traded != NULL);
        f->markets[f->market_count++] = traded;
    }
    for (size_t i = 0; i < f->market_count; i++) {
        sim_family **listeners = f->markets[i]->listeners;
        TD_ASSERT(listeners[LISTENERS_MAX - 1] == NULL);
        listeners[listeners[0] != NULL] = f;
    }
}

static td_result open_families(exchange *x, td_err *err)
{
    x->families = td_alloc_zero(x->options.family_count, sizeof *x->families);
    x->markets = td_alloc_zero(EXCHANGE_FAMILIES_MAX, sizeof *x->markets);
    if (x->families == NULL || x->markets == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for an exchange");
    for (uint32_t i = 0; i < x->options.family_count; i++)
        open_family(x, &x->families[i], x->options.families[i]);
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
    td_buf_init(&x->failed, DIALECT_ARGS_MAX);
    const wire_server_options serving = {.listen = options->listen,
                                         .tls_cert = options->tls_cert,
                                         .tls_key = options->tls_key,
                                         .is_plain = options->is_plain,
                                         .ops = &SERVER_OPS,
                                         .user = x};
    td_result rc = open_families(x, err);
    if (rc == TD_OK)
        rc = dialect_parser_open(&x->requests, err);
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
    wire_timer_cancel(x->grace_timer);
    for (size_t i = 0; x->markets != NULL && i < x->market_count; i++)
        market_stop(&x->markets[i]);
    dialect_parser_close(x->requests);
    td_buf_fini(&x->answer);
    td_buf_fini(&x->failed);
    td_free(x->families);
    td_free(x->markets);
    td_free(x);
}

const wire_server *exchange_server(const exchange *x)
{
    return x->server;
}

/* The time is over: whoever has not read the close frame is cut. */
static void on_grace_over(void *user)
{
    exchange *x = user;
    x->grace_timer = NULL;
    for (uint32_t i = 0; i < x->options.family_count; i++)
        for (sim_conn *conn = x->families[i].first_conn; conn != NULL; conn = conn->next) {
            conn->is_closing = 1;
            wire_peer_close(conn->wire, 0);
        }
}

void exchange_end(exchange *x, unsigned code)
{
    x->is_stopped = 1;
    exchange_close_conns(x, NULL, code);
    if (x->open_conns == 0 || x->grace_timer != NULL)
        return;
    uint64_t at_ns = clock_mono_ns(x->options.clock) + STOP_GRACE_NS;
    if (wire_timer_at(x->loop, at_ns, on_grace_over, x, &x->grace_timer, NULL) != TD_OK) {
        x->grace_timer = NULL;
        on_grace_over(x); /* no memory: at once */
    }
}

void exchange_stop(exchange *x)
{
    exchange_end(x, 1001);
}

int exchange_is_done(const exchange *x)
{
    uint32_t done = 0;
    uint32_t running = 0;
    if (x->open_conns > 0)
        return 0;
    for (uint32_t i = 0; i < x->options.family_count; i++) {
        const sim_market *main = x->families[i].markets[0];
        done += main->is_done;
        running += main->venue != NULL && !main->is_done;
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
