/* Cuts the smallest tape in which a stream's first difference has the same decode and book as in
 * the archive (replay/cut/cut.h). The tape has the differing frame; if this frame's topic has a
 * book, also the frames of that topic and symbol on the same connection since the last snapshot;
 * and gaps that concern the topic. One thread. */
#ifndef TD_REGRESS_CUT_H
#define TD_REGRESS_CUT_H

#include "base/err.h"
#include "replay/cut/cut.h"
#include "regress/run.h"

/* Write the tape of a stream's first difference, which must have a frame. Sets the selection and
 * the functions in `options`. Errors as cut_write; TD_E_NOTFOUND: the archive lacks the frame. */
TD_MUST_USE td_result regress_cut(cut_options options, const regress_stream *of, cut_result *out,
                                  td_err *err);

#endif
