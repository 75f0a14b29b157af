/* Recovery of an archive: open segments that a crash left are cut to what the chain proves,
 * finished and renamed; what was cut off is kept in torn/. Idempotent, and safe to be killed
 * itself. Never touches open segments of a live session. */
#ifndef TD_ARCHIVE_ARCHIVE_RECOVER_H
#define TD_ARCHIVE_ARCHIVE_RECOVER_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/gap.h"

typedef struct recover_report {
    uint64_t segments_recovered; /* finished, or put away because nothing durable was in them */
    uint64_t segments_live;      /* left alone */
    uint64_t segments_failed;    /* could not be recovered: logged, left as they are */
    uint64_t copies_quarantined; /* older copies of finished segments: in torn/ now */
    uint64_t segments_entered;   /* finished ones, newer than the journal */
    uint64_t segments_missing;   /* in the journal, not on the disk; the log lists them */
    uint64_t segments_cut;       /* finished, and not what the journal lists; likewise */
    uint64_t frames_kept;        /* without events, as verify and info count */
    uint64_t torn_bytes;         /* cut off and kept in torn/ */
    uint64_t sessions_crashed;   /* sessions found to have ended without a stop */
    uint64_t gaps_opened;
    uint8_t is_lossy;      /* 1: something that had been durable is lost */
    uint8_t lacks_journal; /* 1: entries of the journal are lost, and no user has accepted that */
} recover_report;

/* What one segment came to, for progress: path as before recovery, below the archive. Or a gap that
 * was written: path is NULL, and what empty. Valid during the call. */
typedef struct recover_event {
    const gap_row *gap; /* or NULL */
    const char *path;
    uint64_t frames_kept;
    uint64_t torn_bytes;
    uint8_t is_lossy;
    const char *what; /* "recovered", "discarded: nothing durable in it", "left: …" */
} recover_event;
typedef void recover_event_fn(void *user, const recover_event *event);

/* Recover what crashed sessions left. A maintainer, or an appender before it connects (it then
 * takes maintain.lock for the time; if a maintainer has it, the appender continues without
 * recovering, and logs a warning. Its chain is not broken). Gaps of reason crash are opened in the
 * journal, one per slot. The catalog is brought up to date without an appender; an appender's
 * archive_writer does that, in its own time. TD_E_BUSY, TD_E_IO, TD_E_NOSPACE. progress may be
 * NULL. */
TD_MUST_USE td_result archive_recover(archive *archive, recover_event_fn *progress, void *user,
                                      recover_report *report, td_err *err);

/* Accept that entries of the journal are lost: the gaps that this may hide are written into it, and
 * it counts as sound from then on. A maintainer, after archive_recover. TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result archive_accept_loss(archive *archive, td_err *err);

#endif
