/* A test's client connection that records its events, and functions that wait for them without
 * sleeping. */
#ifndef TD_TESTS_WIRE_SIDE_H
#define TD_TESTS_WIRE_SIDE_H

#include <stdint.h>

#include "wire/client.h"

typedef struct wire_side {
    wire_loop *loop;
    wire_conn *conn; /* NULL after the connection's end */
    unsigned opened, ended, messages, sent;
    uint64_t message_bytes;
    unsigned last_opcode;
    uint64_t last_recv_ns;
    unsigned is_last_fragmented;
    char last[512]; /* beginning of the last message, NUL-terminated */
    size_t last_size;
    uint64_t last_hash; /* XXH64 of the last message */
    char last_sent[512];
    char heartbeats[512]; /* heartbeat events, such as "ping:hi out:hi " */
    char tls_version[16], tls_subject[256], address[64], extensions[128];
    wire_cause cause;
    unsigned http_status, close_code, sent_code;
    char text[1024], reason[128];
    /* Called in the message callback, if set. */
    void (*on_message)(struct wire_side *side);
} wire_side;

extern const wire_client_ops WIRE_SIDE_OPS;

/* Connect a new side. options may be NULL; url, ops and user are set here. */
void wire_side_connect(wire_side *side, wire_loop *loop, const char *url,
                       const wire_client_options *options);

/* Run the loop until *counter reaches `wanted`. After 30 s, fails the test. */
void wire_run_until(wire_loop *loop, const unsigned *counter, unsigned wanted, const char *what);

/* Run the loop until the side has ended. Check the cause, and that the text of the end contains
 * `words`. */
void wire_side_expect_end(wire_side *side, wire_cause cause, const char *words);

#endif
