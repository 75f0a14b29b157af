/* The book after the first difference of two decoders, as one of them has it: a replay up to that
 * frame. */
#ifndef TD_REGRESS_BOOK_AFTER_H
#define TD_REGRESS_BOOK_AFTER_H

#include "base/err.h"
#include "regress/run.h"

/* Play the difference's topic and symbol up to its frame with options->decoder. *out gets the book
 * as a line of JSON, {"bids": [{price, size}, ...], "asks": [...]} with the best level first, to be
 * freed with td_free; NULL: there is no frame, the frame has no book, its connection has sent no
 * snapshot, or the text is too long. TD_E_*: as regress_compare. */
TD_MUST_USE td_result regress_book_after(const regress_options *options, const regress_stream *of,
                                         char **out, td_err *err);

#endif
