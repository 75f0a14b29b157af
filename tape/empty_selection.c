#include "tape/empty_selection.h"

#include <inttypes.h>
#include <string.h>

#include "base/suggest.h"
#include "base/time_text.h"
#include "archive/ledger.h"
#include "archive/read_plan.h"
#include "archive/time_account.h"
#include "tape/silent_topics.h"

enum { HINT_NAMES_BYTES = 180 };

static const char EMPTY[] = "no frame in the archive matches the selection";

/* ---- names similar to a glob ---- */

typedef enum name_kind { NAME_FEED, NAME_TOPIC, NAME_SYMBOL, NAME_KINDS } name_kind;

static const selection_globs *globs_of(const selection *wanted, name_kind kind)
{
    return kind == NAME_FEED    ? &wanted->feeds
           : kind == NAME_TOPIC ? &wanted->topics
                                : &wanted->symbols;
}

static td_bytes without_wildcards(const char *glob)
{
    td_bytes text = td_bytes_str(glob);
    while (text.size > 0 && (text.data[0] == '*' || text.data[0] == '?'))
        text = td_bytes_of(text.data + 1, text.size - 1);
    while (text.size > 0 && (text.data[text.size - 1] == '*' || text.data[text.size - 1] == '?'))
        text.size--;
    return text;
}

/* Search the names of one kind, narrowed by the kinds before it. 1 if one matches; else `nearest`
 * receives the names that are similar to the first glob. */
static int find_name(const read_plan *plan, const selection *wanted, name_kind kind,
                     suggest_search *nearest)
{
    const selection before = {.feeds = wanted->feeds,
                              .topics =
                                  kind == NAME_SYMBOL ? wanted->topics : (selection_globs){0}};
    selection with = before;
    with.topics = wanted->topics;
    with.symbols = kind == NAME_SYMBOL ? wanted->symbols : with.symbols;
    *nearest = (suggest_search){.written = without_wildcards(globs_of(wanted, kind)->items[0])};
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        if (kind == NAME_FEED) { /* any recording of the feed counts, also of events only */
            if (selection_has_feed(wanted, index->feed))
                return 1;
            suggest_offer(nearest, index->feed);
            continue;
        }
        for (size_t k = 0; k < index->channel_count; k++) {
            const channel_info *info = &index->channels[k].info;
            if (selection_match(&with, info) == SELECTION_YES)
                return 1;
            if (selection_match(&before, info) != SELECTION_YES)
                continue;
            suggest_offer(nearest, kind == NAME_SYMBOL ? info->symbol : info->topic);
            if (kind == NAME_TOPIC)
                suggest_offer(nearest, info->exchange_topic);
        }
    }
    return 0;
}

static const char *const KINDS[NAME_KINDS] = {"feed", "topic", "symbol"};

/* Fail with TD_E_NOTFOUND for the first kind whose names do not match. */
static td_result check_names(const read_plan *plan, const selection *wanted, td_err *err)
{
    char names[HINT_NAMES_BYTES] = "";
    suggest_search nearest;
    for (name_kind kind = NAME_FEED; kind < NAME_KINDS; kind++) {
        if (globs_of(wanted, kind)->count == 0 || find_name(plan, wanted, kind, &nearest))
            continue;
        td_err_set(err, TD_E_NOTFOUND, "%s: it has no such feed, topic or symbol", EMPTY);
        suggest_format(&nearest, names, sizeof names);
        td_err_hint(err, "no %s '%s': %s%s'tapedeck info' lists feeds, topics and symbols",
                    KINDS[kind], globs_of(wanted, kind)->items[0], names,
                    nearest.name != NULL ? " " : "");
        return TD_E_NOTFOUND;
    }
    return TD_OK;
}

/* ---- each of several names ---- */

/* 1 if a channel is selected, or may have selected frames that have no row in the schema. */
static int has_channel(const read_plan *plan, const selection *one)
{
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        for (size_t k = 0; k < index->channel_count; k++) {
            const selection_answer answer = selection_match(one, &index->channels[k].info);
            if (answer == SELECTION_YES || answer == SELECTION_CLASSIFY)
                return 1;
        }
    }
    return 0;
}

