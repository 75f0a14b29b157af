#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "base/escape.h"

enum { LINE_BYTES = 1024 };

void td_log_emit(const td_log *log, td_log_level level, const char *format, ...)
{
    if (log == NULL || log->fn == NULL || level > log->level_max)
        return;
    char line[LINE_BYTES];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line, sizeof line, format, values);
    va_end(values);
    if (length < 0)
        return;
    /* Escaping keeps it one line, even with values from peers. */
    char shown[LINE_BYTES];
    (void)td_escape(td_bytes_str(line), shown, sizeof shown); /* may be cut */
    log->fn(log->ctx, level, shown);
}
