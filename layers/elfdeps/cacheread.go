package elfdeps

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrCache says that a file is no ld.so.cache that can be read.
var ErrCache = errors.New("not an ld.so.cache of glibc 2.2 or later")

// cacheMagic begins the part of the cache that all of today's loaders read;
// older ldconfig writes another one before it.
const cacheMagic = "glibc-ld.so.cache1.1"

// ReadCache lists the paths of an ld.so.cache in its order, each after its
// soname: pairs. Source: glibc sysdeps/generic/dl-cache.h.
func ReadCache(b []byte) ([][2]string, error) {
	i := bytes.Index(b, []byte(cacheMagic))
	if i < 0 || len(b[i:]) < cacheHeaderSize {
		return nil, ErrCache
	}
	b = b[i:]
	var order binary.ByteOrder = binary.LittleEndian
	if b[28]&3 == 3 {
		order = binary.BigEndian
	}
	n := int(order.Uint32(b[20:]))
	if n > (len(b)-cacheHeaderSize)/cacheEntrySize {
		return nil, fmt.Errorf("%w: %d entries in %d bytes", ErrCache, n, len(b))
	}
	out := make([][2]string, n)
	for i := range out {
		e := b[cacheHeaderSize+i*cacheEntrySize:]
		for j := range out[i] {
			at := int(order.Uint32(e[4+4*j:]))
			if at >= len(b) {
				return nil, fmt.Errorf("%w: entry %d is outside", ErrCache, i)
			}
			name, _, ok := bytes.Cut(b[at:min(len(b), at+maxCacheName)], []byte{0})
			if !ok {
				return nil, fmt.Errorf("%w: a name of entry %d does not end", ErrCache, i)
			}
			out[i][j] = string(name)
		}
	}
	return out, nil
}

// maxCacheName bounds a name, of which a hostile cache may repeat a long one.
const maxCacheName = 4096 + 1
