/* Comparison of two baselines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "regress/compare.h"
#include "tests/testing/files.h"

/* A stream's frames. Frame i has the id and hash that these give: what a test does not change is
 * the same in both baselines. */
enum { FRAMES_MAX = 200000 };

/* From one frame to the next. */
static const uint64_t FRAME_NS = 100 * 1000 * 1000;

typedef struct made_stream {
    const char *feed, *topic, *symbol, *exchange_topic;
    uint8_t has_book;
    uint32_t first; /* counted from the beginning of time: when the first frame was received */
    uint32_t frames;
    uint16_t *ids;
    uint64_t *hashes;
} made_stream;

static char folder[TEMP_FOLDER_BYTES];

static uint64_t mix(uint64_t value)
{
    value = (value + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return value ^ value >> 29;
}

/* A hash of a decoded message has bit 0 clear, one of a failure has it set; of a book topic the
 * other half is the book's. */
static uint64_t hash_of(uint64_t decode, uint64_t book)
{
    return (mix(decode) & UINT64_C(0xfffffffe)) | mix(book) << 32;
}

static made_stream make_stream(const char *topic, const char *symbol, uint32_t frames)
{
    made_stream made = {.feed = "feed", .topic = topic, .symbol = symbol, .exchange_topic = ""};
    made.frames = frames;
    made.ids = td_alloc_zero(FRAMES_MAX, sizeof *made.ids);
    made.hashes = td_alloc_zero(FRAMES_MAX, sizeof *made.hashes);
    assert_non_null(made.ids);
    assert_non_null(made.hashes);
    for (uint32_t i = 0; i < frames; i++) {
        made.ids[i] = (uint16_t)(mix(i) >> 17);
        made.hashes[i] = hash_of(i, i);
    }
    return made;
}

static void free_stream(made_stream *made)
{
    td_free(made->ids);
    td_free(made->hashes);
}

/* Take frames out of a stream, or put new ones in. */
static void cut(made_stream *made, uint32_t at, uint32_t count)
{
    made->frames -= count;
    memmove(made->ids + at, made->ids + at + count, (made->frames - at) * sizeof *made->ids);
    memmove(made->hashes + at, made->hashes + at + count,
            (made->frames - at) * sizeof *made->hashes);
}

static void insert(made_stream *made, uint32_t at, uint32_t count)
{
    assert_true(made->frames + count <= FRAMES_MAX);
    memmove(made->ids + at + count, made->ids + at, (made->frames - at) * sizeof *made->ids);
    memmove(made->hashes + at + count, made->hashes + at,
            (made->frames - at) * sizeof *made->hashes);
    for (uint32_t i = at; i < at + count; i++) {
        made->ids[i] = (uint16_t)(mix(1000000 + i) >> 17);
        made->hashes[i] = hash_of(1000000 + i, i);
    }
    made->frames += count;
}

static uint64_t time_of(const made_stream *made, uint32_t index)
{
    return 1000 + (made->first + index) * FRAME_NS;
}

static void put_blocks(baseline *to, uint32_t stream, const made_stream *made)
{
    for (uint32_t first = 0; first < made->frames; first += BASELINE_BLOCK_FRAMES) {
        uint32_t left = made->frames - first;
        const baseline_block block = {
            .stream = stream,
            .number = first / BASELINE_BLOCK_FRAMES,
            .frames = left < BASELINE_BLOCK_FRAMES ? left : BASELINE_BLOCK_FRAMES,
            .first_ns = time_of(made, first),
            .last_ns = time_of(
                made, first + (left < BASELINE_BLOCK_FRAMES ? left : BASELINE_BLOCK_FRAMES) - 1),
            .ids = made->ids + first,
            .hashes = made->hashes + first,
        };
        td_err err;
        assert_int_equal(baseline_put_block(to, &block, &err), TD_OK);
    }
}

/* It shares blocks with the reference, unless that is NULL. */
static baseline *write_baseline(const char *name, const made_stream *streams, size_t count,
                                canonical_members members, baseline *reference)
{
    char path[TEMP_FOLDER_BYTES + 32];
    char content[BASELINE_CONTENT_BYTES] = "";
    if (reference != NULL)
        baseline_name_content(reference, content);
    const baseline_meta meta = {
        .canonical = CANONICAL_VERSION, .members = members, .reference = content};
    baseline *made = NULL;
    td_err err;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)remove(path);
    assert_int_equal(baseline_create(path, &meta, &made, &err), TD_OK);
    if (reference != NULL)
        baseline_set_reference(made, reference);
    for (size_t i = 0; i < count; i++) {
        const baseline_stream stream = {.feed = streams[i].feed,
                                        .topic = streams[i].topic,
                                        .symbol = streams[i].symbol,
                                        .exchange_topic = streams[i].exchange_topic,
                                        .family = "",
                                        .has_book = streams[i].has_book,
                                        .frames = streams[i].frames,
                                        .first_ns = time_of(&streams[i], 0),
                                        .last_ns = time_of(&streams[i], streams[i].frames - 1)};
        uint32_t id = 0;
        assert_int_equal(baseline_put_stream(made, &stream, &id, &err), TD_OK);
        put_blocks(made, id, &streams[i]);
    }
    assert_int_equal(baseline_commit(made, 0, &err), TD_OK);
    assert_int_equal(baseline_finish(made, &err), TD_OK);
    baseline_close(made);
    made = NULL;
    assert_int_equal(baseline_open(path, BASELINE_READ, &made, &err), TD_OK);
    if (reference != NULL)
        baseline_set_reference(made, reference);
    return made;
}

