#include "archive/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "archive/archive_segment.h"
#include "archive/catalog_known.h"
#include "archive/crash_gaps.h"
#include "archive/event.h"
#include "archive/feed_past.h"
#include "format/segment_reader.h"
#include "archive/session_spans.h"

_Static_assert(GAP_MEMBER_COUNT + 0U <= JOURNAL_FIELDS_MAX, "a gap is one entry");

/* ---- journal entries as rows ---- */

/* 1 if the entry is a gap that can be understood; texts is memory for its strings. */
static int read_gap(const journal_entry *entry, char texts[GAP_TEXTS_BYTES], gap_row *out)
{
    char *at = texts;
    *out = (gap_row){0};
    for (size_t i = 0; i < GAP_MEMBER_COUNT; i++) {
        const gap_member *member = &GAP_MEMBERS[i];
        if (member->type == GAP_MEMBER_REASON) {
            if (!gap_reason_parse(journal_get(entry, member->key), &out->reason))
                return 0;
        } else if (member->type == GAP_MEMBER_TEXT) {
            TD_ASSERT(member->text_bytes <= (size_t)(texts + GAP_TEXTS_BYTES - at));
            journal_get_text(entry, member->key, at, member->text_bytes);
            gap_member_set_text(out, member, at);
            at += member->text_bytes;
        } else {
            uint64_t number = journal_get_u64(entry, member->key, member->absent);
            gap_member_set_number(out, member, number);
        }
    }
    return 1;
}

/* texts as above. */
static void read_note(const journal_entry *entry, char texts[GAP_TEXTS_BYTES], note_row *out)
{
    char *text = texts + LIMIT_NAME_BYTES;
    journal_get_text(entry, "feed", texts, LIMIT_NAME_BYTES);
    journal_get_text(entry, "text", text, GAP_LONG_TEXT_BYTES);
    *out = (note_row){
        .time_ns = journal_get_u64(entry, "time_ns", 0),
        .from_ns = journal_get_u64(entry, "from_ns", 0),
        .to_ns = journal_get_u64(entry, "to_ns", 0),
        .feed = texts,
        .text = text,
    };
}

td_result ledger_write_gap(journal *j, const gap_row *row, td_err *err)
{
    char numbers[GAP_MEMBER_COUNT][24];
    journal_field fields[GAP_MEMBER_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < GAP_MEMBER_COUNT; i++) {
        const gap_member *member = &GAP_MEMBERS[i];
        if (gap_member_is_absent(row, member))
            continue;
        fields[count++] =
            gap_member_is_text(member)
                ? journal_text(member->key, gap_member_text(row, member))
                : journal_u64(member->key, gap_member_number(row, member), numbers[i]);
    }
    return journal_append(j, JOURNAL_GAP, fields, count, err);
}

/* ---- into the catalog ---- */

static td_result enter(void *user, const journal_entry *entry, td_err *err)
{
    catalog *c = user;
    char session[SESSION_ID_BYTES];
    char texts[GAP_TEXTS_BYTES];
    if (td_bytes_is(entry->act, JOURNAL_GAP)) {
        gap_row row;
        return read_gap(entry, texts, &row) ? catalog_put_gap(c, "", &row, err) : TD_OK;
    }
    if (td_bytes_is(entry->act, JOURNAL_NOTE)) {
        note_row row;
        read_note(entry, texts, &row);
        return catalog_put_note(c, &row, err);
    }
    if (td_bytes_is(entry->act, JOURNAL_SESSION_START)) {
        session_row row;
        journal_get_session(entry, &row);
        return catalog_put_session(c, &row, err);
    }
    journal_get_text(entry, "session", session, sizeof session);
    if (td_bytes_is(entry->act, JOURNAL_SESSION_STOP))
        return catalog_end_session(c, session, SESSION_STOPPED,
                                   journal_get_u64(entry, "stop_ns", 0), err);
    if (td_bytes_is(entry->act, JOURNAL_SESSION_CRASHED))
        return catalog_end_session(c, session, SESSION_CRASHED, 0, err);
    return TD_OK;
}

td_result ledger_catch_up(archive *a, catalog *c, td_err *err)
{
    chain_place from = {0};
    int is_behind = 0;
    journal_state state;
    td_result rc = catalog_get_state(c, &from, &is_behind, err);
    if (rc == TD_OK)
        rc = journal_read_from(a, from, enter, c, &state, err);
    if (rc == TD_OK)
        rc = catalog_set_place(c, (chain_place){state.sound_bytes, state.mark}, err);
    return rc;
}

