#include "verbs/pruned_feeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/feed_history.h"

/* An archive has few feeds: looked up one by one. */
static pruned_feed *row_of(pruned_feeds *pruned, const char *feed)
{
    for (size_t i = 0; i < pruned->count; i++)
        if (strcmp(pruned->rows[i].feed, feed) == 0)
            return &pruned->rows[i];
    pruned->rows = td_array_grow(pruned->rows, pruned->count, sizeof *pruned->rows);
    pruned_feed *made = &pruned->rows[pruned->count++];
    *made = (pruned_feed){0};
    (void)snprintf(made->feed, sizeof made->feed, "%s", feed); /* as long as in the journal */
    return made;
}

static void add(pruned_feeds *pruned, const past_segment *segment)
{
    TD_ASSERT(segment->stage == PAST_PRUNED);
    pruned_feed *row = row_of(pruned, segment->feed);
    row->segments++;
    row->bytes += segment->file_bytes;
    if (segment->first_ns != 0 && (row->first_ns == 0 || segment->first_ns < row->first_ns))
        row->first_ns = segment->first_ns;
    if (segment->last_ns > row->last_ns)
        row->last_ns = segment->last_ns;
}

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const pruned_feed *)a)->feed, ((const pruned_feed *)b)->feed);
}

td_result pruned_feeds_read(archive *a, pruned_feeds *out, td_err *err)
{
    archive_history past = {0};
    *out = (pruned_feeds){0};
    td_result rc = archive_is_single_file(a) ? TD_OK : archive_history_read(a, &past, err);
    for (size_t i = 0; i < past.segment_count; i++)
        if (past.segments[i].stage == PAST_PRUNED)
            add(out, &past.segments[i]);
    archive_history_fini(&past);
    if (out->count > 0)
        qsort(out->rows, out->count, sizeof out->rows[0], compare_rows);
    return rc;
}

void pruned_feeds_fini(pruned_feeds *pruned)
{
    td_free(pruned->rows);
    *pruned = (pruned_feeds){0};
}

void pruned_feeds_describe(result_writer *r, const pruned_feeds *pruned)
{
    result_list_begin(r, "pruned");
    for (size_t i = 0; i < pruned->count; i++) {
        const pruned_feed *row = &pruned->rows[i];
        result_object_begin(r, NULL);
        result_name(r, "feed", row->feed);
        result_count(r, "segments", row->segments);
        result_size(r, "bytes", row->bytes);
        result_time(r, "first_ns", row->first_ns);
        result_time(r, "last_ns", row->last_ns);
        result_object_end(r, "pruned: {feed}: {segments segment}, {bytes}, from {first_ns} to "
                             "{last_ns} UTC\n");
    }
    result_list_end(r);
}
