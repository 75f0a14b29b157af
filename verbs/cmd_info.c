/* tapedeck info: an archive's content and health. */
#include <stdlib.h>
#include <string.h>

#include "replay/play/bands.h"
#include "replay/play/report.h"
#include "verbs/cmds.h"
#include "verbs/verb_run.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "archive/read_plan.h"
#include "archive/reindex.h"
#include "archive/ledger.h"
#include "archive/topic_list.h"
#include "schema/exchange.h"
#include "schema/family.h"

/* The newest day of a feed, one cell per half hour. */
enum { DAY_CELLS = 48 };
static const uint64_t CELL_NS = 1800 * TD_NS_PER_S;

/* A feed that was received for less time has no size of a day. */
static const uint64_t MEASURED_NS_MIN = TD_NS_PER_S;
#define DAY_HOURS "0     3     6     9     12    15    18    21"

/* Segments of one feed, or of all. */
typedef struct info_feed {
    const char *feed, *family;                           /* texts belong to the plan or the view */
    const char *store;                                   /* of moved segments: the last one's URL */
    uint64_t segments, frames, bytes, first_ns, last_ns; /* times of frames; 0: unknown */
    uint64_t gap_ns;         /* time in gaps between first_ns and last_ns */
    char day[DAY_CELLS + 1]; /* "#" recorded, "x" with a gap, "." not recorded */
} info_feed;

typedef struct info_feeds {
    info_feed *rows;
    size_t count;
} info_feeds;

typedef enum info_health { INFO_GOOD, INFO_RECOVERABLE, INFO_DAMAGED } info_health;

typedef struct info_result {
    const char *archive;
    int is_single_file;
    info_health health;
    uint64_t age_ns; /* of the newest frame */
    uint64_t count_by_life[SEGMENT_IS_TRUNCATED + 1], unreadable, events;
    uint64_t day_ns; /* start of the newest frame's day */
    info_feed all;
    info_feeds feeds;
    info_feeds pruned;     /* sorted by name */
    info_feeds moved;      /* to a store, likewise */
    topic_list topics;     /* over all slots and directions; sorted */
    session_row *sessions; /* owned by the view */
    size_t session_count;
    gap_list gaps;
    size_t holes;       /* of them, pruned or not subscribed */
    silent_list silent; /* topics that were asked for, without a frame */
    archive_view *view;
    char catalog[CATALOG_WHAT_BYTES]; /* why the catalog is out of date; "": it is up to date */
    read_plan *plan;
} info_result;

/* ---- sums ---- */

/* Linear search: an archive has few feeds. */
static info_feed *find_feed(const info_feeds *feeds, const char *name)
{
    for (size_t i = 0; i < feeds->count; i++)
        if (strcmp(feeds->rows[i].feed, name) == 0)
            return &feeds->rows[i];
    return NULL;
}

static info_feed *get_feed(info_feeds *feeds, const char *name, const char *of)
{
    info_feed *found = find_feed(feeds, name);
    if (found != NULL)
        return found;
    feeds->rows = td_array_grow(feeds->rows, feeds->count, sizeof *feeds->rows);
    found = &feeds->rows[feeds->count++];
    *found = (info_feed){.feed = name, .family = of};
    memset(found->day, '.', DAY_CELLS);
    return found;
}

static void add_to(info_feed *to, uint64_t frames, uint64_t bytes, uint64_t first_ns,
                   uint64_t last_ns)
{
    to->segments++;
    to->frames = message_count_sum(to->frames, frames);
    to->bytes += bytes;
    if (first_ns != 0 && (to->first_ns == 0 || first_ns < to->first_ns))
        to->first_ns = first_ns;
    if (last_ns > to->last_ns)
        to->last_ns = last_ns;
}

/* Add a segment's counts. Events, which the recorder wrote, do not count as frames. */
static void add_segment(info_result *info, const planned_segment *planned)
{
    const segment_index *segment = planned->index;
    uint64_t frames = 0;
    for (size_t i = 0; i < segment->channel_count; i++) {
        const segment_channel *channel = &segment->channels[i];
        if (channel->info.dir == CHANNEL_EVENT) {
            info->events = message_count_sum(info->events, channel->message_count);
            continue;
        }
        frames = message_count_sum(frames, channel->message_count);
        (void)topic_list_add(&info->topics, segment, channel, channel_shown_topic(&channel->info));
    }
    info->count_by_life[planned->life]++;
    add_to(&info->all, frames, segment->file_bytes, segment->first_ns, segment->last_ns);
    add_to(get_feed(&info->feeds, segment->feed, segment->family), frames, segment->file_bytes,
           segment->first_ns, segment->last_ns);
}

