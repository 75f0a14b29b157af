/* Peers over TLS that ask for new keys, or for handshakes, without end, and read no answer: such a
 * connection ends, or takes its turn; others of the loop are served, and the loop rests when the
 * peer does. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/ssl.h>

#include "tests/testing/files.h"
#include "tests/testing/long_test.h"
#include "tests/testing/raw_peer.h"
#include "tests/testing/wire_echo.h"

enum { TURN_MS_MAX = 2000, IDLE_TURNS_MAX = 50 };

/* A flooded connection, and a good one in the same loop. */
typedef struct flood {
    tls_identity *identity;
    raw_peer *peer;
    echo echo;
    wire_side good, flooded;
    uint64_t turn_ns_max;
} flood;

static uint64_t now_ns(void)
{
    return clock_mono_ns(clock_real());
}

static void begin_flood(flood *f, raw_script *script)
{
    td_err err;
    char url[64];
    char ca[128];
    *f = (flood){0};
    assert_int_equal(tls_identity_make(clock_wall_ns(clock_real()), &f->identity, &err), TD_OK);
    script->identity = f->identity;
    f->peer = raw_peer_start(script);
    echo_open(&f->echo, NULL);
    echo_join(&f->echo, &f->good);
    (void)snprintf(ca, sizeof ca, "%s/ca", f->echo.folder);
    file_write_text(ca, tls_identity_pem(f->identity));
    (void)snprintf(url, sizeof url, "wss://127.0.0.1:%u/", raw_peer_port(f->peer));
    const wire_client_options options = {.ca_file = ca};
    wire_side_connect(&f->flooded, f->echo.loop, url, &options);
    wire_run_until(f->echo.loop, &f->flooded.opened, 1, "the flooded connection");
    assert_int_equal(unlink(ca), 0);
}

/* One message there and back on the good connection. */
static void exchange(flood *f)
{
    td_err err;
    unsigned before = f->good.messages;
    assert_int_equal(wire_send(f->good.conn, td_bytes_str("x"), &err), TD_OK);
    while (f->good.messages == before) {
        uint64_t begin_ns = now_ns();
        assert_int_equal(wire_loop_run(f->echo.loop, TD_NS_PER_S, &err), TD_OK);
        uint64_t turn_ns = now_ns() - begin_ns;
        f->turn_ns_max = turn_ns > f->turn_ns_max ? turn_ns : f->turn_ns_max;
    }
}

static void end_flood(flood *f)
{
    print_message("a turn took up to %llu ms\n",
                  (unsigned long long)(f->turn_ns_max / TD_NS_PER_MS));
    assert_true(f->turn_ns_max < TURN_MS_MAX * TD_NS_PER_MS);
    echo_close(&f->echo);
    raw_peer_stop(f->peer, NULL, 0);
    tls_identity_close(f->identity);
}

static void test_no_data(void **state)
{
    (void)state;
    static const int VERSIONS[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++) {
        flood f;
        raw_script script = {
            .tls_version = VERSIONS[i], .handshakes = 1 << 20, .end = RAW_END_HOLD};
        begin_flood(&f, &script);
        while (f.flooded.ended == 0)
            exchange(&f);
        wire_side_expect_end(&f.flooded, WIRE_CAUSE_TLS_OTHER, "records without data");
        end_flood(&f);
    }
}

/* Between data: until our answers fill the socket of the peer, which reads none. */
static void test_between_data(void **state)
{
    (void)state;
    flood f;
    unsigned turns = 0;
    td_err err;
    long_test();
    raw_script script = {.handshakes = 16,
                         .after = td_bytes_str("\x81\x02hi"),
                         .repeats = 1 << 20,
                         .end = RAW_END_HOLD};
    begin_flood(&f, &script);
    for (uint64_t quiet_ns = now_ns(); now_ns() - quiet_ns < TD_NS_PER_S / 2;) {
        unsigned before = f.flooded.messages;
        exchange(&f);
        if (f.flooded.messages > before)
            quiet_ns = now_ns();
    }
    assert_true(f.flooded.messages > 0);
    assert_int_equal(f.flooded.ended, 0);
    for (uint64_t begin_ns = now_ns(); now_ns() - begin_ns < TD_NS_PER_S / 2; turns++)
        assert_int_equal(wire_loop_run(f.echo.loop, TD_NS_PER_S / 10, &err), TD_OK);
    print_message("%u messages, then %u turns of a loop without work\n", f.flooded.messages, turns);
    assert_true(turns < IDLE_TURNS_MAX);
    end_flood(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_data),
        cmocka_unit_test(test_between_data),
    };
    signal(SIGPIPE, SIG_IGN); /* OpenSSL's own way to a socket has no flag against it */
    return cmocka_run_group_tests_name("wire/tls_flood", tests, NULL, NULL);
}
