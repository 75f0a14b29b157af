#include "play/keyboard.h"

#include <poll.h>
#include <pthread.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"

#define JUMP_NS (10 * TD_NS_PER_S)

enum { SPEED_STEPS_MAX = 20 }; /* a million times, and its inverse at six places */

struct keyboard {
    int fd;
    struct termios before, raw;
    pthread_mutex_t mutex; /* over the terminal's mode */
    int is_raw;
    int is_released; /* the process is about to stop */
    int escape;      /* bytes of an arrow's "ESC [ C" that were read */
};

int keyboard_has_terminal(const keyboard *self)
{
    return tcgetpgrp(self->fd) == getpgrp();
}

/* Under the mutex. In the background nothing is set: the shell has set its own mode, and the next
 * wait in the foreground makes it raw. */
static void set_mode(keyboard *self, int is_raw)
{
    if (is_raw == self->is_raw)
        return;
    int is_foreground = keyboard_has_terminal(self);
    if (is_foreground) {
        /* where it fails, keys come a line at a time: no harm */
        (void)tcsetattr(self->fd, TCSANOW, is_raw ? &self->raw : &self->before);
    }
    self->is_raw = is_raw && is_foreground;
}

static void make_raw(keyboard *self)
{
    pthread_mutex_lock(&self->mutex);
    if (!self->is_released)
        set_mode(self, 1);
    pthread_mutex_unlock(&self->mutex);
}

void keyboard_release(keyboard *self, int is_released)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->mutex);
    self->is_released = is_released; /* with the mode: a wait in between would make it raw again */
    if (is_released)
        set_mode(self, 0);
    pthread_mutex_unlock(&self->mutex);
}

td_result keyboard_open(int fd, keyboard **out, td_err *err)
{
    struct termios now;
    if (tcgetattr(fd, &now) != 0)
        return td_err_set(err, TD_E_UNSUPPORTED, "no terminal to read keys from");
    keyboard *made = td_alloc_zero(1, sizeof *made);
    *made = (keyboard){.fd = fd, .before = now};
    int failure = pthread_mutex_init(&made->mutex, NULL);
    TD_ASSERT(failure == 0); /* of the default kind: it needs nothing */
    now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    now.c_cc[VMIN] = 0;
    now.c_cc[VTIME] = 0;
    made->raw = now;
    make_raw(made);
    *out = made;
    return TD_OK;
}

void keyboard_close(keyboard *self)
{
    if (self == NULL)
        return;
    keyboard_release(self, 1);
    pthread_mutex_destroy(&self->mutex);
    td_free(self);
}

/* Twice as fast, or half; stays where it is at the bounds. */
static void change_speed(pacer *p, int64_t multiplier, int64_t divisor)
{
    if (p->options.speed.is_max)
        return;
    td_decimal value = p->options.speed.value;
    if (value.mantissa % divisor != 0) {
        int64_t finer;
        if (value.scale >= SPEED_STEPS_MAX / 3 ||
            td_decimal_rescale(value, (uint8_t)(value.scale + 1), &finer) != TD_OK)
            return;
        value = (td_decimal){finer, (uint8_t)(value.scale + 1)};
    }
    if (value.mantissa / divisor > INT64_MAX / (1 << SPEED_STEPS_MAX))
        return;
    value.mantissa = value.mantissa / divisor * multiplier;
    TD_ASSERT(value.mantissa > 0);
    pacer_set_speed(p, (pacer_speed){.value = td_decimal_shortest(value)});
}

pacer_answer keyboard_apply(pacer *p, char key)
{
    switch (key) {
    case ' ':
        if (p->is_paused)
            pacer_resume(p);
        else
            pacer_pause(p);
        break;
    case '.':
        pacer_step(p);
        break;
    case ',':
        pacer_pause(p);
        (void)pacer_back(p); /* 0: it stays where it is */
        break;
    case '+':
        change_speed(p, 2, 1);
        break;
    case '-':
        change_speed(p, 1, 2);
        break;
    case '1':
        pacer_set_speed(p, (pacer_speed){.value = {1, 0}});
        break;
    case 'm':
        pacer_set_speed(p, (pacer_speed){.is_max = 1});
        break;
    case 'f':
        pacer_skip(p, JUMP_NS);
        break;
    case 'b':
        (void)pacer_skip_back(p, JUMP_NS); /* 0: it stays where it is */
        break;
    case 'q':
        return PACER_STOP;
    default: /* other keys mean nothing */
        break;
    }
    return PACER_GO;
}

/* A byte that the terminal sends, as a key; '\0': an arrow's first bytes. */
static char key_of(keyboard *self, char byte)
{
    static const char ARROWS[] = "+-.,"; /* of A, B, C and D */
    if (byte == '\x1b' || (self->escape == 1 && (byte == '[' || byte == 'O'))) {
        self->escape = byte == '\x1b' ? 1 : 2;
        return '\0';
    }
    int is_arrow = self->escape == 2;
    self->escape = 0;
    if (!is_arrow)
        return byte;
    if (byte < 'A' || byte > 'D')
        return '\0';
    return ARROWS[byte - 'A'];
}

pacer_answer keyboard_wait(keyboard *self, pacer *p, uint64_t wait_ns)
{
    make_raw(self);
    struct pollfd ready = {.fd = keyboard_has_terminal(self) ? self->fd : -1, .events = POLLIN};
    struct timespec timeout = {.tv_sec = (time_t)(wait_ns / TD_NS_PER_S),
                               .tv_nsec = (long)(wait_ns % TD_NS_PER_S)};
    if (ppoll(&ready, 1, &timeout, NULL) <= 0)
        return PACER_GO;
    char keys[16];
    ssize_t count = read(self->fd, keys, sizeof keys);
    for (ssize_t i = 0; i < count; i++) {
        if (keyboard_apply(p, key_of(self, keys[i])) == PACER_STOP)
            return PACER_STOP;
    }
    return count == 0 ? PACER_STOP : PACER_GO; /* the terminal went away */
}