static int compare_feeds(const void *a, const void *b)
{
    return strcmp(((const info_feed *)a)->feed, ((const info_feed *)b)->feed);
}

/* Add pruned segments from the journal, so that they are not mistaken for losses. A segment whose
 * file still exists, because prune was killed, counts as pruned. */
static void add_pruned(info_result *info)
{
    const archive_history *past = &info->view->past;
    for (size_t i = 0; i < past->segment_count; i++) {
        const past_segment *segment = &past->segments[i];
        if (segment->stage != PAST_PRUNED)
            continue;
        info_feeds *of = segment->store == NULL ? &info->pruned : &info->moved;
        info_feed *row = get_feed(of, segment->feed, NULL);
        row->store = segment->store;
        add_to(row, 0, segment->file.bytes, segment->first_ns, segment->last_ns);
    }
    if (info->pruned.count > 0)
        qsort(info->pruned.rows, info->pruned.count, sizeof(info_feed), compare_feeds);
    if (info->moved.count > 0)
        qsort(info->moved.rows, info->moved.count, sizeof(info_feed), compare_feeds);
}

/* Mark the cells of a feed's day that a time range overlaps. */
static void mark_day(info_result *info, const char *feed, uint64_t from_ns, uint64_t to_ns,
                     char mark)
{
    uint64_t end_ns = info->day_ns + DAY_CELLS * CELL_NS;
    info_feed *at = find_feed(&info->feeds, feed);
    if (at == NULL || to_ns < info->day_ns || from_ns >= end_ns)
        return;
    size_t first = from_ns < info->day_ns ? 0 : (size_t)((from_ns - info->day_ns) / CELL_NS);
    size_t last = to_ns >= end_ns ? DAY_CELLS - 1 : (size_t)((to_ns - info->day_ns) / CELL_NS);
    for (size_t i = first; i <= last; i++)
        at->day[i] = mark;
}

/* Mark what was recorded and the gaps in each feed's day. An open gap lasts until the newest
 * frame. While no recorder ran, only the stop and the restart are marked. */
static void draw_day(info_result *info)
{
    info->day_ns = info->all.last_ns - info->all.last_ns % (DAY_CELLS * CELL_NS);
    for (size_t i = 0; i < read_plan_count(info->plan); i++) {
        const segment_index *segment = read_plan_segment(info->plan, i)->index;
        mark_day(info, segment->feed, segment->first_ns, segment->last_ns, '#');
    }
    for (size_t i = 0; i < info->gaps.count; i++) {
        const gap_row *gap = &info->gaps.rows[i];
        uint64_t to_ns = gap->to_ns == GAP_OPEN ? info->all.last_ns : gap->to_ns;
        if (gap_row_is_disproved(gap))
            continue;
        if (to_ns >= gap->from_ns && gap->reason != GAP_RESTART && !gap_reason_is_hole(gap->reason))
            mark_day(info, gap->feed, gap->from_ns, to_ns, 'x');
        if (gap->reason == GAP_RESTART) {
            mark_day(info, gap->feed, gap->from_ns, gap->from_ns, 'x');
            mark_day(info, gap->feed, to_ns, to_ns, 'x');
        }
    }
}

/* Add up the time of gaps that concern all topics of a feed; overlapping gaps count once. The
 * ledger is sorted by feed and time. */
static void add_gap_times(info_result *info)
{
    uint64_t reach_ns = 0;
    const char *feed = "";
    for (size_t i = 0; i < info->gaps.count; i++) {
        const gap_row *gap = &info->gaps.rows[i];
        info_feed *of = find_feed(&info->feeds, gap->feed);
        if (of == NULL || gap->topic[0] != '\0' || gap->symbol[0] != '\0' ||
            gap->covered_by[0] != '\0')
            continue;
        if (strcmp(feed, gap->feed) != 0)
            reach_ns = of->first_ns;
        feed = gap->feed;
        int is_past = gap->to_ns == GAP_OPEN || gap->to_ns > of->last_ns;
        const time_span lost = {gap->from_ns, is_past ? of->last_ns : gap->to_ns};
        of->gap_ns += time_span_beyond_ns(lost, &reach_ns);
    }
}