/* Two baselines and their comparison. */
typedef struct compared {
    baseline *was, *is;
    comparison c;
} compared;

static comparison compare_made(const compared *made, const selection *wanted, uint8_t is_part)
{
    comparison c;
    td_err err;
    const compare_options options = {
        .was = made->was, .is = made->is, .wanted = wanted, .is_part = is_part};
    if (compare_baselines(&options, &c, &err) != TD_OK)
        fail_msg("%s", err.text);
    return c;
}

static void assert_same_counts(const comparison_stream *a, const comparison_stream *b)
{
    assert_int_equal(a->compared, b->compared);
    assert_int_equal(a->same, b->same);
    assert_memory_equal(a->by_kind, b->by_kind, sizeof a->by_kind);
    assert_int_equal(a->consequences, b->consequences);
    assert_int_equal(a->missing, b->missing);
    assert_int_equal(a->added, b->added);
    assert_int_equal(a->outside, b->outside);
    assert_int_equal(a->first_missing.index, b->first_missing.index);
    assert_int_equal(a->first_added.index, b->first_added.index);
}

static void assert_same_comparison(const comparison *a, const comparison *b)
{
    assert_int_equal(a->stream_count, b->stream_count);
    for (size_t i = 0; i < a->stream_count; i++)
        assert_same_counts(&a->streams[i], &b->streams[i]);
    assert_same_counts(&a->totals, &b->totals);
    assert_int_equal(a->differences_left_out, b->differences_left_out);
    assert_int_equal(a->difference_count, b->difference_count);
    for (size_t i = 0; i < a->difference_count; i++) {
        assert_int_equal(a->differences[i].stream, b->differences[i].stream);
        assert_int_equal(a->differences[i].kind, b->differences[i].kind);
        assert_int_equal(a->differences[i].was_index, b->differences[i].was_index);
        assert_int_equal(a->differences[i].is_index, b->differences[i].is_index);
    }
}

/* Each comparison is made of baselines that share blocks, and of those that do not: the result is
 * the same. */
static compared compare_streams(const made_stream *was, size_t was_count, const made_stream *is,
                                size_t is_count, const selection *wanted, uint8_t is_part)
{
    compared made;
    made.was = write_baseline("was.tdb", was, was_count, CANONICAL_PLAIN, NULL);
    made.is = write_baseline("shared.tdb", is, is_count, CANONICAL_PLAIN, made.was);
    comparison shared = compare_made(&made, wanted, is_part);
    baseline *sharing = made.is;
    made.is = write_baseline("is.tdb", is, is_count, CANONICAL_PLAIN, NULL);
    made.c = compare_made(&made, wanted, is_part);
    assert_same_comparison(&made.c, &shared);
    comparison_fini(&shared);
    baseline_close(sharing);
    return made;
}

