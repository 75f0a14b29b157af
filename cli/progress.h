/* One status line that is written over and over while a program works: only on a terminal, at most
 * ten times a second, and cleared before anything else is printed. Quiet programs show none. One
 * thread.
 */
#ifndef TD_CLI_PROGRESS_H
#define TD_CLI_PROGRESS_H

#include <stdint.h>

#include "base/attr.h"
#include "cli/rate.h"
#include "cli/report.h"

typedef struct progress_line {
    reporter *report;
    uint64_t next_mono_ns; /* not shown again before */
    uint8_t is_shown;      /* 0: no terminal, or quiet */
} progress_line;

/* A status line on the report's terminal; shows nothing if that is none, or is quiet. */
void progress_init(progress_line *progress, reporter *report);

/* 1 if a line is wanted at mono_ns, so that callers need not gather its content. */
static inline int progress_is_due(const progress_line *progress, uint64_t mono_ns)
{
    return progress->is_shown && mono_ns >= progress->next_mono_ns;
}

/* Show a line in place of the last one; does nothing unless progress_is_due. Its fields, most
 * important first, are separated by two spaces: those that the terminal has no space for are left
 * out (terminal_fit). */
void progress_show(progress_line *progress, uint64_t mono_ns, const char *format, ...)
    TD_PRINTF(3, 4);

/* A line about frames that are read: phase (NULL: none), the time of the last one (0: unknown), how
 * many, and how many a second now (rate NULL: left out). */
void progress_show_frames(progress_line *progress, uint64_t mono_ns, const char *phase,
                          uint64_t frames, uint64_t recv_ns, rate_window *rate);

/* Wipe the line. */
void progress_end(progress_line *progress);

#endif
