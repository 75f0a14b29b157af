#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "format/mcap_decode.h"
#include "format/segment_reader.h"
#include "archive/verify_impl.h"

/* Within one file segment_verify looks at the receive times. Over the feeds of a session they are
 * merged here: one stream per feed, its segments in order, chunk by chunk, times out of the message
 * indexes (which are proved to agree with the chunks). Events are left out: they may share a
 * frame's time. */

typedef struct time_stream {
    verification *v;
    const checked_segment **segments; /* of one feed in one session, by number */
    size_t segment_count;
    size_t next_segment;
    segment_reader *reader;
    td_file *file;
    uint32_t next_chunk;
    td_buf times; /* of the present chunk, rising */
    size_t at;
} time_stream;

static uint64_t head_of(const time_stream *s)
{
    uint64_t ns;
    TD_ASSERT((s->at + 1) * sizeof ns <= s->times.size);
    memcpy(&ns, s->times.data + s->at * sizeof ns, sizeof ns);
    return ns;
}

static int compare_times(const void *a, const void *b)
{
    uint64_t left;
    uint64_t right;
    memcpy(&left, a, sizeof left);
    memcpy(&right, b, sizeof right);
    return left < right ? -1 : left > right;
}

static td_result add_index(time_stream *s, td_bytes content, td_err *err)
{
    mcap_message_index index;
    td_result rc = mcap_decode_message_index(content, &index, err);
    if (rc != TD_OK)
        return rc;
    const segment_channel *channel = segment_reader_channel_by_id(s->reader, index.channel_id);
    if (channel == NULL || channel->info.dir == CHANNEL_EVENT)
        return TD_OK;
    uint64_t ns = 0;
    uint64_t offset = 0;
    while (rc == TD_OK && mcap_next_entry(&index.entries, &ns, &offset))
        rc = td_buf_append(&s->times, &ns, sizeof ns, err);
    return rc;
}

/* Times of a chunk's frames. What cannot be read has been found by segment_verify. */
static td_result load_times(time_stream *s, const segment_chunk *chunk, td_err *err)
{
    td_buf records;
    td_buf_init(&records, LIMIT_CHUNK_BYTES);
    td_buf_clear(&s->times);
    s->at = 0;
    td_result rc = td_buf_reserve(&records, (size_t)chunk->index_bytes + 1, err);
    size_t got = 0;
    if (rc == TD_OK)
        rc = td_io_read_at(s->file, chunk->offset + chunk->chunk_bytes, records.data,
                           (size_t)chunk->index_bytes, &got, err);
    records.size = rc == TD_OK ? got : 0;
    size_t at = 0;
    mcap_record record;
    while (rc == TD_OK && mcap_next_record(td_buf_view(&records), &at, &record, NULL) == TD_OK) {
        if (record.opcode == MCAP_MESSAGE_INDEX)
            rc = add_index(s, record.content, err);
    }
    td_buf_fini(&records);
    size_t count = s->times.size / sizeof(uint64_t);
    if (rc == TD_OK && count > 0)
        qsort(s->times.data, count, sizeof(uint64_t), compare_times);
    return rc;
}

static td_result open_next_segment(time_stream *s, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_io io = archive_io(s->v->archive);
    td_io_close(s->file);
    segment_reader_close(s->reader);
    s->file = NULL;
    s->reader = NULL;
    s->next_chunk = 0;
    if (s->next_segment == s->segment_count)
        return TD_EOF;
    const checked_segment *segment = s->segments[s->next_segment++];
    td_result rc = archive_join(s->v->archive, segment->listed->path, path, err);
    if (rc == TD_OK)
        rc = segment_reader_open(io, path, &s->reader, err);
    if (rc == TD_OK)
        rc = td_io_open(io, path, TD_OPEN_READ, &s->file, err);
    return rc;
}

/* Go to the next time; TD_EOF at the end of the feed. A segment or chunk that cannot be read is
 * passed over. */
static td_result stream_next(time_stream *s, td_err *err)
{
    s->at++;
    while (s->at * sizeof(uint64_t) >= s->times.size) {
        td_result rc = TD_OK;
        if (s->reader == NULL || s->next_chunk == segment_reader_chunk_count(s->reader))
            rc = open_next_segment(s, err);
        else
            rc = load_times(s, segment_reader_chunk(s->reader, s->next_chunk++), err);
        if (rc == TD_EOF || rc == TD_E_NOMEM)
            return rc;
        if (rc != TD_OK)
            td_err_clear(err);
    }
    return TD_OK;
}

static void stream_fini(time_stream *s)
{
    td_io_close(s->file);
    segment_reader_close(s->reader);
    td_buf_fini(&s->times);
    td_free(s->segments);
}

/* ---- one session ---- */

