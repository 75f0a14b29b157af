/* Faults in rows of topics and exchanges, which are constant tables; NULL if a row is correct. */
#ifndef TD_TESTS_ROW_FAULTS_H
#define TD_TESTS_ROW_FAULTS_H

#include "schema/exchange.h"
#include "schema/topic.h"

/* The fault in one row, or NULL. */
const char *topic_row_fault(const topic_row *row);

/* The fault in a family's rows: also, rows of one pattern must have one name and be valid at
 * different times. */
const char *topic_rows_fault(const topic_row *rows, size_t row_count);

/* The fault in an exchange's row, or NULL. */
const char *exchange_row_fault(const exchange_row *row);

#endif
