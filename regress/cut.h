/* The shortest complete tape in which a stream's first difference has the decode, and the book
 * after it, that it has in the archive (replay/cut/cut.h): the frame; of a topic with a book, the
 * frames of that topic and symbol on the same connection from the last snapshot before it on; and
 * the gaps that touch the topic. One thread. */
#ifndef TD_REGRESS_CUT_H
#define TD_REGRESS_CUT_H

#include "base/err.h"
#include "replay/cut/cut.h"
#include "regress/run.h"

/* Write it for a stream's first difference, which has a frame; the options' selection and functions
 * are set here. As cut_write; TD_E_NOTFOUND: the archive does not have the frame. */
TD_MUST_USE td_result regress_cut(cut_options options, const regress_stream *of, cut_result *out,
                                  td_err *err);

#endif
