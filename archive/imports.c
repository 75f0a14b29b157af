#include "archive/imports.h"

#include <string.h>

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
    const char *feed;
    uint64_t bytes;
    char hash[TD_HASH128_HEX_BYTES];
    char begun[SESSION_ID_BYTES]; /* session of the latest entry that fits; "": none yet */
    past_import *found;
} import_search;

/* The entry stands before the end of its session. */
static td_result look(void *user, const journal_entry *entry, td_err *err)
{
    import_search *search = user;
    (void)err;
    if (td_bytes_is(entry->act, JOURNAL_IMPORTED)) {
        if (td_bytes_is(journal_get(entry, "feed"), search->feed) &&
            td_bytes_is(journal_get(entry, "text_hash"), search->hash) &&
            journal_get_u64(entry, "text_bytes", UINT64_MAX) == search->bytes)
            journal_get_text(entry, "session", search->begun, sizeof search->begun);
        return TD_OK;
    }
    if (search->begun[0] != '\0' && td_bytes_is(entry->act, JOURNAL_SESSION_STOP) &&
        td_bytes_is(journal_get(entry, "session"), search->begun)) {
        memcpy(search->found->session, search->begun, sizeof search->begun);
        search->found->stop_ns = journal_get_u64(entry, "stop_ns", 0);
        search->begun[0] = '\0';
    }
    return TD_OK;
}

td_result imports_find(archive *from, const char *feed, const capture_content *content,
                       past_import *out, td_err *err)
{
    *out = (past_import){.stop_ns = 0};
    import_search search = {.feed = feed, .bytes = content->bytes, .found = out};
    td_hash128_hex(content->hash, search.hash);
    journal_state state;
    td_result rc = journal_read(from, look, &search, &state, err);
    if (rc == TD_OK && out->session[0] == '\0')
        rc = TD_E_NOTFOUND;
    return rc;
}
