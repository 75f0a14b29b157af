/* Memory of processes, by the kernel. */
#ifndef TD_BASE_PROCESS_MEMORY_H
#define TD_BASE_PROCESS_MEMORY_H

#include <stdint.h>
#include <sys/types.h>

typedef struct process_memory_sizes {
    uint64_t virtual_bytes, resident_bytes; /* 0: unknown */
} process_memory_sizes;

/* Memory of this process. Any thread. */
process_memory_sizes process_memory(void);

/* Peak resident memory of a process that runs, since its program was started; 0: unknown. Any
 * thread. */
uint64_t process_peak_bytes(pid_t pid);

#endif
