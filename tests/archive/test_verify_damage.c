/* After any change of an archive's files, verify names the file. Expected: docs/design.md ("Archive
 * on disk": a flipped bit anywhere, a missing chunk or segment, bytes after the closing magic;
 * "Exit status": a catalog that differs is not damage). Each sweep prints how much it tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "format/recover.h"
#include "format/segment_reader.h"
#include "archive/verify.h"
#include "tests/testing/files.h"
#include "tests/testing/archive_fixture.h"
#include "tests/testing/damage_bench.h"
#include "tests/testing/segment_fixture.h"

/* The file name that a finding must contain. */
static const char *name_of(const bench *b, size_t i)
{
    return strrchr(b->paths[i], '/') + 1;
}

/* ---- bytes ---- */

/* Flips bits at a distance that has no common factor with 8, so that every bit of a byte is tried.
 * A flip in the journal's last entry looks like a torn entry, and is reported as well. */
static void test_flipped_bits(void **state)
{
    (void)state;
    bench *b = bench_open();
    for (size_t i = 0; i <= BENCH_SEGMENTS; i++) {
        for (size_t at = 0; at < b->sizes[i]; at += 23) {
            uint8_t mask = (uint8_t)(1U << (at % 8));
            assert_int_equal(io_fault_damage(b->env.disk, b->paths[i], at, mask, NULL), TD_OK);
            bench_must_show(b, i < BENCH_SEGMENTS ? VERIFY_DAMAGED : VERIFY_RECOVERABLE,
                            name_of(b, i), b->paths[i], at);
            assert_int_equal(io_fault_damage(b->env.disk, b->paths[i], at, mask, NULL), TD_OK);
        }
    }
    bench_close(b, "flipped bits");
}

static void test_cut_files(void **state)
{
    (void)state;
    bench *b = bench_open();
    for (size_t i = 0; i < BENCH_SEGMENTS; i++) {
        for (size_t size = i; size < b->sizes[i]; size += 61) {
            bench_put(b, i, b->bytes[i], size);
            bench_must_show(b, VERIFY_DAMAGED, name_of(b, i), "cut to", size);
        }
        bench_put_back(b, i);
    }
    /* A journal cut between two entries is sound if it still lists all segments. */
    size_t ends[64] = {0};
    size_t count = bench_journal_ends(b, ends, 64);
    for (size_t size = 0; size < b->sizes[BENCH_SEGMENTS]; size += 13) {
        size_t i = 0;
        while (i < count && ends[i] != size)
            i++;
        if (i < count)
            continue;
        bench_put(b, BENCH_SEGMENTS, b->bytes[BENCH_SEGMENTS], size);
        bench_must_show(b, VERIFY_RECOVERABLE, "", "journal cut to", size);
    }
    bench_put_back(b, BENCH_SEGMENTS);
    bench_close(b, "cut files");
}

static void test_bytes_behind_the_end(void **state)
{
    (void)state;
    static const size_t EXTRA[] = {1, 7, 8, 100, 512, 5000};
    bench *b = bench_open();
    for (size_t i = 0; i <= BENCH_SEGMENTS; i++) {
        for (size_t k = 0; k < 2 * sizeof EXTRA / sizeof EXTRA[0]; k++) {
            size_t extra = EXTRA[k / 2];
            uint8_t *longer = td_alloc_zero(1, b->sizes[i] + extra);
            memcpy(longer, b->bytes[i], b->sizes[i]);
            if (k % 2 == 1) /* append bytes that look like a segment */
                memcpy(longer + b->sizes[i], b->bytes[i],
                       extra < b->sizes[i] ? extra : b->sizes[i]);
            bench_put(b, i, longer, b->sizes[i] + extra);
            bench_must_show(b, i < BENCH_SEGMENTS ? VERIFY_DAMAGED : VERIFY_RECOVERABLE,
                            name_of(b, i), "bytes appended", extra);
            td_free(longer);
        }
        bench_put_back(b, i);
    }
    bench_close(b, "bytes after the end");
}

/* ---- chunks ---- */

/* The offset of block k (a chunk, its indexes, its chain record). k = BENCH_CHUNKS: the end of the
 * last block. */
static size_t block_at(const bench *b, size_t i, size_t k)
{
    segment_reader *reader = NULL;
    const uint8_t data_end = 0x0f; /* opcode of Data End, whose content has 4 bytes */
    assert_int_equal(segment_reader_open(io_fault_io(b->env.disk), b->paths[i], &reader, NULL),
                     TD_OK);
    assert_int_equal(segment_reader_chunk_count(reader), BENCH_CHUNKS);
    size_t at = 0;
    if (k < BENCH_CHUNKS) {
        at = (size_t)segment_reader_chunk(reader, (uint32_t)k)->offset;
    } else {
        const segment_chunk *last = segment_reader_chunk(reader, BENCH_CHUNKS - 1);
        at = (size_t)(last->offset + last->chunk_bytes + last->index_bytes);
        while (b->bytes[i][at] != data_end || b->bytes[i][at + 1] != 4) {
            uint64_t content = 0;
            memcpy(&content, b->bytes[i] + at + 1, sizeof content);
            at += 9 + (size_t)content;
        }
    }
    segment_reader_close(reader);
    return at;
}

