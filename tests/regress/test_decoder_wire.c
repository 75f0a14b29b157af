/* The protocol with decoders in other processes, bytes only: docs/decoders.md has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "regress/decoder_wire.h"

static const wire_channel CHANNEL = {.feed = {(const uint8_t *)"f", 1},
                                     .family = {(const uint8_t *)"linear", 6},
                                     .topic = {(const uint8_t *)"trade", 5},
                                     .symbol = {(const uint8_t *)"BTCUSDT", 7},
                                     .exchange_topic = {(const uint8_t *)"trade.BTCUSDT", 13},
                                     .type = {(const uint8_t *)"trade", 5},
                                     .opcode = 1};

static void expect_text(td_buf *buf, const char *text)
{
    if (!td_bytes_is(td_buf_view(buf), text))
        fail_msg("expected %s\nfound    %.*s", text, (int)buf->size, (const char *)buf->data);
    td_buf_clear(buf);
}

static void test_json_frames(void **state)
{
    (void)state;
    td_buf out;
    td_buf_init(&out, 1 << 16);
    wire_frame frame = {.n = 7, .recv_ns = 99, .bytes = td_bytes_str("{\"a\":\"\xc3\xa9\"}")};
    assert_int_equal(wire_put_frame(&out, WIRE_JSON, &CHANNEL, &frame, NULL), TD_OK);
    expect_text(&out,
                "{\"n\":7,\"feed\":\"f\",\"family\":\"linear\",\"topic\":\"trade\",\"symbol\":"
                "\"BTCUSDT\",\"exchange_topic\":\"trade.BTCUSDT\",\"type\":\"trade\","
                "\"recv_ns\":99,\"opcode\":1,\"frame\":\"{\\\"a\\\":\\\"\xc3\xa9\\\"}\"}\n");
    /* No UTF-8: RFC 4648, of every length. */
    static const struct {
        const char *bytes, *text;
    } CASES[] = {
        {"\xff", "/w=="}, {"\xff\xee", "/+4="}, {"\xff\xee\xdd", "/+7d"}, {"foob\xff", "Zm9vYv8="}};
    const wire_channel bare = {.feed = td_bytes_str("f"), .opcode = 2};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char expected[256];
        frame = (wire_frame){.n = 1, .bytes = td_bytes_str(CASES[i].bytes)};
        snprintf(expected, sizeof expected,
                 "{\"n\":1,\"feed\":\"f\",\"family\":\"\",\"topic\":\"\",\"symbol\":null,"
                 "\"exchange_topic\":null,\"type\":null,\"recv_ns\":0,\"opcode\":2,"
                 "\"frame_base64\":\"%s\"}\n",
                 CASES[i].text);
        assert_int_equal(wire_put_frame(&out, WIRE_JSON, &bare, &frame, NULL), TD_OK);
        expect_text(&out, expected);
    }
    td_buf_fini(&out);
}

/* What is put is what is taken, however little comes at a time; whatever is not a message is not
 * taken. */
static void test_binary_frames(void **state)
{
    (void)state;
    td_buf out;
    td_buf_init(&out, 1 << 16);
    const wire_frame frame = {
        .n = 0xfffefdfc, .channel = 3, .recv_ns = UINT64_MAX - 1, .bytes = td_bytes_str("{}")};
    assert_int_equal(wire_put_channel(&out, 3, &CHANNEL, NULL), TD_OK);
    size_t first = out.size;
    assert_int_equal(wire_put_frame(&out, WIRE_BINARY, &CHANNEL, &frame, NULL), TD_OK);
    wire_input in;
    size_t used = 0;
    for (size_t size = 0; size < first; size++)
        assert_int_equal(wire_take_input(td_bytes_of(out.data, size), &used, &in), 0);
    assert_int_equal(wire_take_input(td_bytes_of(out.data, first + 3), &used, &in), 1);
    assert_int_equal(used, first);
    assert_int_equal(in.is_channel, 1);
    assert_int_equal(in.number, 3);
    assert_int_equal(in.channel.opcode, 1);
    assert_true(td_bytes_equal(in.channel.feed, CHANNEL.feed));
    assert_true(td_bytes_equal(in.channel.exchange_topic, CHANNEL.exchange_topic));
    assert_true(td_bytes_equal(in.channel.type, CHANNEL.type));
    td_bytes rest = td_bytes_of(out.data + first, out.size - first);
    for (size_t size = 0; size < rest.size; size++)
        assert_int_equal(wire_take_input(td_bytes_of(rest.data, size), &used, &in), 0);
    assert_int_equal(wire_take_input(rest, &used, &in), 1);
    assert_int_equal(used, rest.size);
    assert_int_equal(in.is_channel, 0);
    assert_int_equal(in.frame.n, 0xfffefdfc);
    assert_int_equal(in.frame.channel, 3);
    assert_int_equal(in.frame.recv_ns, UINT64_MAX - 1);
    assert_true(td_bytes_is(in.frame.bytes, "{}"));
    out.data[4] = 'X';
    assert_int_equal(wire_take_input(td_buf_view(&out), &used, &in), -1);
    out.data[4] = 'C';
    out.data[10]++; /* the length of a text */
    assert_int_equal(wire_take_input(td_buf_view(&out), &used, &in), -1);
    static const uint8_t LONG[] = {0xff, 0xff, 0xff, 0xff, 'F'};
    assert_int_equal(wire_take_input(td_bytes_of(LONG, sizeof LONG), &used, &in), -1);
    td_buf_fini(&out);
}