/* A topic without a frame that was asked for, or that a gap names. */
static td_result find_asked(archive *from, archive_view *view, const selection *one, int *is_asked,
                            td_err *err)
{
    silent_list silent = {0};
    gap_list ledger = {0};
    td_result rc = silent_topics_find(from, view, NULL, one, SELECTION_ALL_TIME, &silent, err);
    *is_asked = silent.count > 0;
    if (rc == TD_OK && !*is_asked)
        rc = archive_gaps(from, &ledger, err);
    for (size_t i = 0; i < ledger.count && !*is_asked; i++)
        *is_asked = ledger.rows[i].topic[0] != '\0' && selection_has_gap(one, &ledger.rows[i]);
    gap_list_fini(&ledger);
    silent_list_fini(&silent);
    return rc;
}

static td_result refuse_name(const read_plan *plan, const selection *one, name_kind kind,
                             td_err *err)
{
    char names[HINT_NAMES_BYTES] = "";
    suggest_search nearest;
    if (!find_name(plan, one, kind, &nearest))
        suggest_format(&nearest, names, sizeof names);
    td_err_set(err, TD_E_NOTFOUND, "the archive has no frame of %s '%s', which the selection names",
               KINDS[kind], globs_of(one, kind)->items[0]);
    td_err_hint(err, "%s%s'tapedeck info' lists what it has", names, names[0] == '\0' ? "" : " ");
    return TD_E_NOTFOUND;
}

/* Check each name of the kinds with several names. A pattern beside others may match nothing. */
static td_result check_each(archive *from, archive_view *view, const read_plan *plan,
                            const selection *wanted, td_err *err)
{
    td_result rc = TD_OK;
    for (name_kind kind = NAME_FEED; kind < NAME_KINDS; kind++) {
        const selection_globs *all = globs_of(wanted, kind);
        for (size_t i = 0; all->count > 1 && i < all->count && rc == TD_OK; i++) {
            const selection_globs item = {&all->items[i], 1};
            int is_asked = 0;
            selection one = {.feeds = kind == NAME_FEED ? item : wanted->feeds,
                             .topics = kind == NAME_TOPIC ? item : wanted->topics,
                             .symbols = kind == NAME_SYMBOL ? item : wanted->symbols};
            if (strpbrk(all->items[i], "*?[\\") != NULL || has_channel(plan, &one))
                continue;
            rc = find_asked(from, view, &one, &is_asked, err);
            if (rc == TD_OK && !is_asked)
                rc = refuse_name(plan, &one, kind, err);
        }
    }
    return rc;
}

/* ---- times ---- */

/* Fail because the archive has the names only at another time, or only in frames without a row in
 * the schema. The hint has the time range of the first selected feed by name. */
static td_result explain_time(archive_view *from, const read_plan *plan, const selection *wanted,
                              td_err *err)
{
    const char *feed = NULL;
    int is_only = 1;
    uint64_t first_ns = 0;
    uint64_t last_ns = 0;
    char first[TD_TIME_TEXT_BYTES];
    char last[TD_TIME_TEXT_BYTES];
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const char *name = read_plan_segment(plan, i)->index->feed;
        if (!selection_has_feed(wanted, name))
            continue;
        is_only &= feed == NULL || strcmp(name, feed) == 0;
        feed = feed == NULL || strcmp(name, feed) < 0 ? name : feed;
    }
    if (feed != NULL)
        archive_feed_range(from, feed, &first_ns, &last_ns);
    if (last_ns == 0 || !(wanted->has_from || wanted->has_to)) {
        td_err_set(err, TD_E_NOTFOUND, "%s: it has no such feed, topic or symbol", EMPTY);
        td_err_hint(err, "'tapedeck info' lists feeds, topics and symbols");
        return TD_E_NOTFOUND;
    }
    const selection_window window = selection_resolve(wanted, first_ns);
    const int is_pruned = archive_history_is_pruned(&from->past, feed, window.from_ns) &&
                          archive_history_is_pruned(&from->past, feed, window.to_ns - 1);
    td_time_format(first_ns, first);
    td_time_format(last_ns, last);
    td_err_set(err, TD_E_NOTFOUND, "%s: %s", EMPTY,
               is_pruned ? "that time was pruned" : "nothing of it was recorded in that time");
    td_err_hint(err, "feed %s has frames from %s to %s%s", feed, first, last,
                is_only ? "" : "; 'tapedeck info' lists the others");
    return TD_E_NOTFOUND;
}

