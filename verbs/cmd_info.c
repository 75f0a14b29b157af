/* tapedeck info: what an archive holds. */
#include <stdlib.h>
#include <string.h>

#include "verbs/cmds.h"
#include "verbs/info_pruned.h"
#include "verbs/verb_run.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "archive/read_plan.h"
#include "archive/reindex.h"

/* Frames of one (feed, topic, symbol), all slots and directions together. */
typedef struct topic_total {
    const char *feed, *topic, *symbol; /* of the plan */
    uint64_t frames;
} topic_total;

typedef struct feed_total {
    const char *feed, *family;
    uint64_t segments, frames, bytes, first_ns, last_ns;
} feed_total;

/* Sums over a plan of everything. */
typedef struct archive_totals {
    feed_total *feeds;
    size_t feed_count;
    topic_total *topics;
    size_t topic_count;
    uint64_t segments, by_life[SEGMENT_IS_TRUNCATED + 1], frames, events, bytes;
    uint64_t first_ns, last_ns;
} archive_totals;

/* ---- adding up ---- */

/* An archive has few feeds: looked up one by one. */
static void add_feed(archive_totals *totals, const segment_index *segment, uint64_t frames)
{
    feed_total *at = NULL;
    for (size_t i = 0; i < totals->feed_count && at == NULL; i++) {
        if (strcmp(totals->feeds[i].feed, segment->feed) == 0)
            at = &totals->feeds[i];
    }
    if (at == NULL) {
        totals->feeds = td_array_grow(totals->feeds, totals->feed_count, sizeof *at);
        at = &totals->feeds[totals->feed_count++];
        *at = (feed_total){
            .feed = segment->feed, .family = segment->family, .first_ns = segment->first_ns};
    }
    TD_ASSERT(at->feed != NULL);
    at->segments++;
    at->frames = verb_run_add_count(at->frames, frames);
    at->bytes += segment->file_bytes;
    if (segment->first_ns < at->first_ns)
        at->first_ns = segment->first_ns;
    if (segment->last_ns > at->last_ns)
        at->last_ns = segment->last_ns;
}

/* Events are the recorder's own words and no frames: counted apart. */
static void add_segment(archive_totals *totals, const planned_segment *planned)
{
    const segment_index *segment = planned->index;
    uint64_t frames = 0;
    for (size_t i = 0; i < segment->channel_count; i++) {
        const segment_channel *channel = &segment->channels[i];
        if (channel->info.dir == CHANNEL_EVENT) {
            totals->events = verb_run_add_count(totals->events, channel->message_count);
            continue;
        }
        frames = verb_run_add_count(frames, channel->message_count);
        totals->topics = td_array_grow(totals->topics, totals->topic_count, sizeof *totals->topics);
        totals->topics[totals->topic_count++] = (topic_total){
            channel->info.feed, channel->info.topic, channel->info.symbol, channel->message_count};
    }
    totals->segments++;
    totals->by_life[planned->life]++;
    totals->frames = verb_run_add_count(totals->frames, frames);
    totals->bytes += segment->file_bytes;
    if (totals->segments == 1 || segment->first_ns < totals->first_ns)
        totals->first_ns = segment->first_ns;
    if (segment->last_ns > totals->last_ns)
        totals->last_ns = segment->last_ns;
    add_feed(totals, segment, frames);
}

static int compare_topics(const void *a, const void *b)
{
    const topic_total *left = a;
    const topic_total *right = b;
    int order = strcmp(left->feed, right->feed);
    if (order == 0)
        order = strcmp(left->topic, right->topic);
    return order != 0 ? order : strcmp(left->symbol, right->symbol);
}

/* Rows of one (feed, topic, symbol) become one; called often enough that they never get many. */
static void merge_topics(archive_totals *totals)
{
    if (totals->topic_count == 0)
        return;
    qsort(totals->topics, totals->topic_count, sizeof *totals->topics, compare_topics);
    size_t last = 0;
    for (size_t i = 1; i < totals->topic_count; i++) {
        if (compare_topics(&totals->topics[last], &totals->topics[i]) == 0)
            totals->topics[last].frames =
                verb_run_add_count(totals->topics[last].frames, totals->topics[i].frames);
        else
            totals->topics[++last] = totals->topics[i];
    }
    TD_ASSERT(last < totals->topic_count);
    totals->topic_count = last + 1;
}

