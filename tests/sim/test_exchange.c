/* sim/exchange over real sockets, in the test's own loop, as a client of the op dialect sees it.
 * Expected answers are from docs/wire.md 1 and 1.3; counts follow from the options. */
#include "sim/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "tests/testing/bybit_dialects.h"
#include "tests/testing/io_fault.h"
#include "tests/testing/sim_fixture.h"
#include "schema/dialect.h"

enum { FRAMES = 400, TRUTH_BYTES_MAX = 8 << 20 };

#define SUBSCRIBE_ALL                                                                              \
    "{\"op\":\"subscribe\",\"args\":[\"trade\",\"orderBookL2_25.*\",\"orderBook_200.100ms\","      \
    "\"instrument_info.100ms\"]}"

/* All frames to the end: the client received what the truth file lists. */
static void test_all_frames_are_in_the_truth(void **state)
{
    (void)state;
    sim_fixture f;
    sim_client c = {0};
    exchange_options options = {.frames_max = FRAMES};
    io_fault *disk = io_fault_open();
    assert_int_equal(truth_open(io_fault_io(disk), "truth", &options.truth, NULL), TD_OK);
    sim_fixture_open(&f, &options);
    f.disk = disk;
    sim_client_connect(&f, &c, "/realtime");
    sim_client_send(&c, SUBSCRIBE_ALL);
    sim_fixture_run(&f, &c.ended, 1);
    assert_int_equal(c.close_code, 1000);
    /* two symbols: two books and instrument_info have a snapshot each; one ack */
    assert_int_equal(c.messages, FRAMES + 6 + 1);
    assert_int_equal(sim_client_count(&c, "\"type\":\"snapshot\""), 6);
    assert_int_equal(sim_client_count(&c, "\"success\":true"), 1);
    sim_client truth_lines = {0};
    td_buf_init(&truth_lines.lines, TRUTH_BYTES_MAX);
    assert_int_equal(td_io_read_file(io_fault_io(disk), "truth", TRUTH_BYTES_MAX,
                                     &truth_lines.lines.data, &truth_lines.lines.size, NULL),
                     TD_OK);
    truth_lines.lines.capacity = truth_lines.lines.size;
    assert_int_equal(sim_client_count(&truth_lines, "\"t\":\"frame\""), FRAMES + 6);
    assert_true(sim_client_count(&truth_lines, "\"t\":\"book\"") > 0);
    /* the ack was frame 7: data from 1 to 6 and from 8 on */
    assert_int_equal(sim_client_count(&truth_lines, "\"n\":7,"), 0);
    assert_int_equal(sim_client_count(&truth_lines, "\"n\":407,"), 1);
    sim_client_close(&truth_lines);
    sim_client_close(&c);
    for (int i = 0; i < 100 && !exchange_is_done(f.exchange); i++)
        assert_int_equal(wire_loop_run(f.loop, 10 * TD_NS_PER_MS, NULL), TD_OK);
    assert_int_equal(exchange_is_done(f.exchange), 1);
    sim_fixture_close(&f);
}

