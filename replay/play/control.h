/* Commands that control a playing tape. One table has their keys on a terminal
 * (replay/play/keyboard.h), their names in requests (`/control/` of serve) and what they do to a
 * pacer. Any thread. */
#ifndef TD_PLAY_CONTROL_H
#define TD_PLAY_CONTROL_H

#include "base/bytes.h"
#include "replay/play/pacer.h"

typedef enum control_effect {
    CONTROL_PAUSE,
    CONTROL_RESUME,
    CONTROL_TOGGLE,    /* pause, or resume */
    CONTROL_STEP,      /* one frame, while paused */
    CONTROL_BACK,      /* pause, and go one frame back */
    CONTROL_SEEK,      /* to the first frame that was received at ns or later */
    CONTROL_SKIP,      /* ns of tape forward, and at least to the next frame */
    CONTROL_SKIP_BACK, /* ns of tape back */
    CONTROL_SPEED,
    CONTROL_FASTER, /* twice as fast */
    CONTROL_SLOWER, /* half as fast */
    CONTROL_QUIT,
} control_effect;

/* The argument of a request, and its name in texts. */
typedef enum control_argument {
    CONTROL_NOTHING,
    CONTROL_TO_TIME,  /* TIME: CONTROL_SEEK's ns */
    CONTROL_TO_SPEED, /* N: CONTROL_SPEED's speed */
} control_argument;

typedef struct control_value {
    uint64_t ns;
    pacer_speed speed;
} control_value;

typedef struct control_command {
    control_effect effect;
    const char *name;          /* in requests; NULL: it is a key only */
    control_argument argument; /* of requests */
    char key;                  /* '\0': it is in requests only */
    char arrow;                /* last byte that the terminal sends for an arrow that is the same */
    const char *label;         /* of the key or arrow, and what it is for, in texts */
    const char *use;
    control_value value; /* of the key */
} control_command;

/* The row of a key, of an arrow's last byte ("ESC [ C"), or of a request's name; NULL without one.
 */
const control_command *control_find_key(char key);
const control_command *control_find_arrow(char last);
const control_command *control_find_name(td_bytes name);

/* Apply a command, with the key's value or a request's. PACER_STOP: it ends the replay. */
pacer_answer control_apply(pacer *pacer, const control_command *command,
                           const control_value *value);

typedef struct control_text {
    char text[128];
} control_text;

/* "space: pause  right left: one frame …": the keys without those in left_out. */
control_text control_list_keys(const char *left_out);

/* "pause, resume, … or speed?to=N": the requests. */
control_text control_list_names(void);

#endif