static void add_up(const read_plan *plan, archive_totals *totals)
{
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        add_segment(totals, read_plan_segment(plan, i));
        merge_topics(totals);
    }
    TD_ASSERT(totals->segments == read_plan_count(plan));
}

/* ---- what else there is ---- */

/* Everything that info prints. */
typedef struct info {
    archive_totals totals;
    read_plan *plan;
    archive_listing listing;
    gap_list gaps;
    pruned_feeds pruned;
    session_row *sessions;
    size_t session_count;
    char catalog[CATALOG_WHAT_BYTES]; /* "" = current */
} info;

/* Everything first, then the printing: an error half way must not leave half a document. */
static td_result gather(verb_run *verb, info *all)
{
    td_err *err = &verb->err;
    read_query everything = {.to_ns = UINT64_MAX};
    td_result rc = read_plan_open(verb->archive, &everything, &all->plan, err);
    if (rc == TD_OK)
        add_up(all->plan, &all->totals);
    if (rc == TD_OK)
        rc = archive_list(verb->archive, &all->listing, err);
    if (rc == TD_OK)
        rc = archive_gaps(verb->archive, &all->gaps, err);
    if (rc == TD_OK)
        rc = archive_sessions(verb->archive, &all->sessions, &all->session_count, err);
    if (rc == TD_OK)
        rc = pruned_feeds_read(verb->archive, &all->pruned, err);
    if (rc == TD_OK && !archive_is_single_file(verb->archive))
        rc = archive_check_catalog(verb->archive, all->catalog, err);
    return rc;
}

static void free_info(info *all)
{
    read_plan_close(all->plan);
    archive_listing_fini(&all->listing);
    gap_list_fini(&all->gaps);
    pruned_feeds_fini(&all->pruned);
    td_free(all->totals.feeds);
    td_free(all->totals.topics);
    td_free(all->sessions);
}

/* ---- the result ---- */

static const table_column FEED_COLUMNS[] = {
    {"feed", TABLE_LEFT, "{feed|-}"},        {"family", TABLE_LEFT, "{family|-}"},
    {"segments", TABLE_RIGHT, "{segments}"}, {"frames", TABLE_RIGHT, "{frames}"},
    {"size", TABLE_RIGHT, "{bytes}"},        {"first frame", TABLE_WHOLE, "{first_ns}"},
    {"lasts", TABLE_RIGHT, "{lasts}"},
};

static const table_column TOPIC_COLUMNS[] = {
    {"feed", TABLE_LEFT, "{feed}"},
    {"topic", TABLE_LEFT, "{topic}"},
    {"symbol", TABLE_LEFT, "{symbol|-}"},
    {"frames", TABLE_RIGHT, "{frames}"},
};

static void describe_sessions(result_writer *r, const info *all)
{
    result_list_begin(r, "sessions");
    for (size_t i = 0; i < all->session_count; i++) {
        const session_row *row = &all->sessions[i];
        result_object_begin(r, NULL);
        result_text(r, "session", row->session);
        result_text(r, "state", session_state_name(row->state));
        result_time(r, "start_ns", row->start_ns);
        result_time_or_null(r, "stop_ns", row->stop_ns);
        result_name(r, "verb", row->verb);
        result_name(r, "version", row->version);
        result_object_end(r, NULL);
    }
    result_list_end(r);
}

static void describe_feeds(result_writer *r, const archive_totals *totals)
{
    result_table_begin(r, "feeds", FEED_COLUMNS, sizeof FEED_COLUMNS / sizeof FEED_COLUMNS[0]);
    for (size_t i = 0; i < totals->feed_count; i++) {
        const feed_total *feed = &totals->feeds[i];
        result_object_begin(r, NULL);
        result_name(r, "feed", feed->feed);
        result_name(r, "family", feed->family);
        result_count(r, "segments", feed->segments);
        result_count(r, "frames", feed->frames);
        result_size(r, "bytes", feed->bytes);
        result_time(r, "first_ns", feed->first_ns);
        result_time(r, "last_ns", feed->last_ns);
        result_duration(r, "lasts", feed->last_ns - feed->first_ns);
        result_object_end(r, NULL);
    }
    result_list_end(r);
}

