/* Where a verb's frames come from: the archive and the selection that its command line names. */
#ifndef TD_PLAY_SOURCE_H
#define TD_PLAY_SOURCE_H

#include "base/err.h"
#include "base/log.h"
#include "cli/option_groups.h"
#include "archive/archive.h"
#include "tape/selection.h"
#include "tape/cursor.h"

/* Zero-initialise; choice and selecting are the targets of option_group_archive and
 * option_group_selection. */
typedef struct play_source {
    archive_choice choice;
    selection_options selecting;
    archive *archive; /* NULL: not open */
    selection wanted; /* borrows selecting's texts */
    cursor *tape;     /* NULL: not open */
} play_source;

/* Open the archive that the options name, for reading with the machine's files and clock, and read
 * the selection. log is borrowed until play_source_close. What is open after an error, close
 * closes. */
TD_MUST_USE td_result play_source_open(play_source *from, const td_log *log, td_err *err);

/* Open a tape of the selection. */
TD_MUST_USE td_result play_source_open_tape(play_source *from, const cursor_options *reading,
                                            td_err *err);

/* Close what is open. */
void play_source_close(play_source *from);

/* The selection of the options; borrows their texts. */
selection source_selection(const selection_options *options);

/* Open the archive alone, for reading. log is borrowed until archive_close. */
TD_MUST_USE td_result source_open_archive(const archive_choice *choice, const td_log *log,
                                          archive **out, td_err *err);

#endif
