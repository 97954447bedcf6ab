// The chip's two memories, in C because that is where the Python heap grows: a Python heap that
// does so as an ESP32's (py/gc.c, ports/esp32/gccollect.c), out of a heap of ESP-IDF's of which
// only the bookkeeping is kept: which blocks of which region are taken. And the pool that native
// code goes to. What the world and the stand-ins of tools/sim hold lies in an area of its own,
// which does not count.
//
// The figures are those of tools/sim/memory.py, which calls begin().

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "py/gc.h"
#include "py/mphal.h"
#include "py/mpstate.h"
#include "py/qstr.h"
#include "py/runtime.h"

// ---- The heap of ESP-IDF ----

#define MOST_REGIONS (8)
#define MOST_BLOCKS (256)
#define BLOCK_HEAD (8) // what an allocation takes beside its bytes

typedef struct {
    size_t start, size; // of all regions together, as addresses in one space
} block_t;

static struct {
    size_t start, size, least;
} region[MOST_REGIONS];
static size_t regions;
static size_t least_largest; // the largest block, when it was smallest
static block_t block[MOST_BLOCKS]; // that are taken, by address
static size_t blocks;

// The free bytes of a region, and its largest gap: the first free address before `limit`.
static size_t gaps(size_t r, size_t *largest, size_t *largest_at) {
    size_t at = region[r].start, end = at + region[r].size, free = 0;
    *largest = 0;
    for (size_t i = 0; i <= blocks; i++) {
        size_t next = i < blocks ? block[i].start : end;
        if (i < blocks && (next < region[r].start || next >= end)) {
            continue;
        }
        free += next - at;
        if (next - at > *largest) {
            *largest = next - at;
            *largest_at = at;
        }
        if (i < blocks) {
            at = next + block[i].size;
        }
    }
    return free;
}

// The smallest gap that does, in the first region that has one: TLSF looks for a good fit, and
// ESP-IDF asks one region after the other.
static bool find(size_t size, size_t *found) {
    for (size_t r = 0; r < regions; r++) {
        size_t at = region[r].start, end = at + region[r].size, best = (size_t)-1;
        for (size_t i = 0; i <= blocks; i++) {
            size_t next = i < blocks ? block[i].start : end;
            if (i < blocks && (next < region[r].start || next >= end)) {
                continue;
            }
            if (next - at >= size && next - at < best) {
                best = next - at;
                *found = at;
            }
            if (i < blocks) {
                at = next + block[i].size;
            }
        }
        if (best != (size_t)-1) {
            return true;
        }
    }
    return false;
}

// What heap_caps_get_largest_free_block() says of a gap: TLSF knows the size of a large one to the
// 32nd part of a power of two.
static size_t told(size_t gap) {
    size_t size = gap > BLOCK_HEAD ? gap - BLOCK_HEAD : 0, step = 1;
    while (size / step >= 64) {
        step *= 2;
    }
    return size / step * step;
}

static size_t largest_of_all(void) {
    size_t most = 0;
    for (size_t r = 0; r < regions; r++) {
        size_t largest, at;
        gaps(r, &largest, &at);
        most = MAX(most, told(largest));
    }
    return most;
}

static size_t take(size_t bytes) {
    size_t size = ((bytes + 3) & ~(size_t)3) + BLOCK_HEAD, at, i;
    if (blocks == MOST_BLOCKS || !find(size, &at)) {
        return 0;
    }
    for (i = blocks++; i && block[i - 1].start > at; i--) {
        block[i] = block[i - 1];
    }
    block[i] = (block_t) {at, size};
    for (size_t r = 0; r < regions; r++) {
        size_t largest, where, free = gaps(r, &largest, &where);
        region[r].least = MIN(region[r].least, free);
    }
    least_largest = MIN(least_largest, largest_of_all());
    return at;
}

static void give(size_t at) {
    for (size_t i = 0; i < blocks; i++) {
        if (block[i].start == at) {
            memmove(&block[i], &block[i + 1], (--blocks - i) * sizeof(block_t));
            return;
        }
    }
}


// ---- The Python heap ----

#define BLOCK (16)

#define MOST_AREAS (16)

static struct {
    void *start;
    size_t bytes, taken;
} added[MOST_AREAS]; // what it has grown by
static size_t areas_added;
static size_t heap_bytes; // all areas, with what the collector needs to know of each block
static size_t most_used; // after a collection
static __thread bool is_outside = true; // who runs is the world or a stand-in