/* ---- sessions ---- */

/* Sessions that only a segment knows: the journal was lost, or the archive is a single file. */
static void add_from_segments(archive *a, const archive_listing *listing, archive_past *past)
{
    for (size_t i = 0; i < listing->segment_count; i++) {
        const archive_segment *segment = &listing->segments[i];
        segment_reader *reader = NULL;
        if (segment->name.is_parsed && archive_past_session(past, segment->name.session) != NULL)
            continue;
        if (archive_open_segment(a, segment->path, &reader, NULL) != TD_OK)
            continue; /* verify reports it */
        const segment_session *session = &segment_reader_info(reader)->session;
        session_row row = {.state = SESSION_OPEN, .start_ns = session->start_ns};
        (void)snprintf(row.session, sizeof row.session, "%s", session->session);
        (void)snprintf(row.verb, sizeof row.verb, "%s", session->verb);
        (void)snprintf(row.version, sizeof row.version, "%s", session->version);
        if (row.session[0] != '\0' && archive_past_session(past, row.session) == NULL)
            archive_past_add_session(past, &row);
        segment_reader_close(reader);
    }
}

/* Without an end, and no process is at work: it crashed, though recover has not written that yet.
 */
static void mark_crashed(archive_past *past, const archive_listing *listing, const char *live)
{
    for (size_t i = 0; i < past->session_count; i++)
        if (past->sessions[i].state == SESSION_OPEN &&
            !archive_session_is_live(listing, live, past->sessions[i].session))
            past->sessions[i].state = SESSION_CRASHED;
}

static int compare_sessions(const void *a, const void *b)
{
    const session_row *left = a;
    const session_row *right = b;
    if (left->start_ns != right->start_ns)
        return left->start_ns < right->start_ns ? -1 : 1;
    return strcmp(left->session, right->session);
}

td_result archive_sessions(archive *a, session_row **rows, size_t *count, td_err *err)
{
    archive_past past = {0};
    archive_listing listing = {0};
    char live[SESSION_ID_BYTES];
    *rows = NULL;
    *count = 0;
    td_result rc = archive_list(a, &listing, err);
    if (rc == TD_OK)
        rc = archive_live_session(a, live, err);
    if (rc == TD_OK)
        rc = archive_past_read(a, &past, err);
    if (rc == TD_OK) {
        mark_crashed(&past, &listing, live);
        add_from_segments(a, &listing, &past);
    }
    if (rc == TD_OK && past.session_count > 0) {
        qsort(past.sessions, past.session_count, sizeof past.sessions[0], compare_sessions);
        *rows = past.sessions;
        *count = past.session_count;
        past.sessions = NULL;
    }
    archive_listing_fini(&listing);
    archive_past_fini(&past);
    return rc;
}

/* ---- gaps ---- */

/* What the ledger is read from, each once. */
typedef struct sources {
    archive *archive;
    archive_listing listing;
    char live[SESSION_ID_BYTES];
    known_catalog known;
    archive_past past;
    gap_list journal; /* its gaps */
} sources;

static td_result take_entry(void *user, const journal_entry *entry, td_err *err)
{
    sources *s = user;
    char texts[GAP_TEXTS_BYTES];
    gap_row row;
    (void)err;
    if (!td_bytes_is(entry->act, JOURNAL_GAP))
        archive_past_take(&s->past, entry);
    else if (read_gap(entry, texts, &row))
        gap_list_add(&s->journal, &row);
    return TD_OK;
}

/* The segments are listed before the journal is read: if a session begins meanwhile, its open gap
 * is read but its frames are not. Which session is live is asked in between: one that ends
 * meanwhile has its end in the journal. */
static td_result sources_open(archive *a, sources *s, td_err *err)
{
    *s = (sources){.archive = a};
    td_result rc = archive_list(a, &s->listing, err);
    if (rc == TD_OK)
        rc = archive_live_session(a, s->live, err);
    if (rc == TD_OK)
        rc = known_catalog_open(a, archive_log(a), TD_LOG_DEBUG, &s->known, err);
    if (rc == TD_OK)
        rc = journal_read(a, take_entry, s, &s->past.journal, err);
    if (rc == TD_OK)
        archive_past_check(&s->past, a, &s->listing);
    return rc;
}

