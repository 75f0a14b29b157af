#include "archive/feed_history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "format/chain.h"
#include "format/segment_index.h"
#include "archive/archive_segment.h"
#include "archive/journal.h"

/* ---- the journal ---- */

session_row archive_history_session_of(const segment_index *index)
{
    session_row row = {.state = SESSION_OPEN, .start_ns = index->session_start_ns};
    memcpy(row.session, index->session, sizeof row.session);
    memcpy(row.verb, index->verb, sizeof row.verb);
    memcpy(row.version, index->version, sizeof row.version);
    return row;
}

static uint64_t session_hash(const char *session)
{
    return td_xxh64(session, strlen(session));
}

/* Get the latest session with this id, if the journal has the id twice. */
session_row *archive_history_session(const archive_history *past, const char *session)
{
    session_row *found = NULL;
    row_probe at = row_probe_of(session_hash(session));
    while (row_table_next(&past->by_session, &at)) {
        session_row *row = &past->sessions[at.row];
        if (strcmp(row->session, session) == 0 && (found == NULL || row > found))
            found = row;
    }
    return found;
}

static int compare_sessions(const void *a, const void *b)
{
    const session_row *left = a;
    const session_row *right = b;
    if (left->start_ns != right->start_ns)
        return left->start_ns < right->start_ns ? -1 : 1;
    return strcmp(left->session, right->session);
}

void archive_history_sort_sessions(archive_history *past)
{
    if (past->session_count > 0)
        qsort(past->sessions, past->session_count, sizeof past->sessions[0], compare_sessions);
    row_table_clear(&past->by_session);
    for (size_t i = 0; i < past->session_count; i++)
        row_table_put(&past->by_session, session_hash(past->sessions[i].session), i);
}

int archive_history_is_crashed(const archive_history *past, const char *session)
{
    const session_row *row = archive_history_session(past, session);
    return row == NULL || row->state != SESSION_STOPPED;
}

int archive_history_is_import(const archive_history *past, const char *session)
{
    const session_row *row = archive_history_session(past, session);
    return row != NULL && strcmp(row->verb, "import") == 0;
}

static int has_recorded(const archive_history *past, const char *session, const char *feed)
{
    for (size_t i = 0; i < past->segment_count; i++)
        if (strcmp(past->segments[i].feed, feed) == 0 &&
            strcmp(past->segments[i].session, session) == 0)
            return 1;
    return 0;
}

uint64_t archive_history_asked_until_ns(const archive_history *past, const char *feed,
                                        const char *next)
{
    uint64_t until_ns = 0;
    uint64_t next_ns = 0; /* start of the session after sessions[i - 1] */
    for (size_t i = past->session_count; i > 0; i--) {
        const session_row *at = &past->sessions[i - 1];
        if (strcmp(at->verb, "import") == 0)
            continue;
        if (strcmp(at->session, next) != 0 && next_ns != 0) {
            const int is_stopped = at->state == SESSION_STOPPED;
            const int is_of_feed = has_recorded(past, at->session, feed);
            if (until_ns == 0 && (is_of_feed || !is_stopped))
                until_ns = is_stopped ? at->stop_ns : next_ns;
            if (is_of_feed)
                return until_ns;
        }
        if (next_ns != 0 || strcmp(at->session, next) == 0)
            next_ns = at->start_ns;
    }
    return 0;
}

int archive_history_is_last(const archive_history *past, const past_segment *segment)
{
    const past_segment *end = past->segments + past->segment_count;
    for (const past_segment *later = segment + 1; later < end; later++)
        if (later->stage != PAST_DISCARDED && !later->is_lost &&
            strcmp(later->session, segment->session) == 0 &&
            strcmp(later->feed, segment->feed) == 0)
            return 0;
    return 1;
}

void archive_history_add_session(archive_history *past, const session_row *row)
{
    past->sessions = td_array_grow(past->sessions, past->session_count, sizeof past->sessions[0]);
    row_table_put(&past->by_session, session_hash(row->session), past->session_count);
    past->sessions[past->session_count++] = *row;
}

