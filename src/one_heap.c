/* Has the C library's allocator keep one heap for all threads, before there are any.
 *
 * glibc gives a thread that finds the heap in use another one, up to eight per processor. What is freed in one heap is of no
 * use to a thread of another, so each becomes as large as its threads ever needed. There is no contention worth those: each
 * thread keeps small pieces for itself. It is C, because glibc has only a call for this, and the crate has no unsafe Rust.
 *
 * Who sets MALLOC_ARENA_MAX asks for something else.
 */
#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

__attribute__((constructor)) static void keep_one_heap(void) {
    const char *asked = getenv("MALLOC_ARENA_MAX");
    if (asked == NULL || *asked == '\0') {
        mallopt(M_ARENA_MAX, 1);
    }
}
#endif
