/* Between config.c (what is allowed) and config_yaml.c (how it is written). */
#ifndef TD_RECORDER_CONFIG_IMPL_H
#define TD_RECORDER_CONFIG_IMPL_H

#include "recorder/config.h"

typedef struct config_file config_file;

/* Where in its file a feed (index from 0) or, with CONFIG_NO_FEED, the recorder's part has a key:
 * puts "file:line: " in front of err's text. key NULL: the feed itself. */
#define CONFIG_NO_FEED SIZE_MAX
td_result config_file_blame(const config_file *file, size_t feed_index, const char *key,
                            td_result code, td_err *err);

/* Free a file's texts; NULL is fine. */
void config_file_close(config_file *file);

#endif
