/* An echo server in its own event loop, for tests of wire/ and its users. Unexpected events fail
 * the running test. */
#ifndef TD_TESTS_WIRE_ECHO_H
#define TD_TESTS_WIRE_ECHO_H

#include <stdint.h>

#include "tests/testing/wire_side.h"
#include "wire/server.h"

enum { PEERS_MAX = 4 };

/* A server that echoes, and a record of its events. */
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
    uint64_t flood_left; /* messages that `drained` still has to send to the first peer */
    td_bytes flood;
} echo;

/* The echo server's callbacks, also used by other servers. /realtime is accepted; /401, /403 and
 * /502 are refused with that status, all other paths with 404. With the query "refuse" the
 * connection is closed after the upgrade. */
extern const wire_server_ops ECHO_OPS;

/* Opens the loop, the server, the folder and the ready file. options may be NULL; ops and user are
 * set here. */
void echo_open(echo *e, const wire_server_options *options);
/* Checks that all peers are gone and that the folder is empty. */
void echo_close(echo *e);

/* The server's URL and path; valid until the next call. */
const char *echo_url(const echo *e, const char *path);
/* Connect a client that trusts the server's certificate. echo_join connects to /realtime and waits
 * until the connection is open. */
void echo_connect(echo *e, wire_side *side, const char *path);
void echo_join(echo *e, wire_side *side);

/* Queue as many of the flood_left messages as the connection accepts. */
void echo_flood(echo *e, wire_conn *conn);

#endif
