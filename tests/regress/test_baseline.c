/* The file of baselines: what is put is read again, whatever the parts it came in; damage, other
 * files, other versions and full disks are errors that say so. Expected: the contract in
 * regress/baseline.h; content is made up by a formula and compared with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/io_posix.h"
#include "archive/catalog.h"
#include "regress/baseline.h"
#include "tests/testing/files.h"

enum { PATH_BYTES = 128, STREAMS = 3, PART_FRAMES_MAX = 3 * BASELINE_BLOCK_FRAMES };

typedef struct place {
    char folder[TEMP_FOLDER_BYTES];
    char path[PATH_BYTES];
} place;

static void place_make(place *p)
{
    temp_folder_make(TEMP_IN_MEMORY, p->folder);
    (void)snprintf(p->path, sizeof p->path, "%s/x.tdb", p->folder); /* fits */
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* ---- content ---- */

static const struct {
    const char *feed, *topic, *symbol, *exchange_topic;
    uint8_t has_book;
    uint64_t frames;
} CONTENT[STREAMS] = {
    {"linear", "trade", "BTCUSDT", "trade.BTCUSDT", 0, 2 * BASELINE_BLOCK_FRAMES + 17},
    {"inverse", "orderBookL2_25", "BTCUSD", "orderBookL2_25.BTCUSD", 1, BASELINE_BLOCK_FRAMES},
    {"inverse", "", "", "news", 0, 5},
};

static uint64_t hash_of(size_t stream, uint64_t index)
{
    const uint64_t numbers[] = {stream, index};
    return td_xxh64(numbers, sizeof numbers);
}

static uint16_t id_of(size_t stream, uint64_t index)
{
    return (uint16_t)(hash_of(stream, index) >> 17);
}

static uint64_t ns_of(uint64_t index)
{
    return 1000 + index * 10;
}

static size_t decode_of(size_t stream, uint64_t index, char out[64])
{
    int size = snprintf(out, 64, "{\"n\":%zu%05" PRIu64 "}", stream, index);
    return (size_t)size;
}

static const baseline_meta META = {.members = CANONICAL_WHOLE,
                                   .is_full = 1,
                                   .version = "1.2",
                                   .decoder = "./mine.so",
                                   .decoder_id = "00ff",
                                   .selection = "--topic 'trade*'",
                                   .archive = "/data/a",
                                   .map = "a = b\nc = -\n"};

/* Add frames [from, to) of a stream. */
static td_result add_frames(baseline *b, size_t stream, uint64_t from, uint64_t to, td_err *err)
{
    static uint16_t ids[PART_FRAMES_MAX];
    static uint64_t hashes[PART_FRAMES_MAX];
    static uint64_t times[PART_FRAMES_MAX];
    td_buf lines;
    td_buf packed;
    td_buf_init(&lines, 1 << 20);
    td_buf_init(&packed, 1 << 20);
    td_result rc = TD_OK;
    for (uint64_t i = from; i < to && rc == TD_OK; i++) {
        char line[64];
        ids[i - from] = id_of(stream, i);
        hashes[i - from] = hash_of(stream, i);
        times[i - from] = ns_of(i);
        size_t size = decode_of(stream, i, line);
        line[size] = '\n';
        rc = td_buf_append(&lines, line, size + 1, err);
    }
    if (rc == TD_OK)
        rc = baseline_pack(td_buf_view(&lines), &packed, err);
    const baseline_piece piece = {.frames = (uint32_t)(to - from),
                                  .bytes = (uint32_t)lines.size,
                                  .packed = td_buf_view(&packed)};
    const baseline_part part = {.of = {.feed = CONTENT[stream].feed,
                                       .topic = CONTENT[stream].topic,
                                       .symbol = CONTENT[stream].symbol,
                                       .exchange_topic = CONTENT[stream].exchange_topic,
                                       .family = "f",
                                       .has_book = CONTENT[stream].has_book,
                                       .frames = to - from,
                                       .decoded = to - from,
                                       .items = 2 * (to - from),
                                       .first_ns = ns_of(from),
                                       .last_ns = ns_of(to - 1)},
                                .ids = ids,
                                .hashes = hashes,
                                .recv_ns = times,
                                .pieces = &piece,
                                .piece_count = 1};
    if (rc == TD_OK)
        rc = baseline_add(b, &part, err);
    td_buf_fini(&lines);
    td_buf_fini(&packed);
    return rc;
}

