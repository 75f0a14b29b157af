#include "replay/serve/serve_feeds.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "archive/archive_view.h"
#include "archive/read_plan.h"
#include "tape/empty_selection.h"
#include "tape/cursor.h"
#include "schema/dialect.h"
#include "schema/family.h"

/* ---- collecting ---- */

static served_feed *find_feed(const serve_feeds *feeds, const char *name)
{
    for (size_t i = 0; i < feeds->count; i++) {
        if (strcmp(feeds->items[i].name, name) == 0)
            return &feeds->items[i];
    }
    return NULL;
}

static served_feed *add_feed(serve_feeds *feeds, const char *name, const family *of)
{
    feeds->items = td_array_grow(feeds->items, feeds->count, sizeof *feeds->items);
    feeds->items[feeds->count] = (served_feed){.name = td_strdup(name), .family = of};
    return &feeds->items[feeds->count++];
}

static int has_retail(const topic_row *row)
{
    return row != NULL && topic_field(row->fields, row->field_count, MEMBER_RPI_SIZE) != NULL;
}

int served_feed_has_topic(const served_feed *feed, td_bytes exchange_topic)
{
    for (size_t i = 0; i < feed->topic_count; i++) {
        if (td_bytes_is(exchange_topic, feed->topics[i].exchange_topic))
            return 1;
    }
    return 0;
}

static void add_channel(serve_feeds *feeds, served_feed *feed, const channel_info *info)
{
    if (info->dir != CHANNEL_IN)
        return;
    feed->has_unknown |= channel_role(info) == ROLE_UNKNOWN;
    if (info->exchange_topic[0] == '\0' ||
        served_feed_has_topic(feed, td_bytes_str(info->exchange_topic)))
        return;
    const topic_row *row = family_topic_named(feed->family, info->topic);
    /* Clients do not subscribe to answers about orders. */
    if (row != NULL && row->type == MSG_ORDER_ENTRY &&
        !dialect_is_for_orders(feed->family->dialect))
        return;
    feeds->has_retail |= has_retail(row) != 0;
    feed->topics = td_array_grow(feed->topics, feed->topic_count, sizeof *feed->topics);
    feed->topics[feed->topic_count++] =
        (served_topic){.feed = feed->name,
                       .row = row,
                       .exchange_topic = td_strdup(info->exchange_topic),
                       .topic = td_strdup(info->topic),
                       .symbol = td_strdup(info->symbol)};
}

/* Find the feed of a segment, or add it. NULL: it cannot be served, which is logged. */
static served_feed *feed_of(serve_feeds *feeds, const segment_index *segment, const td_log *log)
{
    served_feed *known = find_feed(feeds, segment->feed);
    if (known != NULL)
        return known;
    const family *of = family_find(td_bytes_str(segment->family));
    if (of != NULL)
        return add_feed(feeds, segment->feed, of);
    td_log_emit(log, TD_LOG_WARNING,
                "feed '%s' is not served: this version does not know its family '%s'",
                segment->feed, segment->family);
    return NULL;
}

static answered_topic *find_answered(const served_feed *feed, td_bytes topic)
{
    for (size_t i = 0; i < feed->answered_count; i++) {
        if (td_bytes_is(topic, feed->answered[i].topic))
            return &feed->answered[i];
    }
    return NULL;
}

static void add_answered(served_feed *feed, const grant_row *row)
{
    answered_topic *known = find_answered(feed, td_bytes_str(row->topic));
    int is_refused = row->source[0] == '\0';
    if (is_refused && strcmp(row->reason, "refused") != 0)
        return;
    if (known == NULL) {
        feed->answered =
            td_array_grow(feed->answered, feed->answered_count, sizeof *feed->answered);
        known = &feed->answered[feed->answered_count++];
        *known = (answered_topic){.topic = td_strdup(row->topic)};
    }
    known->recv_ns = row->from_ns;
    known->is_refused = is_refused != 0;
}

