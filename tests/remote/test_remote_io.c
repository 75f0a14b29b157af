/* remote/remote_io.h over a store in memory: this file's functions replace the ones of
 * remote/s3_store.h. Expected: the bytes of the objects in the order of the manifest's parts, and
 * what the store was asked for. */
#include "remote/remote_io.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "archive/archive.h"
#include "tests/testing/files.h"

enum { OBJECT_BYTES = 100000, LONG_BYTES = 16000000 };

#define SEGMENT "capture/2021/04/17/inverse-20210417T120000Z-df90003e-000001.mcap"
#define HASH(c)                                                                                    \
    c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c  \
        c c c c c c c c c c c c c c c c c

/* The file "a/b" and the file "a-b" are in the order of their paths; their folders' names are not.
 */
static const char MANIFEST[] =
    "{\"version\":1,\"files\":["
    "{\"path\":\"" SEGMENT "\",\"parts\":[{\"sha256\":\"" HASH(
        "1") "\",\"bytes\":100000}]},"
             "{\"path\":\"journal.mcap.open\",\"parts\":[{\"sha256\":\"" HASH(
                 "2") "\",\"bytes\":100000},"
                      "{\"sha256\":\"" HASH("3") "\",\"bytes\":100000},{\"sha256\":\"" HASH(
                          "4") "\",\"bytes\":100000}]},"
                               "{\"path\":\"k-b\",\"parts\":[{\"sha256\":\"" HASH(
                                   "1") "\",\"bytes\":100000}]},"
                                        "{\"path\":\"k/one\",\"parts\":[{\"sha256\":\"" HASH(
                                            "1") "\",\"bytes\":100000}]},"
                                                 "{\"path\":\"k/"
                                                 "two\",\"parts\":[{\"sha256\":\"" HASH(
                                                     "1") "\",\"bytes\":100000}]},"
                                                          "{\"path\":\"long\",\"parts\":[{"
                                                          "\"sha256\":\"" HASH(
                                                              "5") "\",\"bytes\":16000000}]}]}";

struct s3_store {
    uint8_t is_open;
};

static s3_traffic traffic; /* of the store that was opened last */

typedef struct store_plan {
    const char *manifest;  /* NULL: none */
    uint64_t object_bytes; /* that the store has of each object */
    td_result rc;          /* of reading an object */
} store_plan;

static store_plan plan;

static uint8_t byte_at(char object, uint64_t at)
{
    return (uint8_t)(at * 7 + (at >> 8) + (uint64_t)object * 31);
}

td_result s3_store_open(const s3_options *options, s3_store **out, td_err *err)
{
    (void)options, (void)err;
    *out = td_alloc_zero(1, sizeof **out);
    traffic = (s3_traffic){0};
    return TD_OK;
}

void s3_store_close(s3_store *store)
{
    td_free(store);
}

td_result s3_store_make(s3_store *store, const char *key, const s3_content *content,
                        int *was_there, // NOLINT(readability-non-const-parameter): s3_store.h
                        td_err *err)
{
    (void)store, (void)key, (void)content, (void)was_there;
    return td_err_set(err, TD_E_UNSUPPORTED, "this store is only read");
}

td_result s3_store_read(s3_store *store, const char *key, uint64_t at, void *buf, size_t size,
                        size_t *got, td_err *err)
{
    (void)store;
    const int is_manifest = strncmp(key, "manifests/", 10) == 0;
    const uint64_t bytes = is_manifest ? sizeof MANIFEST - 1 : plan.object_bytes;
    if (!is_manifest && plan.rc != TD_OK)
        return td_err_set(err, plan.rc, "%s: the store replies 404", key);
    *got = at >= bytes ? 0 : bytes - at < size ? (size_t)(bytes - at) : size;
    for (size_t i = 0; i < *got; i++)
        ((uint8_t *)buf)[i] = is_manifest ? (uint8_t)MANIFEST[at + i] : byte_at(key[8], at + i);
    traffic.requests += !is_manifest;
    traffic.received_bytes += is_manifest ? 0 : *got;
    return TD_OK;
}

