/* A user's decoder in place of the built-in one (tape/decoding.h): processes of it, one for each
 * thread that asks at a time, and what to do when one of them fails.
 *
 * Frames are pipelined, up to LIMIT_DECODER_FLIGHT_BYTES. When a process ends, hangs or writes what
 * is no answer while it has several frames, a fresh one is asked about those one by one, so that
 * the failure is that of one frame; a failure that does not come again is DECODE_UNSTABLE of the
 * first of them. The other frames are asked about again, and the run goes on.
 *
 * A process that answered all that earlier calls asked may have ended before it read a frame of
 * this one. So if it ends before it answers any, and a fresh one does not, no frame is to blame: it
 * is replaced, which is logged and counted as a restart. */
#ifndef TD_REGRESS_DECODER_POOL_H
#define TD_REGRESS_DECODER_POOL_H

#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "regress/decoder_findings.h"
#include "regress/decoder_map.h"
#include "tape/decoding.h"

/* A decoder as the command line names it. */
typedef struct decoder_spec {
    const char *library;    /* a shared object; NULL: command */
    const char *command;    /* words as in a shell */
    const char *host;       /* program that loads shared objects; NULL: this one */
    uint64_t timeout_ns;    /* without an answer; 0: DECODER_TIMEOUT_NS */
    unsigned repeat;        /* every so many frames one is asked about again; 0: none */
    const decoder_map *map; /* other names; may be NULL */
    const td_log *log;      /* may be NULL */
    /* 1: the run is to end, and no answer is waited for any more. Any thread; may be NULL. */
    int (*is_stopping)(const void *user);
    const void *user;
} decoder_spec;

#define DECODER_TIMEOUT_NS (UINT64_C(10) * 1000 * 1000 * 1000)
enum { DECODER_REPEAT = 16 };

typedef struct decoder_pool decoder_pool;

/* Start one process, to see that it can be. spec's texts, map and log are borrowed until close.
 * TD_E_INVALID, TD_E_NOTFOUND, TD_E_IO, TD_E_UNSUPPORTED: it cannot; TD_E_IO: stopped; TD_E_NOMEM.
 */
TD_MUST_USE td_result decoder_pool_open(const decoder_spec *spec, decoder_pool **out, td_err *err);

/* End all processes; no thread asks any more. */
void decoder_pool_close(decoder_pool *pool);

/* For tape_options. Its read gives TD_E_LIMIT after LIMIT_DECODER_RESTARTS restarts, and after
 * LIMIT_DECODER_FIRST_RESTARTS if no process has answered anything by then; TD_E_* when a process
 * cannot be started again; TD_E_IO once is_stopping says so. */
const tape_decoding *decoder_pool_decoding(decoder_pool *pool);

/* 1 once read failed because of is_stopping alone. */
int decoder_pool_was_stopped(const decoder_pool *pool);

decoder_findings *decoder_pool_findings(decoder_pool *pool);

/* Processes that were started in the place of others, until the findings ended. */
unsigned decoder_pool_restarts(const decoder_pool *pool);

/* What the decoder calls itself in its greeting, or "". */
const char *decoder_pool_name(const decoder_pool *pool);

#endif
