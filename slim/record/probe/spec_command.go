package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/pare-image/pare/slim/profile"
)

// ParseExec reads a command to run inside the container: words as a shell
// splits them (nothing is expanded, no shell is there), or a JSON array.
//
//	redis-cli ping
//	sh -c 'ls /data | wc -l'
//	["printf", "%s\n", "a b"]
func ParseExec(spec string) (profile.Probe, error) {
	return parseCommand(profile.ProbeExec, spec, `'sh -c "ls | wc -l"'`)
}

// ParseRun reads a command of the host in the same forms. It gets PARE_ADDR
// (host:port), PARE_HOST, PARE_PORT and PARE_PORT_1, PARE_PORT_2 and so on.
func ParseRun(spec string) (profile.Probe, error) {
	return parseCommand(profile.ProbeRun, spec, `'sh -c "curl -f http://$PARE_ADDR/"'`)
}

func parseCommand(kind profile.ProbeKind, spec, example string) (profile.Probe, error) {
	argv, err := argvOf(spec)
	if err != nil {
		return profile.Probe{}, fmt.Errorf("reading the command %s: %w; an example: %s", shown(spec), err, example)
	}
	return profile.Probe{Kind: kind, Argv: argv}, nil
}

// maxArgv is what [profile.Read] takes.
const maxArgv = 10_000

func argvOf(spec string) (argv []string, err error) {
	if strings.HasPrefix(strings.TrimSpace(spec), "[") {
		if err := json.Unmarshal([]byte(spec), &argv); err != nil {
			return nil, fmt.Errorf("it begins with [ but is no JSON array of strings (quote a command called [): %w", err)
		}
	} else if argv, err = words(spec); err != nil {
		return nil, err
	}
	if len(argv) == 0 || argv[0] == "" {
		return nil, errors.New("the command is missing")
	}
	if len(argv) > maxArgv || strings.ContainsRune(strings.Join(argv, ""), 0) {
		return nil, fmt.Errorf("more than %d words, or one with a NUL byte", maxArgv)
	}
	return argv, nil
}
