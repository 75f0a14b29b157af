/* What the parts of sim/shape.h share. */
#ifndef TD_SIM_SHAPE_IMPL_H
#define TD_SIM_SHAPE_IMPL_H

#include "sim/shape.h"

/* {"topic":…,"type":…,"data": */
void shape_begin(text_out *out, const shape_frame *frame, const char *type);

/* ,"cross_seq":…,"timestamp_e6":…} : numbers, or strings in the linear shape */
void shape_end(text_out *out, const shape_frame *frame);

/* "2021-04-17T16:43:06" and a tail, cut to the second. */
enum { SHAPE_SECOND_BYTES = 32 };
void shape_format_second(uint64_t ns, const char *tail, char out[SHAPE_SECOND_BYTES]);

#endif
