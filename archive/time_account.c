#include "archive/time_account.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "archive/archive_segment.h"
#include "archive/asked_topics.h"
#include "archive/feed_slots.h"
#include "archive/gap_index.h"
#include "archive/name_index.h"
#include "archive/topic_list.h"

enum { HOUR_S = 3600 };

/* ---- what is known ---- */

typedef enum stretch_kind {
    STRETCH_GAP,      /* a gap of the ledger */
    STRETCH_PRUNED,   /* removed by prune, or moved to a store */
    STRETCH_RECORDED, /* received by a session */
} stretch_kind;

/* A time of a feed. Of a session: from its first to its last received frame (of one segment, before
 * segments are joined). */
typedef struct stretch {
    stretch_kind kind;
    uint8_t is_capture; /* 1: imported: it proves nothing about topics that it lacks */
    uint32_t number;    /* of its first segment */
    size_t session;     /* number in time_account.sessions */
    const char *feed, *session_id;
    const char *store; /* that all of it was moved to, if pruned; of the history; or NULL */
    uint64_t first_s;  /* from the names of its first and last segment */
    uint64_t last_s;
    uint64_t from_ns; /* 0: nothing was received */
    uint64_t to_ns;
    uint64_t end_ns; /* of the session's last message of any kind; >= to_ns. A gap that begins at
                        this time or before describes the session's end */
} stretch;

typedef struct stretch_list {
    stretch *rows;
    size_t count;
} stretch_list;

/* Names that consist of two texts, each with its NUL, by number. */
typedef struct name_list {
    name_index by_name;
    char **texts;
    size_t count;
} name_list;

/* The sessions that had a topic: a bit for each. */
typedef struct topic_sessions {
    uint8_t *bits;
    size_t bytes;
} topic_sessions;

/* A segment, and which topics were granted in it. */
typedef struct granted_segment {
    const archive_segment *of;
    size_t session;
    uint64_t granted_hash;
    uint8_t has_ended_grants;
} granted_segment;

struct time_account {
    granted_segment *segments;
    size_t segment_count;
    stretch_list received; /* of sessions, or pruned: by feed and time, once all are added */
    name_list sessions;    /* names: feed, session */
    topic_list topics;     /* symbol "" for all symbols */
    topic_sessions *had;   /* for each row of topics, the sessions that had it */
    size_t had_capacity;
    name_list captures; /* feeds that have captures: feed, "" */
    uint8_t is_full;    /* 1: TIME_ACCOUNT_TOPICS_MAX was reached */
};

time_account *time_account_open(void)
{
    return td_alloc_zero(1, sizeof(time_account));
}

/* Get the number of a name; a new name is copied. */
static size_t number_of(name_list *names, const char *feed, const char *session)
{
    char text[LIMIT_NAME_BYTES + SESSION_ID_BYTES];
    const size_t feed_bytes = strlen(feed) + 1;
    const size_t size = feed_bytes + strlen(session) + 1;
    TD_ASSERT(size <= sizeof text);
    memcpy(text, feed, feed_bytes);
    memcpy(text + feed_bytes, session, size - feed_bytes);
    size_t number = name_index_find(&names->by_name, td_bytes_of(text, size));
    if (number != NAME_INDEX_NONE)
        return number;
    names->texts = td_array_grow(names->texts, names->count, sizeof(char *));
    names->texts[names->count] = td_alloc(size);
    memcpy(names->texts[names->count], text, size);
    name_index_put(&names->by_name, td_bytes_of(names->texts[names->count], size), names->count);
    return names->count++;
}

static void names_fini(name_list *names)
{
    for (size_t i = 0; i < names->count; i++)
        td_free(names->texts[i]);
    td_free(names->texts);
    name_index_fini(&names->by_name);
}

static void add_topic(time_account *self, const char *feed, size_t session,
                      const channel_info *info)
{
    channel_info named = *info;
    named.feed = feed;
    named.symbol = strcmp(info->symbol, "*") == 0 ? "" : info->symbol;
    if (channel_role(info) != ROLE_DATA || strlen(info->topic) >= LIMIT_TOPIC_BYTES ||
        strlen(named.symbol) >= LIMIT_SYMBOL_BYTES)
        return;
    if (self->topics.count == TIME_ACCOUNT_TOPICS_MAX) {
        self->is_full = 1;
        return;
    }
    size_t topic = topic_list_get(&self->topics, &named, info->topic);
    self->had = td_array_reach(self->had, &self->had_capacity, topic, sizeof self->had[0]);
    topic_sessions *had = &self->had[topic];
    had->bits = td_array_reach(had->bits, &had->bytes, session / 8, 1);
    had->bits[session / 8] |= (uint8_t)(1U << (session % 8));
}

