/* An archive of two segments and its journal, for tests that spoil a file and see what verify says
 * of it. Fails the running cmocka test where that is not what must be said. */
#ifndef TD_TESTS_TESTING_DAMAGE_BENCH_H
#define TD_TESTS_TESTING_DAMAGE_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include "archive/verify.h"
#include "tests/testing/archive_fixture.h"

enum { BENCH_SEGMENTS = 2, BENCH_CHUNKS = 3, BENCH_TEXT_BYTES = 1 << 16 };

typedef struct bench {
    archive_place place;
    char paths[BENCH_SEGMENTS + 1][LIMIT_PATH_BYTES]; /* of the segments, then of the journal */
    uint8_t *bytes[BENCH_SEGMENTS + 1];
    size_t sizes[BENCH_SEGMENTS + 1];
    unsigned tried;
    char text[BENCH_TEXT_BYTES]; /* findings of the last verify, one a line */
} bench;

/* A sound one, on a simulated disk, with a note and a gap in its journal. */
bench *bench_open(void);

/* It must be sound again; prints how much was tried. */
void bench_close(bench *b, const char *what);

/* The verdict of verify; the findings are in b->text. */
verify_severity bench_verify(bench *b);

/* Verify, and count it as tried. least: the mildest verdict that will do; names: what a finding
 * must say. */
void bench_must_show(bench *b, verify_severity least, const char *names, const char *doing,
                     size_t at);

/* Where each entry of the journal ends; how many there are. */
size_t bench_journal_ends(const bench *b, size_t *ends, size_t max);

/* Put other bytes in place of file i; and its own back. */
void bench_put(bench *b, size_t i, const void *bytes, size_t size);
void bench_put_back(bench *b, size_t i);

#endif
