/* A user's shared object (include/tapedeck/plugin.h), loaded and checked, and what it has of this
 * program. One thread. */
#ifndef TD_PLAY_PLUGIN_FILE_H
#define TD_PLAY_PLUGIN_FILE_H

#include "base/err.h"
#include "base/log.h"
#include "include/tapedeck/plugin.h"

typedef struct plugin_file {
    char *path; /* with a slash: without one the loader would search the system's folders */
    void *library;
    struct tapedeck_plugin table; /* as the library has it; members that it does not know are 0 */
    tapedeck_host host;           /* callers may set what it has besides fail and log */
    const td_log *log;
    void *self; /* the plugin's */
    uint8_t has_begun;
    char why[TD_ERR_TEXT_BYTES]; /* of host.fail; "": none */
} plugin_file;

/* What the plugin is needed for. */
typedef enum plugin_use { PLUGIN_SEES_FRAMES, PLUGIN_DECODES } plugin_use;

/* Load the file of that name, length bytes, into a struct that stays where it is. TD_E_IO: it
 * cannot be loaded; TD_E_UNSUPPORTED: it is no plugin, one for another version, or one without the
 * function that is needed. After an error out is closed. */
TD_MUST_USE td_result plugin_file_open(const char *name, size_t length, plugin_use use,
                                       const td_log *log, plugin_file *out, td_err *err);

/* Zero is fine. No function of the plugin may be called afterwards. */
void plugin_file_close(plugin_file *file);

/* Call begin with a text, and end with a result (NULL: none), if the plugin has them; end only
 * after begin. TD_E_IO: it failed, or stopped, which these two may not. */
TD_MUST_USE td_result plugin_file_begin(plugin_file *file, const char *argument, td_err *err);
td_result plugin_file_end(plugin_file *file, const tapedeck_result *result, td_err *err);

/* The plugin's answer to another call: TD_OK; TD_EOF: TAPEDECK_STOP; TD_E_IO: it failed. */
TD_MUST_USE td_result plugin_file_answer(const plugin_file *file, int answer, td_err *err);

#endif