static void sources_close(sources *s)
{
    archive_listing_fini(&s->listing);
    known_catalog_close(&s->known);
    archive_past_fini(&s->past);
    gap_list_fini(&s->journal);
}

static int has_events(const segment_reader *reader, uint32_t chunk)
{
    TD_ASSERT(chunk < segment_reader_chunk_count(reader));
    for (uint32_t i = 0; i < segment_reader_channel_count(reader); i++) {
        const segment_channel *channel = segment_reader_channel(reader, i);
        if (channel->info.dir == CHANNEL_EVENT && segment_reader_chunk_has(reader, chunk, channel))
            return 1;
    }
    return 0;
}

static void event_gap(event_reader *events, const segment_message *message, gap_list *into)
{
    event found;
    if (event_decode(events, message->data, &found, NULL) != TD_OK || found.kind != EVENT_GAP)
        return;
    found.gap.feed = message->channel->info.feed;
    gap_list_add(into, &found.gap);
}

static td_result chunk_gaps(const segment_reader *reader, td_bytes records, event_reader *events,
                            gap_list *into, td_err *err)
{
    size_t at = 0;
    td_result rc = TD_OK;
    while (rc == TD_OK) {
        segment_message message;
        rc = segment_reader_message(reader, records, &at, &message, err);
        if (rc == TD_OK && message.channel->info.dir == CHANNEL_EVENT)
            event_gap(events, &message, into);
    }
    /* verify reports damage inside a chunk; its other events still count. */
    return rc == TD_EOF || rc == TD_E_CORRUPT ? TD_OK : rc;
}

static td_result reader_gaps(const segment_reader *reader, event_reader *events, gap_list *into,
                             td_err *err)
{
    td_buf records;
    td_buf_init(&records, LIMIT_CHUNK_BYTES + SEGMENT_PADDING_BYTES);
    segment_scratch *scratch = segment_scratch_open();
    td_result rc = TD_OK;
    for (uint32_t i = 0; i < segment_reader_chunk_count(reader) && rc == TD_OK; i++) {
        if (!has_events(reader, i))
            continue;
        rc = segment_reader_read(reader, i, scratch, &records, err);
        if (rc == TD_OK)
            rc = chunk_gaps(reader, td_buf_view(&records), events, into, err);
        else if (rc != TD_E_IO)
            rc = TD_OK; /* a damaged chunk: for verify */
    }
    segment_scratch_close(scratch);
    td_buf_fini(&records);
    return rc;
}

td_result segment_gaps(archive *a, const char *path, gap_list *into, td_err *err)
{
    segment_reader *reader = NULL;
    event_reader *events = NULL;
    td_result rc = archive_open_segment(a, path, &reader, err);
    if (rc == TD_OK) {
        events = event_reader_open();
        rc = reader_gaps(reader, events, into, err);
    }
    event_reader_close(events);
    segment_reader_close(reader);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "events of segment %s", path);
}

/* A segment that is in the catalog as it is need not be read itself. */
static td_result known_or_read_gaps(archive *a, known_catalog *known,
                                    const archive_segment *segment, gap_list *out, td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    td_result rc = known_catalog_has(known, segment)
                       ? known_catalog_load_gaps(known, segment->path, out, err)
                       : TD_E_NOTFOUND;
    if (rc != TD_E_NOTFOUND)
        return rc;
    td_err_clear(err);
    rc = segment_gaps(a, segment->path, out, &cause);
    if (rc != TD_OK)
        td_log_emit(archive_log(a), TD_LOG_WARNING, "passed over: %s", cause.text);
    return TD_OK;
}

static td_result one_segment(sources *s, const archive_segment *segment, gap_source_fn *fn,
                             void *user, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    gap_list rows = {0};
    segment_final_path(segment->path, path);
    td_result rc = known_or_read_gaps(s->archive, &s->known, segment, &rows, err);
    if (rc == TD_OK && rows.count > 0)
        rc = fn(user, path, &rows, err);
    gap_list_fini(&rows);
    return rc;
}

static td_result each_segment(sources *s, gap_source_fn *fn, void *user, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < s->listing.segment_count && rc == TD_OK; i++)
        rc = one_segment(s, &s->listing.segments[i], fn, user, err);
    return rc;
}

