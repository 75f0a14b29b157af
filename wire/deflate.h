/* permessage-deflate (RFC 7692) with zlib: messages out of and into raw deflate streams. Bounded:
 * a receiver has a window of 32 KiB and a message's output, a sender 256 KiB. One thread per
 * object. */
#ifndef TD_WIRE_DEFLATE_H
#define TD_WIRE_DEFLATE_H

#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/bytes.h"

typedef enum deflate_result {
    DEFLATE_OK,
    DEFLATE_BROKEN,    /* no deflate stream, one that ends elsewhere, or too many of them */
    DEFLATE_TOO_LARGE, /* more than the bound would come out */
} deflate_result;

/* What a peer's messages may refer to (7.1.1). */
typedef enum deflate_context {
    DEFLATE_TAKEOVER,   /* to the messages before them */
    DEFLATE_NO_TAKEOVER /* to themselves */
} deflate_context;

typedef struct deflate_receiver deflate_receiver;
TD_NEVER_NULL deflate_receiver *deflate_receiver_open(deflate_context context);
void deflate_receiver_close(deflate_receiver *receiver);

/* Inflate a message's payload. *out is valid until the next call. With takeover the stream is
 * broken for good after a failure; without it a receiver can serve many peers. */
deflate_result deflate_receive(deflate_receiver *receiver, td_bytes payload, size_t bytes_max,
                               td_bytes *out);

/* Smallest and largest windows, as parameters have them (7.1.2). zlib's smallest for sending is
 * 9. */
enum { DEFLATE_BITS_MIN = 9, DEFLATE_BITS_MAX = 15 };

/* A sender whose messages refer to themselves only, so one message serves many peers. */
typedef struct deflate_sender deflate_sender;
TD_NEVER_NULL deflate_sender *deflate_sender_open(int window_bits);
void deflate_sender_close(deflate_sender *sender);

/* Append the message's compressed payload to out, whose bound is td_deflate_bytes_max of its size
 * beyond its content. */
void deflate_send(deflate_sender *sender, td_bytes message, td_buf *out);

#endif
