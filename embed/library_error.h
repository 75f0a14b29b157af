/* Errors of libtapedeck's calls, made from the tree's own. Any thread. */
#ifndef TD_EMBED_LIBRARY_ERROR_H
#define TD_EMBED_LIBRARY_ERROR_H

#include "base/err.h"
#include "embed/include/tapedeck/archive.h"

/* Set a caller's error, NULL: nothing. The text lacks hints about verbs and options of programs. */
void library_error_set(tapedeck_error *to, td_result rc, const td_err *err);

#endif