/* All content, every stream in parts of so many frames, a commit after each round. */
static td_result fill(baseline *b, uint64_t part_frames, td_err *err)
{
    td_result rc = TD_OK;
    uint64_t done = 0;
    for (int is_more = 1; is_more && rc == TD_OK;) {
        is_more = 0;
        for (size_t s = 0; s < STREAMS && rc == TD_OK; s++) {
            uint64_t to = done + part_frames;
            if (to > CONTENT[s].frames)
                to = CONTENT[s].frames;
            if (done < to)
                rc = add_frames(b, s, done, to, err);
            is_more |= to < CONTENT[s].frames;
        }
        done += part_frames;
        if (rc == TD_OK)
            rc = baseline_commit(b, ns_of(done), err);
    }
    return rc == TD_OK ? baseline_finish(b, err) : rc;
}

static void make_filled(const char *path, uint64_t part_frames)
{
    baseline *b;
    td_err err;
    assert_int_equal(baseline_create(path, &META, &b, &err), TD_OK);
    if (fill(b, part_frames, &err) != TD_OK)
        fail_msg("%s", err.text);
    baseline_close(b);
}

/* ---- reading ---- */

static int is_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static int has_meta(const baseline *b)
{
    const baseline_meta *m = baseline_get_meta(b);
    return m->canonical == CANONICAL_VERSION && m->members == META.members && m->is_full &&
           m->is_complete && !m->is_damaged && is_text(m->version, META.version) &&
           is_text(m->decoder, META.decoder) && is_text(m->decoder_id, META.decoder_id) &&
           is_text(m->selection, META.selection) && is_text(m->archive, META.archive) &&
           is_text(m->map, META.map);
}

/* Read the stream; *is_same: it is as it was put. */
static td_result read_stream(baseline *b, size_t s, const baseline_stream *of, int *is_same,
                             td_err *err)
{
    uint64_t frames = CONTENT[s].frames;
    *is_same &= of->frames == frames && of->decoded == frames && of->items == 2 * frames &&
                of->undecoded == 0 && of->first_ns == ns_of(0) &&
                of->last_ns == ns_of(frames - 1) && of->has_book == CONTENT[s].has_book &&
                is_text(of->family, "f");
    td_result rc = TD_OK;
    uint64_t at = 0;
    for (uint32_t number = 0; rc == TD_OK; number++) {
        baseline_block block;
        rc = baseline_get_block(b, of->id, number, &block, err);
        if (rc != TD_OK)
            break;
        *is_same &= block.first_ns == ns_of(at) && block.last_ns == ns_of(at + block.frames - 1);
        for (uint32_t i = 0; i < block.frames; i++, at++)
            *is_same &= block.ids[i] == id_of(s, at) && block.hashes[i] == hash_of(s, at);
    }
    *is_same &= rc != TD_EOF || at == frames;
    for (uint64_t i = 0; rc == TD_EOF && i < frames; i += 13) {
        char line[64];
        td_bytes found;
        td_result got = baseline_get_decode(b, of->id, i, &found, err);
        if (got != TD_OK)
            return got;
        size_t size = decode_of(s, i, line);
        *is_same &= td_bytes_equal(found, td_bytes_of(line, size));
    }
    return rc == TD_EOF ? TD_OK : rc;
}

