#include "tests/testing/archive_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "archive/read_plan.h"
#include "archive/catalog.h"
#include "archive/ledger.h"
#include "archive/reindex.h"
#include "format/segment_reader.h"
#include "tests/testing/catalog_text.h"
#include "tests/testing/files.h"

enum { CHUNK_FRAMES = 20, CHUNKS_PER_SEGMENT = 3 };

/* ---- environments ---- */

static void init_folder(archive_env *env)
{
    *env = (archive_env){0};
    temp_folder_make(TEMP_IN_MEMORY, env->folder);
    env->clock = clock_sim_open(FIXTURE_START_NS, 1);
    assert_non_null(env->clock);
}

void archive_env_init_sim(archive_env *env)
{
    init_folder(env);
    env->disk = io_fault_open();
    assert_non_null(env->disk);
    (void)snprintf(env->path, sizeof env->path, ARCHIVE_FIXTURE_PATH);
    (void)snprintf(env->catalog_path, sizeof env->catalog_path, "%s/catalog.sqlite", env->folder);
}

void archive_env_init_real(archive_env *env)
{
    init_folder(env);
    (void)snprintf(env->path, sizeof env->path, "%s/" ARCHIVE_FIXTURE_PATH, env->folder);
    (void)snprintf(env->catalog_path, sizeof env->catalog_path, "%s/catalog.sqlite", env->path);
}

void archive_env_fini(archive_env *env)
{
    io_fault_close(env->disk);
    clock_sim_close(env->clock);
    temp_folder_remove(env->folder);
}

int archive_env_set_up(void **state)
{
    archive_env *env = td_alloc_zero(1, sizeof *env);
    archive_env_init_sim(env);
    *state = env;
    return 0;
}

int archive_env_tear_down(void **state)
{
    archive_env_fini(*state);
    td_free(*state);
    return 0;
}

void archive_env_swap_disk(archive_env *env, io_fault *disk)
{
    io_fault_close(env->disk);
    env->disk = disk;
}

td_result archive_env_try_open(archive_env *env, archive_mode mode, const char *verb, archive **out,
                               td_err *err)
{
    const archive_options options = {
        .io = env->disk == NULL ? io_posix() : io_fault_io(env->disk),
        .clock = clock_sim_clock(env->clock),
        .verb = verb,
        .catalog_path = env->catalog_path,
    };
    return archive_open(&options, env->path, mode, out, err);
}

archive *archive_env_open(archive_env *env, archive_mode mode, const char *verb)
{
    archive *a = NULL;
    td_err err;
    if (archive_env_try_open(env, mode, verb, &a, &err) != TD_OK)
        fail_msg("%s", err.text);
    return a;
}

/* ---- writing ---- */

td_result archive_fixture_try_begin(archive *a,
                                    void (*durable)(void *, size_t, const sealed_chunk *),
                                    void *user, archive_writer **out, td_err *err)
{
    const archive_writer_options options = {
        .version = "0.1",
        .start_ns = clock_wall_ns(archive_clock(a)),
        .durable = durable,
        .user = user,
    };
    return archive_writer_open(a, &options, out, err);
}

archive_writer *archive_fixture_begin(archive *a)
{
    archive_writer *writer = NULL;
    td_err err;
    if (archive_fixture_try_begin(a, NULL, NULL, &writer, &err) != TD_OK)
        fail_msg("%s", err.text);
    return writer;
}

td_result fixture_feed_open(fixture_feed *feed, archive_writer *writer, const char *name,
                            uint64_t first, uint32_t step, td_err *err)
{
    *feed = (fixture_feed){.writer = writer, .name = name, .next = first, .step = step};
    td_result rc = archive_writer_add_feed(writer, name, "inverse", NULL, &feed->index, err);
    feed->chunk = sealed_chunk_open();
    assert_non_null(feed->chunk);
    feed->builder = chunk_builder_open(NULL);
    return rc;
}

void fixture_feed_close(fixture_feed *feed)
{
    chunk_builder_close(feed->builder);
    channel_numbers_fini(&feed->channels);
    sealed_chunk_close(feed->chunk);
    *feed = (fixture_feed){0};
}

void fixture_feed_rotate(fixture_feed *feed)
{
    chunk_builder_end_segment(feed->builder);
}