past_segment *archive_history_segment(const archive_history *past, const char *path)
{
    size_t row = name_index_find(&past->by_path, td_bytes_str(path));
    TD_ASSERT(row == NAME_INDEX_NONE || row < past->segment_count);
    return row == NAME_INDEX_NONE ? NULL : &past->segments[row];
}

chunk_form archive_history_form(const archive_history *past, const char *path, uint64_t file_bytes)
{
    const past_segment *segment = archive_history_segment(past, path);
    return segment != NULL && segment->file.bytes == file_bytes ? segment->form : CHUNKS_RECORDED;
}

past_segment *archive_history_add_segment(archive_history *past, const char *path, const char *feed,
                                          const char *session)
{
    past_segment made = {.path = td_strdup(path), .stage = PAST_OPENED};
    (void)snprintf(made.feed, sizeof made.feed, "%s", feed);
    (void)snprintf(made.session, sizeof made.session, "%s", session);
    TD_ASSERT_SLOW(archive_history_segment(past, path) == NULL);
    past->segments = td_array_grow(past->segments, past->segment_count, sizeof past->segments[0]);
    past->segments[past->segment_count] = made;
    name_index_put(&past->by_path, td_bytes_str(made.path), past->segment_count);
    return &past->segments[past->segment_count++];
}

static past_segment *open_segment(archive_history *past, const journal_entry *entry,
                                  const char *path)
{
    char feed[LIMIT_NAME_BYTES];
    char session[SESSION_ID_BYTES];
    journal_get_text(entry, "feed", feed, sizeof feed);
    journal_get_text(entry, "session", session, sizeof session);
    return archive_history_add_segment(past, path, feed, session);
}

/* The chain value with this key; zeros if it is absent. */
static td_hash128 get_chain(const journal_entry *entry, const char *key)
{
    td_hash128 chain = {0};
    return chain_value_parse(journal_get(entry, key), &chain) ? chain : (td_hash128){0};
}

static past_file get_file(const journal_entry *entry, const char *chain, const char *bytes)
{
    return (past_file){.chain = get_chain(entry, chain), .bytes = journal_get_u64(entry, bytes, 0)};
}

static void finish_segment(past_segment *segment, const journal_entry *entry)
{
    TD_ASSERT(segment->path != NULL);
    segment->stage = PAST_FINISHED;
    td_free(segment->store);
    segment->store = NULL;
    if (!td_bytes_is(entry->act, JOURNAL_REPACKED))
        segment->is_recovered = td_bytes_is(entry->act, JOURNAL_RECOVERED) != 0;
    segment->chunk_count = journal_get_u64(entry, "chunks", 0);
    segment->finished_at = entry->offset;
    segment->file = get_file(entry, "chain", "bytes");
    segment->old_file = get_file(entry, "old_chain", "old_bytes");
    segment->form = chunk_form_of(journal_get(entry, "packed"));
    segment->link = segment_link_of(segment->file.chain, get_chain(entry, "source_chain"));
}

static void prune_segment(past_segment *segment, const journal_entry *entry)
{
    finish_segment(segment, entry);
    segment->stage = PAST_PRUNED;
    segment->first_ns = journal_get_u64(entry, "first_ns", 0);
    segment->last_ns = journal_get_u64(entry, "last_ns", 0);
    segment->until_ns = journal_get_u64(entry, "until_ns", segment->last_ns);
    if (td_bytes_is(entry->act, JOURNAL_MOVED)) {
        const td_bytes store = journal_get(entry, "store");
        segment->store = td_strndup((const char *)store.data, store.size);
    }
}

