/* The recorder's path from intake to disk, in a test: intake, encoder, disk thread and
 * archive_writer on a simulated disk, with one feed and one connection. Errors fail the running
 * cmocka test, except in functions that return td_result. Each announcement of durable frames is
 * checked. */
#ifndef TD_TESTS_TESTING_PIPELINE_FIXTURE_H
#define TD_TESTS_TESTING_PIPELINE_FIXTURE_H

#include <stdatomic.h>
#include <stdint.h>

#include "tests/testing/io_fault.h"
#include "archive/archive_writer.h"
#include "recorder/pipeline/disk.h"
#include "recorder/pipeline/encoder.h"
#include "recorder/pipeline/intake.h"

/* A secret in some of the frames, which the archive must not contain. */
#define PIPELINE_SECRET "VERYSECRETKEY"

enum { PIPELINE_FRAMES = 300 };

typedef struct pipeline {
    io_fault *disk_model;
    td_clock clock;                    /* clock of the intake */
    atomic_ullong thread_ns, frame_ns; /* CPU time of the encoder: so far, and per frame */
    char catalog_folder[64];
    char catalog[96];
    pipeline_config *config;
    redactor secrets;
    archive *into;
    archive_writer *writer;
    td_ring *ring;
    encoder *encoder;
    disk *disk;
    lag *lag;
    intake *intake;
    intake_slot slot;
    atomic_ullong received; /* frames given to the intake; counted before the call */
    atomic_ullong durable_in, durable_calls;
    chain_totals durable;  /* totals at the last chunk; used by the disk thread until it ends */
    int has_failed;        /* 1 if encoder or disk failed; set when they have ended */
    td_err end_reason;     /* error of the disk thread */
    free_space free_space; /* path NULL: no check */
    td_result encoded;     /* the result expected of the encoder */
} pipeline;

/* Open everything. min_free_bytes: space that the disk thread leaves free; 0: no check. */
void pipeline_open(pipeline *f);
void pipeline_open_with_free_space(pipeline *f, uint64_t min_free_bytes);

/* Replace the intake by one with f->clock. */
void pipeline_open_intake(pipeline *f);

/* Receive a frame; or frame n of the fixture; or begin the connection and receive PIPELINE_FRAMES
 * frames. */
void pipeline_receive(pipeline *f, channel_dir dir, td_bytes bytes);
void pipeline_put_frame(pipeline *f, int n);
void pipeline_put_frames(pipeline *f);

/* End the threads; returns the disk thread's result. */
td_result pipeline_finish(pipeline *f, writer_end end);

/* The options for opening the archive, "tape". */
archive_options pipeline_archive_options(const pipeline *f);

/* Read the archive back: checks each frame's ordinal, and that no secret is stored. Returns the
 * number of frames. */
uint64_t pipeline_read_back(pipeline *f);

/* Free everything, after pipeline_finish. */
void pipeline_close(pipeline *f);

#endif