static void test_removed_chunks(void **state)
{
    (void)state;
    bench *b = bench_open();
    for (size_t i = 0; i < BENCH_SEGMENTS; i++) {
        for (size_t k = 0; k < BENCH_CHUNKS; k++) {
            size_t from = block_at(b, i, k);
            size_t to = block_at(b, i, k + 1);
            uint8_t *shorter = td_alloc_zero(1, b->sizes[i]);
            memcpy(shorter, b->bytes[i], from);
            memcpy(shorter + from, b->bytes[i] + to, b->sizes[i] - to);
            bench_put(b, i, shorter, b->sizes[i] - (to - from));
            bench_must_show(b, VERIFY_DAMAGED, name_of(b, i), "without chunk", k);
            td_free(shorter);
            bench_put_back(b, i);
        }
    }
    bench_close(b, "removed chunks");
}

/* Removes chunks, and rewrites the end so that the file is sound: only the journal shows the
 * loss. */
static void test_removed_chunks_and_a_new_end(void **state)
{
    (void)state;
    bench *b = bench_open();
    td_io io = io_fault_io(b->env.disk);
    for (size_t i = 0; i < BENCH_SEGMENTS; i++) {
        for (size_t k = 1; k < BENCH_CHUNKS; k++) {
            char open_path[LIMIT_PATH_BYTES + 8];
            recover_result *result = td_alloc_zero(1, sizeof *result);
            (void)snprintf(open_path, sizeof open_path, "%s.open", b->paths[i]);
            file_make(io, open_path, b->bytes[i], block_at(b, i, k));
            assert_int_equal(td_io_unlink(io, b->paths[i], NULL), TD_OK);
            assert_int_equal(td_io_mkdir_all(io, "aside", NULL), TD_OK);
            assert_int_equal(recover_segment(io, open_path, "aside", result, NULL), TD_OK);
            assert_int_equal(result->totals.chunk_count, k);
            bench_must_show(b, VERIFY_DAMAGED, "another last chain value", "ended before chunk", k);
            td_free(result);
            bench_put_back(b, i);
        }
    }
    bench_close(b, "removed chunks, files made sound again");
}

/* The bytes of file i in which block m of file n replaces block k. */
static uint8_t *with_block(const bench *b, size_t i, size_t k, size_t n, size_t m, size_t *size)
{
    size_t from = block_at(b, i, k);
    size_t to = block_at(b, i, k + 1);
    size_t other_from = block_at(b, n, m);
    size_t other = block_at(b, n, m + 1) - other_from;
    uint8_t *made = td_alloc_zero(1, b->sizes[i] + other);
    memcpy(made, b->bytes[i], from);
    memcpy(made + from, b->bytes[n] + other_from, other);
    memcpy(made + from + other, b->bytes[i] + to, b->sizes[i] - to);
    *size = b->sizes[i] - (to - from) + other;
    return made;
}

/* The bytes of a file with blocks k and m exchanged; k < m. */
static uint8_t *swapped(const bench *b, size_t i, size_t k, size_t m)
{
    assert_true(k < m);
    size_t first = block_at(b, i, k);
    size_t first_size = block_at(b, i, k + 1) - first;
    size_t second = block_at(b, i, m);
    size_t second_size = block_at(b, i, m + 1) - second;
    size_t between = second - first - first_size;
    uint8_t *made = td_alloc_zero(1, b->sizes[i]);
    memcpy(made, b->bytes[i], b->sizes[i]);
    memcpy(made + first, b->bytes[i] + second, second_size);
    memcpy(made + first + second_size, b->bytes[i] + first + first_size, between);
    memcpy(made + first + second_size + between, b->bytes[i] + first, first_size);
    return made;
}

static void test_swapped_chunks(void **state)
{
    (void)state;
    bench *b = bench_open();
    for (size_t i = 0; i < BENCH_SEGMENTS; i++) {
        for (size_t k = 0; k < BENCH_CHUNKS; k++) {
            for (size_t m = k + 1; m < BENCH_CHUNKS; m++) {
                uint8_t *made = swapped(b, i, k, m);
                bench_put(b, i, made, b->sizes[i]);
                bench_must_show(b, VERIFY_DAMAGED, name_of(b, i), "swapped within a segment", k);
                td_free(made);
                bench_put_back(b, i);
            }
        }
    }
    for (size_t k = 0; k < BENCH_CHUNKS; k++) {
        for (size_t m = 0; m < BENCH_CHUNKS; m++) {
            size_t sizes[2];
            uint8_t *first = with_block(b, 0, k, 1, m, &sizes[0]);
            uint8_t *second = with_block(b, 1, m, 0, k, &sizes[1]);
            bench_put(b, 0, first, sizes[0]);
            bench_put(b, 1, second, sizes[1]);
            bench_must_show(b, VERIFY_DAMAGED, name_of(b, 0), "swapped across segments", k);
            bench_must_show(b, VERIFY_DAMAGED, name_of(b, 1), "swapped across segments", m);
            td_free(first);
            td_free(second);
            bench_put_back(b, 0);
            bench_put_back(b, 1);
        }
    }
    bench_close(b, "swapped chunks");
}

