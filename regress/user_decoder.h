/* A user's decoder that replaces the built-in one: a shared object (decoder_library.c) or a program
 * (decoder_program.c). Each thread that decodes has its own instance, made at its first frame.
 * Failures at frames are counted, and the first one is reported. A decoder that fails at
 * failures_max frames in a row, over all threads, ends the run. */
#ifndef TD_REGRESS_USER_DECODER_H
#define TD_REGRESS_USER_DECODER_H

#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/cli/options.h"
#include "base/cli/result.h"
#include "regress/decoder_kind.h"
#include "tape/decoding.h"

typedef struct decoder_options {
    options_list libraries; /* texts of --decoder: a shared object, or "builtin" */
    options_list commands;  /* texts of --decoder-cmd */
    uint64_t timeout_ns;
    uint64_t failures_max; /* number of failures in a row that ends the run; 0: no limit */
    /* Limits of what a decoder uses, options of regress check; 0: no limit. */
    uint64_t cpu_ns_max; /* a frame */
    uint64_t memory_bytes_max;
} decoder_options;

/* The options for users' decoders. Zero-initialise the target; the group sets defaults. */
option_group option_group_decoder(decoder_options *target);

/* Refuse more decoders than a verb can use, and limits without a user's decoder. TD_E_INVALID. */
TD_MUST_USE td_result decoder_options_check(const decoder_options *options, size_t count_max,
                                            td_err *err);
size_t decoder_options_count(const decoder_options *options);

/* The options as words of a command line, "--decoder=mine.so", without defaults; empty without a
 * decoder. */
enum { DECODER_WORDS_MAX = 4, DECODER_WORD_BYTES = LIMIT_PATH_BYTES + 16 };
typedef struct decoder_words {
    char text[DECODER_WORDS_MAX][DECODER_WORD_BYTES];
    const char *list[DECODER_WORDS_MAX + 1]; /* the words and a NULL */
} decoder_words;

/* Make the words, for at most two decoders. TD_E_INVALID: there are more, or a word is too long. */
TD_MUST_USE td_result decoder_options_words(const decoder_options *options, decoder_words *out,
                                            td_err *err);

typedef struct user_decoder user_decoder;

/* Open decoder `number` (from 0) of the command line: first those of --decoder, then those of
 * --decoder-cmd. A number past the end, or "builtin", is the built-in decoder. Arguments are
 * borrowed until close. A signal ends a wait for the decoder. The decoder's first instance is made
 * here; TD_E_*: this failed, so the decoder cannot be used. */
TD_MUST_USE td_result user_decoder_open(const decoder_options *options, size_t number,
                                        const td_log *log, const stop_signal *signals,
                                        user_decoder **out, td_err *err);

/* Close; no thread may decode any more. NULL is allowed. */
void user_decoder_close(user_decoder *self);

/* The option's text, or "built-in". */
const char *user_decoder_name(const user_decoder *self);

/* The decoding for cursor_options; NULL: the built-in decoder. */
const tape_decoding *user_decoder_decoding(const user_decoder *self);

/* Decode one frame on the calling thread. The caller zeroes *out; memory for its content comes from
 * the arena. Counts no failure. TD_E_*: the decoder cannot be used. */
TD_MUST_USE td_result user_decoder_decode(user_decoder *self, const frame_ref *frame,
                                          td_arena *arena, frame_content *out, td_err *err);

/* Count a frame for which the decoder gave two different answers. Any thread. */
void user_decoder_note_unstable(user_decoder *self, const frame_ref *frame);

/* Read what the decoder used. Call after the run, when no thread decodes, and before the functions
 * below. A program's processes end; a later frame starts another one. */
void user_decoder_measure(user_decoder *self);

/* What the decoder used until user_decoder_measure (docs/regress.md, "Time and memory"). */
typedef struct decoder_usage {
    uint64_t frames;       /* that the decoder was given, each as often as it was */
    uint64_t cpu_frame_ns; /* CPU time a frame; UINT64_MAX: unknown */
    uint64_t peak_bytes;   /* UINT64_MAX: unknown */
    /* 1: more than the limit, or unknown and there is a limit */
    uint8_t is_over_cpu, is_over_memory;
} decoder_usage;

/* 0: the built-in decoder, or NULL. */
int user_decoder_usage(const user_decoder *self, decoder_usage *out);

/* What is over its limit, in words; "" if nothing is. */
enum { DECODER_LIMITS_BYTES = 256 };
void user_decoder_limits_text(const user_decoder *self, char out[DECODER_LIMITS_BYTES]);

/* Frames at which the decoder failed: crashed + hung + garbage + unstable; 0 for NULL. */
uint64_t user_decoder_failures(const user_decoder *self);

/* The first failure in words, "crashed at TIME, feed/topic/symbol: exit status 7". Call if there
 * are failures. */
enum {
    DECODER_FIRST_BYTES =
        DECODER_FAILURE_BYTES + LIMIT_NAME_BYTES + LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES + 64
};
void user_decoder_first_text(const user_decoder *self, char out[DECODER_FIRST_BYTES]);

/* Add the findings as the member `name` of an open object: counts by reason, the first failure, and
 * what the decoder used; null for the built-in decoder and for NULL. */
void user_decoder_describe(const user_decoder *self, const char *name, result_writer *r);

#endif
