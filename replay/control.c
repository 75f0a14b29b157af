#include "replay/control.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/time_text.h"

enum { LINE_BYTES = 256 };

struct control {
    int fd;
    control_target on;
    char line[LINE_BYTES];
    size_t size;     /* of line that is filled */
    uint8_t is_over; /* no command will come */
    uint8_t owes_answer;
    uint8_t was_paused; /* when the last line was printed */
};

control *control_open(int fd, const control_target *target)
{
    control *made = td_alloc_zero(1, sizeof *made);
    *made = (control){.fd = fd, .on = *target, .was_paused = target->pacer->is_paused};
    return made;
}

void control_close(control *self)
{
    td_free(self);
}

int control_is_open(const control *self)
{
    return self != NULL && !self->is_over;
}

/* ---- answers ---- */

static const char *position_name(const pacer *p)
{
    return p->is_at_end ? "end" : p->is_paused ? "paused" : "playing";
}

static void begin_line(const control *self, result_writer *r)
{
    result_begin(r, self->on.output, &(json_options){1});
    result_object_begin(r, NULL);
}

static void end_line(control *self, result_writer *r)
{
    result_object_end(r, NULL);
    result_end(r);
    output_flush(self->on.output);
    self->owes_answer = 0;
}

static void print_position(control *self)
{
    const pacer *p = self->on.pacer;
    char speed[TD_DECIMAL_TEXT_BYTES];
    result_writer r;
    begin_line(self, &r);
    pacer_speed_format(p->options.speed, speed);
    result_text(&r, "state", position_name(p));
    result_number(&r, "frames", p->frames);
    result_text(&r, "speed", speed);
    if (self->on.last->is_set)
        last_frame_describe(self->on.last, &r, "frame");
    else
        result_null(&r, "frame");
    end_line(self, &r);
    self->was_paused = p->is_paused;
}

static void print_error(control *self, const td_err *err)
{
    result_writer r;
    begin_line(self, &r);
    result_text(&r, "error", err->text);
    end_line(self, &r);
}

/* ---- commands ---- */

static td_result refuse_back(int is_done, td_err *err)
{
    return is_done ? TD_OK : td_err_set(err, TD_E_UNSUPPORTED, "plugins cannot go back");
}

static td_result seek(const control *self, const char *text, td_err *err)
{
    pacer *p = self->on.pacer;
    td_time_spec to;
    td_result rc = td_time_parse(text, clock_wall_ns(self->on.clock), TD_DATE_BEGINS, &to, err);
    if (rc != TD_OK)
        return rc;
    uint64_t at_ns = to.kind == TD_TIME_SINCE_FIRST ? p->first_ns + to.ns : to.ns;
    return refuse_back(pacer_seek_time(p, at_ns), err);
}

static td_result set_speed(const control *self, const char *text, td_err *err)
{
    pacer_speed speed;
    td_result rc = pacer_speed_parse(text, &speed, err);
    if (rc == TD_OK)
        pacer_set_speed(self->on.pacer, speed);
    return rc;
}

/* The command of a line, and its argument ("": none). */
static td_result run_command(control *self, const char *name, const char *argument, td_err *err)
{
    pacer *p = self->on.pacer;
    self->owes_answer = 1;
    if (strcmp(name, "pause") == 0)
        pacer_pause(p);
    else if (strcmp(name, "resume") == 0)
        pacer_resume(p);
    else if (strcmp(name, "step") == 0)
        pacer_step(p);
    else if (strcmp(name, "back") == 0)
        return refuse_back(pacer_back(p), err);
    else if (strcmp(name, "seek") == 0)
        return seek(self, argument, err);
    else if (strcmp(name, "speed") == 0)
        return set_speed(self, argument, err);
    else if (strcmp(name, "status") != 0)
        return td_err_set(err, TD_E_INVALID,
                          "'%s': expected pause, resume, step, back, seek TIME, speed N, status or "
                          "quit",
                          name);
    return TD_OK;
}

/* A step, forward or back, needs a paused tape. */
static int waits_for_pause(const control *self, const char *end)
{
    td_bytes line = td_bytes_of(self->line, (size_t)(end - self->line));
    return !self->on.pacer->is_paused && (td_bytes_is(line, "step") || td_bytes_is(line, "back"));
}

/* Run the first line, which ends there. */
static pacer_answer run_line(control *self, char *end)
{
    *end = '\0';
    char *argument = strchr(self->line, ' ');
    if (argument != NULL)
        *argument++ = '\0';
    if (strcmp(self->line, "quit") == 0)
        return PACER_STOP;
    td_err err;
    td_err_clear(&err);
    if (run_command(self, self->line, argument == NULL ? "" : argument, &err) != TD_OK)
        print_error(self, &err);
    if (strcmp(self->line, "resume") == 0)
        print_position(self); /* before the next pause, which has a line of its own */
    self->size -= (size_t)(end + 1 - self->line);
    memmove(self->line, end + 1, self->size);
    return PACER_GO;
}

/* Read on, once every line was run. A last line may lack its end; one that is too long ends the
 * commands. */
static void read_more(control *self)
{
    ssize_t count = read(self->fd, self->line + self->size, sizeof self->line - self->size);
    if (count > 0) {
        self->size += (size_t)count;
    } else if (count == 0 && self->size > 0 && self->size < sizeof self->line) {
        self->line[self->size++] = '\n';
    } else {
        self->is_over = 1;
        pacer_resume(self->on.pacer);
    }
}

pacer_answer control_wait(control *self, uint64_t wait_ns)
{
    const pacer *p = self->on.pacer;
    if (p->is_seeking || p->step_count > 0)
        return PACER_GO;
    if (self->owes_answer || (p->is_paused && !self->was_paused))
        print_position(self);
    self->was_paused = p->is_paused;
    if (output_is_broken(self->on.output))
        return PACER_STOP;
    char *end = memchr(self->line, '\n', self->size);
    int is_held = end != NULL && waits_for_pause(self, end);
    if (end != NULL && !is_held)
        return run_line(self, end);
    struct pollfd ready = {.fd = is_held ? -1 : self->fd, .events = POLLIN};
    struct timespec timeout = {.tv_sec = (time_t)(wait_ns / TD_NS_PER_S),
                               .tv_nsec = (long)(wait_ns % TD_NS_PER_S)};
    if (ppoll(&ready, 1, &timeout, NULL) > 0)
        read_more(self);
    return PACER_GO;
}
