#include "recorder/takeover_run.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "archive/ledger.h"

#define TURN_NS (10 * TD_NS_PER_MS)

static int is_wanted(const feed_list *feeds, const char *name)
{
    for (size_t i = 0; i < feeds->count; i++)
        if (strcmp(feeds->items[i].config->name, name) == 0)
            return 1;
    return 0;
}

td_result takeover_open_beside(feed_list *feeds, const char *folder, td_err *err)
{
    const feed_slots no_past = {0};
    const gap_list no_ledger = {0};
    const takeover *from = feeds->replaces;
    for (size_t i = 0; i < from->slot_count; i++)
        if (!is_wanted(feeds, from->slots[i].feed)) {
            td_err_set(err, TD_E_INVALID, "feed '%s' of the running recorder is not configured",
                       from->slots[i].feed);
            td_err_hint(err, "end it with 'tapedeck ctl %s reload' first", folder);
            return TD_E_INVALID;
        }
    for (size_t i = 0; i < feeds->count; i++) {
        feed *opened = &feeds->items[i];
        const char *name = opened->config->name;
        uint32_t count = takeover_shard_count(from, name);
        uint32_t lines = feed_line_count(opened);
        for (uint32_t shard = 0; shard < count; shard++)
            if (takeover_free_line(from, name, shard, lines) == lines)
                return td_err_set(
                    err, TD_E_INVALID,
                    "feed '%s' has no line that is free to take over on: max_age is 0", name);
        if (count == feed_shard_count(opened)) {
            feed_open_gaps(opened, &no_past, &no_ledger, from->start_ns);
            continue;
        }
        td_err_set(err, TD_E_INVALID,
                   "feed '%s' needs %" PRIu32 " connections, and has %" PRIu32
                   " in the running recorder",
                   name, feed_shard_count(opened), count);
        td_err_hint(err, "only a recorder of the same topics is replaced: change them with "
                         "'tapedeck ctl reload', or stop that recorder");
        return TD_E_INVALID;
    }
    return TD_OK;
}

void takeover_start_beside(const feed *of)
{
    for (uint32_t shard = 0; !feed_waits_for_list(of) && shard < feed_shard_count(of); shard++)
        connection_start(feed_connection(
            of,
            takeover_free_line(of->list->replaces, of->config->name, shard, feed_line_count(of)),
            shard));
}

static size_t settled_count(const feed_list *feeds)
{
    size_t count = 0;
    const connection *slot = NULL;
    while ((slot = feed_list_next_slot(feeds, slot)) != NULL)
        count += (size_t)connection_is_settled(slot);
    return count;
}

static td_result turn(const feed_list *feeds, td_err *err)
{
    td_result rc = wire_loop_run(feeds->loop, TURN_NS, err);
    intake_tick(recording_intake(feeds->recording));
    return rc;
}

td_result takeover_wait(const feed_list *feeds, uint64_t until_mono_ns,
                        const atomic_int *is_stopped, td_err *err)
{
    size_t shard_count = 0;
    for (size_t i = 0; i < feeds->count; i++)
        if (!feed_waits_for_list(&feeds->items[i]))
            shard_count += feed_shard_count(&feeds->items[i]);
    while (settled_count(feeds) < shard_count) {
        td_result rc = turn(feeds, err);
        if (rc != TD_OK)
            return rc;
        if (atomic_load_explicit(is_stopped, memory_order_acquire))
            return td_err_set(err, TD_E_BUSY, "stopped before the running recorder was replaced");
        if (clock_mono_ns(feeds->clock) >= until_mono_ns)
            return td_err_set(err, TD_E_BUSY,
                              "only %zu of %zu connections had their topics in time; the running "
                              "recorder records on",
                              settled_count(feeds), shard_count);
        if (recording_ring_percent(feeds->recording) < 50)
            continue;
        td_err_set(err, TD_E_BUSY,
                   "half the ring was full before all connections had their topics; the running "
                   "recorder records on");
        td_err_hint(err, "give a larger --ring");
        return TD_E_BUSY;
    }
    return TD_OK;
}

/* What a thread does while the network thread receives. */
typedef struct takeover_work {
    const feed_list *feeds;
    archive *from;
    archive *into;
    feed_slots past[LIMIT_FEEDS];
    gap_list ledger;
    td_result result;
    td_err err;
    atomic_int is_done; /* release/acquire */
} takeover_work;

