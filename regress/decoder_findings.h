/* What went wrong with a user's decoder, frame by frame: counted by kind, the first of each kind
 * listed. Any thread may add. */
#ifndef TD_REGRESS_DECODER_FINDINGS_H
#define TD_REGRESS_DECODER_FINDINGS_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "schema/decode.h"

/* One of them; texts are empty where there is nothing to say. */
typedef struct decoder_finding {
    decode_reason reason; /* DECODE_REFUSED to DECODE_UNSTABLE */
    const char *feed, *topic, *symbol;
    uint64_t recv_ns;
    uint16_t id;           /* low 16 bits of XXH64 of the frame's bytes */
    const char *what;      /* "signal 11 (SIGSEGV)", "no answer in 10 s", "levels[0].px: unknown
                              member", the decoder's own words */
    const char *reply;     /* the answer, cut after some hundred bytes */
    const char *last_line; /* on its standard error */
} decoder_finding;

typedef struct decoder_findings decoder_findings;

/* NULL without memory. */
TD_MUST_USE decoder_findings *decoder_findings_open(void);
void decoder_findings_close(decoder_findings *findings);

/* What is found from now on is not added: frames are looked at again. */
void decoder_findings_end(decoder_findings *findings);
int decoder_findings_have_ended(decoder_findings *findings);

/* Add one; everything is copied. Of each kind those that were received first are kept, up to
 * LIMIT_DECODER_FINDINGS. TD_E_NOMEM. */
TD_MUST_USE td_result decoder_findings_add(decoder_findings *findings, const decoder_finding *found,
                                           td_err *err);

/* How many of a kind there were, and of all kinds. */
uint64_t decoder_findings_count(const decoder_findings *findings, decode_reason reason);
uint64_t decoder_findings_total(const decoder_findings *findings);

/* Those that are listed, by receive time; *count of them. Valid until the next call. Nothing may be
 * added meanwhile. */
const decoder_finding *decoder_findings_list(decoder_findings *findings, size_t *count);

#endif
