/* Memory runs out under export and under the JSON lines of a replay. A frame that could not be
 * decoded for lack of memory is no undecodable frame: the act fails and says so, or gives the very
 * bytes that it gives with memory. Expected: those bytes, made once with all memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "export/export.h"
#include "play/player.h"
#include "replay/sink_jsonl.h"
#include "tests/testing/oom_scene.h"
#include "tests/testing/oom_sweep.h"

#define FOLDER "dataset"

/* An archive that was recorded once. */
static oom_place *sound;

static void *set_up(void)
{
    return oom_place_copy(sound);
}

/* ---- what a folder holds, as one text ---- */

typedef struct folder_text {
    td_io io;
    td_buf text;
} folder_text;

static td_result add_file(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    folder_text *folder = user;
    char path[256];
    size_t size = 0;
    uint8_t *bytes = NULL;
    (void)snprintf(path, sizeof path, FOLDER "/%s", name);
    assert_int_equal(kind, TD_ENTRY_FILE);
    assert_int_equal(td_io_read_file(folder->io, path, SIZE_MAX, &bytes, &size, err), TD_OK);
    assert_int_equal(td_buf_append(&folder->text, name, strlen(name) + 1, err), TD_OK);
    assert_int_equal(td_buf_append(&folder->text, bytes, size, err), TD_OK);
    td_free(bytes);
    return TD_OK;
}

/* Empty if there is no folder. */
static td_buf read_folder(oom_place *place)
{
    td_err err;
    folder_text folder = {.io = io_fault_io(place->place.disk)};
    td_buf_init(&folder.text, 1 << 20);
    td_result rc = td_io_list(folder.io, FOLDER, add_file, &folder, &err);
    assert_true(rc == TD_OK || rc == TD_E_NOTFOUND);
    return folder.text;
}

/* ---- export ---- */

static td_result export_to(oom_place *place, const char *format_name, td_err *err)
{
    archive *a = NULL;
    export_result result;
    const selection everything = {0};
    gap_list gaps = {0};
    export_spec spec = {0};
    size_t format_count = 0;
    const export_format *const *formats = export_format_table(&format_count);
    while (strcmp((*formats)->name, format_name) != 0)
        formats++;
    spec.format = *formats;
    for (size_t i = 0; i < export_type_count(spec.format); i++)
        spec.types[i] = &spec.format->types[i];
    td_result rc = oom_place_open(place, ARCHIVE_READ, NULL, &a, err);
    const export_options options = {.spec = &spec,
                                    .archive = a,
                                    .wanted = &everything,
                                    .gaps = &gaps,
                                    .io = io_fault_io(place->place.disk),
                                    .folder = FOLDER,
                                    .threads = 1};
    if (rc == TD_OK)
        rc = export_run(&options, &result, err);
    archive_close(a);
    gap_list_fini(&gaps);
    return rc;
}

/* Of each format, made with memory. */
static td_buf csv, lines;

static td_result act_csv(void *scene, td_err *err)
{
    return export_to(scene, "tardis-csv", err);
}

static td_result act_lines(void *scene, td_err *err)
{
    return export_to(scene, "jsonl", err);
}

static int has_manifest(const td_buf *folder)
{
    static const char NAME[] = "MANIFEST.json";
    return folder->size > 0 && memmem(folder->data, folder->size, NAME, sizeof NAME) != NULL;
}

/* All, or no manifest. One that was written and then could not be taken back, because the disk of
 * the test wants memory for that, too, stands for all. */
static void check_folder(oom_place *place, td_result rc, const td_buf *expected)
{
    td_buf found = read_folder(place);
    assert_true(rc != TD_OK || has_manifest(&found));
    if (has_manifest(&found)) {
        assert_int_equal(found.size, expected->size);
        assert_memory_equal(found.data, expected->data, found.size);
    }
    td_buf_fini(&found);
}

static void check_csv(void *scene, td_result rc)
{
    check_folder(scene, rc, &csv);
}

