/* Frames become the same events however the bytes are split into reads. The bytes are written by
 * hand from RFC 6455, 5.2 and 5.7; sections are next to the rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/utf8.h"
#include "wire/websocket.h"

enum { LIMIT_BYTES = 70000, TEXT_BYTES = 1 << 16 };

/* ---- the events of a byte stream ---- */

typedef struct transcript {
    char text[TEXT_BYTES];
    size_t size;
} transcript;

static void note(transcript *t, const char *kind, td_bytes bytes)
{
    uint64_t hash = 5381;
    for (size_t i = 0; i < bytes.size; i++)
        hash = hash * 33 + bytes.data[i];
    if (bytes.size <= 60)
        t->size += (size_t)snprintf(t->text + t->size, TEXT_BYTES - t->size, "%s(%.*s) ", kind,
                                    (int)bytes.size, (const char *)bytes.data);
    else
        t->size += (size_t)snprintf(t->text + t->size, TEXT_BYTES - t->size, "%s(%zu:%llx) ", kind,
                                    bytes.size, (unsigned long long)hash);
    assert_true(t->size < TEXT_BYTES);
}

static void note_event(transcript *t, const ws_event *event)
{
    char kind[64];
    const ws_message *got = &event->message;
    static const char *const NAMES[16] = {[WS_TEXT] = "text",
                                          [WS_BINARY] = "binary",
                                          [WS_CLOSE] = "close",
                                          [WS_PING] = "ping",
                                          [WS_PONG] = "pong"};
    snprintf(kind, sizeof kind, "%s%s%s", NAMES[got->opcode],
             (got->form & FORM_FRAGMENTED) != 0 ? "+" : "",
             (got->form & FORM_COMPRESSED) != 0 ? "*" : "");
    if (got->opcode == WS_CLOSE)
        snprintf(kind, sizeof kind, "close %u", event->code);
    note(t, kind, got->bytes);
}

/* Reads a byte stream in pieces of piece_bytes (0: random sizes). */
static void read_stream(ws_peer peer, td_bytes stream, size_t piece_bytes, td_random *random,
                        deflate_receiver *inflater, transcript *out)
{
    ws_reader reader;
    ws_event event;
    ws_result rc = WS_MORE;
    out->size = 0;
    out->text[0] = '\0';
    ws_reader_init(&reader, peer, inflater, LIMIT_BYTES);
    for (size_t at = 0; at < stream.size && rc != WS_FAILURE;) {
        size_t size = piece_bytes != 0 ? piece_bytes : 1 + td_random_below(random, 9);
        size = size < stream.size - at ? size : stream.size - at;
        uint8_t *piece = malloc(size); /* exact size, for sanitizers */
        memcpy(piece, stream.data + at, size);
        at += size;
        ws_give(&reader, piece, size, at);
        while ((rc = ws_read(&reader, &event)) == WS_EVENT)
            note_event(out, &event);
        free(piece);
    }
    if (rc == WS_FAILURE) {
        out->size += (size_t)snprintf(out->text + out->size, TEXT_BYTES - out->size, "FAIL %u: %s",
                                      event.code, event.why);
        assert_int_equal(ws_read(&reader, &event), WS_MORE);
    }
    ws_reader_fini(&reader);
}

static void expect_stream(const char *name, ws_peer peer, td_bytes stream, const char *expected)
{
    static transcript got;
    td_random random;
    td_random_init(&random, 7);
    const size_t SIZES[] = {SIZE_MAX, 1, 2, 3, 0, 0, 0, 0};
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        read_stream(peer, stream, SIZES[i], &random, NULL, &got);
        if (strcmp(got.text, expected) != 0)
            fail_msg("%s, reads of %zu:\n  got      %s\n  expected %s", name, SIZES[i], got.text,
                     expected);
    }
}

/* A byte stream and the expected events. */
typedef struct stream_row {
    const char *name, *bytes;
    size_t size;
    const char *expected;
} stream_row;

static void expect_streams(ws_peer peer, const stream_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_stream(rows[i].name, peer, td_bytes_of(rows[i].bytes, rows[i].size),
                      rows[i].expected);
}

