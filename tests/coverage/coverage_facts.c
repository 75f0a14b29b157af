#include "tests/coverage/coverage_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "archive/archive_segment.h"
#include "archive/archive_view.h"
#include "archive/event.h"
#include "schema/family.h"

enum { HOUR_S = 3600 };

typedef struct scan {
    archive_view *view;
    law_facts *facts;
    event_reader *events;
    const family *family;
    size_t session;                /* of the segment */
    size_t open[LIMIT_FEED_SLOTS]; /* index of the open connection of each shard of line 0, or
                                      SIZE_MAX */
    uint8_t is_private;
} scan;

/* ---- names ---- */

static size_t topic_of(law_facts *facts, const char *feed, const char *topic, const char *symbol)
{
    if (strcmp(symbol, "*") == 0)
        symbol = "";
    for (size_t i = 0; i < facts->topic_count; i++) {
        const law_topic *row = &facts->topics[i];
        if (strcmp(row->feed, feed) == 0 && strcmp(row->topic, topic) == 0 &&
            strcmp(row->symbol, symbol) == 0)
            return i;
    }
    facts->topics = td_array_grow(facts->topics, facts->topic_count, sizeof *facts->topics);
    facts->topics[facts->topic_count] =
        (law_topic){td_strdup(feed), td_strdup(topic), td_strdup(symbol)};
    return facts->topic_count++;
}

static size_t session_of(scan *r, const segment_index *index)
{
    law_facts *facts = r->facts;
    for (size_t i = 0; i < facts->session_count; i++)
        if (strcmp(facts->sessions[i].id, index->session) == 0 &&
            strcmp(facts->sessions[i].feed, index->feed) == 0)
            return i;
    int is_live = archive_session_is_live(&r->view->listing, r->view->live, index->session);
    int is_crashed = archive_history_is_crashed(&r->view->past, index->session);
    const session_row *row = archive_history_session(&r->view->past, index->session);
    facts->sessions = td_array_grow(facts->sessions, facts->session_count, sizeof *facts->sessions);
    facts->sessions[facts->session_count] = (law_session){
        .feed = td_strdup(index->feed),
        .id = td_strdup(index->session),
        .end = is_live      ? LAW_LIVE
               : is_crashed ? LAW_CRASHED
                            : LAW_STOPPED,
        .is_import = strcmp(index->verb, "record") != 0 && strcmp(index->verb, "tap") != 0,
        .began_ns = index->session_start_ns,
        .stop_ns = row == NULL ? 0 : row->stop_ns};
    return facts->session_count++;
}

static size_t conn_of(scan *r, uint32_t line, uint32_t shard, uint32_t conn, uint64_t up_ns)
{
    law_facts *facts = r->facts;
    for (size_t i = facts->conn_count; i > 0; i--) {
        const law_conn *row = &facts->conns[i - 1];
        if (row->session == r->session && row->line == line && row->shard == shard &&
            row->conn == conn)
            return i - 1;
    }
    facts->conns = td_array_grow(facts->conns, facts->conn_count, sizeof *facts->conns);
    facts->conns[facts->conn_count] = (law_conn){
        .session = r->session, .line = line, .shard = shard, .conn = conn, .up_ns = up_ns};
    return facts->conn_count++;
}

/* ---- grants ---- */

/* Calls fn for each symbol of a topic in the exchange's spelling; "" for all symbols. */
static void each_topic(scan *r, const char *text, void (*fn)(scan *, size_t, const void *),
                       const void *user)
{
    topic_match found;
    td_bytes topic = td_bytes_str(text);
    td_bytes symbols = {0};
    char name[LIMIT_TOPIC_BYTES] = "";
    char symbol[LIMIT_SYMBOL_BYTES];
    const char *feed = r->facts->sessions[r->session].feed;
    if (r->family != NULL && topic_match_text(r->family->topics, r->family->topic_count, topic,
                                              TOPIC_ANY_TIME, &found)) {
        topic = found.topic;
        symbols = found.symbol;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)topic.size, (const char *)topic.data);
    size_t at = 0;
    do {
        size_t end = at;
        while (end < symbols.size && symbols.data[end] != '|')
            end++;
        (void)snprintf(symbol, sizeof symbol, "%.*s", (int)(end - at),
                       symbols.size == 0 ? "" : (const char *)symbols.data + at);
        fn(r, topic_of(r->facts, feed, name, symbol), user);
        at = end + 1;
    } while (at < symbols.size);
}

typedef struct grant_change {
    size_t conn;
    uint64_t from_ns, to_ns;
    int is_end;
} grant_change;