/* Note a segment's refusals and grants; the last answer for a topic counts. Ignores segments whose
 * rows cannot be read. */
static void add_answers(served_feed *feed, archive_view *view, const segment_index *segment)
{
    segment_rows rows = {0};
    if (archive_view_read(view, segment->path, segment->file_bytes, CATALOG_ROWS, &rows, NULL) !=
        TD_OK)
        rows.grant_count = 0;
    for (size_t i = 0; i < rows.grant_count; i++)
        add_answered(feed, &rows.grants[i]);
    segment_rows_fini(&rows);
}

/* What a server repeats of an answer about the topic; empty: nothing. A refusal is about the topic
 * if it names this topic or no topic. */
static td_bytes text_of(const dialect_answer *answer, const answered_topic *about)
{
    size_t i = 0;
    if (about->is_refused)
        return answer->success == 0 && (answer->reason_topic.size == 0 ||
                                        td_bytes_is(answer->reason_topic, about->topic))
                   ? answer->reason
                   : td_bytes_of(NULL, 0);
    while (i < answer->granted_count && !td_bytes_is(answer->granted[i], about->topic))
        i++;
    return i < answer->granted_count ? answer->recorded : td_bytes_of(NULL, 0);
}

/* Find the exchange's answer about a topic: the first within a second from recv_ns on. */
static void read_text(archive *from, dialect_parser *parser, const served_feed *feed,
                      answered_topic *about)
{
    const selection around = {
        .feeds = {(const char **)&feed->name, 1},
        .from = {.kind = TD_TIME_ABSOLUTE, .ns = about->recv_ns},
        .to = {.kind = TD_TIME_ABSOLUTE, .ns = about->recv_ns + TD_NS_PER_S},
        .has_from = 1,
        .has_to = 1,
    };
    const frame_ref *frame;
    cursor *tape = NULL;
    if (cursor_open(from, &around, &(cursor_options){.threads = 1}, &tape, NULL) != TD_OK)
        return;
    while (about->text == NULL && cursor_next(tape, &frame, NULL) == TD_OK) {
        dialect_answer answer;
        if (frame->channel->role != ROLE_CONTROL ||
            answer_parse(parser, feed->family->dialect, frame->bytes, &answer, NULL) != TD_OK)
            continue;
        const td_bytes text = text_of(&answer, about);
        if (text.size > 0)
            about->text = td_strndup((const char *)text.data, text.size);
    }
    cursor_close(tape);
}

static int wants_channel(void *user, const channel_info *info)
{
    return selection_match(user, info) != SELECTION_NO;
}

/* 1 if the segment may have selected frames, or has events only: in a cut, a feed whose frames were
 * left out keeps its grants. */
static int is_served(const planned_segment *segment)
{
    const segment_index *index = segment->index;
    int has_frames = 0;
    for (size_t i = 0; i < index->channel_count; i++) {
        const int is_event = channel_has_events(&index->channels[i].info);
        if (!is_event && segment->is_wanted[i])
            return 1;
        has_frames |= !is_event;
    }
    return !has_frames || segment_index_has_unknown(index);
}

static void add_segment(serve_feeds *feeds, archive_view *view, const planned_segment *segment,
                        const td_log *log)
{
    served_feed *feed = feed_of(feeds, segment->index, log);
    if (feed != NULL)
        add_answers(feed, view, segment->index);
    if (feed != NULL && segment->life == SEGMENT_IS_FINISHED)
        feeds->finished_count++;
    else if (feed != NULL)
        feeds->growing_count++;
    for (size_t i = 0; i < segment->index->channel_count && feed != NULL; i++) {
        feeds->has_http |= segment->index->channels[i].info.dir == CHANNEL_HTTP ||
                           (segment->index->channels[i].info.form & FORM_FETCHED) != 0;
        if (segment->is_wanted[i])
            add_channel(feeds, feed, &segment->index->channels[i].info);
    }
}

