/* The protocol with decoders in other processes (docs/decoders.md): bytes only, both ends.
 *
 * tapedeck writes a greeting, a line of JSON, and gets one back, which chooses the form of each
 * direction: lines of JSON, or binary messages, each after its length in 4 bytes, little-endian.
 * Then frames go one way and answers come back in the same order. Pure functions. */
#ifndef TD_REGRESS_DECODER_WIRE_H
#define TD_REGRESS_DECODER_WIRE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "json/json.h"

enum { DECODER_WIRE_VERSION = 1 };

typedef enum wire_form { WIRE_JSON, WIRE_BINARY } wire_form;

/* ---- the greeting ---- */

/* What a decoder answers to it. */
typedef struct wire_greeting {
    wire_form input; /* how it reads frames */
    wire_form reply; /* how it answers */
    char name[128];  /* of itself, or empty */
} wire_greeting;

/* Append tapedeck's greeting. TD_E_NOMEM; likewise below. */
TD_MUST_USE td_result wire_put_greeting(td_buf *out, td_err *err);

/* Append a decoder's; or that it cannot work, and why. */
TD_MUST_USE td_result wire_put_welcome(td_buf *out, const wire_greeting *greeting, td_err *err);
TD_MUST_USE td_result wire_put_refusal(td_buf *out, const char *why, td_err *err);

/* Read a decoder's, without its LF. TD_E_INVALID with what is wrong; TD_E_UNSUPPORTED: it gives a
 * reason why it cannot work, which is the text. */
TD_MUST_USE td_result wire_read_welcome(json_parser *parser, td_bytes line, wire_greeting *out,
                                        td_err *err);

/* ---- frames ---- */

/* What frames of a channel have in common. */
typedef struct wire_channel {
    td_bytes feed, family, topic, symbol, exchange_topic;
    td_bytes type; /* of its messages; empty: no row is known */
    uint8_t opcode;
} wire_channel;

enum { WIRE_CHANNEL_TEXTS = 6 };

typedef struct wire_frame {
    uint32_t n;       /* of the frame in the life of the process, from 1 */
    uint32_t channel; /* the number that its channel was given */
    uint64_t recv_ns;
    td_bytes bytes;
} wire_frame;

/* Append a channel and its number, which frames have from now on; binary only. */
TD_MUST_USE td_result wire_put_channel(td_buf *out, uint32_t number, const wire_channel *channel,
                                       td_err *err);

/* Append a frame. */
TD_MUST_USE td_result wire_put_frame(td_buf *out, wire_form form, const wire_channel *channel,
                                     const wire_frame *frame, td_err *err);

/* A message of the binary input. */
typedef struct wire_input {
    uint8_t is_channel; /* 1: channel and its number are set; 0: frame */
    uint32_t number;
    wire_channel channel;
    wire_frame frame;
} wire_input;

/* Take the first message off bytes: *used of them, views into them. 1; 0: it is not complete; -1:
 * it is none. */
int wire_take_input(td_bytes bytes, size_t *used, wire_input *out);

/* ---- answers ---- */

typedef enum wire_answer {
    WIRE_MESSAGE, /* body: a message; its canonical form, or as JSON the whole line */
    WIRE_REFUSED, /* body: why the frame cannot be decoded */
    WIRE_WRONG,   /* body: what is wrong with the answer of the decoder behind the process that
                     answers; binary only */
} wire_answer;

typedef struct wire_reply {
    uint32_t n;
    wire_answer answer;
    td_bytes body;
    json_value json; /* of a message as JSON */
} wire_reply;

/* Append a binary answer. */
TD_MUST_USE td_result wire_put_reply(td_buf *out, uint32_t n, wire_answer answer, td_bytes body,
                                     td_err *err);

/* Find the first answer in bytes, of which the first *seen were looked at before (0 at first). 1:
 * *answer is its bytes, and *used those that it takes; 0: it is not complete; -1: it is longer than
 * LIMIT_DECODER_REPLY_BYTES. */
int wire_find_reply(wire_form form, td_bytes bytes, size_t *seen, td_bytes *answer, size_t *used);

/* Read an answer that was found; JSON_PADDING_BYTES after it are readable. TD_E_INVALID: it is
 * none. Views into it and the parser. */
TD_MUST_USE td_result wire_read_reply(wire_form form, json_parser *parser, td_bytes answer,
                                      wire_reply *out, td_err *err);

#endif