/* ---- frames from a server ---- */

#define ROW(name, bytes, expected)                                                                 \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, expected                                                   \
    }

static void test_server_frames(void **state)
{
    (void)state;
    static const stream_row ROWS[] = {
        ROW("5.7: text", "\x81\x05Hello", "text(Hello) "),
        ROW("5.7: fragments", "\x01\x03Hel\x80\x02lo", "text+(Hello) "),
        ROW("5.7: ping and pong", "\x89\x05Hello\x8a\x05Hello", "ping(Hello) pong(Hello) "),
        ROW("empty text and binary", "\x81\x00\x82\x00", "text() binary() "),
        ROW("empty fragments", "\x01\x00\x00\x00\x80\x00", "text+() "),
        ROW("only the last has bytes", "\x01\x00\x00\x00\x80\x01x", "text+(x) "),
        ROW("several at once",
            "\x81\x01"
            "a\x82\x01"
            "b\x81\x01"
            "c",
            "text(a) binary(b) text(c) "),
        ROW("5.4: a ping within a message",
            "\x01\x01"
            "a\x89\x01p\x80\x01"
            "b",
            "ping(p) text+(ab) "),
        ROW("a length of 2 bytes",
            "\x82\x7e\x00\x7e"
            "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345"
            "67890123456789"
            "01234567890123456789012345",
            "binary(126:dc8da6a53c11eb90) "),
        /* 5.2 */
        ROW("RSV1", "\xc1\x01x", "FAIL 1002: it sent a frame with a reserved bit"),
        ROW("RSV2", "\xa1\x01x", "FAIL 1002: it sent a frame with a reserved bit"),
        ROW("RSV3", "\x91\x01x", "FAIL 1002: it sent a frame with a reserved bit"),
        ROW("RSV1 of a ping", "\xc9\x00", "FAIL 1002: it sent a frame with a reserved bit"),
        ROW("opcode 3", "\x83\x00", "FAIL 1002: it sent a frame with a reserved opcode"),
        ROW("opcode 7", "\x87\x00", "FAIL 1002: it sent a frame with a reserved opcode"),
        ROW("opcode 11", "\x8b\x00", "FAIL 1002: it sent a frame with a reserved opcode"),
        ROW("opcode 15", "\x8f\x00", "FAIL 1002: it sent a frame with a reserved opcode"),
        ROW("5.1: masked by a server",
            "\x81\x81"
            "abcdx",
            "FAIL 1002: it sent a masked frame, which servers must not"),
        ROW("2 bytes for a length of 125", "\x82\x7e\x00\x7d",
            "FAIL 1002: it sent a length in more bytes than needed"),
        ROW("8 bytes for a length of 65535", "\x82\x7f\0\0\0\0\0\0\xff\xff",
            "FAIL 1002: it sent a length in more bytes than needed"),
        ROW("a length of 2^63", "\x82\x7f\x80\0\0\0\0\0\0\0",
            "FAIL 1002: it sent a length with its highest bit set"),
        ROW("a length over the limit", "\x82\x7f\0\0\0\0\0\x01\x11\x71",
            "FAIL 1009: it sent a message over the limit"),
        /* 5.4, 5.5 */
        ROW("a ping in fragments", "\x09\x00", "FAIL 1002: it sent a control frame in fragments"),
        ROW("a ping of 126 bytes", "\x89\x7e\x00\x7e",
            "FAIL 1002: it sent a control frame of more than 125 bytes"),
        ROW("nothing to continue", "\x80\x01x",
            "FAIL 1002: it continued a message that had not begun"),
        ROW("nothing to continue any more",
            "\x81\x01"
            "a\x80\x01"
            "b",
            "text(a) FAIL 1002: it continued a message that had not begun"),
        ROW("a message within another",
            "\x01\x01"
            "a\x81\x01"
            "b",
            "FAIL 1002: it began a message within another one"),
        ROW("events before a failure", "\x81\x02ok\x83\x00",
            "text(ok) FAIL 1002: it sent a frame with a reserved opcode"),
        /* 5.5.1, 7.4 */
        ROW("close without a code", "\x88\x00", "close 1005() "),
        ROW("close",
            "\x88\x07\x03\xe8"
            "done!",
            "close 1000(done!) "),
        ROW("nothing after close",
            "\x88\x00\x81\x01"
            "a",
            "close 1005() "),
        ROW("half a code", "\x88\x01\x03", "FAIL 1002: it sent a close frame with half a code"),
        ROW("a reason that is not UTF-8", "\x88\x03\x03\xe8\xff",
            "FAIL 1007: it sent a close reason that is not UTF-8"),
        /* 8.1 */
        ROW("text that is UTF-8", "\x81\x09\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
            "text(\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80) "),
        ROW("a character over two fragments", "\x01\x01\xc3\x80\x01\xa4", "text+(\xc3\xa4) "),
        ROW("text that is not UTF-8", "\x81\x01\x80", "FAIL 1007: it sent text that is not UTF-8"),
        ROW("text that ends too early", "\x81\x01\xc3",
            "FAIL 1007: it sent text that ends within a character"),
        ROW("a surrogate", "\x81\x03\xed\xa0\x80", "FAIL 1007: it sent text that is not UTF-8"),
        ROW("found before the message is whole", "\x01\x02\xc0\x80",
            "FAIL 1007: it sent text that is not UTF-8"),
        ROW("binary may be anything", "\x82\x01\xff", "binary(\xff) "),
    };
    expect_streams(WS_FROM_SERVER, ROWS, sizeof ROWS / sizeof *ROWS);
}