static void read_all_texts(serve_feeds *feeds, archive *from)
{
    dialect_parser *parser = dialect_parser_open();
    for (size_t i = 0; i < feeds->count; i++) {
        served_feed *feed = &feeds->items[i];
        for (size_t k = 0; k < feed->answered_count; k++) {
            if (feed->answered[k].is_refused || feed->family->dialect->recorded != NULL)
                read_text(from, parser, feed, &feed->answered[k]);
        }
    }
    dialect_parser_close(parser);
}

/* Read the feeds' segments of all times, so that a topic without a frame in the window is known; it
 * stays silent. */
static td_result read_segments(serve_feeds *feeds, archive *from, const selection *wanted,
                               const td_log *log, td_err *err)
{
    selection copy = *wanted;
    read_query query = selection_query(&copy, SELECTION_ALL_TIME);
    read_plan *plan = NULL;
    archive_view *view = NULL;
    td_result rc = selection_check(wanted, err);
    if (rc == TD_OK)
        rc = archive_view_open(from, VIEW_ALL, log, &view, err);
    query.view = view;
    query.wants_channel = wants_channel;
    if (rc == TD_OK)
        rc = read_plan_open(from, &query, &plan, err);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++)
        if (is_served(read_plan_segment(plan, i)))
            add_segment(feeds, view, read_plan_segment(plan, i), log);
    read_plan_close(plan);
    archive_view_close(view);
    if (rc != TD_OK)
        return rc;
    read_all_texts(feeds, from);
    if (feeds->count == 0)
        rc = selection_check_names(from, wanted, err);
    if (rc == TD_OK)
        rc = selection_check_each_name(from, wanted, err);
    if (rc == TD_OK && feeds->count == 0) {
        rc = td_err_set(err, TD_E_NOTFOUND, "nothing to serve: no frame is selected");
        td_err_hint(err, "'tapedeck info' lists feeds, topics and symbols");
    }
    return rc;
}

td_result serve_feeds_open(archive *from, const selection *wanted, const td_log *log,
                           serve_feeds **out, td_err *err)
{
    serve_feeds *feeds = td_alloc_zero(1, sizeof *feeds);
    td_result rc = read_segments(feeds, from, wanted, log, err);
    if (rc != TD_OK) {
        serve_feeds_close(feeds);
        return rc;
    }
    TD_ASSERT(feeds->count > 0);
    *out = feeds;
    return TD_OK;
}

void serve_feeds_close(serve_feeds *feeds)
{
    if (feeds == NULL)
        return;
    for (size_t i = 0; i < feeds->count; i++) {
        served_feed *feed = &feeds->items[i];
        for (size_t k = 0; k < feed->topic_count; k++) {
            td_free(feed->topics[k].exchange_topic);
            td_free(feed->topics[k].topic);
            td_free(feed->topics[k].symbol);
        }
        td_free(feed->topics);
        for (size_t k = 0; k < feed->answered_count; k++) {
            td_free(feed->answered[k].topic);
            td_free(feed->answered[k].text);
        }
        td_free(feed->answered);
        td_free(feed->name);
    }
    td_free(feeds->items);
    td_free(feeds);
}

/* ---- looking up ---- */

/* 1 if the feed has a topic with this symbol; empty symbol: with any symbol. */
static int has_symbol(const served_feed *feed, td_bytes symbol)
{
    for (size_t i = 0; i < feed->topic_count; i++) {
        const char *known = feed->topics[i].symbol;
        if (known[0] != '\0' && strcmp(known, "*") != 0 &&
            (symbol.size == 0 || td_bytes_is(symbol, known)))
            return 1;
    }
    return 0;
}

/* Return the path of a feed: a private path if the feed has topics, but none with a symbol. */
const char *served_feed_path(const served_feed *feed)
{
    int is_private = feed->topic_count > 0 && !has_symbol(feed, td_bytes_of(NULL, 0));
    const char *url = is_private ? family_url(feed->family, NET_MAIN, ACCESS_PRIVATE) : NULL;
    if (url == NULL)
        url = feed->family->endpoints[0].url;
    return url == NULL ? "" : family_url_path(url);
}

