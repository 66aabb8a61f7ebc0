section shell
code=0
(trap 'echo "subshell cleans up"' EXIT; exit 7) || code=$?
echo "subshell ended with $code"
mkfifo "$work/pipe"
(sed 's/^/through the pipe: /' <"$work/pipe") &
echo hello >"$work/pipe"
wait $!
false | true && echo 'not reached' || echo "pipefail: ${PIPESTATUS[*]}"
read -r first rest <<<'one two three'
echo "$rest, then ${first^^}"
timeout 5 sh -c 'kill -TERM $$' || echo "killed: $?"
cat >"$NIGHTLY_OUT/letter.txt" <<EOF
Dear $(getent passwd mail | cut -d: -f1),
$(printf '%s\n' "$@" | wc -l) days were asked for, $(ls "$work"/*.totals | wc -l) had sales.
	Yours, the job
EOF
wc -l <"$NIGHTLY_OUT/letter.txt"

section system
getent group games | cut -d: -f3
getent services https/tcp | awk '{ print $2 }'
[ "$(id -un)" = "$(getent passwd "$(id -u)" | cut -d: -f1)" ] && echo 'I have a name'
tput -T xterm setaf 1 | od -An -c | tr -s ' '
tput -T vt100 cols
perl -CS -MPOSIX=floor -MList::Util=sum -ne 'push @n, length; END { printf "%d %s\n", floor(sum(@n) / @n), lc "ŘEKA" }' -Mutf8 "$NIGHTLY_HOME/share/customers.txt"
