#include "tests/testing/tape_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "archive/journal.h"
#include "tests/testing/files.h"
#include "tests/testing/channel_numbers.h"

struct tape_segment {
    char path[LIMIT_PATH_BYTES];
    char feed[LIMIT_NAME_BYTES];
    const char *family;
    chunk_builder *builder;
    channel_numbers channels;
    sealed_chunk *sealed;
    td_buf checkpoint; /* checkpoint to be written before the next chunk */
    segment_writer *writer;
    segment_written last;
};

static void expect_ok(td_result rc, const td_err *err)
{
    if (rc != TD_OK)
        fail_msg("%s", err->text);
}

void tape_fixture_note(const tape_fixture *fixture)
{
    const archive_options options = {.io = io_posix(), .clock = clock_real(), .verb = "test"};
    archive *a = NULL;
    journal *j = NULL;
    td_err err;
    expect_ok(archive_open(&options, fixture->folder, ARCHIVE_APPEND, &a, &err), &err);
    expect_ok(journal_open(a, NULL, NULL, NULL, &j, &err), &err);
    expect_ok(journal_append(j, "note", NULL, 0, &err), &err);
    journal_close(j);
    archive_close(a);
}

void tape_fixture_init(tape_fixture *fixture)
{
    *fixture = (tape_fixture){0};
    temp_folder_make(TEMP_ON_DISK, fixture->folder);
    char capture[sizeof fixture->folder + sizeof "/capture"];
    snprintf(capture, sizeof capture, "%s/capture", fixture->folder);
    assert_int_equal(td_io_mkdir_all(io_posix(), capture, NULL), TD_OK);
    tape_fixture_note(fixture); /* an archive with segments must have a journal */
}

void tape_fixture_fini(tape_fixture *fixture)
{
    archive_close(fixture->archive);
    fixture->archive = NULL;
    temp_folder_remove(fixture->folder);
}

int tape_fixture_set_up(void **state)
{
    tape_fixture *fixture = td_alloc_zero(1, sizeof *fixture);
    tape_fixture_init(fixture);
    *state = fixture;
    return 0;
}

int tape_fixture_tear_down(void **state)
{
    tape_fixture_fini(*state);
    td_free(*state);
    return 0;
}

archive *tape_fixture_archive(tape_fixture *fixture)
{
    if (fixture->archive != NULL)
        return fixture->archive;
    archive_options options = {.io = io_posix(), .clock = clock_real()};
    td_err err;
    expect_ok(archive_open(&options, fixture->folder, ARCHIVE_READ, &fixture->archive, &err), &err);
    return fixture->archive;
}

cursor *tape_fixture_tape(tape_fixture *fixture, const selection *wanted,
                          const cursor_options *options)
{
    static const selection EVERYTHING = {.has_from = 0};
    cursor *t = NULL;
    td_err err;
    expect_ok(cursor_open(tape_fixture_archive(fixture), wanted == NULL ? &EVERYTHING : wanted,
                          options, &t, &err),
              &err);
    return t;
}

unsigned tape_frame_number(const frame_ref *frame)
{
    char text[32];
    assert_true(frame->bytes.size < sizeof text);
    memcpy(text, frame->bytes.data, frame->bytes.size);
    text[frame->bytes.size] = '\0';
    return (unsigned)strtoul(text, NULL, 10);
}

tape_segment *tape_segment_open(tape_fixture *fixture, const tape_segment_spec *spec)
{
    return tape_segment_open_family(fixture, spec, "inverse");
}

tape_segment *tape_segment_open_family(tape_fixture *fixture, const tape_segment_spec *spec,
                                       const char *family_name)
{
    tape_segment *segment = td_alloc_zero(1, sizeof *segment);
    assert_non_null(segment);
    char name[LIMIT_PATH_BYTES];
    segment_name_format(spec->feed, spec->session, TAPE_FIXTURE_NS + spec->first_ns, spec->number,
                        name);
    int length = snprintf(segment->path, sizeof segment->path, "%s/%.1024s", fixture->folder, name);
    assert_true(length > 0 && (size_t)length < sizeof segment->path);
    snprintf(segment->feed, sizeof segment->feed, "%s", spec->feed);
    segment->family = family_name;
    char *slash = strrchr(segment->path, '/');
    td_err err;
    *slash = '\0';
    expect_ok(td_io_mkdir_all(io_posix(), segment->path, &err), &err);
    *slash = '/';
    segment_session session = {.session = spec->session,
                               .start_ns = TAPE_FIXTURE_NS + spec->start_ns,
                               .feed = segment->feed,
                               .family = segment->family,
                               .previous_segment = "",
                               .verb = fixture->verb == NULL ? "record" : fixture->verb,
                               .version = "test"};
    expect_ok(segment_writer_open(io_posix(), segment->path, &session, &segment->writer, &err),
              &err);
    segment->builder = chunk_builder_open(NULL);
    segment->sealed = sealed_chunk_open();
    assert_non_null(segment->sealed);
    td_buf_init(&segment->checkpoint, LIMIT_RECORD_BYTES);
    return segment;
}

