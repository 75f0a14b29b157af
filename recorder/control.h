/* The control socket of a running recorder: a Unix socket in the abstract namespace, named after
 * the archive's folder, so that the archive has no file that is no data, and nothing is left of a
 * recorder that was killed. A client sends a line, and reads the answer until the end. The recorder
 * answers one client after the other, on a thread of its own, and only processes of its user or of
 * root, in its network namespace. Any process can take the name while no recorder has it: a client
 * sends nothing to another user's process, and root only to one of the folder's owner. */
#ifndef TD_RECORDER_CONTROL_H
#define TD_RECORDER_CONTROL_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    CONTROL_REQUEST_BYTES = 256,
    CONTROL_ANSWER_BYTES = 1 << 20,
};

/* The request of `tapedeck ctl top`. */
#define CONTROL_TOP "top"

typedef struct control control;

typedef struct control_options {
    const char *folder; /* the archive's, whose lock the caller holds; borrowed */
    /* Answer a request (without its newline), on the control thread. */
    void (*answer)(void *user, const char *request, td_buf *out);
    void *user;
} control_options;

/* Open the socket and start the thread. TD_E_IO. */
TD_MUST_USE td_result control_open(const control_options *options, control **out, td_err *err);

/* Send a request to an own socket, without waiting for the answer. Any thread. 0: it is not
 * possible, because too many requests wait. */
int control_post(const control *self, const char *request);

/* Wait for the current answer, end the thread and close the socket. NULL is fine. */
void control_close(control *self);

/* Ask the recorder of this archive folder, and append its answer to out, escaped line by line
 * (base/escape.h). TD_E_NOTFOUND: no recorder listens there; TD_E_BUSY: there was no answer in
 * time; TD_E_IO (also: another user's process listens there), TD_E_LIMIT. */
TD_MUST_USE td_result control_ask(const char *folder, const char *request, uint64_t timeout_ns,
                                  td_buf *out, td_err *err);

#endif
