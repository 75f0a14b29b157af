/* recorder/import/import_line: the meaning of each line of a capture. Expected values are written
 * from the format's description in docs/import.md; nanoseconds are the text's decimal digits,
 * padded to nine by hand. */
#include "recorder/import/import_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json/json.h"

typedef struct line_row {
    const char *name;
    const char *line;
    import_kind kind;
    channel_dir dir;
    uint64_t time_ns; /* 0 if absent */
    const char *conn;
    const char *url;
    const char *data;
    const char *reason; /* part of the reason; NULL: the line is valid */
} line_row;

static const line_row CRYPTOFEED_ROWS[] = {
    {"received", "1618677786.801375: {\"success\":true}", IMPORT_FRAME, CHANNEL_IN,
     1618677786801375000u, "", "", "{\"success\":true}", NULL},
    {"seven places", "1618677786.9864519: {}", IMPORT_FRAME, CHANNEL_IN, 1618677786986451900u, "",
     "", "{}", NULL},
    {"no fraction", "1618677786: x: y", IMPORT_FRAME, CHANNEL_IN, 1618677786000000000u, "", "",
     "x: y", NULL},
    {"sent", "wss://stream.bybit.com/realtime <- 1618677786.51142: {\"op\":\"ping\"}", IMPORT_FRAME,
     CHANNEL_OUT, 1618677786511420000u, "", "wss://stream.bybit.com/realtime", "{\"op\":\"ping\"}",
     NULL},
    {"connected", "wss://stream.bybit.com/realtime <-> 1618677785.489609", IMPORT_CONNECT,
     CHANNEL_IN, 1618677785489609000u, "", "wss://stream.bybit.com/realtime", "", NULL},
    {"http", "https://api.bybit.com/v2/public/symbols -> 1618677784.5: {\"ret_code\":0}",
     IMPORT_FRAME, CHANNEL_HTTP, 1618677784500000000u, "",
     "https://api.bybit.com/v2/public/symbols", "{\"ret_code\":0}", NULL},
    {"settings", "configuration: {'BYBIT': {}}", IMPORT_NOTHING, CHANNEL_IN, 0, "", "", "", NULL},
    {"empty", "", IMPORT_NOTHING, CHANNEL_IN, 0, "", "", "", NULL},
    {"2: received",
     "{\"t\":\"recv\",\"conn\":\"W.2\",\"ts\":1786310818.2235148,\"data\":\"{\\\"a\\\":1}\"}",
     IMPORT_FRAME, CHANNEL_IN, 1786310818223514800u, "W.2", "", "{\"a\":1}", NULL},
    {"2: sent",
     "{\"t\":\"send\",\"conn\":\"W.2\",\"ts\":1618675201.5,\"addr\":\"wss://h/"
     "p\",\"data\":\"\\u00e9\\n\"}",
     IMPORT_FRAME, CHANNEL_OUT, 1618675201500000000u, "W.2", "wss://h/p", "\xc3\xa9\n", NULL},
    {"2: http",
     "{\"t\":\"http\",\"conn\":\"H\",\"ts\":1618675202,\"url\":\"https://h/\",\"data\":\"plain\"}",
     IMPORT_FRAME, CHANNEL_HTTP, 1618675202000000000u, "H", "https://h/", "plain", NULL},
    {"2: connected",
     "{\"t\":\"connect\",\"conn\":\"W.2\",\"ts\":1618675203.25,\"addr\":\"wss://h/p\"}",
     IMPORT_CONNECT, CHANNEL_IN, 1618675203250000000u, "W.2", "wss://h/p", "", NULL},
    {"2: header", "{\"t\":\"header\",\"format\":2,\"config\":{\"t\":1}}", IMPORT_NOTHING,
     CHANNEL_IN, 0, "", "", "", NULL},
    {"no colon", "1618677786.801375 {}", .reason = "no ': '"},
    {"words", "hello: world", .reason = "not decimal seconds"},
    {"exponent", "1.6e9: {}", IMPORT_FRAME, CHANNEL_IN, 1600000000000000000u, "", "", "{}", NULL},
    {"negative", "-1.5: {}", .reason = "not decimal seconds"},
    {"zero", "0.000: {}", .reason = "not decimal seconds"},
    {"ten places", "1.0000000001: {}", .reason = "not decimal seconds"},
    {"no digits after the point", "1.: {}", .reason = "not decimal seconds"},
    {"too late", "9223372037: {}", .reason = "not decimal seconds"},
    {"before 1990", "631151999.999999999: {}", .reason = "1990"},
    {"1990", "631152000: {}", IMPORT_FRAME, CHANNEL_IN, 631152000000000000u, "", "", "{}", NULL},
    {"before 2100", "4102444799.999999999: {}", IMPORT_FRAME, CHANNEL_IN, 4102444799999999999u, "",
     "", "{}", NULL},
    {"2100", "4102444800: {}", .reason = "2100"},
    {"sent in 2100", "wss://h/p <- 4102444800: {}", .reason = "2100"},
    {"connected in 1970", "wss://h/p <-> 5", .reason = "1990"},
    {"2: in 2100", "{\"t\":\"recv\",\"ts\":4102444800,\"data\":\"x\"}", .reason = "2100"},
    {"far too late", "99999999999999999999999: {}", .reason = "not decimal seconds"},
    {"nothing after the time", "1618677786.5: ", .reason = "nothing after"},
    {"url alone", "wss://h/p", .reason = "after the URL"},
    {"url and words", "wss://h/p is down", .reason = "after the URL"},
    {"connect without time", "wss://h/p <-> never", .reason = "after '<->'"},
    {"sent without time", "wss://h/p <- {}", .reason = "no ': '"},
    {"2: no JSON", "{\"t\":\"recv\"", .reason = ""},
    {"2: lone surrogate", "{\"t\":\"recv\",\"ts\":1618675201,\"data\":\"\\ud800\"}", .reason = ""},
    {"2: other type", "{\"t\":\"what\",\"ts\":1618675201}", .reason = "\"t\" is not one of"},
    {"2: no type", "{\"ts\":1618675201}", .reason = "\"t\" is not one of"},
    {"2: no time", "{\"t\":\"recv\",\"data\":\"x\"}", .reason = "\"ts\""},
    {"2: time with exponent", "{\"t\":\"recv\",\"ts\":1e9,\"data\":\"x\"}", IMPORT_FRAME,
     CHANNEL_IN, 1000000000000000000u, "", "", "x", NULL},
    {"2: no data", "{\"t\":\"recv\",\"ts\":1618675201}", .reason = "no \"data\""},
    {"2: data null", "{\"t\":\"recv\",\"ts\":1618675201,\"data\":null}",
     .reason = "neither a string"},
    {"2: data empty", "{\"t\":\"recv\",\"ts\":1618675201,\"data\":\"\"}", .reason = "empty"},
};

