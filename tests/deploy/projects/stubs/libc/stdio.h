/* Where a cross compiler has no C library. */
typedef struct stream FILE;
extern FILE *const stdout;
int fputs(const char *text, FILE *stream);
int fflush(FILE *stream);
