/* The version of all programs and of what they write into archives. */
#ifndef TD_BASE_VERSION_H
#define TD_BASE_VERSION_H

#define TAPEDECK_VERSION "0.2.0"

#endif
