/* Numbers channels for chunk_builder: equal channels get equal numbers. Names are copied, a
 * schema's text is borrowed. */
#ifndef TD_TESTS_TESTING_CHANNEL_NUMBERS_H
#define TD_TESTS_TESTING_CHANNEL_NUMBERS_H

#include <stddef.h>

#include "format/chunk_builder.h"

/* Empty if all zero. */
typedef struct channel_numbers {
    channel_info **infos;
    size_t count;
} channel_numbers;

/* Set the frame's number and info. */
void channel_numbers_set(channel_numbers *self, const channel_info *info, feed_frame *frame);

/* Free it, after the builder is closed. */
void channel_numbers_fini(channel_numbers *self);

#endif
