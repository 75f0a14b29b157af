#include "recorder/pipeline/pipeline_config.h"

#include "base/clock.h"
#include "recorder/pipeline/free_space.h"

void pipeline_config_init(pipeline_config *config)
{
    *config = (pipeline_config){.commit_interval_ns = TD_NS_PER_S,
                                .overload = OVERLOAD_PAUSE,
                                .overload_max_ns = 5 * TD_NS_PER_S,
                                .ring_bytes = LIMIT_RING_BYTES,
                                .min_free_bytes = FREE_SPACE_DEFAULT};
}