void time_account_add_topics(time_account *self, const segment_name *name,
                             const segment_index *index)
{
    const size_t session = number_of(&self->sessions, name->feed, name->session);
    for (size_t i = 0; i < index->channel_count; i++)
        add_topic(self, name->feed, session, &index->channels[i].info);
}

static void add_stretch(stretch_list *list, const stretch *made)
{
    list->rows = td_array_grow(list->rows, list->count, sizeof list->rows[0]);
    list->rows[list->count++] = *made;
}

static void add_session(time_account *self, const segment_name *name, stretch made)
{
    made.session = number_of(&self->sessions, name->feed, name->session);
    made.feed = self->sessions.texts[made.session];
    made.session_id = made.feed + strlen(made.feed) + 1;
    made.number = name->number;
    made.first_s = made.last_s = name->first_s;
    add_stretch(&self->received, &made);
}

void time_account_add(time_account *self, const archive_segment *segment,
                      const segment_brief *brief)
{
    const segment_name *name = &segment->name;
    const granted_segment granted = {segment, number_of(&self->sessions, name->feed, name->session),
                                     brief->granted_hash, brief->has_ended_grants != 0};
    self->segments = td_array_grow(self->segments, self->segment_count, sizeof *self->segments);
    self->segments[self->segment_count++] = granted;
    if (brief->is_capture)
        (void)number_of(&self->captures, name->feed, "");
    add_session(self, name,
                (stretch){.kind = STRETCH_RECORDED,
                          .is_capture = brief->is_capture != 0,
                          .from_ns = brief->first_in_ns,
                          .to_ns = brief->last_in_ns,
                          .end_ns = brief->last_ns});
}

/* Add the segments of the history that were pruned and are not listed. */
static void add_pruned(time_account *self, const archive_history *past)
{
    for (size_t i = 0; i < past->segment_count; i++) {
        const past_segment *segment = &past->segments[i];
        segment_name name;
        if (segment->stage == PAST_PRUNED && segment->first_ns != 0 &&
            segment_name_parse(segment_file_name(segment->path), &name))
            add_session(self, &name,
                        (stretch){.kind = STRETCH_PRUNED,
                                  .store = segment->store,
                                  .from_ns = segment->first_ns,
                                  .to_ns = segment->last_ns,
                                  .end_ns = segment->last_ns});
    }
}

int time_account_has_captures(const time_account *self, const char *feed)
{
    for (size_t i = 0; i < self->captures.count; i++)
        if (strcmp(self->captures.texts[i], feed) == 0)
            return 1;
    return 0;
}

void time_account_close(time_account *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->had_capacity; i++)
        td_free(self->had[i].bits);
    td_free(self->had);
    td_free(self->segments);
    td_free(self->received.rows);
    topic_list_fini(&self->topics);
    names_fini(&self->sessions);
    names_fini(&self->captures);
    td_free(self);
}

/* ---- the range of a feed ---- */

/* 1 if a segment may have frames outside the range found so far. */
static int may_extend(const segment_name *name, uint64_t first_ns, uint64_t last_ns)
{
    const time_span hour = segment_name_span(name);
    return !name->is_parsed || first_ns == 0 || hour.from_ns < first_ns || hour.to_ns > last_ns;
}

/* Widen a range by a segment's received frames. */
static void add_times(segment_brief brief, uint64_t *first_ns, uint64_t *last_ns)
{
    if (brief.first_in_ns != 0 && (*first_ns == 0 || brief.first_in_ns < *first_ns))
        *first_ns = brief.first_in_ns;
    if (brief.last_in_ns > *last_ns)
        *last_ns = brief.last_in_ns;
}

/* Read the last segment, the first, the last but one, and so on, until both times are known: most
 * segments in between are not read. */
void archive_feed_range(archive_view *view, const char *feed, uint64_t *first_ns, uint64_t *last_ns)
{
    const size_t count = view->listing.segment_count;
    *first_ns = 0;
    *last_ns = 0;
    archive_view_begin_loads(view);
    for (size_t k = 0; k < count; k++) {
        const size_t i = k % 2 == 0 ? count - 1 - k / 2 : k / 2;
        const archive_segment *segment = &view->listing.segments[i];
        segment_rows rows;
        if ((segment->name.is_parsed && strcmp(segment->name.feed, feed) != 0) ||
            !may_extend(&segment->name, *first_ns, *last_ns))
            continue;
        if (archive_view_read(view, segment->path, archive_view_size(view, segment), CATALOG_ROWS,
                              &rows, NULL) == TD_OK)
            add_times(segment_rows_brief(&rows), first_ns, last_ns);
        segment_rows_fini(&rows);
    }
    archive_view_end_loads(view);
}

