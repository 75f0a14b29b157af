/* Captures of exchange data for tests: their paths and their lines. The folder is
 * TAPEDECK_CAPTURES, which the Makefile sets. Without recorded captures, tests/simulate-captures
 * makes some, and tests that need recorded ones are skipped. */
#ifndef TD_TESTS_TESTING_CAPTURE_H
#define TD_TESTS_TESTING_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* The path of a file or folder in the captures ("linear-2021-04-17.jsonl.gz", "frames/linear"), or
 * NULL if it is missing. The text is static and valid until the next call. */
const char *capture_path(const char *name);

/* Like capture_path, but if the file is missing prints a line to stderr and calls cmocka's
 * skip(). */
const char *capture_path_or_skip(const char *name);

/* 1 if the captures were recorded from the exchange, 0 if they are simulated. */
int capture_is_recorded(void);

/* Skip a test that compares with numbers counted in the recorded captures; call before anything is
 * open. */
void capture_recorded_or_skip(void);

typedef enum capture_kind {
    CAPTURE_IN,      /* a received frame */
    CAPTURE_OUT,     /* a sent frame */
    CAPTURE_CONNECT, /* an opened connection; frame is empty */
    CAPTURE_OTHER,   /* headers, HTTP answers, empty lines */
} capture_kind;

typedef struct capture_line {
    capture_kind kind;
    td_bytes frame;   /* followed by 64 readable bytes; valid until the next call */
    td_bytes url;     /* URL of a sent frame or a connection, if the line has one */
    uint64_t recv_ns; /* time of the line */
    size_t number;    /* number of the line, from 1 */
} capture_line;

/* A capture file, plain or compressed by gzip or Zstandard, in either of two layouts: "RECV: JSON"
 * lines, or one JSON object per line. */
typedef struct capture capture;

/* Open it; fails the test on an error. */
capture *capture_open(const char *path);
void capture_close(capture *capture);

/* 1 and the next line, or 0 at the end. */
int capture_next(capture *capture, capture_line *out);

/* Read a whole small file and add 64 zero bytes; free with td_free. Fails the test on an error. */
uint8_t *capture_read_file(const char *path, size_t *size);

/* List the names of a folder's files that end with suffix, sorted; *count is their number. Free
 * each name and the list with td_free. A missing folder gives an empty list. */
char **capture_list(const char *folder, const char *suffix, size_t *count);

#endif