/* Appends a frame. The fixture's ordinals have holes if frames are skipped, so frames get new
 * ordinals. */
static void append_frame(fixture_feed *feed)
{
    fixture_frame frame;
    fixture_get(feed->next, &frame);
    const channel_info info = {.feed = feed->name,
                               .family = "inverse",
                               .dir = frame.dir,
                               .topic = frame.topic,
                               .exchange_topic = frame.topic[0] == '_' ? "" : frame.topic,
                               .symbol = frame.symbol,
                               .opcode = OPCODE_TEXT,
                               .message_encoding = "json"};
    td_err err;
    int is_event = frame.dir == CHANNEL_EVENT;
    uint64_t *ordinal = &feed->ordinals[frame.dir == CHANNEL_OUT];
    feed_frame in = {.conn = is_event ? 0 : 1,
                     .ordinal = is_event ? 0 : ++*ordinal,
                     .recv_ns = frame.recv_ns,
                     .publish_ns = frame.publish_ns,
                     .bytes = td_bytes_of(frame.text, frame.size)};
    channel_numbers_set(&feed->channels, &info, &in);
    if (chunk_builder_append(feed->builder, &in, &err) != TD_OK)
        fail_msg("frame %" PRIu64 ": %s", feed->next, err.text);
}

td_result fixture_feed_put(fixture_feed *feed, uint64_t count, td_err *err)
{
    for (uint64_t i = 0; i < count; i++) {
        append_frame(feed);
        feed->next += feed->step;
    }
    assert_true(chunk_builder_seal(feed->builder, feed->chunk));
    return fixture_feed_put_again(feed, err);
}

td_result fixture_feed_put_again(fixture_feed *feed, td_err *err)
{
    return archive_writer_put(feed->writer, feed->index, feed->chunk, err);
}

void archive_fixture_record(archive_env *env, uint64_t from, unsigned chunk_count)
{
    archive_fixture_session(env, "record", from, chunk_count);
}

void archive_fixture_session(archive_env *env, const char *verb, uint64_t from,
                             unsigned chunk_count)
{
    archive *a = archive_env_open(env, ARCHIVE_APPEND, verb);
    archive_writer *writer = archive_fixture_begin(a);
    fixture_feed feed;
    td_err err;
    td_err_clear(&err);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, from, 1, &err), TD_OK);
    for (unsigned i = 0; i < chunk_count; i++) {
        if (i > 0 && i % CHUNKS_PER_SEGMENT == 0)
            fixture_feed_rotate(&feed);
        if (fixture_feed_put(&feed, CHUNK_FRAMES, &err) != TD_OK)
            fail_msg("chunk %u: %s", i, err.text);
    }
    fixture_feed_close(&feed);
    uint64_t stop_ns = FIXTURE_START_NS + FIXTURE_STEP_NS * (from + CHUNK_FRAMES * chunk_count);
    if (archive_writer_close(writer, WRITER_STOP, stop_ns, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
}

/* ---- reading ---- */

void archive_fixture_kill(archive_env *env, const char *verb, const char *feed, uint64_t from,
                          unsigned chunk_count)
{
    fixture_feed f;
    td_err err;
    clock_sim_advance(env->clock, 1000);
    archive *a = archive_env_open(env, ARCHIVE_APPEND, verb);
    archive_writer *writer = archive_fixture_begin(a);
    assert_int_equal(fixture_feed_open(&f, writer, feed, from, 1, &err), TD_OK);
    for (unsigned i = 0; i < chunk_count; i++)
        assert_int_equal(fixture_feed_put(&f, CHUNK_FRAMES, &err), TD_OK);
    io_fault *killed = io_fault_kill(env->disk);
    fixture_feed_close(&f);
    assert_int_equal(archive_writer_close(writer, WRITER_ABANDON, 0, &err), TD_OK);
    archive_close(a);
    archive_env_swap_disk(env, killed);
}

void archive_fixture_gaps(archive_env *env, gap_list *out)
{
    td_err err;
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_gaps(a, out, &err), TD_OK);
    archive_close(a);
}

