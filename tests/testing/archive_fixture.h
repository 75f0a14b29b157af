/* Archives for tests: on a simulated disk or in a temporary folder, written by archive_writer with
 * the frames of segment_fixture.h. Errors fail the running cmocka test, except in functions that
 * return td_result. */
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

/* Where an archive is: on a simulated disk (disk != NULL) or in a temporary folder. The catalog is
 * always in a real temporary folder, because SQLite does its own I/O. */
typedef struct archive_env {
    io_fault *disk; /* NULL: the archive is on the real disk */
    clock_sim *clock;
    char folder[64];        /* a temporary folder on the real disk */
    char path[128];         /* path of the archive */
    char catalog_path[160]; /* path of its catalog */
} archive_env;

/* Set up an archive on a simulated disk or in a real folder; fini removes everything. */
void archive_env_init_sim(archive_env *env);
void archive_env_init_real(archive_env *env);
void archive_env_fini(archive_env *env);

/* Set-up and tear-down of a test with an environment on a simulated disk in *state; and a row of
 * cmocka's table for such a test. */
int archive_env_set_up(void **state);
int archive_env_tear_down(void **state);
#define archive_env_test(function)                                                                 \
    cmocka_unit_test_setup_teardown(function, archive_env_set_up, archive_env_tear_down)

/* Continue with another disk (after a kill or a power cut); the old one is closed. */
void archive_env_swap_disk(archive_env *env, io_fault *disk);

/* Open the archive; the first function fails the test on an error. */
archive *archive_env_open(archive_env *env, archive_mode mode, const char *verb);
td_result archive_env_try_open(archive_env *env, archive_mode mode, const char *verb, archive **out,
                               td_err *err);

/* A feed that is being written. */
typedef struct fixture_feed {
    archive_writer *writer;
    size_t index;
    const char *name;
    chunk_builder *builder;
    channel_numbers channels;
    sealed_chunk *chunk;
    uint64_t next; /* number of the fixture's next frame */
    uint32_t step; /* the feed gets frames next, next + step, …, so that feeds do not share receive
                      times */
    uint64_t ordinals[2]; /* last ordinals: received, sent */
} fixture_feed;

/* Begin a session at the receive time of the fixture's first frame. */
archive_writer *archive_fixture_begin(archive *archive);
td_result archive_fixture_try_begin(archive *archive,
                                    void (*durable)(void *, size_t, const sealed_chunk *),
                                    void *user, archive_writer **out, td_err *err);

/* Add a feed that gets frame `first` of the fixture, and then every step-th frame. */
td_result fixture_feed_open(fixture_feed *feed, archive_writer *writer, const char *name,
                            uint64_t first, uint32_t step, td_err *err);
void fixture_feed_close(fixture_feed *feed);

/* Append the next `count` frames to the builder, seal the chunk and write it. Returns the result of
 * writing. */
td_result fixture_feed_put(fixture_feed *feed, uint64_t count, td_err *err);

/* Write the last chunk again, after the disk was full. */
td_result fixture_feed_put_again(fixture_feed *feed, td_err *err);

/* Start a new segment with the next chunk. */
void fixture_feed_rotate(fixture_feed *feed);

/* Record a session of one feed "inverse" with frames [from, from + 20 * chunk_count): chunks of 20
 * frames, a new segment after every 3 chunks, a clean stop. */
void archive_fixture_record(archive_env *env, uint64_t from, unsigned chunk_count);

/* Like archive_fixture_record, as a session of another verb. */
void archive_fixture_session(archive_env *env, const char *verb, uint64_t from,
                             unsigned chunk_count);

/* Record a session with one feed: chunk_count chunks of 20 frames in one segment. Then kill the
 * session; env gets the disk as the next process finds it, without locks. */
void archive_fixture_kill(archive_env *env, const char *verb, const char *feed, uint64_t from,
                          unsigned chunk_count);

/* Get the gaps that readers report. */
void archive_fixture_gaps(archive_env *env, gap_list *out);

/* Check that the finding of archive_check_catalog contains these words; "": that the catalog is
 * current. */
void archive_fixture_check_catalog(archive_env *env, const char *words);

/* The dump of the archive's catalog, and of a catalog rebuilt in memory from the segments and the
 * journal; allocated with td_alloc, NUL-terminated. */
char *archive_fixture_dump(archive_env *env);
char *archive_fixture_dump_rebuilt(archive_env *env);

/* Check that the catalog equals a rebuilt one. */
void archive_fixture_check_dump(archive_env *env);

/* Recover all feeds. */
void archive_fixture_recover(archive_env *env, recover_report *report);

/* Verify the archive; returns the report. */
verify_report archive_fixture_verify(archive_env *env, const verify_options *options);

/* Check all frames of a feed on disk, in the order of segments (open ones up to their last chain
 * record): they must be the fixture's frames first, first + step, … Returns the number of
 * frames. */
uint64_t archive_fixture_check_frames(archive_env *env, const char *feed, uint64_t first,
                                      uint32_t step);

#endif