/* Read all there is: TD_OK, or what is wrong. */
static td_result read_all(const char *path, int *is_same, td_err *err)
{
    static const size_t ORDER[STREAMS] = {2, 1, 0}; /* feed, topic, symbol */
    baseline *b;
    td_result rc = baseline_open(path, BASELINE_READ, &b, err);
    *is_same = 1;
    if (rc != TD_OK)
        return rc;
    *is_same = has_meta(b) && baseline_stream_count(b) == STREAMS;
    for (size_t i = 0; i < STREAMS && *is_same && rc == TD_OK; i++) {
        const baseline_stream *of = baseline_stream_at(b, i);
        size_t s = ORDER[i];
        *is_same &= is_text(of->feed, CONTENT[s].feed) && is_text(of->topic, CONTENT[s].topic) &&
                    is_text(of->symbol, CONTENT[s].symbol) &&
                    is_text(of->exchange_topic, CONTENT[s].exchange_topic) && of->id == s + 1;
        if (*is_same)
            rc = read_stream(b, s, of, is_same, err);
    }
    baseline_close(b);
    return rc;
}

static void assert_whole(const char *path)
{
    int is_same;
    td_err err;
    if (read_all(path, &is_same, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_true(is_same);
}

static void test_what_is_put_is_read(void **state)
{
    (void)state;
    static const uint64_t PARTS[] = {PART_FRAMES_MAX, BASELINE_BLOCK_FRAMES, 1000, 4095, 4097};
    place p;
    place_make(&p);
    for (size_t i = 0; i < sizeof PARTS / sizeof PARTS[0]; i++) {
        td_err err;
        make_filled(p.path, PARTS[i]);
        assert_whole(p.path);
        assert_int_equal(baseline_remove(p.path, &err), TD_OK);
    }
    temp_folder_remove(p.folder);
}

/* A topic with two names at the exchange is one stream, whichever comes first; two unknown topics
 * are two. */
static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *topic, *exchange_topic;
    } PARTS[] = {{"order", "order.linear"}, {"order", "order"}, {"", "news"}, {"", "sports"}};
    place p;
    place_make(&p);
    baseline_meta meta = META;
    meta.is_full = 0;
    baseline *b;
    td_err err;
    assert_int_equal(baseline_create(p.path, &meta, &b, &err), TD_OK);
    const uint16_t id = 1;
    const uint64_t number = 2;
    for (size_t i = 0; i < sizeof PARTS / sizeof PARTS[0]; i++) {
        const baseline_part part = {.of = {.feed = "f",
                                           .topic = PARTS[i].topic,
                                           .symbol = "*",
                                           .exchange_topic = PARTS[i].exchange_topic,
                                           .family = "v5-private",
                                           .frames = 1},
                                    .ids = &id,
                                    .hashes = &number,
                                    .recv_ns = &number};
        assert_int_equal(baseline_add(b, &part, &err), TD_OK);
    }
    assert_int_equal(baseline_finish(b, &err), TD_OK);
    baseline_close(b);
    assert_int_equal(baseline_open(p.path, BASELINE_READ, &b, &err), TD_OK);
    assert_int_equal(baseline_stream_count(b), 3);
    assert_string_equal(baseline_stream_at(b, 0)->exchange_topic, "news");
    assert_string_equal(baseline_stream_at(b, 1)->exchange_topic, "sports");
    const baseline_stream *orders = baseline_stream_at(b, 2);
    assert_int_equal(orders->frames, 2);
    assert_string_equal(orders->exchange_topic, "order.linear");
    assert_ptr_equal(baseline_find_stream(b, "f", "order", "*", "any"), orders);
    assert_null(baseline_find_stream(b, "f", "", "*", "any"));
    baseline_close(b);
    temp_folder_remove(p.folder);
}

