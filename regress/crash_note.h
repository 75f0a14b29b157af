/* When a user's decoder that runs in this process crashes (SIGSEGV, SIGBUS, SIGFPE, SIGILL,
 * SIGABRT), hangs or calls exit(): reports the current frame on standard error, and writes the
 * frame's bytes to tapedeck-crash.frame. The previous handler then gets the signal, so that a core
 * or a debugger shows the fault. After a call of exit() the process ends with EXIT_CODE_FAILED. The
 * crash is also the error in a JUnit report, if one was opened. */
#ifndef TD_REGRESS_CRASH_NOTE_H
#define TD_REGRESS_CRASH_NOTE_H

#include "base/io.h"
#include "tape/decoding.h"

/* Install handlers of these signals and of SIGUSR2. A call of the decoder counts as hung after
 * timeout_ns, not counting time in which this process is stopped. Only the first call of
 * crash_note_install has an effect. One thread. */
void crash_note_install(uint64_t timeout_ns);

/* Write a JUnit report with the error that the run did not reach its end, which the run's report
 * replaces; a crash replaces it by its own. path is kept: it must stay valid. Call before decoders
 * run. TD_E_INVALID, TD_E_NOSPACE, TD_E_IO. */
TD_MUST_USE td_result crash_note_open_junit(td_io io, const char *path, td_err *err);

/* Between begin and end the calling thread runs the decoder on this frame. Arguments are borrowed.
 */
void crash_note_begin(const frame_ref *frame, const char *decoder_name);
void crash_note_end(void);

#endif
