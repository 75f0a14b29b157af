/* Any bytes as a peer's stream: a handshake, then frames. Besides not crashing: the events do not
 * depend on how the stream is split into reads; text is UTF-8; no message exceeds the limit, nor
 * does its memory; nothing follows a close frame or a failure. And any bytes as messages: what one
 * end writes, the other reads back. The first byte chooses which, the peer, compression, and the
 * split. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/utf8.h"
#include "tests/testing/fuzz_input.h"
#include "wire/handshake.h"
#include "wire/tunnel.h"
#include "wire/websocket.h"

/* Larger than frames of all three forms of length. */
enum { MESSAGE_BYTES_MAX = 70000 };

/* Bits of the first byte; two bits between them choose the split. */
enum { FROM_CLIENT = 1, COMPRESSED = 2, NO_TAKEOVER = 16, ROUND_TRIP = 128 };

typedef struct summary {
    uint64_t hash;
    size_t events;
    unsigned failure; /* its code, or 0 */
} summary;

static void note(summary *sum, const ws_event *event)
{
    const ws_message *got = &event->message;
    TD_ASSERT(got->bytes.size <= MESSAGE_BYTES_MAX);
    TD_ASSERT(got->opcode < WS_CLOSE || got->bytes.size <= WS_CONTROL_BYTES_MAX);
    if (got->opcode == WS_TEXT || got->opcode == WS_CLOSE)
        TD_ASSERT(td_utf8_is_text(got->bytes));
    sum->events++;
    sum->hash = sum->hash * 31 + td_xxh64(got->bytes.data, got->bytes.size);
    sum->hash = sum->hash * 31 + got->opcode + event->code + (size_t)got->form * 16;
}

/* How a stream is split into reads: equal sizes, or random ones. */
typedef struct cuts {
    size_t piece_bytes;
    td_random *random; /* NULL: equal sizes */
} cuts;

static summary read_frames(td_bytes stream, unsigned how, cuts by)
{
    summary sum = {0};
    ws_reader reader;
    ws_event event;
    int is_over = 0;
    deflate_context context = (how & NO_TAKEOVER) != 0 ? DEFLATE_NO_TAKEOVER : DEFLATE_TAKEOVER;
    deflate_receiver *inflater = (how & COMPRESSED) != 0 ? deflate_receiver_open(context) : NULL;
    ws_reader_init(&reader, (how & FROM_CLIENT) != 0 ? WS_FROM_CLIENT : WS_FROM_SERVER, inflater,
                   MESSAGE_BYTES_MAX);
    for (size_t at = 0, size; at < stream.size; at += size) {
        size = by.random == NULL ? by.piece_bytes
                                 : 1 + (size_t)td_random_below(by.random, by.piece_bytes);
        size = stream.size - at < size ? stream.size - at : size;
        uint8_t *piece = td_alloc(size); /* exact size, for sanitizers */
        memcpy(piece, stream.data + at, size);
        ws_give(&reader, piece, size, at);
        for (ws_result rc; (rc = ws_read(&reader, &event)) != WS_MORE;) {
            TD_ASSERT(!is_over);
            TD_ASSERT(reader.pieces.capacity <= MESSAGE_BYTES_MAX);
            if (rc == WS_EVENT)
                note(&sum, &event);
            else
                sum.failure = event.code;
            is_over = rc == WS_FAILURE || event.message.opcode == WS_CLOSE;
        }
        td_free(piece);
    }
    ws_reader_fini(&reader);
    deflate_receiver_close(inflater);
    return sum;
}

/* ---- heads ---- */

/* Checks that each end understands the other's answers. */
static void check_answers(const handshake_request *request)
{
    handshake_reply reply;
    td_buf out;
    td_buf_init(&out, 2 * (size_t)HANDSHAKE_BYTES_MAX);
    if (request->status == 101)
        handshake_accept(request, &out);
    else
        handshake_answer(request->status, request->why == NULL ? "" : request->why, &out);
    size_t size = handshake_head_bytes(td_buf_view(&out));
    handshake_read_reply(NULL, td_bytes_of(out.data, size), &reply);
    TD_ASSERT(reply.why == NULL);
    TD_ASSERT(reply.status == request->status);
    if (request->status != 101)
        TD_ASSERT(reply.content_bytes == (int64_t)(out.size - size));
    td_buf_fini(&out);
}

