/* Recovers an archive after a crash: open segments are cut to the part that the chain proves,
 * finished and renamed. The bytes that were cut off are kept in torn/. Idempotent; may itself be
 * killed at any time. Never touches open segments of a live session. */
#ifndef TD_ARCHIVE_ARCHIVE_RECOVER_H
#define TD_ARCHIVE_ARCHIVE_RECOVER_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/gap.h"

typedef struct recover_report {
    uint64_t segments_recovered; /* finished; or moved to torn/, if nothing in them was durable */
    uint64_t segments_live;      /* left alone: their session is live */
    uint64_t segments_failed;    /* could not be recovered: logged, unchanged */
    uint64_t copies_quarantined; /* older copies of finished segments, moved to torn/ */
    uint64_t segments_entered;   /* finished segments that the journal did not have as finished */
    uint64_t segments_missing;   /* in the journal, but not on the disk: logged */
    uint64_t segments_cut;       /* finished, but different from their journal entry: logged */
    uint64_t frames_kept;        /* events are not counted */
    uint64_t torn_bytes;         /* bytes cut off and kept in torn/ */
    uint64_t sessions_crashed;   /* sessions that had ended without a stop */
    uint64_t gaps_opened;
    uint8_t is_lossy;      /* 1: something durable was lost */
    uint8_t lacks_journal; /* 1: entries of the journal are lost, and no user has accepted that */
} recover_report;

/* Progress: the result of one segment, or a gap that was written. For a segment, path is its path
 * before recovery, below the archive. For a gap, path is NULL and what is "". Valid during the
 * call. */
typedef struct recover_event {
    const gap_row *gap; /* NULL: the event is about a segment */
    const char *path;
    uint64_t frames_kept;
    uint64_t torn_bytes;
    uint8_t is_lossy;
    const char *what; /* "recovered", "discarded: nothing durable in it", "left: …" */
} recover_event;
typedef void recover_event_fn(void *user, const recover_event *event);

/* Recover segments that crashed sessions left. For a maintainer, or for an appender before it
 * connects. The appender takes maintain.lock meanwhile; if a maintainer holds that lock, the
 * appender logs a warning and continues without recovery, and its chain stays intact. Writes gaps
 * of reason crash into the journal, one per slot. Updates the catalog for a maintainer; an
 * appender's archive_writer does that later. progress may be NULL. TD_E_BUSY, TD_E_IO,
 * TD_E_NOSPACE. */
TD_MUST_USE td_result archive_recover(archive *archive, recover_event_fn *progress, void *user,
                                      recover_report *report, td_err *err);

/* Accept that entries of the journal are lost. Gaps for the time that the lost entries may have
 * described are written into the journal, which then counts as sound. For a maintainer, after
 * archive_recover. TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result archive_accept_loss(archive *archive, td_err *err);

#endif
