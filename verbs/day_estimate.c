#include "verbs/day_estimate.h"

#include <stdlib.h>
#include <string.h>

#include "archive/archive_view.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "tape/cursor.h"
#include "tape/timeline.h"

/* The sample: this many frames of a feed's last minutes. */
enum { SAMPLE_FRAMES = 100000 };
static const uint64_t SAMPLE_NS = 600 * TD_NS_PER_S;

/* A topic that was received for less time has no estimate. */
static const uint64_t MEASURED_NS_MIN = TD_NS_PER_S;

static const uint64_t DAY_NS = 86400 * TD_NS_PER_S;

/* Bytes of a Message record of MCAP before the frame. */
enum { RECORD_BYTES = 31 };

/* A topic of a symbol. */
typedef struct measured_row {
    const timeline_row *row;
    uint64_t received_ns;
    uint64_t sampled_frames, sampled_bytes; /* of the topic, over all symbols; in its first row */
    double day_bytes;
} measured_row;

struct day_estimate {
    timeline *from;
    measured_row *rows; /* sorted by feed, topic, symbol */
    size_t count;
};

static int compare_topic(const timeline_row *row, const char *feed, td_bytes topic)
{
    int order = strcmp(row->feed, feed);
    return order != 0 ? order : td_bytes_compare(td_bytes_str(row->topic), topic);
}

static int compare_rows(const void *a, const void *b)
{
    const timeline_row *left = ((const measured_row *)a)->row;
    const timeline_row *right = ((const measured_row *)b)->row;
    int order = compare_topic(left, right->feed, td_bytes_str(right->topic));
    return order != 0 ? order : strcmp(left->symbol, right->symbol);
}

/* The end of the rows that have the feed, and with a topic the topic, of row `first`. */
static size_t end_of_feed(const day_estimate *self, size_t first)
{
    size_t end = first;
    while (end < self->count && strcmp(self->rows[end].row->feed, self->rows[first].row->feed) == 0)
        end++;
    return end;
}

/* ---- measuring ---- */

/* Set how long each topic was received. */
static void read_times(day_estimate *self)
{
    size_t count = 0;
    uint64_t first_ns;
    uint64_t last_ns;
    const timeline_row *rows = timeline_rows(self->from, &count);
    timeline_range(self->from, &first_ns, &last_ns);
    self->rows = td_alloc_zero(count + 1, sizeof *self->rows);
    self->count = count;
    uint32_t *band_of = td_alloc_zero(count + 1, sizeof *band_of);
    timeline_cell *cells = td_alloc_zero(count + 1, sizeof *cells);
    for (size_t i = 0; i < count; i++)
        band_of[i] = (uint32_t)i;
    const timeline_grid whole = {first_ns, last_ns - first_ns + 1, 1};
    timeline_fill(self->from, band_of, count, whole, cells);
    for (size_t i = 0; i < count; i++)
        self->rows[i] = (measured_row){.row = &rows[i], .received_ns = cells[i].received_ns};
    td_free(cells);
    td_free(band_of);
    if (count > 0)
        qsort(self->rows, count, sizeof *self->rows, compare_rows);
}

/* The first row of the frame's topic among the rows of its feed, or NULL. */
static measured_row *find_topic(measured_row *rows, size_t count, const char *topic)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].row->topic, topic) == 0)
            return &rows[i];
    return NULL;
}

/* Count the frames of the feed's last minutes, and their bytes. */
static td_result read_sample(archive *from, measured_row *rows, size_t count, td_err *err)
{
    const char *feed = rows[0].row->feed;
    const cursor_options how = {.reads = TAPE_READS_FRAMES, .log = archive_log(from)};
    uint64_t last_ns = 0;
    selection wanted = {.feeds = {&feed, 1}};
    cursor *frames = NULL;
    const frame_ref *frame = NULL;
    for (size_t i = 0; i < count; i++)
        last_ns = rows[i].row->last_ns > last_ns ? rows[i].row->last_ns : last_ns;
    const selection_window window = {last_ns > SAMPLE_NS ? last_ns - SAMPLE_NS : 0, last_ns + 1};
    selection_set_window(&wanted, window);
    td_result rc = cursor_open(from, &wanted, &how, &frames, err);
    for (int i = 0; rc == TD_OK && i < SAMPLE_FRAMES; i++) {
        rc = cursor_next(frames, &frame, err);
        measured_row *topic =
            rc == TD_OK ? find_topic(rows, count, frame->channel->info.topic) : NULL;
        if (topic == NULL)
            continue;
        topic->sampled_frames++;
        topic->sampled_bytes += frame->bytes.size;
    }
    cursor_close(frames);
    return rc == TD_EOF ? TD_OK : rc;
}

