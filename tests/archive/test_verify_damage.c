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
#include "tests/testing/damage_fixture.h"
#include "tests/testing/segment_fixture.h"

/* The file name that a finding must contain. */
static const char *name_of(const damage_fixture *f, size_t i)
{
    return strrchr(f->paths[i], '/') + 1;
}

/* ---- bytes ---- */

/* Flips bits at a distance that has no common factor with 8, so that every bit of a byte is tried.
 * A flip in the journal's last entry looks like a torn entry, and is reported as well. */
static void test_flipped_bits(void **state)
{
    (void)state;
    damage_fixture *f = damage_open();
    for (size_t i = 0; i <= DAMAGE_SEGMENTS; i++) {
        for (size_t at = 0; at < f->sizes[i]; at += 23) {
            uint8_t mask = (uint8_t)(1U << (at % 8));
            assert_int_equal(io_fault_damage(f->env.disk, f->paths[i], at, mask, NULL), TD_OK);
            damage_must_show(f, i < DAMAGE_SEGMENTS ? VERIFY_DAMAGED : VERIFY_RECOVERABLE,
                             name_of(f, i), f->paths[i], at);
            assert_int_equal(io_fault_damage(f->env.disk, f->paths[i], at, mask, NULL), TD_OK);
        }
    }
    damage_close(f, "flipped bits");
}

static void test_cut_files(void **state)
{
    (void)state;
    damage_fixture *f = damage_open();
    for (size_t i = 0; i < DAMAGE_SEGMENTS; i++) {
        for (size_t size = i; size < f->sizes[i]; size += 61) {
            damage_put(f, i, f->bytes[i], size);
            damage_must_show(f, VERIFY_DAMAGED, name_of(f, i), "cut to", size);
        }
        damage_put_back(f, i);
    }
    /* A journal cut between two entries is sound if it still lists all segments. */
    size_t ends[64] = {0};
    size_t count = damage_journal_ends(f, ends, 64);
    for (size_t size = 0; size < f->sizes[DAMAGE_SEGMENTS]; size += 13) {
        size_t i = 0;
        while (i < count && ends[i] != size)
            i++;
        if (i < count)
            continue;
        damage_put(f, DAMAGE_SEGMENTS, f->bytes[DAMAGE_SEGMENTS], size);
        damage_must_show(f, VERIFY_RECOVERABLE, "", "journal cut to", size);
    }
    damage_put_back(f, DAMAGE_SEGMENTS);
    damage_close(f, "cut files");
}

static void test_bytes_after_the_end(void **state)
{
    (void)state;
    static const size_t EXTRA[] = {1, 7, 8, 100, 512, 5000};
    damage_fixture *f = damage_open();
    for (size_t i = 0; i <= DAMAGE_SEGMENTS; i++) {
        for (size_t k = 0; k < 2 * sizeof EXTRA / sizeof EXTRA[0]; k++) {
            size_t extra = EXTRA[k / 2];
            uint8_t *longer = td_alloc_zero(1, f->sizes[i] + extra);
            memcpy(longer, f->bytes[i], f->sizes[i]);
            if (k % 2 == 1) /* append bytes that look like a segment */
                memcpy(longer + f->sizes[i], f->bytes[i],
                       extra < f->sizes[i] ? extra : f->sizes[i]);
            damage_put(f, i, longer, f->sizes[i] + extra);
            damage_must_show(f, i < DAMAGE_SEGMENTS ? VERIFY_DAMAGED : VERIFY_RECOVERABLE,
                             name_of(f, i), "bytes appended", extra);
            td_free(longer);
        }
        damage_put_back(f, i);
    }
    damage_close(f, "bytes after the end");
}

/* ---- chunks ---- */

/* The offset of block k (a chunk, its indexes, its chain record). k = DAMAGE_CHUNKS: the end of the
 * last block. */
static size_t block_at(const damage_fixture *f, size_t i, size_t k)
{
    segment_reader *reader = NULL;
    const uint8_t data_end = 0x0f; /* opcode of Data End, whose content has 4 bytes */
    assert_int_equal(segment_reader_open(io_fault_io(f->env.disk), f->paths[i], &reader, NULL),
                     TD_OK);
    assert_int_equal(segment_reader_chunk_count(reader), DAMAGE_CHUNKS);
    size_t at = 0;
    if (k < DAMAGE_CHUNKS) {
        at = (size_t)segment_reader_chunk(reader, (uint32_t)k)->offset;
    } else {
        const segment_chunk *last = segment_reader_chunk(reader, DAMAGE_CHUNKS - 1);
        at = (size_t)(last->offset + last->chunk_bytes + last->index_bytes);
        while (f->bytes[i][at] != data_end || f->bytes[i][at + 1] != 4) {
            uint64_t content = 0;
            memcpy(&content, f->bytes[i] + at + 1, sizeof content);
            at += 9 + (size_t)content;
        }
    }
    segment_reader_close(reader);
    return at;
}