void archive_fixture_check_catalog(archive_env *env, const char *words)
{
    char what[CATALOG_WHAT_BYTES];
    td_err err;
    archive_view *view = NULL;
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    assert_int_equal(archive_view_open(a, VIEW_FILES, NULL, &view, &err), TD_OK);
    archive_check_catalog(view, NULL, NULL, what);
    archive_view_close(view);
    if (strstr(what, words) == NULL || (words[0] == '\0' && what[0] != '\0'))
        fail_msg("'%s' wanted, it is '%s'", words, what);
    archive_close(a);
}

char *archive_fixture_dump(archive_env *env)
{
    char *text = catalog_text(env->catalog_path);
    if (text == NULL)
        fail_msg("%s cannot be read", env->catalog_path);
    return text;
}

char *archive_fixture_dump_rebuilt(archive_env *env)
{
    catalog *c = NULL;
    td_err err;
    char path[300];
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    const reindex_options options = {.scope = REINDEX_ALL};
    reindex_report report;
    (void)snprintf(path, sizeof path, "%s.rebuilt", env->catalog_path);
    if (catalog_open(path, CATALOG_WRITE, &c, &err) != TD_OK ||
        archive_reindex_into(a, c, &options, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
    catalog_close(c);
    char *text = catalog_text(path);
    assert_non_null(text);
    assert_int_equal(catalog_remove(path, &err), TD_OK);
    archive_close(a);
    return text;
}

void archive_fixture_check_dump(archive_env *env)
{
    char *kept = archive_fixture_dump(env);
    char *rebuilt = archive_fixture_dump_rebuilt(env);
    assert_string_equal(kept, rebuilt);
    td_free(kept);
    td_free(rebuilt);
}

void archive_fixture_recover(archive_env *env, recover_report *report)
{
    td_err err;
    archive *a = archive_env_open(env, ARCHIVE_MAINTAIN, "recover");
    if (archive_recover(a, NULL, NULL, report, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
}

static void check_message(const segment_message *got, uint64_t i)
{
    fixture_frame want;
    fixture_get(i, &want);
    assert_int_equal(got->log_ns, want.recv_ns);
    assert_int_equal(got->data.size, want.size);
    assert_memory_equal(got->data.data, want.text, want.size);
    assert_string_equal(got->channel->info.topic, want.topic);
}

static void check_segment(td_io io, const planned_segment *segment, uint64_t first, uint32_t step,
                          uint64_t *count)
{
    segment_reader *reader = NULL;
    segment_scratch *scratch = segment_scratch_open();
    td_buf records;
    td_err err;
    td_buf_init(&records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    if (segment_reader_open(io, segment->path, &reader, &err) != TD_OK)
        fail_msg("%s: %s", segment->path, err.text);
    for (uint32_t i = 0; i < segment_reader_chunk_count(reader); i++) {
        if (segment_reader_read(reader, i, scratch, &records, &err) != TD_OK)
            fail_msg("%s: chunk %u: %s", segment->path, i, err.text);
        size_t at = 0;
        segment_message message;
        while (segment_reader_message(reader, td_buf_view(&records), &at, &message, &err) == TD_OK)
            check_message(&message, first + step * (*count)++);
    }
    td_buf_fini(&records);
    segment_scratch_close(scratch);
    segment_reader_close(reader);
}

static int wants_feed(void *user, const char *feed)
{
    return strcmp(user, feed) == 0;
}

verify_report archive_fixture_verify(archive_env *env, const verify_options *options)
{
    td_err err;
    verify_report report;
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    if (archive_verify(a, options, &report, &err) != TD_OK)
        fail_msg("%s", err.text);
    archive_close(a);
    return report;
}

uint64_t archive_fixture_check_frames(archive_env *env, const char *feed, uint64_t first,
                                      uint32_t step)
{
    archive *a = archive_env_open(env, ARCHIVE_READ, NULL);
    read_plan *plan = NULL;
    td_err err;
    const read_query query = {
        .time = TIME_SPAN_ALL, .wants_feed = wants_feed, .user = (void *)(uintptr_t)feed};
    if (read_plan_open(a, &query, &plan, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(read_plan_unreadable_count(plan), 0);
    uint64_t count = 0;
    for (size_t i = 0; i < read_plan_count(plan); i++)
        check_segment(archive_io(a), read_plan_segment(plan, i), first, step, &count);
    read_plan_close(plan);
    archive_close(a);
    return count;
}
