/* The simulated exchange's frames as frames of a tape, without sockets: one feed, one connection;
 * first a subscription request and its answer, then the first frame of each topic, then the
 * market's events. Exchange time advances by a fixed step per frame; each frame is received 100 ms
 * after it was made. For tests of code that reads a tape. Errors fail the test. */
#ifndef TD_TESTS_TESTING_SIM_FEED_H
#define TD_TESTS_TESTING_SIM_FEED_H

#include "tests/testing/capture_tape.h"

typedef struct sim_feed_options {
    const char *family;
    const char *const *topics; /* canonical, without symbols, ending with NULL; NULL: all */
    uint32_t symbol_count;
    uint64_t seed;
    uint64_t step_ns;     /* exchange time between frames */
    uint8_t with_private; /* 1: include the account's topics if topics is NULL */
} sim_feed_options;

typedef struct sim_feed sim_feed;

/* A feed by the options, whose texts are borrowed; close frees it. */
sim_feed *sim_feed_open(const sim_feed_options *options);
void sim_feed_close(sim_feed *feed);

/* The next frame; its bytes are valid until the next call, its channel until close. */
void sim_feed_next(sim_feed *feed, frame_ref *out);

/* The first frame_count frames; free with capture_tape_fini. */
void sim_feed_record(const sim_feed_options *options, size_t frame_count, capture_tape *out);

#endif
