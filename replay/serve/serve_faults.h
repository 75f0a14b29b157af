/* Faults of the replay server: decides which frames of a tape get which fault. The choice depends
 * only on the seed and the frame, so it is the same in every run, at any speed, for every client.
 * One thread. */
#ifndef TD_SERVE_SERVE_FAULTS_H
#define TD_SERVE_SERVE_FAULTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "schema/frame.h"
#include "replay/serve/serve_feeds.h"

typedef enum serve_fault_kind {
    FAULT_DROP,
    FAULT_DELAY,     /* sent when later frames are due */
    FAULT_DUPLICATE, /* sent twice */
    FAULT_REORDER,   /* sent after the next frame of its topic */
    FAULT_TRUNCATE,
    FAULT_CORRUPT,    /* one byte is changed */
    FAULT_DISCONNECT, /* after the frame, the connection ends without a close frame */
    FAULT_STALL,      /* after the frame, nothing is sent for a while */
    FAULT_KINDS,
} serve_fault_kind;

enum { SERVE_FAULTS_MAX = 16, SERVE_FAULT_TEXT_BYTES = 256 };

typedef struct fault_rule {
    serve_fault_kind kind;
    uint64_t share; /* share of frames, times 10^18 */
    uint64_t by_ns; /* length of a delay in tape time, or of a stall in real time */
    char topic[SERVE_FAULT_TEXT_BYTES]; /* a glob, matched with the topic with and without its
                                           symbol */
} fault_rule;

typedef struct serve_faults {
    fault_rule rules[SERVE_FAULTS_MAX];
    size_t count;
    uint64_t seed;
    td_file *log; /* gets a line of JSON for each fault; NULL: no log */
} serve_faults;

/* Parse and add a rule: "KIND:p=SHARE[,topic=GLOB][,by=DURATION]". TD_E_INVALID, TD_E_LIMIT. */
TD_MUST_USE td_result serve_faults_add(serve_faults *faults, const char *text, td_err *err);

/* Check that each rule's glob matches a topic of the feeds, which were selected from this archive.
 * TD_E_NOTFOUND with a hint; or the error of reading the archive. */
TD_MUST_USE td_result serve_faults_check(const serve_faults *faults, const serve_feeds *feeds,
                                         archive *from, const selection *wanted, td_err *err);

/* Find the first rule that applies to this frame, or NULL. *number: 64 random bits for the fault's
 * choices. */
const fault_rule *serve_faults_find(const serve_faults *faults, const frame_ref *frame,
                                    uint64_t *number);

/* Write the frame's bytes, truncated or corrupt. */
void fault_damage(const fault_rule *rule, uint64_t number, td_bytes bytes, td_buf *out);

/* Log a fault. TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result serve_faults_log(const serve_faults *faults, const fault_rule *rule,
                                       const frame_ref *frame, td_err *err);

#endif