/* Checks that our client and our server agree, for any key. */
static void check_opening(td_bytes nonce)
{
    upgrade_request ask = {.host = "localhost", .target = "/a?b", .with_deflate = 1};
    handshake_request request;
    handshake_reply reply;
    td_buf written;
    td_buf answered;
    memcpy(ask.nonce, nonce.data, nonce.size < sizeof ask.nonce ? nonce.size : sizeof ask.nonce);
    td_buf_init(&written, HANDSHAKE_BYTES_MAX);
    td_buf_init(&answered, HANDSHAKE_BYTES_MAX);
    handshake_put_request(&ask, &written);
    handshake_read_request(td_buf_view(&written), &request);
    TD_ASSERT(request.status == 101);
    handshake_accept(&request, &answered);
    handshake_read_reply(&ask, td_buf_view(&answered), &reply);
    TD_ASSERT(reply.why == NULL);
    TD_ASSERT(reply.is_deflated);
    td_buf_fini(&written);
    td_buf_fini(&answered);
}

/* Checks that the fields a relay forwards make the same request to its server. */
static void check_handed_on(const handshake_request *request, td_bytes head)
{
    handshake_request again;
    td_buf fields;
    td_buf written;
    if (request->status != 101 || head.size > HANDSHAKE_BYTES_MAX - 256)
        return;
    td_buf_init(&fields, HANDSHAKE_BYTES_MAX);
    td_buf_init(&written, 2 * (size_t)HANDSHAKE_BYTES_MAX);
    handshake_copy_fields(head, &fields);
    td_buf_add(&fields, "", 1);
    const upgrade_request ask = {
        .host = "localhost", .target = "/a?b", .fields = (const char *)fields.data};
    handshake_put_request(&ask, &written);
    handshake_read_request(td_buf_view(&written), &again);
    TD_ASSERT(handshake_head_bytes(td_buf_view(&written)) == written.size);
    TD_ASSERT(again.status == 101);
    TD_ASSERT(td_bytes_is(again.path, "/a"));
    TD_ASSERT(again.deflate_bits == request->deflate_bits);
    td_buf_fini(&fields);
    td_buf_fini(&written);
}

static void read_heads(td_bytes stream)
{
    static const upgrade_request ASK = {
        .host = "localhost", .target = "/", .nonce = "the sample nonce", .with_deflate = 1};
    static const wire_proxy PROXY = {.is_used = 1, .port = 80, .host = "localhost"};
    static const td_server_url TARGET = {.authority = "localhost"};
    char text[TUNNEL_TEXT_BYTES];
    handshake_request request;
    handshake_reply reply;
    size_t used;
    size_t size = handshake_head_bytes(stream);
    td_bytes head = size == 0 ? stream : td_bytes_of(stream.data, size);
    handshake_read_request(head, &request);
    TD_ASSERT((request.why == NULL) == (request.status == 101 || request.status == 200));
    check_answers(&request);
    check_handed_on(&request, head);
    handshake_read_reply(&ASK, head, &reply);
    TD_ASSERT(reply.why != NULL || reply.status >= 100);
    (void)tunnel_read_reply(&PROXY, &TARGET, stream, &used, text);
    TD_ASSERT(used <= stream.size);
}

static void read_stream(td_bytes stream, unsigned how)
{
    static const size_t PIECES[] = {1, 2, 7, 64};
    td_random random;
    td_random_init(&random, td_xxh64(stream.data, stream.size));
    const cuts CUTS[] = {{SIZE_MAX, NULL}, {PIECES[how >> 2 & 3], NULL}, {300, &random}};
    summary sums[3];
    for (size_t i = 0; i < 3; i++)
        sums[i] = read_frames(stream, how, CUTS[i]);
    for (size_t i = 1; i < 3; i++) {
        TD_ASSERT(sums[0].hash == sums[i].hash);
        TD_ASSERT(sums[0].events == sums[i].events);
        TD_ASSERT(sums[0].failure == sums[i].failure);
    }
}

/* ---- messages, written and read back ---- */

static void put_frame(td_buf *out, unsigned how, unsigned opcode, unsigned flags, td_bytes payload)
{
    static const uint8_t MASK[] = {0xfe, 0x01, 0x80, 0x37};
    int is_masked = (how & FROM_CLIENT) != 0;
    uint8_t head[WS_HEAD_BYTES_MAX];
    td_buf_add(out, head, ws_put_head(head, opcode, flags, payload.size, is_masked ? MASK : NULL));
    td_buf_add(out, payload.data, payload.size);
    if (is_masked && payload.size > 0)
        ws_mask(out->data + out->size - payload.size, payload.size, MASK, 0);
}

