#include "archive/imports.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/row_table.h"
#include "archive/gap.h"
#include "format/chain.h"

td_result imports_write(journal *to, const char *session, const char *feed,
                        const capture_content *content, td_err *err)
{
    char number[24];
    char hash[TD_HASH128_HEX_BYTES];
    td_hash128_hex(content->hash, hash);
    const journal_field fields[] = {
        journal_text("session", session),
        journal_text("feed", feed),
        journal_u64("text_bytes", content->bytes, number),
        journal_text("text_hash", hash),
    };
    return journal_append(to, JOURNAL_IMPORTED, fields, sizeof fields / sizeof fields[0], err);
}

typedef struct import_search {
    const capture_content *contents;
    past_import *rows; /* feed_count rows for each content */
    size_t feed_count;
    row_table by_hash;       /* indexes in contents, by hash */
    past_import **open_rows; /* rows of sessions whose end has not been read */
    size_t open_count;
    int was_killed;
} import_search;

static uint64_t content_hash(td_hash128 hash)
{
    return td_le64(hash.bytes);
}

/* Note the session of an import as unfinished; on_stop_entry reads its end, which comes later. */
static void add_session_of(import_search *search, size_t content, const journal_entry *entry)
{
    for (size_t i = 0; i < search->feed_count; i++) {
        past_import *row = &search->rows[content * search->feed_count + i];
        if (!td_bytes_is(journal_get(entry, "feed"), row->feed))
            continue;
        if (row->open_session[0] == '\0') {
            search->open_rows =
                td_array_grow((void *)search->open_rows, search->open_count, sizeof(past_import *));
            search->open_rows[search->open_count++] = row;
        }
        journal_get_text(entry, "session", row->open_session, SESSION_ID_BYTES);
    }
}

static void on_imported_entry(import_search *search, const journal_entry *entry)
{
    td_hash128 hash;
    if (!chain_value_parse(journal_get(entry, "text_hash"), &hash))
        return;
    row_probe at = row_probe_of(content_hash(hash));
    while (row_table_next(&search->by_hash, &at)) {
        const capture_content *content = &search->contents[at.row];
        if (td_hash128_equal(content->hash, hash) &&
            journal_get_u64(entry, "text_bytes", UINT64_MAX) == content->bytes)
            add_session_of(search, at.row, entry);
    }
}

static void on_stop_entry(import_search *search, const journal_entry *entry)
{
    size_t left = 0;
    for (size_t i = 0; i < search->open_count; i++) {
        past_import *row = search->open_rows[i];
        TD_ASSERT(row != NULL);
        if (!td_bytes_is(journal_get(entry, "session"), row->open_session)) {
            search->open_rows[left++] = row;
            continue;
        }
        memcpy(row->session, row->open_session, sizeof row->session);
        row->stop_ns = journal_get_u64(entry, "stop_ns", 0);
        row->open_session[0] = '\0';
    }
    search->open_count = left;
}

static td_result on_entry(void *user, const journal_entry *entry, td_err *err)
{
    import_search *search = user;
    if (td_bytes_is(entry->act, JOURNAL_IMPORTED))
        on_imported_entry(search, entry);
    else if (td_bytes_is(entry->act, JOURNAL_SESSION_STOP))
        on_stop_entry(search, entry);
    else if (td_bytes_is(entry->act, JOURNAL_GAP))
        search->was_killed |= journal_get_u64(entry, "to_ns", GAP_OPEN) == GAP_OPEN &&
                              td_bytes_is(journal_get(entry, "cause"), GAP_CAUSE_IMPORT);
    (void)err;
    return TD_OK;
}

td_result imports_find(archive *from, const capture_content *contents, size_t content_count,
                       past_import *rows, size_t feed_count, int *was_killed, td_err *err)
{
    import_search search = {.contents = contents, .rows = rows, .feed_count = feed_count};
    journal_state state;
    for (size_t i = 0; i < content_count; i++)
        row_table_put(&search.by_hash, content_hash(contents[i].hash), i);
    td_result rc = journal_read(from, on_entry, &search, &state, err);
    *was_killed = search.was_killed;
    row_table_fini(&search.by_hash);
    td_free((void *)search.open_rows);
    return rc;
}
