/* When a topic is silent for far longer than usual, while its connection delivers others. A slot
 * notes what its present connection delivers, a topic its rhythm (rhythm.h) and its silence. Pure;
 * one thread. */
#ifndef TD_PIPELINE_LIVE_SILENCE_H
#define TD_PIPELINE_LIVE_SILENCE_H

#include <stddef.h>
#include <stdint.h>

#include "recorder/pipeline/rhythm.h"

/* What the present connection of a slot delivers. The first three members are the user's. */
typedef struct live_slot {
    uint32_t line, shard;
    struct live_slot *next;
    uint32_t conn;
    uint64_t since_ns, last_ns; /* its first frame, or the first one after a pause; its last one */
    uint64_t since_sent_ns;     /* that first frame was sent after this time */
} live_slot;

/* Of a topic of the slot; zero before its first frame. */
typedef struct live_silence {
    live_slot *slot;
    rhythm rhythm;
    uint64_t heard_ns;    /* its last frame, checked or not; or when frames were skipped */
    uint64_t sent_ns;     /* that frame was sent after this time */
    uint64_t from_ns;     /* 0: not silent */
    uint64_t row_ns;      /* from_ns of the last silence: each has its own, as its gap's key */
    uint64_t reported_ns; /* when its silence was last reported */
} live_silence;

/* The slot has a frame of connection conn, of any topic, which was sent after sent_ns. */
void live_slot_hear(live_slot *self, uint32_t conn, uint64_t recv_ns, uint64_t sent_ns);

/* The topic has a frame, which the slot has noted: its silence ends. After another connection's
 * frame call rhythm_restart before. */
void live_silence_hear(live_silence *self, uint64_t recv_ns, uint64_t sent_ns);

/* Once a second: 1 if the topic is silent since from_ns, and this is to be reported now: the first
 * time, and again each minute, because the topic may not have been subscribed the last time. The
 * silence begins when the last frame can have been sent: if it was read late, the first frames that
 * did not come may be older than the moment of reading.
 * factor: how much longer than usual a silence may be; 0: any. */
int live_silence_is_found(live_silence *self, uint64_t factor, uint64_t now_ns);

/* Write about the silence: "no frame for 40 s, before never for more than 2 s". */
void live_silence_text(const live_silence *self, char *out, size_t size);

#endif
