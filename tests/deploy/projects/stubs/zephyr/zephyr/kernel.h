/* What the sample uses of Zephyr's kernel, with the signatures of Zephyr 3.5 and later. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct k_mem_slab {
    char *memory;
    size_t size;
    uint32_t count;
};
#define K_MEM_SLAB_DEFINE_STATIC(name, block_size, num_blocks, align)                       \
    _Static_assert((block_size) % (align) == 0, "blocks are aligned");                      \
    static char name##_memory[(block_size) * (num_blocks)];                                 \
    static struct k_mem_slab name = {name##_memory, block_size, num_blocks}
void k_mem_slab_free(struct k_mem_slab *slab, void *mem);

typedef void (*k_thread_entry_t)(void *p1, void *p2, void *p3);
struct k_thread {
    k_thread_entry_t entry;
};
typedef struct k_thread *k_tid_t;
#define SYS_FOREVER_MS (-1)
#define K_PRIO_COOP(x) (-16 + (x))
#define K_THREAD_DEFINE(name, stack_size, entry, p1, p2, p3, prio, options, delay)          \
    _Static_assert((stack_size) > 0 && (prio) < 0 && (delay) == SYS_FOREVER_MS, "is cooperative"); \
    static struct k_thread name##_thread = {entry};                                         \
    static const k_tid_t name = &name##_thread
void k_thread_start(k_tid_t thread);

#define ARG_UNUSED(x) (void)(x)
int64_t k_uptime_ticks(void);
uint64_t k_ticks_to_us_floor64(uint64_t ticks);
int32_t k_msleep(int32_t ms);