static void test_removed_chunks(void **state)
{
    (void)state;
    damage_fixture *f = damage_open();
    for (size_t i = 0; i < DAMAGE_SEGMENTS; i++) {
        for (size_t k = 0; k < DAMAGE_CHUNKS; k++) {
            size_t from = block_at(f, i, k);
            size_t to = block_at(f, i, k + 1);
            uint8_t *shorter = td_alloc_zero(1, f->sizes[i]);
            memcpy(shorter, f->bytes[i], from);
            memcpy(shorter + from, f->bytes[i] + to, f->sizes[i] - to);
            damage_put(f, i, shorter, f->sizes[i] - (to - from));
            damage_must_show(f, VERIFY_DAMAGED, name_of(f, i), "without chunk", k);
            td_free(shorter);
            damage_put_back(f, i);
        }
    }
    damage_close(f, "removed chunks");
}

/* Removes chunks, and rewrites the end so that the file is sound: only the journal shows the
 * loss. */
static void test_removed_chunks_and_a_new_end(void **state)
{
    (void)state;
    damage_fixture *f = damage_open();
    td_io io = io_fault_io(f->env.disk);
    for (size_t i = 0; i < DAMAGE_SEGMENTS; i++) {
        for (size_t k = 1; k < DAMAGE_CHUNKS; k++) {
            char open_path[LIMIT_PATH_BYTES + 8];
            recover_result *result = td_alloc_zero(1, sizeof *result);
            (void)snprintf(open_path, sizeof open_path, "%s.open", f->paths[i]);
            file_make(io, open_path, f->bytes[i], block_at(f, i, k));
            assert_int_equal(td_io_unlink(io, f->paths[i], NULL), TD_OK);
            assert_int_equal(td_io_mkdir_all(io, "aside", NULL), TD_OK);
            assert_int_equal(recover_segment(io, open_path, "aside", result, NULL), TD_OK);
            assert_int_equal(result->totals.chunk_count, k);
            damage_must_show(f, VERIFY_DAMAGED, "another last chain value", "ended before chunk",
                             k);
            td_free(result);
            damage_put_back(f, i);
        }
    }
    damage_close(f, "removed chunks, files made sound again");
}

/* The bytes of file i in which block m of file n replaces block k. */
static uint8_t *with_block(const damage_fixture *f, size_t i, size_t k, size_t n, size_t m,
                           size_t *size)
{
    size_t from = block_at(f, i, k);
    size_t to = block_at(f, i, k + 1);
    size_t other_from = block_at(f, n, m);
    size_t other = block_at(f, n, m + 1) - other_from;
    uint8_t *made = td_alloc_zero(1, f->sizes[i] + other);
    memcpy(made, f->bytes[i], from);
    memcpy(made + from, f->bytes[n] + other_from, other);
    memcpy(made + from + other, f->bytes[i] + to, f->sizes[i] - to);
    *size = f->sizes[i] - (to - from) + other;
    return made;
}

/* The bytes of a file with blocks k and m exchanged; k < m. */
static uint8_t *swapped(const damage_fixture *f, size_t i, size_t k, size_t m)
{
    assert_true(k < m);
    size_t first = block_at(f, i, k);
    size_t first_size = block_at(f, i, k + 1) - first;
    size_t second = block_at(f, i, m);
    size_t second_size = block_at(f, i, m + 1) - second;
    size_t between = second - first - first_size;
    uint8_t *made = td_alloc_zero(1, f->sizes[i]);
    memcpy(made, f->bytes[i], f->sizes[i]);
    memcpy(made + first, f->bytes[i] + second, second_size);
    memcpy(made + first + second_size, f->bytes[i] + first + first_size, between);
    memcpy(made + first + second_size + between, f->bytes[i] + first, first_size);
    return made;
}

static void test_swapped_chunks(void **state)
{
    (void)state;
    damage_fixture *f = damage_open();
    for (size_t i = 0; i < DAMAGE_SEGMENTS; i++) {
        for (size_t k = 0; k < DAMAGE_CHUNKS; k++) {
            for (size_t m = k + 1; m < DAMAGE_CHUNKS; m++) {
                uint8_t *made = swapped(f, i, k, m);
                damage_put(f, i, made, f->sizes[i]);
                damage_must_show(f, VERIFY_DAMAGED, name_of(f, i), "swapped within a segment", k);
                td_free(made);
                damage_put_back(f, i);
            }
        }
    }
    for (size_t k = 0; k < DAMAGE_CHUNKS; k++) {
        for (size_t m = 0; m < DAMAGE_CHUNKS; m++) {
            size_t sizes[2];
            uint8_t *first = with_block(f, 0, k, 1, m, &sizes[0]);
            uint8_t *second = with_block(f, 1, m, 0, k, &sizes[1]);
            damage_put(f, 0, first, sizes[0]);
            damage_put(f, 1, second, sizes[1]);
            damage_must_show(f, VERIFY_DAMAGED, name_of(f, 0), "swapped across segments", k);
            damage_must_show(f, VERIFY_DAMAGED, name_of(f, 1), "swapped across segments", m);
            td_free(first);
            td_free(second);
            damage_put_back(f, 0);
            damage_put_back(f, 1);
        }
    }
    damage_close(f, "swapped chunks");
}

