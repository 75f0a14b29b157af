/* Which feed a connection or request of a tap is recorded in. A process has one tap: here each has
 * an upstream of its own, because families that are added stay. Expected values: docs/tap.md,
 * "Other exchanges", and the addresses in the documents of the exchanges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/url.h"
#include "recorder/tap/routes.h"
#include "schema/family.h"

#define KEY "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1"

typedef struct fixture {
    redactor redactor;
    td_log log;
    unsigned warnings;
    char last[1024];
    tap_routes *routes;
} fixture;

static void on_line(void *user, td_log_level level, const char *line)
{
    fixture *f = user;
    f->warnings += level == TD_LOG_WARNING;
    (void)snprintf(f->last, sizeof f->last, "%s", line);
}

static td_result fixture_open(fixture *f, const char *upstream, const char *const *families,
                              td_err *err)
{
    size_t count = 0;
    *f = (fixture){.log = {.fn = on_line, .ctx = f, .level_max = TD_LOG_WARNING}};
    redactor_init(&f->redactor);
    while (families[count] != NULL)
        count++;
    const tap_routes_options options = {.upstream = upstream,
                                        .families = families,
                                        .family_count = count,
                                        .redactor = &f->redactor,
                                        .log = &f->log};
    return tap_routes_open(&options, &f->routes, err);
}

static void fixture_close(fixture *f)
{
    tap_routes_close(f->routes);
    redactor_fini(&f->redactor);
}

static const char *feed_name(const fixture *f, uint16_t feed)
{
    size_t count;
    const pipeline_feed *feeds = tap_routes_feeds(f->routes, &count);
    assert_true(feed < count);
    return feeds[feed].name;
}

static const char *find(fixture *f, const char *upstream, const char *target)
{
    char url[512];
    (void)snprintf(url, sizeof url, "%s%s", upstream, target);
    return feed_name(f, tap_routes_find(f->routes, url));
}

/* A connection, or an HTTP request, and its feed. */
typedef struct route_row {
    const char *upstream;
    const char *families[3];
    const char *target, *feed;
} route_row;

/* Print what is wrong and return 0, or return 1. */
static int check_row(const route_row *row, int is_http)
{
    fixture f;
    td_err err;
    if (fixture_open(&f, row->upstream, row->families, &err) != TD_OK) {
        print_error("%s\n", err.text);
        return 0;
    }
    const char *name =
        is_http ? feed_name(&f, tap_routes_find_http(f.routes, td_bytes_str(row->target)))
                : find(&f, row->upstream, row->target);
    const unsigned warnings = !is_http && strncmp(row->feed, "raw-", 4) == 0;
    int is_right =
        strcmp(name, row->feed) == 0 && f.warnings == warnings && strstr(f.last, KEY) == NULL;
    /* A second connection has the same feed, and no warning. */
    is_right &= is_http || find(&f, row->upstream, row->target) == name;
    is_right &= f.warnings == warnings;
    if (!is_right)
        print_error("%s %s: %s, %u warnings: %s\n", row->upstream, row->target, name, f.warnings,
                    f.last);
    fixture_close(&f);
    return is_right;
}

