/* A recording for fault sweeps: several feeds through the recorder's own intake, encoder, disk
 * thread and archive_writer, onto a simulated disk, with many small chunks and segments, and a
 * reconnect half way. The clock is simulated, and each round of frames is waited for, so
 * the changes of the disk come in the same order each time.
 *
 * What was fed and what was reported durable is kept, by the change of the disk before which it
 * was: the truth that a disk is compared with after a fault. Nothing here fails a test by itself:
 * sweeps run it in processes of their own. */
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

/* How large a recording is. A round is one chunk of each feed; the hour changes after so many. */
typedef struct fault_size {
    unsigned rounds;
    unsigned frames_per_round; /* of each feed */
    unsigned rounds_per_hour;
} fault_size;

/* A frame as it was fed. */
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
    atomic_ullong fed; /* frames that the intake has got: count, for other threads */
    uint64_t base;     /* count when the present session began */
} fault_feed;

/* "After this many changes of the disk, so many frames of the feed had been announced." */
typedef struct fault_durable {
    uint64_t change_count;
    uint64_t frames;
    size_t feed;
} fault_durable;

typedef struct fault_fed {
    uint64_t frames[FAULT_FEEDS];
} fault_fed;

typedef struct fault_recording {
    io_fault *disk; /* not owned: the caller's, may be exchanged between sessions */
    clock_sim *clock;
    char folder[64]; /* temporary and real: SQLite does its own I/O */
    char catalog[FAULT_PATH_BYTES];
    fault_feed feeds[FAULT_FEEDS];
    fault_durable *durable;
    size_t durable_count;
    size_t durable_capacity;
    fault_fed *fed; /* [n]: when change n was about to be made */
    size_t fed_count;
    size_t fed_capacity;
    /* Called as each call of the disk begins, while a session runs; see io_fault_observe. */
    io_fault_observer *observer;
    void *observer_user;
} fault_recording;

/* An empty one, with a clock and a folder. 0 if they cannot be had. */
int fault_recording_init(fault_recording *recording);
void fault_recording_fini(fault_recording *recording);

/* How a session ended. */
typedef struct fault_end {
    td_result result;   /* TD_OK: a clean stop */
    uint64_t announced; /* frames in all */
    td_err err;
} fault_end;

/* Run one session on recording->disk: recover the feeds' segments, record, stop; or end at the
 * first failure, as the recorder does. */
void fault_recording_run(fault_recording *recording, const fault_size *size, fault_end *end);

/* Frames of a feed that were announced (fault_durable_at) or fed (fault_fed_at) when so many
 * changes of the disk had been made. */
uint64_t fault_durable_at(const fault_recording *recording, size_t feed, uint64_t change_count);
uint64_t fault_fed_at(const fault_recording *recording, size_t feed, uint64_t change_count);

/* Open the archive on a disk with this recording's clock. */
td_result fault_archive_open(const fault_recording *recording, io_fault *on, const char *catalog,
                             archive_mode mode, const char *verb, archive **out, td_err *err);

#endif