static td_result merge_streams(verification *v, const char *session, time_stream *streams,
                               size_t count, td_err *err)
{
    uint64_t last = 0;
    uint64_t repeats = 0;
    uint64_t first_repeat = 0;
    uint64_t backs = 0;
    uint64_t first_back = 0;
    while (count > 0) {
        size_t least = 0;
        for (size_t i = 1; i < count; i++) {
            if (head_of(&streams[i]) < head_of(&streams[least]))
                least = i;
        }
        uint64_t now = head_of(&streams[least]);
        if (now < last && backs++ == 0)
            first_back = now;
        if (now == last && repeats++ == 0)
            first_repeat = now;
        last = now > last ? now : last;
        td_result rc = stream_next(&streams[least], err);
        if (rc == TD_EOF) {
            stream_fini(&streams[least]);
            streams[least] = streams[--count];
            streams[count] = (time_stream){0};
        } else if (rc != TD_OK) {
            return rc;
        }
    }
    if (backs > 0)
        findings_add(&v->findings, VERIFY_DAMAGED, "", 0,
                     "session %s: %llu frames have a receive time before that of the frame before, "
                     "the first at %llu",
                     session, (unsigned long long)backs, (unsigned long long)first_back);
    if (repeats > 0)
        findings_add(
            &v->findings, VERIFY_DAMAGED, "", 0,
            "session %s: %llu frames have a receive time that another feed's frame has, the "
            "first at %llu",
            session, (unsigned long long)repeats, (unsigned long long)first_repeat);
    return TD_OK;
}

/* From one segment of a feed to the next times rise as they do within one. */
static void check_order(verification *v, const time_stream *s, const checked_segment *segment)
{
    if (s->segment_count == 0)
        return;
    const checked_segment *before = s->segments[s->segment_count - 1];
    if (segment->first_ns != 0 && segment->first_ns < before->result.totals.last_ns)
        findings_add(&v->findings, VERIFY_DAMAGED, segment->listed->path, 0,
                     "begins at %llu, and the segment before it in its session ends at %llu",
                     (unsigned long long)segment->first_ns,
                     (unsigned long long)before->result.totals.last_ns);
}

static td_result add_to_stream(time_stream *s, const checked_segment *segment, td_err *err)
{
    const checked_segment **grown = td_array_room(s->segments, s->segment_count, sizeof(void *));
    if (grown == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to check receive times");
    s->segments = grown;
    TD_ASSERT(s->segment_count == 0 ||
              s->segments[s->segment_count - 1]->number <= segment->number);
    s->segments[s->segment_count++] = segment;
    return TD_OK;
}

/* A stream for each feed of the session that begins at from in v->ordered; *end: where the next one
 * does. */
static td_result gather(verification *v, size_t from, time_stream *streams, size_t *count,
                        size_t *end, td_err *err)
{
    const char *session = v->ordered[from]->session;
    td_result rc = TD_OK;
    size_t at = from;
    for (; at < v->segment_count && strcmp(v->ordered[at]->session, session) == 0; at++) {
        const checked_segment *segment = v->ordered[at];
        if (segment->rc != TD_OK || rc != TD_OK)
            continue;
        int is_new =
            *count == 0 || strcmp(streams[*count - 1].segments[0]->feed, segment->feed) != 0;
        if (is_new && *count == LIMIT_FEEDS)
            continue; /* no session of ours has that many */
        if (is_new) {
            streams[*count] = (time_stream){.v = v};
            td_buf_init(&streams[(*count)++].times, LIMIT_CHUNK_BYTES);
        }
        check_order(v, &streams[*count - 1], segment);
        rc = add_to_stream(&streams[*count - 1], segment, err);
    }
    *end = at;
    return rc;
}

static td_result check_session(verification *v, size_t from, size_t *end, td_err *err)
{
    time_stream streams[LIMIT_FEEDS] = {0};
    size_t count = 0;
    td_result rc = gather(v, from, streams, &count, end, err);
    size_t started = 0;
    if (rc == TD_OK && count > 1) { /* one feed alone has been checked */
        for (size_t i = 0; i < count && rc == TD_OK; i++) {
            rc = stream_next(&streams[i], err);
            if (rc == TD_OK && i != started) {
                time_stream empty = streams[started];
                streams[started] = streams[i];
                streams[i] = empty;
            }
            started += rc == TD_OK;
            rc = rc == TD_EOF ? TD_OK : rc;
        }
        if (rc == TD_OK)
            rc = merge_streams(v, v->ordered[from]->session, streams, started, err);
    }
    for (size_t i = 0; i < count; i++)
        stream_fini(&streams[i]);
    return rc;
}

td_result verify_sessions(verification *v, td_err *err)
{
    td_result rc = TD_OK;
    size_t next = 0;
    for (size_t at = 0; at < v->segment_count && rc == TD_OK; at = next) {
        next = at + 1;
        if (v->ordered[at]->session[0] != '\0')
            rc = check_session(v, at, &next, err);
    }
    return rc;
}
