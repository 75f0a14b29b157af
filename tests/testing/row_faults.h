/* Finds faults in the constant tables of topics and exchanges. */
#ifndef TD_TESTS_ROW_FAULTS_H
#define TD_TESTS_ROW_FAULTS_H

#include "schema/exchange.h"
#include "schema/topic.h"

/* The fault in one row, or NULL. */
const char *topic_row_fault(const topic_row *row);

/* The fault in one of a family's rows, or NULL. Rows with one pattern must have one name and be
 * valid at different times. */
const char *topic_rows_fault(const topic_row *rows, size_t row_count);

/* The fault in an exchange's row, or NULL. */
const char *exchange_row_fault(const exchange_row *row);

#endif
