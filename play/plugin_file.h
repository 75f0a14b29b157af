/* A user's shared object (include/tapedeck/plugin.h), loaded and checked; none of its functions is
 * called here. One thread. */
#ifndef TD_PLAY_PLUGIN_FILE_H
#define TD_PLAY_PLUGIN_FILE_H

#include "base/err.h"
#include "include/tapedeck/plugin.h"

typedef struct plugin_file {
    char *path; /* with a slash: without one the loader would search the system's folders */
    void *library;
    struct tapedeck_plugin table; /* as the library has it; members that it does not know are 0 */
} plugin_file;

/* What the plugin is needed for. */
typedef enum plugin_use { PLUGIN_SEES_FRAMES, PLUGIN_DECODES } plugin_use;

/* Load the file of that name, length bytes. TD_E_IO: it cannot be loaded; TD_E_UNSUPPORTED: it is
 * no plugin, one for another version, or one without the function that is needed. After an error
 * out is closed. */
TD_MUST_USE td_result plugin_file_open(const char *name, size_t length, plugin_use use,
                                       plugin_file *out, td_err *err);

/* Zero is fine. No function of the plugin may be called afterwards. */
void plugin_file_close(plugin_file *file);

/* The plugin's answer to a call: TD_OK; TD_EOF: TAPEDECK_STOP; TD_E_IO: it failed; why is the text
 * that it gave to the host, "" if none. */
TD_MUST_USE td_result plugin_file_answer(int answer, const char *why, td_err *err);

/* The same of begin and end, which have nothing to stop, under the function's name. */
TD_MUST_USE td_result plugin_file_answer_once(const plugin_file *file, const char *function,
                                              int answer, const char *why, td_err *err);

#endif
