/* A check's result as JUnit XML, for CI systems: a test suite for each feed, a test case for each
 * topic and symbol, with the first difference as the text of its failure. What XML 1.0 cannot hold
 * is escaped as on screens (base/escape.h). One thread. */
#ifndef TD_REGRESS_JUNIT_H
#define TD_REGRESS_JUNIT_H

#include "base/err.h"
#include "base/io.h"
#include "regress/check_result.h"

/* Write the file, replacing an existing one; name is that of the whole ("tapedeck regress check").
 * TD_E_IO, TD_E_NOSPACE, TD_E_UNSUPPORTED, TD_E_NOMEM, TD_E_LIMIT: the text is too long. */
TD_MUST_USE td_result junit_write(td_io io, const char *path, const char *name,
                                  const check_result *result, td_err *err);

#endif
