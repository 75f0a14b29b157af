/* The ledger as the complement of coverage: a definition of gaps from recorded facts, independent
 * of the rows that the product writes and derives. Pure: facts in, rows out.
 *
 * A grant covers its topic from its own time to the end of the connection's coverage: the time up
 * to which everything sent was provably received, at most the last data. A gap is a piece of time
 * between the topic's first grant and the end of the recording that no grant covers; its reason is
 * how the coverage before it ended. If later sessions record other feeds only, the recording of the
 * feed ended with its last session. */
#ifndef TD_TESTS_COVERAGE_LAW_H
#define TD_TESTS_COVERAGE_LAW_H

#include <stddef.h>
#include <stdint.h>

#include "archive/gap.h"

typedef enum law_end {
    LAW_LIVE,    /* a process is recording it */
    LAW_STOPPED, /* its end is recorded */
    LAW_CRASHED, /* it has no end, or recovery recorded one */
} law_end;

/* A session of a feed. */
typedef struct law_session {
    const char *feed, *id;
    law_end end;
    uint8_t is_import;
    uint64_t began_ns;          /* a recorder's start; otherwise the first message */
    uint64_t first_ns, last_ns; /* of its received frames; 0 without frames */
    uint64_t end_ns;            /* of its last message of any kind */
    uint64_t stop_ns;           /* of its recorded end; 0: absent */
} law_session;

/* A connection; several segments may repeat it. */
typedef struct law_conn {
    size_t session;
    uint32_t line, shard, conn;
    uint64_t up_ns;
    uint64_t first_data_ns, last_data_ns; /* 0 without data */
    uint64_t first_ns, last_ns;           /* of any received frame */
    uint64_t proven_ns;                   /* everything sent before was received; 0: unknown */
    uint64_t down_ns;                     /* 0: its end is not recorded */
    uint8_t is_stale;                     /* 1: closed because it was silent */
    uint8_t is_by_us;
} law_conn;

/* A topic on a connection. */
typedef struct law_grant {
    size_t conn, topic;
    uint64_t from_ns;
    uint64_t to_ns; /* 0: until its connection ends; equal to from_ns if refused at once */
} law_grant;

typedef struct law_topic {
    const char *feed, *topic, *symbol;
} law_topic;

/* A recorder's session requested a topic. */
typedef struct law_request {
    size_t session, topic;
} law_request;

/* Time in which a feed's segments were pruned, or in which a session wrote nothing for an hour. */
typedef struct law_span {
    const char *feed;
    size_t session; /* for a silent hour */
    uint64_t from_ns, to_ns;
} law_span;

typedef struct law_facts {
    law_session *sessions;
    size_t session_count;
    law_conn *conns;
    size_t conn_count;
    law_grant *grants;
    size_t grant_count;
    law_topic *topics;
    size_t topic_count;
    law_request *requests;
    size_t request_count;
    law_span *pruned;
    size_t pruned_count;
    law_span *silent;
    size_t silent_count;
} law_facts;

/* A piece of time in which a topic is not covered. line, shard: of the coverage before it. */
typedef struct law_gap {
    size_t topic;
    time_reason reason;
    uint32_t line, shard;
    uint64_t from_ns, to_ns; /* to_ns may be GAP_OPEN */
} law_gap;

typedef struct law_gaps {
    law_gap *rows; /* in the order of topic and time */
    size_t count;
} law_gaps;

/* Computes the gaps. The caller frees out->rows. */
void coverage_law(const law_facts *facts, law_gaps *out);

/* The time since which a topic is covered, or 0. */
uint64_t coverage_law_begin(const law_facts *facts, size_t topic);

/* The slot that last covered the topic before a time; 0 if it was never covered. */
int coverage_law_slot(const law_facts *facts, size_t topic, uint64_t before_ns, uint32_t *line,
                      uint32_t *shard);

#endif
