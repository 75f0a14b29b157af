/* What is wrong with rows of topics and exchanges, which are constant tables: NULL if nothing is.
 */
#ifndef TD_TESTS_ROW_FAULTS_H
#define TD_TESTS_ROW_FAULTS_H

#include "schema/exchange.h"
#include "schema/topic.h"

const char *topic_row_fault(const topic_row *row);

/* Rows of one pattern: they have one name, and are valid at different times. */
const char *topic_rows_fault(const topic_row *rows, size_t row_count);

const char *exchange_row_fault(const exchange_row *row);

#endif