// Whether a block may not lie there now: the interpreter's first area is the world's, all others
// are the chip's. Called by py/gc.c as interpreter.py changes it.
bool chip_is_elsewhere(void *area) {
    return is_outside != (area == &MP_STATE_MEM(area));
}

bool chip_is_outside(void) {
    return is_outside;
}

size_t gc_get_max_new_split(void) {
    return is_outside ? 0 : largest_of_all();
}

// Called by py/gc.c where it grows the heap; *size is what it would take, were the world's area a
// part of the chip's heap. With CHIP_PINNED in the environment a growth after the first one is
// refused and told: so it is found who asked for it.
void *chip_grow(size_t *size, size_t needed) {
    *size = MIN(largest_of_all(), MAX(heap_bytes, needed));
    if (areas_added && getenv("CHIP_PINNED")) {
        gc_info_t now;
        gc_info(&now);
        fprintf(stderr, "chip: %zu bytes and an area's table find no room beside %zu, "
            "the largest gap has %zu\n", needed, now.used, now.max_free * BLOCK);
        return NULL;
    }
    size_t taken = areas_added < MOST_AREAS ? take(*size) : 0;
    if (!taken) {
        return NULL;
    }
    void *area = malloc(*size);
    added[areas_added].start = area;
    added[areas_added].bytes = *size;
    added[areas_added++].taken = taken;
    heap_bytes += *size;
    return area;
}

// Called where an area is empty.
void chip_shrink(void *area) {
    for (size_t i = 0; i < areas_added; i++) {
        if (added[i].start == area) {
            heap_bytes -= added[i].bytes;
            give(added[i].taken);
            added[i] = added[--areas_added];
            free(area);
            return;
        }
    }
}

// A reset: all that the run before had is gone for the chip. The world may still hold some of it,
// tables that grew while the firmware ran for instance, so these areas stay where they are: nothing
// in them is collected, nothing new goes into them, and what they point to is kept.
#define MOST_LEFT (4096)

static mp_state_mem_area_t *left[MOST_LEFT];
static size_t lefts;

static void leave_all(void) {
    for (mp_state_mem_area_t *a = MP_STATE_MEM(area).next; a != NULL; a = a->next) {
        left[lefts++] = a;
    }
    MP_STATE_MEM(area).next = NULL;
    MP_STATE_MEM(gc_last_free_area) = &MP_STATE_MEM(area);
    areas_added = 0;
}

void *chip_area_of(void *area, const void *ptr) {
    for (size_t i = 0; i < lefts && area == NULL; i++) {
        if ((byte *)ptr >= left[i]->gc_pool_start && (byte *)ptr < left[i]->gc_pool_end) {
            area = left[i];
        }
    }
    return area;
}

void __real_gc_collect_start(void);
void __wrap_gc_collect_start(void) {
    __real_gc_collect_start();
    for (size_t i = 0; i < lefts; i++) {
        size_t bytes = left[i]->gc_pool_end - left[i]->gc_pool_start;
        gc_collect_root((void **)left[i]->gc_pool_start, bytes / sizeof(void *));
    }
}

// How many names the next pool is for: on the chip it is 20, 40, 80 and so on (py/qstr.c). Of those
// that the firmware brings the world has some already: these are in the chip's first two pools, and
// the first one here is for what is left of them.
#define KNOWN (27)
#define KNOWN_BYTES (KNOWN * (7 + 8) + 2 * 16)
#define FIRST_POOL (20 + 40 - KNOWN)
static size_t world_pool;

size_t chip_next_pool(size_t last) {
    return last == world_pool ? FIRST_POOL : last == FIRST_POOL ? 80 : 2 * last;
}

// The bytes of all names that are not in the ROM.
static size_t names_bytes(void) {
    size_t pools, names, text, total;
    qstr_pool_info(&pools, &names, &text, &total);
    return total;
}

// begin(heap, regions, native, percent): the power is on, or comes again, and what Python allocates
// from here on counts. heap: bytes of the Python heap; regions: bytes of each region of ESP-IDF's
// heap; native: bytes of the pool for native code, which takes percent % of what this machine's
// code does.
static size_t native_bytes, native_pool, native_percent;
static size_t world_names, world_names_bytes;
// Of the names that came since the power is on, and of those that no start brings but one of safe
// mode: a chip has lost them after it.
static size_t begun_bytes, safe_bytes;

