#include "tests/testing/wire_side.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"

static void copy(char *out, size_t out_bytes, td_bytes bytes)
{
    size_t size = bytes.size < out_bytes - 1 ? bytes.size : out_bytes - 1;
    if (size > 0)
        memcpy(out, bytes.data, size);
    out[size] = '\0';
}

static void on_opened(void *user, wire_conn *conn, const wire_peer *peer)
{
    wire_side *side = user;
    side->conn = conn;
    side->opened++;
    copy(side->address, sizeof side->address, td_bytes_str(peer->address));
    copy(side->tls_version, sizeof side->tls_version, td_bytes_str(peer->tls_version));
    copy(side->tls_subject, sizeof side->tls_subject, td_bytes_str(peer->tls_subject));
    copy(side->extensions, sizeof side->extensions, td_bytes_str(peer->extensions));
}

static void on_message(void *user, wire_conn *conn, const ws_message *got)
{
    wire_side *side = user;
    const td_bytes bytes = got->bytes;
    assert_ptr_equal(side->conn, conn);
    side->messages++;
    side->message_bytes += bytes.size;
    side->last_opcode = got->opcode;
    side->last_recv_ns = got->mono_ns;
    side->is_last_fragmented = (got->form & FORM_FRAGMENTED) != 0;
    side->last_size = bytes.size;
    side->last_hash = td_xxh64(bytes.data, bytes.size);
    copy(side->last, sizeof side->last, bytes);
    if (side->on_message != NULL)
        side->on_message(side);
}

static void on_sent(void *user, wire_conn *conn, const ws_message *sent)
{
    wire_side *side = user;
    (void)conn;
    assert_int_equal(sent->opcode, 1);
    assert_true(sent->mono_ns > 0);
    side->sent++;
    copy(side->last_sent, sizeof side->last_sent, sent->bytes);
}

static void add_heartbeat(wire_side *side, const char *kind, td_bytes bytes)
{
    size_t at = strlen(side->heartbeats);
    (void)snprintf(side->heartbeats + at, sizeof side->heartbeats - at, "%s:%.*s ", kind,
                   (int)bytes.size, (const char *)bytes.data); /* cut if it is too long */
}

static void on_heartbeat(void *user, wire_conn *conn, const ws_message *got)
{
    (void)conn;
    add_heartbeat(user, got->opcode == 9 ? "ping" : "pong", got->bytes);
}

static void on_pong_sent(void *user, wire_conn *conn, td_bytes bytes)
{
    (void)conn;
    add_heartbeat(user, "out", bytes);
}

static void on_ended(void *user, const wire_end *end)
{
    wire_side *side = user;
    side->conn = NULL;
    side->ended++;
    side->cause = end->cause;
    side->http_status = end->http_status;
    side->close_code = end->close_code;
    side->sent_code = end->sent_code;
    copy(side->text, sizeof side->text, td_bytes_str(end->text));
    copy(side->reason, sizeof side->reason, end->close_reason);
}

const wire_client_ops WIRE_SIDE_OPS = {
    .opened = on_opened,
    .conn.message = on_message,
    .conn.sent = on_sent,
    .conn.heartbeat = on_heartbeat,
    .conn.pong_sent = on_pong_sent,
    .ended = on_ended,
};

void wire_side_connect(wire_side *side, wire_loop *loop, const char *url,
                       const wire_client_options *options)
{
    static const char *const PROXIES[] = {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"};
    *side = (wire_side){.loop = loop};
    wire_client_options all = options == NULL ? (wire_client_options){0} : *options;
    all.url = url;
    all.ops = &WIRE_SIDE_OPS;
    all.user = side;
    for (size_t i = 0; i < sizeof PROXIES / sizeof *PROXIES; i++)
        assert_int_equal(unsetenv(PROXIES[i]), 0);
    td_err err;
    if (wire_connect(loop, &all, &side->conn, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(side->ended + side->opened, 0);
}

void wire_run_until(wire_loop *loop, const unsigned *counter, unsigned wanted, const char *what)
{
    td_clock clock = clock_real();
    uint64_t limit_ns = clock_mono_ns(clock) + 30 * TD_NS_PER_S;
    while (*counter < wanted) {
        td_err err;
        if (wire_loop_run(loop, 100 * TD_NS_PER_MS, &err) != TD_OK)
            fail_msg("%s: %s", what, err.text);
        if (clock_mono_ns(clock) > limit_ns)
            fail_msg("%s: %u of %u after 30 s", what, *counter, wanted);
    }
}

void wire_side_expect_end(wire_side *side, wire_cause cause, const char *words)
{
    wire_run_until(side->loop, &side->ended, 1, words);
    if (side->cause != cause || strstr(side->text, words) == NULL)
        fail_msg("ended with %s '%s', not %s '%s'", wire_cause_name(side->cause), side->text,
                 wire_cause_name(cause), words);
    assert_int_equal(side->ended, 1);
}