static void test_answers(void **state)
{
    (void)state;
    sim_fixture f;
    sim_client c = {0};
    exchange_options options = {.rate = 1};
    sim_fixture_open(&f, &options);
    sim_client_connect(&f, &c, "/realtime");
    sim_client_send(&c, "{\"op\":\"ping\"}");
    sim_fixture_run_message(&f, &c, "\"ret_msg\":\"pong\"");
    sim_client_send(&c,
                    "{\"op\":\"subscribe\",\"args\":[\"trade.BTCUSD|ETHUSD\",\"nothing.BTCUSD\"]}");
    sim_fixture_run_message(&f, &c, "\"ret_msg\":\"error:handler not found,topic:nothing.BTCUSD\"");
    sim_client_send(&c, "{\"op\":\"dance\",\"args\":[]}");
    sim_fixture_run_message(&f, &c, "\"ret_msg\":\"error:invalid op\"");
    sim_client_send(&c, "{\"op\":\"auth\",\"args\":[\"key\",1618677786000,\"sig\"]}");
    sim_fixture_run_message(&f, &c, "\"op\":\"auth\"");
    assert_int_equal(sim_client_count(&c, "\"success\":true"), 2);
    sim_client_send(&c, "{\"op\":\"subscribe\",\"args\":[\"orderBookL2_25.ETHUSD\"]}");
    sim_fixture_run_message(&f, &c, "\"args\":[\"orderBookL2_25.ETHUSD\"]");
    assert_int_equal(sim_client_count(&c, "\"type\":\"snapshot\""), 1);
    assert_int_equal(
        sim_client_count(&c, "\"topic\":\"orderBookL2_25.ETHUSD\",\"type\":\"snapshot\""), 1);
    /* Subscribing again gives an ack but no second snapshot. */
    sim_client_send(&c, "{\"op\":\"subscribe\",\"args\":[\"orderBookL2_25.ETHUSD\"],\"again\":1}");
    uint64_t end = clock_mono_ns(clock_real()) + 30 * TD_NS_PER_S;
    while (sim_client_count(&c, "\"args\":[\"orderBookL2_25.ETHUSD\"]") < 2) {
        assert_int_equal(wire_loop_run(f.loop, 100 * TD_NS_PER_MS, NULL), TD_OK);
        assert_true(clock_mono_ns(clock_real()) < end);
    }
    assert_int_equal(sim_client_count(&c, "\"type\":\"snapshot\""), 1);
    size_t invalid = sim_client_count(&c, "\"ret_msg\":\"error:invalid op\"");
    sim_client_send(&c, "this is no JSON");
    while (sim_client_count(&c, "\"ret_msg\":\"error:invalid op\"") == invalid) {
        assert_int_equal(wire_loop_run(f.loop, 100 * TD_NS_PER_MS, NULL), TD_OK);
        assert_true(clock_mono_ns(clock_real()) < end);
    }
    assert_int_equal(c.ended, 0);
    sim_client_close(&c);
    sim_fixture_close(&f);
}

static void test_paths_and_keys(void **state)
{
    (void)state;
    static const char SECRET[] = "a secret";
    char good[512];
    char signature[DIALECT_SIGNATURE_BYTES];
    uint64_t expires_ms = clock_wall_ns(clock_real()) / TD_NS_PER_MS + 60000;
    const dialect_auth auth = {.api_key = "key", .secret = SECRET, .expires_ms = expires_ms};
    dialect_sign(dialect_find(DIALECT_OP), &auth, signature);
    (void)snprintf(good, sizeof good, "/realtime?api_key=key&expires=%llu&signature=%s",
                   (unsigned long long)expires_ms, signature);
    const struct {
        const char *path;
        unsigned status; /* 0: accepted */
    } rows[] = {
        {"/realtime", 0},
        {"/realtime_public", 0},
        {"/v5/public/linear", 404},
        {"/", 404},
        {good, 0},
        {"/realtime?api_key=key&expires=1&signature=x", 401},
        {"/realtime?api_key=key&expires=9999999999999&signature=x", 401},
        {"/realtime?api_key=key", 401},
    };
    exchange_options options = {.rate = 1, .secret = SECRET};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sim_fixture f;
        sim_client c = {0};
        print_message("  %.40s\n", rows[i].path);
        sim_fixture_open(&f, &options);
        sim_client_connect(&f, &c, rows[i].path);
        sim_fixture_run(&f, rows[i].status == 0 ? &c.opened : &c.ended, 1);
        assert_int_equal(c.http_status, rows[i].status);
        sim_client_close(&c);
        sim_fixture_close(&f);
    }
}

static void test_faults(void **state)
{
    (void)state;
    static const struct {
        fault injected;
        uint64_t data; /* data frames received by the client, without the 6 snapshots */
        unsigned code; /* of the close frame */
    } ROWS[] = {
        {{FAULT_DROP, 50}, FRAMES - 1, 1000},
        {{FAULT_DISCONNECT, 50}, 50, 1001},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        sim_fixture f;
        sim_client c = {0};
        exchange_options options = {
            .frames_max = FRAMES, .faults = &ROWS[i].injected, .fault_count = 1};
        sim_fixture_open(&f, &options);
        sim_client_connect(&f, &c, "/realtime");
        sim_client_send(&c, SUBSCRIBE_ALL);
        sim_fixture_run(&f, &c.ended, 1);
        assert_int_equal(c.messages, ROWS[i].data + 6 + 1);
        assert_int_equal(c.close_code, ROWS[i].code);
        assert_int_equal(c.cause, WIRE_CAUSE_CLOSED_BY_PEER);
        sim_client_close(&c);
        sim_fixture_close(&f);
    }
}

