/* Controls of a replay server: commands by HTTP requests and by keys, which act on all tapes. One
 * thread. */
#ifndef TD_SERVE_SERVE_CONTROL_H
#define TD_SERVE_SERVE_CONTROL_H

#include "base/bytes.h"
#include "base/cli/progress.h"
#include "replay/play/control.h"
#include "wire/server.h"

struct serve;

/* Apply a command of a key or a request to all tapes. Skips count from the newest tape's position,
 * and go back at most to its beginning; CONTROL_BACK only pauses. Returns 1 if the command ends the
 * server. */
int serve_control_apply(struct serve *server, const control_command *command,
                        const control_value *value);

/* Show the newest tape's position and the state of playing. */
void serve_control_show(const struct serve *server, progress_line *progress);

#define SERVE_CONTROL "/control/"

/* Answer a GET of a path under SERVE_CONTROL, which changes nothing. Returns the status; 0: it is
 * another path. */
unsigned serve_control_get(const struct serve *server, td_bytes path, char text[WIRE_ANSWER_BYTES]);

/* Answer a POST of a path under SERVE_CONTROL. Returns the status; 0: it is another path. */
unsigned serve_control_post(struct serve *server, td_bytes path, td_bytes query,
                            char text[WIRE_ANSWER_BYTES]);

#endif
