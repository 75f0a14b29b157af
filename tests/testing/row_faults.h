/* Finds faults in the constant tables of exchanges (schema/topic_check.h: in rows of topics). */
#ifndef TD_TESTS_ROW_FAULTS_H
#define TD_TESTS_ROW_FAULTS_H

#include "schema/exchange.h"

/* The fault in an exchange's row, or NULL. */
const char *exchange_row_fault(const exchange_row *row);

#endif
