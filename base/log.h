/* Log lines of libraries. Libraries never print: they get a td_log, whose owner decides which lines
 * are shown and where. */
#ifndef TD_BASE_LOG_H
#define TD_BASE_LOG_H

#include "base/attr.h"

typedef enum td_log_level {
    TD_LOG_ERROR,   /* something was lost or cannot be done */
    TD_LOG_WARNING, /* needs attention */
    TD_LOG_INFO,    /* an operator should know */
    TD_LOG_DEBUG,   /* for debugging (-v) */
} td_log_level;

/* Receives one line without LF, escaped by td_escape(). Must be callable by any thread. */
typedef void td_log_fn(void *ctx, td_log_level level, const char *line);

typedef struct td_log {
    td_log_fn *fn; /* NULL: no lines are logged */
    void *ctx;
    td_log_level level_max; /* lines above this level are not formatted */
} td_log;

/* Log one line, escaped (base/escape.h) and truncated to 1,024 bytes. log may be NULL. */
void td_log_emit(const td_log *log, td_log_level level, const char *format, ...) TD_PRINTF(3, 4);

#endif
