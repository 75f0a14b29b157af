#include "replay/play/control.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define SKIP_NS (10 * TD_NS_PER_S)

/* Bounds of change_speed: it does not double a mantissa above INT64_MAX / 2^20, and does not use
 * more than 6 (20 / 3) decimal places. */
enum { SPEED_STEPS_MAX = 20 };

static const control_command COMMANDS[] = {
    {CONTROL_PAUSE, .name = "pause"},
    {CONTROL_RESUME, .name = "resume"},
    {CONTROL_TOGGLE, .key = ' ', .label = "space", .use = "pause"},
    {CONTROL_STEP, .name = "step", .key = '.', .arrow = 'C', .label = "right", .use = "one frame"},
    {CONTROL_BACK, .key = ',', .arrow = 'D', .label = "left", .use = "one frame"},
    {CONTROL_SEEK, .name = "seek", .argument = CONTROL_TO_TIME},
    {CONTROL_SPEED, .name = "speed", .argument = CONTROL_TO_SPEED},
    {CONTROL_FASTER, .key = '+', .arrow = 'A', .label = "up", .use = "speed"},
    {CONTROL_SLOWER, .key = '-', .arrow = 'B', .label = "down", .use = "speed"},
    {CONTROL_SPEED, .key = '1', .label = "1", .use = "speed", .value = {.speed.value = {1, 0}}},
    {CONTROL_SPEED, .key = 'm', .label = "m", .use = "speed", .value = {.speed.is_max = 1}},
    {CONTROL_SKIP, .key = 'f', .label = "f", .use = "10 s", .value = {.ns = SKIP_NS}},
    {CONTROL_SKIP_BACK, .key = 'b', .label = "b", .use = "10 s", .value = {.ns = SKIP_NS}},
    {CONTROL_QUIT, .key = 'q', .label = "q", .use = "quit"},
};
enum { COMMAND_COUNT = sizeof COMMANDS / sizeof COMMANDS[0] };

static const char *const ARGUMENTS[] = {
    [CONTROL_NOTHING] = "", [CONTROL_TO_TIME] = "?to=TIME", [CONTROL_TO_SPEED] = "?to=N"};

/* ---- finding ---- */

const control_command *control_find_key(char key)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (COMMANDS[i].key == key && key != '\0')
            return &COMMANDS[i];
    return NULL;
}

const control_command *control_find_arrow(char last)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (COMMANDS[i].arrow == last && last != '\0')
            return &COMMANDS[i];
    return NULL;
}

const control_command *control_find_name(td_bytes name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (COMMANDS[i].name != NULL && td_bytes_is(name, COMMANDS[i].name))
            return &COMMANDS[i];
    return NULL;
}

/* ---- applying ---- */

/* Multiply the speed; no change at its bounds. */
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

/* Apply a command. A pacer without marks cannot go back and stays where it is. */
pacer_answer control_apply(pacer *p, const control_command *command, const control_value *value)
{
    switch (command->effect) {
    case CONTROL_PAUSE:
        pacer_pause(p);
        break;
    case CONTROL_RESUME:
        pacer_resume(p);
        break;
    case CONTROL_TOGGLE:
        if (p->is_paused)
            pacer_resume(p);
        else
            pacer_pause(p);
        break;
    case CONTROL_STEP:
        pacer_step(p);
        break;
    case CONTROL_BACK:
        pacer_pause(p);
        (void)pacer_back(p);
        break;
    case CONTROL_SEEK:
        (void)pacer_seek(p, value->ns);
        break;
    case CONTROL_SKIP:
        pacer_skip(p, value->ns);
        break;
    case CONTROL_SKIP_BACK:
        (void)pacer_skip_back(p, value->ns);
        break;
    case CONTROL_SPEED:
        pacer_set_speed(p, value->speed);
        break;
    case CONTROL_FASTER:
        change_speed(p, 2, 1);
        break;
    case CONTROL_SLOWER:
        change_speed(p, 1, 2);
        break;
    case CONTROL_QUIT:
        return PACER_STOP;
    }
    return PACER_GO;
}

/* ---- texts ---- */

static void add(control_text *out, const char *text)
{
    size_t size = strlen(out->text);
    TD_ASSERT(size + strlen(text) < sizeof out->text);
    (void)snprintf(out->text + size, sizeof out->text - size, "%s", text);
}

/* List the keys. Neighbouring keys with the same use share one text. */
control_text control_list_keys(const char *left_out)
{
    control_text out = {""};
    const char *use = NULL;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const control_command *row = &COMMANDS[i];
        if (row->key == '\0' || strchr(left_out, row->key) != NULL)
            continue;
        if (use != NULL && strcmp(use, row->use) != 0) {
            add(&out, ": ");
            add(&out, use);
            add(&out, " ");
        }
        add(&out, use == NULL ? "" : " ");
        add(&out, row->label);
        use = row->use;
    }
    add(&out, ": ");
    add(&out, use);
    return out;
}

control_text control_list_names(void)
{
    control_text out = {""};
    size_t last = COMMAND_COUNT - 1;
    while (COMMANDS[last].name == NULL)
        last--;
    for (size_t i = 0; i <= last; i++) {
        if (COMMANDS[i].name == NULL)
            continue;
        add(&out, out.text[0] == '\0' ? "" : i == last ? " or " : ", ");
        add(&out, COMMANDS[i].name);
        add(&out, ARGUMENTS[COMMANDS[i].argument]);
    }
    return out;
}
