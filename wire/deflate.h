/* permessage-deflate (RFC 7692) with zlib: inflates and compresses messages. Memory: a receiver has
 * a window of 32 KiB and one message's output, a sender 256 KiB. One thread per object. */
#ifndef TD_WIRE_DEFLATE_H
#define TD_WIRE_DEFLATE_H

#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/bytes.h"

typedef enum deflate_result {
    DEFLATE_OK,
    DEFLATE_BROKEN,    /* invalid data, an incomplete block at the end, or too many streams */
    DEFLATE_TOO_LARGE, /* inflates to more than the bound */
} deflate_result;

/* Which earlier data a peer's messages may refer to (7.1.1). */
typedef enum deflate_context {
    DEFLATE_TAKEOVER,   /* earlier messages */
    DEFLATE_NO_TAKEOVER /* only the same message */
} deflate_context;

typedef struct deflate_receiver deflate_receiver;
/* Open or close a receiver. With takeover, a receiver serves one peer; without takeover, it can
 * serve any number of peers. */
TD_NEVER_NULL deflate_receiver *deflate_receiver_open(deflate_context context);
void deflate_receiver_close(deflate_receiver *receiver);

/* Inflate a message's payload. *out is valid until the next call. After a failure, a receiver with
 * takeover is unusable; without takeover one receiver can serve many peers. */
deflate_result deflate_receive(deflate_receiver *receiver, td_bytes payload, size_t bytes_max,
                               td_bytes *out);

/* Smallest and largest window bits (7.1.2). zlib cannot send with less than 9. */
enum { DEFLATE_BITS_MIN = 9, DEFLATE_BITS_MAX = 15 };

/* A sender without context takeover, so a compressed message can go to many peers. */
typedef struct deflate_sender deflate_sender;
TD_NEVER_NULL deflate_sender *deflate_sender_open(int window_bits);
void deflate_sender_close(deflate_sender *sender);

/* Append the message's compressed payload to out. The bound of out must allow zlib's deflateBound
 * of the message plus 16 bytes. */
void deflate_send(deflate_sender *sender, td_bytes message, td_buf *out);

#endif
