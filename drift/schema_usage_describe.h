/* The coverage table of a report (cli/result.h): a row for each topic of the families that have a
 * frame. */
#ifndef TD_DRIFT_SCHEMA_USAGE_DESCRIBE_H
#define TD_DRIFT_SCHEMA_USAGE_DESCRIBE_H

#include "cli/result.h"
#include "drift/schema_usage.h"

/* Add the list "coverage". */
void usage_describe(result_writer *r, const schema_usage *of);

#endif