static void *take_archive(void *arg)
{
    takeover_work *work = arg;
    const feed_list *feeds = work->feeds;
    archive_view *view = NULL;
    const archive_options opening = {.io = archive_io(work->from),
                                     .clock = feeds->clock,
                                     .log = feeds->log,
                                     .verb = "record",
                                     .session = feeds->replaces->session};
    td_result rc = takeover_open(&opening, archive_path(work->from), &work->into, &work->err);
    if (rc == TD_OK)
        rc = recording_begin(feeds->recording, work->into, feeds->replaces->start_ns, &work->err);
    if (rc == TD_OK)
        rc = archive_view_open(work->into, VIEW_ALL, NULL, &view, &work->err);
    if (rc == TD_OK)
        archive_gaps_of(view, &work->ledger);
    for (size_t i = 0; rc == TD_OK && i < feeds->count; i++)
        rc = feed_read_past(view, feeds->items[i].config, feeds->items[i].setup,
                            clock_wall_ns(feeds->clock), &work->past[i], &work->err);
    archive_view_close(view);
    work->result = rc;
    atomic_store_explicit(&work->is_done, 1, memory_order_release);
    wire_loop_wake(feeds->loop);
    return NULL;
}

/* Tell the running recorder to end, and take its archive, on another thread. */
static td_result run_take_archive(takeover_work *work, td_err *err)
{
    pthread_t thread;
    td_result turned = TD_OK;
    int failure = pthread_create(&thread, NULL, take_archive, work);
    if (failure != 0)
        return td_err_set_os(err, failure, "cannot start a thread");
    while (turned == TD_OK && !atomic_load_explicit(&work->is_done, memory_order_acquire))
        turned = turn(work->feeds, err);
    pthread_join(thread, NULL);
    if (turned != TD_OK || work->result == TD_OK)
        return turned;
    return td_err_pass(err, work->result, &work->err);
}

/* Continue the gaps and numbers of a feed where the other process ended. */
static td_result continue_feed(feed *of, const feed_slots *past, const gap_list *ledger,
                               td_err *err)
{
    recording *to = of->list->recording;
    const uint64_t now_ns = intake_now_ns(recording_intake(to));
    td_result rc = TD_OK;
    of->pipeline->segment_count =
        archive_writer_last_number(recording_writer(to), of->pipeline->name);
    of->pipeline->alone_ns = now_ns;
    for (uint32_t line = 0; rc == TD_OK && line < feed_line_count(of); line++) {
        uint8_t is_mine[LIMIT_FEED_SLOTS] = {0};
        for (uint32_t shard = 0; shard < feed_shard_count(of); shard++)
            is_mine[shard] = !connection_get_status(feed_connection(of, line, shard)).is_idle;
        open_gaps_continue(of->gaps[line], past, ledger, is_mine, now_ns);
        rc = feed_put_gaps(of, line, err);
    }
    for (size_t i = 0; i < past->slot_count; i++) {
        connection *slot = feed_connection(of, past->slots[i].line, past->slots[i].shard);
        if (slot != NULL && connection_get_status(slot).is_idle)
            connection_set_last_number(slot, past->slots[i].conn);
    }
    return rc;
}

static td_result continue_session(const takeover_work *work, feed_list *feeds, td_err *err)
{
    const connection *slot = NULL;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < feeds->count; i++)
        rc = continue_feed(&feeds->items[i], &work->past[i], &work->ledger, err);
    if (rc == TD_OK)
        rc = recording_start(feeds->recording, err);
    if (rc != TD_OK)
        return rc;
    while ((slot = feed_list_next_slot(feeds, slot)) != NULL)
        connection_restate(slot);
    for (size_t i = 0; i < feeds->count; i++)
        feed_start_slots(&feeds->items[i]);
    feeds->replaces = NULL;
    return TD_OK;
}

td_result takeover_run(feed_list *feeds, archive *from, archive **into, td_err *err)
{
    takeover_work *work = td_alloc_zero(1, sizeof *work); /* too large for a stack */
    work->feeds = feeds;
    work->from = from;
    td_result rc = run_take_archive(work, err);
    *into = work->into;
    if (rc == TD_OK)
        rc = continue_session(work, feeds, err);
    for (size_t i = 0; i < LIMIT_FEEDS; i++)
        feed_slots_fini(&work->past[i]);
    gap_list_fini(&work->ledger);
    td_free(work);
    return rc;
}

/* ---- the running recorder ---- */

int takeover_has_free_lines(const feed_list *feeds)
{
    for (size_t i = 0; i < feeds->count; i++) {
        const feed *of = &feeds->items[i];
        for (uint32_t shard = 0; !of->config->is_removed && shard < feed_shard_count(of); shard++)
            if (feed_idle_connection(of, shard) == NULL)
                return 0;
    }
    return 1;
}

void takeover_list_slots(const feed_list *feeds, takeover *out)
{
    const connection *slot = NULL;
    while ((slot = feed_list_next_slot(feeds, slot)) != NULL) {
        const feed *of = &feeds->items[connection_feed(slot)];
        const connection_status at = connection_get_status(slot);
        takeover_slot listed = {.line = connection_line(slot),
                                .shard = connection_shard(slot),
                                .conn = at.connects,
                                .is_idle = at.is_idle};
        (void)snprintf(listed.feed, sizeof listed.feed, "%s", of->config->name);
        if (!of->config->is_removed)
            takeover_add(out, &listed);
    }
}
