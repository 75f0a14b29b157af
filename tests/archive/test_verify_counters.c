/* Frames received = written + dropped, from segment to segment of a session and against the ledger:
 * sessions whose counters are made up, each of which chains, and is in order except for them.
 * Expected: the contract in archive/verify.h; docs/design.md, promise P1
 * ("dropped frames are in the ledger"). What a chain record says within one segment:
 * test_segment_verify. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "archive/verify.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/segment_fixture.h"

enum { CHUNK_FRAMES = 20, CHUNKS = 6, CHUNKS_PER_SEGMENT = 2, TEXT_BYTES = 4096 };

typedef struct counters_row {
    const char *name;
    const char *finding; /* NULL: sound */
    int64_t shift;       /* of all written frames from the second segment on */
    uint64_t dropped;    /* from the third chunk on */
    uint64_t told[2];    /* by overload gaps of two events, 0: none */
    writer_end end;
} counters_row;

static const counters_row ROWS[] = {
    {.name = "as it was", .end = WRITER_STOP},
    {.name = "frames between two segments",
     .finding = "counters: it begins at 41 frames, the segment before it ends at 36",
     .shift = 5,
     .end = WRITER_STOP},
    {.name = "frames twice",
     .finding = "counters: it begins at 33 frames, the segment before it ends at 36",
     .shift = -3,
     .end = WRITER_STOP},
    {.name = "dropped, and told", .dropped = 7, .told = {7}, .end = WRITER_STOP},
    {.name = "dropped, and told in two parts", .dropped = 7, .told = {3, 4}, .end = WRITER_STOP},
    {.name = "dropped, and not told",
     .finding = "7 frames of session",
     .dropped = 7,
     .end = WRITER_STOP},
    {.name = "dropped, and one too few told",
     .finding = "were dropped, the ledger has 6",
     .dropped = 7,
     .told = {6},
     .end = WRITER_STOP},
    {.name = "dropped, and one too many told",
     .finding = "were dropped, the ledger has 8",
     .dropped = 7,
     .told = {4, 4},
     .end = WRITER_STOP},
    /* A crash may have taken the last gap with it, and is one. */
    {.name = "dropped, and crashed", .dropped = 7, .end = WRITER_ABANDON},
};

/* ---- what is written ---- */

typedef struct forger {
    const counters_row *row;
    unsigned chunk;
} forger;

/* The events of two frames tell what was dropped. */
static void tell_dropped(void *user, uint64_t i, fixture_frame *frame)
{
    const forger *f = user;
    uint64_t told = i == 70 ? f->row->told[0] : i == 90 ? f->row->told[1] : 0;
    if (told != 0)
        frame->size = (size_t)snprintf(
            frame->text, sizeof frame->text,
            "{\"event\":\"gap\",\"reason\":\"overload\",\"line\":0,\"shard\":0,\"conn\":1,"
            "\"from_ns\":%" PRIu64 ",\"to_ns\":%" PRIu64 ",\"frames_lost\":%" PRIu64
            ",\"cause\":\"overload\"}",
            frame->recv_ns - 1, frame->recv_ns, told);
}

static void forge(void *user, sealed_chunk *chunk)
{
    forger *f = user;
    chain_totals *totals = &chunk->totals;
    uint64_t dropped = f->chunk >= 2 ? f->row->dropped : 0;
    if (f->chunk >= CHUNKS_PER_SEGMENT)
        totals->frames_written += (uint64_t)f->row->shift;
    totals->frames_dropped += dropped;
    totals->frames_in = totals->frames_written + totals->frames_dropped;
    f->chunk++;
}

static void record(archive_place *place, counters_row *row)
{
    archive_writer *writer = NULL;
    fixture_feed feed;
    forger how = {.row = row};
    td_err err;
    td_err_clear(&err);
    archive *a = archive_place_open(place, ARCHIVE_APPEND, "record");
    const archive_writer_options options = {.version = "0.1", .start_ns = FIXTURE_START_NS};
    assert_int_equal(archive_writer_open(a, &options, &writer, &err), TD_OK);
    assert_int_equal(fixture_feed_open(&feed, writer, FIXTURE_FEED, 0, 1, &err), TD_OK);
    feed.change = forge;
    feed.alter = tell_dropped;
    feed.change_user = &how;
    for (unsigned i = 0; i < CHUNKS; i++) {
        if (i > 0 && i % CHUNKS_PER_SEGMENT == 0)
            fixture_feed_rotate(&feed);
        assert_int_equal(fixture_feed_put(&feed, CHUNK_FRAMES, &err), TD_OK);
    }
    fixture_feed_close(&feed);
    uint64_t stop_ns = FIXTURE_START_NS + FIXTURE_STEP_NS * CHUNK_FRAMES * CHUNKS;
    assert_int_equal(archive_writer_close(writer, row->end, stop_ns, &err), TD_OK);
    archive_close(a);
}

/* ---- what verify says ---- */

typedef struct said {
    char text[TEXT_BYTES];
    size_t size;
} said;

static void keep_finding(void *user, const verify_finding *finding)
{
    said *out = user;
    int length = snprintf(out->text + out->size, sizeof out->text - out->size, "%s %s\n",
                          verify_severity_name(finding->severity), finding->what);
    assert_true(length > 0);
    out->size += (size_t)length;
    assert_true(out->size < sizeof out->text);
}

static void check_row(counters_row *row)
{
    archive_place place;
    verify_report report;
    said found = {0};
    td_err err;
    const verify_options options = {.threads = 1, .finding = keep_finding, .user = &found};
    archive_place_init_sim(&place);
    record(&place, row);
    archive *a = archive_place_open(&place, ARCHIVE_READ, NULL);
    assert_int_equal(archive_verify(a, &options, &report, &err), TD_OK);
    archive_close(a);
    int is_damaged = report.verdict == VERIFY_DAMAGED;
    if (is_damaged != (row->finding != NULL) ||
        (row->finding != NULL && strstr(found.text, row->finding) == NULL) ||
        (row->finding == NULL && strstr(found.text, "counters") != NULL))
        fail_msg("%s: %s", row->name, found.text);
    /* Nothing else is wrong with it. */
    assert_int_equal(report.findings[VERIFY_DAMAGED], row->finding != NULL);
    archive_place_fini(&place);
}

static void test_counters(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        counters_row row = ROWS[i];
        check_row(&row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters),
    };
    return cmocka_run_group_tests_name("verify_counters", tests, NULL, NULL);
}