static size_t names_count(void) {
    size_t pools, names, text, total;
    qstr_pool_info(&pools, &names, &text, &total);
    return names;
}

static mp_obj_t chip_begin(size_t n_args, const mp_obj_t *args) {
    (void)n_args;
    size_t count, at = 0x1000;
    mp_obj_t *sizes;
    mp_obj_get_array(args[1], &count, &sizes);
    blocks = 0;
    for (regions = 0; regions < MIN(count, MOST_REGIONS); regions++) {
        size_t size = mp_obj_get_int(sizes[regions]);
        region[regions].start = at;
        region[regions].size = region[regions].least = size;
        at += size + 0x1000;
    }
    native_bytes = 0;
    native_pool = mp_obj_get_int(args[2]);
    native_percent = mp_obj_get_int(args[3]);
    heap_bytes = mp_obj_get_int(args[0]);
    least_largest = largest_of_all();
    most_used = 0;
    leave_all();
    byte *area = malloc(heap_bytes);
    gc_add(area, area + heap_bytes);
    is_outside = false;
    // Names stay known here, so the room that a start finds them in is taken at once; this also
    // keeps the first area from ever being given back.
    if (!world_names_bytes) {
        world_names = names_count();
        world_names_bytes = names_bytes();
        // The next name begins a pool.
        world_pool = MP_STATE_VM(last_pool)->alloc = MP_STATE_VM(last_pool)->len;
    }
    begun_bytes = names_bytes();
    size_t known = begun_bytes - world_names_bytes - safe_bytes;
    MP_STATE_VM(chip_names) = m_malloc(KNOWN_BYTES + known);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(chip_begin_obj, 4, 4, chip_begin);

void __real_gc_collect_end(void);
void __wrap_gc_collect_end(void) {
    __real_gc_collect_end();
    if (regions) {
        bool before = is_outside;
        gc_info_t info;
        is_outside = false;
        gc_info(&info);
        is_outside = before;
        most_used = MAX(most_used, info.used);
    }
}

// names() -> how many names the chip has that are not in its ROM
static mp_obj_t chip_names_count(void) {
    return mp_obj_new_int(names_count() - world_names + KNOWN);
}
static MP_DEFINE_CONST_FUN_OBJ_0(chip_names_obj, chip_names_count);

// was_safe(): the start that ends here was one of safe mode
static mp_obj_t chip_was_safe(void) {
    safe_bytes += names_bytes() - begun_bytes;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(chip_was_safe_obj, chip_was_safe);

// outside(flag) -> what it was before
static mp_obj_t chip_outside(mp_obj_t flag) {
    bool before = is_outside;
    is_outside = mp_obj_is_true(flag);
    return mp_obj_new_bool(before);
}
static MP_DEFINE_CONST_FUN_OBJ_1(chip_outside_obj, chip_outside);

// heap() -> (bytes for objects, in use, most in use after a collection, how often it has grown,
// bytes of the largest gap)
static mp_obj_t chip_heap(void) {
    bool before = is_outside;
    gc_info_t info;
    is_outside = false;
    gc_info(&info);
    is_outside = before;
    mp_obj_t items[] = {
        mp_obj_new_int(info.total), mp_obj_new_int(info.used), mp_obj_new_int(most_used),
        mp_obj_new_int(areas_added), mp_obj_new_int(info.max_free * BLOCK)
    };
    return mp_obj_new_tuple(5, items);
}
static MP_DEFINE_CONST_FUN_OBJ_0(chip_heap_obj, chip_heap);

// reach(object) -> bytes in use that only lead from it, of those that no earlier call has counted;
// reach(None) begins anew. As the collector sees it: a word that could be a pointer is one.
static byte *seen;
static mp_state_mem_area_t *area_of(void *p) {
    for (mp_state_mem_area_t *a = MP_STATE_MEM(area).next; a != NULL; a = a->next) {
        if ((byte *)p >= a->gc_pool_start && (byte *)p < a->gc_pool_end) {
            return a;
        }
    }
    return NULL;
}

static size_t reached(void *p, size_t depth) {
    mp_state_mem_area_t *a = area_of(p);
    size_t bytes = a && (uintptr_t)p % BLOCK == 0 ? gc_nbytes(p) : 0;
    if (bytes == 0 || depth > 5000) {
        return 0;
    }
    size_t index = (uintptr_t)p / BLOCK % (1 << 24);
    if (seen[index / 8] & (1 << index % 8)) {
        return 0;
    }
    seen[index / 8] |= 1 << index % 8;
    size_t sum = bytes;
    for (size_t i = 0; i < bytes / sizeof(void *); i++) {
        sum += reached(((void **)p)[i], depth + 1);
    }
    return sum;
}

static mp_obj_t chip_reach(size_t n_args, const mp_obj_t *args) {
    if (!seen) {
        seen = malloc((1 << 24) / 8);
    }
    if (args[0] == mp_const_none) {
        memset(seen, 0, (1 << 24) / 8);
        return mp_const_none;
    }
    size_t index = (uintptr_t)args[0] / BLOCK % (1 << 24);
    if (n_args == 2 && mp_obj_is_true(args[1])) { // go no further
        seen[index / 8] |= 1 << index % 8;
        return mp_const_none;
    }
    if (n_args == 2) { // go on after all
        seen[index / 8] &= ~(1 << index % 8);
    }
    return mp_obj_new_int(reached(MP_OBJ_TO_PTR(args[0]), 0));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(chip_reach_obj, 1, 2, chip_reach);

// begin_again(): the most and the least are those from now on
static mp_obj_t chip_begin_again(void) {
    for (size_t r = 0; r < regions; r++) {
        size_t largest, at;
        region[r].least = gaps(r, &largest, &at);
    }
    least_largest = largest_of_all();
    most_used = 0;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(chip_begin_again_obj, chip_begin_again);

// least() -> the largest block of ESP-IDF's, when it was smallest
static mp_obj_t chip_least(void) {
    return mp_obj_new_int(least_largest);
}
static MP_DEFINE_CONST_FUN_OBJ_0(chip_least_obj, chip_least);

// regions() -> ((bytes, free, largest block, least ever free), ...)
static mp_obj_t chip_regions(void) {
    mp_obj_t rows[MOST_REGIONS];
    for (size_t r = 0; r < regions; r++) {
        size_t largest, at, free = gaps(r, &largest, &at);
        mp_obj_t items[] = {
            mp_obj_new_int(region[r].size), mp_obj_new_int(free),
            mp_obj_new_int(told(largest)),
            mp_obj_new_int(region[r].least)
        };
        rows[r] = mp_obj_new_tuple(4, items);
    }
    return mp_obj_new_tuple(regions, rows);
}
static MP_DEFINE_CONST_FUN_OBJ_0(chip_regions_obj, chip_regions);

// take(bytes) -> where, 0 where there is no room; give(where)
static mp_obj_t chip_take(mp_obj_t bytes) {
    return mp_obj_new_int(take(mp_obj_get_int(bytes)));
}
static MP_DEFINE_CONST_FUN_OBJ_1(chip_take_obj, chip_take);

static mp_obj_t chip_give(mp_obj_t at) {
    give(mp_obj_get_int(at));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(chip_give_obj, chip_give);

// ---- Native code ----

void __real_mp_unix_alloc_exec(size_t min_size, void **ptr, size_t *size);
void __wrap_mp_unix_alloc_exec(size_t min_size, void **ptr, size_t *size) {
    if (!is_outside) {
        size_t bytes = min_size * native_percent / 100;
        // What does not fit in the pool comes from where data can be too.
        if (native_bytes + bytes > native_pool && !take(bytes)) {
            mp_raise_msg_varg(&mp_type_MemoryError,
                MP_ERROR_TEXT("memory allocation failed, allocating %u bytes for native code"),
                (unsigned)min_size);
        }
        native_bytes += bytes;
    }
    __real_mp_unix_alloc_exec(min_size, ptr, size);
}

// ---- What else takes memory of ESP-IDF's in C ----

// A thread's stack.
static size_t thread_bytes;

mp_uint_t __real_mp_thread_create(void *(*entry)(void *), void *arg, size_t *stack_size);
mp_uint_t __wrap_mp_thread_create(void *(*entry)(void *), void *arg, size_t *stack_size) {
    if (!is_outside && thread_bytes && !take(thread_bytes)) {
        mp_raise_msg(&mp_type_OSError, MP_ERROR_TEXT("can't create thread"));
    }
    return __real_mp_thread_create(entry, arg, stack_size);
}

// What select needs while it waits, and is told there is not: EIO.
static size_t poll_bytes;

int __real_poll(struct pollfd *descriptors, nfds_t count, int timeout_ms);
int __wrap_poll(struct pollfd *descriptors, nfds_t count, int timeout_ms) {
    if (regions && largest_of_all() < poll_bytes) {
        errno = EIO;
        return -1;
    }
    return __real_poll(descriptors, count, timeout_ms);
}

// A clock that the world turns.
static bool has_clock;
static mp_uint_t clock_ms;

mp_uint_t __real_mp_hal_ticks_ms(void);
mp_uint_t __wrap_mp_hal_ticks_ms(void) {
    return has_clock ? clock_ms : __real_mp_hal_ticks_ms();
}

// clock(ms): it is so late now, and stays so
static mp_obj_t chip_clock(mp_obj_t ms) {
    has_clock = true;
    clock_ms = mp_obj_get_int(ms);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(chip_clock_obj, chip_clock);

// costs(thread, poll): bytes
static mp_obj_t chip_costs(mp_obj_t thread, mp_obj_t poll) {
    thread_bytes = mp_obj_get_int(thread);
    poll_bytes = mp_obj_get_int(poll);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(chip_costs_obj, chip_costs);

// queued(descriptor) -> (bytes that were sent and nobody has taken, bytes that nobody has read)
static mp_obj_t chip_queued(mp_obj_t descriptor) {
    int fd = mp_obj_get_int(descriptor), sent = 0, received = 0;
    ioctl(fd, TIOCOUTQ, &sent);
    ioctl(fd, FIONREAD, &received);
    mp_obj_t items[] = { mp_obj_new_int(sent), mp_obj_new_int(received) };
    return mp_obj_new_tuple(2, items);
}
static MP_DEFINE_CONST_FUN_OBJ_1(chip_queued_obj, chip_queued);

static mp_obj_t chip_native(void) {
    return mp_obj_new_int(native_bytes);
}
static MP_DEFINE_CONST_FUN_OBJ_0(chip_native_obj, chip_native);

static const mp_rom_map_elem_t globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__chip) },
    { MP_ROM_QSTR(MP_QSTR_begin), MP_ROM_PTR(&chip_begin_obj) },
    { MP_ROM_QSTR(MP_QSTR_outside), MP_ROM_PTR(&chip_outside_obj) },
    { MP_ROM_QSTR(MP_QSTR_was_safe), MP_ROM_PTR(&chip_was_safe_obj) },
    { MP_ROM_QSTR(MP_QSTR_reach), MP_ROM_PTR(&chip_reach_obj) },
    { MP_ROM_QSTR(MP_QSTR_begin_again), MP_ROM_PTR(&chip_begin_again_obj) },
    { MP_ROM_QSTR(MP_QSTR_least), MP_ROM_PTR(&chip_least_obj) },
    { MP_ROM_QSTR(MP_QSTR_heap), MP_ROM_PTR(&chip_heap_obj) },
    { MP_ROM_QSTR(MP_QSTR_regions), MP_ROM_PTR(&chip_regions_obj) },
    { MP_ROM_QSTR(MP_QSTR_take), MP_ROM_PTR(&chip_take_obj) },
    { MP_ROM_QSTR(MP_QSTR_give), MP_ROM_PTR(&chip_give_obj) },
    { MP_ROM_QSTR(MP_QSTR_clock), MP_ROM_PTR(&chip_clock_obj) },
    { MP_ROM_QSTR(MP_QSTR_costs), MP_ROM_PTR(&chip_costs_obj) },
    { MP_ROM_QSTR(MP_QSTR_queued), MP_ROM_PTR(&chip_queued_obj) },
    { MP_ROM_QSTR(MP_QSTR_names), MP_ROM_PTR(&chip_names_obj) },
    { MP_ROM_QSTR(MP_QSTR_native), MP_ROM_PTR(&chip_native_obj) },
};
static MP_DEFINE_CONST_DICT(globals, globals_table);

const mp_obj_module_t chip_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&globals,
};
MP_REGISTER_MODULE(MP_QSTR__chip, chip_module);
MP_REGISTER_ROOT_POINTER(void *chip_names);