static void check_rows(const route_row *rows, size_t count, int is_http)
{
    for (size_t i = 0; i < count; i++) {
        int status = 0;
        const pid_t child = fork();
        if (child == 0)
            _exit(check_row(&rows[i], is_http) ? 0 : 1);
        assert_true(child > 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

static void test_the_upstream_decides(void **state)
{
    (void)state;
    static const route_row ROWS[] = {
        /* A known host: of an address, another one of the exchange, one without the path. */
        {"wss://stream.binance.com:9443", {NULL}, "/ws/btcusdt@trade", "binance-spot"},
        {"wss://stream.binance.com", {NULL}, "/ws/" KEY, "binance-spot"},
        {"wss://stream.binance.com:9443", {NULL}, "/stream?streams=a@b", "binance-spot"},
        {"wss://fstream.binance.com", {NULL}, "/stream", "binance-usdm"},
        {"wss://fstream.binance.com", {NULL}, "/ws/" KEY, "binance-usdm"},
        {"wss://fstream.binance.com", {NULL}, "/private/ws/" KEY, "binance-usdm-private"},
        {"wss://fstream.binance.com",
         {NULL},
         "/private/stream?streams=" KEY,
         "binance-usdm-private"},
        {"wss://fstream.binance.com",
         {NULL},
         "/v5/elsewhere",
         "raw-fstream.binance.com-v5-elsewhere"},
        {"wss://ws.okx.com:8443", {NULL}, "/ws/v5/public?brokerId=9999", "okx"},
        {"wss://ws.okx.com:8443", {NULL}, "/ws/v5/private", "okx"},
        {"wss://ws.kraken.com", {NULL}, "/", "kraken-v1"},
        {"wss://ws.kraken.com", {NULL}, "/v2", "kraken-v2"},
        {"wss://ws-auth.kraken.com", {NULL}, "/v2", "kraken-v2-private"},
        {"wss://ws-l3.kraken.com", {NULL}, "/v2", "kraken-v2"},
        {"wss://ws-auth.kraken.com", {NULL}, "/", "kraken-v1-private"},
        {"wss://ws.bitstamp.net", {NULL}, "/", "bitstamp"},
        {"wss://advanced-trade-ws.coinbase.com", {NULL}, "/", "coinbase-advanced"},
        {"wss://advanced-trade-ws-user.coinbase.com", {NULL}, "/", "coinbase-advanced"},
        {"wss://stream.bytick.com", {NULL}, "/v5/public/linear", "v5-linear"},
        /* Two families of one exchange. */
        {"wss://stream.bybit.com",
         {NULL},
         "/realtime_public",
         "raw-stream.bybit.com-realtime_public"},
        {"wss://stream.bybit.com", {"linear"}, "/realtime_public", "linear"},
        {"wss://stream.bybit.com", {"linear"}, "/v5/private", "v5-private"},
        /* An unknown host. */
        {"ws://127.0.0.1:1", {NULL}, "/v5/public/linear", "v5-linear"},
        {"ws://127.0.0.1:1", {NULL}, "/ws/v5/public", "okx"},
        {"ws://127.0.0.1:1", {NULL}, "/ws/v5/private", "okx"},
        {"ws://127.0.0.1:1", {NULL}, "/ws/btcusdt@trade", "raw-127.0.0.1-ws-btcusdt_trade"},
        {"ws://127.0.0.1:1", {NULL}, "/", "raw-127.0.0.1"},
        {"ws://127.0.0.1:1", {"kraken-v1"}, "/", "kraken-v1"},
        {"ws://127.0.0.1:1", {"kraken-v1"}, "/ws/v5/public", "raw-127.0.0.1-ws-v5-public"},
        {"ws://127.0.0.1:1", {"kraken-v1", "okx"}, "/ws/v5/public", "okx"},
        {"ws://127.0.0.1:1", {"binance-spot"}, "/ws/btcusdt@trade/" KEY, "binance-spot"},
        {"ws://127.0.0.1:1", {"binance-spot"}, "/market/stream", "binance-usdm"},
        {"ws://127.0.0.1:1", {"binance-spot", "okx"}, "/ws/v5/public", "okx"},
        {"ws://[::1]:1", {NULL}, "/x", "raw-__1-x"},
        /* What a name cannot have. */
        {"ws://h", {NULL}, "/a%20b/\"c\"/", "raw-h-a_20b-_c_"},
        {"ws://h", {NULL}, "/" KEY, "raw-h"},
    };
    check_rows(ROWS, sizeof ROWS / sizeof ROWS[0], 0);
}

/* Two paths whose feeds would have one name. */
static void test_a_name_that_is_taken(void **state)
{
    (void)state;
    static const char *const NONE[] = {NULL};
    fixture f;
    td_err err;
    assert_int_equal(fixture_open(&f, "ws://taken", NONE, &err), TD_OK);
    assert_string_equal(find(&f, "ws://taken", "/a-b"), "raw-taken-a-b");
    assert_string_equal(find(&f, "ws://taken", "/a/b"), "raw-taken-others");
    assert_string_equal(find(&f, "ws://taken", "/a-b"), "raw-taken-a-b");
    char target[300] = "/";
    memset(target + 1, 'x', sizeof target - 2);
    target[sizeof target - 1] = '\0';
    assert_int_equal(strlen(find(&f, "ws://taken", target)), LIMIT_NAME_BYTES - 1);
    target[sizeof target - 2] = 'y';
    assert_string_equal(find(&f, "ws://taken", target), "raw-taken-others");
    fixture_close(&f);
}

static void test_http(void **state)
{
    (void)state;
    static const route_row ROWS[] = {
        {"wss://stream.bybit.com", {NULL}, "/v5/market/time", "v5-linear"},
        {"wss://stream.bybit.com", {NULL}, "/v2/public/time", "inverse"},
        {"wss://ws.okx.com:8443", {NULL}, "/api/v5/public/time", "okx"},
        {"ws://127.0.0.1:1", {NULL}, "/v5/market/time", "v5-linear"},
        {"ws://127.0.0.1:1", {NULL}, "/api/v5/public/time", "raw-127.0.0.1-others"},
        {"ws://127.0.0.1:1", {"okx"}, "/api/v5/public/time", "okx"},
    };
    check_rows(ROWS, sizeof ROWS / sizeof ROWS[0], 1);
}

static void test_families_that_do_not_choose_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *families[3];
        const char *said;
    } ROWS[] = {
        {{"kraken-v1", "bitstamp"}, "same path /"},
        {{"linear", "copytrade"}, "same path /realtime_public"},
        {{"okx", "binance"}, "no family 'binance'"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        fixture f;
        td_err err;
        assert_int_equal(fixture_open(&f, "ws://127.0.0.1:1", ROWS[i].families, &err),
                         TD_E_INVALID);
        assert_non_null(strstr(err.text, ROWS[i].said));
        fixture_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_upstream_decides),
        cmocka_unit_test(test_a_name_that_is_taken),
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_families_that_do_not_choose_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