static void note_segment(archive_history *past, const journal_entry *entry)
{
    char path[LIMIT_PATH_BYTES];
    journal_get_text(entry, "segment", path, sizeof path);
    int is_pruned =
        td_bytes_is(entry->act, JOURNAL_PRUNED) || td_bytes_is(entry->act, JOURNAL_MOVED);
    past_segment *segment = archive_history_segment(past, path);
    int is_end = td_bytes_is(entry->act, JOURNAL_SEGMENT_FINISHED) ||
                 td_bytes_is(entry->act, JOURNAL_RECOVERED) ||
                 td_bytes_is(entry->act, JOURNAL_REPACKED);
    int is_begin = td_bytes_is(entry->act, JOURNAL_SEGMENT_OPENED);
    /* A segment without an entry of its opening: an earlier part of the journal was lost. */
    if (segment == NULL && (is_begin || is_end || is_pruned))
        segment = open_segment(past, entry, path);
    if (is_end)
        finish_segment(segment, entry);
    else if (is_pruned)
        prune_segment(segment, entry);
    else if (segment != NULL && td_bytes_is(entry->act, JOURNAL_DISCARDED))
        segment->stage = PAST_DISCARDED;
    if (segment != NULL && td_bytes_is(entry->act, JOURNAL_CORRUPT)) {
        segment->announced_chunks = journal_get_u64(entry, "chunks", 0);
        segment->is_corrupt = 1;
    }
}

static void add_damage(archive_history *past, uint64_t offset, uint64_t bytes)
{
    past->damages = td_array_grow(past->damages, past->damage_count, sizeof past->damages[0]);
    past->damages[past->damage_count++] = (past_damage){.offset = offset,
                                                        .bytes = bytes,
                                                        .segment_count = past->segment_count,
                                                        .session_count = past->session_count};
}

void archive_history_apply(archive_history *past, const journal_entry *entry)
{
    char id[SESSION_ID_BYTES];
    int is_stop = td_bytes_is(entry->act, JOURNAL_SESSION_STOP);
    if (td_bytes_is(entry->act, JOURNAL_DAMAGED)) {
        add_damage(past, entry->offset, journal_get_u64(entry, "bytes", 0));
    } else if (td_bytes_is(entry->act, JOURNAL_LOSS_ACCEPTED)) {
        for (size_t i = 0; i < past->damage_count; i++)
            past->damages[i].is_accepted = 1;
    } else if (td_bytes_is(entry->act, JOURNAL_SESSION_START)) {
        session_row row;
        journal_get_session(entry, &row);
        session_row *before = archive_history_session(past, row.session);
        if (before != NULL && before->state == SESSION_OPEN) /* its process was killed */
            before->state = SESSION_CRASHED;
        archive_history_add_session(past, &row);
    } else if (is_stop || td_bytes_is(entry->act, JOURNAL_SESSION_CRASHED)) {
        journal_get_text(entry, "session", id, sizeof id);
        session_row *session = archive_history_session(past, id);
        if (session != NULL) {
            session->state = is_stop ? SESSION_STOPPED : SESSION_CRASHED;
            session->stop_ns = is_stop ? journal_get_u64(entry, "stop_ns", 0) : 0;
        }
    } else if (journal_get(entry, "segment").size > 0) {
        note_segment(past, entry);
    }
}

static td_result apply_entry(void *past, const journal_entry *entry, td_err *err)
{
    (void)err;
    archive_history_apply(past, entry);
    return TD_OK;
}

td_result archive_history_read(archive *a, archive_history *out, td_err *err)
{
    *out = (archive_history){0};
    return journal_read(a, apply_entry, out, &out->journal, err);
}

td_result archive_history_open(archive *a, archive_history *past, td_err *err)
{
    uint64_t bytes = 0;
    td_result rc = TD_OK;
    if (past->writer == NULL)
        rc = journal_open(a, apply_entry, past, &past->journal, &past->writer, err);
    if (rc == TD_OK)
        rc = journal_size(past->writer, &bytes, err);
    if (rc != TD_OK || bytes == past->journal.valid_bytes)
        return rc;
    journal *writer = past->writer;
    past->writer = NULL;
    archive_history_fini(past);
    rc = archive_history_read(a, past, err);
    past->writer = writer;
    return rc;
}

void archive_history_fini(archive_history *past)
{
    journal_close(past->writer);
    for (size_t i = 0; i < past->segment_count; i++) {
        td_free(past->segments[i].path);
        td_free(past->segments[i].store);
    }
    name_index_fini(&past->by_path);
    row_table_fini(&past->by_session);
    td_free(past->segments);
    td_free(past->sessions);
    td_free(past->damages);
    *past = (archive_history){0};
}

/* ---- damage of the journal ---- */