/* Bytes of the feed's segments. */
static uint64_t file_bytes(archive_view *view, const char *feed)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < view->listing.segment_count; i++) {
        const archive_segment *segment = &view->listing.segments[i];
        if (strcmp(segment->name.feed, feed) == 0)
            bytes += archive_view_size(view, segment);
    }
    return bytes;
}

/* Divide the feed's bytes among its topics. Frames of topics that the sample lacks count with the
 * mean size of all sampled frames. */
static void divide(measured_row *rows, size_t count, uint64_t bytes)
{
    double sum = 0;
    uint64_t all_frames = 0;
    uint64_t all_bytes = 0;
    const measured_row *topic = &rows[0];
    for (size_t i = 0; i < count; i++) {
        all_frames += rows[i].sampled_frames;
        all_bytes += rows[i].sampled_bytes;
    }
    double usual_bytes = all_frames == 0 ? 0 : (double)all_bytes / (double)all_frames;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].row->topic, topic->row->topic) != 0)
            topic = &rows[i];
        double mean_bytes = topic->sampled_frames == 0
                                ? usual_bytes
                                : (double)topic->sampled_bytes / (double)topic->sampled_frames;
        int is_known = rows[i].row->frames != UINT64_MAX; /* else the segment is damaged */
        rows[i].day_bytes =
            is_known ? (double)rows[i].row->frames * (mean_bytes + RECORD_BYTES) : 0;
        if (!is_known)
            rows[i].received_ns = 0;
        sum += rows[i].day_bytes;
    }
    for (size_t i = 0; i < count && sum > 0; i++)
        if (rows[i].received_ns > 0)
            rows[i].day_bytes *=
                (double)bytes / sum * ((double)DAY_NS / (double)rows[i].received_ns);
}

static td_result measure(day_estimate *self, archive *from, td_err *err)
{
    td_result rc = timeline_open(from, &self->from, err);
    if (rc == TD_OK)
        read_times(self);
    for (size_t i = 0; rc == TD_OK && i < self->count;) {
        size_t end = end_of_feed(self, i);
        rc = read_sample(from, &self->rows[i], end - i, err);
        divide(&self->rows[i], end - i,
               file_bytes(archive_held_view(from), self->rows[i].row->feed));
        i = end;
    }
    return rc;
}

td_result day_estimate_open(archive *from, day_estimate **out, td_err *err)
{
    *out = NULL;
    td_result rc = archive_view_hold(from, err);
    if (rc != TD_OK)
        return rc;
    day_estimate *self = td_alloc_zero(1, sizeof *self);
    rc = measure(self, from, err);
    archive_view_let_go(from);
    if (rc == TD_OK)
        *out = self;
    else
        day_estimate_close(self);
    return rc;
}

void day_estimate_close(day_estimate *self)
{
    if (self == NULL)
        return;
    timeline_close(self->from);
    td_free(self->rows);
    td_free(self);
}

/* ---- finding ---- */

day_size day_estimate_find(const day_estimate *self, const char *feed, td_bytes topic,
                           td_bytes symbol)
{
    double sum = 0;
    size_t count = 0;
    uint64_t measured_ns = 0;
    for (size_t i = 0; i < self->count; i++) {
        const measured_row *each = &self->rows[i];
        if (each->received_ns < MEASURED_NS_MIN || compare_topic(each->row, feed, topic) != 0)
            continue;
        if (td_bytes_is(symbol, each->row->symbol) && !td_bytes_is(symbol, "*"))
            return (day_size){(uint64_t)each->day_bytes, each->received_ns};
        sum += each->day_bytes;
        count++;
        measured_ns = each->received_ns > measured_ns ? each->received_ns : measured_ns;
    }
    if (count == 0)
        return (day_size){0};
    return (day_size){(uint64_t)(td_bytes_is(symbol, "*") ? sum : sum / (double)count),
                      measured_ns};
}
