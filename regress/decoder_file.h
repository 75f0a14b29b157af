/* A user's decoder in a shared object (embed/include/tapedeck/plugin.h), loaded and checked, and
 * what it has of this program. One thread. */
#ifndef TD_REGRESS_DECODER_FILE_H
#define TD_REGRESS_DECODER_FILE_H

#include "base/err.h"
#include "base/log.h"
#include "embed/include/tapedeck/plugin.h"

typedef struct decoder_file {
    char *path; /* with a slash: without one the loader would search the system's folders */
    void *library;
    struct tapedeck_plugin table; /* as the library has it; members that it does not know are 0 */
    tapedeck_host host;           /* fail and log */
    const td_log *log;
    void *self; /* the decoder's */
    uint8_t has_begun;
    char why[TD_ERR_TEXT_BYTES]; /* of host.fail; "": none */
} decoder_file;

/* Load the file of that name into a struct that stays where it is. TD_E_IO: it cannot be loaded;
 * TD_E_UNSUPPORTED: it is no decoder, or one for another version. After an error out is closed. */
TD_MUST_USE td_result decoder_file_open(const char *name, const td_log *log, decoder_file *out,
                                        td_err *err);

/* Zero is fine. No function of the decoder may be called afterwards. */
void decoder_file_close(decoder_file *file);

/* Call begin, and end, if the decoder has them; end only after begin. TD_E_IO: it failed. */
TD_MUST_USE td_result decoder_file_begin(decoder_file *file, td_err *err);
void decoder_file_end(decoder_file *file);

#endif