/* A baseline at rest is one file, and small. */
static void test_size(void **state)
{
    (void)state;
    enum { FRAMES = 20 * BASELINE_BLOCK_FRAMES };
    place p;
    place_make(&p);
    baseline_meta meta = META;
    meta.is_full = 0;
    baseline *b;
    td_err err;
    assert_int_equal(baseline_create(p.path, &meta, &b, &err), TD_OK);
    uint16_t *ids = calloc(FRAMES, sizeof *ids);
    uint64_t *hashes = calloc(FRAMES, sizeof *hashes);
    for (uint64_t i = 0; i < FRAMES; i++) {
        ids[i] = id_of(0, i);
        hashes[i] = hash_of(0, i);
    }
    const baseline_part part = {.of = {.feed = "f",
                                       .topic = "t",
                                       .symbol = "s",
                                       .exchange_topic = "t.s",
                                       .family = "f",
                                       .frames = FRAMES},
                                .ids = ids,
                                .hashes = hashes,
                                .recv_ns = hashes};
    assert_int_equal(baseline_add(b, &part, &err), TD_OK);
    assert_int_equal(baseline_finish(b, &err), TD_OK);
    baseline_size size;
    assert_int_equal(baseline_get_size(b, &size, &err), TD_OK);
    baseline_close(b);
    free(ids);
    free(hashes);
    assert_int_equal(size.decode_bytes, 0);
    assert_in_range(size.file_bytes, 10 * FRAMES, 105 * FRAMES / 10);
    char beside[PATH_BYTES + 16];
    (void)snprintf(beside, sizeof beside, "%s-journal", p.path);
    assert_int_not_equal(access(beside, F_OK), 0);
    temp_folder_remove(p.folder);
}

/* ---- a reference ---- */

static baseline_meta sharing_meta(const baseline *reference, char content[BASELINE_CONTENT_BYTES])
{
    baseline_name_content(reference, content);
    baseline_meta meta = META;
    meta.reference = content;
    return meta;
}

static void assert_shares(baseline *b, size_t s, const baseline *reference, uint64_t expected)
{
    uint64_t shared;
    td_err err;
    const baseline_stream *of = baseline_find_stream(b, CONTENT[s].feed, CONTENT[s].topic,
                                                     CONTENT[s].symbol, CONTENT[s].exchange_topic);
    const baseline_stream *there = baseline_find_stream(
        reference, CONTENT[s].feed, CONTENT[s].topic, CONTENT[s].symbol, CONTENT[s].exchange_topic);
    assert_int_equal(baseline_count_shared(b, of->id, reference, there->id, &shared, &err), TD_OK);
    assert_int_equal(shared, expected);
}

/* What two baselines have in common is stored once, and is read from both. Streams have other
 * numbers, and one block of stream 0 differs. */
static void test_reference(void **state)
{
    (void)state;
    enum { CHANGED = BASELINE_BLOCK_FRAMES + 3 };
    static const size_t ORDER[STREAMS] = {2, 0, 1};
    place p;
    char path[PATH_BYTES + 8];
    char content[BASELINE_CONTENT_BYTES];
    baseline *was;
    baseline *is;
    baseline_block block;
    baseline_block there;
    baseline_size size;
    td_err err;
    place_make(&p);
    make_filled(p.path, 1000);
    (void)snprintf(path, sizeof path, "%s.is", p.path); /* fits */
    assert_int_equal(baseline_open(p.path, BASELINE_READ, &was, &err), TD_OK);
    const baseline_meta meta = sharing_meta(was, content);
    assert_int_equal(baseline_create(path, &meta, &is, &err), TD_OK);
    baseline_set_reference(is, was);
    for (size_t i = 0; i < STREAMS; i++)
        assert_int_equal(add_frames(is, ORDER[i], 0, CONTENT[ORDER[i]].frames, &err), TD_OK);
    assert_shares(is, 0, was, CONTENT[0].frames);
    assert_int_equal(baseline_get_block(is, 2, 1, &block, &err), TD_OK);
    static uint64_t hashes[BASELINE_BLOCK_FRAMES];
    static uint16_t ids[BASELINE_BLOCK_FRAMES];
    memcpy(hashes, block.hashes, sizeof hashes);
    memcpy(ids, block.ids, sizeof ids);
    hashes[CHANGED - BASELINE_BLOCK_FRAMES]++;
    block.hashes = hashes;
    block.ids = ids;
    assert_int_equal(baseline_put_block(is, &block, &err), TD_OK);
    assert_int_equal(baseline_finish(is, &err), TD_OK);
    baseline_close(is);
    assert_int_equal(baseline_open(path, BASELINE_READ, &is, &err), TD_OK);
    assert_string_equal(baseline_get_meta(is)->reference, content);
    baseline_set_reference(is, was);
    assert_shares(is, 0, was, BASELINE_BLOCK_FRAMES);
    assert_shares(is, 1, was, CONTENT[1].frames);
    assert_shares(is, 2, was, CONTENT[2].frames);
    assert_int_equal(baseline_get_block(was, 2, 0, &there, &err), TD_OK);
    for (uint32_t number = 0; number < 3; number++) {
        assert_int_equal(baseline_get_block(is, 2, number, &block, &err), TD_OK);
        for (uint32_t i = 0; i < block.frames; i++) {
            uint64_t frame = number * (uint64_t)BASELINE_BLOCK_FRAMES + i;
            assert_int_equal(block.ids[i], id_of(0, frame));
            assert_int_equal(block.hashes[i], hash_of(0, frame) + (frame == CHANGED));
        }
    }
    for (uint32_t i = 0; i < there.frames; i++) /* reading the one leaves the other's valid */
        assert_int_equal(there.hashes[i], hash_of(1, i));
    assert_int_equal(baseline_get_size(is, &size, &err), TD_OK);
    uint64_t beside = size.file_bytes - size.decode_bytes;
    assert_in_range(beside, BASELINE_BLOCK_FRAMES * 10, BASELINE_BLOCK_FRAMES * 10 + 64 * 1024);
    baseline_close(is);
    baseline_close(was);
    temp_folder_remove(p.folder);
}

