//go:build linux && race

package builtin

func init() { reexecEnv = []string{"GORACE=atexit_sleep_ms=0"} }
