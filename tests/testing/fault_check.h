/* Checks an archive on a simulated disk after a fault. A failure is described in one line and
 * returned, rather than failing the test, because sweeps run in child processes. */
#ifndef TD_TESTS_TESTING_FAULT_CHECK_H
#define TD_TESTS_TESTING_FAULT_CHECK_H

#include <stdint.h>

#include "archive/archive_recover.h"
#include "tests/testing/fault_recording.h"

enum { FAULT_WHAT_BYTES = 600 };

/* The expected content of a disk. */
typedef struct fault_truth {
    uint64_t durable[FAULT_FEEDS]; /* frames of each feed, counted from the first */
    uint64_t fed[FAULT_FEEDS];
} fault_truth;

/* The expected content of the disk after change_count changes. */
fault_truth fault_truth_at(const fault_recording *recording, uint64_t change_count);

/* The recording to compare disks with, and a path for the catalog. */
typedef struct fault_place {
    const fault_recording *recording;
    char catalog[FAULT_PATH_BYTES];
    char what[FAULT_WHAT_BYTES]; /* description of the failure */
} fault_place;

/* The result of a check. */
typedef struct fault_found {
    int has_archive; /* 0 if there is no archive yet, and nothing was durable */
    uint64_t frames[FAULT_FEEDS];
    uint64_t fed[FAULT_FEEDS];
    uint64_t lost; /* frames fed but not found, each of them in a gap */
} fault_found;

/* All return 1 on success, else 0 and set place->what. */

/* Read every frame of the archive before recovery: each must be as fed, all durable ones must be
 * there, and only frames at the end may be missing. */
int fault_check_frames(fault_place *place, io_fault *disk, const fault_truth *truth,
                       fault_found *found);

/* Recover; nothing durable may be lost. */
int fault_check_recover(fault_place *place, io_fault *disk, recover_report *report);

/* verify reports a sound archive, and the catalog equals a rebuilt one. */
int fault_check_sound(fault_place *place, io_fault *disk);

/* Missing frames must be in an open crash gap of their feed. */
int fault_check_ledger(fault_place *place, io_fault *disk, fault_found *found);

/* Another recovery must find nothing to do, and change no byte. */
int fault_check_settled(fault_place *place, io_fault *disk);

/* All of these checks, in this order. Before recovery verify must find nothing that recovery does
 * not repair, and readers must see the same gaps as after it. */
int fault_check_all(fault_place *place, io_fault *disk, const fault_truth *truth,
                    fault_found *found);

/* Cut the power again after recovery, while nothing is written: all frames found must be on the
 * disk by now. */
int fault_check_cut_again(fault_place *place, io_fault *disk, const fault_truth *truth,
                          fault_found *found);

/* Continue recording after the frames found (fault_check_frames), stop cleanly, cut the power: the
 * frames of both sessions must be there. */
int fault_check_record_on(fault_place *place, io_fault *disk, fault_found *found);

/* The catalog's dump, allocated with td_alloc; NULL and place->what on failure. */
char *fault_dump(fault_place *place);

#endif