/* ---- segments and journal ---- */

static void test_segments(void **state)
{
    (void)state;
    damage_fixture *f = damage_open();
    for (size_t i = 0; i < DAMAGE_SEGMENTS; i++) {
        assert_int_equal(td_io_unlink(io_fault_io(f->env.disk), f->paths[i], NULL), TD_OK);
        damage_must_show(f, VERIFY_DAMAGED, "the journal lists this segment, but it is missing",
                         "without segment", i);
        damage_must_show(f, VERIFY_DAMAGED, i == 0 ? "chain: the segment before it" : name_of(f, i),
                         "without segment", i);
        file_make(io_fault_io(f->env.disk), f->paths[i], f->bytes[i], f->sizes[i]);
    }
    damage_put(f, 0, f->bytes[1], f->sizes[1]);
    damage_put(f, 1, f->bytes[0], f->sizes[0]);
    damage_must_show(f, VERIFY_DAMAGED, "another last chain value",
                     "segments in each other's place", 0);
    damage_put(f, 1, f->bytes[1], f->sizes[1]);
    damage_must_show(f, VERIFY_DAMAGED, "chain: does not continue the last value of",
                     "one segment twice", 0);
    damage_put_back(f, 0);
    damage_close(f, "segments removed, swapped, copied over another");
}

static void test_journal_entries(void **state)
{
    (void)state;
    damage_fixture *f = damage_open();
    size_t ends[64] = {0};
    size_t count = damage_journal_ends(f, ends, 64);
    assert_true(count >= 8);
    const uint8_t *bytes = f->bytes[DAMAGE_SEGMENTS];
    for (size_t i = 0; i < count; i++) {
        size_t from = i == 0 ? 0 : ends[i - 1];
        uint8_t *made = td_alloc_zero(1, f->sizes[DAMAGE_SEGMENTS]);
        memcpy(made, bytes, from);
        memcpy(made + from, bytes + ends[i], f->sizes[DAMAGE_SEGMENTS] - ends[i]);
        damage_put(f, DAMAGE_SEGMENTS, made, f->sizes[DAMAGE_SEGMENTS] - (ends[i] - from));
        /* Without its last entry the journal is a sound, earlier one. */
        if (i + 1 < count)
            damage_must_show(f, i + 2 < count ? VERIFY_DAMAGED : VERIFY_RECOVERABLE,
                             "journal.mcap.open", "without entry", i);
        else
            assert_int_equal(damage_verify(f), VERIFY_SOUND);
        td_free(made);
    }
    for (size_t i = 0; i + 1 < count; i++) { /* an earlier journal */
        damage_put(f, DAMAGE_SEGMENTS, bytes, ends[i]);
        verify_severity verdict = damage_verify(f);
        print_message("  journal up to entry %zu: %s\n", i, verify_severity_name(verdict));
        assert_true(verdict != VERIFY_DAMAGED);
    }
    damage_put_back(f, DAMAGE_SEGMENTS);
    damage_close(f, "journal entries removed");
}

/* With an earlier journal, as a copy may have it, segments that it lacks are reported. They are
 * accepted if they continue the chain of its last segment, but not if another segment does. */
static void test_journal_forgets_a_segment(void **state)
{
    (void)state;
    damage_fixture *f = damage_open();
    size_t ends[64] = {0};
    (void)damage_journal_ends(f, ends, 64);
    damage_put(f, DAMAGE_SEGMENTS, f->bytes[DAMAGE_SEGMENTS], ends[0]);
    damage_must_show(f, VERIFY_RECOVERABLE,
                     "the journal does not list this segment, which continues",
                     "journal of the start", 0);
    if (damage_verify(f) != VERIFY_RECOVERABLE)
        fail_msg("%s", f->text);
    assert_int_equal(td_io_unlink(io_fault_io(f->env.disk), f->paths[0], NULL), TD_OK);
    damage_must_show(f, VERIFY_DAMAGED, "the journal does not list this segment: entries",
                     "journal of the start, first segment gone", 0);
    file_make(io_fault_io(f->env.disk), f->paths[0], f->bytes[0], f->sizes[0]);
    damage_put_back(f, DAMAGE_SEGMENTS);
    damage_close(f, "journal of an earlier moment");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flipped_bits),
        cmocka_unit_test(test_cut_files),
        cmocka_unit_test(test_bytes_after_the_end),
        cmocka_unit_test(test_removed_chunks),
        cmocka_unit_test(test_removed_chunks_and_a_new_end),
        cmocka_unit_test(test_swapped_chunks),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_journal_entries),
        cmocka_unit_test(test_journal_forgets_a_segment),
    };
    return cmocka_run_group_tests_name("verify_damage", tests, NULL, NULL);
}
