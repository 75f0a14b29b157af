#include "replay/sink_plugin.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "cli/version.h"
#include "include/tapedeck/sink.h"
#include "replay/plugin_view.h"

static const char KIND[] = "plugin=";
static const char SYMBOL[] = "tapedeck_sink";

/* What a struct of version 1 has at least. */
#define SINK_BYTES_MIN                                                                             \
    (offsetof(struct tapedeck_sink, close) + sizeof(((struct tapedeck_sink *)0)->close))

enum {
    WANTS_KNOWN = TAPEDECK_SINK_WANTS_LEAD_IN | TAPEDECK_SINK_WANTS_COPIES |
                  TAPEDECK_SINK_WANTS_CONTROL | TAPEDECK_SINK_WANTS_EVERY_VALUE,
};

typedef struct plugin {
    char *path; /* with a slash: without one the loader would search the system's folders */
    const char *argument;      /* the command line's */
    void *library;             /* NULL: not loaded */
    struct tapedeck_sink sink; /* what the library has; members that it does not know are 0 */
    tapedeck_sink_host host;
    const td_log *log;
    void *self;
    uint8_t is_open;
    char why[TD_ERR_TEXT_BYTES]; /* of host->fail; "": none */
} plugin;

struct sink_plugins {
    plugin items[LIMIT_PLUGINS];
    size_t count;
    uint32_t wants;       /* of all of them */
    uint8_t is_over;      /* 1: books are not to be looked at any more */
    const tape_frame *at; /* the frame that the player has in hand */
    plugin_view view;
};

/* ---- loading ---- */

