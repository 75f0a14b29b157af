/* Memory runs out under recover, verify, reindex, replay and import. None may call an archive
 * damaged, or give another result than with memory, without saying that memory was what lacked.
 * Expected: what the same act gives with memory; counts from OOM_FRAMES. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "import/import.h"
#include "base/alloc.h"
#include "archive/archive_recover.h"
#include "archive/reindex.h"
#include "archive/verify.h"
#include "play/player.h"
#include "tests/testing/oom_scene.h"
#include "tests/testing/oom_sweep.h"

#define CAPTURE "capture.jsonl"

/* Archives that were recorded once. */
static oom_place *crashed, *sound, *capture;
static char digests[DIGEST_PARTS][TD_HASH128_HEX_BYTES];

static void *set_up_crashed(void)
{
    return oom_place_copy(crashed);
}

static void *set_up_sound(void)
{
    return oom_place_copy(sound);
}

static void *set_up_capture(void)
{
    return oom_place_copy(capture);
}

static void all_is_there(void *scene, td_result rc)
{
    (void)rc;
    assert_int_equal(oom_recover_and_count(scene), OOM_FRAMES);
}

/* ---- recover ---- */

static td_result act_recover(void *scene, td_err *err)
{
    oom_place *self = scene;
    archive *a = NULL;
    recover_report report;
    td_result rc = oom_place_open(self, ARCHIVE_MAINTAIN, "recover", &a, err);
    if (rc != TD_OK)
        return rc;
    rc = archive_recover(a, NULL, NULL, NULL, &report, err);
    assert_true(rc != TD_OK || !report.is_lossy);
    archive_close(a);
    return rc;
}

static void recovering(void **state)
{
    (void)state;
    const oom_scene scene = {"recover",   97,           set_up_crashed,
                             act_recover, all_is_there, oom_place_free};
    oom_sweep(&scene);
}

/* ---- verify ---- */

static td_result act_verify(void *scene, td_err *err)
{
    oom_place *self = scene;
    archive *a = NULL;
    verify_report report;
    const verify_options options = {.threads = 1};
    td_result rc = oom_place_open(self, ARCHIVE_READ, NULL, &a, err);
    if (rc != TD_OK)
        return rc;
    rc = archive_verify(a, &options, &report, err);
    assert_true(rc != TD_OK || report.verdict == VERIFY_SOUND);
    archive_close(a);
    return rc;
}

static void verifying(void **state)
{
    (void)state;
    const oom_scene scene = {"verify", 97, set_up_sound, act_verify, all_is_there, oom_place_free};
    oom_sweep(&scene);
}

/* ---- reindex ---- */

static td_result act_reindex(void *scene, td_err *err)
{
    oom_place *self = scene;
    archive *a = NULL;
    reindex_report report;
    const reindex_options options = {.scope = REINDEX_ALL};
    td_result rc = oom_place_open(self, ARCHIVE_MAINTAIN, "reindex", &a, err);
    if (rc != TD_OK)
        return rc;
    rc = archive_reindex(a, &options, &report, err);
    archive_close(a);
    return rc;
}

/* If a rebuild succeeds, its catalog is the archive's. */
static void check_reindex(void *scene, td_result rc)
{
    oom_place *self = scene;
    if (rc == TD_OK) {
        char *made = archive_fixture_dump(&self->place);
        assert_int_equal(act_reindex(self, NULL), TD_OK);
        char *again = archive_fixture_dump(&self->place);
        assert_string_equal(made, again);
        td_free(made);
        td_free(again);
    }
    all_is_there(scene, rc);
}

static void reindexing(void **state)
{
    (void)state;
    const oom_scene scene = {"reindex",     97, set_up_sound, act_reindex, check_reindex,
                             oom_place_free};
    oom_sweep(&scene);
}

/* ---- replay ---- */

static td_result play(archive *a, char found[DIGEST_PARTS][TD_HASH128_HEX_BYTES], td_err *err)
{
    tape *frames = NULL;
    player *p = NULL;
    const selection everything = {0};
    const tape_options reading = {.threads = 1, .reads = TAPE_READS_MESSAGES};
    const player_options playing = {.threads = 1};
    td_result rc = tape_open(a, &everything, &reading, &frames, err);
    if (rc == TD_OK)
        rc = player_open(&playing, &p, err);
    if (rc == TD_OK)
        rc = player_play(p, frames, err);
    if (rc == TD_OK)
        rc = player_finish(p, err);
    if (rc == TD_OK)
        rc = player_digests(p, found, err);
    player_close(p);
    tape_close(frames);
    return rc;
}