static void check_lines(void *scene, td_result rc)
{
    check_folder(scene, rc, &lines);
}

static void exporting_csv(void **state)
{
    (void)state;
    const oom_scene scene = {"export tardis-csv", 131, set_up, act_csv, check_csv, oom_place_free};
    oom_sweep(&scene);
}

static void exporting_lines(void **state)
{
    (void)state;
    const oom_scene scene = {"export jsonl", 131, set_up, act_lines, check_lines, oom_place_free};
    oom_sweep(&scene);
}

/* ---- a replay's JSON lines ---- */

static char shown[1 << 16];   /* made with memory */
static char printed[1 << 16]; /* by the run that is looked at */

static td_result play_lines(archive *a, output_stream *output, td_err *err)
{
    tape *frames = NULL;
    player *p = NULL;
    const selection everything = {0};
    const tape_options reading = {.threads = 1, .reads = TAPE_READS_ALL};
    sink_jsonl_lines messages = {.output = output};
    td_result rc = tape_open(a, &everything, &reading, &frames, err);
    if (rc == TD_OK) {
        const player_options playing = {
            .threads = 1, .sinks = {sink_jsonl(&messages)}, .sink_count = 1};
        rc = player_open(&playing, &p, err);
    }
    if (rc == TD_OK)
        rc = player_play(p, frames, err);
    player_close(p);
    tape_close(frames);
    return rc;
}

static td_result act_show(void *scene, td_err *err)
{
    archive *a = NULL;
    output_stream output;
    td_err unread;
    FILE *out = tmpfile(); /* its memory is the C library's */
    assert_non_null(out);
    output_init(&output, out);
    td_result rc = oom_place_open(scene, ARCHIVE_READ, NULL, &a, err);
    if (rc == TD_OK)
        rc = play_lines(a, &output, err);
    td_result written = output_finish(&output, rc == TD_OK ? err : &unread);
    archive_close(a);
    rewind(out);
    printed[fread(printed, 1, sizeof printed - 1, out)] = '\0';
    assert_int_equal(fclose(out), 0);
    return rc == TD_OK ? written : rc;
}

/* A replay that failed has shown the first frames, as they are. */
static void check_show(void *scene, td_result rc)
{
    (void)scene;
    if (rc == TD_OK)
        assert_string_equal(printed, shown);
    else
        assert_memory_equal(printed, shown, strlen(printed));
}

static void showing(void **state)
{
    (void)state;
    const oom_scene scene = {
        "replay --sink messages", 131, set_up, act_show, check_show, oom_place_free};
    oom_sweep(&scene);
}

/* ---- */

static void make(const char *format_name, td_buf *out)
{
    td_err err;
    oom_place *place = set_up();
    if (export_to(place, format_name, &err) != TD_OK)
        fail_msg("%s", err.text);
    *out = read_folder(place);
    assert_int_not_equal(out->size, 0);
    oom_place_free(place);
}

static int make_expected(void **state)
{
    (void)state;
    td_err err;
    td_err_clear(&err);
    sound = oom_place_empty();
    if (oom_record(sound, WRITER_STOP, &err) != TD_OK)
        fail_msg("%s", err.text);
    make("tardis-csv", &csv);
    make("jsonl", &lines);
    oom_place *place = set_up();
    assert_int_equal(act_show(place, &err), TD_OK);
    oom_place_free(place);
    (void)memcpy(shown, printed, sizeof shown);
    assert_non_null(strstr(shown, "\"trade\""));
    return 0;
}

static int remove_expected(void **state)
{
    (void)state;
    oom_place_free(sound);
    td_buf_fini(&csv);
    td_buf_fini(&lines);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(exporting_csv),
                                       cmocka_unit_test(exporting_lines),
                                       cmocka_unit_test(showing)};
    oom_sweep_init();
    return cmocka_run_group_tests_name("fault/oom_export", tests, make_expected, remove_expected);
}