/* 1 if the feed's family has an endpoint with exactly this path. */
static int served_feed_has_path(const served_feed *feed, const char *path)
{
    unsigned accesses;
    const char *own = family_find_path(feed->family, td_bytes_str(path), &accesses);
    return own != NULL && strcmp(own, path) == 0;
}

/* 1 if the feed is at a server of the path. */
static int served_feed_is_at(const served_feed *feed, const served_feed *server, const char *path)
{
    return served_feed_has_path(feed, path) &&
           (feed->family == server->family ||
            family_shares_server(feed->family, server->family, path));
}

const served_feed *serve_feeds_find(const serve_feeds *feeds, td_bytes path)
{
    const family **families = td_alloc_zero(feeds->count + 1, sizeof(const family *));
    for (size_t i = 0; i < feeds->count; i++)
        families[i] = feeds->items[i].family;
    const size_t found = family_choose_by_path(families, feeds->count, path);
    td_free(families);
    return found < feeds->count ? &feeds->items[found] : NULL;
}

const served_feed *serve_feeds_next_server(const serve_feeds *feeds, const char *path, size_t *next)
{
    while (*next < feeds->count) {
        const served_feed *found = &feeds->items[(*next)++];
        const served_feed *first = feeds->items;
        if (!served_feed_has_path(found, path))
            continue;
        while (first < found && !served_feed_is_at(first, found, path))
            first++;
        if (first == found)
            return found;
    }
    return NULL;
}

void serve_feeds_paths_text(const serve_feeds *feeds, td_bytes path, char out[WIRE_ANSWER_BYTES])
{
    for (size_t i = 0; i < feeds->count; i++) {
        if (i == 0 || feeds->items[i].family != feeds->items[i - 1].family)
            family_paths_text(feeds->items[i].family, path, out, WIRE_ANSWER_BYTES);
    }
}

const served_topic *serve_feeds_topic(const serve_feeds *feeds, const char *name, const char *topic,
                                      const char *symbol)
{
    const served_feed *feed = find_feed(feeds, name);
    for (size_t i = 0; feed != NULL && i < feed->topic_count; i++) {
        const served_topic *known = &feed->topics[i];
        if (strcmp(known->topic, topic) == 0 && strcmp(known->symbol, symbol) == 0)
            return known;
    }
    return NULL;
}

size_t serve_feeds_names(const serve_feeds *feeds, const served_feed *server, const char *path,
                         const char **out)
{
    size_t count = 0;
    for (size_t i = 0; i < feeds->count; i++) {
        if (served_feed_is_at(&feeds->items[i], server, path))
            out[count++] = feeds->items[i].name;
    }
    TD_ASSERT(count <= feeds->count);
    return count;
}

/* Find the row (at any time) that matches a topic, unless the dialect rules the topic out. */
static int find_row(const family *of, td_bytes topic, topic_match *out)
{
    const dialect *spoken = of->dialect;
    return topic_match_text(of->topics, of->topic_count, topic, TOPIC_ANY_TIME, out) &&
           dialect_is_possible(spoken, topic);
}

/* For dialects with topics without symbols: 1 if a row matches the topic with a symbol appended. */
static int row_fits_bare(const family *of, td_bytes topic)
{
    char text[LIMIT_TOPIC_BYTES];
    topic_match match;
    if (topic.size + sizeof ".x" > sizeof text)
        return 0;
    memcpy(text, topic.data, topic.size);
    memcpy(text + topic.size, ".x", sizeof ".x");
    return find_row(of, td_bytes_of(text, topic.size + 2), &match) &&
           td_bytes_is(match.symbol, "x"); /* else the topic names a symbol, "SYMBOL.x" */
}

