/* The captures that were imported: the journal keeps the size and hash of each, so that a capture
 * is not imported twice by mistake. Unfinished imports do not count. One thread. */
#ifndef TD_ARCHIVE_IMPORTS_H
#define TD_ARCHIVE_IMPORTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "archive/archive.h"
#include "archive/journal.h"

/* The text of a capture after decompression. */
typedef struct capture_content {
    uint64_t bytes;
    td_hash128 hash; /* XXH3-128 */
} capture_content;

/* Append a journal entry: the open session imports this content into the feed. TD_E_IO,
 * TD_E_NOSPACE. */
TD_MUST_USE td_result imports_write(journal *journal, const char *session, const char *feed,
                                    const capture_content *content, td_err *err);

/* The latest import of a content into a feed. */
typedef struct past_import {
    const char *feed;
    char open_session[SESSION_ID_BYTES]; /* session of an unfinished import of the content, or "" */
    char session[SESSION_ID_BYTES];      /* session of its latest finished import; "" if absent */
    uint64_t stop_ns;                    /* wall clock at the end of the import */
} past_import;

/* Find the latest import of each content into each feed. rows has feed_count rows for each content,
 * with their feeds set; the other members are set here. The journal is read once. *was_killed: 1 if
 * the journal has an entry of an open gap of a killed import. Later entries, or events in segments,
 * may have ended that gap since. TD_E_IO. */
TD_MUST_USE td_result imports_find(archive *archive, const capture_content *contents,
                                   size_t content_count, past_import *rows, size_t feed_count,
                                   int *was_killed, td_err *err);

#endif