static void put_grant(scan *r, size_t topic, const void *user)
{
    const grant_change *change = user;
    law_facts *facts = r->facts;
    int is_known = 0;
    for (size_t i = facts->grant_count; i > 0; i--) {
        law_grant *row = &facts->grants[i - 1];
        if (row->conn != change->conn || row->topic != topic)
            continue;
        if (!change->is_end && row->from_ns == change->from_ns)
            return;
        if (change->is_end && row->to_ns == 0) {
            row->to_ns = change->to_ns;
            is_known = 1;
        }
    }
    if (is_known)
        return;
    facts->grants = td_array_grow(facts->grants, facts->grant_count, sizeof *facts->grants);
    facts->grants[facts->grant_count++] =
        (law_grant){.conn = change->conn,
                    .topic = topic,
                    .from_ns = change->is_end ? change->to_ns : change->from_ns,
                    .to_ns = change->to_ns};
}

static void put_request(scan *r, size_t topic, const void *user)
{
    law_facts *facts = r->facts;
    (void)user;
    for (size_t i = 0; i < facts->request_count; i++)
        if (facts->requests[i].session == r->session && facts->requests[i].topic == topic)
            return;
    facts->requests = td_array_grow(facts->requests, facts->request_count, sizeof *facts->requests);
    facts->requests[facts->request_count++] = (law_request){r->session, topic};
}

/* ---- events ---- */

static size_t *open_of(scan *r, uint32_t line, uint32_t shard)
{
    return line == 0 && shard < LIMIT_FEED_SLOTS ? &r->open[shard] : NULL;
}

static void open_conn(scan *r, uint32_t line, uint32_t shard, uint32_t conn, uint64_t up_ns)
{
    size_t *open = open_of(r, line, shard);
    size_t made = conn_of(r, line, shard, conn, up_ns);
    if (open == NULL)
        return;
    if (*open != SIZE_MAX && *open != made && r->facts->conns[*open].down_ns == 0)
        r->facts->conns[*open].down_ns = up_ns;
    *open = made;
}

/* Until when a withdrawn grant was proven: the connection's last data, or its proof if that is
 * earlier. */
static uint64_t end_here(const law_conn *conn)
{
    uint64_t end_ns = conn->last_data_ns != 0 ? conn->last_data_ns : conn->up_ns;
    return conn->proven_ns != 0 && conn->proven_ns < end_ns ? conn->proven_ns : end_ns;
}

static void apply_event(scan *r, const event *found, uint64_t recv_ns)
{
    size_t *open = open_of(r, found->line, found->shard);
    char one[LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES];
    for (size_t i = 0; i < found->slot_count; i++) {
        const event_slot *slot = &found->slots[i];
        open_conn(r, slot->line, slot->shard, slot->conn, slot->since_ns);
    }
    if (found->kind == EVENT_CONNECT)
        open_conn(r, found->line, found->shard, found->conn, recv_ns);
    if (open == NULL || *open == SIZE_MAX)
        return;
    law_conn *conn = &r->facts->conns[*open];
    switch ((int)found->kind) {
    case EVENT_DISCONNECT:
        conn->down_ns = recv_ns;
        conn->is_stale = found->cause != NULL && strcmp(found->cause, "stale") == 0;
        conn->is_by_us = found->by != NULL && strcmp(found->by, "us") == 0;
        *open = SIZE_MAX;
        break;
    case EVENT_AUTH:
        r->is_private = 1;
        break;
    case EVENT_GRANT:
    case EVENT_GRANT_END: {
        int is_end = found->kind == EVENT_GRANT_END;
        const grant_change change = {.conn = *open,
                                     .from_ns = found->from_ns,
                                     .to_ns = is_end ? end_here(conn) : 0,
                                     .is_end = is_end};
        if (found->topic != NULL)
            each_topic(r, found->topic, put_grant, &change);
        if (found->topic != NULL)
            each_topic(r, found->topic, put_request, NULL);
        break;
    }
    case EVENT_SUBSCRIBE:
        for (const char *at = found->topics; at != NULL && *at != '\0';) {
            size_t size = strcspn(at, ",");
            (void)snprintf(one, sizeof one, "%.*s", (int)size, at);
            each_topic(r, one, put_request, NULL);
            at += size + (at[size] == ',');
        }
        break;
    default:
        break;
    }
}

static void apply_frame(scan *r, const channel_info *info, uint64_t recv_ns)
{
    law_session *session = &r->facts->sessions[r->session];
    if (info->dir != CHANNEL_IN)
        return;
    session->first_ns = session->first_ns == 0 ? recv_ns : session->first_ns;
    session->last_ns = recv_ns > session->last_ns ? recv_ns : session->last_ns;
    size_t *open = open_of(r, info->line, info->shard);
    if (open == NULL || *open == SIZE_MAX)
        return;
    law_conn *conn = &r->facts->conns[*open];
    conn->first_ns = conn->first_ns == 0 ? recv_ns : conn->first_ns;
    conn->last_ns = recv_ns;
    if (channel_role(info) == ROLE_CONTROL && !r->is_private)
        return;
    conn->first_data_ns = conn->first_data_ns == 0 ? recv_ns : conn->first_data_ns;
    conn->last_data_ns = recv_ns;
}

