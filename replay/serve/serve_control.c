#include "replay/serve/serve_control.h"

#include <stdio.h>
#include <string.h>

#include "base/time_text.h"
#include "base/url.h"
#include "base/json/json_write.h"
#include "replay/serve/serve_tape.h"

enum { VALUE_BYTES = 64, STATUS_TAPES_MAX = 32 };

/* ---- status ---- */

static void put_time(json_writer *json, const char *name, uint64_t ns)
{
    char text[TD_TIME_TEXT_BYTES];
    td_time_format(ns, text);
    json_write_key(json, name);
    if (ns == 0)
        json_write_null(json);
    else
        json_write_text(json, text);
}

static void put_tape(json_writer *json, const serve_tape *tape)
{
    uint64_t clients = 0;
    for (const serve_client *c = tape->clients; c != NULL; c = c->tape_next)
        clients++;
    json_write_object_begin(json);
    json_write_member_u64(json, "clients", clients);
    put_time(json, "at", tape->at_ns);
    put_time(json, "next", tape->frame == NULL ? 0 : tape->frame->recv_ns);
    json_write_member_bool(json, "at_end", tape->is_at_end);
    json_write_member_bool(json, "waits_for_reconnect", tape->waits_for_return);
    json_write_object_end(json);
}

static void put_status(const serve *server, char text[WIRE_ANSWER_BYTES])
{
    char speed[TD_DECIMAL_TEXT_BYTES];
    json_writer json;
    td_buf out;
    unsigned tapes = 0;
    td_buf_init(&out, WIRE_ANSWER_BYTES - 1);
    pacer_speed_format(server->options.speed, speed);
    json_write_begin(&json, &out);
    json_write_object_begin(&json);
    json_write_member_bool(&json, "paused", server->is_paused);
    json_write_member_text(&json, "speed", speed);
    json_write_member_u64(&json, "clients", server->client_count);
    json_write_member_u64(&json, "frames", server->counts.frames);
    json_write_key(&json, "tapes");
    json_write_array_begin(&json);
    for (const serve_tape *t = server->tapes; t != NULL && tapes < STATUS_TAPES_MAX; t = t->next) {
        if (t->cursor == NULL)
            continue;
        put_tape(&json, t);
        tapes++;
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    if (json_write_end(&json, NULL) == TD_OK) /* STATUS_TAPES_MAX tapes fit */
        (void)snprintf(text, WIRE_ANSWER_BYTES, "%.*s", (int)out.size, (const char *)out.data);
    td_buf_fini(&out);
}

/* ---- commands ---- */

/* Find a parameter of the query and decode %2B and %3A, which clients write for "+" and ":". */
static int find_value(td_bytes query, const char *wanted, char out[VALUE_BYTES])
{
    td_bytes name, value;
    while (td_url_next_param(&query, &name, &value)) {
        size_t size = 0;
        if (!td_bytes_is(name, wanted))
            continue;
        for (size_t i = 0; i < value.size && size + 1 < VALUE_BYTES; i++) {
            const uint8_t *at = value.data + i;
            int is_escape = value.size - i >= 3 && at[0] == '%';
            int is_plus = is_escape && at[1] == '2' && (at[2] == 'B' || at[2] == 'b');
            int is_colon = is_escape && at[1] == '3' && (at[2] == 'A' || at[2] == 'a');
            out[size++] = (char)(is_plus ? '+' : is_colon ? ':' : at[0]);
            i += is_plus || is_colon ? 2 : 0;
        }
        out[size] = '\0';
        return 1;
    }
    return 0;
}

static td_result find_seek(const serve *server, const char *text, uint64_t *from_ns, td_err *err)
{
    const serve_options *options = &server->options;
    selection from = *options->wanted;
    selection_window window = {0};
    from.has_from = 1;
    td_result rc =
        td_time_parse(text, clock_wall_ns(options->clock), TD_DATE_BEGINS, &from.from, err);
    if (rc == TD_OK)
        rc = cursor_find_window(options->archive, &from, options->log, &window, err);
    *from_ns = window.from_ns;
    return rc;
}

static td_result read_command(const serve *server, td_bytes name, td_bytes query,
                              const control_command **out, control_value *value, td_err *err)
{
    char to[VALUE_BYTES];
    *out = control_find_name(name);
    *value = (control_value){0};
    if (*out != NULL && (*out)->argument == CONTROL_NOTHING)
        return TD_OK;
    if (*out == NULL || !find_value(query, "to", to))
        return td_err_set(err, TD_E_INVALID, "expected %s", control_list_names().text);
    return (*out)->argument == CONTROL_TO_TIME ? find_seek(server, to, &value->ns, err)
                                               : pacer_speed_parse(to, &value->speed, err);
}

/* 1 if the command means the same before a tape plays: it does not count from a position. */
static int can_be_early(const control_command *command)
{
    return command->effect == CONTROL_SEEK || command->effect == CONTROL_STEP ||
           command->effect == CONTROL_RESUME || command->effect == CONTROL_TOGGLE;
}

/* Apply the command to a temporary pacer, then that pacer's changes to all tapes. */
int serve_control_apply(serve *server, const control_command *command, const control_value *value)
{
    const serve_tape *newest = serve_newest_tape(server);
    pacer change;
    pacer_init(&change,
               &(pacer_options){.clock = server->options.clock, .speed = server->options.speed});
    change.is_paused = server->is_paused;
    change.played_ns = change.recv_ns = serve_position(server);
    if (control_apply(&change, command, value) == PACER_STOP)
        return 1;
    if (command->effect == CONTROL_SKIP_BACK && newest != NULL &&
        change.target_ns < newest->begin_ns)
        change.target_ns = newest->begin_ns;
    if (can_be_early(command))
        serve_tapes_keep_control(server, &change);
    serve_tapes_apply_control(server, &change);
    return 0;
}

/* Return the part of the path after SERVE_CONTROL; empty for other paths. */
static td_bytes command_of(td_bytes path)
{
    const size_t skip = strlen(SERVE_CONTROL);
    if (path.size <= skip || memcmp(path.data, SERVE_CONTROL, skip) != 0)
        return td_bytes_of(NULL, 0);
    return td_bytes_of(path.data + skip, path.size - skip);
}

unsigned serve_control_get(const serve *server, td_bytes path, char text[WIRE_ANSWER_BYTES])
{
    td_bytes command = command_of(path);
    if (command.size == 0)
        return 0;
    if (td_bytes_is(command, "status")) {
        put_status(server, text);
        return 200;
    }
    (void)snprintf(text, WIRE_ANSWER_BYTES, "GET is only for status; use POST for commands");
    return 400;
}

unsigned serve_control_post(serve *server, td_bytes path, td_bytes query,
                            char text[WIRE_ANSWER_BYTES])
{
    td_bytes command = command_of(path);
    td_err err;
    const control_command *found;
    control_value value;
    if (command.size == 0)
        return 0;
    if (read_command(server, command, query, &found, &value, &err) == TD_OK) {
        (void)serve_control_apply(server, found, &value);
        put_status(server, text);
        return 200;
    }
    (void)snprintf(text, WIRE_ANSWER_BYTES, "%s", err.text);
    return 400;
}

void serve_control_show(const serve *server, progress_line *progress)
{
    char when[TD_TIME_TEXT_BYTES] = "no tape";
    char speed[TD_DECIMAL_TEXT_BYTES];
    if (serve_position(server) > 0)
        td_time_format_ms(serve_position(server), when);
    pacer_speed_format(server->options.speed, speed);
    progress_show(progress, clock_mono_ns(server->options.clock), "%s  speed %s%s  %s  %s", when,
                  speed, server->is_paused ? "  paused" : "",
                  format_counted(server->client_count, "client").text,
                  format_counted(server->counts.frames, "frame").text);
}
