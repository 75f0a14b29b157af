/* Segments with known frames, for tests: frame i depends only on i, so a test knows the expected
 * frames without using the code that wrote them. Errors fail the running cmocka test.
 *
 *
 * In every 10 frames, number 0 is an event, 1 an outbound request, 2 a pong on _control; the others
 * are alternately trade/BTCUSD and book/EOSUSD. Received and sent frames have separate ordinals.
 * The event of a frame with i % 100 == 50 opens a gap at its receive time, and the one with i % 100
 * == 60 closes it. Every third chunk, from the second on, has a checkpoint. */
#ifndef TD_TESTS_TESTING_SEGMENT_FIXTURE_H
#define TD_TESTS_TESTING_SEGMENT_FIXTURE_H

#include <stdint.h>

#include "base/io.h"
#include "format/chunk_builder.h"
#include "format/segment_writer.h"

#define FIXTURE_FEED "inverse"
/* 2026-11-20T06:00:00Z, when frame 0 is received; each further one is received FIXTURE_STEP_NS
 * later. */
#define FIXTURE_START_NS UINT64_C(1795154400000000000)
#define FIXTURE_STEP_NS  UINT64_C(1000003)

enum { FIXTURE_FRAME_BYTES = 256 };

/* Frame i. */
typedef struct fixture_frame {
    channel_dir dir;
    const char *topic, *symbol;
    uint64_t ordinal; /* 0 for an event */
    uint64_t recv_ns, publish_ns;
    char text[FIXTURE_FRAME_BYTES];
    size_t size;
} fixture_frame;

/* Sets out to frame i. */
void fixture_get(uint64_t i, fixture_frame *out);

/* Append frames [from, to) to a builder, without sealing. */
void fixture_append(chunk_builder *builder, uint64_t from, uint64_t to);

/* How a fixture segment ends. */
typedef enum fixture_end {
    FIXTURE_FINISHED, /* renamed to its final name */
    FIXTURE_SYNCED,   /* NAME.open, every chunk durable */
    FIXTURE_WRITTEN,  /* NAME.open, never synced */
} fixture_end;

typedef struct fixture_spec {
    const char *path; /* final name */
    uint64_t frame_count;
    uint64_t frames_per_chunk;
    fixture_end end;
    td_hash128 previous_chain;
    const char *previous_segment; /* NULL means "" */
} fixture_spec;

/* The session record of a fixture segment. */
segment_session fixture_session(const fixture_spec *spec);

/* Write a segment; returns its totals. */
segment_totals fixture_write(td_io io, const fixture_spec *spec);

#endif
