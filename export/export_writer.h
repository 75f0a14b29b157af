/* Writers: each makes the files of one format out of the frames that a player shows it. A writer is
 * a sink with a name: the verb opens the one that the format names, plays the selection, and
 * publishes the folder. Writers see frames of the lead-in too, so that books are warm when the
 * selection begins. One thread: the player's. */
#ifndef TD_EXPORT_EXPORT_WRITER_H
#define TD_EXPORT_EXPORT_WRITER_H

#include "base/err.h"
#include "archive/gap.h"
#include "export/export_folder.h"
#include "export/export_manifest.h"
#include "export/export_survey.h"
#include "play/sink.h"
#include "tape/tape.h"

/* What a writer works with; all borrowed until it is closed. */
typedef struct export_job {
    const export_spec *spec;
    export_folder *folder;
    export_manifest *manifest;
    export_survey *survey; /* its series' user pointers are the writer's */
    const gap_list *gaps;  /* the whole ledger */
    const selection *wanted;
    selection_window window;
    /* Until which moment stored frames are known to be damaged; asked at every frame of a book. */
    uint64_t (*damaged_until_ns)(void *user);
    void *user;
} export_job;

typedef struct export_writer export_writer;

/* A writer for the job's format. TD_E_NOMEM. */
TD_MUST_USE td_result export_writer_open(const export_job *job, export_writer **out, td_err *err);

/* Free; files that were not finished are removed. NULL is fine. */
void export_writer_close(export_writer *writer);

/* The sink for a player, valid until close. When the player finishes, the writer has finished all
 * files and entered them in the manifest. */
sink export_writer_sink(export_writer *writer);

/* The first and the last day that an export lists: those of the window where it has bounds, else of
 * the first and last frame. Returns 0 if there is no day. */
int export_job_days(const export_job *job, uint32_t *first, uint32_t *last);

#endif
