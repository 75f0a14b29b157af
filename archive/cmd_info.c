/* tapedeck info: what an archive holds. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/cmds.h"
#include "archive/info_pruned.h"
#include "archive/verb_run.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/time_text.h"
#include "cli/table.h"
#include "cli/units.h"
#include "format/archive_plan.h"
#include "format/reindex.h"

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
    uint64_t segments, open_segments, frames, events, bytes;
    uint64_t first_ns, last_ns;
} archive_totals;

/* ---- adding up ---- */

/* An archive has few feeds: looked up one by one. */
static td_result add_feed(archive_totals *totals, const plan_segment *segment, uint64_t frames,
                          td_err *err)
{
    feed_total *at = NULL;
    for (size_t i = 0; i < totals->feed_count && at == NULL; i++) {
        if (strcmp(totals->feeds[i].feed, segment->feed) == 0)
            at = &totals->feeds[i];
    }
    if (at == NULL) {
        feed_total *grown = td_array_room(totals->feeds, totals->feed_count, sizeof *grown);
        if (grown == NULL)
            return td_err_set(err, TD_E_NOMEM, "no memory for %zu feeds", totals->feed_count);
        totals->feeds = grown;
        at = &grown[totals->feed_count++];
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
    return TD_OK;
}

/* Events are the recorder's own words and no frames: counted apart. */
static td_result add_segment(archive_totals *totals, const plan_segment *segment, td_err *err)
{
    uint64_t frames = 0;
    for (size_t i = 0; i < segment->channel_count; i++) {
        const plan_channel *channel = &segment->channels[i];
        if (channel->info->dir == CHANNEL_EVENT) {
            totals->events = verb_run_add_count(totals->events, channel->message_count);
            continue;
        }
        frames = verb_run_add_count(frames, channel->message_count);
        topic_total *grown = td_array_room(totals->topics, totals->topic_count, sizeof *grown);
        if (grown == NULL)
            return td_err_set(err, TD_E_NOMEM, "no memory for the topics of %s", segment->name);
        totals->topics = grown;
        grown[totals->topic_count++] = (topic_total){channel->info->feed, channel->info->topic,
                                                     channel->info->symbol, channel->message_count};
    }
    totals->segments++;
    totals->open_segments += segment->is_open;
    totals->frames = verb_run_add_count(totals->frames, frames);
    totals->bytes += segment->file_bytes;
    if (totals->segments == 1 || segment->first_ns < totals->first_ns)
        totals->first_ns = segment->first_ns;
    if (segment->last_ns > totals->last_ns)
        totals->last_ns = segment->last_ns;
    return add_feed(totals, segment, frames, err);
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

static td_result add_up(const archive_plan *plan, archive_totals *totals, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < archive_plan_count(plan) && rc == TD_OK; i++) {
        rc = add_segment(totals, archive_plan_segment(plan, i), err);
        merge_topics(totals);
    }
    TD_ASSERT(rc != TD_OK || totals->segments == archive_plan_count(plan));
    TD_ASSERT(totals->open_segments <= totals->segments);
    return rc;
}

/* ---- what else there is ---- */

/* Everything that info prints. */
typedef struct info {
    archive_totals totals;
    archive_plan *plan;
    archive_listing listing;
    gap_list gaps;
    pruned_feeds pruned;
    session_row *sessions;
    size_t session_count;
    char catalog[CATALOG_WHAT_BYTES]; /* "" = current */
} info;

static td_result keep_session(void *user, const session_row *row, td_err *err)
{
    info *all = user;
    session_row *grown = td_array_room(all->sessions, all->session_count, sizeof *grown);
    if (grown == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu sessions", all->session_count);
    all->sessions = grown;
    grown[all->session_count++] = *row;
    return TD_OK;
}

/* Everything first, then the printing: an error half way must not leave half a document. */
static td_result gather(verb_run *verb, info *all)
{
    td_err *err = &verb->err;
    plan_query everything = {.to_ns = UINT64_MAX};
    td_result rc = archive_plan_open(verb->archive, &everything, &all->plan, err);
    if (rc == TD_OK)
        rc = add_up(all->plan, &all->totals, err);
    if (rc == TD_OK)
        rc = archive_list(verb->archive, &all->listing, err);
    if (rc == TD_OK)
        rc = archive_gaps(verb->archive, &verb->gaps, &all->gaps, err);
    if (rc == TD_OK)
        rc = archive_sessions(verb->archive, keep_session, all, err);
    if (rc == TD_OK)
        rc = pruned_feeds_read(verb->archive, &all->pruned, err);
    if (rc == TD_OK && !archive_is_single_file(verb->archive))
        rc = archive_check_catalog(verb->archive, all->catalog, err);
    return rc;
}

static void free_info(info *all)
{
    archive_plan_close(all->plan);
    archive_listing_fini(&all->listing);
    gap_list_fini(&all->gaps);
    pruned_feeds_fini(&all->pruned);
    td_free(all->totals.feeds);
    td_free(all->totals.topics);
    td_free(all->sessions);
}

/* ---- JSON ---- */

static void write_feeds(json_writer *json, const archive_totals *totals)
{
    json_write_key(json, "feeds");
    json_write_array_begin(json);
    for (size_t i = 0; i < totals->feed_count; i++) {
        const feed_total *feed = &totals->feeds[i];
        json_write_object_begin(json);
        verb_run_write_text(json, "feed", feed->feed);
        verb_run_write_text(json, "family", feed->family);
        json_write_member_u64(json, "segments", feed->segments);
        verb_run_write_count(json, "frames", feed->frames);
        json_write_member_u64(json, "bytes", feed->bytes);
        json_write_member_u64(json, "first_ns", feed->first_ns);
        json_write_member_u64(json, "last_ns", feed->last_ns);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static void write_topics(json_writer *json, const archive_totals *totals)
{
    json_write_key(json, "topics");
    json_write_array_begin(json);
    for (size_t i = 0; i < totals->topic_count; i++) {
        const topic_total *topic = &totals->topics[i];
        json_write_object_begin(json);
        json_write_member_text(json, "feed", topic->feed);
        json_write_member_text(json, "topic", topic->topic);
        verb_run_write_text(json, "symbol", topic->symbol);
        verb_run_write_count(json, "frames", topic->frames);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static void write_sessions(json_writer *json, const info *all)
{
    json_write_key(json, "sessions");
    json_write_array_begin(json);
    for (size_t i = 0; i < all->session_count; i++) {
        const session_row *row = &all->sessions[i];
        json_write_object_begin(json);
        json_write_member_text(json, "session", row->session);
        json_write_member_text(json, "state", session_state_name(row->state));
        json_write_member_u64(json, "start_ns", row->start_ns);
        if (row->stop_ns == 0)
            json_write_member_null(json, "stop_ns");
        else
            json_write_member_u64(json, "stop_ns", row->stop_ns);
        verb_run_write_text(json, "verb", row->verb);
        verb_run_write_text(json, "version", row->version);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static void write_unexpected(json_writer *json, const archive_listing *listing)
{
    json_write_key(json, "unexpected");
    json_write_array_begin(json);
    for (size_t i = 0; i < listing->unexpected_count; i++) {
        json_write_object_begin(json);
        json_write_member_text(json, "path", listing->unexpected[i].path);
        json_write_member_text(json, "what", listing->unexpected[i].what);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static void print_json(verb_run *verb, const info *all)
{
    const archive_totals *totals = &all->totals;
    json_writer *json = output_json_begin(&verb->output);
    json_write_object_begin(json);
    json_write_member_text(json, "archive", archive_path(verb->archive));
    json_write_member_bool(json, "single_file", archive_is_single_file(verb->archive));
    json_write_member_u64(json, "segments", totals->segments);
    json_write_member_u64(json, "open_segments", totals->open_segments);
    json_write_member_u64(json, "segments_unreadable", archive_plan_unreadable_count(all->plan));
    verb_run_write_count(json, "frames", totals->frames);
    verb_run_write_count(json, "events", totals->events);
    json_write_member_u64(json, "bytes", totals->bytes);
    json_write_member_u64(json, "first_ns", totals->first_ns);
    json_write_member_u64(json, "last_ns", totals->last_ns);
    json_write_member_u64(json, "gaps", all->gaps.count);
    verb_run_write_text(json, "catalog_behind", all->catalog);
    write_sessions(json, all);
    write_feeds(json, totals);
    write_topics(json, totals);
    pruned_feeds_write_json(json, &all->pruned);
    write_unexpected(json, &all->listing);
    json_write_object_end(json);
    output_json_end(&verb->output);
}

/* ---- for people ---- */

static const table_column FEED_COLUMNS[] = {
    {"feed", TABLE_LEFT},    {"family", TABLE_LEFT}, {"segments", TABLE_RIGHT},
    {"frames", TABLE_RIGHT}, {"size", TABLE_RIGHT},  {"first frame", TABLE_WHOLE},
    {"lasts", TABLE_RIGHT},
};

static const table_column TOPIC_COLUMNS[] = {
    {"feed", TABLE_LEFT},
    {"topic", TABLE_LEFT},
    {"symbol", TABLE_LEFT},
    {"frames", TABLE_RIGHT},
};

/* What is wrong stands here too, for nobody looks for it. */
static void print_head(verb_run *verb, const info *all)
{
    const archive_totals *totals = &all->totals;
    char first[SHORT_TIME_BYTES];
    char last[SHORT_TIME_BYTES];
    verb_run_format_time(totals->first_ns, first);
    verb_run_format_time(totals->last_ns, last);
    output_stream *output = &verb->output;
    output_printf(output, "%s: %s frame%s, %s in %s", archive_path(verb->archive),
                  verb_run_format_count(totals->frames).text, totals->frames == 1 ? "" : "s",
                  format_size(totals->bytes).text,
                  format_counted(totals->segments, "segment").text);
    if (totals->open_segments > 0)
        output_printf(output, " (%s open)", format_count(totals->open_segments).text);
    output_printf(output, ", %s, %s\n", format_counted(all->session_count, "session").text,
                  format_counted(all->gaps.count, "gap").text);
    if (totals->segments > 0)
        output_printf(output, "from %s to %s UTC\n", first, last);
    pruned_feeds_print(output, &all->pruned);
    if (all->catalog[0] != '\0')
        output_printf(output, "the catalog is not current: %s\n", all->catalog);
    for (size_t i = 0; i < all->listing.unexpected_count; i++) {
        const unexpected_file *file = &all->listing.unexpected[i];
        int is_closed = file->kind == UNEXPECTED_OTHER && file->is_unreadable;
        output_printf(output, "%s: %s: %s\n", is_closed ? "cannot be read" : "not ours", file->path,
                      file->what);
    }
}

static td_result print_feeds(verb_run *verb, const archive_totals *totals)
{
    text_table table;
    table_init(&table, FEED_COLUMNS, sizeof FEED_COLUMNS / sizeof FEED_COLUMNS[0]);
    for (size_t i = 0; i < totals->feed_count; i++) {
        const feed_total *feed = &totals->feeds[i];
        char first[SHORT_TIME_BYTES];
        char lasts[TD_TIME_TEXT_BYTES];
        verb_run_format_time(feed->first_ns, first);
        td_duration_format(feed->last_ns - feed->first_ns, lasts);
        table_cell(&table, "%s", verb_run_or_dash(feed->feed));
        table_cell(&table, "%s", verb_run_or_dash(feed->family));
        table_cell(&table, "%s", format_count(feed->segments).text);
        table_cell(&table, "%s", verb_run_format_count(feed->frames).text);
        table_cell(&table, "%s", format_size(feed->bytes).text);
        table_cell(&table, "%s", first);
        table_cell(&table, "%s", lasts);
    }
    if (table_row_count(&table) > 0)
        output_printf(&verb->output, "\n");
    td_result rc = table_print(&table, &verb->output, &verb->err);
    table_fini(&table);
    return rc;
}

static td_result print_topics(verb_run *verb, const archive_totals *totals)
{
    text_table table;
    table_init(&table, TOPIC_COLUMNS, sizeof TOPIC_COLUMNS / sizeof TOPIC_COLUMNS[0]);
    for (size_t i = 0; i < totals->topic_count; i++) {
        table_cell(&table, "%s", totals->topics[i].feed);
        table_cell(&table, "%s", totals->topics[i].topic);
        table_cell(&table, "%s", verb_run_or_dash(totals->topics[i].symbol));
        table_cell(&table, "%s", verb_run_format_count(totals->topics[i].frames).text);
    }
    if (table_row_count(&table) > 0)
        output_printf(&verb->output, "\n");
    td_result rc = table_print(&table, &verb->output, &verb->err);
    table_fini(&table);
    return rc;
}

exit_code cmd_info(const verb_context *context, int argc, char **argv)
{
    verb_run verb = {0};
    const verb_run_spec spec = {.name = "info",
                                .summary = "Say what an archive holds.",
                                .examples = "tapedeck info archive",
                                .takes = VERB_TAKES_JSON,
                                .mode = ARCHIVE_READ};
    exit_code status = EXIT_CODE_DONE;
    if (!verb_run_begin(&verb, context, &spec, argc, argv, &status))
        return status;
    info all = {0};
    td_result rc = gather(&verb, &all);
    if (rc == TD_OK && verb.json.is_json) {
        print_json(&verb, &all);
    } else if (rc == TD_OK) {
        print_head(&verb, &all);
        rc = print_feeds(&verb, &all.totals);
        if (rc == TD_OK)
            rc = print_topics(&verb, &all.totals);
    }
    int is_damaged = all.plan != NULL && archive_plan_unreadable_count(all.plan) > 0;
    free_info(&all);
    return verb_run_end(&verb, rc, is_damaged ? EXIT_CODE_DAMAGE : EXIT_CODE_DONE);
}
