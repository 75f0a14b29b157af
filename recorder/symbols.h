/* Symbols of a feed: from its configuration, without patterns (recorder/instruments.h), then from
 * its file, which has one per line (blank lines and lines that begin with '#' are skipped), then
 * from the exchange's list of instruments. */
#ifndef TD_RECORDER_SYMBOLS_H
#define TD_RECORDER_SYMBOLS_H

#include <stddef.h>

#include "base/err.h"
#include "base/io.h"
#include "recorder/config.h"
#include "recorder/instruments.h"

typedef struct symbol_list {
    const char **items;
    size_t count; /* 0: topics are subscribed as they are */
    char *text;   /* text of the file, which items point into; NULL: no file */
} symbol_list;

/* Collect the symbols; `listed` are the list's, borrowed. TD_E_INVALID: a line is not a symbol (the
 * error states file and line), or the file has no symbols; TD_E_NOTFOUND, TD_E_IO; TD_E_LIMIT: the
 * file has more than LIMIT_SYMBOL_FILE_BYTES. */
TD_MUST_USE td_result symbols_open(const feed_config *feed, td_io io, const instruments *listed,
                                   symbol_list *out, td_err *err);
void symbols_fini(symbol_list *self);

#endif