void archive_history_check(archive_history *past, const archive *a, const archive_listing *listing)
{
    int is_lost = !archive_is_single_file(a) && listing->segment_count > 0 &&
                  past->journal.entry_count == 0 && past->damage_count == 0;
    if (is_lost)
        add_damage(past, 0, 0);
    archive_history_find_moved(past, a, listing);
}

void archive_history_find_moved(archive_history *past, const archive *a,
                                const archive_listing *listing)
{
    const int is_in_store = archive_is_url(archive_path(a));
    for (size_t i = 0; i < past->segment_count; i++) {
        past_segment *segment = &past->segments[i];
        if (segment->stage == PAST_PRUNED && segment->store != NULL &&
            (is_in_store || archive_listing_find(listing, segment->path) != NULL))
            segment->stage = PAST_FINISHED;
    }
}

int archive_history_is_damaged(const archive_history *past)
{
    for (size_t i = 0; i < past->damage_count; i++)
        if (!past->damages[i].is_accepted)
            return 1;
    return 0;
}

int archive_history_is_pruned(const archive_history *past, const char *feed, uint64_t ns)
{
    for (size_t i = 0; i < past->segment_count; i++) {
        const past_segment *segment = &past->segments[i];
        if (segment->stage == PAST_PRUNED && ns >= segment->first_ns && ns <= segment->until_ns &&
            strcmp(segment->feed, feed) == 0)
            return 1;
    }
    return 0;
}

/* ---- links ---- */

static void set_link(feed_link *link, const char *path, td_hash128 chain)
{
    *link = (feed_link){.chain = chain};
    segment_final_path(segment_file_name(path), link->segment);
}

/* Read the link from the segment's file, under either of its names. TD_EOF if nothing durable is in
 * it; TD_E_NOTFOUND and others if it cannot be read. */
static td_result link_from_file(archive *a, const char *path, feed_link *out)
{
    char open_path[LIMIT_PATH_BYTES];
    segment_index index;
    segment_open_path(path, open_path);
    td_result rc = archive_read_index(a, path, INDEX_SUMMARY, &index, NULL);
    if (rc == TD_E_NOTFOUND)
        rc = archive_read_index(a, open_path, INDEX_SUMMARY, &index, NULL);
    if (rc != TD_OK)
        return rc;
    const td_hash128 link = archive_segment_totals(&index).link;
    if (index.chunk_count == 0 || td_hash128_equal(link, (td_hash128){0}))
        rc = TD_EOF;
    else
        set_link(out, path, link);
    segment_index_fini(&index);
    return rc;
}

/* Get the link from the feed's latest segment by name: the journal is lost, or has no segment of
 * this feed. */
static td_result link_from_listing(archive *a, const char *feed, feed_link *out, td_err *err)
{
    archive_listing listing;
    td_result rc = archive_list(a, &listing, err);
    for (size_t i = listing.segment_count; i > 0 && rc == TD_OK; i--) {
        const archive_segment *segment = &listing.segments[i - 1];
        char path[LIMIT_PATH_BYTES];
        segment_final_path(segment->path, path);
        if (strcmp(segment->name.feed, feed) == 0 && link_from_file(a, path, out) == TD_OK)
            break;
    }
    archive_listing_fini(&listing);
    return rc;
}

td_result archive_history_link(archive *a, const archive_history *past, const char *feed,
                               feed_link *out, td_err *err)
{
    TD_ASSERT(feed != NULL);
    *out = (feed_link){0};
    for (size_t i = past->segment_count; i > 0; i--) {
        const past_segment *segment = &past->segments[i - 1];
        if (strcmp(segment->feed, feed) != 0 || segment->stage == PAST_DISCARDED)
            continue;
        if (link_from_file(a, segment->path, out) == TD_OK)
            return TD_OK;
        if (segment->stage == PAST_FINISHED || segment->stage == PAST_PRUNED) {
            /* The file is missing or damaged; verify reports it, unless it was pruned. */
            set_link(out, segment->path, segment->link);
            return TD_OK;
        }
    }
    return link_from_listing(a, feed, out, err);
}