/* ---- from segments to sessions ---- */

static int compare_numbers(const void *a, const void *b)
{
    const stretch *left = a;
    const stretch *right = b;
    int order = strcmp(left->feed, right->feed);
    if (order == 0)
        order = strcmp(left->session_id, right->session_id);
    if (order == 0 && left->number != right->number)
        order = left->number < right->number ? -1 : 1;
    return order != 0 ? order : (right->kind > left->kind) - (right->kind < left->kind);
}

static int compare_sessions(const void *a, const void *b)
{
    const stretch *left = a;
    const stretch *right = b;
    int order = strcmp(left->feed, right->feed);
    if (order == 0 && left->from_ns != right->from_ns)
        order = left->from_ns < right->from_ns ? -1 : 1;
    return order != 0 ? order : strcmp(left->session_id, right->session_id);
}

/* 1 if the session continues in the next segment without a whole hour between. Names show this,
 * because no segment has messages of two hours. */
static int is_continuation(const stretch *a, const stretch *b)
{
    return a->session == b->session && b->first_s / HOUR_S <= a->last_s / HOUR_S + 1;
}

/* The store that two pruned stretches were moved to, or NULL. */
static const char *common_store(const stretch *a, const stretch *b)
{
    return a->store != NULL && b->store != NULL && strcmp(a->store, b->store) == 0 ? a->store
                                                                                   : NULL;
}

static void join(stretch *to, const stretch *next)
{
    to->last_s = next->first_s;
    to->store = common_store(to, next);
    if (to->from_ns == 0)
        to->from_ns = next->from_ns;
    if (next->to_ns > to->to_ns)
        to->to_ns = next->to_ns;
    if (next->end_ns > to->end_ns)
        to->end_ns = next->end_ns;
}

/* Sort the segments of each session by number, and drop the pruned ones whose files still exist. */
static void drop_leftovers(stretch_list *list)
{
    size_t count = 0;
    if (list->count > 0)
        qsort(list->rows, list->count, sizeof list->rows[0], compare_numbers);
    for (size_t i = 0; i < list->count; i++) {
        const stretch *kept = count == 0 ? NULL : &list->rows[count - 1];
        if (kept == NULL || kept->session != list->rows[i].session ||
            kept->number != list->rows[i].number || list->rows[i].kind != STRETCH_PRUNED)
            list->rows[count++] = list->rows[i];
    }
    list->count = count;
}

/* A session that was open from one stretch to the next received nothing in between: a pruned one
 * begins at the last frame that was kept, and ends at the next one. */
static void meet(stretch *before, stretch *next)
{
    if (next->kind == STRETCH_PRUNED)
        next->from_ns = before->to_ns;
    else
        before->to_ns = before->end_ns = next->from_ns;
}

/* Join the segments of each session. A session that received nothing is dropped. */
static void join_segments(stretch_list *list)
{
    size_t count = 0;
    size_t next = 0;
    drop_leftovers(list);
    for (size_t at = 0; at < list->count; at = next) {
        stretch joined = list->rows[at];
        stretch *before = count == 0 ? NULL : &list->rows[count - 1];
        for (next = at + 1; next < list->count && is_continuation(&joined, &list->rows[next]) &&
                            list->rows[next].kind == joined.kind;
             next++)
            join(&joined, &list->rows[next]);
        if (joined.from_ns == 0)
            continue;
        if (before != NULL && before->kind != joined.kind && is_continuation(before, &joined) &&
            before->to_ns < joined.from_ns)
            meet(before, &joined);
        list->rows[count++] = joined;
    }
    list->count = count;
    if (count > 0)
        qsort(list->rows, count, sizeof list->rows[0], compare_sessions);
}

/* ---- time between sessions ---- */

static int compare_stretches(const void *a, const void *b)
{
    const stretch *left = a;
    const stretch *right = b;
    if (left->from_ns != right->from_ns)
        return left->from_ns < right->from_ns ? -1 : 1;
    return left->to_ns < right->to_ns ? -1 : left->to_ns > right->to_ns;
}

/* The search in the sessions from..to-1 of a feed, or for one topic and symbol of it ("" and "":
 * all topics). */
typedef struct between {
    time_account *of;
    archive_view *view;
    const gap_index *gaps; /* of the ledger */
    gap_list *found;
    size_t from, to;
    const char *feed, *topic, *symbol;
    time_reason reason;         /* of time between two stretches */
    const char *cause;          /* likewise */
    stretch_list list;          /* scratch */
    uint64_t first_ns, last_ns; /* starts of the first and the last session in the list */
} between;