/* 7.4.1, 7.4.2 and IANA's registry of 2026. */
static void test_close_codes(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 0x10000; code++) {
        const uint8_t frame[] = {0x88, 2, (uint8_t)(code >> 8), (uint8_t)code};
        int may = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                  (code >= 3000 && code <= 4999);
        static transcript got;
        char expected[128];
        snprintf(expected, sizeof expected, "close %u() ", code);
        read_stream(WS_FROM_SERVER, td_bytes_of(frame, sizeof frame), SIZE_MAX, NULL, NULL, &got);
        assert_string_equal(
            got.text, may ? expected : "FAIL 1002: it sent a close code that frames must not have");
    }
}

/* ---- frames from a client ---- */

static void test_client_frames(void **state)
{
    (void)state;
    static const stream_row ROWS[] = {
        ROW("5.7: masked text", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "text(Hello) "),
        ROW("without a mask", "\x81\x05Hello",
            "FAIL 1002: it sent a frame without a mask, which clients must not"),
        ROW("5.7: masked pong", "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "pong(Hello) "),
        ROW("an empty masked frame",
            "\x81\x80"
            "abcd",
            "text() "),
        ROW("masks differ", "\x01\x81\0\0\0\0a\x80\x81\xff\xff\xff\xff\x9d", "text+(ab) "),
    };
    expect_streams(WS_FROM_CLIENT, ROWS, sizeof ROWS / sizeof *ROWS);
}

/* ---- both directions ---- */

/* Frames with sizes around the boundaries of length fields and words are written and read back. */
static void test_round_trip(void **state)
{
    (void)state;
    static const size_t SIZES[] = {0,   1,   2,   7,   8,     9,     31,    32,   33,
                                   124, 125, 126, 127, 65534, 65535, 65536, 65543};
    static uint8_t payload[LIMIT_BYTES];
    static uint8_t stream[LIMIT_BYTES + WS_HEAD_BYTES_MAX];
    td_random random;
    td_random_init(&random, 3);
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        for (ws_peer peer = WS_FROM_SERVER; peer <= WS_FROM_CLIENT; peer++) {
            const uint8_t mask[4] = {1, 2, 3, (uint8_t)td_random_below(&random, 256)};
            transcript expected = {.size = 0};
            for (size_t k = 0; k < SIZES[i]; k++)
                payload[k] = (uint8_t)(33 + td_random_below(&random, 90));
            size_t head = ws_put_head(stream, WS_TEXT, WS_FINAL, SIZES[i],
                                      peer == WS_FROM_CLIENT ? mask : NULL);
            memcpy(stream + head, payload, SIZES[i]);
            if (peer == WS_FROM_CLIENT)
                ws_mask(stream + head, SIZES[i], mask, 0);
            note(&expected, "text", td_bytes_of(payload, SIZES[i]));
            expect_stream("round trip", peer, td_bytes_of(stream, head + SIZES[i]), expected.text);
        }
    }
}

