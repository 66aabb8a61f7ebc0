// Package elfdeps says what an ELF file needs and finds it in a file tree, as
// the dynamic loaders of glibc and musl would, without running anything.
//
// [Parse] reads one file, and [ParseSymbols] its symbols; [Resolver] finds
// libraries; [WriteCache] writes an ld.so.cache. Sources: the System V gABI
// (ELF header, dynamic section), ld.so(8), glibc's elf/cache.c and
// sysdeps/generic/dl-cache.h, and musl's ldso/dynlink.c.
package elfdeps
