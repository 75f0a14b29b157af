/* A recording for fault sweeps: several feeds pass through the recorder's own intake, encoder, disk
 * thread and archive_writer to a simulated disk, in many small chunks and segments, with a
 * reconnect half way. The clock is simulated, and each round of frames is awaited, so the changes
 * of the disk always have the same order.
 *
 *
 * For each change of the disk, the recording stores which frames had been fed, and which had been
 * reported as durable, before it. After a fault, disks are compared with this. No function fails
 * the test, because sweeps run in child processes. */
#ifndef TD_TESTS_TESTING_FAULT_RECORDING_H
#define TD_TESTS_TESTING_FAULT_RECORDING_H

#include <stdatomic.h>
#include <stdint.h>

#include "tests/testing/clock_sim.h"
#include "tests/testing/io_fault.h"
#include "archive/archive.h"
#include "base/channel.h"
#include "schema/classify.h"

#define FAULT_ARCHIVE "archive"

enum { FAULT_FEEDS = 3, FAULT_PATH_BYTES = 128 };

/* The size of a recording. A round is one chunk of each feed; the hour changes every
 * rounds_per_hour rounds. */
typedef struct fault_size {
    unsigned rounds;
    unsigned frames_per_round; /* per feed */
    unsigned rounds_per_hour;
} fault_size;

/* A frame that was fed. */
typedef struct fault_frame {
    uint64_t recv_ns;
    uint64_t ordinal;
    uint32_t conn;
    channel_dir dir;
    char *text;
    size_t size;
} fault_frame;

/* Frames of one feed over all sessions, in order. */
typedef struct fault_feed {
    const char *name;
    fault_frame *frames;
    uint64_t count;
    uint64_t capacity;
    atomic_ullong fed; /* number of frames passed to the intake: `count`, for other threads */
    uint64_t base;     /* count at the start of the current session */
} fault_feed;

/* A report of durable frames: after change_count changes of the disk, `frames` frames of the feed
 * were durable. */
typedef struct fault_durable {
    uint64_t change_count;
    uint64_t frames;
    size_t feed;
} fault_durable;

typedef struct fault_fed {
    uint64_t frames[FAULT_FEEDS];
} fault_fed;

typedef struct fault_recording {
    io_fault *disk; /* owned by the caller, who may replace it between sessions */
    clock_sim *clock;
    char folder[64]; /* a temporary folder on the real disk, because SQLite does its own I/O */
    char catalog[FAULT_PATH_BYTES];
    fault_feed feeds[FAULT_FEEDS];
    fault_durable *durable;
    size_t durable_count;
    size_t durable_capacity;
    fault_fed *fed; /* [n]: the frames fed just before change n */
    size_t fed_count;
    size_t fed_capacity;
    /* Called at the start of each call of the disk during a session; see io_fault_observe. */
    io_fault_observer *observer;
    void *observer_user;
} fault_recording;

/* An empty recording with a clock and a folder. 0 on failure. */
int fault_recording_init(fault_recording *recording);
void fault_recording_fini(fault_recording *recording);

/* How a session ended. */
typedef struct fault_end {
    td_result result;   /* TD_OK: a clean stop */
    uint64_t announced; /* number of frames reported as durable */
    td_err err;
} fault_end;

/* Run one session on recording->disk: recover the feeds' segments, record, stop. Like the recorder,
 * end at the first failure. */
void fault_recording_run(fault_recording *recording, const fault_size *size, fault_end *end);

/* The number of frames of a feed that had been reported as durable, or fed, after change_count
 * changes of the disk. */
uint64_t fault_durable_at(const fault_recording *recording, size_t feed, uint64_t change_count);
uint64_t fault_fed_at(const fault_recording *recording, size_t feed, uint64_t change_count);

/* Open the archive on a disk with this recording's clock. */
td_result fault_archive_open(const fault_recording *recording, io_fault *on, const char *catalog,
                             archive_mode mode, const char *verb, archive **out, td_err *err);

#endif
