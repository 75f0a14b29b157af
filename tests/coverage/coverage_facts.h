/* Reads the facts of coverage_law.h from an archive: its journal, and every message of its
 * segments. One thread. */
#ifndef TD_TESTS_COVERAGE_FACTS_H
#define TD_TESTS_COVERAGE_FACTS_H

#include "base/err.h"
#include "archive/archive.h"
#include "tests/coverage/coverage_law.h"

/* *out is the caller's, for coverage_facts_fini, also after a failure. Segments that cannot be read
 * are left out. */
TD_MUST_USE td_result coverage_facts_read(archive *archive, law_facts *out, td_err *err);
void coverage_facts_fini(law_facts *facts);

#endif