static void test_cut(void **state)
{
    (void)state;
    sim_fixture f;
    sim_client c = {0};
    const fault cut = {.kind = FAULT_CUT, .at = 50};
    exchange_options options = {.frames_max = FRAMES, .faults = &cut, .fault_count = 1};
    sim_fixture_open(&f, &options);
    sim_client_connect(&f, &c, "/realtime");
    sim_client_send(&c, SUBSCRIBE_ALL);
    sim_fixture_run(&f, &c.ended, 1);
    assert_int_equal(c.close_code, 0); /* without a close frame */
    assert_true(c.messages <= 50 + 6 + 1);
    sim_client_close(&c);
    sim_fixture_close(&f);
}

/* Two clients of one family get the same deltas; each has its own ordinals. */
static void test_two_clients_get_the_same(void **state)
{
    (void)state;
    sim_fixture f;
    sim_client a = {0};
    sim_client b = {0};
    exchange_options options = {.frames_max = FRAMES, .settle_ns = 50 * TD_NS_PER_MS};
    sim_fixture_open(&f, &options);
    sim_client_connect(&f, &a, "/realtime");
    sim_client_connect(&f, &b, "/realtime");
    sim_fixture_run(&f, &a.opened, 1);
    sim_fixture_run(&f, &b.opened, 1);
    sim_client_send(&a, SUBSCRIBE_ALL);
    sim_client_send(&b, SUBSCRIBE_ALL);
    sim_fixture_run(&f, &a.ended, 1);
    sim_fixture_run(&f, &b.ended, 1);
    assert_int_equal(a.messages, FRAMES + 6 + 1);
    assert_int_equal(b.messages, FRAMES + 6 + 1);
    assert_int_equal(a.digest, b.digest);
    sim_client_close(&a);
    sim_client_close(&b);
    sim_fixture_close(&f);
}

static void test_stop(void **state)
{
    (void)state;
    sim_fixture f;
    sim_client c = {0};
    exchange_options options = {.rate = 100};
    sim_fixture_open(&f, &options);
    sim_client_connect(&f, &c, "/realtime");
    sim_client_send(&c, SUBSCRIBE_ALL);
    sim_fixture_run_message(&f, &c, "\"success\":true");
    assert_int_equal(exchange_is_done(f.exchange), 0);
    exchange_stop(f.exchange);
    sim_fixture_run(&f, &c.ended, 1);
    assert_int_equal(c.close_code, 1001);
    sim_client_close(&c);
    sim_fixture_close(&f);
}

/* If the truth file cannot be written, everything stops: no frame is sent that it lacks. */
static void test_no_frame_without_truth(void **state)
{
    (void)state;
    sim_fixture f;
    sim_client c = {0};
    td_err err;
    exchange_options options = {.frames_max = FRAMES};
    io_fault *disk = io_fault_open();
    assert_int_equal(truth_open(io_fault_io(disk), "truth", &options.truth, NULL), TD_OK);
    io_fault_set_free_bytes(disk, 3000);
    sim_fixture_open(&f, &options);
    f.disk = disk;
    sim_client_connect(&f, &c, "/realtime");
    sim_client_send(&c, SUBSCRIBE_ALL);
    sim_fixture_run(&f, &c.ended, 1);
    assert_int_equal(exchange_failure(f.exchange, &err), TD_E_NOSPACE);
    assert_non_null(strstr(err.text, "truth file"));
    assert_true(c.messages < FRAMES);
    sim_client_close(&c);
    sim_fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_frames_are_in_the_truth),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_paths_and_keys),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_two_clients_get_the_same),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_no_frame_without_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
