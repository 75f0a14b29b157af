/* Names of segments and of feeds. Pure functions; any thread. */
#ifndef TD_FORMAT_SEGMENT_NAME_H
#define TD_FORMAT_SEGMENT_NAME_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/time_span.h"

enum { SESSION_ID_BYTES = 9 }; /* with the NUL */

/* 1 if text is a session's id: 8 digits of hexadecimal, in lower case. */
int session_id_is_valid(td_bytes text);

/* Suffix of an unfinished segment's name. */
#define SEGMENT_OPEN_SUFFIX ".open"

/* The number of a segment that a cut wrote into a folder: the only one of its session and feed. It
 * may span hours, and has all gaps of its selection. */
#define SEGMENT_NUMBER_CUT 0U

/* The parts of a capture segment's name,
<feed>-<YYYYMMDD>T<HHMMSS>Z-<session>-<number>.mcap[.open] */
typedef struct segment_name {
    char feed[LIMIT_NAME_BYTES];
    char session[SESSION_ID_BYTES];
    uint64_t first_s;  /* time of the first message, in seconds since 1970 */
    uint32_t number;   /* 1, 2, … within session and feed; or SEGMENT_NUMBER_CUT */
    uint8_t is_open;   /* 1: being written, or left by a crash */
    uint8_t is_parsed; /* 0: another file name; all fields above are empty */
} segment_name;

/* Parse a file name without its folder. 1 if it is a capture segment's name. Else 0, and *out is
 * empty. */
int segment_name_parse(const char *file_name, segment_name *out);

/* The time of which a segment with this name may have messages: from the second in the name to the
 * end of that UTC hour (FORMAT.md, "Rotation"); of a cut to any time. */
time_span segment_name_span(const segment_name *name);

/* The part of a path after its last slash. */
const char *segment_file_name(const char *path);

/* 1 if a path or name ends in ".open". */
int segment_has_open_name(const char *path);

/* A path or name without a trailing ".open": as a view; as a copy. */
td_bytes segment_final_name(const char *path);
void segment_final_path(const char *path, char out[LIMIT_PATH_BYTES]);

/* The path of a segment while it is open: final_path with ".open". */
void segment_open_path(const char *final_path, char out[LIMIT_PATH_BYTES]);

/* Path, relative to the archive and without ".open", of a segment whose first message was received
 * at first_ns: "capture/2026/11/20/inverse-20261120T060000Z-3f2a9c01-000001.mcap". */
void segment_name_format(const char *feed, const char *session, uint64_t first_ns, uint32_t number,
                         char out[LIMIT_PATH_BYTES]);

/* 1 for a character allowed in names of feeds and HTTP replies: letters, digits, '.', '_', '-'. */
int feed_name_char(char c);

/* 1 if feed is a valid feed name: 1 to LIMIT_NAME_BYTES - 1 characters of feed_name_char, not
 * beginning with '.'. */
int feed_name_is_valid(const char *feed);

#endif
