/* A status line that is redrawn while a program works: only on a terminal, at most ten times a
 * second, cleared before anything else is printed, and not in quiet programs. One thread. */
#ifndef TD_CLI_PROGRESS_H
#define TD_CLI_PROGRESS_H

#include <stdint.h>

#include "base/attr.h"
#include "base/cli/report.h"
#include "base/cli/units.h"

typedef struct progress_line {
    reporter *report;
    uint64_t next_mono_ns;  /* earliest time of the next line */
    uint64_t begin_mono_ns; /* time of the first progress_part; 0: not called yet */
    uint64_t begin_done;    /* `done` at that time */
    uint64_t last_done;
    uint8_t is_shown; /* 0: no terminal, or quiet */
} progress_line;

/* Start a status line on the report's terminal; shows nothing without a terminal or if quiet. */
void progress_init(progress_line *progress, reporter *report);

/* 1 if a line is due at mono_ns; else callers need not compute its content. */
static inline int progress_is_due(const progress_line *progress, uint64_t mono_ns)
{
    return progress->is_shown && mono_ns >= progress->next_mono_ns;
}

/* Replace the status line if progress_is_due. Its fields, the most important first, are separated
 * by two spaces; fields that do not fit on the terminal are omitted (terminal_fit). */
void progress_show(progress_line *progress, uint64_t mono_ns, const char *format, ...)
    TD_PRINTF(3, 4);

/* Format "37 %  2 m 5 s left": the done part of total, and the remaining time at the average speed
 * since the first call ("" while unknown). */
unit_text progress_part(progress_line *progress, uint64_t mono_ns, uint64_t done, uint64_t total);

/* Show "verify  37 %  2 m 5 s left  1.2 GiB of 3.4 GiB". */
void progress_show_part(progress_line *progress, const char *what, uint64_t done, uint64_t total,
                        const char *done_text, const char *total_text);

/* Wipe the line. */
void progress_end(progress_line *progress);

#endif