static void add_row(const between *b, time_reason reason, const char *cause, const char *detail,
                    time_span time)
{
    gap_row row = gap_row_of(reason, b->feed, time.from_ns, time.to_ns, cause);
    TD_ASSERT(time.from_ns < time.to_ns);
    row.detail = detail;
    row.topic = b->topic;
    row.symbol = b->symbol;
    gap_list_add(b->found, &row);
}

/* Add the feed's gaps to the list, and sort it. */
static void add_gaps(between *b)
{
    gap_probe at = gap_index_find(b->gaps, b->feed, b->topic, b->symbol);
    for (const gap_row *row; (row = gap_index_next(&at)) != NULL;) {
        const uint64_t to_ns = row->to_ns == GAP_OPEN ? UINT64_MAX : row->to_ns;
        if (to_ns > row->from_ns)
            add_stretch(&b->list, &(stretch){.kind = STRETCH_GAP,
                                             .from_ns = row->from_ns,
                                             .to_ns = to_ns,
                                             .end_ns = to_ns});
    }
    qsort(b->list.rows, b->list.count, sizeof b->list.rows[0], compare_stretches);
}

/* Add the gaps between the stretches of the list and the ledger's gaps, and the pruned time between
 * them. */
static void find_between(between *b)
{
    stretch at = {.kind = STRETCH_RECORDED, /* the furthest one so far */
                  .session = SIZE_MAX,
                  .from_ns = b->first_ns,
                  .to_ns = b->first_ns,
                  .end_ns = b->first_ns};
    stretch pruned = {.kind = STRETCH_PRUNED}; /* furthest one, from where such stretches begin */
    add_gaps(b);
    for (size_t i = 0; i < b->list.count; i++) {
        const stretch *next = &b->list.rows[i];
        const int is_pruned = pruned.to_ns > at.to_ns;
        const int is_own_end = next->kind == STRETCH_GAP && next->from_ns <= at.end_ns;
        const int is_same_session = at.kind == STRETCH_RECORDED && next->kind == STRETCH_RECORDED &&
                                    at.session == next->session;
        if (next->from_ns > at.to_ns && next->from_ns <= b->last_ns && !is_pruned && !is_own_end)
            add_row(b, b->reason,
                    is_same_session && b->reason == GAP_RESTART ? "nothing for an hour" : b->cause,
                    "", (time_span){at.to_ns, next->from_ns});
        if (next->kind == STRETCH_PRUNED) {
            pruned.store = is_pruned ? common_store(&pruned, next) : next->store;
            pruned.from_ns = is_pruned ? pruned.from_ns : next->from_ns;
            pruned.to_ns = next->to_ns > pruned.to_ns ? next->to_ns : pruned.to_ns;
            continue;
        }
        const uint64_t from_ns = pruned.from_ns > at.to_ns ? pruned.from_ns : at.to_ns;
        if (is_pruned && next->from_ns > from_ns && next->from_ns <= b->last_ns)
            add_row(b, GAP_PRUNED, pruned.store == NULL ? "removed, not lost" : "moved to a store",
                    pruned.store == NULL ? "" : pruned.store, (time_span){from_ns, next->from_ns});
        if (next->to_ns > at.to_ns || (next->to_ns == at.to_ns && next->kind > at.kind))
            at = *next;
    }
}

static int has_topic(const time_account *self, size_t topic, const stretch *session)
{
    const topic_sessions *had = &self->had[topic];
    const size_t byte = session->session / 8;
    return byte < had->bytes && (had->bits[byte] >> (session->session % 8) & 1) != 0;
}

/* Search between the sessions that prove something about a topic: the ones that have it, and
 * recorded ones that began after the end of all earlier ones that have it. topic: SIZE_MAX for the
 * whole feed, which each session has. */
static void search_topic(between *b, size_t topic)
{
    uint64_t reach_ns = 0;
    size_t count = 0;
    b->list.count = 0;
    for (size_t i = b->from; i < b->to; i++) {
        const stretch *row = &b->of->received.rows[i];
        const int has = topic == SIZE_MAX || has_topic(b->of, topic, row);
        if (row->kind != STRETCH_PRUNED) {
            if (!has && (count == 0 || row->is_capture || row->from_ns <= reach_ns))
                continue;
            b->first_ns = count == 0 ? row->from_ns : b->first_ns;
            b->last_ns = row->from_ns;
            reach_ns = has && row->to_ns > reach_ns ? row->to_ns : reach_ns;
            count++;
        }
        add_stretch(&b->list, row);
    }
    if (count > 1)
        find_between(b);
}

