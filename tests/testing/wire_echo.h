/* A server that echoes, in a loop of its own, for tests of the wire and of what is built on it.
 * Fails the running test on anything that it does not expect. */
#ifndef TD_TESTS_WIRE_ECHO_H
#define TD_TESTS_WIRE_ECHO_H

#include <stdint.h>

#include "tests/testing/wire_side.h"
#include "wire/server.h"

enum { PEERS_MAX = 4 };

/* A server that echoes, and what it saw. */
typedef struct echo {
    wire_loop *loop;
    wire_server *server;
    char folder[64];
    char ready[128];
    char pem[160];
    unsigned opened, closed, messages, drained;
    wire_conn *peers[PEERS_MAX];
    char path[256], query[256];
    int is_silent;       /* 1: does not echo */
    uint64_t flood_left; /* messages that drained continues to send to the first peer */
    td_bytes flood;
} echo;

/* Its server's functions, for further servers. /realtime is accepted, /401 /403 /502 are refused
 * so, everything else with 404; the query "refuse" is turned away after the upgrade. */
extern const wire_server_ops ECHO_OPS;

/* Loop, server, folder, ready file. options may be NULL; ops and user are filled in here. */
void echo_open(echo *e, const wire_server_options *options);
/* Checks that no peer is left and nothing else is in the folder. */
void echo_close(echo *e);

/* The server's URL and path; valid until the next call. */
const char *echo_url(const echo *e, const char *path);
/* Connect a side, trusting the server; join: to /realtime, and wait until it is open. */
void echo_connect(echo *e, wire_side *side, const char *path);
void echo_join(echo *e, wire_side *side);

/* Queue as many of the flood's messages as the connection takes. */
void echo_flood(echo *e, wire_conn *conn);

#endif
