/* A tape of a replay server: when it starts, and when each of its frames is sent to which of its
 * clients. One thread. */
#ifndef TD_SERVE_SERVE_TAPE_H
#define TD_SERVE_SERVE_TAPE_H

#include "replay/serve/serve_client.h"
#include "tape/cursor.h"

typedef struct serve_tape {
    serve *owner;
    struct serve_tape *next;
    serve_client *clients;
    const char **feed_names; /* feeds that it selects */
    size_t feed_count;
    uint64_t start_ns; /* real time at which it begins to play */
    uint64_t begin_ns; /* receive time at which its selection begins; 0: unbounded */
    uint8_t
        has_shift;   /* 1: shift_s is set: its first frame was read, or an HTTP reply was shifted */
    int64_t shift_s; /* seconds from the first frame's time to the present */
    uint64_t stalled_ns;  /* real time at which a stall fault ends */
    uint8_t is_at_end;    /* 1: there are no more frames */
    uint64_t waiting_ns;  /* real time since which it waits for clients; 0: it does not wait */
    uint64_t late_due_ns; /* due time of the frame with which the tape became late; 0: not late */
    size_t away;          /* clients closed by a recorded disconnect that have not returned */
    uint8_t waits_for_return; /* 1: a recorded disconnect closed its clients; it stops until one of
                                 them reconnects */
    uint8_t has_frames;       /* 1: it sent a frame since its start or its last rewind */
    uint64_t asks_until_ns; /* at its end, with causes: real time until which it waits for requests
                               of clients; 0: not set */
    uint8_t is_over;        /* 1: it has ended, and unsent frames were counted */
    wire_timer *timer;      /* for its start, the next frame, or the wait for clients */
    pacer pacer;
    cursor *cursor;         /* NULL until it starts */
    const frame_ref *frame; /* the frame that was read and is not sent yet; NULL: no frame */
    /* Ends of recorded connections, all before `frame`; those from end_at on are not due yet. */
    struct recorded_end *ends;
    size_t end_at, end_count;
    uint64_t at_ns;         /* receive time of the last sent frame; 0: no frame */
    serve_books books;      /* states of the books after the last due frame */
    cursor *missing_reader; /* reads missing books up to the tape's position; NULL: not needed */
    serve_books missing_books;
    struct held_frame
        *held; /* frames that faults hold back, in the order in which they were held */
} serve_tape;

/* A client subscribed: restart its settle delay, or, if its tape plays, let its new books start
 * with snapshots. */
void serve_tape_subscribed(serve_client *client);

/* A request was answered: send the snapshots that it made necessary. */
void serve_tape_answered(serve_client *client);

/* The server has causes (serve_causes.h), and a client sent a request about orders: what the
 * recorded one caused becomes due. */
void serve_tape_ask(serve_client *client, const dialect_request *request);

/* Call when the client's queue is empty. */
void serve_tape_drained(serve_client *client);

/* Call when the client is closed. */
void serve_tape_leave(serve_client *client);

/* The newest tape that plays, or NULL. */
serve_tape *serve_newest_tape(const serve *server);

/* The newest tape with a client that has the topic, or NULL; if it has not started and its clients
 * will join another one, that one. */
serve_tape *serve_tape_of_topic(const serve *server, const served_topic *topic);

/* 1 if the tape's books have the state of its position; 0 for NULL, and while it begins or reads up
 * to the target of a seek. */
int serve_tape_has_state(const serve_tape *tape);

/* What a tape has not sent yet: its frames from its position on. NULL, or one that has not started:
 * the whole selection. */
selection serve_tape_rest(const serve *server, const serve_tape *tape);

/* How tapes are read. */
cursor_options serve_tape_reading(const serve *server);

/* The seconds by which a tape's times are shifted. For a tape without frames so far, the shift is
 * set so that at_ns is now; tape NULL: that shift. */
int64_t serve_tape_shift_s(const serve *server, serve_tape *tape, uint64_t at_ns);

/* The newest tape's position: receive time of its last sent frame, or of its first frame; 0: no
 * tape plays. */
uint64_t serve_position(const serve *server);

/* Apply the changes that a control made to this pacer (speed, pause, steps, a seek) to each tape
 * that plays. Later tapes start with the same speed and pause. */
void serve_tapes_apply_control(serve *server, const pacer *change);

/* Keep the same changes for the tapes of clients that wait for theirs; while no tape plays, also
 * for clients that connect later. */
void serve_tapes_keep_control(serve *server, const pacer *change);

/* Free all tapes; they must have no clients. */
void serve_tapes_close(serve *server);

#endif
