/* Memory runs out while the recorder's threads write: what was announced as durable is there after
 * recover, and a recording that says it ended well has everything. Counts: OOM_FRAMES. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/testing/oom_scene.h"
#include "tests/testing/oom_sweep.h"

static void *set_up(void)
{
    return oom_place_empty();
}

static td_result act(void *scene, td_err *err)
{
    return oom_record(scene, WRITER_STOP, err);
}

/* The disk as the next process finds it. */
static void check(void *scene, td_result rc)
{
    oom_place *self = scene;
    uint64_t durable = atomic_load(&self->durable);
    archive *a = NULL;
    archive_place_swap_disk(&self->place, io_fault_kill(self->place.disk));
    if (rc != TD_OK && oom_place_open(self, ARCHIVE_READ, NULL, &a, NULL) != TD_OK) {
        assert_int_equal(durable, 0); /* it did not get as far as to make a folder */
        return;
    }
    archive_close(a);
    uint64_t found = oom_recover_and_count(self);
    assert_true(found >= durable);
    if (rc == TD_OK)
        assert_int_equal(found, OOM_FRAMES);
}

static void recording(void **state)
{
    (void)state;
    const oom_scene scene = {"record", 97, set_up, act, check, oom_place_free};
    oom_sweep(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(recording)};
    oom_sweep_init();
    return cmocka_run_group_tests_name("fault/oom_record", tests, NULL, NULL);
}
