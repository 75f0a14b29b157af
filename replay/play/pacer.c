#include "replay/play/pacer.h"

#include <sys/prctl.h>

#include "base/assert.h"

enum {
    SLEEP_NS_MAX = 200 * 1000 * 1000, /* longest sleep, so the longest delay of a stop request */
    SPEED_SCALE_MAX = 6,
};

__extension__ typedef unsigned __int128 wide;

td_result pacer_speed_parse(const char *text, pacer_speed *out, td_err *err)
{
    td_bytes bytes = td_bytes_str(text);
    *out = (pacer_speed){.is_max = td_bytes_is(bytes, "max") ? 1 : 0};
    if (out->is_max)
        return TD_OK;
    td_decimal value;
    if (td_decimal_parse(bytes, &value, NULL) != TD_OK || value.mantissa <= 0 ||
        td_decimal_shortest(value).scale > SPEED_SCALE_MAX)
        return td_err_set(err, TD_E_INVALID,
                          "speed '%s': expected a number from 0.000001 to 9e18, with at most %d "
                          "places, or max",
                          text, SPEED_SCALE_MAX);
    out->value = td_decimal_shortest(value);
    return TD_OK;
}

void pacer_speed_format(pacer_speed speed, char out[TD_DECIMAL_TEXT_BYTES])
{
    if (speed.is_max)
        memcpy(out, "max", sizeof "max");
    else
        (void)td_decimal_format(speed.value, out); /* the length is not needed */
}

void pacer_init(pacer *p, const pacer_options *options)
{
    TD_ASSERT(options->speed.is_max || options->speed.value.mantissa > 0);
    *p = (pacer){.options = *options};
    /* The default slack lets the kernel wake the thread up to 50 us late. A refusal does no harm.
     */
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
}

static int64_t speed_unit(pacer_speed speed)
{
    TD_ASSERT(!speed.is_max);
    TD_ASSERT(speed.value.mantissa > 0);
    int64_t unit;
    td_result rc = td_decimal_rescale((td_decimal){1, 0}, speed.value.scale, &unit);
    TD_ASSERT(rc == TD_OK);
    return unit;
}

static uint64_t clamp(wide ns)
{
    return ns > UINT64_MAX / 4 ? UINT64_MAX / 4 : (uint64_t)ns;
}

uint64_t pacer_real_ns(pacer_speed speed, uint64_t tape_ns)
{
    return clamp((wide)tape_ns * (wide)speed_unit(speed) / (wide)speed.value.mantissa);
}

/* The reverse of pacer_real_ns. */
static uint64_t tape_of_real(pacer_speed speed, uint64_t real_ns)
{
    return clamp((wide)real_ns * (wide)speed.value.mantissa / (wide)speed_unit(speed));
}

/* Return the tape's present position. While it waits for a frame, the position is at most that of
 * the frame. */
static uint64_t pacer_position(const pacer *p, uint64_t now_ns)
{
    if (p->options.speed.is_max || p->is_paused)
        return p->is_paused ? p->anchor_tape_ns : p->position_ns;
    uint64_t position_ns =
        p->anchor_tape_ns + tape_of_real(p->options.speed, now_ns - p->anchor_mono_ns);
    return position_ns < p->position_ns ? position_ns : p->position_ns;
}

/* Count time from the present position and the present clock on. */
static void pacer_anchor(pacer *p)
{
    uint64_t now_ns = clock_mono_ns(p->options.clock);
    TD_ASSERT(now_ns >= p->anchor_mono_ns);
    p->anchor_tape_ns = pacer_position(p, now_ns);
    p->anchor_mono_ns = now_ns;
}

static void pacer_advance(pacer *p, uint64_t recv_ns)
{
    if (!p->has_started) {
        p->has_started = 1;
        p->first_ns = recv_ns;
        p->recv_ns = recv_ns;
        p->anchor_mono_ns = clock_mono_ns(p->options.clock);
        return;
    }
    if (recv_ns <= p->recv_ns)
        return; /* the receive clock went back: this frame is due with the frame before */
    uint64_t gap_ns = recv_ns - p->recv_ns;
    uint64_t gap_ns_max = p->options.gap_ns_max;
    if (gap_ns_max != 0 && gap_ns > gap_ns_max)
        gap_ns = gap_ns_max;
    p->position_ns += gap_ns;
    p->recv_ns = recv_ns;
    TD_ASSERT(gap_ns_max == 0 || gap_ns <= gap_ns_max);
}

