/* One status line that is written over and over while a program works: only on a terminal, at most
 * ten times a second, and cleared before anything else is printed. Quiet programs show none. One
 * thread.
 */
#ifndef TD_CLI_PROGRESS_H
#define TD_CLI_PROGRESS_H

#include <stdint.h>

#include "base/attr.h"
#include "base/cli/report.h"
#include "base/cli/units.h"

typedef struct progress_line {
    reporter *report;
    uint64_t next_mono_ns;  /* not shown again before */
    uint64_t begin_mono_ns; /* when the first part was shown; 0: none was */
    uint64_t begin_done;    /* and how much was done then */
    uint64_t last_done;
    uint8_t is_shown; /* 0: no terminal, or quiet */
} progress_line;

/* A status line on the report's terminal; shows nothing without a terminal, or if it is quiet. */
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

/* "37 %  2 m 5 s left": how much of total is done, and the time that the rest takes at the pace
 * since the first call ("" where that is not known yet). */
unit_text progress_part(progress_line *progress, uint64_t mono_ns, uint64_t done, uint64_t total);

/* "verify  37 %  2 m 5 s left  1.2 GiB of 3.4 GiB": a line of that, in words. */
void progress_show_part(progress_line *progress, const char *what, uint64_t done, uint64_t total,
                        const char *done_text, const char *total_text);

/* Wipe the line. */
void progress_end(progress_line *progress);

#endif