/* 1 if the subscription covers a topic without a symbol ("order.linear" covers "order"). */
static int row_is_covered(const family *of, const dialect *spoken, td_bytes subscription)
{
    for (size_t i = 0; i < of->topic_count; i++) {
        const topic_row *row = &of->topics[i];
        if (!topic_row_has_symbol(row) && spoken->covers(subscription, td_bytes_str(row->pattern)))
            return 1;
    }
    return 0;
}

/* 1 if the recording shows that the exchange granted a topic that the subscription covers. A cut
 * keeps the grants of topics of which it has no frame. */
static int is_granted(const served_feed *feed, td_bytes subscription)
{
    for (size_t i = 0; i < feed->answered_count; i++) {
        const answered_topic *at = &feed->answered[i];
        if (!at->is_refused &&
            (td_bytes_is(subscription, at->topic) ||
             feed->family->dialect->covers(subscription, td_bytes_str(at->topic))))
            return 1;
    }
    return 0;
}

/* Find out whether a topic is on the tape. Frames of unknown topics may belong to any topic, so a
 * tape with such frames knows every topic. A coin's topic names coins that the tape does not list,
 * so every coin is known. */
static topic_standing find_feed_topic(const served_feed *feed, td_bytes subscription)
{
    const family *of = feed->family;
    topic_match match;
    TD_ASSERT(of != NULL); /* other feeds were left out */
    const answered_topic *answered = find_answered(feed, subscription);
    if (answered != NULL && answered->is_refused && !served_feed_has_topic(feed, subscription))
        return (topic_standing){.recorded_text = answered->text};
    const topic_standing known = {
        .is_known = 1,
        .recorded_text = answered == NULL || answered->is_refused ? NULL : answered->text};
    const dialect *spoken = of->dialect;
    if (feed->has_unknown || dialect_is_everything(spoken, subscription) ||
        is_granted(feed, subscription) || row_is_covered(of, spoken, subscription) ||
        (dialect_has_lists(spoken) && row_fits_bare(of, subscription)))
        return known;
    int fits = find_row(of, subscription, &match);
    if (fits && (!topic_row_has_symbol(match.row) || topic_row_has_coin(match.row) ||
                 td_bytes_is(match.symbol, "*") || has_symbol(feed, match.symbol)))
        return known;
    for (size_t i = 0; i < feed->topic_count; i++) {
        if (spoken->covers(subscription, td_bytes_str(feed->topics[i].exchange_topic)))
            return known;
    }
    fits = topic_match_text(of->topics, of->topic_count, subscription, TOPIC_ANY_TIME, &match);
    return (topic_standing){.is_symbol_unknown = (uint8_t)(fits != 0)};
}

int serve_feeds_is_private(const serve_feeds *feeds, const served_feed *server, const char *path,
                           td_bytes topic)
{
    for (size_t i = 0; i < feeds->count; i++) {
        const served_feed *feed = &feeds->items[i];
        unsigned accesses;
        topic_match match;
        if (!served_feed_is_at(feed, server, path))
            continue;
        (void)family_find_path(feed->family, td_bytes_str(path), &accesses);
        if (accesses == 1U << ACCESS_PRIVATE)
            return 1;
        if ((accesses & 1U << ACCESS_PRIVATE) != 0 &&
            topic_match_text(feed->family->topics, feed->family->topic_count, topic, TOPIC_ANY_TIME,
                             &match) &&
            !topic_row_has_symbol(match.row))
            return 1; /* on a path for both accesses, topics without a symbol are private */
    }
    return 0;
}

topic_standing serve_feeds_find_topic(const serve_feeds *feeds, const served_feed *server,
                                      const char *path, td_bytes subscription)
{
    topic_standing best = {0};
    for (size_t i = 0; i < feeds->count; i++) {
        const served_feed *feed = &feeds->items[i];
        if (!served_feed_is_at(feed, server, path))
            continue;
        topic_standing found = find_feed_topic(feed, subscription);
        if (found.is_known)
            return found;
        best.is_symbol_unknown |= found.is_symbol_unknown;
        best.recorded_text = best.recorded_text == NULL ? found.recorded_text : best.recorded_text;
    }
    return best;
}