td_result s3_store_remove(s3_store *store, const char *key, td_err *err)
{
    (void)store, (void)key;
    return td_err_set(err, TD_E_UNSUPPORTED, "this store is only read");
}

td_result s3_store_list(s3_store *store, const char *begin, const char *after, s3_object_fn *fn,
                        void *user, td_err *err)
{
    (void)store, (void)begin, (void)after;
    if (plan.manifest == NULL)
        return TD_OK;
    const s3_object object = {.key = "manifests/0000000001.json", .bytes = strlen(plan.manifest)};
    return fn(user, &object, err);
}

s3_traffic s3_store_traffic(const s3_store *store)
{
    (void)store;
    return traffic;
}

/* ---- the tests ---- */

#define URL "s3://bucket/tape"

static int open_remote(void **state)
{
    td_err err;
    td_err_clear(&err);
    plan = (store_plan){.manifest = MANIFEST, .object_bytes = OBJECT_BYTES};
    return remote_io_open(URL "/", NULL, (remote_io **)state, &err) == TD_OK ? 0 : -1;
}

/* The same with an empty cache on disk; others run without one. */
static char folder[TEMP_FOLDER_BYTES];

static int open_with_cache(void **state)
{
    temp_folder_make(TEMP_IN_MEMORY, folder);
    assert_int_equal(setenv("XDG_CACHE_HOME", folder, 1), 0);
    return open_remote(state);
}

static int close_remote(void **state)
{
    remote_io_close(*state);
    return 0;
}

static int close_with_cache(void **state)
{
    temp_folder_remove(folder);
    assert_int_equal(setenv("XDG_CACHE_HOME", "/dev/null", 1), 0);
    return close_remote(state);
}

static td_file *open_file(remote_io *remote, const char *path)
{
    td_err err;
    td_file *file = NULL;
    td_err_clear(&err);
    if (td_io_open(remote_io_table(remote), path, TD_OPEN_READ, &file, &err) != TD_OK)
        fail_msg("%s", err.text);
    return file;
}

/* Byte `at` of the journal, whose parts are the objects 2, 3 and 4. */
static uint8_t journal_byte(uint64_t at)
{
    return byte_at((char)('2' + at / OBJECT_BYTES), at % OBJECT_BYTES);
}

static void a_file_of_parts_is_read_across_them(void **state)
{
    static const struct {
        uint64_t at;
        size_t size, got;
    } ROWS[] = {{0, 10, 10},
                {OBJECT_BYTES - 1, 2, 2},
                {OBJECT_BYTES - 20000, 40000, 40000},
                {0, (size_t)3 * OBJECT_BYTES, (size_t)3 * OBJECT_BYTES},
                {OBJECT_BYTES - 5, OBJECT_BYTES + 10, OBJECT_BYTES + 10},
                {UINT64_C(3) * OBJECT_BYTES - 5, 100, 5},
                {UINT64_C(3) * OBJECT_BYTES, 100, 0},
                {UINT64_MAX - 1, 100, 0}};
    static uint8_t bytes[3 * OBJECT_BYTES];
    td_file *file = open_file(*state, URL "/journal.mcap.open");
    uint64_t size = 0;
    assert_int_equal(td_io_size(file, &size, NULL), TD_OK);
    assert_int_equal(size, 3 * OBJECT_BYTES);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        size_t got = 1;
        assert_int_equal(td_io_read_at(file, ROWS[i].at, bytes, ROWS[i].size, &got, NULL), TD_OK);
        assert_int_equal(got, ROWS[i].got);
        for (size_t k = 0; k < got; k++)
            if (bytes[k] != journal_byte(ROWS[i].at + k))
                fail_msg("row %zu: another byte at %zu", i, k);
    }
    td_io_close(file);
}

