/* Inside of the supervisor: supervisor.c (its run, and its end), supervisor_open.c (everything that
 * must stand before). */
#ifndef TD_RECORDER_SUPERVISOR_IMPL_H
#define TD_RECORDER_SUPERVISOR_IMPL_H

#include <stdatomic.h>

#include "format/archive_writer.h"
#include "recorder/chunk_queue.h"
#include "recorder/connection.h"
#include "recorder/disk.h"
#include "recorder/feed_setup.h"
#include "recorder/findings.h"
#include "recorder/http_feed.h"
#include "recorder/lag.h"
#include "recorder/room.h"
#include "recorder/supervisor.h"

/* The user pointer of a feed's open_gaps. */
typedef struct gap_user {
    supervisor *self;
    uint16_t feed_index;
} gap_user;

struct supervisor {
    supervisor_options options;
    wire_loop *loop;
    td_ring *ring;
    intake *intake;
    decoder *decoder;
    findings *findings;
    watch *watch;
    chunk_queue *queue;
    encoder *encoder;
    archive_writer *writer;
    uint64_t file_bytes; /* of the session's segments, once writer is closed */
    open_gaps **gaps;    /* one a feed */
    gap_user *gap_users;
    room room; /* before disk is opened; the disk thread reads it */
    lag *lag;
    disk *disk;
    dialect_parser *answers;
    connection_env env;
    feed_setup *feeds;
    http_feed **http; /* one a feed; NULL: it has no HTTP requests */
    redactor **redactors;
    connection **connections;
    size_t connection_count;
    uint64_t started_mono_ns;
    atomic_int is_asked_to_stop; /* release/acquire: also set by a signal handler */
    atomic_int has_thread_failed;
    atomic_int must_end;    /* release/acquire: the disk thread has put its words into end_reason */
    uint8_t is_clock_wrong; /* 1: asked to stop because the wall clock went back */
    td_err end_reason;
    td_result result; /* why it has to stop, if not because it was asked to */
    td_err err;
};

#endif
