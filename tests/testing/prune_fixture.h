/* Retention in tests: prunes an archive of the fixture, and checks what was removed and that the
 * rest is sound. Errors fail the running cmocka test, except in functions that return td_result.
 * One thread. */
#ifndef TD_TESTS_TESTING_PRUNE_FIXTURE_H
#define TD_TESTS_TESTING_PRUNE_FIXTURE_H

#include <stdint.h>

#include "archive/prune.h"
#include "archive/verify.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

/* A fixture's segment has 3 chunks of 20 frames. */
enum { SEGMENT_FRAMES = 60, PRUNE_TEXT_BYTES = 1 << 15 };

/* Receive time of frame i. */
#define AT(i) (FIXTURE_START_NS + FIXTURE_STEP_NS * (i))

/* The findings of verify, one per line. */
typedef struct prune_found {
    char text[PRUNE_TEXT_BYTES];
    verify_severity verdict;
} prune_found;

/* Prune with the fixture's gap reader. Sets options.removing. */
td_result prune_try(archive_env *env, prune_options options, prune_report *report, td_err *err);
prune_report prune(archive_env *env, prune_options options);

/* The segments that the last prune removed, in order: "why feed number" and an LF for each. */
const char *prune_removed(void);

/* Options that remove frames older than frame i. */
prune_options older_than_frame(uint64_t i);

/* Run verify; the result is valid until the next call. */
const prune_found *prune_verify(archive_env *env);

/* Check that verify finds nothing, and that the catalog equals a rebuilt one, but for rows of
 * segments that were moved to a store. */
void prune_check_sound(archive_env *env);

#endif
