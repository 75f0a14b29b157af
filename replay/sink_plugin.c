#include "replay/sink_plugin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "play/plugin_file.h"
#include "replay/plugin_view.h"

static const char KIND[] = "plugin=";

typedef struct plugin {
    plugin_file file;
    const char *argument; /* the command line's */
} plugin;

struct sink_plugins {
    plugin items[LIMIT_PLUGINS];
    size_t count;
    uint32_t wants;  /* of all of them */
    uint8_t is_over; /* 1: books are not to be looked at any more */
    plugin_view view;
};

/* ---- loading ---- */

static td_result plugin_load(const char *text, const td_log *log, plugin *out, td_err *err)
{
    const char *file = text + sizeof KIND - 1;
    if (strncmp(text, KIND, sizeof KIND - 1) != 0 || *file == '\0' || *file == ',') {
        td_err_set(err, TD_E_INVALID, "--sink '%s': not a sink", text);
        td_err_hint(err, "give plugin=FILE.so or plugin=FILE.so,TEXT");
        return TD_E_INVALID;
    }
    const char *comma = strchr(file, ',');
    out->argument = comma == NULL ? "" : comma + 1;
    td_result rc = plugin_file_open(file, comma == NULL ? strlen(file) : (size_t)(comma - file),
                                    PLUGIN_SEES_FRAMES, log, &out->file, err);
    plugin_view_set_host(&out->file.host);
    return rc;
}

/* ---- life ---- */

td_result sink_plugins_load(const options_list *texts, const td_log *log, sink_plugins **out,
                            td_err *err)
{
    if (texts->count > LIMIT_PLUGINS)
        return td_err_set(err, TD_E_LIMIT, "%zu plugins, at most %u are allowed", texts->count,
                          LIMIT_PLUGINS);
    sink_plugins *self = td_alloc_zero(1, sizeof *self);
    td_result rc = TD_OK;
    for (size_t i = 0; i < texts->count && rc == TD_OK; i++) {
        plugin *p = &self->items[self->count++];
        rc = plugin_load(texts->items[i], log, p, err);
        self->wants |= p->file.table.wants;
    }
    if (rc != TD_OK) {
        sink_plugins_close(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}

void sink_plugins_close(sink_plugins *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->count; i++) {
        TD_ASSERT(!self->items[i].file.has_begun);
        plugin_file_close(&self->items[i].file);
    }
    td_free(self);
}

int sink_plugins_want(const sink_plugins *self, uint32_t what)
{
    return (self->wants & what) != 0;
}

td_result sink_plugins_open(sink_plugins *self, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < self->count && rc == TD_OK; i++)
        rc = plugin_file_begin(&self->items[i].file, self->items[i].argument, err);
    return rc;
}

/* ---- frames and events ---- */

static td_result plugin_failed_at(const plugin *p, const frame_ref *at, td_result rc, td_err *err)
{
    const channel_info *info = &at->channel->info;
    return td_err_add(
        err, rc, "plugin '%s': frame %" PRIu64 " of connection %" PRIu32 " of %s, %s %s",
        p->file.path, at->ordinal, at->conn->number, info->feed, info->topic, info->symbol);
}

static td_result observe_event(void *ctx, const frame_ref *frame, td_err *err)
{
    sink_plugins *self = ctx;
    tapedeck_event seen;
    td_result result = TD_OK;
    plugin_view_event(frame, &seen);
    for (size_t i = 0; i < self->count; i++) {
        plugin *p = &self->items[i];
        if (p->file.table.event == NULL)
            continue;
        td_result rc = plugin_file_answer(&p->file, p->file.table.event(p->file.self, &seen), err);
        if (rc == TD_EOF)
            result = rc;
        else if (rc != TD_OK)
            return td_err_add(err, rc, "plugin '%s': event %s of %s", p->file.path, seen.kind,
                              seen.feed);
    }
    return result;
}

/* The book that plugins may keep, made when they first see it; none if the topic has none. */
static void make_book(sink_plugins *self, const struct stream *of, void **state,
                      const observed_frame *seen)
{
    if (*state != NULL || seen->found == NULL || track_book(seen->found->track) == NULL)
        return;
    tapedeck_book *made = td_alloc(sizeof *made);
    *made = (tapedeck_book){.of = of, .is_over = &self->is_over};
    *state = made;
}

static td_result observe(void *ctx, const struct stream *of, void **state,
                         const observed_frame *seen, td_err *err)
{
    sink_plugins *self = ctx;
    uint32_t needs = plugin_view_needs(seen->frame);
    if ((needs & ~self->wants) != 0)
        return TD_OK;
    td_result result = TD_OK;
    make_book(self, of, state, seen);
    plugin_view_frame(&self->view, of, seen, *state);
    for (size_t i = 0; i < self->count; i++) {
        plugin *p = &self->items[i];
        if ((needs & ~p->file.table.wants) != 0)
            continue;
        td_result rc = plugin_file_answer(
            &p->file, p->file.table.frame(p->file.self, &self->view.of.frame), err);
        if (rc == TD_EOF)
            result = rc;
        else if (rc != TD_OK)
            return plugin_failed_at(p, seen->frame, rc, err);
    }
    return result;
}

static void free_book(void *ctx, void *state)
{
    (void)ctx;
    td_free(state);
}

observer sink_plugins_observer(sink_plugins *self)
{
    static const observer_ops OPS = {.name = "plugins",
                                     .frame = observe,
                                     .event = observe_event,
                                     .close = free_book,
                                     .is_ordered = 1};
    return (observer){&OPS, self, NULL};
}

/* ---- the end ---- */

td_result sink_plugins_finish(sink_plugins *self, const replay_report *report, td_err *err)
{
    static const uint32_t VERDICTS[] = {[REPLAY_COMPLETE] = TAPEDECK_COMPLETE,
                                        [REPLAY_INCOMPLETE] = TAPEDECK_INCOMPLETE,
                                        [REPLAY_DAMAGED] = TAPEDECK_DAMAGED};
    const player_totals *totals = &report->totals;
    const tapedeck_result result = {.size = sizeof result,
                                    .outcome =
                                        report->is_stopped ? TAPEDECK_STOPPED : TAPEDECK_ENDED,
                                    .verdict = VERDICTS[report_verdict(report)],
                                    .frames = totals->frames - totals->out - totals->http,
                                    .decoded = totals->decoded,
                                    .undecoded = totals->undecoded,
                                    .violations = totals->violations,
                                    .first_recv_ns = totals->first_recv_ns,
                                    .last_recv_ns = totals->last_recv_ns,
                                    .error = ""};
    for (size_t i = 0; i < self->count; i++) {
        td_result rc = plugin_file_end(&self->items[i].file, &result, err);
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

void sink_plugins_abort(sink_plugins *self, const char *error)
{
    if (self == NULL)
        return;
    self->is_over = 1;
    const tapedeck_result result = {
        .size = sizeof result, .outcome = TAPEDECK_FAILED, .error = error};
    for (size_t i = 0; i < self->count; i++) /* the replay's own error is the one that counts */
        (void)plugin_file_end(&self->items[i].file, &result, NULL);
}
