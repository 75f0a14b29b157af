#include "tests/testing/sim_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"

enum { LINES_BYTES_MAX = 8 << 20, RATE = 100000 };

static void on_opened(void *user, wire_conn *conn, const wire_peer *peer)
{
    sim_client *c = user;
    (void)conn;
    (void)peer;
    c->opened++;
}

static void on_message(void *user, wire_conn *conn, const ws_message *got)
{
    sim_client *c = user;
    const td_bytes bytes = got->bytes;
    (void)conn;
    assert_int_equal(got->opcode, 1);
    c->messages++;
    if (bytes.size > 8 && memcmp(bytes.data, "{\"topic\"", 8) == 0)
        c->digest = c->digest * 31 + td_xxh64(bytes.data, bytes.size);
    assert_int_equal(td_buf_append(&c->lines, bytes.data, bytes.size, NULL), TD_OK);
    assert_int_equal(td_buf_append(&c->lines, "\n", 1, NULL), TD_OK);
}

static void on_ended(void *user, const wire_end *end)
{
    sim_client *c = user;
    c->conn = NULL;
    c->ended++;
    c->cause = end->cause;
    c->close_code = end->close_code;
    c->http_status = end->http_status;
}

static void on_sent(void *user, wire_conn *conn, const ws_message *sent)
{
    (void)user;
    (void)conn;
    (void)sent;
}

static void on_heartbeat(void *user, wire_conn *conn, const ws_message *got)
{
    (void)user;
    (void)conn;
    (void)got;
}

static const wire_client_ops CLIENT_OPS = {.opened = on_opened,
                                           .conn.message = on_message,
                                           .conn.sent = on_sent,
                                           .conn.heartbeat = on_heartbeat,
                                           .ended = on_ended};

void sim_fixture_open(sim_fixture *f, const exchange_options *options)
{
    td_err err;
    *f = (sim_fixture){.options = *options};
    if (f->options.family_count == 0) {
        f->options.families[0] = family_find(td_bytes_str("inverse"));
        f->options.families[1] = family_find(td_bytes_str("linear"));
        f->options.family_count = 2;
    }
    f->options.symbol_count = 2;
    if (f->options.rate == 0)
        f->options.rate = RATE;
    f->options.seed = 11;
    f->options.epoch_ns = 1618677786000000000u;
    f->options.listen.address = "127.0.0.1:0";
    f->options.listen.is_plain = 1;
    f->options.clock = clock_real();
    if (wire_loop_open(clock_real(), NULL, &f->loop, &err) != TD_OK ||
        exchange_open(&f->options, f->loop, &f->exchange, &err) != TD_OK)
        fail_msg("%s", err.text);
}

void sim_fixture_close(sim_fixture *f)
{
    exchange_close(f->exchange);
    wire_loop_close(f->loop);
    truth_close(f->options.truth);
    io_fault_close(f->disk);
}

void sim_client_connect(sim_fixture *f, sim_client *c, const char *path)
{
    td_err err;
    c->loop = f->loop;
    td_buf_init(&c->lines, LINES_BYTES_MAX);
    (void)snprintf(f->url, sizeof f->url, "%s%s", wire_server_url(exchange_server(f->exchange)),
                   path);
    const wire_client_options options = {.url = f->url, .ops = &CLIENT_OPS, .user = c};
    if (wire_connect(f->loop, &options, &c->conn, &err) != TD_OK)
        fail_msg("%s", err.text);
}

void sim_client_close(sim_client *c)
{
    td_buf_fini(&c->lines);
}

static void run_until(wire_loop *loop, const unsigned *counter, unsigned wanted)
{
    uint64_t end = clock_mono_ns(clock_real()) + 30 * TD_NS_PER_S;
    while (*counter < wanted) {
        assert_int_equal(wire_loop_run(loop, 100 * TD_NS_PER_MS, NULL), TD_OK);
        assert_true(clock_mono_ns(clock_real()) < end);
    }
}

void sim_fixture_run(sim_fixture *f, const unsigned *counter, unsigned wanted)
{
    run_until(f->loop, counter, wanted);
}

void sim_fixture_run_message(sim_fixture *f, sim_client *c, const char *part)
{
    uint64_t end = clock_mono_ns(clock_real()) + 30 * TD_NS_PER_S;
    for (;;) {
        if (c->lines.size > 0 && memmem(c->lines.data, c->lines.size, part, strlen(part)) != NULL)
            return;
        assert_int_equal(wire_loop_run(f->loop, 100 * TD_NS_PER_MS, NULL), TD_OK);
        if (clock_mono_ns(clock_real()) > end)
            fail_msg("no message with %s", part);
    }
}

void sim_client_send(sim_client *c, const char *text)
{
    run_until(c->loop, &c->opened, 1);
    assert_int_equal(wire_send(c->conn, 1, td_bytes_str(text), NULL), TD_OK);
}

uint64_t sim_client_count(const sim_client *c, const char *part)
{
    uint64_t count = 0;
    const uint8_t *at = c->lines.data;
    const uint8_t *end = at + c->lines.size;
    while (at < end) {
        const uint8_t *lf = memchr(at, '\n', (size_t)(end - at));
        count += memmem(at, (size_t)(lf - at), part, strlen(part)) != NULL;
        at = lf + 1;
    }
    return count;
}
exchange_options sim_fixture_families(const char *const *families, uint64_t rate)
{
    exchange_options options = {.rate = rate};
    for (; families[options.family_count] != NULL; options.family_count++)
        options.families[options.family_count] =
            family_find(td_bytes_str(families[options.family_count]));
    return options;
}

long sim_client_find(const sim_client *c, const char *part)
{
    const uint8_t *found =
        c->lines.size == 0 ? NULL : memmem(c->lines.data, c->lines.size, part, strlen(part));
    return found == NULL ? -1 : (long)(found - c->lines.data);
}
