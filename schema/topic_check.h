/* Checks rows of topics: what decoders, books and rules rely on. Readers of documents refuse a row
 * with a fault, so that no frame can make a decoder meet it. Any thread. */
#ifndef TD_SCHEMA_TOPIC_CHECK_H
#define TD_SCHEMA_TOPIC_CHECK_H

#include "schema/topic.h"

/* What is wrong with a row, or NULL; a constant. *where becomes the part of the row that is wrong,
 * such as a key: a view into it. */
const char *topic_fault(const topic_row *row, td_bytes *where);

/* What is wrong between the rows of a family, or NULL: rows with one pattern have one name, and are
 * valid at different times. *at becomes the index of the later one. */
const char *topic_list_fault(const topic_row *rows, size_t count, size_t *at);

#endif
