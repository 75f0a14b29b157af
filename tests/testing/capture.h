/* Captures of exchange data for tests: where they are, and their lines. The folder is
 * TAPEDECK_CAPTURES, which the Makefile sets. Where there are no recorded captures,
 * tests/simulate-captures makes some; what holds for the recorded ones alone is then skipped. */
#ifndef TD_TESTS_TESTING_CAPTURE_H
#define TD_TESTS_TESTING_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Path of a file or folder in the captures ("linear-2021-04-17.jsonl.gz", "frames/linear"), or NULL
 * if it is not there. The text is static and valid until the next call. */
const char *capture_path(const char *name);

/* As above, but calls cmocka's skip() with a line on stderr if it is not there. */
const char *capture_path_or_skip(const char *name);

/* 1 if the captures were recorded from the exchange, 0 if they are simulated. */
int capture_is_recorded(void);

/* Skip a test, before anything is open, that compares with figures of the recorded captures. */
void capture_recorded_or_skip(void);

typedef enum capture_kind {
    CAPTURE_IN,      /* a frame that was received */
    CAPTURE_OUT,     /* a frame that was sent */
    CAPTURE_CONNECT, /* a connection was made; frame is empty */
    CAPTURE_OTHER,   /* headers, HTTP answers, empty lines */
} capture_kind;

typedef struct capture_line {
    capture_kind kind;
    td_bytes frame;   /* followed by 64 readable bytes; valid until the next call */
    td_bytes url;     /* of sends and connects, if the line has it */
    uint64_t recv_ns; /* time of the line */
    size_t number;    /* of the line, from 1 */
} capture_line;

/* A capture file, gzipped or not, of either generation: "RECV: JSON" lines, or one JSON object a
 * line. */
typedef struct capture capture;

/* Opens it; fails the test if it cannot. */
capture *capture_open(const char *path);
void capture_close(capture *capture);

/* 1 and the next line, or 0 at the end. */
int capture_next(capture *capture, capture_line *out);

/* A whole small file with 64 zero bytes after it; free with td_free. Fails the test if it cannot.
 */
uint8_t *capture_read_file(const char *path, size_t *size);

/* Names of the files of a folder that end with suffix, sorted; *count of them. Free each and the
 * list with td_free. No folder gives none. */
char **capture_list(const char *folder, const char *suffix, size_t *count);

#endif