static json_parser *open_parser(void)
{
    json_parser *parser = NULL;
    assert_int_equal(json_parser_open(0, &parser, NULL), TD_OK);
    return parser;
}

static void test_replies(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        wire_answer answer;
        const char *body, *why; /* why: TD_E_INVALID */
    } CASES[] = {
        {"{\"n\":5}", WIRE_MESSAGE, "{\"n\":5}", NULL},
        {"{\"error\":\"a\\u0062\",\"n\":5}", WIRE_REFUSED, "ab", NULL},
        {"{\"n\":5,\"error\":1}", 0, NULL, "\"error\" is no text"},
        {"{\"n\":\"5\"}", 0, NULL, "no \"n\""},
        {"{\"n\":4294967296}", 0, NULL, "no \"n\""},
        {"[]", 0, NULL, "no \"n\""},
        {"", 0, NULL, "no JSON at byte 0"},
        {"{\"n\":5", 0, NULL, "no JSON at byte 6"},
    };
    json_parser *parser = open_parser();
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        uint8_t bytes[256] = {0};
        size_t size = strlen(CASES[i].line);
        td_err err;
        wire_reply reply;
        memcpy(bytes, CASES[i].line, size);
        td_result rc = wire_read_reply(WIRE_JSON, parser, td_bytes_of(bytes, size), &reply, &err);
        assert_int_equal(rc, CASES[i].why == NULL ? TD_OK : TD_E_INVALID);
        if (CASES[i].why != NULL) {
            if (strncmp(err.text, CASES[i].why, strlen(CASES[i].why)) != 0)
                fail_msg("%s: %s", CASES[i].line, err.text);
            continue;
        }
        assert_int_equal(reply.n, 5);
        assert_int_equal(reply.answer, CASES[i].answer);
        assert_true(td_bytes_is(reply.body, CASES[i].body));
    }
    json_parser_close(parser);
}

static void test_find_replies(void **state)
{
    (void)state;
    td_buf out;
    td_bytes answer;
    size_t used = 0;
    size_t seen = 0;
    td_buf_init(&out, 1 << 16);
    /* Lines: what was looked at is not looked at again. */
    static const char LINES[] = "{\"n\":1}\n{\"n\":2}\n";
    for (size_t size = 0; size < 8; size++) {
        assert_int_equal(
            wire_find_reply(WIRE_JSON, td_bytes_of(LINES, size), &seen, &answer, &used), 0);
        assert_int_equal(seen, size);
    }
    assert_int_equal(wire_find_reply(WIRE_JSON, td_bytes_str(LINES), &seen, &answer, &used), 1);
    assert_true(td_bytes_is(answer, "{\"n\":1}"));
    assert_int_equal(used, 8);
    /* Binary. */
    wire_reply reply;
    for (int kind = WIRE_MESSAGE; kind <= WIRE_WRONG; kind++) {
        td_buf_clear(&out);
        assert_int_equal(wire_put_reply(&out, 77, (wire_answer)kind, td_bytes_str("body"), NULL),
                         TD_OK);
        for (size_t size = 0; size < out.size; size++)
            assert_int_equal(
                wire_find_reply(WIRE_BINARY, td_bytes_of(out.data, size), &seen, &answer, &used),
                0);
        assert_int_equal(wire_find_reply(WIRE_BINARY, td_buf_view(&out), &seen, &answer, &used), 1);
        assert_int_equal(used, out.size);
        assert_int_equal(wire_read_reply(WIRE_BINARY, NULL, answer, &reply, NULL), TD_OK);
        assert_int_equal(reply.n, 77);
        assert_int_equal(reply.answer, kind);
        assert_true(td_bytes_is(reply.body, "body"));
    }
    out.data[8] = '?';
    assert_int_equal(wire_read_reply(WIRE_BINARY, NULL, answer, &reply, NULL), TD_E_INVALID);
    assert_int_equal(wire_read_reply(WIRE_BINARY, NULL, td_bytes_of(out.data, 4), &reply, NULL),
                     TD_E_INVALID);
    static const uint8_t LONG[] = {0xff, 0xff, 0xff, 0x7f};
    assert_int_equal(
        wire_find_reply(WIRE_BINARY, td_bytes_of(LONG, sizeof LONG), &seen, &answer, &used), -1);
    td_buf_fini(&out);
}