/* ---- segments ---- */

static void apply_chunk(scan *r, segment_reader *reader, uint32_t chunk, segment_scratch *scratch,
                        td_buf *records)
{
    chain_conn conns[CHAIN_CONNS_MAX];
    chain_record chain;
    segment_message frame;
    event found;
    size_t at = 0;
    law_session *session = &r->facts->sessions[r->session];
    if (segment_reader_read(reader, chunk, scratch, records, NULL) != TD_OK)
        return;
    while (segment_reader_message(reader, td_buf_view(records), &at, &frame, NULL) == TD_OK) {
        session->end_ns = frame.log_ns > session->end_ns ? frame.log_ns : session->end_ns;
        if (channel_has_events(&frame.channel->info)) {
            if (event_decode(r->events, frame.data, &found, NULL) == TD_OK)
                apply_event(r, &found, frame.log_ns);
        } else {
            apply_frame(r, &frame.channel->info, frame.log_ns);
        }
    }
    if (segment_reader_chain(reader, chunk, conns, &chain, NULL) != TD_OK)
        return;
    for (uint32_t i = 0; i < chain.conn_count; i++) {
        size_t at_conn = conn_of(r, conns[i].line, conns[i].shard, conns[i].conn, 0);
        law_conn *conn = &r->facts->conns[at_conn];
        uint64_t end_ns = segment_reader_chunk(reader, chunk)->last_ns;
        uint64_t late_ns = conns[i].late_ms * TD_NS_PER_MS;
        if (late_ns > 0 && late_ns < end_ns && end_ns - late_ns > conn->proven_ns)
            conn->proven_ns = end_ns - late_ns;
    }
}

