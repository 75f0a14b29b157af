/* Gives channels their numbers for chunk_builder: equal channels get equal numbers. Names are
 * copied, the text of a schema is borrowed. */
#ifndef TD_TESTS_TESTING_CHANNEL_NUMBERS_H
#define TD_TESTS_TESTING_CHANNEL_NUMBERS_H

#include <stddef.h>

#include "format/chunk_builder.h"

/* Zero-initialise. */
typedef struct channel_numbers {
    channel_info **infos;
    size_t count;
} channel_numbers;

/* Set the frame's channel number and info. */
void channel_numbers_set(channel_numbers *self, const channel_info *info, feed_frame *frame);

/* Free the numbers, after the builder is closed. */
void channel_numbers_fini(channel_numbers *self);

#endif
