/* The framing of the WebSocket protocol (RFC 6455, sections 5 to 7), for both ends: parses received
 * bytes into messages and control frames, and writes frames. No sockets, no clocks; allocates
 * memory only for messages that arrive in pieces. One thread per reader.
 *
 * Strict: any violation of the RFC fails the connection, with the close code that the RFC requires:
 * reserved bits and opcodes, masked frames from a server, unmasked frames from a client, lengths
 * that are not minimal, control frames in fragments or of more than 125 bytes, fragments out of
 * order, text and close reasons that are not UTF-8 (detected as early as possible), close codes
 * that a frame may not have. */
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
    WS_CODE_PROTOCOL = 1002,
    WS_CODE_ABSENT = 1005, /* never in a frame: the close frame had no code */
    WS_CODE_NOT_TEXT = 1007,
    WS_CODE_TOO_LARGE = 1009,
    WS_CODE_FAILED = 1011,
};

/* Maximum sizes of a control frame's payload and of a frame's head (5.2, 5.5). */
enum { WS_CONTROL_BYTES_MAX = 125, WS_HEAD_BYTES_MAX = 14 };

/* Sender of the frames that are read. */
typedef enum ws_peer { WS_FROM_SERVER, WS_FROM_CLIENT } ws_peer;

typedef enum ws_result {
    WS_MORE,    /* all bytes are used: give more */
    WS_EVENT,   /* *out is set */
    WS_FAILURE, /* the peer broke the protocol; *out has code and why. The last result. */
} ws_result;

/* A message or a control frame. Its bytes are valid until the next call with the reader, and while
 * the memory of the last ws_give is unchanged. */
typedef struct ws_event {
    ws_message message; /* WS_TEXT, WS_BINARY, WS_CLOSE (the last event; bytes are the reason),
                           WS_PING, WS_PONG; mono_ns is the read_ns of the first byte (messages)
                           or of the last byte (control frames) */
    unsigned code;   /* WS_CLOSE: as received, or WS_CODE_ABSENT; failure: the code to close with */
    const char *why; /* failure: one sentence about the peer, without a full stop */
} ws_event;

/* State between reads. Members are private. */
typedef struct ws_reader {
    ws_peer peer;
    deflate_receiver *inflater; /* NULL: permessage-deflate was not negotiated */
    uint8_t *at;                /* given bytes that are not used yet */
    size_t left;
    uint64_t read_ns;
    /* The current frame; head_size 0: no frame. */
    uint8_t head[WS_HEAD_BYTES_MAX];
    size_t head_size, head_wanted;
    uint64_t payload_left;
    uint8_t mask[4];
    size_t mask_at;
    uint8_t is_payload; /* 1: the head is complete */
    /* The incomplete control frame and message. */
    uint8_t control[WS_CONTROL_BYTES_MAX];
    size_t control_size;
    td_buf pieces;
    unsigned opcode; /* of the message; 0: no message has begun */
    utf8_check text;
    uint64_t begin_ns;
    uint32_t form;        /* FORM_* */
    uint8_t is_delivered; /* 1: pieces were delivered, and the next call drops them */
    uint8_t is_over;
} ws_reader;

/* Initialise a reader for the frames of one peer. inflater (NULL: compressed messages are refused)
 * is borrowed for the reader's life. Messages of more than message_bytes_max, before or after
 * inflating, are refused. */
void ws_reader_init(ws_reader *reader, ws_peer peer, deflate_receiver *inflater,
                    size_t message_bytes_max);
void ws_reader_fini(ws_reader *reader);

/* Give the next received bytes, which were read at read_ns. They are borrowed and must not change
 * until ws_read returns WS_MORE; clients' payloads are unmasked in place. Call only before
 * the first ws_read, after WS_MORE, or after ws_forget_rest. */
void ws_give(ws_reader *reader, uint8_t *bytes, size_t size, uint64_t read_ns);

/* Drop the given bytes that are not used yet; returns their number. */
size_t ws_forget_rest(ws_reader *reader);

/* Read the next event. A message that is complete in the given bytes is not copied. */
ws_result ws_read(ws_reader *reader, ws_event *out);

/* Write a frame's head; flags: ws_head_flags (WS_COMPRESSED sets RSV1). mask is the key for
 * ws_mask, NULL in a server's frames. Returns the bytes written. */
typedef enum ws_head_flags { WS_FINAL = 1, WS_COMPRESSED = 2 } ws_head_flags;
size_t ws_put_head(uint8_t out[WS_HEAD_BYTES_MAX], unsigned opcode, unsigned flags,
                   uint64_t payload_bytes, const uint8_t mask[4]);

/* Mask or unmask bytes in place (5.3); at: the offset of the bytes in the payload. */
void ws_mask(uint8_t *bytes, size_t size, const uint8_t mask[4], size_t at);

/* Write a close frame's payload: the code, and as many whole characters of the reason as fit.
 * Returns the payload's size, which is 0 for WS_CODE_ABSENT. */
size_t ws_put_close(uint8_t out[WS_CONTROL_BYTES_MAX], unsigned code, td_bytes reason);

#endif