/* A reference that is damaged, or none, is an error: no frame is made up. */
static void test_wrong_reference(void **state)
{
    (void)state;
    static const char *const SQL[] = {
        "UPDATE blocks SET hashes = randomblob(length(hashes)) WHERE place = 2 << 32",
        "UPDATE blocks SET last_ns = last_ns + 1 WHERE place = 2 << 32",
        "DELETE FROM blocks WHERE place = 2 << 32"};
    place p;
    char path[PATH_BYTES + 8];
    char content[BASELINE_CONTENT_BYTES];
    baseline *was;
    baseline *is;
    baseline_block block;
    td_err err;
    place_make(&p);
    (void)snprintf(path, sizeof path, "%s.is", p.path); /* fits */
    for (size_t i = 0; i < sizeof SQL / sizeof SQL[0]; i++) {
        make_filled(p.path, PART_FRAMES_MAX);
        assert_int_equal(baseline_open(p.path, BASELINE_READ, &was, &err), TD_OK);
        const baseline_meta meta = sharing_meta(was, content);
        assert_int_equal(baseline_create(path, &meta, &is, &err), TD_OK);
        baseline_set_reference(is, was);
        assert_int_equal(fill(is, PART_FRAMES_MAX, &err), TD_OK);
        assert_shares(is, 1, was, CONTENT[1].frames);
        assert_int_equal(baseline_get_block(is, 2, 0, &block, &err), TD_OK);
        baseline_close(is);
        baseline_close(was);
        assert_int_equal(baseline_open(path, BASELINE_READ, &is, &err), TD_OK);
        assert_int_equal(baseline_get_block(is, 2, 0, &block, &err), TD_E_CORRUPT);
        run_sql(p.path, SQL[i]);
        assert_int_equal(baseline_open(p.path, BASELINE_READ, &was, &err), TD_OK);
        baseline_set_reference(is, was);
        assert_int_equal(baseline_get_block(is, 2, 0, &block, &err), TD_E_CORRUPT);
        assert_int_equal(baseline_get_block(is, 3, 0, &block, &err), TD_OK);
        baseline_close(is);
        baseline_close(was);
        assert_int_equal(baseline_remove(p.path, &err), TD_OK);
        assert_int_equal(baseline_remove(path, &err), TD_OK);
    }
    temp_folder_remove(p.folder);
}

/* ---- interrupted ---- */

