/* Where a verb's frames come from: the archive and the selection that its command line names. */
#ifndef TD_PLAY_SOURCE_H
#define TD_PLAY_SOURCE_H

#include "base/err.h"
#include "base/log.h"
#include "cli/option_groups.h"
#include "archive/archive.h"
#include "tape/selection.h"

/* The selection that the options ask for; borrows their texts. */
selection source_selection(const selection_options *options);

/* Open the archive for reading with the machine's files and clock. log is borrowed until close. */
TD_MUST_USE td_result source_open_archive(const archive_choice *choice, const td_log *log,
                                          archive **out, td_err *err);

#endif
