/* An archive of two segments and a journal, for tests that damage a file and check the findings of
 * verify. Fails the running cmocka test if the findings are wrong. */
#ifndef TD_TESTS_TESTING_DAMAGE_BENCH_H
#define TD_TESTS_TESTING_DAMAGE_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include "archive/verify.h"
#include "tests/testing/archive_fixture.h"

enum { BENCH_SEGMENTS = 2, BENCH_CHUNKS = 3, BENCH_TEXT_BYTES = 1 << 16 };

typedef struct bench {
    archive_env env;
    char paths[BENCH_SEGMENTS + 1][LIMIT_PATH_BYTES]; /* of the segments and the journal */
    uint8_t *bytes[BENCH_SEGMENTS + 1];
    size_t sizes[BENCH_SEGMENTS + 1];
    unsigned tried;
    char text[BENCH_TEXT_BYTES]; /* findings of the last verify, one per line */
} bench;

/* A sound archive on a simulated disk, with a note and a gap in its journal. */
bench *bench_open(void);

/* Check that the archive is sound again, print how many changes were tried, and free the bench. */
void bench_close(bench *b, const char *what);

/* The verdict of verify; the findings are in b->text. */
verify_severity bench_verify(bench *b);

/* Run verify and count a tried change. least: the mildest acceptable verdict; names: a text that a
 * finding must contain. */
void bench_must_show(bench *b, verify_severity least, const char *names, const char *doing,
                     size_t at);

/* Set ends to the end offset of each entry of the journal. Returns the number of entries. */
size_t bench_journal_ends(const bench *b, size_t *ends, size_t max);

/* Replace the bytes of file i (a segment, or BENCH_SEGMENTS: the journal); bench_put_back restores
 * them. */
void bench_put(bench *b, size_t i, const void *bytes, size_t size);
void bench_put_back(bench *b, size_t i);

#endif
