/* Plugins of `--sink plugin=FILE[,TEXT]`: shared objects of users that are given the frames of a
 * replay, with books and verdicts, by the interface of include/tapedeck/plugin.h.
 *
 * Plugins are an observer of the player, so that books and verdicts are the stream's own. A player
 * with one thread gives them their total order; the tape may read ahead with several. One thread.
 */
#ifndef TD_REPLAY_SINK_PLUGIN_H
#define TD_REPLAY_SINK_PLUGIN_H

#include "base/err.h"
#include "base/log.h"
#include "cli/options.h"
#include "include/tapedeck/plugin.h"
#include "play/observer.h"
#include "play/report.h"

typedef struct sink_plugins sink_plugins;

/* Load the plugins of the command line, one for each of the list's texts, and check them; none of
 * their functions is called. log and texts are borrowed until close. TD_E_INVALID: a text is no
 * plugin=FILE[,TEXT]; TD_E_LIMIT: too many; TD_E_IO: a file cannot be loaded; TD_E_UNSUPPORTED: it
 * is no plugin, or one for another version. */
TD_MUST_USE td_result sink_plugins_load(const options_list *texts, const td_log *log,
                                        sink_plugins **out, td_err *err);
void sink_plugins_close(sink_plugins *self);

/* 1 if one of them wants this (TAPEDECK_WANTS_*). */
int sink_plugins_want(const sink_plugins *self, uint32_t what);

/* Open the plugins, in the order of the command line. TD_E_IO: one of them failed. */
TD_MUST_USE td_result sink_plugins_open(sink_plugins *self, td_err *err);

/* Valid until close. TD_EOF of its functions: a plugin ends the replay; TD_E_IO: one of them
 * failed. */
observer sink_plugins_observer(sink_plugins *self);

/* The replay has ended: close the plugins, which may look at books once more, so before the player
 * closes. TD_E_IO: one of them failed. */
TD_MUST_USE td_result sink_plugins_finish(sink_plugins *self, const replay_report *report,
                                          td_err *err);

/* The replay has failed: close the plugins that are still open; before the player closes. self may
 * be NULL. */
void sink_plugins_abort(sink_plugins *self, const char *error);

#endif
