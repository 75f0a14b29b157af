/* Retention in tests: prune an archive of the fixture, and see what went and that the rest is
 * sound. Fails the running cmocka test on any error that it is not asked about. One thread. */
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

/* What verify found, one finding a line. */
typedef struct prune_found {
    char text[PRUNE_TEXT_BYTES];
    verify_severity verdict;
} prune_found;

/* Prune with the fixture's gap reader; options.removing is ours. */
td_result prune_try(archive_place *place, prune_options options, prune_report *report, td_err *err);
prune_report prune(archive_place *place, prune_options options);

/* What the last of them said to remove: "why feed number" LF of each segment, in order. */
const char *prune_removed(void);

/* Remove what is older than frame i. */
prune_options older_than_frame(uint64_t i);

/* Valid until the next call. */
const prune_found *prune_verify(archive_place *place);

/* Nothing is found at all, and the catalog equals a rebuilt one. */
void prune_check_sound(archive_place *place);

#endif
