/* An archive of two segments and a journal, for tests that damage a file and check the findings of
 * verify. Fails the running cmocka test if the findings are wrong. */
#ifndef TD_TESTS_TESTING_DAMAGE_FIXTURE_H
#define TD_TESTS_TESTING_DAMAGE_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "archive/verify.h"
#include "tests/testing/archive_fixture.h"

enum { DAMAGE_SEGMENTS = 2, DAMAGE_CHUNKS = 3, DAMAGE_TEXT_BYTES = 1 << 16 };

typedef struct damage_fixture {
    archive_env env;
    char paths[DAMAGE_SEGMENTS + 1][LIMIT_PATH_BYTES]; /* of the segments and the journal */
    uint8_t *bytes[DAMAGE_SEGMENTS + 1];
    size_t sizes[DAMAGE_SEGMENTS + 1];
    unsigned tried;
    char text[DAMAGE_TEXT_BYTES]; /* findings of the last verify, one per line */
} damage_fixture;

/* A sound archive on a simulated disk, with a note and a gap in its journal. */
damage_fixture *damage_open(void);

/* Check that the archive is sound again, print how many changes were tried, and free the fixture.
 */
void damage_close(damage_fixture *f, const char *what);

/* The verdict of verify; the findings are in f->text. */
verify_severity damage_verify(damage_fixture *f);

/* Run verify and count a tried change. least: the mildest acceptable verdict; names: a text that a
 * finding must contain. */
void damage_must_show(damage_fixture *f, verify_severity least, const char *names,
                      const char *doing, size_t at);

/* Set ends to the end offset of each entry of the journal. Returns the number of entries. */
size_t damage_journal_ends(const damage_fixture *f, size_t *ends, size_t max);

/* Replace the bytes of file i (a segment, or DAMAGE_SEGMENTS: the journal); damage_put_back
 * restores them. */
void damage_put(damage_fixture *f, size_t i, const void *bytes, size_t size);
void damage_put_back(damage_fixture *f, size_t i);

#endif
