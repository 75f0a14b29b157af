#include "archive/catalog_rebuild.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/workers.h"
#include "archive/reindex.h"

struct catalog_rebuild {
    archive *archive;
    td_workers *workers;
    td_job job;
    td_result rc;
    td_err err;
    atomic_int should_stop;
    atomic_int has_ended; /* set last, with release: a reader that sees it sees rc and err */
};

static int is_cancelled(void *user)
{
    catalog_rebuild *r = user;
    /* Relaxed: nothing but the wish itself is handed over. */
    return atomic_load_explicit(&r->should_stop, memory_order_relaxed);
}

static void run(void *arg)
{
    catalog_rebuild *r = arg;
    reindex_report report;
    const reindex_options options = {
        .scope = REINDEX_CHANGED, .should_stop = is_cancelled, .user = r};
    r->rc = archive_reindex(r->archive, &options, &report, &r->err);
    atomic_store_explicit(&r->has_ended, 1, memory_order_release);
}

td_result catalog_rebuild_begin(archive *a, catalog_rebuild **out, td_err *err)
{
    *out = NULL;
    catalog_rebuild *made = td_alloc_zero(1, sizeof *made);
    made->archive = a;
    made->job = (td_job){.run = run, .arg = made};
    td_result rc = td_workers_open(1, &made->workers, err);
    if (rc != TD_OK) {
        td_free(made);
        return rc;
    }
    td_workers_submit(made->workers, &made->job);
    *out = made;
    return TD_OK;
}

int catalog_rebuild_has_ended(const catalog_rebuild *r)
{
    return atomic_load_explicit(&r->has_ended, memory_order_acquire);
}

td_result catalog_rebuild_end(catalog_rebuild *r, rebuild_end how, td_err *err)
{
    if (r == NULL)
        return TD_OK;
    if (how == REBUILD_CANCEL)
        atomic_store_explicit(&r->should_stop, 1, memory_order_relaxed);
    td_workers_wait(r->workers, &r->job);
    td_workers_close(r->workers);
    TD_ASSERT(catalog_rebuild_has_ended(r));
    td_result rc = r->rc == TD_OK ? TD_OK : td_err_pass(err, r->rc, &r->err);
    td_free(r);
    return rc;
}
