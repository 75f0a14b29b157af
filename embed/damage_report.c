#include "embed/damage_report.h"

#include <stdio.h>

static void note_line(void *ctx, td_log_level level, const char *line)
{
    damage_report *self = ctx;
    (void)level;
    (void)pthread_mutex_lock(&self->lock);
    int size = snprintf(self->text + self->size, sizeof self->text - self->size, "%s%s",
                        self->size > 0 ? "; " : "", line);
    if (size > 0 && (size_t)size < sizeof self->text - self->size)
        self->size += (size_t)size;
    self->text[self->size] = '\0';
    (void)pthread_mutex_unlock(&self->lock);
}

void damage_report_init(damage_report *self)
{
    *self = (damage_report){.log = {note_line, self, TD_LOG_WARNING}};
    (void)pthread_mutex_init(&self->lock, NULL); /* cannot fail with default attributes */
}

void damage_report_fini(damage_report *self)
{
    gap_list_fini(&self->rows);
    (void)pthread_mutex_destroy(&self->lock);
}

void damage_report_set_error(damage_report *self, tapedeck_error *error)
{
    static const char NO_TEXT[] = "stored frames cannot be read, or are missing";
    (void)pthread_mutex_lock(&self->lock);
    if (error != NULL) {
        *error = (tapedeck_error){.code = TAPEDECK_ERROR_DAMAGED};
        (void)snprintf(error->text, sizeof error->text, "damage: %s",
                       self->size > 0 ? self->text : NO_TEXT);
    }
    self->size = 0;
    (void)pthread_mutex_unlock(&self->lock);
}

tapedeck_gap damage_report_gap(const gap_row *gap)
{
    return (tapedeck_gap){.feed = gap->feed,
                          .topic = gap->topic,
                          .symbol = gap->symbol,
                          .reason = time_reason_name(gap->reason),
                          .cause = gap->cause,
                          .covered_by = gap->covered_by,
                          .from_ns = gap->from_ns,
                          .to_ns = gap->to_ns,
                          .frames_lost = gap->frames_lost,
                          .line = gap->line,
                          .connection = gap->conn};
}