/* What was put since the last commit is gone; what comes then is as if there had been no break. */
static void test_interrupted(void **state)
{
    (void)state;
    place p;
    place_make(&p);
    baseline *b;
    td_err err;
    assert_int_equal(baseline_create(p.path, &META, &b, &err), TD_OK);
    assert_int_equal(add_frames(b, 0, 0, 100, &err), TD_OK);
    assert_int_equal(baseline_commit(b, 77, &err), TD_OK);
    assert_int_equal(add_frames(b, 0, 100, 5000, &err), TD_OK);
    assert_int_equal(add_frames(b, 1, 0, 10, &err), TD_OK);
    baseline_close(b);
    assert_int_equal(baseline_open(p.path, BASELINE_READ, &b, &err), TD_OK);
    assert_false(baseline_get_meta(b)->is_complete);
    assert_int_equal(baseline_get_meta(b)->resume_ns, 77);
    assert_int_equal(baseline_stream_count(b), 1);
    assert_int_equal(baseline_stream_at(b, 0)->frames, 100);
    baseline_close(b);
    assert_int_equal(baseline_open(p.path, BASELINE_EXTEND, &b, &err), TD_OK);
    for (size_t s = 0; s < STREAMS; s++)
        assert_int_equal(add_frames(b, s, s == 0 ? 100 : 0, CONTENT[s].frames, &err), TD_OK);
    assert_int_equal(baseline_finish(b, &err), TD_OK);
    baseline_close(b);
    assert_whole(p.path);
    temp_folder_remove(p.folder);
}

/* A program that is killed while SQLite writes leaves the file half written, and a journal. */
static void kill_while_writing(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        sqlite3 *db = NULL;
        int rc = sqlite3_open(path, &db);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(db,
                              "PRAGMA cache_size = 4; BEGIN IMMEDIATE; "
                              "UPDATE blocks SET hashes = randomblob(length(hashes)); "
                              "UPDATE decodes SET lines = randomblob(length(lines))",
                              NULL, NULL, NULL);
        _exit(rc == SQLITE_OK ? 0 : 1);
    }
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void test_killed_while_writing(void **state)
{
    (void)state;
    place p;
    place_make(&p);
    make_filled(p.path, PART_FRAMES_MAX);
    kill_while_writing(p.path);
    char beside[PATH_BYTES + 16];
    (void)snprintf(beside, sizeof beside, "%s-journal", p.path); /* fits */
    assert_int_equal(access(beside, F_OK), 0);
    assert_whole(p.path); /* read, with what the killed program did undone */
    assert_int_not_equal(access(beside, F_OK), 0);
    kill_while_writing(p.path);
    baseline *b;
    td_err err;
    assert_int_equal(baseline_open(p.path, BASELINE_EXTEND, &b, &err), TD_OK);
    baseline_close(b);
    assert_whole(p.path);
    temp_folder_remove(p.folder);
}

static void test_one_writer(void **state)
{
    (void)state;
    place p;
    place_make(&p);
    baseline *b;
    baseline *other;
    td_err err;
    assert_int_equal(baseline_create(p.path, &META, &b, &err), TD_OK);
    assert_int_equal(baseline_create(p.path, &META, &other, &err), TD_E_INVALID);
    assert_int_equal(baseline_open(p.path, BASELINE_EXTEND, &other, &err), TD_E_BUSY);
    assert_int_equal(fill(b, PART_FRAMES_MAX, &err), TD_OK);
    assert_whole(p.path); /* finished, it can be read while it is still open */
    baseline_close(b);
    temp_folder_remove(p.folder);
}

/* ---- other files ---- */

static void assert_refused(const char *path, td_result rc, const char *what)
{
    static const baseline_access ACCESS[] = {BASELINE_READ, BASELINE_EXTEND};
    for (size_t i = 0; i < 2; i++) {
        baseline *b;
        td_err err;
        assert_int_equal(baseline_open(path, ACCESS[i], &b, &err), rc);
        if (strstr(err.text, what) == NULL)
            fail_msg("'%s' in: %s", what, err.text);
    }
}

