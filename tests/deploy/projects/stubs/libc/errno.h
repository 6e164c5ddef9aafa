/* Where a cross compiler has no C library. */
#define ENODEV 19