static const line_row JSONL_ROWS[] = {
    {"ns", "{\"recv_ns\":1618677786801375123,\"data\":\"{}\"}", IMPORT_FRAME, CHANNEL_IN,
     1618677786801375123u, "", "", "{}", NULL},
    {"ns as text, topic beside",
     "{\"recv_ns\":\"631152000000000000\",\"topic\":\"t\",\"data\":[1, 2]}", IMPORT_FRAME,
     CHANNEL_IN, 631152000000000000u, "", "", "[1, 2]", NULL},
    {"object kept as it stands", "{\"ts\":1618675201.5,\"data\":{ \"b\" : 1, \"a\":2 }}",
     IMPORT_FRAME, CHANNEL_IN, 1618675201500000000u, "", "", "{ \"b\" : 1, \"a\":2 }", NULL},
    {"s", "{\"ts\":1618677786,\"data\":\"x\"}", IMPORT_FRAME, CHANNEL_IN, 1618677786000000000u, "",
     "", "x", NULL},
    {"ms", "{\"ts\":1618677786801,\"data\":\"x\"}", IMPORT_FRAME, CHANNEL_IN, 1618677786801000000u,
     "", "", "x", NULL},
    {"us", "{\"ts\":1618677786801375,\"data\":\"x\"}", IMPORT_FRAME, CHANNEL_IN,
     1618677786801375000u, "", "", "x", NULL},
    {"ns in ts", "{\"ts\":1618677786801375123,\"data\":\"x\"}", IMPORT_FRAME, CHANNEL_IN,
     1618677786801375123u, "", "", "x", NULL},
    {"out, conn, url",
     "{\"ts\":\"1618675201.5\",\"dir\":\"out\",\"conn\":7,\"url\":\"wss://h/p\",\"data\":\"x\"}",
     IMPORT_FRAME, CHANNEL_OUT, 1618675201500000000u, "7", "wss://h/p", "x", NULL},
    {"connected", "{\"ts\":1618675201.5,\"conn\":\"a\",\"url\":\"wss://h/p\"}", IMPORT_CONNECT,
     CHANNEL_IN, 1618675201500000000u, "a", "wss://h/p", "", NULL},
    {"bare", " {\"topic\":\"trade.BTCUSD\",\"data\":[]}", IMPORT_FRAME, CHANNEL_IN, 0, "", "",
     " {\"topic\":\"trade.BTCUSD\",\"data\":[]}", NULL},
    {"bare with ts of its own", "{\"topic\":\"tickers.X\",\"ts\":1786310818223,\"data\":{}}",
     IMPORT_FRAME, CHANNEL_IN, 0, "", "",
     "{\"topic\":\"tickers.X\",\"ts\":1786310818223,\"data\":{}}", NULL},
    {"bare array", "[{\"e\":\"executionReport\"}]", IMPORT_FRAME, CHANNEL_IN, 0, "", "",
     "[{\"e\":\"executionReport\"}]", NULL},
    {"bare pong", "{\"pong\":1535975085052}", IMPORT_FRAME, CHANNEL_IN, 0, "", "",
     "{\"pong\":1535975085052}", NULL},
    {"empty", "", IMPORT_NOTHING, CHANNEL_IN, 0, "", "", "", NULL},
    {"no JSON", "{\"recv_ns\":1,", .reason = ""},
    {"scalar", "12", .reason = "neither a JSON object"},
    {"ns in 1970", "{\"recv_ns\":1,\"data\":\"x\"}", .reason = "1990"},
    {"ns near 2^63", "{\"recv_ns\":9223372036854775807,\"data\":\"x\"}", .reason = "2100"},
    {"ts in 2100", "{\"ts\":4102444800000,\"data\":\"x\"}", .reason = "2100"},
    {"ns zero", "{\"recv_ns\":0,\"data\":\"x\"}", .reason = "\"recv_ns\""},
    {"ns with fraction", "{\"recv_ns\":1.5,\"data\":\"x\"}", .reason = "\"recv_ns\""},
    {"ns negative", "{\"recv_ns\":-4,\"data\":\"x\"}", .reason = "\"recv_ns\""},
    {"ns no number", "{\"recv_ns\":null,\"data\":\"x\"}", .reason = "\"recv_ns\""},
    {"ts no number", "{\"ts\":\"noon\",\"data\":\"x\"}", .reason = "\"ts\""},
    {"other dir", "{\"ts\":1618675201.5,\"dir\":\"up\",\"data\":\"x\"}", .reason = "\"dir\""},
    {"dir no text", "{\"ts\":1618675201.5,\"dir\":1,\"data\":\"x\"}", .reason = "\"dir\""},
    {"no data", "{\"recv_ns\":1618677786801375123}", .reason = "no \"data\""},
    {"data number", "{\"recv_ns\":1618677786801375123,\"data\":1}", .reason = "neither a string"},
};

