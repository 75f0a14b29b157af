#include "cli/progress.h"

#include <stdarg.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/time_text.h"
#include "cli/units.h"

enum { PROGRESS_LINE_BYTES = 256 };

static const uint64_t PROGRESS_EVERY_NS = TD_NS_PER_S / 10;

void progress_init(progress_line *progress, reporter *report)
{
    TD_ASSERT(report->out != NULL);
    progress->report = report;
    progress->next_mono_ns = 0;
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

void progress_show_frames(progress_line *progress, uint64_t mono_ns, const char *phase,
                          uint64_t frames, uint64_t recv_ns, rate_window *rate)
{
    char when[TD_TIME_TEXT_BYTES] = "";
    if (!progress_is_due(progress, mono_ns))
        return;
    if (recv_ns != 0)
        td_time_format_ms(recv_ns, when);
    uint64_t now = rate == NULL ? 0 : rate_take(rate, mono_ns, frames);
    progress_show(progress, mono_ns, "%s%s%s  %s%s%s%s", phase == NULL ? "" : phase,
                  phase == NULL ? "" : "  ", when, format_counted(frames, "frame").text,
                  rate == NULL ? "" : "  ", rate == NULL ? "" : format_counted(now, "frame").text,
                  rate == NULL ? "" : "/s");
}

void progress_end(progress_line *progress)
{
    if (progress->is_shown)
        report_wipe_status(progress->report);
}