static void test_other_files(void **state)
{
    (void)state;
    place p;
    place_make(&p);
    td_err err;
    assert_refused(p.path, TD_E_NOTFOUND, "there is no baseline");
    assert_int_equal(baseline_remove(p.path, &err), TD_OK);
    file_write_text(p.path, "feed,topic,symbol\n");
    assert_refused(p.path, TD_E_UNSUPPORTED, "is not a baseline");
    assert_int_equal(baseline_remove(p.path, &err), TD_E_UNSUPPORTED);
    file_write_text(p.path, "");
    assert_refused(p.path, TD_E_TRUNCATED, "is empty");
    assert_int_equal(unlink(p.path), 0);
    catalog *other;
    assert_int_equal(catalog_open(p.path, CATALOG_WRITE, &other, &err), TD_OK);
    catalog_close(other);
    assert_refused(p.path, TD_E_UNSUPPORTED, "is not a baseline");
    assert_int_equal(baseline_remove(p.path, &err), TD_E_UNSUPPORTED);
    temp_folder_remove(p.folder);
}

static void test_other_versions(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        td_result rc;
        const char *what;
    } CASES[] = {
        {"PRAGMA user_version = 2", TD_E_UNSUPPORTED, "schema version 2"},
        {"UPDATE meta SET number = 2 WHERE key = 'canonical'", TD_E_CORRUPT, "'canonical'"},
        {"DELETE FROM meta", TD_E_TRUNCATED, "is empty"}, /* killed before the first commit */
        {"DELETE FROM meta WHERE key = 'map'", TD_E_CORRUPT, "no 'map'"},
        {"DELETE FROM streams WHERE id = 3", TD_E_CORRUPT, "2 of 3 streams"},
        {"DELETE FROM streams WHERE id = 1", TD_E_CORRUPT, "stream 1"},
        {"UPDATE streams SET frames = 4 WHERE id = 2", TD_E_CORRUPT, "stream 2"},
        {"DROP TABLE streams", TD_E_CORRUPT, "streams"},
    };
    place p;
    place_make(&p);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        td_err err;
        make_filled(p.path, PART_FRAMES_MAX);
        run_sql(p.path, CASES[i].sql);
        assert_refused(p.path, CASES[i].rc, CASES[i].what);
        assert_int_equal(baseline_remove(p.path, &err), TD_OK);
    }
    temp_folder_remove(p.folder);
}

static void test_missing_rows(void **state)
{
    (void)state;
    static const char *const SQL[] = {"DELETE FROM blocks WHERE place = (1 << 32) + 1",
                                      "UPDATE blocks SET frames = 3 WHERE place = 3 << 32",
                                      "UPDATE blocks SET ids = hashes, hashes = ids",
                                      "UPDATE blocks SET place = place + 1 WHERE place = 2 << 32",
                                      "DELETE FROM decodes WHERE stream = 2",
                                      "UPDATE decodes SET first = first + 1 WHERE stream = 1",
                                      "UPDATE decodes SET frames = 3 WHERE stream = 3"};
    place p;
    place_make(&p);
    for (size_t i = 0; i < sizeof SQL / sizeof SQL[0]; i++) {
        td_err err;
        int is_same;
        make_filled(p.path, PART_FRAMES_MAX);
        run_sql(p.path, SQL[i]);
        assert_int_equal(read_all(p.path, &is_same, &err), TD_E_CORRUPT);
        assert_non_null(strstr(err.text, "is damaged"));
        assert_int_equal(baseline_remove(p.path, &err), TD_OK);
    }
    temp_folder_remove(p.folder);
}

/* A byte that is wrong is found, or it does not matter: nothing is read that was not put. */
static void test_damage(void **state)
{
    (void)state;
    enum { STRIDE = 257 };
    place p;
    place_make(&p);
    make_filled(p.path, PART_FRAMES_MAX);
    size_t size;
    uint8_t *bytes = file_read(io_posix(), p.path, &size);
    size_t found = 0;
    for (size_t at = 0; at < size; at += at < 200 ? 1 : STRIDE) {
        bytes[at] ^= 0x41;
        file_replace(io_posix(), p.path, bytes, size);
        bytes[at] ^= 0x41;
        int is_same;
        td_err err;
        td_result rc = read_all(p.path, &is_same, &err);
        if (rc == TD_OK && !is_same)
            fail_msg("byte %zu: what is read is wrong", at);
        found += rc != TD_OK;
    }
    /* nearly all of it is hashes, which are random */
    assert_in_range(found, size / STRIDE / 2, size);
    td_free(bytes);
    temp_folder_remove(p.folder);
}