static void end_comparison(compared *made)
{
    comparison_fini(&made->c);
    baseline_close(made->was);
    baseline_close(made->is);
}

static void test_the_same(void **state)
{
    (void)state;
    made_stream streams[] = {make_stream("a", "X", 3), make_stream("a", "Y", 4096),
                             make_stream("b", "X", 100000)};
    compared made = compare_streams(streams, 3, streams, 3, NULL, 0);
    assert_true(comparison_is_same(&made.c));
    assert_int_equal(made.c.stream_count, 3);
    assert_int_equal(made.c.totals.compared, 104099);
    assert_int_equal(made.c.totals.same, 104099);
    assert_int_equal(made.c.difference_count, 0);
    end_comparison(&made);
    for (size_t i = 0; i < 3; i++)
        free_stream(&streams[i]);
}

/* Each kind of difference, and where the first one is. */
static void test_kinds(void **state)
{
    (void)state;
    made_stream was = make_stream("trade", "X", 10000);
    made_stream is = make_stream("trade", "X", 10000);
    is.hashes[5000] += 2;
    is.hashes[5001] = was.hashes[5001] | 1; /* of a failure */
    was.hashes[5002] |= 1;
    was.hashes[7000] |= 1;
    is.hashes[7000] = was.hashes[7000] + 2;
    compared made = compare_streams(&was, 1, &is, 1, NULL, 0);
    const comparison_stream *stream = &made.c.streams[0];
    assert_false(comparison_is_same(&made.c));
    assert_int_equal(stream->compared, 10000);
    assert_int_equal(stream->same, 9996);
    assert_int_equal(stream->by_kind[DIFFERENCE_DECODE], 1);
    assert_int_equal(stream->by_kind[DIFFERENCE_NEWLY_FAILING], 1);
    assert_int_equal(stream->by_kind[DIFFERENCE_NEWLY_DECODING], 1);
    assert_int_equal(stream->by_kind[DIFFERENCE_REASON], 1);
    assert_int_equal(stream->by_kind[DIFFERENCE_BOOK], 0);
    assert_int_equal(stream->first.kind, DIFFERENCE_DECODE);
    assert_int_equal(stream->first.was_index, 5000);
    static const difference_kind KINDS[] = {DIFFERENCE_DECODE, DIFFERENCE_NEWLY_FAILING,
                                            DIFFERENCE_NEWLY_DECODING, DIFFERENCE_REASON};
    static const uint64_t INDEXES[] = {5000, 5001, 5002, 7000};
    assert_int_equal(made.c.difference_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(made.c.differences[i].kind, KINDS[i]);
        assert_int_equal(made.c.differences[i].was_index, INDEXES[i]);
        assert_int_equal(made.c.differences[i].is_index, INDEXES[i]);
    }
    end_comparison(&made);
    free_stream(&was);
    free_stream(&is);
}

/* A frame that is decoded wrong leaves a wrong book until the next snapshot: one difference, and
 * its consequences apart. Other differences among them are found. */
static void test_books(void **state)
{
    (void)state;
    made_stream was = make_stream("book", "X", 50000);
    made_stream is = make_stream("book", "X", 50000);
    was.has_book = is.has_book = 1;
    is.hashes[100] = hash_of(77, 77); /* decoded wrong */
    for (uint32_t i = 101; i < 9000; i++)
        is.hashes[i] = hash_of(i, i + 777);
    is.hashes[5000] = hash_of(78, 5777);  /* again */
    is.hashes[9500] = hash_of(9500, 777); /* only the book */
    is.hashes[9501] = hash_of(9501, 778);
    compared made = compare_streams(&was, 1, &is, 1, NULL, 0);
    const comparison_stream *stream = &made.c.streams[0];
    assert_int_equal(stream->by_kind[DIFFERENCE_DECODE], 2);
    assert_int_equal(stream->by_kind[DIFFERENCE_BOOK], 1);
    assert_int_equal(stream->consequences, 8899 - 1 + 1);
    assert_int_equal(comparison_differing(stream), 8900 + 2);
    assert_int_equal(made.c.difference_count, 3);
    assert_int_equal(made.c.differences[0].was_index, 100);
    assert_int_equal(made.c.differences[1].was_index, 5000);
    assert_int_equal(made.c.differences[2].was_index, 9500);
    assert_int_equal(made.c.differences[2].kind, DIFFERENCE_BOOK);
    end_comparison(&made);

    /* A topic that has a book in one version only: what both have is compared. */
    is.has_book = 0;
    for (uint32_t i = 0; i < is.frames; i++)
        is.hashes[i] = was.hashes[i] ^ UINT64_C(0x5) << 40;
    made = compare_streams(&was, 1, &is, 1, NULL, 0);
    assert_true(comparison_is_same(&made.c));
    end_comparison(&made);
    free_stream(&was);
    free_stream(&is);
}