static uint64_t pacer_deadline(const pacer *p)
{
    if (p->position_ns <= p->anchor_tape_ns)
        return p->anchor_mono_ns;
    return p->anchor_mono_ns + pacer_real_ns(p->options.speed, p->position_ns - p->anchor_tape_ns);
}

static pacer_answer pacer_sleep(pacer *p, uint64_t now_ns, uint64_t until_ns)
{
    if (p->options.idle.wait != NULL)
        return p->options.idle.wait(p->options.idle.ctx, until_ns);
    uint64_t slice_ns = now_ns + SLEEP_NS_MAX;
    clock_sleep_until(p->options.clock, until_ns < slice_ns ? until_ns : slice_ns);
    return PACER_GO;
}

/* 1 if the frame that is waited for is before the target of a seek. At the target, time is counted
 * from now. */
static int pacer_seeks(pacer *p)
{
    if (!p->is_seeking)
        return 0;
    p->anchor_tape_ns = p->position_ns;
    if (p->frames < p->target_frames || p->recv_ns < p->target_ns)
        return 1;
    p->is_seeking = 0;
    p->is_returning = 0;
    p->anchor_mono_ns = clock_mono_ns(p->options.clock);
    return 0;
}

/* Hold while paused. Releasing a step's frame leaves the tape paused at that frame. */
static pacer_answer pacer_hold(pacer *p)
{
    while (p->is_paused && !p->wants_rewind && !pacer_seeks(p)) {
        if (p->step_count > 0) {
            p->step_count--;
            p->anchor_tape_ns = p->position_ns;
            return PACER_GO;
        }
        uint64_t now_ns = clock_mono_ns(p->options.clock);
        if (pacer_sleep(p, now_ns, now_ns + SLEEP_NS_MAX) == PACER_STOP)
            return PACER_STOP;
    }
    return p->wants_rewind ? PACER_REWIND : PACER_GO;
}

static pacer_answer pacer_wait_until_due(pacer *p, uint64_t *deadline_ns)
{
    for (;;) {
        pacer_answer answer = pacer_hold(p);
        if (answer != PACER_GO || pacer_seeks(p) || p->options.speed.is_max || p->is_paused)
            return answer;
        uint64_t due_ns = pacer_deadline(p);
        uint64_t now_ns = clock_mono_ns(p->options.clock);
        if (now_ns >= due_ns) {
            lateness_add(&p->late, now_ns - due_ns);
            *deadline_ns = due_ns;
            return PACER_GO;
        }
        uint64_t left_ns = due_ns - now_ns;
        if (left_ns > p->options.spin_ns &&
            pacer_sleep(p, now_ns, due_ns - p->options.spin_ns) == PACER_STOP)
            return PACER_STOP;
    }
}

static void halve_marks(pacer_marks *marks)
{
    marks->count /= 2;
    for (size_t i = 0; i < marks->count; i++)
        marks->items[i] = marks->items[2 * i];
    marks->distance *= 2;
}

/* Add a mark, if one is due; not between frames of the same time, because reading from that time
 * would repeat the first of them. */
static void add_mark(pacer *p)
{
    pacer_marks *marks = p->options.marks;
    if (marks == NULL || p->frames < marks->next_frames ||
        (p->frames > 0 && p->recv_ns <= p->played_ns))
        return;
    if (marks->count == 0)
        marks->distance = 1;
    if (marks->count == PACER_MARKS_MAX)
        halve_marks(marks);
    marks->items[marks->count++] = (pacer_mark){.frames = p->frames,
                                                .played_ns = p->played_ns,
                                                .recv_ns = p->recv_ns,
                                                .position_ns = p->position_ns};
    marks->next_frames = p->frames + marks->distance;
}

pacer_answer pacer_wait(pacer *p, uint64_t recv_ns, uint64_t *deadline_ns)
{
    *deadline_ns = 0;
    if (p->frames_max > 0 && p->frames == p->frames_max)
        return PACER_STOP;
    pacer_advance(p, recv_ns);
    pacer_answer answer = pacer_wait_until_due(p, deadline_ns);
    if (answer == PACER_GO) {
        add_mark(p);
        p->frames++;
        p->played_ns = recv_ns;
    }
    return answer;
}