static void test_cut(void **state)
{
    (void)state;
    place p;
    place_make(&p);
    make_filled(p.path, PART_FRAMES_MAX);
    size_t size;
    uint8_t *bytes = file_read(io_posix(), p.path, &size);
    for (size_t left = 0; left < size; left += 4096 + 511) {
        file_replace(io_posix(), p.path, bytes, left);
        int is_same;
        td_err err;
        td_result rc = read_all(p.path, &is_same, &err);
        assert_true(rc == TD_E_CORRUPT || rc == TD_E_UNSUPPORTED || rc == TD_E_IO ||
                    (rc == TD_E_TRUNCATED && left == 0));
    }
    td_free(bytes);
    temp_folder_remove(p.folder);
}

/* ---- a full disk ---- */

/* The operating system's VFS, with a disk that takes so many bytes. Databases and journals have
 * methods of their own: a journal's do not lock. */
static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    sqlite3_io_methods methods[2];
    int (*real_write)(sqlite3_file *, const void *, int, sqlite3_int64);
    int64_t bytes_left;
} disk;

static int disk_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 at)
{
    if (disk.bytes_left < size)
        return SQLITE_FULL;
    disk.bytes_left -= size;
    return disk.real_write(file, bytes, size, at);
}

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    int rc = disk.real->xOpen(disk.real, name, file, flags, out);
    if (rc == SQLITE_OK && file->pMethods != NULL) {
        sqlite3_io_methods *methods = &disk.methods[(flags & SQLITE_OPEN_MAIN_DB) != 0];
        disk.real_write = file->pMethods->xWrite;
        *methods = *file->pMethods;
        methods->xWrite = disk_write;
        file->pMethods = methods;
    }
    return rc;
}

static void disk_begin(void)
{
    disk.real = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.real;
    disk.vfs.zName = "limited";
    disk.vfs.xOpen = disk_open;
    assert_int_equal(sqlite3_vfs_register(&disk.vfs, 1), SQLITE_OK);
}

static void disk_end(void)
{
    assert_int_equal(sqlite3_vfs_unregister(&disk.vfs), SQLITE_OK);
    assert_int_equal(sqlite3_vfs_register(disk.real, 1), SQLITE_OK);
}

/* The disk fills up at every stage: it is an error that says so, and afterwards the file is as
 * after the last commit that succeeded. With a disk that is large enough, all is well. */
static void test_full_disk(void **state)
{
    (void)state;
    enum { STEP = 9000 };
    place p;
    place_make(&p);
    td_result rc = TD_E_NOSPACE;
    int64_t runs = 0;
    disk_begin();
    for (int64_t bytes = 0; rc != TD_OK; bytes += STEP, runs++) {
        baseline *b = NULL;
        td_err err;
        disk.bytes_left = bytes;
        rc = baseline_create(p.path, &META, &b, &err);
        if (rc == TD_OK)
            rc = fill(b, 1000, &err);
        disk.bytes_left = INT64_MAX; /* undoing needs none */
        baseline_close(b);
        if (rc != TD_OK) {
            assert_int_equal(rc, TD_E_NOSPACE);
            assert_non_null(strstr(err.text, "full"));
            if (baseline_open(p.path, BASELINE_READ, &b, &err) == TD_OK) {
                assert_false(baseline_get_meta(b)->is_complete);
                uint64_t done = (baseline_get_meta(b)->resume_ns - ns_of(0)) / 10;
                for (size_t i = 0; i < baseline_stream_count(b); i++)
                    assert_in_range(baseline_stream_at(b, i)->frames, 1, done);
                baseline_close(b);
            }
            (void)unlink(p.path); /* it may not be there */
        }
    }
    disk_end();
    assert_in_range(runs, 10, 1000);
    assert_whole(p.path);
    temp_folder_remove(p.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_put_is_read),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_wrong_reference),
        cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_killed_while_writing),
        cmocka_unit_test(test_one_writer),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_other_versions),
        cmocka_unit_test(test_missing_rows),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
