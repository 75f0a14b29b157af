/* Memory runs out while an archive is looked through for drift. A frame that could not be looked at
 * for lack of memory is no finding: the run fails and says so, or finds what it finds with memory.
 * Expected: those findings, made once with all memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "drift/drift_run.h"
#include "tests/testing/oom_scene.h"
#include "tests/testing/oom_sweep.h"

/* An archive that was recorded once. */
static oom_place *sound;

static char expected[1 << 14]; /* made with memory */
static char found[1 << 14];    /* by the run that is looked at */

static void *set_up(void)
{
    return oom_place_copy(sound);
}

/* Findings as text. */
static void write_findings(const drift_run_result *result)
{
    size_t count = 0;
    size_t used = 0;
    const drift_finding *list = drift_table_list(result->table, &count);
    for (size_t i = 0; i < count; i++) {
        const drift_finding *f = &list[i];
        int size = snprintf(found + used, sizeof found - used, "%s %s %s %s %s %llu %.*s\n",
                            f->feed, f->topic, drift_kind_name(f->kind), f->path, f->detail,
                            (unsigned long long)f->count, (int)f->example.size,
                            (const char *)f->example.data);
        assert_true(size > 0 && (size_t)size < sizeof found - used);
        used += (size_t)size;
    }
}

static td_result act(void *scene, td_err *err)
{
    archive *a = NULL;
    const selection everything = {0};
    drift_run_result result;
    found[0] = '\0';
    td_result rc = oom_place_open(scene, ARCHIVE_READ, NULL, &a, err);
    if (rc == TD_OK) {
        const drift_run_options options = {.archive = a, .wanted = &everything, .threads = 1};
        rc = drift_run(&options, &result, err);
    }
    if (rc == TD_OK) {
        write_findings(&result);
        drift_run_result_fini(&result);
    }
    archive_close(a);
    return rc;
}

static void check(void *scene, td_result rc)
{
    (void)scene;
    if (rc == TD_OK)
        assert_string_equal(found, expected);
}

static void looking(void **state)
{
    (void)state;
    const oom_scene scene = {"drift", 131, set_up, act, check, oom_place_free};
    oom_sweep(&scene);
}

static int make_expected(void **state)
{
    (void)state;
    td_err err;
    td_err_clear(&err);
    sound = oom_place_empty();
    if (oom_record(sound, WRITER_STOP, &err) != TD_OK)
        fail_msg("%s", err.text);
    oom_place *place = set_up();
    assert_int_equal(act(place, &err), TD_OK);
    oom_place_free(place);
    (void)memcpy(expected, found, sizeof expected);
    assert_non_null(strstr(expected, "new_topic"));
    return 0;
}

static int remove_expected(void **state)
{
    (void)state;
    oom_place_free(sound);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(looking)};
    oom_sweep_init();
    return cmocka_run_group_tests_name("fault/oom_drift", tests, make_expected, remove_expected);
}