/* A message in several reads has the time of its first byte; a message in one read, the time of
 * that. */
static void test_messages_have_the_first_time(void **state)
{
    (void)state;
    uint8_t bytes[] = "\x01\x02"
                      "ab\x89\x00\x80\x02"
                      "cd\x81\x01x";
    ws_reader reader;
    ws_event event;
    ws_reader_init(&reader, WS_FROM_SERVER, NULL, LIMIT_BYTES);
    ws_give(&reader, bytes, 1, 100);
    assert_int_equal(ws_read(&reader, &event), WS_MORE);
    ws_give(&reader, bytes + 1, 5, 200);
    assert_int_equal(ws_read(&reader, &event), WS_EVENT);
    assert_int_equal(event.message.opcode, WS_PING);
    assert_int_equal(event.message.mono_ns, 200);
    assert_int_equal(ws_read(&reader, &event), WS_MORE);
    ws_give(&reader, bytes + 6, sizeof bytes - 1 - 6, 300);
    assert_int_equal(ws_read(&reader, &event), WS_EVENT);
    assert_int_equal(event.message.mono_ns, 100);
    assert_int_equal(ws_read(&reader, &event), WS_EVENT);
    assert_int_equal(event.message.mono_ns, 300);
    assert_ptr_equal(event.message.bytes.data, bytes + 12); /* the offset in the buffer */
    assert_int_equal(ws_read(&reader, &event), WS_MORE);
    ws_reader_fini(&reader);
}

/* ---- permessage-deflate ---- */

/* RFC 7692, 7.2.3: the RFC's own examples, and the limit. */
static void test_deflate(void **state)
{
    (void)state;
    static const stream_row ROWS[] = {
        ROW("7.2.3.1", "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", "text*(Hello) "),
        ROW("7.2.3.1: fragments", "\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00", "text+*(Hello) "),
        ROW("7.2.3.2: the window is shared",
            "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00",
            "text*(Hello) text*(Hello) "),
        ROW("7.2.3.3: no compression", "\xc1\x0b\x00\x05\x00\xfa\xffHello\x00", "text*(Hello) "),
        ROW("7.2.3.4: BFINAL", "\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "text*(Hello) "),
        ROW("7.2.3.5: two blocks", "\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
            "text*(Hello) "),
        ROW("a message that is not compressed", "\x81\x01x\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00",
            "text(x) text*(Hello) "),
        ROW("RSV1 on a continuation", "\x41\x03\xf2\x48\xcd\xc0\x04\xc9\xc9\x07\x00",
            "FAIL 1002: it sent a frame with a reserved bit"),
        ROW("broken", "\xc1\x02\xff\xff", "FAIL 1007: it sent a compressed message that is broken"),
        ROW("cut", "\xc1\x04\xf2\x48\xcd\xc9",
            "FAIL 1007: it sent a compressed message that is broken"),
        ROW("not UTF-8", "\xc1\x07\x00\x01\x00\xfe\xff\xff\x00",
            "FAIL 1007: it sent text that is not UTF-8"),
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        for (size_t piece = 1; piece < 20; piece++) {
            static transcript got;
            deflate_receiver *inflater = deflate_receiver_open(DEFLATE_TAKEOVER);
            read_stream(WS_FROM_SERVER, td_bytes_of(ROWS[i].bytes, ROWS[i].size), piece, NULL,
                        inflater, &got);
            if (strcmp(got.text, ROWS[i].expected) != 0)
                fail_msg("%s, reads of %zu:\n  got      %s\n  expected %s", ROWS[i].name, piece,
                         got.text, ROWS[i].expected);
            deflate_receiver_close(inflater);
        }
    }
}

/* A sender's messages are inflated to the same bytes, up to the limit; also after one byte above
 * the limit, and after a broken message. */
static void test_deflate_round_trip(void **state)
{
    (void)state;
    static const size_t SIZES[] = {0, 1, 100, 65535, 65536, 300000};
    for (int bits = DEFLATE_BITS_MIN; bits <= DEFLATE_BITS_MAX; bits++) {
        deflate_sender *sender = deflate_sender_open(bits);
        deflate_receiver *receiver = deflate_receiver_open(DEFLATE_NO_TAKEOVER);
        td_random random;
        td_random_init(&random, (uint64_t)bits);
        for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
            uint8_t *bytes = malloc(SIZES[i] + 1);
            td_bytes back;
            td_buf payload;
            td_buf_init(&payload, SIZE_MAX);
            for (size_t k = 0; k < SIZES[i]; k++)
                bytes[k] = (uint8_t)('a' + td_random_below(&random, 1 + i * 5));
            deflate_send(sender, td_bytes_of(bytes, SIZES[i]), &payload);
            if (SIZES[i] > 0)
                assert_int_equal(
                    deflate_receive(receiver, td_buf_view(&payload), SIZES[i] - 1, &back),
                    DEFLATE_TOO_LARGE);
            assert_int_equal(deflate_receive(receiver, td_bytes_str("\xff"), SIZE_MAX / 2, &back),
                             DEFLATE_BROKEN);
            assert_int_equal(deflate_receive(receiver, td_buf_view(&payload), SIZES[i], &back),
                             DEFLATE_OK);
            assert_true(td_bytes_equal(back, td_bytes_of(bytes, SIZES[i])));
            td_buf_fini(&payload);
            free(bytes);
        }
        deflate_sender_close(sender);
        deflate_receiver_close(receiver);
    }
}