static void apply_segment(scan *r, const archive_segment *segment, const segment_index *index)
{
    segment_reader *reader = NULL;
    td_buf records;
    r->session = session_of(r, index);
    r->family = family_find(td_bytes_str(index->family));
    if (archive_open_segment(r->view->archive, segment->path, &reader, NULL) != TD_OK)
        return;
    td_buf_init(&records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    segment_scratch *scratch = segment_scratch_open();
    for (uint32_t i = 0; i < segment_reader_chunk_count(reader); i++)
        apply_chunk(r, reader, i, scratch, &records);
    segment_scratch_close(scratch);
    td_buf_fini(&records);
    segment_reader_close(reader);
}

static void add_span(law_span **rows, size_t *count, const char *feed, size_t session,
                     uint64_t from_ns, uint64_t to_ns)
{
    *rows = td_array_grow(*rows, *count, sizeof **rows);
    (*rows)[(*count)++] = (law_span){td_strdup(feed), session, from_ns, to_ns};
}

typedef struct seg_entry {
    const archive_segment *segment;
    segment_index index;
} seg_entry;

static int compare_entries(const void *a, const void *b)
{
    const seg_entry *left = a;
    const seg_entry *right = b;
    int order = strcmp(left->index.feed, right->index.feed);
    if (order == 0 && left->index.session_start_ns != right->index.session_start_ns)
        order = left->index.session_start_ns < right->index.session_start_ns ? -1 : 1;
    if (order == 0)
        order = strcmp(left->index.session, right->index.session);
    if (order == 0 && left->index.number != right->index.number)
        order = left->index.number < right->index.number ? -1 : 1;
    return order;
}

/* Reads a session's segments in order. */
static void read_segments(scan *r)
{
    const archive_listing *listing = &r->view->listing;
    seg_entry *all = td_alloc_zero(listing->segment_count + 1, sizeof *all);
    size_t count = 0;
    for (size_t i = 0; i < listing->segment_count; i++) {
        all[count].segment = &listing->segments[i];
        if (archive_read_index(r->view->archive, listing->segments[i].path, INDEX_SUMMARY,
                               &all[count].index, NULL) == TD_OK &&
            all[count].index.first_ns != 0)
            count++;
    }
    if (count > 0)
        qsort(all, count, sizeof *all, compare_entries);
    for (size_t i = 0; i < count; i++) {
        const segment_index *index = &all[i].index;
        int is_next = i > 0 && strcmp(all[i - 1].index.session, index->session) == 0 &&
                      strcmp(all[i - 1].index.feed, index->feed) == 0;
        uint64_t last_ns = is_next ? r->facts->sessions[r->session].last_ns : 0;
        if (!is_next) {
            for (size_t k = 0; k < LIMIT_FEED_SLOTS; k++)
                r->open[k] = SIZE_MAX;
            r->is_private = 0;
        }
        apply_segment(r, all[i].segment, index);
        if (is_next && last_ns != 0 &&
            index->first_ns / TD_NS_PER_S / HOUR_S > last_ns / TD_NS_PER_S / HOUR_S + 1)
            add_span(&r->facts->silent, &r->facts->silent_count, index->feed, r->session, last_ns,
                     index->first_ns);
    }
    for (size_t i = 0; i < count; i++)
        segment_index_fini(&all[i].index);
    td_free(all);
}

/* 1 if a grant or request of the wide topic (all symbols, or everything) includes this topic. */
static int is_within(const law_topic *wide, const law_topic *topic)
{
    int is_all = strcmp(wide->topic, EVENT_GRANT_ALL) == 0;
    return wide != topic && strcmp(topic->feed, wide->feed) == 0 &&
           (is_all || (wide->symbol[0] == '\0' && strcmp(wide->topic, topic->topic) == 0));
}

static void spread_grants(law_facts *facts)
{
    const size_t grants = facts->grant_count;
    const size_t requests = facts->request_count;
    for (size_t k = 0; k < facts->topic_count; k++) {
        for (size_t i = 0; i < grants; i++) {
            law_grant made = facts->grants[i];
            if (!is_within(&facts->topics[made.topic], &facts->topics[k]))
                continue;
            made.topic = k;
            facts->grants = td_array_grow(facts->grants, facts->grant_count, sizeof made);
            facts->grants[facts->grant_count++] = made;
        }
        for (size_t i = 0; i < requests; i++) {
            law_request made = facts->requests[i];
            if (!is_within(&facts->topics[made.topic], &facts->topics[k]))
                continue;
            made.topic = k;
            facts->requests = td_array_grow(facts->requests, facts->request_count, sizeof made);
            facts->requests[facts->request_count++] = made;
        }
    }
}

/* Adds the topics of channels. */
static void add_channels(scan *r)
{
    for (size_t i = 0; i < r->view->listing.segment_count; i++) {
        segment_index index;
        if (archive_read_index(r->view->archive, r->view->listing.segments[i].path, INDEX_FULL,
                               &index, NULL) != TD_OK)
            continue;
        for (size_t k = 0; k < index.channel_count; k++) {
            const channel_info *info = &index.channels[k].info;
            if (channel_role(info) == ROLE_DATA && strlen(info->topic) < LIMIT_TOPIC_BYTES &&
                strlen(info->symbol) < LIMIT_SYMBOL_BYTES)
                (void)topic_of(r->facts, index.feed, info->topic, info->symbol);
        }
        segment_index_fini(&index);
    }
}

td_result coverage_facts_read(archive *a, law_facts *out, td_err *err)
{
    *out = (law_facts){0};
    scan *r = td_alloc_zero(1, sizeof *r);
    r->facts = out;
    r->events = event_reader_open();
    td_result rc = archive_view_open(a, VIEW_FILES, NULL, &r->view, err);
    if (rc == TD_OK) {
        read_segments(r);
        add_channels(r);
        spread_grants(out);
        for (size_t i = 0; i < r->view->past.segment_count; i++) {
            const past_segment *segment = &r->view->past.segments[i];
            if (segment->stage == PAST_PRUNED)
                add_span(&out->pruned, &out->pruned_count, segment->feed, 0, segment->first_ns,
                         segment->last_ns);
        }
    }
    archive_view_close(r->view);
    event_reader_close(r->events);
    td_free(r);
    return rc;
}

void coverage_facts_fini(law_facts *facts)
{
    for (size_t i = 0; i < facts->session_count; i++) {
        td_free((void *)facts->sessions[i].feed);
        td_free((void *)facts->sessions[i].id);
    }
    for (size_t i = 0; i < facts->topic_count; i++) {
        td_free((void *)facts->topics[i].feed);
        td_free((void *)facts->topics[i].topic);
        td_free((void *)facts->topics[i].symbol);
    }
    for (size_t i = 0; i < facts->pruned_count; i++)
        td_free((void *)facts->pruned[i].feed);
    for (size_t i = 0; i < facts->silent_count; i++)
        td_free((void *)facts->silent[i].feed);
    td_free(facts->sessions);
    td_free(facts->conns);
    td_free(facts->grants);
    td_free(facts->topics);
    td_free(facts->requests);
    td_free(facts->pruned);
    td_free(facts->silent);
    *facts = (law_facts){0};
}
