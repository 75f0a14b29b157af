/* A WebSocket message as received or sent by a connection. Used from the socket to the recording.
 * Plain data. */
#ifndef TD_BASE_WS_MESSAGE_H
#define TD_BASE_WS_MESSAGE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"

typedef struct ws_message {
    unsigned opcode;  /* 1: text, 2: binary (channel_opcode) */
    uint32_t form;    /* FORM_COMPRESSED, FORM_FRAGMENTED: how it was received */
    td_bytes bytes;   /* the whole message: defragmented and inflated */
    td_bytes raw;     /* as received, for a relay */
    uint64_t mono_ns; /* when its first bytes were read, or when it was queued for sending
                         (monotonic clock) */
} ws_message;

#endif
