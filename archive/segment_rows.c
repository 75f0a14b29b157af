#include "archive/segment_rows.h"

#include "base/assert.h"
#include "base/buf.h"
#include "archive/archive_segment.h"
#include "archive/event.h"
#include "format/segment_reader.h"

static int has_events(const segment_reader *reader, uint32_t chunk)
{
    TD_ASSERT(chunk < segment_reader_chunk_count(reader));
    for (uint32_t i = 0; i < segment_reader_channel_count(reader); i++) {
        const segment_channel *channel = segment_reader_channel(reader, i);
        if (channel->info.dir == CHANNEL_EVENT && segment_reader_chunk_has(reader, chunk, channel))
            return 1;
    }
    return 0;
}

/* Who reads events. */
typedef struct event_user {
    segment_event_fn *fn;
    void *user;
    event_reader *events;
    int is_damaged;
} event_user;

/* A damaged chunk has other events that still count. */
static void read_chunk(const segment_reader *reader, td_bytes records, event_user *to)
{
    size_t at = 0;
    segment_message message;
    event found;
    td_result rc;
    while ((rc = segment_reader_message(reader, records, &at, &message, NULL)) == TD_OK) {
        if (message.channel->info.dir != CHANNEL_EVENT)
            continue;
        if (event_decode(to->events, message.data, &found, NULL) == TD_OK)
            to->fn(to->user, &found, &message);
        else
            to->is_damaged = 1;
    }
    to->is_damaged |= rc != TD_EOF;
}

static td_result read_chunks(const segment_reader *reader, event_user *to, td_err *err)
{
    td_buf records;
    td_buf_init(&records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    segment_scratch *scratch = segment_scratch_open();
    td_result rc = TD_OK;
    for (uint32_t i = 0; i < segment_reader_chunk_count(reader) && rc != TD_E_IO; i++) {
        if (!has_events(reader, i))
            continue;
        rc = segment_reader_read(reader, i, scratch, &records, err);
        if (rc == TD_OK)
            read_chunk(reader, td_buf_view(&records), to);
        else
            to->is_damaged = 1;
    }
    segment_scratch_close(scratch);
    td_buf_fini(&records);
    return rc == TD_E_IO ? rc : TD_OK;
}

td_result segment_events(archive *a, const char *path, segment_event_fn *fn, void *user,
                         int *is_damaged, td_err *err)
{
    segment_reader *reader = NULL;
    event_user to = {.fn = fn, .user = user, .events = event_reader_open()};
    td_result rc = archive_open_segment(a, path, &reader, err);
    if (rc == TD_OK)
        rc = read_chunks(reader, &to, err);
    event_reader_close(to.events);
    segment_reader_close(reader);
    if (is_damaged != NULL)
        *is_damaged = to.is_damaged;
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "events of segment %s", path);
}

static void take_event(gap_list *into, const event *found, const char *feed)
{
    gap_row row = found->gap;
    row.feed = feed;
    if (found->kind == EVENT_GAP)
        gap_list_add(into, &row);
}

static void add_gap(void *user, const event *found, const segment_message *of)
{
    take_event(user, found, of->channel->info.feed);
}

void segment_rows_take_chunk(segment_rows *rows, event_reader *events, const sealed_chunk *chunk)
{
    size_t at = 0;
    uint64_t recv_ns;
    td_bytes text;
    event found;
    while (sealed_chunk_event(chunk, &at, &recv_ns, &text))
        if (event_decode(events, text, &found, NULL) == TD_OK)
            take_event(&rows->gaps, &found, rows->index.feed);
}

td_result segment_gaps(archive *a, const char *path, gap_list *into, td_err *err)
{
    return segment_events(a, path, add_gap, into, NULL, err);
}

td_result segment_rows_read(archive *a, const char *path, segment_rows *out, td_err *err)
{
    *out = (segment_rows){0};
    td_result rc = archive_read_index(a, path, INDEX_FULL, &out->index, err);
    if (rc == TD_OK && out->index.chunk_count > 0)
        rc = segment_gaps(a, path, &out->gaps, err);
    if (rc != TD_OK)
        segment_rows_fini(out);
    return rc;
}

void segment_rows_fini(segment_rows *rows)
{
    segment_index_fini(&rows->index);
    gap_list_fini(&rows->gaps);
}