static void search_feed(between *b)
{
    search_topic(b, SIZE_MAX);
}

/* 1 if a capture of the feed lacks the topic. */
static int is_lacked(const between *b, size_t topic)
{
    for (size_t i = b->from; i < b->to; i++) {
        const stretch *row = &b->of->received.rows[i];
        if (row->is_capture && !has_topic(b->of, topic, row))
            return 1;
    }
    return 0;
}

static void search_topics(between *b)
{
    for (size_t topic = 0; topic < b->of->topics.count; topic++) {
        const topic_entry *row = &b->of->topics.rows[topic];
        if (strcmp(row->feed, b->feed) != 0 || !is_lacked(b, topic))
            continue;
        b->topic = row->topic;
        b->symbol = row->symbol;
        search_topic(b, topic);
    }
}

/* Search in each feed. Gaps of whole feeds are added to the ledger first, so that topics get no
 * gaps for the same time. */
static void search_all(time_account *self, archive_view *view, void (*search)(between *b),
                       gap_list *ledger)
{
    const stretch_list *all = &self->received;
    gap_list found = {0};
    stretch_list scratch = {0};
    gap_index gaps = {0};
    size_t end = 0;
    gap_index_build(&gaps, ledger);
    for (size_t at = 0; at < all->count; at = end) {
        for (end = at + 1;
             end < all->count && strcmp(all->rows[end].feed, all->rows[at].feed) == 0;)
            end++;
        between b = {.of = self,
                     .view = view,
                     .reason = GAP_RESTART,
                     .cause = "between two sessions",
                     .gaps = &gaps,
                     .found = &found,
                     .from = at,
                     .to = end,
                     .feed = all->rows[at].feed,
                     .topic = "",
                     .symbol = "",
                     .list = scratch};
        search(&b);
        scratch = b.list;
    }
    gap_list_join(ledger, &found);
    gap_list_fini(&found);
    gap_index_fini(&gaps);
    td_free(scratch.rows);
}

/* ---- topics that were not asked for in between ---- */

static int compare_segments(const void *a, const void *b)
{
    const granted_segment *left = a;
    const granted_segment *right = b;
    const int order = strcmp(left->of->name.feed, right->of->name.feed);
    if (order != 0)
        return order;
    if (left->session != right->session)
        return left->session < right->session ? -1 : 1;
    return (left->of->name.number > right->of->name.number) -
           (left->of->name.number < right->of->name.number);
}

/* The search in the segments of one feed. */
typedef struct asked_search {
    time_account *of;
    archive_view *view;
    between *between;
    const granted_segment *segments;
    size_t count;
    asked_topics asked;
    stretch_list always; /* sessions that may have asked for any topic */
    topic_list names;    /* of the channels that were read */
    uint8_t has_all_names;
} asked_search;

/* 1 if all segments of the feed were granted the same topics to their ends. */
static int is_uniform(const asked_search *s)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < s->count; i++) {
        const granted_segment *at = &s->segments[i];
        if (at->has_ended_grants ||
            (hash != 0 && at->granted_hash != 0 && at->granted_hash != hash))
            return 0;
        hash = at->granted_hash != 0 ? at->granted_hash : hash;
    }
    return 1;
}

static void add_names(asked_search *s, const segment_index *index)
{
    for (size_t i = 0; i < index->channel_count; i++) {
        channel_info named = index->channels[i].info;
        named.symbol = strcmp(named.symbol, "*") == 0 ? "" : named.symbol;
        if (channel_role(&named) == ROLE_DATA && strlen(named.topic) < LIMIT_TOPIC_BYTES &&
            strlen(named.symbol) < LIMIT_SYMBOL_BYTES)
            (void)topic_list_get(&s->names, &named, named.topic);
    }
}

static td_result read_part(asked_search *s, const archive_segment *segment, catalog_part part,
                           segment_rows *rows)
{
    const td_result rc = archive_view_read(s->view, segment->path,
                                           archive_view_size(s->view, segment), part, rows, NULL);
    if (rc == TD_OK)
        add_names(s, &rows->index);
    return rc;
}

