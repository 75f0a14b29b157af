/* Inside of verify: what its parts share. */
#ifndef TD_ARCHIVE_VERIFY_IMPL_H
#define TD_ARCHIVE_VERIFY_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/feed_past.h"
#include "format/segment_verify.h"
#include "archive/verify.h"

/* More findings than this about one segment are counted and not listed. */
enum { VERIFY_FINDINGS_PER_SEGMENT_MAX = 1000 };

/* A finding with memory of its own. */
typedef struct kept_finding {
    verify_severity severity;
    char *segment;
    uint64_t offset;
    char *what;
} kept_finding;

typedef struct finding_list {
    kept_finding *rows;
    size_t count;
    uint8_t is_short; /* 1: no memory for one of them */
} finding_list;

/* Add a finding; segment "" for the archive as a whole. */
void findings_add(finding_list *list, verify_severity severity, const char *segment,
                  uint64_t offset, const char *format, ...) TD_PRINTF(5, 6);
void findings_fini(finding_list *list);

/* One segment after it was read. */
typedef struct checked_segment {
    const archive_segment *listed;
    td_result rc; /* of segment_verify */
    segment_verify_result result;
    char session[SESSION_ID_BYTES];
    char feed[LIMIT_NAME_BYTES];
    char *previous_segment; /* file name, "" for a feed's first; NULL if it cannot say */
    uint32_t number;
    uint64_t first_ns;
    finding_list findings; /* of this segment alone: filled by its own thread */
    uint64_t finding_count;
    uint8_t is_live;
} checked_segment;

typedef struct verification {
    archive *archive;
    const verify_options *options;
    archive_listing listing;
    archive_past past;
    char live[SESSION_ID_BYTES];
    uint8_t has_journal;
    checked_segment *segments; /* as listed */
    size_t segment_count;
    checked_segment **ordered; /* by session, feed and number */
    finding_list findings;
} verification;

/* Read and check every segment, on options->threads threads. */
TD_MUST_USE td_result verify_segments(verification *v, td_err *err);

/* Where this session, feed and number begins in v->ordered, or would. */
size_t verify_first_of(const verification *v, const char *session, const char *feed,
                       uint32_t number);

/* The chain from each segment to the next of its feed, and what the journal knows. */
TD_MUST_USE td_result verify_links(verification *v, td_err *err);

/* The counters of a session from one segment to the next, and what they call dropped against the
 * ledger. */
TD_MUST_USE td_result verify_counters(verification *v, td_err *err);

/* recv_ns over all feeds of each session. */
TD_MUST_USE td_result verify_sessions(verification *v, td_err *err);

/* The catalog against segments and ledger. */
TD_MUST_USE td_result verify_catalog(verification *v, td_err *err);

#endif
