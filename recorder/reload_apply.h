/* Lets the feeds of a running recorder follow another configuration (recorder/reload.h). Files,
 * environment and lists of instruments of new feeds are read first, on the caller's thread; then
 * everything changes at once, on the network thread. */
#ifndef TD_RECORDER_RELOAD_APPLY_H
#define TD_RECORDER_RELOAD_APPLY_H

#include "base/clock.h"
#include "base/err.h"
#include "archive/archive.h"
#include "recorder/feed.h"
#include "recorder/reload.h"

typedef struct reload_apply reload_apply;

typedef struct reload_apply_options {
    const recorder_config *running; /* nothing else changes it now; borrowed, like the rest */
    recorder_config *wanted;        /* finished; feeds and texts are moved out of it */
    archive *archive;               /* that the recorder writes */
    feed_setup_env env;             /* without loop and past, which are opened here */
    td_clock clock;
    reload_changes *changes; /* gets the counts */
} reload_apply_options;

/* Compare the configurations, and set up the feeds to add. The caller closes *out. Errors as
 * supervisor_reload. */
TD_MUST_USE td_result reload_apply_open(const reload_apply_options *options, reload_apply **out,
                                        td_err *err);

/* 1 if there is anything to change. */
int reload_apply_has_changes(const reload_apply *self);

/* Change the feeds. Network thread. TD_E_INVALID, TD_E_LIMIT, TD_E_IO: nothing has changed. */
TD_MUST_USE td_result reload_apply_run(reload_apply *self, feed_list *feeds, td_err *err);

/* Free. NULL is fine. */
void reload_apply_close(reload_apply *self);

#endif