/* Add the grants of a session, whose segments are first..end-1. */
static void add_asked(asked_search *s, size_t first, size_t end)
{
    const size_t session = s->segments[first].session;
    stretch whole = {.kind = STRETCH_RECORDED, .session = session};
    uint64_t hash = 0;
    int has_grants = 0;
    int is_known = 1;
    for (size_t i = s->between->from; i < s->between->to; i++) {
        const stretch *row = &s->of->received.rows[i];
        if (row->session != session || row->kind != STRETCH_RECORDED)
            continue;
        whole.from_ns = whole.to_ns == 0 ? row->from_ns : whole.from_ns;
        whole.to_ns = whole.end_ns = row->to_ns > whole.to_ns ? row->to_ns : whole.to_ns;
    }
    if (whole.to_ns == 0) /* it received nothing */
        return;
    for (size_t i = first; i < end; i++) {
        const granted_segment *at = &s->segments[i];
        segment_rows rows;
        has_grants |= at->granted_hash != 0;
        if (at->granted_hash != 0 && at->granted_hash == hash && !at->has_ended_grants)
            continue;
        is_known &= read_part(s, at->of, CATALOG_ROWS, &rows) == TD_OK && rows.unknown_ns == 0;
        hash = at->granted_hash;
        asked_topics_add(&s->asked, session, &rows);
        segment_rows_fini(&rows);
    }
    asked_topics_end_session(&s->asked, session, whole.to_ns);
    if (!has_grants || !is_known)
        add_stretch(&s->always, &whole);
}

/* Topics of which no channel was read have one in another segment, or sent nothing. */
static size_t find_name(asked_search *s, const char *name)
{
    const char *feed = s->between->feed;
    size_t found = topic_list_find_exchange(&s->names, feed, name);
    for (size_t i = 0; found == TOPIC_LIST_NONE && !s->has_all_names && i < s->count; i++) {
        segment_rows rows;
        (void)read_part(s, s->segments[i].of, CATALOG_INDEX, &rows);
        segment_rows_fini(&rows);
    }
    s->has_all_names |= found == TOPIC_LIST_NONE;
    return found != TOPIC_LIST_NONE ? found : topic_list_find_exchange(&s->names, feed, name);
}

/* Take the times for which a topic was asked as the list of the search. */
static void take_spans(asked_search *s, const asked_topic *topic)
{
    between *b = s->between;
    b->list.count = 0;
    for (size_t i = 0; i < topic->span_count; i++) {
        const asked_span *span = &topic->spans[i];
        add_stretch(&b->list, &(stretch){.kind = STRETCH_RECORDED,
                                         .session = span->session,
                                         .from_ns = span->time.from_ns,
                                         .to_ns = span->time.to_ns,
                                         .end_ns = span->time.to_ns});
    }
    for (size_t i = 0; i < s->always.count; i++)
        add_stretch(&b->list, &s->always.rows[i]);
    for (size_t i = b->from; i < b->to; i++)
        if (b->of->received.rows[i].kind == STRETCH_PRUNED)
            add_stretch(&b->list, &b->of->received.rows[i]);
    b->first_ns = UINT64_MAX;
    b->last_ns = 0;
    for (size_t i = 0; i < topic->span_count; i++) {
        const uint64_t from_ns = topic->spans[i].time.from_ns;
        b->first_ns = from_ns < b->first_ns ? from_ns : b->first_ns;
        b->last_ns = from_ns > b->last_ns ? from_ns : b->last_ns;
    }
}

static void search_asked(between *b)
{
    time_account *self = b->of;
    const granted_segment *first = self->segments;
    const granted_segment *end = self->segments + self->segment_count;
    while (first < end && strcmp(first->of->name.feed, b->feed) != 0)
        first++;
    asked_search s = {.of = self, .view = b->view, .between = b, .segments = first};
    while (first + s.count < end && strcmp(first[s.count].of->name.feed, b->feed) == 0)
        s.count++;
    if (is_uniform(&s))
        return;
    size_t next = 0;
    for (size_t i = 0; i < s.count; i = next) {
        while (next < s.count && s.segments[next].session == s.segments[i].session)
            next++;
        add_asked(&s, i, next);
    }
    b->reason = GAP_NOT_SUBSCRIBED;
    b->cause = "recorded without this topic";
    for (size_t i = 0; i < s.asked.count; i++) {
        size_t name =
            s.asked.rows[i].span_count < 2 ? TOPIC_LIST_NONE : find_name(&s, s.asked.rows[i].name);
        for (; name != TOPIC_LIST_NONE; name = s.names.rows[name].next_same) {
            b->topic = s.names.rows[name].topic;
            b->symbol = s.names.rows[name].symbol;
            take_spans(&s, &s.asked.rows[i]);
            find_between(b);
        }
    }
    asked_topics_fini(&s.asked);
    topic_list_fini(&s.names);
    td_free(s.always.rows);
}

