/* The merge join: how the frames of a stream are paired with a baseline's, with hand-made sequences
 * of letters (each letter stands for a frame's bytes); random edits must be paired as well as by a
 * table of all pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "regress/join.h"
#include "tests/testing/files.h"

enum { ROWS_MAX = 20000 };

typedef struct fixture {
    char folder[TEMP_FOLDER_BYTES];
    char path[TEMP_FOLDER_BYTES + 16];
    baseline *was;
    char out[4096]; /* the result: "=3 -1 +2": pairs, missing, new; "~2": outside */
    size_t size;
    join_kind last;
    uint64_t run;
    uint64_t counts[4];
    uint64_t next_was, next_is;
    unsigned wrong_pairs;
} fixture;

static const char MARKS[] = {
    [JOIN_PAIR] = '=', [JOIN_MISSING] = '-', [JOIN_NEW] = '+', [JOIN_OUTSIDE] = '~'};

static void end_run(fixture *f)
{
    if (f->run > 0)
        f->size +=
            (size_t)snprintf(f->out + f->size, sizeof f->out - f->size, "%s%c%llu",
                             f->size == 0 ? "" : " ", MARKS[f->last], (unsigned long long)f->run);
    f->run = 0;
}

/* Checks that every frame of both sides is reported once, in order. */
static void note(void *ctx, const join_step *step)
{
    fixture *f = ctx;
    assert_int_equal(step->was_index, f->next_was);
    assert_int_equal(step->is_index, f->next_is);
    f->counts[step->kind] += step->count;
    f->next_was += step->kind == JOIN_NEW ? 0 : step->count;
    f->next_is += step->kind == JOIN_PAIR || step->kind == JOIN_NEW ? step->count : 0;
    if (step->kind == JOIN_PAIR)
        f->wrong_pairs += step->was->bytes != step->is->bytes;
    if (f->size > sizeof f->out - 64)
        return;
    if (step->kind != f->last)
        end_run(f);
    f->last = step->kind;
    f->run += step->count;
}

static uint64_t time_of(size_t index)
{
    return 1000 * (index + 1);
}

/* The receive time of frame i; times NULL: time_of(i). */
static uint64_t received(const size_t *times, size_t i)
{
    return time_of(times == NULL ? i : times[i]);
}

/* A baseline of one stream with these frames. */
static void open_fixture(fixture *f, const uint64_t *was, const size_t *times, size_t count)
{
    static const baseline_meta META = {.version = "", .decoder = "", .archive = ""};
    const baseline_stream stream = {
        .feed = "f", .topic = "t", .symbol = "s", .exchange_topic = "t.s"};
    baseline_stream *made;
    uint64_t bytes;
    memset(f, 0, sizeof *f);
    temp_folder_make(TEMP_IN_MEMORY, f->folder);
    (void)snprintf(f->path, sizeof f->path, "%s/x.tdb", f->folder);
    assert_int_equal(baseline_create(f->path, &META, &f->was, NULL), TD_OK);
    assert_int_equal(baseline_add_stream(f->was, &stream, &made, NULL), TD_OK);
    for (size_t i = 0; i < count; i++) {
        const baseline_row row = {.bytes = was[i]};
        assert_int_equal(baseline_add_row(f->was, made, &row, received(times, i), NULL), TD_OK);
    }
    assert_int_equal(baseline_finish(f->was, 0, &bytes, NULL), TD_OK);
}

static void close_fixture(fixture *f)
{
    baseline_close(f->was);
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(rmdir(f->folder), 0);
}

static void run_join(fixture *f, const uint64_t *is, const size_t *times, size_t count,
                     join_extent extent)
{
    const baseline_stream *stream =
        baseline_stream_count(f->was) == 0 ? NULL : baseline_stream_at(f->was, 0);
    join *j = join_open(f->was, stream, extent, note, f);
    for (size_t i = 0; i < count; i++) {
        const baseline_row row = {.bytes = is[i]};
        assert_int_equal(join_put(j, &row, received(times, i), NULL), TD_OK);
    }
    assert_int_equal(join_end(j, NULL), TD_OK);
    join_close(j);
    end_run(f);
    assert_int_equal(f->wrong_pairs, 0);
    assert_int_equal(f->next_is, count);
    assert_int_equal(f->next_was, stream == NULL ? 0 : stream->rows);
}

static size_t letters(const char *text, uint64_t *out)
{
    size_t count = strlen(text);
    for (size_t i = 0; i < count; i++)
        out[i] = (uint64_t)(unsigned char)text[i];
    return count;
}

