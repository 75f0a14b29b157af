/* Between config.c (what is allowed), config_rows.c (its keys), config_http.c (requests beside the
 * frames) and config_yaml.c (how it is written in a file). */
#ifndef TD_RECORDER_CONFIG_IMPL_H
#define TD_RECORDER_CONFIG_IMPL_H

#include "recorder/config.h"

typedef struct config_file config_file;

/* Where in its file a feed (index from 0) or, with CONFIG_NO_FEED, the recorder's part has a key:
 * puts "file:line: " in front of err's text. key NULL: the feed itself. */
#define CONFIG_NO_FEED SIZE_MAX
td_result config_file_blame(const config_file *file, size_t feed_index, const char *key,
                            td_result code, td_err *err);

/* Names of a feed's choices, by their number. */
extern const char *const CONFIG_NET_NAMES[];
extern const char *const CONFIG_AUTH_NAMES[];

/* 1 for what may be part of a feed's name, or of the name of an HTTP reply. */
int config_is_name_char(char c);

/* Settle and check a feed's HTTP requests: names, URLs, and that they keep to what a feed may ask.
 */
TD_MUST_USE td_result config_finish_http(feed_config *feed, td_err *err);

/* Free a file's texts; NULL is fine. */
void config_file_close(config_file *file);

#endif
