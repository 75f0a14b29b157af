/* A simulated exchange in the test's own loop, over real sockets, and clients of it that keep every
 * message. Hardly anything waits: without a rate markets make 100,000 frames a second from the
 * first subscription on. */
#ifndef TD_TESTS_TESTING_SIM_SCENE_H
#define TD_TESTS_TESTING_SIM_SCENE_H

#include <stdint.h>

#include "base/buf.h"
#include "tests/testing/io_fault.h"
#include "sim/exchange.h"
#include "wire/client.h"

/* One client, which keeps every message as a line. */
typedef struct sim_client {
    wire_loop *loop;
    wire_conn *conn;
    td_buf lines;
    uint64_t messages;
    uint64_t digest; /* of the data frames, in order */
    unsigned opened, ended;
    unsigned close_code, http_status;
    wire_cause cause;
} sim_client;

typedef struct sim_scene {
    wire_loop *loop;
    exchange *exchange;
    exchange_options options;
    io_fault *disk; /* the truth's, if it has one of its own */
    char url[256];
} sim_scene;

/* Options with these families (NULL after the last) and this rate. */
exchange_options sim_scene_families(const char *const *families, uint64_t rate);

/* Start an exchange: inverse and linear where options name no family, two symbols, a fixed seed. */
void sim_scene_open(sim_scene *s, const exchange_options *options);
void sim_scene_close(sim_scene *s);

void sim_client_connect(sim_scene *s, sim_client *c, const char *path);
void sim_client_close(sim_client *c);
/* Send once it is open. */
void sim_client_send(sim_client *c, const char *text);

/* Run the loop until *counter reaches wanted, or a message with part has come; 30 s at most. */
void sim_scene_run(sim_scene *s, const unsigned *counter, unsigned wanted);
void sim_scene_run_message(sim_scene *s, sim_client *c, const char *part);

/* How many lines hold part. */
uint64_t sim_client_count(const sim_client *c, const char *part);

/* Where part stands first in all that came; -1: nowhere. */
long sim_client_find(const sim_client *c, const char *part);

#endif
