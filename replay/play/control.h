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
    CONTROL_TOGGLE,    /* pause or resume */
    CONTROL_STEP,      /* play one frame, while paused */
    CONTROL_BACK,      /* pause, and go one frame back */
    CONTROL_SEEK,      /* go to the first frame that was received at ns or later */
    CONTROL_SKIP,      /* skip ns of tape, and at least to the next frame */
    CONTROL_SKIP_BACK, /* skip back ns of tape */
    CONTROL_SPEED,
    CONTROL_FASTER, /* twice as fast */
    CONTROL_SLOWER, /* half as fast */
    CONTROL_QUIT,
} control_effect;

/* The argument of a request. */
typedef enum control_argument {
    CONTROL_NOTHING,
    CONTROL_TO_TIME,  /* TIME: control_value.ns */
    CONTROL_TO_SPEED, /* N: control_value.speed */
} control_argument;

typedef struct control_value {
    uint64_t ns;
    pacer_speed speed;
} control_value;

typedef struct control_command {
    control_effect effect;
    const char *name;          /* name in requests; NULL: only a key has this command */
    control_argument argument; /* argument that requests give */
    char key;                  /* '\0': only requests have this command */
    char arrow; /* last byte of the escape sequence of an arrow with the same effect; '\0': no arrow
                 */
    const char *label; /* names of the key (or arrow) and of its effect, in help texts */
    const char *use;
    control_value value; /* the key's value */
} control_command;

/* Find a command by its key, by an arrow's last byte ("ESC [ C"), or by the name of a request. NULL
 * if unknown. */
const control_command *control_find_key(char key);
const control_command *control_find_arrow(char last);
const control_command *control_find_name(td_bytes name);

/* Apply a command, with the value of a key or of a request. PACER_STOP: the command ends the
 * replay. */
pacer_answer control_apply(pacer *pacer, const control_command *command,
                           const control_value *value);

typedef struct control_text {
    char text[128];
} control_text;

/* "space: pause  right left: one frame …": the keys, except those in left_out. */
control_text control_list_keys(const char *left_out);

/* "pause, resume, … or speed?to=N": the requests. */
control_text control_list_names(void);

#endif
