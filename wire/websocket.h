/* The framing of the WebSocket protocol (RFC 6455, sections 5 to 7), for both ends: from the bytes
 * of a stream to messages and control frames, and back. No sockets, no clocks; memory is allocated
 * only for messages that come in pieces. One thread per reader.
 *
 * Strict: whatever the RFC forbids fails the connection, with the close code that it asks for:
 * reserved bits and opcodes, masked frames of a server and unmasked ones of a client, lengths that
 * are not minimal, control frames in fragments or of more than 125 bytes, fragments out of order,
 * text and close reasons that are not UTF-8 (as soon as that shows), close codes that a frame may
 * not have. */
#ifndef TD_WIRE_WEBSOCKET_H
#define TD_WIRE_WEBSOCKET_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/utf8.h"
#include "base/ws_message.h"
#include "wire/deflate.h"

/* Opcodes (5.2). */
enum {
    WS_CONTINUATION = 0,
    WS_TEXT = 1,
    WS_BINARY = 2,
    WS_CLOSE = 8,
    WS_PING = 9,
    WS_PONG = 10,
};

/* Close codes (7.4.1). */
enum {
    WS_CODE_NORMAL = 1000,
    WS_CODE_PROTOCOL = 1002,
    WS_CODE_ABSENT = 1005, /* never in a frame: the close frame had none */
    WS_CODE_NOT_TEXT = 1007,
    WS_CODE_TOO_LARGE = 1009,
    WS_CODE_FAILED = 1011,
};

/* A control frame's payload, and a frame's head (5.2, 5.5). */
enum { WS_CONTROL_BYTES_MAX = 125, WS_HEAD_BYTES_MAX = 14 };

/* Whose frames are read. */
typedef enum ws_peer { WS_FROM_SERVER, WS_FROM_CLIENT } ws_peer;

typedef enum ws_result {
    WS_MORE,    /* all bytes are used: give more */
    WS_EVENT,   /* *out is set */
    WS_FAILURE, /* the peer broke the protocol; *out has code and why. Nothing follows. */
} ws_result;

/* A message, or a control frame. bytes are valid until the next call with the reader, or until the
 * memory that was given last is used for something else. */
typedef struct ws_event {
    ws_message message; /* WS_TEXT, WS_BINARY, WS_CLOSE (nothing follows it; bytes are the reason),
                           WS_PING, WS_PONG; its time is read_ns */
    unsigned code;      /* of WS_CLOSE: as sent, or WS_CODE_ABSENT. Of a failure: to close with */
    const char *why;    /* of a failure: what the peer did, as one sentence without an end */
} ws_event;

/* State between reads. Members are the reader's own. */
typedef struct ws_reader {
    ws_peer peer;
    deflate_receiver *inflater; /* NULL: permessage-deflate was not negotiated */
    uint8_t *at;                /* bytes that were given and are not used yet */
    size_t left;
    uint64_t read_ns;
    /* The frame that is being read; head_size 0: none. */
    uint8_t head[WS_HEAD_BYTES_MAX];
    size_t head_size, head_wanted;
    uint64_t payload_left;
    uint8_t mask[4];
    size_t mask_at;
    uint8_t is_payload; /* 1: the head is complete */
    /* The control frame, and the message, as far as they have come. */
    uint8_t control[WS_CONTROL_BYTES_MAX];
    size_t control_size;
    td_buf pieces;
    unsigned opcode; /* of the message; 0: none is open */
    utf8_check text;
    uint64_t begin_ns;
    uint32_t form;        /* FORM_* */
    uint8_t is_delivered; /* pieces were handed out: the next call forgets them */
    uint8_t is_over;
} ws_reader;

/* For the frames of one peer. inflater (NULL: compressed messages are refused) is borrowed for the
 * reader's life. Messages of more than message_bytes_max (inflated, too) are refused. */
void ws_reader_init(ws_reader *reader, ws_peer peer, deflate_receiver *inflater,
                    size_t message_bytes_max);
void ws_reader_fini(ws_reader *reader);

/* Give the next bytes of the stream, which were read at read_ns. They stay the caller's, unchanged
 * until ws_read returned WS_MORE; payloads of clients are unmasked there. Only after WS_MORE. */
void ws_give(ws_reader *reader, uint8_t *bytes, size_t size, uint64_t read_ns);

/* Forget the bytes at the end of those given that are not used yet; returns how many they are. */
size_t ws_forget_rest(ws_reader *reader);

/* The next event. A message that lies whole in the given bytes is handed out where it lies. */
ws_result ws_read(ws_reader *reader, ws_event *out);

/* Write a frame's head: opcode, final fragment, size of its payload. is compressed: RSV1. mask is
 * what the payload is masked with (ws_mask), NULL for a server's. Returns the bytes written. */
typedef enum ws_head_flags { WS_FINAL = 1, WS_COMPRESSED = 2 } ws_head_flags;
size_t ws_put_head(uint8_t out[WS_HEAD_BYTES_MAX], unsigned opcode, unsigned flags,
                   uint64_t payload_bytes, const uint8_t mask[4]);

/* Mask or unmask bytes in place (5.3); at: their place in the payload. */
void ws_mask(uint8_t *bytes, size_t size, const uint8_t mask[4], size_t at);

/* A close frame's payload: code, and as much of the reason as fits, whole characters. Returns its
 * bytes; WS_CODE_ABSENT: 0. */
size_t ws_put_close(uint8_t out[WS_CONTROL_BYTES_MAX], unsigned code, td_bytes reason);

#endif
