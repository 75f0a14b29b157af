/* The report of a check or a diff, as a result (cli/result.h): docs/regress.md explains each field.
 * One thread. */
#ifndef TD_REGRESS_CHECK_DESCRIBE_H
#define TD_REGRESS_CHECK_DESCRIBE_H

#include "base/err.h"
#include "cli/result.h"
#include "regress/check_result.h"

/* Describe into an object that is open. The caller adds what else it knows, and has
 * CHECK_DESCRIBE_PATTERN in the object's pattern. columns: of the terminal that the text is for,
 * 0 for none. TD_E_NOMEM. */
TD_MUST_USE td_result check_describe(const check_result *result, size_t columns, result_writer *r,
                                     td_err *err);
#define CHECK_DESCRIBE_PATTERN                                                                     \
    "{topics}{differences}[\n{unknown_note}\n][{paths?}\n{fields_note}{paths}]{first_missing}"     \
    "{first_new}"

#endif