static void test_missing_and_new(void **state)
{
    (void)state;
    made_stream was = make_stream("trade", "X", 150000);
    made_stream is = make_stream("trade", "X", 150000);
    is.hashes[140000] += 2;
    insert(&is, 100000, 7);
    cut(&is, 50000, 20000);
    cut(&is, 5000, 1);
    compared made = compare_streams(&was, 1, &is, 1, NULL, 0);
    const comparison_stream *stream = &made.c.streams[0];
    assert_int_equal(stream->missing, 20001);
    assert_int_equal(stream->added, 7);
    assert_int_equal(stream->compared, 150000 - 20001);
    assert_int_equal(stream->by_kind[DIFFERENCE_DECODE], 1);
    assert_int_equal(stream->first.was_index, 140000);
    assert_int_equal(stream->first.is_index, 140000 + 7 - 20001);
    assert_int_equal(stream->first_missing.index, 5000);
    assert_int_equal(stream->first_missing.from_ns, 1000 + 4096 * FRAME_NS);
    assert_int_equal(stream->first_missing.to_ns, 1000 + 8191 * FRAME_NS);
    assert_int_equal(stream->first_added.index, 100000 - 20001);
    end_comparison(&made);
    free_stream(&was);
    free_stream(&is);
}

/* Part of the time: what the baseline has before and after it is not missing. */
static void test_part(void **state)
{
    (void)state;
    made_stream was = make_stream("trade", "X", 150000);
    made_stream is = make_stream("trade", "X", 150000);
    made_stream other = make_stream("trade", "Y", 10);
    cut(&is, 140000, 10000);
    cut(&is, 120000, 5);
    cut(&is, 0, 100000);
    is.first = 100000;
    const made_stream both[] = {was, other};
    compared made = compare_streams(both, 2, &is, 1, NULL, 1);
    assert_int_equal(made.c.streams[0].missing, 5);
    assert_int_equal(made.c.streams[0].outside, 110000);
    assert_int_equal(made.c.streams[0].compared, 39995);
    assert_int_equal(made.c.streams[0].first_missing.index, 120000);
    assert_int_equal(made.c.streams[1].missing, 0);
    assert_int_equal(made.c.streams[1].outside, 10);
    end_comparison(&made);

    made = compare_streams(both, 2, &is, 1, NULL, 0);
    assert_int_equal(made.c.streams[0].missing, 110005);
    assert_int_equal(made.c.streams[0].first_missing.index, 0);
    assert_int_equal(made.c.streams[1].missing, 10);
    assert_null(made.c.streams[1].is);
    end_comparison(&made);
    free_stream(&was);
    free_stream(&is);
    free_stream(&other);
}

/* Leave of a stream only count frames, from index first on, each step-th. */
static void keep(made_stream *made, uint32_t first, uint32_t count, uint32_t step)
{
    for (uint32_t i = 0; i < count; i++) {
        made->ids[i] = made->ids[first + i * step];
        made->hashes[i] = made->hashes[first + i * step];
    }
    made->first = first;
    made->frames = count;
}

/* One frame, which differs, and looks like another one of that time. */
static void test_part_of_one_frame(void **state)
{
    (void)state;
    made_stream was = make_stream("trade", "X", 150000);
    made_stream is = make_stream("trade", "X", 150000);
    was.ids[76800] = was.ids[77777];
    keep(&is, 77777, 1, 1);
    is.hashes[0] += 2;
    compared made = compare_streams(&was, 1, &is, 1, NULL, 1);
    assert_int_equal(made.c.streams[0].compared, 1);
    assert_int_equal(made.c.streams[0].by_kind[DIFFERENCE_DECODE], 1);
    assert_int_equal(made.c.streams[0].first.was_index, 77777);
    assert_int_equal(made.c.streams[0].first.is_index, 0);
    assert_int_equal(made.c.streams[0].missing, 0);
    assert_int_equal(made.c.streams[0].added, 0);
    assert_int_equal(made.c.streams[0].outside, 149999);
    end_comparison(&made);
    free_stream(&was);
    free_stream(&is);
}

