/* A WebSocket message as a connection received or sent it: the one form from the socket to the
 * recording. Plain data. */
#ifndef TD_BASE_WS_MESSAGE_H
#define TD_BASE_WS_MESSAGE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"

typedef struct ws_message {
    unsigned opcode;  /* 1: text, 2: binary (channel_opcode) */
    uint32_t form;    /* FORM_COMPRESSED, FORM_FRAGMENTED: as it was received */
    td_bytes bytes;   /* whole: fragments are joined, compressed ones inflated */
    td_bytes raw;     /* as it was received, to relay it */
    uint64_t mono_ns; /* its first bytes were read, or it was passed to the socket (monotonic
                         clock) */
} ws_message;

#endif
