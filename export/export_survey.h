/* The survey before an export: which topic each book is taken from, and whether anything forbids
 * the export, so that a clash of sources, an old file in the way, or a limit shows before the first
 * row is written. It uses the read plan, which knows the channels of each chunk; of chunks at the
 * edge of a day or of the selection it reads the message indexes. Frames are read only where a
 * channel does not say where its rows belong: topics whose entries name their symbols, and topics
 * that were unknown when they were recorded. One thread. */
#ifndef TD_EXPORT_EXPORT_SURVEY_H
#define TD_EXPORT_EXPORT_SURVEY_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "export/export_choice.h"
#include "export/export_folder.h"
#include "export/export_table.h"
#include "tape/selection.h"

typedef struct export_survey_options {
    const export_spec *spec;
    archive *archive;
    const selection *wanted;
    selection_window window; /* of wanted, resolved */
    export_folder *folder;   /* in which files may be in the way */
    unsigned threads;
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
    uint8_t has_useful;    /* 1: such as files of the format are made of */
    uint8_t is_incomplete; /* 1: damage, or a file of another program that lacks indexes, hides what
                              some chunks hold; there may be more than was found */
} export_survey;

/* TD_E_INVALID: two sources would share a file, or one is there already; TD_E_LIMIT: too many
 * files; the errors of reading; TD_EOF: it was stopped. *out is the caller's, for
 * export_survey_fini, also after a failure. */
TD_MUST_USE td_result export_survey_run(const export_survey_options *options, export_survey *out,
                                        td_err *err);
void export_survey_fini(export_survey *survey);

#endif
