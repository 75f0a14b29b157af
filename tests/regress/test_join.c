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

typedef struct scene {
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
} scene;

static const char MARKS[] = {
    [JOIN_PAIR] = '=', [JOIN_MISSING] = '-', [JOIN_NEW] = '+', [JOIN_OUTSIDE] = '~'};

static void end_run(scene *s)
{
    if (s->run > 0)
        s->size +=
            (size_t)snprintf(s->out + s->size, sizeof s->out - s->size, "%s%c%llu",
                             s->size == 0 ? "" : " ", MARKS[s->last], (unsigned long long)s->run);
    s->run = 0;
}

/* Checks that every frame of both sides is reported once, in order. */
static void note(void *ctx, const join_step *step)
{
    scene *s = ctx;
    assert_int_equal(step->was_index, s->next_was);
    assert_int_equal(step->is_index, s->next_is);
    s->counts[step->kind] += step->count;
    s->next_was += step->kind == JOIN_NEW ? 0 : step->count;
    s->next_is += step->kind == JOIN_PAIR || step->kind == JOIN_NEW ? step->count : 0;
    if (step->kind == JOIN_PAIR)
        s->wrong_pairs += step->was->bytes != step->is->bytes;
    if (s->size > sizeof s->out - 64)
        return;
    if (step->kind != s->last)
        end_run(s);
    s->last = step->kind;
    s->run += step->count;
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
static void open_scene(scene *s, const uint64_t *was, const size_t *times, size_t count)
{
    static const baseline_meta META = {.version = "", .decoder = "", .archive = ""};
    const baseline_stream stream = {
        .feed = "f", .topic = "t", .symbol = "s", .exchange_topic = "t.s"};
    baseline_stream *made;
    uint64_t bytes;
    memset(s, 0, sizeof *s);
    temp_folder_make(TEMP_IN_MEMORY, s->folder);
    (void)snprintf(s->path, sizeof s->path, "%s/x.tdb", s->folder);
    assert_int_equal(baseline_create(s->path, &META, &s->was, NULL), TD_OK);
    assert_int_equal(baseline_add_stream(s->was, &stream, &made, NULL), TD_OK);
    for (size_t i = 0; i < count; i++) {
        const baseline_row row = {.bytes = was[i]};
        assert_int_equal(baseline_add_row(s->was, made, &row, received(times, i), NULL), TD_OK);
    }
    assert_int_equal(baseline_finish(s->was, 0, &bytes, NULL), TD_OK);
}

static void close_scene(scene *s)
{
    baseline_close(s->was);
    assert_int_equal(unlink(s->path), 0);
    assert_int_equal(rmdir(s->folder), 0);
}

static void run_join(scene *s, const uint64_t *is, const size_t *times, size_t count,
                     join_extent extent)
{
    const baseline_stream *stream =
        baseline_stream_count(s->was) == 0 ? NULL : baseline_stream_at(s->was, 0);
    join *j = join_open(s->was, stream, extent, note, s);
    for (size_t i = 0; i < count; i++) {
        const baseline_row row = {.bytes = is[i]};
        assert_int_equal(join_put(j, &row, received(times, i), NULL), TD_OK);
    }
    assert_int_equal(join_end(j, NULL), TD_OK);
    join_close(j);
    end_run(s);
    assert_int_equal(s->wrong_pairs, 0);
    assert_int_equal(s->next_is, count);
    assert_int_equal(s->next_was, stream == NULL ? 0 : stream->rows);
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
        scene s;
        uint64_t was[16];
        uint64_t is[16];
        open_scene(&s, was, NULL, letters(CASES[i].was, was));
        run_join(&s, is, NULL, letters(CASES[i].is, is), CASES[i].extent);
        if (strcmp(s.out, CASES[i].found) != 0)
            fail_msg("%s, %s: found %s, expected %s", CASES[i].was, CASES[i].is, s.out,
                     CASES[i].found);
        close_scene(&s);
    }
}

/* All frames differ, and some in the middle are missing; more than the window. */
static void test_holes(void **state)
{
    static const size_t HOLES[] = {1, 4095, 4096, 4097, 9000};
    static uint64_t was[ROWS_MAX];
    static uint64_t is[ROWS_MAX];
    static size_t times[ROWS_MAX];
    (void)state;
    for (size_t i = 0; i < ROWS_MAX; i++)
        was[i] = i + 1;
    for (size_t h = 0; h < sizeof HOLES / sizeof *HOLES; h++) {
        scene s;
        size_t count = 0;
        for (size_t i = 0; i < ROWS_MAX; i++)
            if (i < 5000 || i >= 5000 + HOLES[h]) {
                times[count] = i;
                is[count++] = was[i];
            }
        open_scene(&s, was, NULL, ROWS_MAX);
        run_join(&s, is, times, count, JOIN_WHOLE);
        assert_int_equal(s.counts[JOIN_PAIR], count);
        assert_int_equal(s.counts[JOIN_MISSING], HOLES[h]);
        assert_int_equal(s.counts[JOIN_NEW], 0);
        close_scene(&s);
        /* The reverse: the baseline lacks them. */
        open_scene(&s, is, times, count);
        run_join(&s, was, NULL, ROWS_MAX, JOIN_WHOLE);
        assert_int_equal(s.counts[JOIN_MISSING], 0);
        assert_int_equal(s.counts[JOIN_PAIR], count);
        assert_int_equal(s.counts[JOIN_NEW], HOLES[h]);
        close_scene(&s);
    }
}

/* A part with another clock: none of its times are in the baseline. */
static void test_part_of_another_clock(void **state)
{
    static uint64_t was[ROWS_MAX];
    size_t times[100];
    scene s;
    (void)state;
    for (size_t i = 0; i < ROWS_MAX; i++)
        was[i] = i + 1;
    for (size_t i = 0; i < 100; i++)
        times[i] = 10 * ROWS_MAX + i;
    open_scene(&s, was, NULL, ROWS_MAX);
    run_join(&s, was + 15000, times, 100, JOIN_PART);
    assert_string_equal(s.out, "~15000 =100 ~4900");
    close_scene(&s);
}

/* Random edits of a few frames: at least as many pairs as frames left unchanged. */
static void test_random_edits(void **state)
{
    static uint64_t was[3000];
    static uint64_t is[6000];
    uint64_t random = 7;
    (void)state;
    for (int round = 0; round < 20; round++) {
        scene s;
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
        open_scene(&s, was, NULL, 3000);
        run_join(&s, is, NULL, count, JOIN_WHOLE);
        assert_int_equal(s.counts[JOIN_PAIR], untouched);
        assert_int_equal(s.counts[JOIN_MISSING], 3000 - untouched);
        assert_int_equal(s.counts[JOIN_NEW], count - untouched);
        close_scene(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_holes),
        cmocka_unit_test(test_part_of_another_clock),
        cmocka_unit_test(test_random_edits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
