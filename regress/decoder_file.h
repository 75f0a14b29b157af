/* Loads and checks a user's decoder in a shared object (embed/include/tapedeck/plugin.h), and
 * offers it this program's functions. One thread. */
#ifndef TD_REGRESS_DECODER_FILE_H
#define TD_REGRESS_DECODER_FILE_H

#include "base/err.h"
#include "base/log.h"
#include "embed/include/tapedeck/plugin.h"

typedef struct decoder_file {
    char *path; /* contains a slash; without one the loader would search the system's folders */
    void *library;
    struct tapedeck_plugin table; /* the library's table; members that it lacks are 0 */
    tapedeck_host host;           /* functions for the decoder: fail and log */
    const td_log *log;
    void *self; /* the decoder's own state */
    uint8_t has_begun;
    char why[TD_ERR_TEXT_BYTES]; /* text given to host.fail; "": no text */
} decoder_file;

/* Load the file into *out, which must not move afterwards. TD_E_IO: it cannot be loaded;
 * TD_E_UNSUPPORTED: it is not a decoder, or is for another version. A failure closes *out. */
TD_MUST_USE td_result decoder_file_open(const char *name, const td_log *log, decoder_file *out,
                                        td_err *err);

/* Unload it; its functions must not be called afterwards. A zeroed struct is allowed. */
void decoder_file_close(decoder_file *file);

/* Call the decoder's begin and end, if it has them; end only after a successful begin. TD_E_IO:
 * begin failed. */
TD_MUST_USE td_result decoder_file_begin(decoder_file *file, td_err *err);
void decoder_file_end(decoder_file *file);

#endif
