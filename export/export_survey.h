/* The survey before an export: which topic each book is taken from, and whether the selection has
 * anything to export. It reads no frames: the read plan knows the channels of each chunk, and of
 * chunks at the edge of the selection the message indexes do. One thread. */
#ifndef TD_EXPORT_EXPORT_SURVEY_H
#define TD_EXPORT_EXPORT_SURVEY_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "export/export_choice.h"
#include "export/export_table.h"
#include "tape/selection.h"

typedef struct export_survey_options {
    const export_spec *spec;
    archive *archive;
    const selection *wanted;
    selection_window window;       /* of wanted, resolved */
    int (*is_stopped)(void *user); /* called now and then; 1 ends the survey. May be NULL */
    void *user;
} export_survey_options;

enum { EXPORT_DEPTHS_MAX = 32 }; /* more than there are among all topics */

/* What the survey found. */
typedef struct export_survey {
    export_choices choices;
    uint32_t depths[EXPORT_DEPTHS_MAX]; /* of all recorded books, rising */
    size_t depth_count;
    uint8_t has_frames;    /* 1: the selection has frames of topics */
    uint8_t has_useful;    /* 1: such as files of the format may be made of */
    uint8_t is_incomplete; /* 1: damage, or a file of another program that lacks indexes, hides what
                              some chunks hold; there may be more than was found */
} export_survey;

/* TD_E_LIMIT: too many books; the errors of reading; TD_EOF: it was stopped. *out is the caller's,
 * for export_survey_fini, also after a failure. */
TD_MUST_USE td_result export_survey_run(const export_survey_options *options, export_survey *out,
                                        td_err *err);
void export_survey_fini(export_survey *survey);

#endif
