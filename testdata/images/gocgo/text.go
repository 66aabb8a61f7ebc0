package main

/*
#define _GNU_SOURCE
#include <errno.h>
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static size_t convert(const char *to, const char *from, char *in, size_t in_left, char *out, size_t room) {
	iconv_t cd = iconv_open(to, from);
	if (cd == (iconv_t)-1)
		return -1;
	size_t had = room;
	int bad = iconv(cd, &in, &in_left, &out, &room) == (size_t)-1 || iconv(cd, NULL, NULL, &out, &room) == (size_t)-1;
	int why = errno;
	iconv_close(cd);
	errno = why;
	return bad ? -1 : had - room;
}

static size_t day(locale_t l, time_t t, char *out, size_t room) {
	struct tm tm;
	return strftime_l(out, room, "%A, %d. %B %Y", gmtime_r(&t, &tm), l);
}

// The zone by the C library's own reading of TZ.
static size_t local_zone(time_t t, char *out, size_t room) {
	struct tm tm;
	tzset();
	return strftime(out, room, "%H:%M %Z", localtime_r(&t, &tm));
}
*/
import "C"

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unsafe"
)

const room = 4096

// convert is text in another character set and back again.
func convert(r *http.Request) (any, error) {
	set := r.FormValue("to")
	there, err := iconv(set, "UTF-8", r.FormValue("text"))
	if err != nil {
		return nil, fmt.Errorf("to %s: %w", set, err)
	}
	back, err := iconv("UTF-8", set, there)
	if err != nil {
		return nil, fmt.Errorf("from %s: %w", set, err)
	}
	return map[string]string{"hex": hex.EncodeToString([]byte(there)), "back": back}, nil
}

func iconv(to, from, text string) (string, error) {
	cTo, cFrom, in, out := C.CString(to), C.CString(from), C.CString(text), (*C.char)(C.malloc(room))
	defer C.free(unsafe.Pointer(cTo))
	defer C.free(unsafe.Pointer(cFrom))
	defer C.free(unsafe.Pointer(in))
	defer C.free(unsafe.Pointer(out))
	n, err := C.convert(cTo, cFrom, in, C.size_t(len(text)), out, room)
	if n == ^C.size_t(0) {
		return "", err
	}
	return C.GoStringN(out, C.int(n)), nil
}

// german is a date, a decimal point, an error and an order of words as a
// German reads them.
func german(r *http.Request) (any, error) {
	name := C.CString("de_DE.UTF-8")
	defer C.free(unsafe.Pointer(name))
	l := C.newlocale(C.LC_ALL_MASK, name, nil)
	if l == nil {
		return nil, errors.New("no German locale")
	}
	defer C.freelocale(l)
	out := (*C.char)(C.malloc(room))
	defer C.free(unsafe.Pointer(out))
	const leapDay = 1709208000
	words := strings.Fields(r.FormValue("words"))
	slices.SortFunc(words, func(a, b string) int { return collate(l, a, b) })
	return map[string]any{
		"day":   C.GoStringN(out, C.int(C.day(l, leapDay, out, room))),
		"point": C.GoString(C.nl_langinfo_l(C.RADIXCHAR, l)),
		"error": C.GoString(C.strerror_l(C.ENOENT, l)),
		"words": words,
		"clock": C.GoStringN(out, C.int(C.local_zone(leapDay, out, room))),
	}, nil
}

func collate(l C.locale_t, a, b string) int {
	ca, cb := C.CString(a), C.CString(b)
	defer C.free(unsafe.Pointer(ca))
	defer C.free(unsafe.Pointer(cb))
	return int(C.strcoll_l(ca, cb, l))
}
