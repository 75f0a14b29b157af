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

static void add_event(event_reader *events, const segment_message *message, gap_list *into)
{
    event found;
    if (event_decode(events, message->data, &found, NULL) != TD_OK || found.kind != EVENT_GAP)
        return;
    found.gap.feed = message->channel->info.feed;
    gap_list_add(into, &found.gap);
}

/* verify reports damage inside a chunk; its other events still count. */
static void add_chunk(const segment_reader *reader, td_bytes records, event_reader *events,
                      gap_list *into)
{
    size_t at = 0;
    segment_message message;
    while (segment_reader_message(reader, records, &at, &message, NULL) == TD_OK) {
        if (message.channel->info.dir == CHANNEL_EVENT)
            add_event(events, &message, into);
    }
}

static td_result add_segment(const segment_reader *reader, gap_list *into, td_err *err)
{
    td_buf records;
    td_buf_init(&records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    segment_scratch *scratch = segment_scratch_open();
    event_reader *events = event_reader_open();
    td_result rc = TD_OK;
    for (uint32_t i = 0; i < segment_reader_chunk_count(reader) && rc != TD_E_IO; i++) {
        if (!has_events(reader, i))
            continue;
        rc = segment_reader_read(reader, i, scratch, &records, err);
        if (rc == TD_OK)
            add_chunk(reader, td_buf_view(&records), events, into);
    }
    event_reader_close(events);
    segment_scratch_close(scratch);
    td_buf_fini(&records);
    return rc == TD_E_IO ? rc : TD_OK; /* a damaged chunk is for verify */
}

td_result segment_gaps(archive *a, const char *path, gap_list *into, td_err *err)
{
    segment_reader *reader = NULL;
    td_result rc = archive_open_segment(a, path, &reader, err);
    if (rc == TD_OK)
        rc = add_segment(reader, into, err);
    segment_reader_close(reader);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "events of segment %s", path);
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
