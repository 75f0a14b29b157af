/* A user's decoder in place of the built-in one: a shared object (decoder_library.h) or a program
 * (decoder_program.h). Each thread that decodes has an instance of its own, made when it first
 * decodes. What goes wrong at a frame is counted; the report has the first such frame. A decoder
 * that fails at so many frames in a row, of all threads, ends the run. */
#ifndef TD_REGRESS_USER_DECODER_H
#define TD_REGRESS_USER_DECODER_H

#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/cli/options.h"
#include "base/cli/result.h"
#include "regress/decoder_kind.h"
#include "tape/decoding.h"

typedef struct decoder_options {
    options_list libraries; /* --decoder: a shared object, or "builtin" */
    options_list commands;  /* --decoder-cmd */
    uint64_t timeout_ns;
    uint64_t failures_max; /* in a row: then the run ends; 0: never */
} decoder_options;

/* Zero-initialise; the group sets the default. */
option_group option_group_decoder(decoder_options *target);

/* Refuse more decoders than a verb takes. TD_E_INVALID. */
TD_MUST_USE td_result decoder_options_check(const decoder_options *options, size_t count_max,
                                            td_err *err);
size_t decoder_options_count(const decoder_options *options);

typedef struct user_decoder user_decoder;

/* Open the decoder of that number, those of --decoder before those of --decoder-cmd; beyond the
 * last one, and "builtin": the built-in one. What it is given is borrowed until close. A signal
 * ends waits. TD_E_*: it cannot be used; the first instance is made here. */
TD_MUST_USE td_result user_decoder_open(const decoder_options *options, size_t number,
                                        const td_log *log, const stop_signal *signals,
                                        user_decoder **out, td_err *err);

/* No thread decodes any more. NULL is fine. */
void user_decoder_close(user_decoder *self);

/* As on the command line, or "built-in". */
const char *user_decoder_name(const user_decoder *self);

/* For cursor_options; NULL: the built-in decoder. */
const tape_decoding *user_decoder_decoding(const user_decoder *self);

/* Decode one frame, on whatever thread. *out is zero before; its memory is of the arena. Nothing is
 * counted. TD_E_*: the decoder cannot be used. */
TD_MUST_USE td_result user_decoder_decode(user_decoder *self, const frame_ref *frame,
                                          td_arena *arena, frame_content *out, td_err *err);

/* Count a frame whose two answers differ. Any thread. */
void user_decoder_note_unstable(user_decoder *self, const frame_ref *frame);

/* Frames that the decoder failed at: crashed + hung + garbage + unstable; of NULL none. */
uint64_t user_decoder_failures(const user_decoder *self);

/* Describe the findings into an object that is open, under name: counts by reason, and the first
 * failure; null for the built-in decoder and NULL. As text: a line, empty if nothing failed. */
void user_decoder_describe(const user_decoder *self, const char *name, result_writer *r);

#endif
