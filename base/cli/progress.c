#include "base/cli/progress.h"

#include <stdarg.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/time_text.h"
#include "base/cli/units.h"

enum { PROGRESS_LINE_BYTES = 256 };

static const uint64_t PROGRESS_EVERY_NS = TD_NS_PER_S / 10;
static const uint64_t PACE_KNOWN_NS = TD_NS_PER_S; /* time after which a remaining time is shown */

void progress_init(progress_line *progress, reporter *report)
{
    TD_ASSERT(report->out != NULL);
    progress->report = report;
    progress->next_mono_ns = 0;
    progress->begin_mono_ns = 0;
    progress->is_shown = report->is_terminal && report->level_max >= TD_LOG_INFO;
}

void progress_show(progress_line *progress, uint64_t mono_ns, const char *format, ...)
{
    if (!progress_is_due(progress, mono_ns))
        return;
    char line[PROGRESS_LINE_BYTES];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    progress->next_mono_ns = mono_ns + PROGRESS_EVERY_NS;
    report_show_status(progress->report, line);
}

/* Format the part rounded down, so that 100 % is shown only at the end. */
unit_text progress_part(progress_line *progress, uint64_t mono_ns, uint64_t done, uint64_t total)
{
    unit_text out = {""};
    char left[TD_TIME_TEXT_BYTES];
    if (progress->begin_mono_ns == 0 || done < progress->last_done) { /* or a new phase began */
        progress->begin_mono_ns = mono_ns;
        progress->begin_done = done;
    }
    progress->last_done = done;
    if (total == 0 || done > total)
        return out;
    double part = (double)done / (double)total;
    int used = snprintf(out.text, sizeof out.text, "%d %%", (int)(part * 100));
    uint64_t passed_ns = mono_ns - progress->begin_mono_ns;
    if (passed_ns < PACE_KNOWN_NS || done <= progress->begin_done || done == total)
        return out;
    double pace = (double)(done - progress->begin_done) / (double)passed_ns;
    uint64_t left_s = (uint64_t)((double)(total - done) / pace) / TD_NS_PER_S + 1;
    td_duration_format(left_s * TD_NS_PER_S, left);
    (void)snprintf(out.text + used, sizeof out.text - (size_t)used, "  %s left", left); /* fits */
    return out;
}

void progress_show_part(progress_line *progress, const char *what, uint64_t done, uint64_t total,
                        const char *done_text, const char *total_text)
{
    uint64_t mono_ns = clock_mono_ns(clock_real());
    if (progress_is_due(progress, mono_ns))
        progress_show(progress, mono_ns, "%s  %s  %s of %s", what,
                      progress_part(progress, mono_ns, done, total).text, done_text, total_text);
}

void progress_end(progress_line *progress)
{
    if (progress->is_shown)
        report_wipe_status(progress->report);
}