void time_account_add_between(time_account *self, archive_view *view, gap_list *ledger)
{
    if (self->is_full)
        td_log_emit(archive_log(view->archive), TD_LOG_WARNING,
                    "too many topics: gaps between sessions are missing for some of them");
    add_pruned(self, &view->past);
    join_segments(&self->received);
    if (self->segment_count > 0)
        qsort(self->segments, self->segment_count, sizeof *self->segments, compare_segments);
    search_all(self, view, search_feed, ledger);
    search_all(self, view, search_topics, ledger);
    search_all(self, view, search_asked, ledger);
}

/* ---- sessions without an end ---- */

uint64_t time_account_next_ns(archive *a, const archive_history *past, const past_segment *row,
                              uint64_t from_ns)
{
    const past_segment *end = past->segments + past->segment_count;
    for (const past_segment *later = row + 1; later < end; later++) {
        segment_index index;
        char path[LIMIT_PATH_BYTES]; /* archive_read_index also tries the final name */
        segment_open_path(later->path, path);
        if (later->stage == PAST_DISCARDED || strcmp(later->session, row->session) == 0 ||
            strcmp(later->feed, row->feed) != 0 ||
            archive_read_index(a, path, INDEX_SUMMARY, &index, NULL) != TD_OK)
            continue;
        uint64_t first_ns = index.first_ns;
        segment_index_fini(&index);
        if (first_ns > from_ns)
            return first_ns;
    }
    return GAP_OPEN;
}

/* 1 if another gap of `known` covers `row`. An open gap covers `row` even if the open gap begins
 * later: with it the recorder wrote that the slot was down when the session ended, and the recorder
 * knew the start better than the segments show it. An open gap that begins after last_ns, the
 * session's last message, does not count: the clock was ahead. */
static int is_covered(const gap_list *known, const gap_row *row, uint64_t last_ns)
{
    for (size_t i = 0; i < known->count; i++) {
        const gap_row *other = &known->rows[i];
        int reaches = other->to_ns == GAP_OPEN
                          ? other->from_ns <= last_ns
                          : other->from_ns <= row->from_ns && row->to_ns != GAP_OPEN &&
                                other->to_ns >= row->to_ns;
        if (reaches && other->reason != GAP_CORRUPT && other->topic[0] == '\0' &&
            other->symbol[0] == '\0' && other->line == row->line && other->shard == row->shard &&
            strcmp(other->feed, row->feed) == 0 && gap_row_compare(other, row) != 0)
            return 1;
    }
    return 0;
}

/* Add a gap for a slot, unless another gap covers it. An import's gap is always added: the next
 * import ends it. */
static void add_crash(gap_list *out, gap_row row, uint32_t line, uint32_t shard, uint32_t conn,
                      uint64_t last_ns)
{
    row.line = line;
    row.shard = shard;
    row.conn = conn;
    if (strcmp(row.cause, GAP_CAUSE_IMPORT) == 0 || !is_covered(out, &row, last_ns))
        gap_list_add(out, &row);
}

/* Add the gaps after the segment at path, the last one of its feed in its session: one for each
 * slot, from the slot's last frame, or from the segment's last message if the slot was connected
 * and received nothing. *last_ns gets the time of that message, or 0. Fails if the segment cannot
 * be read, which other checks report. */
static td_result add_after(archive_view *view, const char *path, gap_list *out, uint64_t *last_ns,
                           td_err *err)
{
    char final_path[LIMIT_PATH_BYTES];
    segment_name name;
    segment_rows rows;
    feed_slots slots = {0};
    const archive_segment *listed = archive_listing_find(&view->listing, path);
    *last_ns = 0;
    if (!segment_name_parse(segment_file_name(path), &name))
        return TD_OK;
    td_result rc = archive_view_read(
        view, path, listed == NULL ? 0 : archive_view_size(view, listed), CATALOG_ROWS, &rows, err);
    *last_ns = rc == TD_OK ? rows.index.last_ns : 0;
    if (*last_ns == 0 || !archive_history_is_crashed(&view->past, name.session)) {
        segment_rows_fini(&rows);
        return rc;
    }
    segment_final_path(path, final_path);
    const past_segment *of = archive_history_segment(&view->past, final_path);
    const uint64_t to_ns =
        of == NULL ? GAP_OPEN : time_account_next_ns(view->archive, &view->past, of, *last_ns);
    const feed_slots_query query = {
        .feed = name.feed, .session = name.session, .before_ns = UINT64_MAX};
    const int is_import = archive_history_is_import(&view->past, name.session);
    gap_row row = gap_row_of(GAP_CRASH, name.feed, *last_ns, to_ns,
                             is_import ? GAP_CAUSE_IMPORT : GAP_CAUSE_CRASH);
    row.detail = "the recording crashed: run 'tapedeck recover'";
    rc = feed_slots_read(view, &query, &slots, err);
    for (size_t i = 0; i < rows.conn_count && rc == TD_OK; i++) {
        const conn_row *conn = &rows.conns[i];
        if (conn->to_ns == 0 && feed_slots_find(&slots, conn->line, conn->shard) == NULL)
            add_crash(out, row, conn->line, conn->shard, conn->conn, *last_ns);
    }
    for (size_t i = 0; i < slots.slot_count && rc == TD_OK; i++) {
        const past_slot *slot = &slots.slots[i];
        if (past_slot_is_replaced(&slots, slot))
            continue;
        row.from_ns = past_slot_end_ns(slot);
        add_crash(out, row, slot->line, slot->shard, slot->conn, *last_ns);
    }
    feed_slots_fini(&slots);
    segment_rows_fini(&rows);
    return rc;
}