int archive_history_is_quarantined(archive *a, const past_segment *segment,
                                   char torn[LIMIT_PATH_BYTES])
{
    char relative[LIMIT_PATH_BYTES];
    uint64_t size;
    TD_ASSERT(segment->path != NULL);
    if (segment->stage != PAST_OPENED)
        return 0;
    /* the name that recover_segment gives to a discarded file */
    (void)snprintf(relative, sizeof relative, "torn/%.1000s.0.open",
                   segment_file_name(segment->path));
    return archive_join(a, relative, torn, NULL) == TD_OK &&
           archive_file_size(a, relative, &size, NULL) == TD_OK;
}

/* ---- segments that the journal has and the disk lacks ---- */

/* 1 if the file names the journal's segment as the one that it was rewritten from: the journal was
 * read, or copied, before that. */
static int is_rewritten_from(const segment_index *index, const past_segment *row)
{
    return index != NULL && !index->is_open &&
           !td_hash128_equal(index->source_chain, (td_hash128){0}) &&
           td_hash128_equal(index->source_chain, row->link);
}

int archive_history_is_cut(const archive_history *past, const archive_segment *segment,
                           const segment_index *index)
{
    char path[LIMIT_PATH_BYTES];
    segment_final_path(segment->path, path);
    const past_segment *row = archive_history_segment(past, path);
    if (row == NULL)
        return 0;
    if (segment->name.is_open)
        return (index != NULL && index->is_open ? index->chunk_count : 0) < row->announced_chunks;
    int has_end = row->stage == PAST_FINISHED && row->file.bytes != 0;
    int has_size = row->file.bytes == segment->size_bytes ||
                   (row->old_file.bytes != 0 && row->old_file.bytes == segment->size_bytes) ||
                   is_rewritten_from(index, row);
    return has_end && (!has_size || row->chunk_count < row->announced_chunks);
}

int archive_history_is_same(const past_segment *row, uint64_t file_bytes, uint64_t known_bytes,
                            const char *known_chain_hex)
{
    td_hash128 known_chain;
    if (known_bytes != file_bytes)
        return 0;
    if (row == NULL || row->stage != PAST_FINISHED || row->file.bytes == 0)
        return 1;
    const past_file *const file = row->old_file.bytes == file_bytes && row->file.bytes != file_bytes
                                      ? &row->old_file
                                      : &row->file;
    return file->bytes == file_bytes &&
           chain_value_parse(td_bytes_str(known_chain_hex), &known_chain) &&
           td_hash128_equal(file->chain, known_chain);
}

/* 1 if the file does not exist. A file that cannot be opened for another reason exists. */
static int is_gone(const archive *a, const char *path)
{
    uint64_t size;
    return archive_file_size(a, path, &size, NULL) == TD_E_NOTFOUND;
}

/* 1 if an unfinished segment has no file. Its file is created before its journal entry, and renamed
 * when the segment is finished or the file is moved to torn/. */
static int is_unfinished_gone(archive *a, const past_segment *segment)
{
    char path[LIMIT_PATH_BYTES];
    segment_open_path(segment->path, path);
    return is_gone(a, path) && is_gone(a, segment->path) &&
           !archive_history_is_quarantined(a, segment, path);
}

const char *past_segment_missing_text(const past_segment *segment)
{
    return segment->is_chained ? "a later segment continues it, but it is not on disk"
                               : "the journal lists it, but it is not on disk";
}

void archive_each_missing(archive *a, const archive_history *past, const archive_listing *listing,
                          missing_fn *fn, void *user)
{
    size_t next = 0; /* index in the listing: usually both have the same order */
    for (size_t i = 0; i < past->segment_count; i++) {
        past_segment *segment = &past->segments[i];
        const archive_segment *listed =
            next < listing->segment_count &&
                    strcmp(listing->segments[next].path, segment->path) == 0
                ? &listing->segments[next]
                : archive_listing_find(listing, segment->path);
        if (listed != NULL) {
            next = (size_t)(listed - listing->segments) + 1;
            continue;
        }
        if (segment->stage == PAST_FINISHED
                ? is_gone(a, segment->path)
                : segment->stage == PAST_OPENED && is_unfinished_gone(a, segment))
            fn(user, segment);
    }
}