static void expect_text(td_bytes found, const char *expected)
{
    expected = expected == NULL ? "" : expected;
    assert_int_equal(found.size, strlen(expected));
    if (found.size > 0)
        assert_memory_equal(found.data, expected, found.size);
}

/* Checks every row as a line, followed by padding that must not matter. */
static void check_rows(import_format format, const line_row *rows, size_t count)
{
    import_line_reader *reader = import_line_reader_open(format);
    for (size_t i = 0; i < count; i++) {
        const line_row *row = &rows[i];
        print_message("  %s\n", row->name);
        char padded[512 + JSON_PADDING_BYTES];
        size_t size = strlen(row->line);
        memset(padded, '"', sizeof padded);
        memcpy(padded, row->line, size);
        import_record record;
        const char *reason = "";
        int is_good = import_line_read(reader, td_bytes_of(padded, size), &record, &reason);
        assert_int_equal(is_good, row->reason == NULL);
        if (row->reason != NULL) {
            assert_non_null(reason);
            assert_true(strlen(reason) > 0);
            assert_non_null(strstr(reason, row->reason));
            continue;
        }
        assert_null(reason);
        assert_int_equal(record.kind, row->kind);
        assert_int_equal(record.dir, row->dir);
        assert_int_equal(record.time_ns, row->time_ns);
        expect_text(record.conn, row->conn);
        expect_text(record.url, row->url);
        expect_text(record.data, row->data);
    }
    import_line_reader_close(reader);
}

static void test_cryptofeed(void **state)
{
    (void)state;
    check_rows(IMPORT_CRYPTOFEED, CRYPTOFEED_ROWS, sizeof CRYPTOFEED_ROWS / sizeof(line_row));
}

static void test_jsonl(void **state)
{
    (void)state;
    check_rows(IMPORT_JSONL, JSONL_ROWS, sizeof JSONL_ROWS / sizeof(line_row));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cryptofeed),
        cmocka_unit_test(test_jsonl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
