/* Assembles messages from the pieces that libwebsockets reads, for both ends. Loop's thread. */
#ifndef TD_WIRE_ASSEMBLY_H
#define TD_WIRE_ASSEMBLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

struct lws;

/* Pieces of one message; a message in one piece is not copied. */
typedef struct wire_assembly {
    td_buf pieces;
    uint64_t begin_ns; /* when the first piece was read */
    uint8_t is_open;   /* a message has begun */
} wire_assembly;

typedef enum assembly_state {
    ASSEMBLY_MORE,      /* not yet whole */
    ASSEMBLY_WHOLE,     /* *message is it, valid until assembly_done */
    ASSEMBLY_TOO_LARGE, /* over the limit: refuse the connection */
} assembly_state;

void assembly_init(wire_assembly *assembly, size_t message_bytes_max);
void assembly_fini(wire_assembly *assembly);

/* Add what libwebsockets read of wsi's present frame. */
assembly_state assembly_add(wire_assembly *assembly, struct lws *wsi, td_bytes piece,
                            uint64_t now_ns, td_bytes *message);
/* The message has been handled. */
void assembly_done(wire_assembly *assembly);

#endif