td_result archive_each_gap_source(archive *a, gap_source_fn *fn, void *user, td_err *err)
{
    sources s;
    td_result rc = sources_open(a, &s, err);
    if (rc == TD_OK)
        rc = fn(user, "", &s.journal, err);
    if (rc == TD_OK)
        rc = each_segment(&s, fn, user, err);
    sources_close(&s);
    return rc;
}

static td_result join(void *list, const char *source, const gap_list *rows, td_err *err)
{
    (void)source;
    (void)err;
    gap_list_join(list, rows);
    return TD_OK;
}

/* Drop gaps of the journal that lie inside pruned ranges. Gaps of a segment went with it. */
static int is_pruned_away(const archive_past *past, const gap_row *row)
{
    return row->to_ns != GAP_OPEN && archive_past_is_pruned(past, row->feed, row->from_ns) &&
           archive_past_is_pruned(past, row->feed, row->to_ns);
}

static void join_journal(const sources *s, gap_list *list)
{
    for (size_t i = 0; i < s->journal.count; i++) {
        const gap_row *row = &s->journal.rows[i];
        if (gap_list_find(list, row) != NULL || !is_pruned_away(&s->past, row))
            gap_list_add(list, row);
    }
}

/* ---- what the segments on the disk lack ---- */

static void mark_missing(void *user, past_segment *segment)
{
    td_log_emit(archive_log(user), TD_LOG_WARNING,
                "missing: %s: the journal lists it, but it is not on disk", segment->path);
    segment->is_lost = 1;
}

/* The row of a segment that is not there; its writer, or recover, may have journaled one. After the
 * last one of a crashed session nothing of the session is there either. */
static void add_missing(const sources *s, const past_segment *segment, gap_list *list)
{
    segment_name name;
    uint64_t from_ns;
    uint64_t to_ns;
    if (!segment_name_parse(segment_file_name(segment->path), &name) || segment->is_corrupt)
        return;
    archive_segment_time(&s->listing, &name, &from_ns, &to_ns);
    if (crash_gaps_are_due(&s->past, segment->session) && crash_gaps_is_last(&s->past, segment))
        to_ns = crash_gaps_end(s->archive, &s->past, segment, from_ns);
    gap_row row = gap_row_of(GAP_CORRUPT, name.feed, from_ns, to_ns, "segment is missing");
    row.detail = segment->path;
    gap_list_add(list, &row);
}

static void add_lacking(sources *s, gap_list *list)
{
    archive_each_missing(s->archive, &s->past, &s->listing, mark_missing, s->archive);
    for (size_t i = 0; i < s->past.segment_count; i++)
        if (s->past.segments[i].is_lost)
            add_missing(s, &s->past.segments[i], list);
    crash_gaps_find(s->archive, &s->past, &s->listing, s->live, list);
}

td_result archive_gaps(archive *a, gap_list *out, td_err *err)
{
    sources s;
    gap_list rows = {0};
    session_spans spans = {0};
    *out = (gap_list){0};
    td_result rc = sources_open(a, &s, err);
    if (rc == TD_OK) /* before the gaps, which may grow meanwhile */
        rc = session_spans_read_listed(a, &s.known, &s.listing, &spans, err);
    if (rc == TD_OK)
        rc = each_segment(&s, join, &rows, err);
    if (rc == TD_OK) {
        archive_past_damage_gaps(&s.past, &s.listing, &s.journal);
        join_journal(&s, &rows);
        add_lacking(&s, &rows);
        session_spans_add_gaps(&spans, &s.past, &rows);
    }
    if (rc == TD_OK) {
        *out = rows;
        rows = (gap_list){0};
    }
    session_spans_fini(&spans);
    gap_list_fini(&rows);
    sources_close(&s);
    return rc;
}

td_result archive_feed_gaps(archive *a, const char *feed, gap_list *out, td_err *err)
{
    sources s;
    gap_list rows = {0};
    *out = (gap_list){0};
    td_result rc = sources_open(a, &s, err);
    for (size_t i = 0; i < s.listing.segment_count && rc == TD_OK; i++) {
        if (strcmp(s.listing.segments[i].name.feed, feed) == 0)
            rc = one_segment(&s, &s.listing.segments[i], join, &rows, err);
    }
    if (rc == TD_OK)
        gap_list_join(&rows, &s.journal);
    if (rc == TD_OK) {
        *out = rows;
        rows = (gap_list){0};
    }
    gap_list_fini(&rows);
    sources_close(&s);
    return rc;
}
