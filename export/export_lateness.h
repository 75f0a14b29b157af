/* Which receive times are late. The recorder's events record it: while sockets were left unread
 * because the disk could not keep up, and from a backward step of the wall clock, which is held, to
 * the end of the session. One thread. */
#ifndef TD_EXPORT_EXPORT_LATENESS_H
#define TD_EXPORT_EXPORT_LATENESS_H

#include "tape/cursor.h"

typedef struct export_lateness export_lateness;

export_lateness *export_lateness_open(void);
void export_lateness_close(export_lateness *self);

/* Apply an event of the recorder's. Unreadable ones are skipped. */
void export_lateness_event(export_lateness *self, const frame_ref *event);

/* 1 if the frame's receive time is late. */
int export_lateness_is_late(const export_lateness *self, const frame_ref *frame);

#endif
