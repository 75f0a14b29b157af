/* Small archives for tests of the tape: segments written frame by frame and chunk by chunk, without
 * journal, locks or catalog, as a reader may find them. Errors fail the running cmocka test. */
#ifndef TD_TESTS_TESTING_TAPE_FIXTURE_H
#define TD_TESTS_TESTING_TAPE_FIXTURE_H

#include <stdint.h>

#include "archive/archive.h"
#include "base/channel.h"
#include "format/segment_writer.h"
#include "archive/event.h"
#include "tape/cursor.h"

/* 2026-11-20T06:00:00Z: times in these tests are relative to this. */
#define TAPE_FIXTURE_NS UINT64_C(1795154400000000000)

typedef struct tape_fixture {
    char folder[64];
    const char *verb; /* verb of segments opened from now on; NULL: record */
    archive *archive; /* opened for reading by tape_fixture_archive */
} tape_fixture;

/* An empty archive in a temporary folder. */
void tape_fixture_init(tape_fixture *fixture);
void tape_fixture_fini(tape_fixture *fixture);

/* Add an entry without meaning to the journal, as something that was added to the archive would. */
void tape_fixture_note(const tape_fixture *fixture);

/* Set-up and tear-down of a test with an archive in *state; and a row of cmocka's table for such a
 * test. */
int tape_fixture_set_up(void **state);
int tape_fixture_tear_down(void **state);
#define tape_fixture_test(function)                                                                \
    cmocka_unit_test_setup_teardown(function, tape_fixture_set_up, tape_fixture_tear_down)

/* The archive, opened for reading. */
archive *tape_fixture_archive(tape_fixture *fixture);

/* Open a tape of the archive; wanted NULL: everything. */
cursor *tape_fixture_tape(tape_fixture *fixture, const selection *wanted,
                          const cursor_options *options);

/* A frame's text as a number. */
unsigned tape_frame_number(const frame_ref *frame);

/* A segment that is being written. */
typedef struct tape_segment tape_segment;

typedef struct tape_segment_spec {
    const char *feed;
    const char *session; /* 8 hex digits */
    uint64_t start_ns;   /* start of the session; all times here are relative to TAPE_FIXTURE_NS */
    uint64_t first_ns;   /* the time in the file's name */
    uint32_t number;
} tape_segment_spec;

/* A frame to write. By default it is a trade of BTCUSD or of `symbol`, and its text is the number
 * of earlier frames on its connection. Topics with a leading "_" have no exchange topic. */
typedef struct tape_put {
    uint32_t line, shard;
    channel_dir dir;
    const char *topic;
    const char *symbol;
    uint32_t conn;
    uint64_t ordinal;
    uint64_t recv_ns;
    const char *text;
    const char *exchange_topic; /* NULL: made from topic, a dot, and symbol */
    channel_opcode opcode;
} tape_put;

tape_segment *tape_segment_open(tape_fixture *fixture, const tape_segment_spec *spec);
/* Like tape_segment_open, for another family than inverse. */
tape_segment *tape_segment_open_family(tape_fixture *fixture, const tape_segment_spec *spec,
                                       const char *family_name);
void tape_segment_put(tape_segment *segment, const tape_put *put);
void tape_segment_event(tape_segment *segment, const event *said, uint64_t recv_ns);

/* Begin a connection of slot 0/0. */
void tape_segment_connect(tape_segment *segment, uint32_t conn, uint64_t recv_ns);

/* Write this checkpoint record before the next chunk. */
void tape_segment_checkpoint(tape_segment *segment, td_bytes record);

/* End the chunk, write and sync it. Returns its position. */
segment_chunk tape_segment_seal(tape_segment *segment);

/* Seal pending frames and finish the segment. */
void tape_segment_finish(tape_segment *segment);

/* The file's current path (with ".open" or without). */
const char *tape_segment_path(const tape_segment *segment);

/* Flip one bit of a file. */
void tape_fixture_damage(const char *path, uint64_t offset);

#endif
