/* Names the frame at hand when a user's decoder, called in this process, crashes (SIGSEGV, SIGBUS,
 * SIGFPE, SIGILL, SIGABRT), hangs or calls exit(): on standard error, with the frame's bytes in
 * tapedeck-crash.frame. The handler of before then gets the signal, so that a core or a debugger
 * shows where the fault is; exit() ends the process with EXIT_CODE_FAILED. */
#ifndef TD_REGRESS_CRASH_NOTE_H
#define TD_REGRESS_CRASH_NOTE_H

#include "tape/decoding.h"

/* Handle those signals, and SIGUSR2, from now on. A decoder hangs when a call takes so long, while
 * this process runs. Once is enough; one thread. */
void crash_note_install(uint64_t timeout_ns);

/* The calling thread calls the decoder with this frame until crash_note_end. Both are borrowed. */
void crash_note_begin(const frame_ref *frame, const char *decoder_name);
void crash_note_end(void);

#endif