/* The frames of one of two connections that alternate, with a difference in the last one. */
static void test_part_of_connection(void **state)
{
    (void)state;
    made_stream was = make_stream("book", "X", 150000);
    made_stream is = make_stream("book", "X", 150000);
    was.has_book = is.has_book = 1;
    keep(&is, 50001, 100, 2);
    is.hashes[99] += UINT64_C(1) << 32;
    compared made = compare_streams(&was, 1, &is, 1, NULL, 1);
    assert_int_equal(made.c.streams[0].compared, 100);
    assert_int_equal(made.c.streams[0].same, 99);
    assert_int_equal(made.c.streams[0].by_kind[DIFFERENCE_BOOK], 1);
    assert_int_equal(made.c.streams[0].first.was_index, 50199);
    assert_int_equal(made.c.streams[0].first.is_index, 99);
    assert_int_equal(made.c.streams[0].missing, 99);
    assert_int_equal(made.c.streams[0].first_missing.index, 50002);
    assert_int_equal(made.c.streams[0].outside, 149801);
    end_comparison(&made);
    free_stream(&was);
    free_stream(&is);
}

/* A part whose receive times are others altogether. */
static void test_part_of_other_times(void **state)
{
    (void)state;
    static const uint32_t FIRSTS[] = {0, 10000000};
    for (size_t i = 0; i < sizeof FIRSTS / sizeof *FIRSTS; i++) {
        made_stream was = make_stream("trade", "X", 100000);
        made_stream is = make_stream("trade", "X", 100000);
        was.first = 1000000;
        keep(&is, 60000, 1000, 1);
        is.first = FIRSTS[i];
        compared made = compare_streams(&was, 1, &is, 1, NULL, 1);
        assert_int_equal(made.c.streams[0].same, 1000);
        assert_int_equal(made.c.streams[0].outside, 99000);
        assert_true(comparison_is_same(&made.c));
        end_comparison(&made);
        free_stream(&was);
        free_stream(&is);
    }
}

/* A part that is too long to be paired one by one. */
static void test_long_part(void **state)
{
    (void)state;
    made_stream was = make_stream("trade", "X", 150000);
    made_stream is = make_stream("trade", "X", 150000);
    insert(&is, 90000, 3);
    keep(&is, 60000, 80000, 1);
    is.hashes[50000] += 2;
    cut(&is, 100, 5);
    compared made = compare_streams(&was, 1, &is, 1, NULL, 1);
    assert_int_equal(made.c.streams[0].compared, 79992);
    assert_int_equal(made.c.streams[0].added, 3);
    assert_int_equal(made.c.streams[0].missing, 5);
    assert_int_equal(made.c.streams[0].first_missing.index, 60100);
    assert_int_equal(made.c.streams[0].first_added.index, 29995);
    assert_int_equal(made.c.streams[0].first.was_index, 109997);
    assert_int_equal(made.c.streams[0].first.is_index, 49995);
    assert_int_equal(made.c.streams[0].outside, 150000 - 79992 - 5);
    end_comparison(&made);
    free_stream(&was);
    free_stream(&is);
}

