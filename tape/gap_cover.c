#include "tape/gap_cover.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/name_index.h"
#include "archive/open_conns.h"
#include "archive/time_account.h"
#include "schema/family.h"
#include "tape/found_gaps.h"
#include "tape/granted_topics.h"

/* The search for the parts of a row. */
typedef struct cover_search {
    const gap_account *mine;
    const gap_row *row;
    time_span time;                /* of the row, as far as it is divided */
    char family[LIMIT_NAME_BYTES]; /* of the row's feed */
    char **topics;                 /* that the row may be missing, as the exchange writes them */
    size_t topic_count;
    name_index by_name;
    int is_unknown;  /* 1: there may be more topics */
    gap_parts found; /* the parts that each account has; they overlap */
} cover_search;

/* ---- what a row may be missing ---- */

static void add_topic(cover_search *s, const char *name)
{
    if (name_index_find(&s->by_name, td_bytes_str(name)) != NAME_INDEX_NONE)
        return;
    s->topics = td_array_grow(s->topics, s->topic_count, sizeof *s->topics);
    s->topics[s->topic_count] = td_strdup(name);
    name_index_put(&s->by_name, td_bytes_str(s->topics[s->topic_count]), s->topic_count);
    s->topic_count++;
}

/* Add the topics of a grant. If the row names no topic, not of one that ended before the row, while
 * its connection was open, or began after it. */
static void add_granted(cover_search *s, const segment_rows *rows, const grant_row *grant)
{
    const int is_over =
        grant_row_is_ended(grant, &rows->conns[grant->conn]) && grant->to_ns < s->row->from_ns;
    const int is_elsewhere = is_over || grant->from_ns > gap_row_span(s->row).to_ns;
    granted_topics named;
    if (grant->source[0] == '\0' || (s->row->topic[0] == '\0' && is_elsewhere))
        return;
    granted_topics_begin(&named, rows, grant);
    for (const channel_info *info; (info = granted_topics_next(&named)) != NULL;)
        if (channel_role(info) == ROLE_DATA && gap_row_affects_channel(s->row, info))
            add_topic(s, channel_exchange_topic(info));
    /* A list or a wildcard may have topics without a frame. */
    if (named.row == NULL && s->row->topic[0] == '\0')
        add_topic(s, grant->topic);
}

/* Add the topics that the segments of an archive which were written at a time were granted. */
static void add_topics_at(cover_search *s, archive_view *view, uint64_t at_ns)
{
    open_conns open;
    s->is_unknown |=
        open_conns_read_feed(view, s->row->feed, at_ns, &open, NULL) != TD_OK || open.is_unknown;
    for (size_t i = 0; i < open.count; i++) {
        const segment_rows *rows = &open.sessions[i];
        s->is_unknown |= rows->unknown_ns != 0;
        memcpy(s->family, rows->index.family, sizeof s->family);
        for (size_t k = 0; k < rows->grant_count; k++)
            add_granted(s, rows, &rows->grants[k]);
    }
    open_conns_fini(&open);
}

/* ---- what another archive has of it ---- */

static const silent_topic *find_silent(const gap_account *in, const char *feed, const char *topic)
{
    for (size_t i = 0; in->silent != NULL && i < in->silent->count; i++) {
        const silent_topic *row = &in->silent->rows[i];
        if (strcmp(row->exchange_topic, topic) == 0 && strcmp(row->feed, feed) == 0)
            return row;
    }
    return NULL;
}

/* 1 if a topic that the row may be missing sent frames to this archive, and none to the other one,
 * which it should have. */
static int lacks_all_of_one(const cover_search *s, const gap_account *other)
{
    for (size_t i = 0; i < s->topic_count; i++) {
        const silent_topic *row = find_silent(other, s->row->feed, s->topics[i]);
        if (row != NULL && silent_topic_is_overdue(row) &&
            find_silent(s->mine, s->row->feed, s->topics[i]) == NULL)
            return 1;
    }
    return 0;
}