static void test_words(void **state)
{
    static const struct {
        const char *was, *is;
        join_extent extent;
        const char *found;
    } CASES[] = {
        {"abcdef", "abcdef", JOIN_WHOLE, "=6"},
        {"abcdef", "abdef", JOIN_WHOLE, "=2 -1 =3"},
        {"abcdef", "abXcdef", JOIN_WHOLE, "=2 +1 =4"},
        {"abcdef", "abXdef", JOIN_WHOLE, "=2 -1 +1 =3"},
        {"abcdef", "abdcef", JOIN_WHOLE, "=2 +1 =1 -1 =2"}, /* skips fewer of the baseline */
        {"abcdef", "abccdef", JOIN_WHOLE, "=3 +1 =3"},
        {"aaaa", "aa", JOIN_WHOLE, "=2 -2"},
        {"aa", "aaaa", JOIN_WHOLE, "=2 +2"},
        {"abc", "xyz", JOIN_WHOLE, "+3 -3"},
        {"abc", "", JOIN_WHOLE, "-3"},
        {"a", "abc", JOIN_WHOLE, "=1 +2"},
        {"abcdef", "cd", JOIN_PART, "~2 =2 ~2"},
        {"abcdef", "ce", JOIN_PART, "~2 =1 -1 =1 ~1"},
        {"abcdef", "Xcd", JOIN_PART, "~2 +1 =2 ~2"},
        {"abcdef", "abcdef", JOIN_PART, "=6"},
        {"abcdef", "XY", JOIN_PART, "+2 ~6"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        fixture f;
        uint64_t was[16];
        uint64_t is[16];
        open_fixture(&f, was, NULL, letters(CASES[i].was, was));
        run_join(&f, is, NULL, letters(CASES[i].is, is), CASES[i].extent);
        if (strcmp(f.out, CASES[i].found) != 0)
            fail_msg("%s, %s: found %s, expected %s", CASES[i].was, CASES[i].is, f.out,
                     CASES[i].found);
        close_fixture(&f);
    }
}

/* All frames differ, and some in the middle are missing; more than the window. */
static void test_missing_frames_beyond_the_window(void **state)
{
    static const size_t HOLES[] = {1, 4095, 4096, 4097, 9000};
    static uint64_t was[ROWS_MAX];
    static uint64_t is[ROWS_MAX];
    static size_t times[ROWS_MAX];
    (void)state;
    for (size_t i = 0; i < ROWS_MAX; i++)
        was[i] = i + 1;
    for (size_t h = 0; h < sizeof HOLES / sizeof *HOLES; h++) {
        fixture f;
        size_t count = 0;
        for (size_t i = 0; i < ROWS_MAX; i++)
            if (i < 5000 || i >= 5000 + HOLES[h]) {
                times[count] = i;
                is[count++] = was[i];
            }
        open_fixture(&f, was, NULL, ROWS_MAX);
        run_join(&f, is, times, count, JOIN_WHOLE);
        assert_int_equal(f.counts[JOIN_PAIR], count);
        assert_int_equal(f.counts[JOIN_MISSING], HOLES[h]);
        assert_int_equal(f.counts[JOIN_NEW], 0);
        close_fixture(&f);
        /* The reverse: the baseline lacks them. */
        open_fixture(&f, is, times, count);
        run_join(&f, was, NULL, ROWS_MAX, JOIN_WHOLE);
        assert_int_equal(f.counts[JOIN_MISSING], 0);
        assert_int_equal(f.counts[JOIN_PAIR], count);
        assert_int_equal(f.counts[JOIN_NEW], HOLES[h]);
        close_fixture(&f);
    }
}

/* A part with another clock: none of its times are in the baseline. */
static void test_part_of_another_clock(void **state)
{
    static uint64_t was[ROWS_MAX];
    size_t times[100];
    fixture f;
    (void)state;
    for (size_t i = 0; i < ROWS_MAX; i++)
        was[i] = i + 1;
    for (size_t i = 0; i < 100; i++)
        times[i] = 10 * ROWS_MAX + i;
    open_fixture(&f, was, NULL, ROWS_MAX);
    run_join(&f, was + 15000, times, 100, JOIN_PART);
    assert_string_equal(f.out, "~15000 =100 ~4900");
    close_fixture(&f);
}

/* Random edits of a few frames: at least as many pairs as frames left unchanged. */
static void test_random_edits(void **state)
{
    static uint64_t was[3000];
    static uint64_t is[6000];
    uint64_t random = 7;
    (void)state;
    for (int round = 0; round < 20; round++) {
        fixture f;
        size_t count = 0;
        size_t untouched = 0;
        for (size_t i = 0; i < 3000; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            unsigned edit = (unsigned)(random >> 33) % 200;
            was[i] = i + 1;
            if (edit == 1)
                is[count++] = 100000 + i; /* added */
            if (edit == 2)
                is[count++] = 200000 + i; /* changed */
            if (edit == 0 || edit == 2)
                continue; /* removed */
            is[count++] = was[i];
            untouched++;
        }
        open_fixture(&f, was, NULL, 3000);
        run_join(&f, is, NULL, count, JOIN_WHOLE);
        assert_int_equal(f.counts[JOIN_PAIR], untouched);
        assert_int_equal(f.counts[JOIN_MISSING], 3000 - untouched);
        assert_int_equal(f.counts[JOIN_NEW], count - untouched);
        close_fixture(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_missing_frames_beyond_the_window),
        cmocka_unit_test(test_part_of_another_clock),
        cmocka_unit_test(test_random_edits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
