/* A feed while it is recorded: its configuration, subscription and credentials, its slots, its open
 * gaps and its HTTP requests; and the list of a recorder's feeds, with what they share. A slot is a
 * connection of one shard and one line. Network thread only. */
#ifndef TD_RECORDER_FEED_H
#define TD_RECORDER_FEED_H

#include <stddef.h>
#include <stdint.h>

#include "archive/archive.h"
#include "archive/feed_slots.h"
#include "recorder/config.h"
#include "recorder/connection.h"
#include "recorder/covered_gaps.h"
#include "recorder/feed_setup.h"
#include "recorder/heal.h"
#include "recorder/http_feed.h"
#include "recorder/pipeline/recording.h"
#include "recorder/snapshot_fetch.h"
#include "recorder/takeover.h"

typedef struct feed_list feed_list;

typedef struct feed {
    feed_list *list; /* that it is in */
    uint16_t index;  /* in the list, the configuration and the pipeline */
    feed_config *config;
    pipeline_feed *pipeline;
    feed_setup *setup;
    open_gaps *gaps[LIMIT_FEED_LINE_NUMBERS];
    http_feed *http;
    connection **slots; /* by shard, then by line */
    size_t slot_count;
} feed;

/* The feeds, in the order of the configuration, and what they share. The caller sets what is
 * borrowed. */
struct feed_list {
    feed items[LIMIT_FEEDS];
    size_t count;
    recorder_config *config; /* borrowed, like loop, recording, log and replaces */
    wire_loop *loop;
    recording *recording;
    td_clock clock;
    const td_log *log;
    const takeover *replaces; /* the recorder that is being replaced; NULL: none */
    feed_setup *setups;       /* LIMIT_FEEDS; borrowed, too */
    connection_env env;       /* of all slots */
    covered_gaps *covered;
    heal *heal;
    snapshot_fetch *snapshots;
};

/* Begin a list without feeds. Close the loop before fini, and the setups after it. */
void feed_list_init(feed_list *self);
void feed_list_fini(feed_list *self);

/* Append the next feed of the configuration, whose setup is in setups already. */
feed *feed_list_add(feed_list *self);

/* Open the fetching of snapshots, before anything starts. */
void feed_list_open_snapshots(feed_list *self);

/* Go through all slots, by feed, shard and line. slot NULL: returns the first one. NULL: the end.
 */
connection *feed_list_next_slot(const feed_list *self, const connection *slot);

/* Stop all slots. */
void feed_list_stop(const feed_list *self, connection_stop_mode mode);

/* Stop the HTTP requests of all feeds. */
void feed_list_stop_http(const feed_list *self);

/* Subscribe books again whose turn it is, or fetch their snapshots. */
void feed_list_heal(const feed_list *self, uint64_t mono_ns);

/* A line may be down for hours while another one has all: split its gap, so that the part until now
 * can be covered. */
void feed_list_split_gaps(const feed_list *self);

/* Number of lines, with free ones; number of shards. */
uint32_t feed_line_count(const feed *self);
uint32_t feed_shard_count(const feed *self);

/* The slot of a line and shard, or NULL. */
connection *feed_connection(const feed *self, size_t line, size_t shard);

/* An idle slot of a shard, or NULL. */
connection *feed_idle_connection(const feed *self, uint32_t shard);

/* 1 if nothing is connected yet, because the list of instruments was not read. */
int feed_waits_for_list(const feed *self);

/* Read what earlier sessions have of the slots. */
TD_MUST_USE td_result feed_read_past(archive_view *view, const feed_config *config,
                                     const feed_setup *setup, uint64_t before_ns, feed_slots *out,
                                     td_err *err);

/* Open the gaps of the feed's slots. */
void feed_open_gaps(feed *self, const feed_slots *past, const gap_list *ledger, uint64_t start_ns);

/* Put the gaps that have begun or stay open into the archive (feed_put_gaps) or into the ring
 * (feed_emit_gaps). */
TD_MUST_USE td_result feed_put_gaps(const feed *self, uint32_t line, td_err *err);
void feed_emit_gaps(feed *self);

/* Open the HTTP requests, and the slots of all shards; nothing starts. */
void feed_open_http(feed *self);
void feed_open_slots(feed *self);

/* Let a slot run for each line of each shard; the others are idle until they take over. */
void feed_start_slots(const feed *self);

/* A slot is live: the feed's HTTP requests are due. With several lines, each proves that it is
 * complete until now, so that a later gap of the other line begins after this time, and can be
 * covered. */
void feed_on_live(const feed *self);

/* A topic was granted on a connection of the feed: fetch its snapshot, if it has to be fetched. */
void feed_on_granted(const feed *self, const connection *by, size_t topic);

/* The live check found the begin or end of a gap. */
void feed_on_found(const feed *self, const gap_row *gap);

/* Topics were added to the subscription, or continue. */
void feed_begin_topics(feed *self, uint32_t shard_count_before, const topic_numbers *begun);

/* Topics of the subscription have ended. why: a remark for the rows. */
void feed_end_topics(const feed *self, const topic_numbers *ended, const char *why);

/* The feed is removed: all its gaps end. */
void feed_end_gaps(const feed *self);

/* Send the requests for changed topics. */
void feed_send_changes(const feed *self);

#endif