/* ---- explanation ---- */

static int wants_feed(void *user, const char *feed)
{
    return selection_has_feed(user, feed);
}

/* Fail if segments or chunks that cannot be read may have held the selected frames. Each unreadable
 * segment or chunk is reported elsewhere. */
static td_result suspect_damage(archive *from, archive_view *view, const selection *wanted,
                                const cursor_stats *read, td_err *err)
{
    const char *what = "segment";
    selection feeds = {.feeds = wanted->feeds};
    read_query query = {.time = TIME_SPAN_ALL,
                        .is_quiet = 1,
                        .wants_feed = wants_feed,
                        .user = &feeds,
                        .view = view};
    read_plan *plan = NULL;
    uint64_t count = 0;
    if (read_plan_open(from, &query, &plan, NULL) == TD_OK)
        count = read_plan_unreadable_count(plan);
    read_plan_close(plan);
    if (count == 0 && read != NULL) {
        what = "chunk";
        count = read->damaged_chunks;
    }
    if (count == 0)
        return TD_E_NOTFOUND;
    td_err_clear(err);
    td_err_set(err, TD_E_CORRUPT,
               "no readable frame matches the selection; %" PRIu64 " %s%s cannot be read", count,
               what, count == 1 ? "" : "s");
    td_err_hint(err, "'tapedeck verify' lists what is damaged");
    return TD_E_CORRUPT;
}

static td_result explain(archive *from, const selection *wanted, int with_time,
                         const cursor_stats *read, td_err *err)
{
    read_query query = {.time = TIME_SPAN_ALL, .is_quiet = 1};
    read_plan *plan = NULL;
    td_result rc = archive_view_open(from, VIEW_ALL, NULL, &query.view, err);
    if (rc == TD_OK)
        rc = read_plan_open(from, &query, &plan, err);
    if (rc == TD_OK)
        rc = check_names(plan, wanted, err);
    if (rc == TD_OK && with_time)
        rc = explain_time(query.view, plan, wanted, err);
    read_plan_close(plan);
    if (rc == TD_E_NOTFOUND)
        rc = suspect_damage(from, query.view, wanted, read, err);
    archive_view_close(query.view);
    return rc;
}

td_result selection_why_empty(archive *from, const selection *wanted, const cursor_stats *read,
                              td_err *err)
{
    return explain(from, wanted, 1, read, err);
}

td_result selection_check_names(archive *from, const selection *wanted, td_err *err)
{
    if (wanted->feeds.count + wanted->topics.count + wanted->symbols.count == 0)
        return TD_OK;
    return explain(from, wanted, 0, NULL, err);
}

td_result selection_check_each_name(archive *from, const selection *wanted, td_err *err)
{
    read_query query = {.time = TIME_SPAN_ALL, .is_quiet = 1};
    read_plan *plan = NULL;
    td_result rc = selection_check(wanted, err);
    if (rc != TD_OK ||
        (wanted->feeds.count <= 1 && wanted->topics.count <= 1 && wanted->symbols.count <= 1))
        return rc;
    rc = archive_view_open(from, VIEW_ALL, NULL, &query.view, err);
    if (rc == TD_OK)
        rc = read_plan_open(from, &query, &plan, err);
    if (rc == TD_OK && read_plan_unreadable_count(plan) == 0)
        rc = check_each(from, query.view, plan, wanted, err);
    read_plan_close(plan);
    archive_view_close(query.view);
    return rc;
}
