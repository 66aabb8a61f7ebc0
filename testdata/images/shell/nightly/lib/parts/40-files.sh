section files
find "$NIGHTLY_HOME/share" -type f -size -2k -print0 | sort -z | xargs -0 -n1 basename | paste -sd, -
find "$NIGHTLY_HOME/share/sales" -name '*.gz' -newermt '2024-01-01' -exec stat -c '%n %Y' {} + | sed 's|.*/||' | sort
printf 'a b c d e f' | xargs -d ' ' -n2 -P2 sh -c 'echo "$2$1"' sh | sort | paste -sd' ' -

section archive
mkdir "$work/archive"
for f in "$work"/*.totals; do
	tr '|' '\t' <"$f" | expand -t 12 | gzip -n >"$work/archive/$(basename "$f" .totals).txt.gz"
done
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work" -czf "$NIGHTLY_OUT/archive.tgz" archive
tar -tzf "$NIGHTLY_OUT/archive.tgz" | sed -n '$='
(cd "$NIGHTLY_OUT" && sha256sum archive.tgz customers.latin2 >SHA256SUMS && sha256sum --check --quiet SHA256SUMS && echo checked)
