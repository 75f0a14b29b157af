/* Names of segments and of feeds. Pure functions; any thread. */
#ifndef TD_FORMAT_SEGMENT_NAME_H
#define TD_FORMAT_SEGMENT_NAME_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"

enum { SESSION_ID_BYTES = 9 }; /* 8 hex digits and a NUL */

/* What the name of an unfinished segment ends in. */
#define SEGMENT_OPEN_SUFFIX ".open"

/* What a capture segment's name says:
 * <feed>-<YYYYMMDD>T<HHMMSS>Z-<session>-<number>.mcap[.open] */
typedef struct segment_name {
    char feed[LIMIT_NAME_BYTES];
    char session[SESSION_ID_BYTES];
    uint64_t first_s;  /* second of the first frame, since 1970 */
    uint32_t number;   /* 1, 2, … within session and feed */
    uint8_t is_open;   /* 1: still being written, or left by a crash */
    uint8_t is_parsed; /* 0: a file of another name (a single file); all fields above are empty */
} segment_name;

/* Read a file name without folder. 1 if it is a capture segment's, else 0 and *out is not parsed.
 */
int segment_name_parse(const char *file_name, segment_name *out);

/* The name after the last slash of a path. */
const char *segment_file_name(const char *path);

/* 1 if a path or name ends in ".open". */
int segment_has_open_name(const char *path);

/* A path or name without ".open" at its end: a view, or a copy. */
td_bytes segment_final_name(const char *path);
void segment_final_path(const char *path, char out[LIMIT_PATH_BYTES]);

/* The path of the same segment while it is open; final_path is without ".open". */
void segment_open_path(const char *final_path, char out[LIMIT_PATH_BYTES]);

/* Path below the archive of a segment whose first frame came at first_ns, without ".open":
 * "capture/2026/11/20/inverse-20261120T060000Z-3f2a9c01-000001.mcap". */
void segment_name_format(const char *feed, const char *session, uint64_t first_ns, uint32_t number,
                         char out[LIMIT_PATH_BYTES]);

/* 1 for what the name of a feed, and of an HTTP reply, may have: letters, digits, '.', '_', '-'. */
int feed_name_char(char c);

/* 1 if feed may be a feed's name: letters, digits, '.', '_' and '-', not '.' first, and short. */
int feed_name_is_valid(const char *feed);

#endif