/* ---- segments and journal ---- */

static void test_segments(void **state)
{
    (void)state;
    bench *b = bench_open();
    for (size_t i = 0; i < BENCH_SEGMENTS; i++) {
        assert_int_equal(td_io_unlink(io_fault_io(b->env.disk), b->paths[i], NULL), TD_OK);
        bench_must_show(b, VERIFY_DAMAGED, "the journal lists this segment, but it is missing",
                        "without segment", i);
        bench_must_show(b, VERIFY_DAMAGED, i == 0 ? "chain: the segment before it" : name_of(b, i),
                        "without segment", i);
        file_make(io_fault_io(b->env.disk), b->paths[i], b->bytes[i], b->sizes[i]);
    }
    bench_put(b, 0, b->bytes[1], b->sizes[1]);
    bench_put(b, 1, b->bytes[0], b->sizes[0]);
    bench_must_show(b, VERIFY_DAMAGED, "another last chain value", "segments in each other's place",
                    0);
    bench_put(b, 1, b->bytes[1], b->sizes[1]);
    bench_must_show(b, VERIFY_DAMAGED, "chain: does not continue the last value of",
                    "one segment twice", 0);
    bench_put_back(b, 0);
    bench_close(b, "segments removed, swapped, copied over another");
}

static void test_journal_entries(void **state)
{
    (void)state;
    bench *b = bench_open();
    size_t ends[64] = {0};
    size_t count = bench_journal_ends(b, ends, 64);
    assert_true(count >= 8);
    const uint8_t *bytes = b->bytes[BENCH_SEGMENTS];
    for (size_t i = 0; i < count; i++) {
        size_t from = i == 0 ? 0 : ends[i - 1];
        uint8_t *made = td_alloc_zero(1, b->sizes[BENCH_SEGMENTS]);
        memcpy(made, bytes, from);
        memcpy(made + from, bytes + ends[i], b->sizes[BENCH_SEGMENTS] - ends[i]);
        bench_put(b, BENCH_SEGMENTS, made, b->sizes[BENCH_SEGMENTS] - (ends[i] - from));
        /* Without its last entry the journal is a sound, earlier one. */
        if (i + 1 < count)
            bench_must_show(b, i + 2 < count ? VERIFY_DAMAGED : VERIFY_RECOVERABLE,
                            "journal.mcap.open", "without entry", i);
        else
            assert_int_equal(bench_verify(b), VERIFY_SOUND);
        td_free(made);
    }
    for (size_t i = 0; i + 1 < count; i++) { /* an earlier journal */
        bench_put(b, BENCH_SEGMENTS, bytes, ends[i]);
        verify_severity verdict = bench_verify(b);
        print_message("  journal up to entry %zu: %s\n", i, verify_severity_name(verdict));
        assert_true(verdict != VERIFY_DAMAGED);
    }
    bench_put_back(b, BENCH_SEGMENTS);
    bench_close(b, "journal entries removed");
}

/* With an earlier journal, as a copy may have it, segments that it lacks are reported. They are
 * accepted if they continue the chain of its last segment, but not if another segment does. */
static void test_journal_forgets_a_segment(void **state)
{
    (void)state;
    bench *b = bench_open();
    size_t ends[64] = {0};
    (void)bench_journal_ends(b, ends, 64);
    bench_put(b, BENCH_SEGMENTS, b->bytes[BENCH_SEGMENTS], ends[0]);
    bench_must_show(b, VERIFY_RECOVERABLE,
                    "the journal does not list this segment, which continues",
                    "journal of the start", 0);
    if (bench_verify(b) != VERIFY_RECOVERABLE)
        fail_msg("%s", b->text);
    assert_int_equal(td_io_unlink(io_fault_io(b->env.disk), b->paths[0], NULL), TD_OK);
    bench_must_show(b, VERIFY_DAMAGED, "the journal does not list this segment: entries",
                    "journal of the start, first segment gone", 0);
    file_make(io_fault_io(b->env.disk), b->paths[0], b->bytes[0], b->sizes[0]);
    bench_put_back(b, BENCH_SEGMENTS);
    bench_close(b, "journal of an earlier moment");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_cut_files),
        cmocka_unit_test(test_bytes_behind_the_end),
        cmocka_unit_test(test_removed_chunks),
        cmocka_unit_test(test_removed_chunks_and_a_new_end),
        cmocka_unit_test(test_swapped_chunks),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_journal_entries),
        cmocka_unit_test(test_journal_forgets_a_segment),
    };
    return cmocka_run_group_tests_name("verify_damage", tests, NULL, NULL);
}
