package main

/*
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct rows { char *text; size_t len, room; };

static int row(void *to, int n, char **value, char **name) {
	struct rows *r = to;
	(void)name;
	for (int i = 0; i < n; i++) {
		const char *v = value[i] ? value[i] : "";
		size_t l = strlen(v);
		if (r->len + l + 1 > r->room)
			return 1;
		memcpy(r->text + r->len, v, l);
		r->len += l;
		r->text[r->len++] = i + 1 < n ? '|' : '\n';
	}
	return 0;
}

// query runs SQL on a database in memory; the library comes by its name, as
// https://www.sqlite.org/c3ref/exec.html describes it.
static const char *query(const char *library, const char *sql, struct rows *out) {
	void *lib = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		return dlerror();
	int (*open)(const char *, void **) = dlsym(lib, "sqlite3_open");
	int (*exec)(void *, const char *, int (*)(void *, int, char **, char **), void *, char **) = dlsym(lib, "sqlite3_exec");
	int (*close)(void *) = dlsym(lib, "sqlite3_close");
	if (!open || !exec || !close)
		return "sqlite3 lacks a function";
	void *db;
	const char *problem = NULL;
	if (open(":memory:", &db))
		problem = "sqlite3_open";
	else if (exec(db, sql, row, out, NULL))
		problem = "sqlite3_exec";
	close(db);
	return problem;
}
*/
import "C"

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"unsafe"
)

// means is the mean temperature of each station, reckoned by SQLite.
func means(*http.Request) (any, error) {
	f, err := os.Open(filepath.Join(dataDir, "readings.csv"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, err
	}
	sql := "CREATE TABLE reading (station TEXT, celsius REAL);"
	for _, l := range lines[1:] {
		sql += fmt.Sprintf("INSERT INTO reading VALUES ('%s', %s);", strings.ReplaceAll(l[0], "'", "''"), l[1])
	}
	return query(sql + "SELECT station, round(avg(celsius), 2) FROM reading GROUP BY station ORDER BY 2;")
}

func query(sql string) ([]string, error) {
	library, cSQL := C.CString("libsqlite3.so.0"), C.CString(sql)
	defer C.free(unsafe.Pointer(library))
	defer C.free(unsafe.Pointer(cSQL))
	out := (*C.struct_rows)(C.calloc(1, C.sizeof_struct_rows))
	defer C.free(unsafe.Pointer(out))
	out.room = room
	out.text = (*C.char)(C.malloc(room))
	defer C.free(unsafe.Pointer(out.text))
	if problem := C.query(library, cSQL, out); problem != nil {
		return nil, errors.New(C.GoString(problem))
	}
	text := C.GoStringN(out.text, C.int(out.len))
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n"), nil
}
