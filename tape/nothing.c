#include "tape/nothing.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/suggest.h"
#include "base/time_text.h"
#include "archive/read_plan.h"
#include "archive/session_spans.h"

enum { HINT_NAMES_BYTES = 180 };

/* Segments that have frames of the names, at any time. Unreadable segments are reported elsewhere.
 */
static td_result plan_names(archive_view *from, selection *names, read_plan **out, td_err *err)
{
    read_query query = selection_query(names, SELECTION_ALL_TIME);
    query.is_quiet = 1;
    query.view = from;
    return read_plan_open(from->archive, &query, out, err);
}

/* ---- names that are like a glob ---- */

typedef enum name_kind { NAME_FEED, NAME_TOPIC, NAME_SYMBOL, NAME_KINDS } name_kind;

/* The names of one kind that the selection's other kinds leave, and those next to its first glob.
 */
typedef struct name_search {
    const selection_globs *globs;
    suggest_search nearest; /* to the first glob, without wildcards at its ends */
    int fits;               /* 1: a name fits one of the globs */
} name_search;

static td_bytes without_wildcards(const char *glob)
{
    td_bytes text = td_bytes_str(glob);
    while (text.size > 0 && (text.data[0] == '*' || text.data[0] == '?'))
        text = td_bytes_of(text.data + 1, text.size - 1);
    while (text.size > 0 && (text.data[text.size - 1] == '*' || text.data[text.size - 1] == '?'))
        text.size--;
    return text;
}

static void offer(name_search *search, const char *name)
{
    if (name[0] == '\0')
        return;
    for (size_t i = 0; i < search->globs->count; i++)
        search->fits |= selection_glob_fits(search->globs->items[i], td_bytes_str(name));
    suggest_offer(&search->nearest, name);
}

static void offer_channel(name_search *search, name_kind kind, const channel_info *info)
{
    if (kind == NAME_SYMBOL) {
        offer(search, info->symbol);
        return;
    }
    offer(search, info->topic);
    offer(search, info->exchange_topic);
}

static const selection_globs *globs_of(const selection *wanted, name_kind kind)
{
    return kind == NAME_FEED    ? &wanted->feeds
           : kind == NAME_TOPIC ? &wanted->topics
                                : &wanted->symbols;
}

/* The names of a kind, in what the kinds before it select; *plan keeps them. */
static td_result search_names(archive_view *from, const selection *wanted, name_kind kind,
                              read_plan **plan, name_search *out, td_err *err)
{
    selection before = {0};
    before.feeds = kind > NAME_FEED ? wanted->feeds : before.feeds;
    before.topics = kind > NAME_TOPIC ? wanted->topics : before.topics;
    *out = (name_search){.globs = globs_of(wanted, kind)};
    out->nearest.written = without_wildcards(out->globs->items[0]);
    td_result rc = plan_names(from, &before, plan, err);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(*plan); i++) {
        const planned_segment *segment = read_plan_segment(*plan, i);
        if (kind == NAME_FEED)
            offer(out, segment->index->feed);
        for (size_t k = 0; kind != NAME_FEED && k < segment->index->channel_count; k++) {
            if (segment->is_wanted[k])
                offer_channel(out, kind, &segment->index->channels[k].info);
        }
    }
    return rc;
}

static void hint_near(const name_search *search, name_kind kind, td_err *err)
{
    static const char *const KINDS[NAME_KINDS] = {"feed", "topic", "symbol"};
    char names[HINT_NAMES_BYTES] = "";
    suggest_format(&search->nearest, names, sizeof names);
    if (search->nearest.count > 0)
        td_err_hint(err, "no %s '%s': %s 'tapedeck info' lists all", KINDS[kind],
                    search->globs->items[0], names);
    else
        td_err_hint(err, "no %s '%s': 'tapedeck info' lists feeds, topics and symbols", KINDS[kind],
                    search->globs->items[0]);
}

/* ---- why ---- */

static const char NOTHING[] = "no frame in the archive matches the selection";

/* The first kind of name of which nothing fits. */
static td_result explain_names(archive_view *from, const selection *wanted, td_err *err)
{
    name_search search;
    for (name_kind kind = NAME_FEED; kind < NAME_KINDS; kind++) {
        read_plan *plan = NULL;
        if (globs_of(wanted, kind)->count == 0)
            continue;
        td_result rc = search_names(from, wanted, kind, &plan, &search, err);
        if (rc == TD_OK && !search.fits) {
            rc =
                td_err_set(err, TD_E_NOTFOUND, "%s: it has no such feed, topic or symbol", NOTHING);
            hint_near(&search, kind, err);
        }
        read_plan_close(plan);
        if (rc != TD_OK)
            return rc;
    }
    td_err_set(err, TD_E_NOTFOUND, "%s: it has no such feed, topic or symbol", NOTHING);
    td_err_hint(err, "'tapedeck info' lists feeds, topics and symbols");
    return TD_E_NOTFOUND;
}

