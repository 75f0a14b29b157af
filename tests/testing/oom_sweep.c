#include "tests/testing/oom_sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/testing/alloc_fault.h"

enum { OOM_DENSE = 40, SWEEP_MAX = 200000 };

static const char *const KIND_NAMES[ALLOC_FAULT_KINDS] = {"ours", "zstd", "sqlite"};
static const char *const MODE_NAMES[] = {"once", "always"};

typedef struct tally {
    uint64_t tried, refused, harmless;
} tally;

void oom_sweep_init(void)
{
    alloc_fault_take_sqlite();
}

static unsigned stride_of(const oom_scene *scene)
{
    const char *text = getenv("TAPEDECK_SWEEP");
    return text != NULL && strcmp(text, "full") == 0 ? 1 : scene->stride;
}

static void check_result(const oom_scene *scene, uint64_t n, td_result rc, const td_err *err)
{
    if (rc == TD_OK)
        return;
    /* The disk of the test lives in memory too; who writes to it may call that what a failed write
     * is to it. */
    if (strstr(err->text, "no memory for the simulated disk") != NULL)
        return;
    if (rc != TD_E_NOMEM || strstr(err->text, "memory") == NULL)
        fail_msg("%s, allocation %" PRIu64 ": result %d: %s", scene->name, n, rc, err->text);
}

/* One run; 1 if an allocation failed in it. */
static int run(const oom_scene *scene, alloc_fault_kind kind, alloc_fault_mode mode, uint64_t n,
               tally *count)
{
    int64_t live[ALLOC_FAULT_KINDS];
    for (int k = 0; k < ALLOC_FAULT_KINDS; k++)
        live[k] = alloc_fault_live((alloc_fault_kind)k);
    td_err err;
    td_err_clear(&err);
    void *on = scene->set_up();
    alloc_fault_set_kind(kind, n, mode);
    td_result rc = scene->act(on, &err);
    int did_fire = alloc_fault_did_fire();
    alloc_fault_set(0, ALLOC_FAULT_ONCE);
    check_result(scene, n, rc, &err);
    assert_true(did_fire || rc == TD_OK);
    scene->check(on, rc);
    scene->tear_down(on);
    for (int k = 0; k < ALLOC_FAULT_KINDS; k++) {
        int64_t left = alloc_fault_live((alloc_fault_kind)k) - live[k];
        if (left != 0)
            fail_msg("%s, allocation %" PRIu64 " of %s %s: %" PRId64 " of %s are left (result %d)",
                     scene->name, n, KIND_NAMES[kind], MODE_NAMES[mode], left, KIND_NAMES[k], rc);
    }
    count->tried += did_fire != 0;
    count->refused += did_fire && rc != TD_OK;
    count->harmless += did_fire && rc == TD_OK;
    return did_fire;
}

void oom_sweep(const oom_scene *scene)
{
    unsigned stride = stride_of(scene);
    tally warm = {0};
    /* What a library makes once and keeps is there then. */
    assert_false(run(scene, ALLOC_OURS, ALLOC_FAULT_ONCE, UINT64_MAX, &warm));
    for (int kind = 0; kind < ALLOC_FAULT_KINDS; kind++) {
        for (int mode = ALLOC_FAULT_ONCE; mode <= ALLOC_FAULT_FOR_EVER; mode++) {
            tally count = {0};
            uint64_t n = 1;
            while (run(scene, (alloc_fault_kind)kind, (alloc_fault_mode)mode, n, &count)) {
                n += n < OOM_DENSE ? 1 : stride;
                assert_true(n < SWEEP_MAX);
            }
            print_message("  %s: %s, %s: %" PRIu64 " tried up to %" PRIu64 ", %" PRIu64
                          " refused, %" PRIu64 " did no harm\n",
                          scene->name, KIND_NAMES[kind], MODE_NAMES[mode], count.tried, n,
                          count.refused, count.harmless);
        }
    }
}
