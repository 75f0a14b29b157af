/* What the scenes of tests/fault/test_oom_*.c have in common: an archive on a simulated disk, its
 * catalog in a temporary folder, rebuilt for each run from disks that were recorded once by the
 * recorder's own threads. */
#ifndef TD_TESTS_TESTING_OOM_SCENE_H
#define TD_TESTS_TESTING_OOM_SCENE_H

#include <stdatomic.h>

#include "archive/archive_writer.h"
#include "archive/event.h"
#include "tests/testing/archive_fixture.h"

enum { OOM_FRAMES = 60 };

typedef struct oom_place {
    archive_place place;
    atomic_ullong durable; /* frames announced, by oom_record */
} oom_place;

/* A place with an empty disk, or a copy of another one, with its catalog if it has one. */
oom_place *oom_place_empty(void);
oom_place *oom_place_copy(const oom_place *from);
void oom_place_free(void *place);

/* The scene's archive; the result is the scene's to judge. */
td_result oom_place_open(oom_place *place, archive_mode mode, const char *verb, archive **out,
                         td_err *err);

/* Intake, encoder and disk threads write OOM_FRAMES frames of books, trades and others, and end the
 * session as asked; after a failure always by WRITER_ABANDON. The first failure. */
td_result oom_record(oom_place *place, writer_end end, td_err *err);

/* With all memory: recover, which must lose nothing, then verify, which must find no damage, then
 * count the inbound frames. */
uint64_t oom_recover_and_count(oom_place *place);

#endif