static void test_greetings(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        td_result rc;
        wire_form input, reply;
        const char *text; /* the name, or why not */
    } CASES[] = {
        {"{\"tapedeck\":1}", TD_OK, WIRE_JSON, WIRE_JSON, ""},
        {"{\"tapedeck\":1,\"input\":\"binary\",\"name\":\"x\",\"more\":[]}", TD_OK, WIRE_BINARY,
         WIRE_JSON, "x"},
        {"{\"tapedeck\":1,\"input\":\"json\",\"reply\":\"binary\"}", TD_OK, WIRE_JSON, WIRE_BINARY,
         ""},
        {"{\"tapedeck\":2}", TD_E_INVALID, 0, 0, "it speaks version 2 of the protocol, not 1"},
        {"{\"tapedeck\":1,\"input\":1}", TD_E_INVALID, 0, 0, "\"input\" and \"reply\" are"},
        {"{\"n\":1}", TD_E_INVALID, 0, 0, "its first line has no \"tapedeck\": {\"n\":1}"},
        {"python: error", TD_E_INVALID, 0, 0, "its first line is no JSON: python: error"},
        {"{\"error\":\"no licence\"}", TD_E_UNSUPPORTED, 0, 0, "no licence"},
    };
    json_parser *parser = open_parser();
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        td_err err;
        wire_greeting found;
        assert_int_equal(wire_read_welcome(parser, td_bytes_str(CASES[i].line), &found, &err),
                         CASES[i].rc);
        if (CASES[i].rc != TD_OK) {
            if (strncmp(err.text, CASES[i].text, strlen(CASES[i].text)) != 0)
                fail_msg("%s: %s", CASES[i].line, err.text);
            continue;
        }
        assert_int_equal(found.input, CASES[i].input);
        assert_int_equal(found.reply, CASES[i].reply);
        assert_string_equal(found.name, CASES[i].text);
    }
    /* Ours is read back. */
    td_buf out;
    wire_greeting again;
    const wire_greeting sent = {WIRE_BINARY, WIRE_BINARY, "mine"};
    td_buf_init(&out, 1 << 10);
    assert_int_equal(wire_put_welcome(&out, &sent, NULL), TD_OK);
    assert_int_equal(wire_read_welcome(parser, td_bytes_of(out.data, out.size - 1), &again, NULL),
                     TD_OK);
    assert_int_equal(again.input, WIRE_BINARY);
    assert_int_equal(again.reply, WIRE_BINARY);
    assert_string_equal(again.name, "mine");
    td_buf_clear(&out);
    assert_int_equal(wire_put_refusal(&out, "not today", NULL), TD_OK);
    assert_int_equal(wire_read_welcome(parser, td_bytes_of(out.data, out.size - 1), &again, NULL),
                     TD_E_UNSUPPORTED);
    td_buf_clear(&out);
    assert_int_equal(wire_put_greeting(&out, NULL), TD_OK);
    assert_int_equal(strncmp((const char *)out.data, "{\"tapedeck\":1,\"version\":\"", 25), 0);
    td_buf_fini(&out);
    json_parser_close(parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_frames), cmocka_unit_test(test_binary_frames),
        cmocka_unit_test(test_replies),     cmocka_unit_test(test_find_replies),
        cmocka_unit_test(test_greetings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
