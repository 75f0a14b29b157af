/* The result of a comparison as one document (docs/regress.md): JSON or text, and JUnit XML. One
 * thread. */
#ifndef TD_REGRESS_REPORT_H
#define TD_REGRESS_REPORT_H

#include "base/err.h"
#include "base/io.h"
#include "base/cli/result.h"
#include "regress/run.h"

typedef struct regress_report {
    const char *baseline; /* path; NULL for the verb diff, which compares two decoders */
    const char *archive;
    const baseline_meta *was;
    user_decoder *was_decoder; /* for diff: the first decoder; NULL for check */
    user_decoder *is_decoder;
    regress_comparison found;
    char *book_was, *book_is; /* after the first difference, by either decoder (book_after.h) */
    regress_totals totals;
} regress_report;

/* Write the document. */
void regress_report_describe(const regress_report *report, result_writer *r);

/* Write it as JUnit XML, with a case for each topic and symbol, and one for each decoder that
 * failed at frames, or is over a limit. TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result regress_report_junit(const regress_report *report, td_io io, const char *path,
                                           td_err *err);

/* 1 if a frame differs, or a decoder failed at a frame or is over a limit. */
int regress_report_differs(const regress_report *report);

/* A kind of difference in words, such as "decoded differently". */
const char *regress_kind_text(difference_kind kind);

#endif
