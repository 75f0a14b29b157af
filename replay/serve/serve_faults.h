/* Faults of the replay server: which frames of a tape suffer which one. That follows from the seed
 * and the frame alone, so it is the same in every run, at any speed, for every client. One thread.
 */
#ifndef TD_SERVE_SERVE_FAULTS_H
#define TD_SERVE_SERVE_FAULTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "schema/frame.h"
#include "replay/serve/serve_feeds.h"

typedef enum fault_kind {
    FAULT_DROP,
    FAULT_DELAY,     /* it comes when later ones are due */
    FAULT_DUPLICATE, /* it comes twice */
    FAULT_REORDER,   /* it comes after the next frame of its topic */
    FAULT_TRUNCATE,
    FAULT_CORRUPT,    /* one byte is another */
    FAULT_DISCONNECT, /* after it the connection ends without a close frame */
    FAULT_STALL,      /* after it nothing is sent for a while */
    FAULT_KINDS,
} fault_kind;

enum { SERVE_FAULTS_MAX = 16, SERVE_FAULT_TEXT_BYTES = 256 };

typedef struct fault_rule {
    fault_kind kind;
    uint64_t share;                     /* of frames, times 10^18 */
    uint64_t by_ns;                     /* of a delay, in tape time; of a stall, on the clock */
    char topic[SERVE_FAULT_TEXT_BYTES]; /* a glob, for the topic with or without its symbol */
} fault_rule;

typedef struct serve_faults {
    fault_rule rules[SERVE_FAULTS_MAX];
    size_t count;
    uint64_t seed;
    td_file *log; /* gets a line of JSON for each fault; NULL: none */
} serve_faults;

/* Add the rule of a text, "KIND:p=SHARE[,topic=GLOB][,by=DURATION]". TD_E_INVALID, TD_E_LIMIT. */
TD_MUST_USE td_result serve_faults_add(serve_faults *faults, const char *text, td_err *err);

/* TD_OK if each rule's glob fits a topic of the feeds, which were selected from this archive; else
 * TD_E_NOTFOUND with a hint, or why the archive could not be read. */
TD_MUST_USE td_result serve_faults_check(const serve_faults *faults, const serve_feeds *feeds,
                                         archive *from, const selection *wanted, td_err *err);

/* The first rule that this frame suffers, or NULL; *number: 64 bits for what the fault chooses. */
const fault_rule *serve_faults_find(const serve_faults *faults, const frame_ref *frame,
                                    uint64_t *number);

/* The bytes of a truncated or corrupt frame. */
void fault_damage(const fault_rule *rule, uint64_t number, td_bytes bytes, td_buf *out);

/* Log one. TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result serve_faults_log(const serve_faults *faults, const fault_rule *rule,
                                       const frame_ref *frame, td_err *err);

#endif