static td_result act_replay(void *scene, td_err *err)
{
    char found[DIGEST_PARTS][TD_HASH128_HEX_BYTES];
    archive *a = NULL;
    td_result rc = oom_place_open(scene, ARCHIVE_READ, NULL, &a, err);
    if (rc != TD_OK)
        return rc;
    rc = play(a, found, err);
    for (int i = 0; i < DIGEST_PARTS && rc == TD_OK; i++)
        assert_string_equal(found[i], digests[i]);
    archive_close(a);
    return rc;
}

static void replaying(void **state)
{
    (void)state;
    const oom_scene scene = {"replay", 97, set_up_sound, act_replay, all_is_there, oom_place_free};
    oom_sweep(&scene);
}

/* ---- import ---- */

static td_result act_import(void *scene, td_err *err)
{
    static import_report report; /* large */
    oom_place *self = scene;
    const import_options options = {.io = io_fault_io(self->place.disk),
                                    .clock = clock_sim_clock(self->place.clock),
                                    .archive_path = self->place.path,
                                    .catalog_path = self->place.catalog_path,
                                    .scratch = "",
                                    .version = "test",
                                    .format = IMPORT_JSONL,
                                    .path = CAPTURE,
                                    .family = family_find(td_bytes_str("inverse"))};
    td_result rc = import_run(&options, &report, err);
    assert_true(rc != TD_OK || report.malformed == 0);
    return rc;
}

/* An import that failed is a session that ended early: a part of its frames, and no damage. */
static void check_import(void *scene, td_result rc)
{
    oom_place *self = scene;
    archive *a = NULL;
    archive_place_swap_disk(&self->place, io_fault_kill(self->place.disk));
    if (rc != TD_OK && oom_place_open(self, ARCHIVE_READ, NULL, &a, NULL) != TD_OK)
        return; /* nothing was written */
    archive_close(a);
    uint64_t count = oom_recover_and_count(self);
    assert_true(count <= OOM_FRAMES);
    if (rc == TD_OK)
        assert_int_equal(count, OOM_FRAMES);
}

static void importing(void **state)
{
    (void)state;
    const oom_scene scene = {"import",   97,           set_up_capture,
                             act_import, check_import, oom_place_free};
    oom_sweep(&scene);
}

/* ---- */

static oom_place *record(writer_end end)
{
    td_err err;
    td_err_clear(&err);
    oom_place *made = oom_place_empty();
    if (oom_record(made, end, &err) != TD_OK)
        fail_msg("%s", err.text);
    return made;
}

static oom_place *write_capture(void)
{
    oom_place *made = oom_place_empty();
    td_io io = io_fault_io(made->place.disk);
    td_file *file = NULL;
    assert_int_equal(td_io_open(io, CAPTURE, TD_OPEN_CREATE, &file, NULL), TD_OK);
    for (int n = 0; n < OOM_FRAMES; n++) {
        char line[160];
        int length = snprintf(
            line, sizeof line,
            "{\"recv_ns\":1600000000%06d000,\"data\":{\"topic\":\"trade.BTCUSD\",\"data\":[],"
            "\"n\":%d}}\n",
            n % 7 == 6 ? n - 3 : n, n);
        assert_int_equal(td_io_append(file, line, (size_t)length, NULL), TD_OK);
    }
    td_io_close(file);
    return made;
}

static int record_archives(void **state)
{
    (void)state;
    td_err err;
    archive *a = NULL;
    crashed = record(WRITER_ABANDON);
    sound = record(WRITER_STOP);
    capture = write_capture();
    assert_int_equal(oom_place_open(sound, ARCHIVE_READ, NULL, &a, &err), TD_OK);
    assert_int_equal(play(a, digests, &err), TD_OK);
    archive_close(a);
    return 0;
}

static int remove_archives(void **state)
{
    (void)state;
    oom_place_free(crashed);
    oom_place_free(sound);
    oom_place_free(capture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(recovering), cmocka_unit_test(verifying),
                                       cmocka_unit_test(reindexing), cmocka_unit_test(replaying),
                                       cmocka_unit_test(importing)};
    oom_sweep_init();
    return cmocka_run_group_tests_name("fault/oom_archive", tests, record_archives,
                                       remove_archives);
}
