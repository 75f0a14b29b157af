/* The decode of a frame as one line of JSON: what a baseline stores with --full, and what reports
 * of differences show. The members of schema/message_json.h, and nothing else. Pure; any thread. */
#ifndef TD_REGRESS_DECODE_LINE_H
#define TD_REGRESS_DECODE_LINE_H

#include "base/buf.h"
#include "base/err.h"
#include "play/stream.h"

/* Append the line of a frame that a baseline covers (regress/covered.h), with its LF. A book or
 * trade has all members if the tape reads all (TAPE_READS_ALL). TD_E_NOMEM, TD_E_LIMIT: out is as
 * before. */
TD_MUST_USE td_result decode_line_write(td_buf *out, const stream *of, const stream_frame *frame,
                                        td_err *err);

#endif
