/* Notes of users: a text about a time of an archive, of all that it has or of one feed, topic or
 * symbol. They are entries of the journal, are never changed or removed, and stay when the frames
 * of their time are pruned. One thread at a time per archive. */
#ifndef TD_ARCHIVE_NOTES_H
#define TD_ARCHIVE_NOTES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/time_span.h"
#include "archive/archive.h"

enum { NOTE_TEXT_BYTES = 4096 }; /* limit of a text, with the NUL */

/* Texts are NUL-terminated. */
typedef struct archive_note {
    uint64_t made_ns;   /* when it was written */
    time_span time;     /* end 0: all times; empty: the moment of its begin */
    const char *feed;   /* "" = all feeds */
    const char *topic;  /* "" = all topics */
    const char *symbol; /* "" = all symbols */
    const char *text;
    uint8_t keeps; /* 1: prune does not remove segments of its feed that have frames of its time */
} archive_note;

typedef struct note_list {
    archive_note *notes; /* by from_ns, then in the order of writing */
    size_t count;
} note_list;

/* Read all notes. A single file has no notes. The caller releases *out with note_list_fini, also
 * after a failure. TD_E_IO. */
TD_MUST_USE td_result note_list_read(archive *from, note_list *out, td_err *err);
void note_list_fini(note_list *list);

/* Append a note to the journal of an archive that was opened to maintain or append, durably.
 * TD_E_INVALID: the text is empty, is not UTF-8 or has control characters; TD_E_LIMIT: it is too
 * long; else as journal_append. */
TD_MUST_USE td_result note_append(archive *to, const archive_note *note, td_err *err);

#endif
