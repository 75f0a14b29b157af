/* remote/store_prune.h over a store in memory. Objects are named by a letter, and their hash is 64
 * of it; a manifest is the letters that it lists. Expected: the contract in the header: what is
 * removed, and in which states a kill, a push or another prune at any request leaves the store. */
#include "remote/store_prune.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "remote/manifest.h"
#include "tests/remote/store_memory.h"

enum { TODAY = 100, OBJECT_BYTES = 10, TEXT_BYTES = 200 };

/* ---- stores ---- */

static void set_age(s3_store *store, uint64_t days)
{
    store->now_ns = (TODAY - days) * TD_NS_PER_DAY;
}

static manifest_part part_of(char letter)
{
    manifest_part part = {.bytes = OBJECT_BYTES};
    memset(part.sha256, letter, sizeof part.sha256 - 1);
    return part;
}

static void put_object(s3_store *store, char letter, uint64_t age)
{
    const manifest_part part = part_of(letter);
    char key[REMOTE_OBJECT_KEY_BYTES];
    remote_object_key(&part, key);
    set_age(store, age);
    memory_put(store, key, OBJECT_BYTES);
}

static td_result try_manifest(s3_store *store, uint64_t number, const char *letters, td_err *err)
{
    remote_manifest manifest = {.is_pruning = letters[0] == '!'};
    manifest_file *file = remote_manifest_add_file(&manifest, "journal.mcap.open", "");
    for (const char *at = letters + manifest.is_pruning; *at != '\0'; at++) {
        const manifest_part part = part_of(*at);
        manifest_file_add_part(file, &part);
    }
    td_result rc = remote_manifest_make(store, &manifest, number, err);
    remote_manifest_fini(&manifest);
    return rc;
}

static void put_manifest(s3_store *store, uint64_t number, const char *letters, uint64_t age)
{
    td_err err;
    set_age(store, age);
    if (try_manifest(store, number, letters, &err) != TD_OK)
        fail_msg("%s", err.text);
}

/* The store as text: letters of its objects, then the newest manifest's number and letters, with
 * '!' before them for the flag, and the numbers of the others. */
static const char *describe(s3_store *store)
{
    static char text[TEXT_BYTES];
    char *end = text;
    remote_manifest newest;
    td_err err;
    if (remote_manifest_read(store, &newest, &err) != TD_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < store->count; i++)
        if (strncmp(store->objects[i].key, "objects/", 8) == 0)
            *end++ = store->objects[i].key[8];
    end += sprintf(end, " %u=%s", (unsigned)newest.number, newest.is_pruning ? "!" : "");
    for (size_t i = 0; i < newest.files[0].part_count; i++)
        *end++ = newest.files[0].parts[i].sha256[0];
    *end = '\0';
    for (size_t i = 0; i < store->count; i++)
        if (strncmp(store->objects[i].key, "manifests/", 10) == 0)
            end += sprintf(end, " %lu", strtoul(store->objects[i].key + 10, NULL, 10));
    remote_manifest_fini(&newest);
    return text;
}

static td_result prune(s3_store *store, uint64_t days, store_prune_report *report, td_err *err)
{
    const store_prune_options options = {.older_than_ns = days * TD_NS_PER_DAY};
    set_age(store, 0);
    return remote_prune(store, &options, report, err);
}

/* Days 90, 60, 20 and 5 ago. The state "ab" was the archive until 60 days ago, "bc" until 20. c was
 * packed to d. x is an old object that no manifest lists, y a new one. */
static int open_store(void **state)
{
    s3_store *store = NULL;
    assert_int_equal(s3_store_open(NULL, &store, NULL), TD_OK);
    put_object(store, 'a', 90);
    put_object(store, 'b', 90);
    put_manifest(store, 1, "ab", 90);
    put_object(store, 'c', 61);
    put_manifest(store, 2, "bc", 60);
    put_object(store, 'd', 20);
    put_manifest(store, 3, "bd", 20);
    put_object(store, 'e', 5);
    put_manifest(store, 4, "bde", 5);
    put_object(store, '7', 31);
    put_object(store, '8', 10);
    *state = store;
    return 0;
}

static int close_store(void **state)
{
    s3_store_close(*state);
    return 0;
}

#define BEFORE "78abcde 4=bde 1 2 3 4"

/* ---- the tests ---- */

