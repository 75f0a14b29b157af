#include "replay/play/keyboard.h"

#include <poll.h>
#include <pthread.h>
#include <termios.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"

struct keyboard {
    int fd;
    struct termios before, raw;
    pthread_mutex_t mutex; /* protects the terminal's mode */
    int is_raw;
    int is_released; /* the process is about to be suspended or to end */
    int escape;      /* number of bytes of an arrow's "ESC [ C" read so far */
};

int keyboard_has_terminal(const keyboard *self)
{
    return tcgetpgrp(self->fd) == getpgrp();
}

/* Set the terminal's mode; called under the mutex. Sets nothing in the background: the shell has
 * set its own mode, and the next wait in the foreground makes the terminal raw. */
static void set_mode(keyboard *self, int is_raw)
{
    if (is_raw == self->is_raw)
        return;
    int is_foreground = keyboard_has_terminal(self);
    if (is_foreground) {
        /* a failure does no harm: keys then arrive a line at a time */
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
    self->is_released = is_released; /* under the same lock as the mode, or a wait in between would
                                        make it raw again */
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
    TD_ASSERT(failure == 0); /* default attributes cannot fail */
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

/* Find the command of a byte from the terminal. NULL: the byte is the first or second byte of an
 * arrow, or an unknown key. */
static const control_command *command_of(keyboard *self, char byte)
{
    if (byte == '\x1b' || (self->escape == 1 && (byte == '[' || byte == 'O'))) {
        self->escape = byte == '\x1b' ? 1 : 2;
        return NULL;
    }
    int is_arrow = self->escape == 2;
    self->escape = 0;
    return is_arrow ? control_find_arrow(byte) : control_find_key(byte);
}

size_t keyboard_wait(keyboard *self, uint64_t wait_ns,
                     const control_command *out[KEYBOARD_COMMANDS_MAX])
{
    make_raw(self);
    struct pollfd ready = {.fd = keyboard_has_terminal(self) ? self->fd : -1, .events = POLLIN};
    struct timespec timeout = {.tv_sec = (time_t)(wait_ns / TD_NS_PER_S),
                               .tv_nsec = (long)(wait_ns % TD_NS_PER_S)};
    if (ppoll(&ready, 1, &timeout, NULL) <= 0)
        return 0;
    char keys[KEYBOARD_COMMANDS_MAX];
    size_t count = 0;
    ssize_t size = read(self->fd, keys, sizeof keys);
    for (ssize_t i = 0; i < size; i++) {
        out[count] = command_of(self, keys[i]);
        count += out[count] != NULL;
    }
    if (size == 0) /* the terminal closed */
        out[count++] = control_find_key('q');
    return count;
}