/* Writes a message in frames of frame_bytes, with a ping after each frame but the last. */
static void put_message(td_buf *out, unsigned how, unsigned opcode, unsigned flags,
                        size_t frame_bytes, td_bytes bytes)
{
    do {
        size_t size = bytes.size < frame_bytes ? bytes.size : frame_bytes;
        int is_last = size == bytes.size;
        put_frame(out, how, opcode, flags | (is_last ? WS_FINAL : 0),
                  td_bytes_of(bytes.data, size));
        if (!is_last)
            put_frame(out, how, WS_PING, WS_FINAL, td_bytes_str("between"));
        bytes = td_bytes_of(bytes.data + size, bytes.size - size);
        opcode = WS_CONTINUATION;
        flags = 0;
    } while (bytes.size > 0);
}

/* Writes the rest as messages, each after two bytes: its size, and its number of frames. Adds each
 * to the stream, and to the summary of the expected events. */
static void put_messages(td_bytes rest, unsigned how, td_buf *out, summary *sum)
{
    deflate_sender *sender = deflate_sender_open(DEFLATE_BITS_MAX);
    const ws_event ping = {.message = {.opcode = WS_PING, .bytes = td_bytes_str("between")}};
    while (rest.size >= 2) {
        size_t size = (size_t)rest.data[0] << (rest.data[1] >> 4);
        size_t frames = 1 + (rest.data[1] & 3);
        int is_compressed = (how & COMPRESSED) != 0 && (rest.data[1] & 4) != 0;
        rest = td_bytes_of(rest.data + 2, rest.size - 2);
        size = size < rest.size ? size : rest.size;
        size = size < MESSAGE_BYTES_MAX / 2 ? size : MESSAGE_BYTES_MAX / 2;
        td_bytes message = td_bytes_of(rest.data, size);
        unsigned opcode = td_utf8_is_text(message) ? WS_TEXT : WS_BINARY;
        td_bytes payload = message;
        td_buf packed;
        td_buf_init(&packed, SIZE_MAX);
        if (is_compressed) {
            deflate_send(sender, message, &packed);
            payload = td_buf_view(&packed);
        }
        size_t frame_bytes = payload.size / frames + 1;
        put_message(out, how, opcode, is_compressed ? WS_COMPRESSED : 0, frame_bytes, payload);
        for (size_t at = frame_bytes; at < payload.size; at += frame_bytes)
            note(sum, &ping);
        const ws_event event = {
            .message = {.opcode = opcode,
                        .form = (is_compressed ? FORM_COMPRESSED : 0u) |
                                (payload.size > frame_bytes ? FORM_FRAGMENTED : 0u),
                        .bytes = message}};
        note(sum, &event);
        td_buf_fini(&packed);
        rest = td_bytes_of(rest.data + size, rest.size - size);
    }
    deflate_sender_close(sender);
}

/* Writes a close frame with as much of the reason as fits. */
static void put_close(td_bytes reason, unsigned how, td_buf *out, summary *sum)
{
    uint8_t payload[WS_CONTROL_BYTES_MAX];
    size_t size = ws_put_close(payload, 1000, reason);
    const ws_event event = {
        .message = {.opcode = WS_CLOSE, .bytes = td_bytes_of(payload + 2, size - 2)}, .code = 1000};
    put_frame(out, how, WS_CLOSE, WS_FINAL, td_bytes_of(payload, size));
    note(sum, &event);
}

static void check_round_trip(td_bytes rest, unsigned how)
{
    summary written = {0};
    td_random random;
    td_random_init(&random, td_xxh64(rest.data, rest.size));
    td_buf stream;
    td_buf_init(&stream, SIZE_MAX);
    put_messages(rest, how, &stream, &written);
    put_close(rest, how, &stream, &written);
    const cuts CUTS[] = {{SIZE_MAX, NULL}, {1 + (how >> 2 & 3) * 100, &random}};
    for (size_t i = 0; i < 2; i++) {
        summary back = read_frames(td_buf_view(&stream), how, CUTS[i]);
        TD_ASSERT(back.failure == 0);
        TD_ASSERT(back.events == written.events);
        TD_ASSERT(back.hash == written.hash);
    }
    td_buf_fini(&stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    td_bytes rest = td_bytes_of(data + 1, size - 1);
    if ((data[0] & ROUND_TRIP) != 0) {
        check_round_trip(rest, data[0]);
    } else {
        check_opening(rest);
        read_heads(rest);
        read_stream(rest, data[0]);
    }
    return 0;
}
