/* The version of all programs, which they write to archives. */
#ifndef TD_BASE_VERSION_H
#define TD_BASE_VERSION_H

#define TAPEDECK_VERSION "0.2.0"

#endif