static td_result plugin_parse(const char *text, plugin *out, td_err *err)
{
    const char *file = text + sizeof KIND - 1;
    if (strncmp(text, KIND, sizeof KIND - 1) != 0 || *file == '\0' || *file == ',') {
        td_result rc = td_err_set(err, TD_E_INVALID, "--sink '%s': not a sink", text);
        td_err_hint(err, "give plugin=FILE.so or plugin=FILE.so,TEXT");
        return rc;
    }
    const char *comma = strchr(file, ',');
    size_t length = comma == NULL ? strlen(file) : (size_t)(comma - file);
    const char *prefix = memchr(file, '/', length) == NULL ? "./" : "";
    out->argument = comma == NULL ? "" : comma + 1;
    size_t path_bytes = strlen(prefix) + length + 1;
    out->path = td_alloc(path_bytes);
    if (out->path == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a plugin");
    (void)snprintf(out->path, path_bytes, "%s%s", prefix, file); /* cut at the comma */
    return TD_OK;
}

/* What is wrong with what the library has. */
static td_result plugin_check(const plugin *p, const struct tapedeck_sink *found, td_err *err)
{
    static const char *const BUILD_AGAIN =
        "compile it again with the header tapedeck/sink.h of this program";
    if (found->abi != TAPEDECK_SINK_ABI) {
        td_result rc = td_err_set(err, TD_E_UNSUPPORTED,
                                  "plugin '%s' is for version %" PRIu32
                                  " of the interface, this program has version %u",
                                  p->path, found->abi, TAPEDECK_SINK_ABI);
        td_err_hint(err, "%s", BUILD_AGAIN);
        return rc;
    }
    if (found->size < SINK_BYTES_MIN) {
        td_result rc =
            td_err_set(err, TD_E_UNSUPPORTED, "plugin '%s': its %s has size %zu, less than %zu",
                       p->path, SYMBOL, found->size, SINK_BYTES_MIN);
        td_err_hint(err, "set .size = sizeof %s", SYMBOL);
        return rc;
    }
    if ((found->wants & ~(uint32_t)WANTS_KNOWN) != 0) {
        td_result rc = td_err_set(err, TD_E_UNSUPPORTED,
                                  "plugin '%s' wants 0x%x, which this program does not have",
                                  p->path, found->wants & ~(uint32_t)WANTS_KNOWN);
        td_err_hint(err, "use a newer tapedeck, or %s", BUILD_AGAIN);
        return rc;
    }
    if (found->frame == NULL) {
        td_result rc = td_err_set(err, TD_E_UNSUPPORTED,
                                  "plugin '%s': its %s has no function frame", p->path, SYMBOL);
        td_err_hint(err, "set .frame: it is called for each frame");
        return rc;
    }
    return TD_OK;
}

static td_result plugin_load(plugin *p, td_err *err)
{
    p->library = dlopen(p->path, RTLD_NOW | RTLD_LOCAL);
    if (p->library == NULL) {
        td_result rc =
            td_err_set(err, TD_E_IO, "plugin '%s' cannot be loaded: %s", p->path, dlerror());
        td_err_hint(err, "build it with: cc -shared -fPIC NAME.c $(pkg-config --cflags tapedeck) "
                         "-o NAME.so");
        return rc;
    }
    const struct tapedeck_sink *found = dlsym(p->library, SYMBOL);
    if (found == NULL) {
        td_result rc = td_err_set(err, TD_E_UNSUPPORTED, "'%s' is no plugin: it has no symbol %s",
                                  p->path, SYMBOL);
        td_err_hint(err, "it must define: const struct %s %s = {...}; (docs/plugins.md)", SYMBOL,
                    SYMBOL);
        return rc;
    }
    td_result rc = plugin_check(p, found, err);
    if (rc != TD_OK)
        return rc;
    memcpy(&p->sink, found, found->size < sizeof p->sink ? found->size : sizeof p->sink);
    if (p->sink.name == NULL || p->sink.name[0] == '\0')
        p->sink.name = p->path;
    return TD_OK;
}

/* ---- what every plugin may call ---- */

static int host_fail(const tapedeck_sink_host *host, const char *text)
{
    plugin *p = host->own;
    size_t length = text == NULL ? 0 : strnlen(text, sizeof p->why - 1);
    if (length > 0)
        memcpy(p->why, text, length);
    p->why[length] = '\0';
    return TAPEDECK_SINK_FAIL;
}

static void host_log(const tapedeck_sink_host *host, const char *text)
{
    const plugin *p = host->own;
    td_log_emit(p->log, TD_LOG_INFO, "%s: %s", p->sink.name, text);
}

static void plugin_set_host(plugin *p, const td_log *log)
{
    p->log = log;
    p->host = (tapedeck_sink_host){.abi = TAPEDECK_SINK_ABI,
                                   .size = sizeof p->host,
                                   .version = TAPEDECK_VERSION,
                                   .own = p,
                                   .fail = host_fail,
                                   .log = host_log};
    plugin_view_set_host(&p->host);
}

/* ---- life ---- */

td_result sink_plugins_load(const options_list *texts, const td_log *log, sink_plugins **out,
                            td_err *err)
{
    if (texts->count > LIMIT_PLUGINS)
        return td_err_set(err, TD_E_LIMIT, "%zu plugins, at most %u are allowed", texts->count,
                          LIMIT_PLUGINS);
    sink_plugins *self = td_alloc_zero(1, sizeof *self);
    if (self == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for plugins");
    td_result rc = TD_OK;
    for (size_t i = 0; i < texts->count && rc == TD_OK; i++) {
        plugin *p = &self->items[self->count++];
        rc = plugin_parse(texts->items[i], p, err);
        if (rc == TD_OK)
            rc = plugin_load(p, err);
        if (rc == TD_OK)
            plugin_set_host(p, log);
        self->wants |= p->sink.wants;
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
        plugin *p = &self->items[i];
        TD_ASSERT(!p->is_open);
        if (p->library != NULL)
            (void)dlclose(p->library); /* nothing of it is used any more; the process ends */
        td_free(p->path);
    }
    td_free(self);
}

int sink_plugins_want_every_value(const sink_plugins *self)
{
    return (self->wants & TAPEDECK_SINK_WANTS_EVERY_VALUE) != 0;
}

/* ---- answers ---- */

/* TD_OK; TD_EOF: it ends the replay; TD_E_IO: it failed, with its reason. */
static td_result plugin_answer(const plugin *p, int answer, td_err *err)
{
    switch (answer) {
    case TAPEDECK_SINK_GO:
        return TD_OK;
    case TAPEDECK_SINK_STOP:
        return TD_EOF;
    case TAPEDECK_SINK_FAIL:
        return td_err_set(err, TD_E_IO, "%s",
                          p->why[0] == '\0' ? "it failed, without a reason" : p->why);
    default:
        return td_err_set(err, TD_E_IO,
                          "it returned %d, which is none of TAPEDECK_SINK_GO, _FAIL, "
                          "_STOP",
                          answer);
    }
}

/* The same of open and close, where there is nothing to stop. */
static td_result plugin_answer_once(const plugin *p, const char *function, int answer, td_err *err)
{
    td_result rc = plugin_answer(p, answer, err);
    if (rc == TD_EOF)
        rc = td_err_set(err, TD_E_IO,
                        "it returned TAPEDECK_SINK_STOP, which only frame and event "
                        "may");
    return rc == TD_OK ? rc : td_err_add(err, rc, "plugin '%s': %s", p->path, function);
}

td_result sink_plugins_open(sink_plugins *self, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < self->count && rc == TD_OK; i++) {
        plugin *p = &self->items[i];
        if (p->sink.open != NULL)
            rc = plugin_answer_once(p, "open", p->sink.open(&p->host, p->argument, &p->self), err);
        p->is_open = rc == TD_OK;
    }
    return rc;
}

/* ---- frames and events ---- */

static td_result plugin_failed_at(const plugin *p, const tape_frame *at, td_result rc, td_err *err)
{
    const channel_info *info = &at->channel->info;
    return td_err_add(err, rc,
                      "plugin '%s': frame %" PRIu64 " of connection %" PRIu32 " of %s, %s %s",
                      p->path, at->ordinal, at->conn, info->feed, info->topic, info->symbol);
}

static td_result show_event(sink_plugins *self, const tape_frame *frame, td_err *err)
{
    tapedeck_sink_event seen;
    td_result result = TD_OK;
    plugin_view_event(frame, &seen);
    for (size_t i = 0; i < self->count; i++) {
        plugin *p = &self->items[i];
        if (p->sink.event == NULL)
            continue;
        td_result rc = plugin_answer(p, p->sink.event(p->self, &seen), err);
        if (rc == TD_EOF)
            result = rc;
        else if (rc != TD_OK)
            return td_err_add(err, rc, "plugin '%s': event %s of %s", p->path, seen.kind,
                              seen.feed);
    }
    return result;
}

static td_result take_frame(void *ctx, const tape_frame *frame, uint64_t deadline_ns, td_err *err)
{
    sink_plugins *self = ctx;
    (void)deadline_ns;
    self->at = frame;
    return frame->channel->role == ROLE_EVENT ? show_event(self, frame, err) : TD_OK;
}

sink sink_plugins_sink(sink_plugins *self)
{
    static const sink_ops OPS = {.name = "plugins",
                                 .frame = take_frame,
                                 .wants_events = 1,
                                 .wants_lead_in = 1,
                                 .wants_copies = 1};
    return (sink){&OPS, self};
}

/* The book that plugins may keep, made when they first see it; *out NULL: the topic has none. */
static td_result book_of_stream(sink_plugins *self, const struct stream *of, void **state,
                                const observed_frame *seen, td_err *err)
{
    if (*state != NULL || seen->track == NULL || track_book(seen->track) == NULL)
        return TD_OK;
    tapedeck_sink_book *made = td_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a book's view");
    *made = (tapedeck_sink_book){.of = of, .is_over = &self->is_over};
    *state = made;
    return TD_OK;
}

static td_result observe(void *ctx, const struct stream *of, void **state,
                         const observed_frame *seen, td_err *err)
{
    sink_plugins *self = ctx;
    TD_ASSERT(self->at != NULL);
    uint32_t needs = plugin_view_needs(self->at);
    if ((needs & ~self->wants) != 0)
        return TD_OK;
    td_result result = book_of_stream(self, of, state, seen, err);
    if (result != TD_OK)
        return result;
    plugin_view_frame(&self->view, self->at, of, seen, *state);
    for (size_t i = 0; i < self->count; i++) {
        plugin *p = &self->items[i];
        if ((needs & ~p->sink.wants) != 0)
            continue;
        td_result rc = plugin_answer(p, p->sink.frame(p->self, &self->view.frame), err);
        if (rc == TD_EOF)
            result = rc;
        else if (rc != TD_OK)
            return plugin_failed_at(p, self->at, rc, err);
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
    static const observer_ops OPS = {.name = "plugins", .frame = observe, .close = free_book};
    return (observer){&OPS, self};
}

/* ---- the end ---- */

static td_result plugin_close(plugin *p, const tapedeck_sink_result *result, td_err *err)
{
    if (!p->is_open)
        return TD_OK;
    p->is_open = 0;
    p->why[0] = '\0';
    if (p->sink.close == NULL)
        return TD_OK;
    return plugin_answer_once(p, "close", p->sink.close(p->self, result), err);
}

td_result sink_plugins_finish(sink_plugins *self, const replay_report *report, td_err *err)
{
    static const uint32_t VERDICTS[] = {[REPLAY_COMPLETE] = TAPEDECK_SINK_COMPLETE,
                                        [REPLAY_INCOMPLETE] = TAPEDECK_SINK_INCOMPLETE,
                                        [REPLAY_DAMAGED] = TAPEDECK_SINK_DAMAGED};
    const player_totals *totals = &report->totals;
    const tapedeck_sink_result result = {.size = sizeof result,
                                         .outcome = report->is_stopped ? TAPEDECK_SINK_STOPPED
                                                                       : TAPEDECK_SINK_ENDED,
                                         .verdict = VERDICTS[report_verdict(report)],
                                         .frames = totals->frames - totals->out - totals->http,
                                         .decoded = totals->decoded,
                                         .undecoded = totals->undecoded,
                                         .violations = totals->violations,
                                         .first_recv_ns = totals->first_recv_ns,
                                         .last_recv_ns = totals->last_recv_ns,
                                         .error = ""};
    for (size_t i = 0; i < self->count; i++) {
        td_result rc = plugin_close(&self->items[i], &result, err);
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
    const tapedeck_sink_result result = {
        .size = sizeof result, .outcome = TAPEDECK_SINK_FAILED, .error = error};
    for (size_t i = 0; i < self->count; i++) /* the replay's own error is the one that counts */
        (void)plugin_close(&self->items[i], &result, NULL);
}