/* When a feed received frames: by its sessions, or, of a single file, by its segments. */
static void feed_range(archive_view *from, const read_plan *plan, const char *feed,
                       uint64_t *first_ns, uint64_t *last_ns)
{
    archive_feed_range(from, feed, first_ns, last_ns);
    for (size_t i = 0; *last_ns == 0 && i < read_plan_count(plan); i++) {
        const segment_index *segment = read_plan_segment(plan, i)->index;
        if (strcmp(segment->feed, feed) != 0)
            continue;
        *first_ns = segment->first_ns;
        *last_ns = segment->last_ns;
    }
}

/* Put into the hint when the first feed by name received frames. */
static td_result hint_range(archive_view *from, const read_plan *plan, const char *before,
                            td_err *err)
{
    const char *feed = read_plan_segment(plan, 0)->index->feed;
    int is_only = 1;
    uint64_t first_ns;
    uint64_t last_ns;
    for (size_t i = 1; i < read_plan_count(plan); i++) {
        int order = strcmp(read_plan_segment(plan, i)->index->feed, feed);
        feed = order < 0 ? read_plan_segment(plan, i)->index->feed : feed;
        is_only &= order == 0;
    }
    feed_range(from, plan, feed, &first_ns, &last_ns);
    char first[TD_TIME_TEXT_BYTES];
    char last[TD_TIME_TEXT_BYTES];
    td_time_format(first_ns, first);
    td_time_format(last_ns, last);
    td_err_hint(err, "%sfeed %s has frames from %s to %s%s", before, feed, first, last,
                is_only ? "" : "; 'tapedeck info' lists the others");
    return TD_OK;
}

/* The names are there, at another time. */
static td_result explain_time(archive_view *from, const read_plan *plan, td_err *err)
{
    td_err_set(err, TD_E_NOTFOUND, "%s: nothing of it was recorded in that time", NOTHING);
    td_result rc = hint_range(from, plan, "", err);
    return rc == TD_OK ? TD_E_NOTFOUND : rc;
}

static td_result explain(archive_view *from, const selection *wanted, td_err *err)
{
    selection names = *wanted;
    read_plan *plan = NULL;
    td_result rc = plan_names(from, &names, &plan, err);
    if (rc == TD_OK)
        rc = read_plan_count(plan) > 0 && (wanted->has_from || wanted->has_to)
                 ? explain_time(from, plan, err)
                 : explain_names(from, wanted, err);
    read_plan_close(plan);
    TD_ASSERT(rc != TD_OK);
    return rc;
}

td_result selection_nothing(archive *from, const selection *wanted, td_err *err)
{
    archive_view *view = NULL;
    td_result rc = archive_view_open(from, VIEW_ALL, NULL, &view, err);
    if (rc == TD_OK)
        rc = explain(view, wanted, err);
    archive_view_close(view);
    return rc;
}

/* ---- only names ---- */

td_result selection_check_names(archive *from, const selection *wanted, td_err *err)
{
    selection names = {
        .feeds = wanted->feeds, .topics = wanted->topics, .symbols = wanted->symbols};
    read_plan *plan = NULL;
    archive_view *view = NULL;
    if (names.feeds.count + names.topics.count + names.symbols.count == 0)
        return TD_OK;
    td_result rc = archive_view_open(from, VIEW_ALL, NULL, &view, err);
    if (rc == TD_OK)
        rc = plan_names(view, &names, &plan, err);
    if (rc == TD_OK && read_plan_count(plan) == 0)
        rc = explain(view, &names, err);
    read_plan_close(plan);
    archive_view_close(view);
    return rc;
}

td_result selection_check_feeds(archive *from, const selection *wanted, td_err *err)
{
    selection feeds = {.feeds = wanted->feeds};
    read_query query = selection_query(&feeds, SELECTION_ALL_TIME);
    query.wants_channel = NULL; /* a segment of a feed may have nothing but events */
    query.is_quiet = 1;
    read_plan *plan = NULL;
    if (feeds.feeds.count == 0)
        return TD_OK;
    td_result rc = read_plan_open(from, &query, &plan, err);
    int is_there = rc == TD_OK && read_plan_count(plan) > 0;
    read_plan_close(plan);
    return rc != TD_OK || is_there ? rc : selection_nothing(from, &feeds, err);
}

td_result selection_check_of(archive *from, const selection *wanted, td_err *err)
{
    td_result refused = selection_check(wanted, err);
    if (refused == TD_OK || !selection_has_empty_window(wanted))
        return refused;
    selection names = {
        .feeds = wanted->feeds, .topics = wanted->topics, .symbols = wanted->symbols};
    read_plan *plan = NULL;
    archive_view *view = NULL;
    td_err unread; /* the range is only a hint: without it the window is refused all the same */
    td_err with_range = *err;
    td_result rc = archive_view_open(from, VIEW_ALL, NULL, &view, &unread);
    if (rc == TD_OK)
        rc = plan_names(view, &names, &plan, &unread);
    if (rc == TD_OK && read_plan_count(plan) > 0 &&
        hint_range(view, plan, "'--to +10m' is ten minutes after --from; ", &with_range) == TD_OK)
        *err = with_range;
    read_plan_close(plan);
    archive_view_close(view);
    return refused;
}
