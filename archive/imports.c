#include "archive/imports.h"

#include <string.h>

#include "archive/crash_gaps.h"

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
    uint64_t bytes;
    char hash[TD_HASH128_HEX_BYTES];
    past_import *rows;
    size_t count;
    int was_killed;
} import_search;

/* The entry stands before the end of its session: stop_ns is 0 until that is read. */
static void look_at_import(const import_search *search, const journal_entry *entry)
{
    if (!td_bytes_is(journal_get(entry, "text_hash"), search->hash) ||
        journal_get_u64(entry, "text_bytes", UINT64_MAX) != search->bytes)
        return;
    for (size_t i = 0; i < search->count; i++)
        if (td_bytes_is(journal_get(entry, "feed"), search->rows[i].feed))
            journal_get_text(entry, "session", search->rows[i].begun, SESSION_ID_BYTES);
}

static void look_at_stop(const import_search *search, const journal_entry *entry)
{
    for (size_t i = 0; i < search->count; i++) {
        past_import *row = &search->rows[i];
        if (row->begun[0] == '\0' || !td_bytes_is(journal_get(entry, "session"), row->begun))
            continue;
        memcpy(row->session, row->begun, sizeof row->session);
        row->stop_ns = journal_get_u64(entry, "stop_ns", 0);
        row->begun[0] = '\0';
    }
}

static td_result look(void *user, const journal_entry *entry, td_err *err)
{
    import_search *search = user;
    if (td_bytes_is(entry->act, JOURNAL_IMPORTED))
        look_at_import(search, entry);
    else if (td_bytes_is(entry->act, JOURNAL_SESSION_STOP))
        look_at_stop(search, entry);
    else if (td_bytes_is(entry->act, JOURNAL_GAP))
        search->was_killed |= journal_get_u64(entry, "to_ns", GAP_OPEN) == GAP_OPEN &&
                              td_bytes_is(journal_get(entry, "cause"), CRASH_CAUSE_IMPORT);
    (void)err;
    return TD_OK;
}

td_result imports_find(archive *from, const capture_content *content, past_import *rows,
                       size_t count, int *was_killed, td_err *err)
{
    import_search search = {.bytes = content->bytes, .rows = rows, .count = count};
    journal_state state;
    td_hash128_hex(content->hash, search.hash);
    td_result rc = journal_read(from, look, &search, &state, err);
    *was_killed = search.was_killed;
    return rc;
}