pacer_answer pacer_end(pacer *p)
{
    p->is_at_end = 1;
    while (!p->wants_rewind) {
        uint64_t now_ns = clock_mono_ns(p->options.clock);
        p->is_seeking = 0; /* no frame is left */
        p->is_returning = 0;
        p->step_count = 0;
        if (!p->is_paused)
            return PACER_GO;
        if (pacer_sleep(p, now_ns, now_ns + SLEEP_NS_MAX) == PACER_STOP)
            return PACER_STOP;
    }
    return PACER_REWIND;
}

const pacer_mark *pacer_find_mark(const pacer *p)
{
    const pacer_marks *marks = p->options.marks;
    if (marks == NULL || marks->count == 0)
        return NULL;
    size_t found = p->is_seeking ? marks->count - 1 : 0;
    while (found > 0 && (p->target_ns > 0 ? marks->items[found].recv_ns >= p->target_ns
                                          : marks->items[found].frames >= p->target_frames))
        found--;
    return &marks->items[found];
}

void pacer_rewind(pacer *p, const pacer_mark *to)
{
    pacer_mark mark = {0};
    if (to != NULL)
        mark = *to;
    p->is_returning = p->wants_rewind;
    p->wants_rewind = 0;
    p->is_at_end = 0;
    p->has_started = to != NULL;
    p->frames = mark.frames;
    p->played_ns = mark.played_ns;
    p->recv_ns = mark.recv_ns;
    p->position_ns = mark.position_ns;
    p->anchor_tape_ns = mark.position_ns;
    p->anchor_mono_ns = clock_mono_ns(p->options.clock);
}

uint64_t pacer_due(pacer *p, uint64_t recv_ns)
{
    pacer_advance(p, recv_ns);
    if (p->is_paused && p->step_count == 0)
        return UINT64_MAX;
    if (p->is_paused)
        p->anchor_tape_ns = p->position_ns;
    return p->is_paused || p->options.speed.is_max ? 0 : pacer_deadline(p);
}

void pacer_set_speed(pacer *p, pacer_speed speed)
{
    const pacer_speed *now = &p->options.speed;
    TD_ASSERT(speed.is_max || speed.value.mantissa > 0);
    if (speed.is_max == now->is_max && td_decimal_compare(speed.value, now->value) == 0)
        return;
    pacer_anchor(p);
    p->options.speed = speed;
}

void pacer_pause(pacer *p)
{
    if (p->is_paused)
        return;
    pacer_anchor(p);
    p->is_paused = 1;
}

void pacer_resume(pacer *p)
{
    if (!p->is_paused)
        return;
    pacer_anchor(p);
    p->is_paused = 0;
    p->step_count = 0;
}

void pacer_step(pacer *p)
{
    if (p->is_paused)
        p->step_count++;
}

static int set_target(pacer *p, uint64_t frames, uint64_t recv_ns, int is_behind)
{
    if (is_behind && p->options.marks == NULL)
        return 0;
    p->target_frames = frames;
    p->target_ns = recv_ns;
    p->is_seeking = 1;
    p->wants_rewind = is_behind ? 1 : 0;
    p->step_count = 0;
    return 1;
}

int pacer_back(pacer *p)
{
    uint64_t frames = p->is_seeking && p->target_frames > 0 ? p->target_frames : p->frames;
    return frames == 0 || set_target(p, frames - 1, 0, frames - 1 < p->frames);
}

/* Return the receive time of the present position, or of a seek's target. */
static uint64_t target_or_position(const pacer *p)
{
    if (p->is_seeking && p->target_ns > 0)
        return p->target_ns;
    return p->frames > 0 ? p->played_ns : p->recv_ns;
}

int pacer_seek(pacer *p, uint64_t recv_ns)
{
    return set_target(p, 0, recv_ns, p->frames > 0 && recv_ns <= p->played_ns);
}

int pacer_skip_back(pacer *p, uint64_t tape_ns)
{
    uint64_t from_ns = target_or_position(p);
    return pacer_seek(p, from_ns < tape_ns ? 0 : from_ns - tape_ns);
}

void pacer_skip(pacer *p, uint64_t tape_ns)
{
    uint64_t target_ns = target_or_position(p) + tape_ns;
    (void)pacer_seek(p, target_ns > p->recv_ns ? target_ns : p->recv_ns + 1);
}

uint64_t pacer_wait_ns(const pacer *p)
{
    if (p->options.speed.is_max || p->is_paused)
        return 0;
    uint64_t due_ns = pacer_deadline(p);
    uint64_t now_ns = clock_mono_ns(p->options.clock);
    return due_ns > now_ns ? due_ns - now_ns : 0;
}
