/* The recorder from intake to disk in a test: intake, encoder, disk thread and archive_writer on a
 * simulated disk, with one feed and one connection. Fails the running cmocka test on any error that
 * it is not asked about; what is announced is checked as it comes. */
#ifndef TD_TESTS_TESTING_PIPELINE_FIXTURE_H
#define TD_TESTS_TESTING_PIPELINE_FIXTURE_H

#include <stdatomic.h>
#include <stdint.h>

#include "tests/testing/io_fault.h"
#include "archive/archive_writer.h"
#include "recorder/pipeline/disk.h"
#include "recorder/pipeline/encoder.h"
#include "recorder/pipeline/intake.h"

/* Stands in some of the frames, and must not in the archive. */
#define PIPELINE_SECRET "VERYSECRETKEY"

enum { PIPELINE_FRAMES = 300 };

typedef struct pipeline {
    io_fault *disk_model;
    td_clock clock;                    /* the intake's */
    atomic_ullong thread_ns, frame_ns; /* of the encoder: CPU time, and what a frame takes of it */
    char catalog_folder[64];
    char catalog[96];
    pipeline_config *config;
    redactor secrets;
    redactor *redactors[1];
    archive *into;
    archive_writer *writer;
    td_ring *ring;
    encoder *encoder;
    disk *disk;
    lag *lag;
    intake *intake;
    intake_slot slot;
    atomic_ullong received; /* frames given to the intake, counted before it has them */
    atomic_ullong durable_in, durable_calls;
    chain_totals durable;  /* of the last chunk; the disk thread's until it has ended */
    int has_failed;        /* encoder or disk, once they have ended */
    td_err end_reason;     /* what the disk thread ended with */
    free_space free_space; /* path NULL: not looked at */
    td_result encoded;     /* what the encoder is expected to end with */
} pipeline;

/* Open all of it. min_free_bytes: what the disk thread leaves free; 0: whatever. */
void pipeline_open(pipeline *f);
void pipeline_open_with_free_space(pipeline *f, uint64_t min_free_bytes);

/* An intake in place of the one there was, with f->clock. */
void pipeline_open_intake(pipeline *f);

/* A frame comes; frame n of the test's own; the connection's beginning and PIPELINE_FRAMES of them.
 */
void pipeline_receive(pipeline *f, channel_dir dir, td_bytes bytes);
void pipeline_put_frame(pipeline *f, int n);
void pipeline_put_frames(pipeline *f);

/* End the threads; returns what the disk thread ended with. */
td_result pipeline_finish(pipeline *f, writer_end end);

/* How to open its archive, "tape". */
archive_options pipeline_archive_options(const pipeline *f);

/* Read the archive back: every frame with its ordinal, no secret anywhere. Returns how many. */
uint64_t pipeline_read_back(pipeline *f);

void pipeline_close(pipeline *f);

#endif
