/* A check's result as JUnit XML, for CI systems: a test suite for each feed, a test case for each
 * topic and symbol, with the first difference as the text of its failure. A suite "decoders" has a
 * case for each decoder of the user's own; a suite "run" the error of a run that ended early. What
 * XML 1.0 cannot hold is escaped as on screens (base/escape.h). One thread. */
#ifndef TD_REGRESS_JUNIT_H
#define TD_REGRESS_JUNIT_H

#include "base/err.h"
#include "base/io.h"
#include "regress/check_result.h"
#include "regress/decoder_choice.h"

typedef struct junit_report {
    const char *name;                      /* of the whole: "tapedeck regress check" */
    const check_result *result;            /* NULL: the run ended early */
    const td_err *error;                   /* why it did; NULL: it did not */
    const decoder_choice *const *decoders; /* the built-in one is left out */
    size_t decoder_count;
} junit_report;

/* Write the file, replacing an existing one. TD_E_IO, TD_E_NOSPACE, TD_E_UNSUPPORTED, TD_E_NOMEM,
 * TD_E_LIMIT: the text is too long. */
TD_MUST_USE td_result junit_write(td_io io, const char *path, const junit_report *report,
                                  td_err *err);

#endif