/* 1 if the archive was receiving all topics that the row may be missing at a time. */
static int has_all_at(const cover_search *s, archive_view *other, uint64_t at_ns)
{
    grant_covers_fn *covers = family_covers(s->family);
    open_conns open;
    int has_all = open_conns_read_feed(other, s->row->feed, at_ns, &open, NULL) == TD_OK &&
                  open.count > 0 && !open.is_unknown;
    for (size_t i = 0; has_all && i < open.count; i++)
        has_all = open.sessions[i].unknown_ns == 0 &&
                  strcmp(open.sessions[i].index.family, s->family) == 0;
    for (size_t i = 0; has_all && i < s->topic_count; i++)
        has_all = open_conns_has_topic(&open, td_bytes_str(s->topics[i]), covers);
    open_conns_fini(&open);
    return has_all;
}

/* 1 if a row of another ledger is about topics that this one may be missing. */
static int is_in_the_way(const gap_row *row, const gap_row *other)
{
    return strcmp(other->feed, row->feed) == 0 && other->covered_by[0] == '\0' &&
           (row->topic[0] == '\0' ||
            gap_row_affects_topic(other, row->topic, row->symbol[0] != '\0' ? row->symbol : "*"));
}

/* The time after at_ns until which the other ledger has no row; empty if that is at_ns.to_ns. */
static time_span next_free(const gap_row *row, const gap_list *other, time_span within)
{
    time_span free = within;
    for (size_t i = 0; other != NULL && i < other->count; i++) { /* by feed and begin */
        const time_span taken = gap_row_span(&other->rows[i]);
        if (!is_in_the_way(row, &other->rows[i]) || taken.to_ns <= free.from_ns)
            continue;
        if (taken.from_ns > free.from_ns) {
            free.to_ns = taken.from_ns < free.to_ns ? taken.from_ns : free.to_ns;
            break;
        }
        free.from_ns = taken.to_ns;
    }
    return free;
}

static void add_part(gap_parts *to, gap_part part)
{
    to->items = td_array_grow(to->items, to->count, sizeof *to->items);
    to->items[to->count++] = part;
}

static void find_had(cover_search *s, const gap_account *other, time_span range, unsigned bit)
{
    time_span left = time_span_clip(s->time, range);
    if (lacks_all_of_one(s, other))
        return;
    while (left.from_ns < left.to_ns) {
        const time_span free = next_free(s->row, other->ledger, left);
        if (time_span_ns(free) == 0)
            break;
        if (has_all_at(s, other->view, free.from_ns + 1) && has_all_at(s, other->view, free.to_ns))
            add_part(&s->found, (gap_part){free, bit});
        left.from_ns = free.to_ns;
    }
}

/* ---- parts ---- */

/* Which accounts have the time that begins at at_ns; *next_ns: until when that is so. */
static unsigned had_at(const gap_parts *found, uint64_t at_ns, uint64_t *next_ns)
{
    unsigned has = 0;
    for (size_t i = 0; i < found->count; i++) {
        const time_span time = found->items[i].time;
        has |= time_span_has(time, at_ns) ? found->items[i].has : 0;
        const uint64_t bound_ns = time.from_ns > at_ns ? time.from_ns : time.to_ns;
        *next_ns = bound_ns > at_ns && bound_ns < *next_ns ? bound_ns : *next_ns;
    }
    return has;
}

static gap_parts divide(const cover_search *s)
{
    gap_parts parts = {0};
    uint64_t next_ns = 0;
    for (uint64_t at_ns = s->time.from_ns; at_ns < s->time.to_ns; at_ns = next_ns) {
        next_ns = s->time.to_ns;
        const unsigned has = had_at(&s->found, at_ns, &next_ns);
        gap_part *last = parts.count == 0 ? NULL : &parts.items[parts.count - 1];
        if (last != NULL && last->has == has)
            last->time.to_ns = next_ns;
        else
            add_part(&parts, (gap_part){{at_ns, next_ns}, has});
    }
    return parts;
}

