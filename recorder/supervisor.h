/* Runs a recorder: opens the session, runs the connections and their recording
 * (recorder/pipeline/recording.h), and stops in an order that loses nothing: it closes connections
 * first. */
#ifndef TD_RECORDER_SUPERVISOR_H
#define TD_RECORDER_SUPERVISOR_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "format/chain.h"
#include "recorder/config.h"
#include "recorder/pipeline/recording.h"
#include "recorder/reload.h"
#include "recorder/takeover.h"

typedef struct supervisor supervisor;

/* Current totals, for the status line and the final report. */
typedef struct supervisor_status {
    recording_stats recording;
    uint64_t feeds, live; /* live: feeds with all subscription requests answered */
    uint64_t established; /* slots that have had a connection */
    uint64_t http_failures;
    uint64_t elapsed_ns;
    uint8_t is_clock_wrong; /* 1: ended because the wall clock went back; open a new session */
} supervisor_status;

typedef struct supervisor_options {
    archive *archive;         /* open for appending, or for reading with `replaces`; borrowed, like
                                 the other pointers */
    const takeover *replaces; /* what the running recorder answered; NULL: none is replaced */
    struct feed_setup *feeds; /* set up before the archive was made (recorder/feed_setup.h); taken.
                                 NULL: they are set up here */
    recorder_config *config;  /* changed by supervisor_reload */
    td_clock clock;
    const td_log *log;
    uint64_t clock_session_mono_ns; /* before this time the clock does not end the session */
    /* Called on the disk thread after each chunk's fdatasync, once per connection in it; lag_ns:
     * the age of the chunk's oldest frame or event. */
    void (*durable)(void *user, const char *feed, const chain_conn *conn, uint64_t lag_ns);
    /* Called on the network thread about every 100 ms. */
    void (*status)(void *user, const supervisor_status *status);
    void *user;
} supervisor_options;

/* Open a supervisor that supervisor_stop can reach; nothing is read or connected yet. */
TD_MUST_USE td_result supervisor_open(const supervisor_options *options, supervisor **out,
                                      td_err *err);

/* With `replaces`: read lists of instruments, connect, and take over from the running recorder once
 * all connections have their topics. *into gets the archive, open for appending; the caller closes
 * it after the supervisor. Any failure before the running recorder was told to end leaves it as it
 * is. TD_E_BUSY: it did not end in time, or there is too little time or space in the ring;
 * TD_E_INVALID: its feeds differ from the configuration's. TD_E_BUSY also if supervisor_stop was
 * called. */
TD_MUST_USE td_result supervisor_take_over(supervisor *self, archive **into, td_err *err);

/* Unless supervisor_take_over did: read lists of instruments, recover, open the session, start the
 * threads. TD_E_NOSPACE: less than min_free is free, and nothing was written; TD_E_BUSY:
 * supervisor_stop was called while lists were read. Then record until one of these happens:
 *
 *   TD_OK                  a stop (supervisor_stop, duration, max_frames, until_close), or the wall
 *                          clock was set back so far that the session's times are wrong
 *                          (is_clock_wrong in final)
 *   TD_E_IO, TD_E_NOSPACE  recording cannot continue
 *   TD_E_NETWORK           every feed was refused for good before any connection was open, or a
 *                          strict feed's subscription or credentials were refused
 *
 * Everything received before is durable when the function returns, except after TD_E_IO, or if the
 * disk was completely full. If TD_E_NOSPACE only means that less than min_free is free, the session
 * ends like any other. */
TD_MUST_USE td_result supervisor_run(supervisor *self, supervisor_status *final, td_err *err);

/* Ask a running supervisor to stop. Any thread, also a signal handler. */
void supervisor_stop(supervisor *self);

/* The rest of this header is for threads other than the network thread, while supervisor_run runs.
 * Each call waits until the network thread has done it. TD_E_BUSY: the recorder is starting or
 * ending. */

/* A feed, as it is recorded now. */
typedef struct supervisor_feed {
    const char *name, *family; /* live as long as the configuration */
    uint64_t topics, connections;
    uint64_t topics_granted, topics_silent, topics_overdue; /* grants_counts */
    uint64_t topics_refused;                                /* subscriber_refused_count */
    uint64_t live_connections; /* with all subscription requests answered */
    uint64_t down_connections; /* not live for over CONNECTION_DOWN_NS */
    uint64_t connects;         /* connections that were opened in this session */
    uint64_t frames;           /* received in this session */
    uint64_t end_notices;      /* announced ends of connections: schema/end_notice.h */
    uint64_t last_data_ns;     /* receive time of its last data; 0: none yet */
} supervisor_feed;

/* Get the totals, and the feeds that are recorded. */
TD_MUST_USE td_result supervisor_get_status(supervisor *self, supervisor_status *out,
                                            supervisor_feed feeds[LIMIT_FEEDS], size_t *feed_count,
                                            td_err *err);

/* Prepare to be replaced by another process (takeover.h). TD_E_BUSY: also if a connection is being
 * replaced. The caller frees *out. supervisor_stop_replaced: stop, because it has taken over. */
TD_MUST_USE td_result supervisor_prepare_replace(supervisor *self, takeover *out, td_err *err);
TD_MUST_USE td_result supervisor_stop_replaced(supervisor *self, td_err *err);

/* Let each feed's next message begin a segment. */
TD_MUST_USE td_result supervisor_rotate(supervisor *self, td_err *err);

/* Record what a finished configuration wants, without touching anything else: feeds that it adds
 * start, feeds that it lacks end as planned, and topics of feeds in both begin and end. Feeds and
 * texts are moved out of it. TD_E_INVALID, TD_E_LIMIT, TD_E_IO, TD_E_NETWORK (a list of instruments
 * cannot be read): nothing has changed. */
TD_MUST_USE td_result supervisor_reload(supervisor *self, recorder_config *wanted,
                                        reload_changes *out, td_err *err);

/* Free. NULL is fine. */
void supervisor_close(supervisor *self);

#endif
