/* The coverage table of a report (cli/result.h): a row for each topic of the families that have a
 * frame. */
#ifndef TD_DRIFT_COVERAGE_DESCRIBE_H
#define TD_DRIFT_COVERAGE_DESCRIBE_H

#include "cli/result.h"
#include "drift/coverage.h"

/* Add the list "coverage". */
void coverage_describe(result_writer *r, const coverage *of);

#endif