static td_result find(verb_run *verb, info_result *info)
{
    td_err *err = &verb->err;
    archive *from = verb->archive;
    uint64_t now_ns = clock_wall_ns(clock_real());
    read_query everything = {.time = TIME_SPAN_ALL};
    info->archive = archive_path(from);
    info->is_single_file = archive_is_single_file(from);
    td_result rc = archive_view_open(from, VIEW_ALL, archive_log(from), &info->view, err);
    everything.view = info->view;
    if (rc == TD_OK)
        rc = read_plan_open(from, &everything, &info->plan, err);
    if (rc != TD_OK)
        return rc;
    archive_gaps_of(info->view, &info->gaps);
    for (size_t i = 0; i < info->gaps.count; i++)
        info->holes += gap_reason_is_hole(info->gaps.rows[i].reason) != 0;
    archive_sessions(info->view, &info->sessions, &info->session_count);
    add_pruned(info);
    archive_check_catalog(info->view, NULL, NULL, info->catalog);
    for (size_t i = 0; i < read_plan_count(info->plan); i++)
        add_segment(info, read_plan_segment(info->plan, i));
    topic_list_sort(&info->topics);
    info->unreadable = read_plan_unreadable_count(info->plan);
    info->age_ns = now_ns > info->all.last_ns ? now_ns - info->all.last_ns : 0;
    int is_behind = info->catalog[0] != '\0' && info->count_by_life[SEGMENT_IS_RECORDED] == 0;
    info->health = info->unreadable + info->count_by_life[SEGMENT_IS_TRUNCATED] > 0 ? INFO_DAMAGED
                   : info->count_by_life[SEGMENT_IS_CRASHED] > 0 || is_behind ? INFO_RECOVERABLE
                                                                              : INFO_GOOD;
    draw_day(info);
    add_gap_times(info);
    const selection all = {0};
    return silent_topics_find(from, info->view, info->plan, &all, SELECTION_ALL_TIME, &info->silent,
                              err);
}

static void free_info(info_result *info)
{
    read_plan_close(info->plan);
    archive_view_close(info->view);
    gap_list_fini(&info->gaps);
    silent_list_fini(&info->silent);
    td_free(info->pruned.rows);
    td_free(info->moved.rows);
    td_free(info->feeds.rows);
    topic_list_fini(&info->topics);
}

/* ---- the result ---- */

