/* The frame that a replay played last, its verdict, and its topic's track. The frame is a copy,
 * valid until the next frame is played. Filled by an observer of a player with one thread. */
#ifndef TD_REPLAY_LAST_FRAME_H
#define TD_REPLAY_LAST_FRAME_H

#include "base/buf.h"
#include "base/limits.h"
#include "base/cli/result.h"
#include "replay/play/observer.h"
#include "replay/play/symbol_book.h"

typedef struct last_frame {
    uint8_t is_set;
    frame_ref frame;       /* without content and block; its channel belongs to the tape */
    const char *undecoded; /* the reason; NULL: decoded, or needs no decoding */
    verdict rules;         /* empty: not checked */
    const track *track;    /* owned by the player; NULL: no track */
    uint8_t is_trusted;    /* 1: the track's state is right (tape/topic_trust.h) */
    td_buf bytes;          /* the frame's bytes */
    td_buf levels;         /* the msg_levels of a frame that changes a book */
    uint8_t keeps_before;  /* 1: keep a copy of each topic's book, for `before`; set it before the
                              first frame */
    const book *before;    /* the topic's book before the frame, during is_met; NULL: this is the
                              first frame of its connection */
    /* Conditions to evaluate; may be NULL. is_met is called if the frame meets a condition. The
     * observer returns the result of is_met, so TD_EOF ends the play. */
    struct conditions *conditions;
    td_result (*is_met)(void *user);
    void *user;
    const struct condition_match *met; /* the condition that the frame met, or NULL */
    /* For the book of the symbol of a frame that met a condition. player NULL: not shown. */
    player *player;         /* plays the frames; set before the first one */
    cursor *tape;           /* the player's */
    const gap_list *ledger; /* the observer's */
    uint8_t is_narrow;      /* 1: the selection names feeds or topics, so it may lack books */
} last_frame;

/* Initialise without a frame and without conditions. fini frees its copies. */
void last_frame_init(last_frame *self);
void last_frame_fini(last_frame *self);

/* Forget the frame, before the tape and the player close. The conditions stay. */
void last_frame_clear(last_frame *self);

/* The observer that fills it. ledger: see observer. */
observer last_frame_observer(last_frame *self, const gap_list *ledger);

/* The book of the symbol, at a frame that met a condition and changes no book itself, such as a
 * trade. Returns 0 if the frame names no symbol, or changes a book. words gets the topic and why
 * the book is not shown; "": it is shown. */
enum { LAST_FRAME_WORDS_BYTES = LIMIT_SYMBOL_BYTES + LIMIT_TOPIC_BYTES + LIMIT_NAME_BYTES + 128 };
int last_frame_symbol_book(const last_frame *self, symbol_book *out,
                           char words[LAST_FRAME_WORDS_BYTES]);

/* What JSON has of the frame's book, besides its best prices. */
typedef enum last_frame_book {
    LAST_FRAME_BEST,   /* nothing: of many frames, levels would be most of the output */
    LAST_FRAME_LEVELS, /* its levels, and how `before` differs; needs keeps_before */
} last_frame_book;

/* Describe the frame, its verdict and its book: an object; as text, two lines. */
void last_frame_describe(const last_frame *self, result_writer *r, const char *name,
                         last_frame_book parts);

#endif
