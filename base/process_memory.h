/* Memory of this process, by the kernel. */
#ifndef TD_BASE_PROCESS_MEMORY_H
#define TD_BASE_PROCESS_MEMORY_H

#include <stdint.h>

typedef struct process_memory_sizes {
    uint64_t virtual_bytes, resident_bytes; /* 0: unknown */
} process_memory_sizes;

/* Any thread. */
process_memory_sizes process_memory(void);

#endif