void tape_segment_put(tape_segment *segment, const tape_put *put)
{
    char number[32];
    snprintf(number, sizeof number, "%" PRIu64, put->ordinal - 1);
    const char *topic = put->topic == NULL ? "trade" : put->topic;
    const char *symbol = put->symbol != NULL ? put->symbol : put->topic == NULL ? "BTCUSD" : "";
    char exchange_topic[LIMIT_TOPIC_BYTES] = "";
    if (put->exchange_topic != NULL)
        snprintf(exchange_topic, sizeof exchange_topic, "%s", put->exchange_topic);
    else if (topic[0] != '_')
        snprintf(exchange_topic, sizeof exchange_topic, "%s.%s", topic, symbol);
    channel_info info = {.feed = segment->feed,
                         .family = segment->family,
                         .line = put->line,
                         .shard = put->shard,
                         .dir = put->dir,
                         .topic = topic,
                         .exchange_topic = exchange_topic,
                         .symbol = symbol,
                         .opcode = put->opcode == 0 ? OPCODE_TEXT : put->opcode,
                         .message_encoding = put->opcode == OPCODE_BINARY ? "raw" : "json"};
    td_err err;
    feed_frame frame = {.conn = put->conn,
                        .ordinal = put->ordinal,
                        .recv_ns = TAPE_FIXTURE_NS + put->recv_ns,
                        .publish_ns = TAPE_FIXTURE_NS + put->recv_ns,
                        .bytes = td_bytes_str(put->text == NULL ? number : put->text)};
    channel_numbers_set(&segment->channels, &info, &frame);
    expect_ok(chunk_builder_append(segment->builder, &frame, &err), &err);
}

void tape_segment_event(tape_segment *segment, const event *said, uint64_t recv_ns)
{
    td_buf text;
    td_err err;
    td_buf_init(&text, 1 << 20);
    expect_ok(event_encode(said, &text, &err), &err);
    expect_ok(td_buf_append(&text, "", 1, &err), &err);
    tape_segment_put(segment, &(tape_put){.dir = CHANNEL_EVENT,
                                          .topic = CHANNEL_TOPIC_EVENTS,
                                          .recv_ns = recv_ns,
                                          .text = (const char *)text.data});
    td_buf_fini(&text);
}

void tape_segment_connect(tape_segment *segment, uint32_t conn, uint64_t recv_ns)
{
    event said = {.kind = EVENT_CONNECT, .conn = conn, .url = "wss://example/realtime"};
    tape_segment_event(segment, &said, recv_ns);
}

void tape_segment_checkpoint(tape_segment *segment, td_bytes record)
{
    td_buf_add(&segment->checkpoint, record.data, record.size);
}

segment_chunk tape_segment_seal(tape_segment *segment)
{
    td_err err;
    assert_true(chunk_builder_seal(segment->builder, segment->sealed));
    td_buf_add(&segment->sealed->checkpoint, segment->checkpoint.data, segment->checkpoint.size);
    td_buf_clear(&segment->checkpoint);
    expect_ok(segment_writer_append(segment->writer, segment->sealed, &segment->last, &err), &err);
    expect_ok(segment_writer_sync(segment->writer, &err), &err);
    return segment->last.chunk;
}

static void free_segment(tape_segment *segment)
{
    segment_writer_close(segment->writer);
    sealed_chunk_close(segment->sealed);
    chunk_builder_close(segment->builder);
    td_buf_fini(&segment->checkpoint);
    channel_numbers_fini(&segment->channels);
    td_free(segment);
}

void tape_segment_finish(tape_segment *segment)
{
    td_err err;
    if (chunk_builder_pending_count(segment->builder) > 0)
        tape_segment_seal(segment);
    expect_ok(segment_writer_finish(segment->writer, NULL, &err), &err);
    free_segment(segment);
}

const char *tape_segment_path(const tape_segment *segment)
{
    return segment->path;
}

void tape_fixture_damage(const char *path, uint64_t offset)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    assert_true(file >= 0);
    uint8_t byte = 0;
    assert_int_equal(pread(file, &byte, 1, (off_t)offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(file, &byte, 1, (off_t)offset), 1);
    close(file);
}
