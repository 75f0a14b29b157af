/* Reads the facts of coverage_law.h from an archive: its journal, and every message of its
 * segments. One thread. */
#ifndef TD_TESTS_COVERAGE_FACTS_H
#define TD_TESTS_COVERAGE_FACTS_H

#include "base/err.h"
#include "archive/archive.h"
#include "tests/coverage/coverage_law.h"

/* Reads the facts. Call coverage_facts_fini for *out, also after a failure. Unreadable segments are
 * skipped. */
TD_MUST_USE td_result coverage_facts_read(archive *archive, law_facts *out, td_err *err);
void coverage_facts_fini(law_facts *facts);

#endif
