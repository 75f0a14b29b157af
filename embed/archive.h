/* An archive that a program has opened, for its tapes. One thread. */
#ifndef TD_EMBED_ARCHIVE_H
#define TD_EMBED_ARCHIVE_H

#include "archive/archive.h"
#include "archive/topic_list.h"
#include "embed/damage_report.h"
#include "embed/include/tapedeck/archive.h"
#include "remote/remote_io.h"

struct tapedeck_archive {
    archive *of;
    remote_io *remote; /* NULL: the archive is on the disk */
    damage_report damage;
    topic_list names; /* has the texts of topics */
    tapedeck_topic *topics;
};

#endif