/* 1 if the segment has its final name and is the last one of a session without an end in the
 * journal: the recorder was killed before it opened another segment. The segment's stage may still
 * be PAST_OPENED, because the rename precedes the journal entry that the segment is finished. */
static int is_last_with_final_name(const archive_view *view, const past_segment *row)
{
    const session_row *session = archive_history_session(&view->past, row->session);
    return (row->stage == PAST_FINISHED || row->stage == PAST_OPENED) && !row->is_recovered &&
           session != NULL && session->state == SESSION_OPEN &&
           archive_listing_find(&view->listing, row->path) != NULL &&
           archive_history_is_last(&view->past, row);
}

/* 1 if the segment is of a session that the journal has, or continues an earlier segment: it is not
 * from elsewhere. */
static int is_of_archive(const archive_view *view, const archive_segment *segment)
{
    segment_index index;
    if (archive_history_session(&view->past, segment->name.session) != NULL)
        return 1;
    if (archive_read_index(view->archive, segment->path, INDEX_SUMMARY, &index, NULL) != TD_OK)
        return 0;
    const int continues = index.previous_segment[0] != '\0';
    segment_index_fini(&index);
    return continues;
}

/* 1 if the journal lacks the feed's last segment, which has its final name: the journal was copied
 * before it. Nothing shows that its session stopped. */
static int is_newer_than_journal(const archive_view *view, const archive_segment *segment)
{
    const archive_history *past = &view->past;
    if (!segment->name.is_parsed || archive_history_segment(past, segment->path) != NULL ||
        !past->journal.is_present || past->damage_count > 0)
        return 0;
    for (size_t i = 0; i < view->listing.segment_count; i++) {
        const segment_name *other = &view->listing.segments[i].name;
        const int is_later = other->first_s != segment->name.first_s
                                 ? other->first_s > segment->name.first_s
                                 : other->number > segment->name.number;
        if (is_later && strcmp(other->feed, segment->name.feed) == 0)
            return 0;
    }
    return is_of_archive(view, segment);
}

static void mark_lost(void *user, past_segment *segment)
{
    (void)user;
    segment->is_lost = 1;
}

td_result time_account_add_crashes(archive_view *view, gap_list *ledger, td_err *err)
{
    uint64_t last_ns;
    td_result rc = TD_OK;
    archive_each_missing(view->archive, &view->past, &view->listing, mark_lost, NULL);
    for (size_t i = 0; i < view->listing.segment_count && rc != TD_E_IO; i++) {
        const archive_segment *segment = &view->listing.segments[i];
        if ((!segment->name.is_open && !is_newer_than_journal(view, segment)) ||
            archive_session_is_live(&view->listing, view->live, segment->name.session))
            continue;
        rc = add_after(view, segment->path, ledger, &last_ns, err);
        if (rc != TD_OK || last_ns != 0)
            continue;
        /* A segment without messages is not its session's last: the one before it is. */
        char path[LIMIT_PATH_BYTES];
        segment_final_path(segment->path, path);
        past_segment *row = archive_history_segment(&view->past, path);
        if (row != NULL)
            row->stage = PAST_DISCARDED;
    }
    for (size_t i = 0; i < view->past.segment_count && rc != TD_E_IO; i++) {
        const past_segment *row = &view->past.segments[i];
        if (is_last_with_final_name(view, row) &&
            !archive_session_is_live(&view->listing, view->live, row->session))
            rc = add_after(view, row->path, ledger, &last_ns, err);
    }
    return rc == TD_E_IO ? rc : TD_OK; /* other checks report damage */
}