/* Ages count from the newest time, which is 5 days ago: 7 and 8 were made 26 and 5 days before. */
static void what_is_removed(void **state)
{
    (void)state;
    static const struct {
        uint64_t days;
        const char *after;
    } ROWS[] = {{90, BEFORE},
                {56, BEFORE},
                {54, "78bcde 6=bde 2 3 4 5 6"},
                {26, "78bcde 6=bde 2 3 4 5 6"},
                {25, "8bcde 6=bde 2 3 4 5 6"},
                {16, "8bcde 6=bde 2 3 4 5 6"},
                {14, "8bde 6=bde 3 4 5 6"},
                {1, "bde 6=bde 3 4 5 6"}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        void *store;
        store_prune_report report;
        td_err err;
        open_store(&store);
        if (prune(store, ROWS[i].days, &report, &err) != TD_OK)
            fail_msg("%s", err.text);
        assert_string_equal(describe(store), ROWS[i].after);
        assert_int_equal(report.counted_from_ns, (TODAY - 5) * TD_NS_PER_DAY);
        assert_int_equal(report.objects_removed + report.objects_kept, 7);
        assert_int_equal(report.bytes_removed, report.objects_removed * OBJECT_BYTES);
        assert_int_equal(report.manifests_removed + report.manifests_kept, 4);
        close_store(&store);
    }
}

static void a_second_prune_has_nothing_to_remove(void **state)
{
    store_prune_report report;
    td_err err;
    assert_int_equal(prune(*state, 14, &report, &err), TD_OK);
    assert_int_equal(report.objects_removed, 3);
    assert_int_equal(report.manifest, 6);
    assert_int_equal(prune(*state, 14, &report, &err), TD_OK);
    assert_int_equal(report.objects_removed, 0);
    assert_int_equal(report.manifest, 6);
}

static td_result only_reads(void *user, const char *what, const char *key)
{
    (void)user, (void)key;
    return strcmp(what, "read") == 0 || strcmp(what, "list") == 0 ? TD_OK : TD_E_IO;
}

static void a_dry_run_only_reads(void **state)
{
    s3_store *store = *state;
    const store_prune_options options = {.older_than_ns = 14 * TD_NS_PER_DAY, .is_dry_run = 1};
    store_prune_report report;
    td_err err;
    store->on_request = only_reads;
    assert_int_equal(remote_prune(store, &options, &report, &err), TD_OK);
    assert_int_equal(report.objects_removed, 3);
    assert_int_equal(report.manifests_removed, 2);
    assert_int_equal(report.manifest, 4);
}

/* ---- what cannot be read ---- */

static void spoil_manifest(s3_store *store)
{
    memory_find(store, "manifests/0000000003.json")->bytes[0] = 'x';
}

static void lose_listed_object(s3_store *store)
{
    const manifest_part part = part_of('d');
    char key[REMOTE_OBJECT_KEY_BYTES];
    remote_object_key(&part, key);
    memory_remove(store, key);
}

static void lose_time(s3_store *store)
{
    memory_find(store, "manifests/0000000002.json")->modified_ns = 0;
}

static void lose_manifests(s3_store *store)
{
    for (unsigned i = 1; i <= 4; i++) {
        char key[64];
        (void)snprintf(key, sizeof key, "manifests/%010u.json", i);
        memory_remove(store, key);
    }
}

static void nothing_is_removed_from_a_store_that_cannot_be_read(void **state)
{
    (void)state;
    static const struct {
        void (*spoil)(s3_store *store);
        td_result rc;
        const char *text;
    } ROWS[] = {{spoil_manifest, TD_E_CORRUPT, "manifests/0000000003.json"},
                {lose_listed_object, TD_E_CORRUPT, "the store lacks objects/dddd"},
                {lose_time, TD_E_UNSUPPORTED, "LastModified"},
                {lose_manifests, TD_E_NOTFOUND, "no archive was pushed"}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        void *opened;
        store_prune_report report;
        td_err err;
        open_store(&opened);
        s3_store *store = opened;
        ROWS[i].spoil(store);
        const size_t count = store->count;
        store->on_request = only_reads;
        assert_int_equal(prune(store, 14, &report, &err), ROWS[i].rc);
        if (strstr(err.text, ROWS[i].text) == NULL)
            fail_msg("%s", err.text);
        assert_int_equal(store->count, count);
        close_store(&opened);
    }
}

/* ---- kills, pushes and other prunes ---- */

typedef struct killer {
    uint64_t left; /* requests until it is killed */
} killer;

static td_result kill_later(void *user, const char *what, const char *key)
{
    killer *k = user;
    (void)what, (void)key;
    if (k->left == 0)
        return TD_E_IO;
    k->left--;
    return TD_OK;
}

/* Check that the newest manifest and each one that a reader may have opened have their objects. */
static void check_sound(s3_store *store)
{
    const char *text = describe(store);
    const char *objects_end = strchr(text, ' ');
    const char *newest = strchr(text, '=') + 1;
    for (const char *at = newest + (*newest == '!'); *at != ' '; at++)
        if (memchr(text, *at, (size_t)(objects_end - text)) == NULL)
            fail_msg("%s", text);
}