static void describe_sessions(result_writer *r, const info_result *info)
{
    result_list_begin(r, "sessions");
    for (size_t i = 0; i < info->session_count; i++) {
        const session_row *row = &info->sessions[i];
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

/* The bytes of 24 hours at the mean rate of the time that a feed was received. */
static void describe_day_bytes(result_writer *r, uint64_t bytes, uint64_t received_ns)
{
    const double day_ns = (double)(DAY_CELLS * CELL_NS);
    if (received_ns < MEASURED_NS_MIN)
        result_null(r, "day_bytes");
    else
        result_size(r, "day_bytes", (uint64_t)((double)bytes * day_ns / (double)received_ns));
}

/* 1 if no document describes the frames of a feed (schema/raw_family.h). */
static int is_undescribed(const info_feed *feed)
{
    const family *of = family_find(td_bytes_str(feed->family));
    return of != NULL && of->exchange->frames.raw != NULL;
}

static void describe_feeds(result_writer *r, const info_result *info)
{
    static const table_column COLUMNS[] = {
        {"feed", TABLE_LEFT, "{feed|-}"},
        {"family", TABLE_LEFT, "{family|-}"},
        {"frames", TABLE_RIGHT, "{frames}"},
        {"size", TABLE_RIGHT, "{bytes}"},
        {"a day", TABLE_RIGHT, "{day_bytes|-}"},
        {"covers", TABLE_SPARE_RIGHT, "{covers}"},
        {"first frame", TABLE_SPARE_LEFT, "{first_ns}"},
        {"segments", TABLE_SPARE_RIGHT, "{segments}"},
    };
    result_table_begin(r, "feeds", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < info->feeds.count; i++) {
        const info_feed *feed = &info->feeds.rows[i];
        result_object_begin(r, NULL);
        result_name(r, "feed", feed->feed);
        result_name(r, "family", feed->family);
        result_count(r, "segments", feed->segments);
        result_count(r, "frames", feed->frames);
        result_size(r, "bytes", feed->bytes);
        result_time(r, "first_ns", feed->first_ns);
        result_time(r, "last_ns", feed->last_ns);
        describe_day_bytes(r, feed->bytes, feed->last_ns - feed->first_ns - feed->gap_ns);
        result_number(r, "covered_ns", feed->last_ns - feed->first_ns - feed->gap_ns);
        result_duration(r, "covers", feed->last_ns - feed->first_ns - feed->gap_ns);
        result_object_end(r, NULL);
    }
    result_list_end(r);
    size_t undescribed = 0;
    for (size_t i = 0; i < info->feeds.count; i++)
        undescribed += (size_t)is_undescribed(&info->feeds.rows[i]);
    result_count(r, "feeds_undescribed", undescribed);
}

static void describe_day(result_writer *r, const info_result *info)
{
    static const table_column COLUMNS[] = {{"feed", TABLE_LEFT, "{feed|-}"},
                                           {DAY_HOURS, TABLE_LEFT, "{half_hours}"}};
    result_time(r, "day_ns", info->day_ns);
    result_table_begin(r, "day", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < info->feeds.count; i++) {
        result_object_begin(r, NULL);
        result_name(r, "feed", info->feeds.rows[i].feed);
        result_text(r, "half_hours", info->feeds.rows[i].day);
        result_object_end(r, NULL);
    }
    result_list_end(r);
}

/* One row per topic; text has a row per symbol with -v. */
static void describe_topics(result_writer *r, const info_result *info, int by_symbol)
{
    static const table_column COLUMNS[] = {
        {"feed", TABLE_LEFT, "{feed}"},
        {"topic", TABLE_LEFT, "{topic}"},
        {"symbols", TABLE_LEFT, "{which}"},
        {"frames", TABLE_RIGHT, "{frames}"},
    };
    result_table_begin(r, "topics", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    const topic_list *topics = &info->topics;
    for (size_t i = 0; i < topics->count;) {
        const topic_entry *first = &topics->rows[i];
        size_t end = i;
        uint64_t frames = 0;
        for (; end < topics->count && strcmp(topics->rows[end].feed, first->feed) == 0 &&
               strcmp(topics->rows[end].topic, first->topic) == 0 && (end == i || !by_symbol);
             end++)
            frames = message_count_sum(frames, topics->rows[end].frames);
        result_object_begin(r, NULL);
        result_text(r, "feed", first->feed);
        result_text(r, "topic", first->topic);
        result_count(r, "frames", frames);
        if (end == i + 1)
            result_note(r, "which", "%s", first->symbol[0] == '\0' ? "-" : first->symbol);
        else
            result_note(r, "which", "%zu", end - i);
        if (result_json(r) != NULL) {
            result_list_begin(r, "symbols");
            for (size_t k = i; k < end; k++) {
                result_object_begin(r, NULL);
                result_name(r, "symbol", topics->rows[k].symbol);
                result_count(r, "frames", topics->rows[k].frames);
                result_object_end(r, NULL);
            }
            result_list_end(r);
        }
        result_object_end(r, NULL);
        i = end;
    }
    result_list_end(r);
}

static void describe_unexpected(result_writer *r, const archive_listing *listing)
{
    result_list_begin(r, "unexpected");
    for (size_t i = 0; i < listing->unexpected_count; i++) {
        const unexpected_file *file = &listing->unexpected[i];
        result_object_begin(r, NULL);
        result_text(r, "path", file->path);
        result_text(r, "what", file->what);
        result_object_end(r, file->is_unreadable ? "cannot be read: {path}: {what}\n"
                                                 : "unexpected file: {path}: {what}\n");
    }
    result_list_end(r);
}

static void describe_removed(result_writer *r, const info_feeds *feeds)
{
    for (size_t i = 0; i < feeds->count; i++) {
        const info_feed *row = &feeds->rows[i];
        result_object_begin(r, NULL);
        result_name(r, "feed", row->feed);
        result_name(r, "store", row->store);
        result_count(r, "segments", row->segments);
        result_size(r, "bytes", row->bytes);
        result_time(r, "first_ns", row->first_ns);
        result_time(r, "last_ns", row->last_ns);
        result_note(r, "removed", "%s%s", row->store == NULL ? "pruned" : "moved to ",
                    row->store == NULL ? "" : row->store);
        result_object_end(r, "{removed}: {feed}: {segments segment}, {bytes}, from {first_ns} to "
                             "{last_ns} UTC\n");
    }
}

static void describe_pruned(result_writer *r, const info_result *info)
{
    result_list_begin(r, "pruned");
    describe_removed(r, &info->pruned);
    describe_removed(r, &info->moved);
    result_list_end(r);
}

/* Describe the archive, its health first, so that readers do not miss problems. */
static td_result describe(verb_run *verb, const info_result *info, int by_symbol)
{
    result_writer *r = &verb->result;
    static const struct {
        terminal_style style;
        const char *name, *text;
    } HEALTH[] = {
        [INFO_GOOD] = {TERMINAL_GOOD, "good", "indexes are good"},
        [INFO_RECOVERABLE] = {TERMINAL_WARN, "recoverable", "needs recovery"},
        [INFO_DAMAGED] = {TERMINAL_BAD, "damaged", "DAMAGED"},
    };
    result_object_begin(r, NULL);
    result_text(r, "archive", info->archive);
    result_bool(r, "single_file", info->is_single_file);
    result_text(r, "health", HEALTH[info->health].name);
    result_styled(r, "styled", HEALTH[info->health].style, HEALTH[info->health].text);
    if (info->all.segments == 0)
        result_null(r, "age_ns");
    else
        result_number(r, "age_ns", info->age_ns);
    result_duration(r, "age", info->age_ns);
    result_count(r, "segments", info->all.segments);
    result_count(r, "segments_recording", info->count_by_life[SEGMENT_IS_RECORDED]);
    result_count(r, "segments_crashed", info->count_by_life[SEGMENT_IS_CRASHED]);
    result_count(r, "segments_truncated", info->count_by_life[SEGMENT_IS_TRUNCATED]);
    result_count(r, "segments_unreadable", info->unreadable);
    result_count(r, "frames", info->all.frames);
    result_count(r, "events", info->events);
    result_size(r, "bytes", info->all.bytes);
    result_time(r, "first_ns", info->all.first_ns);
    result_time(r, "last_ns", info->all.last_ns);
    result_count(r, "gaps", info->gaps.count - info->holes);
    result_count(r, "holes", info->holes);
    result_name(r, "catalog_behind", info->catalog);
    describe_sessions(r, info);
    describe_feeds(r, info);
    describe_day(r, info);
    describe_topics(r, info, by_symbol);
    describe_pruned(r, info);
    describe_unexpected(r, &info->view->listing);
    report_describe_silent(r, &info->silent);
    const selection all = {.has_from = 0};
    td_result rc = bands_describe(r, verb->archive, &all, &verb->err);
    result_object_end(
        r, "{archive}: {styled}[{segments?}, newest frame {age} ago]"
           "[{segments_recording?}, being recorded]\n"
           "[{segments_unreadable segment} cannot be read: run 'tapedeck verify'\n]"
           "[{segments_truncated segment} lost the end: run 'tapedeck verify'\n]"
           "[{segments_crashed segment} left by a crash: the next 'record' repairs this; to do it "
           "now: tapedeck recover {archive}\n]"
           "[the catalog is out of date: {catalog_behind}: run 'tapedeck reindex'\n]"
           "{unexpected}{pruned}"
           "{frames frame}, {bytes} in {segments segment}, {sessions session}, {gaps gap}"
           "[, {holes hole} (pruned or not subscribed)]\n"
           "[{segments?}from {first_ns} to {last_ns} UTC\n]"
           "[\n{feeds}]"
           "[{feeds_undescribed feed} that no document describes: frames are not decoded\n]"
           "[\nHours of the newest day (UTC): # recorded, x with a gap, . not "
           "recorded\n{day}]" BANDS_PATTERN "[\n{topics}]"
           "[{unproven?}\nAsked for, and silent:\n" SILENT_ROWS "]");
    return rc;
}

static td_result run_info(verb_run *verb)
{
    info_result info = {0};
    td_result rc = find(verb, &info);
    if (rc == TD_OK)
        rc = describe(verb, &info, verb->verbosity.is_verbose && !verb->json.is_json);
    if (info.unreadable > 0)
        verb->status = EXIT_CODE_DAMAGE;
    free_info(&info);
    return rc;
}

exit_code cmd_info(const verb_context *context, int argc, char **argv)
{
    const verb_spec spec = {
        .name = "info",
        .summary = "Print the health of an archive, its feeds, topics, sessions and gaps. With -v "
                   "each symbol of a topic has a row.",
        .statuses = {[EXIT_CODE_DAMAGE] = "a segment cannot be read"},
        .examples = "tapedeck info archive",
        .takes = VERB_TAKES_FAMILIES | VERB_READS_ONCE | VERB_TAKES_JSON | VERB_RUNS_EACH,
        .mode = ARCHIVE_READ,
        .work = run_info};
    return verb_run_main(&spec, NULL, context, argc, argv);
}