static void short_reads_share_a_request_and_long_ones_ask_for_their_bytes(void **state)
{
    remote_io *remote = *state;
    static uint8_t bytes[OBJECT_BYTES];
    size_t got = 0;
    td_file *file = open_file(remote, URL "/" SEGMENT);
    /* The end: a footer, and what is before it, also after the file was opened again. */
    for (uint64_t back = 37; back < REMOTE_BLOCK_BYTES; back += 1000) {
        assert_int_equal(td_io_read_at(file, OBJECT_BYTES - back, bytes, 37, &got, NULL), TD_OK);
        td_io_close(file);
        file = open_file(remote, URL "/" SEGMENT);
    }
    assert_int_equal(traffic.requests, 1);
    assert_int_equal(traffic.received_bytes, REMOTE_BLOCK_BYTES);
    assert_int_equal(td_io_read_at(file, 3, bytes, 50000, &got, NULL), TD_OK);
    assert_int_equal(traffic.requests, 2);
    assert_int_equal(traffic.received_bytes, REMOTE_BLOCK_BYTES + 50000);
    td_io_close(file);
}

/* Read pieces as a reader of chunks does, which skips their indexes. Returns the traffic. */
static s3_traffic read_pieces(remote_io *remote, size_t count, size_t size, size_t skipped)
{
    traffic = (s3_traffic){0};
    uint8_t *bytes = td_alloc(size);
    td_file *file = open_file(remote, URL "/long");
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t at = 100 + i * (size + skipped);
        assert_int_equal(td_io_read_exact(file, at, bytes, size, NULL), TD_OK);
        for (size_t k = 0; k < size; k++)
            if (bytes[k] != byte_at('5', at + k))
                fail_msg("piece %d: another byte at %zu", (int)i, k);
    }
    td_io_close(file);
    td_free(bytes);
    return traffic;
}

static void reads_that_follow_each_other_share_requests(void **state)
{
    enum { PIECE_BYTES = 150000, SKIPPED_BYTES = 9000 };
    static const struct {
        size_t count;
        uint64_t requests_max, percent_max; /* of the pieces' bytes */
    } ROWS[] = {{1, 1, 100}, {2, 2, 107}, {5, 5, 114}, {20, 14, 120}, {100, 32, 120}};
    plan = (store_plan){.manifest = MANIFEST, .object_bytes = LONG_BYTES};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        const s3_traffic used = read_pieces(*state, ROWS[i].count, PIECE_BYTES, SKIPPED_BYTES);
        if (used.requests > ROWS[i].requests_max ||
            used.received_bytes > ROWS[i].count * PIECE_BYTES * ROWS[i].percent_max / 100)
            fail_msg("%zu pieces: %d requests, %d bytes", ROWS[i].count, (int)used.requests,
                     (int)used.received_bytes);
    }
    /* Far apart. */
    assert_int_equal(read_pieces(*state, 10, 40000, 1000000).received_bytes, 10 * 40000);
}

static void read_a_block_and_more(remote_io *remote)
{
    static uint8_t bytes[OBJECT_BYTES];
    td_file *file = open_file(remote, URL "/journal.mcap.open");
    assert_int_equal(td_io_read_exact(file, 2 * OBJECT_BYTES - 7, bytes, 7, NULL), TD_OK);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(bytes[i], journal_byte(2 * OBJECT_BYTES - 7 + i));
    assert_int_equal(td_io_read_exact(file, 10, bytes, 50000, NULL), TD_OK);
    for (size_t i = 0; i < 50000; i++)
        if (bytes[i] != journal_byte(10 + i))
            fail_msg("another byte at %zu", i);
    td_io_close(file);
}

