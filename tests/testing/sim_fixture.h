/* A simulated exchange over real sockets, in the test's own event loop, and clients that keep every
 * message. Waits are short: without a rate, markets make 100,000 frames per second once a client
 * has subscribed. */
#ifndef TD_TESTS_TESTING_SIM_FIXTURE_H
#define TD_TESTS_TESTING_SIM_FIXTURE_H

#include <stdint.h>

#include "base/buf.h"
#include "tests/testing/io_fault.h"
#include "sim/exchange.h"
#include "wire/client.h"

/* A client, which keeps every message as a line. */
typedef struct sim_client {
    wire_loop *loop;
    wire_conn *conn;
    td_buf lines;
    uint64_t messages;
    uint64_t digest; /* digest of the data frames, in order */
    unsigned opened, ended;
    unsigned close_code, http_status;
    wire_cause cause;
} sim_client;

typedef struct sim_fixture {
    wire_loop *loop;
    exchange *exchange;
    exchange_options options;
    io_fault *disk; /* disk of the exchange's truth file, if the test has its own; else NULL */
    char url[256];
} sim_fixture;

/* Options with these families (the list ends with NULL) and this rate. */
exchange_options sim_fixture_families(const char *const *families, uint64_t rate);

/* Start an exchange with two symbols and a fixed seed; with the families inverse and linear if
 * options name no family. */
void sim_fixture_open(sim_fixture *f, const exchange_options *options);
void sim_fixture_close(sim_fixture *f);

void sim_client_connect(sim_fixture *f, sim_client *c, const char *path);
void sim_client_close(sim_client *c);
/* Wait until the client is open, then send. */
void sim_client_send(sim_client *c, const char *text);

/* Run the loop until *counter reaches wanted, or until a message contains part; at most 30 s. */
void sim_fixture_run(sim_fixture *f, const unsigned *counter, unsigned wanted);
void sim_fixture_run_message(sim_fixture *f, sim_client *c, const char *part);

/* The number of lines that contain part. */
uint64_t sim_client_count(const sim_client *c, const char *part);

/* The offset of the first occurrence of part in all lines, or -1. */
long sim_client_find(const sim_client *c, const char *part);

#endif