/* A message that ends many deflate streams would keep a thread busy for seconds. */
static void test_many_streams(void **state)
{
    (void)state;
    uint8_t bytes[2 * 1001 + 1];
    td_bytes out;
    deflate_receiver *receiver = deflate_receiver_open(DEFLATE_NO_TAKEOVER);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = i % 2 == 0 ? 3 : 0; /* RFC 1951: an empty block, the last of its stream */
    bytes[sizeof bytes - 1] = 0;
    const td_bytes most = td_bytes_of(bytes + 2, sizeof bytes - 2);
    assert_int_equal(deflate_receive(receiver, most, 1, &out), DEFLATE_OK);
    assert_int_equal(deflate_receive(receiver, td_bytes_of(bytes, sizeof bytes), 1, &out),
                     DEFLATE_BROKEN);
    assert_int_equal(deflate_receive(receiver, most, 1, &out), DEFLATE_OK);
    deflate_receiver_close(receiver);
}

/* ---- writing ---- */

static void test_put_close(void **state)
{
    (void)state;
    uint8_t out[WS_CONTROL_BYTES_MAX];
    static const uint8_t LETTER[] = {0xc3, 0xa4};
    char reason[200];
    assert_int_equal(ws_put_close(out, WS_CODE_ABSENT, td_bytes_str("x")), 0);
    assert_int_equal(ws_put_close(out, 1000, td_bytes_str("ok")), 4);
    assert_memory_equal(out, "\x03\xe8ok", 4);
    for (size_t i = 0; i + 1 < sizeof reason; i += 2)
        memcpy(reason + i, LETTER, sizeof LETTER);
    assert_int_equal(ws_put_close(out, 1001, td_bytes_of(reason, sizeof reason)), 2 + 122);
    assert_true(td_utf8_is_text(td_bytes_of(out + 2, 122)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_frames),
        cmocka_unit_test(test_close_codes),
        cmocka_unit_test(test_client_frames),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_messages_have_the_first_time),
        cmocka_unit_test(test_deflate),
        cmocka_unit_test(test_deflate_round_trip),
        cmocka_unit_test(test_many_streams),
        cmocka_unit_test(test_put_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
