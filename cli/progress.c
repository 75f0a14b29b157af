#include "cli/progress.h"

#include <stdarg.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/escape.h"

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
    char shown[PROGRESS_LINE_BYTES];
    (void)td_escape(td_bytes_str(line), shown, sizeof shown); /* a status line may be cut */
    progress->next_mono_ns = mono_ns + PROGRESS_EVERY_NS;
    fprintf(progress->report->out, "\r%s\033[K", shown);
    fflush(progress->report->out);
    atomic_store(&progress->report->has_status, 1);
}

void progress_end(progress_line *progress)
{
    if (!progress->is_shown || atomic_exchange(&progress->report->has_status, 0) == 0)
        return;
    fputs("\r\033[K", progress->report->out);
    fflush(progress->report->out);
}
