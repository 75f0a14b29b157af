/* Checks an archive on a simulated disk after a fault. A failure is described in one line and
 * returned; it does not fail the test, because sweeps run in child processes. */
#ifndef TD_TESTS_TESTING_FAULT_CHECK_H
#define TD_TESTS_TESTING_FAULT_CHECK_H

#include <stdint.h>

#include "archive/archive_recover.h"
#include "tests/testing/fault_recording.h"

enum { FAULT_WHAT_BYTES = 600 };

/* The expected content of a disk. */
typedef struct fault_truth {
    uint64_t durable[FAULT_FEEDS]; /* number of durable frames, which are the feed's first ones */
    uint64_t fed[FAULT_FEEDS];
} fault_truth;

/* The content that the disk must have after change_count changes. */
fault_truth fault_truth_at(const fault_recording *recording, uint64_t change_count);

/* The recording to compare disks with, and a path for the catalog. */
typedef struct fault_checker {
    const fault_recording *recording;
    char catalog[FAULT_PATH_BYTES];
    char failure[FAULT_WHAT_BYTES]; /* description of the last failure */
} fault_checker;

/* The result of a check. */
typedef struct fault_found {
    int has_archive; /* 0 if there is no archive yet, and nothing was durable */
    uint64_t frames[FAULT_FEEDS];
    uint64_t fed[FAULT_FEEDS];
    uint64_t lost; /* frames fed but not found, each of them in a gap */
} fault_found;

/* The checks return 1 on success, else 0 and set checker->failure. */

/* Read all frames of the archive before recovery: each must equal the one that was fed, all durable
 * ones must exist, and only frames at the end may be missing. */
int fault_check_frames(fault_checker *checker, io_fault *disk, const fault_truth *truth,
                       fault_found *found);

/* Recover the archive; no durable frame may be lost. */
int fault_check_recover(fault_checker *checker, io_fault *disk, recover_report *report);

/* Check that verify reports a sound archive, and that the catalog equals a rebuilt one. */
int fault_check_sound(fault_checker *checker, io_fault *disk);

/* Check that missing frames are in an open crash gap of their feed. */
int fault_check_ledger(fault_checker *checker, io_fault *disk, fault_found *found);

/* Recover again: there must be nothing to do, and no byte may change. */
int fault_check_settled(fault_checker *checker, io_fault *disk);

/* Make all checks above, in this order. Also, before recovery verify must find nothing that
 * recovery does not repair, and readers must report the same gaps as after it. */
int fault_check_all(fault_checker *checker, io_fault *disk, const fault_truth *truth,
                    fault_found *found);

/* Cut the power after recovery, while nothing is being written: all frames found before must be on
 * the disk. */
int fault_check_cut_again(fault_checker *checker, io_fault *disk, const fault_truth *truth,
                          fault_found *found);

/* Continue the recording after the frames that fault_check_frames found, stop cleanly, and cut the
 * power: the frames of both sessions must exist. */
int fault_check_record_on(fault_checker *checker, io_fault *disk, fault_found *found);

/* The catalog's dump, allocated with td_alloc. On failure NULL; checker->failure is the reason. */
char *fault_dump(fault_checker *checker);

#endif