/* A row that comes or goes: the frames are the same, their stream has another name. */
static void test_renamed(void **state)
{
    (void)state;
    made_stream was[] = {make_stream("a", "X", 1000), make_stream("b", "X", 1000),
                         make_stream("c", "X", 10)};
    made_stream is[] = {make_stream("", "", 1000), make_stream("", "", 5),
                        make_stream("b", "X", 1000)};
    was[0].exchange_topic = is[0].exchange_topic = "a.X";
    is[1].exchange_topic = "z";
    was[1].exchange_topic = is[2].exchange_topic = "b.X";
    was[2].exchange_topic = "c.X";
    for (uint32_t i = 0; i < 1000; i++)
        is[0].hashes[i] |= 1; /* no row: not decoded */
    compared made = compare_streams(was, 3, is, 3, NULL, 0);
    assert_int_equal(made.c.stream_count, 4); /* z, a, b, c */
    assert_null(made.c.streams[0].was);
    assert_int_equal(made.c.streams[0].added, 5);
    assert_string_equal(made.c.streams[1].was->topic, "a");
    assert_string_equal(made.c.streams[1].is->topic, "");
    assert_int_equal(made.c.streams[1].by_kind[DIFFERENCE_NEWLY_FAILING], 1000);
    assert_int_equal(made.c.streams[2].same, 1000);
    assert_int_equal(made.c.streams[3].missing, 10);
    assert_int_equal(made.c.totals.missing, 10);
    end_comparison(&made);

    made = compare_streams(is, 3, was, 3, NULL, 0); /* the other way round */
    assert_int_equal(made.c.totals.by_kind[DIFFERENCE_NEWLY_DECODING], 1000);
    assert_int_equal(made.c.totals.missing, 5);
    assert_int_equal(made.c.totals.added, 10);
    end_comparison(&made);
    for (size_t i = 0; i < 3; i++) {
        free_stream(&was[i]);
        free_stream(&is[i]);
    }
}

static void test_selection(void **state)
{
    (void)state;
    static const char *const TOPICS[] = {"trade"};
    const selection wanted = {.topics = {TOPICS, 1}};
    made_stream was[] = {make_stream("book", "X", 10), make_stream("trade", "X", 20)};
    made_stream is = make_stream("trade", "X", 20);
    compared made = compare_streams(was, 2, &is, 1, &wanted, 0);
    assert_true(comparison_is_same(&made.c));
    assert_int_equal(made.c.stream_count, 1);
    assert_int_equal(made.c.totals.compared, 20);
    end_comparison(&made);
    free_stream(&was[0]);
    free_stream(&was[1]);
    free_stream(&is);
}

/* One kind of difference in each frame does not push another kind out of the list. */
static void test_bound(void **state)
{
    (void)state;
    made_stream was = make_stream("trade", "X", 20000);
    made_stream is = make_stream("trade", "X", 20000);
    for (uint32_t i = 0; i < 20000; i++)
        is.hashes[i] += 2;
    is.hashes[19999] |= 1;
    compared made = compare_streams(&was, 1, &is, 1, NULL, 0);
    assert_int_equal(made.c.totals.by_kind[DIFFERENCE_DECODE], 19999);
    assert_int_equal(made.c.difference_count, LIMIT_DIFFERENCES_OF_KIND + 1);
    assert_int_equal(made.c.differences_left_out, 19999 - LIMIT_DIFFERENCES_OF_KIND);
    assert_int_equal(made.c.differences[LIMIT_DIFFERENCES_OF_KIND].kind, DIFFERENCE_NEWLY_FAILING);
    assert_int_equal(made.c.differences[LIMIT_DIFFERENCES_OF_KIND].was_index, 19999);
    end_comparison(&made);
    free_stream(&was);
    free_stream(&is);
}

static void test_other_members(void **state)
{
    (void)state;
    made_stream stream = make_stream("trade", "X", 2);
    baseline *was = write_baseline("was.tdb", &stream, 1, CANONICAL_PLAIN, NULL);
    baseline *is = write_baseline("is.tdb", &stream, 1, CANONICAL_WHOLE, NULL);
    comparison c;
    td_err err;
    assert_int_equal(compare_baselines(&(compare_options){.was = was, .is = is}, &c, &err),
                     TD_E_UNSUPPORTED);
    baseline_close(was);
    baseline_close(is);
    free_stream(&stream);
}

static int make_folder(void **state)
{
    (void)state;
    temp_folder_make(TEMP_IN_MEMORY, folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    temp_folder_remove(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_books),
        cmocka_unit_test(test_missing_and_new),
        cmocka_unit_test(test_part_of_one_frame),
        cmocka_unit_test(test_part_of_connection),
        cmocka_unit_test(test_long_part),
        cmocka_unit_test(test_part_of_other_times),
        cmocka_unit_test(test_part),
        cmocka_unit_test(test_renamed),
        cmocka_unit_test(test_selection),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_other_members),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