static void the_next_reader_takes_bytes_from_the_cache_on_disk(void **state)
{
    read_a_block_and_more(*state);
    assert_int_equal(traffic.requests, 2);
    remote_io *next = NULL;
    assert_int_equal(remote_io_open(URL, NULL, &next, NULL), TD_OK);
    read_a_block_and_more(next);
    assert_int_equal(traffic.requests, 0);
    remote_io_close(next);
}

static void a_proof_takes_no_bytes_from_this_machine(void **state)
{
    read_a_block_and_more(*state);
    remote_io_prove(*state);
    read_a_block_and_more(*state);
    assert_int_equal(traffic.requests, 4);
    remote_io_prove(NULL);
}

static td_result join_name(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    (void)err;
    char *all = user;
    (void)snprintf(all + strlen(all), 200 - strlen(all), "%s%s ", name,
                   kind == TD_ENTRY_DIR ? "/" : "");
    return TD_OK;
}

static void folders_are_listed_in_the_order_of_names(void **state)
{
    static const struct {
        const char *path, *names;
    } ROWS[] = {{URL, "capture/ journal.mcap.open k/ k-b long "},
                {URL "/capture", "2021/ "},
                {URL "/capture/2021/04", "17/ "},
                {URL "/k", "one two "}};
    const td_io io = remote_io_table(*state);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char names[200] = "";
        assert_int_equal(td_io_list(io, ROWS[i].path, join_name, names, NULL), TD_OK);
        assert_string_equal(names, ROWS[i].names);
    }
    char names[200] = "";
    assert_int_equal(td_io_list(io, URL "/missing", join_name, names, NULL), TD_E_NOTFOUND);
    assert_int_equal(td_io_list(io, URL "/k-", join_name, names, NULL), TD_E_NOTFOUND);
    assert_int_equal(td_io_list(io, "s3://bucket/tape2", join_name, names, NULL), TD_E_NOTFOUND);
}

static void missing_files_and_changes_are_refused(void **state)
{
    const td_io io = remote_io_table(*state);
    td_file *file = NULL;
    td_lock_view view;
    td_err err;
    td_err_clear(&err);
    assert_int_equal(td_io_open(io, URL "/lock", TD_OPEN_READ, &file, NULL), TD_E_NOTFOUND);
    assert_int_equal(td_io_check_lock(io, URL "/lock", &view, NULL), TD_OK);
    assert_int_equal(view.is_held, 0);
    assert_int_equal(td_io_check_lock(io, URL "/journal.mcap.open", &view, NULL), TD_OK);
    assert_int_equal(view.is_held, 0);
    assert_int_equal(td_io_open(io, URL "/new", TD_OPEN_CREATE, &file, &err), TD_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "an archive in a store is only read"));
    assert_int_equal(td_io_unlink(io, URL "/journal.mcap.open", NULL), TD_E_UNSUPPORTED);
    assert_int_equal(td_io_rename(io, URL "/k-b", URL "/k-c", NULL), TD_E_UNSUPPORTED);
    file = open_file(*state, URL "/journal.mcap.open");
    assert_int_equal(td_io_append(file, "x", 1, NULL), TD_E_UNSUPPORTED);
    assert_int_equal(td_io_truncate(file, 1, NULL), TD_E_UNSUPPORTED);
    assert_int_equal(td_io_lock_file(file, NULL), TD_E_UNSUPPORTED);
    assert_int_equal(td_io_sync(file, NULL), TD_E_UNSUPPORTED);
    assert_int_equal(td_io_rewrite(file, 0, 1, NULL), TD_E_UNSUPPORTED);
    td_io_close(file);
    td_space space;
    assert_int_equal(td_io_mkdir_all(io, URL "/new", NULL), TD_E_UNSUPPORTED);
    assert_int_equal(td_io_make_private(io, URL, NULL), TD_E_UNSUPPORTED);
    assert_int_equal(td_io_check_writable(io, URL, NULL), TD_E_UNSUPPORTED);
    assert_int_equal(td_io_sync_dir(io, URL, NULL), TD_E_UNSUPPORTED);
    assert_int_equal(td_io_mark_used(io, URL "/k-b", NULL), TD_E_UNSUPPORTED);
    assert_int_equal(td_io_space(io, URL, &space, &err), TD_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "is only read"));
}