/* Killed after any number of requests, the store is sound, and the next prune ends the work. */
static void a_killed_prune_is_continued(void **state)
{
    (void)state;
    unsigned flagged = 0;
    for (uint64_t requests = 0;; requests++) {
        void *opened;
        store_prune_report report;
        td_err err;
        open_store(&opened);
        s3_store *store = opened;
        killer k = {.left = requests};
        store->on_request = kill_later;
        store->user = &k;
        td_result rc = prune(store, 14, &report, &err);
        store->on_request = NULL;
        check_sound(store);
        flagged += strchr(describe(store), '!') != NULL;
        if (prune(store, 14, &report, &err) != TD_OK)
            fail_msg("%s", err.text);
        assert_null(strchr(describe(store), '!'));
        assert_memory_equal(describe(store), "8bde ", 5);
        close_store(&opened);
        if (rc == TD_OK)
            break;
    }
    assert_true(flagged >= 5);
}

/* A change of the store before a request that begins with these words. */
typedef struct meddler {
    const char *what;
    const char *key;
    unsigned skipped; /* such requests before it */
    uint64_t number;  /* of the manifest that is made, with these letters */
    const char *letters;
    s3_store *store;
} meddler;

static td_result meddle(void *user, const char *what, const char *key)
{
    meddler *m = user;
    if (strcmp(what, m->what) != 0 || strncmp(key, m->key, strlen(m->key)) != 0)
        return TD_OK;
    if (m->skipped-- > 0)
        return TD_OK;
    m->store->on_request = NULL;
    put_manifest(m->store, m->number, m->letters, 0);
    return TD_OK;
}

static td_result prune_beside(s3_store *store, meddler m, td_err *err)
{
    store_prune_report report;
    m.store = store;
    store->on_request = meddle;
    store->user = &m;
    td_result rc = prune(store, 14, &report, err);
    store->on_request = NULL;
    return rc;
}

/* A push that found the old object 7 publishes it before the flag is made. */
static void a_push_at_the_same_time_keeps_its_objects(void **state)
{
    td_err err;
    const meddler push = {
        .what = "make", .key = "manifests/0000000005", .number = 5, .letters = "bde7"};
    assert_int_equal(prune_beside(*state, push, &err), TD_E_BUSY);
    assert_string_equal(describe(*state), "78abcde 5=bde7 1 2 3 4 5");
}

/* A push that began before the flag was made cannot publish. */
static void a_push_after_the_flag_is_late(void **state)
{
    store_prune_report report;
    td_err err;
    assert_int_equal(prune(*state, 14, &report, &err), TD_OK);
    td_err_clear(&err);
    assert_int_equal(try_manifest(*state, 5, "bde7", &err), TD_E_BUSY);
    /* Nor can one that took so long that the manifest with its number was removed. */
    memory_remove(*state, "manifests/0000000005.json");
    td_err_clear(&err);
    assert_int_equal(try_manifest(*state, 5, "bde7", &err), TD_E_BUSY);
}

/* Another prune took this one for a killed one: this one removes nothing more. */
static void of_two_prunes_the_first_ends(void **state)
{
    s3_store *store = *state;
    td_err err;
    /* Lists before the first removal of an object: manifests, objects, after the flag. */
    const meddler other = {
        .what = "list", .key = "manifests/", .skipped = 3, .number = 6, .letters = "!bde"};
    assert_int_equal(prune_beside(store, other, &err), TD_E_BUSY);
    assert_string_equal(describe(store), "8abcde 6=!bde 3 4 5 6");
}

static td_result refuse_removal(void *user, const char *what, const char *key)
{
    (void)user, (void)key;
    return strcmp(what, "remove") == 0 ? TD_E_IO : TD_OK;
}

/* So that pushes can follow. */
static void a_failure_ends_the_flag(void **state)
{
    s3_store *store = *state;
    store_prune_report report;
    td_err err;
    store->on_request = refuse_removal;
    assert_int_equal(prune(store, 14, &report, &err), TD_E_IO);
    assert_non_null(strstr(err.text, "failed at remove"));
    assert_string_equal(describe(store), "78abcde 6=bde 1 2 3 4 5 6");
}

#define STORE_TEST(function) cmocka_unit_test_setup_teardown(function, open_store, close_store)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_removed),
        STORE_TEST(a_second_prune_has_nothing_to_remove),
        STORE_TEST(a_dry_run_only_reads),
        cmocka_unit_test(nothing_is_removed_from_a_store_that_cannot_be_read),
        cmocka_unit_test(a_killed_prune_is_continued),
        STORE_TEST(a_push_at_the_same_time_keeps_its_objects),
        STORE_TEST(a_push_after_the_flag_is_late),
        STORE_TEST(of_two_prunes_the_first_ends),
        STORE_TEST(a_failure_ends_the_flag),
    };
    return cmocka_run_group_tests_name("store_prune", tests, NULL, NULL);
}
