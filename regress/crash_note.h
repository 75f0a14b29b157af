/* Reports the current frame when a user's decoder, called in this process, crashes (SIGSEGV,
 * SIGBUS, SIGFPE, SIGILL, SIGABRT), hangs or calls exit(): on standard error, and the frame's bytes
 * in tapedeck-crash.frame. The previous handler then gets the signal, so that a core or a debugger
 * shows the fault; exit() ends the process with EXIT_CODE_FAILED. */
#ifndef TD_REGRESS_CRASH_NOTE_H
#define TD_REGRESS_CRASH_NOTE_H

#include "tape/decoding.h"

/* Install handlers of those signals and of SIGUSR2. A call of the decoder hangs if it takes
 * timeout_ns, not counting time in which this process is stopped. Further calls do nothing. One
 * thread. */
void crash_note_install(uint64_t timeout_ns);

/* From begin to end the calling thread is in the decoder with this frame. Arguments are borrowed.
 */
void crash_note_begin(const frame_ref *frame, const char *decoder_name);
void crash_note_end(void);

#endif
