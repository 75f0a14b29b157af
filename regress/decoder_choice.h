/* How the frames of a run are decoded: the options that the verbs of `regress` share, and the
 * decoder that they name, opened. One thread. */
#ifndef TD_REGRESS_DECODER_CHOICE_H
#define TD_REGRESS_DECODER_CHOICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/log.h"
#include "cli/options.h"
#include "cli/result.h"
#include "cli/stop_signal.h"
#include "regress/decoder_map.h"
#include "regress/decoder_pool.h"
#include "regress/run.h"

typedef struct decoding_options {
    uint8_t is_whole; /* hashes cover all members of books and trades */
} decoding_options;

option_group option_group_decoding(decoding_options *target);

typedef struct decoder_options {
    options_list libraries; /* --decoder: a shared object, or "builtin" */
    options_list commands;  /* --decoder-cmd */
    const char *map_file;
    uint64_t timeout_ns;
    uint64_t repeat;
} decoder_options;

/* Zero-initialise; the group sets the defaults. */
option_group option_group_decoder(decoder_options *target);

/* How many decoders the options name. */
size_t decoder_options_count(const decoder_options *options);

/* Refuse more decoders than a verb takes, and options that need one. TD_E_INVALID. */
TD_MUST_USE td_result decoder_options_check(const decoder_options *options, size_t count_max,
                                            td_err *err);

/* A mapping file, read. *out is NULL where none is given. TD_E_INVALID with the line's number;
 * TD_E_NOTFOUND, TD_E_IO, TD_E_NOMEM. */
TD_MUST_USE td_result decoder_options_map(const decoder_options *options, decoder_map **out,
                                          td_err *err);

/* A decoder that is ready. */
typedef struct decoder_choice {
    decoder_pool *pool;            /* NULL: the built-in decoder */
    const char *name;              /* "built-in", or as on the command line; borrowed from there */
    char id[TD_HASH128_HEX_BYTES]; /* of what it is made of; empty for the built-in one */
    /* Failures and refusals of earlier parts of an interrupted run, by reason. */
    uint64_t earlier[DECODE_REASON_COUNT];
} decoder_choice;

/* What a decoder is opened with; borrowed until it is closed. */
typedef struct decoder_setting {
    const decoder_map *map;     /* may be NULL */
    const td_log *log;          /* may be NULL */
    const stop_signal *signals; /* ends its waits; may be NULL */
} decoder_setting;

/* Open the decoder of that number, those of --decoder before those of --decoder-cmd; beyond the
 * last one the built-in one. The options' texts are borrowed until it is closed. As
 * decoder_pool_open(). */
TD_MUST_USE td_result decoder_choice_open(const decoder_options *options, size_t number,
                                          const decoder_setting *setting, decoder_choice *out,
                                          td_err *err);
void decoder_choice_close(decoder_choice *choice);

/* For baseline_meta.decoder: its name, NULL for the built-in one, which a run names itself. */
const char *decoder_choice_label(const decoder_choice *choice);

/* What the tape takes; NULL: the built-in decoder. */
const tape_decoding *decoder_choice_decoding(const decoder_choice *choice);

/* 1: a run's error is that a signal ended its decoder's waits, nothing else. */
int decoder_choice_was_stopped(const decoder_choice *choice);

/* A run gave a baseline: if it continued one that was interrupted, count what the earlier parts
 * found from the baseline. Nothing for the built-in decoder. TD_E_* of reading. */
TD_MUST_USE td_result decoder_choice_count_earlier(decoder_choice *choice,
                                                   const regress_run_result *done, baseline *made,
                                                   td_err *err);

/* Frames that the decoder refused or failed at for a reason; those of the earlier parts, too. */
uint64_t decoder_choice_count(const decoder_choice *choice, decode_reason reason);

/* The sum over crashes, hangs, and answers that are none or not the same again. */
uint64_t decoder_choice_failures(const decoder_choice *choice);

/* The first of these failures as lines of text: "crashed at ..., FEED/TOPIC/SYMBOL: exit status 1",
 * and how many are left out. */
void decoder_choice_list(const decoder_choice *choice, void (*line)(void *user, const char *text),
                         void *user);

/* The same lines as warnings. */
void decoder_choice_log(const decoder_choice *choice, const td_log *log);

/* Describe the findings into an object that is open, under name: an object with counts by kind,
 * restarts, and the list of those that are kept; null for the built-in decoder. As text: a
 * paragraph with the failures, empty if there are none. */
void decoder_choice_describe(const decoder_choice *choice, const char *name, result_writer *r);

#endif