/* Not TD_E_NOTFOUND: readers take that for a segment that was pruned. */
static void an_object_that_the_store_lost_is_an_error(void **state)
{
    uint8_t bytes[100];
    size_t got = 0;
    td_err err;
    td_err_clear(&err);
    td_file *file = open_file(*state, URL "/" SEGMENT);
    plan.rc = TD_E_NOTFOUND;
    assert_int_equal(td_io_read_at(file, 0, bytes, sizeof bytes, &got, &err), TD_E_IO);
    assert_non_null(strstr(err.text, "missing in the store, but its manifest lists it"));
    plan = (store_plan){.manifest = MANIFEST, .object_bytes = OBJECT_BYTES - 1};
    td_err_clear(&err);
    assert_int_equal(td_io_read_at(file, OBJECT_BYTES - 50, bytes, 50, &got, &err), TD_E_IO);
    assert_non_null(strstr(err.text, "shorter in the store"));
    td_io_close(file);
}

static void a_prefix_without_a_manifest_is_no_archive(void **state)
{
    (void)state;
    remote_io *remote = NULL;
    td_err err;
    td_err_clear(&err);
    plan = (store_plan){.manifest = NULL};
    assert_int_equal(remote_io_open(URL, NULL, &remote, &err), TD_E_NOTFOUND);
    assert_null(remote);
    assert_non_null(strstr(err.text, "no archive was pushed to it"));
}

static void an_archive_in_a_store_is_opened_only_for_reading(void **state)
{
    (void)state;
    static const archive_mode MODES[] = {ARCHIVE_APPEND, ARCHIVE_MAINTAIN};
    const archive_options options = {.clock = clock_real(), .verb = "prune"};
    remote_io *remote = NULL;
    archive *opened = NULL;
    td_err err;
    td_err_clear(&err);
    plan = (store_plan){.manifest = MANIFEST, .object_bytes = OBJECT_BYTES};
    assert_int_equal(remote_open_archive(&options, URL, &remote, &opened, &err), TD_OK);
    assert_null(archive_catalog_path(opened));
    archive_close(opened);
    remote_io_close(remote);
    for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++) {
        td_err_clear(&err);
        assert_int_equal(archive_open(&options, URL, MODES[i], &opened, &err), TD_E_UNSUPPORTED);
        assert_non_null(strstr(err.text, "an archive in a store is only read"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_of_parts_is_read_across_them, open_remote,
                                        close_remote),
        cmocka_unit_test_setup_teardown(
            short_reads_share_a_request_and_long_ones_ask_for_their_bytes, open_remote,
            close_remote),
        cmocka_unit_test_setup_teardown(reads_that_follow_each_other_share_requests, open_remote,
                                        close_remote),
        cmocka_unit_test_setup_teardown(the_next_reader_takes_bytes_from_the_cache_on_disk,
                                        open_with_cache, close_with_cache),
        cmocka_unit_test_setup_teardown(a_proof_takes_no_bytes_from_this_machine, open_with_cache,
                                        close_with_cache),
        cmocka_unit_test_setup_teardown(folders_are_listed_in_the_order_of_names, open_remote,
                                        close_remote),
        cmocka_unit_test_setup_teardown(missing_files_and_changes_are_refused, open_remote,
                                        close_remote),
        cmocka_unit_test_setup_teardown(an_object_that_the_store_lost_is_an_error, open_remote,
                                        close_remote),
        cmocka_unit_test(a_prefix_without_a_manifest_is_no_archive),
        cmocka_unit_test(an_archive_in_a_store_is_opened_only_for_reading),
    };
    assert_int_equal(setenv("XDG_CACHE_HOME", "/dev/null", 1), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
