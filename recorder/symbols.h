/* Symbols of a feed: those of its configuration, or the matches of its globs in a file with one
 * symbol per line (blank lines and lines that begin with '#' are skipped). */
#ifndef TD_RECORDER_SYMBOLS_H
#define TD_RECORDER_SYMBOLS_H

#include <stddef.h>

#include "base/err.h"
#include "base/io.h"
#include "recorder/config.h"

typedef struct symbol_list {
    const char **items; /* in the file's order, or the configuration's; each once */
    size_t count;       /* 0: topics are subscribed as they are written */
    char *text;         /* what items point into; NULL: the configuration's texts */
} symbol_list;

/* Without a symbols_file: the configured symbols as they are, but no glob. With one: the symbols in
 * it that a configured glob fits; all of them if none is configured. TD_E_INVALID: a glob that fits
 * nothing, or is given without a file; a line that is no symbol, with file and line;
 * TD_E_NOTFOUND, TD_E_IO; TD_E_LIMIT: a file of more than LIMIT_SYMBOL_FILE_BYTES. */
TD_MUST_USE td_result symbols_open(const feed_config *feed, td_io io, symbol_list *out,
                                   td_err *err);
void symbols_fini(symbol_list *self);

#endif