gap_parts gap_cover_divide(const gap_account *accounts, size_t count, size_t of, const gap_row *row,
                           time_span within)
{
    cover_search s = {
        .mine = &accounts[of], .row = row, .time = time_span_clip(gap_row_span(row), within)};
    time_span ranges[GAP_ACCOUNTS_MAX];
    uint64_t last_ns = 0;
    TD_ASSERT(count <= GAP_ACCOUNTS_MAX);
    for (size_t i = 0; i < count; i++) {
        archive_feed_range(accounts[i].view, row->feed, &ranges[i].from_ns, &ranges[i].to_ns);
        last_ns = ranges[i].to_ns > last_ns ? ranges[i].to_ns : last_ns;
    }
    if (row->to_ns == GAP_OPEN && last_ns > s.time.from_ns)
        s.time = time_span_clip(s.time, (time_span){0, last_ns});
    add_topics_at(&s, s.mine->view, row->from_ns + 1);
    if (row->to_ns != GAP_OPEN)
        add_topics_at(&s, s.mine->view, row->to_ns + 1);
    /* A topic that was not asked for: the others know how the exchange writes it. */
    for (size_t i = 0; i < count && row->topic[0] != '\0' && s.topic_count == 0; i++)
        add_topics_at(&s, accounts[i].view, row->from_ns + 1);
    for (size_t i = 0; i < count && s.topic_count > 0 && !s.is_unknown; i++)
        if (i != of)
            find_had(&s, &accounts[i], ranges[i], 1U << i);
    gap_parts parts = divide(&s);
    if (row->to_ns == GAP_OPEN && parts.count > 0 && parts.items[parts.count - 1].has == 0)
        parts.items[parts.count - 1].time.to_ns = UINT64_MAX;
    for (size_t i = 0; i < s.topic_count; i++)
        td_free(s.topics[i]);
    td_free(s.topics);
    name_index_fini(&s.by_name);
    td_free(s.found.items);
    return parts;
}

/* ---- between archives ---- */

/* 1 if a row of some ledger has the time, of the whole feed. */
static int is_listed(const gap_account *accounts, size_t count, const char *feed, time_span time)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; accounts[i].ledger != NULL && k < accounts[i].ledger->count; k++) {
            const gap_row *row = &accounts[i].ledger->rows[k];
            if (strcmp(row->feed, feed) == 0 && row->topic[0] == '\0' && gap_row_is_loss(row) &&
                row->from_ns <= time.from_ns && gap_row_span(row).to_ns >= time.to_ns)
                return 1;
        }
    return 0;
}

static void add_between(const gap_account *accounts, size_t count, const char *feed, gap_list *out)
{
    time_span ranges[GAP_ACCOUNTS_MAX];
    TD_ASSERT(count <= GAP_ACCOUNTS_MAX);
    for (size_t i = 0; i < count; i++)
        archive_feed_range(accounts[i].view, feed, &ranges[i].from_ns, &ranges[i].to_ns);
    for (size_t i = 0; i < count; i++) {
        time_span time = {ranges[i].to_ns, UINT64_MAX}; /* to the next range */
        for (size_t k = 0; k < count; k++) {
            if (ranges[k].to_ns > time.from_ns && ranges[k].from_ns < time.to_ns)
                time.to_ns = ranges[k].from_ns;
        }
        if (time.from_ns != 0 && time.to_ns != UINT64_MAX && time.from_ns < time.to_ns &&
            !is_listed(accounts, count, feed, time)) {
            const gap_row row = found_gap_between(feed, time);
            gap_list_add(out, &row);
        }
    }
}

void gap_cover_between(const gap_account *accounts, size_t count, gap_list *out)
{
    name_index feeds = {0};
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < accounts[i].view->listing.segment_count; k++) {
            const segment_name *name = &accounts[i].view->listing.segments[k].name;
            if (!name->is_parsed ||
                name_index_find(&feeds, td_bytes_str(name->feed)) != NAME_INDEX_NONE)
                continue;
            name_index_put(&feeds, td_bytes_str(name->feed), k);
            add_between(accounts, count, name->feed, out);
        }
    name_index_fini(&feeds);
}