static void describe_topics(result_writer *r, const archive_totals *totals)
{
    result_table_begin(r, "topics", TOPIC_COLUMNS, sizeof TOPIC_COLUMNS / sizeof TOPIC_COLUMNS[0]);
    for (size_t i = 0; i < totals->topic_count; i++) {
        const topic_total *topic = &totals->topics[i];
        result_object_begin(r, NULL);
        result_text(r, "feed", topic->feed);
        result_text(r, "topic", topic->topic);
        result_name(r, "symbol", topic->symbol);
        result_count(r, "frames", topic->frames);
        result_object_end(r, NULL);
    }
    result_list_end(r);
}

static void describe_unexpected(result_writer *r, const archive_listing *listing)
{
    result_list_begin(r, "unexpected");
    for (size_t i = 0; i < listing->unexpected_count; i++) {
        const unexpected_file *file = &listing->unexpected[i];
        int is_closed = file->kind == UNEXPECTED_OTHER && file->is_unreadable;
        result_object_begin(r, NULL);
        result_text(r, "path", file->path);
        result_text(r, "what", file->what);
        result_object_end(r, is_closed ? "cannot be read: {path}: {what}\n"
                                       : "unexpected file: {path}: {what}\n");
    }
    result_list_end(r);
}

/* Problems come first in the text, because readers do not look for them. */
static void describe(result_writer *r, const verb_run *verb, const info *all)
{
    const archive_totals *totals = &all->totals;
    result_object_begin(r, NULL);
    result_text(r, "archive", archive_path(verb->archive));
    result_bool(r, "single_file", archive_is_single_file(verb->archive));
    result_count(r, "segments", totals->segments);
    result_count(r, "segments_recording", totals->by_life[SEGMENT_IS_RECORDED]);
    result_count(r, "segments_crashed", totals->by_life[SEGMENT_IS_CRASHED]);
    result_count(r, "segments_truncated", totals->by_life[SEGMENT_IS_TRUNCATED]);
    result_count(r, "segments_unreadable", read_plan_unreadable_count(all->plan));
    result_count(r, "frames", totals->frames);
    result_count(r, "events", totals->events);
    result_size(r, "bytes", totals->bytes);
    result_time(r, "first_ns", totals->first_ns);
    result_time(r, "last_ns", totals->last_ns);
    result_count(r, "gaps", all->gaps.count);
    result_name(r, "catalog_behind", all->catalog);
    describe_sessions(r, all);
    describe_feeds(r, totals);
    describe_topics(r, totals);
    pruned_feeds_describe(r, &all->pruned);
    describe_unexpected(r, &all->listing);
    result_object_end(r, "{archive}: {frames frame}, {bytes} in {segments segment}"
                         "[ ({segments_recording} being recorded)]"
                         "[ ({segments_crashed} left by a crash: run 'tapedeck recover')]"
                         "[ ({segments_truncated} truncated)]"
                         ", {sessions session}, {gaps gap}\n"
                         "[{segments?}from {first_ns} to {last_ns} UTC\n]"
                         "{pruned}"
                         "[the catalog is out of date: {catalog_behind}\n]"
                         "{unexpected}"
                         "[\n{feeds}]"
                         "[\n{topics}]");
}

exit_code cmd_info(const verb_context *context, int argc, char **argv)
{
    verb_run verb = {0};
    const verb_run_spec spec = {.name = "info",
                                .summary =
                                    "Print the feeds, topics, sessions and gaps of an archive.",
                                .statuses = {[EXIT_CODE_DONE] = "done",
                                             [EXIT_CODE_DAMAGE] = "a segment cannot be read",
                                             [EXIT_CODE_FAILED] = "there is no such archive"},
                                .examples = "tapedeck info archive",
                                .takes = VERB_TAKES_JSON,
                                .mode = ARCHIVE_READ};
    exit_code status = EXIT_CODE_DONE;
    if (!verb_run_begin(&verb, context, &spec, argc, argv, &status))
        return status;
    info all = {0};
    td_result rc = gather(&verb, &all);
    if (rc == TD_OK)
        describe(&verb.result, &verb, &all);
    int is_damaged = all.plan != NULL && read_plan_unreadable_count(all.plan) > 0;
    free_info(&all);
    return verb_run_end(&verb, rc, is_damaged ? EXIT_CODE_DAMAGE : EXIT_CODE_DONE);
}
