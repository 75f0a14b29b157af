/* Archives for tests: on a simulated disk or in a temporary folder, written by archive_writer with
 * the frames of segment_fixture.h. Fails the running cmocka test on any error that it is not asked
 * about. */
#ifndef TD_TESTS_TESTING_ARCHIVE_FIXTURE_H
#define TD_TESTS_TESTING_ARCHIVE_FIXTURE_H

#include <stdint.h>

#include "tests/testing/channel_numbers.h"
#include "tests/testing/clock_sim.h"
#include "tests/testing/io_fault.h"
#include "archive/archive.h"
#include "archive/archive_recover.h"
#include "archive/archive_writer.h"
#include "archive/verify.h"
#include "format/chunk_builder.h"
#include "archive/gap.h"
#include "tests/testing/segment_fixture.h"

#define ARCHIVE_FIXTURE_PATH "archive"

/* Where an archive lives: a simulated disk (disk != NULL) or a temporary folder, and in any case a
 * real temporary folder for the catalog, because SQLite does its own I/O. */
typedef struct archive_place {
    io_fault *disk; /* NULL: the real one */
    clock_sim *clock;
    char folder[64];        /* temporary, real */
    char path[128];         /* of the archive */
    char catalog_path[160]; /* of its catalog */
} archive_place;

/* Make a place on a simulated disk, or in a real folder; and remove all of it. */
void archive_place_init_sim(archive_place *place);
void archive_place_init_real(archive_place *place);
void archive_place_fini(archive_place *place);

/* A place on a simulated disk for a test, in *state; and cmocka's row of such a test. */
int archive_place_set_up(void **state);
int archive_place_tear_down(void **state);
#define archive_place_test(function)                                                               \
    cmocka_unit_test_setup_teardown(function, archive_place_set_up, archive_place_tear_down)

/* Go on with another disk (after a kill or a power cut); the one before is closed. */
void archive_place_swap_disk(archive_place *place, io_fault *disk);

/* Open the archive; fails the test if that fails. */
archive *archive_place_open(archive_place *place, archive_mode mode, const char *verb);
td_result archive_place_try_open(archive_place *place, archive_mode mode, const char *verb,
                                 archive **out, td_err *err);

/* One feed being written. */
typedef struct fixture_feed {
    archive_writer *writer;
    size_t index;
    const char *name;
    chunk_builder *builder;
    channel_numbers channels;
    sealed_chunk *chunk;
    uint64_t next; /* frame */
    uint32_t step; /* frames go next, next + step, … so that feeds do not share receive times */
    uint64_t ordinals[2]; /* in, out */
} fixture_feed;

/* Begin a session, starting at frame first's receive time. */
archive_writer *archive_fixture_begin(archive *archive);
td_result archive_fixture_try_begin(archive *archive,
                                    void (*durable)(void *, size_t, const sealed_chunk *),
                                    void *user, archive_writer **out, td_err *err);

/* Add a feed whose first frame is first, and then every step-th. */
td_result fixture_feed_open(fixture_feed *feed, archive_writer *writer, const char *name,
                            uint64_t first, uint32_t step, td_err *err);
void fixture_feed_close(fixture_feed *feed);

/* Append count frames to the builder, seal, put; the result of the put. */
td_result fixture_feed_put(fixture_feed *feed, uint64_t count, td_err *err);

/* Put the last chunk again, after a full disk. */
td_result fixture_feed_put_again(fixture_feed *feed, td_err *err);

/* The next chunk begins a segment. */
void fixture_feed_rotate(fixture_feed *feed);

/* A session of one feed "inverse": chunks of 20 frames, a new segment after every 3 of them, then
 * stopped cleanly. Frames [from, from + 20 * chunk_count). */
void archive_fixture_record(archive_place *place, uint64_t from, unsigned chunk_count);

/* The same as a session of another verb. */
void archive_fixture_session(archive_place *place, const char *verb, uint64_t from,
                             unsigned chunk_count);

/* A session of the verb with one feed: chunk_count chunks of 20 frames in one segment, then killed.
 * The disk and its locks are as the next process finds them. */
void archive_fixture_kill(archive_place *place, const char *verb, const char *feed, uint64_t from,
                          unsigned chunk_count);

/* The gaps that a reader is shown. */
void archive_fixture_gaps(archive_place *place, gap_list *out);

/* What archive_check_catalog finds contains these words; "": the catalog is current. */
void archive_fixture_check_catalog(archive_place *place, const char *words);

/* The dump of the archive's catalog, in memory of td_alloc; of one that is made in memory from the
 * segments and the journal; NUL-terminated. */
char *archive_fixture_dump(archive_place *place);
char *archive_fixture_dump_rebuilt(archive_place *place);

/* The catalog equals a rebuilt one. */
void archive_fixture_check_dump(archive_place *place);

/* Recover all feeds. */
void archive_fixture_recover(archive_place *place, recover_report *report);

verify_report archive_fixture_verify(archive_place *place, const verify_options *options);

/* Every frame of feed on disk in order of segments, open ones up to their last chain: checks each
 * against the fixture's, returns how many, and that they are first, first + step, … */
uint64_t archive_fixture_check_frames(archive_place *place, const char *feed, uint64_t first,
                                      uint32_t step);

#endif
